package curlew

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/core"
	"curlew.example/curlew/internal/poll"
)

const (
	// pumpDelay is how long nobody may read before the window is filled. The
	// clock looks twice, so it takes up to two of them.
	pumpDelay = 100 * time.Millisecond

	// windowSize bounds what is read ahead, in bytes; each piece counts
	// pieceCost more than its payload.
	windowSize = 64 << 10
	pieceCost  = 64
)

// window holds what was read while no reader was there. A nil one is empty.
type window struct {
	n atomic.Int32 // pieces

	mu      sync.Mutex
	pieces  []piece
	size    int
	waiting chan struct{} // of the reader; nil while it does not wait
}

// A piece is a core.Event of kind Data with a buffer of its own.
type piece struct {
	opcode                frame.Opcode
	first, frameEnd, last bool
	payload               []byte // of bufs
}

// push adds a piece and reports whether the pump should go on: the window is
// not full and no reader waits.
func (w *window) push(ev *core.Event) bool {
	p := piece{ev.Opcode, ev.First, ev.FrameEnd, ev.Last, bufs.Get(len(ev.Payload))}
	copy(p.payload, ev.Payload)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pieces = append(w.pieces, p)
	w.size += len(p.payload) + pieceCost
	w.n.Add(1)
	return w.size < windowSize && w.waiting == nil
}

// pop takes the oldest piece, if there is one; the caller owns ev.Payload, a
// buffer of bufs.
func (w *window) pop(ev *core.Event) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pieces) == 0 {
		return false
	}
	p := w.pieces[0]
	w.pieces[0] = piece{}
	w.pieces = w.pieces[1:]
	if len(w.pieces) == 0 {
		w.pieces = nil
	}
	w.size -= len(p.payload) + pieceCost
	w.n.Add(-1)
	*ev = core.Event{Kind: core.Data, Opcode: p.opcode, First: p.first, FrameEnd: p.frameEnd, Last: p.last, Payload: p.payload}
	return true
}

// ahead returns the window, which it makes if need be.
func (c *Conn) ahead() *window {
	if w := c.window.Load(); w != nil {
		return w
	}
	c.window.CompareAndSwap(nil, new(window))
	return c.window.Load()
}

// full reports whether nothing more is read ahead.
func (w *window) full() bool {
	if w == nil || w.n.Load() == 0 {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size >= windowSize
}

// clear drops all pieces.
func (w *window) clear() {
	var ev core.Event
	for w.pop(&ev) {
		bufs.Put(ev.Payload)
	}
}

// signal tells a waiting reader that the pump has put something there and is
// free, or that the connection has ended.
func (w *window) signal() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting != nil {
		close(w.waiting)
		w.waiting = nil
	}
}

// awaitPump waits until the window has a piece or the pump can be had. Whoever
// pumps meanwhile is asked for it.
func (c *Conn) awaitPump(ctx context.Context) error {
	w := c.ahead() // before the pump is looked at: who lets go of it signals then
	w.mu.Lock()
	if len(w.pieces) > 0 || c.in.pump.Load() == pumpFree {
		w.mu.Unlock()
		return nil
	}
	if w.waiting == nil {
		w.waiting = make(chan struct{})
	}
	ready := w.waiting
	w.mu.Unlock()
	c.wake()
	c.blocks()
	select {
	case <-ready:
		return nil
	case <-c.Done():
		return nil // the window may hold the last messages
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == ready {
		w.waiting = nil
	}
	return ctx.Err()
}

// wanted reports whether a reader waits.
func (w *window) wanted() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting != nil
}

// pumpWindow pumps until a reader wants the pump, the window is full or the
// connection ends. It is the goroutine started by pumpAway.
func (c *Conn) pumpWindow() {
	c.detach()
	var ev core.Event
pumping:
	for {
		err := c.next(context.Background(), &ev, c.pumpIdle)
		switch err {
		case poll.ErrAgain:
			c.parked.desc.Wait()
			continue
		case errWoken:
			if c.window.Load().wanted() {
				break pumping
			}
			continue
		}
		if err != nil {
			c.in.pump.Store(pumpGone)
			c.window.Load().signal()
			c.retire()
			return
		}
		if !c.ahead().push(&ev) {
			break
		}
	}
	c.flushNow() // pongs owed
	wanted := c.window.Load().wanted()
	c.yield()
	c.window.Load().signal()
	if c.life.closing.Load() && !wanted {
		c.pumpAway()
	}
}

// pumpIdle is next's idle while nobody reads: what is owed is sent by a goroutine
// of its own.
func (c *Conn) pumpIdle() error {
	c.flushNow()
	return nil
}

// readIdle is next's idle for a Read.
func (c *Conn) readIdle() error {
	c.out.writable.Store(false) // nobody wants to know
	c.flushNow()
	return nil
}
