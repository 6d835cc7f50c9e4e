package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// version is what the client calls itself.
const version = "go/1"

// stable is how long a connection must last to count.
const stable = 5 * time.Second

// known is how long the server certainly knows a publication again, by its dedupe key.
const known = 100 * time.Second

// longest is the longest time that a server may ask for, when it drains.
const longest = 5 * time.Minute

// run connects, and connects again.
func (c *Client) run() {
	var err error
	var due time.Duration
	for attempt := 0; ; attempt++ {
		c.tell(Connecting, err)
		if due == 0 && err != nil {
			due = c.o.wait(attempt - 1)
		}
		if due > 0 && !c.sleep(due) {
			err = nil
			break
		}
		due = 0
		var lasted time.Duration
		var back time.Time
		lasted, back, err = c.connection()
		if c.ctx.Err() != nil || c.isClosed() {
			err = nil
			break
		}
		if !again(err) {
			break
		}
		if lasted >= stable {
			attempt = 0
		}
		if !back.IsZero() {
			due = max(time.Until(back), 1)
		}
	}
	c.end(err)
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// end fails everything that waits.
func (c *Client) end(err error) {
	c.mu.Lock()
	c.closed, c.err = true, err
	for _, s := range c.subs {
		if s.again != nil {
			s.again.Stop()
		}
	}
	c.mu.Unlock()
	c.cancel()
	close(c.ended)
	c.tell(Ended, err)
}

func (c *Client) tell(s State, err error) {
	if c.o.State != nil {
		c.o.State(s, err)
	}
}

func (c *Client) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// again says whether it makes sense to connect again behind an error.
func again(err error) bool {
	var refused *curlew.HandshakeError
	var closed *curlew.CloseError
	switch {
	case errors.As(err, &closed):
		switch code := closed.Code; code {
		case curlew.GoingAway, curlew.NoStatus, curlew.AbnormalClosure, curlew.InternalError,
			curlew.ServiceRestart, curlew.TryAgainLater, curlew.BadGateway:
			return true
		default:
			return code >= 4000 && code < 4500
		}
	case errors.As(err, &refused):
		return refused.Status < 400 || refused.Status == 408 || refused.Status == 429 || refused.Status >= 500
	}
	return true
}

// errDrained: the server has said that it closes the connection, and has not done it, or
// cannot be reached any more.
var errDrained = errors.New("hub client: the server has sent its clients away")

// A session is one connection, of the goroutine that reads it.
type session struct {
	*Client
	conn  *curlew.Conn
	back  time.Time     // when to return, if the server has said so
	leave *time.Timer   // for then, should it not close the connection
	fresh *time.Timer   // for the token
	least time.Duration // in which it is asked for at the earliest
}

// connection makes a connection and serves it until it ends.
func (c *Client) connection() (lasted time.Duration, back time.Time, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
	defer cancel()
	token := ""
	if c.o.Token != nil {
		if token, err = c.o.Token(ctx); err != nil {
			return 0, back, err
		}
	}
	conn, err := c.o.Dial(ctx, c.url, c.o.DialOptions)
	if err != nil {
		return 0, back, err
	}
	s := &session{Client: c, conn: conn}
	stop := context.AfterFunc(ctx, func() { conn.Abort(ctx.Err()) })
	err = s.greet(token)
	if !stop() || err != nil {
		conn.Close(curlew.NormalClosure, "")
		if e := conn.Err(); e != nil {
			err = e
		}
		s.lose()
		return 0, s.back, err
	}
	began := time.Now()
	c.tell(Connected, nil)
	err = s.serve()
	s.lose()
	return time.Since(began), s.back, err
}

// greet says hello, and what waits once it is answered.
func (s *session) greet(token string) error {
	c := s.Client
	k := &call{request: request{Hello: &hello{token, version}}}
	c.mu.Lock()
	c.asked = make(map[int64]*call)
	var welcome *proto.Answer
	k.answer = func(a *proto.Answer) { welcome = a }
	c.conn = s.conn // for sendLocked
	c.sendLocked(k)
	c.conn = nil
	c.mu.Unlock()
	for welcome == nil {
		if err := s.read(); err != nil {
			return err
		}
	}
	if welcome.Error != nil {
		if err := s.read(); err != nil { // the close, which says whether to return
			return err
		}
		return welcome.Error
	}
	if welcome.Hello == nil {
		return errAnswer
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.conn, c.hello = s.conn, welcome.Hello
	for _, sub := range c.subs {
		c.subscribeLocked(sub)
	}
	calls := c.calls
	c.calls, c.bytes = nil, 0
	for _, k := range calls {
		if k.request.Publish != nil && !k.sent.IsZero() && time.Now().Round(0).Sub(k.sent) > known {
			k.done <- &proto.Answer{Error: errUnknown}
			continue
		}
		c.sendLocked(k)
	}
	s.expireLocked(welcome.Hello.Expires)
	return nil
}

var errUnknown = &proto.Error{Code: proto.Unavailable, Message: "nobody can tell any more whether it is published"}

// expireLocked has a new token said before the old one expires: in a second at the
// earliest, and ever later if the clock here is ahead.
func (s *session) expireLocked(at int64) {
	if at == 0 || s.o.Token == nil {
		return
	}
	d := time.Until(time.UnixMilli(at))
	d -= min(d/4, time.Minute) + rand.N(max(d/20, 1))
	if d > time.Second {
		s.least = 0
	} else if s.least = max(2*s.least, time.Second); d < s.least {
		d = s.least
	}
	s.fresh = time.AfterFunc(d, s.refresh)
}

func (s *session) refresh() {
	token, err := s.o.Token(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Client.conn != s.conn {
		return
	}
	if err != nil { // once more, in time if there is any
		s.fresh = time.AfterFunc(time.Second, s.refresh)
		return
	}
	s.sendLocked(&call{request: request{Refresh: &refreshWith{token}}, answer: func(a *proto.Answer) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if a.Refreshed != nil {
			s.expireLocked(a.Refreshed.Expires)
		}
	}})
}

// serve reads until the connection ends.
func (s *session) serve() error {
	for {
		if err := s.read(); err != nil {
			return err
		}
	}
}

// lose puts what was not answered back in front of what waits.
func (s *session) lose() {
	c := s.Client
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = nil
	for _, t := range []*time.Timer{s.fresh, s.leave} {
		if t != nil {
			t.Stop()
		}
	}
	var rest []*call
	for _, k := range c.asked {
		if k.done != nil {
			rest = append(rest, k)
			c.bytes += k.size
		}
	}
	slices.SortFunc(rest, func(a, b *call) int { return int(a.request.ID - b.request.ID) })
	for _, k := range c.calls {
		if k.done != nil { // others are the connection's
			rest = append(rest, k)
		}
	}
	c.calls, c.full = rest, false
	c.asked = make(map[int64]*call)
	for _, sub := range c.subs {
		if sub.live = false; sub.again != nil {
			sub.again.Stop()
		}
	}
}

// read takes one message of the server's.
func (s *session) read() error {
	_, p, err := s.conn.Read(context.Background(), nil)
	if err != nil {
		return err
	}
	err = proto.ParseAnswers(p, func(a *proto.Answer) bool {
		s.take(a)
		return true
	})
	if err != nil {
		s.conn.Close(proto.CloseBadRequest, "this is not the hub's protocol")
		return err
	}
	return nil
}

// take does what an answer says.
func (s *session) take(a *proto.Answer) {
	c := s.Client
	if a.ID != 0 {
		c.mu.Lock()
		k := c.asked[a.ID]
		delete(c.asked, a.ID)
		c.mu.Unlock()
		switch {
		case k == nil:
		case k.answer != nil:
			k.answer(a)
		case k.done != nil:
			k.done <- a
		}
		return
	}
	switch {
	case a.Message != nil:
		c.message(messageOf(a.Message))
	case a.Gap != nil:
		c.gap(a.Gap)
	case a.Join != nil:
		if sub := c.live(a.Join.Channel); sub != nil && sub.ev.Join != nil {
			sub.ev.Join(a.Join.Member)
		}
	case a.Leave != nil:
		if sub := c.live(a.Leave.Channel); sub != nil && sub.ev.Leave != nil {
			sub.ev.Leave(a.Leave.Member)
		}
	case a.Unsubscribed != nil:
		if sub := c.live(a.Unsubscribed.Channel); sub != nil {
			c.refused(sub, &proto.Error{
				Code: a.Unsubscribed.Code, Message: "the server has ended the subscription", Retry: a.Unsubscribed.Code == proto.Unavailable,
			})
		}
	case a.Drain != nil:
		d := time.Duration(min(max(a.Drain.Retry, 1), longest.Milliseconds())) * time.Millisecond
		if s.back = time.Now().Add(d); s.leave == nil {
			s.leave = time.AfterFunc(d, func() { s.conn.Abort(errDrained) })
		}
	}
}

// live returns the subscription to a channel, nil if the server has not answered it:
// what it says is then about one before.
func (c *Client) live(channel string) *Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.subs[channel]; s != nil && s.live {
		return s
	}
	return nil
}

// subscribed takes the answer to a subscribe.
func (c *Client) subscribed(s *Subscription, a *proto.Answer) {
	c.mu.Lock()
	if c.subs[s.channel] != s {
		c.mu.Unlock()
		return
	}
	if a.Subscribed == nil {
		c.mu.Unlock()
		e := a.Error
		if e == nil {
			e = &proto.Error{Code: proto.Internal, Message: errAnswer.Error()}
		}
		c.refused(s, e)
		return
	}
	lost := s.at != nil && !a.Subscribed.Recovered
	if s.live = true; s.at == nil || lost {
		at := a.Subscribed.Position
		s.at = &at
	}
	c.mu.Unlock()
	if lost && s.ev.Gap != nil {
		s.ev.Gap(0, 0)
	}
	if s.ev.Subscribed != nil {
		s.ev.Subscribed(a.Subscribed.Position, a.Subscribed.Recovered, a.Subscribed.Members)
	}
}

// refused ends a subscription, or tries it again later.
func (c *Client) refused(s *Subscription, e *proto.Error) {
	c.mu.Lock()
	if c.subs[s.channel] != s {
		c.mu.Unlock()
		return
	}
	if e.Retry {
		s.again = time.AfterFunc(time.Second+rand.N(2*time.Second), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.subs[s.channel] == s && c.conn != nil && !s.live {
				c.subscribeLocked(s)
			}
		})
		s.live = false
		c.mu.Unlock()
		return
	}
	delete(c.subs, s.channel)
	c.mu.Unlock()
	if s.ev.Ended != nil {
		s.ev.Ended(e)
	}
}

// message hands on a message that is new.
func (c *Client) message(m *Message) {
	c.mu.Lock()
	s := c.subs[m.Channel]
	fresh := s != nil && s.live && (s.at == nil || s.at.Epoch != m.Epoch || m.Offset > s.at.Offset)
	if fresh {
		at := m.Position
		s.at = &at
	}
	c.mu.Unlock()
	if fresh && s.ev.Message != nil {
		s.ev.Message(m)
	}
}

func (c *Client) gap(g *proto.Gap) {
	s := c.live(g.Channel)
	if s == nil {
		return
	}
	c.mu.Lock()
	if s.at != nil {
		at := *s.at
		at.Offset = max(at.Offset, g.To)
		s.at = &at
	}
	c.mu.Unlock()
	if s.ev.Gap != nil {
		s.ev.Gap(g.From, g.To)
	}
}
