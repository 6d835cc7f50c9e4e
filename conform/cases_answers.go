package conform

import (
	"fmt"
	"slices"
	"strings"
)

// How clients take the answers to their offers.

// wrongAnswers are wrong whatever was offered. RFC 7692, 7.1: a parameter that is
// unknown, twice, or of a wrong value. RFC 6455, 4.1 and 9.1: an extension that
// was not offered, or twice; malformed.
var wrongAnswers = [...]offer{
	{"an unknown parameter", []string{"permessage-deflate; unknown"}},
	{"an unknown parameter with a value", []string{"permessage-deflate; unknown=1"}},
	{"server_no_context_takeover with a value", []string{"permessage-deflate; server_no_context_takeover=1"}},
	{"client_no_context_takeover with a value", []string{"permessage-deflate; client_no_context_takeover=true"}},
	{"server_max_window_bits without a value", []string{"permessage-deflate; server_max_window_bits"}},
	{"server_max_window_bits=7", []string{"permessage-deflate; server_max_window_bits=7"}},
	{"server_max_window_bits=16", []string{"permessage-deflate; server_max_window_bits=16"}},
	{"server_max_window_bits=0", []string{"permessage-deflate; server_max_window_bits=0"}},
	{"server_max_window_bits=08", []string{"permessage-deflate; server_max_window_bits=08"}},
	{"server_max_window_bits=-8", []string{"permessage-deflate; server_max_window_bits=-8"}},
	{"server_max_window_bits=8.0", []string{"permessage-deflate; server_max_window_bits=8.0"}},
	{"server_max_window_bits=eight", []string{"permessage-deflate; server_max_window_bits=eight"}},
	{"server_max_window_bits=4294967304", []string{"permessage-deflate; server_max_window_bits=4294967304"}},
	{"client_max_window_bits without a value", []string{"permessage-deflate; client_max_window_bits"}},
	{"client_max_window_bits=7", []string{"permessage-deflate; client_max_window_bits=7"}},
	{"client_max_window_bits=16", []string{"permessage-deflate; client_max_window_bits=16"}},
	{"client_max_window_bits=1000", []string{"permessage-deflate; client_max_window_bits=1000"}},
	{"client_max_window_bits=08", []string{"permessage-deflate; client_max_window_bits=08"}},
	{"client_max_window_bits=ten", []string{"permessage-deflate; client_max_window_bits=ten"}},
	{"server_no_context_takeover twice", []string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}},
	{"client_no_context_takeover twice", []string{"permessage-deflate; client_no_context_takeover; client_no_context_takeover"}},
	{"server_max_window_bits twice", []string{"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"}},
	{"client_max_window_bits twice", []string{"permessage-deflate; client_max_window_bits=9; client_max_window_bits=10"}},
	{"the extension twice", []string{"permessage-deflate, permessage-deflate"}},
	{"the extension on two lines", []string{"permessage-deflate", "permessage-deflate"}},
	{"an extension that nobody offers", []string{"foo"}},
	{"an extension that nobody offers behind ours", []string{"permessage-deflate, foo"}},
	{"an extension that nobody offers in front of ours", []string{"foo; bar=1, permessage-deflate"}},
	{"an extension that nobody offers on a line of its own", []string{"permessage-deflate", "foo"}},
	{"an extension with a name like ours", []string{"x-webkit-deflate-frame"}},
	{"an extension with nearly our name", []string{"permessage-deflate2"}},
	{"malformed: a semicolon at the end", []string{"permessage-deflate;"}},
	{"malformed: a parameter without a name", []string{"permessage-deflate; =9"}},
	{"malformed: a parameter with an empty value", []string{"permessage-deflate; server_max_window_bits="}},
	{"malformed: a quote that does not end", []string{`permessage-deflate; server_max_window_bits="9`}},
	{"malformed: no semicolon", []string{"permessage-deflate server_no_context_takeover"}},
	{"malformed: the extension in quotes", []string{`"permessage-deflate"`}},
}

// unfitting answers a client with what does not fit its offer; why says that none
// can be made of this offer.
func unfitting(answer func(offers []terms) (reply, why string)) Step {
	return requests(func(s *session, r *request) error {
		reply, why := answer(rightOffers(strings.Join(r.values(extensionsField), ", ")))
		if why == "" {
			return rejects(lines(extensionsField, reply)).run(s)
		}
		s.mark(Informational, why)
		return s.play(script{opens(), echo(text("hello"))})
	})
}

// answers gives a client this answer, which is right, and makes use of what is
// agreed by it. Where the client's offer asks for more it is added. One that does
// not take it gets the verdict.
func answers(v Verdict, values ...string) Step {
	return requests(func(s *session, r *request) error {
		offers := strings.Join(r.values(extensionsField), ", ")
		values := append([]string(nil), values...)
		if right := rightOffers(offers); len(right) > 0 {
			for _, p := range strings.Split(right[0].String(), "; ")[1:] {
				name, _, _ := strings.Cut(p, "=")
				if name[0] == 's' && !strings.Contains(strings.Join(values, ", "), name) {
					at := strings.LastIndex(values[len(values)-1], deflateName) + len(deflateName)
					last := values[len(values)-1]
					values[len(values)-1] = last[:at] + "; " + p + last[at:]
				}
			}
		}
		a, err := agree(strings.Join(values, ", "), offers)
		if err != nil {
			if err := s.play(script{opens(), end{}}); err != nil {
				return err
			}
			return &finding{verdict: Unimplemented, note: "its offer is not one for this answer: " + err.Error()}
		}
		s.agreed = a
		return s.play(script{
			opens(lines(extensionsField, values...)), send(ping("hello")),
			choose(
				onThis(pong("hello"), OK, "", exchange()...),
				on(ended, v, "it does not take a right answer"),
				onClose(v, "it does not take a right answer"),
			),
		})
	})
}

