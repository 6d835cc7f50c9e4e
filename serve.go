package curlew

import (
	"context"
	"errors"
	"sync"

	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/core"
)

// Serve handles a connection by events until it ends, and then returns nil. It
// takes over at a message boundary: a message that a cancelled Read has begun is
// the first event, the rest of one that a Reader has begun is skipped. While it
// runs, Read and Reader return ErrBusy. If ctx ends first, Serve returns its
// error after the message at hand: the connection lives, its Close event is not
// called, and it can be read or served again. What has come of a message by then
// is kept for whoever reads next, but one of which Part was given pieces is
// skipped. With a peer that takes nothing all this may last until WriteTimeout.
//
// A callback that panics ends the connection with 1011, and the panic goes on.
func Serve(ctx context.Context, c *Conn, ev *Events) error {
	if err := c.enter(); err != nil {
		return err
	}
	if ev == nil {
		ev = &Events{}
	}
	d := driver{c: c, ev: ev}
	defer d.leave()
	d.opened()
	err := d.work(ctx)
	for err == errBytes {
		if err = c.fill(ctx); err == nil || err == errWoken {
			err = d.work(ctx)
		}
	}
	if c.ended() {
		d.end()
		err = nil
	}
	d.returned = true
	return err
}

// leave ends Serve, also when a callback has panicked.
func (d *driver) leave() {
	c := d.c
	if !d.returned {
		c.close(&CloseError{Code: InternalError, Err: errPanic})
	}
	d.keep()
	c.uncork()
	c.leave()
}

// errPanic is the cause when a callback has panicked.
var errPanic = errors.New("curlew: panic in a callback")

// A driver turns what the peer sends into callbacks. While one runs the pump is
// free, so that the clock can have pings answered if it takes long.
type driver struct {
	c  *Conn
	ev *Events

	returned bool // of Serve: no callback has panicked
	over     bool // of Handle: the last event was called, or is being called
	corked   bool
	preserve bool     // this frame is handed on as it came
	inFrame  bool     // whose end has not come
	given    bool     // Part was given a piece of the message, and not the last
	t        Type     // of the message
	partial  *partial // what has come of the message or piece; nil: nothing
}

// opened calls the first event, behind which comes what a cancelled Read has left.
func (d *driver) opened() error {
	c, r := d.c, &d.c.in.reader
	rest, saved := r.take(), r.saved
	r.saved = false
	if d.ev.Open != nil {
		d.callback(func() { d.ev.Open(c) })
	}
	if saved {
		d.t = r.t
		d.data(&core.Event{Payload: rest})
	}
	return nil
}

// work handles all that is there. With errBytes it holds the pump, and fill is
// to be called next; any other error is the end.
func (d *driver) work(ctx context.Context) error {
	c, r := d.c, &d.c.in.reader
	var ev core.Event
	for {
		if c.in.paused.Load() != nil {
			if err := d.rest(ctx); err != nil {
				return err
			}
		}
		if err := c.piece(ctx, &ev, d.idle); err != nil {
			return err
		}
		if c.skips(&ev) {
			continue
		}
		d.cork()
		d.t = Type(ev.Opcode)
		r.t, r.open = d.t, !ev.Last
		d.data(&ev)
		if ev.Last && ctx.Err() != nil {
			return ctx.Err()
		}
		if c.out.heavy.Load() {
			if err := d.uncork(); err != nil {
				return err
			}
		}
	}
}

// keep saves what has come of a message for whoever reads next.
func (d *driver) keep() {
	if r := &d.c.in.reader; d.given {
		r.skip = true
	} else if r.open && !r.skip {
		r.keep().rest, r.saved = append([]byte(nil), d.msg()...), true
	}
	d.drop()
}

// end calls the last events. It has the floor for good: nothing else is called.
func (d *driver) end() error {
	d.drop()
	e := d.c.Err().(*CloseError)
	if d.ev.Close != nil {
		defer d.ev.Close(d.c, e) // also if Error panics
	}
	if d.ev.Error != nil && (e.Err != nil || e.Code == AbnormalClosure) {
		var err error = e
		if e.Err != nil {
			err = e.Err
		}
		d.ev.Error(d.c, err)
	}
	return nil
}

// data hands a piece on, or keeps it until there is more.
func (d *driver) data(ev *core.Event) {
	if d.ev.Part == nil {
		d.part(ev.Payload, ev.Last, ev.Last)
		return
	}
	if !d.inFrame { // SetPreserveFrames counts from here on
		d.preserve = d.c.preserve.Load()
		if d.preserve && len(d.msg()) > 0 {
			d.give(nil, false)
		}
	}
	d.inFrame = !ev.FrameEnd
	if d.preserve {
		d.part(ev.Payload, ev.FrameEnd, ev.Last)
		return
	}
	p := ev.Payload
	for size := d.c.set.maxPacket; len(d.msg())+len(p) > size; {
		n := size - len(d.msg())
		d.give(p[:n], false)
		p = p[n:]
	}
	d.part(p, ev.Last, ev.Last)
}

