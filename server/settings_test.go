package server_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// Which test shows what of each setting is a table, in site/rows_test.go. What is wrong
// in a file is told in package site, what becomes of a value in config.

// peerOf opens a WebSocket that the test plays frame by frame.
func (r *running) peerOf(path string) *wstest.Peer {
	r.t.Helper()
	p, _ := wstest.Open(r.t, r.connect(), path, http.Header{})
	return p
}

// Each limit and switch of a route, at a connection.
func TestSettingsOfARoute(t *testing.T) {
	t.Parallel()
	both(t, `limits: { maxMessage: 1000 }, timeouts: { close: '1 s' }, routes: [
		{ match: '/inherits', handler: 'echo' },
		{ match: '/message', handler: 'echo', limits: { maxMessage: 10 } },
		{ match: '/frame', handler: 'echo', limits: { maxFrame: 4 } },
		{ match: '/fragments', handler: 'echo', limits: { maxFragments: 3 } },
		{ match: '/fast', handler: 'echo', limits: { messagesPerSecond: 3 } },
		{ match: '/many', handler: 'echo', limits: { bytesPerSecond: 70 } },
		{ match: '/packet', handler: 'echo', limits: { maxPacket: 4 } },
		{ match: '/loose', handler: 'echo', webSockets: { validateUTF: false } },
		{ match: '/inactive', handler: 'echo', timeouts: { inactivity: '50 ms' } },
		{ match: '/short', handler: 'echo', timeouts: { request: '50 ms' } },
		{ match: '/pinged', handler: 'echo', webSockets: { ping: '30 ms' }, timeouts: { pong: '500 ms' } },
	]`, func(t *testing.T, r *running) {
		// A reason is the library's; the code is what the site promises.
		closes := func(path string, code frame.Code, frames ...wstest.Frame) {
			t.Helper()
			p := r.peerOf(path)
			p.Send(frames...)
			p.WantClose("the end of "+path, code, wstest.AnyReason)
		}
		long := strings.Repeat("x", 1001)
		closes("/inherits", frame.MessageTooBig, wstest.Text(long))
		closes("/message", frame.MessageTooBig, wstest.Text("12345678901"))
		closes("/message", frame.MessageTooBig, wstest.More(wstest.Text("123456")), wstest.Cont("78901"))
		closes("/fragments", frame.PolicyViolation, wstest.More(wstest.Text("a")), wstest.More(wstest.Cont("b")), wstest.More(wstest.Cont("c")), wstest.Cont("d"))
		closes("/inherits", frame.InvalidPayload, wstest.Op(frame.Text, []byte("a\xff")))
		r.peerOf("/inactive").WantClose("inactivity", frame.PolicyViolation, "inactivity timeout")
		r.peerOf("/short").WantClose("the longest life", frame.PolicyViolation, "request timeout")

		for _, path := range []string{"/fast", "/many"} { // FR33
			p := r.peerOf(path)
			n := map[string]int{"/fast": 3, "/many": 10}[path]
			for range n {
				p.Send(wstest.Text("x"))
			}
			p.WantMessage("within the limit", curlew.Text, []byte("x"))
			for range 20 * n {
				p.Send(wstest.Text("x"))
			}
			for p.Next("an echo or the end").Opcode != frame.Close {
			}
		}

		p := r.peerOf("/pinged")
		if f := p.Next("a ping"); f.Opcode != frame.Ping {
			t.Errorf("/pinged: %v", f)
		}
		p.WantEOF("no pong, no connection")

		p = r.peerOf("/frame")
		p.Send(wstest.Text("123456789"))
		p.Want("frames of four", wstest.More(wstest.Text("1234")), wstest.More(wstest.Cont("5678")), wstest.Cont("9"))

		p = r.peerOf("/packet")
		p.Send(wstest.Text("123456789"))
		p.WantMessage("in pieces or not", curlew.Text, []byte("123456789"))

		p = r.peerOf("/loose")
		p.Send(wstest.Op(frame.Text, []byte("a\xff")))
		p.Want("what is no text", wstest.Op(frame.Text, []byte("a\xff")))
	})
}

