package testenv

import (
	"net"
	"strings"
	"testing"
)

// recorder is a testing.TB that notes how a test ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()           {}
func (r *recorder) Skip(args ...any)  { r.end("skipped", args) }
func (r *recorder) Fatal(args ...any) { r.end("failed", args) }

func (r *recorder) end(how string, args []any) {
	if r.ended == "" {
		r.ended = how + ": " + args[0].(string)
	}
}

func TestNeed(t *testing.T) {
	r := &recorder{TB: t}
	if got := Need(r, "no-such-program-at-all", "go"); got == "" || r.ended != "" {
		t.Errorf("Need(..., go) = %q, test %s", got, r.ended)
	}
	if got := NeedRun(r, []string{"version"}, "no-such-program", "false", "go"); got != "go" || r.ended != "" {
		t.Errorf("NeedRun(version) = %q, test %s", got, r.ended)
	}
}

func TestMissing(t *testing.T) {
	const reason = "no-such-program is not installed; make deps brings it where it can"
	for _, c := range []struct{ ci, want string }{
		{"", "skipped: " + reason},
		{"false", "skipped: " + reason},
		{"true", "failed: " + reason},
	} {
		t.Setenv("CI", c.ci)
		r := &recorder{TB: t}
		Need(r, "no-such-program")
		if r.ended != c.want {
			t.Errorf("CI=%s: test %s, want %s", c.ci, r.ended, c.want)
		}
	}
}

func TestFree(t *testing.T) {
	seen := make(map[string]bool)
	for range 50 {
		at := Free(t)
		if seen[at] || !strings.HasPrefix(at, "127.") {
			t.Errorf("%s", at)
		}
		seen[at] = true
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := net.ListenPacket("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
}
