package curlew

import (
	"context"
	"sync"
	"time"
)

// interrupt ends a blocked read of the stream without harm, by a deadline in the
// past. A reader usually comes with the same context again and again, so the
// watch on it is kept from one read to the next.
type interrupt struct {
	mu      sync.Mutex
	done    <-chan struct{} // of the context that is watched
	stop    func() bool     // ends the watch
	blocked bool            // a reader is in, or about to enter, the stream's Read
	past    bool            // the deadline is set
}

// watch must be called before a read that ctx may end, and unwatch after it, by the
// holder of the pump. It reports false if ctx has ended already.
func (c *Conn) watch(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	if c.in.interrupt == nil {
		c.in.interrupt = new(interrupt)
	}
	i := c.in.interrupt
	i.mu.Lock()
	defer i.mu.Unlock()
	if done := ctx.Done(); i.done != done {
		if i.stop != nil {
			i.stop()
		}
		i.done = done
		i.stop = context.AfterFunc(ctx, func() { i.end(c, done) })
	}
	i.blocked = true
	return true
}

// unwatch follows the read.
func (c *Conn) unwatch() {
	i := c.in.interrupt
	i.mu.Lock()
	defer i.mu.Unlock()
	i.blocked = false
	if i.past {
		i.past = false
		c.stream.SetReadDeadline(time.Time{})
	}
}

// end ends the read that is blocked, if it is still that context's.
func (i *interrupt) end(c *Conn, done <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.blocked && i.done == done && !i.past {
		i.past = true
		c.stream.SetReadDeadline(time.Unix(1, 0))
	}
}

// forget ends the watch for good.
func (i *interrupt) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stop != nil {
		i.stop()
		i.stop = nil
	}
	i.done = nil
}
