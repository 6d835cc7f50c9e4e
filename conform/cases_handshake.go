package conform

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Section 8: the opening handshake. Groups 1 to 39 are for servers, those from 40
// on for clients.
func handshakes() []Case {
	return slices.Concat(
		forRole(ForServers, rightRequests(), pipelinedRequests(), wrongRequests(), wrongUpgrades(), wrongKeys(), wrongVersions(),
			wrongHTTP(), bodies(), subprotocolRequests(), extensionRequests(), originRequests(), refusals()),
		forRole(ForClients, rightQuestions(), rightReplies(), wrongReplies(), wrongAccepts(), wrongLists(), brokenReplies()),
	)
}

// forRole sets whom cases test.
func forRole(r Roles, lists ...[]Case) []Case {
	all := slices.Concat(lists...)
	for i := range all {
		all[i].Roles = r
	}
	return all
}

// ahoy is the first message of many.
var ahoy = text("hello")

// spelled are the fields of the request or the answer, with other names.
func spelled(change func(string) string) edit {
	return each(func(f field) field { return field{change(f.name), f.value} })
}

// alternating is iN tHiS sPeLlInG.
func alternating(s string) string {
	b := []byte(strings.ToLower(s))
	for i := 1; i < len(b); i += 2 {
		b[i] = strings.ToUpper(string(b[i : i+1]))[0]
	}
	return string(b)
}

// inOrder turns the order of the fields around.
func backwards(h *head) { slices.Reverse(h.fields) }

// fields adds n fields.
func fields(n int) edit {
	return func(h *head) {
		for i := range n {
			h.fields = append(h.fields, field{fmt.Sprintf("X-Field-%d", i), "value"})
		}
	}
}

