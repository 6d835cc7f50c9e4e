package conform

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// Section 11: masks, lengths, and headers that come in pieces or not at all.
func headers() []Case {
	return slices.Concat(
		maskedWrong(),
		maskKeys(),
		clientKeys(),
		lengthForms(),
		headerPieces(),
		headerEnds(),
		manyFrames(),
		noFrames(),
	)
}

// maskedWrong are 11.1, frames without mask for servers, and 11.2, masked ones for
// clients.
func maskedWrong() []Case {
	const (
		spec   = "RFC 6455, 5.1"
		server = "a server closes the connection upon a frame that is not masked"
		client = "a client closes the connection upon a masked frame"
	)
	type kind struct {
		title  string
		before []frame // right ones
		frame  frame
	}
	kinds := []kind{
		{"a text", nil, text("hello")},
		{"an empty text", nil, text("")},
		{"a binary message", nil, bin([]byte("\x00\x01\x02\x03\x04"))},
		{"a binary message of 126 bytes", nil, bin(octets(126))},
		{"a binary message of 65536 bytes", nil, bin(octets(65536))},
		{"the first fragment", nil, text("he").more()},
		{"the last fragment", []frame{text("he").more()}, cont("llo")},
		{"an empty last fragment", []frame{text("hello").more()}, cont("")},
		{"a ping", nil, ping("x")},
		{"an empty ping", nil, ping("")},
		{"a pong", nil, pong("x")},
		{"a ping between fragments", []frame{text("he").more()}, ping("x")},
		{"a Close", nil, closing(1000, "")},
		{"a Close without a body", nil, closing(0, "")},
	}
	each := func(prefix, rule, how string, roles Roles, wrong func(frame) frame, more ...Case) []Case {
		var cases []Case
		for _, k := range kinds {
			cases = append(cases, Case{Title: k.title + how, Script: script{send(append(k.before, wrong(k.frame))...), drops()}})
		}
		good := text("good")
		cases = append(cases,
			Case{Title: "a text" + how + ", when a good one came back", Script: script{echo(good), send(wrong(text("hello"))), drops()}},
			Case{Title: "a text" + how + ", and a good one in the same write", Script: script{send(wrong(text("hello")), good), drops()}},
			Case{Title: "a text" + how + ", octet by octet", Script: script{octetwise(wrong(text("hello"))), drops()}},
		)
		cases = append(cases, more...)
		for i := range cases {
			cases[i].Roles = roles
		}
		return group(prefix, spec, rule, cases...)
	}
	zero := [4]byte{}
	return append(
		each("11.1", server, " without mask", ForServers, frame.unmasked),
		each("11.2", client, ", masked", ForClients, frame.masked,
			Case{Title: "a text, masked with zeros", Script: script{send(text("hello").masked().keyed(zero)), drops()}},
			Case{Title: "a ping, masked with zeros", Script: script{send(ping("x").masked().keyed(zero)), drops()}})...)
}

// drops is fails for a wrong mask: RFC 6455, 5.1 leaves it open whether a Close is
// sent.
func drops() Step {
	return do(func(s *session) error {
		ev, err := s.next(s.wait())
		switch {
		case err == errSilence:
			return s.failed("it did not close the connection within %v", s.wait())
		case err != nil:
			return err
		case ev.kind == 0 && ev.end != errEndless:
			s.over = true
			s.mark(Informational, "it ends the stream without a Close, as RFC 6455, 5.1 allows")
			return nil
		}
		return failsStep{[]int{1002}}.judge(s, ev)
	})
}

