package conform

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// wrongHTTP are requests that no server of HTTP takes, or that the RFC leaves to
// it.
func wrongHTTP() []Case {
	const replaced = "RFC 9110, 5.5, lets it refuse such a value, or replace the byte by a space"
	grammar := func(title string, edits ...edit) Case {
		return Case{Title: title, Spec: "RFC 9112, 2.2", Script: script{
			asked{edits: edits, accept: NonStrict, drop: true, note: "what is not HTTP is to be answered with 400"}}}
	}
	broken := func(title string, edits ...edit) Case {
		return Case{Title: title, Script: script{asked{edits: edits, accept: Failed, drop: true}}}
	}
	open := func(title, note string, edits ...edit) Case {
		return Case{Title: title, Script: script{asked{edits: edits, accept: Informational, note: note, drop: true}}}
	}
	var noise []Case
	for _, g := range []struct{ title, text string }{
		{"the hello of TLS", "\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03\r\n\r\n"},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"the greeting of SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
		{"a WebSocket frame", "\x81\x85\x00\x00\x00\x00hello\r\n\r\n"},
		{"bytes of all sorts", string(octets(512)) + "\r\n\r\n"},
		{"a line of one word", "GET\r\n\r\n"},
		{"an answer instead of a request", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
		{"fields without a first line", "Host: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
	} {
		noise = append(noise, Case{Title: g.title, Script: script{garbage(g.text), also(echo(ahoy))}})
	}
	return slices.Concat(
		group("8.19", "RFC 9112, 2 and 5", "lines end in CR LF, names have no space behind them, values no control characters",
			broken("a space between a name and its colon", del("Upgrade"), add("Upgrade ", "websocket")),
			broken("a space between another name and its colon", add("X-Note ", "a")),
			broken("Upgrade folded within websocket", set("Upgrade", "web\r\n socket")),
			broken("Connection folded within Upgrade", set("Connection", "Up\r\n\tgrade")),
			Case{Title: "the key folded", Script: script{asked{edits: []edit{set("Sec-WebSocket-Key", "AAAAAAAAAAAA\r\n AAAAAAAAAA==")},
				accept: NonStrict, drop: true, note: "the key is not 16 bytes in base64, but it need not be decoded (RFC 6455, 4.2.2)"}}},
			open("another field folded", "RFC 9112, 5.2, lets it refuse a folded line, or unfold it", add("X-Note", "a\r\n b")),
			open("Connection folded behind a comma", "RFC 9112, 5.2, lets it refuse a folded line, or unfold it", set("Connection", "keep-alive,\r\n Upgrade")),
			open("lines that end in LF", "RFC 9112, 2.2, lets it take LF alone for the end of a line", eol("\n")),
			open("a NUL in a value", replaced, add("X-Note", "a\x00b")),
			open("a CR in a value", replaced, add("X-Note", "a\rb")),
			open("a LF in a value", replaced, add("X-Note", "a\nX-Other: b")),
			open("an escape in a value", "RFC 9110, 5.5, lets it keep other control characters", add("X-Note", "a\x1b[2Jb")),
			grammar("a name with a space within", add("X Note", "a")),
			grammar("a name with a bracket", add("X(Note)", "a")),
			grammar("a name with bytes above 127", add("X-N\xf6te", "a")),
			grammar("an empty name", add("", "a")),
			grammar("a line without a colon", each(func(f field) field {
				if f.name == "Upgrade" {
					f.value += "\r\nX-Note"
				}
				return f
			})),
		),
		group("8.20", "RFC 9112, 2.2", "what is not HTTP is refused, and others are served all the same", noise...),
		group("8.21", "RFC 9110, 17.5", "the head of a request has a limit",
			Case{Title: "a head of 2 MiB", Heavy: true, Script: script{
				asked{edits: []edit{add("X-Filler", strings.Repeat("a", 2<<20)), pieces(64 << 10)}, accept: NonStrict, note: "it takes a head of 2 MiB", statuses: anyError, drop: true}, also(echo(ahoy))}},
			Case{Title: "10000 fields", Script: script{
				asked{edits: []edit{fields(10000)}, accept: Informational, note: "it takes 10000 fields", statuses: anyError, drop: true}, also(echo(ahoy))}},
			Case{Title: "a target of 64 KiB", Script: script{
				asked{edits: []edit{line("GET {path}{?}" + strings.Repeat("a", 64<<10) + " HTTP/1.1")}, accept: Informational, note: "it takes a target of 64 KiB", statuses: anyError, drop: true}, also(echo(ahoy))}},
		),
	)
}

// bodies: what a request announces as its body is not frames.
func bodies() []Case {
	frame1 := frame.append(text("smuggled").keyed([4]byte{1, 2, 3, 4}), nil, true, nil)
	const taken = "it took the body of the request for frames"
	// Whoever accepts the upgrade must have read the body, or leave it alone.
	body := func(title string, edits ...edit) Case {
		return Case{Title: title, Script: script{asked{edits: edits, accept: Informational, note: "it takes a request with a body", statuses: []int{400, 411, 413, 501}, then: []Step{
			send(ahoy), choose(
				onThis(ahoy, OK, ""),
				onThis(text("smuggled"), Failed, taken), onClose(Failed, taken), on(ended, Failed, taken),
			)}}}}
	}
	chunked := append(append([]byte("e\r\n"), frame1...), "\r\n0\r\n\r\n"...)
	return slices.Concat(
		group("8.22", "RFC 9110, 7.8, and RFC 9112, 6", "the body of a request is read before protocols are switched, or the request is refused",
			body("Content-Length: 5 and five bytes", add("Content-Length", "5"), behind([]byte("hello"))),
			body("a body that is a frame", add("Content-Length", "14"), behind(frame1)),
			body("a body in chunks that has a frame in it", add("Transfer-Encoding", "chunked"), behind(chunked)),
			body("an empty body in chunks", add("Transfer-Encoding", "chunked"), behind([]byte("0\r\n\r\n"))),
			body("Content-Length and Transfer-Encoding, and a frame in chunks", add("Content-Length", "5"), add("Transfer-Encoding", "chunked"), behind(chunked)),
		),
		group("8.23", "RFC 9112, 6.3", "a length that is none, or two, is refused",
			refused("Content-Length: -1", add("Content-Length", "-1")),
			refused("Content-Length: +5", add("Content-Length", "+5"), behind([]byte("hello"))),
			refused("Content-Length: five", add("Content-Length", "five")),
			refused("two different Content-Length", add("Content-Length", "5"), add("Content-Length", "6"), behind([]byte("hello!"))),
			refused("Content-Length: 99999999999999999999", add("Content-Length", "99999999999999999999")),
			Case{Title: "a Transfer-Encoding that nobody knows", Script: script{asked{edits: []edit{add("Transfer-Encoding", "x-unknown")}, accept: Failed, statuses: []int{400, 501}}}},
		),
	)
}

// subprotocolRequests offer some. That the server selects none that was not
// offered is checked of every answer.
func subprotocolRequests() []Case {
	const none = "it speaks none of the subprotocols, and refuses"
	offered := func(title string, edits ...edit) Case {
		return Case{Title: title, Script: script{mayRefuse(none, nil, edits...)}}
	}
	const name = "Sec-WebSocket-Protocol"
	const lax = "only clients are told that subprotocols are unique; it selected one of them once, or none"
	var many []string
	for i := range 100 {
		many = append(many, "protocol-"+string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	return slices.Concat(
		group("8.24", "RFC 6455, 4.2.2", "a subprotocol that is selected is one of those that were offered, as it was spelled, and stands once",
			offered("one subprotocol", add(name, "x-curlew-1")),
			offered("three subprotocols", add(name, "x-curlew-1, x-curlew-2, x-curlew-3")),
			offered("three subprotocols on three lines", add(name, "x-curlew-1"), add(name, "x-curlew-2"), add(name, "x-curlew-3")),
			offered("a subprotocol with all characters of tokens", add(name, "!#$%&'*+-.^_`|~09AZaz")),
			offered("two that differ by case", add(name, "x-Curlew, X-cURLEW")),
			offered("with spaces and tabs around the commas", add(name, "x-curlew-1 \t, \tx-curlew-2")),
			offered("without spaces", add(name, "x-curlew-1,x-curlew-2")),
			offered("a hundred subprotocols", add(name, strings.Join(many, ", "))),
			Case{Title: "an empty member in the list", Script: script{mayRefuse("RFC 9110, 5.6.1.2, wants empty members passed over, RFC 6455, 4.1, wants none", nil, add(name, "x-curlew-1,, x-curlew-2"))}},
		),
		group("8.25", "RFC 6455, 4.1, 4.2.1, 4.3 and 11.3.4", "subprotocols are tokens, and different ones; none that is not is selected, and a list that breaks the grammar is refused",
			Case{Title: "the same twice", Script: script{mayAccept(lax, add(name, "x-curlew-1, x-curlew-1"))}},
			Case{Title: "the same on two lines", Script: script{mayAccept(lax, add(name, "x-curlew-1"), add(name, "x-curlew-1"))}},
			refused("a subprotocol with a space", add(name, "x curlew")),
			refused("a subprotocol with a slash", add(name, "x/curlew")),
			refused("a subprotocol in quotes", add(name, `"x-curlew"`)),
			refused("a subprotocol with bytes above 127", add(name, "x-c\xfcrlew")),
			refused("an empty list", add(name, "")),
			refused("a list of commas", add(name, ", ,,")),
			refused("a list of 4096 commas", add(name, strings.Repeat(",", 4096))),
		),
	)
}

// extensionRequests: what is not known is left out, what is malformed fails.
func extensionRequests() []Case {
	const name = "Sec-WebSocket-Extensions"
	known := func(title string, edits ...edit) Case {
		return Case{Title: title, Script: script{opens(edits...), echo(ahoy)}}
	}
	all := group("8.26", "RFC 6455, 9.1", "extensions that the server does not know are left out of its answer",
		known("an unknown extension", add(name, "x-unknown")),
		known("an unknown extension with parameters", add(name, `x-unknown; a; b=1; c="d"`)),
		known("an unknown extension with a parameter that is quoted and escaped", add(name, `x-unknown; a="b\c"`)),
		known("three unknown extensions", add(name, "x-one, x-two; a, x-three; b=2")),
		known("three unknown extensions on three lines", add(name, "x-one"), add(name, "x-two; a"), add(name, "x-three; b=2")),
		known("the same unknown extension with other parameters", add(name, "x-unknown; a=1, x-unknown; a=2, x-unknown")),
		known("an extension whose name begins like a known one", add(name, "permessage-deflate-2")),
		known("extensions by names that mean something elsewhere", add(name, "constructor, __proto__; toString=valueOf, hasOwnProperty")),
		known("parameters by names that mean something elsewhere", add(name, "x-unknown; constructor; __proto__=1; toString")),
		known("space around everything", add(name, " \tx-unknown \t;\t a ;\tb=1 , x-two ")),
		known("an extension of before the RFC", add(name, "x-webkit-deflate-frame")),
		Case{Title: "a hundred unknown extensions", Script: script{mayRefuse("it has a limit", nil, add(name, strings.Repeat("x-unknown, ", 99)+"x-unknown"))}},
	)
	var malformed []Case
	for _, v := range []string{"x-unknown x-two", "x-unknown;", "x-unknown;;a", "; a", "x-unknown; =1", "x-unknown; a=", "x-unknown; a b", "x-unknown; a=b c",
		`x-unknown; a="`, `x-unknown; a="b`, `x-unknown; a=b"`, `x-unknown; a="b c"`, `x-unknown; a=""`, `x-unknown; a="b"c`, `"x-unknown"`, "=", "x/unknown", "x-unknown; a=b=c", "x-unknown; a\x7f=1", "x-\xfcnknown"} {
		malformed = append(malformed, refused("extensions "+excerpt([]byte(v)), add(name, v)))
	}
	malformed = append(malformed,
		refused("extensions without an extension", add(name, "")),
		refused("a thousand backslashes in quotes", add(name, `x-unknown; a="`+strings.Repeat(`\b`, 1000))),
	)
	return append(all, group("8.27", "RFC 6455, 9.1", "who receives extensions that are malformed fails the connection", malformed...)...)
}

// originRequests: whom to serve is the server's choice, 403 is what it says.
func originRequests() []Case {
	refusal := []int{403}
	of := func(title string, edits ...edit) Case {
		return Case{Title: title, Script: script{asked{edits: edits, accept: Informational, note: "it takes any Origin", statuses: refusal}}}
	}
	return group("8.28", "RFC 6455, 4.2.2 and 10.2", "a request of a page of another origin is refused with 403, or served to all",
		Case{Title: "the server's own origin", Script: script{mayRefuse("it serves some origins, and its own is none of them", refusal, set("Origin", "{scheme}://{host}"))}},
		of("another origin", set("Origin", "https://attacker.example")),
		of("a name that ends like the server's", set("Origin", "{scheme}://not{host}")),
		of("a name that begins like the server's", set("Origin", "{scheme}://{host}.attacker.example")),
		of("Origin: null", set("Origin", "null")),
		of("an Origin that is none", set("Origin", "{host}")),
		of("two Origins", set("Origin", "{scheme}://{host}"), add("Origin", "https://attacker.example")),
	)
}

// refusals looks at how servers refuse.
func refusals() []Case {
	const (
		next     = "a request behind a refused one is one more, or goes unanswered; not to upgrade it is safer, as who stands between may not see it"
		upgraded = "it upgrades a second request that came behind a refused one, as RFC 9112, 9.3.2 allows"
	)
	second := func(title string, edits ...edit) Case {
		return Case{Title: title, Spec: "RFC 9112, 9.3.2", Rule: next, Script: script{after(func(s *session, r *http.Response, rest []byte) error {
			if bytes.Contains(rest, []byte("HTTP/1.1 101")) {
				s.mark(Informational, upgraded)
			}
			return nil
		}, append(edits, followed())...)}}
	}
	frames := func(title string, edits ...edit) Case {
		return Case{Title: title, Spec: "RFC 6455, 4.2.1", Rule: "who refuses a handshake takes no frames", Script: script{after(func(s *session, r *http.Response, rest []byte) error {
			if bytes.Contains(rest, []byte("\x81\x05hello")) {
				return s.failed("it refused the handshake, but returned a message")
			}
			return nil
		}, append(edits, pipelined(ahoy))...)}}
	}
	return slices.Concat(
		group("8.29", "", "",
			second("a right request behind one with version 777", set("Sec-WebSocket-Version", "777")),
			second("a right request behind one without a key", del("Sec-WebSocket-Key")),
			second("a right request behind one without Upgrade", del("Upgrade"), del("Connection")),
			frames("a message behind a request with version 12", set("Sec-WebSocket-Version", "12")),
			frames("a message behind a request without a key", del("Sec-WebSocket-Key")),
		),
		group("8.30", "RFC 9110, 15", "an answer has the fields that belong to its status",
			Case{Title: "405 says which methods are allowed", Spec: "RFC 9110, 15.5.6", Script: script{asked{edits: []edit{line("POST {path} HTTP/1.1")}, accept: Failed, plain: true, statuses: anyError,
				check: func(s *session, r *http.Response) error {
					if r.StatusCode == http.StatusMethodNotAllowed && len(r.Header.Values("Allow")) == 0 {
						s.mark(NonStrict, "its 405 has no Allow")
					}
					return nil
				}}}},
			Case{Title: "426 says what to upgrade to", Spec: "RFC 9110, 15.5.22", Script: script{refusesWith(func(s *session, r *http.Response) error {
				if r.StatusCode == http.StatusUpgradeRequired && !hasToken(r.Header.Values("Upgrade"), "websocket") {
					s.mark(NonStrict, "its 426 has no Upgrade: websocket")
				}
				return nil
			}, set("Sec-WebSocket-Version", "14"))}},
			Case{Title: "a refusal has no Sec-WebSocket-Accept", Spec: "RFC 6455, 11.3.3", Script: script{refusesWith(func(s *session, r *http.Response) error {
				if len(r.Header.Values("Sec-WebSocket-Accept")) > 0 {
					s.mark(NonStrict, "it refuses, with Sec-WebSocket-Accept")
				}
				return nil
			}, set("Sec-WebSocket-Version", "14"))}},
		),
	)
}
