package curlew_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/handshake"
)

// listen runs script on each connection to the address that it returns. When the
// script is done it waits for the client to close: no failed Dial may leave a
// connection behind.
func listen(t testing.TB, config *tls.Config, script func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(20 * time.Second)) // only so that a bug ends
				s := c
				if config != nil {
					s = tls.Server(c, config)
				}
				script(s)
				_, err := io.Copy(io.Discard, s)
				if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
					t.Error("the client leaves the connection open")
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// answering is a script that reads a request and says what answer returns.
func answering(answer func(*http.Request) string) func(net.Conn) {
	return func(c net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, answer(r))
		}
	}
}

// switching is a 101 to r with further lines.
func switching(r *http.Request, lines ...string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		handshake.AcceptKey(r.Header.Get("Sec-WebSocket-Key")) + "\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{certificate()}} }

func clientTLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: pool}
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// dialTo makes every connection go to addr.
func dialTo(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

func optionsTo(addr string) *curlew.DialOptions {
	return &curlew.DialOptions{Proxy: noProxy, DialContext: dialTo(addr), TLS: clientTLS()}
}

// dialed is a Dial that must succeed; the connection ends with the test.
func dialed(t testing.TB, url string, o *curlew.DialOptions) *curlew.Conn {
	t.Helper()
	c, err := curlew.Dial(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Abort(nil) })
	return c
}

// refusedDial is a Dial that must fail.
func refusedDial(t testing.TB, url string, o *curlew.DialOptions) *curlew.HandshakeError {
	t.Helper()
	c, err := curlew.Dial(t.Context(), url, o)
	if c != nil {
		c.Abort(nil)
		t.Fatal("a connection")
	}
	e, ok := errors.AsType[*curlew.HandshakeError](err)
	if !ok || e.Err == nil || strings.Contains(e.Error(), "secret") {
		t.Fatalf("error %#v", err)
	}
	return e
}

// overBoth runs f with a scheme and the server's configuration for it.
func overBoth(t *testing.T, f func(t *testing.T, scheme string, config *tls.Config)) {
	t.Run("ws", func(t *testing.T) { f(t, "ws", nil) })
	t.Run("wss", func(t *testing.T) { f(t, "wss", serverTLS()) })
}

func TestDial(t *testing.T) {
	overBoth(t, func(t *testing.T, scheme string, config *tls.Config) {
		requests := make(chan string, 1)
		addr := listen(t, config, func(c net.Conn) {
			head, rest, err := handshake.ReadHead(c, nil) // a request's head is one too
			if err != nil || len(rest) > 0 {
				t.Errorf("the request: %v; behind it %q", err, rest)
			}
			requests <- string(head)
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, switching(r, "Sec-WebSocket-Protocol: chat", "X-More: 1"))
		})
		o := optionsTo(addr)
		o.Subprotocols = []string{"superchat", "chat"}
		o.Header = http.Header{"Cookie": {"a=b"}, "Authorization": {"Bearer x"}}
		c := dialed(t, scheme+"://example.com/chat?room=1", o)
		head := <-requests
		before, after, _ := strings.Cut(head, "Sec-WebSocket-Key: ")
		key, after, _ := strings.Cut(after, "\r\n")
		want := "GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"|Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: superchat, chat\r\nAuthorization: Bearer x\r\nCookie: a=b\r\n\r\n"
		if got := before + "|" + after; got != want || len(key) != 24 {
			t.Errorf("request %q, key %q", got, key)
		}
		i := c.Info()
		if i.Subprotocol != "chat" || i.Compressed || i.Proto != "HTTP/1.1" || i.URL == nil || i.URL.String() != scheme+"://example.com/chat?room=1" {
			t.Errorf("%+v", i)
		}
		if (i.TLS != nil) != (scheme == "wss") || i.TLS != nil && (i.TLS.ServerName != "example.com" || i.TLS.Version < tls.VersionTLS12) {
			t.Errorf("TLS %+v", i.TLS)
		}
	})
}

func TestDialAddress(t *testing.T) {
	stop := errors.New("stop")
	for in, want := range map[string]string{
		"ws://example.com":          "example.com:80",
		"http://example.com/a":      "example.com:80",
		"wss://example.com":         "example.com:443",
		"https://example.com:8443/": "example.com:8443",
		"ws://[::1]":                "[::1]:80",
		"ws://127.0.0.1:1":          "127.0.0.1:1",
	} {
		var got string
		o := &curlew.DialOptions{Proxy: noProxy, DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			got = network + " " + address
			return nil, stop
		}}
		if e := refusedDial(t, in, o); got != "tcp "+want || !errors.Is(e, stop) || e.Status != 0 {
			t.Errorf("%s: dialed %q, %v", in, got, e)
		}
	}
	o := &curlew.DialOptions{Proxy: noProxy, DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, nil }}
	refusedDial(t, "ws://example.com", o)
}

