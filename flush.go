package curlew

import (
	"io"
	"math"
	"sync"
	"sync/atomic"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/bufs"
)

const (
	flushSize  = 64 << 10  // so many bytes are encoded before they are written
	wireSize   = 4 << 10   // of the first buffer for them
	corkSize   = 128 << 10 // so much is corked, or half the queue
	directSize = 4 << 10   // larger payloads are written from where they are, if possible
	chunkSize  = 16 << 10  // written at once where progress cannot be seen otherwise
)

// A flusher is what flushing needs to remember. An idle connection has none.
type flusher struct {
	small  [wireSize]byte
	base   []byte     // the buffer of wire: small, or of bufs
	wire   []byte     // encoded, to be written
	tail   []byte     // to be written behind wire: the rest of a large payload
	tailOf message    // which tail is of
	wrote  []*waiter  // of messages in wire and tail
	own    ownMessage // the caller's message, if it flushes for one
	ownErr error
	close  bool // our Close is in wire
	part   bool // a Writer's piece was encoded, or its turn has come
	quota  int  // payload bytes to be taken before others go on

	writing atomic.Int64 // since when the stream takes nothing of what it is given; 0: nothing is given

	run func() // flushes all: so starting a goroutine allocates nothing
	c   *Conn  // for it
}

var flusherPool = sync.Pool{New: func() any { return new(flusher) }}

// busyLocked begins to flush.
func (o *outbound) busyLocked() {
	o.busy = true
	o.flusherLocked()
}

// flusherLocked gives whoever is busy what it needs.
func (o *outbound) flusherLocked() {
	f := flusherPool.Get().(*flusher)
	f.base = f.small[:]
	f.wire = f.base[:0]
	f.quota = math.MaxInt
	o.flusher = f
}

// idleLocked ends it.
func (c *Conn) idleLocked() {
	o := &c.out
	f := o.flusher
	o.busy, o.flusher = false, nil
	o.heavy.Store(false)
	if f.part && o.writer != nil {
		o.writer.last = c.now() // so long it could not do anything
	}
	f.part = false
	f.freeBase()
	f.base, f.wire, f.c = nil, nil, nil // the rest is clean: all was written
	flusherPool.Put(f)
	o.quietLocked()
	if o.closed {
		o.encoder.Release()
	}
	c.writtenLocked()
}

func (f *flusher) freeBase() {
	if &f.base[0] != &f.small[0] {
		bufs.Put(f.base)
	}
}

// kick starts a goroutine that flushes, if there is something to flush, nobody
// does yet, and it is not corked.
func (c *Conn) kick() { c.startFlush(false) }

// flushNow is kick for those who wait: the cork does not count.
func (c *Conn) flushNow() { c.startFlush(true) }

// uncork ends the cork before its time: a callback takes long.
func (c *Conn) uncork() {
	c.out.mu.Lock()
	c.out.corked = false
	c.out.mu.Unlock()
	c.kick()
}

func (c *Conn) startFlush(corked bool) {
	o := &c.out
	o.mu.Lock()
	start := !o.busy && (corked || !o.corked) && o.waitsLocked()
	if start {
		c.goFlushLocked()
	}
	o.mu.Unlock()
}

// goFlushLocked has a goroutine flush all. Nobody is busy.
func (c *Conn) goFlushLocked() {
	if c.parked != nil {
		c.out.busy = true // without what it takes: it may be a while
		c.parked.desc.FlushSoon()
		return
	}
	c.out.busyLocked()
	c.goOnLocked()
}

// flushDue flushes what a Batch has left to be flushed, unless somebody else does or
// has. What the stream does not take at once is for a goroutine of its own.
func (c *Conn) flushDue() {
	o := &c.out
	o.mu.Lock()
	o.due = false
	start := !o.busy && !o.corked && o.waitsLocked()
	if start && c.fd == nil && c.parked == nil {
		c.goFlushLocked()
		start = false
	}
	if start {
		o.busyLocked()
		o.flusher.quota = o.bytesLocked() + o.streamedLocked()
	}
	o.mu.Unlock()
	if !start {
		return
	}
	if c.parked != nil {
		c.flushOn()
		return
	}
	if done, _ := c.flush(true); !done {
		o.mu.Lock()
		o.flusher.quota = math.MaxInt
		c.goOnLocked()
		o.mu.Unlock()
	}
}

