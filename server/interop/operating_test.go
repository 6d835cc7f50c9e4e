package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"curlew.example/curlew/internal/testenv"
	"curlew.example/curlew/server/config"
)

// operating is docs/operating.md.
func operating(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fenced returns the blocks of a kind.
func fenced(page, kind string) (list []string) {
	for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		list = append(list, m[1])
	}
	return list
}

// The sites of docs/operating.md are in order. That they do what the page says is
// shown in package server: TestRedirectToTLS, TestClientCertificates and the tests
// of trustedProxies.
func TestOperatingSites(t *testing.T) {
	blocks := fenced(operating(t), "json5")
	if len(blocks) < 3 {
		t.Fatalf("%d sites", len(blocks))
	}
	for _, text := range blocks {
		if _, err := config.Parse("operating.md", []byte(text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// The program of the Dockerfile is where it says, and builds as it says.
func TestOperatingDockerfile(t *testing.T) {
	text := strings.Join(fenced(operating(t), "dockerfile"), "")
	m := regexp.MustCompile(`(?m)^RUN cd server && CGO_ENABLED=0 (go build.*) -o /curlew (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no build in\n%s", text)
	}
	program := filepath.Join(t.TempDir(), "curlew")
	cmd := exec.Command("go", append(strings.Fields(m[1])[1:], "-o", program, m[2])...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command(program, "version").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// systemd finds nothing wrong with the units.
func TestOperatingUnits(t *testing.T) {
	analyze := testenv.Need(t, "systemd-analyze")
	dir, program := t.TempDir(), build(t)
	var names []string
	for _, name := range []string{"curlew.service", "curlew.socket"} {
		b, err := os.ReadFile("../../docs/systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(b), "/usr/local/bin/curlew", program, 1)
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	cmd := exec.Command(analyze, append([]string{"verify", "--man=no"}, names...)...)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "curlew.") {
		t.Errorf("%v\n%s", err, out)
	}
}
