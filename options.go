package curlew

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Options are the settings of a connection and of the server's handshake. The
// zero value is the good default and negative turns a limit or a timeout off;
// nil is the zero value everywhere. Options are not changed by this package and
// must not be changed by others once they are in use; any number of connections
// may share them.
type Options struct {
	// Subprotocols are the names that the server speaks, in its order of
	// preference: the first one that the client offers too is selected. None in
	// common is answered 400. A client that offers none is accepted without one
	// unless RequireSubprotocol is set. In Dial they are what is offered, in
	// order. RFC 6455, 1.9 and 4.2.2.
	Subprotocols       []string
	RequireSubprotocol bool

	// Origins are the web origins, besides the server's own, whose pages may
	// connect: exact ("https://example.com", "https://example.com:8443") or
	// with the leftmost labels open ("https://*.example.com", which is not
	// example.com itself). A request without Origin does not come from a page
	// and is accepted, unless Sec-Fetch-Site says that it does. Everything else
	// is answered 403. Dial ignores them. RFC 6455, 10.2.
	Origins []string

	// InsecureAnyOrigin accepts the pages of every site. A server that knows its
	// users by cookies must not set it.
	InsecureAnyOrigin bool

	// AllowOrigin, if set, decides alone instead of Origins. It is called for
	// requests with exactly one Origin header.
	AllowOrigin func(r *http.Request, origin string) bool

	// Header is added to the 101 answer, or in Dial to the request. The fields
	// of the handshake itself, and values with line breaks, are refused.
	Header http.Header

	// MaxMessage limits a received message, all fragments together and after
	// inflating, in bytes: 0 is 1 MiB. A larger one ends the connection with
	// 1009 as soon as it is known to be larger, also from a frame's header
	// alone, before any memory is spent on it. A larger message given to Write,
	// Send or SendPrepared is refused with ErrTooBig and the connection lives.
	// Streamed messages (Writer) are not limited.
	MaxMessage int64

	// MaxFrame limits the frames that are sent, in payload bytes: 0 is 128 KiB.
	// Longer messages leave in several frames.
	MaxFrame int

	// MaxPacket limits the pieces given to Events.Part, in bytes: 0 is no limit.
	MaxPacket int

	// MaxFragments limits the frames of one received message: 0 is 1024. More
	// end the connection with 1008.
	MaxFragments int

	// MessagesPerSecond and BytesPerSecond limit what is received: the messages
	// that begin, and all bytes of the stream, those of pings and of frames'
	// headers among them and compressed as they come. A second's worth may come
	// at once. More ends the connection with 1008. What comes while the callbacks
	// are busy counts as if it had come in time. 0 is no limit.
	MessagesPerSecond int
	BytesPerSecond    int

	// PreserveFrames hands every received frame to Events.Part as it came, at
	// any size, and sends every block as one frame. It overrides MaxFrame and
	// MaxPacket and declines compression. See also Conn.SetPreserveFrames.
	PreserveFrames bool

	// GoroutinePerConn gives each connection of Handle a goroutine of its own. Without
	// it connections wait without one where that can be: plain TCP on Linux.
	GoroutinePerConn bool

	// AllowInvalidUTF8 turns off the check of text messages, both ways. Close
	// reasons are always checked.
	AllowInvalidUTF8 bool

	// SendQueue limits the bytes that wait to be sent: 0 is 256 KiB. One message
	// of any size is always taken into an empty queue; the limit concerns what
	// waits behind it. Messages of less than 64 bytes, and pieces of a Writer, count
	// as so many when more than 1024 wait.
	SendQueue int

	// WhenFull says what Send and SendPrepared do when SendQueue is reached.
	WhenFull Policy

	// Compression, if set, negotiates permessage-deflate (RFC 7692).
	Compression *Compression

	// PingInterval is how long nothing may be heard of the peer before it is
	// pinged: 0 is 25 s. The interval varies by 10 % from ping to ping.
	PingInterval time.Duration

	// PongTimeout is how long a pinged peer may stay silent before the
	// connection ends as 1006: 0 is 10 s. Anything heard counts.
	PongTimeout time.Duration

	// InactivityTimeout ends a connection with 1008 on which, for this long,
	// no frame of any kind was received and no message sent: 0 is 5 minutes.
	// Our own pings are not activity; the peer's pongs are.
	InactivityTimeout time.Duration

	// RequestTimeout is the longest life of a connection, which then ends with
	// 1008: 0 is no limit. Conn.Extend moves it.
	RequestTimeout time.Duration

	// WriteTimeout drops a peer that takes no bytes for this long: 0 is 10 s.
	WriteTimeout time.Duration

	// WriterTimeout ends a connection with 1011 on which a Writer is left idle for
	// this long, as nobody else can send messages: 0 is that of WriteTimeout.
	WriterTimeout time.Duration

	// CloseTimeout bounds every ending: how long the peer's Close is awaited,
	// and how long, after that, what it still sends is discarded: 0 is 5 s.
	// RFC 6455, 7.1.1.
	CloseTimeout time.Duration
}

