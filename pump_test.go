package curlew_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// within is in what time pings and closes are answered although nobody reads.
const within = 250 * time.Millisecond

// TestPumpAfterGivingUp: whoever pumped gave way to a Read that has been given up
// since; somebody pumps on.
func TestPumpAfterGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		defer c.Abort(nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		for range 3 {
			pass(time.Second) // nobody reads
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, _, err := c.Read(ctx, nil); err != context.DeadlineExceeded {
				t.Fatal(err)
			}
			cancel()
			p.Send(wstest.Text("kept"))
			pass(time.Millisecond)
			start := time.Now()
			p.Send(wstest.Ping("still there?"))
			p.Want("answered", wstest.Pong("still there?"))
			wantTook(t, "the pong came", start, 0, within)
			if _, m, err := c.Read(t.Context(), nil); string(m) != "kept" || err != nil {
				t.Errorf("Read = %q, %v", m, err)
			}
		}
	})
}

// TestPumpAfterFullWindow: with the window full nobody listens; when a reader has
// made room, pings are answered again, although it reads no more.
func TestPumpAfterFullWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 1 << 20})
		c := curlew.NewConn(a, curlew.Server, nil)
		defer c.Abort(nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		for range 100 {
			p.Send(wstest.Binary(make([]byte, 1000)))
		}
		p.Send(wstest.Ping("behind"))
		pass(time.Hour)
		p.WantIdle("the window is full")
		for range 60 {
			if _, _, err := c.Read(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		p.Want("there is room again", wstest.Pong("behind"))
		wantTook(t, "the pong came", start, 0, within)
	})
}

// TestPumpBack: a driver whose callback took long gets the pump back at once, not
// when the peer says something: Writable may be due, and one goroutine is enough.
func TestPumpBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 100})
		c := curlew.NewConn(a, curlew.Server, noWriteTimeout(curlew.Options{SendQueue: 1000}))
		defer c.Abort(nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		writable := 0
		go curlew.Serve(context.Background(), c, &curlew.Events{
			Open:     func(c *curlew.Conn) { pass(time.Second) },
			Writable: func(c *curlew.Conn) { writable++ },
		})
		pass(2 * time.Second)
		synctest.Wait()
		for _, g := range goroutines() {
			if strings.Contains(g, "pumpWindow") {
				t.Errorf("an idle connection has a goroutine of ours beside Serve:\n%s", g)
			}
		}
		w, err := c.Writer(t.Context(), curlew.Binary)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := w.TryWrite(make([]byte, 5000)); n != 1000 || err != nil {
			t.Errorf("TryWrite = %d, %v", n, err)
		}
		p.Next("what it took")
		synctest.Wait()
		if writable != 1 {
			t.Errorf("Writable was called %d times", writable)
		}
	})
}

// TestPumpBackWithBytes: while the driver waits for the peer to take an answer,
// the window is filled; what was read beyond it is not lost when the driver goes
// on.
func TestPumpBackWithBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 50 << 10})
		c := curlew.NewConn(a, curlew.Server, noWriteTimeout(curlew.Options{}))
		defer c.Abort(nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		next := 0
		go curlew.Serve(context.Background(), c, &curlew.Events{Message: func(c *curlew.Conn, _ curlew.Type, m []byte) {
			if _, n, ok := stamp(m); !ok || n != next {
				t.Errorf("message %d, intact %t; want %d", n, ok, next)
			}
			if next++; next == 1 {
				c.Send(curlew.Binary, make([]byte, 60<<10)) // leaves when all that was read is handled
			}
		}})
		for n := range 100 {
			p.Send(wstest.Binary(stamped(0, n, 990)))
			if n == 0 {
				pass(time.Second) // the answer is being written
			}
		}
		pass(time.Second)
		p.WantMessage("the answer", curlew.Binary, make([]byte, 60<<10))
		synctest.Wait()
		if next != 100 || c.Err() != nil {
			t.Errorf("%d messages came, then %v", next, c.Err())
		}
	})
}
