package hub

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// A Client is a connection to the hub.
type Client struct {
	hub     *Hub
	id      string
	request *http.Request // that opened the connection; may be nil
	to      carrier
	ctx     context.Context // ends with the connection, also while a callback is under way
	cancel  func()          // of ctx; nil if the connection itself ends it

	publishes, subscribes bucket // what it may still do; of the callbacks
	refused               int    // tokens to refresh with, in a row; of the callbacks

	expires time.Time // of the hub's expiries, as the next
	place   int       // among them, counted from 1; 0 if it is not

	mu       sync.Mutex // taken behind that of a channel, guards the following
	said     bool       // hello
	ended    bool       // it is closed, or about to be: nothing more is done for it
	who      *Identity
	timer    *time.Timer // for hello
	subs     map[string]*subscription
	catching []*subscription // those that catch up
	running  bool            // somebody sees to them
	giving   *subscription   // of which he gives the carrier something just now
	settled  chan struct{}   // closed when he has; nil while nobody waits for that
	asking   string          // the channel that is being subscribed to
	revoked  string          // the code with which that was revoked meanwhile
}

// Connection returns the name of the connection, which nobody else has.
func (c *Client) Connection() string { return c.id }

// User returns the name of the user, "" for nobody in particular.
func (c *Client) User() string { return c.identity().User }

// Value returns the Value of the client's Identity.
func (c *Client) Value() any { return c.identity().Value }

// Conn returns the connection itself, nil if it is none of curlew.v1.
func (c *Client) Conn() *curlew.Conn {
	if s, ok := c.to.(socket); ok {
		return s.Conn
	}
	return nil
}

func (c *Client) identity() *Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.who == nil {
		return &Identity{}
	}
	return c.who
}

// opened is the event Open.
func (c *Client) opened(conn *curlew.Conn) {
	c.to, c.ctx = socket{conn}, life{conn, conn.Done()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.hub.settings().HelloTimeout, func() { c.close(proto.CloseTimeout, "no hello") })
}

// message is the event Message: requests, which are done one after the other.
func (c *Client) message(conn *curlew.Conn, t curlew.Type, p []byte) {
	if t != curlew.Text {
		conn.Close(curlew.UnsupportedData, "the hub speaks text")
		return
	}
	err := proto.Parse(p, func(r *proto.Request) bool {
		c.do(r)
		return !c.over()
	})
	if err != nil {
		conn.Close(curlew.InvalidPayload, "not JSON")
	}
}

// writable is the event Writable: there is room again.
func (c *Client) writable(*curlew.Conn) {
	c.mu.Lock()
	list := make([]*subscription, 0, len(c.subs))
	for _, s := range c.subs {
		list = append(list, s)
	}
	c.mu.Unlock()
	for _, s := range list {
		s.flush()
	}
}

// close closes the connection. Of what the client has asked for already nothing more
// is done.
func (c *Client) close(code curlew.Code, reason string) {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.to.close(code, reason)
}

// expired is called when the client's token has, unless it was refreshed just now.
func (c *Client) expired() {
	c.mu.Lock()
	over := c.who.expired(c.hub.expiries.now())
	c.mu.Unlock()
	if over {
		c.close(proto.CloseExpired, "the token has expired")
	}
}

// over reports whether the connection has ended or is being closed.
func (c *Client) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended || c.to.ended()
}

// gone is the event Close.
func (c *Client) gone(*curlew.Conn, *curlew.CloseError) {
	if c.cancel != nil {
		c.cancel()
	}
	h := c.hub
	h.mu.Lock()
	delete(h.clients, c.id)
	h.mu.Unlock()
	c.mu.Lock()
	c.ended = true
	c.timer.Stop()
	h.expiries.set(c, time.Time{})
	subs := c.subs
	c.subs = nil
	c.mu.Unlock()
	for _, s := range subs {
		c.left(s, h.settings().Grace)
	}
}

// leaveChannel ends a subscription, if there is one.
func (c *Client) leaveChannel(channel string, grace time.Duration) bool {
	c.mu.Lock()
	s := c.subs[channel]
	c.mu.Unlock()
	return s != nil && c.leave(s, grace)
}

