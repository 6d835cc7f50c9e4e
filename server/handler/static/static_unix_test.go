//go:build unix

package static

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"
)

// SF5: what is no regular file is refused without waiting for it.
func TestSF5NotRegular(t *testing.T) {
	root := newFolder(t)
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newHandler(t, root, "/")
	for _, p := range []string{"/pipe", "/socket", "/pipe/"} {
		if r := ask(h, "GET", p); r.StatusCode != 404 {
			t.Errorf("%s: %d", p, r.StatusCode)
		}
	}
	if r := ask(newHandler(t, "/dev", "/"), "GET", "/null"); r.StatusCode != 404 {
		t.Errorf("a device: %d", r.StatusCode)
	}
}