// maskKeys is 11.3: every key unmasks every length at every offset.
func maskKeys() []Case {
	const rule = "byte i of the payload is masked with byte i modulo 4 of the key, whatever the key, the length and where in memory it is"
	var cases []Case
	for _, k := range [][4]byte{
		{}, {0xff, 0xff, 0xff, 0xff}, {1, 2, 3, 4}, {0x80, 0x80, 0x80, 0x80}, {0, 0, 0, 1}, {1, 0, 0, 0}, {0, 0xff, 0, 0xff},
		{0x55, 0xaa, 0x55, 0xaa}, {0x81, 0x85, 0x37, 0xfa}, {'G', 'E', 'T', ' '},
	} {
		cases = append(cases, Case{Title: fmt.Sprintf("key %x, lengths from 1 to 40", k), Script: script{
			later(func() []Step {
				var frames, messages []frame
				for n := 1; n <= 40; n++ {
					m := noise.message(n, uint64(n))
					frames, messages = append(frames, m.keyed(k)), append(messages, m)
				}
				return []Step{send(frames...), want(messages...)}
			})}})
	}
	const one = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	hidden := []byte(one)
	for i := range hidden {
		hidden[i] ^= key[i&3]
	}
	long := func(n int, k [4]byte) Step {
		return later(func() []Step {
			m := noise.message(n, 3)
			return []Step{send(m.keyed(k)), want(m)}
		})
	}
	cases = append(cases,
		Case{Title: "the same key twice", Script: script{send(text("one").keyed(key), text("two").keyed(key)), want(text("one"), text("two"))}},
		Case{Title: "a key that is the payload, so that zeros are on the wire", Script: script{
			send(bin(key[:]).keyed(key)), want(bin(key[:]))}},
		Case{Title: "a payload that looks like a request on the wire", Script: script{
			send(frame{op: opBinary, payload: hidden}.keyed(key)), want(bin(hidden))}},
		Case{Title: "a payload that looks like a request", Script: script{send(text(one).keyed([4]byte{})), want(text(one))}},
		Case{Title: "pings of 0 to 20 bytes with one key", Script: script{later(func() []Step {
			var all []Step
			for n := range 21 {
				p := ping(string(noise.bytes(n, 1)))
				all = append(all, send(p.keyed(key)), want(pong(string(p.payload))))
			}
			return all
		})}},
		Case{Title: "fragments of 1 to 9 bytes, a key each", Script: script{later(func() []Step {
			m := noise.message(45, 2)
			var frames []frame
			for n, at := 1, 0; n <= 9; n++ {
				f := frame{op: opCont, open: n < 9, payload: m.payload[at : at+n]}
				if n == 1 {
					f.op = opBinary
				}
				frames = append(frames, f.keyed([4]byte{byte(n), byte(3 * n), byte(7 * n), byte(31 * n)}))
				at += n
			}
			return []Step{send(frames...), want(m)}
		})}},
		Case{Title: "4 KiB, which ends in the middle of the key", Script: script{long(4099, key)}},
		Case{Title: "65537 bytes", Size: 65537, Script: script{long(65537, key)}},
	)
	for _, n := range []int{1, 2, 3, 5, 7, 13} {
		cases = append(cases, Case{Title: fmt.Sprintf("200 bytes in writes of %d", n), Script: script{later(func() []Step {
			m := noise.message(200, uint64(n))
			return []Step{chop(n, m.keyed(key)), want(m)}
		})}})
	}
	for i := range cases {
		cases[i].Roles = ForServers
	}
	return group("11.3", "RFC 6455, 5.3", rule, cases...)
}

// clientKeys is 11.4: what a client masks with.
func clientKeys() []Case {
	const n = 256
	var messages []frame
	for i := range n {
		messages = append(messages, text(fmt.Sprint(i)))
	}
	var pings []Step
	for i := range 64 {
		pings = append(pings, send(ping(fmt.Sprint(i))), want(pong(fmt.Sprint(i))))
	}
	return group("11.4", "RFC 6455, 5.3", "a client derives a new key that cannot be predicted for each frame",
		Case{Title: "the keys of 256 messages", Roles: ForClients, Script: script{echo(messages...), do(freshKeys)}},
		Case{Title: "the keys of 64 pongs", Roles: ForClients, Script: script{steps(pings), do(freshKeys)}},
		Case{Title: "the keys of a message of 64 KiB, asked for 16 times", Roles: ForClients, Size: 64 << 10, Heavy: true, Script: script{do(func(s *session) error {
			for i := range 16 {
				if err := echo(noise.message(64<<10, uint64(i))).run(s); err != nil {
					return err
				}
			}
			return freshKeys(s)
		})}},
	)
}

