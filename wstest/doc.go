// Package wstest helps to test what speaks WebSocket, your own handlers above
// all: without ports, without sleeping, and with the faults that networks have.
//
// # A handler and a client
//
// A [Network] is listeners and a dialer in memory. An http.Server serves one of
// its listeners, and curlew.DialOptions.DialContext is its dialer:
//
//	n := wstest.NewNetwork(nil)
//	go http.Serve(n.Listen("example.com:80"), handler)
//	c, err := curlew.Dial(ctx, "ws://example.com/chat", &curlew.DialOptions{DialContext: n.DialContext})
//
// What takes a Conn and needs no handshake is tested with [Pipe].
//
// # A transcript
//
// A [Peer] plays the other side frame by frame, also one that breaks the rules,
// and checks every frame of the answer:
//
//	peer.Send(wstest.More(wstest.Text("he")))
//	peer.Send(wstest.Ping("x"))
//	peer.Want("pong before the message ends", wstest.Pong("x"))
//	peer.Send(wstest.Cont("llo"))
//	peer.Want("the echo", wstest.Text("hello"))
//	peer.WantIdle("nothing else is said")
//
// [Open] makes the handshake for a Peer that is to be a client of your handler.
//
// # Faults
//
// Both ends of a [Network]'s connections, and of [NewLink], are an [End]: it can
// stall, delay, cut into pieces, lose or reset what it sends, at any time.
//
// # Time
//
// Everything here works in the bubbles of testing/synctest, if it is made inside
// of one: hours of timeouts and pings pass in no time there.
package wstest
