package route_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
)

// table makes a table of the routes of a site file. Each answers with its number
// and its captures.
func table(t *testing.T, routes string) *route.Table {
	t.Helper()
	s, err := config.Parse("site.json5", []byte("{ routes: ["+routes+"] }"))
	if err != nil {
		t.Fatal(err)
	}
	tab := new(route.Table)
	for i, r := range s.Routes {
		names := r.Captures
		err := tab.Add(r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, i)
			for _, n := range names {
				fmt.Fprintf(w, " %s=%s", n, r.PathValue(n))
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	return tab
}

// ask returns the answer as "status body", the body without its line end.
func ask(h http.Handler, method, host, target string) string {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return "unparsable"
	}
	r := &http.Request{
		Method: method, URL: u, Host: host, RequestURI: target, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}
	if u.Host != "" {
		r.Host = u.Host
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	text := strings.TrimSpace(string(body))
	if w.Code != http.StatusOK {
		text = w.Header().Get("Allow")
	}
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", text))
}

func TestFirstMatchWins(t *testing.T) {
	tab := table(t, `
		{ match: '/echo', handler: 'echo' },
		{ match: '/files/', handler: 'echo' },
		{ match: '/rooms/{room}', handler: 'echo' },
		{ match: '/u/{user}/files/', handler: 'echo' },
		{ pattern: '^/run/{tool}/v[0-9]{1,3}$', handler: 'echo' },
		{ pattern: '/any(?P<rest>.*)', handler: 'echo' },
		{ match: '/files/never', handler: 'echo' },
		{ match: '/', hosts: ['only.example'], handler: 'echo' },
	`)
	for _, c := range []struct{ path, want string }{
		{"/echo", "200 0"},
		{"/echo?x=1", "200 0"},
		{"/%65cho", "200 0"},
		{"/Echo", "404"}, // SF7: bytes
		{"/echo/", "404"},
		{"/files/", "200 1"},
		{"/files/a/b", "200 1"},
		{"/files/never", "200 1"},
		{"/files", "404"},
		{"/rooms/red", "200 2 room=red"},
		{"/rooms/r%C3%A9d", "200 2 room=réd"},
		{"/rooms/a%2Fb", "200 2 room=a/b"},
		{"/rooms/a%252Fb", "200 2 room=a%2Fb"},
		{"/rooms/", "404"},
		{"/rooms/red/", "404"},
		{"/rooms/red/more", "404"},
		{"/u/ann/files/", "200 3 user=ann"},
		{"/u/ann/files/x", "200 3 user=ann"},
		{"/u//files/x", "404"},
		{"/run/ls/v12", "200 4 tool=ls"},
		{"/run/ls/v1234", "404"},
		{"/run/a%2Fb/v1", "404"},
		{"/x/run/ls/v1", "404"},
		{"/any", "200 5 rest="},
		{"/anything/else", "200 5 rest=thing/else"},
		{"/", "404"},
		{"http://site.example", "404"},
	} {
		if got := ask(tab, "GET", "site.example", c.path); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
}

func TestMethods(t *testing.T) {
	tab := table(t, `
		{ match: '/a', methods: ['GET'], handler: 'echo' },
		{ match: '/a', methods: ['POST'], handler: 'echo' },
		{ match: '/a', methods: ['PUT', 'GET'], hosts: ['other.example'], handler: 'echo' },
		{ match: '/b', methods: ['POST', 'DELETE'], handler: 'echo' },
		{ match: '/c', methods: ['POST'], handler: 'echo' },
		{ match: '/c', handler: 'echo' },
	`)
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/a", "200 0"},
		{"HEAD", "/a", "200 0"},
		{"POST", "/a", "200 1"},
		{"PUT", "/a", "405 GET, HEAD, POST"},
		{"GET", "/b", "405 DELETE, POST"},
		{"GET", "/c", "200 5"},
		{"POST", "/c", "200 4"},
		{"GET", "/d", "404"},
	} {
		if got := ask(tab, c.method, "site.example", c.path); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, got, c.want)
		}
	}
}

