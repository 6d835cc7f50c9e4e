package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// A row is a setting of the top level and of routes, and what shows that it is in
// force on a route whose WebSocket is at path, or, if on is false, that its default
// is.
type row struct {
	key      string // "limits.maxMessage"
	on, back string // a value, and the default as a file says it
	with     string // what is said besides, "key: value; key: value"
	not      string // the handlers that it means nothing to; file, where others show it with less to read
	shows    func(r *running, path string, on bool)
}

// speakers are the handlers that speak WebSocket, with what they need.
func speakers(backend string) map[string]string {
	return map[string]string{
		"echo": "", "broadcast": "", "exec": "exec: { command: ['/bin/cat'], type: 'binary', maxPerIP: 'unlimited', maxProcesses: 'unlimited' }", "file": "file: { path: 'large' }",
		"proxy": "proxy: { target: '" + backend + "' }", "program": "",
	}
}

// program answers each piece of a message that it gets with a message.
func program(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
	ev := &curlew.Events{Part: func(c *curlew.Conn, _ curlew.Type, p []byte, _ bool) { c.Send(curlew.Binary, p) }}
	return ws(func(*http.Request) (*curlew.Events, error) { return ev, nil }), nil
}

// said writes settings as members of an object: "a.b: 1; a.c: 2; d: 3" becomes
// "a: { b: 1, c: 2 }, d: 3".
func said(settings string) string {
	var text []string
	groups := map[string][]string{}
	for s := range strings.SplitSeq(settings, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(s), ": ")
		if value == "" {
			continue
		}
		first, rest, nested := strings.Cut(key, ".")
		if nested {
			groups[first] = append(groups[first], rest+": "+value)
		} else {
			text = append(text, key+": "+value)
		}
	}
	for name, list := range groups {
		text = append(text, name+": { "+said(strings.Join(list, ";"))+" }")
	}
	return strings.Join(text, ", ")
}

