package curlew

import (
	"slices"
	"sync"
	"sync/atomic"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/core"
)

// outbound is the way out: messages wait in a queue, control frames in a lane of
// their own. Exactly one goroutine at a time flushes (busy): it takes what waits,
// control frames first, encodes it and writes it, many messages in one write.
// Messages are compressed when they leave the queue, never when they enter it:
// a dropped or cancelled one must not break the window.
type outbound struct {
	mu      sync.Mutex
	control *core.Control // nil while the protocol itself has nothing to say
	queue   *queue        // nil while it is empty
	writer  *Writer       // has the data lane: until it is closed, messages wait
	corked  bool          // events are being handled; their answers leave together
	busy    bool          // somebody flushes
	due     bool          // it is in a Batch, which will
	short   bool          // a TryWrite took less than it was given
	refused bool          // a Send got ErrQueueFull
	awaited bool          // the turn of a parked connection goes on when all is written
	closed  bool          // the connection has ended; nothing is taken any more
	written bool          // our Close was written
	cause   *CloseError
	pings   pings

	heavy    atomic.Bool // so much is corked that it should leave now
	writable atomic.Bool // Events.Writable is due

	// Owned by whoever flushes. flusher is nil while nobody does.
	encoder core.Encoder
	flusher *flusher
}

// roomyLocked reports whether there is room again for who was told that there is
// none, which it forgets.
func (c *Conn) roomyLocked() bool {
	o := &c.out
	short := o.short && (o.writer == nil || o.writer.bytes <= c.set.sendQueue/2 && len(o.writer.parts) <= c.set.mostMessages()/2)
	refused := o.refused && o.bytesLocked() <= c.set.sendQueue/2 && len(o.messagesLocked()) <= c.set.mostMessages()/2
	o.short, o.refused = o.short && !short, o.refused && !refused
	return short || refused
}

// ownMessage is where the message of a caller who flushes himself is.
type ownMessage int

const (
	ownNone ownMessage = iota
	ownWaits
	ownEncoded
	ownWritten
)

// A message waits in the queue, or is a piece of one and waits in a Writer.
type message struct {
	data     []byte    // payload
	buf      []byte    // of bufs, as a rule with room for a header in front of data; nil if data is the caller's
	prepared *Prepared // instead of data
	wait     *waiter   // who waits until it is written; nil: nobody
	lane     *Writer   // not a message: the turn of a Writer
	op       frame.Opcode
	own      bool // of a caller who flushes himself; data is his
	whole    bool // one frame, as it is
	part     bool // a piece
	last     bool // the last piece
}

func (m *message) size() int {
	if m.prepared != nil {
		return len(m.prepared.data)
	}
	return len(m.data)
}

// free gives the payload's buffer back.
func (m *message) free() {
	if m.buf != nil {
		bufs.Put(m.buf)
	}
	m.data, m.buf = nil, nil
}

// copy makes data a copy of p. behind says that others wait in front of it.
func (m *message) copy(p []byte, behind bool) {
	head := frame.MaxHeader
	switch {
	case m.part: // is copied anyway
		head = 0
	case len(p) > flushSize: // takes several writes
		head = 0
	case behind && !bufs.Fits(len(p), head): // would hold twice as much for as long as it waits
		head = 0
	}
	m.buf = bufs.Get(head + len(p))
	m.data = m.buf[head:]
	copy(m.data, p)
}

// A waiter waits until a message is written, or fails. begun is guarded by
// outbound.mu.
type waiter struct {
	done  chan error // one error; never closed
	begun bool
}

func newWaiter() *waiter { return &waiter{done: make(chan error, 1)} }

// A queue is the messages that wait. An empty one goes back to the pool: an idle
// connection has none.
type queue struct {
	messages []message
	head     int // of messages
	bytes    int // of their payload
	slots    [32]message
}

var queuePool = sync.Pool{New: func() any { return new(queue) }}

// bytesLocked is how much payload waits in the queue.
func (o *outbound) bytesLocked() int {
	if o.queue == nil {
		return 0
	}
	return o.queue.bytes
}

// streamedLocked is how much payload waits in the Writer.
func (o *outbound) streamedLocked() int {
	if o.writer == nil {
		return 0
	}
	return o.writer.bytes
}

// messagesLocked are the messages in the queue.
func (o *outbound) messagesLocked() []message {
	if o.queue == nil {
		return nil
	}
	return o.queue.messages[o.queue.head:]
}

