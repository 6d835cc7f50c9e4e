package hub

import (
	"container/heap"
	"sync"
	"time"
)

// expiries are the clients whose tokens expire, with one timer for all of them, and
// none while there are none.
type expiries struct {
	now func() time.Time // of the day: by that tokens expire

	mu    sync.Mutex // guards the following; taken behind that of a client
	list  expiring
	timer *time.Timer
}

// clockLooks is how often, at least, the clock is looked at: a timer knows nothing of
// one that is put forward, and stands still while the machine sleeps.
const clockLooks = time.Second

// set has a client closed at an instant, the zero one is never.
func (x *expiries) set(c *Client, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch c.expires = at.Round(0); {
	case at.IsZero() && c.place == 0:
		return
	case at.IsZero():
		heap.Remove(&x.list, c.place-1)
	case c.place > 0:
		heap.Fix(&x.list, c.place-1)
	default:
		heap.Push(&x.list, c)
	}
	x.setLocked()
}

// setLocked sets the timer for the first one.
func (x *expiries) setLocked() {
	if len(x.list) == 0 {
		if x.timer != nil {
			x.timer.Stop()
		}
		return
	}
	d := min(max(x.list[0].expires.Sub(x.now()), 0), clockLooks)
	if x.timer == nil {
		x.timer = time.AfterFunc(d, x.ring)
	} else {
		x.timer.Reset(d)
	}
}

// ring closes those whose time is over.
func (x *expiries) ring() {
	x.mu.Lock()
	var over []*Client
	for now := x.now(); len(x.list) > 0 && !now.Before(x.list[0].expires); {
		over = append(over, heap.Pop(&x.list).(*Client))
	}
	x.setLocked()
	x.mu.Unlock()
	for _, c := range over {
		c.expired()
	}
}

// expiring are clients, the first to expire in front, for package heap.
type expiring []*Client

func (l expiring) Len() int           { return len(l) }
func (l expiring) Less(i, j int) bool { return l[i].expires.Before(l[j].expires) }

func (l expiring) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].place, l[j].place = i+1, j+1
}

func (l *expiring) Push(v any) {
	c := v.(*Client)
	*l = append(*l, c)
	c.place = len(*l)
}

func (l *expiring) Pop() any {
	n := len(*l) - 1
	c := (*l)[n]
	(*l)[n] = nil
	*l, c.place = (*l)[:n], 0
	return c
}
