package conform

import (
	"fmt"
	"slices"
	"strings"
)

// Section 13: the parameters of permessage-deflate. Groups 1 to 7 are those of
// the known suite, with its sizes; 8 to 13 are more sets; then it is looked at
// whether they are obeyed, and how they are negotiated.

// A mirrored pair is what is offered to servers, and its mirror image that clients get.
type mirrored struct{ offer, answer string }

func (p mirrored) deflate() *Deflate {
	full := func(list string) string {
		var all []string
		for m := range strings.SplitSeq(list, ",") {
			all = append(all, strings.TrimSuffix(deflateName+"; "+strings.TrimSpace(m), "; "))
		}
		return strings.Join(all, ", ")
	}
	return &Deflate{Offer: full(p.offer), Answer: full(p.answer)}
}

// sets are groups 1 to 13.
var sets = [...]mirrored{
	{"", ""},
	{"server_no_context_takeover", "client_no_context_takeover"},
	{"server_max_window_bits=9", "client_max_window_bits=9"},
	{"server_max_window_bits=15", "client_max_window_bits=15"},
	{"server_no_context_takeover; server_max_window_bits=9", "client_no_context_takeover; client_max_window_bits=9"},
	{"server_no_context_takeover; server_max_window_bits=15", "client_no_context_takeover; client_max_window_bits=15"},
	{"server_no_context_takeover; server_max_window_bits=9, server_no_context_takeover, ",
		"client_no_context_takeover; client_max_window_bits=9, client_no_context_takeover, "},
	{"client_no_context_takeover", "server_no_context_takeover"},
	{"server_no_context_takeover; client_no_context_takeover", "server_no_context_takeover; client_no_context_takeover"},
	{"client_max_window_bits=9", "server_max_window_bits=9"},
	{"client_max_window_bits", "server_max_window_bits=15"},
	{"server_max_window_bits=10; client_max_window_bits=10", "server_max_window_bits=10; client_max_window_bits=10"},
	{"server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=8",
		"server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=8"},
}

func compressedParameters() []Case {
	var all []Case
	for i, p := range sets {
		c, of := objects, slices.Clone(loads[:])
		for j := range of {
			of[j].count = min(of[j].count, 250) // many small ones were in section 12
		}
		if i >= 7 {
			c, of = []*corpus{prose, markup, sparse}[i%3], []load{
				{64, 300, 0}, {1 << 10, 64, 0}, {8 << 10, 8, 0}, {8 << 10, 4, 256}, {128 << 10, 1, 0}, {128 << 10, 1, 4 << 10}}
		}
		d := p.deflate()
		all = append(all, payloadCases(fmt.Sprintf("13.%d", i+1), c, d, fmt.Sprintf("; %s or %s", d.Offer, d.Answer), of)...)
	}
	return slices.Concat(all, windowCases(), noContextCases(), contextCases(), offerCases(), answerCases())
}

