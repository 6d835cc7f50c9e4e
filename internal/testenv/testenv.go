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

// NeedRun is Need for the first of the commands that succeeds: an interpreter
// with a module, say. A command is a program and its arguments, separated by
// spaces. It returns the program.
func NeedRun(t testing.TB, commands ...string) string {
	t.Helper()
	for _, c := range commands {
		if f := strings.Fields(c); len(f) > 0 && exec.Command(f[0], f[1:]...).Run() == nil {
			return f[0]
		}
	}
	Missing(t, "none of these runs here: "+strings.Join(commands, "; ")+"; make deps brings it where it can")
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
