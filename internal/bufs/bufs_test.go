package bufs

import (
	"sync"
	"testing"
)

// Every length gets the smallest class that holds it.
func TestClass(t *testing.T) {
	for n := range Max + 2 {
		want := 0
		for want < classes && size(want) < n {
			want++
		}
		if got := class(n); got != want {
			t.Fatalf("%d: class %d, want %d", n, got, want)
		}
	}
	if size(classes-1) != Max {
		t.Errorf("the last class has %d bytes", size(classes-1))
	}
}

func TestGet(t *testing.T) {
	for _, c := range []struct{ n, capacity int }{
		{0, 64}, {1, 64}, {64, 64}, {65, 256}, {256, 256},
		{257, 1 << 10}, {1 << 10, 1 << 10},
		{1<<10 + 1, 4 << 10}, {4 << 10, 4 << 10},
		{4<<10 + 1, 8 << 10}, {8 << 10, 8 << 10},
		{8<<10 + 1, 16 << 10}, {16 << 10, 16 << 10},
		{16<<10 + 1, 32 << 10}, {64 << 10, 64 << 10},
		{64<<10 + 1, 128 << 10}, {256 << 10, 256 << 10},
		{512<<10 + 1, 1 << 20}, {1 << 20, 1 << 20},
		{1<<20 + 1, 1<<20 + 1}, {5 << 20, 5 << 20},
	} {
		for range 3 { // fresh, then perhaps out of the pool
			b := Get(c.n)
			if len(b) != c.n || cap(b) != c.capacity {
				t.Errorf("Get(%d): length %d, capacity %d", c.n, len(b), cap(b))
			}
			b = b[:cap(b)]
			b[0], b[len(b)-1] = 1, 2
			Put(b[:c.n/2])
		}
	}
	if n := Outstanding(); n != 0 {
		t.Errorf("%d outstanding", n)
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		n, more int
		want    bool
	}{{0, 64, true}, {0, 65, false}, {65, 191, true}, {65, 192, false}, {16 << 10, 1, false}, {16<<10 - 14, 14, true}, {1<<20 - 1, 1, true}, {1 << 20, 1, false}, {1<<20 + 1, 14, false}} {
		if got := Fits(c.n, c.more); got != c.want {
			t.Errorf("Fits(%d, %d) = %v", c.n, c.more, got)
		}
	}
}

// Put takes what is no buffer of ours without a word.
func TestPutForeign(t *testing.T) {
	Put(nil)
	Put([]byte{})
	Put(make([]byte, 1000))
	Put(make([]byte, 2<<20))
	for range 10 {
		b := Get(300)
		if cap(b) != 1<<10 {
			t.Fatalf("capacity %d came back", cap(b))
		}
		Put(b)
	}
}

// Nobody is given a buffer that another still holds.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				b := Get(1 + i*37%5000)
				for j := range b {
					b[j] = byte(g)
				}
				for j := range b {
					if b[j] != byte(g) {
						t.Errorf("a buffer was lent twice")
						return
					}
				}
				Put(b)
			}
		})
	}
	wg.Wait()
	if n := Outstanding(); n != 0 {
		t.Errorf("%d outstanding", n)
	}
}
