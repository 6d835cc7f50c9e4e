package curlew_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

var quiet = curlew.Options{PingInterval: -1}

// still is quiet without the inactivity timeout.
var still = curlew.Options{PingInterval: -1, InactivityTimeout: -1}

func TestInactivityTimeout(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		o := quiet
		s := open(t, memory, d, curlew.Server, &o)
		pass(4 * time.Minute)
		s.p.Send(wstest.Text("active"))
		s.p.Want("the echo", wstest.Text("active"))
		start := time.Now()
		s.p.WantClose("after 5 minutes", 1008, wstest.AnyReason)
		wantTook(t, "closed", start, 5*time.Minute-time.Second, 5*time.Minute+10*time.Second)
		s.p.Send(wstest.Close(1008, ""))
		s.wantEnd(1008, false, true)
	})
}

// TestSL7_InactivityPongs: pongs to our pings are activity.
func TestSL7_InactivityPongs(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, nil)
		for start := time.Now(); time.Since(start) < time.Hour; {
			s.p.Send(pongTo(t, s.p.Next("a ping")))
		}
	})
}

// TestSL7_InactivityOurPings: our own pings are not.
func TestSL7_InactivityOurPings(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, &curlew.Options{PongTimeout: -1})
		start := time.Now()
		for range 9 {
			pongTo(t, s.p.Next("a ping"))
		}
		e := s.end()
		if e.Code != 1008 || e.Remote {
			t.Errorf("ended by %v, want 1008", e)
		}
		wantTook(t, "closed", start, 5*time.Minute-time.Second, 5*time.Minute+15*time.Second)
	})
}

// TestInactivitySending: what is sent is activity too.
func TestInactivitySending(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		o := quiet
		s := open(t, memory, d, curlew.Server, &o)
		for range 10 {
			pass(4 * time.Minute)
			s.c.Send(curlew.Text, []byte("news"))
			s.p.Want("news", wstest.Text("news"))
		}
	})
}

// TestFR10_SL6_Dribble: bytes of a frame that never ends are no activity, and take
// no more memory than has come.
func TestFR10_SL6_Dribble(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, nil)
		start := time.Now()
		s.p.Send(wstest.Binary(nil).Length(1 << 20).Key([4]byte{1, 2, 3, 4}))
		talked := talk(s.p, []byte("x"), 20*time.Second)
		e := s.end()
		if e.Code != 1008 || e.Remote {
			t.Errorf("ended by %v, want 1008", e)
		}
		wantTook(t, "closed", start, 5*time.Minute-time.Second, 5*time.Minute+15*time.Second)
		wait(t, "the peer's end", talked)
	})
}

func TestRequestTimeout(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s := open(t, memory, d, curlew.Server, &curlew.Options{PingInterval: -1, RequestTimeout: time.Minute})
		start := time.Now()
		talked := talk(s.p, wire(curlew.Server, wstest.Pong("")), 7*time.Second) // activity does not help
		s.p.WantClose("after a minute", 1008, wstest.AnyReason)
		wantTook(t, "closed", start, time.Minute, 61*time.Second)
		s.p.Close()
		wait(t, "the peer's end", talked)
	})
}

func TestExtend(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		o := &curlew.Options{PingInterval: -1, InactivityTimeout: -1, RequestTimeout: time.Minute}
		s := open(t, memory, d, curlew.Server, o)
		for range 5 {
			pass(50 * time.Second)
			s.c.Extend(0) // a minute from now
		}
		s.c.Extend(time.Hour)
		pass(59 * time.Minute)
		s.p.WantIdle("extended by an hour")
		start := time.Now()
		s.c.Extend(time.Second) // shorter
		s.p.WantClose("after a second", 1008, wstest.AnyReason)
		wantTook(t, "closed", start, time.Second, 2*time.Second)

		s = open(t, memory, d, curlew.Server, o)
		s.c.Extend(math.MaxInt64)
		pass(time.Hour)
		s.p.WantIdle("further than time goes")

		s = open(t, memory, d, curlew.Server, o)
		s.c.Extend(-1)
		pass(time.Hour)
		s.p.WantIdle("no limit")
		n := still
		s = open(t, memory, d, curlew.Server, &n)
		s.c.Extend(time.Minute)
		s.p.WantClose("a limit where none was configured", 1008, wstest.AnyReason)
	})
}

