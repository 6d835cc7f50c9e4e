package curlew

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/core"
)

var (
	errCloseTimeout = errors.New("curlew: peer did not end the connection in time")
	errPongTimeout  = errors.New("curlew: peer did not answer a ping in time")
	errWriteTimeout = errors.New("curlew: peer took no bytes for too long")
	errInactivity   = errors.New("curlew: inactivity timeout")
	errRequestTime  = errors.New("curlew: request timeout")
	errWriterIdle   = errors.New("curlew: a Writer was left idle")
	errAborted      = errors.New("curlew: aborted")
)

// Close begins the close handshake and returns once that is queued, behind the
// whole messages that were sent before; a message that a Writer has open is cut
// off. Done tells the end, which comes within Options.CloseTimeout also with a
// peer that does not answer. Only the first Close counts. What the peer sends
// after it is discarded. The code must be one that may be sent: 1000 to 1003,
// 1007 to 1014, 3000 to 4999; the reason at most 123 bytes of UTF-8. the code 0,
// which has no reason, sends a Close without a code. RFC 6455, 7.
func (c *Conn) Close(code Code, reason string) error {
	switch code {
	case NoStatus:
		return fmt.Errorf("%w: %v", ErrInvalidClose, code)
	case 0:
		code = NoStatus
	}
	if err := frame.CheckClose(code, reason); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidClose, err)
	}
	if !c.close(&CloseError{Code: code, Reason: reason}) {
		return c.endError(errClosing)
	}
	return nil
}

// Abort ends the connection at once, without a Close frame. Err is cause, or a
// general one for nil, with the code AbnormalClosure.
func (c *Conn) Abort(cause error) {
	if cause == nil {
		cause = errAborted
	}
	c.life.discard.Store(true)
	c.finish(&CloseError{Code: AbnormalClosure, Err: cause}, false)
}

// ended reports whether Err is set.
func (c *Conn) ended() bool { return c.life.err.Load() != nil }

// close begins the close handshake for the reason e, and reports whether it is
// the first to do so.
func (c *Conn) close(e *CloseError) bool {
	o := &c.out
	o.mu.Lock()
	if o.closed || !o.controlLocked().Close(e.Code, e.Reason) {
		o.mu.Unlock()
		return false
	}
	o.cause = e
	o.mu.Unlock()
	c.closeBegun()
	c.flushNow() // also out of a callback, which may take its time
	return true
}

// closeFull closes because the queue is full. What waits in it would only delay
// the Close.
func (c *Conn) closeFull() {
	o := &c.out
	o.mu.Lock()
	if o.closed || !o.controlLocked().Close(PolicyViolation, "send queue full") {
		o.mu.Unlock()
		return
	}
	o.cause = &CloseError{Code: PolicyViolation, Reason: "send queue full", Err: ErrQueueFull}
	notify := o.dropLocked(errClosing)
	o.mu.Unlock()
	notify()
	c.closeBegun()
	c.flushNow() // also out of a callback, which may take its time
}

// closeBegun makes sure that the ending goes on: the clock bounds it, and
// somebody reads the peer's Close.
func (c *Conn) closeBegun() {
	c.life.discard.Store(true)
	c.beginEnding()
	if !c.in.reading.Load() {
		c.pumpAway()
	}
}

// received takes a ping, a Close or a broken rule of the peer's into account.
// The caller holds the pump.
func (c *Conn) received(ev *core.Event) {
	o := &c.out
	o.mu.Lock()
	o.controlLocked().Handle(ev)
	if ev.Kind == core.Ping {
		o.mu.Unlock()
		return
	}
	if o.cause == nil {
		if ev.Kind == core.Close {
			o.cause = &CloseError{Code: ev.Code, Reason: ev.Reason, Remote: true}
		} else {
			o.cause = &CloseError{Code: ev.Err.Code, Reason: ev.Err.Text, Err: ev.Err}
		}
	}
	written := o.written
	o.mu.Unlock()
	c.beginEnding()
	if written {
		c.finish(nil, true)
	}
}

// closeWritten is called when the stream has our Close.
func (c *Conn) closeWritten() {
	o := &c.out
	o.mu.Lock()
	o.written = true
	s := o.closingLocked()
	done := s.Received || s.Failed
	o.mu.Unlock()
	if done {
		c.finish(nil, true)
	}
}

// finish sets what ended the connection, once: the first cause that was noted,
// else e. polite: our Close is written, and the peer's was received or we fail
// the connection, so that the stream is ended in the order of RFC 6455, 7.1.1;
// else it is closed at once.
func (c *Conn) finish(e *CloseError, polite bool) {
	o := &c.out
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return
	}
	o.closed = true
	c.terms.give()
	final := CloseError{}
	switch {
	case o.cause == nil:
		final = *e
	case e != nil && o.cause.Err == nil:
		final = *o.cause
		final.Err = e.Err
	default:
		final = *o.cause
	}
	received := o.closingLocked().Received
	final.orderly = polite && received
	if !o.busy {
		o.encoder.Release()
	}
	notify := o.dropLocked(errClosing)
	if polite {
		c.clock.deadline.Store(int64(c.now() + c.set.close))
	}
	c.life.closing.Store(true)
	c.life.polite.Store(polite)
	c.life.err.Store(&final) // under the lock: who is refused for o.closed finds Err set
	if c.life.done != nil {
		close(c.life.done)
	}
	o.mu.Unlock()

	notify()
	if polite {
		c.arm(time.Duration(c.clock.deadline.Load()))
		if c.role == Server || !received {
			c.endWrite()
		}
		c.wake()
	} else {
		c.cut()
	}
	c.window.Load().signal()
	if c.in.pump.CompareAndSwap(pumpFree, pumpGone) {
		c.goRetire()
	}
}

// cut closes the stream at once. A tls.Conn alone would wait for up to 5 s until
// the peer takes its farewell.
func (c *Conn) cut() {
	if t, ok := c.stream.(*tls.Conn); ok {
		t.NetConn().Close()
	}
	c.stream.Close()
}

// endWrite ends our side of the stream, if it has sides.
func (c *Conn) endWrite() {
	type closeWriter interface{ CloseWrite() error }
	if s, ok := c.stream.(closeWriter); ok {
		s.CloseWrite()
	}
	if t, ok := c.stream.(*tls.Conn); ok { // that was close_notify; now the connection below
		if s, ok := t.NetConn().(closeWriter); ok {
			s.CloseWrite()
		}
	}
}
