package curlew

import (
	"context"
	"time"

	"curlew.example/curlew/frame"
)

// A Writer sends one message in pieces. Whole messages of others queue behind
// it, also those of the goroutine that holds it: it must be closed before they
// leave. Control frames and Close pass. Left idle longer than
// Options.WriterTimeout it fails the connection with 1011. One goroutine may use
// it.
//
// The message may be larger than MaxMessage. Text that is not UTF-8 is refused
// at the byte that makes it so, with ErrInvalidUTF8; then, as the message cannot
// be completed, the connection is closed with 1011.
type Writer struct {
	c    *Conn
	ctx  context.Context
	t    Type
	text frame.UTF8

	err error // why nothing more can be written

	// Guarded by c.out.mu.
	parts []message
	bytes int           // of payload in parts
	last  time.Duration // when it was last used
}

// Writer waits until it is this message's turn and returns the Writer for it.
// ctx bounds this wait and those of the Writer's Write and WriteFrame.
func (c *Conn) Writer(ctx context.Context, t Type) (*Writer, error) {
	if t != Text && t != Binary {
		return nil, errType
	}
	now := c.now()
	w := &Writer{c: c, ctx: ctx, t: t, last: now}
	o := &c.out
	o.mu.Lock()
	if err := o.closedLocked(); err != nil {
		o.mu.Unlock()
		return nil, c.endError(err)
	}
	if o.writer == nil && o.queue == nil {
		o.writer = w
		o.mu.Unlock()
		c.arm(now + c.set.writer)
		return w, nil
	}
	turn := newWaiter()
	o.pushLocked(message{lane: w, wait: turn})
	o.mu.Unlock()
	c.flushNow()
	c.blocks()
	select {
	case err := <-turn.done:
		if err != nil {
			return nil, c.endError(err)
		}
		w.touch()
		return w, nil
	case <-ctx.Done():
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !turn.begun {
		o.removeLocked(turn)
	} else if o.writer == w {
		o.writer = nil // nothing was sent yet
		if o.waitsLocked() && !o.busy {
			c.goFlushLocked()
		}
	}
	return nil, ctx.Err()
}

// Write sends p as part of the message, in frames of at most Options.MaxFrame,
// and returns when the stream has it.
func (w *Writer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, w.err
	}
	return w.send(p, false, false)
}

// WriteFrame sends p as exactly one frame, which is not the last one, and
// returns when the stream has it. An empty one is a frame too.
func (w *Writer) WriteFrame(p []byte) error {
	_, err := w.send(p, true, false)
	return err
}

// Close sends the last frame, empty, and returns when it is queued: it never
// blocks.
func (w *Writer) Close() error { return w.Finish(nil) }

// Finish sends p as the last frame of the message and returns when it is queued:
// it never blocks. p is copied.
func (w *Writer) Finish(p []byte) error {
	if err := w.check(p, true); err != nil {
		return err
	}
	err := w.push(message{part: true, whole: true, last: true}, p)
	w.err = ErrWriterClosed
	w.c.kick()
	return w.c.endError(err)
}

// TryWrite queues as much of p as Options.SendQueue has room for, maybe nothing,
// and returns how much; whole messages that wait do not take that room. It never
// blocks. After it took less than all,
// Events.Writable says when there is room again. The next call continues the
// message, whatever it is given.
func (w *Writer) TryWrite(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	o := &w.c.out
	o.mu.Lock()
	n := min(len(p), max(w.c.set.sendQueue-w.bytes, 0))
	if len(w.parts) >= w.c.set.mostMessages() {
		n = 0
	}
	if n < len(p) {
		o.short = true
	}
	o.mu.Unlock()
	if n == 0 {
		return 0, nil
	}
	if err := w.check(p[:n], false); err != nil {
		return 0, err
	}
	if err := w.push(message{part: true}, p[:n]); err != nil {
		return 0, w.c.endError(err)
	}
	w.c.kick()
	return n, nil
}

// send queues p and waits until it is written.
func (w *Writer) send(p []byte, whole, last bool) (int, error) {
	if err := w.check(p, last); err != nil {
		return 0, err
	}
	m := message{wait: newWaiter(), part: true, whole: whole, last: last}
	if err := w.push(m, p); err != nil {
		return 0, w.c.endError(err)
	}
	w.c.flushNow()
	w.c.blocks()
	// A piece that is queued is part of the message: it cannot be taken back.
	select {
	case err := <-m.wait.done:
		w.touch()
		if err != nil {
			w.err = err
			return 0, w.c.endError(err)
		}
		return len(p), nil
	case <-w.ctx.Done():
		return len(p), &sendingError{w.ctx.Err()}
	}
}

// check checks a piece and whether the Writer can still send.
func (w *Writer) check(p []byte, last bool) error {
	if w.err != nil {
		return w.err
	}
	if w.t == Text && w.c.set.checkUTF8 && (!w.text.Write(p) || last && !w.text.Done()) {
		w.err = ErrInvalidUTF8
		w.c.close(&CloseError{Code: InternalError, Reason: "invalid text", Err: ErrInvalidUTF8})
		return w.err
	}
	return nil
}

// push queues a copy of p as the piece m.
func (w *Writer) push(m message, p []byte) error {
	o := &w.c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.closedLocked(); err != nil {
		w.err = ErrWriterClosed
		return err
	}
	if n := len(w.parts); o.writer != w || n > 0 && w.parts[n-1].last {
		return ErrWriterClosed // by another goroutine
	}
	m.op = frame.Opcode(w.t)
	m.copy(p, true)
	now := w.c.now()
	w.last = now
	w.c.in.active.Store(int64(now))
	w.parts = append(w.parts, m)
	w.bytes += m.size()
	return nil
}

// touch notes that the Writer is not idle.
func (w *Writer) touch() {
	now := w.c.now()
	w.c.out.mu.Lock()
	w.last = now
	w.c.out.mu.Unlock()
	w.c.arm(now + w.c.set.writer)
}