// goOnLocked has a goroutine go on with the flushing of the caller.
func (c *Conn) goOnLocked() {
	if c.parked != nil {
		c.parked.desc.FlushSoon()
		return
	}
	f := c.out.flusher
	f.c = c
	if f.run == nil {
		f.run = func() { f.c.flush(false) }
	}
	go f.run()
}

// flush writes what waits until nothing does; then it is not busy any more. With
// try set it writes only what the stream takes at once, which the stream must
// have a descriptor for, and reports false if that was not all: the caller is
// still busy and must have the rest flushed; a parked connection's it may have
// done only for a while. If a message of the caller's own
// waits, flush returns as soon as it is written, with its error, and others
// flush the rest; so it does when its quota is used up. The caller is busy.
func (c *Conn) flush(try bool) (done bool, err error) {
	o := &c.out
	for n := 0; ; n++ {
		if n == turnWrites && c.parked != nil {
			return false, nil
		}
		if more, err := c.gather(); !more {
			return true, err
		}
		if !c.put(try) {
			return false, nil
		}
		if f := o.flusher; f.own == ownWritten {
			err := f.ownErr
			f.own, f.ownErr = ownNone, nil
			c.handOver()
			return true, err
		} else if f.quota <= 0 {
			c.handOver()
			return true, nil
		}
	}
}

// handOver ends a flush for a message of one's own, or of a quota: others flush
// the rest.
func (c *Conn) handOver() {
	o := &c.out
	o.mu.Lock()
	if o.waitsLocked() && !o.closed {
		o.flusher.quota = math.MaxInt
		c.goOnLocked()
		c.writtenLocked()
	} else {
		c.idleLocked()
	}
	o.mu.Unlock()
}

// gather encodes what waits, up to a bound. If nothing does, the flushing ends
// and more is false; err is set if the caller's own message was lost on the way.
func (c *Conn) gather() (more bool, err error) {
	o := &c.out
	f := o.flusher
	if len(f.wire) > 0 || len(f.tail) > 0 {
		return true, nil // the rest of a try
	}
	writable := false
	o.mu.Lock()
	for !o.closed && len(f.wire) < flushSize && len(f.tail) == 0 {
		if o.owesLocked() {
			c.room(o.control.Size())
			f.wire = o.control.Append(f.wire, &o.encoder)
		}
		m, ok := o.popLocked()
		if !ok {
			if s := o.closingLocked(); s.Queued && !s.Sent {
				c.room(frame.MaxHeader + frame.MaxControl)
				f.wire = o.control.AppendClose(f.wire, &o.encoder)
				f.close = true
			}
			break
		}
		f.quota -= m.size()
		if (o.short || o.refused) && c.roomyLocked() {
			o.writable.Store(true)
			writable = true
		}
		o.mu.Unlock()
		c.encode(&m)
		o.mu.Lock()
	}
	more = len(f.wire)+len(f.tail) > 0
	if !more {
		if f.own != ownNone {
			f.own, err = ownNone, errClosing
		}
		c.idleLocked()
	}
	o.mu.Unlock()
	if writable {
		c.wake()
	}
	return more, err
}

// room makes room for n more bytes in wire.
func (c *Conn) room(n int) {
	f := c.out.flusher
	if cap(f.wire)-len(f.wire) >= n {
		return
	}
	base := bufs.Get(len(f.wire) + n)
	copy(base, f.wire)
	f.wire = base[:len(f.wire)]
	f.freeBase()
	f.base = base
}

