package curlew

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/core"
	"curlew.example/curlew/internal/poll"
)

// inbound is the way in: bytes of the stream, through the decoder, to whoever
// reads. At any time at most one goroutine holds the pump, and it alone touches
// the fields that the pump owns. A reader holds it while it waits for bytes and
// parses them, and lets go of it while the application has the floor. If that
// takes long, the clock starts a goroutine that pumps into the window instead
// (window.go), so that pings and closes are answered.
//
//	free -- a reader waits -----------> held -- the application has the floor --> free
//	free -- nobody reads for a while -> away -- the window is full, or a reader
//	                                            wants what was put there -------> free
//	held, away -- the connection ends -> gone
type inbound struct {
	heard   atomic.Int64  // when bytes last came
	active  atomic.Int64  // when a frame last came, or a good part of one, or a message was given to us
	pump    atomic.Int32  // who has it
	turns   atomic.Uint32 // how often it was let go of
	reading atomic.Bool   // the reader is taken by a Read, Reader or Serve
	grown   atomic.Bool   // Handle's goroutine has needed much stack
	restack atomic.Bool   // it is to begin with a new one
	paused  atomic.Pointer[pause]

	// Owned by the holder of the pump.
	lent      bool       // a callback may be using pieces of the intake's buffers
	drained   bool       // of a parked connection: all was received, until it is told of more
	intake    *intake    // nil while idle, where the stream is a descriptor
	interrupt *interrupt // nil until a context that may end is watched

	reader reader // owned by the call that took reading, see reader.go
}

// intake is what there is to remember while bytes of the peer are decoded. While
// none are there, and nothing of a frame or a message, it is back in the pool.
type intake struct {
	decoder core.Decoder
	base    []byte // the buffer read into, from bufs
	buf     []byte // what of it is not parsed yet
	size    int    // of the next base, for streams without a descriptor
	came    int    // since active was noted: bytes of a frame, or more than anyone asks for
	meter   *meter // nil if there is nothing to be metered
}

var intakePool = sync.Pool{New: func() any { return new(intake) }}

// takeIntake returns the intake, for bytes that have come. The caller holds the pump.
func (c *Conn) takeIntake() *intake {
	if c.in.intake == nil {
		c.in.intake = intakePool.Get().(*intake)
		c.in.intake.decoder = core.NewDecoder(&c.terms.decoder)
		if c.set.metered() {
			c.in.intake.meter = newMeter(c.set, c.now())
		}
	}
	return c.in.intake
}

// restIntake gives back the buffer, which is used up, and the intake, if nothing has
// begun. The caller holds the pump.
func (c *Conn) restIntake() {
	k := c.in.intake
	if k == nil {
		return
	}
	k.freeBuf()
	if k.decoder.Fresh() && k.meter == nil {
		if k.came > 0 { // since nothing has begun: whole frames
			c.touch(c.in.heard.Load())
		}
		c.freeIntake()
	}
}

// freeIntake gives the intake back, which holds nothing.
func (c *Conn) freeIntake() {
	k := c.in.intake
	c.in.intake, k.size, k.came, k.meter = nil, 0, 0, nil
	intakePool.Put(k)
}

const (
	pumpFree int32 = iota
	pumpHeld       // by a reader
	pumpAway       // by the goroutine that fills the window
	pumpGone       // by whoever ends the stream: nobody reads any more
)

const (
	readSize = 64 << 10 // where a buffer is held only while there are bytes
	holdSize = 16 << 10 // where it must be held to wait
	idleSize = 1 << 10  // of an idle connection's buffer, where it must have one
)

// next finds the next piece of a message in what the peer sent; its payload is
// lent until the pump is let go of or next is called again. The caller holds
// the pump, and the window is empty. Everything else that comes is dealt with
// here. idle is called each time there is nothing left but to wait for bytes; if
// it returns errBytes or another error, so does next, and the caller waits.
func (c *Conn) next(ctx context.Context, ev *core.Event, idle func() error) error {
	for {
		if k := c.in.intake; k == nil {
			*ev = core.Event{}
		} else {
			n := k.decoder.Next(k.buf, ev)
			k.buf = k.buf[n:]
			c.note(k, ev)
			if e := k.meter.tooFast(ev); e != nil {
				return c.failFast(ctx, e)
			}
		}
		switch ev.Kind {
		case core.Data:
			if c.life.discard.Load() {
				continue
			}
			if ev.Last {
				c.traffic.messagesRead.Add(1)
			}
			return nil
		case core.None:
			if err := idle(); err != nil {
				return err
			}
			if err := c.fill(ctx); err != nil {
				return err
			}
		case core.Pong:
			c.pongReceived(ev.Payload)
		case core.Ping:
			c.received(ev)
		case core.Close, core.Fail:
			c.received(ev)
			return c.awaitEnd(ctx)
		}
	}
}

// activeSize is how much of a frame is activity although it is not complete: a
// byte now and then is not.
const activeSize = 4 << 10

// note keeps the account of activity: cheap here, for when it is looked at.
func (c *Conn) note(k *intake, ev *core.Event) {
	switch {
	case ev.Kind == core.None:
		if k.came >= activeSize {
			k.came = 0
			c.touch(c.in.heard.Load())
		}
	case ev.Kind == core.Data && !ev.FrameEnd:
		k.came += len(ev.Payload)
	default:
		k.came = activeSize
	}
}

