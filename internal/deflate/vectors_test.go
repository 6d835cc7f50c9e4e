package deflate

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
)

// unhex takes spaces too.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Plain texts of the vectors.
var (
	hello   = strings.Repeat("Hello, Curlew! ", 3)
	squares = func() string {
		var s []string
		for i := range 60 {
			s = append(s, fmt.Sprint(i*i))
		}
		return strings.Join(s, " ")
	}()
	letters = strings.Repeat("a", 1000)
)

// A vector is a message, and what it says: plain, or an error.
type vector struct {
	name string
	wire string // in hex
	want string
	err  error
}

var vectors = []vector{
	// RFC 7692, 7.2.3.
	{"7.2.3.1 one block", "f2 48 cd c9 c9 07 00", "Hello", nil},
	{"7.2.3.3 stored", "00 05 00 fa ff 48 65 6c 6c 6f 00", "Hello", nil},
	{"7.2.3.4 final block", "f3 48 cd c9 c9 07 00 00", "Hello", nil},
	{"7.2.3.5 two blocks", "f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "Hello", nil},
	{"7.2.3.6 empty", "00", "", nil},

	// What zlib makes.
	{"zlib fixed", "f248cdc9c9d751702e2dca492d5754f0c0cb0500", hello, nil},
	{"zlib run lengths", "04c1b10900400804c156cefcbb30b191cb1604416cff67cad04fb9832f54867eca1d7ca132f453eee00b7d00", hello, nil},
	{"zlib no matches", "04c10101c0400803312b278196c21effc69614221c5a3cf49263c313aa42164ad01ebac51e3c8bdfd10ebd225524222f8c8" +
		"ff996f5b0dff2f9f85e781157c5ad5039a8de21cd227b906f51efa124682cb455689fd0b7412f87ae1797074b8b5d87bb8253c2538" +
		"5b784bf0a7e75f8b4747968f5d2ced1bda1f3f403", squares, nil},
	{"zlib dynamic", "148ec101c0300802576104516b74ffc50a2f1205bc00d13870901f6ad087692cc10830a5dddaca71b2c8939f740f952db" +
		"fd2f2754bb7f1e5e17b83916fa44fffa7f96a7ff2ddb85741861a4855d19d4c95b37ca57deef3dd31c098e48988db661061862968e" +
		"28c435634b283225322c7afe7d97a7bf29513a57e438bbcd457bdfc01", squares, nil},
	{"zlib stored", "002d00d2ff48656c6c6f2c204375726c6577212048656c6c6f2c204375726c6577212048656c6c6f2c204375726c6577212000", hello, nil},
	{"zlib partial flushes", "325030543051b05430345330325530365330b1540008203313050b4305430303054323206d620294050820a00a4ba012" +
		"a01a2353206d61a9606c0410402640f540dd4075262640dac244c1d40820802c154ccdcd14cc80eacc80b439906f6e01104040e380f" +
		"296407596662073811a0d0102c8006882a121d028439099864640c30d0102c818648b09c83a5390bd66200700049019c825e6401719" +
		"5a9880dc0074a111400019805c610872b19181a58291b1818982114000991818025d06d4616406629983c40002c802246b0954670cd" +
		"2610c345fc11820808c80a6181b03cd3336b130040800", squares, nil},
	{"zlib one letter", "4a4c1c05a360140c770000", letters, nil},

	// PD7: nothing in it.
	{"PD7 no bytes", "", "", nil},
	{"PD7 empty fixed block", "02 00", "", nil},
	{"PD7 two empty stored blocks", "00 00 00 ff ff 00", "", nil},
	{"PD7 only the tail", "00 00 ff ff", "", errShort},
	{"PD7 the tail left on", "f2 48 cd c9 c9 07 00 00 00 ff ff", "Hello", errShort},

	// PD9 and PD10: final blocks.
	{"PD9 final block only", "f3 48 cd c9 c9 07 00", "Hello", nil},
	{"PD9 final, then another", "f3 48 05 00 ca c9 c9 07 00", "Hello", nil},
	{"PD9 final, then a match before it", finalBits.text("He").code(256).hex() + fixedBits{}.back(2).code(256).bits(0, 3).hex(), "HeHeH", nil},
	{"PD9 final empty stored", fixedBits{}.text("Hello").code(256).bits(0b001, 3).hex(), "Hello", nil},
	{"PD9 final stored with bytes", "01 01 00 fe ff 61 00", "a", nil},
	{"PD9 final stored alone", "01 01 00 fe ff 61", "a", nil},
	{"PD9 final dynamic", onlyEnd(1).bits(0, 1).hex() + "00", "", nil},
	{"PD10 final, then part of a block", "f3 48 cd c9 c9 07 00 4a", "Hello", errShort},
	{"PD10 final, then no block", "f3 48 cd c9 c9 07 00 ff", "Hello", ErrCorrupt},
	{"PD10 final, then the tail", "f3 48 cd c9 c9 07 00 00 00 ff ff", "Hello", errShort},

	// PD8: what is wrong.
	{"PD8 block type 3", "06 00", "", errType},
	{"PD8 block type 3 later", fixedBits{}.text("Hello").code(256).bits(0b110, 3).hex(), "Hello", errType},
	{"PD8 stored length and no complement", "00 05 00 fb ff 48 65 6c 6c 6f 00", "", errStored},
	{"PD8 stored cut in the length", "00 05 00", "", errShort},
	{"PD8 stored cut in the bytes", "00 05 00 fa ff 48 65", "He", errShort},
	{"PD8 stored without the next header", "00 05 00 fa ff 48 65 6c 6c 6f", "Hello", errShort},
	{"PD8 fixed cut", "f2 48 cd c9", "Hel", errShort},
	{"PD8 dynamic cut", "148ec101c03008025761", "", errShort},
	{"PD8 match before the start", "02 01 00", "", errDistance},
	{"PD8 distance of nothing", fixedBits{}.text("a").back(2).hex(), "a", errDistance},
	{"PD8 length symbol 286", fixedBits{}.code(286).hex(), "", errSymbol},
	{"PD8 length symbol 287", fixedBits{}.code(287).hex(), "", errSymbol},
	{"PD8 distance symbol 30", fixedBits{}.code('a').code(257).dist(30).hex(), "a", errSymbol},
	{"PD8 distance symbol 31", fixedBits{}.code('a').code(257).dist(31).hex(), "a", errSymbol},
	{"PD8 287 lengths", dynamicBits(287, 1, nil).hex(), "", errCounts},
	{"PD8 31 distances", dynamicBits(257, 31, nil).hex(), "", errCounts},
	{"PD8 32 distances", dynamicBits(257, 32, nil).hex(), "", errCounts},
	{"PD8 no code lengths", dynamicBits(257, 1, map[int]int{}).hex(), "", errCode},
	{"PD8 one code length", dynamicBits(257, 1, map[int]int{8: 1}).hex(), "", errCode},
	{"PD8 too many code lengths", dynamicBits(257, 1, map[int]int{0: 1, 1: 1, 2: 1}).hex(), "", errCode},
	{"PD8 too few code lengths", dynamicBits(257, 1, map[int]int{0: 1, 1: 2}).hex(), "", errCode},
	{"PD8 repeat of nothing", dynamicBits(257, 1, map[int]int{16: 1, 1: 1}).bits(1, 1).bits(0, 2).hex(), "", errRepeat},
	{"PD8 repeat past the end", dynamicBits(257, 1, map[int]int{18: 1, 1: 1}).
		bits(1, 1).bits(127, 7).bits(1, 1).bits(127, 7).hex(), "", errRepeat},
	{"PD8 block without end", dynamicBits(257, 1, map[int]int{18: 1, 1: 1}).
		bits(1, 1).bits(127, 7).bits(1, 1).bits(109, 7).hex(), "", errNoEnd},
	{"PD8 too many codes", dynamicBits(258, 1, map[int]int{18: 1, 1: 1}).
		bits(0, 1).bits(1, 1).bits(127, 7).bits(1, 1).bits(106, 7).bits(0, 3).hex(), "", errCode},
	{"PD8 too few codes", dynamicBits(257, 1, map[int]int{18: 1, 2: 1}).
		bits(1, 1).bits(127, 7).bits(1, 1).bits(107, 7).bits(0, 2).hex(), "", errCode},

	// RFC 1951, 3.2.7: a block with one code, or none, for distances.
	{"one symbol, no distance", onlyEnd(0).bits(0, 1).bits(0, 3).hex(), "", nil},
	{"one symbol, the other code", onlyEnd(0).bits(1, 1).bits(0, 3).hex(), "", errSymbol},
}

// onlyEnd begins a dynamic block, a final one or not, in which the end of the
// block is the only symbol, of one bit, and there is no distance.
func onlyEnd(final int) fixedBits {
	f := dynamicBits(257, 1, map[int]int{18: 2, 0: 2, 1: 1})
	f.b[0] |= byte(final)
	return f.bits(3, 2).bits(127, 7).bits(3, 2).bits(107, 7).bits(0, 1).bits(1, 2)
}

// finalBits begins a final block with fixed codes.
var finalBits = fixedBits{open: true}.bits(0b011, 3)

// fixedBits writes DEFLATE by hand: single bits, and the symbols of the fixed
// code. Each method returns the longer text. RFC 1951, 3.1.1.
type fixedBits struct {
	b    []byte
	n    int
	open bool // in a block
}

// bits appends the n lowest bits of v, lowest first.
func (f fixedBits) bits(v, n int) fixedBits {
	f.b = append([]byte(nil), f.b...)
	for i := range n {
		if f.n&7 == 0 {
			f.b = append(f.b, 0)
		}
		f.b[f.n>>3] |= byte(v>>i&1) << (f.n & 7)
		f.n++
	}
	return f
}

// high appends a code of n bits, highest first.
func (f fixedBits) high(v, n int) fixedBits {
	return f.bits(int(bits.Reverse16(uint16(v))>>(16-n)), n)
}

// code appends a symbol, in a block with fixed codes. RFC 1951, 3.2.6.
func (f fixedBits) code(s int) fixedBits {
	if !f.open {
		f = f.bits(0b010, 3)
		f.open = true
	}
	switch {
	case s < 144:
		return f.high(0x30+s, 8)
	case s < 256:
		return f.high(0x190+s-144, 9)
	case s < 280:
		return f.high(s-256, 7)
	}
	return f.high(0xc0+s-280, 8)
}

func (f fixedBits) dist(s int) fixedBits { return f.high(s, 5) }

// back appends a match of three bytes.
func (f fixedBits) back(dist int) fixedBits {
	s, base := 0, 1
	for {
		extra := max(s/2, 1) - 1
		if dist < base+1<<extra {
			return f.code(257).dist(s).bits(dist-base, extra)
		}
		base += 1 << extra
		s++
	}
}

func (f fixedBits) text(s string) fixedBits {
	for i := range len(s) {
		f = f.code(int(s[i]))
	}
	return f
}

// end closes the block and the message.
func (f fixedBits) end() []byte { return f.code(256).bits(0, 3).b }

func (f fixedBits) hex() string { return hex.EncodeToString(f.b) }

// dynamicBits begins a block with this code of code lengths (RFC 1951, 3.2.7).
func dynamicBits(lits, dists int, code map[int]int) fixedBits {
	f := fixedBits{}.bits(0b100, 3).bits(lits-257, 5).bits(dists-1, 5).bits(19-4, 4)
	for _, s := range codeOrder {
		f = f.bits(code[int(s)], 3)
	}
	return f
}