// windowCases: the peer's distances, and ours as far as they may be.
func windowCases() []Case {
	var theirs, ours, back []Case
	for bits := 8; bits <= 15; bits++ {
		w := 1 << bits
		if bits < 15 { // nobody can go beyond the largest
			d := mirrored{fmt.Sprintf("server_max_window_bits=%d", bits), fmt.Sprintf("client_max_window_bits=%d", bits)}.deflate()
			theirs = append(theirs, Case{
				Title: fmt.Sprintf("a message that repeats itself only beyond %d bytes", w), Deflate: d,
				Script: script{later(func() []Step {
					m := letters(w + w/2)
					return script{echo(text(m + m).deflated())}
				})},
			}, Case{
				Title: fmt.Sprintf("messages that repeat others only beyond %d bytes", w), Deflate: d,
				Script: script{later(func() []Step {
					m := letters(w + w/2)
					m, n := m[:w*3/4], m[w*3/4:]
					return script{echo(text(m).deflated()), echo(text(n).deflated()), echo(text(m).deflated()), echo(text(n).deflated())}
				})},
			})
		}
		d := mirrored{fmt.Sprintf("client_max_window_bits=%d", bits), fmt.Sprintf("server_max_window_bits=%d", bits)}.deflate()
		ours = append(ours, Case{
			Title: fmt.Sprintf("a message with a distance of %d bytes", w), Deflate: d,
			Script: script{inWindow(func(w int) []Step {
				m := letters(w)
				return script{send(packedText(blocks().stored(m).fixed().copy(258, w).copy(3, w).stop().tail())), want(text(copied(copied(m, 258, w), 3, w)))}
			})},
		})
		back = append(back, Case{
			Title: fmt.Sprintf("a message with a distance of %d bytes into the one before", w), Deflate: d,
			Script: script{refersBack(), inWindow(func(w int) []Step {
				m := letters(w)
				return script{
					send(packedText(blocks().stored(m).tail())), want(text(m)),
					send(packedText(blocks().fixed().copy(200, w).stop().tail())), want(text(m[:200])),
				}
			})},
		})
	}
	const all = "all of the window that was agreed may be made use of"
	return slices.Concat(
		group("13.14", "RFC 7692, 7.1.2", "a peer whose window is limited does not refer back further, whatever would be there", theirs...),
		group("13.15", "RFC 7692, 7.1.2 and 7.2.2", all, ours...),
		group("13.16", "RFC 7692, 7.1.2 and 7.2.2", all, back...))
}

// copied is s and n bytes more, each that which stands dist bytes before it.
func copied(s string, n, dist int) string {
	p := []byte(s)
	for range n {
		p = append(p, p[len(p)-dist])
	}
	return string(p)
}

// inWindow makes steps for the size of our window, as it was agreed.
func inWindow(steps func(w int) []Step) Step {
	return do(func(s *session) error {
		if s.agreed == nil {
			return &finding{verdict: Unimplemented, note: "compression was not agreed"}
		}
		bits, _ := s.ours()
		return s.play(steps(1 << bits))
	})
}

// refersBack ends the script where our messages may not refer back to earlier
// ones.
func refersBack() Step {
	return do(func(s *session) error {
		if _, context := s.ours(); !context {
			return &finding{verdict: Unimplemented, note: "it lets us refer back to no earlier messages"}
		}
		return nil
	})
}

// noContextCases: the peer agreed to refer back to none of its earlier messages.
// Ours are random, and the same again: whoever could would refer back.
func noContextCases() []Case {
	m := letters(3000)
	again := func(between ...frame) []Step {
		var st []Step
		for range 4 {
			st = append(st, echo(text(m).deflated()))
			if between != nil {
				st = append(st, echo(between...))
			}
		}
		return st
	}
	cases := []Case{
		{Title: "the same message again and again", Script: again()},
		{Title: "the same message in frames", Script: script{
			echo(text(m).deflated().split(500)...), echo(text(m).deflated().split(300)...), echo(text(m).deflated()),
		}},
		{Title: "the same message, and a short one between", Script: again(text("*"))},
		{Title: "the same message, and an empty one between", Script: again(text("").deflated())},
		{Title: "the same message with a ping between", Script: script{
			echo(text(m).deflated()), send(ping("x")), want(pong("x")), echo(text(m).deflated()),
		}},
		{Title: "the same bytes as text and as binary", Script: script{
			echo(text(m).deflated()), echo(bin([]byte(m)).deflated()), echo(text(m).deflated()),
		}},
		{Title: "the same message compressed and uncompressed", Script: script{
			echo(text(m).deflated()), echo(text(m)), echo(text(m)), echo(text(m).deflated()),
		}},
		{Title: "the same messages, many under way", Script: script{
			echo(text(m).deflated(), text(m).deflated(), text(m).deflated(), text(m).deflated(), text(m).deflated()),
		}},
		{Title: "the end of a long message again", Script: script{later(func() []Step {
			m := letters(60_000)
			return script{echo(text(m).deflated()), echo(text(m[50_000:]).deflated())}
		})}},
	}
	for i := range cases {
		cases[i].Deflate = sets[1].deflate()
	}
	return group("13.17", "RFC 7692, 7.1.1", "a peer without context takeover does not refer back to earlier messages", cases...)
}

