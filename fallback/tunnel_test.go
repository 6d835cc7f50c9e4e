package fallback

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
)

// A script answers requests in place of a server.
type script struct {
	mu    sync.Mutex // guards the following
	count map[string]int
	urls  []string

	get, post func(r *http.Request) *http.Response // nil: nothing is there; 204 with the right offset
	open      func(r *http.Request) *http.Response // nil: usual
}

func reply(status int, kind, body string, fields ...string) *http.Response {
	h := http.Header{}
	if kind != "" {
		h.Set("Content-Type", kind)
	}
	for i := 0; i < len(fields); i += 2 {
		h[fields[i]] = []string{fields[i+1]}
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	<-time.After(time.Millisecond) // else nobody's time goes on
	s.mu.Lock()
	if s.count == nil {
		s.count = make(map[string]int)
	}
	s.count[r.Method]++
	s.urls = append(s.urls, r.URL.String())
	s.mu.Unlock()
	f := s.get
	switch {
	case r.Method == "DELETE":
		return reply(204, "", ""), nil
	case strings.Contains(r.URL.RawQuery, "curlew=open"):
		if f = s.open; f == nil {
			return reply(200, "application/json", `{"session":"abc","protocol":"","poll":25000,"window":1000}`), nil
		}
	case r.Method == "POST":
		if f = s.post; f == nil {
			_, ours, _ := split(r.URL.RawQuery)
			v, _ := url.ParseQuery(ours)
			at, _ := number(v.Get("at"))
			return reply(204, "", "", offsetField, itoa(at+r.ContentLength)), nil
		}
	}
	if f != nil {
		if a := f(r); a != nil {
			return a, nil
		}
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func itoa(n int64) string { return string(appendInt(nil, n)) }

func appendInt(b []byte, n int64) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, '0'+byte(n%10))
}

func (s *script) made(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[method]
}

func (s *script) asked(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urls[i]
}

// meets dials a script.
func (s *script) meets(t *testing.T, modes ...string) (*curlew.Conn, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o := &DialOptions{HTTP: s, Modes: modes}
	o.PingInterval = -1
	return Dial(ctx, "ws://example.com/chat?x=1", o)
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t)
		<-time.After(5 * time.Minute)
	})
}

// A server, or somebody in between, that answers at once without saying anything is
// not asked without a pause.
func TestTunnelNoHotLoop(t *testing.T) {
	for _, c := range []struct {
		name, mode string
		get        *http.Response
	}{
		{"nothing", "poll", reply(204, "", "")},
		{"nothing of a 200", "poll", reply(200, "application/octet-stream", "")},
		{"a stream that ends", "stream", reply(200, "application/octet-stream", greeting)},
		{"events that end", "sse", reply(200, "text/event-stream", eventsGreeting)},
		{"events without data", "sse", reply(200, "text/event-stream; charset=utf-8", eventsGreeting+":\n\nid:7\n\ndata:\n\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				body, err := io.ReadAll(c.get.Body)
				if err != nil {
					t.Fatal(err)
				}
				s := &script{get: func(*http.Request) *http.Response {
					a := *c.get
					a.Body = io.NopCloser(bytes.NewReader(body))
					return &a
				}}
				conn, err := s.meets(t, c.mode)
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				if n := s.made("GET"); n < 10 || n > 50 || conn.Err() != nil {
					t.Errorf("%d GETs in a minute, %v", n, conn.Err())
				}
				conn.Abort(nil)
			})
		})
	}
	bubble(t, func(t *testing.T) { // and no room
		s := &script{post: func(*http.Request) *http.Response { return reply(204, "", "", offsetField, "0") }}
		conn, err := s.meets(t, "poll")
		if err != nil {
			t.Fatal(err)
		}
		go conn.Write(t.Context(), curlew.Text, make([]byte, 5000))
		<-time.After(10 * time.Second)
		if n := s.made("POST"); n < 5 || n > 30 || conn.Err() != nil {
			t.Errorf("%d POSTs, %v", n, conn.Err())
		}
		conn.Abort(nil)
	})
}

