// Package deflate is permessage-deflate, RFC 7692: what is negotiated, and the
// bytes. It knows neither frames nor headers nor connections.
//
// Config negotiates, for both roles. A Deflater compresses the messages of one
// connection; it is a thin layer over compress/flate, and the only place that
// knows so. An Inflater decompresses them with a DEFLATE decoder (RFC 1951) of
// our own, because compress/flate's cannot go on once its input ran out: here
// bytes are pushed in, in any pieces, and all output that they determine comes
// out at once, so that a bomb or invalid text is noticed before the rest of the
// message is there, and no compressed byte is stored.
//
// Both hold what is large only while a message is open, and the window (the
// Deflater: everything) between messages only if context takeover was agreed.
package deflate

import "errors"

// ErrCorrupt is matched by all errors of an Inflater: the data is not DEFLATE,
// refers back further than agreed, or ends too early. RFC 7692, 7.2.2.
var ErrCorrupt = errors.New("corrupt deflate data")
