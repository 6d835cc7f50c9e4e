// Package poll waits for descriptors. It never learns what a Conn is.
//
// It knows two ways to wait. An FD reads the descriptor of a connection of package
// net without holding a buffer while it waits, and writes to it without waiting: for
// who has a goroutine. A Desc takes the descriptor away from package net and has its
// Owner called when there is something to do: it waits without a goroutine, a buffer
// or a timer. That exists on Linux; docs/engine.md says how it works.
package poll

import "net"

// NewFD returns the FD of c, nil if it has none that may be used directly: only plain
// TCP and Unix connections have, never something that wraps one, and only on Unix
// systems.
func NewFD(c any) *FD {
	switch c := c.(type) {
	case *net.TCPConn:
		return newFD(c)
	case *net.UnixConn:
		return newFD(c)
	}
	return nil
}
