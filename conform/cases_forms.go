package conform

import "strings"

// What section 14 has of messages that look wrong, and are not.

// framedCases cut one compressed message into frames.
func framedCases() []Case {
	m := text(letters(400))
	packed := packedText(blocks().stored(string(m.payload[:200])).fixed().lits(string(m.payload[200:])).stop().tail())
	// with puts frames between those of packed.
	with := func(n int, between ...frame) []frame {
		var all []frame
		for i, f := range packed.split(n) {
			if i > 0 {
				all = append(all, between...)
			}
			all = append(all, f)
		}
		return all
	}
	thirds := packed.split(160)
	empty := cont("").more()
	first := packed
	first.payload = nil
	rest := frame{op: opCont, payload: packed.payload}
	pinged, asked := withPings(packed.split(50))
	shams := []frame{ping(hello), ping(hello + hello)}
	return compressedCases("14.9", "RFC 7692, 6.1; RFC 6455, 5.4",
		"a compressed message may be sent in any frames, with control frames between them, and each piece goes on where the one before ended",
		Case{Title: "three frames", Script: script{send(thirds...), want(m)}},
		Case{Title: "a frame for each byte", Script: script{send(packed.split(1)...), want(m)}},
		Case{Title: "a frame for each byte, each in a write of its own", Script: script{perFrame(packed.split(1)...), want(m)}},
		Case{Title: "frames of 10 bytes, octet by octet", Script: script{octetwise(packed.split(10)...), want(m)}},
		Case{Title: "an empty first frame", Script: script{send(first.more(), rest), want(m)}},
		Case{Title: "an empty first frame, and time before the next", Script: script{
			send(first.more()), send(ping("x")), want(pong("x")), send(rest), want(m)}},
		Case{Title: "an empty last frame", Script: script{send(packed.more(), cont("")), want(m)}},
		Case{Title: "an empty frame between any two", Script: script{send(with(40, empty)...), want(m)}},
		Case{Title: "a hundred empty frames in the middle", Script: script{send(with(200, many(empty, 100)...)...), want(m)}},
		Case{Title: "an empty message in three empty frames and one of a byte", Script: script{
			send(first.more(), empty, cont("\x00").more(), cont("")), want(text(""))}},
		Case{Title: "a ping between any two frames", Script: script{send(pinged...), pongsAmong([]frame{m}, asked...)}},
		Case{Title: "a pong between any two frames", Script: script{send(with(50, pong("DEFLATE"))...), want(m)}},
		Case{Title: "a ping that looks compressed between any two frames", Script: script{
			send(thirds[0], shams[0], thirds[1], shams[1], thirds[2]), pongsAmong([]frame{m}, shams...)}},
		Case{Title: "the pong comes before the message is whole", Script: script{
			send(packed.split(100)[0], ping("x")), want(pong("x")), send(packed.split(100)[1:]...), want(m)}},
		Case{Title: "a close in the middle of the message", Script: script{
			send(packed.split(100)[0], closing(1000, "")), closed(1000)}},
		Case{Title: "a text message in the middle of the message", Script: script{
			send(packed.split(100)[0], text("hello")), fails(1002)}},
		Case{Title: "a compressed message in the middle of the message", Script: script{
			send(packed.split(100)[0], packedText([]byte(hello))), fails(1002)}},
		Case{Title: "two messages in frames, one behind the other", Script: script{
			send(append(packed.split(30), packed.split(70)...)...), want(m, m)}},
	)
}

func many(f frame, n int) []frame {
	all := make([]frame, n)
	for i := range all {
		all[i] = f
	}
	return all
}