// freshKeys looks at all keys of the peer's so far. By chance a right peer fails
// here once in a million million runs.
func freshKeys(s *session) error {
	seen := map[uint32]int{}
	var set [32]int
	steps := map[uint32]int{}
	var last uint32
	for i, key := range s.keys {
		k := uint32(key[0])<<24 | uint32(key[1])<<16 | uint32(key[2])<<8 | uint32(key[3])
		for bit := range set {
			set[bit] += int(k >> bit & 1)
		}
		if seen[k]++; seen[k] > 2 || k == 0 && seen[k] > 1 {
			return s.failed("it used the key %08x again and again", k)
		}
		if i > 0 {
			if steps[k-last]++; steps[k-last] > 2 {
				return s.failed("its keys go up by %d", int32(k-last))
			}
		}
		last = k
	}
	if n := len(s.keys); n >= 64 {
		for bit, ones := range set {
			if ones == 0 || ones == n {
				s.mark(NonStrict, fmt.Sprintf("bit %d of its keys is never %d", bit, 1-ones/n))
			}
		}
	}
	return nil
}

// lengthForms are 11.5, lengths in more bytes than they need, 11.6, lengths beyond
// 2^63, and 11.7, those that are right, at their limits.
func lengthForms() []Case {
	const spec = "RFC 6455, 5.2"
	var long []Case
	for _, v := range []struct{ n, width int }{
		{0, 2}, {1, 2}, {5, 2}, {125, 2}, {0, 8}, {1, 8}, {125, 8}, {126, 8}, {127, 8}, {256, 8}, {65535, 8},
	} {
		m := noise.message(v.n, 5)
		long = append(long, Case{Title: fmt.Sprintf("a binary message of %d bytes, the length in %d", v.n, v.width), Script: script{
			send(m.wide(v.width)), failsOr(m, "it takes a length that is longer than need be")}})
	}
	hello := text("hello")
	long = append(long,
		Case{Title: "a text with its length in 2 bytes", Script: script{send(hello.wide(2)), failsOr(hello, "it takes a length that is longer than need be")}},
		Case{Title: "a fragment with its length in 2 bytes", Script: script{
			send(text("he").more().wide(2), cont("llo")), failsOr(hello, "it takes a length that is longer than need be")}},
		Case{Title: "a last fragment with its length in 8 bytes", Script: script{
			send(text("he").more(), cont("llo").wide(8)), failsOr(hello, "it takes a length that is longer than need be")}},
		Case{Title: "a text with its length in 2 bytes, octet by octet", Script: script{
			octetwise(hello.wide(2)), failsOr(hello, "it takes a length that is longer than need be")}},
	)
	const control = "a control frame has a length of 7 bits"
	for _, width := range []int{2, 8} {
		for _, f := range []frame{ping("hello"), pong("hello"), closing(1000, ""), ping("")} {
			answer := pong(string(f.payload))
			c := Case{Title: fmt.Sprintf("a %s of %d bytes, the length in %d", opName(f.op), len(f.payload), width),
				Spec: "RFC 6455, 5.2 and 5.5", Rule: control}
			switch f.op {
			case opPing:
				c.Script = script{send(f.wide(width)), failsOr(answer, "it takes a ping with a long length")}
			case opPong: // the ping behind tells whether it was taken
				c.Script = script{send(f.wide(width), ping("x")), failsOr(pong("x"), "it takes a pong with a long length")}
			case opClose:
				c.Script = script{send(f.wide(width)), choose(
					onClose(OK, "", 1002),
					onClose(NonStrict, "it takes a Close with a long length", 1000),
					onClose(NonStrict, "it closes with another code than 1002"),
					on(ended, NonStrict, "it ended the stream without a Close"),
				)}
			}
			long = append(long, c)
		}
	}
	all := group("11.5", spec, "a length is encoded in as few bytes as it needs", long...)

	var beyond []Case
	for _, n := range []uint64{1 << 63, 1<<63 | 5, 1<<64 - 1, 1<<63 | 1<<62, 0xff<<56 | 5} {
		beyond = append(beyond, Case{Title: fmt.Sprintf("a binary message that promises %#x bytes", n),
			Script: script{send(bin([]byte("hello")).claims(n)), fails(1002), alive()}})
	}
	beyond = append(beyond,
		Case{Title: "a text that promises 2^63 bytes", Script: script{send(hello.claims(1 << 63)), fails(1002), alive()}},
		Case{Title: "a fragment that promises 2^63 bytes", Script: script{send(text("he").more(), cont("llo").claims(1<<63)), fails(1002), alive()}},
		Case{Title: "a ping that promises 2^63+5 bytes", Script: script{send(ping("hello").claims(1<<63 | 5)), fails(1002), alive()}},
		Case{Title: "2^63 bytes promised, octet by octet", Script: script{octetwise(hello.claims(1 << 63)), fails(1002), alive()}},
	)
	for i := range beyond {
		beyond[i].Alone = true // it may be the peer's last
	}
	all = append(all, group("11.6", spec, "the highest bit of a length of 8 bytes is 0", beyond...)...)

	var right []Case
	for _, n := range []int{125, 126, 127, 128, 255, 256, 257, 32767, 32768, 65534, 65535, 65536, 65537} {
		right = append(right, Case{Title: fmt.Sprintf("%d bytes, binary and text, whole and as a second fragment", n), Size: n + 1, Script: script{
			later(func() []Step {
				b, t := noise.message(n, 1), ascii.message(n, 2)
				join := frame{op: opText, payload: append([]byte("<"), t.payload...)}
				return []Step{echo(b, t), send(text("<").more(), frame{op: opCont, payload: t.payload}), want(join)}
			})}})
	}
	return append(all, group("11.7", spec, "a length takes 7 bits up to 125, 16 up to 65535, and else 64", right...)...)
}

