package frame

import (
	"encoding/binary"
	"math/bits"
)

// Mask masks or unmasks p in place: byte i is xored with key[(pos+i)%4], so pos
// is the offset of p in its payload, and a payload may be masked in pieces. RFC
// 6455, 5.3.
func Mask(p []byte, key [4]byte, pos int) {
	k := rotate(binary.LittleEndian.Uint32(key[:]), pos)
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
	last := binary.LittleEndian.Uint64(tail) ^ twice(rotate(k, len(p)))
	kk := twice(k)
	for len(p) > 64 {
		q := (*[64]byte)(p) // an array: its bounds are checked once
		xor(q[0:8], kk)
		xor(q[8:16], kk)
		xor(q[16:24], kk)
		xor(q[24:32], kk)
		xor(q[32:40], kk)
		xor(q[40:48], kk)
		xor(q[48:56], kk)
		xor(q[56:64], kk)
		p = p[64:]
	}
	for len(p) > 8 {
		xor(p[:8], kk)
		p = p[8:]
	}
	binary.LittleEndian.PutUint64(tail, last)
}

// xor masks the first 8 bytes of p.
func xor(p []byte, kk uint64) {
	binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^kk)
}

// rotate returns the key, byte 0 lowest, as it applies n bytes further on.
func rotate(k uint32, n int) uint32 {
	return bits.RotateLeft32(k, -8*(n&3))
}

func twice(k uint32) uint64 { return uint64(k)<<32 | uint64(k) }
