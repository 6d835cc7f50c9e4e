// Package testenv finds the programs that some tests start: browsers, proxies,
// other people's WebSocket software. A test whose program is not there is
// skipped with the reason, and fails where CI=true: what CI calls green has run.
//
// Only tests import it.
package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Need returns the path of the first of the named programs that exists, in PATH
// or where Debian hides daemons; a name with a slash is a path. Without any of
// them the test ends by Missing.
func Need(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		if strings.Contains(name, "/") {
			continue
		}
		for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
	}
	Missing(t, strings.Join(names, " or ")+" is not installed; make deps brings it where it can")
	return ""
}

// NeedRun returns the first of the named programs that succeeds when it is run
// with args: an interpreter that has a module, say.
func NeedRun(t testing.TB, args []string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if exec.Command(name, args...).Run() == nil {
			return name
		}
	}
	Missing(t, strings.Join(names, " or ")+" "+strings.Join(args, " ")+": does not run here; make deps brings it where it can")
	return ""
}

// Missing ends a test that cannot run here: skipped, or failed where CI=true.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
