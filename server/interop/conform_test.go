package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
)

// all is how long a run of all cases may take.
const all = 3 * time.Minute

// TestConformPage runs the commands of docs/conform.md as they stand there, in
// their order, but for the program, which is built once, and the addresses, which
// must be free. The full runs are ours against ourselves: nothing may fail. (That
// nothing is late either is tested where the time is not that of a busy machine, in
// package conform.)
func TestConformPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/conform.md")
	if err != nil {
		t.Fatal(err)
	}
	curlew := build(t)
	dir := t.TempDir()
	at := ""
	n := 0
	for line := range strings.Lines(string(page)) {
		line, _, _ = strings.Cut(line, " #")
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "go run ./server/cmd/curlew ")
		if !ok {
			continue
		}
		n++
		if text == "serve" {
			at = listening(t, dir, curlew, "serve")
			continue
		}
		args := strings.Fields(strings.ReplaceAll(text, "127.0.0.1:8080", at))
		began := time.Now()
		if strings.HasPrefix(text, "conform client ") {
			conformClient(t, dir, curlew, args)
		} else {
			ctx, cancel := context.WithTimeout(t.Context(), all)
			cmd := exec.CommandContext(ctx, curlew, args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", text, err, out)
			}
			cancel()
		}
		t.Logf("%v: %s", time.Since(began).Round(time.Millisecond), text)
	}
	if n < 8 {
		t.Errorf("docs/conform.md has %d commands", n)
	}
	for _, name := range []string{"ours.json", "ours.xml", "ours.html", "index.json", "theirs.json", "matrix.html", "client.json", "client.html"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// conformClient runs conform client, and our client against it.
func conformClient(t *testing.T, dir, program string, args []string) {
	t.Helper()
	for i := range args {
		args[i] = strings.Replace(args[i], "127.0.0.1:9001", "127.0.0.1:0", 1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), all)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	line, _ := r.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if ok {
		err = testClient(ctx, url, "ours")
	}
	var rest bytes.Buffer
	rest.ReadFrom(r)
	if e := cmd.Wait(); !ok || err != nil || e != nil {
		t.Errorf("%v: %v, %v\n%s%s%s", args, err, e, line, &rest, &errs)
	}
}

// testClient is the client of docs/conform.md.
func testClient(ctx context.Context, base, agent string) error {
	echo := func(path string) (last []byte, err error) {
		c, err := curlew.Dial(ctx, base+path, &curlew.DialOptions{
			Options: curlew.Options{MaxMessage: 64 << 20, Compression: &curlew.Compression{}},
		})
		if err != nil {
			return nil, err
		}
		for {
			t, p, err := c.Read(ctx, nil)
			if err != nil {
				<-c.Done()
				return last, nil // how it ended is for the case to judge
			}
			if last = p; strings.HasPrefix(path, "/runCase") {
				_ = c.Write(ctx, t, p)
			}
		}
	}
	count, err := echo("/getCaseCount")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(count))
	if err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		_, _ = echo(fmt.Sprintf("/runCase?case=%d&agent=%s", i, agent)) // some must be refused
	}
	_, err = echo("/updateReports?agent=" + agent)
	return err
}
