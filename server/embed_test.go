package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// embedded is a site without a listener, as a program of somebody's has it.
func embedded(t *testing.T, text string) *server.Server {
	t.Helper()
	s, err := config.Parse(filepath.Join(t.TempDir(), "site.json5"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(s, server.Options{Handlers: basic()})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// TestEmbedded: a site in the mux of a program that has a server of its own, by
// the fake clock.
func TestEmbedded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := embedded(t, `{ log: { requests: false }, timeouts: { write: '1 s', drain: '1 min', request: 'unlimited' }, headers: { 'X-Site': 'yes' }, webSockets: { ping: 'never' },
			limits: { webSockets: 1 }, routes: [{ match: '/ws/{room}', handler: 'echo' }, { match: '/ws/', handler: 'respond', respond: { status: 404 } }, { match: '/hello', handler: 'respond', respond: { body: 'hello' } }] }`)
		mux := http.NewServeMux()
		mux.Handle("/ws/", srv)
		mux.Handle("/hello", srv)
		mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute) // longer than the site's timeouts.write
			io.WriteString(w, strings.Repeat("own", 10000))
		})
		network := wstest.NewNetwork(nil)
		front := &http.Server{Handler: mux}
		served := make(chan error, 1)
		listener := network.Listen("site:80")
		go func() { served <- front.Serve(listener) }()
		ctx, stop := context.WithCancel(t.Context())
		drained := make(chan error, 1)
		go func() { drained <- srv.Serve(ctx) }()
		connect := func() *wstest.End {
			c, err := network.DialContext(t.Context(), "tcp", "site:80")
			if err != nil {
				t.Fatal(err)
			}
			return c.(*wstest.End)
		}

		// One connection, answers of both in turn.
		c := connect()
		br := bufio.NewReader(c)
		ask := func(path, want string, status int, site string) {
			t.Helper()
			io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: site\r\n\r\n")
			a, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(path, err)
			}
			text, err := io.ReadAll(a.Body)
			if a.StatusCode != status || string(text) != want || a.Header.Get("X-Site") != site || err != nil {
				t.Errorf("%s: %d, %d bytes, %q, %v", path, a.StatusCode, len(text), a.Header.Get("X-Site"), err)
			}
		}
		ask("/hello", "hello", 200, "yes")
		ask("/own", strings.Repeat("own", 10000), 200, "")
		ask("/hello", "hello", 200, "yes")
		c.Close()

		p, _ := wstest.Open(t, connect(), "/ws/blue", http.Header{})
		p.Send(wstest.Text("hello"))
		p.Want("an echo", wstest.Text("hello"))
		time.Sleep(2 * time.Minute) // no deadline of a request is left
		p.Send(wstest.Text("hello"))
		p.Want("an echo", wstest.Text("hello"))

		// Limits of the site hold, places are freed.
		second := func() int {
			c := connect()
			defer c.Close()
			io.WriteString(c, upgrade("/ws/blue"))
			a, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			return a.StatusCode
		}
		if got := second(); got != http.StatusServiceUnavailable {
			t.Errorf("one too many: %d", got)
		}
		p.Send(wstest.Close(frame.NormalClosure, ""))
		p.WantClose("the end", frame.NormalClosure, "")
		synctest.Wait()

		// Another site in its place; who is there stays.
		p, _ = wstest.Open(t, connect(), "/ws/blue", http.Header{})
		next, err := config.Parse("site.json5", []byte(`{ timeouts: { drain: '1 min' }, routes: [{ match: '/hello', handler: 'respond', respond: { body: 'bye' } }] }`))
		if err != nil {
			t.Fatal(err)
		}
		if err := srv.Reload(next); err != nil {
			t.Fatal(err)
		}
		c = connect()
		br = bufio.NewReader(c)
		ask("/hello", "bye", 200, "")
		p.Send(wstest.Text("still"))
		p.Want("an echo", wstest.Text("still"))

		// The end: WebSockets are closed with 1001, who comes later is told.
		stop()
		p.WantClose("the drain", frame.GoingAway, wstest.AnyReason)
		p.WantEOF("the end")
		if err := <-drained; err != nil {
			t.Error(err)
		}
		ask("/hello", "Service Unavailable\n", 503, "")
		c.Close()
		if err := front.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
		time.Sleep(time.Hour)
	})
}

// TestEmbeddedDeadline: the deadline of the program's own server is kept.
func TestEmbeddedDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := embedded(t, `{ log: { requests: false }, timeouts: { write: 'unlimited' }, routes: [{ handler: 'respond', respond: { body: 'hello' } }] }`)
		network := wstest.NewNetwork(nil)
		front := &http.Server{WriteTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			srv.ServeHTTP(w, r)
			time.Sleep(time.Minute)
		})}
		served := make(chan error, 1)
		listener := network.Listen("site:80")
		go func() { served <- front.Serve(listener) }()
		c, err := network.DialContext(t.Context(), "tcp", "site:80")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: site\r\n\r\n")
		if n, err := c.Read(make([]byte, 1)); n > 0 {
			t.Errorf("the answer came after its time: %v", err)
		}
		c.Close()
		front.Close()
		<-served
		srv.Close()
	})
}

