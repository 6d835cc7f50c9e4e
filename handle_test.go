package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestHandleRefuses: what the application's error makes of the answer.
func TestHandleRefuses(t *testing.T) {
	quiet := errors.New("secret")
	for name, c := range map[string]struct {
		err    error
		status int
		header string // of the answer
		body   string
	}{
		"any error":       {quiet, 403, "", "forbidden\n"},
		"a context's end": {context.DeadlineExceeded, 403, "", "forbidden\n"},
		"status": {&curlew.HandshakeError{Status: 401, Header: http.Header{"Www-Authenticate": {"Basic"}}, Err: errors.New("who are you?")},
			401, "Www-Authenticate: Basic", "who are you?\n"},
		"status alone": {&curlew.HandshakeError{Status: 503}, 503, "", "Service Unavailable\n"},
		"its own one":  {&curlew.HandshakeError{Status: 499}, 499, "", "499\n"},
		"wrapped":      {fmt.Errorf("secret: %w", &curlew.HandshakeError{Status: 429, Header: http.Header{"Retry-After": {"9"}}, Err: errors.New("later")}), 429, "Retry-After: 9", "later\n"},
		"redirect":     {&curlew.HandshakeError{Status: 307, Header: http.Header{"Location": {"/new"}}}, 307, "Location: /new", "Temporary Redirect\n"},
		"its own body": {&curlew.HandshakeError{Status: 400, Body: []byte("secret"), Err: errors.New("no")}, 400, "", "no\n"},
		"no status":    {&curlew.HandshakeError{Err: quiet}, 403, "", "forbidden\n"},
		"101":          {&curlew.HandshakeError{Status: 101, Err: quiet}, 403, "", "forbidden\n"},
		"200":          {&curlew.HandshakeError{Status: 200, Err: quiet}, 403, "", "forbidden\n"},
		"600":          {&curlew.HandshakeError{Status: 600, Err: quiet}, 403, "", "forbidden\n"},
		"no body":      {&curlew.HandshakeError{Status: 304}, 304, "", ""},
		"nothing":      {(*curlew.HandshakeError)(nil), 403, "", "forbidden\n"},
		// What Dial returned from another server, handed on.
		"of another answer": {&curlew.HandshakeError{Status: 502, Err: errors.New("bad"), Header: http.Header{
			"Content-Length": {"1"}, "Content-Encoding": {"gzip"}, "Content-Type": {"text/html"}, "Transfer-Encoding": {"chunked"},
			"Connection": {"keep-alive"}, "Keep-Alive": {"timeout=5"}, "Upgrade": {"h2c"}, "Trailer": {"X-Last"},
			"Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, "X-Theirs": {"yes"},
		}}, 502, "X-Theirs: yes", "bad\n"},
		"lower case": {&curlew.HandshakeError{Status: 502, Err: errors.New("bad"), Header: http.Header{
			"content-length": {"1"}, "connection": {"keep-alive"}, "transfer-encoding": {"chunked"}}}, 502, "", "bad\n"},
		"two lines": {&curlew.HandshakeError{Status: 400, Err: errors.New("no"), Header: http.Header{"X-A": {"a\r\nX-B: b"}}}, 400, "", "no\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ev := &curlew.Events{Open: func(*curlew.Conn) { t.Error("opened") }}
				b := build(t, memoryHouse, curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) { return ev, c.err }), nil)
				header, body := b.refused(b.asks("/")+b.asks("/second"), c.status)
				if body != c.body {
					t.Errorf("body %q, want %q", body, c.body)
				}
				for _, name := range []string{"Upgrade", "Keep-Alive", "Content-Encoding", "Sec-Websocket-Accept", "X-B"} {
					if v := header[name]; v != nil {
						t.Errorf("%s: %q", name, v)
					}
				}
				if name, value, ok := strings.Cut(c.header, ": "); ok && header.Get(name) != value {
					t.Errorf("header %v, want %s", header, c.header)
				}
				b.wantLog()
			})
		})
	}
}

