package fallback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
)

func TestEcho(t *testing.T) {
	for _, mode := range []string{"stream", "sse", "poll", ""} {
		t.Run(mode, func(t *testing.T) {
			in(t, echoes(&curlew.Options{MaxMessage: 4 << 20, SendQueue: 8 << 20}), nil, func(h *house) {
				c, err := h.dial(mode, &DialOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range []int{0, 1, 125, 70000, 1 << 20} {
					p := bytes.Repeat([]byte("x"), n)
					if err := c.Write(h.t.Context(), curlew.Text, p); err != nil {
						t.Fatal(n, err)
					}
					_, got, err := c.Read(h.t.Context(), nil)
					if err != nil || !bytes.Equal(got, p) {
						t.Fatal(n, len(got), err)
					}
				}
				c.Close(curlew.NormalClosure, "bye")
				if _, _, err := c.Read(h.t.Context(), nil); !err.(*curlew.CloseError).Orderly() {
					t.Error(err)
				}
			})
		})
	}
}

// FB4: a body of as many frames as there is room for costs no more than one frame of
// that size: they are read like those of a WebSocket, under the same limits.
func TestFB4_ManyFrames(t *testing.T) {
	const empty = "\x01\x80\x00\x00\x00\x00" // the beginning of a text, masked
	const more = "\x00\x80\x00\x00\x00\x00"  // its continuation
	in(t, echoes(nil), nil, func(h *house) {
		a := h.want("open", h.do("POST", "curlew=open", ""), 200)
		v := &visit{house: h, id: strings.Split(a.body, `"`)[3]}
		s := v.stream("at=0&mode=stream", greeting)
		v.post("at=0", empty+strings.Repeat(more, defaultWindow/len(more)-1))
		s.wants("\x88") // a Close
		s.body.Close()
		v.delete()
	})
}

// FB7: a WebSocket and sessions at the same URL know nothing of each other, whoever
// comes first and whatever becomes of the others. There is no change from one to the
// other.
func TestFB7_SideBySide(t *testing.T) {
	in(t, echoes(nil), nil, func(h *house) {
		var all []*curlew.Conn
		for _, mode := range []string{"stream", "", "sse", "poll"} {
			c, err := h.dial(mode, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
			ws, err := curlew.Dial(h.t.Context(), h.base, &curlew.DialOptions{DialContext: h.network.DialContext})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ws)
		}
		_, err := curlew.Dial(h.t.Context(), h.base+"?curlew=open", &curlew.DialOptions{DialContext: h.network.DialContext})
		if e, ok := errors.AsType[*curlew.HandshakeError](err); !ok || e.Status != 405 {
			t.Error(err)
		}
		for i := range 20 {
			for j, c := range all {
				c.Write(h.t.Context(), curlew.Text, fmt.Appendf(nil, "%d %d", i, j))
			}
			for j, c := range all {
				if _, p, err := c.Read(h.t.Context(), nil); string(p) != fmt.Sprintf("%d %d", i, j) {
					t.Fatalf("%d of %d: %q, %v", i, j, p, err)
				}
			}
			if i == 10 {
				all[2].Abort(nil)
				all[3].Abort(nil)
				all = append(all[:2:2], all[4:]...)
			}
		}
		for _, c := range all {
			c.Close(curlew.NormalClosure, "")
		}
		h.pass(time.Second)
	})
}

// What answers an open, and what comes of it.
func TestDialOpen(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer *http.Response // nil: none
		status int            // of the HandshakeError; 0: none
	}{
		{"garbage", reply(200, "", "garbage"), 0},
		{"another's JSON", reply(200, "", `{"sid":"x"}`), 0},
		{"no session", reply(200, "", `{"session":"","window":5}`), 0},
		{"an array", reply(200, "", `[1]`), 0},
		{"numbers that are none", reply(200, "", `{"session":"x","window":1e99}`), 0},
		{"nothing", reply(200, "", ""), 0},
		{"none", nil, 0},
		{"forbidden", reply(403, "text/plain", "no"), 403},
		{"unauthorized", reply(401, "text/plain", "who?", "Www-Authenticate", "Basic", "Transfer-Encoding", "chunked", "Content-Length", "100"), 401},
		{"full", reply(503, "text/plain", "later", "Retry-After", "7"), 503},
		{"created", reply(201, "text/plain", ""), 201},
		{"no content", reply(204, "", ""), 204},
		{"moved", reply(307, "", "", "Location", "https://other.example/"), 307},
		{"a body without end", &http.Response{StatusCode: 500, Header: http.Header{}, Body: io.NopCloser(endless{})}, 500},
		{"JSON without end", &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(endless{})}, 0},
		{"a subprotocol that was not offered", reply(200, "", `{"session":"x","protocol":"p","poll":1,"window":1}`), 101},
		{"a subprotocol that breaks the head", reply(200, "", `{"session":"x","protocol":"p\r\n\r\nX","poll":1,"window":1}`), 101},
		{"an extension", reply(200, "", `{"session":"x","poll":1,"window":1}`, "Sec-Websocket-Extensions", "permessage-deflate"), -1},
		{"a field that breaks the head", reply(200, "", `{"session":"x","poll":1,"window":1}`, "X", "a\r\n\r\nb"), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &script{open: func(*http.Request) *http.Response { return c.answer }}
				conn, err := s.meets(t)
				if c.status == -1 {
					if err != nil {
						t.Fatal(err)
					}
					conn.Abort(nil)
					return
				}
				if err == nil {
					t.Fatal("there is a connection")
				}
				e, ok := errors.AsType[*curlew.HandshakeError](err)
				switch {
				case c.status != 0 && (!ok || e.Status != c.status):
					t.Errorf("%v, want %d", err, c.status)
				case c.answer == nil && !errors.Is(err, context.DeadlineExceeded):
					t.Error(err)
				case c.name == "full" && e.Header.Get("Retry-After") != "7":
					t.Error(e.Header)
				}
			})
		})
	}
}

