package conform

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// What a client asks, and which answers it takes.

// rightQuestions looks at the client's request, a point in each case.
func rightQuestions() []Case {
	const spec = "RFC 6455, 4.1"
	asks := func(title, rule string, check func(s *session, m *message) error) Case {
		return Case{Title: title, Rule: rule, Script: script{requests(check)}}
	}
	token1 := func(title, name, want string) Case {
		return asks(title, "the request has "+name+" with the value "+want, func(s *session, m *message) error {
			if !hasToken(m.values(name), want) {
				return s.failed("its %s is %q", name, m.values(name))
			}
			return nil
		})
	}
	return group("8.40", spec, "",
		asks("the request is a GET", "the method is GET", func(s *session, m *message) error {
			if m.first[0] != "GET" {
				return s.failed("its method is %s", excerpt([]byte(m.first[0])))
			}
			return nil
		}),
		asks("the request is of HTTP/1.1", "the version of HTTP is at least 1.1", func(s *session, m *message) error {
			if m.first[2] != "HTTP/1.1" {
				return s.failed("its version of HTTP is %s", excerpt([]byte(m.first[2])))
			}
			return nil
		}),
		asks("the target is a path, or an absolute URI", "the target is the resource's name or an absolute http or https URI, without a fragment", rightTarget),
		asks("Host is there once, and is a host", "the request has a Host with the host and, if it is not the scheme's own, the port", func(s *session, m *message) error {
			host, err := m.one(s, "Host")
			if err != nil {
				return err
			}
			if u, err := url.Parse("ws://" + host); err != nil || u.Host != host || u.Hostname() == "" || strings.ContainsAny(host, "@/?#\\") {
				return s.failed("its Host is %s", excerpt([]byte(host)))
			}
			return nil
		}),
		token1("Upgrade has websocket", "Upgrade", "websocket"),
		token1("Connection has Upgrade", "Connection", "Upgrade"),
		asks("the key is there once and is 16 bytes", "the request has one Sec-WebSocket-Key: 16 bytes in base64", func(s *session, m *message) error {
			key, err := m.one(s, "Sec-WebSocket-Key")
			if err != nil {
				return err
			}
			if p, err := base64.StdEncoding.Strict().DecodeString(key); err != nil || len(p) != 16 {
				return s.failed("its Sec-WebSocket-Key is %s", excerpt([]byte(key)))
			}
			return nil
		}),
		asks("the key is another one on each connection", "the key is selected at random for each connection", func(s *session, m *message) error {
			if s.ring != nil && s.ring.repeated() {
				return s.failed("it used the same Sec-WebSocket-Key on two connections")
			}
			return nil
		}),
		asks("the bits of the key are random", "the key is selected at random for each connection", func(s *session, m *message) error {
			if s.ring != nil {
				if bits := s.ring.stuck(); bits > 0 {
					return s.failed("%d bits of its Sec-WebSocket-Key were the same on all connections", bits)
				}
			}
			return nil
		}),
		asks("the version is 13, once", "the request has Sec-WebSocket-Version with the value 13", func(s *session, m *message) error {
			v, err := m.one(s, "Sec-WebSocket-Version")
			if err == nil && v != "13" {
				err = s.failed("its Sec-WebSocket-Version is %s", excerpt([]byte(v)))
			}
			return err
		}),
		asks("no field stands twice that must not", "Host, Origin, and the key and version of the handshake stand once at most", func(s *session, m *message) error {
			for _, name := range []string{"Host", "Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Authorization", "Cookie", "User-Agent", "Content-Length"} {
				if n := len(m.values(name)); n > 1 {
					return s.failed("it sent %d %s", n, name)
				}
			}
			return nil
		}),
		asks("subprotocols are tokens, none twice", "subprotocols are tokens, not empty and different", rightSubprotocols),
		asks("the offer of extensions is well-formed", "extensions are tokens with parameters, whose values are tokens", rightOffer),
		asks("there is no body", "a handshake has no body", func(s *session, m *message) error {
			length := m.values("Content-Length")
			if len(m.values("Transfer-Encoding")) > 0 || len(length) > 0 && length[0] != "0" {
				return s.failed("its request has a body")
			}
			return nil
		}),
		asks("Sec-WebSocket-Accept is the server's", "Sec-WebSocket-Accept does not stand in a request", func(s *session, m *message) error {
			if len(m.values("Sec-WebSocket-Accept")) > 0 {
				return s.failed("its request has Sec-WebSocket-Accept")
			}
			return nil
		}),
		asks("an Origin is one", "Origin is scheme, host and port, or null (RFC 6454, 7)", func(s *session, m *message) error {
			for _, o := range m.values("Origin") {
				u, err := url.Parse(o)
				if o != "null" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o) {
					return s.failed("its Origin is %s", excerpt([]byte(o)))
				}
			}
			return nil
		}),
		Case{Title: "the client waits for the answer", Rule: "once the request is sent the client waits for the answer before it sends anything", Script: script{
			requests(func(s *session, m *message) error {
				switch it, err := s.take(s.o.Patience * s.o.scale()); {
				case err == errSilence:
					return nil
				case it.end != nil:
					return s.failed("it ended the stream while it had to wait")
				default:
					return s.failed("it did not wait for the answer: it sent %s", it.frame)
				}
			}), opens(), echo(ahoy)}},
	)
}