// TestHandleSharesError: one error for all, at the same time; it is not changed.
func TestHandleSharesError(t *testing.T) {
	e := &curlew.HandshakeError{Status: 503, Header: http.Header{"Retry-After": {"1"}}}
	b := build(t, memoryHouse, curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) { return nil, e }), nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				c, err := b.network.DialContext(t.Context(), "tcp", "example.com:80")
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(c, b.asks("/"))
				if got, _ := io.ReadAll(c); !bytes.Contains(got, []byte("Retry-After: 1\r\n")) {
					t.Errorf("%q", got)
				}
				c.Close()
			}
		})
	}
	all.Wait()
	if len(e.Header) != 1 || e.Err != nil || e.Error() == "" {
		t.Errorf("%#v", e)
	}
}

// TestHandleNilEvents: nobody listens, and the protocol is served all the same.
func TestHandleNilEvents(t *testing.T) {
	b := build(t, memoryHouse, curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) { return nil, nil }), nil)
	p := b.open("/")
	p.Send(wstest.Text("hello"), wstest.Ping("x"))
	p.Want("the pong", wstest.Pong("x"))
	p.Send(wstest.Close(1000, ""))
	p.WantClose("answered", 1000, "")
	p.WantEOF("ended")
	b.wantLog()
}

// TestHandleAnswers: what the events of a connection say of its 101.
func TestHandleAnswers(t *testing.T) {
	ev := &curlew.Events{}
	o := &curlew.Options{Subprotocols: []string{"a", "b"}, Header: http.Header{"X-A": {"options"}, "X-B": {"options"}}}
	b := build(t, memoryHouse, curlew.Handle(o, func(*http.Request) (*curlew.Events, error) { return ev, nil }), nil)
	for _, c := range []struct {
		subprotocol string
		header      http.Header
		want        string
	}{
		{"", nil, "a options options"},
		{"c", http.Header{"x-b": {"events"}, "Set-Cookie": {"c=1"}}, "c options events c=1"},
		{"d", nil, "500"}, // not offered
		{"", http.Header{"Upgrade": {"h2c"}}, "500"},
	} {
		ev = &curlew.Events{Subprotocol: c.subprotocol, Header: c.header}
		var h http.Header
		d := &curlew.DialOptions{DialContext: b.network.DialContext, Answer: func(got http.Header) { h = got }}
		d.Subprotocols = []string{"b", "a", "c"}
		conn, err := curlew.Dial(t.Context(), "ws://example.com/", d)
		got := ""
		if e, ok := errors.AsType[*curlew.HandshakeError](err); ok {
			got = fmt.Sprint(e.Status)
		} else {
			got = strings.TrimSpace(conn.Info().Subprotocol + " " + h.Get("X-A") + " " + h.Get("X-B") + " " + h.Get("Set-Cookie"))
			conn.Abort(nil)
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestHandleCannotAnswer: once there are events, they tell the end, also where no 101
// can be sent.
func TestHandleCannotAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		ev     curlew.Events
		hidden bool // from Hijack
		status int
	}{
		"header":      {curlew.Events{Header: http.Header{"X-A": {"two\nlines"}}}, false, 500},
		"subprotocol": {curlew.Events{Subprotocol: "nobody asked for"}, false, 500},
		"hijack":      {curlew.Events{}, true, 501},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []string
				closed := make(chan struct{})
				h := curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
					ev := c.ev
					ev.Open = func(c *curlew.Conn) {
						i := c.Info()
						if err := c.Send(curlew.Text, []byte("x")); err == nil || c.Err() == nil || i.RemoteAddr == nil || i.LocalAddr == nil {
							t.Errorf("it seems open: %v, %v, %+v", err, c.Err(), i)
						}
						told = append(told, "open")
					}
					ev.Error = func(_ *curlew.Conn, err error) { told = append(told, "error") }
					ev.Close = func(_ *curlew.Conn, e *curlew.CloseError) {
						told = append(told, fmt.Sprint("close ", int(e.Code)))
						close(closed)
					}
					return &ev, nil
				})
				b := build(t, memoryHouse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c.hidden {
						w = struct{ http.ResponseWriter }{w}
					}
					if r.RemoteAddr = "192.0.2.1:5"; r.URL.Path == "/" {
						h.ServeHTTP(w, r)
					}
				}), nil)
				b.refused(b.asks("/"), c.status)
				<-closed
				if got := strings.Join(told, ", "); got != "open, error, close 1006" {
					t.Error(got)
				}
			})
		})
	}
}

