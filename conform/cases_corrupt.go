package conform

import (
	"bytes"
	"slices"
	"strings"
)

// Section 14: what must be refused, though it is compressed, and what must not,
// though it looks like it.

func compressedWrong() []Case {
	return slices.Concat(
		reservedBitCases(), corruptCases(), endCases(), beyondCases(), hiddenTextCases(),
		bombCases(), failureCases(), framedCases(), formCases())
}

// compressedCases completes cases for which nothing but compression need be agreed.
func compressedCases(prefix, spec, rule string, cases ...Case) []Case {
	for i := range cases {
		if cases[i].Deflate == nil {
			cases[i].Deflate = plainly
		}
	}
	return group(prefix, spec, rule, cases...)
}

// hello is "Hello", compressed with the fixed codes. RFC 7692, 7.2.3.1.
const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"

// undecodable wants the connection failed because of data that is not DEFLATE. No
// RFC says with which code.
func undecodable() Step { return fails(1007, 1002) }

func reservedBitCases() []Case {
	packed := packedText([]byte(hello))
	none := group("14.1", "RFC 6455, 5.2", "RSV1 is 0 unless an extension was agreed that defines it",
		Case{Title: "a compressed text message", Script: script{send(packed), fails(1002)}},
		Case{Title: "a compressed binary message", Script: script{send(packedBin([]byte(hello))), fails(1002)}},
		Case{Title: "an empty text with RSV1", Script: script{send(text("").reserved(rsv1)), fails(1002)}},
		Case{Title: "the first frame of a compressed message", Script: script{failsFast(1002, packed.more(), cont(""))}},
		Case{Title: "RSV1 in the second frame of a message", Script: script{send(text("Hel").more(), cont("lo").reserved(rsv1)), fails(1002)}},
		Case{Title: "a compressed message behind one that is not", Script: script{
			send(text("hello"), packed), failsBehind(text("hello"), 1002)}},
	)
	agreed := compressedCases("14.2", "RFC 7692, 6; RFC 6455, 5.2",
		"also where compression was agreed, RSV1 stands in the first frame of a data message only, and RSV2 and RSV3 nowhere",
		Case{Title: "RSV1 on a ping", Script: script{send(ping("x").reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 on an empty ping", Script: script{send(ping("").reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 on a ping, compressed", Script: script{send(ping(hello).reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 on a pong", Script: script{send(pong("x").reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 on a close", Script: script{send(closing(1000, "").reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 in the second frame, but not in the first", Script: script{
			send(text("Hel").more(), cont("lo").reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 in both frames", Script: script{
			send(packedText([]byte(hello[:3])).more(), cont(hello[3:]).reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 in the last of three frames", Script: script{
			send(packedText([]byte(hello[:3])).more(), cont(hello[3:5]).more(), cont(hello[5:]).reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 in an empty second frame", Script: script{
			send(packed.more(), cont("").reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV1 on a ping between the frames of a compressed message", Script: script{
			send(packedText([]byte(hello[:3])).more(), ping("x").reserved(rsv1), cont(hello[3:])), fails(1002)}},
		Case{Title: "RSV1 in a continuation of nothing", Script: script{
			send(frame{op: opCont, rsv: rsv1, payload: []byte(hello)}), fails(1002)}},
		Case{Title: "RSV1 with a reserved opcode", Script: script{send(op(3, hello).reserved(rsv1)), fails(1002)}},
		Case{Title: "RSV2 on a compressed message", Script: script{send(packed.reserved(rsv2)), fails(1002)}},
		Case{Title: "RSV3 on a compressed message", Script: script{send(packed.reserved(rsv3)), fails(1002)}},
		Case{Title: "RSV2 on an uncompressed message", Script: script{send(text("hello").reserved(rsv2)), fails(1002)}},
		Case{Title: "RSV3 on an uncompressed message", Script: script{send(text("hello").reserved(rsv3)), fails(1002)}},
		Case{Title: "RSV2 in the second frame of a compressed message", Script: script{
			send(packedText([]byte(hello[:3])).more(), cont(hello[3:]).reserved(rsv2)), fails(1002)}},
		Case{Title: "the second frame is seen to be wrong at once", Script: script{
			send(packedText([]byte(hello[:3])).more()), failsFast(1002, cont(hello[3:5]).more().reserved(rsv1), cont(hello[5:]))}},
	)
	return append(none, agreed...)
}

// A vector is a message as it is on the wire, and what it says.
type vector struct {
	title string
	data  []byte
	says  string
}

// lensOf are the lengths of a code, as symbol, length, symbol, length.
func lensOf(n int, pairs ...int) []int {
	t := make([]int, n)
	for i := 0; i < len(pairs); i += 2 {
		t[pairs[i]] = pairs[i+1]
	}
	return t
}

// dynamicHeader begins a dynamic block whose code of code lengths has these lengths, in
// the order of the RFC.
func dynamicHeader(lit, dist int, lens ...uint64) *bits {
	b := blocks().begin(2).counts(lit, dist, 19)
	for i := range codeOrder {
		v := uint64(0)
		if i < len(lens) {
			v = lens[i]
		}
		b.put(v, 3)
	}
	return b
}

// corruptData are not DEFLATE. Codes that leave some bits unused are not those that
// Huffman's algorithm makes (RFC 1951, 3.2.1), but can be read: what they say is
// given.
func corruptData() []vector {
	good := func() *bits { return blocks().fixed().lits("abc").stop() }
	ends := lensOf(257, 'a', 1, 256, 1)
	return []vector{
		{title: "a block of the reserved type", data: blocks().begin(3).tail()},
		{title: "a final block of the reserved type", data: blocks().final().begin(3).tail()},
		{title: "a block of the reserved type behind a good one", data: good().begin(3).tail()},
		{title: "the length of a stored block twice, instead of its complement", data: blocks().begin(0).align().put(5, 16).put(5, 16).raw("Hello").tail()},
		{title: "the length of a stored block and 0", data: blocks().begin(0).align().put(5, 16).put(0, 16).raw("Hello").tail()},
		{title: "the length of a stored block and a complement with one bit wrong", data: blocks().begin(0).align().put(5, 16).put(0xfafa, 16).raw("Hello").tail()},
		{title: "the length of a stored block wrong behind a good one", data: good().begin(0).align().put(1, 16).put(0xffff, 16).raw("x").tail()},
		{title: "287 literal and length codes", data: blocks().begin(2).put(30, 5).put(0, 5).put(15, 4).raw("\x55\x55\x55\x55\x55\x55").tail()},
		{title: "288 literal and length codes", data: blocks().begin(2).put(31, 5).put(0, 5).put(15, 4).raw("\x55\x55\x55\x55\x55\x55").tail()},
		{title: "a code of code lengths with too many codes", data: dynamicHeader(257, 1, 1, 1, 1, 1).raw("\x00\x00\x00\x00").tail()},
		{title: "a code of code lengths with too few codes", data: dynamicHeader(257, 1, 0, 0, 3, 2).raw("\x00\x00\x00\x00").tail()},
		{title: "a code of code lengths without codes", data: dynamicHeader(257, 1).raw(strings.Repeat("\x00", 60)).tail()},
		{title: "code lengths that repeat what was not there", data: dynamicHeader(257, 1, 1, 0, 1).put(0, 3).raw("\x00\x00\x00\x00").tail()},
		{title: "code lengths that are repeated too often", data: dynamicHeader(257, 1, 0, 0, 1, 1).put(1, 1).put(127, 7).put(1, 1).put(127, 7).raw("\x00\x00").tail()},
		{title: "no code for the end of the block", data: blocks().dynamic(lensOf(257, 'a', 1, 'b', 1), []int{1}).lits("ab").raw("\x00\x00").tail()},
		{title: "too many literal codes", data: blocks().dynamic(sameLengths(286, 7), flatDist).raw("\x00\x00\x00").tail()},
		{title: "too few literal codes", data: blocks().dynamic(lensOf(257, 'a', 2, 256, 2), []int{1}).lits("aa").stop().tail(), says: "aa"},
		{title: "too many distance codes", data: blocks().dynamic(flatLit, sameLengths(30, 4)).lits("a").stop().tail()},
		{title: "too few distance codes", data: blocks().dynamic(flatLit, lensOf(2, 0, 2, 1, 2)).lits("a").stop().tail(), says: "a"},
		{title: "a distance code that there is not, where there is one only", data: blocks().dynamic(lensOf(258, 'a', 2, 256, 2, 257, 1), []int{1}).lits("a").code(huffman{0, 1}).put(1, 1).stop().tail()},
		{title: "a distance where there are no distance codes", data: blocks().dynamic(lensOf(258, 'a', 2, 256, 2, 257, 1), []int{0}).lits("a").code(huffman{0, 1}).put(0, 1).stop().tail()},
		{title: "length code 286", data: blocks().fixed().lits("aaaa").code(fixedLit[286]).code(fixedDist[0]).stop().tail()},
		{title: "length code 287", data: blocks().fixed().lits("aaaa").code(fixedLit[287]).code(fixedDist[0]).stop().tail()},
		{title: "distance code 30", data: blocks().fixed().lits("aaaa").code(fixedLit[257]).code(huffman{30, 5}).put(0, 14).stop().tail()},
		{title: "distance code 31", data: blocks().fixed().lits("aaaa").code(fixedLit[257]).code(huffman{31, 5}).put(0, 14).stop().tail()},
		{title: "a distance one byte before the beginning", data: blocks().fixed().lits("abc").copy(3, 4).stop().tail()},
		{title: "a distance far before the beginning", data: blocks().fixed().lits("abc").copy(3, 32768).stop().tail()},
		{title: "a distance before anything is there", data: blocks().fixed().copy(3, 1).lits("abc").stop().tail()},
		{title: "a distance before the beginning, in a later block", data: blocks().stored("abc").dynamic(ends, []int{1}).lits("a").stop().fixed().copy(3, 5).stop().tail()},
		{title: "text that is not compressed", data: []byte("hello")},
		{title: "a long text that is not compressed", data: []byte(letters(1000))},
		{title: "noise", data: octets(1000)},
		{title: "0xff for ever", data: bytes.Repeat([]byte{0xff}, 100)},
		{title: "what zlib puts around DEFLATE", data: append([]byte{0x78, 0x9c}, hello...)},
		{title: "what gzip puts around DEFLATE", data: append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, hello...)},
		{title: "a message that is right and bytes behind it", data: []byte(hello + "\xff\xff\xff")},
	}
}

func corruptCases() []Case {
	var all []Case
	for _, v := range corruptData() {
		end := undecodable()
		if v.says != "" {
			end = mayTake(bin([]byte(v.says)), Informational, "it takes codes of which some are missing; RFC 1951 does not rule them out")
		}
		all = append(all, Case{Title: v.title, Script: script{send(packedBin(v.data)), end}})
	}
	return compressedCases("14.3", "RFC 7692, 7.2.2; RFC 1951", "a compressed message that is not DEFLATE fails the connection", all...)
}

// failsUnless is fails, unless the peer sends what may be taken.
func failsUnless(taken func(s *session, ev event) (bool, error), codes ...int) Step {
	return do(func(s *session) error {
		ev, err := s.next(s.wait())
		switch {
		case err == errSilence:
			return s.failed("it did not fail the connection within %v", s.wait())
		case err != nil:
			return err
		}
		if ok, err := taken(s, ev); ok || err != nil {
			return err
		}
		return failsStep{codes: codes}.judge(s, ev)
	})
}

// mayTake is undecodable, unless the peer takes and returns the message.
func mayTake(m frame, v Verdict, note string) Step {
	return failsUnless(func(s *session, ev event) (bool, error) {
		if s.same(ev, m) != nil {
			return false, nil
		}
		s.mark(v, note)
		return true, nil
	}, 1007, 1002)
}

// mayFail wants the message returned, or the connection failed, which is
// Informational.
func mayFail(m frame, note string) Step {
	return do(func(s *session) error {
		ev, err := s.expect(m)
		if err != nil {
			return err
		}
		if ev.kind == opClose && (ev.code == 1007 || ev.code == 1002) {
			s.mark(Informational, note)
			return failsStep{codes: []int{1007, 1002}}.judge(s, ev)
		}
		return s.same(ev, m)
	})
}

// truncatedData are messages that end where none may.
func truncatedData() []vector {
	whole := blocks().dynamic(flatLit, flatDist).lits("Hello, and a good deal more").stop().tail()
	return []vector{
		{title: "within the bytes of a stored block", data: blocks().begin(0).align().put(5, 16).put(^uint64(5)&0xffff, 16).raw("Hel").bytes()},
		{title: "within the length of a stored block", data: append([]byte(hello[:6]), 0, 5, 0, 0xfa)},
		{title: "before the first byte of a stored block", data: blocks().begin(0).align().put(50, 16).put(^uint64(50)&0xffff, 16).bytes()},
		{title: "within a symbol", data: []byte(hello[:4])},
		{title: "within the header of a dynamic block", data: whole[:20]},
		{title: "within a dynamic block", data: whole[:len(whole)-4]},
		{title: "a byte too early", data: []byte(hello[:6])},
	}
}

func endCases() []Case {
	var all []Case
	for _, v := range truncatedData() {
		all = append(all, Case{Title: "it ends " + v.title, Script: script{
			send(packedBin(v.data)), failsUnless(func(s *session, ev event) (bool, error) {
				if ev.kind == opBinary {
					s.mark(NonStrict, "it passes on a message of which the end is missing")
				}
				return ev.kind == opBinary, nil
			}, 1007, 1002),
		}})
	}
	all = append(all,
		Case{Title: "it ends with the four bytes that do not travel", Script: script{
			send(packedText([]byte(hello + "\x00\x00\xff\xff"))), mayTake(text("Hello"), Informational, "it does not mind 00 00 FF FF at the end"),
		}},
		Case{Title: "it ends with a block of the reserved type, behind a final one", Script: script{
			send(packedText(blocks().final().fixed().lits("Hello").stop().align().begin(3).tail())),
			mayTake(text("Hello"), Informational, "it passes over what is behind a final block"),
		}},
		Case{Title: "it has no bytes at all", Script: script{send(packedText(nil)), mayTake(text(""), OK, "")}},
	)
	return compressedCases("14.4", "RFC 7692, 7.2.1 and 7.2.2", "a compressed message ends in an empty stored block without its last four bytes", all...)
}