// leave ends a subscription, if nobody has yet.
func (c *Client) leave(s *subscription, grace time.Duration) bool {
	c.mu.Lock()
	have := c.subs[s.ch.name] == s
	if have {
		delete(c.subs, s.ch.name)
	}
	c.mu.Unlock()
	if have {
		c.left(s, grace)
	}
	return have
}

func (c *Client) left(s *subscription, grace time.Duration) {
	if s.ch.ns.present() {
		c.hub.broker.Leave(s.ch.name, c.id, grace)
	}
	s.end()
}

// revoke ends the subscription to a channel, also one that is under way, and tells
// the client, for whom it does not wait.
func (c *Client) revoke(channel, code string) bool {
	c.mu.Lock()
	asking := channel != "" && c.asking == channel
	if asking {
		c.revoked = code
	}
	c.mu.Unlock()
	if asking {
		return true
	}
	if !c.leaveChannel(channel, 0) {
		return false
	}
	a := &proto.Answer{Unsubscribed: &proto.Unsubscribed{Channel: channel, Code: code}}
	if errors.Is(c.to.deliver(newEvent(a)), curlew.ErrQueueFull) {
		go c.say(a) // until there is room, or the connection ends
	}
	return true
}

func (ns *Namespace) present() bool { return ns.Presence || ns.JoinLeave }

// tooSlow closes the connection of a client that does not keep up.
func (c *Client) tooSlow() {
	c.mu.Lock()
	first := !c.ended
	c.ended = true
	c.mu.Unlock()
	if first {
		c.hub.stats.tooSlow.Add(1)
	}
	c.to.close(proto.CloseTooSlow, "too slow")
}

// say sends an answer, or something else that must not be lost.
func (c *Client) say(a *proto.Answer) { c.to.answer(c.ctx, a) }

// catchUp has a subscription brought up to date. It does not wait.
func (c *Client) catchUp(s *subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catching = append(c.catching, s)
	if !c.running {
		c.running = true
		go c.catchAllUp()
	}
}

// catchAllUp does a page of each at a time.
func (c *Client) catchAllUp() {
	for {
		c.mu.Lock()
		if len(c.catching) == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		s := c.catching[0]
		c.catching = slices.Delete(c.catching, 0, 1)
		c.mu.Unlock()
		more, err := s.step(c.ctx)
		switch {
		case err != nil && c.ctx.Err() == nil && !c.to.ended():
			if c.leave(s, c.hub.settings().Grace) {
				e := c.hub.errorOf(err, proto.Unavailable)
				c.say(&proto.Answer{Unsubscribed: &proto.Unsubscribed{Channel: s.ch.name, Code: e.Code}})
			}
		case err == nil && more:
			c.mu.Lock()
			c.catching = append(c.catching, s)
			c.mu.Unlock()
		}
	}
}

// give notes that something of s is about to be given to the carrier, if s is not over,
// and given that it was.
func (c *Client) give(s *subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giving = s
}

func (c *Client) given() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.giving = nil; c.settled != nil {
		close(c.settled)
		c.settled = nil
	}
}

// settle waits until nothing more comes of a subscription to a channel that is over.
func (c *Client) settle(channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.giving != nil && c.giving.ch.name == channel {
		if c.settled == nil {
			c.settled = make(chan struct{})
		}
		settled := c.settled
		c.mu.Unlock()
		<-settled
		c.mu.Lock()
	}
}

// A life is the context of a connection: it ends with it.
type life struct {
	conn *curlew.Conn
	done <-chan struct{} // of conn, whose Done takes a lock that others hold when they ask here
}

func (l life) Deadline() (t time.Time, ok bool) { return t, false }

func (l life) Done() <-chan struct{} { return l.done }

func (l life) Err() error {
	if l.conn.Err() != nil {
		return context.Canceled
	}
	return nil
}

func (life) Value(any) any { return nil }

// A bucket bounds how often something is done.
type bucket struct {
	left float64
	last time.Time
}

// take takes one of so many a second, a second's worth of which may be taken at
// once.
func (b *bucket) take(rate int) bool {
	now := time.Now()
	if b.last.IsZero() {
		b.left = float64(rate)
	} else {
		b.left = min(b.left+now.Sub(b.last).Seconds()*float64(rate), float64(rate))
	}
	b.last = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
