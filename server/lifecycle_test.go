package server_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// Stopping closes every WebSocket with 1001 and lets a request be answered.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "tls"} {
		t.Run(kind, func(t *testing.T) {
			entered, release := make(chan struct{}), make(chan struct{})
			r := start(t, "{ @"+kind+`, timeouts: { drain: '100 ms' }, routes: [
				{ match: '/slow', handler: 'slow' }, { handler: 'echo' }] }`, map[string]route.Constructor{
				"slow": func(*site.Route, route.Endpoint) (http.Handler, error) {
					return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						close(entered)
						<-release
						io.WriteString(w, "at last")
					}), nil
				},
			})
			var conns []*curlew.Conn
			for range 20 {
				conns = append(conns, r.dial("/", curlew.Options{}))
			}
			idle := r.connect() // and one that has said nothing
			slow := r.connect()
			io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: site.example\r\n\r\n")
			<-entered
			r.stop()
			for _, c := range conns {
				<-c.Done()
				e := c.Err().(*curlew.CloseError)
				if e.Code != curlew.GoingAway || !e.Remote || !e.Orderly() {
					t.Errorf("%v", e)
				}
			}
			if n, err := idle.Read(make([]byte, 1)); err == nil {
				t.Errorf("%d bytes on the silent connection", n)
			}
			close(release)
			if got := answers(slow); codes(got) != "200" || body(t, got[0]) != "at last" {
				t.Errorf("the request under way: %s", codes(got))
			}
			err := <-r.ended
			r.ended <- err
			if err != nil {
				t.Error(err)
			}
			if c, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimPrefix(r.url(), "https://"), "http://")); err == nil {
				c.Close()
				t.Error("still listening")
			}
			if !strings.Contains(r.log.String(), "msg=stopping webSockets=") {
				t.Errorf("nobody is told what is waited for:\n%s", r.log)
			}
		})
	}
}

// A handshake that is under way when the server stops is answered, and its
// connection is closed before the server is done, however slow the peer.
func TestDrainWaitsForHandshakes(t *testing.T) {
	var entered, release chan struct{}
	inBubble(t, "", `timeouts: { close: '300 ms' }, routes: [{ handler: 'late' }]`, map[string]route.Constructor{
		"late": func(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
			return ws(func(*http.Request) (*curlew.Events, error) {
				close(entered)
				<-release
				return nil, nil
			}), nil
		},
	}, func(t *testing.T, b *bubble) {
		entered, release = make(chan struct{}), make(chan struct{})
		go func() {
			<-entered
			b.server.Close()
			synctest.Wait()
			if c, err := b.network.DialContext(context.Background(), "tcp", "site:80"); err == nil {
				c.Close()
				t.Error("still listening")
			}
			close(release)
		}()
		p, _ := wstest.Open(t, b.connect(), "/", http.Header{})
		began := time.Now()
		p.WantClose("the end", curlew.GoingAway, "server is stopping")
		<-b.over // which no answer of the peer's makes come sooner
		onTime(t, "the end", began, 300*time.Millisecond)
		if n := server.Open(b.server); n > 0 {
			t.Errorf("%d WebSockets are open after the end", n)
		}
	})
}

// A peer that does not answer the Close does not hold the drain up for longer
// than the time of a close.
func TestDrainDropsWhoStays(t *testing.T) {
	inBubble(t, "", `timeouts: { drain: '1 ms', close: '5 s' }, routes: [{ handler: 'echo' }]`, nil, func(t *testing.T, b *bubble) {
		p, _ := b.peer("/")
		began := time.Now()
		b.server.Close()
		p.Want("the server's close", wstest.Close(curlew.GoingAway, "server is stopping"))
		<-b.over
		onTime(t, "the end", began, 5*time.Second)
	})
}

func TestCloseWithoutServe(t *testing.T) {
	t.Parallel()
	s := parse(t, "{ listen: ['127.0.0.1:0'], routes: [] }")
	srv, err := server.New(s, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimPrefix(srv.URLs()[0], "http://")
	srv.Close()
	srv.Close()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("still listening")
	}
	if err := srv.Listen(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Listen after Close: %v", err)
	}
}

func TestCloseEndsServe(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	r.Close()
	err := <-r.ended
	r.ended <- err
	if err != nil {
		t.Error(err)
	}
}

