package conform

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// utf8Frames are 6.31 to 6.34: frames that end inside a character.
func utf8Frames() []Case {
	var cut []Case
	for _, c := range []string{"é", "€", "😀"} {
		m := text("<" + c + ">")
		for i := 1; i < len(c); i++ {
			cut = append(cut, Case{Title: fmt.Sprintf("a character of %d bytes, cut behind %d", len(c), i), Script: script{
				send(text("<"+c[:i]).more(), cont(c[i:]+">")), want(m)}})
		}
		cut = append(cut, Case{Title: fmt.Sprintf("a character of %d bytes in frames of its own, of one byte", len(c)), Script: script{
			send(text(c).split(1)...), want(text(c))}})
	}
	all := group("6.31", specText, ruleOfWhole, cut...)

	var scripts []Case
	for _, l := range languages {
		m := text(strings.Join(l.words, " "))
		scripts = append(scripts, Case{Title: l.script + ": in one frame, in frames of one byte, octet by octet", Script: script{
			echo(m), send(m.split(1)...), want(m), octetwise(m), want(m), octetwise(m.split(2)...), want(m)}})
	}
	all = append(all, group("6.32", specText, ruleOfWhole, scripts...)...)

	smile := text("😀").split(1)
	one, two, three, four := smile[0], smile[1], smile[2], smile[3]
	none := cont("").more()
	all = append(all, group("6.33", "RFC 6455, 5.4 and 5.6", "what comes between the frames of a character does not belong to it",
		Case{Title: "a ping behind each byte", Script: script{
			send(one, ping("1"), two, ping("2"), three, ping("3"), four), do(smileAndPongs("1", "2", "3"))}},
		Case{Title: "a ping behind each byte, octet by octet", Script: script{
			octetwise(one, ping("1"), two, ping("2"), three, ping("3"), four), do(smileAndPongs("1", "2", "3"))}},
		Case{Title: "a ping that is not UTF-8", Script: script{send(one, two, ping("\xff\xc0"), three, four), do(smileAndPongs("\xff\xc0"))}},
		Case{Title: "a ping that would go on with the character wrongly", Script: script{send(one, ping("x"), two, three, four), do(smileAndPongs("x"))}},
		Case{Title: "a ping that would end the character", Script: script{send(one, ping("\x9f\x98\x80"), two, three, four), do(smileAndPongs("\x9f\x98\x80"))}},
		Case{Title: "pongs that nobody asked for", Script: script{send(one, pong("\xff"), two, pong(""), three, pong("x"), four), want(text("😀"))}},
		Case{Title: "an empty frame behind each byte", Script: script{send(one, none, two, none, three, none, four), want(text("😀"))}},
		Case{Title: "many empty frames behind each byte", Script: script{
			send(one, none, none, none, none, none, none, two, none, none, none, none, none, none, three, none, none, none, four), want(text("😀"))}},
		Case{Title: "empty frames around the character", Script: script{
			send(text("").more(), none, cont("😀").more(), none, cont("")), want(text("😀"))}},
		Case{Title: "a Close inside a character", Rule: "a Close may end the connection in the middle of a message, which is then given up",
			Script: script{send(one, two, closing(1000, "")), closed(1000)}},
	)...)

	var waits []Case
	for _, c := range []string{"\u0080", "\u0800", "\ud7ff", "\uffff", "\U00010000", "\U000fffff", "\U0010ffff"} {
		for i := 1; i < len(c); i++ {
			waits = append(waits, Case{Title: fmt.Sprintf("%x, and the rest when a ping was answered", c[:i]), Script: script{
				send(text(c[:i]).more(), ping("x")), answered("x", cont(c[i:]), text(c))}})
		}
	}
	return append(all, group("6.34", specText, ruleOfWhole+": what can still become valid is not wrong", waits...)...)
}

// smileAndPongs wants a smile, and the pongs that came meanwhile: the newest one at
// least.
func smileAndPongs(pings ...string) func(s *session) error {
	return func(s *session) error {
		came, smiled := "", false
		for newest := pings[len(pings)-1]; !smiled || came != newest; {
			ev, err := s.expect(text("😀"))
			switch {
			case err != nil:
				return err
			case ev.kind == opPong:
				came = string(ev.payload)
			case smiled:
				return s.failed("wanted the pong to %q, but came %s", newest, &ev)
			default:
				if err := s.same(ev, text("😀")); err != nil {
					return err
				}
				smiled = true
			}
		}
		return nil
	}
}