// TestWriteTimeout: a peer that takes no bytes is dropped.
func TestWriteTimeout(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		o := still
		s, w := openWatched(t, d, curlew.Server, &o, &wstest.LinkOptions{Buffer: 1000})
		start := time.Now()
		err := s.c.Write(context.Background(), curlew.Binary, make([]byte, 5000))
		wantTook(t, "Write gave up", start, 10*time.Second, 12*time.Second)
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write = %v, want one that is net.ErrClosed", err)
		}
		e := s.end()
		if e.Orderly() || e.Err == nil {
			t.Errorf("ended by %v", e)
		}
		wait(t, "the stream's end", w.closed)
	})
}

// TestSL3_WriteTimeoutProgress: slow is not stuck.
func TestSL3_WriteTimeoutProgress(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		o := still
		s, _ := openWatched(t, d, curlew.Server, &o, &wstest.LinkOptions{Buffer: 32 << 10})
		done := make(chan error, 1)
		payload := make([]byte, 500<<10)
		go func() { done <- s.c.Write(context.Background(), curlew.Binary, payload) }()
		start := time.Now()
		var got int
		buf := make([]byte, 16<<10)
		for got < len(payload) {
			pass(5 * time.Second)
			n, err := s.p.Conn().Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes and %v: %v", got, time.Since(start), err)
			}
			got += n
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestWriterIdle: a Writer that is forgotten would hold everybody up.
func TestWriterIdle(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		o := still
		s := open(t, memory, d, curlew.Server, &o)
		w, err := s.c.Writer(t.Context(), curlew.Text)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.Write([]byte("piece"))
			pass(9 * time.Second) // not idle for long enough
		}
		for i := range 3 {
			f := s.p.Next("a piece")
			if string(f.Payload) != "piece" || f.Fin {
				t.Fatalf("piece %d is %v", i, f)
			}
		}
		start := time.Now()
		s.p.WantClose("forgotten", 1011, wstest.AnyReason)
		wantTook(t, "closed", start, 500*time.Millisecond, 3*time.Second)
		if _, err := w.Write([]byte("late")); err == nil {
			t.Error("Write after the failure succeeded")
		}
		s.c.Extend(time.Second) // the clock looks once more, which has ended in a loop
		wait(t, "the end", s.c.Done())
		wantTook(t, "ended, without an answer,", start, 4*time.Second, 9*time.Second)
	})
}

// TestWriterIdleTimeout: WriterTimeout is another time than that of Write.
func TestWriterIdleTimeout(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		o := still
		o.WriterTimeout = -1
		s := open(t, memory, d, curlew.Server, &o)
		w, err := s.c.Writer(t.Context(), curlew.Text)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("piece"))
		pass(time.Hour)
		w.Close()
		s.p.Want("a piece and much later the end", wstest.More(wstest.Text("piece")), wstest.Cont(""))

		o.WriterTimeout = time.Minute
		s = open(t, memory, d, curlew.Server, &o)
		if _, err = s.c.Writer(t.Context(), curlew.Text); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		s.p.WantClose("forgotten", 1011, wstest.AnyReason)
		wantTook(t, "closed", start, time.Minute, 67*time.Second)
	})
}

// TestSL5_Window: with nobody reading, so much is read ahead and no more; the clocks
// stand still, and nothing is lost when reading begins.
func TestSL5_Window(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		defer c.Abort(nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		const messages, size = 300, 1000
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range messages {
				m := make([]byte, size)
				m[0] = byte(i)
				if _, err := p.Conn().Write(wire(curlew.Server, wstest.Binary(m))); err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			}
		}()
		pass(time.Hour) // pings go unanswered meanwhile: we do not listen
		if err := c.Err(); err != nil {
			t.Fatalf("ended while nobody read: %v", err)
		}
		read := c.Info().BytesRead
		if read < 32<<10 || read > 160<<10 {
			t.Errorf("%d bytes were read ahead, want about 64 KiB", read)
		}
		for i := range messages {
			_, m, err := c.Read(t.Context(), nil)
			if err != nil || len(m) != size || m[0] != byte(i) {
				t.Fatalf("message %d: %d bytes, %v", i, len(m), err)
			}
		}
		<-sent
	})
}

