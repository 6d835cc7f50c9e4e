package conform

import (
	"bytes"
	"fmt"
	"strings"
)

// More of section 14.

// beyondCases refer back further than was agreed. Who keeps more than it has to may
// take them.
func beyondCases() []Case {
	const more = "it keeps more than was agreed"
	var all []Case
	for _, bits := range []int{8, 9, 10, 12, 14} {
		d := mirrored{fmt.Sprintf("client_max_window_bits=%d", bits), fmt.Sprintf("server_max_window_bits=%d", bits)}.deflate()
		all = append(all, Case{
			Title: fmt.Sprintf("a distance of %d bytes, in a window of %d", 1<<bits+1, 1<<bits), Deflate: d,
			Script: script{inWindow(func(w int) []Step {
				m := letters(w + 1)
				return script{
					send(packedText(blocks().stored(m).fixed().copy(8, w+1).stop().tail())),
					mayTake(text(m+m[:8]), Informational, more),
				}
			})},
		}, Case{
			Title: fmt.Sprintf("a distance of %d bytes into the message before, in a window of %d", 1<<bits+1, 1<<bits), Deflate: d,
			Script: script{inWindow(func(w int) []Step {
				m := letters(w + 1)
				return script{
					send(packedText(blocks().stored(m).tail())), want(text(m)),
					send(packedText(blocks().fixed().copy(8, w+1).stop().tail())),
					mayTake(text(m[:8]), Informational, more),
				}
			})},
		})
	}
	no := mirrored{"client_no_context_takeover", "server_no_context_takeover"}.deflate()
	first, back := packedText(blocks().stored("Hello").tail()), packedText(blocks().fixed().copy(5, 5).stop().tail())
	all = append(all,
		Case{Title: "without context takeover, into the message before", Deflate: no, Script: script{
			send(first), want(text("Hello")), send(back), mayTake(text("Hello"), Informational, more)}},
		Case{Title: "without context takeover, into the message before the message before", Deflate: no, Script: script{
			send(first), want(text("Hello")), send(packedText(blocks().stored("").tail())), want(text("")),
			send(back), mayTake(text("Hello"), Informational, more)}},
		Case{Title: "without context takeover, from the middle of a message into the one before", Deflate: no, Script: script{
			send(first), want(text("Hello")),
			send(packedText(blocks().stored(", ").fixed().copy(4, 6).stop().tail())), mayTake(text(", ello"), Informational, more)}},
		Case{Title: "into an uncompressed message", Script: script{
			send(text(letters(500))), want(text(letters(500))), send(back), undecodable()}},
		Case{Title: "over a compressed message into an uncompressed one", Script: script{
			send(text(letters(500)), first), want(text(letters(500)), text("Hello")),
			send(packedText(blocks().fixed().copy(5, 8).stop().tail())), undecodable()}},
		Case{Title: "into a ping", Script: script{
			send(ping("hello")), want(pong("hello")), send(back), undecodable()}},
	)
	return compressedCases("14.5", "RFC 7692, 7.1 and 7.2.2", "no message refers back further than was agreed, nor to what was not compressed", all...)
}

