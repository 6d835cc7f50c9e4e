package curlew

import (
	"context"
	"time"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/core"
)

// A meter keeps Options.MessagesPerSecond and BytesPerSecond, by buckets that hold
// what may come in a second. The holder of the pump owns it; it is part of the
// intake, which a connection with these limits keeps.
//
// When something was sent nobody knows, only when it was read. So while we do not
// read because the application is busy, the buckets run over: the peer may have
// been sending all the time. Once we have to wait for the peer, all that it has
// sent is here, and the buckets are as large as ever.
type meter struct {
	messages, bytes bucket
	last            time.Duration // when the buckets were filled
	over            bool          // more bytes came than may
}

// A bucket of rate 0 is none.
type bucket struct{ rate, has float64 }

// metered reports whether there is something to be metered.
func (s *settings) metered() bool { return s.messagesPerSecond != 0 || s.bytesPerSecond != 0 }

func newMeter(set *settings, now time.Duration) *meter {
	m := &meter{last: now}
	m.messages = bucket{float64(set.messagesPerSecond), float64(set.messagesPerSecond)}
	m.bytes = bucket{float64(set.bytesPerSecond), float64(set.bytesPerSecond)}
	return m
}

// waitedFor is how long a read takes at least that has found nothing at first, where
// nobody knows better: a read may take long for want of a processor, too.
const waitedFor = time.Millisecond

// waited reports whether the last read, which took d, has found nothing at first.
func (c *Conn) waited(d time.Duration) bool {
	switch {
	case c.parked != nil:
		return c.parked.waited
	case c.fd != nil:
		return c.fd.Waited()
	}
	return d >= waitedFor
}

// fill is called before and after each read of the stream; waited says that all the
// peer had sent was here.
func (m *meter) fill(now time.Duration, waited bool) {
	d := now - m.last
	m.last = now
	for _, b := range []*bucket{&m.messages, &m.bytes} {
		b.has += d.Seconds() * b.rate
		if waited {
			b.has = min(b.has, b.rate)
		}
	}
}

// take takes at most n out of the bucket and returns how much was there.
func (b *bucket) take(n int) int {
	if b.rate == 0 {
		return n
	}
	const rounding = 1e-6
	n = int(min(float64(n), b.has+rounding))
	b.has -= float64(n)
	return n
}

// admit returns what of p may come.
func (m *meter) admit(p []byte) []byte {
	if m == nil {
		return p
	}
	n := m.bytes.take(len(p))
	m.over = m.over || n < len(p)
	return p[:n]
}

// tooFast returns the rule that the peer has broken with this event, if any.
func (m *meter) tooFast(ev *core.Event) *frame.Error {
	switch {
	case m == nil:
	case m.over && ev.Kind == core.None:
		return errManyBytes
	case ev.Kind == core.Data && ev.First && m.messages.take(1) < 1:
		return errManyMessages
	}
	return nil
}

var (
	errManyMessages = &frame.Error{Code: frame.PolicyViolation, Section: "RFC 6455, 10.4", Text: "too many messages per second"}
	errManyBytes    = &frame.Error{Code: frame.PolicyViolation, Section: "RFC 6455, 10.4", Text: "too many bytes per second"}
)

// failFast fails the connection for the rule e.
func (c *Conn) failFast(ctx context.Context, e *frame.Error) error {
	c.in.intake.decoder.Release()
	c.received(&core.Event{Kind: core.Fail, Err: e})
	return c.awaitEnd(ctx)
}
