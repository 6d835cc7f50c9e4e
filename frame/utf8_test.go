package frame

import (
	"flag"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// utf8Runs is how many random texts TestU13 tries: 0 is a number that takes a
// second. The goal of bad-inputs.md is 1e9.
var utf8Runs = flag.Int("u13", 0, "random texts to try in TestU13")

// impossibleAt returns the index of the first byte after which no text can
// become valid any more, -1 if there is none. It is unicode/utf8's opinion.
func impossibleAt(p []byte) int {
	for at := 0; utf8.FullRune(p[at:]); {
		r, size := utf8.DecodeRune(p[at:])
		for n := 1; r == utf8.RuneError && size == 1; n++ {
			if utf8.FullRune(p[at : at+n]) { // also said of what can never be one
				return at + n - 1
			}
		}
		at += size
	}
	return -1
}

// mustUTF8 feeds p cut at the given places. A piece must be refused exactly if
// it holds the first impossible byte or comes after it.
func mustUTF8(t *testing.T, p []byte, impossible int, cuts ...int) {
	t.Helper()
	var v UTF8
	from := 0
	for _, to := range append(cuts, len(p)) {
		ok := v.Write(p[from:to])
		if want := impossible < 0 || impossible >= to; ok != want {
			t.Fatalf("%q cut at %d: [%d:%d] %t; first impossible byte %d", p, cuts, from, to, ok, impossible)
		}
		from = to
	}
	if v.Done() != utf8.Valid(p) {
		t.Fatalf("%q cut at %d: Done is %t", p, cuts, v.Done())
	}
	v.Reset()
	if v != (UTF8{}) || !v.Done() {
		t.Fatal("Reset leaves something")
	}
}

// everySplit feeds p whole, in two pieces with an empty one between, in three
// pieces if it is short, and byte by byte.
func everySplit(t *testing.T, p []byte) {
	t.Helper()
	impossible := impossibleAt(p)
	mustUTF8(t, p, impossible)
	var each []int
	for i := range len(p) + 1 {
		mustUTF8(t, p, impossible, i, i)
		each = append(each, i)
		for j := i; len(p) <= 40 && j <= len(p); j++ {
			mustUTF8(t, p, impossible, i, j)
		}
	}
	mustUTF8(t, p, impossible, each...)
}

const (
	valid = -1 // in utf8Vectors: valid
	cut   = -2 // ends inside a character
)

// utf8Vectors are the texts of the classic stress tests: bad is the index of
// the first impossible byte, valid or cut.
var utf8Vectors = []struct {
	id   string
	text string
	bad  int
}{
	{"U1/empty", "", valid},
	{"U1/ASCII", "Hello-", valid},
	{"U1/Greek", "κόσμε", valid},
	{"U1/German", "Hello-µ@ßöäüàá-UTF-8!!", valid},
	{"U1/first of 1 byte", "\x00", valid},
	{"U1/last of 1 byte", "\x7f", valid},
	{"U1/first of 2 bytes", "\xc2\x80", valid},
	{"U1/last of 2 bytes", "\xdf\xbf", valid},
	{"U1/first of 3 bytes", "\xe0\xa0\x80", valid},
	{"U1/last of 3 bytes", "\xef\xbf\xbf", valid},
	{"U1/first of 4 bytes", "\xf0\x90\x80\x80", valid},
	{"U1/5 bytes", "\xf8\x88\x80\x80\x80", 0},
	{"U1/6 bytes", "\xfc\x84\x80\x80\x80\x80", 0},
	{"U1/last of 4 bytes, as first defined", "\xf7\xbf\xbf\xbf", 0},
	{"U1/last of 5 bytes", "\xfb\xbf\xbf\xbf\xbf", 0},
	{"U1/last of 6 bytes", "\xfd\xbf\xbf\xbf\xbf\xbf", 0},
	{"U1/before the surrogates", "\xed\x9f\xbf", valid},
	{"U1/after the surrogates", "\xee\x80\x80", valid},
	{"U1/replacement character", "\xef\xbf\xbd", valid},
	{"U1/continuation 80", "\x80", 0},
	{"U1/continuation BF", "a\xbf", 1},
	{"U1/many continuations", "ok\x80\xbf\x80\xbf\x80\xbf", 2},
	{"U1/lonely start C3", "\xc3 ", 1},
	{"U1/lonely start E4", "\xe4 ", 1},
	{"U1/lonely start F0", "\xf0 ", 1},
	{"U1/lonely start at the end", "x\xc3", cut},
	{"U1/E4 lacks one", "\xe4\xb8x", 2},
	{"U1/F0 lacks one", "\xf0\x9f\x98x", 3},
	{"U1/FE", "\xfe", 0},
	{"U1/FF", "\xff", 0},
	{"U1/FE FE FF FF", "\xfe\xfe\xff\xff", 0},
	{"U1/overlong 2", "\xc0\xaf", 0},
	{"U1/overlong 3", "\xe0\x80\xaf", 1},
	{"U1/overlong 4", "\xf0\x80\x80\xaf", 1},
	{"U1/overlong 5", "\xf8\x80\x80\x80\xaf", 0},
	{"U1/longest overlong 2", "\xc1\xbf", 0},
	{"U1/longest overlong 3", "\xe0\x9f\xbf", 1},
	{"U1/longest overlong 4", "\xf0\x8f\xbf\xbf", 1},
	{"U1/overlong zero 2", "\xc0\x80", 0},
	{"U1/overlong zero 3", "\xe0\x80\x80", 1},
	{"U1/overlong zero 4", "\xf0\x80\x80\x80", 1},
	{"U1/surrogate D800", "\xed\xa0\x80", 1},
	{"U1/surrogate DB7F", "\xed\xad\xbf", 1},
	{"U1/surrogate DC00", "\xed\xb0\x80", 1},
	{"U1/surrogate DFFF", "\xed\xbf\xbf", 1},
	{"U1/non-character U+1FFFE", "\xf0\x9f\xbf\xbe", valid},
	{"U1/non-character U+2FFFF", "\xf0\xaf\xbf\xbf", valid},
	{"U2/bad after Greek", "κόσμε\xed\xa0\x80edited", 11},
	{"U2/U+110000 after Greek", "κόσμε\xf4\x90\x80\x80edited", 11},
	{"U2/bad after 64 of ASCII", strings.Repeat("a", 64) + "\xff" + strings.Repeat("a", 64), 64},
	{"U2/bad behind a long text", strings.Repeat("世", 60) + "\xe0\x80", 181},
	{"U3/3-byte characters", "世界世界", valid},
	{"U3/4-byte characters", "😀😀😀", valid},
	{"U3/mixed", "aé世😀aé世😀", valid},
	{"U4/ends after 1 of 2", "abc\xc3", cut},
	{"U4/ends after 1 of 3", "abc\xe4", cut},
	{"U4/ends after 2 of 3", "abc\xe4\xb8", cut},
	{"U4/ends after 1 of 4", "abc\xf0", cut},
	{"U4/ends after 2 of 4", "abc\xf0\x9f", cut},
	{"U4/ends after 3 of 4", "abc\xf0\x9f\x98", cut},
	{"U5/BOM", "\ufeffx", valid},
	{"U5/U+0000", "a\x00b", valid},
	{"U5/U+FFFE", "\xef\xbf\xbe", valid},
	{"U5/U+FFFF", "\xef\xbf\xbf", valid},
	{"U5/U+10FFFF", "\xf4\x8f\xbf\xbf", valid},
	{"U6/U+110000", "\xf4\x90\x80\x80", 1},
	{"U6/F5", "\xf5\x80\x80\x80", 0},
	{"U7/CESU-8", "\xed\xa0\x80\xed\xb0\x80", 1},
	{"U7/CESU-8 in text", "a\xed\xaf\xbf\xed\xbf\xbfb", 2},
}

func TestU1_U7_Vectors(t *testing.T) {
	for _, c := range utf8Vectors {
		t.Run(c.id, func(t *testing.T) {
			p := []byte(c.text)
			if got := impossibleAt(p); got != max(c.bad, -1) {
				t.Fatalf("the vector says %d, unicode/utf8 says %d", c.bad, got)
			}
			if utf8.Valid(p) != (c.bad == valid) {
				t.Fatalf("unicode/utf8 finds it valid: %t", c.bad != valid)
			}
			for n := range len(p) + 1 {
				if len(p) > 20 && n < len(p)-4 {
					continue // long ones are long for the fast path's sake
				}
				everySplit(t, p[:n])
			}
			// Behind text of every length up to two steps of the fast path.
			for n := range 18 {
				everySplit(t, append([]byte(strings.Repeat("a", n)), p...))
			}
		})
	}
}

// One of each kind of byte that RFC 3629 tells apart, both ends of each range.
var utf8Edges = []byte{0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
	0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF}

// Every text of four such bytes, whole, in two pieces and byte by byte.
func TestUTF8EveryEdge(t *testing.T) {
	p := make([]byte, 4)
	for _, p[0] = range utf8Edges {
		for _, p[1] = range utf8Edges {
			for _, p[2] = range utf8Edges {
				for _, p[3] = range utf8Edges {
					bad := impossibleAt(p)
					mustUTF8(t, p, bad)
					mustUTF8(t, p, bad, 1)
					mustUTF8(t, p, bad, 2)
					mustUTF8(t, p, bad, 3)
					mustUTF8(t, p, bad, 1, 2, 3)
				}
			}
		}
	}
}

// Once refused, always refused, whatever comes, until Reset.
func TestUTF8StaysInvalid(t *testing.T) {
	var v UTF8
	v.Write([]byte("ok\xc0"))
	for range 3 {
		if v.Write(nil) || v.Write([]byte("fine")) || v.Done() {
			t.Fatal("it recovered")
		}
	}
	v.Reset()
	if !v.Write([]byte("fine")) || !v.Done() {
		t.Fatal("Reset did not help")
	}
}

func TestU12_LastByteOfMany(t *testing.T) {
	for _, unit := range []string{"aaaaaaaaaaaa", "ääääää", "世世世世", "😀😀😀"} {
		p := []byte(strings.Repeat(unit, 16<<20/12))
		p = append(p, 0xFF)
		var v UTF8
		if v.Write(p) || v.Done() {
			t.Errorf("%q: passed whole", unit)
		}
		v.Reset()
		const piece = 4093
		from := 0
		for ; from+piece < len(p); from += piece {
			if !v.Write(p[from : from+piece]) {
				t.Fatalf("%q: refused at %d", unit, from)
			}
		}
		if v.Write(p[from:]) || v.Done() {
			t.Errorf("%q: passed in pieces", unit)
		}
	}
}

// randomText writes valid characters of all lengths, runs of ASCII, and, for
// some, damage.
func randomText(r *rand.Rand, p []byte) []byte {
	p = p[:0]
	for range r.IntN(12) {
		switch r.IntN(6) {
		case 0:
			for range r.IntN(40) {
				p = append(p, byte('a'+r.IntN(26)))
			}
		case 1:
			p = utf8.AppendRune(p, rune(r.IntN(0x80)))
		case 2:
			p = utf8.AppendRune(p, rune(0x80+r.IntN(0x780)))
		case 3:
			p = utf8.AppendRune(p, rune(0x800+r.IntN(0xD000)))
		case 4:
			p = utf8.AppendRune(p, rune(0xE000+r.IntN(0x2000)))
		case 5:
			p = utf8.AppendRune(p, rune(0x10000+r.IntN(0x100000)))
		}
	}
	if len(p) > 0 {
		switch r.IntN(5) {
		case 0:
			p[r.IntN(len(p))] = byte(r.Uint32())
		case 1:
			p[r.IntN(len(p))] = utf8Edges[r.IntN(len(utf8Edges))]
		case 2:
			p[r.IntN(len(p))] ^= 1 << r.IntN(8)
		case 3:
			p = p[:r.IntN(len(p))]
		}
	}
	return p
}

// Random and damaged texts, cut at random, against unicode/utf8. Set -u13 for a
// long run.
func TestU13_Differential(t *testing.T) {
	runs := *utf8Runs
	if runs == 0 {
		runs = 100_000
	}
	r := rand.New(rand.NewPCG(6455, 3629))
	var p []byte
	for range runs {
		p = randomText(r, p)
		bad := impossibleAt(p)
		i := r.IntN(len(p) + 1)
		j := i + r.IntN(len(p)-i+1)
		mustUTF8(t, p, bad)
		mustUTF8(t, p, bad, i, j)
	}
}

func FuzzUTF8(f *testing.F) {
	for _, c := range utf8Vectors {
		f.Add([]byte(c.text), uint64(len(c.text)/2), uint64(1))
	}
	f.Fuzz(func(t *testing.T, p []byte, i, j uint64) {
		if len(p) <= 64 {
			everySplit(t, p)
			return
		}
		n := uint64(len(p)) + 1
		i, j = i%n, j%n
		bad := impossibleAt(p)
		mustUTF8(t, p, bad)
		mustUTF8(t, p, bad, int(min(i, j)), int(max(i, j)))
	})
}

func BenchmarkUTF8(b *testing.B) {
	for _, text := range []struct{ name, unit string }{
		{"ASCII", "The quick brown fox jumps over the lazy dog. "},
		{"German", "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich. "},
		{"Chinese", "天地玄黃宇宙洪荒日月盈昃辰宿列張"},
		{"emoji", "😀😁😂🤣😃😄"},
	} {
		for _, n := range benchSizes {
			b.Run(text.name+"/"+strconv.Itoa(n), func(b *testing.B) {
				p := []byte(strings.Repeat(text.unit, n/len(text.unit)+1)[:n])
				p = p[:whole(p)]
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					var v UTF8
					if !v.Write(p) || !v.Done() {
						b.Fatal("not valid")
					}
				}
			})
		}
	}
}
