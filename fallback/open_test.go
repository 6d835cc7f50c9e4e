package fallback

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
)

// The table: an open is answered with what the client has to know.
func TestOpen(t *testing.T) {
	everyHTTP(t, nil, &Options{Window: 1000, Poll: 5 * time.Second}, nil, func(h *house) {
		a := h.want("open", h.do("POST", "curlew=open", ""), 200)
		<-h.conns
		var is map[string]any
		if err := json.Unmarshal([]byte(a.body), &is); err != nil || len(is) != 4 ||
			is["protocol"] != "" || is["poll"] != 5000.0 || is["window"] != 1000.0 {
			h.t.Errorf("%s: %v", a.body, err)
		}
		if s, _ := is["session"].(string); len(s) != 22 { // FB2: 128 bits
			h.t.Errorf("the session is %q", s)
		}
		if a.header.Get("Content-Type") != "application/json" {
			h.t.Error(a.header)
		}
		for name := range a.header {
			if strings.HasPrefix(name, "Sec-Websocket-") || name == "Upgrade" || name == "Connection" {
				h.t.Errorf("%s: %q", name, a.header[name])
			}
		}
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			if a := h.want(method, h.do(method, "curlew=open", ""), 405); a.header.Get("Allow") != allowed {
				h.t.Error(a.header)
			}
		}
		h.want("HEAD", h.do("HEAD", "curlew=open", ""), 405)
		h.want("with a body", h.do("POST", "curlew=open", strings.Repeat("x", 1000)), 200)
		<-h.conns
	})
}

// A handler sees a handshake of HTTP/1.1, and nothing of what it really was.
func TestOpenDisguise(t *testing.T) {
	everyHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := r.Clone(r.Context())
		for _, name := range []string{"User-Agent", "Accept-Encoding", "Sec-Websocket-Key"} {
			own.Header.Del(name)
		}
		if _, err := r.Body.Read(make([]byte, 1)); err != io.EOF {
			w.Header().Set("Body", "there is one")
		}
		h, _ := json.Marshal(own.Header)
		w.Header().Set("Saw", strings.Join([]string{
			r.Method, r.Proto, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host, string(h),
		}, " "))
		w.Header().Set("Remote", r.RemoteAddr)
		w.WriteHeader(403)
	}), nil, nil, func(h *house) {
		a := read(h.start("POST", h.base+"/a%2Fb/?x=1&curlew=open&protocol=a,b&y=%zz&protocol=c", strings.NewReader("body"),
			"Cookie", "c=1", "Content-Type", "text/plain", "Sec-WebSocket-Extensions", "permessage-deflate", "Expect", "100-continue", "Te", "trailers"))
		host := "example.com"
		if strings.HasPrefix(h.base, "https:") {
			host += ":80"
		}
		want := `GET HTTP/1.1 /echo/a%2Fb/?x=1&y=%zz /echo/a/b/ x=1&y=%zz ` + host + ` ` +
			`{"Connection":["Upgrade"],"Cookie":["c=1"],"Sec-Websocket-Protocol":["a,b","c"],"Sec-Websocket-Version":["13"],"Upgrade":["websocket"]}`
		if got := a.header.Get("Saw"); got != want || a.header.Get("Body") != "" || !strings.HasPrefix(a.header.Get("Remote"), "192.0.2.1:") {
			h.t.Errorf("the handler saw\n%s\nwant\n%s\n%v", got, want, a.header)
		}
	})
}

