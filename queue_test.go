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
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// stuck returns a connection whose peer takes nothing, and a way to let it.
func stuck(t *testing.T, o *curlew.Options) (c *curlew.Conn, p *wstest.Peer, release func()) {
	a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 100})
	c = curlew.NewConn(a, curlew.Server, o)
	t.Cleanup(func() { c.Abort(nil) })
	p = wstest.NewPeer(t, b, curlew.Client)
	a.Stall(true)
	// The first message fills the stream and what is being written.
	if err := c.Send(curlew.Binary, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c, p, func() { a.Stall(false) }
}

// noWriteTimeout lets a peer be stuck for as long as a test likes.
func noWriteTimeout(o curlew.Options) *curlew.Options {
	o.WriteTimeout, o.PingInterval, o.InactivityTimeout = -1, -1, -1
	return &o
}

// fill sends numbered messages of a size until Send refuses or drops; it returns
// how many were taken.
func fill(t *testing.T, c *curlew.Conn, size int) (taken int, err error) {
	for taken < 1000 {
		if err := c.Send(curlew.Binary, stamped(1, taken, size)); err != nil {
			return taken, err
		}
		if c.Info().Dropped > 0 {
			return taken, nil
		}
		taken++
	}
	t.Fatal("the queue never filled")
	return 0, nil
}

func TestQueueClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, release := stuck(t, noWriteTimeout(curlew.Options{SendQueue: 10000}))
		taken, err := fill(t, c, 1000)
		if taken < 9 || taken > 11 {
			t.Errorf("%d messages of 1000 bytes were taken into a queue of 10000", taken)
		}
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send = %v, want one that is net.ErrClosed", err)
		}
		release()
		p.Want("what was under way", wstest.Binary(make([]byte, 100)))
		for {
			f := p.Next("the Close, after messages that still waited, or not")
			if f.Opcode == frame.Binary {
				continue
			}
			if code, _, bad := frame.ParseClose(f.Payload); f.Opcode != frame.Close || bad != nil || code != 1008 {
				t.Errorf("got %v, want Close 1008", f)
			}
			break
		}
		p.Send(wstest.Close(1008, ""))
		wait(t, "the end", c.Done())
		var e *curlew.CloseError
		if errors.As(c.Err(), &e); e.Code != 1008 || e.Remote || !errors.Is(e, curlew.ErrQueueFull) {
			t.Errorf("ended by %v", e)
		}
	})
}

func TestQueueDropNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, release := stuck(t, noWriteTimeout(curlew.Options{SendQueue: 10000, WhenFull: curlew.WhenFullDropNewest}))
		taken, err := fill(t, c, 1000)
		if taken < 9 || taken > 11 || err != curlew.ErrQueueFull {
			t.Errorf("%d messages of 1000 bytes were taken into a queue of 10000, then %v", taken, err)
		}
		for range 5 {
			if err := c.SendPrepared(curlew.Prepare(curlew.Binary, make([]byte, 1000))); err != curlew.ErrQueueFull {
				t.Errorf("SendPrepared = %v", err)
			}
		}
		if i := c.Info(); i.Dropped != 6 || i.Queued > 10000 || i.Queued < 9000 {
			t.Errorf("%d dropped, %d bytes queued; want 6, about 10000", i.Dropped, i.Queued)
		}
		release()
		p.Want("what was under way", wstest.Binary(make([]byte, 100)))
		for n := range taken {
			p.Want("what was taken", wstest.Binary(stamped(1, n, 1000)))
		}
		p.WantIdle("nothing that was dropped")
		if err := c.Send(curlew.Binary, []byte("room again")); err != nil {
			t.Error(err)
		}
		p.Want("room again", wstest.Binary([]byte("room again")))
	})
}

func TestQueueDropOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, release := stuck(t, noWriteTimeout(curlew.Options{SendQueue: 10000, WhenFull: curlew.WhenFullDropOldest}))
		const messages = 100
		for n := range messages {
			if err := c.Send(curlew.Binary, stamped(1, n, 1000)); err != nil {
				t.Fatalf("Send %d: %v", n, err)
			}
		}
		i := c.Info()
		kept := messages - int(i.Dropped)
		if kept < 9 || kept > 11 || i.Queued > 10000 {
			t.Errorf("%d dropped of %d, %d bytes queued", i.Dropped, messages, i.Queued)
		}
		release()
		p.Want("what was under way", wstest.Binary(make([]byte, 100)))
		for n := messages - kept; n < messages; n++ {
			p.Want("the newest", wstest.Binary(stamped(1, n, 1000)))
		}
		p.WantIdle("nothing that was dropped")
	})
}

