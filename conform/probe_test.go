package conform

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// targetAt is a server in memory whose nth connection is what f makes of it.
func targetAt(t *testing.T, f func(n int, c net.Conn)) *Target {
	n := wstest.NewNetwork(nil)
	l := n.Listen("example.com:80")
	go func() {
		for i := 1; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f(i, c)
		}
	}()
	t.Cleanup(func() { l.Close() })
	return &Target{Host: "example.com", Path: "/", Dial: func(ctx context.Context) (net.Conn, error) {
		return n.DialContext(ctx, "tcp", "example.com:80")
	}}
}

// echoing is a server of ours in memory.
func echoing(t *testing.T) *Target {
	handler := curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}, nil
	})
	n := wstest.NewNetwork(nil)
	s := &http.Server{Handler: handler}
	go s.Serve(n.Listen("example.com:80"))
	t.Cleanup(func() { s.Close() })
	return &Target{Host: "example.com", Path: "/", Dial: func(ctx context.Context) (net.Conn, error) {
		return n.DialContext(ctx, "tcp", "example.com:80")
	}}
}

// echoBack is a test client: one path, echoed to its end.
func echoBack(ctx context.Context, n *wstest.Network, path string) {
	c, err := curlew.Dial(ctx, "ws://example.com"+path, &curlew.DialOptions{DialContext: n.DialContext})
	if err != nil {
		return
	}
	for {
		ty, p, err := c.Read(ctx, nil)
		if err != nil || c.Write(ctx, ty, p) != nil {
			break
		}
	}
	<-c.Done()
}

func drain(_ int, c net.Conn) { io.Copy(io.Discard, c); c.Close() }

func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if took, err := Probe(t.Context(), echoing(t), nil); err != nil || took != 0 {
			t.Error(took, err)
		}
		began := time.Now()
		if _, err := Probe(t.Context(), targetAt(t, drain), nil); err == nil || time.Since(began) != 5*time.Second {
			t.Errorf("silent: %v after %v", err, time.Since(began))
		}
		dead := &Target{Dial: func(context.Context) (net.Conn, error) { return nil, wstest.ErrRefused }}
		if _, err := Probe(t.Context(), dead, nil); !errors.Is(err, wstest.ErrRefused) {
			t.Errorf("dead: %v", err)
		}
		stuck := &Target{Dial: func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }}
		if _, err := Probe(t.Context(), stuck, nil); err == nil || !strings.Contains(err.Error(), "no connection within 5s") {
			t.Errorf("stuck: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := Probe(ctx, stuck, nil); err != context.Canceled {
			t.Errorf("interrupted: %v", err)
		}
	})
}

// What a server says that is none, or not there, and what can be done.
func TestProbeAdvice(t *testing.T) {
	for _, v := range []struct{ answer, want string }{
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "it refused a right handshake with 404 Not Found. Is that the path of the WebSocket?"},
		{"HTTP/1.1 200 OK\r\n\r\n<html>", "it refused a right handshake with 200 OK. Is that the path of the WebSocket?"},
		{"HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
			`it refused a right handshake with 400 Bad Request; it says "Client sent an HTTP request to an HTTPS server."`},
		{"HTTP/1.1 401 Unauthorized\r\n\r\nwho \x1b[2J?\nsecond", `it refused a right handshake with 401 Unauthorized; it says "who \x1b[2J?". It wants to know who is there: a user in the URL, or a header`},
		{"HTTP/1.1 403 Forbidden\r\n\r\n", "it refused a right handshake with 403 Forbidden. Perhaps it wants an Origin, or a header"},
		{"HTTP/1.1 308 Permanent Redirect\r\nLocation: wss://a/\x1b\r\n\r\n", `its answer is not HTTP: "HTTP/1.1 308 Permanent Redirect\r\nLocatio"…`},
		{"HTTP/1.1 308 Permanent Redirect\r\nLocation: wss://a/\r\n\r\n", `it refused a right handshake with 308 Permanent Redirect. Its place is "wss://a/"`},
		{"SSH-2.0-OpenSSH_9.2\r\n", `its answer is not HTTP: "SSH-2.0-OpenSSH_9.2\r\n"`},
		{"", "it ended the stream instead of answering: unexpected EOF"},
	} {
		synctest.Test(t, func(t *testing.T) {
			target := targetAt(t, func(_ int, c net.Conn) {
				defer c.Close()
				c.Read(make([]byte, 4096))
				io.WriteString(c, v.answer)
			})
			if _, err := Probe(t.Context(), target, nil); err == nil || err.Error() != "conform: no WebSocket: "+v.want {
				t.Errorf("%q: %v", v.answer, err)
			}
		})
	}
}