// All listeners or none.
func TestListenAllOrNone(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	sock := filepath.Join(t.TempDir(), "s")
	s := parse(t, "{ listen: ['unix:"+sock+"', '"+taken.Addr().String()+"'], routes: [] }")
	srv, err := server.New(s, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err == nil {
		t.Fatal("two listeners at one address")
	}
	if len(srv.URLs()) > 0 {
		t.Errorf("%v", srv.URLs())
	}
	if _, err := os.Lstat(sock); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left over: %v", err)
	}
}

// CF15: what lies where a socket shall be.
func TestCF15UnixSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	listen := func(path string) (*server.Server, error) {
		srv, err := server.New(parse(t, "{ listen: ['unix:"+path+"'], "+ok+" }"), server.Options{Handlers: basic()})
		if err != nil {
			t.Fatal(err)
		}
		return srv, srv.Listen()
	}
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	live, err := listen(stale)
	if err != nil {
		t.Fatalf("a socket that nobody listens at: %v", err)
	}
	defer live.Close()
	if _, err := listen(stale); err == nil {
		t.Error("took a socket that is in use")
	}
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	os.WriteFile(file, []byte("precious"), 0o644)
	os.Symlink(file, link)
	for _, path := range []string{file, link} {
		if _, err := listen(path); err == nil {
			t.Errorf("%s was taken for a socket", path)
		}
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("a file was removed")
	}

	// And it serves.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- live.Serve(ctx) }()
	c, err := net.Dial("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, get)
	if got := codes(answers(c)); got != "200" {
		t.Error(got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left over: %v", err)
	}
}

// All that is wrong comes at once, each with its place.
func TestErrorsOfNew(t *testing.T) {
	t.Parallel()
	s := parse(t, `{ listen: 'https://127.0.0.1:0', tls: [{ certificate: 'none.pem', key: 'none.key' }, { certificate: 'no.pem', key: 'no.key' }], routes: [
  { match: '/a', handler: 'static', static: { directory: 'none' } },
  { match: '/b', handler: 'static', static: { directory: 'site.json5' } },
] }`)
	_, err := server.New(s, server.Options{Handlers: basic()})
	var list config.Errors
	if !errors.As(err, &list) || len(list) != 4 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{"site.json5:1:", "site.json5:1:", "site.json5:2:", "site.json5:3:"} {
		if !strings.Contains(list[i].Error(), want) {
			t.Errorf("%v, want it at %s", list[i], want)
		}
	}
	if _, err := server.New(parse(t, ok1), server.Options{}); err == nil {
		t.Error("a handler that nobody has")
	}
}

const ok1 = "{ " + ok + " }"

// timeouts.request: 503 if the handler comes back too late and without an answer.
func TestRequestTimeout(t *testing.T) {
	inBubble(t, "", `routes: [{ timeouts: { request: '20 s' }, handler: 'waits' }]`, map[string]route.Constructor{
		"waits": made(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/begun" {
				io.WriteString(w, "begun")
			}
			<-r.Context().Done()
		}),
	}, func(t *testing.T, b *bubble) {
		for request, want := range map[string]string{
			"GET / HTTP/1.1\r\nHost: site.example\r\n\r\n" + get: "503", // and the end
			strings.Replace(get, "GET /", "GET /begun", 1):       "200",
		} {
			began, c := time.Now(), b.connect()
			io.WriteString(c, request)
			if got := codes(answers(c)); got != want {
				t.Errorf("%.20q: %s, want %s", request, got, want)
			}
			onTime(t, request, began, 20*time.Second)
		}
	})
}

// SF12: a client that takes no bytes is dropped after timeouts.write.
func TestSF12WriteTimeout(t *testing.T) {
	t.Parallel()
	gone := make(chan error, 1)
	r := start(t, `{ @plain, timeouts: { write: '100 ms' }, routes: [{ handler: 'endless' }] }`, map[string]route.Constructor{
		"endless": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for p := make([]byte, 1<<20); ; {
					if _, err := w.Write(p); err != nil {
						gone <- err
						return
					}
				}
			}), nil
		},
	})
	c := r.connect()
	io.WriteString(c, get)
	if err := <-gone; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// CF11: nothing of a stranger's stands in the log as it came. HS45: refusals are