// rightAnswers are those that a client has to take.
var rightAnswers = [...]offer{
	{"server_no_context_takeover, asked for or not", []string{"permessage-deflate; server_no_context_takeover"}},
	{"client_no_context_takeover, asked for or not", []string{"permessage-deflate; client_no_context_takeover"}},
	{"no context takeover at all", []string{"permessage-deflate; client_no_context_takeover; server_no_context_takeover"}},
	{"server_max_window_bits=8, asked for or not", []string{"permessage-deflate; server_max_window_bits=8"}},
	{"server_max_window_bits=9, asked for or not", []string{"permessage-deflate; server_max_window_bits=9"}},
	{"server_max_window_bits=15, asked for or not", []string{"permessage-deflate; server_max_window_bits=15"}},
	{"client_max_window_bits=8", []string{"permessage-deflate; client_max_window_bits=8"}},
	{"client_max_window_bits=9", []string{"permessage-deflate; client_max_window_bits=9"}},
	{"client_max_window_bits=15", []string{"permessage-deflate; client_max_window_bits=15"}},
	{"all four parameters", []string{"permessage-deflate; client_max_window_bits=10; server_no_context_takeover; server_max_window_bits=9; client_no_context_takeover"}},
	{"a value in quotes", []string{`permessage-deflate; server_max_window_bits="9"`}},
	{"no spaces", []string{"permessage-deflate;client_no_context_takeover;server_no_context_takeover"}},
	{"spaces and tabs", []string{" permessage-deflate\t ; \tclient_no_context_takeover ;   server_no_context_takeover "}},
}

func answerCases() []Case {
	var wrong, unfit, right []Case
	client := func(to *[]Case, title string, st ...Step) {
		*to = append(*to, Case{Title: title, Roles: ForClients, Script: st})
	}
	for _, o := range wrongAnswers {
		client(&wrong, "answered: "+o.title, rejects(lines(extensionsField, o.values...)))
	}
	client(&unfit, "compression, to a client that does not offer any", unfitting(func(offers []terms) (string, string) {
		if len(offers) > 0 {
			return "", "it offers compression, as it may"
		}
		return deflateName, ""
	}))
	client(&unfit, "client_max_window_bits, to a client that does not offer it", unfitting(func(offers []terms) (string, string) {
		for _, o := range offers {
			if o.hasClientBits {
				return "", "it offers client_max_window_bits, as it may"
			}
		}
		return deflateName + "; client_max_window_bits=10; server_no_context_takeover; server_max_window_bits=8", ""
	}))
	client(&unfit, "server_max_window_bits larger than the client asks for", unfitting(func(offers []terms) (string, string) {
		most := 0
		for _, o := range offers {
			if o.serverBits == 0 || o.serverBits == 15 {
				return "", "it does not ask for a smaller window"
			}
			most = max(most, o.serverBits)
		}
		return fmt.Sprintf("%s; server_no_context_takeover; server_max_window_bits=%d", deflateName, most+1), ""
	}))
	client(&unfit, "no server_max_window_bits, to a client that asks for it", unfitting(func(offers []terms) (string, string) {
		for _, o := range offers {
			if o.serverBits == 0 {
				return "", "it does not ask for a smaller window"
			}
		}
		return deflateName + "; server_no_context_takeover", ""
	}))
	client(&unfit, "no server_no_context_takeover, to a client that asks for it", unfitting(func(offers []terms) (string, string) {
		for _, o := range offers {
			if !o.serverNoContext {
				return "", "it does not rule out context takeover of the server's"
			}
		}
		return deflateName + "; server_max_window_bits=8", ""
	}))
	client(&right, "no extension", opens(), echo(text("hello"), text(strings.Repeat("not compressed ", 100))))
	for _, o := range rightAnswers {
		// A client that does not support what is answered must not go on (RFC 7692,
		// 7.1); that it supports all of it is said nowhere.
		client(&right, "answered: "+o.title, answers(NonStrict, o.values...))
	}
	client(&right, "answered: empty members around it", answers(Failed, ", permessage-deflate ,")) // RFC 9110, 5.6.1.2: MUST
	return slices.Concat(
		group("13.30", "RFC 7692, 7.1; RFC 6455, 4.1 and 9.1", "a client fails the connection on an answer that is wrong", wrong...),
		group("13.31", "RFC 7692, 7.1; RFC 6455, 4.1", "a client fails the connection on an answer that does not fit its offer", unfit...),
		group("13.32", "RFC 7692, 7.1", "a client takes an answer that fits its offer", right...),
	)
}
