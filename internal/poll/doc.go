// Package poll waits for descriptors. It never learns what a Conn is.
//
// Today it knows one thing: an FD, which reads a connection's descriptor
// without holding a buffer while it waits, and writes to it without waiting.
// The event engine, which waits for many descriptors without a goroutine for
// each, has its place here.
package poll

import "net"

// New returns the FD of c, or nil where c has none that may be used directly:
// only plain TCP and Unix connections, never something that wraps one, and only
// on Unix systems.
func New(c any) *FD {
	switch c := c.(type) {
	case *net.TCPConn:
		return newFD(c)
	case *net.UnixConn:
		return newFD(c)
	}
	return nil
}
