package hub

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// do does a request and answers it.
func (c *Client) do(r *proto.Request) {
	c.mu.Lock()
	said := c.said
	c.mu.Unlock()
	if !said && r.Kind != proto.Hello {
		c.close(curlew.PolicyViolation, "hello comes first")
		return
	}
	a := &proto.Answer{}
	var err error
	switch {
	case r.Err != nil:
		err = r.Err
	case r.Kind == proto.Hello && said:
		err = &proto.Error{Code: proto.BadRequest, Message: "hello was said already"}
	default:
		err = c.answer(r, a)
	}
	if a.ID = r.ID; err != nil {
		a = &proto.Answer{ID: r.ID, Error: c.hub.errorOf(err, proto.Unavailable)}
	}
	if a.Subscribed == nil { // which was said
		c.say(a)
	}
	e := a.Error
	switch {
	case r.Kind == proto.Refresh && e == nil:
		c.refused = 0
	case r.Kind == proto.Refresh && (e.Code == proto.Unauthorized || e.Code == proto.Expired):
		if c.refused++; c.refused == maxRefused {
			c.close(proto.CloseUnauthorized, "not authorized")
		}
	case r.Kind == proto.Hello && e != nil:
		switch e.Code {
		case proto.Expired:
			c.close(proto.CloseExpired, "the token has expired")
		case proto.BadRequest:
			c.close(proto.CloseBadRequest, "hello is not in order")
		case proto.Unavailable, proto.Limit, proto.Internal:
			c.close(curlew.TryAgainLater, "not possible at the moment")
		default:
			c.close(proto.CloseUnauthorized, "not authorized")
		}
	}
}

// answer does what is asked for.
func (c *Client) answer(r *proto.Request, a *proto.Answer) (err error) {
	switch r.Kind {
	case proto.Hello:
		a.Hello, err = c.hello(r.Token)
	case proto.Refresh:
		a.Refreshed, err = c.refresh(r.Token)
	case proto.Subscribe:
		// Each one may have to be asked about, and told to all the others.
		if !c.subscribes.take(max(c.hub.settings().limits.Channels, fewSubscribes)) {
			return &proto.Error{Code: proto.Limit, Message: "too many subscriptions in a second", Retry: true}
		}
		a.Subscribed, err = c.subscribe(r)
	case proto.Unsubscribe:
		if !c.leaveChannel(r.Channel, 0) {
			return &proto.Error{Code: proto.BadRequest, Message: "not subscribed"}
		}
		c.settle(r.Channel)
		a.Unsubscribed = &proto.Unsubscribed{}
	case proto.Publish:
		a.Published, err = c.publish(r)
	case proto.History:
		a.History, err = c.history(r)
	case proto.Presence:
		a.Presence, err = c.presence(r.Channel)
	}
	return err
}

// maxToken is the longest token that anybody is asked about, in bytes.
const maxToken = 16 << 10

// fewSubscribes are always allowed in a second; else as many as there may be channels.
const fewSubscribes = 128

// identify asks who has a token.
func (c *Client) identify(token string) (*Identity, error) {
	connect := c.hub.settings().Connect
	if connect == nil {
		return &Identity{}, nil
	}
	if len(token) > maxToken {
		return nil, &proto.Error{Code: proto.Unauthorized, Message: explained[proto.Unauthorized]}
	}
	who, err := connect(c.ctx, c.request, token)
	if err != nil {
		return nil, c.hub.errorOf(err, proto.Unauthorized)
	}
	if who == nil {
		who = &Identity{}
	}
	if len(who.Info) > 0 && !proto.ValidData(who.Info) { // which everybody would be shown
		return nil, c.hub.errorOf(errInfo, proto.Internal)
	}
	if who.expired(c.hub.expiries.now()) {
		return nil, &proto.Error{Code: proto.Expired, Message: "the token has expired"}
	}
	return who, nil
}

// maxAsked is how often it is asked again who a client is, as somebody was thrown out
// meanwhile: it may have been that one.
const maxAsked = 3

func (c *Client) hello(token string) (*proto.Welcome, error) {
	h := c.hub
	for range maxAsked {
		before := h.thrown.Load()
		who, err := c.identify(token)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.identifiedLocked(who)
		c.mu.Unlock()
		ok, err := h.enter(c, before)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		c.mu.Lock()
		c.said = true
		c.mu.Unlock()
		return &proto.Welcome{
			Connection: c.id, Server: h.settings().Server, Ping: h.settings().Ping.Milliseconds(), Limits: h.settings().limits,
			User: who.User, Expires: millis(who.Expires),
		}, nil
	}
	return nil, &proto.Error{Code: proto.Unavailable, Message: explained[proto.Unavailable], Retry: true}
}

// enter makes a client known, unless somebody was thrown out since.
func (h *Hub) enter(c *Client, thrown int64) (ok bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false, errClosed
	}
	if ok = h.thrown.Load() == thrown; ok {
		h.clients[c.id] = c
	}
	return ok, nil
}