// impossible are beginnings of text of which the last byte cannot be right,
// whatever follows.
var impossible = [...]struct{ title, bytes string }{
	{"a byte that continues nothing", "\x80"},
	{"a first byte that is never used", "\xc0"},
	{"another first byte that is never used", "\xc1"},
	{"a first byte beyond U+10FFFF", "\xf5"},
	{"a first byte of five", "\xf8"},
	{"a first byte of six", "\xfc"},
	{"an impossible byte", "\xff"},
	{"three bytes that are too long", "\xe0\x9f"},
	{"a surrogate", "\xed\xa0"},
	{"four bytes that are too long", "\xf0\x8f"},
	{"a character beyond U+10FFFF", "\xf4\x90"},
	{"a letter inside two bytes", "\xc3("},
	{"a letter inside three bytes", "\xe2\x82("},
	{"a letter inside four bytes", "\xf0\x9f\x98("},
	{"another first byte inside three bytes", "\xe2\xe2"},
	{"a third byte that does not continue", "\xe2\x82\xc3"},
}

// utf8FailFast are 6.35 to 6.37: the rest is withheld.
func utf8FailFast() []Case {
	var frames, next, inside []Case
	for _, v := range impossible {
		bad, last := "good "+v.bytes, len(v.bytes)-1
		frames = append(frames, Case{Title: v.title + " in the first of two frames",
			Script: script{failsFast(1007, text(bad).more(), cont(" end"))}})
		inside = append(inside, Case{Title: v.title + " inside a frame",
			Script: script{failsInside(text(bad+" end"), len(bad))}})
		if last > 0 {
			next = append(next, Case{Title: v.title + ", the wrong byte in a second frame of three",
				Script: script{send(text("good " + v.bytes[:last]).more()), failsFast(1007, cont(v.bytes[last:]).more(), cont(" end"))}})
			inside = append(inside, Case{Title: v.title + " inside a frame, the wrong byte in a write of its own",
				Script: script{failsInside(text(bad+" end"), len(bad)-1, len(bad))}})
		}
	}
	all := group("6.35", specText, ruleOfFaster, frames...)
	all = append(all, group("6.36", specText, ruleOfFaster, next...)...)
	return append(all, group("6.37", specText, ruleOfFaster, inside...)...)
}

// utf8Places are 6.38 and 6.39: validators go through long text in large steps.
func utf8Places() []Case {
	var bad []Case
	for _, at := range []int{0, 1, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 1023, 1024, 4095} {
		p := []byte(letters(at + 100))
		p[at] |= 0x80
		bad = append(bad, Case{Title: fmt.Sprintf("one wrong byte behind %d letters", at), Script: script{
			send(text(string(p))), fails(1007)}})
	}
	all := group("6.38", specText, ruleOfWrong, bad...)

	var good []Case
	for _, c := range []string{"é", "€", "😀"} {
		var messages []frame
		for at := range 140 {
			messages = append(messages, text(letters(at)+c+letters(at%9)))
		}
		good = append(good,
			Case{Title: fmt.Sprintf("a character of %d bytes behind 0 to 139 letters", len(c)), Script: script{echo(messages...)}},
			Case{Title: fmt.Sprintf("a character of %d bytes at each place of a frame of 40 bytes", len(c)), Script: script{do(func(s *session) error {
				for at := range 40 {
					m := text(letters(at) + c + letters(40-at))
					if err := (steps{send(m.split(40)...), want(m)}).run(s); err != nil {
						return err
					}
				}
				return nil
			})}})
	}
	good = append(good, Case{Title: "256 characters of four bytes", Script: script{echo(text(strings.Repeat("😀", 256)))}})
	return append(all, group("6.39", specText, ruleOfText, good...)...)
}

