package curlew

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"curlew.example/curlew/frame"
)

// Interleavings that cannot be brought about from outside, played step by step.

// TestWriteDroppedMeanwhile: a Write that flushes for itself finds its message
// gone from the queue, because the connection was closed between two steps of it.
func TestWriteDroppedMeanwhile(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	go io.Copy(io.Discard, b)
	c := NewConn(a, Server, nil)
	defer c.Abort(nil)
	o := &c.out
	o.mu.Lock()
	o.busyLocked()
	o.flusher.own = ownWaits
	o.pushLocked(message{op: frame.Binary, data: []byte("mine"), own: true})
	o.mu.Unlock()
	c.closeFull()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := c.writeRest(ctx); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write = %v, want one that is net.ErrClosed", err)
	}
}

// TestNothingBehindClose: messages wait behind a Writer, our Close passes them,
// and then the Writer gives its turn back.
func TestNothingBehindClose(t *testing.T) {
	c := newBare(nil)
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busyLocked()
	o.writer = &Writer{c: c}
	o.pushLocked(message{op: frame.Binary, data: []byte("behind")})
	o.controlLocked().Close(NormalClosure, "")
	if _, ok := o.popLocked(); ok {
		t.Error("a message passed the Writer")
	}
	o.control.AppendClose(nil, &o.encoder)
	o.writer = nil
	if o.waitsLocked() {
		t.Error("something is to be sent behind the Close")
	}
	if _, ok := o.popLocked(); ok {
		t.Error("a message is sent behind the Close")
	}
}

// newBare returns a connection without a stream, which is not started.
func newBare(a *agenda) *Conn {
	return newConn(nil, newTerms(Server, newSettings(nil), &established{}), a, nil)
}
