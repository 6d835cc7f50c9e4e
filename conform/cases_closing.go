package conform

import (
	"fmt"
	"strings"
)

// Section 7: closing.
func closings() []Case {
	const (
		answer = "a Close is answered by a Close, as a rule with the same code"
		spec   = "RFC 6455, 5.5.1"
	)
	hello, bye := text("hello"), closing(1000, "")
	big := letters(256 << 10)
	all := group("7.1", spec, "what comes behind a Close is discarded",
		Case{Title: "a message and a Close", Rule: answer, Script: script{send(hello, bye), lastWords(1000, hello)}},
		Case{Title: "two Closes", Script: script{send(bye, bye), closedAnyway(1000)}},
		Case{Title: "a Close, then a ping", Script: script{send(bye, ping("x")), closedAnyway(1000)}},
		Case{Title: "a Close, then a message", Script: script{send(bye, hello), closedAnyway(1000)}},
		Case{Title: "a fragment, a Close, another fragment", Script: script{send(text("he").more(), bye, cont("llo")), closedAnyway(1000)}},
		Case{Title: "a message of 256 KiB, a Close, a ping", Rule: answer, Size: len(big), Script: script{send(text(big), bye, ping("x")), lastWordsThen(closedAnyway(1000), text(big))}},
	)
	all = append(all, group("7.3", spec, answer,
		Case{Title: "a Close without a body", Script: script{send(closing(0, "")), closed(0, 1000)}},
		Case{Title: "a Close with a body of one byte", Rule: "a body begins with a code of two bytes", Script: script{send(closeBody([]byte{3})), fails(1002)}},
		Case{Title: "a Close with a code", Script: script{send(bye), closed(1000)}},
		Case{Title: "a Close with a code and a reason", Script: script{send(closing(1000, "good bye")), closed(1000)}},
		Case{Title: "a Close with a reason of 123 bytes", Script: script{send(closing(1000, letters(123))), closed(1000)}},
		Case{Title: "a Close with a reason of 124 bytes", Spec: "RFC 6455, 5.5", Rule: "a control frame has at most 125 bytes of payload",
			Script: script{send(closing(1000, letters(124))), fails(1002)}},
	)...)
	all = append(all, reasons()...)
	all = append(all, codes()...)
	all = append(all, behindClose()...)
	return append(all, endings()...)
}

// lastWords wants the messages back that came before our Close, then its answer.
// To answer the Close at once and send nothing any more is a peer's right.
func lastWords(code int, messages ...frame) Step { return lastWordsThen(closed(code), messages...) }

func lastWordsThen(end closedStep, messages ...frame) Step {
	return do(func(s *session) error {
		for _, m := range messages {
			ev, err := s.expect(m)
			if err != nil {
				return err
			}
			if ev.kind == opClose {
				s.mark(Informational, "it answers a Close at once, and not what came before it")
			}
			if ev.kind == opClose || ev.kind == ended {
				return end.judge(s, ev)
			}
			if err := s.same(ev, m); err != nil {
				return err
			}
		}
		return end.run(s)
	})
}

// reasons are what may and may not stand behind the code.
func reasons() []Case {
	const (
		spec  = "RFC 6455, 5.5.1 and 8.1"
		wrong = "a reason that is not UTF-8 fails the connection"
	)
	var bad []Case
	for _, r := range []struct{ name, text string }{
		{"surrogates in the middle", "good \xed\xa0\xbd\xed\xb8\x80 bye"},
		{"the byte 0xFF", "\xff"},
		{"a character cut off at the end", "good bye \xe2\x82"},
		{"a lone continuation byte", "\x80"},
		{"an overlong slash", "\xc0\xaf"},
		{"a code point above U+10FFFF", "\xf4\x90\x80\x80"},
		{"a wrong byte as its last of 123", letters(122) + "\xfe"},
		{"a sequence of five bytes", "\xf8\x88\x80\x80\x80"},
	} {
		bad = append(bad, Case{Title: "a reason with " + r.name, Script: script{send(closing(1000, r.text), ping("x")), fails(1007, 1002)}})
	}
	bad = append(bad, Case{Title: "a reason with a wrong byte, octet by octet", Script: script{octetwise(closing(1000, "good \xfe bye")), fails(1007, 1002)}})
	all := group("7.5", spec, wrong, bad...)

	var good []Case
	for _, r := range []struct{ name, text string }{
		{"NUL", "good\x00bye\x00"},
		{"control characters", "\x1b[2J\r\n\t\x07\x7f"},
		{"one, two, three and four byte characters", "eé€𝄞"},
		{"41 characters of three bytes", strings.Repeat("€", 41)},
		{"noncharacters and the last code point", "\ufffe\uffff\U0010ffff\ufeff"},
		{"marks that turn the direction", "\u202egood\u202c"},
	} {
		good = append(good,
			Case{Title: "a reason with " + r.name, Script: script{send(closing(1000, r.text)), closed(1000)}},
			Case{Title: "a reason with " + r.name + ", octet by octet", Script: script{octetwise(closing(1000, r.text)), closed(1000)}},
		)
	}
	return append(all, group("7.6", spec, "a reason is any UTF-8 that fits", good...)...)
}