// Subprotocols: offered by header or parameter, chosen by the handler; the header
// wins. One that could break a header apart comes no further.
func TestOpenSubprotocol(t *testing.T) {
	ws := curlew.Handle(&curlew.Options{Subprotocols: []string{"b", "a"}, RequireSubprotocol: true}, func(*http.Request) (*curlew.Events, error) {
		return echo(), nil
	})
	in(t, ws, nil, func(h *house) {
		for _, c := range []struct {
			query, field string
			status       int
			protocol     string
		}{
			{"&protocol=a,b", "", 200, "b"},
			{"&protocol=a%2Cc", "", 200, "a"},
			{"&protocol=a&protocol=b", "", 200, "b"},
			{"&protocol=c", "b", 200, "b"},
			{"&protocol=b", "c", 400, ""},
			{"&protocol=a,a", "", 400, ""},
			{"&protocol=c", "", 400, ""},
			{"&protocol=", "", 400, ""},
			{"", "", 400, ""},
			{"&protocol=a%0d%0aX-Evil:1", "", 400, ""},
			{"&protocol=a%00", "", 400, ""},
			{"&protocol=a%7f", "", 400, ""},
			{"&protocol=%zz", "", 400, ""},
		} {
			fields := []string{"Sec-WebSocket-Protocol", c.field}
			if c.field == "" {
				fields = nil
			}
			a := h.want(c.query, h.do("POST", "curlew=open"+c.query, "", fields...), c.status)
			var is opened
			if json.Unmarshal([]byte(a.body), &is); is.Protocol != c.protocol {
				t.Errorf("%s %s: %q, want %q", c.query, c.field, is.Protocol, c.protocol)
			}
		}
	})
}

// A handler that checks nothing is not given what could break a header apart.
func TestOpenSubprotocolUnchecked(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		for _, bad := range []string{"a%0d%0aX:1", "a%0a", "a%00", "a%7f", "a%1f", "%zz"} {
			h.want(bad, h.do("POST", "curlew=open&protocol="+bad, ""), 400)
		}
		h.want("what may stand in one", h.do("POST", "curlew=open&protocol=a%2C%09b%C3%BC", ""), 200)
	})
}

