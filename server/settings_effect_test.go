package server_test

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// deflate is what an answer says of compression.
func (r *running) deflate(path string) string {
	r.t.Helper()
	list := r.say(upgrade(path, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"))
	if codes(list) != "101" {
		r.t.Fatalf("%s: %s", path, codes(list))
	}
	return list[0].Header.Get("Sec-WebSocket-Extensions")
}

// TestCompressionMemory: as many connections of a route keep their contexts as there
// is memory for; what the top level says is for each route by itself.
func TestCompressionMemory(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain,
		webSockets: { compression: { serverContext: true, clientContext: true, memory: '1232 KB' } },
		routes: [
			{ match: '/one', handler: 'echo' },
			{ match: '/two', handler: 'echo', webSockets: { compression: { memory: '2464 KB' } } },
			{ match: '/short', handler: 'echo', webSockets: { compression: { memory: '1231 KB' } } },
			{ match: '/all', handler: 'echo', webSockets: { compression: { memory: 'unlimited' } } },
			{ match: '/another', handler: 'echo' },
		] }`, nil)
	const kept, spent = "permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	offer := http.Header{"Sec-Websocket-Extensions": {"permessage-deflate"}}
	open := func(path, want string) *wstest.Peer {
		t.Helper()
		p, answer := wstest.Open(t, r.connect(), path, offer)
		if got := answer.Header.Get("Sec-WebSocket-Extensions"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		return p
	}
	first := open("/one", kept)
	for _, c := range []struct{ path, want string }{
		{"/one", spent}, {"/another", kept}, {"/another", spent}, {"/two", kept}, {"/two", kept}, {"/two", spent},
		{"/short", spent}, {"/all", kept}, {"/all", kept}, {"/all", kept},
	} {
		open(c.path, c.want)
	}
	first.Send(wstest.Close(1000, ""))
	first.Want("the answer", wstest.Close(1000, ""))
	first.WantEOF("the end")
	open("/one", kept)
}

// webSockets.compression: what is negotiated, and which messages it concerns.
func TestCompressionSettings(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, routes: [
		{ match: '/off', handler: 'echo' },
		{ match: '/on', handler: 'echo', webSockets: { compression: true } },
		{ match: '/kept', handler: 'echo', webSockets: { compression: { serverContext: true, clientContext: true } } },
		{ match: '/narrow', handler: 'echo', webSockets: { compression: { windowBits: 10 } } },
		{ match: '/all', handler: 'echo', webSockets: { compression: { minSize: 0, level: 9 } } },
		{ match: '/frames', handler: 'echo', webSockets: { compression: true, preserveFrames: true } },
	] }`, nil)
	for path, want := range map[string]string{
		"/off":    "",
		"/on":     "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"/kept":   "permessage-deflate",
		"/narrow": "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10",
		"/frames": "",
	} {
		if got := r.deflate(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	offer := http.Header{"Sec-Websocket-Extensions": {"permessage-deflate"}}
	packed := func(path string, n int) bool {
		p, _ := wstest.Open(t, r.connect(), path, offer)
		p.Send(wstest.Text(strings.Repeat("x", n)))
		return p.Next("the echo").RSV&frame.RSV1 != 0
	}
	for _, c := range []struct {
		path string
		n    int
		want bool
	}{{"/on", 511, false}, {"/on", 512, true}, {"/all", 1, true}, {"/off", 1000, false}} {
		if got := packed(c.path, c.n); got != c.want {
			t.Errorf("%s: %d bytes are compressed: %v, want %v", c.path, c.n, got, c.want)
		}
	}
}

// webSockets.preserveFrames overrides limits.maxPacket and maxFrame.
// webSockets.validateUTF never concerns reasons. limits.maxMessage holds for what
// a header promises.
func TestSettingsThatMeet(t *testing.T) {
	both(t, `routes: [
		{ match: '/frames', handler: 'echo', limits: { maxPacket: 4, maxFrame: 4 }, webSockets: { preserveFrames: true } },
		{ match: '/loose', handler: 'echo', webSockets: { validateUTF: false } },
		{ match: '/promised', handler: 'echo' },
	]`, func(t *testing.T, r *running) {
		p := r.peerOf("/frames")
		long := strings.Repeat("0123456789", 30_000)
		p.Send(wstest.Text(long), wstest.More(wstest.Text("12345")), wstest.Cont(long))
		p.Want("each frame as it was", wstest.Text(long), wstest.More(wstest.Text("12345")), wstest.Cont(long))

		p = r.peerOf("/loose")
		p.Send(wstest.Op(frame.Close, []byte("\x03\xe8\xff")))
		p.WantClose("a reason that is no text", frame.InvalidPayload, wstest.AnyReason)

		p = r.peerOf("/promised")
		p.Send(wstest.Binary(nil).Length(1<<20 + 1))
		p.WantClose("a byte more than 1 MB", frame.MessageTooBig, wstest.AnyReason)
	})
}

// The 101 tells the times in whole seconds, rounded up, and not what is off.
func TestTimesInThe101(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, timeouts: { inactivity: '1001 ms', request: '2 mins' }, routes: [
		{ match: '/both', handler: 'echo' },
		{ match: '/off', handler: 'echo', timeouts: { inactivity: 'never', request: 'unlimited' } },
		{ match: '/short', handler: 'echo', timeouts: { inactivity: 1, request: '1 ms' } },
	] }`, nil)
	for path, want := range map[string]string{"/both": "2 120", "/off": " ", "/short": "1 1"} {
		h := r.say(upgrade(path))[0].Header
		if got := h.Get("X-Inactivity-Timeout") + " " + h.Get("X-Request-Timeout"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// limits.head and limits.headers, other than by default.
func TestHeadLimits(t *testing.T) {
	t.Parallel()
	fields := func(n int) string {
		return strings.Replace(get, "\r\n\r\n", "\r\n"+strings.Repeat("a: b\r\n", n)+"\r\n", 1)
	}
	for limits, cases := range map[string]map[int]string{
		"head: '1 KB', headers: 'unlimited'":  {100: "200", 200: "431"},
		"headers: 5":                          {3: "200", 4: "431"},
		"head: '64 KB', headers: 'unlimited'": {8000: "200", 20000: "431"},
	} {
		r := start(t, "{ @plain, limits: { "+limits+" }, "+ok+" }", nil)
		for n, want := range cases {
			if got := codes(r.say(fields(n))); got != want {
				t.Errorf("{ %s }, %d fields more: %s, want %s", limits, n, got, want)
			}
		}
	}
}

// timeouts.inactivity closes connections between requests.
func TestIdleConnection(t *testing.T) {
	both(t, "timeouts: { inactivity: '50 ms' }, "+ok, func(t *testing.T, r *running) {
		c := r.connect()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n")
		if got := codes(answers(c)); got != "200" { // and the end, without which this never returns
			t.Error(got)
		}
	})
}

// webSockets.whenFull and limits.sendQueue, by a handler that sends to a client
// that does not read.
func TestWhenFull(t *testing.T) {
	t.Parallel()
	const messages, size = 400, 64 << 10 // more than the kernel takes
	sent := make(chan int64, 1)          // how many were dropped
	r := start(t, `{ @plain, limits: { sendQueue: '256 KB', maxMessage: '1 MB' }, timeouts: { write: '20 s' }, routes: [
		{ match: '/close', handler: 'floods' },
		{ match: '/dropOldest', handler: 'floods', webSockets: { whenFull: 'dropOldest' } },
		{ match: '/dropNewest', handler: 'floods', webSockets: { whenFull: 'dropNewest' } },
	] }`, map[string]route.Constructor{"floods": func(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
		return ws(func(*http.Request) (*curlew.Events, error) {
			return &curlew.Events{Open: func(c *curlew.Conn) {
				go func() {
					for i := range messages {
						p := make([]byte, size)
						copy(p, strconv.Itoa(i))
						c.Send(curlew.Binary, p)
					}
					sent <- c.Info().Dropped
				}()
			}}, nil
		}), nil
	}})
	for _, policy := range []string{"close", "dropOldest", "dropNewest"} {
		conn := r.connect()
		p, _ := wstest.Open(t, conn, "/"+policy, http.Header{})
		dropped := <-sent
		first, last, n := "", "", 0
		for {
			f := p.Next("what was sent")
			if f.Opcode == frame.Close {
				if code, _, _ := frame.ParseClose(f.Payload); policy != "close" || code != frame.PolicyViolation {
					t.Errorf("%s: %v", policy, f)
				}
				break
			}
			if f.Opcode != frame.Binary {
				continue
			}
			number := strings.TrimRight(string(f.Payload[:4]), "\x00")
			if n++; n == 1 {
				first = number
			}
			last = number
			if policy != "close" && n == messages-int(dropped) {
				break
			}
		}
		newest := strconv.Itoa(messages - 1)
		good := map[string]bool{
			"close":      n < messages,
			"dropOldest": dropped > 0 && last == newest,
			"dropNewest": dropped > 0 && first == "0" && last != newest,
		}
		if !good[policy] {
			t.Errorf("%s: %d came, from %s to %s, %d were dropped", policy, n, first, last, dropped)
		}
	}
}

// H1-8, H1-15: what a stranger's fields say of where it comes from, who it is and
// how the server is to reach others means nothing, however they are spelled.
func TestH1_8H1_15FieldsOfStrangers(t *testing.T) {
	t.Setenv("HTTP_PROXY", "") // not parallel: nobody else may set it
	r := start(t, `{ @plain, routes: [{ match: '/echo', handler: 'echo' }, { handler: 'names' }] }`, map[string]route.Constructor{
		"names": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, r.RemoteAddr+" "+r.Host+" "+r.URL.Scheme+" "+os.Getenv("HTTP_PROXY"))
			}), nil
		},
	})
	var fields strings.Builder
	for _, name := range []string{
		"X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-Host", "X_Forwarded_Host", "X-Forwarded-Proto", "X_Forwarded_Proto",
		"Forwarded", "Remote-User", "Remote_User", "REMOTE_ADDR", "X-Real-IP", "X_Real_IP", "Proxy", "HTTP_PROXY",
	} {
		fields.WriteString(name + ": https://evil.example\r\n")
	}
	list := r.say(strings.Replace(get, "\r\n\r\n", "\r\n"+fields.String()+"\r\n", 1))
	if got := body(t, list[0]); codes(list) != "200" || strings.Contains(got, "evil") || !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("%s: %s", codes(list), got)
	}
	if got := codes(r.say(upgrade("/echo", fields.String(), "Origin: https://evil.example\r\n") + get)); got != "403" {
		t.Errorf("an origin that only forwarded fields name: %s", got)
	}
	r.stop()
	err := <-r.ended
	r.ended <- err
	if strings.Contains(r.log.String(), "evil") {
		t.Errorf("%s", r.log)
	}
}
