package file

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"curlew.example/curlew"
)

// descriptors returns how many of this process are of a file.
func descriptors(t *testing.T, name string) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, _ := os.Readlink(fd); to == name {
			n++
		}
	}
	return n
}

// TestNoDescriptorIsLeft: however a connection ends, or a handshake fails, the
// file is closed, and not only when the garbage is collected.
func TestNoDescriptorIsLeft(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "one")
	write(t, dir, "one", numbered(1<<20))
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, one)
		for range 20 {
			c, err := h.dial("/one", curlew.Options{})
			if err != nil {
				t.Fatal(err)
			}
			all(t, c) // to the end
			if c, err = h.dial("/one", curlew.Options{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := descriptors(t, name); n != 1 {
				t.Fatalf("%d descriptors in the middle", n)
			}
			c.Abort(nil)
			end, err := h.network.DialContext(t.Context(), "tcp", "site:80")
			if err != nil {
				t.Fatal(err)
			}
			end.Write([]byte("GET /one HTTP/1.1\r\nHost: site\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
			end.Close() // before the 101
			synctest.Wait()
		}
		if n := descriptors(t, name); n != 0 {
			t.Errorf("%d descriptors are left", n)
		}
	})
}
