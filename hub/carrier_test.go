package hub

import (
	"context"
	"slices"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// deaf is a carrier that takes everything.
type deaf struct{}

func (deaf) deliver(*delivery) error                { return nil }
func (deaf) write(context.Context, *delivery) error { return nil }
func (deaf) answer(context.Context, *proto.Answer)  {}
func (deaf) close(curlew.Code, string)              {}
func (deaf) ended() bool                            { return false }

// A narrow carrier has room for so much, and keeps what it was given.
type narrow struct {
	client *Client

	mu      sync.Mutex
	room    int
	refused bool
	got     []string
	closed  curlew.Code
	changed *sync.Cond
}

func newNarrow(room int) *narrow {
	n := &narrow{room: room}
	n.changed = sync.NewCond(&n.mu)
	return n
}

func (n *narrow) deliver(d *delivery) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closed != 0:
		return context.Canceled
	case n.room == 0:
		n.refused = true
		return curlew.ErrQueueFull
	}
	n.room--
	n.got = append(n.got, string(d.text()))
	return nil
}

func (n *narrow) write(ctx context.Context, d *delivery) error {
	defer context.AfterFunc(ctx, func() { n.mu.Lock(); n.changed.Broadcast(); n.mu.Unlock() })()
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.room == 0 && n.closed == 0 && ctx.Err() == nil {
		n.changed.Wait()
	}
	if n.closed != 0 || ctx.Err() != nil {
		return context.Canceled
	}
	n.room--
	n.got = append(n.got, string(d.text()))
	return nil
}

func (n *narrow) answer(ctx context.Context, a *proto.Answer) {
	n.write(ctx, &delivery{event: a.Append(nil)})
}

func (n *narrow) close(code curlew.Code, _ string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed == 0 {
		n.closed = code
	}
	n.changed.Broadcast()
}

func (n *narrow) ended() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed != 0
}

// widen makes room for so much more, and returns what has come since the last time.
func (n *narrow) widen(room int) []string {
	n.mu.Lock()
	n.room += room
	refused := n.refused
	n.refused = false
	n.changed.Broadcast()
	n.mu.Unlock()
	if refused {
		n.client.writable(nil)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	got := slices.Clone(n.got)
	n.got = nil
	return got
}

// squeezed returns a client with a narrow carrier.
func squeezed(h *Hub, id string, room int) (*Client, *narrow) {
	n := newNarrow(room)
	n.client = named(h, id, n)
	return n.client, n
}
