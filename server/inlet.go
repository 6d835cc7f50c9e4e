package server

import (
	"net"
	"sync"
)

// An inlet is the listener of a generation: what it accepts is put into it.
type inlet struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newInlet() *inlet { return &inlet{conns: make(chan net.Conn), closed: make(chan struct{})} }

// put reports whether somebody has taken c.
func (in *inlet) put(c net.Conn) bool {
	select {
	case <-in.closed:
		return false
	default:
	}
	select {
	case in.conns <- c:
		return true
	case <-in.closed:
		return false
	}
}

func (in *inlet) Accept() (net.Conn, error) {
	select {
	case c := <-in.conns:
		return c, nil
	case <-in.closed:
		return nil, net.ErrClosed
	}
}

func (in *inlet) Close() error {
	in.once.Do(func() { close(in.closed) })
	return nil
}

func (in *inlet) Addr() net.Addr { return inletAddr{} }

// inletAddr is the address of an inlet, which has none.
type inletAddr struct{}

func (inletAddr) Network() string { return "inlet" }
func (inletAddr) String() string  { return "inlet" }
