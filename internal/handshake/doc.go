// Package handshake is the opening handshake of RFC 6455, both roles, as pure
// functions over the types of net/http: no I/O, no clock.
//
// The server's half is Policy.Check, which turns a request into an Answer or a
// Refusal. It believes nothing of what net/http lets through: HTTP/1.0 and 1.2,
// methods in lower case, bodies, repeated keys, absolute-form targets. Every
// Refusal of HTTP/1.1 closes the connection: net/http would otherwise serve
// whatever was pipelined behind the request, which an intermediary that believes
// in the upgrade does not see as a request at all.
//
// What net/http has already repaired cannot be seen here: folded header lines
// (RFC 9112, 5.2) arrive joined by a space, lines that end in a bare LF arrive
// like others. They fail where the repaired value breaks a rule, as folded
// tokens do.
//
// The client's half is ParseURL, Request.Append, ReadHead, ParseResponse and
// CheckResponse. The head of an answer is read with limits, and strictly, before
// net/http parses it.
//
// All functions take linear time in their input. Lists have a bounded number of
// members.
package handshake