// codes are the codes that may be in a Close, and those that may not.
func codes() []Case {
	const spec = "RFC 6455, 7.4"
	var good, later, reasoned, bad, strange []Case
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		good = append(good, Case{Title: fmt.Sprintf("a Close with the code %d", code), Script: script{send(closing(code, "")), closed(code)}})
	}
	all := group("7.7", spec, "the codes 1000 to 1003, 1007 to 1011 and 3000 to 4999 are in use", good...)

	for _, code := range []int{1012, 1013, 1014} {
		later = append(later, Case{Title: fmt.Sprintf("a Close with the code %d", code), Script: script{send(closing(code, "")), knownOrNot(code)}})
	}
	all = append(all, group("7.8", "RFC 6455, 11.7, and IANA's registry", "the codes 1012 to 1014 were registered later", later...)...)

	for _, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 1015} {
		bad = append(bad, Case{Title: fmt.Sprintf("a Close with the code %d", code), Script: script{send(closeCode(code, "")), fails(1002)}})
	}
	for _, code := range []int{1, 500, 1999} {
		bad = append(bad, Case{Title: fmt.Sprintf("a Close with the code %d and a reason", code), Script: script{send(closeCode(code, "reason")), fails(1002)}})
	}
	for _, code := range []int{1005, 1006, 1015} {
		bad = append(bad, Case{Title: fmt.Sprintf("a Close with the code %d, octet by octet", code), Script: script{octetwise(closeCode(code, "")), fails(1002)}})
	}
	all = append(all, group("7.9", spec+".1 and 7.4.2", "codes that are not in use, not assigned, or never sent are wrong in a Close", bad...)...)

	for _, code := range []int{1000, 1011, 3000, 4999} {
		reasoned = append(reasoned, Case{Title: fmt.Sprintf("a Close with the code %d and a reason", code),
			Script: script{send(closing(code, "for a reason")), closed(code)}})
	}
	all = append(all, group("7.10", "RFC 6455, 5.5.1", "a Close is answered by a Close, as a rule with the same code", reasoned...)...)

	for _, code := range []int{5000, 65535} {
		strange = append(strange, Case{Title: fmt.Sprintf("a Close with the code %d", code), Script: script{send(closeCode(code, "")), failsOrTakes(code)}})
	}
	return append(all, group("7.13", spec+".2", "the RFC does not say what the codes from 5000 on are", strange...)...)
}

// knownOrNot is closed for a code that the RFC does not know yet: to refuse it as
// unknown is right as well.
func knownOrNot(code int) Step {
	return do(func(s *session) error {
		ev, err := s.expect(closing(code, ""))
		if err != nil {
			return err
		}
		if ev.code == 1002 {
			s.mark(Informational, "it does not know the codes that were registered after the RFC")
			return failsStep{codes: []int{1002}}.judge(s, ev)
		}
		return closed(code).judge(s, ev)
	})
}

// closeCode is a Close with any code, 0 included.
func closeCode(code int, reason string) frame {
	return closeBody(append([]byte{byte(code >> 8), byte(code)}, reason...))
}

// failsOrTakes wants a Close with a code that the RFC says nothing of to be refused,
// or to be taken as any other.
func failsOrTakes(code int) Step {
	return do(func(s *session) error {
		ev, err := s.next(s.wait())
		echoed := err != nil && s.code == code
		switch {
		case err == errSilence:
			return s.failed("it did not answer a Close with the code %d within %v", code, s.wait())
		case err != nil && !echoed:
			return err
		case echoed || ev.kind == opClose && ev.code != 1002:
			s.mark(Informational, fmt.Sprintf("it takes the code %d, of which the RFC says nothing", code))
			s.gone()
			return nil
		}
		return failsStep{codes: []int{1002}}.judge(s, ev)
	})
}

