package curlew_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"curlew.example/curlew"
	"curlew.example/curlew/conform"
	"curlew.example/curlew/wstest"
)

// Dial against the malicious server that package conform contains. What its cases
// do not reach has tests of its own, here and in dial_*_test.go.
func TestCC_MaliciousServer(t *testing.T) {
	for _, row := range []struct{ id, cases string }{
		{"CC1 wrong and odd 101", "8.41 8.42 8.45 8.46 8.47 8.48 8.49"},
		{"CC2 what was not asked for", "8.49 8.50 8.51 8.52"},
		{"CC3 heads without end", "8.43 8.53 8.54 8.55 8.56"},
		{"CC6 masked frames", "11.2"},
		{"CC7 lengths, bombs, fragments, compression", "3 9.9 9.14 9.15 11.5 13.30 13.31 13.32 14.1 14.2 14.3 14.4 14.5 14.7 14.8"},
		{"CC8 Close without an answer", "7.1 7.14 7.16 7.20 7.21 16.9"},
		{"CC10 keys of masks", "11.4"},
		{"CC11 keys of handshakes", "8.40"},
		{"CC17 pings", "2.16 16.2"},
		{"CC22 parts of frames", "8.44 15.1 15.2 15.3 15.4 16.5"},
	} {
		cases, err := conform.Select(conform.Cases(), strings.Fields(row.cases))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(row.id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check := visitAll(t, conform.For(cases, conform.ForClients))
				time.Sleep(time.Minute) // for what the server still waits for
				check()
			})
		})
	}
}

// visitAll goes through all cases as a client that echoes. The results are for
// later.
func visitAll(t *testing.T, cases []*conform.Case) (check func()) {
	n := wstest.NewNetwork(nil)
	server := &conform.Clients{Cases: cases}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	l := n.Listen("example.com:80")
	serving.Go(func() { server.Serve(ctx, l) })
	o := &curlew.DialOptions{Proxy: noProxy, DialContext: n.DialContext, Options: curlew.Options{
		Compression: &curlew.Compression{MinSize: -1, ServerContext: true, ClientContext: true}}}
	for i := range cases {
		c, err := curlew.Dial(ctx, fmt.Sprintf("ws://example.com/runCase?case=%d&agent=us", i+1), o)
		if err != nil {
			harmless(t, cases[i].ID, err)
			continue
		}
		for {
			typ, p, err := c.Read(ctx, nil)
			if err != nil {
				break
			}
			if err = c.Write(ctx, typ, p); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", cases[i].ID, err)
			}
		}
		<-c.Done()
		harmless(t, cases[i].ID, c.Err())
	}
	return func() {
		stop()
		serving.Wait()
		results := server.Results("us")
		if len(results) == 0 || len(results) != len(cases) {
			t.Errorf("%d results of %d cases", len(results), len(cases))
		}
		for i := range results {
			if r := &results[i]; r.Verdict() > conform.Unimplemented {
				t.Errorf("%s: %v: %s\n%s", r.ID, r.Verdict(), r.Note, r.Rule)
			}
		}
	}
}

// harmless: an error of Dial or of a connection gives no orders to a terminal.
func harmless(t *testing.T, what string, err error) {
	t.Helper()
	var dial *curlew.HandshakeError
	var end *curlew.CloseError
	if !errors.As(err, &dial) && !errors.As(err, &end) {
		t.Errorf("%s: %T", what, err)
	}
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%s: %q", what, err)
	}
}

// CC9: what a server says stands in errors, but it gives no orders there.
func TestCC9_Errors(t *testing.T) {
	const orders = "\x1b[2J\x1b]52;c;cm0gLXJm\x07 \u009b31m \u202etxt.exe \u2028"
	for name, answer := range map[string]func(*http.Request) string{
		"reason of the status": func(*http.Request) string { return "HTTP/1.1 403 " + orders + "\r\nContent-Length: 0\r\n\r\n" },
		"C1 and direction in the reason": func(*http.Request) string {
			return "HTTP/1.1 403 \u009b31m \u202etxt.exe\r\nContent-Length: 0\r\n\r\n"
		},
		"Location": func(*http.Request) string {
			return "HTTP/1.1 302 Found\r\nLocation: ws://\u202e\u009b/\r\nContent-Length: 0\r\n\r\n"
		},
		"subprotocol": func(r *http.Request) string { return switching(r, "Sec-WebSocket-Protocol: \u202e\u009b") },
		"extension":   func(r *http.Request) string { return switching(r, "Sec-WebSocket-Extensions: \u202e\u009b") },
		"version":     func(*http.Request) string { return "HTTP/\u202e\u009b 101 x\r\n\r\n" },
		"status":      func(*http.Request) string { return "HTTP/1.1 \u202e\u009b x\r\n\r\n" },
		"close reason": func(r *http.Request) string {
			return switching(r) + string([]byte{0x88, byte(2 + len(orders)), 0x0f, 0xa0}) + orders
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := optionsTo(listen(t, nil, func(c net.Conn) {
				answering(answer)(c)
				c.Read(make([]byte, 1000)) // the client's Close, or its end
				c.Close()
			}))
			o.MaxRedirects = 3
			c, err := curlew.Dial(t.Context(), "ws://example.com", o)
			if err == nil {
				<-c.Done()
				err = c.Err()
			}
			harmless(t, name, err)
		})
	}
}