// TestHandlePanics: a panic of any callback is logged to the server's log, ends
// its own connection with 1011, and Close is told. http.ErrAbortHandler is not
// logged.
func TestHandlePanics(t *testing.T) {
	for name, f := range map[string]func(){
		"a panic":              func() { panic("oh no") },
		"an error":             func() { panic(errors.New("oh no")) },
		"http.ErrAbortHandler": func() { panic(http.ErrAbortHandler) },
	} {
		for _, at := range []string{"f", "Open", "Message", "Part", "Writable", "Error", "Close"} {
			t.Run(at+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testHandlePanic(t, at, f, name == "http.ErrAbortHandler") })
			})
		}
	}
}

func testHandlePanic(t *testing.T, at string, f func(), silent bool) {
	var told []string
	var end *curlew.CloseError
	first := true // one of the two connections
	call := func(name string) {
		if told = append(told, name); first && name == at {
			f()
		}
	}
	b := build(t, memoryHouse, curlew.Handle(nil, func(r *http.Request) (*curlew.Events, error) {
		if first = r.URL.Path == "/first"; !first {
			return &curlew.Events{Message: func(c *curlew.Conn, typ curlew.Type, p []byte) { c.Send(typ, p) }}, nil
		}
		call("f")
		ev := &curlew.Events{
			Open:    func(*curlew.Conn) { call("Open") },
			Message: func(*curlew.Conn, curlew.Type, []byte) { call("Message") },
			Error:   func(*curlew.Conn, error) { call("Error") },
			Close: func(_ *curlew.Conn, e *curlew.CloseError) {
				end = e
				call("Close")
			},
		}
		if at == "Part" {
			ev.Part = func(*curlew.Conn, curlew.Type, []byte, bool) { call("Part") }
		}
		if at == "Writable" {
			ev.Message = func(c *curlew.Conn, _ curlew.Type, _ []byte) {
				w, _ := c.Writer(context.Background(), curlew.Text)
				for n := 1; n > 0; {
					n, _ = w.TryWrite(make([]byte, 64<<10))
				}
			}
			ev.Writable = func(*curlew.Conn) { call("Writable") }
		}
		return ev, nil
	}), nil)
	other := b.open("/other")

	c := b.dial()
	io.WriteString(c, b.asks("/first"))
	switch at {
	case "f":
		if got, _ := io.ReadAll(c); len(got) > 0 {
			t.Errorf("answered %q", got)
		}
	case "Error", "Close":
		c.Write(wire(curlew.Server, wstest.Text("x").Unmasked()))
		io.ReadAll(c)
	default:
		c.Write(wire(curlew.Server, wstest.Text("x")))
		got, err := io.ReadAll(c)
		if want := wire(curlew.Client, wstest.Close(1011, "")); err != nil || !bytes.HasSuffix(got, want) {
			t.Errorf("%d bytes, %.200q, %v; want 1011", len(got), got, err)
		}
	}
	c.Close()
	synctest.Wait()
	if at != "f" {
		if n := len(told); n == 0 || told[n-1] != "Close" || slices.Index(told, "Close") != n-1 {
			t.Errorf("told %q, want one Close, at the end", told)
		} else if e := end; at != "Error" && at != "Close" && (e.Code != 1011 || e.Remote || e.Err == nil) {
			t.Errorf("ended by %v, want 1011", e)
		}
	}
	if silent {
		b.wantLog()
	} else {
		b.wantLog("oh no")
	}
	other.Send(wstest.Text("still here"))
	other.Want("the others live", wstest.Text("still here"))
}

