package wstest

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// ErrReset is what a Read or a Write gives after the peer, or something on the
// way, reset the connection, as ECONNRESET does on TCP. It comes inside a
// *net.OpError; test for it with errors.Is.
var ErrReset = errors.New("connection reset by peer")

// LinkOptions are the settings of a link, the same for both of its ends. nil
// and the zero value are the good default.
type LinkOptions struct {
	// Buffer is how many bytes each direction holds: 0 is 64 KiB. A Write that
	// finds no room blocks, as on TCP with both windows full.
	Buffer int

	// PoliteClose makes Close harmless whatever the peer sends. Without it an
	// end that is closed while it has unread bytes, or that is sent bytes after
	// it was closed, answers with a reset as TCP does, and a reset destroys the
	// bytes that are on their way in both directions: a Close frame written
	// just before is lost. RFC 6455, 7.1.1, is about this.
	PoliteClose bool

	// Seed, if not 0, makes the sizes of LimitRead and Segment random, from 1
	// to the limit, in the same order in every run.
	Seed uint64

	// LocalAddr and RemoteAddr are the addresses of the first end and of the
	// second one: nil is a made-up one.
	LocalAddr, RemoteAddr net.Addr
}

const defaultBuffer = 64 << 10

// An Addr is the address of an end of a link, usually "host:port".
type Addr string

func (Addr) Network() string  { return "mem" }
func (a Addr) String() string { return string(a) }

// An End is one end of a link: a net.Conn in memory that buffers, can be closed
// for one direction, and has faults that can be set at any time. All its
// methods may be called at once by several goroutines; concurrent Writes do not
// interleave.
//
// Every wait is one that testing/synctest takes for durable, so that a link
// made inside a bubble works there, with deadlines and delays in its fake time.
type End struct {
	link          *link
	peer          *End
	local, remote net.Addr

	// Guarded by link.mu.
	out     flow // what this end sends
	rd, wd  deadline
	maxRead int
	closed  bool  // Close or Reset was called
	ended   bool  // a FIN was sent, by CloseWrite or Close
	writing bool  // a Write has its turn
	failed  error // a reset has come
}

// A link is what two ends share.
type link struct {
	limit  int
	polite bool

	mu     sync.Mutex // guards all of both ends and of rng
	change sync.Cond  // something in one of the ends is different now
	rng    *rand.Rand // nil: sizes are not random
}

// NewLink returns the two ends of a connection in memory. Nothing needs to be
// closed: a link that is forgotten leaves nothing behind.
func NewLink(o *LinkOptions) (a, b *End) {
	if o == nil {
		o = &LinkOptions{}
	}
	l := &link{limit: o.Buffer, polite: o.PoliteClose}
	if l.limit <= 0 {
		l.limit = defaultBuffer
	}
	if o.Seed != 0 {
		l.rng = rand.New(rand.NewPCG(o.Seed, o.Seed))
	}
	l.change.L = &l.mu
	la, ra := o.LocalAddr, o.RemoteAddr
	if la == nil {
		la = Addr("192.0.2.1:1024")
	}
	if ra == nil {
		ra = Addr("192.0.2.2:80")
	}
	a = &End{link: l, local: la, remote: ra}
	b = &End{link: l, local: ra, remote: la}
	a.peer, b.peer = b, a
	a.out.init(a, b)
	b.out.init(b, a)
	return a, b
}