// TestQueueDropOldestKeeps: what somebody waits for is not dropped, nor anything
// of a streamed message, nor control frames.
func TestQueueDropOldestKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, release := stuck(t, noWriteTimeout(curlew.Options{SendQueue: 1000, WhenFull: curlew.WhenFullDropOldest}))
		wrote := make(chan error, 1)
		go func() { wrote <- c.Write(context.Background(), curlew.Text, []byte("waited for")) }()
		synctest.Wait()
		streamed := make(chan error, 1)
		go func() {
			w, err := c.Writer(context.Background(), curlew.Text)
			if err == nil {
				w.Write([]byte("streamed"))
				err = w.Close()
			}
			streamed <- err
		}()
		pinged := make(chan error, 1)
		go func() {
			_, err := c.Ping(context.Background())
			pinged <- err
		}()
		synctest.Wait()
		for n := range 50 {
			c.Send(curlew.Binary, stamped(1, n, 500))
		}
		release()
		go p.Conn().Write(wire(curlew.Server, wstest.Ping("theirs")))
		seen := map[string]int{}
		var ping wstest.Frame
		for len(seen) < 5 {
			f := p.Next("all that matters")
			switch f.Opcode {
			case frame.Ping:
				ping = f
				seen["ping"]++
			case frame.Pong:
				seen["pong"]++
			case frame.Text:
				seen[string(f.Payload)]++
			case frame.Binary:
				if _, n, ok := stamp(f.Payload); ok && n == 49 {
					seen["the newest"]++
				}
			}
		}
		p.Send(pongTo(t, ping))
		for _, ch := range []chan error{wrote, streamed, pinged} {
			if err := <-ch; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestQueueOneOfAnySize: an empty queue takes one message whatever its size.
func TestQueueOneOfAnySize(t *testing.T) {
	for _, policy := range []curlew.Policy{curlew.WhenFullClose, curlew.WhenFullDropNewest, curlew.WhenFullDropOldest} {
		synctest.Test(t, func(t *testing.T) {
			c, p, release := stuck(t, noWriteTimeout(curlew.Options{SendQueue: 1000, WhenFull: policy, MaxMessage: 1 << 20, MaxFrame: -1}))
			big := bytes.Repeat([]byte("big"), 100000)
			if err := c.Send(curlew.Binary, big); err != nil {
				t.Fatal(err)
			}
			release()
			p.Want("what was under way", wstest.Binary(make([]byte, 100)))
			p.Want("the big one", wstest.Binary(big))
		})
	}
}

// TestQueueOff: no limit.
func TestQueueOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, release := stuck(t, noWriteTimeout(curlew.Options{SendQueue: -1}))
		for n := range 1000 {
			if err := c.Send(curlew.Binary, stamped(1, n, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		release()
		p.Want("what was under way", wstest.Binary(make([]byte, 100)))
		for n := range 1000 {
			p.Want("all", wstest.Binary(stamped(1, n, 1000)))
		}
	})
}

// TestSendNeverBlocks: not even on a stream that takes nothing.
func TestSendNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := stuck(t, nil)
		start := time.Now()
		for range 200 {
			c.Send(curlew.Text, []byte("x"))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

// TestCork: the answers to all that one read brought leave in one write.
func TestCork(t *testing.T) {
	for _, d := range []driver{byEvents, byHandle} {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.NewLink(nil)
			w := &countedWrites{End: a}
			s := openOn(t, w, b, d, curlew.Server, nil)
			synctest.Wait()
			before := w.writes
			frames := []wstest.Frame{}
			for i := range 16 {
				frames = append(frames, wstest.Text(string(rune('a'+i))))
			}
			s.p.Send(frames...)
			s.p.Want("all", frames...)
			synctest.Wait()
			if n := w.writes - before; n != 1 {
				t.Errorf("%d writes for 16 answers, want 1", n)
			}
		})
	}
}

// countedWrites counts; its reader waits until the writer does nothing more.
type countedWrites struct {
	*wstest.End
	writes int
}

