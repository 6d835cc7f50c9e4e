package hub

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// A Hub is channels and those who are connected to them. All methods may be called
// at once.
type Hub struct {
	set    atomic.Pointer[settings]
	broker Broker
	seed   maphash.Seed
	shards [64]channels
	stats  counters

	expiries expiries
	thrown   atomic.Int64 // how often Disconnect was called

	mu      sync.Mutex // guards the following
	clients map[string]*Client
	closed  bool
}

// New returns a hub. It has nothing to do until clients come.
func New(o *Options) (*Hub, error) {
	set, err := o.settings()
	if err != nil {
		return nil, err
	}
	if set.Broker == nil {
		set.Broker = NewMemory()
	}
	h := &Hub{broker: set.Broker, seed: maphash.MakeSeed(), clients: make(map[string]*Client)}
	h.expiries.now = func() time.Time { return time.Now().Round(0) }
	h.set.Store(set)
	return h, nil
}

// Reload puts other Options in the place of those in force; the broker stays. What
// is asked for from then on is done by them; a channel that somebody is subscribed
// to keeps its namespace's settings until nobody is.
func (h *Hub) Reload(o *Options) error {
	set, err := o.settings()
	if err == nil {
		h.set.Store(set)
	}
	return err
}

func (h *Hub) settings() *settings { return h.set.Load() }

// Events returns what handles one connection, for curlew.Handle: it needs
// curlew.Options with Subprotocols proto.Subprotocol and WhenFull
// WhenFullDropNewest, which [Hub.ConnOptions] sets. r may be nil.
func (h *Hub) Events(r *http.Request) *curlew.Events {
	c := &Client{hub: h, id: crand.Text(), request: r}
	return &curlew.Events{Open: c.opened, Message: c.message, Writable: c.writable, Close: c.gone}
}

// ConnOptions sets what connections of the hub need, and returns o; nil is the zero
// value.
func (h *Hub) ConnOptions(o *curlew.Options) *curlew.Options {
	with := curlew.Options{}
	if o != nil {
		with = *o
	}
	with.Subprotocols, with.RequireSubprotocol = []string{proto.Subprotocol}, true
	with.WhenFull, with.PreserveFrames, with.MaxPacket = curlew.WhenFullDropNewest, false, 0
	return &with
}

// Publish publishes for the program: whatever namespaces and callbacks say about
// who may. The namespace must be known, and the data JSON or Binary: otherwise it
// is refused, as a text that is no JSON, or nests deeper than 62, would end the
// connections of all who get it.
func (h *Hub) Publish(ctx context.Context, channel string, p *Publication) (Position, error) {
	ns, err := h.namespace(channel)
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return Position{}, err
	}
	return h.publish(ctx, ns, channel, p)
}

func (p *Publication) check() error {
	if p.Binary || proto.ValidData(p.Data) {
		return nil
	}
	return &proto.Error{Code: proto.BadRequest, Message: "the data is no JSON, or nests too deep"}
}

func (h *Hub) publish(ctx context.Context, ns *Namespace, channel string, p *Publication) (Position, error) {
	if len(p.Data) > h.settings().limits.MessageBytes {
		return Position{}, &proto.Error{Code: proto.TooBig, Message: "the data is longer than this hub takes"}
	}
	if len(p.Dedupe) > proto.MaxDedupe || len(p.Key) > proto.MaxKey {
		return Position{}, &proto.Error{Code: proto.BadRequest, Message: "key or dedupe is too long"}
	}
	at, again, err := h.broker.Publish(ctx, channel, p, Keep(ns.History))
	if err == nil && !again {
		h.stats.published.Add(1)
	}
	return at, err
}

// History returns messages of a channel.
func (h *Hub) History(ctx context.Context, channel string, q Query) (*Page, error) {
	if _, e := h.namespace(channel); e != nil {
		return nil, e
	}
	return h.broker.History(ctx, channel, q)
}

// Members returns who is present in a channel.
func (h *Hub) Members(ctx context.Context, channel string) ([]*Member, error) {
	if _, e := h.namespace(channel); e != nil {
		return nil, e
	}
	return h.broker.Members(ctx, channel)
}

// Disconnect closes, with 4503, the connections of a user, or the one with this
// name, and returns how many there were on this node. Of who is about to connect
// Options.Connect is asked again.
func (h *Hub) Disconnect(user, connection, reason string) (n int) {
	h.thrown.Add(1) // in front of all, which takes the lock of enter
	list := h.those(user, connection)
	for _, c := range list {
		c.close(proto.CloseThrownOut, reason)
	}
	return len(list)
}