// few lines a second.
func TestCF11LogOfStrangersHS45Floods(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, routes: [{ match: '/files/', handler: 'static', static: { directory: '.' } }, { handler: 'echo' }] }`, nil)
	for _, target := range []string{"/%0a%0dlevel=ERROR", "/%1b[2J%1b]52;c;x%07", "/%e2%80%ae%e2%80%a8txt", "/%c2%9b31m", "/%7f", "/x?%0a", "/\xff\xfe"} {
		r.say("GET " + target + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
	}
	p, _ := wstest.Open(t, r.connect(), "/", nil)
	p.Send(wstest.Close(4000, "a\u202e\u2028\x1b[31m\x7f\u009b"))
	p.Want("the answer", wstest.Close(4000, ""))
	r.stop()
	err := <-r.ended
	r.ended <- err
	log := r.log.String()
	for _, ch := range log {
		if ch != '\n' && (ch < ' ' || ch >= 0x7f && ch < 0xa0 || ch == 0x2028 || ch == 0x202e || ch == 0xfffd) {
			t.Errorf("%U stands in the log:\n%s", ch, log)
			break
		}
	}
	if strings.Contains(log, "\nlevel=ERROR") {
		t.Error("a line of a stranger's in the log")
	}
	if !strings.Contains(log, `websocket ended`) || !strings.Contains(log, "code=4000") {
		t.Errorf("no line of the connection:\n%s", log)
	}

	f := start(t, "{ @plain, "+ok+" }", nil)
	began := time.Now()
	f.say(strings.Repeat("GET /../x HTTP/1.1\r\nHost: site.example\r\n\r\n", 500) + get)
	seconds := int(time.Since(began)/time.Second) + 2 // that it has a part in
	if n := strings.Count(f.log.String(), "status=400"); n < 1 || n > 10*seconds {
		t.Errorf("%d lines for 500 refusals in %d seconds", n, seconds)
	}
}

// A panic of a handler or a callback ends its connection and stands in the log
// with its stack.
func TestPanics(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, timeouts: { close: '50 ms' }, routes: [{ match: '/ws', handler: 'panics' }, { handler: 'panics' }] }`, map[string]route.Constructor{
		"panics": func(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
			socket := ws(func(*http.Request) (*curlew.Events, error) {
				return &curlew.Events{Open: func(*curlew.Conn) { panic("in a callback") }}, nil
			})
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/ws" {
					panic("in a handler")
				}
				socket.ServeHTTP(w, r)
			}), nil
		},
	})
	if got := codes(r.say(get)); got != "" {
		t.Errorf("an answer: %s", got)
	}
	p, _ := wstest.Open(t, r.connect(), "/ws", http.Header{})
	p.WantClose("the end", curlew.InternalError, wstest.AnyReason)
	r.stop()
	err := <-r.ended
	r.ended <- err
	log := r.log.String()
	for _, want := range []string{"in a handler", "in a callback", "lifecycle_test.go"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	}
}

// Queries may hold secrets.
func TestAU10NoQueryInTheLog(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	r.say(strings.Replace(get, "GET /", "GET /?token=secret", 1))
	r.stop()
	err := <-r.ended
	r.ended <- err
	if log := r.log.String(); strings.Contains(log, "secret") || !strings.Contains(log, "status=200") {
		t.Errorf("%s", log)
	}
}

// Many connections come, talk and go while the server stops.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, timeouts: { drain: '20 ms' }, routes: [{ handler: 'echo' }] }`, nil)
	addr := r.ws()
	var wg sync.WaitGroup
	begun := make(chan struct{}, 1000)
	for range 8 {
		wg.Go(func() {
			for {
				c, err := curlew.Dial(t.Context(), addr+"/", nil)
				if err != nil {
					return
				}
				begun <- struct{}{}
				for range 50 {
					if c.Write(t.Context(), curlew.Text, []byte("x")) != nil {
						break
					}
					if _, _, err := c.Read(t.Context(), nil); err != nil {
						break
					}
				}
				c.Close(curlew.NormalClosure, "")
				<-c.Done()
				if e := c.Err().(*curlew.CloseError); !e.Orderly() {
					t.Errorf("not closed in order: %v", e)
				}
			}
		})
	}
	for range 40 {
		<-begun
	}
	r.stop()
	err := <-r.ended
	r.ended <- err
	if n := server.Open(r.Server); n > 0 {
		t.Errorf("%d WebSockets are open after the end", n)
	}
	wg.Wait()
}
