// Package interop holds tests of the library against other people's WebSocket
// programs, both roles: npm ws, undici, Python websockets; and of Dial through
// squid. What a peer has to do is in peers, one small program each; who is
// missing is skipped with the reason, see internal/testenv.
//
// All servers, ours and theirs, return each message as it came, but for these
// texts:
//
//	!fragments         answered by "one two three" in three frames
//	!ping              pings the client with "are you there" and, when the pong
//	                   is in, sends "pong"
//	!close CODE REASON closes
//
// and select the subprotocol "v1" if it is offered.
package interop