// Never is anything but a handler's valid handshake let through: version and origin
// are its own business, extensions are not.
func TestOpenChecks(t *testing.T) {
	in(t, echoes(&curlew.Options{Compression: &curlew.Compression{}}), &Options{Origins: []string{"https://b.example"}}, func(h *house) {
		a := h.want("version 8", h.do("POST", "curlew=open", "", "Sec-WebSocket-Version", "8"), 426)
		if a.header.Get("Sec-WebSocket-Version") != "13" {
			t.Error(a.header)
		}
		h.want("version 13", h.do("POST", "curlew=open", "", "Sec-WebSocket-Version", "13"), 200)
		h.want("two versions", h.do("POST", "curlew=open", "", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Version", "13"), 400)
		h.want("listed here, not there", h.do("POST", "curlew=open", "", "Origin", "https://b.example"), 403)
		h.want("its own", h.do("POST", "curlew=open", "", "Origin", "http://example.com"), 200)
		h.want("extensions", h.do("POST", "curlew=open", "", "Sec-WebSocket-Extensions", "permessage-deflate"), 200)
		c, err := h.dial("poll", &DialOptions{DialOptions: curlew.DialOptions{Options: curlew.Options{Compression: &curlew.Compression{}}}})
		if err != nil || c.Info().Compressed {
			t.Fatal(err)
		}
		c.Abort(nil)
	})
}

// What a handler refuses is passed on with its status and fields, in whichever way
// its library says it.
func TestOpenRefused(t *testing.T) {
	type response = func(w http.ResponseWriter, r *http.Request)
	const hello = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
	hijack := func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		return c, b
	}
	curlews := func(err error) response {
		return curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) { return nil, err }).ServeHTTP
	}
	for _, c := range []struct {
		name    string
		handler response
		status  int
		body    string
		fields  []string // that must be there
	}{
		{"forbidden", curlews(errors.New("no")), 403, "forbidden\n", nil},
		{"401", curlews(&curlew.HandshakeError{Status: 401, Header: http.Header{"Www-Authenticate": {"Bearer"}}}), 401, "Unauthorized\n", []string{"WWW-Authenticate", "Bearer"}},
		{"503", curlews(&curlew.HandshakeError{Status: 503, Header: http.Header{"Retry-After": {"7"}}}), 503, "Service Unavailable\n", []string{"Retry-After", "7"}},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		}, 307, "", []string{"Location", "/there"}},
		{"length", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(503)
			io.WriteString(w, "sorry")
		}, 503, "sorry", []string{"Content-Length", "5"}},
		{"hints", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(418)
			w.WriteHeader(200)
		}, 418, "", nil},
		{"success", func(w http.ResponseWriter, r *http.Request) {
			if n, err := io.WriteString(w, "a page"); n != 6 || err != nil {
				panic(err)
			}
		}, 404, "this is no WebSocket endpoint\n", nil},
		{"created", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201) }, 404, "this is no WebSocket endpoint\n", nil},
		{"nothing", func(w http.ResponseWriter, r *http.Request) {}, 404, "this is no WebSocket endpoint\n", nil},
		{"no fields of the connection", func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Connection", "Upgrade", "Keep-Alive", "Transfer-Encoding", "Cache-Control", "Access-Control-Allow-Origin"} {
				w.Header()[name] = []string{"x"}
			}
			w.WriteHeader(403)
		}, 403, "", nil},
		{"101 without Hijack", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(101)
			if _, err := w.Write([]byte("x")); err != http.ErrBodyNotAllowed {
				panic(err)
			}
		}, 500, "the handshake was not answered\n", nil},
		{"refused, then Hijack", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(403)
			if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
				panic("Hijack")
			}
		}, 403, "", nil},
		{"on the connection", func(w http.ResponseWriter, r *http.Request) {
			c, b := hijack(w)
			b.WriteString("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwho?")
			b.Flush()
			c.Close()
		}, 401, "who?", []string{"WWW-Authenticate", "Basic"}},
		{"on the connection, in pieces", func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(w)
			io.WriteString(c, "HTTP/1.1 429 Slow down\r\nRetry-After: ")
			io.WriteString(c, "7\r\n\r")
			io.WriteString(c, "\nwait")
			if _, err := io.WriteString(c, "more"); err == nil {
				panic("who listens?")
			}
			c.Close()
		}, 429, "wait", []string{"Retry-After", "7"}},
		{"a page on the connection", func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(w)
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		}, 404, "this is no WebSocket endpoint\n", nil},
		{"closed", func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(w)
			c.Close()
		}, 500, "the handshake was not answered\n", nil},
		{"closed, and it stays", func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(w)
			c.Close()
			<-r.Context().Done()
		}, 500, "the handshake was not answered\n", nil},
		{"half a head", func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(w)
			io.WriteString(c, hello[:20])
			c.Close()
		}, 500, "the handshake was not answered\n", nil},
		{"nonsense", func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(w)
			if _, err := io.WriteString(c, "hello\r\n\r\n"); err == nil {
				panic("it was taken")
			}
			c.Close()
		}, 500, "the handshake was not answered\n", nil},
		{"an endless head", func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(w)
			for err := error(nil); err == nil; {
				_, err = c.Write(make([]byte, 1000))
			}
			c.Close()
		}, 500, "the handshake was not answered\n", nil},
		{"a panic", func(w http.ResponseWriter, r *http.Request) { panic("secret") }, 500, "the handshake was not answered\n", nil},
		{"a panic behind Hijack", func(w http.ResponseWriter, r *http.Request) { hijack(w); panic("secret") }, 500, "the handshake was not answered\n", nil},
		{"a panic that means it", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, 500, "the handshake was not answered\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			everyHTTP(t, http.HandlerFunc(c.handler), nil, nil, func(h *house) {
				a := h.want(c.name, h.do("POST", "curlew=open", ""), c.status)
				if c.body != "" && a.body != c.body {
					t.Errorf("body %q, want %q", a.body, c.body)
				}
				for i := 0; i < len(c.fields); i += 2 {
					if got := a.header.Get(c.fields[i]); got != c.fields[i+1] {
						t.Errorf("%s: %q", c.fields[i], got)
					}
				}
				for name, want := range map[string]string{
					"Cache-Control": "no-store, no-transform", "Upgrade": "", "Connection": "", "Keep-Alive": "", "Access-Control-Allow-Origin": "",
				} {
					if got := a.header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if n := h.sessions.Len(); n != 0 {
					t.Errorf("%d sessions", n)
				}
				if logged := strings.Contains(h.logged.String(), "panic in the handler: secret"); logged != strings.HasPrefix(c.name, "a panic") && c.name != "a panic that means it" {
					t.Errorf("logged: %s", h.logged)
				}
			})
		})
	}
}

