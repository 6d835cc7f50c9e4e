package frame

import (
	"bytes"
	"math"
	"strconv"
	"testing"
)

// maskSimple is masking as RFC 6455, 5.3 writes it down.
func maskSimple(p []byte, key [4]byte, pos int) {
	for i := range p {
		p[i] ^= key[(pos+i)&3]
	}
}

// pattern returns n bytes that differ from their neighbours and do not repeat
// with any power of two.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i/251)
	}
	return p
}

var testKey = [4]byte{0x37, 0xFA, 0x21, 0x3D}

// mustMask compares Mask with maskSimple on p as it lies in memory, between
// canaries that must survive.
func mustMask(t *testing.T, p []byte, key [4]byte, pos, align int) {
	t.Helper()
	const canary = 0xC5
	buf := bytes.Repeat([]byte{canary}, align+len(p)+16)
	got := buf[align : align+len(p)]
	copy(got, p)
	want := bytes.Clone(p)
	maskSimple(want, key, pos)
	Mask(got, key, pos)
	if !bytes.Equal(got, want) {
		t.Fatalf("length %d, align %d, pos %d, key %x:\n got %x\nwant %x", len(p), align, pos, key, got, want)
	}
	for i, b := range buf {
		if (i < align || i >= align+len(p)) && b != canary {
			t.Fatalf("length %d, align %d, pos %d: byte %d outside was changed", len(p), align, pos, i-align)
		}
	}
}

func TestMaskEveryLength(t *testing.T) {
	for n := 0; n <= 300; n++ {
		p := pattern(n)
		for align := range 8 {
			for pos := range 8 {
				mustMask(t, p, testKey, pos, align)
			}
		}
	}
}

func TestMaskFarPositions(t *testing.T) {
	for _, pos := range []int{-1, -3, 1<<31 - 1, math.MaxInt - 1, math.MaxInt, math.MinInt} {
		for _, n := range []int{0, 1, 3, 7, 8, 9, 63, 64, 65, 200} {
			mustMask(t, pattern(n), testKey, pos, 1)
		}
	}
}

// A payload masked in two pieces, cut anywhere, is as if masked at once.
func TestMaskEverySplit(t *testing.T) {
	for _, n := range []int{1, 8, 17, 64, 125, 200} {
		want := pattern(n)
		maskSimple(want, testKey, 0)
		for cut := 0; cut <= n; cut++ {
			got := pattern(n)
			Mask(got[:cut], testKey, 0)
			Mask(got[cut:], testKey, cut)
			if !bytes.Equal(got, want) {
				t.Fatalf("length %d cut at %d", n, cut)
			}
		}
	}
}

// A key of zeros is legal and changes nothing; masking twice neither.
func TestFR26_ZeroKey(t *testing.T) {
	p := pattern(100)
	Mask(p, [4]byte{}, 0)
	if !bytes.Equal(p, pattern(100)) {
		t.Error("zero key changed the payload")
	}
	Mask(p, testKey, 3)
	Mask(p, testKey, 3)
	if !bytes.Equal(p, pattern(100)) {
		t.Error("masking twice is not the identity")
	}
}

// RFC 6455, 5.7: a masked "Hello".
func TestMaskExampleOfRFC(t *testing.T) {
	p := []byte{0x7F, 0x9F, 0x4D, 0x51, 0x58}
	Mask(p, testKey, 0)
	if string(p) != "Hello" {
		t.Errorf("got %q", p)
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("Hello"), []byte{0x37, 0xFA, 0x21, 0x3D}, int64(0), byte(0))
	f.Add(pattern(64), []byte{1, 2, 3, 4}, int64(3), byte(1))
	f.Add(pattern(131), []byte{0, 0, 0, 255}, int64(-1), byte(7))
	f.Fuzz(func(t *testing.T, p, k []byte, pos int64, align byte) {
		var key [4]byte
		copy(key[:], k)
		p = p[:min(len(p), 1<<12)]
		mustMask(t, p, key, int(pos), int(align&15))
	})
}

var benchSizes = []int{32, 125, 1 << 10, 64 << 10}

func BenchmarkMask(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			p := pattern(n)
			b.SetBytes(int64(n))
			for b.Loop() {
				Mask(p, testKey, 1)
			}
		})
	}
}

func BenchmarkMaskSimple(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			p := pattern(n)
			b.SetBytes(int64(n))
			for b.Loop() {
				maskSimple(p, testKey, 1)
			}
		})
	}
}
