package deflate

import (
	"errors"
	"fmt"
	"sync"
)

// An Inflater decompresses messages, one after the other: Reset, Inflate as
// often as bytes come, Finish until it is done. It is for one goroutine at a
// time. What it is given is not kept. RFC 7692, 7.2.2; RFC 1951.
//
// Between messages it holds the window, as far as it is filled, and no more
// than 256 bytes besides; without context takeover put it back instead.
type Inflater struct {
	size   int // of the window agreed: the largest distance
	pooled bool

	// The open message.
	err   error
	state state
	fresh bool // no byte came yet
	last  bool // the open block is a final one
	ended bool // the last thing seen was the end of a final block
	full  bool // output is ready that found no room

	acc uint64 // bits taken and not used, the next one lowest; the others are 0
	n   uint   // how many: at most 63

	stored int     // bytes that the stored block still has
	length int     // bytes that the open match still has
	dist   int     // and from how far back
	head   header  // of a dynamic block
	own    *tables // from the pool, once there was a dynamic block
	t      *tables // those of the open block: own, or the fixed ones

	win window
}

// state says what comes next.
type state uint8

const (
	atBlock   state = iota // a block's header
	atLength               // a stored block's length, byte aligned
	inStored               // its bytes
	atCounts               // a dynamic block's three counts
	atCodes                // the lengths of the code of code lengths
	atLengths              // the code lengths
	inBlock                // symbols
	atEnd                  // nothing: Finish was done
)

var (
	errType     = corrupt("block of type 3 (RFC 1951, 3.2.3)")
	errStored   = corrupt("length of a stored block is not its complement's (RFC 1951, 3.2.4)")
	errCounts   = corrupt("too many codes (RFC 1951, 3.2.7)")
	errRepeat   = corrupt("bad repetition of code lengths (RFC 1951, 3.2.7)")
	errCode     = corrupt("code lengths are no prefix code (RFC 1951, 3.2.2)")
	errNoEnd    = corrupt("block cannot end (RFC 1951, 3.2.7)")
	errSymbol   = corrupt("unassigned code (RFC 1951, 3.2.6)")
	errDistance = corrupt("distance beyond the window or its content (RFC 7692, 7.1)")
	errShort    = corrupt("message ends within a block (RFC 7692, 7.2.1)")

	errPut  = errors.New("deflate: Inflater used after Put")
	errOver = errors.New("deflate: Inflater used after Finish without Reset")
)

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

var inflaters = sync.Pool{New: func() any { return new(Inflater) }}

// GetInflater returns an Inflater for the start of a message, with the window
// that was agreed for the peer: of 1<<bits bytes, 8 to 15; anything else is 15.
// A distance beyond it is an error, although whoever always keeps 32 KiB could
// serve it: what is accepted must not depend on how much is kept. (zlib's
// deflate stays 262 bytes below its window, so even when told 8 bits, which it
// takes for 9, its distances fit into 256.)
func GetInflater(bits int) *Inflater {
	if bits < minBits || bits > maxBits {
		bits = maxBits
	}
	inflatersOut.add(1)
	z := inflaters.Get().(*Inflater)
	z.size = 1 << bits
	z.pooled = false
	z.err = nil
	z.Reset(false)
	return z
}

// Put gives the Inflater back, at any time; it must not be used again. A second
// Put does nothing, and panics under -tags invariants.
func (z *Inflater) Put() {
	if z.pooled {
		if invariants {
			panic("deflate: Inflater put twice")
		}
		return
	}
	z.Reset(false)
	z.pooled = true
	z.err = errPut
	inflatersOut.add(-1)
	inflaters.Put(z)
}

// Reset gets ready for a message. With keepWindow it may refer back to what the
// earlier ones held: context takeover; not so if one of them had an error.
func (z *Inflater) Reset(keepWindow bool) {
	if z.pooled {
		return
	}
	if !keepWindow || z.err != nil {
		z.win.release()
	}
	z.rest()
	z.err = nil
	z.state = atBlock
	z.fresh = true
	z.last, z.ended, z.full = false, false, false
	z.acc, z.n = 0, 0
	z.length = 0
}

// rest lets go of what only an open message needs.
func (z *Inflater) rest() {
	if z.own != nil {
		putTables(z.own)
	}
	z.own, z.t = nil, nil
}

// Inflate decompresses from src into dst and returns how much of each was used.
// It is done with src if ns == len(src) and nd < len(dst). If nd == len(dst),
// call it again with more room and what is left of src, if anything, because
// there may be more output. Of dst the bytes behind nd may have been
// overwritten.
//
// An error matches ErrCorrupt, and stays until Reset; the nd bytes before it are
// good. It comes as soon as the symbol, or the header, that is wrong is there,
// not at the end of the message.
func (z *Inflater) Inflate(dst, src []byte) (nd, ns int, err error) {
	if z.err != nil {
		return 0, 0, z.err
	}
	if z.state == atEnd {
		return 0, 0, errOver
	}
	c := cursor{dst: dst, src: src}
	z.full = false
	z.err = z.run(&c)
	if c.i > 0 {
		z.fresh = false
	}
	z.win.remember(c.dst[:c.o], z.size)
	return c.o, c.i, z.err
}

// Finish is called when the message has no more bytes. It writes what found no
// room before, nd bytes, and is done once nothing is left; otherwise call it
// again with more room.
//
// A sender ends a message with the first byte of an empty stored block, whose
// other four, 00 00 FF FF, do not travel (RFC 7692, 7.2.1). Adding them must
// therefore complete this block; a message that ends anywhere else is cut
// short: ErrCorrupt. Two exceptions, because zlib has them: a message of no
// bytes is empty, and one that ends with a final block is complete. Bytes behind
// a final block are further blocks (RFC 7692, 7.2.3.4), which may refer back
// before it.
func (z *Inflater) Finish(dst []byte) (nd int, done bool, err error) {
	if z.err != nil {
		return 0, false, z.err
	}
	if z.state == atEnd {
		return 0, true, nil
	}
	c := cursor{dst: dst}
	z.full = false
	z.err = z.run(&c)
	z.win.remember(c.dst[:c.o], z.size)
	switch {
	case z.err != nil:
	case z.full:
		return c.o, false, nil
	case z.state == atLength && z.n == 0, z.fresh, z.ended && z.n == 0:
		z.state = atEnd
		z.rest()
		return c.o, true, nil
	default:
		z.err = errShort
	}
	return c.o, false, z.err
}

// A cursor is what one call is given and how far it came.
type cursor struct {
	dst, src []byte
	o, i     int // the next byte of each
}
