package main

// reasons explain what was found, those of one peer first: the first that fits
// counts. What each says of a library was read in its source, at the version that
// was measured.
var reasons = []reason{
	// What nearly all do, and which rule is plain
	{
		role: "server", cases: "8.25 8.27 13.25", note: `^it accepted a handshake that it must refuse$`,
		what: "Lists of extensions or subprotocols that are malformed are passed over", rule: "RFC 6455, 9.1: who receives malformed extensions MUST fail the connection; 4.2.1: a handshake that breaks the grammar MUST be refused",
		why: "What is not understood in the field is left out. Nothing of it is agreed to, so that no harm is done; the sentences are plain nevertheless.",
	},
	{
		role: "client", cases: "8.52.8", note: `accepted an answer`,
		what: "An answer with an empty list of extensions is taken", rule: "RFC 6455, 9.1: a list has one extension at least; who receives another MUST fail the connection", why: "No harm is done.",
	},
	{
		role: "server", cases: "8.17.12 8.17.13 8.17.15 8.17.16", note: `accepted a handshake`,
		what: "The version is read as a number", rule: "RFC 6455, 4.2.1 and 4.3: 13, without zeros, signs or fractions",
	},
	{
		cases: "8.3.5 8.41.11 13.32.15", note: `refused a right handshake|came the end of the stream|came close|does not take a right answer`,
		what: "A list with empty members is refused", rule: "RFC 9110, 5.6.1.2: a recipient MUST parse and ignore a reasonable number of empty list elements",
	},
	{
		cases: "14.3.17 14.3.19", note: `codes of which some are missing`,
		what: "Huffman codes that leave some bits unused are taken", rule: "RFC 1951, 3.2, does not rule them out; zlib refuses them",
	},
	{
		role: "client", cases: "8.55.5", note: `wants a client to unfold`,
		what: "An answer with a folded field is refused", rule: "RFC 9112, 5.2: a user agent MUST replace the fold by space; a server MUST NOT send one",
	},

	// gws
	{
		peers: "gws gws-nct", note: `^the process is dead: panic: runtime error: slice bounds`,
		what: "One frame ends the whole process", rule: "RFC 6455, 5.2: the most significant bit of a 64-bit length MUST be 0",
		why: "A length with that bit set becomes a negative int, which is below every limit, and is then used as the bound of a slice. The panic is in the goroutine of `ReadLoop`, where `Recovery` does not reach. Fourteen bytes behind any handshake do it, to servers and to clients.",
	},
	{
		peers: "gws", role: "server", note: `client_max_window_bits was not offered|for an offer of`,
		what: "The answer has window bits that the offer rules out", rule: "RFC 7692, 7.1.2.1 and 7.1.2.2: the server's bits are not above those asked for, and the client's are not mentioned to a client that did not offer them",
		why: "With context takeover the answer has `server_max_window_bits=12; client_max_window_bits=12`, whatever the offer says: a client that follows the RFC fails the connection. Without takeover it keeps quiet, see gws-nct.",
	},
	{
		peers: "gws gws-nct", role: "server", note: `no offer may be agreed to|it lacks server_`,
		what: "Offers are agreed to that must be declined", rule: "RFC 7692, 7.1 and 7.1.2.1: an offer with an unknown or wrong parameter, or one that the server cannot meet, is declined",
		why: "It looks for the word permessage-deflate in the field.",
	},
	{
		peers: "gws gws-nct", role: "client", note: `accepted an answer that it must not`,
		what: "Answers are taken that must fail the connection", rule: "RFC 6455, 4.1 and 9.1; RFC 7692, 7.1",
		why: "Of the answer it checks the status, Upgrade, Connection and Sec-WebSocket-Accept, some of them as part of a longer word, and looks for permessage-deflate in the extensions.",
	},
	{
		peers: "gws-nct", role: "client", cases: "13.32", note: `than it promised`,
		what: "It takes its context over although it offered not to", rule: "RFC 7692, 7.1.1.2: the offer says that it is not going to, also where the server does not repeat it; 7.2.2: for the server it is a hint only",
		why: "It believes the answer, where client_no_context_takeover may be missing.",
	},
	{
		peers: "gws gws-nct", cases: "14.2",
		what: "RSV bits are not looked at once compression was agreed", rule: "RFC 6455, 5.2; RFC 7692, 6",
		why: "The check of all three bits is made only where there is no compression.",
	},
	{
		peers: "gws gws-nct", note: `^it closed with 1011 instead of 100[79]`,
		what: "What does not inflate, or inflates to too much, is answered with 1011", rule: "RFC 6455, 7.4.1: 1007 is for data that is not what its type says, 1009 for what is too large, 1011 for what went wrong on one's own side",
	},
	{
		peers: "gws gws-nct", note: `^it answered our Close \d+ with 1000`,
		what: "A Close is answered with 1000 whatever its code", rule: "RFC 6455, 5.5.1: typically the code that was received is sent back",
	},
	{
		peers: "gws gws-nct", role: "client", cases: "8", note: `came the end of the stream`,
		what: "Right answers are refused", rule: "RFC 9110, 15.2 and 5.3", why: "An answer with 1xx before the one that counts; Connection on two lines.",
	},
	{
		peers: "gws gws-nct", role: "server", cases: "8",
		what: "Its reading of requests is short", rule: "RFC 6455, 4.2; RFC 9112, 2, 3 and 5",
		why: "`Server.Run` reads a request with http.ReadRequest alone, without net/http's server: the version and the host are not checked, bodies become frames, what is refused gets no answer; Connection is searched for \"upgrade\".",
	},

	// coder
	{
		peers: "coder", role: "client", note: `^the process is dead: panic`,
		what: "A Close in the middle of a compressed message is a nil pointer", rule: "RFC 6455, 5.5.1: a Close may come at any time",
		why: "The Close puts the reader's dictionary away, and the Read that was under way writes into it. In a client that ends the process; in a server net/http catches the panic and logs it, which the cases cannot see. With context takeover only.",
	},
	{
		peers: "coder", cases: "7.21.3 11.10 15.4", note: `it sent `,
		what: "The end of the connection is taken for the end of the message", rule: "RFC 6455, 5.4 and 7.1.4: a message is complete with its last frame",
		why: "An error that wraps io.EOF becomes io.EOF, whoever had it: a stream cut off within a frame or between two gives a shorter message without an error.",
	},
	{
		peers: "coder", note: `it sent text that is not UTF-8|its reason is not UTF-8`,
		what: "UTF-8 is not checked", rule: "RFC 6455, 8.1 and 5.5.1: an endpoint MUST fail the connection",
		why: "There is no such check. The README says that it fully passes the known suite; its own run of that (autobahn_test.go) leaves out 6.\\*, 7.5.1 and 13.3 to 13.6 (issue 44 of coder/websocket).",
	},
	{
		peers: "coder", role: "client", cases: "11.2 7.18",
		what: "A client takes frames that are masked", rule: "RFC 6455, 5.1: a client MUST close a connection if it detects a masked frame",
		why: "Only the server looks at the bit, and the client does not unmask either: what it returns is garbled.",
	},
	{
		peers: "coder", role: "server", note: `its extensions are wrong`,
		what: "Offers are agreed to that must be declined", rule: "RFC 7692, 7.1",
		why: "Anything that begins with client_max_window_bits is passed over, wrong values too, and server_max_window_bits=15 is accepted without saying so in the answer.",
	},
	{
		peers: "coder", role: "client", note: `accepted an answer that it must not`,
		what: "Answers are taken that must fail the connection", rule: "RFC 6455, 4.1; RFC 7692, 7.1",
		why: "A server_max_window_bits is passed over whatever its value, a parameter may stand twice, and of two Sec-WebSocket-Accept the first counts.",
	},
	{
		peers: "coder", cases: "14.3", note: `it was to fail the connection, but sent`,
		what: "DEFLATE without an end of its block is taken for complete", rule: "RFC 7692, 7.2.2; RFC 1951, 3.2",
		why: "An unexpected end of the DEFLATE stream counts as the end of the message.",
	},
	{
		peers: "coder", note: `^it closed without a code instead of with|^it ended the stream without a Close`,
		what: "Some broken rules end the stream without a Close", rule: "RFC 6455, 7.1.7: it SHOULD send one",
		why: "For frames without a mask, lengths with the highest bit and what does not inflate the error goes to the caller, who can but close.",
	},

	// gorilla
	{
		peers: "gorilla", note: `it sent text that is not UTF-8`, limit: true,
		what: "UTF-8 is not checked", rule: "RFC 6455, 8.1: an endpoint MUST fail the connection",
		why: "\"It is the application's responsibility to ensure that text messages are valid UTF-8\" (its package documentation); the server of its examples/autobahn, with which it passes the known suite, checks by itself, that of examples/echo does not.",
	},
	{
		peers: "gorilla nbio", role: "server", note: `its extensions are wrong`,
		what: "Every offer of permessage-deflate is agreed to", rule: "RFC 7692, 7.1, 7.1.2.1 and 5.1: an offer with an unknown or wrong parameter, or one that the server cannot meet, is declined; server_max_window_bits is answered",
		why: "The parameters are not looked at; the answer is always the same, without window bits. A client that asked for a small window is sent distances up to 32 KiB.",
	},
	{
		peers: "gorilla nbio", role: "client", cases: "13.32", note: `does not take a right answer`,
		what: "An answer without client_no_context_takeover is refused", rule: "RFC 7692, 7.1.1.2: the server need not repeat what the client said of itself",
	},
	{
		peers: "gorilla nbio", role: "client", note: `accepted an answer that it must not`,
		what: "Answers are taken that must fail the connection", rule: "RFC 6455, 4.1 and 9.1; RFC 7692, 7.1",
		why: "The subprotocol and the parameters of extensions are not compared with what was asked for.",
	},
	{
		peers: "gorilla", cases: "14.2",
		what: "RSV1 on control frames and continuations is not looked at once compression was agreed", rule: "RFC 7692, 6: only the first frame of a data message has it",
	},
	{
		peers: "gorilla", note: `^it ended the stream without a Close`,
		what: "What does not inflate, and a length with its highest bit, end the stream without a Close", rule: "RFC 6455, 7.1.7: it SHOULD send one",
		why: "The error goes to the application, whose part in the example is to close the connection.",
	},
	{
		peers: "gorilla", role: "client", cases: "8.43 8.41", note: `came the end of the stream|came close 1002`,
		what: "Right answers are refused, or misread", rule: "RFC 9110, 15.2", why: "An answer with 1xx before the one that counts.",
	},
	{
		peers: "gorilla coder", role: "server", cases: "8.9 8.14 8.16 8.17", note: `accepted a handshake`,
		what: "Handshakes of HTTP/1.0, with two keys or with a list of versions are accepted", rule: "RFC 6455, 4.2.1 and 11.3: HTTP/1.1 or higher, one key, the version 13", why: "Of a field that stands twice the first counts; in that of the version 13 is looked for as in a list. coder: the versions only.",
	},

	// gobwas
	{
		peers: "gobwas gobwas-flate", role: "client", note: `it does not mask: close`,
		what: "A client answers a bad Close with a frame that is not masked", rule: "RFC 6455, 5.1 and 5.3: a client MUST mask all frames",
		why: "`closeWithProtocolError` of wsutil drops what `ws.MaskFrameInPlace` returns: the payload is masked, the header says that it is not. A server then sees a wrong frame, or a random code.",
	},
	{
		peers: "gobwas gobwas-flate", note: `ended the stream without a Close`,
		what: "It sends no Close when a rule is broken", rule: "RFC 6455, 7.1.7: it SHOULD send one",
		why: "wsutil returns the error, and \"handle error\" is up to the application. That of its README closes the connection, and so does ours; that of its example/autobahn sends a Close since v1.5.0. UTF-8 is checked, and at once.",
	},
	{
		peers: "gobwas-flate", role: "client", note: `accepted an answer that it must not|does not take a right answer`,
		what: "A client does not compare the extensions of the answer with its offer", rule: "RFC 7692, 7.1; RFC 6455, 4.1", why: "The Dialer hands over what was answered; to look at the parameters is up to the application.",
	},
	{
		peers: "gobwas-flate", role: "server", note: `its extensions are wrong`,
		what: "The client's window bits may be out of range, twice, or written with zeros", rule: "RFC 7692, 7.1 and 7.1.2: a number from 8 to 15 without leading zeros, once",
	},
	{
		peers: "gobwas-flate", cases: "14.2",
		what: "RSV2 and RSV3 are not looked at once compression was agreed", rule: "RFC 6455, 5.2", why: "The state that lets RSV1 pass, ws.StateExtended, lets all three pass.",
	},
	{
		peers: "gobwas-flate", role: "server", cases: "13.20 13.21 13.23 13.25", note: `it refused with "500|because of its offers`,
		what: "An offer that it does not understand refuses the handshake", rule: "RFC 7692, 7.1: such an offer is declined, and the next one, or none, is agreed to",
		why: "With 500.",
	},
	{
		peers: "gobwas-flate", cases: "14.9.9",
		what: "A hundred empty frames within a message end it", rule: "RFC 6455, 5.4: a fragment may be empty", why: "The bufio.Reader of compress/flate gives up on a reader that returns nothing a hundred times.",
	},
	{
		peers: "gobwas gobwas-flate", cases: "8", note: `refused a right handshake|accepted a handshake|came the end of the stream|accepted an answer`,
		what: "Its reading of lists in fields is short", rule: "RFC 6455, 4.1 and 4.2.1; RFC 9110, 5.3 and 5.6.1",
		why: "Connection on two lines or with spaces, and Upgrade with more than one protocol, are refused; a missing comma is passed over.",
	},

	// nbio
	{
		peers: "nbio", note: `in vain for (text|binary) 0|wanted (text|binary) 0 "", but`,
		what: "Empty messages are lost", rule: "RFC 6455, 5.2 and 5.6: a message may have any length, 0 too",
		why: "OnMessage is called only where a message has bytes. Its tracker says that the known suite found this in 2021 (issue 27 of lesismal/nbio) and that it was repaired then; it is so in v1.6.8.",
	},
	{
		peers: "nbio", cases: "11.1 11.2 7.18",
		what: "Masks are not required of clients, nor refused of servers", rule: "RFC 6455, 5.1: each MUST close the connection",
		why: "A frame is unmasked if its bit is set, whoever sent it.",
	},
	{
		peers: "nbio", cases: "3.9.4 11.5.1 11.5.5 14.4.10", note: `did not fail`,
		what: "What is wrong with an empty message is not seen", rule: "RFC 6455, 5.2", why: "See above.",
	},
	{
		peers: "nbio", cases: "11.6", note: `did not fail the connection`,
		what: "A length with its highest bit is waited for", rule: "RFC 6455, 5.2: the most significant bit of a 64-bit length MUST be 0",
		why: "It becomes a negative number, which is below every limit and means that the length is not known yet; what comes then is collected.",
	},
	{
		peers: "nbio", cases: "3 14.1 14.2", note: `did not fail|but sent|closed with 1000|does not answer what came before`,
		what: "Once compression is switched on RSV1 may stand anywhere, agreed or not", rule: "RFC 6455, 5.2; RFC 7692, 6",
		why: "The bit is refused only where compression is off; whether it was agreed, and on which frame it stands, is not looked at.",
	},
	{
		peers: "nbio", cases: "5.24", note: `but sent|but came|did not`,
		what: "A continuation that continues nothing begins a message", rule: "RFC 6455, 5.4",
	},
	{
		peers: "nbio", note: `instead of 1007|another code than 1007`,
		what: "Text that is not UTF-8 is answered with 1002", rule: "RFC 6455, 7.4.1: 1007 is for that",
	},
	{
		peers: "nbio", note: `closed with 1009 instead of 1002`,
		what: "A control frame above 125 bytes is answered with 1009", rule: "RFC 6455, 5.5 and 7.4.1",
	},
	{
		peers: "nbio", note: `sent close code 1015`,
		what: "The code 1015 is taken and sent back", rule: "RFC 6455, 7.4.1: it MUST NOT be set in a Close",
	},
	{
		peers: "nbio", note: `ended the stream without a Close|closed without a code`,
		what: "It sends no Close for most broken rules", rule: "RFC 6455, 7.1.7: it SHOULD send one",
		why: "The parser returns an error and the connection is closed, often before what came in front of the wrong frame was answered.",
	},
	{
		peers: "nbio", cases: "11.12", note: `did not fail`,
		what: "A wrong header is looked at when all of its frame has come", rule: "RFC 6455, 5.2 and 7.1.7",
	},
	{
		peers: "nbio", cases: "7.14",
		what: "A wrong frame behind a Close ends the stream before the Close is answered", rule: "RFC 6455, 5.5.1 and 1.4: what comes behind a Close is discarded",
	},
	{
		peers: "nbio", cases: "8",
		what: "Its own parser of HTTP is short", rule: "RFC 6455, 4.1 and 4.2; RFC 9112, 2, 3 and 5",
		why: "It is not net/http's. Values keep the tabs and spaces around them, Sec-WebSocket-Accept is then made of these; methods, versions and hosts are not checked.",
	},

	{
		peers: "nbio", role: "client", note: `came the end|ended the stream without answering|sent the end of the stream`,
		what: "Now and then a client loses a connection whose first frames come right behind the answer", rule: "RFC 6455, 4.1: from then on the server may send",
		why: "It seems that they meet its parser of HTTP (issue 225 of lesismal/nbio). Other cases in each run.",
	},

	// ws and websockets
	{
		peers: "ws", note: `ends a connection on which 100 pings|takes no such flood|limit is below \d+ frames`,
		what: "A flood ends the connection", rule: "RFC 6455, 10.4", why: "Its options maxPendingAutoPongs (60), maxFragments (16384) and maxBufferedChunks.",
	},
	{
		peers: "ws", cases: "13.20 13.21 13.23", note: `refuses the handshake`,
		what: "An offer that it does not understand refuses the handshake", rule: "RFC 7692, 7.1: such an offer is declined",
	},
	{
		peers: "ws", role: "server", note: `its extensions are wrong`,
		what: "Window bits may be written with zeros or signs, or twice", rule: "RFC 7692, 7.1.2: a number without leading zeros", why: "The value is read as JavaScript reads a number.",
	},
	{
		peers: "ws", role: "client", note: `accepted an answer that it must not`,
		what: "Some answers are taken that must fail the connection", rule: "RFC 6455, 4.1; RFC 7692, 7.1", why: "permessage-deflate twice, or with numbers like 08.",
	},
	{
		peers: "ws websockets", note: `closed with 1009`,
		what: "A length with its highest bit is too large", rule: "RFC 6455, 5.2 and 10.4", why: "As is any above its limit: 1009 is as true, but for a ping, which may have 125 bytes.",
	},
	{
		peers: "ws websockets", cases: "14.4", note: `the end is missing`,
		what: "A compressed message without its last bytes is taken", rule: "RFC 7692, 7.2.1", why: "zlib returns what it has when its input ends.",
	},
	{
		peers: "ws websockets", role: "server", cases: "8.22",
		what: "The body of a request becomes frames", rule: "RFC 9110, 7.8; RFC 9112, 6",
	},
	{
		peers: "ws websockets", cases: "8", note: `refused a right handshake|accepted a handshake|came the end of the stream|does not say that it speaks|accepted an answer|ended the stream without an answer`,
		what: "Handshakes are read less strictly, or more so, than HTTP is written", rule: "RFC 6455, 4.1 and 4.2.1; RFC 9110, 5.3 and 7.8; RFC 9112, 2, 3 and 5",
		why: "Versions and hosts are not checked; ws refuses values with space behind them, and takes version 8, of a draft, which it knows.",
	},
	{
		peers: "websockets", cases: "13.13 13.14.1 13.14.2 13.32.8",
		what: "A window of 8 bits is agreed to, and cannot be had", rule: "RFC 7692, 7.1.2: 8 to 15 bits", why: "zlib has no raw DEFLATE with 8 bits: 500, 1011, or an exception.",
	},
	{
		peers: "coder websockets", cases: "13.18",
		what: "A message that ends in a final block takes the context along", rule: "RFC 7692, 7.2.3.4 and 7.2.2: such a block may be used, and the window stays", why: "The inflater has to be made anew behind such a block, without the window.",
	},

	// All of them
	{
		note: `^(the stream ended with connection reset by peer instead of an orderly end|it reset the connection for what came behind our Close)$`,
		what: "It ends the TCP connection while bytes wait to be read", rule: "RFC 6455, 7.1.1: it SHOULD be closed cleanly",
		why: "The reset that follows can destroy its Close on the way. Which cases see it varies from run to run.",
	},
	{
		note: `(^|; )it noticed only when all had come$`,
		what: "Wrong frames and text are noticed when all of them, or of the message, have come", rule: "RFC 6455, 8.1 and 7.1.7 leave the time open; the known suite calls the same NON-STRICT",
	},
	{
		note: `^it takes a (length that is longer than need be|(ping|pong|Close) with a long length)$`,
		what: "Lengths in more bytes than need be are taken", rule: "RFC 6455, 5.2: the minimal number of bytes MUST be used, which is said to the sender",
	},
	{
		note: `does not understand an offer`,
		what: "An offer that is written in another way is not understood", rule: "RFC 6455, 9.1; RFC 9110, 5.6: values may be quoted, and empty members of lists mean nothing",
	},
	{
		note: `must not stand twice|one protocol is switched to|a subprotocol is not empty|the key is not 16 bytes`,
		what: "Fields of the handshake are taken twice, or with values that they must not have", rule: "RFC 6455, 4.1, 4.2.1 and 11.3",
	},
	{
		note: `a target has no fragment|the target \* is|to be treated as an error|a Host that is none|what is not HTTP is|a path begins with`,
		what: "Targets and hosts that are none are served", rule: "RFC 9112, 3.2; RFC 9110, 4.2.4", why: "By net/http or its like, below the library.",
	},
	{
		note: `^it takes (a head of|10000 fields|a reason of)|passes over 10000`,
		what: "The head of HTTP has no small limit", rule: "RFC 9110, 17.5",
	},
	{
		note: `^its (405|426) has no`,
		what: "A refusal lacks a field", rule: "RFC 9110, 15.5.6 and 15.5.22",
	},
	{
		note: `the client ended the TCP connection before the server did`,
		what: "A client ends the TCP connection first", rule: "RFC 6455, 7.1.1: it SHOULD wait for the server",
	},
	{
		note: `what is switched from is HTTP/1.1`,
		what: "An answer of another version than HTTP/1.1 is taken", rule: "RFC 6455, 4.1; RFC 9110, 15.2",
	},
	{
		note: `upgrades a second request that came behind a refused one`,
		what: "The connection goes on behind a refused handshake", rule: "RFC 9112, 9.3.2, allows it", why: "net/http keeps it; a proxy in front that took the refusal for a tunnel would pass on a stranger's frames.",
	},
	{
		note: `does not read Upgrade as a list`,
		what: "An Upgrade of several protocols is refused", rule: "RFC 6455, 4.2.1: Upgrade contains websocket; RFC 9110, 7.8: a server may ignore it",
	},
	{
		note: `what came right behind the request is lost`,
		what: "Frames that come before the answer are lost", rule: "RFC 6455, 4.1: the client has to wait", why: "UpgradeHTTP returns what net/http had read ahead; the README does not use it.",
	},
}
