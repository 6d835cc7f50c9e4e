package server_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/convert"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// provide makes the files that a converted site names, which are the user's to
// bring: folders, certificates, users, programs.
func provide(t *testing.T, s *site.Site) {
	t.Helper()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		// What another test starts would for a moment have it open for writing, too, and
		// a program cannot be run then (ETXTBSY).
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	c := wstest.Certificate("localhost", "127.0.0.1")
	if s.TLS != nil {
		for _, pair := range s.TLS.Certificates {
			base := filepath.Join(t.TempDir(), "pair")
			writePair(t, base, c)
			for from, to := range map[string]string{".key": pair.Key.Value, ".pem": pair.Certificate.Value} {
				text, err := os.ReadFile(base + from)
				if err != nil {
					t.Fatal(err)
				}
				if old, err := os.ReadFile(to); err == nil && pair.Key.Value == pair.Certificate.Value {
					text = append(old, text...)
				}
				write(to, string(text), 0o600)
			}
		}
		if s.TLS.ClientCA.Set() {
			base := filepath.Join(t.TempDir(), "clients")
			writePair(t, base, c)
			text, err := os.ReadFile(base + ".pem")
			if err != nil {
				t.Fatal(err)
			}
			write(s.TLS.ClientCA.Value, string(text), 0o600)
		}
	}
	for _, r := range s.Routes {
		if r.Static != nil {
			for _, name := range []string{"index.html", "page.html", "page"} { // each says where it is
				name = filepath.Join(r.Static.Directory.Value, name)
				rel, err := filepath.Rel(s.Dir, name)
				if err != nil {
					t.Fatal(err)
				}
				write(name, filepath.ToSlash(rel), 0o666)
			}
		}
		if r.Exec != nil {
			write(filepath.Join(r.Exec.Folder, r.Exec.Name), "#!/bin/sh\nexec cat\n", 0o777)
		}
		if a := r.Access.Auth; a != nil && a.Basic.Users.Set() {
			h, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
			if err != nil {
				t.Fatal(err)
			}
			// Each user with the roles that the source gives them.
			users := "joe:" + string(h) + "\n"
			if strings.HasSuffix(a.Basic.Users.Value, "users") {
				users += "boss:" + string(h) + ":admin\nmary:" + string(h) + ":executive,user\n"
			}
			write(a.Basic.Users.Value, users, 0o600)
		}
	}
}

// startConverted runs what becomes of a source, with the files that it names, on
// a plain address of its own.
func startConverted(t *testing.T, name string, source []byte) *running {
	t.Helper()
	text, err := convert.File(name, source)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "here") // sources have ../certs
	file := filepath.Join(dir, "site.json5")
	s, err := config.Parse(file, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	provide(t, s)
	s, err = config.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	s.Listen = []site.Listen{{Network: "tcp", Address: "127.0.0.1:0"}}
	r := run(t, s)
	r.dir = dir
	return r
}

// run serves a site until the test ends.
func run(t *testing.T, s *site.Site) *running {
	t.Helper()
	srv, err := server.New(s, server.Options{Handlers: basic()})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(t.Context()) }() // done before Cleanup
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &running{Server: srv, t: t, first: srv.URLs()[0]}
}

