package hub

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// A watcher is a carrier that notes the frames that it is given.
type watcher struct {
	deaf
	frames map[*curlew.Prepared]int
	texts  int // that were not framed for many
}

func (w *watcher) deliver(d *delivery) error { w.frames[d.framed]++; return nil }

func (w *watcher) write(context.Context, *delivery) error { w.texts++; return nil }

// TestEncodedOnce: a publication, a join or a leave is encoded and framed once,
// however many subscribers it has.
func TestEncodedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := New(&Options{Namespaces: map[string]*Namespace{"c": {JoinLeave: true}}})
		defer h.Close()
		const subscribers, messages = 1000, 20
		frames := map[*curlew.Prepared]int{}
		w := &watcher{frames: frames}
		for i := range subscribers {
			c := named(h, fmt.Sprint(i), w)
			defer c.gone(nil, nil)
			c.subscribe(&proto.Request{ID: 1, Channel: "c"})
		}
		clear(frames)
		for range messages {
			h.Publish(t.Context(), "c", &Publication{Data: []byte("1")})
		}
		caller(h).subscribe(&proto.Request{ID: 1, Channel: "c"})
		if len(frames) != messages+1 || w.texts != 0 {
			t.Errorf("%d frames, %d texts", len(frames), w.texts)
		}
		for p, n := range frames {
			if n != subscribers || p == nil {
				t.Errorf("a frame went to %d", n)
			}
		}
	})
}

// TestPublishAllocs: a delivery costs no memory of its own.
func TestPublishAllocs(t *testing.T) {
	var cost [2]float64
	for i, subscribers := range []int{1, 1000} {
		h, _ := New(&Options{Namespaces: map[string]*Namespace{"c": {}}})
		for i := range subscribers {
			named(h, fmt.Sprint(i), new(deaf)).subscribe(&proto.Request{ID: 1, Channel: "c"})
		}
		p := &Publication{Data: []byte(`"hello"`)}
		cost[i] = 1e9
		for range 5 { // what the runtime and others allocate now and then does not count
			cost[i] = min(cost[i], testing.AllocsPerRun(200, func() { h.Publish(t.Context(), "c", p) }))
		}
		h.Close()
	}
	if cost[1] > cost[0] && !underRace { // which allocates
		t.Errorf("%v allocations for one subscriber, %v for a thousand", cost[0], cost[1])
	}
}

// TestDedupeBound: so many keys are remembered and no more, the oldest give way.
func TestDedupeBound(t *testing.T) {
	var d dedupes
	key := func(i int) dedupeKey { return dedupeKey{"c", "", fmt.Sprint(i)} }
	for i := range maxDedupes {
		d.add(key(i), Position{Offset: int64(i)}, 0)
	}
	if _, ok := d.find(key(0), 0); !ok {
		t.Error("the first is forgotten too early")
	}
	for i := range 10 {
		d.add(key(maxDedupes+i), Position{}, time.Second)
		_, gone := d.find(key(i), 0)
		_, there := d.find(key(i+1), 0)
		if gone || !there {
			t.Errorf("%d: %v, %v", i, gone, there)
		}
	}
	if len(d.known) != maxDedupes || d.n != maxDedupes || len(d.list) != maxDedupes {
		t.Errorf("%d, %d, %d", len(d.known), d.n, len(d.list))
	}
	d.find(key(0), DedupeWindow)
	if len(d.known) != 10 {
		t.Errorf("%d are left after the window", len(d.known))
	}
	d.find(key(0), DedupeWindow+time.Second)
	if d.known != nil || d.list != nil {
		t.Error("memory is kept")
	}
}

// TestExpiryLooks: of many channels those are looked at of which something is due,
// and no others; nothing at all while nothing is due.
func TestExpiryLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewMemory()
		defer b.Close()
		const channels = 10_000
		for i := range channels {
			k := Keep{Size: 10, Age: time.Hour}
			if i%1000 == 0 {
				k.Age = time.Second
			}
			b.Publish(t.Context(), fmt.Sprint(i), &Publication{Data: []byte("1")}, k)
		}
		due := 0
		for i := range b.shards {
			sh := &b.shards[i]
			sh.mu.Lock()
			for _, st := range sh.due {
				if st.due <= b.now()+time.Minute {
					due++
				}
			}
			sh.mu.Unlock()
		}
		if due != channels/1000 {
			t.Errorf("%d are due", due)
		}
		// Of the others the messages are old now: whoever looks at one forgets it.
		others := func(f func(st *stream)) {
			for i := range b.shards {
				sh := &b.shards[i]
				sh.mu.Lock()
				for _, st := range sh.streams {
					if st.mu.Lock(); st.age != time.Second {
						f(st)
					}
					st.mu.Unlock()
				}
				sh.mu.Unlock()
			}
		}
		others(func(st *stream) { st.age = 1 })
		kept := func() (n int) {
			for i := range b.shards {
				b.shards[i].mu.Lock()
				n += len(b.shards[i].streams)
				b.shards[i].mu.Unlock()
			}
			return n
		}
		<-time.After(2*time.Minute + time.Second) // its age, and then it lingers
		if n := kept(); n != channels-channels/1000 {
			t.Errorf("%d are kept", n)
		}
		others(func(st *stream) {
			if len(st.kept) != 1 {
				t.Errorf("%s was looked at", st.name)
			}
			st.age = time.Hour
		})
		<-time.After(time.Hour + 2*linger)
		if n := kept(); n != 0 {
			t.Errorf("%d are kept in the end", n)
		}
	})
}

// BenchmarkExpiry: a message of one channel expires among many others: the cost does
// not follow their number.
func BenchmarkExpiry(b *testing.B) {
	for _, channels := range []int{100, 100_000} {
		b.Run(fmt.Sprint(channels), func(b *testing.B) {
			m := NewMemory()
			defer m.Close()
			for i := range channels {
				m.Publish(b.Context(), fmt.Sprint("other", i), &Publication{Data: []byte("1")}, Keep{Size: 1, Age: time.Hour})
			}
			sh := m.shard("c")
			for b.Loop() {
				m.Publish(b.Context(), "c", &Publication{Data: []byte("1")}, Keep{Size: 1, Age: 1})
				sh.ring()
			}
		})
	}
}
