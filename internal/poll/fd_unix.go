//go:build unix

package poll

import (
	"io"
	"os"
	"syscall"

	"curlew.example/curlew/internal/bufs"
)

// An FD is the descriptor of a connection that the runtime polls. One goroutine
// at a time may call Recv and one TrySend or Send. Deadlines and Close of the connection
// end a waiting Recv
// and Send.
type FD struct {
	rc syscall.RawConn

	// Owned by the caller of Recv.
	size     int
	buf      []byte
	rerr     error
	readable func(fd uintptr) bool // f.recv, bound once so that Recv allocates nothing

	// Owned by the caller of TrySend or Send.
	out      []byte
	sent     int
	wait     bool
	werr     error
	writable func(fd uintptr) bool
}

func newFD(c syscall.Conn) *FD {
	rc, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	f := &FD{rc: rc}
	f.readable, f.writable = f.recv, f.send
	return f
}

// Recv waits for bytes and returns them in a buffer of bufs with size bytes,
// which the caller owns. The end of the stream is io.EOF.
func (f *FD) Recv(size int) ([]byte, error) {
	f.size = size
	err := f.rc.Read(f.readable)
	p := f.buf
	f.buf = nil
	if err == nil {
		err = f.rerr
	}
	return p, err
}

func (f *FD) recv(fd uintptr) bool {
	p := bufs.Get(f.size)
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			bufs.Put(p)
			return false
		case err != nil:
			f.rerr = os.NewSyscallError("read", err)
		case n == 0:
			f.rerr = io.EOF
		default:
			f.buf, f.rerr = p[:n], nil
			return true
		}
		bufs.Put(p)
		return true
	}
}

// TrySend writes what the system takes of p without waiting, maybe nothing.
func (f *FD) TrySend(p []byte) (int, error) { return f.write(p, false) }

// Send waits until the system takes some of p, at least one byte.
func (f *FD) Send(p []byte) (int, error) { return f.write(p, true) }

func (f *FD) write(p []byte, wait bool) (int, error) {
	f.out, f.sent, f.wait, f.werr = p, 0, wait, nil
	err := f.rc.Write(f.writable)
	f.out = nil
	if err == nil {
		err = f.werr
	}
	return f.sent, err
}

func (f *FD) send(fd uintptr) bool {
	for f.sent < len(f.out) {
		n, err := syscall.Write(int(fd), f.out[f.sent:])
		if n > 0 {
			f.sent += n
		}
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return !f.wait || f.sent > 0
		case err != nil:
			f.werr = os.NewSyscallError("write", err)
			return true
		}
	}
	return true
}
