package frame

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// specParse is Parse told in another way. Of the length as many bytes are there
// as p has; filled up with zeros and with ones they give the smallest and the
// largest length that may come. A rule is broken when no length in between is
// legal. RFC 6455, 5.2.
func specParse(p []byte) (h Header, n int, broken bool) {
	if len(p) < 2 {
		return Header{}, 0, false
	}
	lowest, highest := uint64(p[1]&127), uint64(p[1]&127)
	wide, least := 0, uint64(0)
	switch p[1] & 127 {
	case 126:
		wide, least = 2, 126
	case 127:
		wide, least = 8, 65536
	}
	if wide > 0 {
		lowest, highest = 0, 0
		for i := range wide {
			low, high := uint64(0), uint64(255)
			if 2+i < len(p) {
				low, high = uint64(p[2+i]), uint64(p[2+i])
			}
			lowest, highest = lowest*256+low, highest*256+high
		}
	}
	if lowest > math.MaxInt64 || highest < least {
		return Header{}, 0, true
	}
	n = 2 + wide
	if p[1] >= 128 {
		n += 4
	}
	if len(p) < n {
		return Header{}, 0, false
	}
	h = Header{Fin: p[0] >= 128, RSV: p[0] % 128 / 16, Opcode: Opcode(p[0] % 16), Length: int64(lowest)}
	if p[1] >= 128 {
		h.Masked = true
		copy(h.Key[:], p[n-4:n])
	}
	return h, n, false
}

// mustParse compares Parse with specParse on p, and on success the way back.
func mustParse(t *testing.T, p []byte) {
	t.Helper()
	want, wantN, broken := specParse(p)
	h, n, err := Parse(p)
	if h != want || n != wantN || (err != nil) != broken {
		t.Fatalf("Parse(%x) = %+v, %d, %v; want %+v, %d, broken %t", p, h, n, err, want, wantN, broken)
	}
	if err != nil {
		if e := err.(*Error); e.Code != ProtocolError || e.Section != "RFC 6455, 5.2" {
			t.Fatalf("Parse(%x): %v with %v", p, e, e.Code)
		}
	}
	if n > 0 {
		var dst [MaxHeader]byte
		if got := h.Append(dst[:0]); !bytes.Equal(got, p[:n]) || h.Size() != n {
			t.Fatalf("%+v: Append %x, Size %d; parsed from %x", h, got, h.Size(), p[:n])
		}
	}
}

// tails follow the first two bytes: lengths at every edge of both forms, then a
// key and a payload.
var tails = []string{
	"\x00\x00\x00\x00\x00\x00\x00\x00KEY.payload",
	"\x00\x00\x00\x00\x00\x00\xFF\xFFKEY.payload",
	"\x00\x00\x00\x00\x00\x01\x00\x00KEY.payload",
	"\x00\x00\x00\x00\x7F\xFF\xFF\xFFKEY.payload",
	"\x00\x00\x00\x01\x00\x00\x00\x00KEY.payload",
	"\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFKEY.payload",
	"\x80\x00\x00\x00\x00\x00\x00\x00KEY.payload",
	"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFKEY.payload",
	"\x00\x7DKEY.payload",
	"\x00\x7EKEY.payload",
	"\x01\x00KEY.payload",
	"\xFF\xFFKEY.payload",
}

// Every value of the first two bytes, with every tail, cut at every byte.
func TestParseEverything(t *testing.T) {
	var p [2 + 19]byte
	for first := range 1 << 16 {
		p[0], p[1] = byte(first>>8), byte(first)
		for _, tail := range tails {
			n := 2 + copy(p[2:], tail)
			for cut := 0; cut <= min(n, MaxHeader+1); cut++ {
				mustParse(t, p[:cut])
			}
			if p[1]&127 < 126 {
				break // the tails differ in what is no length here
			}
		}
	}
}

// Every length around the edges of the three forms, there and back.
func TestHeaderRoundTrip(t *testing.T) {
	lengths := []int64{0, 1, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537,
		math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64 - 1, math.MaxInt64}
	for _, l := range lengths {
		for b0 := range 256 {
			for _, key := range [][4]byte{{}, testKey} {
				for _, masked := range []bool{false, true} {
					if key != [4]byte{} && !masked {
						continue
					}
					h := Header{b0&128 != 0, byte(b0 >> 4 & 7), Opcode(b0 & 15), masked, key, l}
					p := h.Append([]byte("before"))[len("before"):]
					got, n, err := Parse(p)
					if got != h || n != len(p) || n != h.Size() || err != nil {
						t.Fatalf("%+v written %x read %+v, %d, %v", h, p, got, n, err)
					}
				}
			}
		}
	}
}

func TestHeaderSizes(t *testing.T) {
	for _, c := range []struct {
		length int64
		size   int
	}{{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}, {math.MaxInt64, 10}} {
		plain, masked := Header{Length: c.length}, Header{Length: c.length, Masked: true}
		if plain.Size() != c.size || masked.Size() != c.size+4 {
			t.Errorf("%d: %d and %d bytes, want %d and 4 more", c.length, plain.Size(), masked.Size(), c.size)
		}
	}
	if h := (Header{Length: math.MaxInt64, Masked: true}); h.Size() != MaxHeader {
		t.Errorf("the longest header has %d bytes", h.Size())
	}
}