// CC10: keys of masks look like what ChaCha8 gives: hardly ever the same, every
// bit and every change of a bit as often as not.
func TestCC10_MaskKeys(t *testing.T) {
	const n = 200_000
	keys := make(chan []uint32)
	addr := listen(t, nil, func(c net.Conn) {
		answering(func(r *http.Request) string { return switching(r) })(c)
		b, err := io.ReadAll(io.LimitReader(c, 6*n)) // of an empty message: two bytes of header, four of key
		if err != nil {
			t.Error(err)
		}
		var all []uint32
		for ; len(b) >= 6; b = b[6:] {
			all = append(all, binary.BigEndian.Uint32(b[2:]))
		}
		keys <- all
	})
	c := dialed(t, "ws://example.com", optionsTo(addr))
	for range n {
		if err := c.Write(t.Context(), curlew.Binary, nil); err != nil {
			t.Fatal(err)
		}
	}
	all := <-keys
	seen := make(map[uint32]bool)
	var ones, changes [32]int
	before := uint32(0)
	for _, k := range all {
		seen[k] = true
		for bit := range 32 {
			ones[bit] += int(k >> bit & 1)
			changes[bit] += int((k ^ before) >> bit & 1)
		}
		before = k
	}
	if len(all) != n || n-len(seen) > 40 { // 5 are to be expected
		t.Errorf("%d keys, %d different", len(all), len(seen))
	}
	for bit := range 32 {
		const most = 7 // standard deviations
		if d := math.Abs(float64(ones[bit]-n/2)) / math.Sqrt(n/4); d > most {
			t.Errorf("bit %d is set in %d of %d keys", bit, ones[bit], n)
		}
		if d := math.Abs(float64(changes[bit]-n/2)) / math.Sqrt(n/4); d > most {
			t.Errorf("bit %d changes in %d of %d keys", bit, changes[bit], n)
		}
	}
	for i := range all {
		if i > 1 && all[i]-all[i-1] == all[i-1]-all[i-2] {
			t.Errorf("key %d follows the two before", i)
		}
	}
}

// CC21: neither a name with thousands of addresses nor a resolver that does not
// answer makes Dial wait for longer than it may.
func TestCC21_Names(t *testing.T) {
	lookup := func(dial func(context.Context, string, string) (net.Conn, error)) *net.Resolver {
		return &net.Resolver{PreferGo: true, Dial: dial}
	}
	// The resolver keeps channels of its own, which must not be a bubble's.
	lookup(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no") }).LookupHost(t.Context(), "example.com")

	dial := func(t *testing.T, d *net.Dialer) error {
		began := time.Now()
		_, err := curlew.Dial(context.Background(), "ws://example.com", &curlew.DialOptions{Proxy: noProxy, DialContext: d.DialContext})
		if took := time.Since(began); err == nil || took != 10*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		return err
	}
	t.Run("the resolver does not answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			err := dial(t, &net.Dialer{Resolver: lookup(func(context.Context, string, string) (net.Conn, error) {
				ours, _ := wstest.NewLink(nil)
				return ours, nil
			})})
			harmless(t, "no answer", err)
			// The resolver's own patience ends at the same instant.
			if e := net.Error(nil); !errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &e) && e.Timeout()) {
				t.Error(err)
			}
		})
	})
	t.Run("4000 addresses of which none answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var tried atomic.Int32
			dial(t, &net.Dialer{
				Resolver: lookup(func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := wstest.NewLink(nil)
					go answerNames(theirs, 4000)
					return ours, nil
				}),
				ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
					tried.Add(1)
					<-ctx.Done() // as connecting to a black hole
					return ctx.Err()
				},
			})
			if n := tried.Load(); n == 0 || n > 10 {
				t.Errorf("%d of 4000 addresses were tried in 10 s", n)
			}
		})
	})
}

// answerNames answers queries over TCP, those for A with n addresses. RFC 1035, 4.
func answerNames(c net.Conn, n int) {
	defer c.Close()
	var size [2]byte
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		end := 12
		for q[end] != 0 {
			end += int(q[end]) + 1
		}
		question := q[12 : end+5]
		count := 0
		if binary.BigEndian.Uint16(question[len(question)-4:]) == 1 {
			count = n
		}
		a := append(q[:2:2], 0x81, 0x80, 0, 1, byte(count>>8), byte(count), 0, 0, 0, 0)
		a = append(a, question...)
		for i := range count {
			a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2+byte(i>>8), byte(i))
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...)); err != nil {
			return
		}
	}
}
