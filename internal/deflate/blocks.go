package deflate

import "encoding/binary"

// run goes on until input or output is used up. Whatever the state, it reads
// only what is complete: at most 48 bits at a time, which all find room in acc,
// so that there is no state within a symbol.
func (z *Inflater) run(c *cursor) error {
	for {
		ok, err := z.step(c)
		if !ok || err != nil {
			return err
		}
	}
}

// step does what the state asks for. It is false if it could not, for want of
// input, or of room (then full is set).
func (z *Inflater) step(c *cursor) (bool, error) {
	switch z.state {
	case atBlock:
		return z.blockHeader(c)
	case atLength:
		return z.storedLength(c)
	case inStored:
		return z.storedBytes(c), nil
	case atCounts:
		return z.counts(c)
	case atCodes:
		return z.codes(c)
	case atLengths:
		return z.lengths(c)
	case inBlock:
		return z.symbols(c)
	}
	return false, nil
}

// fill takes bytes until acc has at least 56 bits or there are no more.
func (z *Inflater) fill(c *cursor) {
	if c.i+8 <= len(c.src) {
		z.acc |= binary.LittleEndian.Uint64(c.src[c.i:]) << (z.n & 63)
		c.i += int((63 - z.n) >> 3)
		z.n |= 56
		z.acc &= 1<<(z.n&63) - 1
		return
	}
	for z.n < 56 && c.i < len(c.src) {
		z.acc |= uint64(c.src[c.i]) << (z.n & 63)
		c.i++
		z.n += 8
	}
}

// has makes sure of k bits, at most 56.
func (z *Inflater) has(c *cursor, k uint) bool {
	if z.n < k {
		z.fill(c)
	}
	return z.n >= k
}

// bits uses k bits, of which has made sure.
func (z *Inflater) bits(k uint) int {
	v := z.acc & (1<<(k&63) - 1)
	z.acc >>= k & 63
	z.n -= k
	return int(v)
}

// align drops what is left of the byte that was begun.
func (z *Inflater) align() { z.bits(z.n & 7) }

// blockHeader: RFC 1951, 3.2.3.
func (z *Inflater) blockHeader(c *cursor) (bool, error) {
	if !z.has(c, 3) {
		return false, nil
	}
	z.ended = false
	z.last = z.bits(1) == 1
	switch z.bits(2) {
	case 0:
		z.align()
		z.state = atLength
	case 1:
		z.t = fixedTables
		z.state = inBlock
	case 2:
		z.state = atCounts
	default:
		return false, errType
	}
	return true, nil
}

func (z *Inflater) endBlock() {
	z.state = atBlock
	if z.last {
		z.align()
		z.ended = true
	}
}

// storedLength: RFC 1951, 3.2.4.
func (z *Inflater) storedLength(c *cursor) (bool, error) {
	if !z.has(c, 32) {
		return false, nil
	}
	v := z.bits(32)
	if v&0xffff != ^v>>16&0xffff {
		return false, errStored
	}
	z.stored = v & 0xffff
	z.state = inStored
	return true, nil
}

func (z *Inflater) storedBytes(c *cursor) bool {
	for z.stored > 0 && z.n > 0 && c.o < len(c.dst) {
		c.dst[c.o] = byte(z.bits(8))
		c.o++
		z.stored--
	}
	if z.stored > 0 && z.n == 0 {
		n := min(z.stored, len(c.src)-c.i)
		n = copy(c.dst[c.o:], c.src[c.i:c.i+n])
		c.o += n
		c.i += n
		z.stored -= n
	}
	if z.stored > 0 {
		z.full = z.n > 0 || c.i < len(c.src)
		return false
	}
	z.endBlock()
	return true
}

// symbols reads those of a block: RFC 1951, 3.2.3 and 3.2.5. The bulk is done by
// fast; here is what it leaves: the ends of input and output, one symbol, or one
// match, at a time.
func (z *Inflater) symbols(c *cursor) (bool, error) {
	for {
		if z.length > 0 {
			n := min(z.length, len(c.dst)-c.o)
			z.win.copyMatch(c.dst, c.o, z.dist, n)
			c.o += n
			if z.length -= n; z.length > 0 {
				z.full = true
				return false, nil
			}
		}
		if len(c.src)-c.i >= 8 && len(c.dst)-c.o >= fastRoom {
			if end, err := z.fast(c); end || err != nil {
				return true, err
			}
		}
		z.fill(c)
		e := z.t.litEntry(z.acc)
		k := uint(e & entryBits)
		if uint(e>>entryCode&15) > z.n || k > z.n {
			return false, nil
		}
		switch {
		case e&isLiteral != 0:
			if c.o == len(c.dst) {
				z.full = true
				return false, nil
			}
			z.bits(k)
			c.dst[c.o] = byte(e >> entryValue)
			c.o++
		case e&isEnd != 0:
			z.bits(k)
			z.endBlock()
			return true, nil
		case e&isBad != 0:
			return false, errSymbol
		default:
			if ok, err := z.match(c, e); !ok {
				return false, err
			}
		}
	}
}

// match reads a length, whose entry is e and whose bits are there, together with
// its distance, or nothing.
func (z *Inflater) match(c *cursor, e uint32) (bool, error) {
	k := uint(e & entryBits)
	rest, n := z.acc>>(k&63), z.n-k
	d := z.t.distEntry(rest)
	if uint(d>>entryCode&15) > n {
		return false, nil
	}
	if d&isBad != 0 {
		return false, errSymbol
	}
	kd := uint(d & entryBits)
	if kd > n {
		return false, nil
	}
	length, dist := entryNumber(e, z.acc), entryNumber(d, rest)
	if !z.inReach(dist, c.o) {
		return false, errDistance
	}
	z.bits(k)
	z.bits(kd)
	z.length, z.dist = length, dist
	return true, nil
}

// inReach reports whether a match may begin dist bytes back, when o bytes were
// written that the window does not have yet.
func (z *Inflater) inReach(dist, o int) bool {
	return dist <= z.size && dist <= o+z.win.have
}