func rightTarget(s *session, m *message) error {
	target := m.first[1]
	u, err := url.ParseRequestURI(target)
	absolute := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	if err != nil || !absolute && target[0] != '/' || strings.Contains(target, "#") {
		return s.failed("its target is %s", excerpt([]byte(target)))
	}
	return nil
}

func rightSubprotocols(s *session, m *message) error {
	var all []string
	for _, v := range m.values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(v, ",") {
			name = strings.Trim(name, " \t")
			if !isToken(name) || slices.Contains(all, name) {
				return s.failed("its Sec-WebSocket-Protocol is %q", m.values("Sec-WebSocket-Protocol"))
			}
			all = append(all, name)
		}
	}
	return nil
}

func rightOffer(s *session, m *message) error {
	values := m.values("Sec-WebSocket-Extensions")
	if len(values) == 0 {
		return nil
	}
	all, err := parseExtensions(strings.Join(values, ", "))
	if err == nil && len(all) == 0 {
		return s.failed("its Sec-WebSocket-Extensions names none")
	}
	for _, e := range all {
		if err == nil && e.name == deflateName {
			_, err = readTerms(e, true)
		}
	}
	if err != nil {
		return s.failed("its Sec-WebSocket-Extensions are wrong: %v", err)
	}
	return nil
}

const answerSpec = "RFC 6455, 4.1"

