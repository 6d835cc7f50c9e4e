package curlew

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/core"
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
	pump atomic.Int32

	// Owned by the holder of the pump.
	decoder core.Decoder
	base    []byte // the buffer read into, from bufs; nil while idle, if possible
	buf     []byte // what of it is not parsed yet
	size    int    // of the next base, for streams without a descriptor
	lent    bool   // a callback may be using pieces of base and of the decoder's buffer
	came    int    // since active was set: bytes of a frame, or more than anyone asks for

	// Owned by the reader, see reader.go.
	reading atomic.Bool // taken by a Read, Reader or Serve
	reader  reader

	turns     atomic.Uint32 // how often the pump was let go of
	heard     atomic.Int64  // when bytes last came
	active    atomic.Int64  // when a frame last came, or a good part of one
	grown     atomic.Bool   // Handle's goroutine has needed much stack
	restack   atomic.Bool   // it is to begin with a new one
	interrupt interrupt
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
		n := c.in.decoder.Next(c.in.buf, ev)
		c.in.buf = c.in.buf[n:]
		c.note(ev)
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
func (c *Conn) note(ev *core.Event) {
	switch {
	case ev.Kind == core.None:
		if c.in.came >= activeSize {
			c.in.came = 0
			c.in.active.Store(c.in.heard.Load())
		}
	case ev.Kind == core.Data && !ev.FrameEnd:
		c.in.came += len(ev.Payload)
	default:
		c.in.came = activeSize
	}
}

// awaitEnd waits until our answer to the peer's Close, or our Close for its
// mistake, is written. CloseTimeout bounds it.
func (c *Conn) awaitEnd(ctx context.Context) error {
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
	err := c.recv()
	if watched {
		c.unwatch()
	}
	if err == nil {
		c.in.heard.Store(int64(c.now()))
		c.traffic.bytesRead.Add(int64(len(c.in.buf)))
		return nil
	}
	switch {
	case c.ended():
		return c.Err()
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
	if c.fd.Usable() {
		size := readSize
		if c.in.decoder.Wanted() > readSize {
			size *= 4
		}
		c.freeBuf()
		c.in.base, err = c.fd.Recv(size) // holds no buffer while it waits
		c.in.buf = c.in.base
		return err
	}
	if c.in.size == 0 {
		c.in.size = idleSize
	}
	if len(c.in.base) != c.in.size {
		c.freeBuf()
		c.in.base = bufs.Get(c.in.size)
	}
	n, err := c.stream.Read(c.in.base)
	c.in.buf = c.in.base[:n]
	switch {
	case n == c.in.size && n < holdSize: // there is more: read more at once
		c.in.size = min(4*n, holdSize)
	case n <= c.in.size/16 && c.in.size > idleSize:
		c.in.size /= 4
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
func (c *Conn) freeBuf() {
	bufs.Put(c.in.base)
	c.in.base, c.in.buf = nil, nil
}

// detach lets a callback keep what it was lent while somebody else pumps.
func (c *Conn) detach() {
	if c.in.lent {
		c.in.lent = false
		c.in.base = nil
		c.in.decoder.Detach()
	}
}

// yield lets go of the pump: the clock sees to it if nobody takes it for long.
func (c *Conn) yield() {
	c.in.turns.Add(1)
	c.in.pump.Store(pumpFree)
	if c.ended() {
		if c.in.pump.CompareAndSwap(pumpFree, pumpGone) {
			go c.retire()
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

// retire ends the stream; the caller has the pump for good. After a polite
// ending it first discards what the peer still sends, until the peer has ended
// too: else a reset could destroy our Close on its way. CloseTimeout bounds it.
// RFC 6455, 7.1.1.
func (c *Conn) retire() {
	c.in.interrupt.forget()
	c.detach()
	c.freeBuf()
	c.in.decoder.Release()
	if c.life.discard.Load() {
		c.window.clear()
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