// TestHandleInvalid: options that nobody can be served with are the server's
// fault.
func TestHandleInvalid(t *testing.T) {
	for name, o := range map[string]*curlew.Options{
		"origin":         {Origins: []string{"https://*.*.example.com"}},
		"origin's path":  {Origins: []string{"https://example.com/chat"}},
		"subprotocol":    {Subprotocols: []string{"v 1"}},
		"same twice":     {Subprotocols: []string{"v1", "v1"}},
		"none required":  {RequireSubprotocol: true},
		"header's name":  {Header: http.Header{"X Y": {"z"}}},
		"header's value": {Header: http.Header{"X-Y": {"z\r\nX-Z: evil"}}},
		"header's NUL":   {Header: http.Header{"X-Y": {"z\x00"}}},
		"ours":           {Header: http.Header{"Sec-WebSocket-Accept": {"mine"}}},
		"ours, lower":    {Header: http.Header{"sec-websocket-extensions": {"permessage-deflate"}}},
		"framing":        {Header: http.Header{"Content-Length": {"5"}}},
		"hop by hop":     {Header: http.Header{"Connection": {"close"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, w := range bothWays {
					var j journal
					b := build(t, memoryHouse, w.echoes(o, &j, nil), nil)
					header, body := b.refused(b.asks("/")+b.asks("/second"), http.StatusInternalServerError)
					if header.Get("X-Z") != "" || len(body) < 10 || strings.ContainsAny(strings.TrimSuffix(body, "\n"), "\r\n\x00") {
						t.Errorf("%v %q", header, body)
					}
					if w == byAccept {
						e, ok := errors.AsType[*curlew.HandshakeError](j.refused[0])
						if !ok || e.Status != 500 || e.Header.Get("Connection") != "close" || e.Err.Error()+"\n" != body {
							t.Errorf("Accept returned %#v", j.refused)
						}
					}
					b.wantLog()
				}
			})
		})
	}
}

// TestHandleExtremes: other options have no wrong values, only large ones.
func TestHandleExtremes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, z := range []curlew.Compression{{Level: 42}, {Level: -3}, {WindowBits: 99}, {WindowBits: -1}, {WindowBits: 3}, {MinSize: -9}} {
			b := build(t, memoryHouse, byEvent.echoes(&curlew.Options{Compression: &z, WhenFull: 77}, &journal{}, nil), nil)
			p, _ := wstest.Open(t, b.dial(), "/", http.Header{"Sec-WebSocket-Extensions": {"permessage-deflate; client_max_window_bits"}})
			p.Send(wstest.Text("hello"))
			p.Next(fmt.Sprintf("%+v: the echo", z))
		}
	})
}

// TestHandleHeaders: what the handler has set before belongs to a refusal, and
// Options.Header to the 101.
func TestHandleHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := http.Header{"Set-Cookie": {"a=1", "b=2"}, "x-lower": {"yes"}, "X-Empty": {""}, "X-Wide": {"çà"}}
		for _, w := range bothWays {
			h := w.echoes(&curlew.Options{Header: mine}, &journal{}, refuseMe)
			b := build(t, memoryHouse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name, value := range map[string]string{"X-Before": "yes", "Content-Length": "99", "Content-Type": "image/png",
					"Content-Encoding": "gzip", "Etag": `"1"`, "Upgrade": "h2c", "Set-Cookie": "c=3"} {
					w.Header().Set(name, value)
				}
				h.ServeHTTP(w, r)
			}), nil)
			c := b.dial()
			want := switched + "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty: \r\nX-Wide: çà\r\nx-lower: yes\r\n\r\n"
			io.WriteString(c, b.asks("/")+string(wire(curlew.Server, wstest.Close(1000, ""))))
			if got := string(readTo(t, c)); got != want+string(wire(curlew.Client, wstest.Close(1000, ""))) {
				t.Errorf("%s: %q, want %q", w, got, want)
			}
			header, _ := b.refused(b.asks("/refuse-me"), http.StatusForbidden)
			if header.Get("X-Before") != "yes" || header.Get("Set-Cookie") != "c=3" || header.Get("Etag") != "" || header.Get("Content-Encoding") != "" ||
				header.Get("Content-Type") != "text/plain; charset=utf-8" || header.Get("x-lower") != "" {
				t.Errorf("%s: %v", w, header)
			}
			b.wantLog()
		}
		if !maps.EqualFunc(mine, http.Header{"Set-Cookie": {"a=1", "b=2"}, "x-lower": {"yes"}, "X-Empty": {""}, "X-Wide": {"çà"}}, slices.Equal) {
			t.Errorf("Options.Header was changed: %v", mine)
		}
	})
}