// Answers that make no sense end the connection, at once or after 30 s of trying.
func TestTunnelNonsense(t *testing.T) {
	get := func(a func() *http.Response) *script {
		return &script{get: func(*http.Request) *http.Response { return a() }}
	}
	post := func(a func() *http.Response) *script {
		return &script{post: func(*http.Request) *http.Response { return a() }}
	}
	octets := "application/octet-stream"
	for _, c := range []struct {
		name   string
		mode   string
		script *script
		within time.Duration
	}{
		{"a page for a poll", "poll", get(func() *http.Response { return reply(200, "text/html", "<html>") }), 40 * time.Second},
		{"a page for a stream", "stream", get(func() *http.Response { return reply(200, "text/html", greeting) }), 40 * time.Second},
		{"no greeting", "stream", get(func() *http.Response { return reply(200, octets, "curlew2\n") }), 40 * time.Second},
		{"half a greeting", "sse", get(func() *http.Response { return reply(200, "text/event-stream", ":o") }), 40 * time.Second},
		{"events that are no base64", "sse", get(func() *http.Response { return reply(200, "text/event-stream", eventsGreeting+"data:?\n\n") }), 40 * time.Second},
		{"a line without end", "sse", get(func() *http.Response {
			a := reply(200, "text/event-stream", "")
			a.Body = io.NopCloser(io.MultiReader(strings.NewReader(eventsGreeting+"data:"), endless{}))
			return a
		}), 40 * time.Second},
		{"frames that are none", "poll", get(func() *http.Response { return reply(200, octets, "\xff\xff") }), time.Second},
		{"unknown", "poll", get(func() *http.Response { return reply(404, "", "") }), time.Second},
		{"gone", "poll", get(func() *http.Response { return reply(410, "", "") }), time.Second},
		{"forbidden", "poll", get(func() *http.Response { return reply(403, "", "") }), time.Second},
		{"moved", "poll", get(func() *http.Response { return reply(302, "", "", "Location", "/") }), time.Second},
		{"conflict", "poll", get(func() *http.Response { return reply(409, "", "") }), 40 * time.Second},
		{"overloaded", "poll", get(func() *http.Response { return reply(503, "", "") }), 40 * time.Second},
		{"silence", "stream", get(func() *http.Response { return nil }), 2 * time.Minute},
		{"silence behind a greeting", "stream", &script{get: func(r *http.Request) *http.Response {
			silent, w := io.Pipe()
			context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
			a := reply(200, octets, "")
			a.Body = io.NopCloser(io.MultiReader(strings.NewReader(greeting), silent))
			return a
		}}, 0},

		{"an offset too far", "poll", post(func() *http.Response { return reply(204, "", "", offsetField, "1000000") }), time.Second},
		{"an offset that is none", "poll", post(func() *http.Response { return reply(204, "", "", offsetField, "-1") }), 40 * time.Second},
		{"no offset", "poll", post(func() *http.Response { return reply(200, "text/html", "<html>") }), 40 * time.Second},
		{"too long", "poll", post(func() *http.Response { return reply(413, "", "", offsetField, "0") }), time.Second},
		{"silence of POSTs", "poll", post(func() *http.Response { return nil }), 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				conn, err := c.script.meets(t, c.mode)
				if err != nil {
					t.Fatal(err)
				}
				conn.Write(t.Context(), curlew.Text, []byte("hello"))
				limit := time.After(c.within)
				if c.within == 0 { // it is asked again, and no answer does more harm
					limit = time.After(3 * (defaultPoll + grace))
				}
				select {
				case <-conn.Done():
				case <-limit:
					if c.within != 0 || c.script.made("GET") < 3 {
						t.Errorf("it still lives after %v and %d GETs", c.within, c.script.made("GET"))
					}
				}
				conn.Abort(nil)
			})
		})
	}
}