// Misuse neither panics nor writes into neighbouring bits.
func TestAppendMisuse(t *testing.T) {
	p := Header{RSV: 0xFF, Opcode: 0xFF, Length: 1}.Append(nil)
	if !bytes.Equal(p, []byte{0x7F, 1}) {
		t.Errorf("too wide fields: %x", p)
	}
	p = Header{Length: -1}.Append(nil)
	if _, _, err := Parse(p); err == nil {
		t.Errorf("a negative length was written as a legal one: %x", p)
	}
}

// The examples of RFC 6455, 5.7.
func TestParseExamplesOfRFC(t *testing.T) {
	for _, c := range []struct {
		name string
		p    string
		want Header
		n    int
	}{
		{"unmasked text", "\x81\x05Hello", Header{Fin: true, Opcode: Text, Length: 5}, 2},
		{"masked text", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Header{Fin: true, Opcode: Text, Masked: true, Key: testKey, Length: 5}, 6},
		{"first fragment", "\x01\x03Hel", Header{Opcode: Text, Length: 3}, 2},
		{"last fragment", "\x80\x02lo", Header{Fin: true, Length: 2}, 2},
		{"ping", "\x89\x05Hello", Header{Fin: true, Opcode: Ping, Length: 5}, 2},
		{"masked pong", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Header{Fin: true, Opcode: Pong, Masked: true, Key: testKey, Length: 5}, 6},
		{"256 bytes", "\x82\x7E\x01\x00", Header{Fin: true, Opcode: Binary, Length: 256}, 4},
		{"64 KiB", "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00", Header{Fin: true, Opcode: Binary, Length: 65536}, 10},
	} {
		if h, n, err := Parse([]byte(c.p)); h != c.want || n != c.n || err != nil {
			t.Errorf("%s: %+v, %d, %v", c.name, h, n, err)
		}
	}
}

// failsAt returns with how many bytes of p Parse fails first, and how.
func failsAt(p string) (int, error) {
	for n := range len(p) + 1 {
		if _, _, err := Parse([]byte(p[:n])); err != nil {
			return n, err
		}
	}
	return -1, nil
}

// A longer form than needed fails with the byte that makes it certain.
func TestFR6_LengthNotMinimal(t *testing.T) {
	for l := range 126 {
		p := fmt.Sprintf("\x82\xFE\x00%cKEY.", l)
		if n, err := failsAt(p); n != 4 || !errors.Is(err, errLengthForm) {
			t.Errorf("16 bits for %d: %d, %v", l, n, err)
		}
	}
	for _, l := range []string{"\x00\x00", "\x00\x7D", "\x00\x7E", "\x01\x00", "\xFF\xFF"} {
		p := "\x82\xFF\x00\x00\x00\x00\x00\x00" + l + "KEY."
		if n, err := failsAt(p); n != 8 || !errors.Is(err, errLengthForm) {
			t.Errorf("64 bits for %x: %d, %v", l, n, err)
		}
	}
	for _, p := range []string{"\x82\x7E\x00\x7E", "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"} {
		if n, err := failsAt(p); n != -1 {
			t.Errorf("%x is the shortest form, but: %v", p, err)
		}
	}
}

// The most significant bit fails with the first byte of the length.
func TestFR7_LengthHighBit(t *testing.T) {
	for _, first := range []string{"\x82\x7F", "\x82\xFF", "\x89\xFF", "\x00\x7F"} {
		for _, rest := range []string{"\x80\x00\x00\x00\x00\x00\x00\x00", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x80\x00\x00\x00\x00\x00\x00\x01"} {
			n, err := failsAt(first + rest)
			if n != 3 || !errors.Is(err, errLengthHigh) {
				t.Errorf("%x: %d, %v", first+rest, n, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tail := range tails {
		for _, first := range []string{"\x81\x05", "\x82\x7E", "\x82\x7F", "\x81\x85", "\x82\xFE", "\x82\xFF", "\xF9\xFF"} {
			f.Add([]byte(first + tail))
		}
	}
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		p = p[:min(len(p), MaxHeader+2)]
		var h Header
		var n int
		var err error
		for cut := range len(p) + 1 {
			mustParse(t, p[:cut])
			// Once it has failed or succeeded, more bytes change nothing.
			h2, n2, err2 := Parse(p[:cut])
			if (n > 0 || err != nil) && (h2 != h || n2 != n || err2 != err) {
				t.Fatalf("%x: %+v, %d, %v before the last byte, then %+v, %d, %v", p[:cut], h, n, err, h2, n2, err2)
			}
			h, n, err = h2, n2, err2
		}
		if n > 0 {
			for _, s := range states {
				if got, want := Check(h, s), specCheck(h, s); strings.Join(want, "") == "" != (got == nil) {
					t.Fatalf("Check(%+v, %+v) = %v, want one of %q", h, s, got, want)
				}
			}
		}
	})
}