// sampleKey and what belongs to it are the example of RFC 6455, 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// rightRequests must be accepted, however they are spelled.
func rightRequests() []Case {
	accepted := func(title string, edits ...edit) Case {
		return Case{Title: title, Script: script{opens(edits...), echo(ahoy)}}
	}
	several := func(title string, edits ...edit) Case { // RFC 9110, 7.8, lets it ignore an Upgrade
		return Case{Title: title, Script: script{asked{edits: edits, refuse: NonStrict, plain: true,
			note: "it does not read Upgrade as a list, where websocket is one of several protocols"}}}
	}
	lists := "RFC 9110, 5.3, 5.6.1 and 7.8"
	all := group("8.1", "RFC 6455, 4.2", "a request that has all that 4.2.1 lists is answered with 101, Upgrade, Connection and Sec-WebSocket-Accept",
		accepted("a right request"),
		Case{Title: "the key of the RFC's example", Script: script{opensWith(func(s *session, got http.Header) error {
			if v := got.Get("Sec-WebSocket-Accept"); v != sampleAccept {
				return s.failed("Sec-WebSocket-Accept is %s instead of %s", excerpt([]byte(v)), sampleAccept)
			}
			return nil
		}, set("Sec-WebSocket-Key", sampleKey)), echo(ahoy)}},
		accepted("a key of zeros", set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")),
		accepted("a key of nothing but slashes", set("Sec-WebSocket-Key", "/////////////////////w==")),
		accepted("a key with many pluses", set("Sec-WebSocket-Key", "+/+/+/+/+/+/+/+/+/+/+w==")),
		Case{Title: "the same key on two connections", Script: script{
			opens(set("Sec-WebSocket-Key", sampleKey)), also(opens(set("Sec-WebSocket-Key", sampleKey)), echo(ahoy)), echo(ahoy)}},
		Case{Title: "a 101 is of HTTP/1.1 and announces no body", Spec: "RFC 9110, 8.6, and RFC 9112, 6.1",
			Rule: "an answer with 1xx has neither Content-Length nor Transfer-Encoding", Script: script{opensWith(func(s *session, _ http.Header) error {
				if s.reply.first[0] != "HTTP/1.1" || len(s.reply.values("Content-Length"))+len(s.reply.values("Transfer-Encoding")) > 0 {
					return s.failed("its 101 is of %s, with %d Content-Length and %d Transfer-Encoding", s.reply.first[0],
						len(s.reply.values("Content-Length")), len(s.reply.values("Transfer-Encoding")))
				}
				return nil
			}), echo(ahoy)}},
	)
	all = append(all, group("8.2", "RFC 6455, 4.2.1, and RFC 9110, 5.1", "names of fields, and the values of Upgrade and Connection, are not sensitive to case",
		accepted("names in lower case", spelled(strings.ToLower)),
		accepted("names in upper case", spelled(strings.ToUpper)),
		accepted("names in changing case", spelled(alternating)),
		accepted("Upgrade: WebSocket", set("Upgrade", "WebSocket")),
		accepted("Upgrade: WEBSOCKET", set("Upgrade", "WEBSOCKET")),
		accepted("Connection: upgrade", set("Connection", "upgrade")),
		accepted("Connection: UPGRADE", set("Connection", "UPGRADE")),
		accepted("Connection: uPgRaDe, and all names in changing case", set("Connection", "uPgRaDe"), spelled(alternating)),
		accepted("Host in upper case", set("Host", "{HOST}")),
	)...)
	all = append(all, group("8.3", lists, "Connection and Upgrade are lists of tokens, which may stand on several lines",
		accepted("Connection: keep-alive, Upgrade", set("Connection", "keep-alive, Upgrade")),
		accepted("Connection: Upgrade, keep-alive", set("Connection", "Upgrade, keep-alive")),
		accepted("Connection: keep-alive,Upgrade without a space", set("Connection", "keep-alive,Upgrade")),
		accepted("Connection with tabs and spaces around the comma", set("Connection", "keep-alive \t,\t Upgrade")),
		accepted("Connection with empty members", set("Connection", ", ,Upgrade,,")), // RFC 9110, 5.6.1.2: MUST parse and ignore
		accepted("Connection on two lines, Upgrade on the second", set("Connection", "keep-alive"), add("Connection", "Upgrade")),
		accepted("Connection on two lines, Upgrade on the first", add("Connection", "keep-alive")),
		accepted("Connection with ten other options", set("Connection", "a, b, c, d, e, f, g, h, i, j, Upgrade")),
		several("Upgrade: h2c, websocket", set("Upgrade", "h2c, websocket")),
		several("Upgrade: websocket, h2c", set("Upgrade", "websocket, h2c")),
		several("Upgrade on two lines", set("Upgrade", "h2c"), add("Upgrade", "websocket")),
	)...)
	all = append(all, group("8.4", "RFC 9112, 5", "space around values is not part of them, the order of fields does not matter, unknown fields are ignored",
		accepted("no space before the values", colon(":")),
		accepted("a tab before the values", colon(":\t")),
		accepted("much space before the values", colon(": \t  \t")),
		accepted("space behind the values", each(func(f field) field { return field{f.name, f.value + " \t "} })),
		accepted("fields in another order", backwards),
		accepted("the fields that browsers send", add("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"), add("Accept", "*/*"),
			add("Accept-Language", "en-US,en;q=0.5"), add("Accept-Encoding", "gzip, deflate, br, zstd"), add("Pragma", "no-cache"),
			add("Cache-Control", "no-cache"), add("Cookie", "a=b; c=d"), add("Sec-Fetch-Dest", "empty"), add("Sec-Fetch-Mode", "websocket"), add("Sec-Fetch-Site", "same-origin")),
		accepted("an unknown field of the handshake's family", add("Sec-WebSocket-Colour", "green")),
		accepted("a field with an empty value", add("X-Empty", "")),
		accepted("a field twice", add("X-Twice", "a"), add("X-Twice", "b")),
		accepted("ten fields more", fields(10)),
		accepted("Content-Length: 0", add("Content-Length", "0")),
		Case{Title: "bytes above 127 in a value", Spec: "RFC 9110, 5.5", Rule: "bytes above 127 in a value, which are obsolete, are treated as opaque data", Script: script{
			asked{edits: []edit{add("X-Name", "J\xfcrgen \xe2\x82\xac")}, refuse: NonStrict, note: "it does not take what is not ASCII"}}},
		Case{Title: "a cookie of 4 KiB", Script: script{mayRefuse("it has a limit", []int{431, 400}, add("Cookie", "a="+letters4K()))}},
		Case{Title: "60 fields more", Script: script{mayRefuse("it has a limit", []int{431, 400}, fields(60))}},
		Case{Title: "Expect: 100-continue without a body", Spec: "RFC 9110, 10.1.1", Script: script{mayRefuse("it refuses expectations; there is no body to wait for", []int{417, 400}, add("Expect", "100-continue"))}},
	)...)
	all = append(all, group("8.5", "RFC 6455, 4.2.1, and RFC 9112, 3.2", "the target of a request is a path with a query, or an absolute URI",
		Case{Title: "a target with a query", Script: script{mayRefuse("it does not know what is asked for", nil, line("GET {path}{?}a=b&c=%20d HTTP/1.1"))}},
		Case{Title: "a target with a query of 2 KiB", Script: script{mayRefuse("it does not know what is asked for, or has a limit", nil, line("GET {path}{?}a="+strings.Repeat("b", 2048)+" HTTP/1.1"))}},
		accepted("an absolute target", line("GET {scheme}://{host}{path} HTTP/1.1")),
		Case{Title: "HTTP/1.2", Script: script{mayRefuse("there is no HTTP/1.2", []int{505, 400}, line("GET {path} HTTP/1.2"))}},
	)...)
	return all
}

// letters4K is a value of a field.
func letters4K() string { return strings.Repeat("0123456789abcdef", 256) }

// early sends ahoy and rest in two pieces, right behind the request and behind the
// answer, and wants it all back, and another message.
func early(edits []edit, late []frame, rest ...frame) Step {
	const ends = "it ends the connection where frames come too early"
	another := text("another")
	return asked{edits: edits, refuse: Informational, note: "it refuses where frames come too early", drop: true, then: []Step{
		send(append(late, another)...), choose(
			onThis(ahoy, OK, "", want(append(rest, another)...)),
			onThis(another, NonStrict, "what came right behind the request is lost"),
			on(ended, Informational, ends), onClose(Informational, ends),
		)}}
}

// pipelinedRequests bring frames with them, or come in pieces.
func pipelinedRequests() []Case {
	half := frame.append(text("second").keyed([4]byte{1, 2, 3, 4}), nil, true, nil)
	return slices.Concat(
		group("8.6", "RFC 9112, 2.1", "how a request is cut into segments means nothing",
			Case{Title: "a request octet by octet", Script: script{opens(pieces(1)), echo(ahoy)}},
			Case{Title: "a request in pieces of 7 octets", Script: script{opens(pieces(7)), echo(ahoy)}},
			Case{Title: "a request in pieces of 100 octets", Script: script{opens(pieces(100)), echo(ahoy)}},
		),
		group("8.7", "RFC 6455, 4.1 and 6.2", "a client waits for the answer, but frames that come before it are not lost where the server goes on",
			Case{Title: "a message right behind the request", Script: script{early([]edit{pipelined(ahoy)}, nil)}},
			Case{Title: "two messages right behind the request", Script: script{early([]edit{pipelined(ahoy, text("second"))}, nil, text("second"))}},
			Case{Title: "one and a half messages right behind the request", Script: script{
				early([]edit{pipelined(ahoy, rawBytes(half[:8]))}, []frame{rawBytes(half[8:])}, text("second"))}},
			Case{Title: "two messages right behind the request, all octet by octet", Script: script{
				early([]edit{pipelined(ahoy, text("second")), pieces(1)}, nil, text("second"))}},
		),
	)
}
