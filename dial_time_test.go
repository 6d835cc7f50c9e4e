package curlew_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
)

// slow are servers that never finish a handshake. Each is closed by Dial.
var slow = []struct {
	name, url, proxy string
	script           func(net.Conn)
	status           int
	body             string
}{
	{name: "reads nothing", url: "ws://example.com", script: func(net.Conn) {}},
	{name: "reads nothing, TLS", url: "wss://example.com", script: func(net.Conn) {}},
	{name: "says nothing", url: "ws://example.com", script: func(c net.Conn) { io.Copy(io.Discard, c) }},
	{name: "says nothing, TLS", url: "wss://example.com", script: func(c net.Conn) { io.Copy(io.Discard, c) }},
	{name: "says nothing behind TLS", url: "wss://example.com", script: func(c net.Conn) {
		io.Copy(io.Discard, tls.Server(c, serverTLS()))
	}},
	{name: "drips", url: "ws://example.com", script: func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		drip(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
	}},
	{name: "drips a body", url: "ws://example.com", status: 503, body: "nonono", script: func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000\r\n\r\n")
		drip(c, strings.Repeat("no", 3))
	}},
	{name: "proxy says nothing", url: "wss://example.com", proxy: "http://example.com", script: func(c net.Conn) { io.Copy(io.Discard, c) }},
	{name: "TLS proxy says nothing", url: "ws://example.com", proxy: "https://example.com", script: func(c net.Conn) { io.Copy(io.Discard, c) }},
	{name: "SOCKS proxy says nothing", url: "ws://example.com", proxy: "socks5://example.com", script: func(c net.Conn) { io.Copy(io.Discard, c) }},
	{name: "SOCKS proxy says half", url: "ws://example.com", proxy: "socks5://example.com", script: func(c net.Conn) {
		c.Read(make([]byte, 3))
		c.Write([]byte{5})
		io.Copy(io.Discard, c)
	}},
}

// drip sends a byte a second.
func drip(c net.Conn, s string) {
	for i := range len(s) {
		if _, err := c.Write([]byte{s[i]}); err != nil {
			return
		}
		<-time.After(time.Second)
	}
}

// dialSlow dials in a bubble of false time and returns how long it took.
func dialSlow(t *testing.T, ctx context.Context, i int, o *curlew.DialOptions) (time.Duration, *curlew.HandshakeError) {
	c := slow[i]
	ours, theirs := net.Pipe()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		c.script(theirs)
		io.Copy(io.Discard, theirs) // until Dial has closed
		theirs.Close()
	}()
	o.TLS = clientTLS()
	o.Proxy = func(*http.Request) (*url.URL, error) {
		if c.proxy == "" {
			return nil, nil
		}
		return url.Parse(c.proxy)
	}
	o.DialContext = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
	start := time.Now()
	conn, err := curlew.Dial(ctx, c.url, o)
	took := time.Since(start)
	e, ok := errors.AsType[*curlew.HandshakeError](err)
	if conn != nil || !ok {
		t.Fatalf("%v, %v", conn, err)
	}
	if e.Status != c.status || c.body != "" && !strings.HasPrefix(c.body, string(e.Body)) {
		t.Errorf("%+v", e)
	}
	<-gone
	return took, e
}

func TestCC8_HandshakeTimeout(t *testing.T) {
	certificate() // outside of the bubbles
	for i, c := range slow {
		t.Run(c.name, func(t *testing.T) {
			for _, set := range []time.Duration{0, 3 * time.Second} {
				synctest.Test(t, func(t *testing.T) {
					took, e := dialSlow(t, context.Background(), i, &curlew.DialOptions{HandshakeTimeout: set})
					if want := max(set, set+10*time.Second*boolean(set == 0)); took != want {
						t.Errorf("%v passed, want %v", took, want)
					}
					if c.status == 0 && !errors.Is(e, context.DeadlineExceeded) {
						t.Errorf("%v", e)
					}
				})
			}
		})
	}
}

func boolean(b bool) time.Duration {
	if b {
		return 1
	}
	return 0
}

func TestCC8_Context(t *testing.T) {
	certificate()
	for i, c := range slow {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(90*time.Second, cancel)
				took, e := dialSlow(t, ctx, i, &curlew.DialOptions{HandshakeTimeout: -1})
				if took != 90*time.Second {
					t.Errorf("%v passed", took)
				}
				if c.status == 0 && !errors.Is(e, context.Canceled) {
					t.Errorf("%v", e)
				}
			})
		})
	}
}

// A dialer that waits is given the bounded context, and its error is returned.
func TestDialContextIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := curlew.Dial(context.Background(), "ws://example.com", &curlew.DialOptions{Proxy: noProxy,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// Once Dial has returned, its context does not matter.
func TestDialThenCancel(t *testing.T) {
	overBoth(t, func(t *testing.T, scheme string, config *tls.Config) {
		cancelled := make(chan struct{})
		addr := listen(t, config, func(c net.Conn) {
			answering(func(r *http.Request) string { return switching(r) })(c)
			<-cancelled
			io.WriteString(c, "\x82\x02ok")
		})
		ctx, cancel := context.WithCancel(t.Context())
		c, err := curlew.Dial(ctx, scheme+"://example.com", optionsTo(addr))
		if err != nil {
			close(cancelled)
			t.Fatal(err)
		}
		defer c.Abort(nil)
		cancel()
		close(cancelled)
		if _, p, err := c.Read(t.Context(), nil); err != nil || string(p) != "ok" {
			t.Errorf("%q, %v", p, err)
		}
	})
}

func TestDialWithEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	addr := listen(t, nil, func(net.Conn) {})
	o := optionsTo(addr)
	if _, err := curlew.Dial(ctx, "ws://example.com", o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	o.DialContext = func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", addr) }
	if _, err := curlew.Dial(ctx, "ws://example.com", o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