// TestHandleInfo: what is known of a connection from its request.
func TestHandleInfo(t *testing.T) {
	for _, k := range []houseKind{tcpHouse, tlsHouse} {
		for _, w := range bothWays {
			t.Run(fmt.Sprint(k, " ", w), func(t *testing.T) {
				var j journal
				o := &curlew.Options{Subprotocols: []string{"v2", "v1"}, Compression: &curlew.Compression{}}
				b := build(t, k, w.echoes(o, &j, nil), nil)
				for target, want := range map[string][2]string{ // path, query
					"/chat/a%20b?x=1&y=%zz":           {"/chat/a b", "x=1&y=%zz"},
					"//evil.example/chat":             {"//evil.example/chat", ""},
					"/..//x?":                         {"/..//x", ""},
					"http://example.com/absolute?q=1": {"/absolute", "q=1"},
					"/" + strings.Repeat("a", 3000):   {"/" + strings.Repeat("a", 3000), ""},
				} {
					c := b.dial()
					io.WriteString(c, b.asks(target, "Sec-WebSocket-Protocol: v1, v2, v3", "Sec-WebSocket-Extensions: permessage-deflate"))
					c.Write(wire(curlew.Server, wstest.Text("hello")))
					until(t, "the connection", func() (ok bool) {
						j.note(func(j *journal) { ok = len(j.conns) == 1 && len(j.text) == 1 })
						return ok
					})
					i := j.conns[0].Info()
					j.note(func(j *journal) { j.conns, j.text = nil, nil })
					if i.URL == nil || i.URL.Host != "" || i.URL.Path != want[0] || i.URL.RawQuery != want[1] {
						t.Errorf("%.50s: URL %#v", target, i.URL)
					}
					if i.Proto != "HTTP/1.1" || i.Subprotocol != "v2" || !i.Compressed || i.MessagesRead != 1 {
						t.Errorf("%+v", i)
					}
					if i.LocalAddr.String() != b.addr || i.RemoteAddr.String() != c.LocalAddr().String() {
						t.Errorf("%v, %v", i.LocalAddr, i.RemoteAddr)
					}
					if (i.TLS != nil) != b.withTLS() || i.TLS != nil && (!i.TLS.HandshakeComplete || i.TLS.ServerName != "example.com") {
						t.Errorf("TLS %+v", i.TLS)
					}
					c.Close()
				}
				j.balance(t)
				b.wantLog()
			})
		}
	}
}

// TestHandleServerTimeouts: the timeouts of http.Server are for HTTP. None of
// them, running or passed, concerns a WebSocket.
func TestHandleServerTimeouts(t *testing.T) {
	for _, k := range []houseKind{memoryHouse, memoryTLSHouse} {
		for _, w := range bothWays {
			t.Run(fmt.Sprint(k, " ", w), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var j journal
					b := build(t, k, w.echoes(&still, &j, func(*http.Request) error {
						pass(3 * time.Second) // longer than the server allows for an answer
						return nil
					}), func(s *http.Server) {
						s.ReadTimeout, s.ReadHeaderTimeout, s.WriteTimeout, s.IdleTimeout = time.Second, time.Second, time.Second, time.Second
					})
					c := b.dial()
					io.WriteString(c, b.asks("/"))
					want := switched + "\r\n"
					got := make([]byte, len(want))
					if n, err := io.ReadFull(c, got); err != nil {
						t.Fatalf("%q, %v", got[:n], err)
					}
					p := wstest.NewPeer(t, c, curlew.Client)
					for range 3 {
						p.Send(wstest.Text("hello"))
						p.Want("the echo", wstest.Text("hello"))
						pass(time.Hour)
					}
					p.Send(wstest.Close(1000, ""))
					p.WantClose("the end", 1000, "")
					p.Close()
					j.balance(t)
					b.wantLog()
				})
			})
		}
	}
}

// TestHandleShutdown: neither Shutdown nor Close of the server concerns the
// connections that have left it, nor waits for them.
func TestHandleShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, stop := range []func(*http.Server) error{
			func(s *http.Server) error { return s.Shutdown(t.Context()) },
			(*http.Server).Close,
		} {
			var j journal
			b := build(t, memoryHouse, byEvent.echoes(nil, &j, nil), nil)
			p := b.open("/")
			start := time.Now()
			if err := stop(b.srv); err != nil {
				t.Fatal(err)
			}
			wantTook(t, "stopped", start, 0, 0)
			p.Send(wstest.Text("hello"))
			p.Want("the echo", wstest.Text("hello"))
			p.Close()
			j.balance(t)
			b.wantLog()
		}
	})
}

