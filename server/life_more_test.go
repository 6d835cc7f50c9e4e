package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// What is cut off stands in the access log like everything else, and says so.
func TestCutAnswersAreLogged(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, routes: [{ match: '/begun', handler: 'begun' }, { match: '/not', handler: 'not' }, { handler: 'panics' }] }`, map[string]route.Constructor{
		"begun": made(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "abc")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}),
		"not":    made(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"panics": made(func(http.ResponseWriter, *http.Request) { panic("odd") }),
	})
	for _, path := range []string{"/begun", "/not", "/panics"} {
		r.say(strings.Replace(get, "GET /", "GET "+path, 1))
	}
	r.stop()
	err := <-r.ended
	r.ended <- err
	for _, want := range []string{"path=/begun status=200 bytes=3 ", "path=/not status=0 ", "path=/panics status=0 "} {
		_, line, found := strings.Cut(r.log.String(), want)
		line, _, _ = strings.Cut(line, "\n")
		if !found || !strings.Contains(line, " cut=true") {
			t.Errorf("%q:\n%s", want, r.log)
		}
	}
}

// A closing handler counts how often it was closed.
type closing struct {
	http.Handler
	closed *atomic.Int32
}

func (c closing) Close() error {
	c.closed.Add(1)
	return nil
}

// Handlers that hold something are closed once: when their site has ended, when it
// did not come to be, and when nobody has served it.
func TestHandlersAreClosed(t *testing.T) {
	var made, closed atomic.Int32
	handlers := basic()
	handlers["holds"] = func(*site.Route, route.Endpoint) (http.Handler, error) {
		made.Add(1)
		return closing{http.NotFoundHandler(), &closed}, nil
	}
	parse := func(text string) *site.Site {
		s, err := config.Parse("site.json5", []byte(text), "holds")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	check := func(t *testing.T, what string, open int32) {
		t.Helper()
		if n := made.Load() - closed.Load(); n != open {
			t.Errorf("%s: %d are open, want %d", what, n, open)
		}
	}
	const fine = `{ listen: '127.0.0.1:0', routes: [{ handler: 'holds' }] }`
	o := server.Options{Handlers: handlers}
	if _, err := server.New(parse(`{ listen: '127.0.0.1:0', routes: [{ match: '/a', handler: 'holds' }, { handler: 'static', static: { directory: 'none' } }] }`), o); err == nil {
		t.Fatal("taken")
	}
	check(t, "a site that is none", 0)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	srv, err := server.New(parse(fine), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := srv.Reload(parse(fine)); err != nil {
		t.Error(err)
	}
	check(t, "a reload before Serve", 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx) }()
	if err := srv.Reload(parse(`{ listen: '` + taken.Addr().String() + `', routes: [{ handler: 'holds' }] }`)); err == nil {
		t.Error("taken")
	}
	check(t, "a reload that fails", 1)
	for range 3 {
		if err := srv.Reload(parse(fine)); err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	check(t, "the end", 0)
	if err := srv.Reload(parse(fine)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	check(t, "a reload behind the end", 0)

	srv, err = server.New(parse(fine), o)
	if err != nil {
		t.Fatal(err)
	}
	srv.Close()
	srv.Close()
	check(t, "Close without Serve", 0)
}

// While a reload opens its listeners, for which names may be looked up, the old site
// answers; and the server can be stopped.
func TestCF4ReloadThatTakesLong(t *testing.T) {
	for _, end := range []string{"opens", "fails", "is stopped"} {
		synctest.Test(t, func(t *testing.T) {
			network := wstest.NewNetwork(nil)
			release := make(chan struct{})
			var opened *wstest.Listener
			o := server.Options{Handlers: basic(), Listen: func(_, address string) (net.Listener, error) {
				if address == "slow:80" {
					if <-release; end == "fails" {
						return nil, errors.New("no such name")
					}
					opened = network.Listen(address)
					return opened, nil
				}
				return network.Listen(address), nil
			}}
			parse := func(text string) *site.Site {
				s, err := config.Parse("site.json5", []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			srv, err := server.New(parse(`{ listen: 'site:80', routes: [{ handler: 'respond', respond: { body: 'one' } }] }`), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := srv.Listen(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(context.Background()) }()
			answer := func(address string) string {
				c, err := network.DialContext(t.Context(), "tcp", address)
				if err != nil {
					return err.Error()
				}
				defer c.Close()
				io.WriteString(c, get)
				a, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					return err.Error()
				}
				b, _ := io.ReadAll(a.Body)
				return string(b)
			}
			reloaded := make(chan error, 1)
			go func() {
				reloaded <- srv.Reload(parse(`{ listen: ['site:80', 'slow:80'], routes: [{ handler: 'respond', respond: { body: 'two' } }] }`))
			}()
			synctest.Wait()
			if got := answer("site:80"); got != "one" {
				t.Errorf("meanwhile: %s", got)
			}
			if end == "is stopped" {
				srv.Close()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				close(release)
				if err := <-reloaded; !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				if _, err := opened.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("its listener is open: %v", err)
				}
				return
			}
			close(release)
			err = <-reloaded
			got := fmt.Sprint(err == nil, " ", answer("site:80"))
			want := map[string]string{"opens": "true two", "fails": "false one"}[end]
			if got != want {
				t.Errorf("%s: %s, %v", end, got, err)
			}
			if end == "opens" {
				if got := answer("slow:80"); got != "two" {
					t.Error(got)
				}
			}
			srv.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// An address that the server itself keeps from the new site is told as such.
func TestReloadToAllAddresses(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(r.first, "http://"), ":")
	err := r.Reload(r.next("{ listen: '0.0.0.0:" + port + "', " + ok + " }"))
	switch {
	case err == nil && runtime.GOOS != "linux": // both may be
	case err == nil || !strings.Contains(err.Error(), "this server listens at 127.0.0.1:"+port):
		t.Error(err)
	}
}

// A troubledListener has some errors before it accepts.
type troubledListener struct {
	net.Listener
	errs []error
}

func (l *troubledListener) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return l.Listener.Accept()
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
}

// The error of one connection, which accept returns, does not end the others; that of
// the listener ends the server.
func TestErrorsOfAccept(t *testing.T) {
	passing := []error{syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EPERM, syscall.ENOBUFS, syscall.ETIMEDOUT}
	for _, last := range []error{nil, syscall.EBADF} {
		synctest.Test(t, func(t *testing.T) {
			s, err := config.Parse("site.json5", []byte(`{ listen: 'site:80', `+ok+` }`))
			if err != nil {
				t.Fatal(err)
			}
			network := wstest.NewNetwork(nil)
			errs := passing
			if last != nil {
				errs = append(slices.Clip(errs), last)
			}
			srv, err := server.New(s, server.Options{Handlers: basic(), Listen: func(_, address string) (net.Listener, error) {
				return &troubledListener{network.Listen(address), errs}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if err := srv.Listen(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(context.Background()) }()
			if last != nil {
				if err := <-ended; !errors.Is(err, last) {
					t.Error(err)
				}
				return
			}
			c, err := network.DialContext(t.Context(), "tcp", "site:80")
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, get)
			if got := codes(answers(c)); got != "200" {
				t.Error(got)
			}
			srv.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// A connection that is in use gets its next answer from the new site, and is told that
// it is the last one; one that is not ends a moment later. So nothing that was asked
// for is lost.
func TestReloadOfBusyConnections(t *testing.T) {
	const site = `routes: [{ match: '/ws', handler: 'echo' }, { handler: 'respond', respond: { body: 'one' } }]`
	inBubble(t, "", site, nil, func(t *testing.T, b *bubble) {
		var conns []net.Conn
		for range 3 {
			c := b.connect()
			conns = append(conns, c)
			io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
			if a, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || a.Close {
				t.Fatal(a, err)
			}
		}
		next, err := config.Parse("site.json5", []byte("{ listen: 'site:80', "+strings.Replace(site, "one", "two", 1)+" }"))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := b.server.Reload(next); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		io.WriteString(conns[0], strings.Replace(get, "Connection: close\r\n", "", 1))
		list := answers(conns[0])
		if codes(list) != "200" || body(t, list[0]) != "two" || !list[0].Close {
			t.Errorf("%s: %+v", codes(list), list)
		}
		p, _ := wstest.Open(t, conns[1], "/ws", http.Header{})
		p.Send(wstest.Text("x"))
		p.Want("the echo", wstest.Text("x"))
		p.Close()
		if n, err := conns[2].Read(make([]byte, 1)); n != 0 || err != io.EOF || time.Since(began) != time.Second {
			t.Errorf("the idle one: %d, %v, after %v", n, err, time.Since(began))
		}
		synctest.Wait()
		if n := server.Generations(b.server); n != 1 {
			t.Errorf("%d generations", n)
		}
	})
}

// Clients that use their connections all the time lose nothing.
func TestCF4ReloadKeepAlive(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, log: { requests: false }, "+ok+" }", nil)
	stop := make(chan struct{})
	var asked atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "http://"))
				if err != nil {
					t.Error(err)
					return
				}
				br := bufio.NewReader(c)
				used := time.Now()
				for last := false; !last; asked.Add(1) {
					io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
					a, err := http.ReadResponse(br, nil)
					if err != nil {
						if time.Since(used) < 500*time.Millisecond { // else it was idle, for want of a processor
							t.Errorf("a request without its answer: %v", err)
						}
						break
					}
					io.Copy(io.Discard, a.Body)
					last, used = a.Close, time.Now()
				}
				c.Close()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for n := range 15 {
		for asked.Load() < int64(n*20) {
			runtime.Gosched()
		}
		if err := r.Reload(r.next("{ @plain, log: { requests: false }, " + ok + " }")); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	r.Reload(r.next("{ @plain, log: { requests: false }, " + ok + " }")) // and goodbye
	clients.Wait()
}

// A connection that was made without a certificate gets nothing of a site that demands
// one.
func TestTL7ReloadDemandsCertificates(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @tls, routes: [{ handler: 'respond', respond: { body: 'one' } }] }", nil)
	c := r.connect()
	br := bufio.NewReader(c)
	for _, ends := range []bool{false, true} {
		io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
		a, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, a); text != "one" || a.Close != ends {
			t.Errorf("%q, the last one: %v", text, a.Close)
		}
		if ends {
			break
		}
		if err := r.Reload(r.next(strings.Replace("{ @tls, routes: [{ handler: 'respond', respond: { body: 'two' } }] }", "@tls",
			"listen: ['https://127.0.0.1:0'], tls: { certificate: 'site.pem', key: 'site.key', clientCA: 'site.pem' }", 1))); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever a route's timeouts.close is, the drain lets a peer answer within it; without
// a limit, within that of the default.
func TestDrainWaitsForCloses(t *testing.T) {
	for text, d := range map[string]time.Duration{"'30 s'": 29 * time.Second, "'never'": 4 * time.Second} {
		inBubble(t, "", `timeouts: { drain: '1 ms' }, routes: [{ handler: 'echo', timeouts: { close: `+text+` } }]`, nil, func(t *testing.T, b *bubble) {
			p, _ := b.peer("/")
			p.Send(wstest.Text("x"))
			p.Want("the echo", wstest.Text("x"))
			b.server.Close()
			p.WantClose("the server's", 1001, wstest.AnyReason)
			time.Sleep(d)
			if n := server.Open(b.server); n != 1 {
				t.Errorf("close: %s: %d are open after %v", text, n, d)
			}
			p.Send(wstest.Close(1001, ""))
			p.WantEOF("in order")
		})
	}
}

// Close without Serve closes handlers when the requests of somebody else's server are
// answered.
func TestCloseUnderGuests(t *testing.T) {
	var closed atomic.Int32
	entered, leave := make(chan struct{}), make(chan struct{})
	s, err := config.Parse("site.json5", []byte(`{ routes: [{ handler: 'holds' }] }`), "holds")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(s, server.Options{Handlers: map[string]route.Constructor{
		"holds": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return closing{http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				close(entered)
				<-leave
				if closed.Load() != 0 {
					t.Error("closed in use")
				}
			}), &closed}, nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	<-entered
	srv.Close()
	close(leave)
	<-done
	if closed.Load() != 1 {
		t.Errorf("closed %d times", closed.Load())
	}
}

// A handler is closed at the end of the server when the last request is answered, on
// whichever connection that came.
func TestHandlersAreClosedLast(t *testing.T) {
	t.Parallel()
	var closed atomic.Int32
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, "{ @plain, timeouts: { close: '5 s' }, "+ok+" }", map[string]route.Constructor{
		"holds": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return closing{http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				close(entered)
				<-leave
				if closed.Load() != 0 {
					t.Error("closed in use")
				}
			}), &closed}, nil
		},
	})
	c := r.connect()
	io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
	br := bufio.NewReader(c)
	a, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, a.Body)
	next, err := config.Parse("site.json5", []byte(`{ listen: '127.0.0.1:0', routes: [{ handler: 'holds' }] }`), "holds")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, get) // on the connection of the site before
	<-entered
	r.stop()
	for { // until it accepts no more
		c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "http://"))
		if err != nil {
			break
		}
		c.Close()
	}
	close(leave)
	if a, err := http.ReadResponse(br, nil); err != nil || a.StatusCode != 200 {
		t.Error(a, err)
	}
	err = <-r.ended
	r.ended <- err
	if closed.Load() != 1 {
		t.Errorf("closed %d times", closed.Load())
	}
}
