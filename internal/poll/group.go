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
	first   atomic.Int64 // number of the turn from which slows counts
	slows   atomic.Int64 // turns that took long
}

const (
	firstPenalty = 1 << 10
	mostPenalty  = 1 << 16

	slow     = int64(2 * time.Millisecond) // for a turn
	window   = 4096                        // in so many turns
	tooMany  = 4                           // so many slow ones are too many: fewer are the machine's doing
	pardoned = int64(10 * time.Second)     // after so long without a penalty the next one is small again
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

// slowed is told that turn number n of a leader took long.
func (g *Group) slowed(n int64) {
	if first := g.first.Load(); n < first || n-first >= window { // or it is another leader's number
		g.first.Store(n)
		g.slows.Store(0)
	}
	if g.slows.Add(1) >= tooMany {
		g.slows.Store(0)
		g.part()
	}
}

// part gives the next turns goroutines of their own.
func (g *Group) part() {
	n := int64(firstPenalty)
	if clock()-g.since.Load() < pardoned {
		n = min(max(2*g.penalty.Load(), n), mostPenalty)
	}
	g.penalty.Store(n)
	g.apart.Store(n)
}

// patience is how often the watchman looks. A leader that he finds at one place
// twice is relieved.
const patience = 10 * time.Millisecond
