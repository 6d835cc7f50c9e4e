package deflate

import (
	"math/bits"
	"sync"
)

// A table maps the next bits of the input, lowest first, to an entry that says
// what they are and how many. The first root bits index it; a longer code finds
// there an entry isSub, which says where its second table starts (behind the
// first one, in the same array) and how many further bits index it.
//
// An entry:
//
//	bits 0-7    how many bits to use: the code and the number behind it
//	bits 8-11   how many of them are the code; isSub: the second table's index
//	bits 12-15  one of the flags below, or none: a length or a distance
//	bits 16-31  literal, smallest length or distance, start of the second table
const (
	entryBits  = 0xff // mask
	entryCode  = 8    // shift
	entryValue = 16   // shift

	isLiteral = 1 << 12
	isSub     = 1 << 13
	isEnd     = 1 << 14
	isBad     = 1 << 15
)

// Roots and sizes. The sizes are powers of two, so that a mask replaces the check
// of an index, and suffice for every complete code: with 286 symbols and 10 bits
// 1334 entries, with 30 and 8 bits 402. TestTableSize finds these by trying.
const (
	litRoot  = 10
	litSize  = 2048
	distRoot = 8
	distSize = 512
	codeRoot = 7

	maxCode = 15 // bits of the longest code
)

// tables decode one block.
type tables struct {
	lit      [litSize]uint32
	dist     [distSize]uint32
	litBits  uint8 // root of lit: litRoot, or less if no code is that long
	distBits uint8

	// While a header is read.
	codeLens          [maxCodes]uint8
	litCode, distCode code
	sorted            [288]uint16 // symbols by the length of their code
}

// A code is the lengths of a canonical Huffman code. Symbols without a code cost
// nothing, and most of them have none. RFC 1951, 3.2.2.
type code struct {
	used  [288]uint16 // symbol<<4 | length, by symbol
	n     int
	count [maxCode + 1]uint16 // symbols by length
}

func (c *code) clear() {
	c.n = 0
	c.count = [maxCode + 1]uint16{}
}

// add gives a symbol, greater than those before, a length of 1 to 15.
func (c *code) add(symbol int, length uint8) {
	c.used[c.n] = uint16(symbol)<<4 | uint16(length)
	c.n++
	c.count[length&maxCode]++
}

// has reports whether a symbol has a code.
func (c *code) has(symbol int) bool {
	for i := c.n - 1; i >= 0 && int(c.used[i]>>4) >= symbol; i-- {
		if int(c.used[i]>>4) == symbol {
			return true
		}
	}
	return false
}

var tablesPool = sync.Pool{New: func() any { return new(tables) }}

func getTables() *tables  { return tablesPool.Get().(*tables) }
func putTables(t *tables) { tablesPool.Put(t) }

// litEntry and distEntry look up the next bits. If fewer bits are there than the
// entry's code has, it is not valid: others may follow than the zeros in acc.
func (t *tables) litEntry(acc uint64) uint32 {
	e := t.lit[acc&(1<<(t.litBits&63)-1)&(litSize-1)]
	if e&isSub != 0 {
		e = t.lit[subIndex(e, acc>>(t.litBits&63))&(litSize-1)]
	}
	return e
}

func (t *tables) distEntry(acc uint64) uint32 {
	e := t.dist[acc&(1<<(t.distBits&63)-1)&(distSize-1)]
	if e&isSub != 0 {
		e = t.dist[subIndex(e, acc>>(t.distBits&63))&(distSize-1)]
	}
	return e
}

func subIndex(e uint32, acc uint64) uint64 {
	return uint64(e>>entryValue) + acc&(1<<(e>>entryCode&15)-1)
}

// entryNumber is the length or distance that stands at the start of acc.
func entryNumber(e uint32, acc uint64) int {
	return int(e>>entryValue) + int(acc&(1<<(e&63)-1)>>(e>>entryCode&15))
}

// symbols are entries without a code: bits 0-7 count the number behind it only.
var (
	litSymbols  = makeLitSymbols()
	distSymbols = makeDistSymbols()
	codeSymbols = makeCodeSymbols()
	fixedTables = makeFixedTables()
)

// makeLitSymbols: RFC 1951, 3.2.5. 286 and 287 have codes and no meaning.
func makeLitSymbols() (s [288]uint32) {
	for i := range 256 {
		s[i] = isLiteral | uint32(i)<<entryValue
	}
	s[256] = isEnd
	base := uint32(3)
	for i := range uint32(28) {
		extra := max(i/4, 1) - 1 // four lengths for each number of extra bits, the first time eight
		s[257+i] = base<<entryValue | extra
		base += 1 << extra
	}
	s[285] = 258 << entryValue // out of line, and one less than would follow
	s[286], s[287] = isBad, isBad
	return s
}

// makeDistSymbols: RFC 1951, 3.2.5. 30 and 31 have codes and no meaning.
func makeDistSymbols() (s [32]uint32) {
	base := uint32(1)
	for i := range uint32(30) {
		extra := max(i/2, 1) - 1
		s[i] = base<<entryValue | extra
		base += 1 << extra
	}
	s[30], s[31] = isBad, isBad
	return s
}