// utf8Around are 6.40 to 6.42: what comes before and behind, binary messages, and
// packets.
func utf8Around() []Case {
	good, bad := text("good"), text("bad \xff")
	all := group("6.40", specText, ruleOfWrong+"; from then on nothing more is taken",
		Case{Title: "a good text, and when it came back a wrong one", Script: script{echo(good), send(bad), fails(1007)}},
		Case{Title: "a good text and a wrong one in one write", Script: script{send(good, bad), failsBehind(good, 1007)}},
		Case{Title: "a wrong text and a good one in one write", Script: script{send(bad, good), fails(1007)}},
		Case{Title: "a wrong text and a ping in one write", Script: script{send(bad, ping("x")), fails(1007)}},
		Case{Title: "a wrong text and a Close in one write", Script: script{send(bad, closing(1000, "")), fails(1007)}},
		Case{Title: "a wrong text, twice", Script: script{send(bad, bad), fails(1007)}},
		Case{Title: "a wrong text and a frame with reserved bits in one write", Script: script{send(bad, good.reserved(rsv2)), fails(1007)}},
		Case{Title: "wrong in the last frame of many", Script: script{
			send(append(text(letters(200)).more().split(10), cont("\xc0\x80"))...), fails(1007)}},
		Case{Title: "a good text in fragments, then a wrong one in fragments", Script: script{
			send(text(greeting).split(3)...), want(text(greeting)), send(text("bad \xed\xbf\xbf").split(3)...), fails(1007)}},
	)

	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	var wrong string
	for _, v := range impossible {
		wrong += v.bytes
	}
	open, half := bin([]byte("\xe2\x82")), bin([]byte("\x82\xac"))
	all = append(all, group("6.41", "RFC 6455, 5.6", "only text is UTF-8: a binary message is any bytes",
		Case{Title: "all bytes, in a binary message", Script: script{echo(bin(every))}},
		Case{Title: "everything that is wrong in text, in a binary message", Script: script{echo(bin([]byte(wrong)))}},
		Case{Title: "the same in frames of one byte", Script: script{send(bin([]byte(wrong)).split(1)...), want(bin([]byte(wrong)))}},
		Case{Title: "the same octet by octet", Script: script{octetwise(bin([]byte(wrong))), want(bin([]byte(wrong)))}},
		Case{Title: "a binary message that ends inside a character, then text", Script: script{echo(open, good)}},
		Case{Title: "a binary message in frames that ends inside a character, then text", Script: script{
			send(bin([]byte("a")).more(), cont("\xe2\x82"), good), want(bin([]byte("a\xe2\x82")), good)}},
		Case{Title: "text, then a binary message that is none", Script: script{echo(good, bin([]byte("\xff\xfe")), good)}},
		Case{Title: "two binary messages that are a character together", Script: script{echo(open, half)}},
		Case{Title: "a wrong text behind a binary message", Script: script{echo(bin(every)), send(bad), fails(1007)}},
	)...)

	var packets []Case
	for _, v := range []string{"good \xf4\x90\x80\x80 end", "good \xe2\x28\xa1 end", "good \xed\xa0\xbd\xed\xb8\x80 end"} {
		for _, n := range []int{1, 2, 3, 5} {
			packets = append(packets, Case{Title: fmt.Sprintf("%x, %d bytes a write", v[5:len(v)-4], n), Script: script{
				chop(n, text(v)), fails(1007)}})
		}
	}
	return append(all, group("6.42", specText, ruleOfWrong, packets...)...)
}

