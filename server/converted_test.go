package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/server/convert"
	"curlew.example/curlew/server/handler/echo"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/wstest"
)

// converted runs what becomes of another server's configuration. The programs
// behind its WebSockets return each message.
func converted(t *testing.T, source string) *running {
	t.Helper()
	text, err := convert.File("source", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return start(t, string(text), map[string]route.Constructor{"exec": echo.New})
}

var chat = http.Header{"Sec-Websocket-Protocol": {"chat"}}

// speaking opens a WebSocket that offers the subprotocol chat.
func (r *running) speaking(path string) *wstest.Peer {
	r.t.Helper()
	p, _ := wstest.Open(r.t, r.connect(), path, chat)
	return p
}

// documented is what both servers promise, and at a peer do not keep.
func documented(t *testing.T, r *running) {
	t.Run("the limit concerns the message, with 1009", func(t *testing.T) {
		p := r.on(t).speaking("/ws/limits")
		p.Send(wstest.Text(strings.Repeat("x", 1000)))
		for n := 0; n < 1000; {
			n += len(p.Next("the echo of as much as is allowed").Payload)
		}
		p.Send(wstest.More(wstest.Text(strings.Repeat("x", 600))), wstest.Cont(strings.Repeat("x", 401)))
		p.WantClose("a byte more, in two fragments", frame.MessageTooBig, wstest.AnyReason)
		p = r.on(t).speaking("/ws/limits")
		p.Send(wstest.Binary(make([]byte, 1001)))
		p.WantClose("a byte more, in one", frame.MessageTooBig, wstest.AnyReason)
	})
	t.Run("long messages leave in continuations", func(t *testing.T) {
		p := r.on(t).speaking("/ws/limits")
		p.Send(wstest.Text(strings.Repeat("x", 250)))
		var got []frame.Opcode
		for {
			f := p.Next("a frame of the echo")
			got = append(got, f.Opcode)
			if len(f.Payload) > 100 {
				t.Errorf("a frame of %d bytes", len(f.Payload))
			}
			if f.Fin {
				break
			}
		}
		if !slices.Equal(got, []frame.Opcode{frame.Text, frame.Continuation, frame.Continuation}) {
			t.Errorf("%v", got)
		}
	})
	t.Run("pongs stay pongs inside a message", func(t *testing.T) {
		p := r.on(t).speaking("/ws/limits")
		p.Send(wstest.More(wstest.Text("a")), wstest.Ping("pp"), wstest.Cont("b"))
		p.Want("the pong, then the message", wstest.Pong("pp"), wstest.Text("ab"))
	})
	t.Run("the code of a close comes back, without a NUL", func(t *testing.T) {
		p := r.on(t).speaking("/ws/limits")
		p.Send(wstest.Close(3001, "bye"))
		f := p.Next("the close")
		if f.Opcode != frame.Close || len(f.Payload) < 2 || int(f.Payload[0])<<8+int(f.Payload[1]) != 3001 || slices.Contains(f.Payload[2:], 0) {
			t.Errorf("%v %q", f.Opcode, f.Payload)
		}
	})
	t.Run("times end connections with 1008", func(t *testing.T) {
		t.Parallel()
		r.on(t).speaking("/ws/inactive").WantClose("nothing said for a second", frame.PolicyViolation, "inactivity timeout")
	})
	t.Run("the longest life is kept to", func(t *testing.T) {
		t.Parallel()
		r.on(t).speaking("/ws/short").WantClose("a second is over", frame.PolicyViolation, "request timeout")
	})
}

// TestConvertedAppweb: an appweb.conf means what Appweb's documentation says, and
// not what Appweb makes of it.
func TestConvertedAppweb(t *testing.T) {
	t.Parallel()
	r := converted(t, `
		Listen 127.0.0.1:0
		LimitConnectionsPerClient unlimited
		<Route ^/ws/limits$>
			WebSocketsProtocol     chat
			AddFilter              webSocketFilter
			AddHandler             espHandler
			LimitWebSocketsMessage 1000
			LimitWebSocketsFrame   100
			LimitWebSocketsPacket  unlimited
			InactivityTimeout      5mins
		</Route>
		<Route ^/ws/places$>
			AddFilter         webSocketFilter
			LimitWebSockets   2
		</Route>
		<Route ^/ws/{controller}$>
			AddFilter         webSocketFilter
			AddHandler        espHandler
			Target            run $1
			InactivityTimeout 1sec
			<Route ^/ws/short$>
				InactivityTimeout 5mins
				RequestTimeout    1sec
			</Route>
			<Route ^/ws/dead$>
				InactivityTimeout 2secs
				WebSocketsPing    1sec
			</Route>
		</Route>`)
	documented(t, r)
	t.Run("the number of WebSockets", func(t *testing.T) {
		r := r.on(t)
		r.peerOf("/ws/places")
		r.peerOf("/ws/places")
		if got := codes(r.say(upgrade("/ws/places"))); got != "503" {
			t.Errorf("the third: %s", got)
		}
	})
	t.Run("the subprotocol is demanded", func(t *testing.T) {
		r := r.on(t)
		for line, want := range map[string]string{"": "400", "other": "400", "CHAT": "400", "chat": "101", "other, chat": "101"} {
			if line != "" {
				line = "Sec-WebSocket-Protocol: " + line + "\r\n"
			}
			list := r.say(upgrade("/ws/limits", line))
			if got := codes(list); got != want || want == "101" && list[0].Header.Get("Sec-WebSocket-Protocol") != "chat" {
				t.Errorf("%q: %s", line, got)
			}
		}
	})
	t.Run("who is dead is dropped although pings go out", func(t *testing.T) {
		t.Parallel()
		p := r.on(t).peerOf("/ws/dead")
		for {
			if f := p.Next("pings, then the end"); f.Opcode == frame.Close {
				return
			} else if f.Opcode != frame.Ping {
				t.Fatalf("%v", f.Opcode)
			}
		}
	})
}

// TestConvertedIoto: the same of a web.json5.
func TestConvertedIoto(t *testing.T) {
	t.Parallel()
	// Ioto has one set of limits for all routes.
	site := func(more string) *running {
		return converted(t, `{
			listen: ['http://127.0.0.1:0'], documents: '@site', `+more+`
			routes: [ { match: '/ws/', methods: ['GET'], handler: 'action' }, { match: '/none', redirect: '/x' } ],
		}`)
	}
	limits := site(`limits: { maxFrame: 100, maxMessage: 1000 }, webSockets: { protocol: 'chat', ping: '1sec', validateUTF: true },`)
	t.Run("limits", func(t *testing.T) {
		for line, want := range map[string]string{"": "101 ", "other": "400 ", "CHAT": "400 ", "chat": "101 chat"} {
			if line != "" {
				line = "Sec-WebSocket-Protocol: " + line + "\r\n"
			}
			list := limits.on(t).say(upgrade("/ws/a", line))
			if got := codes(list) + " " + list[0].Header.Get("Sec-WebSocket-Protocol"); got != want {
				t.Errorf("%q: %s, want %s", line, got, want)
			}
		}
		if got := codes(limits.on(t).say(upgrade("/none"))); got != "302" {
			t.Errorf("a handshake where there is no WebSocket: %s", got)
		}
		p := limits.on(t).speaking("/ws/a")
		p.Send(wstest.Op(frame.Text, []byte("a\xff")))
		p.WantClose("no UTF-8", frame.InvalidPayload, wstest.AnyReason)
		p = limits.on(t).speaking("/ws/a")
		p.Send(wstest.Pong("unasked"), wstest.More(wstest.Text("a")), wstest.Cont("b"))
		p.Want("a fragmented message behind an unasked pong", wstest.Text("ab"))
	})
	t.Run("a ping does not end the connection", func(t *testing.T) {
		t.Parallel()
		p := limits.on(t).speaking("/ws/a")
		f := p.Next("a ping")
		p.Send(wstest.Pong(string(f.Payload)), wstest.Text("alive"))
		p.Want("the echo", wstest.Text("alive"))
	})
	t.Run("inactivity", func(t *testing.T) {
		t.Parallel()
		site("timeouts: { inactivity: '1 sec' },").on(t).speaking("/ws/a").WantClose("nothing said for a second", frame.PolicyViolation, "inactivity timeout")
	})
	t.Run("request", func(t *testing.T) {
		t.Parallel()
		site("timeouts: { request: '1 sec' },").on(t).speaking("/ws/a").WantClose("a second is over", frame.PolicyViolation, "request timeout")
	})
}
