//go:build !invariants

package bufs

import (
	"strconv"
	"testing"
)

func TestNoAllocations(t *testing.T) {
	for c := range classes {
		n := size(c)
		Put(Get(n))
		if a := testing.AllocsPerRun(100, func() { Put(Get(n)) }); a != 0 {
			t.Errorf("%d bytes: %v allocations", n, a)
		}
	}
}

// What was put is lent again. The pool may forget now and then, so not each
// time.
func TestReuse(t *testing.T) {
	for c := range classes {
		again := 0
		for range 100 {
			b := Get(size(c))
			first := &b[0]
			Put(b[:1])
			b = Get(size(c))
			if &b[0] == first {
				again++
			}
			Put(b)
		}
		if again == 0 {
			t.Errorf("class %d: nothing came back", c)
		}
	}
}

func TestOutstandingIsNotCounted(t *testing.T) {
	b := Get(10)
	if n := Outstanding(); n != 0 {
		t.Errorf("%d", n)
	}
	Put(b)
}

func BenchmarkGetPut(b *testing.B) {
	for c := range classes {
		b.Run(strconv.Itoa(size(c)), func(b *testing.B) {
			for b.Loop() {
				Put(Get(size(c)))
			}
		})
	}
}
