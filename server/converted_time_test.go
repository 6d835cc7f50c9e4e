package server_test

import (
	"strings"
	"testing"
	"time"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/server/convert"
	"curlew.example/curlew/wstest"
)

// convertedInBubble runs what becomes of another server's configuration by the
// fake clock.
func convertedInBubble(t *testing.T, source string, f func(t *testing.T, b *bubble)) {
	t.Helper()
	text, err := convert.File("source", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	inner := string(text[strings.Index("\n"+string(text), "\n{")+1 : strings.LastIndex(string(text), "}")])
	inBubble(t, "", inner, controllers, f)
}

// spoken opens a WebSocket with the subprotocol chat.
func (b *bubble) spoken(path string) *wstest.Peer {
	b.t.Helper()
	p, _ := wstest.Open(b.t, b.connect(), path, chat)
	return p
}

// talks says something every so often, and answers pings, until the connection
// ends.
func talks(p *wstest.Peer, every time.Duration) (end wstest.Frame) {
	done := make(chan struct{})
	said := make(chan struct{})
	alive := wstest.Text("alive").Append(nil, true, [4]byte{1, 2, 3, 4})
	go func() {
		defer close(said)
		for {
			select {
			case <-time.After(every):
				p.Conn().Write(alive) // the Peer is the test's
			case <-done:
				return
			}
		}
	}()
	for {
		switch f := p.Next("an echo, a ping or the end"); f.Opcode {
		case frame.Ping:
			p.Send(wstest.Pong(string(f.Payload)))
		case frame.Close:
			close(done)
			<-said
			return f
		}
	}
}

func wantReason(t *testing.T, f wstest.Frame, code frame.Code, reason string) {
	t.Helper()
	if got, why, err := frame.ParseClose(f.Payload); got != code || why != reason || err != nil {
		t.Errorf("%d %q, %v; want %d %q", got, why, err, code, reason)
	}
}

// TestConvertedAppwebTimes: the times of the route in Appweb's documentation are
// kept.
func TestConvertedAppwebTimes(t *testing.T) {
	convertedInBubble(t, `
		<Route ^/websock/{controller}$>
			WebSocketsProtocol  chat            # Use the chat application protocol
			AddFilter           webSocketFilter # Add the WebSockets filter
			AddHandler          espHandler      # Run an ESP controller
			Source              test.c          # Code is in test.c
			Target              run $1          # Use {controller}
			RequestTimeout      2hrs            # Maximum connection time
			InactivityTimeout   5mins           # Maximum idle time
			<Route ^/websock/pinged/{controller}$>
				WebSocketsPing  30sec
			</Route>
		</Route>`, func(t *testing.T, b *bubble) {
		began := time.Now()
		f := b.spoken("/websock/test").Next("nothing is said, and nobody pings")
		onTime(t, "inactive", began, 5*time.Minute)
		wantReason(t, f, frame.PolicyViolation, "inactivity timeout")

		began = time.Now()
		f = talks(b.spoken("/websock/test"), 4*time.Minute)
		onTime(t, "the end", began, 2*time.Hour)
		wantReason(t, f, frame.PolicyViolation, "request timeout")

		// Who answers pings is not inactive; who does not is dropped although they
		// go out.
		began = time.Now()
		f = talks(b.spoken("/websock/pinged/test"), 24*time.Hour)
		onTime(t, "the end", began, 2*time.Hour)
		wantReason(t, f, frame.PolicyViolation, "request timeout")
		began = time.Now()
		p := b.spoken("/websock/pinged/test")
		if f := p.Next("a ping"); f.Opcode != frame.Ping {
			t.Errorf("%v", f)
		}
		if d := time.Since(began); d < 27*time.Second || d > 36*time.Second {
			t.Errorf("the ping came after %v", d)
		}
		p.WantEOF("the pong does not come")
		if d := time.Since(began); d > 50*time.Second {
			t.Errorf("dropped after %v", d)
		}
	})
}

// TestConvertedIotoTimes: the same for Ioto's documentation, where a minute is
// one and a ping no end.
func TestConvertedIotoTimes(t *testing.T) {
	convertedInBubble(t, `{
		webSockets: { ping: '1min' },
		timeouts: { inactivity: '5 mins', request: '1 hour' },
		routes: [{ match: '/ws/', methods: ['GET'], handler: 'action' }],
	}`, func(t *testing.T, b *bubble) {
		began := time.Now()
		p := b.spoken("/ws/")
		if f := p.Next("a ping"); f.Opcode != frame.Ping {
			t.Errorf("%v", f)
		}
		if d := time.Since(began); d < 54*time.Second || d > 72*time.Second {
			t.Errorf("the ping came after %v", d)
		}
		p.WantEOF("the pong does not come")

		began = time.Now()
		f := talks(b.spoken("/ws/"), 24*time.Hour)
		onTime(t, "the end", began, time.Hour)
		wantReason(t, f, frame.PolicyViolation, "request timeout")
	})
	convertedInBubble(t, `{ routes: [{ match: '/ws/', handler: 'action' }] }`, func(t *testing.T, b *bubble) {
		// Nobody pings by default, and the documented time is Ioto's default.
		began := time.Now()
		f := b.spoken("/ws/").Next("nothing is said")
		onTime(t, "inactive", began, 5*time.Minute)
		if code, _, _ := frame.ParseClose(f.Payload); code != frame.PolicyViolation {
			t.Errorf("%v", f)
		}
	})
}
