package conform

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// How servers answer offers.

const extensionsField = "Sec-WebSocket-Extensions"

// lines adds a field of that name for each value.
func lines(name string, values ...string) edit {
	return func(h *head) {
		for _, v := range values {
			h.fields = append(h.fields, field{name, v})
		}
	}
}

// wrongTerms are parameters that an offer may not have: RFC 7692, 7.1 to 7.1.2.2.
var wrongTerms = [...]string{
	"unknown", "unknown=1", "server_no_context_takeover; mode=fast",
	"server_no_context_takeover=1", "server_no_context_takeover=true", "client_no_context_takeover=0", `client_no_context_takeover="1"`,
	"server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=0",
	"server_max_window_bits=08", "server_max_window_bits=010", "server_max_window_bits=-9", "server_max_window_bits=+9",
	"server_max_window_bits=10.0", "server_max_window_bits=1e1", "server_max_window_bits=0xa", "server_max_window_bits=ten",
	"server_max_window_bits=4294967306", "server_max_window_bits=18446744073709551626",
	"client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits=0", "client_max_window_bits=08",
	"client_max_window_bits=-9", "client_max_window_bits=9x", "client_max_window_bits=nine", "client_max_window_bits=18446744073709551626",
	"server_no_context_takeover; server_no_context_takeover", "client_no_context_takeover; client_no_context_takeover",
	"server_max_window_bits=10; server_max_window_bits=10", "server_max_window_bits=10; server_max_window_bits=11",
	"client_max_window_bits; client_max_window_bits", "client_max_window_bits=10; client_max_window_bits",
}

// declines offers what no server may agree to. The handshake is right.
func declines(values ...string) Step {
	return asked{
		edits: []edit{lines(extensionsField, values...)}, refuse: NonStrict,
		note: "it refuses the handshake instead of declining the offer",
		then: script{echo(text(strings.Repeat("not compressed ", 100)), text("hello"))},
	}
}

// agrees offers something right, not always by itself, and then makes use of what
// is agreed. A server that agrees to nothing, but would to a bare offer, gets the
// verdict.
func agrees(v Verdict, note string, values ...string) Step {
	return asked{
		edits: []edit{lines(extensionsField, values...)}, refuse: NonStrict, note: "it refuses the handshake because of its offers",
		then: script{do(func(s *session) error {
			if s.agreed != nil {
				return s.play(exchange())
			}
			bare := false
			err := s.play(script{echo(text("hello")), also(opensWith(func(other *session, _ http.Header) error {
				bare = other.agreed != nil
				return nil
			}, lines(extensionsField, deflateName)))})
			switch {
			case err != nil:
				return err
			case !bare:
				return &finding{verdict: Unimplemented, note: "it agrees to no compression"}
			}
			return &finding{verdict: v, note: note}
		})},
	}
}

// exchange makes use of compression, both ways.
func exchange() []Step {
	m := letters(1000)
	return script{
		echo(text(m + m).deflated()), echo(text(m)), echo(text(m + m).deflated()),
		send(packedText(blocks().stored("Hello").tail())), want(text("Hello")),
	}
}

// A right offer, or several.
type offer struct {
	title  string
	values []string // one for each line
}

// rightTerms may be declined, but if they are agreed to then as they are.
var rightTerms = [...]string{
	"", "server_no_context_takeover", "client_no_context_takeover", "server_no_context_takeover; client_no_context_takeover",
	"server_max_window_bits=8", "server_max_window_bits=9", "server_max_window_bits=12", "server_max_window_bits=15",
	"client_max_window_bits", "client_max_window_bits=8", "client_max_window_bits=9", "client_max_window_bits=15",
	"client_max_window_bits=10; server_max_window_bits=11; client_no_context_takeover; server_no_context_takeover",
}

// writtenOffers are right offers written in other ways. RFC 6455, 9.1; RFC 9110,
// 5.3 and 5.6.
var writtenOffers = [...]offer{
	{"a value in quotes", []string{`permessage-deflate; client_max_window_bits="10"`}},
	{"a value in quotes, with a backslash", []string{`permessage-deflate; client_max_window_bits="1\0"`}},
	{"no spaces", []string{"permessage-deflate;client_no_context_takeover;client_max_window_bits=15"}},
	{"spaces and tabs", []string{"  permessage-deflate \t;\t client_no_context_takeover  ;  client_max_window_bits\t "}},
	{"an empty member in front", []string{", permessage-deflate"}},
	{"an empty member behind", []string{"permessage-deflate; client_max_window_bits, "}},
	{"empty members all over", []string{",, ,permessage-deflate; server_no_context_takeover, ,permessage-deflate,,"}},
	{"an unknown extension in front", []string{"x-webkit-deflate-frame, permessage-deflate"}},
	{"an unknown extension with parameters in front", []string{`foo; bar=baz; server_max_window_bits="7"; x, permessage-deflate`}},
	{"an unknown extension behind", []string{"permessage-deflate, foo; server_max_window_bits=7"}},
	{"an unknown extension on a line in front", []string{"foo", "permessage-deflate; client_max_window_bits"}},
	{"an unknown extension on a line behind", []string{"permessage-deflate; client_max_window_bits", "foo; bar"}},
	{"two offers on two lines", []string{"permessage-deflate; client_max_window_bits", "permessage-deflate"}},
	{"twenty offers", []string{strings.Repeat("permessage-deflate; client_no_context_takeover, ", 19) + "permessage-deflate"}},
}

