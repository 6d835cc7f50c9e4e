package conform

// A bits writes DEFLATE by hand, right or wrong (RFC 1951). Its methods return it,
// so that a message is an expression:
//
//	blocks().fixed().lits("Hello").copy(5, 5).stop().tail()
//
// A block that is begun with fixed or dynamic goes on until stop.
type bits struct {
	p   []byte
	acc uint64
	n   uint // bits in acc

	last      bool // the next block is a final one
	lit, dist []huffman
}

// A huffman is a code of a prefix code: its bits, the first one highest.
type huffman struct {
	bits uint64
	size uint
}

func blocks() *bits { return new(bits) }

// put writes the n low bits of v, the lowest first.
func (b *bits) put(v uint64, n uint) *bits {
	b.acc |= v << b.n
	for b.n += n; b.n >= 8; b.n -= 8 {
		b.p = append(b.p, byte(b.acc))
		b.acc >>= 8
	}
	return b
}

// code writes a code, which travels with its first bit first. RFC 1951, 3.1.1.
func (b *bits) code(c huffman) *bits {
	for i := c.size; i > 0; i-- {
		b.put(c.bits>>(i-1)&1, 1)
	}
	return b
}

// align fills up the byte that was begun.
func (b *bits) align() *bits {
	if b.n > 0 {
		b.put(0, 8-b.n)
	}
	return b
}

// raw writes bytes as they are; what was begun is filled up.
func (b *bits) raw(s string) *bits {
	b.align().p = append(b.p, s...)
	return b
}

// final makes the next block a final one.
func (b *bits) final() *bits { b.last = true; return b }

// begin writes the header of a block of that type. RFC 1951, 3.2.3.
func (b *bits) begin(kind uint64) *bits {
	v := kind << 1
	if b.last {
		v |= 1
	}
	b.last = false
	return b.put(v, 3)
}

// stored is a whole block. RFC 1951, 3.2.4.
func (b *bits) stored(s string) *bits {
	n := uint64(len(s))
	return b.begin(0).align().put(n, 16).put(^n&0xffff, 16).raw(s)
}

// fixed begins a block with the fixed codes. RFC 1951, 3.2.6.
func (b *bits) fixed() *bits {
	b.lit, b.dist = fixedLit, fixedDist
	return b.begin(1)
}

// dynamic begins a block with codes of these lengths. RFC 1951, 3.2.7.
func (b *bits) dynamic(lit, dist []int) *bits {
	b.begin(2).counts(len(lit), len(dist), 19)
	for _, s := range codeOrder { // each length from 0 to 15 has a code of four bits
		if s < 16 {
			b.put(4, 3)
		} else {
			b.put(0, 3)
		}
	}
	for _, lens := range [][]int{lit, dist} {
		for _, n := range lens {
			b.code(huffman{uint64(n), 4})
		}
	}
	b.lit, b.dist = prefixCodes(lit), prefixCodes(dist)
	return b
}

// counts writes the three of a dynamic block.
func (b *bits) counts(lit, dist, lengths int) *bits {
	return b.put(uint64(lit-257), 5).put(uint64(dist-1), 5).put(uint64(lengths-4), 4)
}

// codeOrder is RFC 1951, 3.2.7.
var codeOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lits writes literals.
func (b *bits) lits(s string) *bits {
	for i := range len(s) {
		b.code(b.lit[s[i]])
	}
	return b
}

// copy repeats n bytes, 3 to 258, from dist bytes back.
func (b *bits) copy(n, dist int) *bits {
	b.extra(b.lit[257:], lengthSpans, n)
	return b.extra(b.dist, distSpans, dist)
}

func (b *bits) extra(codes []huffman, t []symbolSpan, v int) *bits {
	i := len(t) - 1
	for t[i].from > v {
		i--
	}
	return b.code(codes[i]).put(uint64(v-t[i].from), t[i].extra)
}

// stop ends a block.
func (b *bits) stop() *bits { return b.code(b.lit[256]) }