// Every setting that routes inherit, on every handler that it means something to:
// inherited from the top level, set back to the default by the route, left at the
// default, and set by the route.
func TestRowsOnEveryHandler(t *testing.T) {
	t.Parallel()
	backend := start(t, `{ @plain, origins: '*', limits: { maxMessage: 'unlimited', maxFragments: 'unlimited' },
		webSockets: { validateUTF: false, compression: true }, routes: [{ handler: 'echo' }] }`, nil)
	users := usersFile(t, "alice:a")
	for _, w := range rows(users) {
		t.Run(w.key, func(t *testing.T) {
			t.Parallel()
			for _, top := range []bool{true, false} {
				var routes []string
				own := map[bool]string{true: w.key + ": " + w.back, false: w.key + ": " + w.on}[top]
				for name, needs := range speakers(backend.url()) {
					for path, more := range map[string]string{"silent": w.with, "says": w.with + "; " + own} {
						routes = append(routes, fmt.Sprintf("{ match: '/%s/%s', handler: '%s', %s }", name, path, name, strings.Trim(needs+", "+said(more), ", ")))
					}
				}
				text := "{ @plain, routes: [" + strings.Join(routes, ",\n") + "] }"
				if top {
					text = strings.Replace(text, "{", "{ "+said(w.key+": "+w.on)+",", 1)
				}
				r := start(t, text, map[string]route.Constructor{"program": program})
				if err := os.WriteFile(filepath.Join(r.dir, "large"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(filepath.Join(r.dir, "large"), 4<<30); err != nil {
					t.Fatal(err)
				}
				for name := range speakers("") {
					if slices.Contains(strings.Fields(w.not), name) {
						continue
					}
					for path, on := range map[string]bool{"silent": top, "says": !top} {
						t.Run(fmt.Sprintf("%s/top=%v/%s", name, top, path), func(t *testing.T) { w.shows(r.on(t), "/"+name+"/"+path, on) })
					}
				}
			}
		})
	}
}

func rows(users string) []row {
	return []row{
		{"limits.maxMessage", "100", "'1 MB'", "", "", func(r *running, path string, on bool) {
			p := r.alive(path, wstest.Text(strings.Repeat("x", 100)), wstest.More(wstest.Text(strings.Repeat("x", 60))), wstest.Cont(strings.Repeat("x", 40)))
			r.ends(p, on, frame.MessageTooBig, wstest.Text(strings.Repeat("x", 101)))
			p = r.alive(path)
			r.ends(p, on, frame.MessageTooBig, wstest.More(wstest.Text(strings.Repeat("x", 60))), wstest.Cont(strings.Repeat("x", 41)))
			if !on { // the default, to the byte
				p = r.alive(path, wstest.Binary(make([]byte, 1<<20)))
				r.ends(p, true, frame.MessageTooBig, wstest.Binary(nil).Length(1<<20+1))
			}
		}},
		{"limits.maxFragments", "3", "1024", "", "file", func(r *running, path string, on bool) {
			fragments := func(n int) (list []wstest.Frame) {
				return wstest.Text(strings.Repeat("x", n)).Split(1)
			}
			p := r.alive(path, fragments(3)...)
			r.ends(p, on, frame.PolicyViolation, fragments(4)...)
			if !on {
				r.ends(r.alive(path, fragments(1024)...), true, frame.PolicyViolation, fragments(1025)...)
			}
		}},
		{"limits.messagesPerSecond", "3", "'unlimited'", "", "file", func(r *running, path string, on bool) {
			p := r.alive(path, wstest.Text("1"), wstest.Text("2"), wstest.Text("3"))
			r.ends(p, on, frame.PolicyViolation, slices.Repeat([]wstest.Frame{wstest.Text("x")}, 200)...)
		}},
		{"limits.bytesPerSecond", "200", "'unlimited'", "", "file", func(r *running, path string, on bool) {
			p := r.alive(path, wstest.Text(strings.Repeat("x", 100)))
			r.ends(p, on, frame.PolicyViolation, slices.Repeat([]wstest.Frame{wstest.Text(strings.Repeat("x", 100))}, 100)...)
		}},
		{"limits.maxFrame", "10", "'128 KB'", "", "", func(r *running, path string, on bool) {
			most := map[bool]int{true: 10, false: 128 << 10}[on]
			if strings.HasPrefix(path, "/file/") {
				most = map[bool]int{true: 10, false: 64 << 10}[on] // it reads so much at once
				f := r.peerOf(path).Next("a frame of the file")
				if f.Fin || len(f.Payload) != most {
					r.t.Errorf("%v", f)
				}
				return
			}
			p := r.peerOf(path)
			for n, want := range map[int][]int{most: {most}, most + 1: {most, 1}} {
				if strings.HasPrefix(path, "/proxy/") && !on {
					want = []int{32 << 10} // it passes on what it has
				}
				p.Send(wstest.Binary([]byte(strings.Repeat("x", n))))
				total := 0
				for i := 0; total < n; i++ {
					f := nextBut(p, "a frame", frame.Ping)
					total += len(f.Payload)
					if f.Fin != (total == n) || len(f.Payload) > most || i < len(want) && len(f.Payload) != want[i] {
						r.t.Fatalf("of %d bytes: frame %d is %v", n, i, f)
					}
				}
			}
		}},
		{"limits.maxPacket", "10", "'unlimited'", "", "file", func(r *running, path string, on bool) {
			p := r.peerOf(path)
			answer := func(why, want string) {
				var got []byte
				for len(got) < len(want) {
					got = append(got, nextBut(p, why, frame.Ping).Payload...)
				}
				if string(got) != want {
					r.t.Errorf("%s: %q", why, got)
				}
			}
			const text = "xüüüüü" // 11 bytes: the last character is in two pieces
			p.Send(wstest.Text("1234567890"), wstest.Text(text))
			if strings.HasPrefix(path, "/program/") {
				p.Want("as much as the limit", wstest.Binary([]byte("1234567890")))
				if on {
					p.Want("a byte more", wstest.Binary([]byte(text[:10])), wstest.Binary([]byte(text[10:])))
				} else {
					p.Want("a byte more", wstest.Binary([]byte(text)))
				}
			} else {
				answer("what it is divided for is put together", "1234567890"+text)
			}
			r.ends(p, true, frame.InvalidPayload, wstest.Text("123456789\xfc0"))
		}},
		{"webSockets.validateUTF", "false", "true", "", "file", func(r *running, path string, on bool) {
			r.ends(r.alive(path, wstest.Binary([]byte("a\xff"))), !on, frame.InvalidPayload, wstest.Op(frame.Text, []byte("a\xff")))
			r.ends(r.alive(path), true, frame.InvalidPayload, wstest.Op(frame.Close, []byte("\x03\xe8\xff")))
		}},
		{"webSockets.preserveFrames", "true", "false", "webSockets.compression: true", "", func(r *running, path string, on bool) {
			if got := r.deflate(path); (got == "") != on {
				r.t.Errorf("compression: %q", got)
			}
			p := r.peerOf(path)
			p.Send(wstest.More(wstest.Text("a")), wstest.Cont("b"))
			switch name, _, _ := strings.Cut(path[1:], "/"); {
			case name == "echo" && on:
				p.Want("as they were", wstest.More(wstest.Text("a")), wstest.Cont("b"))
			case name == "program" && on:
				p.Want("one by one", wstest.Binary([]byte("a")), wstest.Binary([]byte("b")))
			case name == "echo" || name == "proxy": // whose backend joins them
				p.Want("whole", wstest.Text("ab"))
			}
		}},
		{"webSockets.compression", "true", "false", "", "", func(r *running, path string, on bool) {
			if got := r.deflate(path); (got != "") != on {
				r.t.Errorf("%q", got)
			}
		}},
		{"webSockets.compression.serverContext", "true", "false", "webSockets.compression.level: 1", "", func(r *running, path string, on bool) {
			if got := r.deflate(path); strings.Contains(got, "server_no_context_takeover") == on || got == "" {
				r.t.Errorf("%q", got)
			}
		}},
		{"webSockets.compression.clientContext", "true", "false", "webSockets.compression.level: 1", "", func(r *running, path string, on bool) {
			if got := r.deflate(path); strings.Contains(got, "client_no_context_takeover") == on || got == "" {
				r.t.Errorf("%q", got)
			}
		}},
		{"webSockets.compression.windowBits", "9", "15", "webSockets.compression.level: 1", "", func(r *running, path string, on bool) {
			if got := r.deflate(path); strings.Contains(got, "client_max_window_bits=9") != on || got == "" {
				r.t.Errorf("%q", got)
			}
		}},
		{"webSockets.compression.minSize", "100", "512", "webSockets.compression.level: 1", "file", func(r *running, path string, on bool) {
			least := map[bool]int{true: 100, false: 512}[on]
			for n, want := range map[int]bool{least - 1: false, least: true} {
				p, _ := wstest.Open(r.t, r.connect(), path, http.Header{"Sec-Websocket-Extensions": {"permessage-deflate"}})
				p.Send(wstest.Text(strings.Repeat("x", n)))
				if f := nextBut(p, "the answer", frame.Ping); (f.RSV&frame.RSV1 != 0) != want {
					r.t.Errorf("%d bytes: %v", n, f)
				}
			}
		}},
		{"webSockets.protocol", "['b', 'a']", "[]", "", "proxy", func(r *running, path string, on bool) {
			for offers, want := range map[string]string{"": "101 ", "a": "101 a", "a, b": "101 b", "x": "400 "} {
				if !on {
					want = "101 "
				}
				lines := []string{}
				if offers != "" {
					lines = append(lines, "Sec-WebSocket-Protocol: "+offers+"\r\n")
				}
				if _, a := r.ask(path, lines...); fmt.Sprint(a.StatusCode)+" "+a.Header.Get("Sec-WebSocket-Protocol") != want {
					r.t.Errorf("%q: %s, %v; want %s", offers, a.Status, a.Header, want)
				}
			}
		}},
		{"webSockets.requireProtocol", "true", "false", "webSockets.protocol: 'a'", "", func(r *running, path string, on bool) {
			if _, a := r.ask(path); a.StatusCode != map[bool]int{true: 400, false: 101}[on] {
				r.t.Error(a.Status)
			}
		}},
		{"webSockets.ping", "'20 ms'", "'25 s'", "", "", func(r *running, path string, on bool) {
			p := r.peerOf(path)
			for on && p.Next("a ping").Opcode != frame.Ping {
			}
			r.ends(p, false, 0)
		}},
		{"timeouts.pong", "'50 ms'", "'10 s'", "webSockets.ping: '20 ms'", "", func(r *running, path string, on bool) {
			p := r.peerOf(path)
			if on {
				io.Copy(io.Discard, p.Conn()) // to the end, which nobody tells
				return
			}
			for p.Next("a ping").Opcode != frame.Ping {
			}
			r.ends(p, false, 0)
		}},
		{"timeouts.inactivity", "'50 ms'", "'5 mins'", "", "", func(r *running, path string, on bool) {
			p, a := wstest.Open(r.t, r.connect(), path, http.Header{})
			if got := a.Header.Get("X-Inactivity-Timeout"); got != map[bool]string{true: "1", false: "300"}[on] {
				r.t.Errorf("X-Inactivity-Timeout: %q", got)
			}
			if on && !strings.HasPrefix(path, "/file/") { // which is never inactive
				wantEnd(r.t, p, frame.PolicyViolation, "inactivity timeout")
			}
		}},
		{"timeouts.request", "'50 ms'", "'unlimited'", "", "", func(r *running, path string, on bool) {
			p, a := wstest.Open(r.t, r.connect(), path, http.Header{})
			if got := a.Header.Get("X-Request-Timeout"); got != map[bool]string{true: "1", false: ""}[on] {
				r.t.Errorf("X-Request-Timeout: %q", got)
			}
			if on {
				wantEnd(r.t, p, frame.PolicyViolation, "request timeout")
			} else {
				r.ends(p, false, 0)
			}
		}},
		{"limits.webSockets", "2", "'unlimited'", "", "", func(r *running, path string, on bool) {
			r.places(path, map[bool]int{true: 503, false: 101}[on])
		}},
		{"limits.webSocketsPerIP", "2", "'unlimited'", "", "", func(r *running, path string, on bool) {
			r.places(path, map[bool]int{true: 429, false: 101}[on])
		}},
		{"origins", "'https://good.example'", "[]", "", "", func(r *running, path string, on bool) {
			for origin, want := range map[string]bool{"https://good.example": on, "https://evil.example": false, "http://site.example": true} {
				if _, a := r.ask(path, "Origin: "+origin+"\r\n"); (a.StatusCode == 101) != want {
					r.t.Errorf("%s: %s", origin, a.Status)
				}
			}
		}},
		{"headers", "{ 'X-Own': ['1', '2'] }", "{ 'X-Own': [] }", "", "", func(r *running, path string, on bool) {
			for _, request := range []string{upgrade(path), upgrade(path, "Origin: https://evil.example\r\n"), strings.Replace(get, "GET /", "GET "+path, 1)} {
				c := r.connect()
				io.WriteString(c, request)
				a, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					r.t.Fatal(err)
				}
				if got := strings.Join(a.Header["X-Own"], " "); got != map[bool]string{true: "1 2", false: ""}[on] {
					r.t.Errorf("%s: X-Own %q", a.Status, got)
				}
			}
		}},
		{"allow", "'192.0.2.0/24'", "'all'", "", "", func(r *running, path string, on bool) { r.closed(path, "403", on) }},
		{"deny", "'127.0.0.1'", "[]", "", "", func(r *running, path string, on bool) { r.closed(path, "403", on) }},
		{"auth", "{ basic: { users: '" + users + "' } }", "'none'", "", "", func(r *running, path string, on bool) { r.closed(path, "401", on) }},
		{"rate.requests", "'1/day'", "'unlimited'", "", "", func(r *running, path string, on bool) {
			if _, a := r.ask(path); a.StatusCode != 101 {
				r.t.Errorf("the first one: %s", a.Status)
			}
			r.closed(path, "429", on)
		}},
	}
}

// alive opens a WebSocket, sends frames and wants it to live.
func (r *running) alive(path string, frames ...wstest.Frame) *wstest.Peer {
	r.t.Helper()
	p := r.peerOf(path)
	r.ends(p, false, 0, frames...)
	return p
}

// ends sends frames and wants a Close with this code, or if closes is false a
// connection that lives.
func (r *running) ends(p *wstest.Peer, closes bool, code frame.Code, frames ...wstest.Frame) {
	r.t.Helper()
	p.Send(frames...)
	if closes {
		wantEnd(r.t, p, code, wstest.AnyReason)
		return
	}
	p.Send(wstest.Ping("alive"))
	for {
		switch f := p.Next("a sign of life"); {
		case f.Opcode == frame.Pong && string(f.Payload) == "alive":
			return
		case f.Opcode == frame.Close:
			r.t.Fatalf("%v", f)
		}
	}
}

// places opens two WebSockets and wants a status of the third.
func (r *running) places(path string, want int) {
	r.t.Helper()
	for i, status := range []int{101, 101, want} {
		if _, a := r.ask(path); a.StatusCode != status {
			r.t.Errorf("WebSocket %d: %s, want %d", i, a.Status, status)
		}
	}
}

// closed wants a handshake and a request to get a status, or none of the kind.
func (r *running) closed(path, status string, closed bool) {
	r.t.Helper()
	for _, got := range []string{codes(r.say(upgrade(path))), r.asked(path)} {
		if (got == status) != closed || got == "" {
			r.t.Errorf("%s", got)
		}
	}
}
