//go:build unix

package static

import (
	"net"
	"os"
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
	// A link to one, in the place of an index and of a sibling, and one behind a link.
	os.Symlink("pipe", filepath.Join(root, "link"))
	os.Remove(filepath.Join(root, "sub", "index.html"))
	os.Remove(filepath.Join(root, "app.js.gz"))
	for _, name := range []string{"sub/index.html", "app.js.gz"} {
		if err := syscall.Mkfifo(filepath.Join(root, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := newHandler(t, root, "/")
	if r := ask(h, "GET", "/app.js", "Accept-Encoding", "gzip"); r.StatusCode != 200 || text(t, r) != "plain" {
		t.Errorf("a file beside a pipe: %d", r.StatusCode)
	}
	for _, p := range []string{"/pipe", "/socket", "/pipe/", "/link", "/link/", "/sub/", "/sub/index.html", "/app.js.gz"} {
		if r := ask(h, "GET", p); r.StatusCode != 404 {
			t.Errorf("%s: %d", p, r.StatusCode)
		}
	}
	dev := newHandler(t, "/dev", "/")
	for _, p := range []string{"/null", "/zero", "/tty", "/stdin", "/fd/0"} {
		if r := ask(dev, "GET", p); r.StatusCode != 404 {
			t.Errorf("a device, %s: %d", p, r.StatusCode)
		}
	}
}