// tail ends the message as RFC 7692, 7.2.1 has it: with an empty stored block
// whose last four bytes do not travel.
func (b *bits) tail() []byte { return b.begin(0).align().p }

// bytes is the message without such an end; what was begun is filled up.
func (b *bits) bytes() []byte { return b.align().p }

// prefixCodes makes the codes of these lengths. RFC 1951, 3.2.2.
func prefixCodes(lens []int) []huffman {
	codes := make([]huffman, len(lens))
	next := uint64(0)
	for n := 1; n <= 15; n++ {
		for i, l := range lens {
			if l == n {
				codes[i] = huffman{next, uint(n)}
				next++
			}
		}
		next <<= 1
	}
	return codes
}

// A symbolSpan is the values that share a symbol: from the first on, as many as the
// extra bits tell apart.
type symbolSpan struct {
	from  int
	extra uint
}

// spans is RFC 1951, 3.2.5: the first ones stand alone, then as many in a row as
// run says have the same extra bits, with one more from row to row.
func spans(from, run, alone, all int) []symbolSpan {
	t := make([]symbolSpan, all)
	for i := range t {
		if i >= alone {
			t[i].extra = uint((i-alone)/run + 1)
		}
		t[i].from = from
		from += 1 << t[i].extra
	}
	return t
}

var (
	lengthSpans = append(spans(3, 4, 8, 28), symbolSpan{258, 0}) // the last one is out of line
	distSpans   = spans(1, 2, 4, 30)

	fixedLit  = prefixCodes(fixedLengths())
	fixedDist = prefixCodes(sameLengths(30, 5))

	// Lengths of complete codes for all symbols, as equal as can be.
	flatLit  = append(sameLengths(226, 8), sameLengths(60, 9)...)
	flatDist = append(sameLengths(2, 4), sameLengths(28, 5)...)
)

// fixedLengths is RFC 1951, 3.2.6.
func fixedLengths() []int {
	t := sameLengths(288, 8)
	for i := 144; i < 256; i++ {
		t[i] = 9
	}
	for i := 256; i < 280; i++ {
		t[i] = 7
	}
	return t
}

func sameLengths(n, size int) []int {
	t := make([]int, n)
	for i := range t {
		t[i] = size
	}
	return t
}

// A packer compresses messages so that all that was agreed is made use of: it
// refers back to the very end of a window of any size, and into earlier messages.
// Where there are several matches of a length it takes the farthest. The
// Deflater does neither, and speed does not matter here.
type packer struct {
	window  int
	context bool
	past    []byte
}

func (k *packer) pack(msg []byte) []byte {
	p := append(k.past[:len(k.past):len(k.past)], msg...)
	const size = 1 << 12
	head := [size]int32{}           // position + 1 of the last one with this hash
	before := make([]int32, len(p)) // and of the one before
	at := 0                         // all before are in
	enter := func(until int) {
		for ; at < until && at+3 <= len(p); at++ {
			h := (uint32(p[at])<<10 ^ uint32(p[at+1])<<5 ^ uint32(p[at+2])) * 0x9E3779B1 >> 20
			before[at], head[h] = head[h], int32(at)+1
		}
	}
	b := blocks().fixed()
	for i := len(k.past); i < len(p); {
		enter(i + 1)
		longest, dist := 0, 0
		if i < at {
			for j, tries := int(before[i])-1, 0; j >= 0 && i-j <= k.window && tries < 64; j, tries = int(before[j])-1, tries+1 {
				n := 0
				for n < 258 && i+n < len(p) && p[i+n] == p[j+n] {
					n++
				}
				if n >= longest {
					longest, dist = n, i-j
				}
			}
		}
		if longest < 3 {
			b.code(b.lit[p[i]])
			i++
			continue
		}
		b.copy(longest, dist)
		i += longest
		enter(i)
	}
	if k.context {
		k.past = append([]byte(nil), p[max(0, len(p)-k.window):]...)
	}
	return b.stop().tail()
}
