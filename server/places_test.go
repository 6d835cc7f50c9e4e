package server_test

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// ask makes a handshake, with header lines, and returns the connection, at its
// first frame, and the status.
func (r *running) ask(path string, lines ...string) (net.Conn, *http.Response) {
	r.t.Helper()
	c := r.connect()
	io.WriteString(c, upgrade(path, lines...))
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return c, a
}

// from is a header line of a proxy.
func from(address string) string { return "X-Forwarded-For: " + address + "\r\n" }

// limits.webSockets and limits.webSocketsPerIP: as many as that and not one more,
// for each route by itself; a close frees the place, however it comes about.
func TestPlacesOfARoute(t *testing.T) {
	t.Parallel()
	both(t, `trustedProxies: '127.0.0.1', limits: { webSockets: 3 }, timeouts: { close: '30 s' }, routes: [
		{ match: '/inherits', handler: 'echo' },
		{ match: '/too', handler: 'echo' },
		{ match: '/each', handler: 'echo', limits: { webSockets: 'unlimited', webSocketsPerIP: 2 } },
		{ match: '/both', handler: 'echo', limits: { webSocketsPerIP: 1 } },
		{ match: '/all', handler: 'echo', limits: { webSockets: 'unlimited' } },
	]`, func(t *testing.T, r *running) {
		open := 0
		want := func(status int, path string, lines ...string) net.Conn {
			t.Helper()
			c, a := r.ask(path, lines...)
			if status == 101 {
				open++
			}
			if a.StatusCode != status {
				t.Errorf("%s %q: %s, want %d", path, lines, a.Status, status)
			}
			if again := a.Header.Get("Retry-After"); (again != "") != (status == 429 || status == 503) {
				t.Errorf("%s: Retry-After %q", a.Status, again)
			}
			return c
		}
		for _, path := range []string{"/inherits", "/too"} {
			for range 3 {
				want(101, path)
			}
			want(503, path)
		}
		// An IPv4 address, the /64 of an IPv6 address.
		want(101, "/each", from("192.0.2.1"))
		c := want(101, "/each", from("192.0.2.1"))
		want(429, "/each", from("192.0.2.1"))
		want(429, "/each", from("::ffff:192.0.2.1"))
		want(101, "/each", from("192.0.2.2"))
		want(101, "/each", from("2001:db8:0:1::1"))
		want(101, "/each", from("2001:db8:0:1:ffff::"))
		want(429, "/each", from("2001:db8:0:1:a:b:c:d"))
		want(101, "/each", from("2001:db8:0:2::1"))
		want(101, "/all", from("192.0.2.1"))
		// Refused handshakes have no place.
		want(403, "/both", from("192.0.2.1"), "Origin: https://evil.example\r\n")
		want(101, "/both", from("192.0.2.1"))
		want(429, "/both", from("192.0.2.1"))
		want(101, "/both", from("192.0.2.2"))
		want(101, "/both", from("192.0.2.3"))
		want(503, "/both", from("192.0.2.4"))
		want(429, "/both", from("192.0.2.3")) // is the nearer reason
		// A lost stream frees the place.
		r.eventually("all of them", func() bool { return server.Open(r.Server) == open })
		c.Close()
		r.eventually("the end", func() bool { return server.Open(r.Server) == open-1 })
		want(101, "/each", from("192.0.2.1"))
		want(429, "/each", from("192.0.2.1"))
	})
}

// eventually waits until what is asked is so.
func (r *running) eventually(what string, f func() bool) {
	r.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); !f(); <-tick.C {
		if time.Since(began) > time.Minute {
			r.t.Fatalf("%s: not after a minute", what)
		}
	}
}

// A close frees the place at once: who has closed may come back.
func TestPlaceFreedAtOnce(t *testing.T) {
	inBubble(t, "", `limits: { webSockets: 1 }, routes: [{ handler: 'echo' }]`, nil, func(t *testing.T, b *bubble) {
		o := &curlew.DialOptions{DialContext: b.network.DialContext}
		for i := range 100 {
			c, err := curlew.Dial(t.Context(), "ws://site:80/", o)
			if err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
			if i%50 == 0 {
				if _, err := curlew.Dial(t.Context(), "ws://site:80/", o); err == nil || !strings.Contains(err.Error(), "503") {
					t.Fatalf("one more: %v", err)
				}
			}
			c.Close(curlew.NormalClosure, "")
			<-c.Done()
		}
	})
}

