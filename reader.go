package curlew

import (
	"context"
	"io"

	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/core"
)

// reader is where the application's reading is: between messages or inside one.
// It is owned by the call that took inbound.reading.
type reader struct {
	mine bool // it holds the pump

	open  bool  // inside a message, of which
	t     Type  // this is the type,
	skip  bool  // and a Reader has begun it, and only that one may go on;
	saved bool  // or a cancelled Read has begun it, and rest is what it had read
	kept  *kept // nil as long as nothing had to be kept
}

// kept is what a reader keeps from one call to the next.
type kept struct {
	borrowed []byte // the payload of the last piece, if it came from the window
	rest     []byte // what was read and the Reader, owner, has not handed out
	owner    *messageReader
}

// keep returns kept, which it makes if need be.
func (r *reader) keep() *kept {
	if r.kept == nil {
		r.kept = new(kept)
	}
	return r.kept
}

// take returns what was read and not handed out, for the next who reads: no
// earlier Reader may go on.
func (r *reader) take() (rest []byte) {
	if k := r.kept; k != nil {
		rest, k.rest, k.owner = k.rest, nil, nil
	}
	return rest
}

// enter takes the reading.
func (c *Conn) enter() error {
	if c.in.reading.CompareAndSwap(false, true) {
		return nil
	}
	if c.ended() {
		return c.Err()
	}
	return ErrBusy
}

// leave gives it back, the pump first: the next reader finds it free.
func (c *Conn) leave() {
	c.giveBack()
	if r := &c.in.reader; r.mine {
		r.mine = false
		if k := c.in.intake; k != nil && c.fd != nil && len(k.buf) == 0 {
			c.restIntake() // the application may take its time
		}
		c.yield()
	}
	c.in.reading.Store(false)
	c.kick()
	if c.life.closing.Load() {
		c.pumpAway() // somebody must see the peer's Close
	}
}

// giveBack ends the lending of the last piece.
func (c *Conn) giveBack() {
	if k := c.in.reader.kept; k != nil && k.borrowed != nil {
		bufs.Put(k.borrowed)
		k.borrowed = nil
	}
}

// piece finds the next piece of a message: in the window, or else it pumps. Its
// payload is lent until the next call or leave.
func (c *Conn) piece(ctx context.Context, ev *core.Event, idle func() error) error {
	r := &c.in.reader
	c.giveBack()
	for {
		if !r.mine && c.in.pump.CompareAndSwap(pumpFree, pumpHeld) {
			r.mine = true
			c.in.lent = false
		}
		if w := c.window.Load(); w != nil && w.n.Load() > 0 {
			if w.full() {
				now := int64(c.now()) // we listen again
				c.in.heard.Store(now)
				c.in.active.Store(now)
			}
			if c.life.discard.Load() {
				w.clear()
			} else if w.pop(ev) {
				r.keep().borrowed = ev.Payload
				return nil
			}
		}
		if r.mine {
			if err := c.next(ctx, ev, idle); err != errWoken {
				return err
			}
			continue
		}
		if c.ended() {
			return c.Err()
		}
		if err := idle(); err != nil && err != errWoken && err != errBytes {
			return err
		}
		if err := c.awaitPump(ctx); err != nil {
			return err
		}
	}
}

// Read reads the next message and appends it to buf, which may be nil. It
// allocates only if buf is too small. If ctx ends first, what has come of the
// message is kept for the next Read. A message of which a Reader has read a part
// is skipped. ErrBusy: somebody else reads.
func (c *Conn) Read(ctx context.Context, buf []byte) (Type, []byte, error) {
	if err := c.enter(); err != nil {
		return 0, buf, err
	}
	defer c.leave()
	r, start := &c.in.reader, len(buf)
	if rest := r.take(); r.saved {
		buf = append(buf, rest...)
		r.saved = false
	}
	var ev core.Event
	for {
		if err := c.piece(ctx, &ev, c.readIdle); err != nil {
			if r.open && !r.skip && !c.ended() {
				r.keep().rest, r.saved = append([]byte(nil), buf[start:]...), true
			}
			return 0, buf[:start], err
		}
		if c.skips(&ev) {
			continue
		}
		r.t, r.open = Type(ev.Opcode), !ev.Last
		buf = append(buf, ev.Payload...)
		if ev.Last {
			return r.t, buf, nil
		}
	}
}

// skips reports whether a piece belongs to a message that a Reader has left.
func (c *Conn) skips(ev *core.Event) bool {
	r := &c.in.reader
	if !r.skip {
		return false
	}
	if ev.Last {
		r.skip, r.open = false, false
	}
	return true
}

// Reader waits for the next message and returns a reader of it, which ends with
// io.EOF and is valid until the next call of Read or Reader: then the unread rest
// of the message is skipped. ctx bounds the reader's reads too. Text is checked
// as it comes, so that the error of invalid text may follow some of it.
func (c *Conn) Reader(ctx context.Context) (Type, io.Reader, error) {
	if err := c.enter(); err != nil {
		return 0, nil, err
	}
	defer c.leave()
	r := &c.in.reader
	if rest := r.take(); r.saved { // a cancelled Read had begun this one
		r.saved = false
		return c.begin(ctx, rest, false)
	}
	var ev core.Event
	for {
		if err := c.piece(ctx, &ev, c.readIdle); err != nil {
			return 0, nil, err
		}
		if c.skips(&ev) {
			continue
		}
		r.t, r.open = Type(ev.Opcode), !ev.Last
		return c.begin(ctx, append([]byte(nil), ev.Payload...), ev.Last)
	}
}

// begin returns the reader of a message of which rest was read.
func (c *Conn) begin(ctx context.Context, rest []byte, last bool) (Type, io.Reader, error) {
	r := &c.in.reader
	r.skip = !last
	m := &messageReader{c: c, ctx: ctx, last: last}
	k := r.keep()
	k.rest, k.owner = rest, m
	return r.t, m, nil
}

// A messageReader reads one message.
type messageReader struct {
	c    *Conn
	ctx  context.Context
	last bool // the last piece was read
}

func (m *messageReader) Read(p []byte) (int, error) { return m.read(m.ctx, p) }

func (m *messageReader) read(ctx context.Context, p []byte) (int, error) {
	c := m.c
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.leave()
	r := &c.in.reader
	k := r.kept
	if k == nil || k.owner != m {
		return 0, errStale
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(k.rest) > 0 {
			n := copy(p, k.rest)
			k.rest = k.rest[n:]
			return n, nil
		}
		if m.last {
			return 0, io.EOF
		}
		var ev core.Event
		if err := c.piece(ctx, &ev, c.readIdle); err != nil {
			return 0, err
		}
		m.last = ev.Last
		r.skip, r.open = !ev.Last, !ev.Last
		n := copy(p, ev.Payload)
		k.rest = append(k.rest[:0], ev.Payload[n:]...)
		if n > 0 {
			return n, nil
		}
	}
}
