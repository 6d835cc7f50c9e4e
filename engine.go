package curlew

import (
	"context"
	"net"

	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/poll"
)

// A parked is a connection of Handle that waits without a goroutine: the engine
// (internal/poll) calls Ready when there is something to do. docs/engine.md says how
// it works.
//
// Its driver holds the pump while it waits for bytes, as a goroutine would. It waits
// for four things besides: for what callbacks have sent to be written, for Resume, for
// the end of the connection, and, once that has come, for the peer's end of the stream.
type parked struct {
	driver // owned by the turn
	desc   poll.Desc

	// Owned by the turn.
	waits errParked // 0: nothing but bytes
	held  bool      // and the pump was lent for so long
	fresh bool      // Open was not called yet

	waited  bool // the last recv was the first for a while; of the pump's holder
	retired bool // the pump is gone, the stream is to be ended; outbound.mu guards it
}

// errParked is what a parked connection waits for besides bytes.
type errParked uint8

const (
	errStalled errParked = 1 + iota // what callbacks have sent is to be written
	errPaused                       // Resume
	errEnding                       // the end: nothing is handled any more
)

func (e errParked) Error() string {
	return [...]string{errStalled: "stalled", errPaused: "paused", errEnding: "ending"}[e]
}

// park has the engine wait for the connection, which was not started yet. It reports
// false, and has done nothing, if that cannot be.
func (h *eventHandler) park(c *Conn, ev *Events) bool {
	p := h.attach(c, ev)
	if p == nil {
		return false
	}
	if p.fresh {
		p.desc.Begin()
	} else {
		p.desc.Rest()
	}
	return true
}

// attach gives the connection to the engine, for which it has the first turn now, or
// returns nil.
func (h *eventHandler) attach(c *Conn, ev *Events) *parked {
	nc, ok := c.stream.(net.Conn)
	if !ok || c.set.goroutine {
		return nil
	}
	p := &parked{driver: driver{c: c, ev: ev}}
	if !p.desc.Attach(nc, &h.group, p) {
		return nil
	}
	p.fresh = ev.Open != nil || c.in.intake != nil
	c.stream, c.fd, c.parked = &p.desc, nil, p
	c.in.drained = true
	c.in.reading.Store(true)
	c.in.pump.Store(pumpHeld)
	c.in.reader.mine = true
	c.startClock(never)
	return p
}

// turnReads is how often a turn reads before others come.
const turnReads = 4

// Ready is a turn: it handles what is there.
func (p *parked) Ready() {
	c, err := p.c, errBytes
	woken := p.desc.TakeWake()
	switch {
	case p.over:
		p.farewell()
		return
	case p.waits == errEnding:
		if c.ended() {
			p.last()
		}
		return
	case p.waits == errStalled && c.awaits() || p.waits == errPaused && p.pauses():
		return
	case p.waits != 0:
		p.waits = 0
		p.regain(p.held)
		err = p.guarded((*driver).works)
	case p.fresh:
		p.fresh = false
		if err = p.guarded((*driver).opened); err == nil {
			err = p.guarded((*driver).works)
		}
	case woken:
		err = p.guarded((*driver).works)
	}
	for n := 0; err == errBytes; n++ {
		if n == turnReads {
			p.desc.Again()
			return
		}
		if err = c.fill(context.Background()); err == nil || err == errWoken {
			err = p.guarded((*driver).works)
		}
	}
	if err == poll.ErrAgain || p.waits != 0 {
		return
	}
	if p.waits = errEnding; c.ended() {
		p.last()
	}
}

// last calls the last events. The connection has ended.
func (p *parked) last() {
	defer p.farewell()
	p.driver.last()
}

// recv receives what is there.
func (p *parked) recv(size int) ([]byte, error) {
	in, d := &p.c.in, &p.desc
	p.waited = in.drained
	if d.Take(poll.In) != 0 {
		in.drained = false
	} else if d.TakeWake() {
		return nil, errWoken
	}
	if in.drained {
		return nil, poll.ErrAgain
	}
	b := bufs.Get(size)
	n, err := d.Recv(b)
	if n > 0 {
		in.drained = n < size && !d.Has(poll.Hup)
		return b[:n], nil
	}
	bufs.Put(b)
	in.drained = err == poll.ErrAgain
	return nil, err
}

// uncorked flushes what callbacks have sent. The caller is busy. If the peer does not
// take all of it at once the turn ends with errStalled.
func (p *parked) uncorked() error {
	c, o := p.c, &p.c.out
	if done, _ := c.flush(true); done {
		return nil
	}
	o.mu.Lock()
	o.awaited = true
	o.mu.Unlock()
	p.waits, p.held = errStalled, p.lend()
	c.flushRest()
	return errStalled
}

// pauses reports whether a Pause is in force and leaves nothing to do.
func (p *parked) pauses() bool {
	return p.c.in.paused.Load() != nil && !p.c.ended() && !p.writableDue()
}

// awaits reports whether the turn is to wait until more is written.
func (c *Conn) awaits() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.awaited && !c.out.closed
}

// writtenLocked has the turn go on that waits for what it has sent to be written.
func (c *Conn) writtenLocked() {
	if c.out.awaited {
		c.out.awaited = false
		c.parked.desc.Wake()
	}
}

// turnWrites is how often a flush writes before those of others come.
const turnWrites = 4

// flushOn flushes for a while and sees to the rest. The caller is busy.
func (c *Conn) flushOn() {
	if done, _ := c.flush(true); !done {
		c.flushRest()
	}
}

// flushRest has others go on with the flushing of the caller, which is not done: when
// there is room, if the peer does not take what it was given, else soon.
func (c *Conn) flushRest() {
	f := c.out.flusher
	if len(f.wire)+len(f.tail) == 0 || !c.parked.desc.Blocked() {
		c.parked.desc.FlushSoon()
	}
}

// Room goes on with a flush.
func (p *parked) Room() { p.c.flushOn() }

// Flush begins or goes on with one, for whoever was busy.
func (p *parked) Flush() {
	o := &p.c.out
	o.mu.Lock()
	if o.flusher == nil {
		o.flusherLocked()
	}
	o.mu.Unlock()
	p.c.flushOn()
}

// parkUntilEnd is awaitEnd of a turn.
func (c *Conn) parkUntilEnd() error {
	o := &c.out
	o.mu.Lock()
	start := !o.busy && o.waitsLocked()
	if start {
		o.busyLocked()
	}
	o.mu.Unlock()
	if start {
		c.flushOn()
	}
	if c.ended() {
		return c.Err()
	}
	return errEnding
}

// retire is Conn.retire, of which the turn does the rest.
func (p *parked) retire() {
	o := &p.c.out
	o.mu.Lock()
	p.retired = true
	o.mu.Unlock()
	p.desc.Wake()
}

// farewell ends the stream, after a polite ending not before the peer has ended its
// side.
func (p *parked) farewell() {
	c := p.c
	c.out.mu.Lock()
	retired := p.retired
	c.out.mu.Unlock()
	if !retired {
		return
	}
	if c.life.polite.Load() {
		b := bufs.Get(holdSize)
		err := error(nil)
		for n := 0; err == nil; n++ {
			if n == turnReads {
				p.desc.Again()
				break
			}
			_, err = p.desc.Recv(b)
		}
		bufs.Put(b)
		if err == nil || err == poll.ErrAgain {
			return
		}
	}
	p.desc.Close()
	c.stopClock()
}

// blocks is called before a wait that is not for this connection's turn: others
// need not wait with it.
func (c *Conn) blocks() {
	if c.parked != nil {
		c.parked.desc.Yield()
	}
}