// failsOr wants the connection failed with 1002. A peer that takes what was sent as
// if it were right does no harm, but is not strict.
func failsOr(f frame, note string) Step {
	return do(func(s *session) error {
		ev, err := s.next(s.wait())
		switch {
		case err == errSilence:
			return s.failed("it did not fail the connection within %v", s.wait())
		case err != nil:
			return err
		case s.same(ev, f) == nil:
			s.mark(NonStrict, note)
			return nil
		}
		return failsStep{[]int{1002}}.judge(s, ev)
	})
}

// alive wants a server to serve others still. Of a client that is not known.
func alive() Step {
	return do(func(s *session) error {
		if !s.client || s.target == nil {
			return nil
		}
		return also(echo(text("alive?"))).run(s)
	})
}

// headerPieces are 11.8 and 11.9: headers that come in pieces.
func headerPieces() []Case {
	const rule = "TCP is a stream of bytes: where it is cut means nothing"
	forms := []struct {
		title string
		frame func(seed int) frame
		size  int
	}{
		{"a length of 7 bits", func(seed int) frame { return noise.message(20, uint64(seed)) }, 0},
		{"a length of 16 bits", func(seed int) frame { return noise.message(300, uint64(seed)) }, 0},
		{"a length of 64 bits", func(seed int) frame { return noise.message(66000, uint64(seed)) }, 66000},
		{"an empty text", func(int) frame { return text("") }, 0},
	}
	var octet, cut, second []Case
	for _, v := range forms {
		octet = append(octet, Case{Title: v.title + ": the header octet by octet, then the payload", Size: v.size, Script: script{
			do(func(s *session) error {
				m := v.frame(0)
				p := s.encode([]frame{m})
				head := len(p) - len(m.payload)
				for i := range head {
					s.write(p[i : i+1])
				}
				s.write(p[head:])
				return want(m).run(s)
			})}})
		cut = append(cut, Case{Title: v.title + ": cut at each place of the header", Size: v.size, Heavy: v.size > 0, Script: script{
			do(func(s *session) error {
				for i, head := 1, 2; i <= head; i++ {
					m := v.frame(i)
					p := s.encode([]frame{m})
					head = len(p) - len(m.payload)
					if err := (steps{writes(p[:i]), pause(time.Millisecond), writes(p[i:]), want(m)}).run(s); err != nil {
						return err
					}
				}
				return nil
			})}})
		second = append(second, Case{Title: v.title + ": a message and a part of the next one's header in one write", Size: v.size, Heavy: v.size > 0, Script: script{
			do(func(s *session) error {
				for i, head := 1, 2; i <= head; i++ {
					m, first := v.frame(i), text(fmt.Sprintf("before %d", i))
					p := s.encode([]frame{first})
					next := s.encode([]frame{m})
					head = len(next) - len(m.payload)
					if err := (steps{writes(append(p, next[:i]...)), want(first), writes(next[i:]), want(m)}).run(s); err != nil {
						return err
					}
				}
				return nil
			})}})
	}
	pinged := ping(string(octets(50)))
	octet = append(octet,
		Case{Title: "a ping, octet by octet", Script: script{octetwise(pinged), want(pong(string(pinged.payload)))}},
		Case{Title: "fragments and a ping, octet by octet", Script: script{
			octetwise(text("he").more(), pong("-"), cont("l").more(), cont("lo")), want(text("hello"))}},
		Case{Title: "a Close, octet by octet", Script: script{octetwise(closing(1000, "so long")), closed(1000)}},
	)
	second = append(second, Case{Title: "a message, and a part of a ping in the same write", Script: script{
		do(func(s *session) error {
			p := s.encode([]frame{text("before"), ping("x")})
			if err := (steps{writes(p[:len(p)-2]), want(text("before"))}).run(s); err != nil {
				return err
			}
			return steps{writes(p[len(p)-2:]), want(pong("x"))}.run(s)
		})}})
	all := group("11.8", "RFC 6455, 5.2", rule, append(octet, cut...)...)
	return append(all, group("11.9", "RFC 6455, 5.2", rule+"; what is complete is answered before the rest comes", second...)...)
}

