//go:build !invariants

package bufs

import "sync"

// pools holds pointers to arrays: a slice would be allocated anew for every
// interface value, a pointer is not.
var pools [classes]sync.Pool

// Get returns a buffer of length n, which is not negative. Its content is
// arbitrary, other connections' bytes included: write before reading. Above Max
// it is made for the call. Any number of goroutines may call Get and Put.
func Get(n int) []byte {
	c := class(n)
	if c == classes {
		return make([]byte, n)
	}
	switch p := pools[c].Get().(type) {
	case *[64]byte:
		return p[:n]
	case *[256]byte:
		return p[:n]
	case *[1 << 10]byte:
		return p[:n]
	case *[4 << 10]byte:
		return p[:n]
	case *[8 << 10]byte:
		return p[:n]
	case *[16 << 10]byte:
		return p[:n]
	case *[32 << 10]byte:
		return p[:n]
	case *[64 << 10]byte:
		return p[:n]
	case *[128 << 10]byte:
		return p[:n]
	case *[256 << 10]byte:
		return p[:n]
	case *[512 << 10]byte:
		return p[:n]
	case *[1 << 20]byte:
		return p[:n]
	}
	return make([]byte, n, size(c))
}

// Put gives b back. It must be what Get returned, from its start and with its
// capacity, whatever its length, and nobody may use it any more. Buffers whose
// capacity is no class, nil too, are left to the garbage collector.
func Put(b []byte) {
	switch cap(b) {
	case 64:
		pools[0].Put((*[64]byte)(b[:64]))
	case 256:
		pools[1].Put((*[256]byte)(b[:256]))
	case 1 << 10:
		pools[2].Put((*[1 << 10]byte)(b[:1<<10]))
	case 4 << 10:
		pools[3].Put((*[4 << 10]byte)(b[:4<<10]))
	case 8 << 10:
		pools[4].Put((*[8 << 10]byte)(b[:8<<10]))
	case 16 << 10:
		pools[5].Put((*[16 << 10]byte)(b[:16<<10]))
	case 32 << 10:
		pools[6].Put((*[32 << 10]byte)(b[:32<<10]))
	case 64 << 10:
		pools[7].Put((*[64 << 10]byte)(b[:64<<10]))
	case 128 << 10:
		pools[8].Put((*[128 << 10]byte)(b[:128<<10]))
	case 256 << 10:
		pools[9].Put((*[256 << 10]byte)(b[:256<<10]))
	case 512 << 10:
		pools[10].Put((*[512 << 10]byte)(b[:512<<10]))
	case 1 << 20:
		pools[11].Put((*[1 << 20]byte)(b[:1<<20]))
	}
}

// Outstanding returns how many buffers were got and not put. It is counted only
// under the tag invariants and is 0 without it.
func Outstanding() int { return 0 }