// behindClose is what a Close has in front of it and behind it, and how it is cut.
func behindClose() []Case {
	const spec = "RFC 6455, 5.5.1 and 1.4"
	hello, bye := text("hello"), closing(1000, "")
	var ten, noise []frame
	for i := range 10 {
		ten = append(ten, text(fmt.Sprintf("message %d", i)))
	}
	for range 4 {
		noise = append(noise, bin(octets(65536)))
	}
	all := group("7.14", spec, "what comes behind a Close is discarded",
		Case{Title: "a Close, then text, a ping and binary, a frame per write", Script: script{perFrame(bye, hello, ping("x"), bin([]byte{0})), closedAnyway(1000)}},
		Case{Title: "a Close, then a frame of a reserved opcode", Script: script{send(bye, op(3, "x")), closedAnyway(1000)}},
		Case{Title: "a Close, then bytes that are no frames", Script: script{send(bye, rawBytes([]byte("GET / HTTP/1.1\r\n\r\n"))), closedAnyway(1000)}},
		Case{Title: "a Close, then text that is not UTF-8", Script: script{send(bye, text("\xff")), closedAnyway(1000)}},
		Case{Title: "a Close with 1000, then one with 1001", Script: script{send(bye, closing(1001, "")), closedAnyway(1000)}},
		Case{Title: "a Close, then one with a wrong code", Script: script{send(closing(3000, ""), closeCode(999, "")), closedAnyway(3000)}},
		Case{Title: "two Closes, octet by octet", Script: script{octetwise(bye, bye), closedAnyway(1000)}},
		Case{Title: "a Close, then half a frame", Script: script{send(bye, bin(nil).claims(100)), closedAnyway(1000)}},
		Case{Title: "a Close, then 256 KiB", Rule: "a Close is answered also when more comes behind it", Script: script{send(bye), send(noise...), closedAnyway(1000)}},
	)
	all = append(all, group("7.15", spec, "what came before a Close is not discarded",
		Case{Title: "ten messages and a Close in one write", Script: script{send(append(ten, bye)...), lastWords(1000, ten...)}},
		Case{Title: "ten messages and a Close, a frame per write", Script: script{perFrame(append(ten, bye)...), lastWords(1000, ten...)}},
		Case{Title: "a message and a Close, octet by octet", Script: script{octetwise(hello, bye), lastWords(1000, hello)}},
		Case{Title: "a message in fragments and a Close", Script: script{send(text("he").more(), cont("llo"), bye), lastWords(1000, hello)}},
		Case{Title: "a message and a Close with 4000", Script: script{send(hello, closing(4000, "")), lastWords(4000, hello)}},
	)...)
	all = append(all, group("7.16", "RFC 6455, 5.4 and 5.5.1", "a Close may come in the middle of a fragmented message, which then has no end",
		Case{Title: "a fragment and a Close", Script: script{send(text("he").more(), bye), closed(1000)}},
		Case{Title: "a fragment that is half a character, and a Close", Script: script{send(text("\xe2").more(), bye), closed(1000)}},
		Case{Title: "an empty fragment and a Close", Script: script{send(bin(nil).more(), bye), closed(1000)}},
		Case{Title: "a fragment and a Close, octet by octet", Script: script{octetwise(text("he").more(), bye), closed(1000)}},
		Case{Title: "a message, three fragments and a Close", Script: script{
			send(hello, text("a").more(), cont("b").more(), cont("c").more(), bye), lastWords(1000, hello)}},
		Case{Title: "four fragments of 16 KiB and a Close", Size: 65536, Script: script{
			send(append(bin(octets(65536)).more().split(16384), closing(1001, ""))...), closed(1001)}},
	)...)

	var cut []Case
	longest := closing(1000, letters(123))
	for _, c := range []struct {
		n int
		frame
		title string
	}{
		{1, bye, "a Close with a code"}, {1, closing(0, ""), "a Close without a body"}, {1, longest, "a Close with 123 bytes of reason"},
		{3, longest, "a Close with 123 bytes of reason"}, {7, longest, "a Close with 123 bytes of reason"}, {100, longest, "a Close with 123 bytes of reason"},
	} {
		step := closed(1000)
		if len(c.payload) == 0 {
			step = closed(0, 1000)
		}
		cut = append(cut, Case{Title: fmt.Sprintf("%s in writes of %d", c.title, c.n), Script: script{chop(c.n, c.frame), step}})
	}
	return append(all, group("7.17", "RFC 6455, 5.2 and 5.5.1", "TCP is a stream: how it is cut into segments means nothing", cut...)...)
}

