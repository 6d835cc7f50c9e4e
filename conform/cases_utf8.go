package conform

import (
	"fmt"
	"slices"
	"strings"
)

const (
	specText     = "RFC 6455, 5.6 and 8.1"
	ruleOfText   = "text is UTF-8 as in RFC 3629: valid text is taken, whatever it says"
	ruleOfWrong  = "text that is not valid UTF-8 fails the connection, with 1007"
	ruleOfWhole  = "the message is valid UTF-8 as a whole; a frame may end inside a character"
	ruleOfFaster = ruleOfWrong + "; that it is not valid is known from the first byte on that cannot follow"
)

const (
	// greeting has characters of one to four bytes.
	greeting = "Grüße, κόσμε: 12 € für 3 \U0001d11e und 2 😀!"

	// kosme is how Markus Kuhn's collection of hard cases for decoders begins, which
	// the known suite uses and we do, in its order, in 6.5 to 6.23.
	kosme = "κ\u1f79σμε"
)

// Section 6: text is UTF-8, from the first byte to the last.
func utf8Cases() []Case {
	return slices.Concat(
		utf8Known(),
		utf8Sequences(),
		utf8Table(),
		utf8Ends(),
		utf8Frames(),
		utf8FailFast(),
		utf8Places(),
		utf8Around(),
		utf8Large(),
		utf8AsItIs(),
	)
}

// utf8Known are 6.1 to 6.4, by hand.
func utf8Known() []Case {
	bad := kosme + "\xed\xa0\x80edited"
	all := group("6.1", "RFC 6455, 5.4 and 5.6", "a fragment may be empty, and so may a message",
		Case{Title: "an empty text", Script: script{echo(text(""))}},
		Case{Title: "three empty fragments", Script: script{send(text("").more(), cont("").more(), cont("")), want(text(""))}},
		Case{Title: "text between two empty fragments", Script: script{send(text("").more(), cont(greeting).more(), cont("")), want(text(greeting))}},
	)
	half := strings.Index(greeting, "κ")
	all = append(all, group("6.2", specText, ruleOfWhole,
		Case{Title: "a text in one frame", Script: script{echo(text(greeting))}},
		Case{Title: "two frames, cut between characters", Script: script{send(text(greeting[:half]).more(), cont(greeting[half:])), want(text(greeting))}},
		Case{Title: "frames of one byte", Script: script{send(text(greeting).split(1)...), want(text(greeting))}},
		Case{Title: "frames of one byte, of Greek", Script: script{send(text(kosme).split(1)...), want(text(kosme))}},
		Case{Title: "one frame, octet by octet", Script: script{octetwise(text(greeting)), want(text(greeting))}},
		Case{Title: "frames of one byte, octet by octet", Script: script{octetwise(text(greeting).split(1)...), want(text(greeting))}},
	)...)
	all = append(all, group("6.3", specText, ruleOfWrong,
		Case{Title: "a surrogate, in one frame", Script: script{send(text(bad)), fails(1007)}},
		Case{Title: "a surrogate, in frames of one byte", Script: script{send(text(bad).split(1)...), fails(1007)}},
		Case{Title: "a surrogate, octet by octet", Script: script{octetwise(text(bad)), fails(1007)}},
		Case{Title: "a surrogate, in frames of one byte, octet by octet", Script: script{octetwise(text(bad).split(1)...), fails(1007)}},
	)...)
	const beyond = "\xf4\x90\x80\x80"
	return append(all, group("6.4", specText, ruleOfFaster,
		Case{Title: "good text, then U+110000 in a second frame; a third is withheld",
			Script: script{send(text(kosme).more()), failsFast(1007, cont(beyond).more(), cont("edited"))}},
		Case{Title: "U+110000 cut before its first impossible byte; the last frame is withheld",
			Script: script{send(text(kosme + beyond[:1]).more()), failsFast(1007, cont(beyond[1:2]).more(), cont(beyond[2:]+"edited"))}},
		Case{Title: "one frame: good text, then U+110000; the rest is withheld",
			Script: script{failsInside(text(kosme+beyond+"edited"), len(kosme), len(kosme+beyond))}},
		Case{Title: "one frame: cut before the first impossible byte of U+110000, then that; the rest is withheld",
			Script: script{failsInside(text(kosme+beyond+"edited"), len(kosme)+1, len(kosme)+2)}},
	)...)
}