// rightReplies must be accepted, however they are spelled.
func rightReplies() []Case {
	accepted := func(title string, edits ...edit) Case {
		return Case{Title: title, Script: script{opens(edits...), echo(ahoy)}}
	}
	half := text("another").append(nil, false, nil)
	return slices.Concat(
		group("8.41", answerSpec, "names of fields, and the values of Upgrade and Connection, are not sensitive to case, Connection is a list",
			accepted("a right answer"),
			accepted("names in lower case", spelled(strings.ToLower)),
			accepted("names in upper case", spelled(strings.ToUpper)),
			accepted("names in changing case", spelled(alternating)),
			accepted("Upgrade: WebSocket", set("Upgrade", "WebSocket")),
			accepted("Upgrade: WEBSOCKET", set("Upgrade", "WEBSOCKET")),
			accepted("Connection: upgrade", set("Connection", "upgrade")),
			accepted("Connection: UPGRADE", set("Connection", "UPGRADE")),
			accepted("Connection: keep-alive, Upgrade", set("Connection", "keep-alive, Upgrade")),
			accepted("Connection on two lines", set("Connection", "keep-alive"), add("Connection", "Upgrade")),
			accepted("Connection with empty members", set("Connection", ",Upgrade, ,")),
		),
		group("8.42", "RFC 9112, 4 and 5", "space around values is not part of them, other fields and the reason mean nothing",
			accepted("no space before the values", colon(":")),
			accepted("tabs and spaces around the values", colon(": \t "), each(func(f field) field { return field{f.name, f.value + " \t"} })),
			accepted("fields in another order", backwards),
			accepted("the fields that servers send", add("Server", "example/1.0"), add("Date", "Sat, 01 Jan 2000 00:00:00 GMT"), add("Set-Cookie", "a=b; Path=/; HttpOnly"), add("Vary", "Origin")),
			accepted("an unknown field of the handshake's family", add("Sec-WebSocket-Colour", "green")),
			accepted("a field twice", add("Set-Cookie", "a=b"), add("Set-Cookie", "c=d")),
			accepted("ten fields more", fields(10)),
			accepted("another reason", line("HTTP/1.1 101 Web Socket Protocol Handshake")),
			accepted("no reason", line("HTTP/1.1 101 ")),
			Case{Title: "no reason, and no space before it", Script: script{mayReject("a space belongs behind the status", line("HTTP/1.1 101"))}},
			Case{Title: "bytes above 127 in a value", Script: script{mayReject("it does not take what is not ASCII (RFC 9110, 5.5, has it for obsolete)", add("X-Name", "J\xfcrgen"))}},
			Case{Title: "a field of 4 KiB", Script: script{mayReject("it has a limit", add("X-Note", letters4K()))}},
			Case{Title: "60 fields more", Script: script{mayReject("it has a limit", fields(60))}},
		),
		group("8.43", "RFC 9110, 15.2", "answers with 1xx come before the one that counts",
			accepted("103 before the answer", before([]byte("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"))),
			accepted("100 before the answer", before([]byte("HTTP/1.1 100 Continue\r\n\r\n"))),
			accepted("102 and 103 before the answer", before([]byte("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"))),
		),
		group("8.44", "RFC 6455, 4.2.2", "the connection is open with the answer: frames may be right behind it, and segments mean nothing",
			Case{Title: "a message in the same write as the answer", Script: script{opens(pipelined(ahoy)), want(ahoy)}},
			Case{Title: "a ping and a message in the same write as the answer", Script: script{opens(pipelined(ping("early"), ahoy)), wantAll(pong("early"), ahoy)}},
			Case{Title: "one and a half messages in the same write as the answer", Script: script{opens(pipelined(ahoy, rawBytes(half[:5]))), send(rawBytes(half[5:])), want(ahoy, text("another"))}},
			Case{Title: "a message of 64 KiB in the same write as the answer", Size: 64 << 10, Script: script{opens(pipelined(text(letters(64 << 10)))), want(text(letters(64 << 10)))}},
			Case{Title: "an answer octet by octet", Script: script{opens(pieces(1)), echo(ahoy)}},
			Case{Title: "an answer with a message behind it, octet by octet", Script: script{opens(pipelined(ahoy), pieces(1)), want(ahoy)}},
			Case{Title: "an answer in pieces of 7 octets", Script: script{opens(pieces(7)), echo(ahoy)}},
			Case{Title: "a Close in the same write as the answer", Script: script{opens(pipelined(closing(1000, ""))), closed(1000)}},
		),
	)
}

// rejectedAnswer is a case whose answer the client must not take.
func rejectedAnswer(title string, edits ...edit) Case {
	return Case{Title: title, Script: script{rejects(edits...)}}
}