// URLs that Dial takes, and what it asks for.
func TestDialURL(t *testing.T) {
	for u, want := range map[string]string{
		"ws://example.com/chat":           "http://example.com/chat?curlew=open",
		"wss://example.com":               "https://example.com?curlew=open",
		"http://example.com:8080/?a=1&b":  "http://example.com:8080/?a=1&b&curlew=open",
		"https://example.com/a%2Fb?at=1":  "https://example.com/a%2Fb?at=1&curlew=open",
		"WSS://example.com/":              "https://example.com/?curlew=open",
		"ftp://example.com/":              "",
		"//example.com/":                  "",
		"ws://user:secret@example.com/":   "",
		"ws://example.com/#fragment":      "",
		"ws:///":                          "",
		"ws://exa mple.com/":              "",
		"ws://example.com/?curlew=open&a": "http://example.com/?curlew=open&a&curlew=open",
	} {
		bubble(t, func(t *testing.T) {
			s := &script{}
			c, err := Dial(t.Context(), u, &DialOptions{HTTP: s})
			if (err == nil) != (want != "") {
				t.Errorf("%s: %v", u, err)
			}
			if err == nil {
				if s.asked(0) != want {
					t.Errorf("%s: %s, want %s", u, s.asked(0), want)
				}
				c.Abort(nil)
			}
		})
	}
}

// What the server says of itself is believed as far as it makes sense.
func TestDialBelieves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &script{open: func(*http.Request) *http.Response {
			return reply(200, "", `{"session":"a&b=c d%\r\n\u00fc#","poll":-5,"window":1000000000000}`)
		}}
		c, err := s.meets(t, "poll")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Millisecond)
		synctest.Wait()
		if want := "http://example.com/chat?x=1&curlew=a%26b%3Dc+d%25%0D%0A%C3%BC%23&at=0&mode=poll"; s.asked(1) != want {
			t.Errorf("%s, want %s", s.asked(1), want)
		}
		c.Abort(nil)
	})
	for window, want := range map[string]int{"1000000000000": maxWindow, "-5": 1, "0": 1, "7": 7} {
		bubble(t, func(t *testing.T) {
			s := &script{open: func(*http.Request) *http.Response {
				return reply(200, "", `{"session":"a","poll":1,"window":`+window+`}`)
			}}
			tun := newTunnel(mustURL("http://example.com/"), &DialOptions{HTTP: s})
			io.WriteString(tun, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			<-time.After(10 * time.Millisecond)
			synctest.Wait()
			tun.mu.Lock()
			if tun.window != want {
				t.Errorf("window %s became %d", window, tun.window)
			}
			tun.mu.Unlock()
			tun.Close()
		})
	}
}

// Dial with a transport of its own: HTTP/2 if there is TLS, a proxy's CONNECT; and all
// is let go at the end.
func TestDialTransport(t *testing.T) {
	everyHTTP(t, echoes(nil), nil, nil, func(h *house) {
		closed := make(chan struct{}, 10)
		inner := h.network.DialContext
		var dials int
		o := &DialOptions{DialOptions: curlew.DialOptions{
			TLS: h.client.Transport.(*http.Transport).TLSClientConfig,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := inner(ctx, network, address)
				dials++
				return told{c, closed}, err
			},
		}}
		c, err := Dial(h.t.Context(), h.base, o)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(h.t.Context(), curlew.Text, []byte("hello"))
		if _, p, err := c.Read(h.t.Context(), nil); string(p) != "hello" {
			t.Error(err)
		}
		if a := c.Info().RemoteAddr; a == nil || !strings.HasPrefix(a.String(), "example.com") {
			t.Error(a)
		}
		c.Close(curlew.NormalClosure, "")
		h.pass(time.Minute)
		if want := 2 - strings.Count(h.base, "https"); dials != want || len(closed) != dials {
			t.Errorf("%d connections, want %d; %d are closed", dials, want, len(closed))
		}
	})
}

type told struct {
	net.Conn
	closed chan struct{}
}

func (c told) Close() error {
	err := c.Conn.Close()
	if err == nil {
		c.closed <- struct{}{}
	}
	return err
}

// http.Server.Shutdown waits for GETs, and so for nothing once the connections are told.
func TestShutdown(t *testing.T) {
	for _, mode := range []string{"stream", "sse", "poll"} {
		var ours atomic.Pointer[curlew.Conn]
		ws := curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
			ev := echo()
			ev.Open = func(c *curlew.Conn) { ours.Store(c) }
			return ev, nil
		})
		in(t, ws, nil, func(h *house) {
			c, err := h.dial(mode, nil)
			if err != nil {
				t.Fatal(err)
			}
			h.pass(time.Second)
			h.srv.RegisterOnShutdown(func() { ours.Load().Close(curlew.GoingAway, "") })
			down := make(chan error, 1)
			began := time.Now()
			go func() { down <- h.srv.Shutdown(context.Background()) }()
			_, _, err = c.Read(h.t.Context(), nil)
			if e, ok := errors.AsType[*curlew.CloseError](err); !ok || e.Code != curlew.GoingAway {
				t.Errorf("%s: %v", mode, err)
			}
			if err := <-down; err != nil || time.Since(began) > 6*time.Second { // the client cannot answer: nobody listens any more
				t.Errorf("%s: %v after %v", mode, err, time.Since(began))
			}
			c.Abort(nil)
		})
	}
}