// encode appends m to wire; the rest of a large one may be left in tail.
func (c *Conn) encode(m *message) {
	o := &c.out
	f := o.flusher
	p, n := m.data, m.size()
	if m.wait != nil {
		f.wrote = append(f.wrote, m.wait)
	}
	if m.own {
		f.own = ownEncoded
	}
	f.part = f.part || m.part
	if !m.part || m.last {
		c.traffic.messagesWritten.Add(1)
	}
	if m.prepared != nil {
		if encoded := m.prepared.encoded(c); encoded != nil {
			c.attach(encoded, *m)
			return
		}
		p = m.prepared.data
	}
	whole := m.whole || c.preserve.Load()
	switch {
	case m.part:
		c.room(n + n/c.set.maxFrame*frame.MaxHeader + 2*frame.MaxHeader + n/64 + 64)
		f.wire = o.encoder.Part(f.wire, m.op, p, m.last, whole, !whole)
	case n >= directSize && c.role == Server && (whole || o.encoder.Plain(n)):
		if len(m.buf) > n {
			var head [frame.MaxHeader]byte
			h := o.encoder.Head(head[:0], m.op, n)
			p = m.buf[frame.MaxHeader-len(h):]
			copy(p, h)
		} else {
			c.room(frame.MaxHeader)
			f.wire = o.encoder.Head(f.wire, m.op, n)
		}
		c.attach(p, *m)
		return
	default:
		c.room(n + n/c.set.maxFrame*frame.MaxHeader + frame.MaxHeader)
		f.wire = o.encoder.Message(f.wire, m.op, p, whole)
	}
	m.free()
}

// attach puts p, which is of m, behind wire: large as it is, if that takes no
// write more, else as a copy.
func (c *Conn) attach(p []byte, m message) {
	f := c.out.flusher
	if len(f.wire) == 0 && len(p) >= directSize || len(f.wire)+len(p) > flushSize {
		if len(f.wire) > 0 && len(f.wire) < flushSize { // fill the write that is due anyway
			n := min(len(p), flushSize-len(f.wire))
			c.room(n)
			f.wire = append(f.wire, p[:n]...)
			p = p[n:]
		}
		f.tail, f.tailOf = p, m
		return
	}
	c.room(len(p))
	f.wire = append(f.wire, p...)
	m.free()
}

// put writes wire and tail and tells those who wait. With try set it reports
// false if the stream did not take all at once.
func (c *Conn) put(try bool) bool {
	f := c.out.flusher
	err := c.write(&f.wire, try)
	if err == nil && len(f.wire) == 0 {
		err = c.write(&f.tail, try)
	}
	if err == nil && len(f.wire)+len(f.tail) > 0 {
		return false
	}
	f.wire, f.tail = f.base[:0], nil
	f.tailOf.free()
	f.tailOf = message{}
	if err != nil {
		c.lost(err)
		err = c.Err()
	}
	for i, w := range f.wrote {
		w.done <- err
		f.wrote[i] = nil
	}
	f.wrote = f.wrote[:0]
	if f.own == ownEncoded {
		f.own, f.ownErr = ownWritten, err
	}
	if f.close {
		f.close = false
		if err == nil {
			c.closeWritten()
		}
	}
	return true
}

// write writes *p and leaves in it what is not written: nothing, unless try is
// set or an error returned.
func (c *Conn) write(p *[]byte, try bool) error {
	if len(*p) == 0 {
		return nil
	}
	writing := &c.out.flusher.writing
	if c.parked != nil {
		n, err := c.parked.desc.TrySend(*p)
		c.traffic.bytesWritten.Add(int64(n))
		*p = (*p)[n:]
		if len(*p) == 0 || err != nil {
			writing.Store(0)
		} else if n > 0 || writing.Load() == 0 { // until Room
			now := c.now()
			writing.Store(int64(now) | 1)
			c.arm(now + c.set.write)
		}
		return err
	}
	now := c.now()
	writing.Store(int64(now) | 1)
	c.arm(now + c.set.write)
	defer writing.Store(0)
	if try {
		n, err := c.fd.TrySend(*p)
		c.traffic.bytesWritten.Add(int64(n))
		*p = (*p)[n:]
		return err
	}
	for len(*p) > 0 {
		var n int
		var err error
		if c.fd != nil {
			n, err = c.fd.Send(*p)
		} else {
			chunk := (*p)[:min(len(*p), chunkSize)]
			if n, err = c.stream.Write(chunk); err == nil && n < len(chunk) {
				err = io.ErrShortWrite
			}
		}
		c.traffic.bytesWritten.Add(int64(n))
		*p = (*p)[n:]
		if err != nil {
			return err
		}
		if len(*p) > 0 {
			writing.Store(int64(c.now()) | 1)
		}
	}
	return nil
}