// writes writes bytes that are already in the trace.
func writes(p []byte) Step {
	return do(func(s *session) error {
		s.write(p)
		return nil
	})
}

// headerEnds is 11.10: the stream ends in the middle of a frame or a message.
func headerEnds() []Case {
	const rule = "a frame that the end of the stream cuts off is not taken; the peer ends the connection too"
	// cutOff writes frames but their last n bytes, and ends our half.
	cutOff := func(n int, frames ...frame) Step {
		return do(func(s *session) error {
			p := s.encode(frames)
			s.note(true, fmt.Sprintf("(without the last %d bytes)", n))
			s.write(p[:len(p)-n])
			return shut().run(s)
		})
	}
	end := choose(on(ended, OK, ""), onClose(OK, ""))
	const lost = "it ends at once and does not answer what came before the end"
	hello := text("hello")
	all := []Case{
		{Title: "a text without its last byte", Script: script{cutOff(1, hello), end}},
		{Title: "a text without its payload", Script: script{cutOff(5, hello), end}},
		{Title: "a binary message without its last byte", Script: script{cutOff(1, bin(octets(1000))), end}},
		{Title: "the first byte of a header", Script: script{do(func(s *session) error {
			return steps{writes(s.encode([]frame{hello})[:1]), shut()}.run(s)
		}), end}},
		{Title: "a length of 16 bits without its last byte", Script: script{do(func(s *session) error {
			return steps{writes(s.encode([]frame{bin(octets(200))})[:3]), shut()}.run(s)
		}), end}},
		{Title: "a length of 64 bits without its last byte", Script: script{do(func(s *session) error {
			return steps{writes(s.encode([]frame{bin(octets(66000))})[:9]), shut()}.run(s)
		}), end}},
		{Title: "an empty text without the last byte of its key", Roles: ForServers, Script: script{cutOff(1, text("")), end}},
		{Title: "an empty text without its key", Roles: ForServers, Script: script{cutOff(4, text("")), end}},
		{Title: "a ping without its last byte", Script: script{cutOff(1, ping("hello")), end}},
		{Title: "a Close without its last byte", Script: script{cutOff(1, closing(1000, "so long")), choose(
			on(ended, OK, ""), onClose(NonStrict, "it answers a Close that did not come to its end", 1000), onClose(OK, ""))}},
		{Title: "a message without its last fragment", Script: script{send(text("he").more(), cont("ll").more()), shut(), end}},
		{Title: "a last fragment without its last byte", Script: script{cutOff(1, text("he").more(), cont("llo")), end}},
		{Title: "a good text, then one without its last byte", Script: script{cutOff(1, text("good"), hello), choose(
			onThis(text("good"), OK, "", end), on(ended, Informational, lost), onClose(Informational, lost))}},
		{Title: "no Close at all", Script: script{echo(hello), shut(), end}},
	}
	return group("11.10", "RFC 6455, 5.2 and 7.1.7", rule, all...)
}