// Compression are the settings of permessage-deflate (RFC 7692).
type Compression struct {
	// Level is that of compress/flate, 1 to 9: 0 is 1, the fastest.
	Level int

	// MinSize is the size in bytes from which on messages are compressed: 0 is
	// 512; negative compresses all.
	MinSize int

	// ServerContext and ClientContext let that side refer back to its earlier
	// messages ("context takeover"), which packs better, costs the memory of a
	// window, and on the compressing side of a whole compressor, for as long as
	// the connection lives. A secret and text of an attacker in one context can
	// be told apart by their length. RFC 7692, 7.1.1.
	ServerContext bool
	ClientContext bool

	// Memory, if set, bounds what connections of servers keep for the two contexts:
	// about 1.2 MB for ServerContext (0.8 MB from level 2 on, nothing with smaller
	// windows), a window for ClientContext. When it is spent further connections are
	// compressed without contexts. Dial does not look at it.
	Memory *Budget

	// WindowBits is the logarithm of the largest window that either side may
	// use, 9 to 15: 0 is 15. RFC 7692, 7.1.2.
	WindowBits int
}

// A Policy says what happens to a message for a peer whose queue is full.
type Policy int

const (
	WhenFullClose      Policy = iota // the connection ends with 1008
	WhenFullDropOldest               // the oldest waiting messages make room
	WhenFullDropNewest               // the message is dropped and Send returns ErrQueueFull
)

// DialOptions are the settings of Dial. Zero values and nil are as in Options.
type DialOptions struct {
	// Options are those of the connection. Of the fields for the handshake
	// Subprotocols, Header and Compression are used.
	Options

	// Proxy returns the proxy for a request, nil for none; http, https (both by
	// CONNECT) and socks5, socks5h, with user and password where the proxy wants
	// them. The field itself nil: as the environment says (HTTP_PROXY,
	// HTTPS_PROXY, ALL_PROXY, NO_PROXY, also in lower case).
	Proxy func(*http.Request) (*url.URL, error)

	// DialContext makes the TCP connections, to the server or to the proxy: nil
	// is a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// TLS is the configuration of wss: nil is the default one. It is cloned.
	TLS *tls.Config

	// WrapConn, if set, is given each connection to a server, above TLS and
	// proxies and before the handshake, and returns what is used instead: to
	// look at the bytes, or to count them.
	WrapConn func(net.Conn) net.Conn

	// Answer, if set, is given the header of the 101 before Dial returns.
	Answer func(http.Header)

	// MaxRedirects is how many redirects are followed: 0 is none. wss is never
	// left for ws, and credentials do not travel to another origin.
	MaxRedirects int

	// HandshakeTimeout bounds Dial, besides its context: 0 is 10 s.
	HandshakeTimeout time.Duration
}
