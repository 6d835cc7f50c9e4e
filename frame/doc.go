// Package frame is the wire format of WebSocket, RFC 6455, as pure functions
// over bytes. It knows no connection, no clock and no I/O, keeps nothing of what
// it is given, allocates nothing but the strings that it returns, and does not
// panic on any input. All functions may be called by any number of
// goroutines at once; a [UTF8] belongs to one at a time.
//
// Most programs want package curlew instead. This one is for those who look at
// frames: proxies, inspectors, tests, other drivers.
//
// # Reading
//
// What comes from a peer is read header by header. [Parse] takes the bytes that
// are there, any number of them, and either needs more, or returns a [Header]
// and how many bytes it was, or says that no more bytes could make it right.
// [Check] then judges the header by what is known of the connection, the
// [State]: masks, reserved bits and opcodes, the sequence of fragments, control
// frames, the limit of a message. Both fail as early as can be, before a byte of
// the payload has come. A length is a promise of the peer, up to 2^63-1: spend
// memory on what has come, never on what was promised.
//
// The payload follows, Header.Length bytes in as many pieces as one likes. If
// Header.Masked, [Mask] unmasks each in place, told by pos where in the payload
// the piece begins. The pieces of a text message, of all its fragments but not
// of the control frames between them, go through one [UTF8] after unmasking and
// inflating: Write refuses a piece with the first byte that cannot be right, and
// Done says whether the message may end. The body of a Close frame is read by
// [ParseClose].
//
// # Writing
//
// [Header.Append] writes a header, always in its shortest form; a client sets
// Masked and a fresh Key of unpredictable bytes for every frame (RFC 6455, 5.3
// and 10.3) and masks its own copy of the payload. [CheckClose] says whether a
// code and a reason may be sent, [AppendClose] writes them. Check is for
// received headers, but judges one's own as well: as the peer would, with Server
// turned round.
//
// # Errors
//
// A rule that was broken is an [*Error]: the close code to fail the connection
// with (RFC 6455, 7.1.7), the section of the RFC, and a text that holds nothing
// of the peer's and may be logged as it is. This package has a fixed set of them:
// nothing is allocated for a broken rule.
package frame
