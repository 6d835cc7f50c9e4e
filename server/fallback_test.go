package server_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
)

// modes are those in which the fallback gives a client bytes.
var modes = []string{"stream", "sse", "poll"}

// over opens a WebSocket over plain HTTP, in one of the modes.
func (r *running) over(mode, path string, o curlew.DialOptions) (*curlew.Conn, error) {
	o.TLS = &tls.Config{RootCAs: r.roots}
	c, err := fallback.Dial(r.t.Context(), r.url()+path, &fallback.DialOptions{DialOptions: o, Modes: []string{mode}})
	if err == nil {
		r.t.Cleanup(func() { c.Abort(nil) })
	}
	return c, err
}

// wantEcho says something and waits until it comes back.
func wantEcho(t *testing.T, c *curlew.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), curlew.Text, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(t.Context(), nil); err != nil || string(p) != text {
		t.Fatalf("%.50q came back as %.50q: %v", text, p, err)
	}
}

// What no site file speaks of has its fallback, with TLS and without, in every mode.
func TestFB_OnByDefault(t *testing.T) {
	t.Parallel()
	both(t, `routes: [{ match: '/', handler: 'echo' }]`, func(t *testing.T, r *running) {
		for _, mode := range modes {
			c, err := r.over(mode, "/", curlew.DialOptions{})
			if err != nil {
				t.Fatal(mode, err)
			}
			wantEcho(t, c, "hello")
			wantEcho(t, c, strings.Repeat("x", 600_000)) // more than the windows hold
			c.Close(curlew.NormalClosure, "")
			<-c.Done()
			if e := c.Err().(*curlew.CloseError); !e.Orderly() || e.Code != curlew.NormalClosure {
				t.Error(mode, e)
			}
		}
	})
}

// Which routes have one, and which requests are theirs.
func TestFB_Routes(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, timeouts: { close: '50 ms' }, fallback: false, routes: [
		{ match: '/inherits', handler: 'echo' },
		{ match: '/own', handler: 'echo', fallback: true },
		{ match: '/own/backend', handler: 'proxy', proxy: { target: 'http://127.0.0.1:1' }, fallback: true },
		{ match: '/get', handler: 'echo', fallback: true, methods: 'GET' },
		{ match: '/get', handler: 'respond', respond: { body: 'elsewhere' }, fallback: true },
		{ match: '/post', handler: 'echo', fallback: true, methods: 'POST' },
	] }`, nil)
	on := start(t, `{ @plain, timeouts: { close: '50 ms' }, routes: [
		{ match: '/inherits', handler: 'echo' },
		{ match: '/off', handler: 'echo', fallback: false },
		{ match: '/backend', handler: 'proxy', proxy: { target: '`+r.url()+`' } },
		{ match: '/own', handler: 'proxy', proxy: { target: '`+r.url()+`' } },
		{ match: '/text', handler: 'respond', respond: { body: 'text' } },
	] }`, nil)
	for _, c := range []struct {
		of     *running
		path   string
		status string
	}{
		{r, "/inherits", "405"}, {r, "/own", "200"}, {r, "/own/backend", "502"}, {r, "/get", "200"}, {r, "/post", "405"},
		{on, "/inherits", "200"}, {on, "/off", "405"}, {on, "/backend", "404"}, {on, "/text", "200"},
		{on, "/own", "200"}, // the backend's own
	} {
		if got := codes(c.of.say(open(c.path))); got != c.status {
			t.Errorf("%s: %s, want %s", c.path, got, c.status)
		}
	}
	if a := r.say("POST /get HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"); body(t, a[0]) != "elsewhere" {
		t.Error("a POST without the parameter is another route's")
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodOptions, http.MethodPost} {
		got := codes(r.say(method + " /get?curlew=unknown&at=0&mode=poll HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		if want := map[bool]string{true: "204", false: "404"}[method == http.MethodOptions]; got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
	}
}

// open is a request that opens a session.
func open(path string, more ...string) string {
	return "POST " + path + "?curlew=open HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\nContent-Length: 0\r\n" + strings.Join(more, "") + "\r\n"
}
