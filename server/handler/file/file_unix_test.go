//go:build unix

package file

import (
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
)

// TestSF5_NotRegular: what is no regular file is refused without waiting for it.
func TestSF5_NotRegular(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "files/a", nil)
	if err := syscall.Mkfifo(filepath.Join(dir, "files/pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "files/socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, `
			{ match: '/file/{f}', handler: 'file', file: { path: 'files/${f}' } },
			{ match: '/dev/{f}', handler: 'file', file: { path: '/dev/${f}' } },
			{ match: '/pipe', handler: 'file', file: { path: 'files/pipe' } },
			{ match: '/null', handler: 'file', file: { path: '/dev/null' } }`)
		for _, path := range []string{"/file/pipe", "/file/socket", "/pipe", "/null", "/dev/zero", "/dev/tty"} {
			if got := h.status(path); got != http.StatusNotFound {
				t.Errorf("%s: %d", path, got)
			}
		}
	})
}
