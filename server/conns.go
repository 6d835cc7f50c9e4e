package server

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"curlew.example/curlew"
)

// conns are the WebSockets that are open.
type conns struct {
	log *slog.Logger

	mu       sync.Mutex            // guards the following
	open     map[*curlew.Conn]bool // true: its handler sees to it in a drain
	coming   int                   // handshakes that were found in order and have not opened yet
	draining bool
	empty    chan struct{} // made by drain; closed when the last one is gone
	arrived  chan struct{} // made by settle; closed when none is coming
}

// wrapped events are an endpoint's with ours around them.
type wrapped struct {
	from *curlew.Events
	with *curlew.Events
}

// wrapper returns a function that puts the registry's events around others. An
// endpoint that gives the same Events to each connection gets the same back, so
// that an idle connection costs nothing more.
func (cs *conns) wrapper(leaves *bool) func(*curlew.Events) *curlew.Events {
	var last atomic.Pointer[wrapped]
	return func(ev *curlew.Events) *curlew.Events {
		if ev == nil {
			ev = &curlew.Events{}
		}
		if w := last.Load(); w != nil && w.from == ev {
			return w.with
		}
		with := *ev
		with.Open = func(c *curlew.Conn) {
			cs.add(c, *leaves)
			if ev.Open != nil {
				ev.Open(c)
			}
		}
		with.Close = func(c *curlew.Conn, e *curlew.CloseError) {
			defer cs.remove(c, e)
			if ev.Close != nil {
				ev.Close(c, e)
			}
		}
		last.Store(&wrapped{ev, &with})
		return &with
	}
}

// number returns how many are open.
func (cs *conns) number() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
}

// expect notes that a handshake is about to be answered with 101. Whatever comes of
// that, it opens.
func (cs *conns) expect() {
	cs.mu.Lock()
	cs.coming++
	cs.mu.Unlock()
}

// settle waits until no handshake is coming, at most for the time d.
func (cs *conns) settle(d time.Duration) {
	cs.mu.Lock()
	if cs.coming == 0 {
		cs.mu.Unlock()
		return
	}
	arrived := make(chan struct{})
	cs.arrived = arrived
	cs.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-arrived:
	case <-timer.C:
	}
}

func (cs *conns) add(c *curlew.Conn, leaves bool) {
	cs.mu.Lock()
	late := cs.draining
	cs.open[c] = leaves
	if cs.coming--; cs.coming == 0 && cs.arrived != nil {
		close(cs.arrived)
		cs.arrived = nil
	}
	cs.mu.Unlock()
	if late {
		c.Close(curlew.GoingAway, stopping)
	}
}

func (cs *conns) remove(c *curlew.Conn, e *curlew.CloseError) {
	if cs.log.Enabled(context.Background(), slog.LevelDebug) { // first: the last one to go ends the server
		i := c.Info()
		cs.log.Debug("websocket ended", "code", int(e.Code), "reason", printable(e.Reason), "byPeer", e.Remote,
			"orderly", e.Orderly(), "messagesIn", i.MessagesRead, "messagesOut", i.MessagesWritten, "dropped", i.Dropped)
	}
	cs.mu.Lock()
	delete(cs.open, c)
	if cs.draining && len(cs.open) == 0 && cs.empty != nil {
		close(cs.empty)
		cs.empty = nil
	}
	cs.mu.Unlock()
}

// stopping is the reason that clients are given.
const stopping = "server is stopping"

// drain closes all connections with 1001, one after the other over the time
// spread, so that their clients do not come back at once, and waits until they
// are gone. Those whose handlers see to them it closes at the end of that time. When
// ctx is done it drops the rest and returns how many there were.
func (cs *conns) drain(ctx context.Context, spread time.Duration) int {
	cs.mu.Lock()
	cs.draining = true
	var ours, others []*curlew.Conn
	for c, leaves := range cs.open {
		if leaves {
			others = append(others, c)
		} else {
			ours = append(ours, c)
		}
	}
	var empty chan struct{}
	if len(cs.open) > 0 {
		empty = make(chan struct{})
		cs.empty = empty
	}
	cs.mu.Unlock()
	if empty == nil {
		return 0
	}
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	closeAt := func(d time.Duration, list ...*curlew.Conn) bool {
		timer.Reset(time.Until(began.Add(d)))
		select {
		case <-timer.C:
		case <-empty:
			return false
		case <-ctx.Done():
			return false
		}
		for _, c := range list {
			c.Close(curlew.GoingAway, stopping)
		}
		return true
	}
	for i, c := range ours {
		if !closeAt(spread*time.Duration(i)/time.Duration(len(ours)), c) {
			break
		}
	}
	if len(others) > 0 {
		closeAt(spread, others...)
	}
	select {
	case <-empty:
		return 0
	case <-ctx.Done():
		return cs.abort()
	}
}

func (cs *conns) abort() int {
	cs.mu.Lock()
	list := make([]*curlew.Conn, 0, len(cs.open))
	for c := range cs.open {
		list = append(list, c)
	}
	cs.mu.Unlock()
	for _, c := range list {
		c.Abort(context.DeadlineExceeded)
	}
	return len(list)
}