// makeCodeSymbols: RFC 1951, 3.2.7. The value is the symbol.
func makeCodeSymbols() (s [maxCodes]uint32) {
	for i := range s {
		s[i] = uint32(i) << entryValue
	}
	s[16] |= 2
	s[17] |= 3
	s[18] |= 7
	return s
}

// makeFixedTables: RFC 1951, 3.2.6.
func makeFixedTables() *tables {
	t := new(tables)
	for i := range 288 {
		switch {
		case i < 144:
			t.litCode.add(i, 8)
		case i < 256:
			t.litCode.add(i, 9)
		case i < 280:
			t.litCode.add(i, 7)
		default:
			t.litCode.add(i, 8)
		}
	}
	for i := range 32 {
		t.distCode.add(i, 5)
	}
	t.buildBlock()
	return t
}

// buildCodes makes dist the table of the code of code lengths. Unlike the others
// it must be complete; zlib says so too.
func (t *tables) buildCodes() (ok bool) {
	c := &t.distCode
	c.clear()
	for i, l := range t.codeLens {
		if l != 0 {
			c.add(i, l)
		}
	}
	t.distBits, ok = t.build(t.dist[:], codeRoot, c, codeSymbols[:])
	return ok && c.n > 1
}

// buildBlock makes the tables of a block.
func (t *tables) buildBlock() (ok bool) {
	if t.litBits, ok = t.build(t.lit[:], litRoot, &t.litCode, litSymbols[:]); !ok {
		return false
	}
	t.distBits, ok = t.build(t.dist[:], distRoot, &t.distCode, distSymbols[:])
	return ok
}

// build fills a table for a code and returns its root, at most the one given. A
// code must be complete, but for two cases of RFC 1951, 3.2.7: no symbol, and one
// symbol, whose code is one bit long. What is unassigned then is isBad.
func (t *tables) build(table []uint32, root int, c *code, symbols []uint32) (uint8, bool) {
	longest := maxCode
	for longest > 0 && c.count[longest] == 0 {
		longest--
	}
	if longest == 0 || longest == 1 && c.n == 1 {
		table[0], table[1] = isBad|1<<entryCode|1, isBad|1<<entryCode|1
		if c.n == 1 {
			table[0] = entry(symbols[c.used[0]>>4], 1)
		}
		return 1, true
	}
	var next [maxCode + 1]uint16 // where the next symbol of a length stands in sorted
	left, at := 1, uint16(0)     // codes not assigned, codes assigned
	for l := 1; l <= longest; l++ {
		n := c.count[l]
		if left = left<<1 - int(n); left < 0 {
			return 0, false
		}
		next[l] = at
		at += n
	}
	if left > 0 {
		return 0, false
	}
	for _, u := range c.used[:c.n] {
		l := u & maxCode
		t.sorted[next[l]] = u >> 4
		next[l]++
	}
	root = min(root, longest)
	first, n := fillRoot(table, root, &c.count, t.sorted[:c.n], symbols)
	if longest > root {
		fillSubs(table, root, longest, first, c.count, t.sorted[n:c.n], symbols)
	}
	return uint8(root), true
}

// entry completes a symbol with a code of l bits.
func entry(symbol uint32, l int) uint32 { return symbol + uint32(l)<<entryCode + uint32(l) }

// fillRoot enters the codes of up to root bits. A shorter one stands at every
// index that ends with it: having entered those of l bits, the table so far is
// copied behind itself for the next length. What is not entered yet is whatever
// it was, and overwritten in the end, since the code is complete. It returns the
// next code and how many symbols were entered.
func fillRoot(table []uint32, root int, count *[maxCode + 1]uint16, sorted []uint16, symbols []uint32) (next uint, n int) {
	for l := 1; l <= root; l++ {
		next <<= 1
		if n > 0 {
			copy(table[1<<(l-1):1<<l], table[:1<<(l-1)])
		}
		for _, s := range sorted[n : n+int(count[l])] {
			table[reverse(next, l)] = entry(symbols[s], l)
			next++
		}
		n += int(count[l])
	}
	return next, n
}

// fillSubs enters the longer codes. In canonical order those that begin with the
// same root bits follow each other. Their second table is as large as the
// longest of them wants, which is known from the counts: it is when they fill it.
func fillSubs(table []uint32, root, longest int, next uint, count [maxCode + 1]uint16, sorted []uint16, symbols []uint32) {
	start, end := 0, 1<<root
	prefix := -1
	for l := root + 1; l <= longest; l++ {
		next <<= 1
		for ; count[l] > 0; count[l]-- {
			r := reverse(next, l)
			if p := int(r & (1<<root - 1)); p != prefix {
				prefix = p
				width := l - root
				for n := int(count[l]); n < 1<<width; n += int(count[root+width]) {
					n <<= 1
					width++
				}
				start = end
				end += 1 << width
				table[p] = isSub | uint32(start)<<entryValue | uint32(width)<<entryCode
			}
			e := entry(symbols[sorted[0]], l)
			sorted = sorted[1:]
			for i := start + int(r>>root); i < end; i += 1 << (l - root) {
				table[i] = e
			}
			next++
		}
	}
}

// reverse turns a code of l bits, which is sent highest bit first, into an index.
func reverse(code uint, l int) uint {
	return uint(bits.Reverse16(uint16(code)) >> (16 - l))
}
