package curlew

import (
	"context"
	"errors"
	"fmt"
	"net"
	"unicode/utf8"

	"curlew.example/curlew/frame"
)

// errClosing is what senders get from when a Close is queued until Err is set.
var errClosing = fmt.Errorf("curlew: connection is closing: %w", net.ErrClosed)

// errType: a type that is neither Text nor Binary.
var errType = errors.New("curlew: message type is neither Text nor Binary")

// sendable checks a whole message given by the application; valid says that it is
// known to be UTF-8.
func (c *Conn) sendable(t Type, p []byte, valid bool) error {
	switch {
	case t != Text && t != Binary:
		return errType
	case int64(len(p)) > c.set.maxMessage:
		return ErrTooBig
	case t == Text && c.set.checkUTF8 && !valid && !utf8.Valid(p):
		return ErrInvalidUTF8
	}
	return nil
}

// closedLocked is why nothing may be sent any more, or nil.
func (o *outbound) closedLocked() error {
	if o.closed || o.closingLocked().Queued {
		return errClosing
	}
	return nil
}

// endError is err, or what ended the connection if that is known by now.
func (c *Conn) endError(err error) error {
	if err == errClosing && c.ended() {
		return c.Err()
	}
	return err
}

// Write sends a message and returns when the stream has it. p is not used
// afterwards. Messages leave in the order of the calls. If ctx ends before the
// message's turn, nothing of it was sent and ctx's error is returned; if it is
// under way by then, it is completed from a copy, and the error matches both
// ErrSending and ctx's. ErrTooBig, ErrInvalidUTF8: nothing was sent.
func (c *Conn) Write(ctx context.Context, t Type, p []byte) error {
	if err := c.sendable(t, p, false); err != nil {
		return err
	}
	// With a context that may end, a blocked write must not hold us. (A context may be
	// made of Conn.Done, which takes the lock.)
	try := ctx.Done() != nil || c.parked != nil
	o := &c.out
	o.mu.Lock()
	if err := o.closedLocked(); err != nil {
		o.mu.Unlock()
		return c.endError(err)
	}
	c.in.active.Store(int64(c.now()))
	if o.busy || o.writer != nil || try && c.parked == nil && c.fd == nil {
		return c.writeQueued(ctx, t, p)
	}
	o.busyLocked()
	o.flusher.own = ownWaits
	o.pushLocked(message{op: frame.Opcode(t), data: p, own: true})
	o.mu.Unlock()
	done, err := c.flush(try)
	if !done {
		return c.writeRest(ctx)
	}
	return c.endError(err)
}

// writeQueued queues a copy of p and waits until it is written. The caller has
// locked c.out.mu, which is released.
func (c *Conn) writeQueued(ctx context.Context, t Type, p []byte) error {
	o := &c.out
	m := message{op: frame.Opcode(t), wait: newWaiter()}
	m.copy(p, o.queue != nil)
	o.pushLocked(m)
	if !o.busy && o.waitsLocked() {
		c.goFlushLocked()
	}
	o.mu.Unlock()
	return c.await(ctx, m.wait)
}

// writeRest is called when the stream did not take all at once of what the
// caller, who is busy, flushed. What is the caller's is copied, another
// goroutine goes on, and we wait.
func (c *Conn) writeRest(ctx context.Context) error {
	o := &c.out
	f, w := o.flusher, newWaiter()
	o.mu.Lock()
	if f.own == ownEncoded {
		w.begun = true
		f.wrote = append(f.wrote, w)
		if len(f.tail) > 0 && f.tailOf.own {
			f.tailOf = message{}
			f.tailOf.copy(f.tail, true)
			f.tail = f.tailOf.data
		}
	} else if m := o.ownLocked(); m != nil {
		m.copy(m.data, true)
		m.own, m.wait = false, w
	} else {
		w.done <- errClosing // it was dropped meanwhile
	}
	f.own = ownNone
	c.goOnLocked()
	o.mu.Unlock()
	return c.await(ctx, w)
}

// ownLocked returns the message in the queue of whoever flushes for one, if it is
// still there.
func (o *outbound) ownLocked() *message {
	all := o.messagesLocked()
	for i := range all {
		if m := &all[i]; m.own {
			return m
		}
	}
	return nil
}