// HS38: the host of an absolute target counts. HS39: one form of a host.
func TestHS38Hosts(t *testing.T) {
	tab := table(t, `
		{ match: '/', hosts: ['one.example'], handler: 'echo' },
		{ match: '/', hosts: ['*.two.example', '192.0.2.1'], handler: 'echo' },
		{ match: '/', hosts: ['[2001:DB8:0::1]'], handler: 'echo' },
	`)
	for _, c := range []struct{ host, target, want string }{
		{"one.example", "/", "200 0"},
		{"ONE.example:8080", "/", "200 0"},
		{"one.example.", "/", "200 0"},
		{"a.two.example", "/", "200 1"},
		{"a.b.two.example", "/", "200 1"},
		{"two.example", "/", "421"},
		{"atwo.example", "/", "421"},
		{".two.example", "/", "400"},
		{"192.0.2.1:80", "/", "200 1"},
		{"three.example", "/", "421"},
		{"one.example", "http://evil.example/", "421"},
		{"evil.example", "http://one.example/", "200 0"},
		{"one.example:0", "/", "400"},
		{"one.example:65536", "/", "400"},
		{"one.example:8a", "/", "400"},
		{"user@one.example", "/", "400"},
		{"[::1", "/", "400"},
		{"[::1%25eth0]", "/", "400"},
		{"[::1]:80", "/", "421"},
		{"[2001:db8::1]", "/", "200 2"},
		{"[2001:db8:0:0::0001]:80", "/", "200 2"},
		{"one..example", "/", "400"},
		{"", "/", "400"},
	} {
		if got := ask(tab, "GET", c.host, c.target); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.host, c.target, got, c.want)
		}
	}
}

// SF1, SF8: what two programs could read in two ways reaches no handler.
func TestSF1PathsRefused(t *testing.T) {
	tab := table(t, `{ match: '/', handler: 'echo' }`)
	for _, p := range []string{
		"/..", "/../", "/../../etc/passwd", "/a/../b", "/a/..", "/./a", "/a/.", "/%2e%2e/x", "/%2e%2e%2fx/..", "/.%2e/",
		"/a%00b", "/%00", "/a%0d%0ab", "/%1b[2J", "/%7f", `/a%5cb`, `/..%5c..%5cx`, `/\evil.example`, "/%ff", "/%c0%ae%c0%ae/", "*",
	} {
		if got := ask(tab, "GET", "site.example", p); got != "400" && got != "unparsable" {
			t.Errorf("%s: %s, want 400", p, got)
		}
	}
	// Decoded once: these are names, if odd ones.
	for _, p := range []string{"/%252e%252e/x", "/..;/x", "/.../x", "//evil.example/x", "/a//b", "/..%2fx", "/a%2f..%2fb"} {
		if got := ask(tab, "GET", "site.example", p); got != "200 0" {
			t.Errorf("%s: %s, want 200", p, got)
		}
	}
}