// wrongReplies have another status, Upgrade or Connection.
func wrongReplies() []Case {
	var statuses []Case
	for _, status := range []string{"200 OK", "201 Created", "204 No Content", "304 Not Modified", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found",
		"426 Upgrade Required", "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable", "999 Strange"} {
		statuses = append(statuses, rejectedAnswer("status "+status+", all else right", line("HTTP/1.1 "+status), add("Content-Length", "0"), set("Connection", "Upgrade, close")))
	}
	statuses = append(statuses,
		rejectedAnswer("status 301 to nowhere, all else right", line("HTTP/1.1 301 Moved Permanently"), add("Content-Length", "0"), set("Connection", "Upgrade, close"), add("Location", "http://127.0.0.1:1/")),
		Case{Title: "status 200, all else right, and the stream ends", Script: script{rejectsCut(line("HTTP/1.1 200 OK"))}},
		Case{Title: "status 100 and no other", Script: script{rejectsCut(line("HTTP/1.1 100 Continue"))}},
		rejectedAnswer("status 1010", line("HTTP/1.1 1010 Switching Protocols")),
		rejectedAnswer("status 0101", line("HTTP/1.1 0101 Switching Protocols")),
		rejectedAnswer("status -101", line("HTTP/1.1 -101 Switching Protocols")),
	)
	return slices.Concat(
		group("8.45", answerSpec, "with another status than 101 there is no WebSocket", statuses...),
		group("8.46", answerSpec+", and RFC 9110, 15.2", "the answer is of HTTP/1.1",
			Case{Title: "HTTP/1.0", Script: script{shouldReject("what is switched from is HTTP/1.1", line("HTTP/1.0 101 Switching Protocols"))}},
			Case{Title: "HTTP/2.0", Script: script{shouldReject("what is switched from is HTTP/1.1", line("HTTP/2.0 101 Switching Protocols"))}},
			Case{Title: "HTTP/0.9", Script: script{shouldReject("what is switched from is HTTP/1.1", line("HTTP/0.9 101 Switching Protocols"))}},
			rejectedAnswer("http/1.1 in lower case", line("http/1.1 101 Switching Protocols")),
			rejectedAnswer("another protocol", line("HTTQ/1.1 101 Switching Protocols")),
		),
		group("8.47", answerSpec, "without Upgrade: websocket the client fails the connection",
			rejectedAnswer("no Upgrade", del("Upgrade")),
			rejectedAnswer("Upgrade is empty", set("Upgrade", "")),
			rejectedAnswer("Upgrade: h2c", set("Upgrade", "h2c")),
			rejectedAnswer("Upgrade: websocket2", set("Upgrade", "websocket2")),
			rejectedAnswer("Upgrade: websocke", set("Upgrade", "websocke")),
			rejectedAnswer("Upgrade: web socket", set("Upgrade", "web socket")),
			Case{Title: "Upgrade: websocket, h2c", Script: script{shouldReject("one protocol is switched to", set("Upgrade", "websocket, h2c"))}},
			Case{Title: "Upgrade: websocket twice", Script: script{shouldReject("one protocol is switched to", add("Upgrade", "websocket"))}},
		),
		group("8.48", answerSpec, "without the token Upgrade in Connection the client fails the connection",
			rejectedAnswer("no Connection", del("Connection")),
			rejectedAnswer("Connection is empty", set("Connection", "")),
			rejectedAnswer("Connection: keep-alive", set("Connection", "keep-alive")),
			rejectedAnswer("Connection: close", set("Connection", "close")),
			rejectedAnswer("Connection: upgraded", set("Connection", "upgraded")),
			rejectedAnswer("Connection: xupgrade", set("Connection", "xupgrade")),
			rejectedAnswer("Connection: keep-alive Upgrade, without a comma", set("Connection", "keep-alive Upgrade")),
		),
	)
}

