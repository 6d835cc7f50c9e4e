package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// What docs/counterparts.md says of calls of other systems, where no other test
// shows it.

// taken takes a message frame by frame and checks how it was framed: first its
// type, then continuations, the last one marked, none longer than most. between
// is called behind each frame but the last.
func taken(t *testing.T, p *wstest.Peer, typ frame.Opcode, most int, between func()) []byte {
	t.Helper()
	var all []byte
	for first := true; ; first = false {
		f := p.Next("a frame")
		if want := map[bool]frame.Opcode{true: typ, false: frame.Continuation}[first]; f.Opcode != want {
			t.Fatalf("%v after %d bytes, want %v", f.Opcode, len(all), want)
		}
		if len(f.Payload) > most {
			t.Fatalf("a frame of %d bytes, at most %d are wanted", len(f.Payload), most)
		}
		all = append(all, f.Payload...)
		if f.Fin {
			return all
		}
		between()
	}
}

// TestThreeWaysToSend: 10 MB to a slow reader, buffered, blocking and without
// blocking. What waits is bounded: by the queue, by the pieces, by the queue
// again.
func TestThreeWaysToSend(t *testing.T) {
	const size, maxFrame, queue, piece = 10_000_000, 100_000, 256 << 10, 64 << 10
	payload := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	play := func(t *testing.T, send func(t *testing.T, c *curlew.Conn), most int) {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 8 << 10})
			c := curlew.NewConn(a, curlew.Server, &curlew.Options{MaxFrame: maxFrame, SendQueue: queue, MaxMessage: -1, WhenFull: curlew.WhenFullDropNewest})
			p := wstest.NewPeer(t, b, curlew.Client)
			sent := make(chan struct{})
			go func() { defer close(sent); send(t, c) }()
			waiting := 0
			got := taken(t, p, frame.Binary, maxFrame, func() {
				waiting = max(waiting, c.Info().Queued)
				time.Sleep(10 * time.Millisecond)
			})
			if !bytes.Equal(got, payload) {
				t.Errorf("%d bytes came, or others", len(got))
			}
			if waiting > most {
				t.Errorf("%d bytes waited, at most %d may", waiting, most)
			}
			<-sent
			c.Abort(nil)
			p.Close()
		})
	}
	// A buffered message of any size is taken into an empty queue, and nothing
	// behind it beyond the queue.
	t.Run("buffered", func(t *testing.T) {
		play(t, func(t *testing.T, c *curlew.Conn) {
			if err := c.Send(curlew.Binary, payload); err != nil {
				t.Error(err)
			}
			if err := c.Send(curlew.Binary, make([]byte, 1000)); !errors.Is(err, curlew.ErrQueueFull) {
				t.Errorf("one more: %v", err)
			}
		}, size+size/maxFrame*10)
	})
	t.Run("blocking", func(t *testing.T) {
		play(t, func(t *testing.T, c *curlew.Conn) {
			w, err := c.Writer(t.Context(), curlew.Binary)
			if err != nil {
				t.Error(err)
				return
			}
			for rest := payload; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				if n, err := w.Write(rest[:min(piece, len(rest))]); err != nil {
					t.Error(n, err)
					return
				}
			}
			w.Close()
		}, piece+100)
	})
	t.Run("non-blocking", func(t *testing.T) {
		play(t, func(t *testing.T, c *curlew.Conn) {
			var w *curlew.Writer
			rest, short := payload, 0
			more := func(c *curlew.Conn) {
				for len(rest) > 0 {
					n, err := w.TryWrite(rest)
					if rest = rest[n:]; err != nil || n == 0 || len(rest) > 0 {
						short++
						return
					}
				}
				w.Close()
			}
			curlew.Serve(t.Context(), c, &curlew.Events{
				Open: func(c *curlew.Conn) {
					w, _ = c.Writer(context.Background(), curlew.Binary)
					more(c)
				},
				Writable: more,
				Message:  func(c *curlew.Conn, _ curlew.Type, _ []byte) {},
			})
			if short < 10 {
				t.Errorf("short only %d times", short)
			}
		}, queue+100)
	})
}

// TestFormattedText: httpSend with 51,000 characters in one call, which leave in
// frames of at most MaxFrame bytes.
func TestFormattedText(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, &curlew.Options{MaxFrame: 4 << 10})
	if err := s.c.Send(curlew.Text, fmt.Appendf(nil, "The temperature today is: %s", strings.Repeat("é", 51000))); err != nil {
		t.Fatal(err)
	}
	got := string(taken(t, s.p, frame.Text, 4<<10, func() {}))
	if want := "The temperature today is: " + strings.Repeat("é", 51000); got != want {
		t.Errorf("%d bytes", len(got))
	}
}