func TestScaleFor(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		o    *Options
		want int
	}{
		{0, nil, 1}, {62 * time.Millisecond, nil, 1}, {63 * time.Millisecond, nil, 2}, {time.Second, nil, 17}, {time.Minute, nil, 20},
		{time.Second, &Options{Parallel: 1, Patience: 2 * time.Second}, 1},
	} {
		if got := ScaleFor(c.d, c.o); got != c.want {
			t.Errorf("%v: %d, want %d", c.d, got, c.want)
		}
	}
}

// A server that is silent from its 20th connection on is given up; one that is
// away for a moment is not.
func TestServerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := echoing(t)
		n := 0
		target := *back
		silent := targetAt(t, drain)
		target.Dial = func(ctx context.Context) (net.Conn, error) {
			if n++; n < 20 {
				return back.Dial(ctx)
			}
			return silent.Dial(ctx)
		}
		cases, err := Select(Cases(), []string{"1", "4"})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		results := TestServer(t.Context(), cases, &target, &Options{Parallel: 1})
		if len(results) != 19 || Worst(results) != OK || time.Since(began) > 20*time.Second {
			t.Errorf("%d results, %v, %v", len(results), Worst(results), time.Since(began))
		}

		away := time.Now().Add(3 * time.Second)
		target.Dial = func(ctx context.Context) (net.Conn, error) {
			if time.Now().Before(away) {
				return nil, wstest.ErrRefused
			}
			return back.Dial(ctx)
		}
		if results := TestServer(t.Context(), cases, &target, nil); len(results) != len(cases) || Worst(results) != OK {
			t.Errorf("%d results of %d, %v", len(results), len(cases), Worst(results))
		}
	})
}

// When the context ends so does the run, and what was not done has no result.
func TestServerInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		cases := []*Case{
			{ID: "1", Roles: ForServers, Script: script{pause(time.Hour)}},
			{ID: "2", Roles: ForServers, Script: script{silent(time.Hour)}},
			{ID: "3", Roles: ForServers, Script: script{also(silent(time.Hour))}},
		}
		o := &Options{Timeout: time.Hour, Progress: func(r Result) { t.Error(r) }}
		if results := TestServer(ctx, cases, echoing(t), o); len(results) != 0 || time.Since(began) != time.Second {
			t.Error(results, time.Since(began))
		}
	})
}

// A server for clients may end with the first report, and forgets cases that were
// interrupted.
func TestClientsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := wstest.NewNetwork(nil)
		reported := ""
		clients := &Clients{Cases: Cases(), Once: true, Reported: func(agent string, _ []Result) { reported += agent }}
		done := make(chan error)
		l := n.Listen("example.com:80")
		go func() { done <- clients.Serve(t.Context(), l) }()
		echoBack(t.Context(), n, "/runCase?case=1&agent=b") // another agent
		synctest.Wait()                                     // its result is there
		slow, err := n.DialContext(t.Context(), "tcp", "example.com:80")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(slow, "GET /runCase?case=1&agent=c HTTP/1.1\r\n\r\n")
		echoBack(t.Context(), n, "/updateReports?agent=a")
		if err := <-done; err != nil || reported != "a" {
			t.Error(err, reported)
		}
		if got := strings.Join(clients.Agents(), " "); got != "b" {
			t.Error(got)
		}
		slow.Close()
	})
}