// pushLocked puts m at the end of the queue.
func (o *outbound) pushLocked(m message) {
	q := o.queue
	if q == nil {
		q = queuePool.Get().(*queue)
		q.messages = q.slots[:0]
		o.queue = q
	} else if q.head > len(q.messages)/2 && len(q.messages) == cap(q.messages) {
		n := copy(q.messages, q.messages[q.head:])
		clear(q.messages[n:])
		q.messages, q.head = q.messages[:n], 0
	}
	q.messages = append(q.messages, m)
	q.bytes += m.size()
	if o.corked && q.bytes >= flushSize {
		o.heavy.Store(true)
	}
}

// shiftLocked takes the first message of the queue, which is not empty.
func (o *outbound) shiftLocked() message {
	q := o.queue
	m := q.messages[q.head]
	q.messages[q.head] = message{}
	q.head++
	q.bytes -= m.size()
	o.trimLocked()
	return m
}

// trimLocked lets go of an empty queue's memory. Its messages are clear.
func (o *outbound) trimLocked() {
	if q := o.queue; q != nil && q.head == len(q.messages) {
		if cap(q.messages) > len(q.slots) {
			clear(q.slots[:]) // which it has outgrown
		}
		q.messages, q.head, q.bytes = nil, 0, 0
		o.queue = nil
		queuePool.Put(q)
	}
}

// popLocked takes what is to be sent next, if anything.
func (o *outbound) popLocked() (m message, ok bool) {
	if o.closingLocked().Sent {
		return m, false // what waited behind a Writer is lost
	}
	for {
		if w := o.writer; w != nil {
			if len(w.parts) == 0 {
				return m, false
			}
			m = w.parts[0]
			w.parts[0] = message{}
			w.parts = w.parts[1:]
			w.bytes -= m.size()
			if m.last {
				o.writer = nil
			}
			break
		}
		if o.queue == nil {
			return m, false
		}
		if m = o.shiftLocked(); m.lane == nil {
			break
		}
		o.writer = m.lane
		o.flusher.part = true // its time begins when this flush ends
		m.wait.begun = true
		m.wait.done <- nil
	}
	if m.wait != nil {
		m.wait.begun = true
	}
	return m, true
}

// waitsLocked reports whether there is something to flush.
func (o *outbound) waitsLocked() bool {
	c := o.closingLocked()
	if c.Sent {
		return false
	}
	if w := o.writer; w != nil && len(w.parts) > 0 || w == nil && o.queue != nil {
		return true
	}
	return c.Queued || o.owesLocked()
}

// removeLocked takes the message that w waits for out of the queue.
func (o *outbound) removeLocked(w *waiter) {
	all := o.messagesLocked()
	for i := range all {
		if m := &all[i]; m.wait == w {
			q := o.queue
			q.bytes -= m.size()
			m.free()
			q.messages = slices.Delete(q.messages, q.head+i, q.head+i+1)
			o.trimLocked()
			return
		}
	}
}

// dropLocked empties the queue and the lane. Whoever waits gets err, once the
// lock is released: the caller calls the function returned.
func (o *outbound) dropLocked(err error) (notify func()) {
	var waiters []*waiter
	drop := func(m *message) {
		m.free()
		if m.wait != nil {
			waiters = append(waiters, m.wait)
		}
	}
	if w := o.writer; w != nil {
		for i := range w.parts {
			drop(&w.parts[i])
		}
		w.parts, w.bytes = nil, 0
	}
	if q := o.queue; q != nil {
		for i := range o.messagesLocked() {
			drop(&q.messages[q.head+i])
		}
		clear(q.messages)
		q.messages = q.messages[:q.head]
		o.trimLocked()
	}
	return func() {
		for _, w := range waiters {
			w.done <- err
		}
	}
}

// controlPool keeps the lanes of control frames in which nothing waits.
var controlPool = sync.Pool{New: func() any { return new(core.Control) }}

// controlLocked returns the lane of control frames, which it makes if need be.
func (o *outbound) controlLocked() *core.Control {
	if o.control == nil {
		o.control = controlPool.Get().(*core.Control)
	}
	return o.control
}

// quietLocked lets go of a lane that has nothing to say, and is not to remember
// how far a closing is.
func (o *outbound) quietLocked() {
	if c := o.control; c != nil && c.Idle() {
		o.control = nil
		c.Forget()
		controlPool.Put(c)
	}
}

// closingLocked is how far the closing is.
func (o *outbound) closingLocked() core.Closing {
	if o.control == nil {
		return core.Closing{}
	}
	return *o.control.Closing()
}

// owesLocked reports whether a control frame waits, the Close excepted.
func (o *outbound) owesLocked() bool { return o.control != nil && o.control.Owes() }
