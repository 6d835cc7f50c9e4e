package server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server/convert"
	"curlew.example/curlew/server/handler/echo"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
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
	return start(t, string(text), controllers)
}

// controllers stand in the place of programs: those at a path that ends in
// sending begin a message when they are told to, and end it with the next one;
// the others return each message.
var controllers = map[string]route.Constructor{"exec": func(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	all, err := echo.New(r, ws)
	if err != nil {
		return nil, err
	}
	sending := ws(func(*http.Request) (*curlew.Events, error) {
		var w *curlew.Writer
		return &curlew.Events{Message: func(c *curlew.Conn, _ curlew.Type, p []byte) {
			if w == nil {
				if w, _ = c.Writer(context.Background(), curlew.Text); w != nil {
					w.WriteFrame(p)
				}
				return
			}
			w.Finish(p)
		}}, nil
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "sending") {
			sending.ServeHTTP(w, r)
		} else {
			all.ServeHTTP(w, r)
		}
	}), nil
}}

var chat = http.Header{"Sec-Websocket-Protocol": {"chat"}}

// speaking opens a WebSocket that offers the subprotocol chat.
func (r *running) speaking(path string) *wstest.Peer {
	r.t.Helper()
	p, _ := wstest.Open(r.t, r.connect(), path, chat)
	return p
}

// documented is what both servers promise, and at a peer do not keep, where
// messages have at most 1000 bytes and frames 100.
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

		p = r.on(t).speaking("/ws/sending")
		p.Send(wstest.Text("a"))
		p.Want("a message is being sent", wstest.More(wstest.Text("a")))
		p.Send(wstest.Ping("pp"))
		p.Want("a pong in the midst of it", wstest.Pong("pp"))
		p.Send(wstest.Text("b"))
		p.Want("the rest of it", wstest.Cont("b"))
	})
	t.Run("a close stays one inside a message", func(t *testing.T) {
		p := r.on(t).speaking("/ws/sending")
		p.Send(wstest.Text("a"))
		p.Want("a message is being sent", wstest.More(wstest.Text("a")))
		p.Send(wstest.Close(3001, "bye"))
		p.WantClose("the answer to a close", 3001, wstest.AnyReason)
	})
	t.Run("the code of a close comes back, without a NUL", func(t *testing.T) {
		for code, reason := range map[frame.Code]string{frame.NormalClosure: "", 1001: "away", 1012: "", 3001: "bye", 4999: strings.Repeat("é", 61)} {
			p := r.on(t).speaking("/ws/limits")
			p.Send(wstest.Close(code, reason))
			f := p.Next("the close")
			if got, why, err := frame.ParseClose(f.Payload); f.Opcode != frame.Close || got != code || strings.Contains(why, "\x00") || err != nil {
				t.Errorf("%v %q, %v", f.Opcode, f.Payload, err)
			}
		}
	})
	t.Run("no code is answered without one", func(t *testing.T) {
		p := r.on(t).speaking("/ws/limits")
		p.Send(wstest.Op(frame.Close, nil))
		p.Want("a close with nothing in it", wstest.Op(frame.Close, nil))
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
		<Route ^/ws/sending$>
			WebSocketsProtocol chat
			AddFilter          webSocketFilter
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
	t.Run("no WebSocket where none is configured", func(t *testing.T) {
		if got := codes(r.on(t).say(upgrade("/ws/elsewhere"))); got != "404" {
			t.Errorf("%s", got)
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
}

// TestConvertedIoto: the same of a web.json5.
func TestConvertedIoto(t *testing.T) {
	t.Parallel()
	limits := converted(t, `{
		listen: ['http://127.0.0.1:0'],
		limits: { maxFrame: 100, maxMessage: 1000 }, webSockets: { protocol: 'chat', ping: '1min', validateUTF: true },
		routes: [ { match: '/ws/', methods: ['GET'], handler: 'action' }, { match: '/none', redirect: '/x' } ],
	}`)
	documented(t, limits)
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
}