// utf8Large are 6.43 and 6.44.
func utf8Large() []Case {
	plane := func(n rune) frame {
		var p []byte
		for c := n << 16; c < (n+1)<<16; c++ {
			if utf8.ValidRune(c) {
				p = utf8.AppendRune(p, c)
			}
		}
		return frame{op: opText, payload: p}
	}
	all := group("6.43", specText, ruleOfText,
		Case{Title: "all characters of the first plane", Size: 190 << 10, Script: script{later(func() []Step { return []Step{echo(plane(0))} })}},
		Case{Title: "all characters of the other planes, a message each", Size: 256 << 10, Heavy: true, Script: script{do(func(s *session) error {
			for n := rune(1); n <= 16; n++ {
				if err := echo(plane(n)).run(s); err != nil {
					return err
				}
			}
			return nil
		})}},
		Case{Title: "all characters of the first plane, in frames of 1000 bytes", Size: 190 << 10, Script: script{later(func() []Step {
			m := plane(0)
			return []Step{send(m.split(1000)...), want(m)}
		})}},
	)

	// spoilt is a text with bytes in the place of its own, from one on.
	spoilt := func(size, at int, with string) frame {
		m := ascii.message(size, 6)
		copy(m.payload[at:], with)
		return m
	}
	refused := choose(
		onClose(OK, "", 1007),
		onClose(Informational, "its limit is smaller: it closes with 1009", 1009),
		onClose(NonStrict, "it closes with another code than 1007"),
		on(ended, NonStrict, "it ended the stream without a Close"),
	)
	const k, m = 1 << 10, 1 << 20
	return append(all, group("6.44", specText, ruleOfWrong,
		Case{Title: "64 KiB of which the last byte is wrong", Size: 64 * k, Script: script{
			later(func() []Step { return []Step{send(spoilt(64*k, 64*k-1, "\xff")), refused} })}},
		Case{Title: "1 MiB that ends inside a character", Size: m, Heavy: true, Script: script{
			later(func() []Step { return []Step{send(spoilt(m, m-3, "😀"[:3])), refused} })}},
		Case{Title: "16 MiB of which the last byte is wrong", Size: 16 * m, Heavy: true, Script: script{
			later(func() []Step { return []Step{send(spoilt(16*m, 16*m-1, "\xff")), refused} })}},
		Case{Title: "64 KiB of which byte 100 is wrong, and only 200 are sent", Size: 64 * k, Rule: ruleOfFaster, Script: script{
			later(func() []Step { return []Step{failsInside(spoilt(64*k, 100, "\xff"), 200)} })}},
		Case{Title: "64 KiB of which byte 5000 is wrong, and only 10000 are sent", Size: 64 * k, Rule: ruleOfFaster, Script: script{
			later(func() []Step { return []Step{failsInside(spoilt(64*k, 5000, "\xed\xa0"), 10000)} })}},
		Case{Title: "1 MiB in frames of 10000 bytes, of which the last one is wrong", Size: m, Heavy: true, Script: script{
			later(func() []Step { return []Step{send(spoilt(m, m-5, "\xf4\x90").split(10000)...), refused} })}},
	)...)
}

// utf8AsItIs is 6.45: nothing is taken away, put in or made nicer.
func utf8AsItIs() []Case {
	bom := "\ufeff"
	same := func(title, s string) Case { return Case{Title: title, Script: script{echo(text(s))}} }
	all := []Case{
		same("a byte order mark and nothing else", bom),
		same("a byte order mark in front of a text", bom+greeting),
		same("two byte order marks", bom+bom),
		same("byte order marks in the middle and at the end", "one"+bom+"two"+bom),
		{Title: "a byte order mark in frames of one byte", Script: script{send(text(bom + "x").split(1)...), want(text(bom + "x"))}},
		{Title: "a byte order mark, octet by octet", Script: script{octetwise(text(bom + "x")), want(text(bom + "x"))}},
		{Title: "a byte order mark in the first of two frames", Script: script{send(text(bom).more(), cont("x")), want(text(bom + "x"))}},
		same("NUL in front, in the middle and at the end", "\x00one\x00two\x00"),
		same("a hundred NULs", strings.Repeat("\x00", 100)),
		same("control characters", "\x01\x02\a\b\t\v\f\x1b[31m\x7f\u0080\u0085\u009f"),
		same("line ends of all kinds", "\rone\r\n\r\ntwo\n\u2028\u2029\u0085\r"),
		same("spaces at both ends", " \t\u00a0\u3000x\u3000\u00a0\t "),
		same("the same character composed and decomposed", "\u00e9 e\u0301 \u212b \u00c5 A\u030a \uac00 \u1100\u1161 \uf900 \u8c48"),
		same("characters that are not assigned, and private ones", "\u0378 \uffef \ue000 \uf8ff \U0002fe0f \U000e0080 \U00050000 \U000f0000 \U0010fffd"),
		same("text from right to left, with its marks", "\u200f\u202eabc\u202c \u2067אבג\u2069 \u061c"),
		same("a replacement character that was sent as one", "\ufffd\ufffdx\ufffd"),
		same("what looks like JSON, HTML and escapes", `{"a":"\u0000\ud800"}&amp;&#65533;%00%ff<script>\x00'`),
	}
	return group("6.45", specText, "a text comes back byte for byte", all...)
}