// A flood that nobody reads stays with the server.
func TestTunnelFlood(t *testing.T) {
	for _, mode := range []string{"stream", "poll"} {
		bubble(t, func(t *testing.T) {
			s := &script{
				open: func(*http.Request) *http.Response {
					return reply(200, "", `{"session":"a","poll":25000,"window":1000000000}`)
				},
				get: func(*http.Request) *http.Response {
					a := reply(200, "application/octet-stream", "")
					a.Body = io.NopCloser(endless{})
					if mode == "stream" {
						a.Body = io.NopCloser(io.MultiReader(strings.NewReader(greeting), endless{}))
					}
					return a
				},
			}
			tun := newTunnel(mustURL("http://example.com/"), &DialOptions{HTTP: s, Modes: []string{mode}})
			io.WriteString(tun, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			<-time.After(10 * time.Millisecond)
			synctest.Wait()
			tun.mu.Lock()
			if n := len(tun.in); n > maxWindow+pieceSize {
				t.Errorf("%d bytes are held", n)
			}
			tun.mu.Unlock()
			tun.Close()
		})
	}
}

// FB11: a proxy that holds answers back: the next mode, within 3 s each.
func TestFB11_Modes(t *testing.T) {
	in(t, echoes(nil), nil, func(h *house) {
		for _, c := range []struct {
			holds string // modes
			after time.Duration
			ends  string
		}{{"", 0, "stream"}, {"stream", proof, "sse"}, {"stream sse", 2 * proof, "poll"}} {
			asked := make(chan string, 100)
			c0, err := h.dial("", &DialOptions{HTTP: tripper(func(r *http.Request) (*http.Response, error) {
				mode := r.URL.Query().Get("mode")
				if mode != "" {
					asked <- mode
				}
				if mode == "" || !strings.Contains(c.holds, mode) {
					return h.client.Transport.RoundTrip(r)
				}
				a, err := h.client.Transport.RoundTrip(r)
				if err != nil {
					return nil, err
				}
				a.Body = &heldBack{a.Body, nil}
				return a, nil
			})})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			c0.Write(h.t.Context(), curlew.Text, []byte("hello"))
			if _, p, err := c0.Read(h.t.Context(), nil); string(p) != "hello" {
				t.Fatal(err)
			}
			if d := time.Since(began); d != c.after {
				t.Errorf("%q: the echo came after %v", c.holds, d)
			}
			c0.Abort(nil)
			h.pass(time.Minute)
			close(asked)
			last := ""
			for last = range asked {
			}
			if last != c.ends {
				t.Errorf("the last mode is %s, want %s", last, c.ends)
			}
		}
	})
}

type tripper func(r *http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A proxy that passes on what fills its buffer, and the rest when the answer ends: what
// comes of it does not pass for a stream.
func TestFB11_Buffers(t *testing.T) {
	in(t, echoes(nil), nil, func(h *house) {
		c, err := h.dial("", &DialOptions{HTTP: tripper(func(r *http.Request) (*http.Response, error) {
			a, err := h.client.Transport.RoundTrip(r)
			if err == nil {
				a.Body = &buffered{ReadCloser: a.Body}
			}
			return a, err
		})})
		if err != nil {
			h.t.Fatal(err)
		}
		began := time.Now()
		for range 3 { // each is more than the buffer, but no multiple of it
			c.Write(h.t.Context(), curlew.Binary, make([]byte, 10_000))
			if _, p, err := c.Read(h.t.Context(), nil); len(p) != 10_000 {
				h.t.Fatal(len(p), err)
			}
		}
		if d := time.Since(began); d != 2*proof {
			h.t.Errorf("the echoes came after %v", d)
		}
		c.Abort(nil)
	})
}

// buffered is a body that comes in pieces of 4096 bytes.
type buffered struct {
	io.ReadCloser
	piece [4096]byte
	rest  []byte
}

func (b *buffered) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		n, err := io.ReadFull(b.ReadCloser, b.piece[:])
		if n == 0 || err != nil && err != io.ErrUnexpectedEOF {
			return 0, err
		}
		b.rest = b.piece[:n]
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// heldBack is a body that comes when it is whole.
type heldBack struct {
	io.ReadCloser
	whole *bytes.Reader
}

func (b *heldBack) Read(p []byte) (int, error) {
	if b.whole == nil {
		all, err := io.ReadAll(b.ReadCloser)
		if err != nil {
			return 0, err
		}
		b.whole = bytes.NewReader(all)
	}
	return b.whole.Read(p)
}

// What the server said last comes although a POST has learned of the end first.
func TestTunnelLastWords(t *testing.T) {
	in(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := curlew.Accept(w, r, nil)
		if err != nil {
			return
		}
		<-time.After(10 * time.Second)
		c.Write(r.Context(), curlew.Text, []byte("farewell"))
		c.Close(4001, "go away")
		<-time.After(time.Second)
		c.Abort(nil)
	}), nil, func(h *house) {
		var refused atomic.Int32
		c, err := h.dial("poll", &DialOptions{HTTP: tripper(func(r *http.Request) (*http.Response, error) {
			a, err := h.client.Transport.RoundTrip(r)
			if err == nil && r.Method == "POST" && a.StatusCode >= 400 {
				refused.Add(1)
			}
			if r.Method == "GET" {
				<-time.After(3 * time.Second) // a slow way back
			}
			return a, err
		})})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for c.Write(h.t.Context(), curlew.Text, []byte("still there?")) == nil {
				<-time.After(100 * time.Millisecond)
			}
		}()
		if _, p, err := c.Read(h.t.Context(), nil); string(p) != "farewell" || refused.Load() == 0 {
			t.Errorf("%q, %v; %d POSTs have learned of the end", p, err, refused.Load())
		}
		_, _, err = c.Read(h.t.Context(), nil)
		if e, ok := errors.AsType[*curlew.CloseError](err); !ok || e.Code != 4001 {
			t.Error(err)
		}
	})
}

