package curlew

import (
	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/bufs"
)

const (
	flushSize = 64 << 10 // so many bytes are encoded before they are written
	wireSize  = 4 << 10  // of the first buffer for them
	chunkSize = 16 << 10 // written at once where progress cannot be seen otherwise
)

// kick starts a goroutine that flushes, if there is something to flush, nobody
// does yet, and it is not corked.
func (c *Conn) kick() { c.startFlush(false) }

// flushNow is kick for those who wait: the cork does not count.
func (c *Conn) flushNow() { c.startFlush(true) }

func (c *Conn) startFlush(corked bool) {
	o := &c.out
	o.mu.Lock()
	start := !o.busy && (corked || !o.corked) && o.waitsLocked()
	if start {
		o.busy = true
	}
	o.mu.Unlock()
	if start {
		go c.flush(false)
	}
}

// flush writes what waits until nothing does; then it is not busy any more. With
// try set it writes only what the stream takes at once, which the stream must
// have a descriptor for, and reports false if that was not all: the caller is
// still busy and must have the rest flushed. If a message of the caller's own
// waits, flush returns as soon as it is written, with its error, and others
// flush the rest. The caller is busy.
func (c *Conn) flush(try bool) (done bool, err error) {
	o := &c.out
	for {
		if more, err := c.gather(); !more {
			return true, err
		}
		if !c.put(try) {
			return false, nil
		}
		if o.own == ownWritten {
			err := o.ownErr
			o.own, o.ownErr = ownNone, nil
			c.handOver()
			return true, err
		}
	}
}

// handOver ends a flush for a message of one's own: others flush the rest.
func (c *Conn) handOver() {
	o := &c.out
	o.mu.Lock()
	more := o.waitsLocked() || o.closed
	if !more {
		c.idleLocked()
	}
	o.mu.Unlock()
	if more {
		go c.flush(false)
	}
}

// idleLocked ends the flushing.
func (c *Conn) idleLocked() {
	o := &c.out
	o.busy = false
	o.heavy.Store(false)
	if o.base != nil {
		bufs.Put(o.base)
		o.base, o.wire = nil, nil
	}
	if o.closed {
		o.encoder.Release()
	}
}

// gather encodes what waits, up to a bound. If nothing does, the flushing ends
// and more is false; err is set if the caller's own message was lost on the way.
func (c *Conn) gather() (more bool, err error) {
	o := &c.out
	if len(o.wire) > 0 || len(o.tail) > 0 {
		return true, nil // the rest of a try
	}
	o.mu.Lock()
	for !o.closed && len(o.wire) < flushSize && len(o.tail) == 0 {
		if o.control.Owes() {
			c.room(o.control.Size())
			o.wire = o.control.Append(o.wire, &o.encoder)
		}
		m, ok := o.popLocked()
		if !ok {
			if s := o.control.Closing(); s.Queued && !s.Sent {
				c.room(frame.MaxHeader + frame.MaxControl)
				o.wire = o.control.AppendClose(o.wire, &o.encoder)
				o.closing = true
			}
			break
		}
		if o.short && o.bytes <= c.set.sendQueue/2 {
			o.short = false
			o.writable.Store(true)
		}
		o.mu.Unlock()
		c.encode(&m)
		o.mu.Lock()
	}
	more = len(o.wire) > 0
	if !more {
		if o.own != ownNone {
			o.own, err = ownNone, errClosing
		}
		c.idleLocked()
	}
	o.mu.Unlock()
	if o.writable.Load() {
		c.wake()
	}
	return more, err
}

// room makes room for n more bytes in wire.
func (c *Conn) room(n int) {
	o := &c.out
	if cap(o.wire)-len(o.wire) >= n {
		return
	}
	base := bufs.Get(max(len(o.wire)+n, wireSize))
	copy(base, o.wire)
	o.wire = base[:len(o.wire)]
	if o.base != nil {
		bufs.Put(o.base)
	}
	o.base = base
}

// encode appends m to wire; the rest of a large one may be left in tail.
func (c *Conn) encode(m *message) {
	o := &c.out
	p, n := m.data, m.size()
	if m.wait != nil {
		o.wrote = append(o.wrote, m.wait)
	}
	if m.own {
		o.own = ownEncoded
	}
	if m.prepared != nil {
		if packed := m.prepared.encoded(c); packed != nil {
			c.append(packed, *m)
			c.traffic.messagesWritten.Add(1)
			return
		}
		p = m.prepared.data
	}
	whole := m.whole || c.preserve.Load()
	switch {
	case m.part:
		c.room(n + n/c.set.maxFrame*frame.MaxHeader + 2*frame.MaxHeader + n/64 + 64)
		o.wire = o.encoder.Part(o.wire, m.op, p, m.last, whole, !whole)
	case n >= flushSize && (whole || o.encoder.Plain(n)) && c.role == Server:
		c.room(flushSize)
		o.wire = o.encoder.Head(o.wire, m.op, n)
		c.append(p, *m)
		c.traffic.messagesWritten.Add(1)
		return
	default:
		c.room(n + n/c.set.maxFrame*frame.MaxHeader + frame.MaxHeader)
		o.wire = o.encoder.Message(o.wire, m.op, p, whole)
	}
	if !m.part || m.last {
		c.traffic.messagesWritten.Add(1)
	}
	m.free()
}

// append copies p to wire as far as it is worth it and leaves the rest in tail.
func (c *Conn) append(p []byte, m message) {
	o := &c.out
	if len(o.wire)+len(p) <= flushSize {
		c.room(len(p))
		o.wire = append(o.wire, p...)
		m.free()
		return
	}
	c.room(flushSize - len(o.wire))
	n := flushSize - len(o.wire)
	if n > 0 {
		o.wire = append(o.wire, p[:n]...)
		p = p[n:]
	}
	o.tail, o.tailOf = p, m
}

// put writes wire and tail and tells those who wait. With try set it reports
// false if the stream did not take all at once.
func (c *Conn) put(try bool) bool {
	o := &c.out
	err := c.write(&o.wire, try)
	if err == nil && len(o.wire) == 0 {
		err = c.write(&o.tail, try)
	}
	if err == nil && len(o.wire)+len(o.tail) > 0 {
		return false
	}
	o.wire, o.tail = o.base[:0], nil
	o.tailOf.free()
	o.tailOf = message{}
	if err != nil {
		c.lost(err)
		err = c.Err()
	}
	for i, w := range o.wrote {
		w.done <- err
		o.wrote[i] = nil
	}
	o.wrote = o.wrote[:0]
	if o.own == ownEncoded {
		o.own, o.ownErr = ownWritten, err
	}
	if o.closing {
		o.closing = false
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
	writing := &c.out.writing
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
			n, err = c.stream.Write((*p)[:min(len(*p), chunkSize)])
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
