// Package poll waits for descriptors. It never learns what a Conn is.
//
// Today it knows one thing: an FD, which reads a connection's descriptor
// without holding a buffer while it waits, and writes to it without waiting.
// The event engine, which waits for many descriptors without a goroutine for
// each, has its place here.
package poll

import "net"

// Init makes f the FD of c, if c has one that may be used directly: only plain
// TCP and Unix connections have, never something that wraps one, and only on Unix
// systems. Else f stays nobody's. An FD must not be copied after Init.
func (f *FD) Init(c any) {
	switch c := c.(type) {
	case *net.TCPConn:
		f.init(c)
	case *net.UnixConn:
		f.init(c)
	}
}