// AU15: other ways to write the path of a route do not lead to a later one, whose
// handler, a backend's say, may read them as the first.
func TestAU15OtherSpellings(t *testing.T) {
	tab := table(t, `{ match: '/open/', handler: 'echo' }, { match: '/admin/', handler: 'echo' }, { match: '/exact', handler: 'echo' },
		{ pattern: '/p/{x}/secret', handler: 'echo' }, { match: '/post/', methods: ['POST'], handler: 'echo' }, { match: '/h/', hosts: ['other.example'], handler: 'echo' },
		{ match: '/rooms/{room}', handler: 'echo' }, { handler: 'echo' }`)
	for target, want := range map[string]string{
		"/admin/x": "200 1", "/%61dmin/x": "200 1", "/exact": "200 2", "/p/a/secret": "200 3 x=a",
		"//admin/x": "404", "/admin%2fx": "404", "/admin%2Fx": "404", "/%2fadmin/x": "404", "/admin;a=b/x": "404", "/admin;/x": "404", "/;x/admin/x": "404",
		"//admin//x": "404", "/admin//x": "200 1", "/admin/%2fx": "200 1", "/admin/;x": "200 1",
		"//exact": "404", "/exact;x": "404", "/%2Fexact": "404", "/exact;a%2Fb": "404",
		"/p//a/secret": "404", "/p/a%2fsecret": "404", "/p/a;b/secret": "200 3 x=a;b", "/p%2fa/secret": "404",
		"/open/..%2fadmin/x": "404", "/open/..;/admin/x": "404", "/open/..;a=b/admin/x": "404", "/open/x%2f..%2f..%2fadmin/x": "404", "/open/..%2fx": "404",
		"/open/a%2f..%2fb": "200 0", "/open/a;b/c": "200 0", "/open//x": "200 0", "/open/..;": "404", "/open/a%2f%2e%2e": "200 0",
		"/x/.%2fadmin/x": "200 7", "/.%2fadmin/x": "404", "/.;/admin/x": "404", "/..;/admin/x": "404",
		"/rooms/a%2Fb": "200 6 room=a/b", "/rooms/a;b": "200 6 room=a;b", "/rooms/..%2f..%2fadmin%2fx": "404",
		"//post/x": "200 7", "//h/x": "200 7", "//nobody/x": "200 7", "/nobody;x": "200 7", "/..;/nobody": "200 7", "/admin": "200 7", "//admin": "200 7", "//admin/": "404",
	} {
		if got := ask(tab, "GET", "site.example", target); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	if got := ask(tab, "POST", "site.example", "//post/x"); got != "404" {
		t.Errorf("POST: %s", got)
	}
}

func TestHTTP10WithoutHost(t *testing.T) {
	tab := table(t, `{ match: '/', hosts: ['one.example'], handler: 'echo' }, { match: '/', handler: 'echo' }`)
	r := httptest.NewRequest("GET", "/", nil)
	r.Host, r.Proto, r.ProtoMinor = "", "HTTP/1.0", 0
	w := httptest.NewRecorder()
	tab.ServeHTTP(w, r)
	if w.Body.String() != "1" {
		t.Errorf("%d %s, want the second route", w.Code, w.Body)
	}
}

// SF10: nothing of a request stands in a refusal.
func TestSF10RefusalsEchoNothing(t *testing.T) {
	tab := table(t, `{ match: '/a', methods: ['POST'], handler: 'echo' }`)
	for _, path := range []string{"/<script>alert(1)</script>", "/a?<script>"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		tab.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), "script") {
			t.Errorf("%s: answered %q", path, w.Body)
		}
		if ct, sniff := w.Header().Get("Content-Type"), w.Header().Get("X-Content-Type-Options"); !strings.HasPrefix(ct, "text/plain") || sniff != "nosniff" {
			t.Errorf("%s: content type %q, %q", path, ct, sniff)
		}
	}
}

func FuzzTable(f *testing.F) {
	for _, p := range []string{"/", "/echo", "/rooms/a%2Fb", "/u/ann/files/x", "/../x", "/%00", "http://h/x", "//e/x"} {
		f.Add("h", p)
	}
	s, err := config.Parse("site.json5", []byte(`{ routes: [
		{ match: '/rooms/{room}', handler: 'echo' }, { match: '/u/{a}/{b}/', handler: 'echo' },
		{ pattern: '/p/{x}/(?P<y>.*)', handler: 'echo' }, { match: '/', handler: 'echo' } ] }`))
	if err != nil {
		f.Fatal(err)
	}
	tab := new(route.Table)
	for _, r := range s.Routes {
		names := r.Captures
		tab.Add(r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for s := range strings.SplitSeq(r.URL.Path, "/") {
				if (s == "." || s == "..") && !strings.Contains(strings.ToLower(r.URL.EscapedPath()), "%2f") {
					panic("a dot segment got through: " + r.URL.Path)
				}
			}
			if strings.ContainsAny(r.URL.Path, "\x00\r\n\\") {
				panic("a control character got through")
			}
			for _, n := range names {
				if n != "y" && r.PathValue(n) == "" {
					panic("an empty capture")
				}
			}
		}))
	}
	f.Fuzz(func(_ *testing.T, host, target string) { ask(tab, "GET", host, target) })
}

