package hub

import (
	"sync"
	"time"
)

// maxDedupes is how many dedupe keys are remembered at most: the oldest give way.
const maxDedupes = 1 << 16

// dedupes are the keys of the last two minutes.
type dedupes struct {
	mu    sync.Mutex // the last one to be taken
	known map[dedupeKey]Position
	list  []deduped // the oldest first, a ring
	head  int
	n     int
}

type dedupeKey struct{ channel, user, key string }

type deduped struct {
	key  dedupeKey
	when time.Duration
}

func (d *dedupes) find(k dedupeKey, now time.Duration) (Position, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expireLocked(now)
	at, ok := d.known[k]
	return at, ok
}

// add remembers a key that is not known.
func (d *dedupes) add(k dedupeKey, at Position, now time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = make(map[dedupeKey]Position)
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
	d.known[k] = at
	d.list[(d.head+d.n)%len(d.list)] = deduped{k, now}
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
