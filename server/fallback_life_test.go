package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
	"curlew.example/curlew/server"
	"curlew.example/curlew/wstest"
)

// Sessions stay when the site is loaded anew, with what they began with, be their
// route changed or gone; what is denied from then on is denied.
func TestFB_Reload(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			users := usersFile(t, "alice:a")
			r := start(t, `{ @plain, timeouts: { close: '200 ms' }, routes: [
				{ match: '/same', handler: 'echo', limits: { webSockets: 1 } }, { match: '/changed', handler: 'echo' }, { match: '/gone', handler: 'echo' } ] }`, nil)
			r.mode = mode
			all := map[string]*curlew.Conn{}
			for _, path := range []string{"/same", "/changed", "/gone"} {
				all[path] = r.dial(path, curlew.Options{})
			}
			denied := r.opens("/changed")
			if err := r.Reload(r.next(`{ @plain, timeouts: { close: '200 ms', drain: '1 ms' }, routes: [
				{ match: '/same', handler: 'echo', limits: { webSockets: 1 } },
				{ match: '/changed', handler: 'echo', methods: 'GET', limits: { maxMessage: 10 }, origins: 'https://a.example', auth: { basic: { users: '` + users + `' } } },
				{ handler: 'respond', respond: { body: 'gone' } } ] }`)); err != nil {
				t.Fatal(err)
			}
			for path, c := range all {
				for range 3 {
					wantEcho(t, c, "to "+path+" as before")
				}
			}
			if got := codes(r.say(open("/same"))); got != "503" {
				t.Errorf("one more: %s", got)
			}
			if got := codes(r.say(open("/changed"))); got != "401" {
				t.Errorf("by the new site: %s", got)
			}
			for path, c := range all {
				c.Close(curlew.NormalClosure, "")
				<-c.Done()
				if e := c.Err().(*curlew.CloseError); !e.Orderly() {
					t.Errorf("%s: %v", path, e)
				}
			}
			r.eventually("nobody but who is to be denied", func() bool { return server.Open(r.Server) <= 1 }) // who ends after 10 s, as nobody has asked for it
			if got := codes(r.say(open("/same"))); got != "200" {
				t.Errorf("in its place: %s", got)
			}
			if err := r.Reload(r.next(`{ @plain, timeouts: { close: '20 ms', drain: '1 ms' }, deny: '127.0.0.1', routes: [] }`)); err != nil {
				t.Fatal(err)
			}
			if got := r.asks(denied); got != "403" {
				t.Errorf("denied: %s", got)
			}
		})
	}
}