// SF7: paths are compared byte by byte. Nothing changes its case or its length on
// the way to a rule.
func TestSF7Bytes(t *testing.T) {
	tab := table(t, `
		{ match: '/kilo/', handler: 'respond' }, { match: '/{name}/İ', handler: 'respond' },
		{ pattern: '/straße/{rest}', handler: 'respond' }, { handler: 'respond' }`)
	for target, want := range map[string]string{
		"/kilo/":                  "200 0",
		"/KILO/":                  "200 3",
		"/%E2%84%AAilo/":          "200 3", // KELVIN SIGN
		"/kilo%E2%80%8B/":         "200 3", // ZERO WIDTH SPACE
		"/x/%C4%B0":               "200 1 name=x",
		"/%C4%B0/%C4%B0":          "200 1 name=İ",
		"/x/i%CC%87":              "200 3", // the same in lower case, a byte longer
		"/stra%C3%9Fe/x":          "200 2 rest=x",
		"/stra%E1%BA%9Ee/x":       "200 3",
		"/STRASSE/x":              "200 3",
		"/stra%C3%9Fe/%C4%B0%2e":  "200 2 rest=İ.",
		"/stra%C3%9Fe/%EF%BC%8Fx": "200 2 rest=／x", // FULLWIDTH SOLIDUS divides nothing
	} {
		if got := ask(tab, "GET", "site.example", target); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	for _, host := range []string{"\u017fite.example", "site\u3002example", "\u212aite.example"} {
		if got := ask(tab, "GET", host, "/"); got != "400" {
			t.Errorf("%s: %s", host, got)
		}
	}
}

func TestHidden(t *testing.T) {
	for _, c := range []struct {
		first, second string
		hidden        bool
	}{
		{"", "match: '/a'", true},
		{"match: '/'", "match: '/a/b'", true},
		{"match: '/'", "pattern: '/a'", true},
		{"match: '/'", "", true},
		{"match: '/a'", "match: '/a'", true},
		{"match: '/a/'", "match: '/a/b'", true},
		{"match: '/a/'", "match: '/a/b/'", true},
		{"match: '/a/'", "match: '/a/'", true},
		{"match: '/{x}'", "match: '/a'", true},
		{"match: '/{x}/'", "match: '/a/{y}'", true},
		{"pattern: '/a'", "pattern: '/a'", true},
		{"methods: 'GET'", "methods: 'HEAD'", true},
		{"hosts: 'a.example'", "hosts: 'a.example'", true},
		{"match: '/a/'", "match: '/a'", false},
		{"match: '/a/'", "match: '/b/c'", false},
		{"match: '/a/'", "match: '/'", false},
		{"match: '/a'", "match: '/a/'", false},
		{"match: '/a'", "match: '/{x}'", false},
		{"match: '/a/b/'", "match: '/a/'", false},
		{"pattern: '/'", "match: '/a'", false}, // it is, but regular expressions are not understood
		{"hosts: 'a.example'", "hosts: 'b.example'", false},
		{"hosts: 'a.example'", "", false},
		{"methods: 'GET'", "", false},
		{"methods: 'GET'", "methods: ['GET', 'POST']", false},
	} {
		tab := table(t, "{ handler: 'echo', "+c.first+" }, { handler: 'echo', "+c.second+" }")
		if list := tab.Hidden(); (len(list) > 0) != c.hidden {
			t.Errorf("{ %s } before { %s }: %v", c.first, c.second, list)
		}
	}
	const overTLS = "{ handler: 'redirect', redirect: { to: 'https:' } }"
	if list := table(t, overTLS+", { handler: 'echo' }").Hidden(); len(list) > 0 {
		t.Errorf("behind a redirect of what comes without TLS: %v", list)
	}
	if list := table(t, overTLS+", "+overTLS).Hidden(); len(list) != 1 {
		t.Errorf("a second such redirect: %v", list)
	}
	list := table(t, "{ handler: 'echo' },\n{ handler: 'echo', match: '/a' }").Hidden()
	if want := "site.json5:2:1: routes[1]: never reached; routes[0] answers all of it"; list.Error() != want {
		t.Errorf("%v, want %s", list, want)
	}
}