// TestConvertedStarts: the server starts with what becomes of each configuration
// of convert's own tests, and answers.
func TestConvertedStarts(t *testing.T) {
	for _, pattern := range []string{"*.conf", "*.web.json5"} {
		files, err := filepath.Glob("convert/testdata/" + pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range files {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(filepath.Base(name), func(t *testing.T) {
				t.Parallel()
				r := startConverted(t, name, source)
				if got := r.asked("/page.html"); got == "" || got[0] == '5' {
					t.Errorf("/page.html: %s", got)
				}
			})
		}
	}
}

// TestConvertedUsers: who may come where is what the source says, once the files
// of users are made.
func TestConvertedUsers(t *testing.T) {
	t.Parallel()
	type row struct{ path, user, want string }
	for name, c := range map[string]struct {
		source string
		rows   []row
	}{
		"appweb": {`
			Documents web
			AuthStore config
			Role executive manage
			User mary 5b90553bea8ba3686f4239d62801f0f3 user executive
			User joe  2fd6e47ff9bb70c0465fd2f5c8e5305e
			<Route ^/basic/>
				AuthType basic example.com
				<Route ^/basic/executive/>
					Require role executive
				</Route>
				<Route ^/basic/manage/>
					Require ability manage
				</Route>
				<Route ^/basic/joe/>
					Require user joe
				</Route>
				<Route ^/basic/open/>
					AuthType none
				</Route>
			</Route>
			<Route ^/digest$>
				AuthType digest example.com
				AddFilter webSocketFilter
				Source chat.c
			</Route>`, []row{
			{"/page.html", "", "200"},
			{"/basic/page.html", "", "401"}, {"/basic/page.html", "joe", "200"}, {"/basic/page.html", "mary", "200"}, {"/basic/page.html", "nobody", "401"},
			{"/basic/executive/page.html", "", "401"}, {"/basic/executive/page.html", "joe", "403"}, {"/basic/executive/page.html", "mary", "200"},
			{"/basic/manage/page.html", "joe", "403"}, {"/basic/manage/page.html", "mary", "200"},
			{"/basic/joe/page.html", "joe", "200"}, {"/basic/joe/page.html", "mary", "401"},
			{"/basic/open/page.html", "", "200"},
			{"ws:/digest", "", "401"}, {"ws:/digest", "joe", "101"},
		}},
		"ioto": {`{
			auth: {
				realm: 'Test Realm', authType: 'basic', roles: { user: [], admin: ['user'] },
				users: { boss: { password: 'SHA256:11c6', role: 'admin' }, mary: { password: 'BF1:00128:a:b', role: 'user' } },
			},
			documents: './site',
			routes: [
				{ match: '/user/', role: 'user', redirect: '/login' }, { match: '/admin/', role: 'admin' },
				{ match: '/ws/', role: 'admin', handler: 'action' }, { match: '/public/', role: 'public' }, {},
			],
		}`, []row{
			{"/page.html", "", "200"}, {"/public/page.html", "", "200"},
			{"/user/page.html", "", "401"}, {"/user/page.html", "joe", "403"}, {"/user/page.html", "mary", "200"}, {"/user/page.html", "boss", "200"},
			{"/admin/page.html", "", "401"}, {"/admin/page.html", "mary", "403"}, {"/admin/page.html", "boss", "200"},
			{"ws:/ws/", "", "401"}, {"ws:/ws/", "mary", "403"}, {"ws:/ws/", "boss", "101"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startConverted(t, name, []byte(c.source))
			for _, row := range c.rows {
				var lines []string
				if row.user != "" {
					lines = append(lines, basicAuth(row.user, "secret"))
				}
				path, webSocket := strings.CutPrefix(row.path, "ws:")
				got := ""
				if webSocket {
					got = codes(r.say(upgrade(path, lines...)))
				} else {
					got = r.asked(path, lines...)
				}
				if got != row.want {
					t.Errorf("%s asks for %s: %s, want %s", row.user, row.path, got, row.want)
				}
			}
		})
	}
}

// TestConvertedFiles: a path leads to the file that it led to.
func TestConvertedFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source string
		files  map[string]string // by path; "" is none
	}{
		"appweb": {`
			Documents web
			Alias /docs/ "${DOCUMENTS}/My Documents/"
			<Route ^/a/page$>
			</Route>
			<Route ^/get>
				Prefix /get
				Documents got
			</Route>
			<Route ^/files/(.*)$>
				Prefix /files
				Documents ./downloads
				Target run $1
			</Route>
			<Route ^/deep/images/>
			</Route>
			<Route ^/any/{x}/page$>
			</Route>`, map[string]string{
			"/": "web/index.html", "/page.html": "web/page.html", "/docs/page.html": "web/My Documents/page.html", "/a/page": "web/a/page",
			"/get/page.html": "got/page.html", "/files/page.html": "downloads/page.html", "/deep/images/page.html": "web/deep/images/page.html",
			"/any/a/page": "web/any/a/page", "/any/b/page": "", "/x/page.html": "",
		}},
		"ioto": {`{
			documents: '@site', routes: [
				{ match: '/' }, { match: '/page.html' }, { match: '/trace/', trim: '/trace' }, { match: '/deep/one/' }, { match: '/a/b/', trim: '/a' }, { match: '/none/' , redirect: '/page.html' }, {},
			] }`, map[string]string{
			"/": "site/index.html", "/page.html": "site/page.html", "/trace/page.html": "site/page.html", "/deep/one/page.html": "site/deep/one/page.html",
			"/a/b/page.html": "site/b/page.html", "/other/page.html": "",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startConverted(t, name, []byte(c.source))
			deep := filepath.Join(r.dir, "web", "any", "a")
			if err := os.MkdirAll(deep, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(deep, "page"), []byte("web/any/a/page"), 0o666); err != nil {
				t.Fatal(err)
			}
			for path, want := range c.files {
				a := r.say("GET " + path + " HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n")
				text, err := io.ReadAll(a[0].Body)
				if a[0].StatusCode == http.StatusNotFound {
					text = nil
				}
				if string(text) != want || err != nil {
					t.Errorf("%s: %s %q, want %q", path, a[0].Status, text, want)
				}
			}
		})
	}
}
