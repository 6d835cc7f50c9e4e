package conform

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"testing"
	"unicode/utf8"
)

func TestCorpora(t *testing.T) {
	for _, c := range corpora {
		t.Run(c.name, func(t *testing.T) {
			for n := range 300 {
				p := c.bytes(n, 1)
				if len(p) != n {
					t.Fatalf("%d bytes instead of %d", len(p), n)
				}
				if c.op == opText && !utf8.Valid(p) {
					t.Fatalf("not UTF-8: %x", p)
				}
			}
			const n = 1 << 16
			p := c.bytes(n, 1)
			if !bytes.Equal(p, c.bytes(n, 1)) {
				t.Error("the same seed gives something else")
			}
			if c == stars {
				return
			}
			if bytes.Equal(p, c.bytes(n, 2)) {
				t.Error("another seed gives the same")
			}
			for shift := 1; shift <= n/2; shift *= 2 {
				if bytes.Equal(p[shift:], p[:n-shift]) {
					t.Errorf("it repeats itself after %d bytes", shift)
				}
			}
		})
	}
}

// TestCorporaStay fails when a corpus is not what it was: figures that were taken
// with it would not be comparable.
func TestCorporaStay(t *testing.T) {
	h := fnv.New64a()
	for _, c := range corpora {
		h.Write(c.bytes(10000, 7))
	}
	if got := fmt.Sprintf("%x", h.Sum64()); got != "b9bb495d8c79c6f3" {
		t.Errorf("the corpora have changed: %s", got)
	}
}

func BenchmarkCorpora(b *testing.B) {
	for _, c := range corpora {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(1 << 20)
			for i := range b.N {
				c.bytes(1<<20, uint64(i))
			}
		})
	}
}
