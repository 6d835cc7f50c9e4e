// Package curlew is WebSocket for Go: server and client, RFC 6455 and RFC 7692,
// without dependencies.
//
// # Which call do I need?
//
// A server that answers messages needs [Handle] and [Events]; it costs no
// buffer while a connection is idle, and on Linux no goroutine:
//
//	http.Handle("/echo", curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
//		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}, nil
//	}))
//
// A handler that wants to read in a loop calls [Accept] and then [Conn.Read]. A
// client calls [Dial]. Whoever did the handshake elsewhere calls [NewConn].
//
// There are three ways to send: [Conn.Write] blocks until the stream has the
// message, [Conn.Send] queues it and never blocks, and a [Writer] sends one
// message in pieces, blocking or not.
//
// # What cannot go wrong
//
// Any number of goroutines may write, send, ping and close at the same time.
// Pings and closes are answered although nobody reads. A cancelled context
// gives up the wait, never the connection. No call panics because of what the
// peer or another goroutine did. Nothing is allocated for a length that was
// only promised. Lengths, masks and reserved bits are always checked, and so is
// UTF-8 unless [Options.AllowInvalidUTF8] says otherwise.
//
// # How a connection ends
//
// What ended a connection is one value, a [*CloseError], set once: every call
// returns the same one from then on, [Conn.Err] too, and it matches
// [net.ErrClosed] with errors.Is. [CloseError.Remote] tells who began.
package curlew
