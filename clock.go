package curlew

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// clock is everything about time on a connection: an entry in an agenda, for the
// next instant at which something may be due. What happens on the connection only
// notes instants; tick looks at them when it is called. So a message costs no
// timer. Instants are durations since agenda.began.
type clock struct {
	wake     atomic.Int64 // when tick is called; noInstant while it is being called; stopped
	request  atomic.Int64 // end of the connection's life
	deadline atomic.Int64 // of the ending, once it has begun; of what comes after Done then
	place    int32        // in the agenda, from 1; 0: none; ticking. The agenda's lock guards it

	// Owned by tick, of which there is one at a time.
	turns    uint32        // of the pump, when it was last seen free
	pinged   time.Duration // when the last ping was sent
	interval time.Duration // until the next one
}

// noInstant never comes.
const noInstant = time.Duration(math.MaxInt64)

// stopped is the clock's wake before it is started and after it is stopped.
const stopped = math.MinInt64

// initClock makes this the instant at which everything was last seen.
func (c *Conn) initClock() {
	k, now := &c.clock, c.now()
	k.wake.Store(stopped)
	k.pinged = now
	c.in.heard.Store(int64(now))
	c.in.active.Store(int64(now))
}

// startClock sets the clock going. first is how soon something may be due.
func (c *Conn) startClock(first time.Duration) {
	k, now := &c.clock, time.Duration(c.in.heard.Load())
	k.request.Store(int64(min(now+c.set.request, never)))
	k.interval = jitter(c.set.ping)
	k.wake.Store(int64(noInstant))
	c.arm(now + min(first, c.set.request, c.set.inactivity, k.interval))
}

// jitter varies d by up to 10 %, so that connections that came together do not
// ping together.
func jitter(d time.Duration) time.Duration {
	if d >= never {
		return d
	}
	return d - d/10 + rand.N(max(d/5, 1))
}

// arm makes the clock look no later than at. Whoever notes an instant arms after
// it; the agenda sets wake to noInstant before tick looks: so nothing noted is
// overlooked. It must not be called with a lock of the connection held.
func (c *Conn) arm(at time.Duration) {
	if int64(at) < c.clock.wake.Load() && at < never {
		c.agenda.arm(c, at)
	}
}

// stopClock ends it for good.
func (c *Conn) stopClock() { c.agenda.stop(c) }

// beginEnding gives the ending CloseTimeout, from its first cause on. The clock
// looks at closing first and then at the deadline, which is set by then.
func (c *Conn) beginEnding() {
	at := c.now() + c.set.close
	first := c.clock.deadline.CompareAndSwap(0, int64(at))
	c.life.closing.Store(true)
	if first {
		c.arm(at)
	}
}

// tick is what the agenda calls, in a goroutine of its own if the stream may block.
func (c *Conn) tick() {
	defer c.agenda.ticked(c)
	now := c.now()
	if c.life.closing.Load() {
		c.tickClosing(now)
		return
	}
	next := min(c.tickLife(now), c.tickWrite(now))
	if c.life.closing.Load() {
		return
	}
	next = min(next, c.tickPump(now), c.tickPing(now), c.tickStack(now))
	c.arm(next)
}

// tickClosing bounds the ending.
func (c *Conn) tickClosing(now time.Duration) {
	at := time.Duration(c.clock.deadline.Load())
	switch {
	case now < at:
		next := at
		if !c.ended() {
			next = min(next, c.tickWrite(now), c.tickPump(now))
		}
		c.arm(next)
	case c.ended():
		c.cut()
	default:
		c.finish(&CloseError{Code: AbnormalClosure, Err: errCloseTimeout}, false)
	}
}

// tickLife ends a connection that was inactive, or has lived, for too long.
func (c *Conn) tickLife(now time.Duration) time.Duration {
	if c.window.Load().full() { // we do not listen: the clocks stand still
		c.in.heard.Store(int64(now))
		c.in.active.Store(int64(now))
	}
	request := time.Duration(c.clock.request.Load())
	active := time.Duration(c.in.active.Load())
	switch {
	case now >= request:
		c.close(&CloseError{Code: PolicyViolation, Reason: "request timeout", Err: errRequestTime})
	case now-active >= c.set.inactivity:
		c.close(&CloseError{Code: PolicyViolation, Reason: "inactivity timeout", Err: errInactivity})
	}
	return min(request, active+c.set.inactivity)
}

// tickWrite drops a peer that takes nothing, and fails a connection whose
// Writer was forgotten.
func (c *Conn) tickWrite(now time.Duration) time.Duration {
	next, idle := never, noInstant
	c.out.mu.Lock()
	if f := c.out.flusher; f != nil {
		if since := time.Duration(f.writing.Load()); since != 0 {
			next = since + c.set.write
		}
	}
	if w := c.out.writer; w != nil && !c.out.closingLocked().Queued {
		idle = w.last + c.set.writer
		if c.out.busy || len(w.parts) > 0 {
			idle = now + c.set.writer // not before its pieces are written
		}
	}
	c.out.mu.Unlock()
	if now >= next {
		c.finish(&CloseError{Code: AbnormalClosure, Err: errWriteTimeout}, false)
	} else if now >= idle {
		c.close(&CloseError{Code: InternalError, Reason: "message not completed", Err: errWriterIdle})
	}
	return min(next, idle)
}

// tickPump lets somebody pump when nobody has for a while, and uncorks what a
// slow callback has sent.
func (c *Conn) tickPump(now time.Duration) time.Duration {
	if c.in.pump.Load() != pumpFree {
		return never
	}
	turns := c.in.turns.Load()
	if turns != c.clock.turns {
		c.clock.turns = turns
		return now + pumpDelay
	}
	c.uncork()
	if !c.window.Load().full() {
		c.pumpAway()
	}
	return never // who takes from a full window arms the clock when it lets go of the pump
}

// tickPing pings a silent peer and drops one that stays silent.
func (c *Conn) tickPing(now time.Duration) time.Duration {
	k := &c.clock
	heard := time.Duration(c.in.heard.Load())
	if k.pinged > heard { // it owes us something
		if now-k.pinged >= c.set.pong {
			c.finish(&CloseError{Code: AbnormalClosure, Remote: true, Err: errPongTimeout}, false)
			return never
		}
		if c.set.pong < never {
			return k.pinged + c.set.pong
		}
	}
	due := max(heard, k.pinged) + k.interval
	if now < due || c.set.ping >= never {
		return due
	}
	k.pinged, k.interval = now, jitter(c.set.ping)
	c.sendPing(nil)
	return now + min(c.set.pong, k.interval)
}

// Extend moves the end of the connection's life, Options.RequestTimeout, to d
// from now; 0 is the configured length again, from now, and negative is never.
func (c *Conn) Extend(d time.Duration) {
	switch {
	case d < 0 || d == 0 && c.set.request == never:
		c.clock.request.Store(int64(never))
		return
	case d == 0:
		d = c.set.request
	}
	at := c.now() + min(d, never)
	c.clock.request.Store(int64(at))
	c.arm(at)
}

// wake makes a reader that waits for bytes look around.
func (c *Conn) wake() {
	c.stream.SetReadDeadline(time.Unix(1, 0))
	if p := c.in.paused.Load(); p != nil {
		p.look()
	}
}
