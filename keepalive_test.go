package curlew_test

import (
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

// inBubbles runs a test in a bubble for each driver.
func inBubbles(t *testing.T, f func(t *testing.T, d driver)) {
	for _, d := range everyDriver {
		t.Run(string(d), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, d) })
		})
	}
}

// wantTook checks a time in a bubble. A clock may be late by a little.
func wantTook(t *testing.T, what string, start time.Time, from, to time.Duration) {
	t.Helper()
	if took := time.Since(start); took < from || took > to {
		t.Errorf("%s after %v, want %v to %v", what, took, from, to)
	}
}

func pongTo(t *testing.T, f wstest.Frame) wstest.Frame {
	t.Helper()
	if f.Opcode != frame.Ping {
		t.Fatalf("got %v, want a ping", f)
	}
	return wstest.Pong(string(f.Payload))
}

func TestKeepalivePings(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, nil)
		for range 10 {
			start := time.Now()
			ping := s.p.Next("a ping of a silent peer")
			wantTook(t, "pinged", start, 22*time.Second, 28*time.Second)
			s.p.Send(pongTo(t, ping))
		}
		s.p.WantIdle("a ping at a time")
	})
}

func TestKeepaliveClient(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Client, &curlew.Options{PingInterval: time.Second})
		for range 3 {
			start := time.Now()
			ping := s.p.Next("a ping")
			wantTook(t, "pinged", start, 800*time.Millisecond, 1300*time.Millisecond)
			s.p.Send(pongTo(t, ping))
		}
	})
}

// TestKeepaliveBusyPeer: who is heard of needs no ping.
func TestKeepaliveBusyPeer(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, nil)
		for range 30 {
			pass(10 * time.Second)
			s.p.Send(wstest.Text("busy"))
			s.p.Want("the echo and no ping", wstest.Text("busy"))
		}
	})
}

func TestKeepaliveOff(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, &curlew.Options{PingInterval: -1, InactivityTimeout: -1})
		pass(24 * time.Hour)
		s.p.WantIdle("no ping for a day")
		s.p.Send(wstest.Text("still there"))
		s.p.Want("the echo", wstest.Text("still there"))
	})
}

func TestSL8_PongTimeout(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, nil)
		pongTo(t, s.p.Next("a ping"))
		start := time.Now()
		e := s.wantEnd(1006, true, false)
		wantTook(t, "ended", start, 9900*time.Millisecond, 11*time.Second)
		if e.Err == nil || len(s.errs) != 1 && d != byRead {
			t.Errorf("the cause is missing in %v, errors %v", e, s.errs)
		}
	})
}

// TestSL8_PongTimeoutAnything: whatever is heard counts as life.
func TestSL8_PongTimeoutAnything(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, nil)
		for range 5 {
			pongTo(t, s.p.Next("a ping"))
			pass(9 * time.Second)
			s.p.Send(wstest.Text("no pong, but alive"))
			s.p.Want("the echo", wstest.Text("no pong, but alive"))
		}
	})
}

func TestPongTimeoutOff(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, &curlew.Options{PongTimeout: -1, InactivityTimeout: -1})
		for range 10 {
			pongTo(t, s.p.Next("pinged on"))
		}
	})
}

// TestPingRTT: Ping tells the round trip, and Info that of the last one.
func TestPingRTT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		a.Delay(30 * time.Millisecond)
		b.Delay(70 * time.Millisecond)
		s, c := curlew.NewConn(a, curlew.Server, nil), curlew.NewConn(b, curlew.Client, nil)
		defer c.Abort(nil)
		defer s.Abort(nil)
		go c.Read(t.Context(), nil)
		go s.Read(t.Context(), nil)
		for _, x := range []*curlew.Conn{s, c} {
			rtt, err := x.Ping(t.Context())
			if err != nil || rtt != 100*time.Millisecond {
				t.Errorf("Ping = %v, %v; want 100 ms", rtt, err)
			}
			if got := x.Info().RTT; got != rtt {
				t.Errorf("Info().RTT = %v, want %v", got, rtt)
			}
		}
	})
}

// TestPingNobodyReads: pings are answered, and pongs seen, although no
// application reads on either side.
func TestPingNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := wstest.Pipe(nil, nil)
		defer c.Abort(nil)
		defer s.Abort(nil)
		start := time.Now()
		for range 3 {
			if _, err := c.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		}
		wantTook(t, "answered", start, 0, time.Second)
	})
}

// TestPingMany: several at once, all answered, also by one pong to the last.
func TestPingMany(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, nil)
		errs := make(chan error)
		for range 5 {
			go func() {
				_, err := s.c.Ping(context.Background())
				errs <- err
			}()
		}
		synctest.Wait()
		// Pings may be fewer than asked for; the last one is the newest.
		b := make([]byte, 1000)
		n, err := s.p.Conn().Read(b)
		if err != nil {
			t.Fatal(err)
		}
		var last []byte
		for b = b[:n]; len(b) > 0; {
			h, n, err := frame.Parse(b)
			if err != nil || h.Opcode != frame.Ping {
				t.Fatalf("got %v, %v; want pings", h, err)
			}
			last, b = b[n:n+int(h.Length)], b[n+int(h.Length):]
		}
		s.p.Send(wstest.Pong(string(last)))
		for range 5 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestPingWait: the context gives up the wait, not the connection.
func TestPingWait(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.c.Ping(ctx); err != context.DeadlineExceeded {
			t.Errorf("Ping = %v, want the context's error", err)
		}
		first := s.p.Next("the ping")
		s.p.Send(wstest.Pong("of another"), wstest.Text("alive"))
		s.p.Want("the echo", wstest.Text("alive"))
		done := make(chan error, 1)
		go func() {
			_, err := s.c.Ping(t.Context())
			done <- err
		}()
		second := s.p.Next("the second ping")
		s.p.Send(pongTo(t, first)) // late
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("a pong to the first ping ended the second: %v", err)
		default:
		}
		s.p.Send(pongTo(t, second))
		if err := <-done; err != nil {
			t.Error(err)
		}
		go func() {
			_, err := s.c.Ping(context.Background())
			done <- err
		}()
		synctest.Wait()
		s.c.Abort(nil)
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Ping on a lost connection = %v", err)
		}
	})
}
