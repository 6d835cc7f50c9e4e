package fallback

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// An ends is a net.Conn whose bytes somebody else carries: Write puts them into out
// as far as there is room, Read takes them from in.
//
// Bytes that wait are appended to their slice and cut off at its front, never
// overwritten: whoever holds a part of one may read it without the lock.
type ends struct {
	local, remote net.Addr

	mu      sync.Mutex    // guards the following
	window  int           // how many bytes may wait, each way
	changed chan struct{} // closed and forgotten at every change; nil while nobody waits
	in, out []byte
	closed  bool  // by who reads and writes here
	shut    bool  // who writes here has ended that direction
	ended   bool  // the other side has: behind all of in is the end
	deaf    bool  // what is written goes nowhere: the other side listens no more, but what it has said is still to come
	err     error // there is nobody any more who carries: of Read, behind all of in, and of Write
	writing bool  // a Write has its turn

	readLimit, writeLimit time.Time
}

// changeLocked wakes all who wait.
func (e *ends) changeLocked() {
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}

// changesLocked returns what is closed at the next change.
func (e *ends) changesLocked() <-chan struct{} {
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.changed
}

// awaitLocked lets the lock go until there is a change or limit is over.
func (e *ends) awaitLocked(limit time.Time) {
	changes := e.changesLocked()
	e.mu.Unlock()
	defer e.mu.Lock()
	if limit.IsZero() {
		<-changes
		return
	}
	timer := time.NewTimer(time.Until(limit))
	defer timer.Stop()
	select {
	case <-changes:
	case <-timer.C:
	}
}

func over(limit time.Time) bool { return !limit.IsZero() && !time.Now().Before(limit) }

// Read returns what has come.
func (e *ends) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, net.ErrClosed
		case over(e.readLimit):
			return 0, os.ErrDeadlineExceeded
		case len(e.in) > 0 || len(p) == 0:
			n := copy(p, e.in)
			e.in = rest(e.in, n)
			e.changeLocked()
			return n, nil
		case e.ended:
			return 0, io.EOF
		case e.err != nil:
			return 0, e.err
		}
		e.awaitLocked(e.readLimit)
	}
}

// Write returns when all of p has a place. Writes do not interleave.
func (e *ends) Write(p []byte) (n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.writeLocked(p)
}

func (e *ends) writeLocked(p []byte) (n int, err error) {
	for e.writing && e.writableLocked() == nil {
		e.awaitLocked(e.writeLimit)
	}
	if err := e.writableLocked(); err != nil {
		return 0, err
	}
	e.writing = true
	defer func() {
		e.writing = false
		e.changeLocked()
	}()
	for {
		switch room := e.window - len(e.out); {
		case e.deaf:
			return len(p), nil
		case room > 0 && n < len(p):
			m := min(room, len(p)-n)
			e.out = push(e.out, p[n:n+m], e.window)
			n += m
			e.changeLocked()
		}
		if n == len(p) {
			return n, nil
		}
		e.awaitLocked(e.writeLimit)
		if err := e.writableLocked(); err != nil {
			return n, err
		}
	}
}

// writableLocked says why nothing can be written.
func (e *ends) writableLocked() error {
	switch {
	case e.closed, e.shut:
		return net.ErrClosed
	case e.err != nil:
		return e.err
	case over(e.writeLimit):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// push appends b to p. What it grows to is twice as long, up to most, so that bytes
// are moved seldom and nobody holds much more than there is.
func push(p, b []byte, most int) []byte {
	if need := len(p) + len(b); need > cap(p) {
		p = append(make([]byte, 0, max(need, min(2*len(p), most))), p...)
	}
	return append(p, b...)
}

// rest is p without its first n bytes, and without memory if it is empty.
func rest(p []byte, n int) []byte {
	if n == len(p) {
		return nil
	}
	return p[n:]
}

func (e *ends) LocalAddr() net.Addr  { return e.local }
func (e *ends) RemoteAddr() net.Addr { return e.remote }

func (e *ends) SetDeadline(t time.Time) error      { return e.limit(t, &e.readLimit, &e.writeLimit) }
func (e *ends) SetReadDeadline(t time.Time) error  { return e.limit(t, &e.readLimit) }
func (e *ends) SetWriteDeadline(t time.Time) error { return e.limit(t, &e.writeLimit) }

func (e *ends) limit(t time.Time, limits ...*time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	for _, l := range limits {
		*l = t
	}
	e.changeLocked()
	return nil
}

// An address is one that is known as a text only.
type address string

func (address) Network() string  { return "http" }
func (a address) String() string { return string(a) }
