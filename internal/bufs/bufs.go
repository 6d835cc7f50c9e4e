// Package bufs lends byte buffers of a few sizes. Get and Put allocate nothing
// once the pools are warm.
//
// Built with the tag "invariants", a second Put of a buffer, a Put of something
// that Get did not return, and a write to a buffer after its Put panic, and
// Outstanding counts what was not given back. Without the tag none of this is
// there.
package bufs

import "math/bits"

// Max is the size of the largest pooled buffers. The classes are 256 bytes, 1,
// 4, 16, 64 and 256 KiB, and 1 MiB: every one four times the one before.
const Max = 1 << 20

const classes = 7

// class returns the smallest class that holds n bytes, classes if none does.
func class(n int) int {
	switch {
	case n <= 256:
		return 0
	case n > Max:
		return classes
	}
	return (bits.Len(uint(n-1)) - 7) / 2
}

// size returns the bytes of a buffer of class c.
func size(c int) int { return 256 << (2 * c) }
