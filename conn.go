package curlew

import (
	"crypto/tls"
	"net"
	"net/url"
	"sync"
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
	stream  Stream
	fd      *poll.FD // nil where the stream has no descriptor of its own
	set     *settings
	role    Role
	packed  bool    // compression was agreed, with
	level   int     // this level of ours,
	bits    int     // this window of ours,
	context bool    // and context takeover
	agenda  *agenda // when tick is called, and what instants are counted from
	url     string
	proto   string
	subprot string

	preserve atomic.Bool
	value    atomic.Value

	in      inbound
	window  window
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
	over    atomic.Bool // err is set

	mu   sync.Mutex // guards the following
	err  *CloseError
	done chan struct{} // made when it is first asked for, closed when err is set
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
	deflate     *deflate.Params // nil: no compression
	level       int             // of our compressor
	leftover    []byte          // bytes of the peer that came with the handshake; kept
}

// NewConn returns a connection on s, on which a handshake was made elsewhere,
// without subprotocol and without compression. s belongs to the Conn from then
// on. Of o the fields for the handshake are not used.
func NewConn(s Stream, role Role, o *Options) *Conn {
	c := newConn(s, role, newSettings(o), newAgenda(), established{})
	c.start()
	return c
}

// newConn returns a connection that start sets going.
func newConn(s Stream, role Role, set *settings, a *agenda, hs established) *Conn {
	c := &Conn{
		stream: s, fd: poll.New(s), set: set, role: role,
		agenda: a, url: hs.url, proto: hs.proto, subprot: hs.subprotocol,
	}
	c.initClock()
	c.preserve.Store(set.preserve)
	config := &set.decoder[role]
	var d *deflate.Deflater
	if p := hs.deflate; p != nil {
		own := *config
		config = &own
		c.packed, c.level = true, hs.level
		config.InflateBits, config.KeepContext = p.ClientBits, !p.ClientNoContext
		c.bits, c.context = p.ServerBits, !p.ServerNoContext
		if role == Client {
			config.InflateBits, config.KeepContext, c.bits, c.context = c.bits, c.context, config.InflateBits, config.KeepContext
		}
		d = deflate.NewDeflater(c.level, c.bits, c.context)
	}
	c.in.decoder = core.NewDecoder(config)
	c.out.encoder = core.NewEncoder(role == Server, set.maxFrame, d, set.minSize)
	c.in.buf = hs.leftover
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
	l := &c.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.err != nil {
			close(l.done)
		}
	}
	return l.done
}

// Err is nil while the connection is open and afterwards always the same
// *CloseError.
func (c *Conn) Err() error {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	if c.life.err == nil {
		return nil
	}
	return c.life.err
}

// SetValue keeps v with the connection, for the application. Any goroutine may
// set and read it.
func (c *Conn) SetValue(v any) { c.value.Store(&v) }

// Value returns what SetValue kept, or nil.
func (c *Conn) Value() any {
	if v, ok := c.value.Load().(*any); ok {
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
		Proto:           c.proto,
		Subprotocol:     c.subprot,
		Compressed:      c.packed,
		RTT:             time.Duration(c.traffic.rtt.Load()),
		MessagesRead:    c.traffic.messagesRead.Load(),
		MessagesWritten: c.traffic.messagesWritten.Load(),
		BytesRead:       c.traffic.bytesRead.Load(),
		BytesWritten:    c.traffic.bytesWritten.Load(),
		Dropped:         c.traffic.dropped.Load(),
	}
	if c.url != "" {
		i.URL, _ = url.ParseRequestURI(c.url) // net/url would take a host from "//host/path"
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
	i.Queued = c.out.bytes + c.out.streamed
	c.out.mu.Unlock()
	return i
}