func TestDialCompression(t *testing.T) {
	for _, c := range []struct {
		name   string
		config *curlew.Compression
		answer string
		offer  string
		ok     bool
	}{
		{"off", nil, "", "", true},
		{"declined", &curlew.Compression{}, "", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits", true},
		{"agreed", &curlew.Compression{ServerContext: true, ClientContext: true, WindowBits: 10},
			"permessage-deflate; server_max_window_bits=9; client_max_window_bits=10", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10", true},
		{"CC2 not offered", nil, "permessage-deflate", "", false},
		{"CC2 another", &curlew.Compression{ServerContext: true}, "x-webkit-deflate-frame", "permessage-deflate; client_no_context_takeover; client_max_window_bits", false},
		{"CC2 twice", &curlew.Compression{ServerContext: true}, "permessage-deflate, permessage-deflate", "permessage-deflate; client_no_context_takeover; client_max_window_bits", false},
		{"CC2 and another", &curlew.Compression{ServerContext: true}, "permessage-deflate, x", "permessage-deflate; client_no_context_takeover; client_max_window_bits", false},
		{"CC7 window larger than offered", &curlew.Compression{ServerContext: true, ClientContext: true, WindowBits: 10},
			"permessage-deflate; server_max_window_bits=11", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10", false},
		{"CC7 unknown parameter", &curlew.Compression{ServerContext: true, ClientContext: true}, "permessage-deflate; x", "permessage-deflate; client_max_window_bits", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := listen(t, nil, answering(func(r *http.Request) string {
				if got := r.Header.Get("Sec-WebSocket-Extensions"); got != c.offer {
					t.Errorf("offered %q", got)
				}
				if c.answer == "" {
					return switching(r)
				}
				return switching(r, "Sec-WebSocket-Extensions: "+c.answer)
			}))
			o := optionsTo(addr)
			o.Compression = c.config
			if !c.ok {
				if e := refusedDial(t, "ws://example.com", o); e.Status != 101 {
					t.Errorf("%+v", e)
				}
				return
			}
			if got := dialed(t, "ws://example.com", o).Info().Compressed; got != (c.answer != "") {
				t.Errorf("compressed: %v", got)
			}
		})
	}
	t.Run("PreserveFrames", func(t *testing.T) {
		addr := listen(t, nil, answering(func(r *http.Request) string {
			if got := r.Header.Get("Sec-WebSocket-Extensions"); got != "" {
				t.Errorf("offered %q", got)
			}
			return switching(r)
		}))
		o := optionsTo(addr)
		o.Compression, o.PreserveFrames = &curlew.Compression{}, true
		dialed(t, "ws://example.com", o)
	})
}

// What the server sends with its 101, and however the two are split, reaches
// Read.
func TestDialLeftover(t *testing.T) {
	const frames = "\x81\x05hello\x81\x05world"
	length := len(switching(&http.Request{Header: http.Header{}}))
	for at := length - 6; at <= length+len(frames); at++ {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer theirs.Close()
			r, err := http.ReadRequest(bufio.NewReader(theirs))
			if err != nil {
				t.Error(err)
				return
			}
			all := switching(r) + frames
			io.WriteString(theirs, all[:at])
			io.WriteString(theirs, all[at:])
			io.Copy(io.Discard, theirs)
		}()
		o := &curlew.DialOptions{Proxy: noProxy, DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}
		c, err := curlew.Dial(t.Context(), "ws://example.com", o)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"hello", "world"} {
			if typ, p, err := c.Read(t.Context(), nil); err != nil || typ != curlew.Text || string(p) != want {
				t.Fatalf("split at %d: %v %q, %v", at, typ, p, err)
			}
		}
		c.Abort(nil)
		<-done
	}
}

