package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"testing"
)

// reference decodes a message one bit at a time, straight from the words of RFC
// 1951 and RFC 7692, with all of its input at hand: what the Inflater must do,
// in any pieces. The error is nil, errShort or ErrCorrupt.
func reference(history, wire []byte, size int) (out []byte, err error) {
	r := &refReader{b: wire}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case refEnd:
			// Behind the input come 00 00 FF FF, which must be the rest of an
			// empty stored block. 7.2.1.
			out, err = r.out[len(history):], errShort
			if r.atLength || r.ended || len(wire) == 0 {
				err = nil
			}
		case refBad:
			out, err = r.out[len(history):], ErrCorrupt
		default:
			panic(e)
		}
	}()
	r.out = append(r.out, history...)
	r.size = size
	for {
		r.block()
	}
}

type (
	refEnd struct{} // no more bits
	refBad struct{}
)

type refReader struct {
	b        []byte
	at       int // in bits
	out      []byte
	size     int
	atLength bool // all was read and the next would be the length of a stored block
	ended    bool // all was read up to the end of a final block
}

func (r *refReader) bits(n int) (v int) {
	if r.at+n > 8*len(r.b) {
		panic(refEnd{})
	}
	for i := range n {
		v |= int(r.b[r.at>>3]>>(r.at&7)&1) << i
		r.at++
	}
	return v
}

func (r *refReader) align() { r.at = (r.at + 7) &^ 7 }

func must(ok bool) {
	if !ok {
		panic(refBad{})
	}
}

func (r *refReader) block() {
	last := r.bits(1) == 1
	r.ended = false // there is more than the end of a block: bits of the next
	switch r.bits(2) {
	case 0:
		r.align()
		r.atLength = r.at == 8*len(r.b)
		n := r.bits(16)
		must(n^0xffff == r.bits(16))
		for range n {
			r.out = append(r.out, byte(r.bits(8)))
		}
	case 1:
		var lens [320]int
		for i := range 288 {
			switch {
			case i < 144, i >= 280:
				lens[i] = 8
			case i < 256:
				lens[i] = 9
			default:
				lens[i] = 7
			}
		}
		for i := range 32 {
			lens[288+i] = 5
		}
		r.symbols(lens[:288], lens[288:])
	case 2:
		lits, dists := r.lengths()
		r.symbols(lits, dists)
	case 3:
		must(false)
	}
	if last {
		r.align()
		r.ended = r.at == 8*len(r.b)
	}
}

func (r *refReader) lengths() (lits, dists []int) {
	l, d, n := 257+r.bits(5), 1+r.bits(5), 4+r.bits(4)
	must(l <= 286 && d <= 30)
	code := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
		code[i] = r.bits(3)
	}
	must(room(code) == 0)
	var lens []int
	for len(lens) < l+d {
		s := r.symbol(code)
		n, v := 1, s
		switch s {
		case 16:
			n = 3 + r.bits(2)
			must(len(lens) > 0) // known before, but a symbol is read with its number
			v = lens[len(lens)-1]
		case 17:
			v, n = 0, 3+r.bits(3)
		case 18:
			v, n = 0, 11+r.bits(7)
		}
		for range n {
			lens = append(lens, v)
		}
	}
	must(len(lens) == l+d)
	must(lens[256] > 0)
	for _, part := range [][]int{lens[:l], lens[l:]} {
		must(room(part) == 0 || single(part))
	}
	return lens[:l], lens[l:]
}

// room is how many codes of 15 bits are left, less than none if too many are used.
func room(lens []int) int {
	n := 1 << 15
	for _, l := range lens {
		if l > 0 {
			n -= 1 << (15 - l)
		}
	}
	return n
}

// single: no code, or one of one bit.
func single(lens []int) bool {
	sum := 0
	for _, l := range lens {
		sum += l
	}
	return sum <= 1
}

// symbol reads one, by 3.2.2: codes of a length follow each other in the order
// of the symbols, and those of the next begin where they end, one bit longer.
func (r *refReader) symbol(lens []int) int {
	code, first := 0, 0
	for l := 1; l <= 15; l++ {
		// What has no code at all need not be waited for.
		if l > 1 && single(lens) {
			break
		}
		code = code<<1 | r.bits(1)
		first <<= 1
		for s, have := range lens {
			if have == l {
				if code == first {
					return s
				}
				first++
			}
		}
	}
	panic(refBad{})
}

func (r *refReader) symbols(lits, dists []int) {
	for {
		s := r.symbol(lits)
		switch {
		case s < 256:
			r.out = append(r.out, byte(s))
			continue
		case s == 256:
			return
		}
		must(s <= 285)
		length := []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
			131, 163, 195, 227, 258}[s-257]
		length += r.bits([]int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}[s-257])
		s = r.symbol(dists)
		must(s <= 29)
		dist := []int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
			3073, 4097, 6145, 8193, 12289, 16385, 24577}[s]
		dist += r.bits([]int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}[s])
		must(dist <= r.size && dist <= len(r.out))
		for range length {
			r.out = append(r.out, r.out[len(r.out)-dist])
		}
	}
}

// oracle decodes a message with compress/flate, which knows nothing of small
// windows. A block behind a final one is a new stream to it. It does not know
// where the message ends either: cut is true if a final block took some of the
// four bytes behind it.
func oracle(history, wire []byte) (out []byte, cut bool, err error) {
	src := bytes.NewReader(append(bytes.Clone(wire), 0, 0, 0xff, 0xff))
	all := bytes.Clone(history)
	for {
		got, err := io.ReadAll(flate.NewReaderDict(src, all))
		all = append(all, got...)
		if err != nil || src.Len() <= 4 { // at most the tail was not read
			return all[len(history):], src.Len() < 4, err
		}
	}
}

// agree checks an Inflater's result against both.
func agree(t testing.TB, history, wire []byte, size int, out []byte, err error) {
	t.Helper()
	want, wantErr := reference(history, wire, size)
	if !bytes.Equal(out, want) || !errors.Is(err, wantErr) || errors.Is(err, errShort) != errors.Is(wantErr, errShort) {
		t.Fatalf("message %x\nhistory %d bytes, window %d\ngot  %q, %v\nwant %q, %v",
			head(wire), len(history), size, head(out), err, head(want), wantErr)
	}
	if size < 1<<15 {
		return
	}
	flated, cut, flateErr := oracle(history, wire)
	var bad flate.CorruptInputError
	switch {
	case err == nil && (errors.As(flateErr, &bad) || !bytes.Equal(out, flated)):
		t.Fatalf("message %x\ngot %q, compress/flate %q, %v", head(wire), head(out), head(flated), flateErr)
	case err != nil && flateErr == nil && !cut:
		t.Fatalf("message %x\ngot %v, compress/flate nothing", head(wire), err)
	case !bytes.HasPrefix(flated, out):
		t.Fatalf("message %x\ngot %q, not the start of compress/flate's %q", head(wire), head(out), head(flated))
	}
}

func head(b []byte) []byte { return b[:min(len(b), 400)] }
