package curlew

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/frame"
)

// Interleavings that cannot be brought about from outside, played step by step.

// TestWriteDroppedMeanwhile: a Write that flushes for itself finds its message
// gone from the queue, because the connection was closed between two steps of it.
func TestWriteDroppedMeanwhile(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	go io.Copy(io.Discard, b)
	c := NewConn(a, Server, nil)
	defer c.Abort(nil)
	o := &c.out
	o.mu.Lock()
	o.busyLocked()
	o.flusher.own = ownWaits
	o.pushLocked(message{op: frame.Binary, data: []byte("mine"), own: true})
	o.mu.Unlock()
	c.closeFull()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.writeRest(ctx); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write = %v, want one that is net.ErrClosed", err)
	}
}

// TestNothingBehindClose: messages wait behind a Writer, our Close passes them,
// and then the Writer gives its turn back.
func TestNothingBehindClose(t *testing.T) {
	c := newBare(nil)
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busyLocked()
	o.writer = &Writer{c: c}
	o.pushLocked(message{op: frame.Binary, data: []byte("behind")})
	o.controlLocked().Close(NormalClosure, "")
	if _, ok := o.popLocked(); ok {
		t.Error("a message passed the Writer")
	}
	o.control.AppendClose(nil, &o.encoder)
	o.writer = nil
	if o.waitsLocked() {
		t.Error("something is to be sent behind the Close")
	}
	if _, ok := o.popLocked(); ok {
		t.Error("a message is sent behind the Close")
	}
}

// newBare returns a connection without a stream, which is not started.
func newBare(a *agenda) *Conn {
	return newConn(nil, newTerms(Server, newSettings(nil), &established{}), a, nil)
}

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if b, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if a, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// TestReadIsActivity: a Read that lets go of the intake does not forget that a
// message has come.
func TestReadIsActivity(t *testing.T) {
	a, b := tcpPair(t)
	c := NewConn(a, Client, nil)
	defer c.Abort(nil)
	c.in.active.Store(-1)
	b.Write(append(frame.Header{Fin: true, Opcode: frame.Text, Length: 1}.Append(nil), 'x'))
	if _, _, err := c.Read(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if c.in.active.Load() == -1 {
		t.Error("a message was read, and that was no activity")
	}
}

// TestWriterTimeoutShort: a WriterTimeout that is less than WriteTimeout, or there is
// none, is kept to.
func TestWriterTimeoutShort(t *testing.T) {
	for _, write := range []time.Duration{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			defer b.Close()
			go io.Copy(io.Discard, b)
			c := NewConn(a, Server, &Options{WriterTimeout: time.Second, WriteTimeout: write, PingInterval: -1, InactivityTimeout: -1, CloseTimeout: time.Second})
			time.Sleep(time.Minute)
			w, err := c.Writer(t.Context(), Text)
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte("x"))
			start := time.Now()
			select {
			case <-c.Done():
			case <-time.After(time.Hour):
				c.Abort(nil)
			}
			if d := time.Since(start); d != 2*time.Second {
				t.Errorf("WriteTimeout %v: ended after %v", write, d)
			}
		})
	}
}

// TestBeginWhileReadAhead: the life of a connection may be over before Handle begins,
// so that somebody pumps.
func TestBeginWhileReadAhead(t *testing.T) {
	for range 20 {
		a, b := tcpPair(t)
		c := newConn(a, newTerms(Server, newSettings(nil), &established{}), nil, nil)
		c.startClock(never)
		b.Write(frame.Header{Fin: true, Opcode: frame.Ping, Masked: true}.Append(nil))
		c.close(&CloseError{Code: PolicyViolation}) // as tickLife
		if err := c.enter(); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		d := &driver{c: c, ev: &Events{Close: func(*Conn, *CloseError) { close(done) }}}
		go d.begin()
		b.Close()
		<-done
	}
}

// TestWritableAndNewStack: a wake may have two reasons.
func TestWritableAndNewStack(t *testing.T) {
	a, _ := tcpPair(t)
	c := newConn(a, newTerms(Server, newSettings(nil), &established{}), nil, nil)
	defer c.Abort(nil)
	c.startClock(never)
	c.enter()
	called := make(chan struct{})
	d := &driver{c: c, ev: &Events{Writable: func(*Conn) { close(called) }}}
	c.in.pump.Store(pumpHeld)
	c.in.reader.mine = true
	c.in.restack.Store(true)
	c.out.writable.Store(true)
	c.wake()
	go d.handle()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-called:
	case <-ctx.Done():
		t.Error("Writable was not called")
	}
}

// TestCorkOfSmall: a callback that sends many small messages does not fill the queue
// before anybody begins to write.
func TestCorkOfSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		c := NewConn(a, Server, nil)
		defer c.Abort(nil)
		first := make(chan struct{})
		go func() { io.ReadFull(b, make([]byte, 1)); close(first); io.Copy(io.Discard, b) }()
		took := make(chan time.Duration, 1)
		go Serve(t.Context(), c, &Events{Message: func(*Conn, Type, []byte) {
			for range 256 << 10 / smallMessage * 3 / 4 {
				if err := c.Send(Text, nil); err != nil {
					t.Error(err)
				}
			}
			start := time.Now()
			<-first
			took <- time.Since(start)
		}})
		b.Write(frame.Header{Fin: true, Opcode: frame.Text, Masked: true}.Append(nil))
		if d := <-took; d > 0 {
			t.Errorf("three quarters of a queue waited for %v", d)
		}
	})
}

// TestWriterTurn: the time of a Writer begins with its turn.
func TestWriterTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBare(nil)
		time.Sleep(time.Hour)
		o := &c.out
		w := &Writer{c: c} // who has waited for an hour
		o.mu.Lock()
		o.pushLocked(message{lane: w, wait: newWaiter()})
		o.busyLocked()
		o.mu.Unlock()
		c.flush(false)
		if o.writer != w || w.last != c.now() {
			t.Errorf("its turn has come, and it was last used %v ago", c.now()-w.last)
		}
	})
}

// TestMeterWaits: credit that was given while we did not read ends as soon as a read
// has to wait, however short, and not because a read takes long.
func TestMeterWaits(t *testing.T) {
	a, b := tcpPair(t)
	c := newConn(a, newTerms(Client, newSettings(&Options{MessagesPerSecond: 10}), &established{}), nil, nil)
	defer c.Abort(nil)
	send := func(n int) {
		for range n {
			b.Write(frame.Header{Fin: true, Opcode: frame.Text}.Append(nil))
		}
	}
	read := func() {
		if _, _, err := c.Read(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	send(1)
	read()
	m := c.in.intake.meter
	m.last -= time.Minute // of a callback
	send(300)
	for range 300 {
		read()
	}
	go func() {
		for wait := true; wait; runtime.Gosched() {
			wait = c.in.pump.Load() != pumpHeld // Read waits, or is about to
		}
		send(1)
	}()
	for {
		m.messages.has = 100
		if read(); c.fd.Waited() {
			break
		}
		go send(1)
	}
	if m.messages.has > 9 {
		t.Errorf("after a wait %v messages may come", m.messages.has)
	}
}
