package deflate

import "sync"

// A window holds the last bytes of the output, up to the size agreed: a ring
// that grows in powers of two with what is in it, so that a connection with
// context takeover pays for what it was sent.
type window struct {
	ring []byte // nil while empty; shorter than the size only while not wrapped
	pos  int    // where the next byte goes
	have int    // how many bytes are in it
}

// windows are rings by the logarithm of their size.
var windows [maxBits + 1]sync.Pool

// A ring is lent as an array, since a slice in an interface is an allocation.
func getRing(bits int) []byte {
	if r := windows[bits].Get(); r != nil {
		switch r := r.(type) {
		case *[1 << 8]byte:
			return r[:]
		case *[1 << 9]byte:
			return r[:]
		case *[1 << 10]byte:
			return r[:]
		case *[1 << 11]byte:
			return r[:]
		case *[1 << 12]byte:
			return r[:]
		case *[1 << 13]byte:
			return r[:]
		case *[1 << 14]byte:
			return r[:]
		case *[1 << 15]byte:
			return r[:]
		}
	}
	return make([]byte, 1<<bits)
}

func putRing(r []byte) {
	switch len(r) {
	case 1 << 8:
		windows[8].Put((*[1 << 8]byte)(r))
	case 1 << 9:
		windows[9].Put((*[1 << 9]byte)(r))
	case 1 << 10:
		windows[10].Put((*[1 << 10]byte)(r))
	case 1 << 11:
		windows[11].Put((*[1 << 11]byte)(r))
	case 1 << 12:
		windows[12].Put((*[1 << 12]byte)(r))
	case 1 << 13:
		windows[13].Put((*[1 << 13]byte)(r))
	case 1 << 14:
		windows[14].Put((*[1 << 14]byte)(r))
	case 1 << 15:
		windows[15].Put((*[1 << 15]byte)(r))
	}
}

// release empties the window.
func (w *window) release() {
	if w.ring != nil {
		putRing(w.ring)
	}
	*w = window{}
}

// remember appends p; of more than size bytes the last ones are kept.
func (w *window) remember(p []byte, size int) {
	if len(p) == 0 {
		return
	}
	if len(p) >= size {
		p = p[len(p)-size:]
		w.have, w.pos = 0, 0 // the ring need not be copied
	}
	w.grow(min(size, w.have+len(p)))
	n := copy(w.ring[w.pos:], p)
	copy(w.ring, p[n:])
	w.pos = (w.pos + len(p)) & (len(w.ring) - 1)
	w.have = min(w.have+len(p), len(w.ring))
}

// grow makes room for n bytes in all, at most the size agreed. A ring that is
// shorter has not wrapped.
func (w *window) grow(n int) {
	if n <= len(w.ring) {
		return
	}
	bits := minBits
	for 1<<bits < n {
		bits++
	}
	ring := getRing(bits)
	copy(ring, w.ring[:w.have])
	if w.ring != nil {
		putRing(w.ring)
	}
	w.ring = ring
	w.pos = w.have
}

// copyMatch writes at dst[o:] the n bytes that begin dist bytes before, in dst
// or, where it does not reach back so far, in the window, which must have them.
// A match may overlap itself. RFC 1951, 3.2.3.
func (w *window) copyMatch(dst []byte, o, dist, n int) {
	if n == 0 {
		return
	}
	end := o + n
	if back := dist - o; back > 0 {
		from := (w.pos - back) & (len(w.ring) - 1)
		stop := o + min(n, back)
		o += copy(dst[o:stop], w.ring[from:])
		o += copy(dst[o:stop], w.ring)
	}
	for from := o - dist; o < end; {
		o += copy(dst[o:end], dst[from:o]) // twice as much each time
	}
}