// contextCases: our messages refer back to earlier ones, as was agreed. The window
// holds what compressed messages held, and nothing else.
func contextCases() []Case {
	first := func(s string) frame { return packedText(blocks().stored(s).tail()) }
	back := func(n, dist int) frame { return packedText(blocks().fixed().copy(n, dist).stop().tail()) }
	m := letters(200)
	cases := []Case{
		{Title: "the example of the RFC", Script: script{refersBack(),
			send(packedText([]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00})), want(text("Hello")),
			send(packedText([]byte{0xf2, 0x00, 0x11, 0x00, 0x00})), want(text("Hello")),
		}},
		{Title: "a message is nothing but a part of the one before", Script: script{refersBack(),
			send(first(m), back(100, 150)), want(text(m), text(m[50:150])),
		}},
		{Title: "an uncompressed message between", Script: script{refersBack(),
			send(first(m), text("this is in no window"), back(100, 150)), want(text(m), text("this is in no window"), text(m[50:150])),
		}},
		{Title: "an empty message between", Script: script{refersBack(),
			send(first(m), packedText([]byte{0}), back(100, 150)), want(text(m), text(""), text(m[50:150])),
		}},
		{Title: "a ping and a pong between", Script: script{refersBack(),
			send(first(m)), want(text(m)), send(ping("x"), pong("y")), want(pong("x")), send(back(100, 150)), want(text(m[50:150])),
		}},
		{Title: "the message before ends in a final block", Script: script{refersBack(),
			send(packedText(blocks().final().fixed().lits(m).stop().align().tail()), back(100, 150)), want(text(m)),
			mayFail(text(m[50:150]), "it forgets what was before a final block"),
		}},
		{Title: "the message before in many frames", Script: script{refersBack(),
			send(first(m).split(7)...), want(text(m)), send(back(100, 150)), want(text(m[50:150])),
		}},
		{Title: "a message repeats the last bytes of the one before over its own beginning", Script: script{refersBack(),
			send(first("abcde"), back(12, 5)), want(text("abcde"), text("abcdeabcdeab")),
		}},
		{Title: "text refers back to binary", Script: script{refersBack(),
			send(packedBin(blocks().stored("\xff"+m).tail()), back(100, 150)), want(bin([]byte("\xff"+m)), text(m[50:150])),
		}},
		{Title: "a message that is longer than the window", Script: script{refersBack(), inWindow(func(w int) []Step {
			m := letters(w + w/2)
			b := blocks()
			for p := m; p != ""; {
				n := min(len(p), 20_000)
				b.stored(p[:n])
				p = p[n:]
			}
			return script{send(packedText(b.tail()), back(200, w)), want(text(m), text(m[w/2:][:200]))}
		})}},
		{Title: "many messages fill the window", Script: script{refersBack(), inWindow(func(w int) []Step {
			var st []Step
			all, n := letters(w+w/2), w/16
			for i := 0; i < len(all); i += n {
				st = append(st, send(first(all[i:i+n])), want(text(all[i:i+n])))
			}
			return append(st, send(back(200, w)), want(text(all[w/2:][:200])))
		})}},
		{Title: "each of many messages refers to the one before", Script: script{refersBack(), do(func(s *session) error {
			st := script{send(first(m)), want(text(m))}
			for range 300 {
				st = append(st, send(back(200, 200)), want(text(m)))
			}
			return s.play(st)
		})}},
		{Title: "the same message, packed as well as can be, many times", Script: script{refersBack(), do(func(s *session) error {
			var st []Step
			for i := range 40 {
				st = append(st, echo(objects.message(700, uint64(i/10)).deflated()))
			}
			return s.play(st)
		})}},
	}
	for i := range cases {
		cases[i].Deflate = plainly
	}
	return group("13.18", "RFC 7692, 7.1.1 and 7.2.2",
		"where context takeover was not ruled out, a message may refer back to compressed messages before it", cases...)
}