// Read reads what has arrived, at least one byte unless p is empty. It returns
// io.EOF after the peer ended its direction and everything was read, and an
// error that matches ErrReset, os.ErrDeadlineExceeded or net.ErrClosed
// otherwise.
func (e *End) Read(p []byte) (int, error) {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	in := &e.peer.out
	for {
		switch {
		case e.closed:
			return 0, e.fault("read", net.ErrClosed)
		case e.rd.passed:
			return 0, e.fault("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case in.ready > 0:
			if e.maxRead > 0 {
				p = p[:min(len(p), l.pieceLocked(e.maxRead))]
			}
			n := in.takeLocked(p)
			l.change.Broadcast()
			return n, nil
		case e.failed != nil:
			return 0, e.fault("read", e.failed)
		case in.fin:
			return 0, io.EOF
		}
		l.change.Wait()
	}
}

// Write writes all of p and returns when the buffer has taken it, which says
// nothing about the peer. Part of p may have been sent when it fails.
func (e *End) Write(p []byte) (n int, err error) {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := e.turnLocked(); err != nil {
		return 0, err
	}
	defer func() {
		e.writing = false
		l.change.Broadcast()
	}()
	for {
		if err := e.writableLocked(); err != nil {
			return n, err
		}
		if n == len(p) {
			return n, nil
		}
		if room := l.limit - e.out.size(); room > 0 {
			k := min(room, len(p)-n)
			e.out.putLocked(p[n : n+k])
			n += k
			l.change.Broadcast()
			if n == len(p) {
				return n, nil
			}
			continue
		}
		l.change.Wait()
	}
}

// turnLocked waits until no other Write is under way, so that the bytes of two
// never mix.
func (e *End) turnLocked() error {
	for e.writing {
		if err := e.writableLocked(); err != nil {
			return err
		}
		e.link.change.Wait()
	}
	e.writing = true
	return nil
}

func (e *End) writableLocked() error {
	switch {
	case e.closed:
		return e.fault("write", net.ErrClosed)
	case e.wd.passed:
		return e.fault("write", os.ErrDeadlineExceeded)
	case e.failed != nil:
		return e.fault("write", e.failed)
	case e.ended:
		return e.fault("write", io.ErrClosedPipe)
	}
	return nil
}

// CloseWrite ends the direction away from this end: the peer reads what was
// sent and then io.EOF. Reading goes on.
func (e *End) CloseWrite() error {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.closed {
		return e.fault("close", net.ErrClosed)
	}
	if !e.ended && e.failed == nil {
		e.ended = true
		e.out.sendLocked(segment{kind: kindFin})
	}
	l.change.Broadcast()
	return nil
}

// Close ends both directions, and Reads and Writes that wait. Bytes that were
// received and not read make it a reset; see LinkOptions.PoliteClose.
func (e *End) Close() error {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.closed {
		return e.fault("close", net.ErrClosed)
	}
	e.closed = true
	e.rd.stop()
	e.wd.stop()
	in := &e.peer.out
	unread := in.ready > 0
	in.dropReadyLocked()
	switch {
	case e.failed != nil: // there is nobody left to tell
	case unread && !l.polite:
		e.out.resetLocked()
	case !e.ended:
		e.ended = true
		e.out.sendLocked(segment{kind: kindFin})
	}
	l.change.Broadcast()
	return nil
}

// LocalAddr returns the address of this end.
func (e *End) LocalAddr() net.Addr { return e.local }

// RemoteAddr returns the address of the other end.
func (e *End) RemoteAddr() net.Addr { return e.remote }

// Peer returns the other end.
func (e *End) Peer() *End { return e.peer }

// Unread returns how many bytes have arrived and were not read yet.
func (e *End) Unread() int {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	return e.peer.out.ready
}

func (e *End) fault(op string, err error) error {
	return &net.OpError{Op: op, Net: "mem", Source: e.local, Addr: e.remote, Err: err}
}

// pieceLocked returns how large the next piece under a limit of n is.
func (l *link) pieceLocked(n int) int {
	if l.rng == nil || n <= 1 {
		return n
	}
	return 1 + l.rng.IntN(n)
}

// SetDeadline sets both deadlines.
func (e *End) SetDeadline(t time.Time) error {
	if err := e.SetReadDeadline(t); err != nil {
		return err
	}
	return e.SetWriteDeadline(t)
}

// SetReadDeadline sets when Reads fail with os.ErrDeadlineExceeded, also those
// that wait already; the zero time is never. Nothing is lost by it.
func (e *End) SetReadDeadline(t time.Time) error { return e.setDeadline(&e.rd, t) }

// SetWriteDeadline is SetReadDeadline for Writes.
func (e *End) SetWriteDeadline(t time.Time) error { return e.setDeadline(&e.wd, t) }

func (e *End) setDeadline(d *deadline, t time.Time) error {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.closed {
		return e.fault("set", net.ErrClosed)
	}
	d.setLocked(l, t)
	l.change.Broadcast()
	return nil
}
