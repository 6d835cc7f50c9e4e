package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

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
	var closed atomic.Int32
	var entered, leave chan struct{}
	inBubble(t, "", "timeouts: { close: '5 s' }, "+ok, map[string]route.Constructor{
		"holds": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return closing{http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				close(entered)
				<-leave
				if closed.Load() != 0 {
					t.Error("closed in use")
				}
			}), &closed}, nil
		},
	}, func(t *testing.T, b *bubble) {
		entered, leave = make(chan struct{}), make(chan struct{})
		c := b.connect()
		io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
		br := bufio.NewReader(c)
		a, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, a.Body)
		next, err := config.Parse("site.json5", []byte(`{ listen: 'site:80', routes: [{ handler: 'holds' }] }`), "holds")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.server.Reload(next); err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, get) // on the connection of the site before
		<-entered
		b.server.Close()
		synctest.Wait()
		if _, err := b.network.DialContext(t.Context(), "tcp", "site:80"); err == nil {
			t.Error("a connection is accepted")
		}
		close(leave)
		if a, err := http.ReadResponse(br, nil); err != nil || a.StatusCode != 200 {
			t.Error(a, err)
		}
		b.pass(time.Minute)
		if closed.Load() != 1 {
			t.Errorf("closed %d times", closed.Load())
		}
	})
}