// Subprotocols and origins of a route.
func TestHandshakeSettings(t *testing.T) {
	t.Parallel()
	both(t, `routes: [
		{ match: '/names', handler: 'echo', webSockets: { protocol: ['b', 'a'] } },
		{ match: '/must', handler: 'echo', webSockets: { protocol: 'a', requireProtocol: true } },
		{ match: '/listed', handler: 'echo', origins: ['https://good.example', 'https://*.wide.example'] },
		{ match: '/all', handler: 'echo', origins: '*' },
		{ match: '/own', handler: 'echo' },
	]`, func(t *testing.T, r *running) {
		scheme, _, _ := strings.Cut(r.url(), ":")
		for _, c := range []struct{ path, field, want, protocol string }{
			{"/names", "", "101", ""},
			{"/names", "Sec-WebSocket-Protocol: a, b", "101", "b"},
			{"/names", "Sec-WebSocket-Protocol: x, a", "101", "a"},
			{"/names", "Sec-WebSocket-Protocol: x", "400", ""},
			{"/must", "", "400", ""},
			{"/must", "Sec-WebSocket-Protocol: a", "101", "a"},
			{"/own", "", "101", ""},
			{"/own", "Origin: " + scheme + "://site.example", "101", ""},
			{"/own", "Origin: https://good.example", "403", ""},
			{"/own", "Origin: null", "403", ""},
			{"/own", "Sec-Fetch-Site: cross-site", "403", ""},
			{"/listed", "Origin: https://good.example", "101", ""},
			{"/listed", "Origin: " + scheme + "://site.example", "101", ""},
			{"/listed", "Origin: " + scheme + "://site.example:8080", "403", ""},
			{"/listed", "Origin: https://good.example\r\nSec-Fetch-Site: cross-site", "101", ""}, // it alone decides
			{"/own", "Sec-Fetch-Site: same-origin", "101", ""},
			{"/own", "Sec-Fetch-Site: none", "101", ""},
			{"/listed", "Origin: https://a.wide.example", "101", ""},
			{"/listed", "Origin: https://wide.example", "403", ""},
			{"/listed", "Origin: https://evil.example", "403", ""},
			{"/all", "Origin: https://evil.example", "101", ""},
		} {
			line := c.field
			if line != "" {
				line += "\r\n"
			}
			list := r.say(upgrade(c.path, line) + get)
			if codes(list) != c.want {
				t.Errorf("%s with %q: %s, want %s", c.path, c.field, codes(list), c.want)
			} else if got := list[0].Header.Get("Sec-WebSocket-Protocol"); got != c.protocol {
				t.Errorf("%s with %q: subprotocol %q, want %q", c.path, c.field, got, c.protocol)
			}
		}
	})
}

// AU6: whatever its settings, an endpoint refuses the pages of others unless the
// site lists them: every route with a WebSocket goes through one gate.
func TestAU6AU17EveryEndpointChecksOrigins(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, routes: [
		{ match: '/a', handler: 'echo' }, { match: '/b', handler: 'echo', webSockets: { preserveFrames: true } },
		{ match: '/c', handler: 'echo', limits: { maxPacket: 1 } }, { match: '/d/{x}', handler: 'echo', webSockets: { compression: true } },
	] }`, nil)
	for _, path := range []string{"/a", "/b", "/c", "/d/x"} {
		if got := codes(r.say(upgrade(path, "Origin: https://evil.example\r\n") + get)); got != "403" {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// A client that sends and never reads is not read from beyond what the kernel and
// the queue take, and is dropped in the end.
func TestEchoBackpressure(t *testing.T) {
	t.Parallel()
	both(t, `timeouts: { write: '300 ms' }, routes: [
		{ match: '/whole', handler: 'echo' }, { match: '/frames', handler: 'echo', webSockets: { preserveFrames: true } },
	]`, func(t *testing.T, r *running) {
		for _, path := range []string{"/whole", "/frames"} {
			conn := r.connect()
			wstest.Open(t, conn, path, http.Header{})
			h := frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Length: 64 << 10}
			message := append(h.Append(nil), make([]byte, 64<<10)...)
			sent := 0
			conn.SetDeadline(time.Now().Add(2 * time.Minute))
			for sent < 1<<30 {
				n, err := conn.Write(message)
				sent += n
				if err != nil {
					if e, ok := err.(net.Error); ok && e.Timeout() {
						t.Errorf("%s: never dropped", path)
					}
					break
				}
			}
			if sent >= 64<<20 {
				t.Errorf("%s: took %d MB from a client that does not read", path, sent>>20)
			}
		}
	})
}