// hiddenTextCases are about text that is only seen when it is inflated.
func hiddenTextCases() []Case {
	stored := func(s string) []byte { return blocks().stored(s).tail() }
	var all []Case
	for _, v := range []vector{
		{"a byte that is never in UTF-8", stored("hello \xff world"), ""},
		{"a continuation byte alone", stored("\x80"), ""},
		{"a slash in two bytes", stored("\xc0\xaf"), ""},
		{"a NUL in three bytes", stored("\xe0\x80\x80"), ""},
		{"half of a surrogate pair", stored("\xed\xa0\x80"), ""},
		{"beyond U+10FFFF", stored("\xf4\x90\x80\x80"), ""},
		{"a rune without its end, at the end", stored("\u03ba\xe1\xbd"), ""},
		{"a rune without its end, in the middle", stored("\xe2\x82hello"), ""},
		{"bad with the fixed codes", blocks().fixed().lits("hello \xfe").stop().tail(), ""},
		{"bad with codes of its own", blocks().dynamic(flatLit, flatDist).lits("hello \xc3(").stop().tail(), ""},
		{"good bytes, repeated so that they are bad", blocks().fixed().lits("\u00e9").copy(3, 2).stop().tail(), ""},
		{"a rune without its end in one block, and none in the next", blocks().stored("\xe2\x82").stored("").stored("hello").tail(), ""},
		{"bad in the last of 60,000 bytes", stored(letters(59_999) + "\xff"), ""},
	} {
		all = append(all, Case{Title: "wrong: " + v.title, Script: script{send(packedText(v.data)), fails(1007)}})
	}
	bad := blocks().stored("good \xff bad").bytes()
	fixed := blocks().fixed().lits("good \xff bad").stop().begin(0).bytes()
	half := blocks().stored("\xe2\x82").bytes()
	end := cont("\x00")
	early := func(title string, first frame, rest ...frame) {
		all = append(all, Case{Title: "wrong, and seen at once: " + title, Script: script{failsFast(1007, first, rest...)}})
	}
	early("a first frame", packedText(bad).more(), end)
	early("a first frame, with the fixed codes", packedText(fixed).more(), cont("\x00\x00\xff\xff\x00"))
	early("a first frame with more to come of its block", packedText(blocks().begin(0).align().put(100, 16).put(^uint64(100)&0xffff, 16).raw("good \xff bad").bytes()).more(),
		cont(strings.Repeat(".", 90)+"\x00"))
	all = append(all, Case{Title: "wrong, and seen at once: a second frame", Script: script{
		send(packedText(half).more()), failsFast(1007, cont(string(blocks().stored("hello").bytes())).more(), end)}})

	long := strings.Repeat("κόσμε 水 😀 ", 4)
	byByte := blocks()
	for i := range len(long) {
		byByte.stored(long[i : i+1])
	}
	right := []vector{
		{"runes cut by blocks", byByte.tail(), long},
		{"runes made by repetition", blocks().fixed().lits("水").copy(258, 3).stop().tail(), strings.Repeat("水", 87)},
		{"the ends of the range, and what is no character", stored("\x00\x7f\u0080\u07ff\u0800\ud7ff\ue000\ufffe\uffff\U00010000\U0010ffff\ufeff"),
			"\x00\x7f\u0080\u07ff\u0800\ud7ff\ue000\ufffe\uffff\U00010000\U0010ffff\ufeff"},
	}
	for _, v := range right {
		all = append(all, Case{Title: "right: " + v.title, Script: script{send(packedText(v.data)), want(text(v.says))}})
	}
	all = append(all,
		Case{Title: "right: runes cut by blocks and by frames", Script: script{send(packedText(right[0].data).split(1)...), want(text(long))}},
		Case{Title: "right: in binary nothing is wrong", Script: script{send(packedBin(stored("hello \xff world"))), want(bin([]byte("hello \xff world")))}},
		Case{Title: "right: behind a message that ends in the middle of a rune, which is binary", Script: script{
			send(packedBin(stored("\xe2\x82")), packedText(stored("hello"))), want(bin([]byte("\xe2\x82")), text("hello"))}},
	)
	return compressedCases("14.6", "RFC 6455, 5.6 and 8.1; RFC 7692, 6.2", "the text of a compressed message is UTF-8", all...)
}

// bomb is a message of n equal bytes, a thousandth of it on the wire.
func bomb(c string, n int) []byte {
	b := blocks().dynamic(lensOf(286, int(c[0]), 2, 256, 2, 285, 1), []int{1}).lits(c)
	for n--; n >= 258; n -= 258 {
		b.put(0, 2) // copy(258, 1)
	}
	for range n {
		b.lits(c)
	}
	return b.stop().tail()
}

