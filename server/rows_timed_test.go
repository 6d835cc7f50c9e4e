package server_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// A timed is a row whose value is a time, never 0, and what shows that it is d.
type timed struct {
	key      string
	on, back time.Duration // a value, and the default; negative: never
	with     string
	handlers string
	shows    func(b *bubble, path string, d time.Duration)
}

// Every time that routes inherit: on the handlers that are all in memory; exec and
// proxy have the same clock, see TestRowsOnEveryHandler. Each is within a tenth or
// 100 ms, never early, of the value of the top level, of the default that the route
// sets it back to, of the default, and of the route's own value.
func TestRowTimes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, w := range timedRows {
		for _, top := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/top=%v", w.key, top), func(t *testing.T) {
				t.Parallel()
				value := func(d time.Duration) string {
					if d < 0 {
						return "'never'"
					}
					return fmt.Sprintf("'%v'", d)
				}
				own := map[bool]string{true: w.key + ": " + value(w.back), false: w.key + ": " + value(w.on)}[top]
				var routes []string
				for name := range strings.FieldsSeq(w.handlers) {
					needs := map[string]string{"file": "file: { path: 'large' }, "}[name]
					routes = append(routes, fmt.Sprintf("{ match: '/%s/silent', handler: '%s', %s %s }", name, name, needs, said(w.with)),
						fmt.Sprintf("{ match: '/%s/says', handler: '%s', %s %s }", name, name, needs, said(w.with+"; "+own)))
				}
				text := "routes: [" + strings.Join(routes, ", ") + "]"
				if top {
					text = said(w.key+": "+value(w.on)) + ", " + text
				}
				inBubble(t, dir, text, map[string]route.Constructor{"program": program}, func(t *testing.T, b *bubble) {
					for name := range strings.FieldsSeq(w.handlers) {
						for path, on := range map[string]bool{"/silent": top, "/says": !top} {
							w.shows(b, "/"+name+path, map[bool]time.Duration{true: w.on, false: w.back}[on])
						}
					}
				})
			})
		}
	}
}

const inMemory = "echo broadcast program"

var timedRows = []timed{
	{"timeouts.inactivity", 40 * time.Second, 5 * time.Minute, "webSockets.ping: 'never'", inMemory, func(b *bubble, path string, d time.Duration) {
		p, h := b.peer(path)
		if got := h.Get("X-Inactivity-Timeout"); got != fmt.Sprint(int(d.Seconds())) {
			b.t.Errorf("%s: X-Inactivity-Timeout %q", path, got)
		}
		b.pass(d - time.Second)
		p.Send(wstest.Pong("")) // a frame of any kind
		began := time.Now()
		wantEnd(b.t, p, frame.PolicyViolation, "inactivity timeout")
		onTime(b.t, path, began, d)
	}},
	{"timeouts.request", time.Hour, -1, "webSockets.ping: 'never'; timeouts.inactivity: 'never'", inMemory, func(b *bubble, path string, d time.Duration) {
		began := time.Now()
		p, h := b.peer(path)
		if d < 0 {
			if got := h["X-Request-Timeout"]; got != nil {
				b.t.Errorf("%s: X-Request-Timeout %q", path, got)
			}
			b.pass(1000 * time.Hour)
			p.WantIdle("it lives on")
			return
		}
		if got := h.Get("X-Request-Timeout"); got != fmt.Sprint(int(d.Seconds())) {
			b.t.Errorf("%s: X-Request-Timeout %q", path, got)
		}
		b.pass(d / 2)
		p.Send(wstest.Text("which does not help"))
		wantEnd(b.t, p, frame.PolicyViolation, "request timeout")
		onTime(b.t, path, began, d)
	}},
	{"webSockets.ping", 40 * time.Second, 25 * time.Second, "", inMemory, func(b *bubble, path string, d time.Duration) {
		p, _ := b.peer(path)
		for range 10 {
			began := time.Now()
			f := p.Next("a ping")
			if f.Opcode != frame.Ping {
				b.t.Fatalf("%s: %v", path, f)
			}
			if took := time.Since(began); took < d*9/10 || took > d*11/10+max(d/10, 100*time.Millisecond) {
				b.t.Errorf("%s: a ping after %v, want %v, 10 %% more or less", path, took, d)
			}
			p.Send(wstest.Pong(string(f.Payload)))
			synctest.Wait()
		}
	}},
	{"webSockets.ping", -1, 25 * time.Second, "timeouts.inactivity: 'never'", inMemory, func(b *bubble, path string, d time.Duration) {
		p, _ := b.peer(path)
		if d > 0 {
			p.Next("a ping")
			return
		}
		b.pass(1000 * time.Hour)
		p.WantIdle("no ping at all")
	}},
	{"timeouts.pong", 3 * time.Second, 10 * time.Second, "webSockets.ping: '20 s'", inMemory, func(b *bubble, path string, d time.Duration) {
		p, _ := b.peer(path)
		p.Next("a ping")
		b.pass(d - 10*time.Millisecond)
		p.Send(wstest.Text("so it lives")) // anything heard will do
		synctest.Wait()
		for f := p.Next("a ping"); f.Opcode != frame.Ping; f = p.Next("a ping") {
		}
		began := time.Now()
		io.Copy(io.Discard, p.Conn())
		onTime(b.t, path, began, d)
	}},
	{"timeouts.close", 2 * time.Second, 5 * time.Second, "timeouts.inactivity: '1 min'; webSockets.ping: 'never'", inMemory, func(b *bubble, path string, d time.Duration) {
		p, _ := b.peer(path)
		wantEnd(b.t, p, frame.PolicyViolation, "inactivity timeout")
		began := time.Now()
		io.Copy(io.Discard, p.Conn()) // no answer comes
		onTime(b.t, path+" without an answer", began, d)

		p, _ = b.peer(path)
		p.Send(wstest.Op(frame.Text, nil).Reserved(frame.RSV3))
		wantEnd(b.t, p, frame.ProtocolError, wstest.AnyReason)
		began = time.Now()
		p.WantEOF("our side ends at once")
		for { // what still comes is thrown away, until
			if _, err := p.Conn().Write(make([]byte, 1000)); err != nil {
				break
			}
			b.pass(10 * time.Millisecond)
		}
		onTime(b.t, path+" of who talks on", began, d)
	}},
	{"timeouts.write", 3 * time.Second, 10 * time.Second, "limits.maxMessage: '16 MB'", inMemory + " file", func(b *bubble, path string, d time.Duration) {
		p, _ := b.peer(path)
		began := time.Now()
		if !strings.HasPrefix(path, "/file/") {
			p.Send(wstest.Binary(make([]byte, 1<<20))) // comes back, more than there is room for
		}
		synctest.Wait() // else it may not be open yet
		for server.Open(b.server) > 0 {
			b.pass(10 * time.Millisecond)
		}
		onTime(b.t, path, began, d)
	}},
}