// TestSL5_SlowCallback: while a callback takes its time, pings and the Close are
// answered.
func TestSL5_SlowCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		var order []string
		served := make(chan error, 1)
		go func() {
			served <- curlew.Serve(context.Background(), c, &curlew.Events{
				Message: func(c *curlew.Conn, _ curlew.Type, m []byte) {
					pass(time.Hour)
					order = append(order, string(m))
				},
				Close: func(*curlew.Conn, *curlew.CloseError) { order = append(order, "close") },
			})
		}()
		p.Send(wstest.Text("slow"), wstest.Ping("one"))
		start := time.Now()
		p.Want("answered meanwhile", wstest.Pong("one"))
		p.Send(wstest.Close(1000, ""))
		p.WantClose("answered meanwhile", 1000, "")
		wantTook(t, "all", start, 0, time.Second)
		p.WantEOF("the server ends")
		p.Close()
		<-served
		if len(order) != 2 || order[0] != "slow" || order[1] != "close" {
			t.Errorf("the callbacks were %q", order)
		}
	})
}

// TestRX16_RX17_HalfDead: a peer that vanished, behind a black hole.
func TestRX16_RX17_HalfDead(t *testing.T) {
	inBubbles(t, func(t *testing.T, d driver) {
		s, w := openWatched(t, d, curlew.Server, nil, nil)
		w.Peer().DropAfter(0)
		start := time.Now()
		s.wantEnd(1006, true, false)
		wantTook(t, "noticed", start, 32*time.Second, 40*time.Second)
		wait(t, "the stream's end", w.closed)
	})
}

// plain hides everything of a stream but what Stream asks for.
type plain struct {
	c interface {
		io.ReadWriteCloser
		SetReadDeadline(time.Time) error
	}
}

func (p plain) Read(b []byte) (int, error)        { return p.c.Read(b) }
func (p plain) Write(b []byte) (int, error)       { return p.c.Write(b) }
func (p plain) Close() error                      { return p.c.Close() }
func (p plain) SetReadDeadline(t time.Time) error { return p.c.SetReadDeadline(t) }

// TestPlainStream: no addresses, no CloseWrite, no write deadlines.
func TestPlainStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(plain{a}, curlew.Server, nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		p.Send(wstest.Text("hello"))
		_, m, err := c.Read(t.Context(), nil)
		if string(m) != "hello" || err != nil {
			t.Fatalf("Read = %q, %v", m, err)
		}
		if i := c.Info(); i.LocalAddr != nil || i.RemoteAddr != nil || i.TLS != nil || i.URL != nil {
			t.Errorf("Info = %+v", i)
		}
		c.Close(1000, "")
		p.WantClose("ours", 1000, "")
		p.Send(wstest.Close(1000, ""))
		<-c.Done()
		p.WantEOF("closed, in time")
	})
}

// TestReadDeadlineIsNotOurs: a Read given up by its context loses nothing, and
// the stream's deadline is left as it was.
func TestReadDeadlineIsNotOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		defer c.Abort(nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		for i := range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _, err := c.Read(ctx, nil)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) && err != context.DeadlineExceeded {
				t.Fatalf("Read %d = %v, want the context's error", i, err)
			}
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.Read(done, nil); err != context.Canceled {
			t.Errorf("Read with an ended context = %v", err)
		}
		p.Send(wstest.Text("whole"))
		if _, m, err := c.Read(t.Context(), nil); string(m) != "whole" || err != nil {
			t.Errorf("Read = %q, %v", m, err)
		}
	})
}

// TestCloseTimeoutOnce: the ending has CloseTimeout from its first cause on; that
// the peer closes too, and takes nothing, does not prolong it.
func TestCloseTimeoutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := stuck(t, noWriteTimeout(curlew.Options{}))
		start := time.Now()
		c.Close(1000, "")
		pass(4 * time.Second)
		p.Send(wstest.Close(1001, ""))
		<-c.Done()
		wantTook(t, "Done", start, 5*time.Second, 5*time.Second+100*time.Millisecond)
	})
}

// TestAbortAtOnce: Abort does not wait for a peer that takes nothing, nor does TLS
// under it.
func TestAbortAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 10000})
		ours, _ := secure(t, curlew.Server, a, b)
		ours.SetWriteDeadline(time.Now().Add(time.Second))
		ours.(*tls.Conn).NetConn().Write(make([]byte, 10000)) // as full as can be
		c := curlew.NewConn(ours, curlew.Server, nil)
		start := time.Now()
		c.Abort(nil)
		wantTook(t, "Abort returned", start, 0, 0)
		wait(t, "the end", c.Done())
	})
}
