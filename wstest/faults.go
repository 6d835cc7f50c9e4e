package wstest

import "time"

// LimitRead lets every Read of this end return n bytes at most; 0 is no limit.
func (e *End) LimitRead(n int) {
	e.alter(func() { e.maxRead = n })
}

// Segment cuts what this end sends from now on into segments of n bytes at
// most, which arrive one by one: no Read of the peer returns bytes of two. 0 is
// no limit.
func (e *End) Segment(n int) {
	e.alter(func() { e.out.segment = n })
}

// Delay makes everything that this end sends from now on, its end and a reset
// included, take d. Order is kept.
func (e *End) Delay(d time.Duration) {
	e.alter(func() { e.out.delay = d })
}

// Stall holds back what this end sends, and with false lets it go. A stalled
// end can write until the buffer is full.
func (e *End) Stall(on bool) {
	e.alter(func() {
		e.out.stalled = on
		e.out.settleLocked()
	})
}

// DropAfter turns the direction away from this end into a black hole after n
// more bytes: nothing arrives any more, not even the end or a reset, and as
// nothing is acknowledged, writing blocks once the buffer is full. It cannot be
// taken back.
func (e *End) DropAfter(n int64) {
	e.alter(func() {
		e.out.dropping = true
		e.out.dropLeft = max(n, 0)
	})
}

// ResetAfter lets something on the way reset the connection when this end has
// sent n more bytes (at once if n is 0): the peer reads these and then both
// ends get ErrReset.
func (e *End) ResetAfter(n int64) {
	e.alter(func() {
		if n > 0 {
			e.out.resetting, e.out.resetAfter = true, n
			return
		}
		e.failed = ErrReset
		e.out.sendLocked(segment{kind: kindCut})
	})
}

// Reset closes this end as a TCP socket with SO_LINGER 0 is closed: the peer
// gets ErrReset, and loses what it has not read.
func (e *End) Reset() {
	e.alter(func() {
		if e.closed {
			return
		}
		e.closed = true
		e.rd.stop()
		e.wd.stop()
		if e.failed == nil {
			e.failed = ErrReset
			e.out.resetLocked()
		}
	})
}

// alter changes something and tells everybody who waits.
func (e *End) alter(change func()) {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	change()
	e.link.change.Broadcast()
}