// timeouts.handshake: whatever came by then, but a whole head. It stands at the top
// level only, 10 s by default.
func TestRowHandshake(t *testing.T) {
	for value, d := range map[string]time.Duration{"": 10 * time.Second, "timeouts: { handshake: '3 s' }, ": 3 * time.Second, "timeouts: { handshake: 'never' }, ": -1} {
		inBubble(t, "", value+"routes: [{ handler: 'echo' }]", nil, func(t *testing.T, b *bubble) {
			for _, sent := range []string{"", "G", "GET / HTTP/1.1\r\nHost: site\r\n"} {
				c := b.connect()
				began := time.Now()
				io.WriteString(c, sent)
				if d < 0 {
					time.Sleep(1000 * time.Hour)
					io.WriteString(c, strings.TrimPrefix(get, sent))
					if got := codes(answers(c)); got != "426" && sent == "" {
						t.Errorf("a very slow one: %s", got)
					}
					c.Close()
					continue
				}
				io.Copy(io.Discard, c)
				onTime(t, fmt.Sprintf("%q", sent), began, d)
			}
		})
	}
}

// floods sends one message that the stream does not take at once, then 11 of 1000
// bytes, and says how these went.
func floods(result *atomic.Pointer[[]error]) route.Constructor {
	ev := &curlew.Events{Message: func(c *curlew.Conn, _ curlew.Type, _ []byte) {
		c.Send(curlew.Binary, make([]byte, 200_000))
		synctest.Wait() // it is being written, and the queue is empty
		var list []error
		for i := range 11 {
			p := make([]byte, 1000)
			p[0] = byte(i)
			list = append(list, c.Send(curlew.Binary, p))
		}
		result.Store(&list)
	}}
	return func(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
		return ws(func(*http.Request) (*curlew.Events, error) { return ev, nil }), nil
	}
}