// await waits until w's message is written.
func (c *Conn) await(ctx context.Context, w *waiter) error {
	c.blocks()
	select {
	case err := <-w.done:
		return c.endError(err)
	case <-ctx.Done():
	}
	o := &c.out
	o.mu.Lock()
	if !w.begun {
		o.removeLocked(w)
	}
	begun := w.begun
	o.mu.Unlock()
	select {
	case err := <-w.done: // meanwhile
		return c.endError(err)
	default:
	}
	if begun {
		return &sendingError{ctx.Err()}
	}
	return ctx.Err()
}

// A sendingError is ErrSending and the error of the context.
type sendingError struct{ err error }

func (e *sendingError) Error() string   { return ErrSending.Error() + ": " + e.err.Error() }
func (e *sendingError) Unwrap() []error { return []error{ErrSending, e.err} }

// Send queues a message and never blocks. p is copied. With the queue full,
// Options.WhenFull decides; who would rather wait than lose the message or the
// connection chooses WhenFullDropNewest and calls Write upon ErrQueueFull, or waits
// for Events.Writable. Within a callback of Events what is sent leaves when all that
// was read at once is handled. ErrTooBig, ErrInvalidUTF8, ErrQueueFull: nothing was
// queued.
func (c *Conn) Send(t Type, p []byte) error {
	if err := c.sendable(t, p, false); err != nil {
		return err
	}
	return c.enqueue(message{op: frame.Opcode(t)}, p, nil)
}

// SendPrepared is Send for a message that goes to many connections: it is
// framed, and compressed where it can be, once for all of them.
func (c *Conn) SendPrepared(m *Prepared) error { return (*Batch)(nil).Send(c, m) }

// enqueue queues m with a copy of p, or applies the policy. With b nil a goroutine of
// its own flushes it.
func (c *Conn) enqueue(m message, p []byte, b *Batch) error {
	o := &c.out
	o.mu.Lock()
	if err := o.closedLocked(); err != nil {
		o.mu.Unlock()
		return c.endError(err)
	}
	size := len(p)
	if m.prepared != nil {
		size = len(m.prepared.data)
	}
	if !c.fitsLocked(size) && !c.makeRoomLocked(size) {
		drop := c.set.whenFull == WhenFullDropNewest
		o.refused = drop
		o.mu.Unlock()
		if drop {
			c.traffic.dropped.Add(1)
			return ErrQueueFull
		}
		c.closeFull()
		return c.endError(errClosing)
	}
	if m.prepared == nil {
		m.copy(p, o.queue != nil)
	}
	if o.corked { // an answer: not long ago
		c.touch(c.in.heard.Load())
	} else {
		c.in.active.Store(int64(c.now()))
	}
	o.pushLocked(m)
	corked := o.corked && o.bytesLocked() <= min(corkSize, c.set.sendQueue/2) && len(o.messagesLocked()) <= c.set.mostMessages()/2
	switch {
	case o.busy || corked || !o.waitsLocked():
	case b == nil:
		c.goFlushLocked()
	case !o.due:
		o.due = true
		b.conns = append(b.conns, c)
	}
	o.mu.Unlock()
	return nil
}

// A queue holds at most a message for every smallMessage bytes of SendQueue, or
// fewMessages: what waits costs memory besides its payload, which may be empty.
const (
	smallMessage = 64
	fewMessages  = 1024
)

// fitsLocked reports whether a message of size bytes may be queued. An empty queue
// takes any.
func (c *Conn) fitsLocked(size int) bool {
	q := c.out.queue
	if q == nil {
		return true
	}
	return (q.bytes == 0 || size <= c.set.sendQueue-q.bytes) &&
		len(q.messages)-q.head < c.set.mostMessages()
}

func (s *settings) mostMessages() int { return max(s.sendQueue/smallMessage, fewMessages) }

// makeRoomLocked drops the oldest messages, if that is the policy, until size
// more bytes fit or nothing is left that may be dropped: messages that somebody
// waits for stay. The queue is not empty.
func (c *Conn) makeRoomLocked(size int) bool {
	o := &c.out
	if c.set.whenFull != WhenFullDropOldest {
		return false
	}
	q := o.queue
	for i := q.head; i < len(q.messages) && !c.fitsLocked(size); i++ {
		m := &q.messages[i]
		if m.wait != nil || m.own || m.lane != nil {
			continue
		}
		q.bytes -= m.size()
		m.free()
		copy(q.messages[q.head+1:i+1], q.messages[q.head:i])
		q.messages[q.head] = message{}
		q.head++
		c.traffic.dropped.Add(1)
	}
	o.trimLocked()
	return true
}