// part hands on what was kept and p, if that is all of it, or keeps p too.
func (d *driver) part(p []byte, all, last bool) {
	if all {
		d.give(p, last)
	} else {
		d.add(p)
	}
}

// partial is a buffer of bufs for what has come of a message.
type partial struct{ msg []byte }

var partialPool = sync.Pool{New: func() any { return new(partial) }}

func (d *driver) msg() []byte {
	if d.partial == nil {
		return nil
	}
	return d.partial.msg
}

// add keeps p.
func (d *driver) add(p []byte) {
	if d.partial == nil {
		d.partial = partialPool.Get().(*partial)
	}
	h := d.partial
	n := len(h.msg)
	if n+len(p) > cap(h.msg) { // by what has come, never by what was promised
		msg := bufs.Get(max(n+len(p), min(4*n, bufs.Max), 2*n))
		copy(msg, h.msg)
		bufs.Put(h.msg)
		h.msg = msg
	}
	h.msg = h.msg[:n+len(p)]
	copy(h.msg[n:], p)
}

func (d *driver) drop() {
	if h := d.partial; h != nil {
		bufs.Put(h.msg)
		h.msg, d.partial = nil, nil
		partialPool.Put(h)
	}
}

// give calls Message or Part with what was kept and p.
func (d *driver) give(p []byte, last bool) {
	c := d.c
	d.given = !last
	if c.life.discard.Load() { // closed by an earlier callback, or elsewhere
		d.drop()
		return
	}
	if len(d.msg()) > 0 {
		d.add(p)
		p = d.partial.msg
	}
	if d.ev.Part == nil && d.ev.Message == nil {
		d.drop()
		return
	}
	held := d.lend()
	if d.ev.Part != nil {
		d.ev.Part(c, d.t, p, last)
	} else {
		d.ev.Message(c, d.t, p)
	}
	d.regain(held)
	d.drop()
}

// callback calls f, which is lent nothing.
func (d *driver) callback(f func()) {
	held := d.lend()
	f()
	d.regain(held)
}

// lend lets go of the pump while the application has the floor.
func (d *driver) lend() (held bool) {
	c := d.c
	if !c.in.reader.mine {
		return false
	}
	c.in.lent = true
	c.in.reader.mine = false
	c.yield()
	return true
}

// regain takes the pump again, if nobody has taken it meanwhile.
func (d *driver) regain(held bool) {
	if c := d.c; held && c.in.pump.CompareAndSwap(pumpFree, pumpHeld) {
		c.in.lent = false
		c.in.reader.mine = true
	}
}

// cork keeps what callbacks send until uncork.
func (d *driver) cork() {
	if d.corked {
		return
	}
	d.corked = true
	o := &d.c.out
	o.mu.Lock()
	o.corked = true
	o.mu.Unlock()
}

// idle is called when all that was read is handled.
func (d *driver) idle() error {
	turns := d.c.in.turns.Load()
	if err := d.settle(); err != nil {
		return err
	}
	if !d.c.in.reader.mine || d.c.in.turns.Load() != turns {
		return errWoken // somebody pumps, or did: look into the window and at the buffer
	}
	return errBytes
}

// settle sends what callbacks have sent, and calls Writable if that is due.
func (d *driver) settle() error {
	if err := d.uncork(); err != nil || !d.writableDue() {
		return err
	}
	d.c.out.writable.Store(false)
	d.cork()
	d.callback(func() { d.ev.Writable(d.c) })
	return d.uncork()
}

func (d *driver) writableDue() bool { return d.ev.Writable != nil && d.c.out.writable.Load() }

// uncork sends what callbacks have sent. If the peer does not take it we wait,
// and do not read meanwhile: that is the backpressure. But pings are answered,
// and what others go on sending is not waited for. If another flushes already, the
// queue and its policy are all there is. A parked connection waits by errStalled.
func (d *driver) uncork() error {
	c, o := d.c, &d.c.out
	o.mu.Lock()
	o.corked = false
	d.corked = false
	start := !o.busy && o.waitsLocked()
	if start {
		o.busyLocked()
		o.flusher.quota = o.bytesLocked() + o.streamedLocked()
	}
	o.mu.Unlock()
	if !start {
		return nil
	}
	if c.parked != nil {
		return c.parked.uncorked()
	}
	if c.fd != nil {
		if done, _ := c.flush(true); done {
			return nil
		}
	}
	held := d.lend()
	c.flush(false)
	d.regain(held)
	return nil
}

// errStale: a reader of Conn.Reader was used after the next Read or Reader.
var errStale = errors.New("curlew: reader of an earlier message")
