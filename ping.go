package curlew

import (
	"context"
	"sync"
	"time"

	"curlew.example/curlew/internal/core"
)

// pings are those that wait for their pong. Each carries a number; a pong
// answers its own ping and all before it (RFC 6455, 5.5.3).
type pings struct {
	mu      sync.Mutex
	number  uint64        // of the newest
	at      time.Duration // when it was sent
	heard   uint64        // of the newest that was answered
	waiting []pingWaiter
}

type pingWaiter struct {
	number uint64
	at     time.Duration
	done   chan time.Duration // one value
}

// Ping sends a ping and waits for its pong; it returns the round-trip time. Any
// number of goroutines may ping at the same time.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	done := make(chan time.Duration, 1)
	if !c.sendPing(done) {
		return 0, c.endError(errClosing)
	}
	if !c.in.reading.Load() {
		c.pumpAway() // somebody must see the pong
	}
	select {
	case d := <-done:
		return d, nil
	case <-c.Done():
		return 0, c.Err()
	case <-ctx.Done():
		c.clock.pings.forget(done)
		return 0, ctx.Err()
	}
}

// sendPing sends a ping. done, if not nil, is told how long its pong took.
func (c *Conn) sendPing(done chan time.Duration) bool {
	p, o := &c.clock.pings, &c.out
	p.mu.Lock() // also around the lane: the numbers must leave in order
	o.mu.Lock()
	ok := o.closedLocked() == nil
	if ok {
		p.number++
		p.at = c.now()
		o.control.Ping(p.number)
		if done != nil {
			p.waiting = append(p.waiting, pingWaiter{p.number, p.at, done})
		}
	}
	o.mu.Unlock()
	p.mu.Unlock()
	c.flushNow()
	return ok
}

// pongReceived tells those who wait. Pongs that nobody asked for mean nothing
// (RFC 6455, 5.5.3).
func (c *Conn) pongReceived(payload []byte) {
	n, ok := core.PingNumber(payload)
	p, now := &c.clock.pings, c.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !ok || n > p.number || n <= p.heard {
		return
	}
	p.heard = n
	if n == p.number {
		c.traffic.rtt.Store(int64(now - p.at))
	}
	rest := p.waiting[:0]
	for _, w := range p.waiting {
		if w.number <= n {
			w.done <- now - w.at
		} else {
			rest = append(rest, w)
		}
	}
	clear(p.waiting[len(rest):])
	p.waiting = rest
}

func (p *pings) forget(done chan time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w.done == done {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return
		}
	}
}
