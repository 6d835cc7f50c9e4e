package curlew

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"curlew.example/curlew/internal/core"
	"curlew.example/curlew/internal/deflate"
	"curlew.example/curlew/internal/poll"
)

// A Conn is a WebSocket connection. One goroutine may read. Any number may
// write, send, ping and close at the same time. Cancelling a context gives up
// the wait, not the connection: a cancelled Read loses no bytes; a cancelled
// Write that has not begun leaves nothing on the wire, one that has begun is
// completed from a copy and says so. What need not block succeeds anyway.
//
// Somebody always takes in what the peer sends: Read, in its goroutine; Serve or
// Handle; and while nobody reads, the connection itself, up to a window of 64
// KiB, so that pings and closes are answered (within a quarter of a second). With
// the window full nothing more is taken in, and the clocks of PongTimeout and
// InactivityTimeout stand still.
type Conn struct {
	// Fixed at construction.
	stream Stream
	fd     *poll.FD // of the stream, where it is a descriptor that the runtime polls; else nil
	parked *parked  // where the engine waits for the stream, see engine.go
	*terms          // shared with others
	agenda *agenda  // when tick is called, and what instants are counted from

	preserve atomic.Bool
	value    atomic.Pointer[any]

	in      inbound
	window  atomic.Pointer[window] // nil until something is read ahead, or waited for
	out     outbound
	clock   clock
	life    lifetime
	traffic traffic
}

// lifetime is how the connection ends. See close.go.
type lifetime struct {
	closing atomic.Bool // the ending has begun, or is over
	discard atomic.Bool // by us: messages of the peer mean nothing from now on
	polite  atomic.Bool // the ending is in order: linger

	err  atomic.Pointer[CloseError] // set once
	done chan struct{}              // made when it is first asked for, closed when err is set; outbound.mu guards it
}

// traffic is what Info counts.
type traffic struct {
	messagesRead, messagesWritten atomic.Int64
	bytesRead, bytesWritten       atomic.Int64
	dropped                       atomic.Int64
	rtt                           atomic.Int64
}

// established is what a handshake has found out.
type established struct {
	url         string // of the request
	proto       string // "HTTP/1.1"
	subprotocol string
	packed      bool // compression was agreed, with
	deflate     deflate.Params
	level       int          // of our compressor
	server      *http.Server // of Handle, for its ErrorLog; may be nil
}

// terms are on what a connection was established and what follows from it. They
// do not change: connections may share them.
type terms struct {
	established
	set     *settings
	role    Role
	bits    int   // our window, and
	context bool  // whether we refer back
	kept    int64 // of the budget, by each connection
	decoder core.Config
	encoder core.EncoderConfig
}

func newTerms(role Role, set *settings, hs *established) *terms {
	t := &terms{established: *hs, set: set, role: role, decoder: set.decoder[role]}
	t.encoder = core.EncoderConfig{Server: role == Server, MaxFrame: set.maxFrame, MinSize: set.minSize}
	if p := &t.deflate; t.packed {
		t.bits, t.context = p.ServerBits, !p.ServerNoContext
		t.decoder.InflateBits, t.decoder.KeepContext = p.ClientBits, !p.ClientNoContext
		if role == Client {
			t.bits, t.decoder.InflateBits = t.decoder.InflateBits, t.bits
			t.context, t.decoder.KeepContext = t.decoder.KeepContext, t.context
		} else if set.memory != nil {
			t.kept = contexts(p, t.level)
		}
	}
	return t
}

// NewConn returns a connection on s, on which a handshake was made elsewhere,
// without subprotocol and without compression. s belongs to the Conn from then
// on. Of o the fields for the handshake are not used.
func NewConn(s Stream, role Role, o *Options) *Conn {
	c := newConn(s, newTerms(role, newSettings(o), &established{}), nil, nil)
	c.start()
	return c
}

// newConn returns a connection that start sets going. a nil makes an agenda of its
// own. leftover is what came of the peer with the handshake; it is kept.
func newConn(s Stream, t *terms, a *agenda, leftover []byte) *Conn {
	if a == nil {
		a = newAgenda()
	}
	c := &Conn{stream: s, terms: t, agenda: a}
	c.fd = poll.NewFD(s)
	c.initClock()
	c.preserve.Store(t.set.preserve)
	var d *deflate.Deflater
	if t.packed {
		d = deflate.NewDeflater(t.level, t.bits, t.context)
	}
	c.out.encoder = core.NewEncoder(&t.encoder, d)
	if leftover != nil {
		k := c.takeIntake()
		k.buf = k.meter.admit(leftover)
	}
	return c
}

// start begins what goes on by itself: the clock, which finds somebody to read
// if nobody does soon.
func (c *Conn) start() { c.startClock(pumpDelay) }

// now is this instant.
func (c *Conn) now() time.Duration { return c.agenda.now() }

// Done is closed when the connection has ended: both sides have closed, or it
// failed. What ended it is in Err. The stream itself may live on for up to
// Options.CloseTimeout, so that our Close reaches the peer.
func (c *Conn) Done() <-chan struct{} {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	l := &c.life
	if l.done == nil {
		l.done = make(chan struct{})
		if l.err.Load() != nil {
			close(l.done)
		}
	}
	return l.done
}

// Err is nil while the connection is open and afterwards always the same
// *CloseError.
func (c *Conn) Err() error {
	if e := c.life.err.Load(); e != nil {
		return e
	}
	return nil
}

// SetValue keeps v with the connection, for the application. Any goroutine may
// set and read it.
func (c *Conn) SetValue(v any) { c.value.Store(&v) }

// Value returns what SetValue kept, or nil.
func (c *Conn) Value() any {
	if v := c.value.Load(); v != nil {
		return *v
	}
	return nil
}

// SetPreserveFrames switches Options.PreserveFrames, compression excepted, which
// stays as it was agreed for what is received. It counts from the next frame on.
func (c *Conn) SetPreserveFrames(on bool) { c.preserve.Store(on) }

// Info returns what is known of the connection at this moment.
func (c *Conn) Info() Info {
	i := Info{
		Proto:           c.terms.proto,
		Subprotocol:     c.terms.subprotocol,
		Compressed:      c.terms.packed,
		RTT:             time.Duration(c.traffic.rtt.Load()),
		MessagesRead:    c.traffic.messagesRead.Load(),
		MessagesWritten: c.traffic.messagesWritten.Load(),
		BytesRead:       c.traffic.bytesRead.Load(),
		BytesWritten:    c.traffic.bytesWritten.Load(),
		Dropped:         c.traffic.dropped.Load(),
	}
	if c.terms.url != "" {
		i.URL, _ = url.ParseRequestURI(c.terms.url) // net/url would take a host from "//host/path"
	}
	if a, ok := c.stream.(interface{ LocalAddr() net.Addr }); ok {
		i.LocalAddr = a.LocalAddr()
	}
	if a, ok := c.stream.(interface{ RemoteAddr() net.Addr }); ok {
		i.RemoteAddr = a.RemoteAddr()
	}
	if t, ok := c.stream.(*tls.Conn); ok {
		state := t.ConnectionState()
		i.TLS = &state
	}
	c.out.mu.Lock()
	i.Queued = c.out.bytesLocked() + c.out.streamedLocked()
	c.out.mu.Unlock()
	return i
}
