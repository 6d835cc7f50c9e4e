//go:build invariants

package bufs

import (
	"strings"
	"testing"
)

// mustPanic runs f and wants a panic that says so.
func mustPanic(t *testing.T, say string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		got, _ := recover().(string)
		if !strings.Contains(got, say) {
			t.Errorf("panic %q, want %q", got, say)
		}
	}()
	f()
}

// emptyBook forgets all buffers, so that a test begins, and leaves, afresh.
func emptyBook(t *testing.T) {
	forget := func() {
		book.mu.Lock()
		defer book.mu.Unlock()
		book.lent, book.put, book.free = map[*byte]int{}, map[*byte]bool{}, [classes][][]byte{}
	}
	forget()
	t.Cleanup(forget)
}

func TestFR38_PutTwice(t *testing.T) {
	emptyBook(t)
	for c := range classes {
		b := Get(size(c))
		Put(b)
		mustPanic(t, "put twice", func() { Put(b) })
		mustPanic(t, "put twice", func() { Put(b[:1]) })
	}
}

// A buffer that has left the pool and was lent to somebody else is theirs to
// put; the pool keeps buffers back so that this comes late.
func TestFR38_QuarantineDelaysReuse(t *testing.T) {
	emptyBook(t)
	b := Get(Max)
	Put(b)
	for range quarantine/Max - 1 {
		other := Get(Max)
		if &other[0] == &b[0] {
			t.Fatal("lent again at once")
		}
		Put(other)
	}
	if again := Get(Max); &again[0] != &b[0] {
		t.Error("not lent again although the quarantine is full")
	}
}

func TestFR38_WrittenAfterPut(t *testing.T) {
	emptyBook(t)
	b := Get(100)
	Put(b)
	b[99] = 1
	mustPanic(t, "written to after Put", func() { Outstanding() })

	emptyBook(t)
	b = Get(Max)
	Put(b)
	b[Max-1] = 1
	mustPanic(t, "written to after Put", func() {
		for range quarantine / Max {
			Put(Get(Max))
		}
		Get(Max)
	})
}

func TestFR38_ReadAfterPut(t *testing.T) {
	emptyBook(t)
	b := Get(100)
	copy(b, "secret")
	Put(b)
	for i, x := range b {
		if x != poison {
			t.Fatalf("byte %d is %x", i, x)
		}
	}
	if fresh := Get(100); fresh[0] != poison {
		t.Errorf("a fresh buffer begins with %x", fresh[0])
	}
}

func TestPutOfStrangers(t *testing.T) {
	emptyBook(t)
	mustPanic(t, "Get did not return", func() { Put(make([]byte, 256)) })
	b := Get(300)
	mustPanic(t, "capacity", func() { Put(b[:256:256]) })
	Put(b[8:]) // not from its start: dropped
	if n := Outstanding(); n != 1 {
		t.Errorf("%d outstanding", n)
	}
	Put(b)
}

func TestOutstanding(t *testing.T) {
	emptyBook(t)
	a, b, c := Get(1), Get(5000), Get(3<<20)
	if n := Outstanding(); n != 3 {
		t.Errorf("%d outstanding, want 3", n)
	}
	Put(a)
	Put(c)
	if n := Outstanding(); n != 1 {
		t.Errorf("%d outstanding, want 1", n)
	}
	Put(b)
	if n := Outstanding(); n != 0 {
		t.Errorf("%d outstanding, want 0", n)
	}
}