// A session has a place among the WebSockets of its route until it ends, and none
// among connections: those that its requests come by have theirs.
func TestFB6_Places(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, timeouts: { close: '20 ms' }, limits: { webSockets: 1, connections: 3 }, routes: [{ match: '/', handler: 'echo' }] }`, nil)
	for range 3 {
		s := r.opens("/")
		r.eventually("no connection is left", func() bool { return server.Connections(r.Server) == 0 })
		r.eventually("one WebSocket", func() bool { return server.Open(r.Server) == 1 })
		if got := codes(r.say(open("/"))); got != "503" {
			t.Errorf("another one: %s", got)
		}
		if got := codes(r.say("DELETE " + s + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")); got != "204" {
			t.Error(got)
		}
		r.eventually("no WebSocket", func() bool { return server.Open(r.Server) == 0 && server.Sessions(r.Server) == 0 })
	}
}

// FB11: a stream may be silent for longer than timeouts.write, also where the next
// requests on its connection are somebody else's.
func TestFB11_SilentStream(t *testing.T) {
	for _, write := range []string{"1", "'unlimited'"} {
		inBubble(t, "", `timeouts: { write: `+write+`, request: 'unlimited' }, webSockets: { ping: 'never' }, routes: [{ handler: 'broadcast' }]`, nil, func(t *testing.T, b *bubble) {
			a := b.asks("/")
			fmt.Fprintf(a.c, "GET %s&at=0&mode=stream HTTP/1.1\r\nHost: site\r\n\r\n", a.id)
			answer, err := http.ReadResponse(a.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			body := bufio.NewReader(answer.Body)
			if line, err := body.ReadString('\n'); line != "curlew1\n" {
				t.Fatalf("%q %v", line, err)
			}
			p, _ := b.peer("/")
			for range 3 {
				b.pass(20 * time.Second)
				p.Send(wstest.Text("hello"))
				p.Want("an echo", wstest.Text("hello"))
				f := make([]byte, 7)
				if _, err := io.ReadFull(body, f); string(f) != "\x81\x05hello" {
					t.Fatalf("%q %v", f, err)
				}
			}
			if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil { // when it has nothing to say
				t.Errorf("%q %v", rest, err)
			}
			if s := a.ask("GET", a.id+"&at=21&mode=poll&wait=0", "").StatusCode; s != 204 {
				t.Error(s)
			}
		})
	}
}

// FB16: who takes no more of a stream, of which as much comes as a window holds, is
// dropped after timeouts.write, as on a WebSocket.
func TestFB16_NeverReads(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"stream", "sse"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := start(t, `{ @plain, timeouts: { write: '300 ms', close: '100 ms', inactivity: 'never' }, limits: { maxMessage: 'unlimited', connections: 100 }, routes: [{ match: '/large', handler: 'file', file: { path: './large.bin' } }] }`, nil)
			name := filepath.Join(r.dir, "large.bin")
			if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, 64<<20)); err != nil {
				t.Fatal(err)
			}
			s := r.opens("/large")
			c := r.connect()
			fmt.Fprintf(c, "GET %s&at=0&mode=%s HTTP/1.1\r\nHost: a\r\n\r\n", s, mode)
			first := make([]byte, 1)
			if _, err := io.ReadFull(c, first); err != nil {
				t.Fatal(err)
			}
			r.eventually("it is dropped", func() bool { return server.Open(r.Server) == 0 })
			if got := codes(r.say("GET " + s + "&at=0&mode=poll HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")); got != "200" && got != "410" {
				t.Errorf("what is left of it: %s", got)
			}
		})
	}
}

// A site in the server of somebody's program, over HTTP/2, where a deadline that is
// over cannot be taken back.
func TestFB_EmbeddedHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := embedded(t, `{ timeouts: { write: '1 s', inactivity: 'never' }, webSockets: { ping: 'never' }, routes: [{ handler: 'echo' }] }`)
		network, transport := inFront(t, srv)
		for _, mode := range modes {
			var gets atomic.Int32
			o := &fallback.DialOptions{Modes: []string{mode}, HTTP: tripping(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodGet {
					gets.Add(1)
				}
				return transport.RoundTrip(r)
			})}
			o.DialContext = network.DialContext
			c, err := fallback.Dial(t.Context(), "http://site:80/", o)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				wantEcho(t, c, strings.Repeat("x", 10_000))
				<-time.After(5 * time.Second)
			}
			if n := gets.Load(); mode != "poll" && n != 1 {
				t.Errorf("%s: %d GETs", mode, n)
			}
			c.Close(curlew.NormalClosure, "")
			<-c.Done()
			if e := c.Err().(*curlew.CloseError); !e.Orderly() {
				t.Error(mode, e)
			}
		}
	})
}

type tripping func(r *http.Request) (*http.Response, error)

func (f tripping) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A session hears of the end of a site in somebody's server, too.
func TestFB_EmbeddedDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := embedded(t, `{ timeouts: { drain: 1, close: 5 }, routes: [{ handler: 'echo' }] }`)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- srv.Serve(ctx) }()
		ask := func(method, target, body string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
			return w
		}
		_, id, _ := strings.Cut(ask("POST", "/?curlew=open", "").Body.String(), `"session":"`)
		id, _, _ = strings.Cut(id, `"`)
		ask("GET", "/?curlew="+id+"&at=0&mode=poll&wait=0", "")
		stop()
		synctest.Wait()
		if a := ask("POST", "/?curlew=open", ""); a.Code != 503 {
			t.Errorf("another one: %d", a.Code)
		}
		if a := ask("GET", "/?curlew="+id+"&at=0&mode=poll", ""); a.Code != 200 || !strings.HasPrefix(a.Body.String(), "\x88\x14\x03\xe9server") {
			t.Errorf("%d %q", a.Code, a.Body)
		}
		began := time.Now()
		if a := ask("POST", "/?curlew="+id+"&at=0&ack=22", "\x88\x82\x00\x00\x00\x00\x03\xe9"); a.Code != 204 {
			t.Errorf("%d %q", a.Code, a.Body)
		}
		ask("DELETE", "/?curlew="+id, "")
		if err := <-ended; err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// A server that ends closes sessions as WebSockets: their clients hear 1001 by the
// answer that they wait for, and say goodbye on a connection that they have.
func TestFB_DrainOfEachMode(t *testing.T) {
	t.Parallel()
	everyWay(t, `routes: [{ handler: 'echo' }]`, func(t *testing.T, r *running) {
		c := r.dial("/", curlew.Options{})
		wantEcho(t, c, "hello")
		r.stop()
		<-c.Done()
		if e := c.Err().(*curlew.CloseError); e.Code != curlew.GoingAway || !e.Remote || !e.Orderly() {
			t.Error(e)
		}
		err := <-r.ended
		r.ended <- nil
		if log := r.log.String(); err != nil || !strings.Contains(log, `code=1001 reason="server is stopping" byPeer=false orderly=true`) {
			t.Errorf("%v\n%s", err, log)
		}
	})
}
