package wstest

import "time"

// A flow is one direction of a link. link.mu guards it.
type flow struct {
	from, to *End

	buf    []byte      // everything sent and not read: buf[head:]
	head   int         //
	ready  int         // of these, the bytes that have arrived
	taken  int64       // bytes read since the beginning
	fin    bool        // the end of the flow has arrived
	fences fifo[int64] // where a Read ends, counted from the beginning

	pending fifo[segment] // on the way

	// Faults.
	segment    int
	delay      time.Duration
	stalled    bool
	dropping   bool
	dropLeft   int64 // bytes that still arrive, with dropping
	resetting  bool
	resetAfter int64 // bytes until the reset, with resetting
}

// A segment is what travels together: bytes, or the end, or a reset.
type segment struct {
	kind  kind
	n     int       // bytes, of kindData
	at    time.Time // when it arrives; zero is at once
	fence bool      // a Read does not go past it
	lost  bool      // it never arrives, nor does what is behind it
}

type kind uint8

const (
	kindData  kind = iota
	kindFin        // io.EOF
	kindReset      // ErrReset, and what was not read is gone
	kindCut        // ErrReset, after what was sent before
)

func (f *flow) init(from, to *End) { f.from, f.to = from, to }

// size returns how many bytes take up room.
func (f *flow) size() int { return len(f.buf) - f.head }

// putLocked sends p, for which there is room.
func (f *flow) putLocked(p []byte) {
	if f.head > 0 && len(f.buf)+len(p) > cap(f.buf) {
		f.buf = f.buf[:copy(f.buf, f.buf[f.head:])]
		f.head = 0
	}
	f.buf = append(f.buf, p...)
	n := len(p)
	reset := false
	if f.resetting && int64(n) >= f.resetAfter {
		// What lies behind the cut was taken from the sender and never arrives.
		cut := n - int(f.resetAfter)
		f.buf = f.buf[:len(f.buf)-cut]
		n -= cut
		f.resetting, reset = false, true
	} else if f.resetting {
		f.resetAfter -= int64(n)
	}
	for n > 0 {
		s := segment{n: n}
		if f.segment > 0 {
			s.n = min(n, f.from.link.pieceLocked(f.segment))
			s.fence = true
		}
		if f.dropping {
			if f.dropLeft > 0 {
				s.n = int(min(int64(s.n), f.dropLeft))
				f.dropLeft -= int64(s.n)
			} else {
				s.lost = true
			}
		}
		n -= s.n
		f.sendLocked(s)
	}
	if reset {
		f.from.failed = ErrReset
		f.sendLocked(segment{kind: kindCut})
	}
}

// sendLocked puts s on its way. The bytes of data are in buf already.
func (f *flow) sendLocked(s segment) {
	if f.dropping && s.kind != kindData && f.dropLeft <= 0 {
		s.lost = true
	}
	if f.pending.len() == 0 && !f.stalled && f.delay <= 0 && !s.lost {
		f.arriveLocked(s)
		return
	}
	if f.delay > 0 {
		s.at = time.Now().Add(f.delay)
		if f.pending.len() > 0 && s.at.Before(f.pending.last().at) {
			s.at = f.pending.last().at // in order, whatever the delay was
		}
		time.AfterFunc(time.Until(s.at), f.tick)
	}
	f.pending.push(s)
	f.settleLocked()
}

// tick is called when a segment is due.
func (f *flow) tick() {
	l := f.from.link
	l.mu.Lock()
	defer l.mu.Unlock()
	f.settleLocked()
	l.change.Broadcast()
}

// settleLocked lets arrive what is due.
func (f *flow) settleLocked() {
	for f.pending.len() > 0 && !f.stalled {
		s := f.pending.first()
		if s.lost || !s.at.IsZero() && time.Until(s.at) > 0 {
			return
		}
		f.pending.pop()
		f.arriveLocked(s)
	}
}

// arriveLocked hands s, which is the oldest on the way, to the receiver.
func (f *flow) arriveLocked(s segment) {
	to := f.to
	switch s.kind {
	case kindFin:
		f.fin = true
	case kindReset:
		to.failed = ErrReset
		f.clearLocked()
		to.out.clearLocked()
	case kindCut:
		to.failed = ErrReset
	case kindData:
		f.ready += s.n
		if s.fence {
			f.fences.push(f.taken + int64(f.ready))
		}
		if to.closed {
			f.dropReadyLocked()
			if !to.link.polite && to.failed == nil {
				to.failed = ErrReset // once is enough
				to.out.resetLocked()
			}
		}
	}
}

// resetLocked sends a reset. Where it arrives it destroys what was not read and
// what is on its way back.
func (f *flow) resetLocked() {
	f.from.ended = true
	f.sendLocked(segment{kind: kindReset})
}

// clearLocked destroys everything that was not read.
func (f *flow) clearLocked() {
	f.dropReadyLocked()
	f.buf, f.head = f.buf[:0], 0
	f.pending.clear()
	f.fin = false
}

// dropReadyLocked destroys what has arrived.
func (f *flow) dropReadyLocked() {
	f.taken += int64(f.ready)
	f.head += f.ready
	f.ready = 0
	f.fences.clear()
	f.rewindLocked()
}

// takeLocked reads into p; something is ready.
func (f *flow) takeLocked(p []byte) int {
	n := min(len(p), f.ready)
	if f.fences.len() > 0 {
		n = int(min(int64(n), f.fences.first()-f.taken))
	}
	copy(p, f.buf[f.head:f.head+n])
	f.head += n
	f.ready -= n
	f.taken += int64(n)
	for f.fences.len() > 0 && f.fences.first() <= f.taken {
		f.fences.pop()
	}
	f.rewindLocked()
	return n
}

func (f *flow) rewindLocked() {
	if f.head == len(f.buf) {
		f.buf, f.head = f.buf[:0], 0
	}
}

// A fifo is a queue that allocates only when it grows.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }
func (q *fifo[T]) first() T { return q.items[q.head] }
func (q *fifo[T]) last() T  { return q.items[len(q.items)-1] }
func (q *fifo[T]) clear()   { q.items, q.head = q.items[:0], 0 }

func (q *fifo[T]) push(v T) {
	if q.head > 0 && len(q.items) == cap(q.items) {
		q.items = q.items[:copy(q.items, q.items[q.head:])]
		q.head = 0
	}
	q.items = append(q.items, v)
}

func (q *fifo[T]) pop() {
	q.head++
	if q.head == len(q.items) {
		q.clear()
	}
}
