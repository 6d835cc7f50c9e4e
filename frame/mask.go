package frame

import (
	"encoding/binary"
	"math/bits"
)

// Mask masks or unmasks p in place: byte i is xored with key[(pos+i)%4], so pos
// is the offset of p in its payload, and a payload may be masked in pieces. RFC
// 6455, 5.3.
func Mask(p []byte, key [4]byte, pos int) {
	le := binary.LittleEndian // one load or store each, where the machine is too
	k := rotate(le.Uint32(key[:]), pos)
	if len(p) < 8 {
		for i := range p {
			p[i] ^= byte(k)
			k = bits.RotateLeft32(k, -8)
		}
		return
	}
	// The last 8 bytes, which may overlap those that the loops do, are read
	// before and written after them: no loop over single bytes is left.
	tail := p[len(p)-8:]
	last := le.Uint64(tail) ^ twice(rotate(k, len(p)))
	kk := twice(k)
	for len(p) > 64 {
		q := (*[64]byte)(p) // an array: its bounds are checked once
		le.PutUint64(q[0:], le.Uint64(q[0:])^kk)
		le.PutUint64(q[8:], le.Uint64(q[8:])^kk)
		le.PutUint64(q[16:], le.Uint64(q[16:])^kk)
		le.PutUint64(q[24:], le.Uint64(q[24:])^kk)
		le.PutUint64(q[32:], le.Uint64(q[32:])^kk)
		le.PutUint64(q[40:], le.Uint64(q[40:])^kk)
		le.PutUint64(q[48:], le.Uint64(q[48:])^kk)
		le.PutUint64(q[56:], le.Uint64(q[56:])^kk)
		p = p[64:]
	}
	for len(p) > 8 {
		le.PutUint64(p, le.Uint64(p)^kk)
		p = p[8:]
	}
	le.PutUint64(tail, last)
}

// rotate returns the key, byte 0 lowest, as it applies n bytes further on.
func rotate(k uint32, n int) uint32 {
	return bits.RotateLeft32(k, -8*(n&3))
}

func twice(k uint32) uint64 { return uint64(k)<<32 | uint64(k) }