// identifiedLocked notes who the client is, and has it closed when that is over.
func (c *Client) identifiedLocked(who *Identity) {
	c.who = who
	c.timer.Stop()
	if !c.ended {
		c.hub.expiries.set(c, who.Expires)
	}
}

// expired reports whether it is over, by the clock of the day.
func (who *Identity) expired(now time.Time) bool {
	return !who.Expires.IsZero() && !now.Before(who.Expires.Round(0))
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// maxRefused is how many tokens in a row a client may refresh with in vain.
const maxRefused = 5

// refresh takes a new token of the same user. What it allows no longer ends.
func (c *Client) refresh(token string) (*proto.Refreshed, error) {
	who, err := c.identify(token)
	if err == nil && who.User != c.User() {
		err = &proto.Error{Code: proto.Unauthorized, Message: "the token is another user's"}
	}
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.identifiedLocked(who)
	subs := make([]*subscription, 0, len(c.subs))
	for _, s := range c.subs {
		subs = append(subs, s)
	}
	c.mu.Unlock()
	for _, s := range subs {
		if err := c.maySubscribe(s.ch.ns, s.ch.name); err != nil && c.leaveChannel(s.ch.name, 0) {
			e := c.hub.errorOf(err, proto.Forbidden)
			c.say(&proto.Answer{Unsubscribed: &proto.Unsubscribed{Channel: s.ch.name, Code: e.Code}})
		}
	}
	return &proto.Refreshed{Expires: millis(who.Expires)}, nil
}

var errForbidden = &proto.Error{Code: proto.Forbidden, Message: explained[proto.Forbidden]}

func (who *Identity) right(channel string) Right {
	i := slices.IndexFunc(who.Rights, func(g Right) bool { return g.matches(channel) })
	if i < 0 {
		return Right{}
	}
	return who.Rights[i]
}

// maySubscribe: whoever may subscribe may also ask for history and presence.
func (c *Client) maySubscribe(ns *Namespace, channel string) error {
	who := c.identity()
	if !who.right(channel).Subscribe && !(ns.Subscribe == Default || ns.Subscribe == Anyone || ns.Subscribe == Users && who.User != "") {
		return errForbidden
	}
	if f := c.hub.settings().Subscribe; f != nil {
		if err := f(c.ctx, c, channel); err != nil {
			return c.hub.errorOf(err, proto.Forbidden)
		}
	}
	return nil
}

func (c *Client) mayPublish(ns *Namespace, channel string) bool {
	who := c.identity()
	switch ns.Publish {
	case Anyone:
		return true
	case Users:
		if who.User != "" {
			return true
		}
	case Default, Subscribers:
		c.mu.Lock()
		s := c.subs[channel]
		c.mu.Unlock()
		if s != nil {
			return true
		}
	}
	return who.right(channel).Publish
}

func (c *Client) publish(r *proto.Request) (*Position, error) {
	h := c.hub
	ns, err := h.namespace(r.Channel)
	if err != nil {
		return nil, err
	}
	if rate := h.settings().PublishRate; rate > 0 && !c.publishes.take(rate) {
		return nil, &proto.Error{Code: proto.Limit, Message: "too many messages in a second", Retry: true}
	}
	if !c.mayPublish(ns, r.Channel) {
		return nil, errForbidden
	}
	p := &Publication{Data: bytes.Clone(r.Data), Binary: r.Binary, User: c.User(), Key: r.Key, Dedupe: r.Dedupe}
	if f := h.settings().Publish; f != nil {
		other, err := f(c.ctx, c, r.Channel, p)
		if err != nil {
			return nil, h.errorOf(err, proto.Forbidden)
		}
		if other != nil {
			if p = other; p.check() != nil {
				return nil, h.errorOf(errPublish, proto.Internal)
			}
		}
	}
	at, err := h.publish(c.ctx, ns, r.Channel, p)
	if err != nil {
		return nil, err
	}
	return &at, nil
}

var (
	errPublish = errors.New("Options.Publish has returned data that is no JSON, or nests too deep")
	errInfo    = errors.New("Options.Connect has returned an info that is no JSON, or nests too deep")
)

func (c *Client) history(r *proto.Request) (*proto.Page, error) {
	ns, err := c.hub.namespace(r.Channel)
	if err == nil {
		err = c.maySubscribe(ns, r.Channel)
	}
	if err != nil {
		return nil, err
	}
	return c.hub.page(c.ctx, r)
}

// page returns what one answer holds of what is asked for.
func (h *Hub) page(ctx context.Context, r *proto.Request) (*proto.Page, error) {
	limit := h.settings().MaxHistory
	if r.Limit > 0 {
		limit = min(limit, r.Limit)
	}
	p, err := h.broker.History(ctx, r.Channel, Query{Since: r.Since, Limit: limit + 1, Reverse: r.Reverse})
	if err != nil {
		return nil, err
	}
	n := p.fits(limit)
	page := &proto.Page{Messages: make([]*proto.Published, n), Position: p.Position, Lost: p.Lost, More: n < len(p.Messages)}
	for i, m := range p.Messages[:n] {
		page.Messages[i] = m.Published()
	}
	if page.More && !r.Reverse { // who subscribes with it gets the rest
		page.Position = p.Messages[n-1].Position
	}
	return page, nil
}

// maxPage is about how long an answer to history is at most, in bytes: it has room in
// a message of curlew.Options' default. One message it always holds.
const maxPage = 512 << 10

// fits is how many messages one answer holds, limit at most.
func (p *Page) fits(limit int) int {
	size := 0
	for i, m := range p.Messages {
		if size += m.size(); i == limit || size > maxPage && i > 0 {
			return i
		}
	}
	return len(p.Messages)
}

// size is about how long the message is as text.
func (m *Message) size() int {
	n := len(m.Data)
	if m.Binary {
		n += n / 3
	}
	return n + len(m.Channel) + len(m.User) + len(m.Key) + 100
}

func (c *Client) presence(channel string) (*proto.Members, error) {
	ns, err := c.hub.namespace(channel)
	if err == nil {
		err = c.maySubscribe(ns, channel)
	}
	if err != nil {
		return nil, err
	}
	list, err := c.members(channel)
	return &proto.Members{Members: list}, err
}

func (c *Client) members(channel string) ([]proto.Member, error) {
	all, err := c.hub.broker.Members(c.ctx, channel)
	list := make([]proto.Member, len(all))
	for i, m := range all {
		list[i] = *m.proto()
	}
	return list, err
}

// subscribe makes the client a subscriber, answers, and then sends what is missing.
// What is delivered before the answer waits. If the subscription is revoked
// meanwhile, also while it is decided who may, it ends again.
func (c *Client) subscribe(r *proto.Request) (*proto.Subscribed, error) {
	c.mu.Lock()
	c.asking = r.Channel
	c.mu.Unlock()
	a, err := c.begin(r)
	c.mu.Lock()
	code := c.revoked
	c.asking, c.revoked = "", ""
	c.mu.Unlock()
	if code != "" {
		c.revoke(r.Channel, code)
	}
	return a, err
}

func (c *Client) begin(r *proto.Request) (a *proto.Subscribed, err error) {
	h := c.hub
	ns, err := h.namespace(r.Channel)
	if err == nil {
		err = c.maySubscribe(ns, r.Channel)
	}
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	have, again := len(c.subs), c.subs[r.Channel] != nil
	c.mu.Unlock()
	switch {
	case again:
		return nil, &proto.Error{Code: proto.BadRequest, Message: "subscribed already"}
	case have >= h.settings().limits.Channels:
		return nil, &proto.Error{Code: proto.Limit, Message: "too many channels"}
	}
	ch, err := h.hold(c.ctx, r.Channel, ns)
	if err != nil {
		return nil, err
	}
	ns = ch.ns // by which the membership ends, too
	s, at := ch.add(c)
	a = &proto.Subscribed{Channel: r.Channel, Position: at}
	since, err := c.resume(s, r.Since, a)
	if err != nil {
		s.end()
		return nil, err
	}
	if ns.present() {
		// In front of what follows, so that whoever ends the subscription also ends
		// the membership.
		who := c.identity()
		if err = h.broker.Join(c.ctx, r.Channel, &Member{User: who.User, Connection: c.id, Info: who.Info}); err == nil && r.Presence {
			a.Members, err = c.members(r.Channel)
		}
	}
	c.mu.Lock()
	if c.subs == nil {
		c.subs = make(map[string]*subscription)
	}
	if c.ended && err == nil {
		err = errClosed
	}
	if err == nil {
		c.subs[r.Channel] = s
	}
	c.mu.Unlock()
	if err != nil {
		c.left(s, 0)
		return nil, err
	}
	c.settle(r.Channel) // a message of the subscription before would be taken for one of this
	c.say(&proto.Answer{ID: r.ID, Subscribed: a})
	if !r.Presence {
		a.Members = nil
	}
	s.start(since, a.Members)
	return a, nil
}

// resume says in the answer whether nothing is lost since the position that the
// client had, and returns from where on messages are missing, nil if none are.
func (c *Client) resume(s *subscription, since *Position, a *proto.Subscribed) (*Position, error) {
	if since == nil {
		return nil, nil
	}
	if *since != a.Position {
		p, err := c.hub.broker.History(c.ctx, s.ch.name, Query{Since: since})
		if err != nil {
			return nil, err
		}
		if p.Lost {
			c.hub.stats.notResumed.Add(1)
			return nil, nil
		}
	}
	c.hub.stats.resumed.Add(1)
	if a.Recovered = true; *since == a.Position {
		since = nil
	}
	return since, nil
}
