package curlew

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// NetConn returns c as a net.Conn: a flow of bytes, in messages of type t whose
// bounds mean nothing. Each Write is one message, or several of MaxMessage. A
// received message of the other type ends the connection with 1003. Read returns
// io.EOF once the peer has closed with 1000 or 1001; Close closes with 1000 and
// waits for the end, which takes at most Options.CloseTimeout. Deadlines work as
// in package net, also again after they have passed; what a Write had under way
// when its deadline passed is sent and counted as written. ctx ends everything:
// when it does, the connection is aborted.
func NetConn(ctx context.Context, c *Conn, t Type) net.Conn {
	n := &netConn{c: c, t: t, reading: make(chan struct{}, 1), writing: make(chan struct{}, 1)}
	n.read.init(ctx)
	n.write.init(ctx)
	n.stop = context.AfterFunc(ctx, func() { c.Abort(ctx.Err()) })
	return n
}

type netConn struct {
	c      *Conn
	t      Type
	stop   func() bool
	closed atomic.Bool // by Close

	read, write deadline

	// A Read, or a Write, has its own in while it runs: one at a time each.
	reading, writing chan struct{}

	message *messageReader // owned by the Read that runs
}

// enter waits for the turn of a call and returns its context.
func (n *netConn) enter(d *deadline, turn chan struct{}) (context.Context, error) {
	ctx := d.context()
	if err := d.parent.Err(); err != nil { // ctx learns of it a little later
		return nil, n.error(ctx, err)
	}
	if ctx.Err() == nil {
		select {
		case turn <- struct{}{}:
			return ctx, nil
		case <-ctx.Done():
		}
	}
	return nil, n.error(ctx, ctx.Err())
}

func (n *netConn) Read(p []byte) (int, error) {
	ctx, err := n.enter(&n.read, n.reading)
	if err != nil {
		return 0, err
	}
	defer func() { <-n.reading }()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if n.message == nil {
			t, r, err := n.c.Reader(ctx)
			if err != nil {
				return 0, n.readError(ctx, err)
			}
			if t != n.t {
				n.c.Close(UnsupportedData, "unexpected "+t.String()+" message")
				return 0, errors.New("curlew: unexpected " + t.String() + " message")
			}
			n.message = r.(*messageReader)
		}
		k, err := n.message.read(ctx, p)
		if err == io.EOF {
			n.message = nil
			continue
		}
		if err != nil {
			return k, n.readError(ctx, err)
		}
		return k, nil
	}
}

func (n *netConn) Write(p []byte) (written int, err error) {
	ctx, err := n.enter(&n.write, n.writing)
	if err != nil {
		return 0, err
	}
	defer func() { <-n.writing }()
	for {
		k := int(min(int64(len(p)-written), n.c.set.maxMessage))
		err := n.c.Write(ctx, n.t, p[written:written+k])
		if err == nil || errors.Is(err, ErrSending) {
			written += k
		}
		if err != nil {
			return written, n.error(ctx, err)
		}
		if written == len(p) {
			return written, nil
		}
	}
}

// error is err as package net would return it.
func (n *netConn) error(ctx context.Context, err error) error {
	switch {
	case n.closed.Load():
		return net.ErrClosed
	case n.read.parent.Err() != nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()):
		return err
	}
	return os.ErrDeadlineExceeded
}

// readError is error, and the end of the flow where the peer has ended it.
func (n *netConn) readError(ctx context.Context, err error) error {
	var e *CloseError
	if !n.closed.Load() && errors.As(err, &e) && e.Remote && (e.Code == NormalClosure || e.Code == GoingAway) {
		return io.EOF
	}
	return n.error(ctx, err)
}

func (n *netConn) Close() error {
	n.closed.Store(true)
	n.stop()
	n.read.stop()
	n.write.stop()
	err := n.c.Close(NormalClosure, "")
	<-n.c.Done()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (n *netConn) LocalAddr() net.Addr  { return addressOf(n.c.Info().LocalAddr) }
func (n *netConn) RemoteAddr() net.Addr { return addressOf(n.c.Info().RemoteAddr) }

// addressOf is a, or one that says nothing for a stream that has none.
func addressOf(a net.Addr) net.Addr {
	if a == nil {
		return noAddr{}
	}
	return a
}

type noAddr struct{}

func (noAddr) Network() string { return "websocket" }
func (noAddr) String() string  { return "websocket" }

func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.read.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.write.set(t)
	return nil
}

// A deadline ends a context when it passes. Set again, also while somebody waits
// for that context, it counts anew; only a context that has ended is replaced.
type deadline struct {
	parent context.Context

	mu     sync.Mutex // guards the following
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer // runs cancel; nil: no deadline
}

func (d *deadline) init(ctx context.Context) {
	d.parent = ctx
	d.ctx, d.cancel = context.WithCancel(ctx)
}

func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.ctx.Done() // it has run, or is about to
	}
	d.timer = nil
	if d.ctx.Err() != nil {
		d.ctx, d.cancel = context.WithCancel(d.parent)
	}
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		d.cancel()
	default:
		d.timer = time.AfterFunc(left, d.cancel)
	}
}

func (d *deadline) stop() {
	d.set(time.Unix(1, 0))
}
