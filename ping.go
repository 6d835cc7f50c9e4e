package curlew

import (
	"context"
	"time"

	"curlew.example/curlew/internal/core"
)

// pings are the numbers of our pings, and those who wait for a pong. A pong answers
// its own ping and all before it (RFC 6455, 5.5.3). outbound.mu guards them: so
// the numbers leave in order.
type pings struct {
	number  uint64        // of the newest
	at      time.Duration // when it was sent; negative: it was answered
	waiting *pingWaiter   // the newest, and then the older ones
}

type pingWaiter struct {
	number uint64
	at     time.Duration
	done   chan time.Duration // one value
	older  *pingWaiter
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
	c.blocks()
	select {
	case d := <-done:
		return d, nil
	case <-c.Done():
		return 0, c.Err()
	case <-ctx.Done():
		c.forgetPing(done)
		return 0, ctx.Err()
	}
}

// sendPing sends a ping. done, if not nil, is told how long its pong took.
func (c *Conn) sendPing(done chan time.Duration) bool {
	o := &c.out
	p := &o.pings
	o.mu.Lock()
	ok := o.closedLocked() == nil
	if ok {
		p.number++
		p.at = c.now()
		o.controlLocked().Ping(p.number)
		if done != nil {
			p.waiting = &pingWaiter{p.number, p.at, done, p.waiting}
		}
	}
	o.mu.Unlock()
	c.flushNow()
	return ok
}

// pongReceived tells those who wait. Pongs that nobody asked for mean nothing
// (RFC 6455, 5.5.3).
func (c *Conn) pongReceived(payload []byte) {
	n, ok := core.PingNumber(payload)
	o := &c.out
	p, now := &o.pings, c.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !ok || n == 0 || n > p.number {
		return
	}
	if n == p.number && p.at >= 0 {
		c.traffic.rtt.Store(int64(now - p.at))
		p.at = -1
	}
	at := &p.waiting
	for *at != nil && (*at).number > n {
		at = &(*at).older
	}
	for w := *at; w != nil; w = w.older {
		w.done <- now - w.at
	}
	*at = nil
}

// forgetPing forgets who waits at done no longer.
func (c *Conn) forgetPing(done chan time.Duration) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for at := &c.out.pings.waiting; *at != nil; at = &(*at).older {
		if (*at).done == done {
			*at = (*at).older
			return
		}
	}
}