func (w *countedWrites) Write(p []byte) (int, error) {
	w.writes++
	return w.End.Write(p)
}

// TestPrepared: one message for many, each as it must be for it.
func TestPrepared(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		m := curlew.Prepare(curlew.Text, []byte("to all of you"))
		for range 3 {
			s := open(t, k, d, curlew.Server, nil)
			short := open(t, k, d, curlew.Server, &curlew.Options{MaxFrame: 5})
			client := open(t, k, d, curlew.Client, nil)
			for _, x := range []*subject{s, short, client} {
				if err := x.c.SendPrepared(m); err != nil {
					t.Fatal(err)
				}
				x.p.WantMessage("the message", curlew.Text, []byte("to all of you"))
			}
		}
		s := open(t, k, d, curlew.Server, &curlew.Options{MaxMessage: 5})
		if err := s.c.SendPrepared(m); err != curlew.ErrTooBig {
			t.Errorf("SendPrepared = %v, want ErrTooBig", err)
		}
		if err := s.c.SendPrepared(curlew.Prepare(curlew.Text, []byte("\xff"))); !errors.Is(err, curlew.ErrInvalidUTF8) {
			t.Errorf("SendPrepared = %v, want ErrInvalidUTF8", err)
		}
	})
}

// TestQueueOfSmall: messages that have next to no payload, or none, fill a queue
// too: they cost memory.
func TestQueueOfSmall(t *testing.T) {
	const queue, most = 128 << 10, 128 << 10 / 64
	for _, size := range []int{0, 1, 15} {
		for _, policy := range []curlew.Policy{curlew.WhenFullClose, curlew.WhenFullDropOldest, curlew.WhenFullDropNewest} {
			synctest.Test(t, func(t *testing.T) {
				c, p, release := stuck(t, noWriteTimeout(curlew.Options{SendQueue: queue, WhenFull: policy}))
				small := curlew.Prepare(curlew.Binary, make([]byte, size))
				var err error
				for n := 1; err == nil && n <= most; n++ {
					if err = c.SendPrepared(small); err != nil || c.Info().Dropped > 0 {
						t.Fatalf("%d bytes: message %d: %v, %d dropped", size, n, err, c.Info().Dropped)
					}
				}
				err = c.SendPrepared(small)
				switch policy {
				case curlew.WhenFullClose:
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("%d bytes: one more: %v", size, err)
					}
					return
				case curlew.WhenFullDropNewest:
					if err != curlew.ErrQueueFull {
						t.Errorf("%d bytes: one more: %v", size, err)
					}
				default:
					if err != nil {
						t.Errorf("%d bytes: one more: %v", size, err)
					}
				}
				if n := c.Info().Dropped; n != 1 {
					t.Errorf("%d bytes: %d dropped", size, n)
				}
				release()
				p.Want("what was under way", wstest.Binary(make([]byte, 100)))
				for range most {
					p.Want("what was taken", wstest.Binary(make([]byte, size)))
				}
				p.WantIdle("nothing more")
			})
		}
	}
}

// TestWritableAfterFull: who was told that the queue is full is told when half of
// it is free, once.
func TestWritableAfterFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := noWriteTimeout(curlew.Options{SendQueue: 10000, WhenFull: curlew.WhenFullDropNewest})
		c, p, release := stuck(t, o)
		called, queued := 0, 0
		go curlew.Serve(t.Context(), c, &curlew.Events{Writable: func(c *curlew.Conn) {
			called++
			queued = c.Info().Queued
		}})
		taken, err := fill(t, c, 1000)
		if !errors.Is(err, curlew.ErrQueueFull) {
			t.Fatalf("after %d messages: %v", taken, err)
		}
		synctest.Wait()
		if called != 0 {
			t.Fatal("Writable was called while the queue was full")
		}
		release()
		p.Want("what filled the stream", wstest.Binary(make([]byte, 100)))
		for i := range taken {
			p.Want("what was taken", wstest.Binary(stamped(1, i, 1000)))
		}
		synctest.Wait()
		if called != 1 || queued > 5000 {
			t.Errorf("Writable was called %d times, with %d bytes waiting", called, queued)
		}
		c.Send(curlew.Binary, nil)
		p.Want("another one", wstest.Binary(nil))
		synctest.Wait()
		if called != 1 {
			t.Error("Writable was called although nothing was refused")
		}
	})
}
