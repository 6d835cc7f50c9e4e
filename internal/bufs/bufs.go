// Package bufs lends byte buffers of a few sizes. Get and Put allocate nothing
// once the pools are warm.
//
// Built with the tag "invariants", a second Put of a buffer, a Put of something
// that Get did not return, and a write to a buffer after its Put panic, and
// Outstanding counts what was not given back. Without the tag none of this is
// there.
package bufs

import "math/bits"

// Max is the size of the largest pooled buffers. The classes are 64 and 256
// bytes, 1 and 4 KiB, and from there on each twice the one before, so that at most
// half of a large buffer is waste, up to 1 MiB.
const Max = 1 << 20

const classes = 12

// class returns the smallest class that holds n bytes, classes if none does.
func class(n int) int {
	switch {
	case n <= 64:
		return 0
	case n <= 256:
		return 1
	case n <= 1<<10:
		return 2
	case n <= 4<<10:
		return 3
	case n > Max:
		return classes
	}
	return bits.Len(uint(n-1)) - 9
}

// size returns the bytes of a buffer of class c.
func size(c int) int {
	if c < 3 {
		return 64 << (2 * c)
	}
	return 1 << (9 + c)
}

// Fits reports whether a buffer for n bytes has room for more besides.
func Fits(n, more int) bool { return n+more <= Max && class(n) == class(n+more) }