// touch notes that there was activity at that instant, which may be a while ago.
func (c *Conn) touch(at int64) {
	for {
		last := c.in.active.Load()
		if at <= last || c.in.active.CompareAndSwap(last, at) {
			return
		}
	}
}

// awaitEnd waits until our answer to the peer's Close, or our Close for its
// mistake, is written. CloseTimeout bounds it.
func (c *Conn) awaitEnd(ctx context.Context) error {
	if c.parked != nil && c.in.pump.Load() == pumpHeld {
		return c.parkUntilEnd()
	}
	c.flushNow()
	select {
	case <-c.Done():
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fill waits for bytes. What was read before is used up.
func (c *Conn) fill(ctx context.Context) error {
	if c.ended() {
		return c.Err()
	}
	watched := ctx.Done() != nil
	if watched && !c.watch(ctx) {
		return ctx.Err()
	}
	begun := time.Duration(0)
	if k := c.in.intake; k != nil && k.meter != nil {
		begun = c.now()
		k.meter.fill(begun, false)
	}
	err := c.recv()
	if watched {
		c.unwatch()
	}
	if k := c.in.intake; k != nil && k.meter != nil {
		now := c.now()
		k.meter.fill(now, c.waited(now-begun))
	}
	if err == nil {
		c.in.heard.Store(int64(c.now()))
		k := c.in.intake
		c.traffic.bytesRead.Add(int64(len(k.buf)))
		k.buf = k.meter.admit(k.buf)
		return nil
	}
	switch {
	case c.ended():
		return c.Err()
	case err == poll.ErrAgain || err == errWoken:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.stream.SetReadDeadline(time.Time{})
		return errWoken
	}
	c.lost(err)
	return c.Err()
}

// errBytes: nothing is left but to wait for bytes, with fill.
var errBytes = errors.New("curlew: bytes are needed")

// errWoken: somebody wants the reader to look around (see Conn.wake).
var errWoken = errors.New("curlew: woken")

// recv reads bytes into buf.
func (c *Conn) recv() (err error) {
	if c.parked != nil || c.fd != nil {
		size := readSize
		if k := c.in.intake; k != nil && k.decoder.Wanted() > readSize {
			size *= 4
		}
		c.restIntake()
		var p []byte
		if c.parked != nil {
			p, err = c.parked.recv(size)
		} else {
			p, err = c.fd.Recv(size) // holds no buffer while it waits
		}
		if err == nil {
			k := c.takeIntake()
			k.base, k.buf = p, p
		}
		return err
	}
	k := c.takeIntake()
	if k.size == 0 {
		k.size = idleSize
	}
	if len(k.base) != k.size {
		k.freeBuf()
		k.base = bufs.Get(k.size)
	}
	n, err := c.stream.Read(k.base)
	k.buf = k.base[:n]
	switch {
	case n == k.size && n < holdSize: // there is more: read more at once
		k.size = min(4*n, holdSize)
	case n <= k.size/16 && k.size > idleSize:
		k.size /= 4
	}
	if n > 0 {
		return nil // the error, if any, comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// freeBuf gives the buffer back.
func (k *intake) freeBuf() {
	bufs.Put(k.base)
	k.base, k.buf = nil, nil
}

// detach lets a callback keep what it was lent while somebody else pumps.
func (c *Conn) detach() {
	if k := c.in.intake; k != nil && c.in.lent {
		k.base = nil
		k.decoder.Detach()
	}
	c.in.lent = false
}

// yield lets go of the pump: the clock sees to it if nobody takes it for long.
func (c *Conn) yield() {
	c.in.turns.Add(1)
	c.in.pump.Store(pumpFree)
	if c.ended() {
		if c.in.pump.CompareAndSwap(pumpFree, pumpGone) {
			c.goRetire()
		}
		return
	}
	c.arm(time.Duration(c.in.heard.Load()) + pumpDelay)
}

// pumpAway starts the goroutine that pumps while nobody reads, if nobody does.
func (c *Conn) pumpAway() {
	if c.in.pump.CompareAndSwap(pumpFree, pumpAway) {
		go c.pumpWindow()
	}
}

// goRetire is retire where it must not block.
func (c *Conn) goRetire() {
	if c.parked != nil {
		c.retire()
	} else {
		go c.retire()
	}
}

// retire ends the stream; the caller has the pump for good. After a polite
// ending it first discards what the peer still sends, until the peer has ended
// too: else a reset could destroy our Close on its way. CloseTimeout bounds it.
// RFC 6455, 7.1.1.
func (c *Conn) retire() {
	if i := c.in.interrupt; i != nil {
		i.forget()
	}
	c.detach()
	if k := c.in.intake; k != nil {
		k.freeBuf()
		k.decoder.Release()
		c.freeIntake()
	}
	if c.life.discard.Load() {
		c.window.Load().clear()
	}
	if c.parked != nil {
		c.parked.retire()
		return
	}
	if c.life.polite.Load() {
		p := bufs.Get(holdSize)
		for {
			_, err := c.stream.Read(p)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.stream.SetReadDeadline(time.Time{}) // somebody woke us
			} else if err != nil {
				break
			}
		}
		bufs.Put(p)
	}
	c.stream.Close()
	c.stopClock()
}

// lost ends the connection because the stream failed.
func (c *Conn) lost(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	c.finish(&CloseError{Code: AbnormalClosure, Remote: !errors.Is(err, net.ErrClosed), Err: err}, false)
}