// A panic in the middle of a refusal ends it as net/http does, not as if all was said.
func TestOpenPanicInRefusal(t *testing.T) {
	in(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10000")
		w.WriteHeader(403)
		w.Write(make([]byte, 5000))
		panic("secret")
	}), nil, func(h *house) {
		if a := h.do("POST", "curlew=open", ""); a.err == nil {
			t.Errorf("%d with %d bytes", a.status, len(a.body))
		}
	})
}

// The ways in which libraries take over a connection and answer. Each echoes a line
// and ends.
func TestOpenAccepted(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Own: 1\r\n" +
		"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Type: text/x\r\nSec-WebSocket-Protocol: p\r\nSec-WebSocket-Accept: x\r\nCache-Control: public\r\n\r\n"
	hijack := func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
		c, b, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		return c, b
	}
	serve := func(c net.Conn, b *bufio.ReadWriter) {
		line, _ := b.ReadString('\n')
		b.WriteString(line)
		b.Flush()
		c.Close()
	}
	for _, v := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"bufio, and it stays", func(w http.ResponseWriter, r *http.Request) {
			c, b := hijack(w)
			b.WriteString(head)
			b.Flush()
			serve(c, b)
			http.Error(w, "too late", 500) // as net/http bears it
		}},
		{"the connection, and it returns", func(w http.ResponseWriter, r *http.Request) {
			c, b := hijack(w)
			io.WriteString(c, head)
			go serve(c, b)
		}},
		{"another goroutine, behind the handler's return", func(w http.ResponseWriter, r *http.Request) {
			c, b := hijack(w)
			go func() {
				<-time.After(time.Second)
				io.WriteString(c, head)
				serve(c, b)
			}()
		}},
		{"byte by byte", func(w http.ResponseWriter, r *http.Request) {
			c, b := hijack(w)
			for i := range head {
				io.WriteString(c, head[i:i+1])
			}
			go serve(c, b)
		}},
		{"WriteHeader, then Hijack", func(w http.ResponseWriter, r *http.Request) {
			answer, _ := http.ReadResponse(bufio.NewReader(strings.NewReader(head)), nil)
			for name, values := range answer.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(101)
			c, b := hijack(w)
			w.Header().Set("X-Own", "changed behind it")
			serve(c, b)
		}},
		{"together with the first bytes", func(w http.ResponseWriter, r *http.Request) {
			c, b := hijack(w)
			b.WriteString(head)
			b.WriteString("early ")
			b.Flush()
			serve(c, b)
		}},
	} {
		t.Run(v.name, func(t *testing.T) {
			everyHTTP(t, v.handler, nil, nil, func(h *house) {
				a := h.want("open", h.do("POST", "curlew=open", ""), 200)
				var is opened
				json.Unmarshal([]byte(a.body), &is)
				if is.Protocol != "p" || a.header.Get("X-Own") != "1" || !reflect.DeepEqual(a.header["Set-Cookie"], []string{"a=1", "b=2"}) ||
					a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store, no-transform" || a.header.Get("Connection") != "" {
					t.Errorf("%s %v", a.body, a.header)
				}
				s := &visit{house: h, id: is.Session}
				status := 204
				a = s.post("at=0", "a line\n")
				if a.status == 410 {
					status = 410 // the handler had the line and had ended before the POST was answered
				}
				wantOffset(t, "POST", a, status, "7")
				h.pass(time.Millisecond)
				want := "a line\n"
				if strings.HasPrefix(v.name, "together") {
					want = "early a line\n"
				}
				if a := s.get("at=0&mode=poll"); a.body != want {
					t.Errorf("%d %q, %v", a.status, a.body, a.err)
				}
			})
		})
	}
}

// Hijack tells the addresses of the client and of the server, whatever net/http knows.
func TestOpenAddresses(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		if l, r := v.conn.LocalAddr().String(), v.conn.RemoteAddr().String(); l != "example.com:80" || !strings.HasPrefix(r, "192.0.2.1:") {
			t.Error(l, r)
		}
		v.delete()
	})
	inner := &handler{sessions: new(Sessions), client: clientOf}
	s := inner.newSession(&http.Request{URL: mustURL("/"), RemoteAddr: "@", Host: "h"})
	if s.LocalAddr().String() != "h" || s.RemoteAddr().String() != "@" || s.RemoteAddr().Network() != "http" {
		t.Error(s.LocalAddr(), s.RemoteAddr())
	}
}

