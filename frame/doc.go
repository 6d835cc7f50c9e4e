// Package frame is the wire format of WebSocket (RFC 6455, 5 to 8) as pure
// functions: headers, masks, the bodies of Close frames, UTF-8 in pieces, and
// the rules that headers must keep.
package frame
