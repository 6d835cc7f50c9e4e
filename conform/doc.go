// Package conform holds the rules of RFC 6455 and RFC 7692 as cases, and runs
// them against any server and any client.
//
// A Case is a transcript: what is sent, what must come back, and how long that
// may take. The peer under test returns every message as it came, an echo. The
// same cases run over sockets, over TLS, over anything that is a net.Conn, and
// in memory; most of them in both directions:
//
//	results := conform.TestServer(ctx, conform.Cases(), target, nil) // we are the client
//	clients := &conform.Clients{Cases: conform.Cases()}              // we are the server:
//	clients.Serve(listener)                                          // see there for the scheme
//
// # Verdicts
//
// Each case has two verdicts, of the behaviour and of how the connection ended:
// see Verdict. A result that is not OK says what was seen, which sentence of
// which RFC was broken, and shows the frames with their times.
//
// # What it must not know
//
// This package does not share the code that it tests: headers, masks and UTF-8
// are read and written here anew, and it never uses a curlew.Conn. Only the DEFLATE
// codec is shared; compress/flate checks it in the tests.
//
// # Adding a case
//
// Cases are written in the files named after their section, with the words of
// script.go, for handshakes those of open.go and refused.go, for the stream below
// those of streams.go:
//
//	{ID: "2.4", Title: "a ping between two fragments", Spec: "RFC 6455, 5.4",
//		Rule: "control frames may be injected in the middle of a fragmented message",
//		Script: script{
//			send(text("he").more()), send(ping("x")), want(pong("x")),
//			send(cont("llo")), want(text("hello")),
//		}},
//
// A script that does not end the connection itself is followed by an ordinary
// close, which is judged too. IDs are never used twice, also not after a case
// was given up.
package conform
