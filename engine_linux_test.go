package curlew

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/poll"
)

// attachedTo returns a connection of the engine whose turns the test calls itself, and
// the other end.
func attachedTo(t *testing.T, o *Options, ev *Events) (*parked, net.Conn) {
	t.Helper()
	ours, peer := tcpPair(t)
	h := &eventHandler{}
	p := h.attach(newConn(ours, newTerms(Server, newSettings(o), &established{}), nil, nil), ev)
	if p == nil {
		t.Fatal("not attached")
	}
	t.Cleanup(func() {
		p.c.Abort(nil)
		for p.Ready(); p.c.clock.wake.Load() != stopped; p.Ready() {
			runtime.Gosched() // somebody else has the pump
		}
	})
	return p, peer
}

// comes sends a message and waits until the engine has said so.
func (p *parked) comes(t *testing.T, peer net.Conn, text string) {
	t.Helper()
	h := frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Length: int64(len(text))}
	if _, err := peer.Write(append(h.Append(nil), text...)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !p.desc.Has(poll.In); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("waited in vain for an event")
		}
	}
}

// TestPausedTurn: what comes during a pause does not put off that somebody reads ahead.
func TestPausedTurn(t *testing.T) {
	var got []string
	p, peer := attachedTo(t, nil, &Events{Message: func(c *Conn, _ Type, b []byte) {
		got = append(got, string(b))
		c.Pause()
	}})
	p.Ready()
	p.comes(t, peer, "first")
	p.Ready()
	turns := p.c.in.turns.Load()
	p.comes(t, peer, "second")
	p.Ready()
	if n := p.c.in.turns.Load(); n != turns {
		t.Errorf("the pump was taken and let go of %d times", n-turns)
	}
	if len(got) != 1 {
		t.Errorf("%q during the pause", got)
	}
	p.c.Resume()
	if p.Ready(); len(got) != 2 {
		t.Errorf("%q after the pause", got)
	}
}

// TestWriteClock: only what the peer takes puts off WriteTimeout, not every attempt.
func TestWriteClock(t *testing.T) {
	p, _ := attachedTo(t, nil, &Events{})
	c := p.c
	c.out.mu.Lock()
	c.out.busyLocked()
	f := c.out.flusher
	c.out.mu.Unlock()
	rest := make([]byte, 64<<20)
	for before := 0; before != len(rest); {
		before = len(rest)
		f.writing.Store(5)
		if err := c.write(&rest, true); err != nil {
			t.Fatal(err)
		}
	}
	if at := f.writing.Load(); at != 5 {
		t.Errorf("the clock was set from 5 to %d, and nothing was taken", at)
	}
	f.writing.Store(0)
	c.write(&rest, true)
	if f.writing.Load() == 0 {
		t.Error("the clock was not set")
	}
	c.out.mu.Lock()
	c.idleLocked()
	c.out.mu.Unlock()
}

// TestFlushTurn: who has much to send does not keep others from sending.
func TestFlushTurn(t *testing.T) {
	p, peer := attachedTo(t, &Options{SendQueue: -1}, &Events{})
	c := p.c
	var read atomic.Int64 // by the peer
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, err := peer.Read(b)
			if err != nil {
				return
			}
			read.Add(int64(n))
		}
	}()
	c.out.mu.Lock()
	c.out.busyLocked()
	c.out.mu.Unlock()
	for range 5000 {
		c.Send(Binary, make([]byte, 4000))
	}
	f := c.out.flusher
	for whole := 0; ; whole++ {
		done, _ := c.flush(true)
		if done {
			if whole == 0 {
				t.Error("all was written at once")
			}
			break
		}
		if len(f.wire)+len(f.tail) > 0 {
			whole-- // the system took no more
		}
		for read.Load() < c.traffic.bytesWritten.Load() {
			runtime.Gosched()
		}
	}
}
