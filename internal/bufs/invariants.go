//go:build invariants

package bufs

import "sync"

const (
	poison = 0xDB

	// quarantine is how many bytes of one class wait, poisoned, before the
	// oldest buffer is lent again: the longer, the more late writes are found.
	quarantine = 4 << 20
)

// ledger knows every buffer that was ever lent and not forgotten since.
type ledger struct {
	mu   sync.Mutex        // guards the following
	lent map[*byte]int     // first byte -> capacity
	put  map[*byte]bool    // what waits in free
	free [classes][][]byte // oldest first
}

var book = ledger{lent: map[*byte]int{}, put: map[*byte]bool{}}

// Get is as without the tag. A fresh buffer is full of poison too, so that
// reading before writing shows.
func Get(n int) []byte {
	book.mu.Lock()
	defer book.mu.Unlock()
	b := book.takeLocked(class(n), n)
	book.lent[first(b)] = cap(b)
	return b[:n]
}

// Put is as without the tag, but panics on a buffer that was put before, that
// Get did not return although its size is one of a class, or whose capacity was
// changed since.
func Put(b []byte) {
	if cap(b) == 0 {
		return
	}
	c := class(cap(b))
	pooled := c < classes && size(c) == cap(b)
	book.mu.Lock()
	defer book.mu.Unlock()
	was, ok := book.lent[first(b)]
	switch {
	case book.put[first(b)]:
		panic("bufs: buffer put twice")
	case ok && was != cap(b):
		panic("bufs: capacity of the buffer changed before Put")
	case !ok && pooled:
		panic("bufs: Put of a buffer that Get did not return, or put twice")
	case !ok:
		return // of a foreign size
	}
	delete(book.lent, first(b))
	if !pooled {
		return
	}
	fill(b)
	book.put[first(b)] = true
	book.free[c] = append(book.free[c], b[:cap(b)])
}

// Outstanding returns how many buffers were got and not put. It also panics if
// one was written to after its Put, so call it at the end of a test.
func Outstanding() int {
	book.mu.Lock()
	defer book.mu.Unlock()
	for _, free := range book.free {
		for _, b := range free {
			mustBePoison(b)
		}
	}
	return len(book.lent)
}

// takeLocked returns a buffer of class c, or of n bytes above the classes.
func (l *ledger) takeLocked(c, n int) []byte {
	if c < classes {
		n = size(c)
		if free := l.free[c]; len(free)*n >= quarantine {
			b := free[0]
			l.free[c] = free[1:]
			delete(l.put, first(b))
			mustBePoison(b)
			return b
		}
	}
	b := make([]byte, n)
	fill(b)
	return b
}

func first(b []byte) *byte { return &b[:1][0] }

func fill(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = poison
	}
}

func mustBePoison(b []byte) {
	for _, x := range b {
		if x != poison {
			panic("bufs: buffer written to after Put")
		}
	}
}