// A client that is gone before its 101, an application that refuses or panics:
// nothing keeps a place.
func TestPlacesComeBack(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, limits: { webSockets: 1, connections: 3 }, routes: [{ handler: 'odd' }] }`, map[string]route.Constructor{
		"odd": func(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
			return ws(func(r *http.Request) (*curlew.Events, error) {
				switch r.URL.Query().Get("do") {
				case "refuse":
					return nil, &curlew.HandshakeError{Status: 418}
				case "panic":
					panic("a bug")
				}
				return nil, nil
			}), nil
		},
	})
	for range 5 {
		if got := codes(r.say(upgrade("/?do=refuse"))); got != "418" {
			t.Fatal(got)
		}
		if got := codes(r.say(upgrade("/?do=panic"))); got != "" {
			t.Fatal(got)
		}
		p, _ := wstest.Open(t, r.connect(), "/", http.Header{})
		p.Send(wstest.Close(curlew.NormalClosure, ""))
		p.WantClose("the echo", curlew.NormalClosure, "")
		p.WantEOF("the end")
		r.eventually("nobody", func() bool { return server.Connections(r.Server) == 0 })
	}
}

// RX1, RX2: connections beyond the limit are told so and closed; those that are
// open stay as they are, WebSockets among them, and each that ends makes room.
func TestRX1RX2Connections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := pairIn(t, dir)
	for limit, want := range map[string]string{"connections: 3": "503", "connectionsPerIP: 3": "429", "connections: 3, connectionsPerIP: 3": "429"} {
		for kind, listen := range map[string]string{"plain": "", "tls": withTLS} {
			t.Run(kind+"/"+limit, func(t *testing.T) {
				inBubble(t, dir, listen+`limits: { `+limit+` }, timeouts: { handshake: 'never' }, routes: [{ match: '/echo', handler: 'echo' }, `+
					`{ handler: 'respond', respond: { body: 'fine' } }]`, nil, func(t *testing.T, b *bubble) {
					for range 3 {
						connectionsFull(t, b, kind, roots, want)
					}
				})
			})
		}
	}
}

// connectionsFull takes all three connections there are, and gives them back.
func connectionsFull(t *testing.T, b *bubble, kind string, roots *x509.CertPool, want string) {
	connect := func() net.Conn {
		if kind == "tls" {
			return b.secure(roots)
		}
		return b.connect()
	}
	say := func(request string) []*http.Response {
		c := connect()
		defer c.Close()
		io.WriteString(c, request)
		return answers(c)
	}
	ws, idle := connect(), connect()
	for c, status := range map[net.Conn]int{ws: 101, idle: 200} {
		fmt.Fprint(c, map[int]string{101: upgrade("/echo"), 200: "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n"}[status])
		if a, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || a.StatusCode != status {
			t.Fatal(a, err)
		}
	}
	fresh := connect()
	for range 3 {
		got := say(get)
		if codes(got) != want || !got[0].Close || got[0].Header.Get("Retry-After") == "" {
			t.Fatalf("one more: %s", codes(got))
		}
		if got := codes(say(upgrade("/echo"))); got != want {
			t.Fatalf("one more WebSocket: %s", got)
		}
	}
	fmt.Fprint(fresh, get)
	if got := codes(answers(fresh)); got != "200" { // it makes room by its end
		t.Fatalf("the third: %s", got)
	}
	fresh.Close()
	synctest.Wait()
	if got := codes(say(get)); got != "200" {
		t.Fatalf("there is room, and the answer %s", got)
	}
	ws.Close()
	idle.Close()
	synctest.Wait()
	if n := server.Connections(b.server); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// What a handler of the program takes from net/http keeps its place until it is
// closed.
func TestHijackedConnections(t *testing.T) {
	t.Parallel()
	taken := make(chan net.Conn, 1)
	r := start(t, `{ @plain, limits: { connections: 1 }, routes: [{ handler: 'take' }] }`, map[string]route.Constructor{
		"take": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
				}
				taken <- c
			}), nil
		},
	})
	fmt.Fprint(r.connect(), get)
	c := <-taken
	if got := codes(r.say(get)); got != "503" {
		t.Errorf("taken: %s", got)
	}
	c.Close()
	c.Close()
	if n := server.Connections(r.Server); n != 0 {
		t.Errorf("closed: %d", n)
	}
}

// RX1: of very many connections beyond the limit those are closed at once that there
// is no time for; the others are told, if they ask, and closed after two seconds.
func TestRX1Flood(t *testing.T) {
	inBubble(t, "", `limits: { connections: 1 }, routes: [{ handler: 'echo' }]`, nil, func(t *testing.T, b *bubble) {
		ws, _ := b.peer("/")
		began := time.Now()
		var told []*wstest.End
		for range 64 {
			told = append(told, b.connect())
			synctest.Wait()
		}
		for range 100 {
			if n, err := b.connect().Read(make([]byte, 1)); n != 0 || err == nil || time.Since(began) > 0 {
				t.Fatalf("one more: %d bytes, %v, after %v", n, err, time.Since(began))
			}
		}
		ws.Send(wstest.Text("unharmed"))
		ws.Want("the echo", wstest.Text("unharmed"))
		io.WriteString(told[0], get)
		if got := codes(answers(told[0])); got != "503" {
			t.Errorf("one that asks: %s", got)
		}
		for _, c := range told[1:] {
			io.Copy(io.Discard, c)
		}
		onTime(t, "the end of those that do not ask", began, 2*time.Second)
		again := b.connect()
		io.WriteString(again, get)
		if got := codes(answers(again)); got != "503" {
			t.Errorf("when they are gone: %s", got)
		}
	})
}

// What is open counts after a reload too, with the limits of the new site.
func TestPlacesAfterReload(t *testing.T) {
	t.Parallel()
	const site = `{ @plain, limits: { webSockets: %d, connections: %d }, routes: [{ match: '/a', handler: 'echo' }, { match: '/b', handler: 'echo' }] }`
	r := start(t, fmt.Sprintf(site, 2, 10), nil)
	for range 2 {
		r.ask("/a")
	}
	for i, c := range []struct {
		webSockets, connections int
		path, want              string
	}{{2, 10, "/a", "503"}, {2, 10, "/b", "101"}, {3, 10, "/a", "101"}, {3, 10, "/a", "503"}, {1, 10, "/b", "503"}, {9, 4, "/b", "503"}, {9, 5, "/b", "101"}} {
		if err := r.Reload(r.next(fmt.Sprintf(site, c.webSockets, c.connections))); err != nil {
			t.Fatal(err)
		}
		ws, a := r.ask(c.path)
		if got := fmt.Sprint(a.StatusCode); got != c.want {
			t.Errorf("%d: %+v: %s", i, c, got)
		}
		if c.want != "101" {
			ws.Close()
			r.eventually("the end of what was refused", func() bool { return server.Connections(r.Server) == server.Open(r.Server) })
		}
	}
}

// An endpoint that the library refuses behind the application's back, and one whose
// connection cannot be taken over, give their places back at once.
func TestPlacesOfWhatFails(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, limits: { webSockets: 1, webSocketsPerIP: 1 }, routes: [{ handler: 'odd' }] }`, map[string]route.Constructor{
		"odd": func(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
			endpoint := ws(func(r *http.Request) (*curlew.Events, error) {
				switch r.URL.Query().Get("do") {
				case "subprotocol":
					return &curlew.Events{Subprotocol: "nobody asked for"}, nil
				case "header":
					return &curlew.Events{Header: http.Header{"X": {"two\nlines"}}}, nil
				}
				return nil, nil
			})
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("do") == "hidden" {
					w = struct{ http.ResponseWriter }{w} // as many a middleware does
				}
				endpoint.ServeHTTP(w, r)
			}), nil
		},
	})
	for range 3 {
		for do, want := range map[string]string{"subprotocol": "500", "header": "500", "hidden": "501"} {
			if got := codes(r.say(upgrade("/?do=" + do))); got != want {
				t.Fatalf("%s: %s, want %s", do, got, want)
			}
		}
	}
	c := r.connect()
	io.WriteString(c, upgrade("/"))
	if a, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || a.StatusCode != 101 {
		t.Fatal(a, err)
	}
	r.eventually("nobody whom the drain would wait for", func() bool { return server.Coming(r.Server) == 0 })
}
