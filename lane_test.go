package curlew_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// A Writer's lane and the queue of whole messages do not get into each other's
// way.

// TestTryWriteBesideQueue: messages that wait behind a Writer take no room from
// it, or it could never be completed.
func TestTryWriteBesideQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory, byRead, curlew.Server, noWriteTimeout(curlew.Options{SendQueue: 1000, WhenFull: curlew.WhenFullDropNewest}))
		w, err := s.c.Writer(t.Context(), curlew.Text)
		if err != nil {
			t.Fatal(err)
		}
		taken, err := fill(t, s.c, 100)
		if err != curlew.ErrQueueFull {
			t.Fatal(err)
		}
		if n, err := w.TryWrite([]byte("streamed")); n != 8 || err != nil {
			t.Errorf("TryWrite = %d, %v, with %d messages behind it", n, err, taken)
		}
		w.Close()
		s.p.WantMessage("the Writer's", curlew.Text, []byte("streamed"))
		for n := range taken {
			s.p.Want("what waited", wstest.Binary(stamped(1, n, 100)))
		}
	})
}

// TestSendBesideTryWrite: a Writer that is as fast as its peer does not make the
// queue full for others.
func TestSendBesideTryWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, release := stuck(t, noWriteTimeout(curlew.Options{SendQueue: 1000}))
		w, err := c.Writer(t.Context(), curlew.Binary)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := w.TryWrite(make([]byte, 5000)); n != 1000 || err != nil {
			t.Errorf("TryWrite = %d, %v", n, err)
		}
		if err := c.Send(curlew.Text, []byte("hello")); err != nil {
			t.Error(err)
		}
		if q := c.Info().Queued; q != 1005 {
			t.Errorf("%d bytes queued", q)
		}
		w.Close()
		release()
		p.Want("what was under way", wstest.Binary(make([]byte, 100)))
		p.WantMessage("the Writer's", curlew.Binary, make([]byte, 1000))
		p.Want("and then", wstest.Text("hello"))
		if q := c.Info().Queued; q != 0 {
			t.Errorf("%d bytes queued in the end", q)
		}
	})
}

// TestTryWriteSlowPeer: while the peer takes what it was given a Writer is not
// idle, and after that it has the whole WriteTimeout again.
func TestTryWriteSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 2000})
		o := still
		c := curlew.NewConn(a, curlew.Server, &o)
		defer c.Abort(nil)
		w, err := c.Writer(t.Context(), curlew.Binary)
		if err != nil {
			t.Fatal(err)
		}
		w.TryWrite(make([]byte, 100<<10))
		for at := 40 * time.Second; at < time.Minute; at += time.Second {
			defer time.AfterFunc(at, func() { // has the clock look
				c.Extend(1)
				c.Extend(-1)
			}).Stop()
		}
		buf := make([]byte, 2000)
		for n := 0; n < 100<<10; { // about 50 s
			pass(time.Second)
			k, err := b.Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
			n += k
		}
		pass(7 * time.Second)
		if _, err := w.TryWrite([]byte("more")); err != nil {
			t.Fatal(err)
		}
		p := wstest.NewPeer(t, b, curlew.Client)
		p.Want("more", wstest.More(wstest.Cont("more")))
		start := time.Now()
		go func() { // pongs do not prolong it
			for range 100 {
				pass(3 * time.Second)
				if _, err := b.Write(wire(curlew.Server, wstest.Ping(""))); err != nil {
					return
				}
			}
		}()
		f := p.Next("something")
		for f.Opcode == frame.Pong {
			f = p.Next("something")
		}
		if f.Opcode != frame.Close {
			t.Errorf("got %v, want a Close", f)
		}
		wantTook(t, "forgotten", start, 9*time.Second, 22*time.Second)
		wait(t, "the end, without an answer", c.Done())
		wantTook(t, "ended", start, 14*time.Second, 28*time.Second)
		p.Close()
		pass(time.Minute)
	})
}

// TestBroadcastDoesNotHoldHandlers: others send more than the peer takes, without
// end; what the peer sends is handled all the same.
func TestBroadcastDoesNotHoldHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 1000})
		c := curlew.NewConn(a, curlew.Server, noWriteTimeout(curlew.Options{SendQueue: 100000, WhenFull: curlew.WhenFullDropOldest}))
		handled := make(chan string, 10)
		go curlew.Serve(context.Background(), c, &curlew.Events{
			Message: func(c *curlew.Conn, _ curlew.Type, m []byte) {
				c.Send(curlew.Binary, make([]byte, 5000)) // more than goes at once
				handled <- string(m)
			},
		})
		go b.Write(wire(curlew.Server, wstest.Text("subscribe")))
		<-handled
		synctest.Wait() // the answer is being written
		over := make(chan struct{})
		go func() { // the broadcast: 1 MB/s
			for c.Send(curlew.Binary, make([]byte, 1000)) == nil {
				pass(time.Millisecond)
			}
			close(over)
		}()
		go func() { // the peer: 100 kB/s
			buf := make([]byte, 1000)
			for {
				pass(10 * time.Millisecond)
				if _, err := b.Read(buf); err != nil {
					return
				}
			}
		}()
		pass(time.Second)
		b.Write(wire(curlew.Server, wstest.Text("unsubscribe")))
		select {
		case <-handled:
		case <-time.After(10 * time.Second):
			t.Error("the peer's message was not handled")
		}
		c.Abort(nil)
		<-over
		b.Close()
		pass(time.Second)
	})
}
