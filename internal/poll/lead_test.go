//go:build linux

package poll

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestTakeOver: owners that block keep nobody waiting, even if each of them does.
func TestTakeOver(t *testing.T) {
	for _, yields := range []bool{false, true} {
		var g Group
		_, peer := attached(t, nil, echo)
		release := make(chan struct{})
		var stuck, free sync.WaitGroup
		for range 20 {
			stuck.Add(1)
			free.Add(1)
			_, p := attached(t, &g, func(o *owner) {
				o.ready = sync.OnceFunc(func() {
					if yields {
						o.Yield()
					}
					stuck.Done()
					<-release
					free.Done()
				})
			})
			p.Write([]byte("x"))
		}
		stuck.Wait()
		says(t, peer, "hello")
		close(release)
		free.Wait()
		says(t, peer, "hello again")
	}
}

// TestGroup: owners that take long get goroutines of their own, for longer each time.
func TestGroup(t *testing.T) {
	var g Group
	slowTurns := func(apart ...int64) {
		t.Helper()
		for i, n := range apart {
			if g.slowed(n); g.apart.Load() != 0 {
				t.Fatalf("apart after %v", apart[:i+1])
			}
		}
	}
	slowTurns(1, 2, 3, window+1, window+2, window+3, 5, 6, 7) // never too many at once
	for n := int64(firstPenalty); n <= mostPenalty; n *= 2 {
		g.slowed(8)
		for i := range n {
			if !g.Apart() {
				t.Fatalf("%d turns apart, want %d", i, n)
			}
		}
		if g.Apart() {
			t.Fatalf("more than %d turns apart", n)
		}
		slowTurns(5, 6, 7)
	}
	if g.slowed(8); g.apart.Load() != mostPenalty {
		t.Errorf("%d turns apart, want at most %d", g.apart.Load(), mostPenalty)
	}
	g.since.Store(clock() - pardoned)
	if g.part(); g.apart.Load() != firstPenalty {
		t.Errorf("after a while without: %d turns", g.apart.Load())
	}
}

// TestGoexit: a callback that ends its goroutine takes neither the leader nor its
// Desc with it.
func TestGoexit(t *testing.T) {
	for _, apart := range []int64{0, 1 << 20} {
		var g Group
		g.apart.Store(apart)
		_, other := attached(t, &g, echo)
		first := true
		_, peer := attached(t, &g, func(o *owner) {
			echo(o)
			f := o.ready
			o.ready = func() {
				if first {
					first = false
					runtime.Goexit()
				}
				f()
			}
		})
		for range 3 {
			says(t, peer, "hello")
			says(t, other, "hello")
		}
	}
}

// TestAgain: a turn that goes on lets others come before.
func TestAgain(t *testing.T) {
	for _, apart := range []int64{0, 1 << 20} {
		var g Group
		g.apart.Store(apart)
		_, other := attached(t, nil, echo)
		var stop atomic.Bool
		turns := make(chan struct{})
		for range 2 * maxRedo { // more than are remembered
			_, peer := attached(t, &g, func(o *owner) {
				n := 0
				o.ready = func() {
					if n++; n == 3 {
						turns <- struct{}{}
					}
					if !stop.Load() {
						o.Again()
					}
				}
			})
			peer.Write([]byte("x"))
		}
		for range 2 * maxRedo {
			<-turns
		}
		says(t, other, "hello")
		stop.Store(true)
	}
}