// endings are about the connection below: who ends it, when, and what if it ends
// at a bad time.
func endings() []Case {
	bye, wrong := closing(1000, ""), op(3, "")
	all := group("7.18", "RFC 6455, 5.1", "a Close has to be masked as every other frame",
		Case{Title: "a Close that is not masked", Roles: ForServers, Script: script{send(bye.unmasked()), drops()}},
		Case{Title: "a Close with a reason that is not masked, behind a message", Roles: ForServers,
			Script: script{send(text("good"), closing(1000, "bye").unmasked()), dropsBehind(text("good"))}},
		Case{Title: "a Close that is masked", Roles: ForClients, Script: script{send(bye.masked()), drops()}},
		Case{Title: "a Close with a reason that is masked, behind a message", Roles: ForClients,
			Script: script{send(text("good"), closing(1000, "bye").masked()), dropsBehind(text("good"))}},
	)
	all = append(all, group("7.19", "RFC 6455, 7.1.2 and 7.1.7", "if both close at the same time, each sends one Close",
		Case{Title: "a wrong frame and a Close in one write", Script: script{send(wrong, bye), fails(1002)}},
		Case{Title: "a wrong frame and a Close, a frame per write", Script: script{perFrame(wrong, bye), fails(1002)}},
		Case{Title: "a wrong frame, a Close and another one, octet by octet", Script: script{octetwise(wrong, bye, bye), fails(1002)}},
		Case{Title: "a wrong frame within a message, a Close", Script: script{send(text("a").more(), text("b"), bye), fails(1002)}},
		Case{Title: "two wrong frames", Script: script{send(wrong, ping("x").more()), fails(1002)}},
		Case{Title: "a Close with a wrong code, then a right one", Script: script{send(closeCode(1005, ""), bye), fails(1002)}},
	)...)

	anyEnd := choose(on(ended, OK, ""), onClose(OK, ""))
	gone := do(func(s *session) error { s.gone(); return nil })
	all = append(all, group("7.20", "RFC 6455, 7.1.1", "the server ends the TCP connection at once, the client waits for that",
		Case{Title: "a Close, and how soon the TCP connection ends", Roles: ForServers,
			Script: script{send(bye), choose(
				on(opClose, OK, "", choose(
					on(ended, OK, ""),
					on(silence, NonStrict, "the server leaves it to the client to end the TCP connection", gone),
				)),
			)}},
		Case{Title: "a Close, and whether the client waits for the end of the TCP connection", Roles: ForClients,
			Script: script{send(bye), choose(
				on(opClose, OK, "", choose(
					on(silence, OK, "", gone),
					on(ended, NonStrict, "the client ended the TCP connection before the server did"),
				)),
			)}},
		Case{Title: "a wrong frame, and no answer to the Close that it brings", Roles: ForServers,
			Spec: "RFC 6455, 7.1.7", Rule: "who fails the connection ends it without waiting for a Close",
			Script: script{send(wrong), choose(
				on(ended, NonStrict, "it ended the stream without a Close"),
				on(opClose, OK, "", choose(
					on(ended, OK, ""),
					on(silence, NonStrict, "it fails the connection, but waits for our Close", gone),
				)),
			)}},
		Case{Title: "a Close and the end of our half of the TCP connection", Rule: "a Close is answered by a Close", Spec: "RFC 6455, 5.5.1",
			Script: script{send(bye), shut(), choose(
				onClose(OK, "", 1000),
				onClose(NonStrict, "it answered with another code"),
				on(ended, NonStrict, "it did not answer our Close when our half of the TCP connection had ended"),
			)}},
	)...)
	return append(all, group("7.21", "RFC 6455, 7.1.5 and 7.3", "the TCP connection may end without a Close, and then it has ended",
		Case{Title: "the end of our half of the TCP connection instead of a frame", Script: script{shut(), anyEnd}},
		Case{Title: "the end behind a message and its echo", Script: script{echo(text("hello")), shut(), anyEnd}},
		Case{Title: "the end in the middle of a fragmented message", Script: script{send(text("he").more()), shut(), anyEnd}},
		Case{Title: "the end in the middle of a frame", Script: script{send(bin([]byte("x")).claims(100)), shut(), anyEnd}},
		Case{Title: "the end in the middle of a header", Script: script{send(rawBytes([]byte{0x82})), shut(), anyEnd}},
		Case{Title: "the end in the middle of a Close", Script: script{send(rawBytes([]byte{0x88})), shut(), anyEnd}},
	)...)
}