// forms are DEFLATE as it may be, though few write it so.
func forms() []vector {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	all256 := string(every)
	far := letters(1000)

	runs, says := blocks().fixed().lits("abc"), "abc"
	for n := 3; n <= 258; n++ {
		runs.copy(n, 3)
		says = copied(says, n, 3)
	}
	overlaps, overlapped := blocks().fixed().lits("abcdefghijklmnop"), "abcdefghijklmnop"
	for d := 1; d <= 16; d++ {
		overlaps.copy(100, d)
		overlapped = copied(overlapped, 100, d)
	}
	// Codes of all lengths, the longest twice: as lopsided as can be.
	lopsided := make([]int, 257)
	lopsided[256] = 15
	for i := range 15 {
		lopsided['a'+i] = i + 1
	}
	singles := blocks()
	for _, c := range []byte(far[:1000]) {
		singles.fixed().lits(string(c)).stop()
	}
	mixed, mixedSays := blocks(), ""
	for i := range 30 {
		s := far[i*20 : i*20+20]
		switch i % 4 {
		case 0:
			mixed.stored(s)
		case 1:
			mixed.fixed().lits(s).stop()
		case 2:
			mixed.dynamic(flatLit, flatDist).lits(s).stop()
		case 3:
			mixed.stored("").fixed().stop()
			s = ""
		}
		mixedSays += s
	}
	lits := func(s string) []int { // as few codes as can be: one for the bytes, one for the end
		return lensOf(257, int(s[0]), 1, 256, 1)
	}
	return []vector{
		{"the RFC's example of a stored block", []byte("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), "Hello"},
		{"the RFC's example of two blocks", []byte("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "Hello"},
		{"the RFC's example of a final block", []byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello"},
		{"the RFC's empty message", []byte("\x00"), ""},
		{"an empty message as an empty block with fixed codes", blocks().fixed().stop().tail(), ""},
		{"an empty message as an empty block with codes of its own", blocks().dynamic(flatLit, flatDist).stop().tail(), ""},
		{"an empty message as an empty stored block in front of the end", blocks().stored("").tail(), ""},
		{"an empty message as a final block", blocks().final().stored("").tail(), ""},
		{"a final stored block", blocks().final().stored("Hello").tail(), "Hello"},
		{"a final block with codes of its own", blocks().final().dynamic(flatLit, flatDist).lits("Hello").copy(3, 5).stop().align().tail(), "HelloHel"},
		{"many stored blocks", blocks().stored("H").stored("e").stored("").stored("ll").stored("").stored("").stored("o").tail(), "Hello"},
		{"all values of a byte with fixed codes", blocks().fixed().lits(all256).stop().tail(), all256},
		{"all values of a byte with codes of its own", blocks().dynamic(flatLit, flatDist).lits(all256).stop().tail(), all256},
		{"all lengths", runs.stop().tail(), says},
		{"repetitions that overlap themselves", overlaps.stop().tail(), overlapped},
		{"codes of 1 to 15 bits", blocks().dynamic(lopsided, []int{1}).lits("abcdefghijklmnoonmlkjihgfedcba").stop().tail(), "abcdefghijklmnoonmlkjihgfedcba"},
		{"no distance code", blocks().dynamic(lits("a"), []int{0}).lits("aaaaaaaaaa").stop().tail(), "aaaaaaaaaa"},
		{"one distance code only", blocks().dynamic(lensOf(258, 'a', 2, 256, 2, 257, 1), []int{1}).lits("a").copy(3, 1).copy(3, 1).stop().tail(), "aaaaaaa"},
		{"one distance code only, which is not the first", blocks().dynamic(lensOf(258, 'a', 2, 'b', 2, 256, 2, 257, 2), []int{0, 1}).lits("ab").copy(3, 2).stop().tail(), "ababa"},
		{"a block for each byte", singles.tail(), far[:1000]},
		{"blocks of all types in turn", mixed.tail(), mixedSays},
		{"a repetition of what an earlier block holds", blocks().stored("Hello").fixed().copy(5, 5).stop().dynamic(flatLit, flatDist).copy(4, 10).stop().tail(), "HelloHelloHell"},
		{"the largest stored block", blocks().stored(strings.Repeat(far[:257], 255)).tail(), strings.Repeat(far[:257], 255)},
	}
}

// reaching has a distance of each kind, up to the farthest in a window.
func reaching(window int) vector {
	says := letters(window)
	b := blocks().stored(says).fixed()
	for _, s := range distSpans {
		for _, d := range []int{s.from, s.from + 1<<s.extra - 1} {
			if d <= window {
				b.copy(4, d)
				says = copied(says, 4, d)
			}
		}
	}
	return vector{"", b.stop().tail(), says}
}

// formCases are right, or at least nothing to be refused.
func formCases() []Case {
	var all []Case
	for _, v := range forms() {
		all = append(all, Case{Title: v.title, Script: script{send(packedBin(v.data)), want(bin([]byte(v.says)))}})
	}
	all = append(all,
		Case{Title: "a distance of each kind, to the farthest", Script: script{inWindow(func(w int) []Step {
			v := reaching(w)
			return script{send(packedBin(v.data)), want(bin([]byte(v.says)))}
		})}},
		Case{Title: "it grew: 5 bytes for each", Script: script{later(func() []Step {
			b, m := blocks(), letters(1000)
			for i := range m {
				b.stored(m[i : i+1])
			}
			return script{send(packedText(b.tail())), want(text(m))}
		})}},
		Case{Title: "it grew: a block of codes in front of each byte", Script: script{later(func() []Step {
			b, m := blocks(), letters(100)
			for i := range m {
				b.dynamic(flatLit, flatDist).lits(m[i : i+1]).stop()
			}
			return script{send(packedText(b.tail())), want(text(m))}
		})}},
		Case{Title: "it grew: noise with fixed codes", Script: script{
			send(packedBin(blocks().fixed().lits(string(octets(5000))).stop().tail())), want(bin(octets(5000)))}},
		Case{Title: "it ends with a final block, and nothing behind it", Script: script{
			send(packedText([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00"))), mayFail(text("Hello"), "it wants an empty block behind a final one, as the RFC has it")}},
		Case{Title: "a block behind a final one", Script: script{
			send(packedText(blocks().final().fixed().lits("Hello").stop().align().fixed().lits(" again").stop().tail())),
			failsUnless(func(s *session, ev event) (bool, error) {
				switch {
				case s.same(ev, text("Hello again")) == nil:
					return true, nil
				case s.same(ev, text("Hello")) == nil:
					s.mark(Informational, "it ends the message with the final block, and passes over what is behind it")
					return true, nil
				}
				return false, nil
			}, 1007, 1002)}},
	)
	return compressedCases("14.10", "RFC 7692, 7.2.1 to 7.2.3; RFC 1951", "a message may be compressed in any way that is DEFLATE", all...)
}