func TestCC1_CC2_Dial(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) string{
		"CC1 wrong Accept":  func(*http.Request) string { return switching(&http.Request{Header: http.Header{}}) },
		"CC1 no Upgrade":    func(r *http.Request) string { return strings.Replace(switching(r), "Upgrade: websocket\r\n", "", 1) },
		"CC1 no Connection": func(r *http.Request) string { return strings.Replace(switching(r), "Connection: Upgrade\r\n", "", 1) },
		"CC2 subprotocol":   func(r *http.Request) string { return switching(r, "Sec-WebSocket-Protocol: other") },
		"CC2 two Protocols": func(r *http.Request) string {
			return switching(r, "Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: a")
		},
		"CC2 an extension":   func(r *http.Request) string { return switching(r, "Sec-WebSocket-Extensions: x") },
		"CC2 two Accepts":    func(r *http.Request) string { return switching(r, "Sec-WebSocket-Accept: x") },
		"CC1 folded Upgrade": func(r *http.Request) string { return strings.Replace(switching(r), "websocket", "web\r\n socket", 1) },
		"CC1 answer of 1.0":  func(r *http.Request) string { return strings.Replace(switching(r), "HTTP/1.1", "HTTP/1.0", 1) },
		"CC1 subprotocol ok": nil,
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, scheme string, config *tls.Config) {
				if answer == nil {
					answer = func(r *http.Request) string { return switching(r, "Sec-WebSocket-Protocol: b") }
				}
				o := optionsTo(listen(t, config, answering(answer)))
				o.Subprotocols = []string{"a", "b"}
				if name == "CC1 subprotocol ok" {
					if got := dialed(t, scheme+"://example.com", o).Info().Subprotocol; got != "b" {
						t.Errorf("subprotocol %q", got)
					}
					return
				}
				if e := refusedDial(t, scheme+"://example.com", o); e.Status != 101 || e.Header.Get("Connection")+e.Header.Get("Upgrade") == "" {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}

func TestCC3_Dial(t *testing.T) {
	early := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	for name, answer := range map[string]func(*http.Request) string{
		"endless head":   func(r *http.Request) string { return switching(r, "X: "+strings.Repeat("a", 1<<20)) },
		"10000 fields":   func(r *http.Request) string { return switching(r, strings.Repeat("X: a\r\n", 10000)+"Y: b") },
		"six 1xx":        func(r *http.Request) string { return strings.Repeat(early, 6) + switching(r) },
		"1xx flood":      func(r *http.Request) string { return strings.Repeat(early, 100000) },
		"space in front": func(r *http.Request) string { return "HTTP/1.1 101 Switching Protocols\r\n X: a\r\n\r\n" },
		"bare LF":        func(r *http.Request) string { return strings.ReplaceAll(switching(r), "\r\n", "\n") },
		"not HTTP":       func(r *http.Request) string { return "SSH-2.0-OpenSSH_9.2\r\n\r\n" },
		"no colon":       func(r *http.Request) string { return switching(r, "X") },
		"escape in it":   func(r *http.Request) string { return switching(r, "X: \x1b[2J") },
		"cut by the end": func(r *http.Request) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, nil, func(c net.Conn) {
				answering(answer)(c)
				if name == "cut by the end" {
					c.Close()
				}
			})
			if e := refusedDial(t, "ws://example.com", optionsTo(addr)); e.Status != 0 {
				t.Errorf("%+v", e)
			}
		})
	}
	addr := listen(t, nil, answering(func(r *http.Request) string { return strings.Repeat(early, 5) + switching(r, "X: a", "\tfolded") }))
	dialed(t, "ws://example.com", optionsTo(addr))
}

func TestCC4_Dial(t *testing.T) {
	for name, head := range map[string]string{
		"length":   "HTTP/1.1 403 Forbidden\r\nContent-Length: 10737418240\r\nX-Why: because\r\n\r\n",
		"chunked":  "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\nX-Why: because\r\n\r\n280000000\r\n",
		"no frame": "HTTP/1.1 403 Forbidden\r\nX-Why: because\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, nil, func(c net.Conn) {
				answering(func(*http.Request) string { return head })(c)
				for block := make([]byte, 64<<10); ; {
					if _, err := c.Write(block); err != nil {
						return // the client has closed
					}
				}
			})
			e := refusedDial(t, "ws://example.com", optionsTo(addr))
			if e.Status != 403 || e.Header.Get("X-Why") != "because" || len(e.Body) != 64<<10 {
				t.Errorf("%d %v, %d bytes", e.Status, e.Header, len(e.Body))
			}
		})
	}
	overBoth(t, func(t *testing.T, scheme string, config *tls.Config) {
		addr := listen(t, config, answering(func(*http.Request) string {
			return "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 4\r\n\r\nwho?more"
		}))
		e := refusedDial(t, scheme+"://example.com", optionsTo(addr))
		if e.Status != 401 || e.Header.Get("Www-Authenticate") != "Basic realm=x" || string(e.Body) != "who?" {
			t.Errorf("%+v", e)
		}
	})
}