// limits.sendQueue and webSockets.whenFull: ten messages fit, and one more does not;
// inherited, set back, by default and of the route.
func TestRowQueue(t *testing.T) {
	want := map[string]struct {
		missing int // message that does not come, -1: none
		err     error
	}{"close": {10, net.ErrClosed}, "dropOldest": {0, nil}, "dropNewest": {10, curlew.ErrQueueFull}, "none": {-1, nil}}
	for _, c := range []struct{ top, route, want string }{
		{"limits.sendQueue: 10000", "", "close"},
		{"limits.sendQueue: 10000", "webSockets.whenFull: 'close'", "close"},
		{"limits.sendQueue: 10000; webSockets.whenFull: 'dropOldest'", "", "dropOldest"},
		{"limits.sendQueue: 10000; webSockets.whenFull: 'dropOldest'", "webSockets.whenFull: 'close'", "close"},
		{"limits.sendQueue: 10000; webSockets.whenFull: 'dropNewest'", "", "dropNewest"},
		{"limits.sendQueue: 10000; webSockets.whenFull: 'dropNewest'", "limits.sendQueue: '256 KB'", "none"},
		{"limits.sendQueue: 10000", "limits.sendQueue: 'unlimited'", "none"},
		{"", "limits.sendQueue: 10000", "close"},
		{"", "limits.sendQueue: 10000; webSockets.whenFull: 'dropOldest'", "dropOldest"},
		{"", "limits.sendQueue: 10000; webSockets.whenFull: 'dropNewest'", "dropNewest"},
		{"", "limits.sendQueue: 11000; webSockets.whenFull: 'dropNewest'", "none"},
		{"", "limits.sendQueue: 10999; webSockets.whenFull: 'dropNewest'", "dropNewest"},
		{"", "", "none"},
	} {
		t.Run(c.top+"/"+c.route, func(t *testing.T) {
			text := "timeouts: { write: 'never' }, routes: [{ " + strings.Trim("handler: 'floods', "+said(c.route), ", ") + " }]"
			if c.top != "" {
				text = said(c.top) + ", " + text
			}
			var result atomic.Pointer[[]error]
			inBubble(t, "", text, map[string]route.Constructor{"floods": floods(&result)}, func(t *testing.T, b *bubble) {
				p, _ := b.peer("/")
				p.Send(wstest.Text("go"))
				b.pass(time.Second)
				list, w := *result.Load(), want[c.want]
				for i, err := range list {
					if wantErr := map[bool]error{true: w.err}[i == 10]; !errors.Is(err, wantErr) {
						t.Errorf("Send %d: %v, want %v", i, err, wantErr)
					}
				}
				if c.want == "close" {
					wantEnd(t, p, frame.PolicyViolation, "send queue full")
					return
				}
				for !p.Next("the first one").Fin {
				}
				for i := range 11 {
					if i != w.missing {
						if f := p.Next("a message"); len(f.Payload) != 1000 || f.Payload[0] != byte(i) {
							t.Fatalf("instead of message %d: %v", i, f)
						}
					}
				}
				p.WantIdle("nothing more")
			})
		})
	}
}

// The smallest and the largest values there are: everything still works.
func TestRowExtremes(t *testing.T) {
	for _, c := range []string{
		"limits.maxFrame: 1", "limits.maxPacket: 1", "limits.sendQueue: 1", "limits.maxMessage: 12; limits.maxFragments: 1",
		"limits.maxFrame: 1; limits.maxPacket: 1; webSockets.compression.minSize: 0",
		"limits.maxMessage: 9223372036854775807; limits.maxFrame: 9223372036854775807; limits.maxPacket: 9223372036854775807; " +
			"limits.maxFragments: 2147483647; limits.sendQueue: 9223372036854775807; limits.bytesPerSecond: 9223372036854775807; " +
			"limits.messagesPerSecond: 2147483647; limits.webSockets: 2147483647; limits.webSocketsPerIP: 2147483647",
		"timeouts.inactivity: '9223372036854 ms'; timeouts.request: '9223372036854 ms'; timeouts.pong: '9223372036854 ms'; " +
			"timeouts.close: '9223372036854 ms'; timeouts.write: '9223372036854 ms'; webSockets.ping: '9223372036854 ms'",
	} {
		t.Run(c, func(t *testing.T) {
			for _, everywhere := range []string{said(c) + ", routes: [@]", "routes: [@]"} {
				var routes []string
				for name := range strings.FieldsSeq(inMemory + " respond") {
					more := ""
					if everywhere == "routes: [@]" {
						more = said(c)
					}
					routes = append(routes, "{ match: '/"+name+"', handler: '"+name+"', "+more+" }")
				}
				inBubble(t, "", strings.Replace(everywhere, "@", strings.Join(routes, ", "), 1), map[string]route.Constructor{"program": program}, func(t *testing.T, b *bubble) {
					for name := range strings.FieldsSeq(inMemory) {
						p, h := b.peer("/" + name)
						for _, field := range []string{"X-Inactivity-Timeout", "X-Request-Timeout"} {
							if got := h.Get(field); strings.Contains(c, "9223372036854 ms") && got != "9223372037" {
								t.Errorf("%s: %q", field, got)
							}
						}
						p.Send(wstest.Text("xüxüxüxü"))
						var got []byte
						for len(got) < 12 {
							f := nextBut(p, "the echo", frame.Ping)
							if strings.Contains(c, "maxFrame: 1;") && len(f.Payload) > 1 {
								t.Fatalf("%v", f)
							}
							got = append(got, f.Payload...)
						}
						if string(got) != "xüxüxüxü" {
							t.Errorf("%s: %q", name, got)
						}
						if strings.Contains(c, "9223372036854 ms") {
							time.Sleep(10 * 365 * 24 * time.Hour)
							p.WantIdle("it lives for ten years")
						}
						p.Send(wstest.Close(1000, ""))
						p.WantClose("the end", 1000, "")
						p.WantEOF("the end")
						p.Close()
					}
					conn := b.connect()
					io.WriteString(conn, "POST /respond HTTP/1.1\r\nHost: site\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
					if got := codes(answers(conn)); got != "200" {
						t.Errorf("POST: %q", got)
					}
				})
			}
		})
	}
}
