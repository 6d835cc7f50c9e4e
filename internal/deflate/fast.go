package deflate

import "encoding/binary"

// fastRoom is the output that one round of fast may write: a literal for each of
// 63 bits, the longest match, and less than eight bytes behind it.
const fastRoom = 63 + 258 + 8

// fast reads symbols as symbols does, as long as there are eight bytes of input
// and fastRoom of output, so that it need not look in between. It is true at
// the end of a block. A round takes as many literals as it has bits for, and then
// anything.
func (z *Inflater) fast(c *cursor) (end bool, err error) {
	dst, src, o, i := c.dst, c.src, c.o, c.i
	acc, n := z.acc, z.n
	lit, dist := &z.t.lit, &z.t.dist
	litBits, distBits := z.t.litBits&63, z.t.distBits&63
	litMask, distMask := uint64(1)<<litBits-1, uint64(1)<<distBits-1
	size := z.size

round:
	for i <= len(src)-8 && o <= len(dst)-fastRoom {
		// At least 56 bits; above the n that count stand some of the following.
		acc |= binary.LittleEndian.Uint64(src[i:]) << (n & 63)
		i += int((63 - n) >> 3)
		n |= 56

		e := lit[acc&litMask&(litSize-1)]
		for e&isLiteral != 0 {
			acc >>= e & 63
			n -= uint(e & entryBits)
			dst[o] = byte(e >> entryValue)
			o++
			if n < litRoot {
				continue round
			}
			e = lit[acc&litMask&(litSize-1)]
		}
		if n < 48 { // the most that a match has
			if i > len(src)-8 {
				break
			}
			acc |= binary.LittleEndian.Uint64(src[i:]) << (n & 63)
			i += int((63 - n) >> 3)
			n |= 56
		}
		if e&(isSub|isEnd|isBad) != 0 {
			if e&isSub != 0 {
				e = lit[subIndex(e, acc>>litBits)&(litSize-1)]
			}
			if e&isLiteral != 0 {
				acc >>= e & 63
				n -= uint(e & entryBits)
				dst[o] = byte(e >> entryValue)
				o++
				continue
			}
			if e&(isEnd|isBad) != 0 {
				if end = e&isEnd != 0; !end {
					err = errSymbol
				}
				acc >>= e & 63
				n -= uint(e & entryBits)
				break
			}
		}
		length := entryNumber(e, acc)
		acc >>= e & 63
		n -= uint(e & entryBits)

		e = dist[acc&distMask&(distSize-1)]
		if e&isSub != 0 {
			e = dist[subIndex(e, acc>>distBits)&(distSize-1)]
		}
		if e&isBad != 0 {
			err = errSymbol
			break
		}
		back := entryNumber(e, acc)
		acc >>= e & 63
		n -= uint(e & entryBits)

		if back > o || back > size {
			if !z.inReach(back, o) {
				err = errDistance
				break
			}
			z.win.copyMatch(dst, o, back, length)
			o += length
			continue
		}
		copyWords(dst, o, back, length)
		o += length
	}

	// Whole bytes that were not used go back, as far as they came with this call.
	spare := min(int(n>>3), i)
	i -= spare
	n -= uint(spare) * 8
	z.acc, z.n = acc&(1<<(n&63)-1), n
	c.o, c.i = o, i
	if end {
		z.endBlock()
	}
	return end, err
}

// copyWords writes at dst[o:] the n bytes that begin back bytes before, eight at
// a time, and up to seven more.
func copyWords(dst []byte, o, back, n int) {
	stop := o + n
	if back < 8 {
		// A match that overlaps itself repeats: any multiple of its distance will
		// do, once there is as much.
		far := back * int(toEight[back])
		for range far - back {
			dst[o] = dst[o-back]
			o++
		}
		back = far
	}
	for from := o - back; o < stop; o, from = o+8, from+8 {
		binary.LittleEndian.PutUint64(dst[o:], binary.LittleEndian.Uint64(dst[from:]))
	}
}

// toEight is how many times a number makes at least eight.
var toEight = [8]uint8{0, 8, 4, 3, 2, 2, 2, 2}
