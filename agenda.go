package curlew

import (
	"math/bits"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// An agenda says when which connection wants to be looked at, with one timer for
// all of them: a connection costs an entry of 16 bytes, and none once it has
// ended. Instants are durations since began and are kept to the nanosecond; the timer
// rings at multiples of the grain, never early. An agenda that holds nothing has no
// timer.
type agenda struct {
	began time.Time     // fixed
	grain time.Duration // fixed; 0: the timer rings at the instant itself

	mu      sync.Mutex // guards the following, and place of each connection's clock
	entries []entry    // a heap: none is before the one at (i-1)/branches
	timer   *time.Timer
	due     time.Duration // for when the timer is set; noInstant: it is not
}

// ticking is the place of a connection whose tick runs.
const ticking = -1

type entry struct {
	at time.Duration
	c  *Conn
}

// branches makes the heap flat: the usual new entry is a late one, and stays where
// it was put.
const branches = 4

// newAgenda returns an agenda of its own, for a connection that shares none.
func newAgenda() *agenda { return &agenda{began: time.Now(), due: noInstant} }

func (a *agenda) now() time.Duration { return time.Since(a.began) }

// arm has c looked at no later than at, unless it is stopped.
func (a *agenda) arm(c *Conn, at time.Duration) {
	k := &c.clock
	a.mu.Lock()
	defer a.mu.Unlock()
	if int64(at) >= k.wake.Load() {
		return
	}
	k.wake.Store(int64(at))
	if k.place != ticking {
		a.enterLocked(c, at)
	}
}

// enterLocked enters c for at, which is no later than for when it is entered.
func (a *agenda) enterLocked(c *Conn, at time.Duration) {
	k := &c.clock
	if k.place == 0 {
		a.entries = append(a.entries, entry{})
		k.place = int32(len(a.entries))
	}
	a.upLocked(int(k.place)-1, entry{at, c})
	a.setLocked()
}

// stop forgets c for good.
func (a *agenda) stop(c *Conn) {
	k := &c.clock
	a.mu.Lock()
	defer a.mu.Unlock()
	k.wake.Store(stopped)
	if k.place > 0 {
		a.removeLocked(int(k.place) - 1)
	}
	if len(a.entries) == 0 {
		a.entries, a.due = nil, noInstant
		if a.timer != nil {
			a.timer.Stop()
			a.timer = nil // the next one may belong to another bubble of synctest
		}
	}
}

// grain is how late an instant of a connection may be that shares its agenda, so that
// what is due at nearly the same time is due at once: to wake a processor for one
// ping costs more than the ping.
const grain = 50 * time.Millisecond

// setLocked sets the timer for the first entry.
func (a *agenda) setLocked() {
	if len(a.entries) == 0 || a.entries[0].at >= a.due {
		return
	}
	due := a.entries[0].at
	if a.grain > 0 && due < never {
		due = (due + a.grain - 1) / a.grain * a.grain
	}
	if due >= a.due {
		return
	}
	a.due = due
	d := max(a.due-a.now(), 0)
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.ring)
	} else {
		a.timer.Reset(d)
	}
}

// ring is what the timer calls: a tick for each connection that is due, in a goroutine
// of its own where the Stream may block. It may come too early. A connection is not
// entered again before its tick has ended.
func (a *agenda) ring() {
	var parked [64]*Conn // whose streams never block
	for more := true; more; {
		n := 0
		a.mu.Lock()
		a.due = noInstant
		now := a.now()
		for more = false; !more && len(a.entries) > 0 && a.entries[0].at <= now; more = n == len(parked) {
			c := a.entries[0].c
			a.removeLocked(0)
			c.clock.place = ticking
			c.clock.wake.Store(int64(noInstant)) // before the tick looks at anything: see Conn.arm
			if c.parked != nil {
				parked[n] = c
				n++
			} else {
				go c.tick()
			}
		}
		if !more {
			a.setLocked()
		}
		a.mu.Unlock()
		for _, c := range parked[:n] {
			c.tick()
		}
		clear(parked[:n])
	}
}

// ticked follows a tick.
func (a *agenda) ticked(c *Conn) {
	k := &c.clock
	a.mu.Lock()
	defer a.mu.Unlock()
	k.place = 0
	if at := k.wake.Load(); at != stopped && at != int64(noInstant) {
		a.enterLocked(c, time.Duration(at))
	}
}

// removeLocked removes the entry i.
func (a *agenda) removeLocked(i int) {
	a.entries[i].c.clock.place = 0
	n := len(a.entries) - 1
	e := a.entries[n]
	a.entries[n] = entry{}
	a.entries = a.entries[:n]
	if i < n {
		if i > 0 && e.at < a.entries[(i-1)/branches].at {
			a.upLocked(i, e)
		} else {
			a.downLocked(i, e)
		}
	}
	if c := cap(a.entries); c > 64 && n < c/4 {
		a.entries = append(make([]entry, 0, c/2), a.entries...)
	}
}

// upLocked puts e at i or nearer to the front.
func (a *agenda) upLocked(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / branches
		if a.entries[parent].at <= e.at {
			break
		}
		a.putLocked(i, a.entries[parent])
		i = parent
	}
	a.putLocked(i, e)
}

// downLocked puts e at i or further from the front.
func (a *agenda) downLocked(i int, e entry) {
	for {
		first := i*branches + 1
		if first >= len(a.entries) {
			break
		}
		least := first
		for j := first + 1; j < min(first+branches, len(a.entries)); j++ {
			if a.entries[j].at < a.entries[least].at {
				least = j
			}
		}
		if e.at <= a.entries[least].at {
			break
		}
		a.putLocked(i, a.entries[least])
		i = least
	}
	a.putLocked(i, e)
}

func (a *agenda) putLocked(i int, e entry) {
	a.entries[i] = e
	e.c.clock.place = int32(i + 1)
}

// empty reports whether the agenda holds nothing, and so has no timer.
func (a *agenda) empty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.entries) == 0
}

// A calendar is the agendas of many connections, about one for each processor so
// that they are not all after the same lock.
type calendar struct {
	agendas []agenda // 1, 2, 4 ... 64 of them
	next    atomic.Uint32
}

func newCalendar() *calendar {
	n := 1 << bits.Len(uint(min(runtime.GOMAXPROCS(0), 64)-1))
	c := &calendar{agendas: make([]agenda, n)}
	now := time.Now()
	for i := range c.agendas {
		c.agendas[i].began, c.agendas[i].grain, c.agendas[i].due = now, grain, noInstant
	}
	return c
}

// agenda returns each of them in turn.
func (c *calendar) agenda() *agenda {
	return &c.agendas[c.next.Add(1)%uint32(len(c.agendas))]
}

func (c *calendar) empty() bool {
	for i := range c.agendas {
		if !c.agendas[i].empty() {
			return false
		}
	}
	return true
}

// calendars are those of a handler: one for each http.Server that calls it. A
// server lives in one bubble of testing/synctest, or in none, and so do the timers
// of its connections, while a handler may be a package's variable.
type calendars struct {
	mu sync.Mutex
	of map[*http.Server]*calendar
}

// agenda returns one for a connection of s, which may be nil.
func (k *calendars) agenda(s *http.Server) *agenda {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.of[s]
	if c == nil {
		for other, c := range k.of { // servers that are gone, perhaps
			if c.empty() {
				delete(k.of, other)
			}
		}
		if k.of == nil {
			k.of = map[*http.Server]*calendar{}
		}
		c = newCalendar()
		k.of[s] = c
	}
	return c.agenda()
}