// wrongAccepts: Sec-WebSocket-Accept proves that the answer is one to this
// request.
func wrongAccepts() []Case {
	const name = "Sec-WebSocket-Accept"
	changed := func(title string, change func(string) string) Case {
		return rejectedAnswer(title, func(h *head) { set(name, change(h.get(name)))(h) })
	}
	return group("8.49", answerSpec+" and 11.3.3", "without the right Sec-WebSocket-Accept, once, the client fails the connection",
		rejectedAnswer("no Accept", del(name)),
		rejectedAnswer("Accept is empty", set(name, "")),
		rejectedAnswer("Accept of another key", set(name, sampleAccept)),
		rejectedAnswer("Accept of an empty key", set(name, acceptKey(""))),
		rejectedAnswer("Accept is no base64", set(name, "x")),
		changed("Accept in lower case", strings.ToLower),
		changed("Accept in upper case", strings.ToUpper),
		changed("Accept without its padding", func(v string) string { return strings.TrimRight(v, "=") }),
		changed("Accept with more behind it", func(v string) string { return v + "x" }),
		changed("Accept without its last character", func(v string) string { return v[:len(v)-2] + "=" }),
		changed("Accept with a space within", func(v string) string { return v[:10] + " " + v[10:] }),
		changed("Accept in quotes", func(v string) string { return `"` + v + `"` }),
		Case{Title: "the key itself as Accept", Script: script{repliedFor(func(key string) string { return key })}},
		Case{Title: "Accept of the decoded key", Script: script{repliedFor(func(key string) string {
			p, _ := base64.StdEncoding.DecodeString(key)
			return acceptKey(string(p))
		})}},
		rejectedAnswer("two Accepts, the right one first", add(name, sampleAccept)),
		rejectedAnswer("two Accepts, the right one last", func(h *head) { h.fields = append([]field{{name, sampleAccept}}, h.fields...) }),
		Case{Title: "the right Accept twice", Script: script{shouldReject("it must not stand twice", func(h *head) { add(name, h.get(name))(h) })}},
	)
}

// repliedFor is rejects with an Accept made of the client's key.
func repliedFor(accept func(key string) string) Step {
	return replied{accept: Failed, keyed: func(key string) edit { return set("Sec-WebSocket-Accept", accept(key)) }}
}

// wrongLists have subprotocols and extensions that nobody asked for.
func wrongLists() []Case {
	const protocol, extensions = "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"
	malformed := []string{"x-unknown;", "permessage-deflate;", "permessage-deflate; a=", `permessage-deflate; server_max_window_bits="15`, "; permessage-deflate", "permessage-deflate permessage-deflate", "="}
	all := slices.Concat(
		group("8.50", answerSpec+" and 11.3.4", "a subprotocol that was not offered, or two, make the client fail the connection",
			rejectedAnswer("a subprotocol that was not offered", add(protocol, "x-not-offered")),
			rejectedAnswer("two lines of subprotocols", add(protocol, "x-not-offered"), add(protocol, "x-not-offered-either")),
			rejectedAnswer("a list of subprotocols", add(protocol, "x-not-offered, x-not-offered-either")),
			Case{Title: "an empty subprotocol", Script: script{shouldReject("a subprotocol is not empty", add(protocol, ""))}},
		),
		group("8.51", answerSpec+" and 9.1", "an extension that was not offered, or is malformed, makes the client fail the connection",
			rejectedAnswer("an unknown extension", add(extensions, "x-not-offered")),
			rejectedAnswer("an unknown extension with parameters", add(extensions, "x-not-offered; a=1; b")),
			rejectedAnswer("an unknown extension behind the known one", add(extensions, "permessage-deflate, x-not-offered")),
			rejectedAnswer("the known extension twice", add(extensions, "permessage-deflate, permessage-deflate")),
			rejectedAnswer("the known extension on two lines", add(extensions, "permessage-deflate"), add(extensions, "permessage-deflate")),
			rejectedAnswer("an extension of before the RFC", add(extensions, "x-webkit-deflate-frame")),
		),
	)
	var some []Case
	for _, v := range malformed {
		some = append(some, rejectedAnswer("extensions "+excerpt([]byte(v)), add(extensions, v)))
	}
	some = append(some, rejectedAnswer("extensions without an extension", add(extensions, "")))
	return append(all, group("8.52", "RFC 6455, 9.1", "who receives extensions that are malformed fails the connection", some...)...)
}