// manyFrames is 11.11: many frames at once.
func manyFrames() []Case {
	// all sends n messages by a word and wants them back.
	all := func(n int, message func(i int) frame, by func(...frame) Step) Step {
		return later(func() []Step {
			var messages []frame
			for i := range n {
				messages = append(messages, message(i))
			}
			return []Step{by(messages...), want(messages...)}
		})
	}
	numbers := func(i int) frame { return text(fmt.Sprintf("message %d", i)) }
	sizes := func(i int) frame { return noise.message(1+i, uint64(i)) }
	mixed := func(i int) frame {
		if i%2 == 0 {
			return scripts.message(1+i*7%200, uint64(i))
		}
		return noise.message(1+i*13%300, uint64(i))
	}
	fragments := func(messages ...frame) Step {
		var frames []frame
		for i, m := range messages {
			frames = append(frames, m.split(1+i%5)...)
		}
		return send(frames...)
	}
	return group("11.11", "RFC 6455, 5 and 5.4", "messages come back whole, each once, in their order, however many came at once",
		Case{Title: "a thousand texts in one write", Script: script{all(1000, numbers, send)}},
		Case{Title: "a thousand texts, a write each", Script: script{all(1000, numbers, perFrame)}},
		Case{Title: "binary messages of 1 to 500 bytes in one write", Script: script{all(500, sizes, send)}},
		Case{Title: "500 messages of both kinds, in writes of random size", Script: script{all(500, mixed, scattered)}},
		Case{Title: "500 messages of both kinds, in writes of 17 bytes", Script: script{all(500, mixed, func(f ...frame) Step { return chop(17, f...) })}},
		Case{Title: "200 messages in fragments, in one write", Script: script{all(200, mixed, fragments)}},
		Case{Title: "a thousand empty messages in one write", Script: script{all(1000, func(i int) frame { return frame{op: opText + byte(i&1)} }, send)}},
		Case{Title: "ten thousand texts in one write", Script: script{all(10000, numbers, send)}},
	)
}

// scattered writes frames in pieces of random size, mostly small ones.
func scattered(frames ...frame) Step {
	return do(func(s *session) error {
		for p := s.encode(frames); len(p) > 0; {
			n := min(1+s.random.IntN(1<<s.random.IntN(12)), len(p))
			s.write(p[:n])
			p = p[n:]
		}
		return nil
	})
}

// noFrames is 11.12: bytes that are not meant as frames.
func noFrames() []Case {
	var all []Case
	for _, v := range []struct {
		title string
		bytes []byte
	}{
		{"zeros", make([]byte, 64)},
		{"bytes of all ones", bytes.Repeat([]byte{0xff}, 64)},
		{"a request of HTTP", []byte("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")},
		{"an answer of HTTP", []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
		{"the beginning of TLS", append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, noise.bytes(100, 1)...)},
		{"a line of text", []byte("hello\r\nis anyone there\r\n")},
		{"a line break", []byte("\r\n\r\n")},
		{"a frame as before the RFC: text between 0x00 and 0xFF", []byte("\x00hello\xff")},
	} {
		// A peer that looks at a frame only when it has all of it gets more.
		failed := failsFast(1002, rawBytes(v.bytes), rawBytes(make([]byte, 300)))
		all = append(all, Case{Title: v.title, Script: script{failed}},
			Case{Title: v.title + " behind a good text", Script: script{echo(text("good")), failed}})
	}
	return group("11.12", "RFC 6455, 5.1 and 5.2", "what is no frame that may come now fails the connection", all...)
}
