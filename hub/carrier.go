package hub

import (
	"context"
	"errors"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// A carrier brings a client what the hub has to say. All methods may be called at
// once; what they are given goes out in the order of the calls.
type carrier interface {
	// deliver does not wait. curlew.ErrQueueFull: there is no room, and the client
	// will be told when there is; curlew.ErrTooBig: there never is; another error is
	// the end.
	deliver(d *delivery) error
	// write waits until d is on its way. Its errors are the others of deliver.
	write(ctx context.Context, d *delivery) error
	// answer may wait until there is room.
	answer(ctx context.Context, a *proto.Answer)
	close(code curlew.Code, reason string)
	ended() bool
}

// A delivery is a message, or an event without one, framed once for all who get it.
type delivery struct {
	*Message
	event  []byte // JSON, if there is no message
	whole  []byte // {"message":{…}}, if it was written for many
	framed *curlew.Prepared
	batch  *curlew.Batch // while it goes to many; the channel's lock guards it

	connection string // of a member who comes or goes
	comes      bool
}

// newDelivery and newEvent are for many, the text of one alone needs no frame.
func newDelivery(m *Message) *delivery {
	d := &delivery{Message: m}
	d.whole = d.text()
	d.framed = curlew.Prepare(curlew.Text, d.whole)
	return d
}

func newEvent(a *proto.Answer) *delivery {
	d := &delivery{event: a.Append(nil)}
	d.framed = curlew.Prepare(curlew.Text, d.event)
	switch {
	case a.Join != nil:
		d.connection, d.comes = a.Join.Connection, true
	case a.Leave != nil:
		d.connection = a.Leave.Connection
	}
	return d
}

// text is the JSON.
func (d *delivery) text() []byte {
	if d.Message == nil {
		return d.event
	}
	return proto.AppendMessage(nil, &d.Message.Message)
}

// object appends the message's own object.
func (d *delivery) object(b []byte) []byte {
	if d.whole != nil {
		return append(b, d.whole[len(`{"message":`):len(d.whole)-1]...)
	}
	return d.Message.Append(b)
}

// A socket is the carrier of those who speak curlew.v1.
type socket struct{ *curlew.Conn }

func (s socket) deliver(d *delivery) error { return d.batch.Send(s.Conn, d.framed) }

func (s socket) write(ctx context.Context, d *delivery) error {
	return s.Write(ctx, curlew.Text, d.text())
}

// answer: answers are not lost. A client that asks and does not read is not read
// from either.
func (s socket) answer(ctx context.Context, a *proto.Answer) {
	p := a.Append(nil)
	err := s.Send(curlew.Text, p)
	if errors.Is(err, curlew.ErrQueueFull) {
		err = s.Write(ctx, curlew.Text, p)
	}
	if errors.Is(err, curlew.ErrTooBig) {
		s.Write(ctx, curlew.Text, instead(a).Append(nil))
	}
}

// instead stands for an answer that is longer than the connection takes.
func instead(a *proto.Answer) *proto.Answer {
	if a.Subscribed != nil {
		less := *a.Subscribed
		less.Members = nil
		return &proto.Answer{ID: a.ID, Subscribed: &less}
	}
	return &proto.Answer{ID: a.ID, Error: &proto.Error{Code: proto.TooBig, Message: "the answer is longer than this connection takes"}}
}

// close: a reason that cannot be sent is no reason to stay.
func (s socket) close(code curlew.Code, reason string) {
	if errors.Is(s.Close(code, reason), curlew.ErrInvalidClose) {
		s.Close(code, "")
	}
}

func (s socket) ended() bool { return s.Err() != nil }
