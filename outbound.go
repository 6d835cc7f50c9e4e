package curlew

import (
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
	mu       sync.Mutex
	control  core.Control
	queue    []message
	head     int     // of queue
	bytes    int     // of payload waiting in queue
	streamed int     // of payload waiting in writer
	writer   *Writer // has the data lane: until it is closed, messages wait
	corked   bool    // events are being handled; their answers leave together
	busy     bool    // somebody flushes
	short    bool    // a TryWrite took less than it was given
	closed   bool    // the connection has ended; nothing is taken any more
	written  bool    // our Close was written
	cause    *CloseError

	heavy    atomic.Bool  // so much is corked that it should leave now
	writable atomic.Bool  // Events.Writable is due
	sent     atomic.Int64 // when a message was last given to us
	writing  atomic.Int64 // since when the stream takes nothing of what it is given; 0: nothing is given

	// Owned by whoever flushes. flusher is nil while nobody does.
	encoder core.Encoder
	flusher *flusher

	run func() // flushes all; made when first needed, so that starting it allocates nothing
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

// copy makes data a copy of p.
func (m *message) copy(p []byte) {
	head := frame.MaxHeader
	if len(p) > flushSize {
		head = 0 // it takes several writes, the first of which is copied anyway
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

// slots are what a short queue lives in: an idle connection has none.
type slots [32]message

var slotPool = sync.Pool{New: func() any { return new(slots) }}

// pushLocked puts m at the end of the queue.
func (o *outbound) pushLocked(m message) {
	if o.queue == nil {
		o.queue = slotPool.Get().(*slots)[:0]
	} else if o.head > len(o.queue)/2 && len(o.queue) == cap(o.queue) {
		n := copy(o.queue, o.queue[o.head:])
		clear(o.queue[n:])
		o.queue, o.head = o.queue[:n], 0
	}
	o.queue = append(o.queue, m)
	o.bytes += m.size()
	if o.corked && o.bytes >= flushSize {
		o.heavy.Store(true)
	}
}

// popLocked takes what is to be sent next, if anything.
func (o *outbound) popLocked() (m message, ok bool) {
	if o.control.Closing().Sent {
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
			o.streamed -= m.size()
			if m.last {
				o.writer = nil
			}
			if m.wait != nil {
				m.wait.begun = true
			}
			return m, true
		}
		if o.head == len(o.queue) {
			return m, false
		}
		m = o.queue[o.head]
		o.queue[o.head] = message{}
		if o.head++; o.head == len(o.queue) {
			o.emptyLocked()
		}
		if m.lane == nil {
			break
		}
		o.writer = m.lane
		m.wait.begun = true
		m.wait.done <- nil
	}
	o.bytes -= m.size()
	if m.wait != nil {
		m.wait.begun = true
	}
	return m, true
}

// emptyLocked lets go of the queue's memory; it holds nothing.
func (o *outbound) emptyLocked() {
	if cap(o.queue) == len(slots{}) {
		slotPool.Put((*slots)(o.queue[:cap(o.queue)]))
	}
	o.queue, o.head = nil, 0
}

// waitsLocked reports whether there is something to flush.
func (o *outbound) waitsLocked() bool {
	c := o.control.Closing()
	if c.Sent {
		return false
	}
	if w := o.writer; w != nil && len(w.parts) > 0 || w == nil && o.head < len(o.queue) {
		return true
	}
	return o.control.Owes() || c.Queued
}

// removeLocked takes the message that w waits for out of the queue.
func (o *outbound) removeLocked(w *waiter) {
	for i := o.head; i < len(o.queue); i++ {
		if m := &o.queue[i]; m.wait == w {
			o.bytes -= m.size()
			m.free()
			o.queue = append(o.queue[:i], o.queue[i+1:]...)
			clear(o.queue[len(o.queue):min(len(o.queue)+1, cap(o.queue))])
			if o.head == len(o.queue) {
				o.emptyLocked()
			}
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
		w.parts = nil
	}
	for i := o.head; i < len(o.queue); i++ {
		drop(&o.queue[i])
	}
	clear(o.queue)
	if o.queue != nil {
		o.emptyLocked()
	}
	o.bytes, o.streamed = 0, 0
	return func() {
		for _, w := range waiters {
			w.done <- err
		}
	}
}
