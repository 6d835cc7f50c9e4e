package server_test

import (
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// Echo as the routes say: types, sizes, pieces, frames.
func TestEcho(t *testing.T) {
	t.Parallel()
	everyWay(t, `limits: { maxMessage: '16 MB', maxFragments: 'unlimited' }, routes: [
		{ match: '/echo', handler: 'echo' },
		{ match: '/packed', handler: 'echo', webSockets: { compression: true, protocol: ['b', 'a'] } },
		{ match: '/pieces', handler: 'echo', limits: { maxPacket: '1 KB', maxFrame: '700' } },
		{ match: '/endless', handler: 'echo', limits: { maxPacket: '1 KB', maxMessage: 'unlimited' } },
		{ match: '/frames', handler: 'echo', webSockets: { preserveFrames: true } },
	]`, func(t *testing.T, r *running) {
		for _, path := range []string{"/echo", "/packed", "/pieces", "/endless", "/frames"} {
			c := r.dial(path, curlew.Options{Compression: &curlew.Compression{}, MaxMessage: -1, MaxFragments: -1, Subprotocols: subprotocols(path)})
			if want := subprotocol(path); c.Info().Subprotocol != want {
				t.Errorf("%s: subprotocol %q, want %q", path, c.Info().Subprotocol, want)
			}
			largest := 3 << 20
			if path == "/pieces" || path == "/endless" {
				largest = 200_000 // 300 frames, and more pieces
			}
			for _, n := range []int{0, 1, 125, 126, 1000, 70_000, largest} {
				sent := []byte(strings.Repeat("ü", n/2+n%2))
				go c.Write(t.Context(), curlew.Text, sent)
				typ, got, err := c.Read(t.Context(), nil)
				if err != nil || typ != curlew.Text || string(got) != string(sent) {
					t.Fatalf("%s: %d bytes came back as %v of %d: %v", path, len(sent), typ, len(got), err)
				}
			}
			go c.Write(t.Context(), curlew.Binary, []byte{0, 255})
			if typ, got, err := c.Read(t.Context(), nil); err != nil || typ != curlew.Binary || string(got) != "\x00\xff" {
				t.Fatalf("%s: %v %x %v", path, typ, got, err)
			}
			c.Close(curlew.NormalClosure, "")
			<-c.Done()
			if e := c.Err().(*curlew.CloseError); !e.Orderly() {
				t.Errorf("%s: %v", path, e)
			}
		}
	})
}

func subprotocols(path string) []string {
	if path == "/packed" {
		return []string{"a", "b"}
	}
	return nil
}

func subprotocol(path string) string {
	if path == "/packed" {
		return "b" // the server's order
	}
	return ""
}

// Frames come back one by one where they are preserved.
func TestEchoPreservesFrames(t *testing.T) {
	t.Parallel()
	both(t, `routes: [{ match: '/', handler: 'echo', webSockets: { preserveFrames: true } }]`, func(t *testing.T, r *running) {
		p, _ := wstest.Open(t, r.connect(), "/", nil)
		p.Send(wstest.More(wstest.Text("one")), wstest.More(wstest.Cont("")), wstest.More(wstest.Cont("two")))
		p.Want("each frame as it was", wstest.More(wstest.Text("one")), wstest.More(wstest.Cont("")), wstest.More(wstest.Cont("two")))
		p.Send(wstest.Ping("!"))
		p.Want("a pong inside the message", wstest.Pong("!"))
		p.Send(wstest.Cont("three"), wstest.Binary([]byte{1}))
		p.Want("the last one, and the next message", wstest.Cont("three"), wstest.Binary([]byte{1}))
	})
}

// Packets are put together before they go back, so that a client may take its
// time; without a limit for messages that cannot be.
func TestEchoOfPackets(t *testing.T) {
	inBubble(t, "", `limits: { maxPacket: 4 }, timeouts: { write: '200 ms', close: '1 s' }, routes: [
		{ match: '/gathered', handler: 'echo' },
		{ match: '/endless', handler: 'echo', limits: { maxMessage: 'unlimited' } },
	]`, nil, func(t *testing.T, b *bubble) {
		p, _ := b.peer("/gathered")
		p.Send(wstest.More(wstest.Text("123456")), wstest.Ping("!"))
		p.Want("nothing of the message yet", wstest.Pong("!"))
		p.Send(wstest.Cont("789"), wstest.Text("ab"), wstest.Text(""))
		p.Want("messages in one", wstest.Text("123456789"), wstest.Text("ab"), wstest.Text(""))

		p, _ = b.peer("/endless")
		p.Send(wstest.More(wstest.Text("123456")))
		p.Want("a piece", wstest.More(wstest.Text("1234")))
		p.WantClose("an answer that stays open", curlew.InternalError, wstest.AnyReason)
	})
}
