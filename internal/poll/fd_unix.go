//go:build unix

package poll

import (
	"io"
	"os"
	"sync"
	"syscall"

	"curlew.example/curlew/internal/bufs"
)

// An FD is the descriptor of a connection that the runtime polls. One goroutine at a time may call Recv and one TrySend or Send.
// Deadlines and Close of the connection end a waiting Recv and Send.
type FD struct {
	rc syscall.RawConn

	// Owned by the caller of Recv.
	size   int32
	waited bool
	got    *received             // nil while it waits
	try    func(fd uintptr) bool // f.tryRecv, bound once so that Recv allocates nothing
}

// received is what a Recv has come back with.
type received struct {
	buf []byte
	err error
}

var receiveds = sync.Pool{New: func() any { return new(received) }}

func newFD(c syscall.Conn) *FD {
	rc, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	f := &FD{rc: rc}
	f.try = f.tryRecv
	return f
}

// Recv waits for bytes and returns them in a buffer of bufs with size bytes,
// which the caller owns. The end of the stream is io.EOF.
func (f *FD) Recv(size int) (p []byte, err error) {
	f.size, f.waited = int32(size), false
	err = f.rc.Read(f.try)
	if g := f.got; g != nil {
		p = g.buf
		if err == nil {
			err = g.err
		}
		*g, f.got = received{}, nil
		receiveds.Put(g)
	}
	return p, err
}

// Waited reports whether the last Recv had to wait, that is, found nothing at first.
// Whoever calls Recv may call it.
func (f *FD) Waited() bool { return f.waited }

func (f *FD) tryRecv(fd uintptr) bool {
	p := bufs.Get(int(f.size))
	n, err := recv(fd, p)
	for err == syscall.EINTR {
		n, err = recv(fd, p)
	}
	if err == syscall.EAGAIN {
		bufs.Put(p)
		f.waited = true
		return false
	}
	g := receiveds.Get().(*received)
	f.got = g
	switch {
	case err != nil:
		g.err = os.NewSyscallError("recv", err)
	case n == 0:
		g.err = io.EOF
	default:
		g.buf = p[:n]
		return true
	}
	bufs.Put(p)
	return true
}

// TrySend writes what the system takes of p without waiting, maybe nothing.
func (f *FD) TrySend(p []byte) (int, error) { return f.send(p, false) }

// Send waits until the system takes some of p, at least one byte.
func (f *FD) Send(p []byte) (int, error) { return f.send(p, true) }

func (f *FD) send(p []byte, wait bool) (int, error) {
	s := sendings.Get().(*sending)
	s.p, s.n, s.wait, s.err = p, 0, wait, nil
	err := f.rc.Write(s.try)
	if err == nil {
		err = s.err
	}
	n := s.n
	s.p = nil
	sendings.Put(s)
	return n, err
}

// A sending is the state of one call of Send or TrySend: an idle FD has none.
type sending struct {
	p    []byte
	n    int // bytes sent
	wait bool
	err  error
	try  func(fd uintptr) bool
}

var sendings = sync.Pool{New: func() any {
	s := new(sending)
	s.try = s.trySend
	return s
}}

func (s *sending) trySend(fd uintptr) bool {
	for s.n < len(s.p) {
		n, err := send(fd, s.p[s.n:])
		if n > 0 {
			s.n += n
		}
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return !s.wait || s.n > 0
		case err != nil:
			s.err = os.NewSyscallError("send", err)
			return true
		}
	}
	return true
}