// failsInside sends a text in one frame: its payload up to each of the offsets in
// a write of its own, and the rest only when the peer does not fail at once.
func failsInside(f frame, offsets ...int) Step {
	return do(func(s *session) error {
		p := s.encode([]frame{f})
		head := len(p) - len(f.payload)
		from := 0
		var first []Step
		for _, at := range offsets {
			q := p[from : head+at]
			first = append(first, do(func(s *session) error { s.write(q); return nil }))
			from = head + at
		}
		s.note(true, fmt.Sprintf("(of which %d bytes are withheld)", len(p)-from))
		rest := do(func(s *session) error {
			s.note(true, "(the rest)")
			s.write(p[from:])
			return nil
		})
		return failsFastStep{failsStep{codes: []int{1007}}, first, []Step{rest}}.run(s)
	})
}

// utf8Ends are 6.29 and 6.30: a message ends inside a character.
func utf8Ends() []Case {
	const rule = "a message that ends inside a character is not valid UTF-8, and the next one does not complete it"
	var cases []Case
	for _, head := range []string{
		"\xc2", "\xdf", "\xe0", "\xe0\xa0", "\xe1\x80", "\xed", "\xed\x9f", "\xef\xbf", "\xf0", "\xf0\x90", "\xf0\x90\x80",
		"\xf1\x80\x80", "\xf4", "\xf4\x8f", "\xf4\x8f\xbf",
	} {
		cases = append(cases, Case{Title: fmt.Sprintf("a text that ends in %x", head), Script: script{send(text("z" + head)), fails(1007)}})
	}
	all := group("6.29", specText, rule, cases...)
	return append(all, group("6.30", specText, rule,
		Case{Title: "the last of two frames ends inside a character", Script: script{send(text("two ").more(), cont("\xe2\x82")), fails(1007)}},
		Case{Title: "the last frame is empty, the one before ended inside a character", Script: script{send(text("two \xe2\x82").more(), cont("")), fails(1007)}},
		Case{Title: "frames of one byte, the last of a character is missing", Script: script{send(text("😀"[:3]).split(1)...), fails(1007)}},
		Case{Title: "the rest of the character comes in a message of its own", Script: script{send(text("two \xe2\x82"), text("\xac")), fails(1007)}},
		Case{Title: "the rest of the character comes in a binary message", Script: script{send(text("two \xe2\x82"), bin([]byte("\xac"))), fails(1007)}},
		Case{Title: "a good text behind one that ends inside a character", Script: script{send(text("two \xe2\x82"), text("good")), fails(1007)}},
		Case{Title: "a message begins with the rest of a character that the one before did not begin",
			Script: script{send(text("two"), text("\x82\xac")), failsBehind(text("two"), 1007)}},
		Case{Title: "a text that ends inside a character, octet by octet", Script: script{octetwise(text("two \xe2\x82")), fails(1007)}},
		Case{Title: "a ping before the empty last frame, while a character is open", Script: script{
			send(text("two \xe2\x82").more(), ping("x")), choose(
				onThis(pong("x"), OK, "", send(cont("")), fails(1007)),
				on(silence, NonStrict, "it answers the ping only when the message has ended", send(cont("")), do(pongThenFails)),
			)}},
	)...)
}

// pongThenFails wants a late pong, or none, and a failed connection.
func pongThenFails(s *session) error {
	ev, err := s.next(s.wait())
	if err == nil && ev.kind == opPong {
		return fails(1007).run(s)
	}
	if err != nil {
		return s.failed("it did not fail the connection within %v", s.wait())
	}
	return failsStep{codes: []int{1007}}.judge(s, ev)
}
