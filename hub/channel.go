package hub

import (
	"context"
	"hash/maphash"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// channels are those of a part of the names that somebody here is subscribed to.
type channels struct {
	mu   sync.Mutex
	open map[string]*channel
}

func (cs *channels) number() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
}

// A channel is the subscribers of this node. It is the Sink of the broker.
type channel struct {
	hub  *Hub
	name string
	ns   *Namespace

	users   int           // of the channels' lock: who holds it
	ready   chan struct{} // closed when the broker listens; nil when that is long over
	failure error         // why it does not

	mu   sync.Mutex // guards the following, and the subscriptions; never held while waiting
	top  Position   // of the last message that was delivered
	subs curlew.Fanout[*subscription]
}

// hold returns the channel with that name, which the broker delivers to. release
// must be called.
func (h *Hub) hold(ctx context.Context, name string, ns *Namespace) (*channel, error) {
	cs := &h.shards[maphash.String(h.seed, name)%uint64(len(h.shards))]
	cs.mu.Lock()
	if cs.open == nil {
		cs.open = make(map[string]*channel)
	}
	ch := cs.open[name]
	made := ch == nil
	if made {
		ch = &channel{hub: h, name: name, ns: ns, ready: make(chan struct{})}
		cs.open[name] = ch
	}
	ch.users++
	ready := ch.ready
	cs.mu.Unlock()
	if made {
		// Others wait for it too: it does not end with this client.
		at, err := h.broker.Subscribe(context.WithoutCancel(ctx), name, ch)
		ch.mu.Lock()
		if err == nil && (ch.top.Epoch != at.Epoch || ch.top.Offset < at.Offset) {
			ch.top = at
		}
		ch.mu.Unlock()
		cs.mu.Lock()
		ch.failure, ch.ready = err, nil
		if err != nil && cs.open[name] == ch {
			delete(cs.open, name)
		}
		cs.mu.Unlock()
		close(ready)
	} else if ready != nil {
		<-ready
	}
	cs.mu.Lock()
	err := ch.failure
	cs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return ch, nil
}

// release lets go of a channel. The last one ends the broker's deliveries.
func (ch *channel) release() {
	h := ch.hub
	cs := &h.shards[maphash.String(h.seed, ch.name)%uint64(len(h.shards))]
	cs.mu.Lock()
	ch.users--
	last := ch.users == 0
	if last {
		delete(cs.open, ch.name)
	}
	cs.mu.Unlock()
	if last {
		h.broker.Unsubscribe(ch.name, ch)
	}
}

// Deliver gives a message to all subscribers. It is called by the broker.
func (ch *channel) Deliver(m *Message) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	renewed := ch.top.Epoch != m.Epoch && ch.top.Epoch != ""
	ch.top = m.Position
	if renewed {
		for s := range ch.subs.All() {
			s.renewLocked()
		}
	}
	if ch.subs.Len() == 0 {
		return
	}
	d := newDelivery(m)
	for s, b := range ch.subs.All() {
		d.batch = b
		s.deliverLocked(d)
	}
	d.batch = nil
}

// Joined and Left tell the other subscribers, if the namespace says so. They are
// called by the broker.
func (ch *channel) Joined(m *Member) {
	ch.tell(m, &proto.Answer{Join: &proto.Event{Channel: ch.name, Member: *m.proto()}})
}

func (ch *channel) Left(m *Member) {
	ch.tell(m, &proto.Answer{Leave: &proto.Event{Channel: ch.name, Member: *m.proto()}})
}

func (ch *channel) tell(m *Member, a *proto.Answer) {
	if !ch.ns.JoinLeave {
		return
	}
	d := newEvent(a)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for s, b := range ch.subs.All() {
		if d.batch = b; s.client.id != m.Connection {
			s.eventLocked(d)
		}
	}
	d.batch = nil
}

// proto returns the member as clients are told.
func (m *Member) proto() *proto.Member {
	p := &proto.Member{Connection: m.Connection, Info: m.Info}
	if m.User != "" {
		p.User = &m.User
	}
	return p
}

// add makes a client a subscriber, whose messages wait.
func (ch *channel) add(c *Client) (s *subscription, at Position) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	s = &subscription{ch: ch, client: c, state: waiting, cursor: ch.top.Offset}
	ch.subs.Add(s)
	return s, ch.top
}

// end takes a subscription out of its channel, which it lets go of.
func (s *subscription) end() {
	ch := s.ch
	ch.mu.Lock()
	ch.subs.Remove(s)
	s.behind = nil
	ch.mu.Unlock()
	ch.release()
}
