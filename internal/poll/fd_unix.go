//go:build unix

package poll

import (
	"io"
	"os"
	"sync"
	"syscall"

	"curlew.example/curlew/internal/bufs"
)

// An FD is the descriptor of a connection that the runtime polls. One goroutine
// at a time may call Recv and one TrySend or Send. Deadlines and Close of the
// connection end a waiting Recv and Send.
type FD struct {
	rc syscall.RawConn

	// Owned by the caller of Recv.
	size int
	buf  []byte
	err  error
	try  func(fd uintptr) bool // f.tryRecv, bound once so that Recv allocates nothing
}

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
func (f *FD) Recv(size int) ([]byte, error) {
	f.size = size
	err := f.rc.Read(f.try)
	p := f.buf
	f.buf = nil
	if err == nil {
		err = f.err
	}
	return p, err
}

func (f *FD) tryRecv(fd uintptr) bool {
	p := bufs.Get(f.size)
	for {
		n, err := recv(fd, p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			bufs.Put(p)
			return false
		case err != nil:
			f.err = os.NewSyscallError("recv", err)
		case n == 0:
			f.err = io.EOF
		default:
			f.buf, f.err = p[:n], nil
			return true
		}
		bufs.Put(p)
		return true
	}
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
