package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestWriteCancelledBefore: a Write that gave up before its turn leaves nothing.
func TestWriteCancelledBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory, byRead, curlew.Server, nil)
		w, err := s.c.Writer(t.Context(), curlew.Text)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("one "))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.c.Write(ctx, curlew.Text, []byte("never")); err != context.DeadlineExceeded {
			t.Errorf("Write = %v, want the context's error alone", err)
		}
		if _, err := s.c.Writer(ctx, curlew.Text); err != context.DeadlineExceeded {
			t.Errorf("Writer = %v, want the context's error", err)
		}
		w.Write([]byte("two"))
		w.Close()
		s.c.Write(t.Context(), curlew.Text, []byte("next"))
		s.p.WantMessage("the streamed one", curlew.Text, []byte("one two"))
		s.p.Want("and the next", wstest.Text("next"))
		s.p.WantIdle("nothing of what was given up")
		if q := s.c.Info().Queued; q != 0 {
			t.Errorf("%d bytes are still queued", q)
		}
	})
}

// TestWriteCancelledDuring: one under way is completed from a copy, and says so.
func TestWriteCancelledDuring(t *testing.T) {
	for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := openWatched(t, byRead, role, nil, &wstest.LinkOptions{Buffer: 1000})
			p := bytes.Repeat([]byte("x"), 200<<10)
			want := bytes.Clone(p)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := s.c.Write(ctx, curlew.Binary, p)
			if !errors.Is(err, curlew.ErrSending) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Write = %v, want ErrSending and the context's error", err)
			}
			clear(p) // ours again
			done := make(chan error, 1)
			go func() { done <- s.c.Write(t.Context(), curlew.Text, []byte("next")) }()
			s.p.WantMessage("all of it", curlew.Binary, want)
			s.p.WantMessage("and the next", curlew.Text, []byte("next"))
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWriteEndedContext: what need not block succeeds anyway, what must block
// does not begin.
func TestWriteEndedContext(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		t.Run(k.name, func(t *testing.T) {
			s := open(t, k, byRead, curlew.Server, nil)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := s.c.Write(ctx, curlew.Text, []byte("maybe"))
			switch {
			case err == nil, errors.Is(err, curlew.ErrSending):
				s.p.Want("sent", wstest.Text("maybe"))
			case err != context.Canceled:
				t.Errorf("Write = %v", err)
			}
			s.p.WantIdle("once at most")
		})
	}
}

// TestWriterControl: a pong during a streamed message is a pong, a ping a ping,
// and the Close ends it.
func TestWriterControl(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			s := open(t, k, d, role, nil)
			w, err := s.c.Writer(t.Context(), curlew.Text)
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte("he"))
			s.p.Want("the first piece", wstest.More(wstest.Text("he")))
			s.p.Send(wstest.Ping("now"))
			s.p.Want("the pong inside", wstest.Pong("now"))
			rtt := make(chan error, 1)
			go func() {
				_, err := s.c.Ping(context.Background())
				rtt <- err
			}()
			s.p.Send(pongTo(t, s.p.Next("our ping inside")))
			if err := <-rtt; err != nil {
				t.Error(err)
			}
			w.Write([]byte("llo"))
			s.p.Want("the second piece", wstest.More(wstest.Cont("llo")))
			s.p.Send(wstest.Text("echoed behind"))
			w.Close()
			s.p.Want("the last piece, then others", wstest.Cont(""), wstest.Text("echoed behind"))

			w, err = s.c.Writer(t.Context(), curlew.Binary)
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte("cut"))
			s.c.Close(1000, "enough")
			s.p.Want("a piece", wstest.More(wstest.Binary([]byte("cut"))))
			s.p.WantClose("Close passes", 1000, "enough")
			if _, err := w.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write after Close = %v", err)
			}
			if err := w.Close(); err == nil {
				t.Error("Close of a message that was cut off says nothing")
			}
		}
	})
}

// TestWriterFrames: Write splits by MaxFrame, WriteFrame does not, Close and
// Finish end the message.
func TestWriterFrames(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, &curlew.Options{MaxFrame: 4})
	ctx := t.Context()
	w, err := s.c.Writer(ctx, curlew.Text)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("abcdefghij"))
	w.WriteFrame([]byte("klmnop"))
	w.WriteFrame(nil)
	w.Finish([]byte("qrstuvw"))
	s.p.Want("as asked for", wstest.More(wstest.Text("abcd")), wstest.More(wstest.Cont("efgh")), wstest.More(wstest.Cont("ij")),
		wstest.More(wstest.Cont("klmnop")), wstest.More(wstest.Cont("")), wstest.Cont("qrstuvw"))
	for name, f := range map[string]func() error{
		"Write":      func() error { _, err := w.Write([]byte("x")); return err },
		"TryWrite":   func() error { _, err := w.TryWrite([]byte("x")); return err },
		"WriteFrame": func() error { return w.WriteFrame([]byte("x")) },
		"Finish":     func() error { return w.Finish([]byte("x")) },
		"Close":      w.Close,
	} {
		if err := f(); !errors.Is(err, curlew.ErrWriterClosed) {
			t.Errorf("%s after the end = %v, want ErrWriterClosed", name, err)
		}
	}
	s.c.Write(ctx, curlew.Binary, []byte("123456789"))
	s.p.Want("whole messages are split too", wstest.Binary([]byte("123456789")).Split(4)...)

	w, _ = s.c.Writer(ctx, curlew.Text)
	if _, err := w.Write([]byte("half \xc3")); err != nil {
		t.Errorf("half a character: %v", err)
	}
	if _, err := w.Write([]byte("\xa9")); err != nil {
		t.Errorf("the other half: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	s.p.WantMessage("characters across pieces", curlew.Text, []byte("half é"))
}

// TestTryWrite: takes what fits, and Writable says when more does.
func TestTryWrite(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		t.Run(k.name, func(t *testing.T) {
			ours, peers := k.open(t, curlew.Server)
			c := curlew.NewConn(ours, curlew.Server, &curlew.Options{SendQueue: 10000})
			t.Cleanup(func() { c.Abort(nil) })
			p := wstest.NewPeer(t, peers, curlew.Client)
			payload := make([]byte, 4<<20)
			for i := range payload {
				payload[i] = byte(i >> 8)
			}
			var w *curlew.Writer
			short, calls := 0, 0
			rest := payload
			pump := func(c *curlew.Conn) {
				calls++
				for len(rest) > 0 {
					n, err := w.TryWrite(rest)
					if err != nil {
						t.Error(err)
						return
					}
					if n > 10000 {
						t.Errorf("TryWrite took %d bytes into a queue of 10000", n)
					}
					full := n < len(rest)
					rest = rest[n:]
					if full {
						short++
						return
					}
				}
				w.Close()
			}
			go curlew.Serve(context.Background(), c, &curlew.Events{
				Open: func(c *curlew.Conn) {
					var err error
					if w, err = c.Writer(context.Background(), curlew.Binary); err != nil {
						t.Error(err)
						return
					}
					pump(c)
				},
				Writable: pump,
			})
			p.WantMessage("all of it", curlew.Binary, payload)
			if short == 0 || calls < 2 {
				t.Errorf("%d short counts, %d calls: the queue never filled", short, calls)
			}
		})
	}
}