func TestCC11_Dial(t *testing.T) {
	var keys []string // of one Dial after the other
	addr := listen(t, nil, answering(func(r *http.Request) string {
		keys = append(keys, r.Header.Get("Sec-WebSocket-Key"))
		return "HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
	}))
	o := optionsTo(addr)
	o.MaxRedirects = 10
	refusedDial(t, "ws://example.com", o)
	refusedDial(t, "ws://example.com", o)
	seen := map[string]bool{}
	for _, k := range keys {
		seen[k] = true
	}
	if len(keys) != 22 || len(seen) != 22 {
		t.Errorf("%d keys, %d different", len(keys), len(seen))
	}
}

func TestCC12_Dial(t *testing.T) {
	other, expired := serverTLS(), serverTLS()
	other.NextProtos = []string{"acme-tls/1"}
	for _, c := range []struct {
		name, url string
		config    *tls.Config
		client    func(*tls.Config)
	}{
		{"wrong name", "wss://other.example", serverTLS(), nil},
		{"wrong address", "wss://127.0.0.1", serverTLS(), nil},
		{"unknown authority", "wss://example.com", serverTLS(), func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }},
		{"expired", "wss://example.com", expired, func(c *tls.Config) {
			c.Time = func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }
		}},
		{"server speaks another protocol", "wss://example.com", other, nil},
		{"server does not speak TLS", "wss://example.com", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := listen(t, c.config, func(conn net.Conn) {
				if c.config == nil {
					conn.Read(make([]byte, 1))
					io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
					return
				}
				if n, _ := conn.Read(make([]byte, 1)); n > 0 {
					t.Error("the client speaks")
				}
			})
			o := optionsTo(addr)
			if c.client != nil {
				c.client(o.TLS)
			}
			if e := refusedDial(t, c.url, o); e.Status != 0 {
				t.Errorf("%+v", e)
			}
		})
	}
	t.Run("name set", func(t *testing.T) {
		o := optionsTo(listen(t, serverTLS(), answering(func(r *http.Request) string { return switching(r) })))
		o.TLS.ServerName = "example.com"
		o.TLS.NextProtos = []string{"h2"} // of a configuration that others share
		dialed(t, "wss://127.0.0.1:1234", o)
		if len(o.TLS.NextProtos) != 1 || o.TLS.NextProtos[0] != "h2" {
			t.Error("the configuration was changed")
		}
	})
}

// noDial fails the test when it is called.
func noDial(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, address string) (net.Conn, error) {
		t.Errorf("%s was dialed", address)
		return nil, errors.New("no")
	}
}

func TestCC13_Dial(t *testing.T) {
	for _, in := range []string{
		"", "ws:///", "ws://", "ws:example.com", "example.com", "/path", "ftp://example.com", "file:///etc/passwd",
		"ws://example.com:0", "ws://example.com:65536", "ws://example.com:x", "ws://user:secret@example.com", "ws://example.com#a", "ws://example.com/#",
		"ws://[fe80::1%25eth0]/", "ws://xn--example-/", "ws://b\u00fccher.example", "ws://example.com/a b", "ws://example.com/\r\nX: y", "ws://example.com/\x00",
		"ws://example.com/%zz", "ws://example.com/" + strings.Repeat("a", 1<<20),
	} {
		if e := refusedDial(t, in, &curlew.DialOptions{Proxy: noProxy, DialContext: noDial(t)}); e.Status != 0 {
			t.Errorf("%.80q: %+v", in, e)
		}
	}
}

func TestCC14_Dial(t *testing.T) {
	for name, o := range map[string]curlew.Options{
		"CRLF in a value":        {Header: http.Header{"X": {"a\r\nY: b"}}},
		"CRLF in a name":         {Header: http.Header{"X\r\nY": {"b"}}},
		"Host":                   {Header: http.Header{"Host": {"evil.example"}}},
		"Upgrade":                {Header: http.Header{"Upgrade": {"h2c"}}},
		"Connection":             {Header: http.Header{"connection": {"close"}}},
		"a key":                  {Header: http.Header{"Sec-Websocket-Key": {"a"}}},
		"a length":               {Header: http.Header{"Content-Length": {"1"}}},
		"subprotocol with space": {Subprotocols: []string{"a b"}},
		"subprotocol with CRLF":  {Subprotocols: []string{"a\r\nX: y"}},
		"subprotocol twice":      {Subprotocols: []string{"a", "a"}},
		"empty subprotocol":      {Subprotocols: []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			refusedDial(t, "ws://example.com", &curlew.DialOptions{Options: o, Proxy: noProxy, DialContext: noDial(t)})
		})
	}
}
