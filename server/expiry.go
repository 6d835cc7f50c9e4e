package server

import (
	"container/heap"
	"sync"
	"time"

	"curlew.example/curlew"
)

// expiries are the connections of users who may not be here for ever, with one
// timer for all of them, and none while there are none.
type expiries struct {
	now func() time.Time // nil: time.Now

	mu    sync.Mutex // guards the following
	list  expiryHeap
	timer *time.Timer
}

type expiry struct {
	at    time.Time
	c     *curlew.Conn
	place int // in the heap; -1: not any more
}

// add has c closed at an instant, which may be over.
func (x *expiries) add(c *curlew.Conn, at time.Time) *expiry {
	e := &expiry{at: at, c: c}
	x.mu.Lock()
	defer x.mu.Unlock()
	heap.Push(&x.list, e)
	if e.place == 0 {
		x.setLocked()
	}
	return e
}

// remove forgets e, which may be nil or done.
func (x *expiries) remove(e *expiry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e != nil && e.place >= 0 {
		heap.Remove(&x.list, e.place)
		x.setLocked()
	}
}

// clockLooks is how often, at least, the clock is looked at: timers know nothing of
// one that is put forward, and stand still while the machine sleeps.
const clockLooks = time.Second

// setLocked sets the timer for the first one.
func (x *expiries) setLocked() {
	if len(x.list) == 0 {
		if x.timer != nil {
			x.timer.Stop()
			x.timer = nil
		}
		return
	}
	wait := min(x.list[0].at.Sub(x.time()), clockLooks)
	if x.timer == nil {
		x.timer = time.AfterFunc(wait, x.ring)
	} else {
		x.timer.Reset(wait)
	}
}

// time is that of the clock on the wall, which a token's is.
func (x *expiries) time() time.Time {
	if x.now != nil {
		return x.now()
	}
	return time.Now()
}

// ring closes the connections whose time has come.
func (x *expiries) ring() {
	var due []*curlew.Conn
	x.mu.Lock()
	for now := x.time(); len(x.list) > 0 && !x.list[0].at.After(now); {
		due = append(due, heap.Pop(&x.list).(*expiry).c)
	}
	x.setLocked()
	x.mu.Unlock()
	for _, c := range due {
		c.Close(tokenExpired, "token expired")
	}
}

// An expiryHeap is for package heap: the first one to expire is in front.
type expiryHeap []*expiry

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *expiryHeap) Push(v any) {
	e := v.(*expiry)
	e.place = len(*h)
	*h = append(*h, e)
}

func (h *expiryHeap) Pop() any {
	n := len(*h) - 1
	e := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	e.place = -1
	return e
}
