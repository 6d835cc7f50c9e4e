//go:build unix

package js_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"curlew.example/curlew/client/js"
	"curlew.example/curlew/internal/testenv"
)

// tool returns one of the npm packages of the tests.
func tool(t *testing.T, name string) string {
	t.Helper()
	testenv.Need(t, "node")
	path, err := filepath.Abs("test/node_modules/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		testenv.Missing(t, "the npm packages of client/js/test are not installed; make deps brings them")
	}
	return path
}

// maxSize is what the script may cost a page, minified and gzipped.
const maxSize = 12 << 10

func TestSize(t *testing.T) {
	cmd := exec.Command(tool(t, ".bin/esbuild"), "--minify", "--format=esm", "--loader=js")
	cmd.Stdin = bytes.NewReader(js.Script)
	small, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write(small)
	w.Close()
	t.Logf("%d bytes, %d minified, %d gzipped", len(js.Script), len(small), b.Len())
	if b.Len() > maxSize {
		t.Errorf("%d bytes minified and gzipped, want at most %d", b.Len(), maxSize)
	}
}

// The types are in order, and Socket is one of WebSocket.
func TestTypes(t *testing.T) {
	out, err := exec.Command("node", tool(t, "typescript/bin/tsc"), "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", "test/types.ts").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What npm would publish is the script, its types and what says what they are.
func TestPackage(t *testing.T) {
	cmd := exec.Command(testenv.Need(t, "npm"), "pack", "--dry-run", "--json", "--loglevel=error")
	cmd.Env = append(os.Environ(), "npm_config_cache="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packs []struct{ Files []struct{ Path string } }
	if err := json.Unmarshal(out, &packs); err != nil || len(packs) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	var names []string
	for _, f := range packs[0].Files {
		names = append(names, f.Path)
	}
	slices.Sort(names)
	if got, want := strings.Join(names, " "), "README.md curlew.d.ts curlew.js package.json"; got != want {
		t.Errorf("the package has %s, want %s", got, want)
	}
}

// The tests that Node runs: the interface once more with npm's ws for a WebSocket,
// and the Client.
func TestNode(t *testing.T) {
	t.Parallel()
	tool(t, "ws")
	w := newWorld(t)
	servers, err := json.Marshal(w.URLs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--test", "--test-reporter=tap", "test/client.test.mjs", "test/fallback.test.mjs", "test/hub.test.mjs", "test/share.test.mjs", "test/socket.test.mjs")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), "CURLEW_SERVERS="+string(servers))
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "ok ") || strings.Contains(line, "duration_ms") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil || !bytes.Contains(out, []byte("# fail 0")) || bytes.Contains(out, []byte("# pass 0")) {
		t.Errorf("%v\n%s", err, out)
	}
}
