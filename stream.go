package curlew

import (
	"crypto/tls"
	"net"
	"net/url"
	"time"
)

// A Stream is what a Conn runs on: a reliable, ordered flow of bytes both ways.
// Every net.Conn is one. The Conn calls Read from one goroutine at a time and
// Write from one at a time, the rest from any.
//
// A Read that a deadline ended must have lost nothing: it is called again. Close
// must wake a blocked Read and Write. A Stream with CloseWrite() error ends
// politely: our side first, the rest after the peer's (RFC 6455, 7.1.1).
type Stream interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	Close() error
	SetReadDeadline(time.Time) error
}

// A Role is the side of the connection that we are: clients mask.
type Role int

const (
	Server Role = iota
	Client
)

// A Type is the type of a message.
type Type byte

const (
	Text   Type = 1 // UTF-8
	Binary Type = 2
)

func (t Type) String() string {
	switch t {
	case Text:
		return "text"
	case Binary:
		return "binary"
	}
	return "invalid"
}

// Info is what is known of a connection at one moment.
type Info struct {
	URL         *url.URL // of the request; not to be changed
	Proto       string   // "HTTP/1.1"; "" if the handshake was done elsewhere
	Subprotocol string   // the selected one, or ""
	Compressed  bool     // permessage-deflate is in force
	LocalAddr   net.Addr // nil where the Stream has none
	RemoteAddr  net.Addr
	TLS         *tls.ConnectionState // nil without TLS

	RTT time.Duration // of the last ping that was answered, 0 before

	MessagesRead, MessagesWritten int64
	BytesRead, BytesWritten       int64 // on the stream, frames included
	Dropped                       int64 // messages dropped by the policy
	Queued                        int   // bytes waiting to be sent
}