// TestPreservedFrames: a thousand frames of 16 bytes, sent and received as they
// are, and a block of any size as one.
func TestPreservedFrames(t *testing.T) {
	a, b := wstest.Pipe(&curlew.Options{PreserveFrames: true, MaxFrame: 10}, &curlew.Options{PreserveFrames: true, MaxPacket: 10, MaxMessage: -1})
	go func() {
		w, err := a.Writer(context.Background(), curlew.Binary)
		if err != nil {
			t.Error(err)
			return
		}
		for i := range 1000 {
			block := bytes.Repeat([]byte{byte(i)}, 16)
			if i < 999 {
				err = w.WriteFrame(block)
			} else {
				err = w.Finish(block)
			}
			if err != nil {
				t.Error(i, err)
				return
			}
		}
		a.Write(context.Background(), curlew.Binary, make([]byte, 100_000))
		a.Close(curlew.NormalClosure, "")
	}()
	var sizes []int
	var lasts []int
	curlew.Serve(t.Context(), b, &curlew.Events{Part: func(_ *curlew.Conn, _ curlew.Type, p []byte, last bool) {
		if len(sizes) < 1000 && !bytes.Equal(p, bytes.Repeat([]byte{byte(len(sizes))}, 16)) {
			t.Errorf("frame %d has %d bytes", len(sizes), len(p))
		}
		if last {
			lasts = append(lasts, len(sizes))
		}
		sizes = append(sizes, len(p))
	}})
	if len(sizes) != 1001 || sizes[1000] != 100_000 || fmt.Sprint(lasts) != "[999 1000]" {
		t.Errorf("%d frames, the last ones of messages are %v", len(sizes), lasts)
	}
	<-a.Done()
}

// TestNotifierEvents: what is told of each way to end, and in which order.
func TestNotifierEvents(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(p *wstest.Peer)
		want string
	}{
		"orderly":     {func(p *wstest.Peer) { p.Send(wstest.Close(3001, "bye")) }, `open part "he" part "llo" last close 3001 "bye" orderly`},
		"lost":        {func(p *wstest.Peer) { p.Close() }, `open part "he" part "llo" last error close 1006 ""`},
		"broken rule": {func(p *wstest.Peer) { p.Send(wstest.Cont("x")) }, `open part "he" part "llo" last error close 1002`},
		"timeout":     {func(p *wstest.Peer) { pass(time.Hour) }, `open part "he" part "llo" last error close 1008 "inactivity timeout"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.NewLink(nil)
				conn := curlew.NewConn(a, curlew.Server, &curlew.Options{MaxPacket: 2, PreserveFrames: true, PingInterval: -1})
				p := wstest.NewPeer(t, b, curlew.Client)
				p.Send(wstest.More(wstest.Text("he")), wstest.Cont("llo"))
				go c.end(p)
				var told []string
				curlew.Serve(t.Context(), conn, &curlew.Events{
					Open: func(*curlew.Conn) { told = append(told, "open") },
					Part: func(_ *curlew.Conn, _ curlew.Type, m []byte, last bool) {
						told = append(told, fmt.Sprintf("part %q", m))
						if last {
							told = append(told, "last")
						}
					},
					Error: func(*curlew.Conn, error) { told = append(told, "error") },
					Close: func(_ *curlew.Conn, e *curlew.CloseError) {
						told = append(told, fmt.Sprintf("close %d %q", uint16(e.Code), e.Reason))
						if e.Orderly() {
							told = append(told, "orderly")
						}
					},
				})
				if got := strings.Join(told, " "); !strings.HasPrefix(got, c.want) {
					t.Errorf("%s, want %s", got, c.want)
				}
				p.Close()
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// TestThirtyThousandRoundTrips: as the benchmark pages of other servers do.
func TestThirtyThousandRoundTrips(t *testing.T) {
	s, c := wstest.Pipe(nil, nil)
	go curlew.Serve(context.Background(), s, &curlew.Events{
		Message: func(s *curlew.Conn, typ curlew.Type, p []byte) { s.Send(typ, p) },
	})
	ctx := t.Context()
	var out, in []byte
	for i := range 30_000 {
		out = fmt.Appendf(out[:0], "message %d", i)
		if err := c.Write(ctx, curlew.Text, out); err != nil {
			t.Fatal(i, err)
		}
		var err error
		if _, in, err = c.Read(ctx, in[:0]); err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%d: %q, %v", i, in, err)
		}
	}
	if got := s.Info(); got.MessagesRead != 30_000 || got.MessagesWritten != 30_000 {
		t.Errorf("%d read, %d written", got.MessagesRead, got.MessagesWritten)
	}
	end(s, c)
}

// TestPacketsAreChecked: a text that is handed out in pieces is checked over all
// of them, and so is what is cut off by its end.
func TestPacketsAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"abcdefgh\xff": "abcdefgh", "abcé\xe2\x82": "abcé\xe2\x82", "abc\xe2\x82defg": "abc\xe2\x82", "abcdefg\xed\xa0\x80": "abcd",
	} {
		s, p := wstest.NewLink(nil)
		c := curlew.NewConn(s, curlew.Server, &curlew.Options{MaxPacket: 4})
		peer := wstest.NewPeer(t, p, curlew.Client)
		half := len(text) / 2
		peer.Send(wstest.More(wstest.Text(text[:half])), wstest.Cont(text[half:]))
		var got []byte
		complete := false
		curlew.Serve(t.Context(), c, &curlew.Events{Part: func(_ *curlew.Conn, _ curlew.Type, p []byte, last bool) {
			got, complete = append(got, p...), complete || last
		}})
		peer.WantClose("no text", frame.InvalidPayload, wstest.AnyReason)
		if complete || !strings.HasPrefix(want, string(got)) {
			t.Errorf("%q: got %q, complete %v", text, got, complete)
		}
		peer.Close()
	}
}