// TestAcceptOutlivesHandler: the handler returns and its request's context ends;
// the connection goes on.
func TestAcceptOutlivesHandler(t *testing.T) {
	for _, k := range []houseKind{tcpHouse, tlsHouse} {
		t.Run(string(k), func(t *testing.T) {
			conns := make(chan *curlew.Conn, 1)
			over := make(chan struct{})
			b := build(t, k, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := curlew.Accept(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				context.AfterFunc(r.Context(), func() { close(over) })
				if again, err := curlew.Accept(w, r, nil); err == nil || again != nil || !errors.Is(err, http.ErrHijacked) {
					t.Errorf("accepted twice: %v", err)
				}
				conns <- c
			}), nil)
			p := b.open("/")
			c := <-conns
			wait(t, "the request's context", over)
			until(t, "the handler's end", func() bool { return b.busy.Load() == 0 })
			runtime.GC() // what net/http held is gone
			for range 3 {
				p.Send(wstest.Text("hello"))
				if typ, m, err := c.Read(t.Context(), nil); typ != curlew.Text || string(m) != "hello" || err != nil {
					t.Fatal(typ, m, err)
				}
				if err := c.Write(t.Context(), curlew.Text, []byte("hello")); err != nil {
					t.Fatal(err)
				}
				p.Want("the echo", wstest.Text("hello"))
			}
			c.Close(1000, "")
			p.WantClose("the end", 1000, "")
			p.Send(wstest.Close(1000, ""))
			wait(t, "the end", c.Done())
		})
	}
}

// TestHandleHTTP2: a server that has HTTP/2 serves WebSocket clients over
// HTTP/1.1, and refuses in HTTP/2 a stream, not the connection of all.
func TestHandleHTTP2(t *testing.T) {
	for _, w := range bothWays {
		t.Run(string(w), func(t *testing.T) {
			var j journal
			b := build(t, tlsHouse, w.echoes(nil, &j, nil), nil)
			c := dialed(t, "wss://example.com/", optionsTo(b.addr))
			if err := c.Write(t.Context(), curlew.Text, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, m, err := c.Read(t.Context(), nil); err != nil || string(m) != "hello" {
				t.Fatal(m, err)
			}
			if i := c.Info(); i.TLS.NegotiatedProtocol == "h2" || i.Proto != "HTTP/1.1" {
				t.Errorf("%+v", i)
			}
			client := b.client()
			for i := range 5 {
				reused := false
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
				r, _ := http.NewRequestWithContext(ctx, []string{"GET", "POST", "OPTIONS"}[i%3], "https://example.com/", nil)
				r.Header.Set("Sec-WebSocket-Version", "13")
				r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.ProtoMajor != 2 || resp.StatusCode != 400 || !strings.Contains(string(body), "WebSocket") {
					t.Errorf("%v %q %v", resp, body, err)
				}
				if reused != (i > 0) {
					t.Errorf("request %d: reused %t", i, reused)
				}
			}
			c.Abort(nil)
			j.balance(t)
			b.wantLog()
		})
	}
}

// TestHS36_HTTP2: what net/http would make of an extended CONNECT, which it
// turns on by an environment variable only. RFC 8441.
func TestHS36_HTTP2(t *testing.T) {
	for _, w := range bothWays {
		for _, o := range []*curlew.Options{nil, {Origins: []string{"*"}}} {
			var j journal
			r := httptest.NewRequest(http.MethodConnect, "https://example.com/", nil)
			r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
			r.Header[":protocol"] = []string{"websocket"}
			rec := httptest.NewRecorder()
			w.echoes(o, &j, nil).ServeHTTP(rec, r)
			want := http.StatusNotImplemented
			if o != nil {
				want = http.StatusInternalServerError
			}
			if rec.Code != want || rec.Header()["Connection"] != nil || rec.Body.Len() < 10 || j.opened != 0 {
				t.Errorf("%d %v %q", rec.Code, rec.Header(), rec.Body)
			}
		}
	}
}
