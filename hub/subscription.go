package hub

import (
	"context"
	"errors"
	"slices"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// A subscription is one client's to one channel. The channel's lock guards what
// changes.
type subscription struct {
	curlew.Seat // in the channel, until it is over

	ch     *channel
	client *Client

	state    subState
	answered bool        // the client knows of the subscription
	missed   bool        // before that, more has come than can wait
	slow     bool        // too slow: the connection is being closed
	renewed  bool        // the broker has begun the channel anew: the client must too
	cursor   int64       // offset of the last message that was queued for the client
	behind   []*delivery // waits for room, in order; bounded
}

// A subState is how a subscription gets its messages.
type subState int

const (
	live     subState = iota // as they are delivered
	waiting                  // they wait in behind: the client's queue is full, or it has no answer yet
	catching                 // from history, until nothing is missing
)

// maxBehind is how many messages wait for a slow subscriber.
const maxBehind = 256

// deliverLocked gives a message to the client, now or later.
func (s *subscription) deliverLocked(d *delivery) {
	switch {
	case s.slow || s.renewed || s.state == catching || d.Offset <= s.cursor:
	case s.state == waiting:
		s.waitLocked(d)
	case d.Prev != s.cursor: // the broker has left some out
		s.state = catching
		s.client.catchUp(s)
	case !s.sendLocked(d):
		s.fullLocked(d)
	}
}

// renewLocked ends the subscription, as offsets of two epochs cannot be compared.
func (s *subscription) renewLocked() {
	if s.renewed = true; s.state != catching {
		s.state = catching
		s.client.catchUp(s)
	}
}

// eventLocked gives the client an event, behind those that wait.
func (s *subscription) eventLocked(d *delivery) {
	switch {
	case s.slow:
	case s.state == waiting || len(s.behind) > 0:
		s.waitLocked(d)
	case !s.sendLocked(d):
		s.fullLocked(d)
	}
}

// sendLocked queues d for the client, and reports whether there was room.
func (s *subscription) sendLocked(d *delivery) bool {
	err := s.client.to.deliver(d)
	switch {
	case errors.Is(err, curlew.ErrQueueFull):
		return false
	case errors.Is(err, curlew.ErrTooBig) && d.Message != nil:
		if !s.gapLocked(d.Offset) {
			return false
		}
		s.ch.hub.stats.lost.Add(1)
		return true
	}
	// Another error is this client's, whose connection ends.
	if d.Message != nil {
		s.cursor = d.Offset
		if err == nil {
			s.ch.hub.stats.delivered.Add(1)
		}
	}
	return true
}

// fullLocked is called when there is no room for d with the client.
func (s *subscription) fullLocked(d *delivery) {
	if s.ch.ns.WhenSlow == Disconnect {
		s.tooSlowLocked()
		return
	}
	if s.state == live {
		s.state = waiting
	}
	s.waitLocked(d)
}

// tooSlowLocked has the connection closed; nothing more is for it.
func (s *subscription) tooSlowLocked() {
	s.slow, s.behind = true, nil
	s.client.tooSlow()
}

// waitLocked keeps d until there is room. Of messages with the same key the newest
// remains, where the namespace says so; the gap in the offsets tells.
func (s *subscription) waitLocked(d *delivery) {
	if s.answered && s.ch.ns.WhenSlow == Conflate && d.Message != nil && d.Key != "" {
		if i := slices.IndexFunc(s.behind, func(b *delivery) bool { return b.Message != nil && b.Key == d.Key }); i >= 0 {
			s.behind = slices.Delete(s.behind, i, i+1)
			s.ch.hub.stats.lost.Add(1)
		}
	}
	if len(s.behind) < maxBehind || s.roomLocked(d) {
		s.behind = append(s.behind, d)
	}
}

// roomLocked drops the oldest message that waits to make room for d, and reports
// whether it did. Joins and leaves are not dropped.
func (s *subscription) roomLocked(d *delivery) bool {
	i := slices.IndexFunc(s.behind, func(b *delivery) bool { return b.Message != nil })
	switch {
	case i < 0 || s.answered && s.ch.ns.WhenSlow == Disconnect:
		s.tooSlowLocked()
		return false
	case s.answered:
		s.ch.hub.stats.lost.Add(1)
	default: // all that is missing is read from history
		if s.missed = true; d.Message != nil {
			return false
		}
	}
	if i == 0 {
		s.behind[0] = nil
		s.behind = s.behind[1:]
	} else {
		s.behind = slices.Delete(s.behind, i, i+1)
	}
	return true
}

// start begins to give the client messages, which knows of the subscription, and of
// the members, now: those behind an offset if since is one, else what waits.
func (s *subscription) start(since *Position, members []proto.Member) {
	s.ch.mu.Lock()
	defer s.ch.mu.Unlock()
	s.answered = true
	if members != nil {
		s.newsLocked(members)
	}
	if since != nil {
		s.cursor = since.Offset
	}
	if (since != nil || s.missed) && s.state == waiting {
		s.behind = slices.DeleteFunc(s.behind, func(d *delivery) bool { return d.Message != nil })
		s.state = catching
		s.client.catchUp(s)
	}
	s.flushLocked()
}

// newsLocked leaves out the joins and leaves that a list of members, which was made
// after the first of them, knows of.
func (s *subscription) newsLocked(members []proto.Member) {
	listed := make(map[string]bool) // of those who come or go; members may be many
	for _, d := range s.behind {
		if d.Message == nil {
			listed[d.connection] = false
		}
	}
	if len(listed) == 0 {
		return
	}
	for i := range members {
		if _, ok := listed[members[i].Connection]; ok {
			listed[members[i].Connection] = true
		}
	}
	news := make([]*delivery, 0, len(s.behind))
	later := make(map[string]bool) // who comes or goes behind
	for _, d := range slices.Backward(s.behind) {
		if d.Message == nil {
			skip := later[d.connection] || listed[d.connection] == d.comes
			if later[d.connection] = true; skip {
				continue
			}
		}
		news = append(news, d)
	}
	slices.Reverse(news)
	s.behind = news
}

// flush gives the client what waits, as far as there is room.
func (s *subscription) flush() {
	s.ch.mu.Lock()
	defer s.ch.mu.Unlock()
	s.flushLocked()
}

func (s *subscription) flushLocked() {
	if s.state == live || s.slow || !s.Taken() || !s.answered {
		return
	}
	for len(s.behind) > 0 {
		d := s.behind[0]
		if d.Message != nil && d.Prev > s.cursor && !s.gapLocked(d.Prev) || !s.sendLocked(d) {
			if s.ch.ns.WhenSlow == Disconnect {
				s.tooSlowLocked()
			}
			return
		}
		s.behind[0] = nil
		s.behind = s.behind[1:]
	}
	if s.behind = nil; s.state == waiting {
		s.state = live
	}
}

// gapLocked announces that messages up to an offset are lost.
func (s *subscription) gapLocked(to int64) bool {
	d := newEvent(&proto.Answer{Gap: &proto.Gap{Channel: s.ch.name, From: s.cursor + 1, To: to}})
	if !s.sendLocked(d) {
		return false
	}
	s.cursor = to
	return true
}

// pageSize is how many missed messages are held at once for a client.
const pageSize = 32

// step brings the client a page nearer to what is new, and reports whether there is
// more to do. It waits for the client to take it.
func (s *subscription) step(ctx context.Context) (more bool, err error) {
	ch := s.ch
	ch.mu.Lock()
	since := Position{Epoch: ch.top.Epoch, Offset: s.cursor}
	over, renewed := !s.Taken() || s.slow, s.renewed
	ch.mu.Unlock()
	switch {
	case over:
		return false, nil
	case renewed:
		return false, errEpoch
	}
	p, err := ch.hub.broker.History(ctx, ch.name, Query{Since: &since, Limit: pageSize})
	if err != nil {
		return false, err // an error in writing is the connection's, which ends
	}
	if p.Position.Epoch != since.Epoch {
		return false, errEpoch
	}
	for _, m := range p.Messages {
		if m.Prev > since.Offset && s.writeGap(ctx, since.Offset+1, m.Prev) != nil {
			return false, nil
		}
		err := s.write(ctx, &delivery{Message: m}, m.Offset)
		if errors.Is(err, curlew.ErrTooBig) {
			err = s.writeGap(ctx, m.Offset, m.Offset)
		}
		if err != nil {
			return false, nil
		}
		since.Offset = m.Offset
	}
	if len(p.Messages) == 0 && p.Position.Offset > since.Offset { // nothing of it is kept
		if s.writeGap(ctx, since.Offset+1, p.Position.Offset) != nil {
			return false, nil
		}
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if over = !s.Taken() || s.slow; over || s.renewed || s.cursor < ch.top.Offset {
		return !over, nil
	}
	s.state = waiting // for joins and leaves that had no room
	s.flushLocked()
	return false, nil
}

// errEpoch: the broker has begun anew under our eyes.
var errEpoch = &proto.Error{Code: proto.Unavailable, Message: "the channel has begun anew", Retry: true}

// write gives the client a message or a gap, and waits until it is on its way.
func (s *subscription) write(ctx context.Context, d *delivery, cursor int64) error {
	s.client.give(s)
	defer s.client.given()
	s.ch.mu.Lock()
	over := !s.Taken()
	s.cursor = cursor
	s.ch.mu.Unlock()
	if over {
		return nil
	}
	err := s.client.to.write(ctx, d)
	if err == nil && d.Message != nil {
		s.ch.hub.stats.delivered.Add(1)
	}
	return err
}

// writeGap announces that messages up to an offset are lost.
func (s *subscription) writeGap(ctx context.Context, from, to int64) error {
	gap := &proto.Answer{Gap: &proto.Gap{Channel: s.ch.name, From: from, To: to}}
	err := s.write(ctx, &delivery{event: gap.Append(nil)}, to)
	if err == nil {
		s.ch.hub.stats.lost.Add(to - from + 1)
	}
	return err
}
