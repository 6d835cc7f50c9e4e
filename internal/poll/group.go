package poll

import (
	"sync/atomic"
	"time"
)

// A Group is owners that behave alike: if Ready of some takes long, all get
// goroutines of their own for a while, and for longer each time. The zero Group is
// ready to use.
type Group struct {
	apart   atomic.Int64 // so many more turns get goroutines of their own
	penalty atomic.Int64 // how many it was last
	since   atomic.Int64 // when it began to do without
	last    atomic.Int64 // when a turn last took long
}

const (
	firstPenalty = 1 << 10
	mostPenalty  = 1 << 20

	slow     = int64(2 * time.Millisecond)   // for a turn
	relapse  = int64(500 * time.Millisecond) // two slow turns within so long are too many
	pardoned = int64(10 * time.Second)       // after so long without a penalty the next one is small again
)

var began = time.Now()

// clock is this instant.
func clock() int64 { return int64(time.Since(began)) }

// Apart reports whether the next turn gets a goroutine of its own.
func (g *Group) Apart() bool {
	if g.apart.Load() <= 0 {
		return false
	}
	if g.apart.Add(-1) == 0 {
		g.since.Store(clock())
	}
	return true
}

// slowed is told of a turn that took long. One alone may be the machine's doing.
func (g *Group) slowed(took int64) {
	now := clock()
	if last := g.last.Swap(now); took < int64(patience) && (last == 0 || now-last > relapse) {
		return
	}
	n := int64(firstPenalty)
	if now-g.since.Load() < pardoned {
		n = min(max(2*g.penalty.Load(), n), mostPenalty)
	}
	g.penalty.Store(n)
	g.apart.Store(n)
}

// patience is how often the watchman looks. A leader that he finds at one place
// twice is relieved.
const patience = 10 * time.Millisecond