// The context of the handler lives as long as the session.
func TestOpenContext(t *testing.T) {
	for name, end := range map[string]func(v *visit){
		"closed by the handler": func(v *visit) { v.conn.Close() },
		"aborted":               func(v *visit) { v.delete() },
		"forgotten":             func(v *visit) { v.pass(firstTime) },
	} {
		t.Run(name, func(t *testing.T) {
			var inner context.Context
			build(t, nil, nil, func(h *house) {
				h.srv.Handler = Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					inner = r.Context()
					h.accept(w, r)
				}), &Options{Sessions: h.sessions})
			}, func(h *house) {
				v := h.open()
				h.pass(firstTime - time.Second)
				if inner.Err() != nil || inner.Value(http.LocalAddrContextKey) == nil {
					t.Error(inner.Err())
				}
				end(v)
				if inner.Err() == nil {
					t.Error("it has not ended")
				}
			})
		})
	}
}

// A client that goes before it is answered ends what was begun for it.
func TestOpenClientGoes(t *testing.T) {
	for _, hijacks := range []bool{false, true} {
		everyHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hijacks {
				c, _, _ := http.NewResponseController(w).Hijack()
				c.Read(make([]byte, 1))
				return
			}
			<-r.Context().Done()
			if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
				panic("taken over when the client was gone")
			}
			w.WriteHeader(500)
		}), nil, nil, func(h *house) {
			ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, "POST", h.base+"?curlew=open", nil)
			if _, err := h.client.Do(r); err == nil {
				h.t.Error("answered")
			}
			h.pass(time.Second)
			if n := h.sessions.Len(); n != 0 || strings.Contains(h.logged.String(), "panic") {
				h.t.Errorf("%d sessions, logged: %s", n, h.logged)
			}
		})
	}
}

// Handlers of Curlew: one that stays, one with Events of its own.
func TestOpenCurlew(t *testing.T) {
	over := make(map[string]error)
	stays := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := curlew.Accept(w, r, nil)
		if err != nil {
			return
		}
		for {
			kind, p, err := c.Read(r.Context(), nil)
			if err != nil {
				over["stays"] = err
				return
			}
			c.Write(r.Context(), kind, p)
		}
	})
	own := curlew.Handle(nil, func(r *http.Request) (*curlew.Events, error) {
		ev := echo()
		ev.Subprotocol, ev.Header = "own", http.Header{"X-Own": {r.URL.RawQuery}}
		return ev, nil
	})
	for name, ws := range map[string]http.Handler{"stays": stays, "own": own} {
		t.Run(name, func(t *testing.T) {
			in(t, ws, nil, func(h *house) {
				var header http.Header
				h.base += "?x=1"
				c, err := h.dial("stream", &DialOptions{DialOptions: curlew.DialOptions{
					Options: curlew.Options{Subprotocols: []string{"other", "own"}}, Answer: func(h http.Header) { header = h },
				}})
				if err != nil {
					t.Fatal(err)
				}
				if name == "own" && (c.Info().Subprotocol != "own" || header.Get("X-Own") != "x=1") {
					t.Errorf("%q %v", c.Info().Subprotocol, header)
				}
				c.Write(h.t.Context(), curlew.Text, []byte("hello"))
				if _, p, err := c.Read(h.t.Context(), nil); string(p) != "hello" {
					t.Error(err)
				}
				began := time.Now()
				c.Close(curlew.GoingAway, "")
				<-c.Done()
				h.pass(0)
				if d := time.Since(began); d != 0 || h.sessions.Len() != 0 {
					t.Errorf("the end took %v, and %d sessions", d, h.sessions.Len())
				}
				if e, ok := errors.AsType[*curlew.CloseError](over["stays"]); name == "stays" && (!ok || e.Code != curlew.GoingAway) {
					t.Error(over["stays"])
				}
			})
		})
	}
}
