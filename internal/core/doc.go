// Package core is the WebSocket connection as a state machine: bytes in, events
// and bytes out, for both roles. It does no I/O, reads no clock, starts no
// goroutine and never learns what it runs on.
//
// It has two halves that share nothing, so that a driver may run them in two
// goroutines, and the small state between them:
//
//	Decoder   the peer's bytes -> events: every rule on frames, limits,
//	          inflating, UTF-8. Holds no buffer between messages.
//	Encoder   messages and control frames -> bytes: splitting, masking, deflating.
//	Control   what the protocol itself has to say: the pong that is owed, the
//	          ping to send, the Close, and how far the close handshake is.
//	Machine   all three together, for drivers with one thread: tests, the
//	          conformance cases, simulation, fuzzers.
//
// Whoever has bytes gives them to Decoder.Next until nothing is left; whoever
// can write asks Control and the queue of messages, through the Encoder, for
// what to write. Nothing is allocated for a length that a header promises.
package core
