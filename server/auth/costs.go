package auth

import (
	"context"
	"errors"
	"hash/maphash"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

// Costs bounds what passwords cost. A flood of wrong ones takes at most a quarter of
// the processors, or what a single one takes, and 256 MiB, the most that one may take.
// Of a client one is checked at a time.
type Costs struct {
	turn    chan struct{} // held by the one who waits for slots, which come one by one
	working chan struct{} // of each a slot
	known   *known        // what need not be checked again
	seed    maphash.Seed  // see basic.verify

	mu      sync.Mutex
	waiting int
	clients map[netip.Prefix]*lane
}

// A lane is where the passwords of one client wait.
type lane struct {
	working chan struct{}
	waiting int
}

const (
	maxQueue = 256 // wait for a password to be checked
	maxLane  = 8   // of one client

	// maxWait is how long each of them does.
	maxWait = 10 * time.Second
)

// NewCosts returns Costs to be shared.
func NewCosts() *Costs {
	return newCosts(max(runtime.GOMAXPROCS(0)/4, 1))
}

func newCosts(slots int) *Costs {
	return &Costs{turn: make(chan struct{}, 1), working: make(chan struct{}, slots), known: newKnown(), seed: maphash.MakeSeed(), clients: make(map[netip.Prefix]*lane)}
}

// slots is how many a hash needs: each is for a processor and its part of the memory.
func (c *Costs) slots(h hash) int {
	processors, memory := h.takes()
	all := cap(c.working)
	return min(max(processors, (memory*all+maxMemory-1)/maxMemory), all)
}

// errBusy: too many passwords wait to be checked, altogether or of this client.
var errBusy = errors.New("too many passwords to check")

// spend calls f, which checks h, when there is time for it.
func (c *Costs) spend(ctx context.Context, client netip.Prefix, h hash, f func()) error {
	l := c.enter(client)
	if l == nil {
		return errBusy
	}
	defer c.leave(client, l)
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if !occupy(ctx, l.working) {
		return errBusy
	}
	defer vacate(l.working)
	if !occupy(ctx, c.turn) {
		return errBusy
	}
	for range c.slots(h) {
		if !occupy(ctx, c.working) {
			vacate(c.turn)
			return errBusy
		}
		defer vacate(c.working)
	}
	vacate(c.turn)
	f()
	return nil
}

func occupy(ctx context.Context, c chan struct{}) bool {
	select {
	case c <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func vacate(c chan struct{}) { <-c }

// enter returns the lane of a client, nil if too many wait.
func (c *Costs) enter(client netip.Prefix) *lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.clients[client]
	if c.waiting >= maxQueue || l != nil && l.waiting >= maxLane {
		return nil
	}
	if l == nil {
		l = &lane{working: make(chan struct{}, 1)}
		c.clients[client] = l
	}
	l.waiting++
	c.waiting++
	return l
}

func (c *Costs) leave(client netip.Prefix, l *lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	if l.waiting--; l.waiting == 0 {
		delete(c.clients, client)
	}
}
