package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
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
