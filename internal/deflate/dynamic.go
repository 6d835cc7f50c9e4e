package deflate

// A header is how far that of a dynamic block was read. RFC 1951, 3.2.7.
type header struct {
	lits, dists, codes int   // how many code lengths there are
	have               int   // how many of them were read
	previous           uint8 // the last one
}

// The most that RFC 1951 has a meaning for.
const (
	maxLits  = 286
	maxDists = 30
	maxCodes = 19
)

// codeOrder is the order in which the lengths of the code of code lengths come.
var codeOrder = [maxCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (z *Inflater) counts(c *cursor) (bool, error) {
	if !z.has(c, 14) {
		return false, nil
	}
	z.head = header{lits: 257 + z.bits(5), dists: 1 + z.bits(5), codes: 4 + z.bits(4)}
	if z.head.lits > maxLits || z.head.dists > maxDists {
		return false, errCounts
	}
	if z.own == nil {
		z.own = getTables()
	}
	z.own.codeLens = [maxCodes]uint8{}
	z.state = atCodes
	return true, nil
}

func (z *Inflater) codes(c *cursor) (bool, error) {
	t, h := z.own, &z.head
	for ; h.have < h.codes; h.have++ {
		if !z.has(c, 3) {
			return false, nil
		}
		t.codeLens[codeOrder[h.have]] = uint8(z.bits(3))
	}
	if !t.buildCodes() {
		return false, errCode
	}
	h.have = 0
	t.litCode.clear()
	t.distCode.clear()
	z.state = atLengths
	return true, nil
}

func (z *Inflater) lengths(c *cursor) (bool, error) {
	t, h := z.own, &z.head
	for all := h.lits + h.dists; h.have < all; {
		if z.n < 14 { // a code and its repetition
			z.fill(c)
		}
		e := t.distEntry(z.acc) // lent by buildCodes
		k := uint(e & entryBits)
		if k > z.n {
			return false, nil
		}
		n, l := 1, uint8(e>>entryValue)
		if l >= 16 {
			n = repeats(l, int(z.acc&(1<<k-1)>>(e>>entryCode&15)))
			if h.have+n > all || l == 16 && h.have == 0 {
				return false, errRepeat
			}
			if l > 16 {
				l = 0
			} else {
				l = h.previous
			}
		}
		z.bits(k)
		h.previous = l
		if l == 0 {
			h.have += n
			continue
		}
		for range n { // may go on from the one code to the other
			if h.have < h.lits {
				t.litCode.add(h.have, l)
			} else {
				t.distCode.add(h.have-h.lits, l)
			}
			h.have++
		}
	}
	if !t.litCode.has(256) {
		return false, errNoEnd
	}
	if !t.buildBlock() {
		return false, errCode
	}
	z.t = t
	z.state = inBlock
	return true, nil
}

// repeats is how often symbol 16, 17 or 18 repeats, with the number behind it.
func repeats(symbol uint8, number int) int {
	if symbol == 18 {
		return 11 + number
	}
	return 3 + number
}