// behindWrong are offers that are wrong, with a right one behind.
var behindWrong = [...]offer{
	{"an unknown parameter", []string{"permessage-deflate; unknown; client_max_window_bits, permessage-deflate"}},
	{"server_max_window_bits=16", []string{"permessage-deflate; server_max_window_bits=16, permessage-deflate"}},
	{"server_max_window_bits=7", []string{"permessage-deflate; server_max_window_bits=7, permessage-deflate"}},
	{"client_max_window_bits=7", []string{"permessage-deflate; client_max_window_bits=7, permessage-deflate; server_no_context_takeover"}},
	{"a parameter twice", []string{"permessage-deflate; client_max_window_bits; client_max_window_bits=10, permessage-deflate"}},
	{"a value that must not be", []string{"permessage-deflate; client_no_context_takeover=1, permessage-deflate; server_no_context_takeover"}},
	{"a line of its own that is wrong", []string{"permessage-deflate; unknown", "permessage-deflate; server_no_context_takeover"}},
	{"three that are wrong", []string{"permessage-deflate; a, permessage-deflate; b=c, permessage-deflate; server_max_window_bits, permessage-deflate"}},
}

// others are extensions that nobody has, with names like ours.
var others = [...]string{
	"foo", "permessage-bzip2", "permessage-deflat", "permessage-deflate2", "x-permessage-deflate", "deflate-frame; no_context_takeover",
	`foo; bar="permessage-deflate"`, "permessage", "foo; permessage-deflate",
}

// malformedOffers are against RFC 6455, 9.1.
var malformedOffers = [...]string{
	"permessage-deflate;", "; permessage-deflate", "permessage-deflate;; client_no_context_takeover",
	"permessage-deflate; server_max_window_bits=", "permessage-deflate; =10", `permessage-deflate; server_max_window_bits="10`,
	`permessage-deflate; server_max_window_bits=""`, `permessage-deflate; server_max_window_bits="1 0"`,
	"permessage-deflate client_no_context_takeover", "permessage-deflate; client no context takeover",
	"permessage-deflate; server_max_window_bits=1=0", `"permessage-deflate"`, "permessage/deflate", "permessage-deflate; (comment)",
}

func offerCases() []Case {
	var declined, behind, right, written, unknown, malformed []Case
	server := func(to *[]Case, title string, st ...Step) {
		*to = append(*to, Case{Title: title, Roles: ForServers, Script: st})
	}
	for _, t := range wrongTerms {
		server(&declined, "offered: "+t, declines(deflateName+"; "+t))
	}
	for _, o := range behindWrong {
		server(&behind, "a right offer behind "+o.title, agrees(Informational, "it declines also the right offer", o.values...))
	}
	for _, t := range rightTerms {
		text := strings.TrimSuffix(deflateName+"; "+t, "; ")
		server(&right, "offered: "+text, agrees(Unimplemented, "it does not agree to "+text, text))
	}
	server(&right, "two right offers, in the order of preference", agrees(Unimplemented, "it agrees to neither",
		"permessage-deflate; server_no_context_takeover; client_max_window_bits, permessage-deflate"), preferred())
	for _, o := range writtenOffers {
		server(&written, o.title, agrees(NonStrict, "it does not understand an offer that is written in another way", o.values...))
	}
	server(&written, "the field's name in small letters", agreesTo("sec-websocket-extensions"))
	server(&written, "the field's name in capitals", agreesTo("SEC-WEBSOCKET-EXTENSIONS"))
	for _, o := range others {
		server(&unknown, "offered: "+o, declines(o))
	}
	server(&unknown, "twenty unknown extensions on as many lines", declines(twenty()...))
	for _, o := range malformedOffers {
		server(&malformed, "offered: "+o, refuses(nil, lines(extensionsField, o)))
	}
	const negotiation = "RFC 7692, 5 and 7.1"
	return slices.Concat(
		group("13.20", negotiation, "an offer with an unknown parameter, a wrong value or a parameter twice is declined", declined...),
		group("13.21", negotiation, "each offer is judged by itself", behind...),
		group("13.22", negotiation, "an offer is declined, or agreed to as it is", right...),
		group("13.23", "RFC 6455, 9.1; RFC 9110, 5.3 and 5.6", "an offer may be written in several ways, and unknown extensions are passed over", written...),
		group("13.24", "RFC 6455, 9.1", "an extension that a server does not know is not accepted", unknown...),
		group("13.25", "RFC 6455, 9.1", "who receives malformed extensions fails the connection", malformed...),
	)
}

// preferred notes it if the second of two offers was chosen, of which the first
// rules out context takeover of the server's.
func preferred() Step {
	return do(func(s *session) error {
		if s.agreed != nil && !s.agreed.serverNoContext {
			s.mark(Informational, "it chose the offer that we prefer less")
		}
		return nil
	})
}

// agreesTo is agrees for the plainest offer, in a field of that name.
func agreesTo(name string) Step {
	return asked{
		edits: []edit{lines(name, deflateName)}, refuse: NonStrict, note: "it refuses a right handshake",
		then: script{do(func(s *session) error {
			if s.agreed == nil {
				return &finding{verdict: Unimplemented, note: "it agrees to no compression"}
			}
			return s.play(exchange())
		})},
	}
}

func twenty() []string {
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("unknown-%d; a=%d; b", i, i))
	}
	return all
}