// those returns the connections of a user, and the one with a name.
func (h *Hub) those(user, connection string) []*Client {
	if user == "" {
		h.mu.Lock()
		defer h.mu.Unlock()
		if c := h.clients[connection]; c != nil {
			return []*Client{c}
		}
		return nil
	}
	return slices.DeleteFunc(h.all(), func(c *Client) bool { return c.id != connection && c.User() != user })
}

// Unsubscribe ends the subscriptions of a user, or of one connection, to a channel,
// tells the clients so with the code of an error, "" is forbidden, and returns how many
// there were on this node.
func (h *Hub) Unsubscribe(channel, user, connection, code string) (n int) {
	for _, c := range h.those(user, connection) {
		if c.revoke(channel, cmp.Or(code, proto.Forbidden)) {
			n++
		}
	}
	return n
}

// Drain tells all clients to come back after about retry, each at another time, and
// closes them with 4000, one after the other over the time given, or until ctx is done.
func (h *Hub) Drain(ctx context.Context, over, retry time.Duration) {
	all := h.all()
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, c := range all {
		timer.Reset(time.Until(began.Add(over * time.Duration(i) / time.Duration(len(all)))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Reset(0)
		}
		after := retry/2 + rand.N(max(retry, 1))
		// Whoever has no room for it is told by the close.
		c.to.deliver(newEvent(&proto.Answer{Drain: &proto.Drain{Retry: after.Milliseconds()}}))
		c.close(proto.CloseDrain, "the server is stopping")
	}
}

// Close ends the hub and its broker. Connections are closed with 4000.
func (h *Hub) Close() error {
	h.mu.Lock()
	was := h.closed
	h.closed = true
	h.mu.Unlock()
	if was {
		return nil
	}
	for _, c := range h.all() {
		c.close(proto.CloseDrain, "the hub has ended")
	}
	return h.broker.Close()
}

func (h *Hub) all() []*Client {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]*Client, 0, len(h.clients))
	for _, c := range h.clients {
		list = append(list, c)
	}
	return list
}

// namespace returns the settings of a channel.
func (h *Hub) namespace(channel string) (*Namespace, error) {
	if len(channel) > h.settings().limits.NameBytes || !proto.ValidName(channel) {
		return nil, &proto.Error{Code: proto.BadRequest, Message: "this is no name of a channel"}
	}
	ns := h.settings().Namespaces[proto.Namespace(channel)]
	if ns == nil {
		return nil, &proto.Error{Code: proto.UnknownChannel, Message: "there is no such namespace"}
	}
	return ns, nil
}

// errorOf is what clients are told of an error: those of the broker are logged and
// not shown.
func (h *Hub) errorOf(err error, code string) *proto.Error {
	var e *proto.Error
	if errors.As(err, &e) {
		return e
	}
	if code == proto.Unavailable || code == proto.Internal {
		h.settings().ErrorLog.Printf("hub: %v", err)
	}
	return &proto.Error{Code: code, Message: explained[code], Retry: code == proto.Unavailable}
}

// explained are what is said with a code where there is nothing more to say.
var explained = map[string]string{
	proto.Unavailable: "not possible at the moment", proto.Forbidden: "this is not allowed",
	proto.Unauthorized: "the token is not accepted", proto.Internal: "a failure of the server",
}

// counters are what Stats shows.
type counters struct {
	published, delivered, lost, tooSlow, resumed, notResumed atomic.Int64
}

// Stats are numbers of this node since it began.
type Stats struct {
	Clients  int `json:"clients"`  // connected, and have said hello
	Channels int `json:"channels"` // that they are subscribed to

	Published  int64 `json:"published"`  // messages, by this node; what is repeated counts once
	Delivered  int64 `json:"delivered"`  // to its subscribers
	Lost       int64 `json:"lost"`       // for a subscriber that was too slow, and was told so
	TooSlow    int64 `json:"tooSlow"`    // connections that were closed for that
	Resumed    int64 `json:"resumed"`    // subscriptions with a position that missed nothing
	NotResumed int64 `json:"notResumed"` // with one, that did
}

// Stats returns them.
func (h *Hub) Stats() Stats {
	s := Stats{
		Published: h.stats.published.Load(), Delivered: h.stats.delivered.Load(), Lost: h.stats.lost.Load(),
		TooSlow: h.stats.tooSlow.Load(), Resumed: h.stats.resumed.Load(), NotResumed: h.stats.notResumed.Load(),
	}
	h.mu.Lock()
	s.Clients = len(h.clients)
	h.mu.Unlock()
	for i := range h.shards {
		s.Channels += h.shards[i].number()
	}
	return s
}
