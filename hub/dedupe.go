package hub

import (
	"hash/maphash"
	"sync"
	"time"
)

// maxDedupes is how many dedupe keys are remembered at most: the oldest give way. They
// are those of two minutes of 2,000 messages a second, and take some 30 MB.
const maxDedupes = 1 << 18

// dedupes are the keys of the last two minutes.
type dedupes struct {
	mu    sync.Mutex // the last one to be taken
	seeds [2]maphash.Seed
	known map[fingerprint]Position
	list  []deduped // the oldest first, a ring
	head  int
	n     int
}

type dedupeKey struct{ channel, user, key string }

// A fingerprint stands for a key, and is much shorter. Nobody outside can find two keys
// with the same one.
type fingerprint [2]uint64

type deduped struct {
	key  fingerprint
	when time.Duration
}

func (d *dedupes) of(k dedupeKey) fingerprint {
	return fingerprint{maphash.Comparable(d.seeds[0], k), maphash.Comparable(d.seeds[1], k)}
}

func (d *dedupes) find(k dedupeKey, now time.Duration) (Position, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expireLocked(now); d.known == nil {
		return Position{}, false
	}
	at, ok := d.known[d.of(k)]
	return at, ok
}

// add remembers a key that is not known.
func (d *dedupes) add(k dedupeKey, at Position, now time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = make(map[fingerprint]Position)
		d.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	switch {
	case d.n == maxDedupes:
		d.shiftLocked()
	case d.n == len(d.list):
		list := make([]deduped, min(max(2*len(d.list), 64), maxDedupes))
		for i := range d.n {
			list[i] = d.list[(d.head+i)%len(d.list)]
		}
		d.list, d.head = list, 0
	}
	p := d.of(k)
	d.known[p] = at
	d.list[(d.head+d.n)%len(d.list)] = deduped{p, now}
	d.n++
}

func (d *dedupes) expireLocked(now time.Duration) {
	for d.n > 0 && now-d.list[d.head].when >= DedupeWindow {
		d.shiftLocked()
	}
	if d.n == 0 && len(d.list) > 0 {
		d.known, d.list, d.head = nil, nil, 0
	}
}

func (d *dedupes) shiftLocked() {
	delete(d.known, d.list[d.head].key)
	d.list[d.head] = deduped{}
	d.head = (d.head + 1) % len(d.list)
	d.n--
}
