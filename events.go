package curlew

import "net/http"

// Events are the callbacks of a connection. They are called in order and never
// two at once for one Conn; nil ones are skipped. A callback that takes long
// delays only its own connection (those of Handle may call callbacks of many from one
// goroutine; if one takes long, others wait some milliseconds at most): pings are still answered, and what the peer
// sends is read ahead by a window of 64 KiB; then its sending stops.
//
// What callbacks Send is corked: the answers to all that one read brought leave
// in one write.
type Events struct {
	// Subprotocol and Header are for the 101 of one connection, as f of Handle
	// returns them; Serve ignores them. The subprotocol, which the client must
	// have offered, takes the place of the one that Options would select, and
	// each field that of one of Options.Header. What Options.Header says of them
	// holds here.
	Subprotocol string
	Header      http.Header

	// Open is called first.
	Open func(c *Conn)

	// Message is called for each whole message. p is lent until it returns.
	Message func(c *Conn, t Type, p []byte)

	// Part, if set, is called instead of Message, for everything: pieces of at
	// most Options.MaxPacket bytes, or with PreserveFrames each frame as it
	// came; last marks a message's end. A whole message may be one part. p is
	// lent until it returns. Text is checked over the whole message, so that a
	// piece may begin or end inside a character.
	Part func(c *Conn, t Type, p []byte, last bool)

	// Writable is called when a Writer whose TryWrite took less than it was
	// given can take more, and when the queue is half empty again after a Send or
	// SendPrepared that returned ErrQueueFull.
	Writable func(c *Conn)

	// Error is called at most once, before Close, when the connection ends for a
	// failure: a rule broken by the peer, a timeout, a lost stream.
	Error func(c *Conn, err error)

	// Close is called exactly once, last.
	Close func(c *Conn, e *CloseError)
}
