package curlew

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// NetConn returns c as a net.Conn: a flow of bytes, in messages of type t whose
// bounds mean nothing. Each Write is one message, or several of MaxMessage. A received message of the
// other type ends the connection with 1003. Read returns io.EOF once the peer
// has closed with 1000 or 1001; Close closes with 1000 and waits for the end.
// Deadlines work as in package net, also again after they have passed. ctx ends
// everything: when it does, the connection is aborted.
func NetConn(ctx context.Context, c *Conn, t Type) net.Conn {
	n := &netConn{c: c, t: t}
	n.read.init(ctx)
	n.write.init(ctx)
	n.stop = context.AfterFunc(ctx, func() { c.Abort(ctx.Err()) })
	return n
}

type netConn struct {
	c    *Conn
	t    Type
	stop func() bool

	read, write deadline

	mu      sync.Mutex // of readers
	message *messageReader
}

func (n *netConn) Read(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		ctx := n.read.context()
		if n.message == nil {
			t, r, err := n.c.Reader(ctx)
			if err != nil {
				return 0, n.error(ctx, err)
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
			return k, n.error(ctx, err)
		}
		return k, nil
	}
}

func (n *netConn) Write(p []byte) (int, error) {
	ctx := n.write.context()
	for rest := p; ; {
		k := int(min(int64(len(rest)), n.c.set.maxMessage))
		if err := n.c.Write(ctx, n.t, rest[:k]); err != nil {
			return len(p) - len(rest), n.error(ctx, err)
		}
		if rest = rest[k:]; len(rest) == 0 {
			return len(p), nil
		}
	}
}

// error is err as package net would return it.
func (n *netConn) error(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return os.ErrDeadlineExceeded
	}
	var e *CloseError
	if errors.As(err, &e) && e.Remote && (e.Code == NormalClosure || e.Code == GoingAway) {
		return io.EOF
	}
	return err
}

func (n *netConn) Close() error {
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
	d.set(time.Time{})
	d.cancel()
}