// TestEmbeddedHTTP2: the program's server may speak HTTP/2, which a site answers
// like anything else; WebSockets come by HTTP/1.1.
func TestEmbeddedHTTP2(t *testing.T) {
	srv := embedded(t, `{ routes: [{ match: '/echo', handler: 'echo' }, { match: '/hello', handler: 'respond', respond: { body: 'hello' } }] }`)
	front := httptest.NewUnstartedServer(srv)
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	defer srv.Close()
	for path, want := range map[string]int{"/hello": 200, "/none": 404, "/echo": 400} { // HTTP/2 knows no Upgrade
		a, err := front.Client().Get(front.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.ProtoMajor != 2 || a.StatusCode != want {
			t.Errorf("%s: %s %d, want %d", path, a.Proto, a.StatusCode, want)
		}
	}
	roots := front.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c, err := curlew.Dial(t.Context(), "wss"+strings.TrimPrefix(front.URL, "https")+"/echo", &curlew.DialOptions{TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort(nil)
	if err := c.Write(t.Context(), curlew.Text, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(t.Context(), nil); string(p) != "hello" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
}

// TestEmbeddedDrainWaits: a request that is under way when the site ends is
// answered, and a WebSocket that comes of it closed.
func TestEmbeddedDrainWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		s, err := config.Parse("site.json5", []byte(`{ log: { requests: false }, timeouts: { drain: '1 min' }, routes: [{ handler: 'late' }] }`), "late")
		if err != nil {
			t.Fatal(err)
		}
		srv, err := server.New(s, server.Options{Handlers: map[string]route.Constructor{"late": func(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
			return ws(func(*http.Request) (*curlew.Events, error) {
				close(entered)
				<-release
				return &curlew.Events{}, nil
			}), nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		network := wstest.NewNetwork(nil)
		front := &http.Server{Handler: srv}
		listener := network.Listen("site:80")
		served := make(chan error, 1)
		go func() { served <- front.Serve(listener) }()
		ctx, stop := context.WithCancel(t.Context())
		drained := make(chan error, 1)
		go func() { drained <- srv.Serve(ctx) }()

		c, err := network.DialContext(t.Context(), "tcp", "site:80")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-entered
			stop()
			synctest.Wait()
			select {
			case err := <-drained:
				t.Errorf("drained before the request was answered: %v", err)
				drained <- err
			default:
			}
			close(release)
		}()
		p, _ := wstest.Open(t, c, "/", http.Header{})
		p.WantClose("the drain", frame.GoingAway, wstest.AnyReason)
		p.WantEOF("the end")
		if err := <-drained; err != nil {
			t.Error(err)
		}
		front.Close()
		<-served
		time.Sleep(time.Hour)
	})
}

// inFront puts a server of HTTP/2 in front of a site, in a bubble, at site:80, until the
// test ends.
func inFront(t *testing.T, srv *server.Server) (*wstest.Network, *http.Transport) {
	network, protocols := wstest.NewNetwork(nil), new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	front := &http.Server{Handler: srv, Protocols: protocols}
	go front.Serve(network.Listen("site:80"))
	transport := &http.Transport{DialContext: network.DialContext, Protocols: protocols}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		front.Close()
		srv.Close()
		<-time.After(time.Hour) // what waits for the end of a connection has seen it
	})
	return network, transport
}

// TestEmbeddedSilentHTTP2: a stream of HTTP/2 whose handler has nothing to say for
// longer than timeouts.write lives on; a client that takes nothing loses it.
func TestEmbeddedSilentHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := config.Parse("site.json5", []byte(`{ log: { requests: false }, timeouts: { write: '1 s' }, routes: [{ handler: 'pause' }] }`), "pause")
		if err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 1)
		srv, err := server.New(s, server.Options{Handlers: map[string]route.Constructor{"pause": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "one ")
				w.(http.Flusher).Flush()
				time.Sleep(time.Minute)
				io.WriteString(w, "two ")
				time.Sleep(time.Minute)
				_, err := io.WriteString(w, strings.Repeat("three ", 1<<20))
				failed <- err
			}), nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		_, transport := inFront(t, srv)
		a, err := (&http.Client{Transport: transport}).Get("http://site:80/")
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		got := make([]byte, len("one two "))
		if _, err := io.ReadFull(a.Body, got); string(got) != "one two " {
			t.Errorf("%q, %v", got, err)
		}
		if err := <-failed; err == nil {
			t.Error("a client that takes nothing was waited for")
		}
	})
}