// A line on which a window takes longer than a request may: the bodies get smaller,
// and everything arrives.
func TestTunnelSlowLine(t *testing.T) {
	in(t, echoes(&curlew.Options{PingInterval: -1}), nil, func(h *house) {
		c, err := h.dial("poll", &DialOptions{HTTP: tripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == "POST" {
				select {
				case <-time.After(time.Duration(r.ContentLength) * time.Second / 1000): // 1,000 bytes a second
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			}
			return h.client.Transport.RoundTrip(r)
		}), DialOptions: curlew.DialOptions{Options: curlew.Options{WriteTimeout: -1, PingInterval: -1}}})
		if err != nil {
			t.Fatal(err)
		}
		c.Write(h.t.Context(), curlew.Binary, make([]byte, 200_000))
		if _, p, err := c.Read(h.t.Context(), nil); len(p) != 200_000 {
			t.Error(len(p), err)
		}
		c.Abort(nil)
	})
}

// A stream of which POSTs acknowledge what has come does not end for its window.
func TestTunnelAcknowledges(t *testing.T) {
	in(t, echoes(nil), &Options{Window: 4096}, func(h *house) {
		var gets atomic.Int32
		c, err := h.dial("stream", &DialOptions{HTTP: tripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == "GET" {
				gets.Add(1)
			}
			return h.client.Transport.RoundTrip(r)
		})})
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			c.Write(h.t.Context(), curlew.Binary, make([]byte, 1000))
			if _, p, err := c.Read(h.t.Context(), nil); len(p) != 1000 {
				t.Fatal(len(p), err)
			}
		}
		if n := gets.Load(); n != 1 {
			t.Errorf("%d GETs for 25 windows", n)
		}
		c.Abort(nil)
	})
}

// A proxy that sets a cookie to find its server again is sent it.
func TestTunnelCookies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cookies := make(chan []string, 10)
		s := &script{
			open: func(*http.Request) *http.Response {
				a := reply(200, "", `{"session":"a","poll":25000,"window":1000}`)
				a.Header["Set-Cookie"] = []string{"server=7; Path=/; HttpOnly", "gone=; Max-Age=0"}
				return a
			},
			get: func(r *http.Request) *http.Response { cookies <- r.Header["Cookie"]; return nil },
		}
		c, err := Dial(t.Context(), "ws://example.com/", &DialOptions{HTTP: s, DialOptions: curlew.DialOptions{Options: curlew.Options{Header: http.Header{"Cookie": {"own=1"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(<-cookies, "; "); got != "own=1; server=7" {
			t.Errorf("cookies %q", got)
		}
		c.Abort(nil)
	})
}
