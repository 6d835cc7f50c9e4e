package server_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"curlew.example/curlew"
)

// A large file over sockets, to a client that takes its time, with a queue and
// without a limit for it: all of it comes, and no more than the queue waits.
func TestFile(t *testing.T) {
	t.Parallel()
	everyWay(t, `routes: [
		{ match: '/files/{name}', handler: 'file', file: { path: './${name}.bin' } },
		{ match: '/unlimited/{name}', handler: 'file', file: { path: './${name}.bin' }, limits: { sendQueue: 'unlimited' } },
	]`, func(t *testing.T, r *running) {
		size := int64(64 << 20)
		if r.mode != "" {
			size /= 8
		}
		name := filepath.Join(r.dir, "large.bin")
		if err := os.WriteFile(name, []byte("from the start"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, size); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/files/large", "/unlimited/large"} {
			c := r.dial(path, curlew.Options{MaxMessage: -1, MaxFragments: -1})
			typ, message, err := c.Reader(t.Context())
			if err != nil || typ != curlew.Binary {
				t.Fatal(typ, err)
			}
			if n, err := io.Copy(io.Discard, message); n != size || err != nil {
				t.Errorf("%s: %d bytes, %v", path, n, err)
			}
			_, _, err = c.Read(t.Context(), nil)
			if e, ok := err.(*curlew.CloseError); !ok || e.Code != curlew.NormalClosure || !e.Orderly() {
				t.Errorf("%s: %v", path, err)
			}
		}
		for path, want := range map[string]string{"/files/none": "404", "/files/site": "404", "/files/..%2Flarge": "404"} {
			if got := codes(r.say(upgrade(path) + get)); got != want {
				t.Errorf("%s: %s, want %s", path, got, want)
			}
		}
	})
}
