package core

import (
	"encoding/binary"

	"curlew.example/curlew/frame"
)

// Control is what the protocol itself has to say on a connection, in its own
// lane beside the messages, and the state of the close handshake. It decides;
// the driver writes. It is not safe for concurrent use: guard it with the
// queue of messages.
type Control struct {
	pongs    []byte // payloads owed, oldest first, each behind a byte of its length
	ping     uint64
	owesPing bool

	closing Closing
}

// Closing is how far the close handshake is.
type Closing struct {
	Queued   bool       // our Close is to be sent, or was
	Sent     bool       // our Close was handed to the stream; nothing follows it
	Received bool       // the peer's Close has come
	Failed   bool       // we fail the connection: the peer's Close is not awaited
	Code     frame.Code // of our Close
	Reason   string
}

// Closing returns the state of the close handshake.
func (c *Control) Closing() *Closing { return &c.closing }

// Handle takes an event of the peer's into account: what it asks for waits to
// be written from then on. Data and None change nothing.
func (c *Control) Handle(ev *Event) {
	switch ev.Kind {
	case Ping:
		if !c.closing.Received && !c.closing.Sent {
			c.owe(ev.Payload)
		}
	case Close:
		c.closing.Received = true
		c.Close(ev.Code, "") // the code is echoed, RFC 6455, 5.5.1
	case Fail:
		c.closing.Failed = true
		c.Close(ev.Err.Code, ev.Err.Text)
	}
}

// maxPongs bounds the pongs that wait, in bytes.
const maxPongs = 4 << 10

// owe notes a pong. Every ping is answered, except that in a flood the newest
// one stands for those before it, as RFC 6455, 5.5.3 allows.
func (c *Control) owe(p []byte) {
	if len(c.pongs)+1+len(p) > maxPongs {
		c.pongs = c.pongs[:0]
	}
	c.pongs = append(append(c.pongs, byte(len(p))), p...)
}

// Idle reports whether nothing waits to be written and no closing has begun: there
// is nothing to remember.
func (c *Control) Idle() bool { return !c.Owes() && c.closing == (Closing{}) }

// Forget makes c as good as new.
func (c *Control) Forget() { *c = Control{pongs: c.pongs[:0]} }

// Ping asks for a ping with this number as payload.
func (c *Control) Ping(n uint64) { c.ping, c.owesPing = n, true }

// PingNumber returns the number in the payload of a pong to one of our pings.
func PingNumber(payload []byte) (n uint64, ok bool) {
	if len(payload) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(payload), true
}

// Close asks for a Close and reports whether it is the first. Code and reason
// must be valid; NoStatus makes it empty.
func (c *Control) Close(code frame.Code, reason string) bool {
	if c.closing.Queued {
		return false
	}
	c.closing.Queued, c.closing.Code, c.closing.Reason = true, code, reason
	return true
}

// Owes reports whether Append has something to write.
func (c *Control) Owes() bool { return (len(c.pongs) > 0 || c.owesPing) && !c.closing.Sent }

// Size is no less than the bytes that Append appends.
func (c *Control) Size() int { return 7*len(c.pongs) + 2*frame.MaxHeader }

// Append appends the control frames that wait, the Close excepted.
func (c *Control) Append(dst []byte, e *Encoder) []byte {
	if c.closing.Sent {
		return dst
	}
	for p := c.pongs; len(p) > 0; p = p[1+p[0]:] {
		dst = e.Control(dst, frame.Pong, p[1:1+p[0]])
	}
	c.pongs = c.pongs[:0]
	if cap(c.pongs) > 32 { // an idle connection holds no buffer
		c.pongs = nil
	}
	if c.owesPing {
		var p [8]byte
		binary.BigEndian.PutUint64(p[:], c.ping)
		dst = e.Control(dst, frame.Ping, p[:])
		c.owesPing = false
	}
	return dst
}

// AppendClose appends our Close, after which nothing may be written.
func (c *Control) AppendClose(dst []byte, e *Encoder) []byte {
	c.closing.Sent = true
	var body [frame.MaxControl]byte
	return e.Control(dst, frame.Close, frame.AppendClose(body[:0], c.closing.Code, c.closing.Reason))
}
