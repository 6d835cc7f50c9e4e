package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

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

// A session of a bubble's, as a client asks for it by itself.
type asking struct {
	t  *testing.T
	c  net.Conn
	br *bufio.Reader
	id string
}

// asks opens a session on a connection.
func (b *bubble) asks(path string) *asking {
	b.t.Helper()
	a := &asking{t: b.t, c: b.connect()}
	a.br = bufio.NewReader(a.c)
	answer := a.ask("POST", path+"?curlew=open", "")
	var opened struct{ Session string }
	if err := json.NewDecoder(answer.Body).Decode(&opened); err != nil || answer.StatusCode != 200 {
		b.t.Fatal(answer.Status, err)
	}
	a.id = path + "?curlew=" + opened.Session
	return a
}

// ask makes a request and returns the answer with its body.
func (a *asking) ask(method, target, body string) *http.Response {
	a.t.Helper()
	fmt.Fprintf(a.c, "%s %s HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body)
	answer, err := http.ReadResponse(a.br, nil)
	if err != nil {
		a.t.Fatal(method, target, err)
	}
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(b))
	return answer
}

// A client that is between two polls when the server ends hears of it on the
// connection that it has, and says goodbye; the drain waits for that. Others' answers
// are the last ones on their connections, new connections are refused.
func TestFB_Drain(t *testing.T) {
	inBubble(t, "", `timeouts: { drain: 1, close: 5 }, routes: [{ match: '/echo', handler: 'echo' }, { handler: 'respond' }]`, nil, func(t *testing.T, b *bubble) {
		a, other := b.asks("/echo"), &asking{t: t, c: b.connect()}
		other.br = bufio.NewReader(other.c)
		if s := a.ask("GET", a.id+"&at=0&mode=poll&wait=0", "").StatusCode; s != 204 {
			t.Fatal(s)
		}
		other.ask("GET", "/", "")
		b.server.Close()
		b.pass(2 * time.Second)
		if _, err := b.network.DialContext(t.Context(), "tcp", "site:80"); err == nil {
			t.Error("a new connection is accepted")
		}
		if answer := other.ask("GET", "/", ""); !answer.Close {
			t.Error("an ordinary connection goes on")
		}
		answer := a.ask("GET", a.id+"&at=0&mode=poll", "")
		f, _ := io.ReadAll(answer.Body)
		if want := "\x88\x14\x03\xe9server is stopping"; string(f) != want || answer.Close {
			t.Fatalf("%s %q, want %q", answer.Status, f, want)
		}
		if s := a.ask("POST", a.id+"&at=0&ack="+fmt.Sprint(len(f)), "\x88\x82\x00\x00\x00\x00\x03\xe9").StatusCode; s != 204 {
			t.Error(s)
		}
		if _, err := a.br.ReadByte(); err != io.EOF {
			t.Errorf("behind the end of all: %v", err)
		}
	})
}
