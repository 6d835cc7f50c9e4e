package proxy

import (
	"context"
	"errors"
	"net"

	"curlew.example/curlew"
)

// A tunnel is a client's connection and the one to the backend. The events of each
// are called by its own goroutine; the backend's begin when the client's has
// opened, which it does even if the client is gone by then.
type tunnel struct {
	backend *curlew.Conn
	client  *curlew.Conn // set by open
	up      relay        // of the client's messages
	down    relay        // of the backend's
}

// open is the client's event Open.
func (t *tunnel) open(c *curlew.Conn) {
	t.client = c
	t.up.to, t.down.to = t.backend, c
	// It ends with the backend's connection, which is closed at the latest when the
	// client's is, and is then over within timeouts.close.
	go curlew.Serve(context.Background(), t.backend, &curlew.Events{Part: t.down.part, Close: t.backendClosed})
}

// A relay passes the messages of one side on. One goroutine uses it.
type relay struct {
	frames   bool // one by one as they were
	maxFrame int  // 0: any
	to       *curlew.Conn
	w        *curlew.Writer // of the message that is open, nil between messages
}

// part is the event Part. It returns when the other side has taken the piece,
// which keeps the next one from being read.
func (r *relay) part(from *curlew.Conn, t curlew.Type, p []byte, last bool) {
	if err := r.pass(t, p, last); err != nil && !errors.Is(err, net.ErrClosed) {
		// What was received may be sent, by the same rules: this is a bug of ours.
		from.Close(curlew.InternalError, "")
	}
}

func (r *relay) pass(t curlew.Type, p []byte, last bool) (err error) {
	ctx := context.Background()
	if r.w == nil && last {
		return r.to.Write(ctx, t, p)
	}
	if r.w == nil {
		if r.w, err = r.to.Writer(ctx, t); err != nil {
			return err
		}
	}
	if r.frames {
		if !last {
			return r.w.WriteFrame(p)
		}
	} else {
		n := len(p)
		if last { // the last frame is sent by Finish
			n = max(n-1, 0)
			if r.maxFrame > 0 {
				n -= n % r.maxFrame
			} else {
				n = 0
			}
		}
		if _, err = r.w.Write(p[:n]); err != nil || !last {
			return err
		}
		p = p[n:]
	}
	err = r.w.Finish(p)
	r.w = nil
	return err
}

// clientClosed is the client's event Close.
func (t *tunnel) clientClosed(_ *curlew.Conn, e *curlew.CloseError) {
	if !passClose(t.backend, e) {
		t.backend.Close(curlew.GoingAway, "client is gone")
	}
}

// backendClosed is the backend's.
func (t *tunnel) backendClosed(_ *curlew.Conn, e *curlew.CloseError) {
	switch {
	case passClose(t.client, e):
	case e.Code == curlew.AbnormalClosure:
		t.client.Close(curlew.ServiceRestart, "backend is gone")
	default:
		t.client.Close(curlew.InternalError, "backend broke the protocol")
	}
}

// passClose passes a Close on that the peer of the other side has sent, and
// reports whether it was one. RFC 6455, 7.4: 1005 and 1006 are never sent.
func passClose(to *curlew.Conn, e *curlew.CloseError) bool {
	switch {
	case !e.Remote || e.Code == curlew.AbnormalClosure:
		return false
	case e.Code == curlew.NoStatus:
		to.Close(0, "")
	default:
		to.Close(e.Code, e.Reason)
	}
	return true
}