// brokenReplies are no answers of HTTP, or never end.
func brokenReplies() []Case {
	const replaced = "RFC 9110, 5.5, lets it refuse such a value, or replace the byte by a space"
	broken := func(title, note string, edits ...edit) Case {
		return Case{Title: title, Script: script{mayBelieve(note, edits...)}}
	}
	var noise []Case
	for _, g := range []struct{ title, text string }{
		{"the greeting of SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
		{"an alert of TLS", "\x15\x03\x01\x00\x02\x02\x28"},
		{"a page without a head", "<html><body>404 Not Found</body></html>\r\n\r\n"},
		{"a request instead of an answer", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"},
		{"bytes of all sorts", string(octets(512)) + "\r\n\r\n"},
		{"empty lines", "\r\n\r\n\r\n\r\n"},
		{"nothing but a status", "101\r\n\r\n"},
		{"a status line and no fields", "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
		{"a message instead of an answer", "\x81\x05hello"},
		{"a Close instead of an answer", "\x88\x02\x03\xe8"},
	} {
		noise = append(noise, Case{Title: g.title, Script: script{rejectsCut(instead([]byte(g.text)))}})
	}
	truncated := func(n int) edit {
		return func(h *head) { p := h.bytes(); instead(p[:min(n, len(p)-1)])(h) }
	}
	return slices.Concat(
		group("8.53", answerSpec, "what is no answer of HTTP makes the client fail the connection", noise...),
		group("8.54", "RFC 9112, 8", "a head that ends too early is none",
			Case{Title: "the stream ends at once", Script: script{rejectsPart(instead([]byte{}))}},
			Case{Title: "the stream ends within the status line", Script: script{rejectsPart(truncated(12))}},
			Case{Title: "the stream ends behind the status line", Script: script{rejectsPart(truncated(34))}},
			Case{Title: "the stream ends within a field", Script: script{rejectsPart(truncated(60))}},
			Case{Title: "the stream ends before the empty line", Script: script{rejectsPart(func(h *head) { truncated(len(h.bytes()) - 2)(h) })}},
			Case{Title: "the stream ends within the empty line", Script: script{rejectsPart(func(h *head) { truncated(len(h.bytes()) - 1)(h) })}},
		),
		group("8.55", "RFC 9112, 2.2 and 5", "lines end in CR LF, names have no space behind them, values no control characters",
			rejectedAnswer("Upgrade folded within websocket", set("Upgrade", "web\r\n socket")),
			rejectedAnswer("Accept folded", func(h *head) {
				v := h.get("Sec-WebSocket-Accept")
				set("Sec-WebSocket-Accept", v[:10]+"\r\n "+v[10:])(h)
			}),
			rejectedAnswer("a NUL in websocket", set("Upgrade", "web\x00socket")),
			broken("lines that end in LF", "RFC 9112, 2.2, lets it take LF alone for the end of a line", eol("\n")),
			Case{Title: "another field folded", Script: script{replied{edits: []edit{add("X-Note", "a\r\n b")},
				reject: NonStrict, note: "RFC 9112, 5.2, wants a client to unfold the lines that no server may fold"}}},
			broken("a space between a name and its colon", "it drops the space", add("X-Note ", "a")),
			broken("a NUL in a value", replaced, add("X-Note", "a\x00b")),
			broken("a CR in a value", replaced, add("X-Note", "a\rb")),
			broken("an escape in a value", "RFC 9110, 5.5, lets it keep other control characters", add("X-Note", "a\x1b[2Jb")),
			broken("a line without a colon", "it passes over the line", add("X-Note", "a\r\nX-Other")),
			broken("an empty name", "it passes over the line", add("", "a")),
			broken("an empty line before the answer", "it passes over the line", before([]byte("\r\n"))),
		),
		group("8.56", "RFC 9110, 17.5", "the head of an answer has a limit",
			Case{Title: "a head of 1 MiB", Heavy: true, Script: script{shouldReject("it takes a head of 1 MiB", add("X-Filler", strings.Repeat("a", 1<<20)), pieces(16<<10))}},
			Case{Title: "10000 fields", Script: script{shouldReject("it takes 10000 fields", fields(10000), pieces(16<<10))}},
			Case{Title: "a reason of 256 KiB", Script: script{shouldReject("it takes a reason of 256 KiB", line("HTTP/1.1 101 "+strings.Repeat("a", 256<<10)), pieces(16<<10))}},
			Case{Title: "10000 answers with 103 before the right one", Script: script{shouldReject("it passes over 10000 answers", before([]byte(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10000))), pieces(16<<10))}},
		),
	)
}
