package deflate

// A header is how far that of a dynamic block was read. RFC 1951, 3.2.7.
type header struct {
	lits, dists, codes int // how many code lengths there are
	have               int // how many of them were read
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
	clear(z.own.lens[:maxCodes])
	z.state = atCodes
	return true, nil
}

func (z *Inflater) codes(c *cursor) (bool, error) {
	t, h := z.own, &z.head
	for ; h.have < h.codes; h.have++ {
		if !z.has(c, 3) {
			return false, nil
		}
		t.lens[codeOrder[h.have]] = uint8(z.bits(3))
	}
	if !t.buildCodes() {
		return false, errCode
	}
	h.have = 0
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
		v := e >> entryValue
		if v < 16 {
			z.bits(k)
			t.lens[h.have] = uint8(v)
			h.have++
			continue
		}
		var value uint8
		n := entryNumber(e&^(0xffff<<entryValue), z.acc)
		switch v {
		case 16:
			if h.have == 0 {
				return false, errRepeat
			}
			n += 3
			value = t.lens[h.have-1]
		case 17:
			n += 3
		default:
			n += 11
		}
		if h.have+n > all {
			return false, errRepeat
		}
		z.bits(k)
		for i := range t.lens[h.have : h.have+n] {
			t.lens[h.have+i] = value
		}
		h.have += n
	}
	if t.lens[256] == 0 {
		return false, errNoEnd
	}
	if !t.buildBlock(h.lits, h.dists) {
		return false, errCode
	}
	z.t = t
	z.state = inBlock
	return true, nil
}
