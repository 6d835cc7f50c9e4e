package redirect

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"curlew.example/curlew/server/site"
)

func newHandler(to string, captures ...string) (http.Handler, error) {
	return New(&site.Route{
		Captures: captures,
		Redirect: &site.Redirect{To: site.Setting[string]{Value: to}, Status: site.Setting[int]{Value: 308}},
	}, nil)
}

func TestExpand(t *testing.T) {
	for _, c := range []struct{ to, x, want string }{
		{"/new", "", "/new"},
		{"/new/${x}", "a", "/new/a"},
		{"/new/${x}", "a/b", "/new/a/b"},
		{"/new/${x}", "a b?c#d%", "/new/a%20b%3Fc%23d%25"},
		{"/new/${x}", "é", "/new/%C3%A9"},
		{"/q?a=${x}&b=1", "1&b=2#c", "/q?a=1%26b%3D2%23c&b=1"},
		{"/#${x}", "a b", "/#a+b"},
		{"https://other.example/${x}", "a", "https://other.example/a"},
		{"https://other.example/${x}", "/a", "https://other.example//a"},
		{"https://other.example?x=${x}", "a/b", "https://other.example?x=a%2Fb"},
		{"/${x}", "a", "/a"},
	} {
		h, err := newHandler(c.to, "x")
		if err != nil {
			t.Errorf("%s: %v", c.to, err)
			continue
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.SetPathValue("x", c.x)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code != 308 || got != c.want {
			t.Errorf("%s with %q: %d %q, want %q", c.to, c.x, w.Code, got, c.want)
		}
	}
}

// SF9: no value of a request chooses the host.
func TestSF9NoOpenRedirect(t *testing.T) {
	for _, c := range []struct{ to, x string }{
		{"/${x}", "/evil.example"},
		{"/${x}", "//evil.example"},
		{"/${x}/evil.example", ""},
		{"/a/${x}", "../../evil"},
		{"/a/.${x}/b", "."},
	} {
		h, err := newHandler(c.to, "x")
		if err != nil {
			t.Errorf("%s: %v", c.to, err)
			continue
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.SetPathValue("x", c.x)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 404 || w.Header().Get("Location") != "" {
			t.Errorf("%s with %q: %d %q", c.to, c.x, w.Code, w.Header().Get("Location"))
		}
	}
	// These would be read as addresses of hosts by some browsers.
	for _, x := range []string{`\evil.example`, "\t/evil.example", "https://evil.example", "@evil.example", ".evil.example"} {
		h, _ := newHandler("/${x}", "x")
		r := httptest.NewRequest("GET", "/", nil)
		r.SetPathValue("x", x)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\t\r\n") || got[0] != '/' {
			t.Errorf("%q: %q", x, got)
		}
	}
}

func TestBadTargets(t *testing.T) {
	for _, to := range []string{
		"${x}", "${x}/a", "//${x}", "//host/", `/\host/`, "https://${x}/", "https://host${x}", "https://host:${x}/",
		"https://user:pass@host/", "https://user:${x}@host/", "javascript:alert(1)", "ftp://host/", "relative", "?a", "/${x", "/${y}", "https:///x", "https://:0", "https://:x", "http:",
	} {
		if _, err := newHandler(to, "x"); err == nil {
			t.Errorf("%q is accepted", to)
		}
	}
}

// To the same URL over TLS, whatever it is.
func TestOverTLS(t *testing.T) {
	for _, c := range []struct{ to, host, target, want string }{
		{"https:", "site.example", "/", "https://site.example/"},
		{"https:", "site.example:8080", "/a%2Fb/?q=1&r=%20", "https://site.example/a%2Fb/?q=1&r=%20"},
		{"https://:8443", "site.example:8080", "/a", "https://site.example:8443/a"},
		{"https://:443", "site.example", "/a", "https://site.example/a"},
		{"https:", "[::1]", "/", "https://[::1]/"},
		{"https://:8443", "[::1]:8080", "/", "https://[::1]:8443/"},
		{"https:", "site.example", "//evil.example/", "https://site.example//evil.example/"},
		{"https:", "", "/", ""},
		{"https:", "site.example", "*", ""},
	} {
		h, err := newHandler(c.to)
		if err != nil {
			t.Errorf("%s: %v", c.to, err)
			continue
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("OPTIONS", c.target, nil)
		r.Host = c.host
		h.ServeHTTP(w, r)
		status := 308
		if c.want == "" {
			status = 400
		}
		if got := w.Header().Get("Location"); w.Code != status || got != c.want {
			t.Errorf("%s, %s%s: %d %q, want %q", c.to, c.host, c.target, w.Code, got, c.want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, x := range []string{"a", "/evil.example", `\evil`, "..", "a\r\nSet-Cookie: x"} {
		f.Add(x)
	}
	local, err := newHandler("/to/${x}?q=${x}", "x")
	if err != nil {
		f.Fatal(err)
	}
	plain, err := newHandler("/${x}", "x")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, x string) {
		for _, h := range []http.Handler{local, plain} {
			r := httptest.NewRequest("GET", "/", nil)
			r.SetPathValue("x", x)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got := w.Header().Get("Location")
			if w.Code == 404 {
				continue
			}
			if got == "" || got[0] != '/' || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t ") {
				t.Errorf("%q: %q", x, got)
			}
		}
	})
}