// bombCases are small on the wire, and large.
func bombCases() []Case {
	const mega = 1 << 20
	same := func(n int) frame { return bin(make([]byte, n)) }
	tooMuch := func(steps ...Step) Step { // 80 MiB of the same byte; either answer is right
		return later(func() []Step {
			return append(steps, failsUnless(func(s *session, ev event) (bool, error) {
				switch p := ev.payload; {
				case ev.kind != opText && ev.kind != opBinary:
					return false, nil
				case len(p) != 80*mega || bytes.Count(p, p[:1]) != len(p):
					return false, s.failed("80 MiB of one byte came back as %s", &ev)
				}
				s.mark(Informational, "it takes 80 MiB that were 80 KiB")
				return true, nil
			}, 1009))
		})
	}
	cases := []Case{
		{Title: "1 KiB that is 1 MiB", Size: mega, Script: script{later(func() []Step {
			return script{send(packedBin(bomb("\x00", mega))), want(same(mega))}
		})}},
		{Title: "16 KiB that are 16 MiB", Size: 16 * mega, Heavy: true, Script: script{later(func() []Step {
			return script{send(packedBin(bomb("\x00", 16*mega))), want(same(16 * mega))}
		})}},
		{Title: "80 KiB that are 80 MiB", Size: 80 * mega, Heavy: true, Alone: true, Script: script{later(func() []Step {
			return script{tooMuch(send(packedBin(bomb("\x00", 80*mega))))}
		})}},
		{Title: "80 KiB that are 80 MiB of text", Size: 80 * mega, Heavy: true, Alone: true, Script: script{later(func() []Step {
			return script{tooMuch(send(packedText(bomb("a", 80*mega))))}
		})}},
		{Title: "80 KiB that are 80 MiB, in frames of 100 bytes", Size: 80 * mega, Heavy: true, Alone: true, Script: script{later(func() []Step {
			return script{tooMuch(send(packedBin(bomb("\x00", 80*mega)).split(100)...))}
		})}},
		{Title: "64 messages of 1 KiB that are 1 MiB each", Size: mega, Heavy: true, Script: script{later(func() []Step {
			p := bomb("\x00", mega)
			var st []Step
			for range 64 {
				st = append(st, send(packedBin(p)), want(same(mega)))
			}
			return st
		})}},
		{Title: "1 MiB of blocks that is nothing", Size: mega, Heavy: true, Script: script{later(func() []Step {
			b := blocks()
			for range mega / 5 {
				b.stored("")
			}
			return script{send(packedBin(b.tail())), want(bin(nil))}
		})}},
		{Title: "100 KiB of blocks that are one byte", Size: 100 << 10, Script: script{later(func() []Step {
			b := blocks()
			for range 80_000 {
				b.fixed().stop()
			}
			return script{send(packedText(b.stored("*").tail())), want(text("*"))}
		})}},
	}
	return compressedCases("14.7", "RFC 6455, 10.4; RFC 7692, 8", "a message that is too large once it is inflated is refused with 1009, one that is not is returned", cases...)
}

// failureCases are about what goes with a failure.
func failureCases() []Case {
	bad := packedText(blocks().begin(3).tail())
	early := func(title string, first frame, rest ...frame) Case {
		return Case{Title: "seen at once: " + title, Script: script{
			failsFastStep{failsStep{codes: []int{1007, 1002}}, script{send(first)}, script{send(rest...)}},
		}}
	}
	end := cont("\x00")
	return compressedCases("14.8", "RFC 6455, 7.1.7", "what came before the wrong message is returned; then comes a Close and nothing more",
		Case{Title: "a good message before the bad one", Script: script{
			send(text("hello"), bad), failsBehind(text("hello"), 1007, 1002)}},
		Case{Title: "a good compressed message before the bad one", Script: script{
			send(packedText([]byte(hello)), bad), failsBehind(text("Hello"), 1007, 1002)}},
		Case{Title: "a good message behind the bad one", Script: script{send(bad, text("hello")), undecodable()}},
		Case{Title: "a ping behind the bad one", Script: script{send(bad, ping("hello")), undecodable()}},
		Case{Title: "a close behind the bad one", Script: script{send(bad, closing(1000, "")), undecodable()}},
		Case{Title: "a bad message octet by octet", Script: script{chop(1, packedText([]byte("hello"))), undecodable()}},
		Case{Title: "a bad third frame", Script: script{
			send(packedText(blocks().stored("a").bytes()).more(), cont(string(blocks().stored("b").bytes())).more(),
				cont(string(blocks().begin(3).tail()))), undecodable()}},
		early("a block of the reserved type", packedText(blocks().begin(3).bytes()).more(), end),
		early("a wrong length of a stored block", packedText(blocks().begin(0).align().put(5, 16).put(5, 16).bytes()).more(), cont("hello\x00")),
		early("a distance that is too far", packedText(blocks().fixed().lits("abc").copy(3, 100).lits("abc").stop().begin(0).bytes()).more(), cont("\x00\x00\xff\xff\x00")),
		early("a code with too many codes", packedText(blocks().dynamic(sameLengths(286, 7), flatDist).raw("\x00\x00\x00").bytes()).more(), end),
	)
}
