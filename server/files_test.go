package server_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/wstest"
)

// A web root with a secret beside it.
func webRoot(t *testing.T) (root string) {
	t.Helper()
	top := t.TempDir()
	root = filepath.Join(top, "public")
	for name, content := range map[string]string{
		"secret.txt": "outside", "public/index.html": "home", "public/a.txt": "inside",
		"public/.hidden": "outside", "public/sub/b.txt": "inside", "public/denied.txt": "outside",
	} {
		file := filepath.Join(top, name)
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.txt", filepath.Join(root, "link.txt")); err != nil {
		t.Fatal(err)
	}
	return root
}

func filesSite(t *testing.T, kind string) *running {
	return start(t, "{ @"+kind+`, routes: [
		{ match: '/denied.txt', handler: 'respond', respond: { status: 403 } },
		{ pattern: '/to(?P<rest>.*)', handler: 'redirect', redirect: { to: '/${rest}' } },
		{ match: '/files/', handler: 'static', static: { directory: '`+webRoot(t)+`' } },
		{ match: '/', handler: 'static', static: { directory: '`+webRoot(t)+`' } },
	] }`, nil)
}

// SF1, SF2, SF3, SF8: every spelling of a way out, against a prefix and the root.
func TestSF1SF2SF3SF8NothingFromOutside(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "tls"} {
		t.Run(kind, func(t *testing.T) {
			r := filesSite(t, kind)
			var targets []string
			for _, start := range []string{"/", "/files/", "//", "/sub/", "/files/sub/", "/files//"} {
				for _, up := range []string{
					"../", "..%2f", "%2e%2e/", "%2e%2e%2f", ".%2e/", "..%5c", `..\`, "%252e%252e%252f", "..;/", "..%00/", "./../", "..//", "%c0%ae%c0%ae/", "..%u2215",
				} {
					for n := 1; n <= 2; n++ {
						targets = append(targets, start+strings.Repeat(up, n)+"secret.txt")
					}
				}
				for _, name := range []string{".hidden", "%2ehidden", "link.txt", ".", "..", "denied.txt%00", "denied.txt/.", "./denied.txt", "sub/../denied.txt", "%64enied.txt/", "denied%2etxt%2f"} {
					targets = append(targets, start+name)
				}
			}
			for _, target := range targets {
				list := r.say("GET " + target + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
				if got := codes(list); got != "400" && got != "404" && got != "403" {
					t.Errorf("%s: %s", target, got)
				}
				for _, a := range list {
					if b := body(t, a); strings.Contains(b, "outside") {
						t.Errorf("%s: %s with the secret", target, a.Status)
					}
				}
			}
		})
	}
}

// SF9: no redirect leads to another host.
func TestSF9NoOpenRedirect(t *testing.T) {
	t.Parallel()
	r := filesSite(t, "plain")
	for _, target := range []string{
		"/to//evil.example", "/to/evil.example", "/to///evil.example/..", `/to\evil.example`, "/to/%5cevil.example", "/to%2f%2fevil.example",
		"//evil.example/..", "//evil.example/sub", "/sub", "/files/sub", "//sub", "///evil.example/%2e%2e",
		"/to/%0d%0aSet-Cookie:x", "/to/%09/evil.example",
	} {
		for _, a := range r.say("GET " + target + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n") {
			to := a.Header.Get("Location")
			if strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) || strings.Contains(to, "://") || strings.ContainsAny(to, "\t\\") {
				t.Errorf("%s: %s to %q", target, a.Status, to)
			}
			if a.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s: a field of its own", target)
			}
		}
	}
}

// SF10: what was asked for does not stand in the answer.
func TestSF10NotFoundSaysNothing(t *testing.T) {
	t.Parallel()
	r := filesSite(t, "plain")
	for _, target := range []string{"/<script>alert(1)</script>", "/%3Cscript%3E", "/files/<script>", "/a.txt?<script>"} {
		for _, a := range r.say("GET " + target + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n") {
			if b := body(t, a); strings.Contains(b, "script") {
				t.Errorf("%s: %q", target, b)
			}
			if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("%s: %v", target, a.Header)
			}
		}
	}
}

// SF4: folders are not listed.
func TestSF4NoListing(t *testing.T) {
	t.Parallel()
	r := filesSite(t, "plain")
	for target, want := range map[string]string{"/sub/": "404", "/files/sub/": "404", "/": "200"} {
		if got := codes(r.say("GET " + target + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
}

// SF11: a file that shrinks while it is sent ends the connection, so that nobody
// takes the rest for whole; of one that grows as much is sent as was announced.
func TestSF11FileChanges(t *testing.T) {
	t.Parallel()
	const size = 16 << 20 // more than the kernel takes for a client that does not read
	both(t, `routes: [{ match: '/', handler: 'static', static: { directory: '.' } }]`, func(t *testing.T, r *running) {
		for name, change := range map[string]func(f string) error{
			"shrinks": func(f string) error { return os.Truncate(f, size/16) },
			"grows":   func(f string) error { return os.Truncate(f, 2*size) },
		} {
			f := filepath.Join(r.dir, name+".bin")
			if err := os.WriteFile(f, make([]byte, size), 0o644); err != nil {
				t.Fatal(err)
			}
			c := r.connect()
			io.WriteString(c, "GET /"+name+".bin HTTP/1.1\r\nHost: site.example\r\n\r\nGET /none HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
			br := bufio.NewReader(c)
			a, err := http.ReadResponse(br, nil)
			if err != nil || a.ContentLength != size {
				t.Fatalf("%s: %v, %v", name, a, err)
			}
			if err := change(f); err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, a.Body)
			next, nextErr := http.ReadResponse(br, nil)
			switch name {
			case "shrinks":
				if n >= size || !errors.Is(err, io.ErrUnexpectedEOF) || nextErr == nil {
					t.Errorf("shrinks: %d bytes, %v; then %v", n, err, nextErr)
				}
			case "grows":
				if n != size || err != nil || nextErr != nil || next.StatusCode != 404 {
					t.Errorf("grows: %d bytes, %v; then %v", n, err, nextErr)
				}
			}
		}
	})
}

// SF3: what the site has its secrets in is not served, whatever name leads to it, also
// where it lies among what is; nor is the site file.
func TestSF3_OwnFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	site := `{
		tls: { certificate: 'site.pem', key: 'site.key', acme: { domains: 'a.example', cache: 'acme' } },
		auth: { basic: { users: 'users' } },
		hub: { apiKeys: 'hub.keys', auth: { jwt: { keys: 'hub.secret' } } },
		routes: [
			{ match: '/in/', handler: 'echo', auth: { jwt: { keys: 'secret' } } },
			{ match: '/file/{name}', handler: 'file', file: { path: './${name}' }, auth: 'none' },
			{ match: '/', handler: 'static', static: { directory: '.' }, auth: 'none' },
		],
	}`
	write("site.json5", site)
	write("users", "alice:$2y$10$8dVCGQAHCOZPmDbwXx/KHOOkTCpJMvsqFWN4MbJ1UxqncSj2bHt7C\n")
	write("hub.keys", "0123456789abcdef\n")
	write("secret", tokenSecret)
	write("hub.secret", tokenSecret)
	write("index.html", "fine")
	write("public.txt", "fine")
	writePair(t, filepath.Join(dir, "site"), wstest.Certificate("localhost"))
	if err := os.Mkdir(filepath.Join(dir, "acme"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("acme/a.example", "a key")
	for link, to := range map[string]string{"link": "users", "folder": "acme", "all": "."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := config.Load(filepath.Join(dir, "site.json5"))
	if err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(s, server.Options{Handlers: basic()})
	if err != nil {
		t.Fatal(err)
	}
	status := func(target string) int {
		r := httptest.NewRequest("GET", target, nil)
		if strings.HasPrefix(target, "/file/") {
			for _, f := range strings.Split(upgrade(target), "\r\n") {
				if name, value, ok := strings.Cut(f, ": "); ok && name != "Host" {
					r.Header.Add(name, value)
				}
			}
		}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w.Code
	}
	own := []string{"site.json5", "site.key", "users", "secret", "hub.keys", "hub.secret", "acme/a.example", "acme", "link", "folder/a.example", "all/site.key", "all/all/acme/a.example", "all/folder/a.example"}
	for _, name := range own {
		if got := status("/" + name); got != 404 {
			t.Errorf("/%s: %d", name, got)
		}
		if got := status("/file/" + name); got != 404 {
			t.Errorf("/file/%s: %d", name, got)
		}
	}
	for target, want := range map[string]int{"/": 200, "/public.txt": 200, "/all/public.txt": 200, "/site.pem": 200, "/file/public.txt": 501} { // whose connection cannot be taken here
		if got := status(target); got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
}
