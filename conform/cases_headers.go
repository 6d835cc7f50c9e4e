package conform

import (
	"fmt"
	"slices"
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
	cases = append(cases, Case{Title: "keys of which one bit is set, or one is not, lengths from 1 to 20", Script: script{later(func() []Step {
		var frames, messages []frame
		for bit := range 64 {
			k := uint32(1) << (bit % 32)
			if bit >= 32 {
				k = ^k
			}
			for n := 1; n <= 20; n++ {
				m := noise.message(n, uint64(bit))
				frames = append(frames, m.keyed([4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}))
				messages = append(messages, m)
			}
		}
		return []Step{send(frames...), want(messages...)}
	})}})
	for i := range cases {
		cases[i].Roles = ForServers
	}
	return group("11.3", "RFC 6455, 5.3", rule, cases...)
}

// clientKeys is 11.4: what a client masks with.
func clientKeys() []Case {
	const n = 5000 // more than a pool of random bytes is likely to have
	var pings []Step
	for i := range 64 {
		pings = append(pings, send(ping(fmt.Sprint(i))), want(pong(fmt.Sprint(i))))
	}
	return group("11.4", "RFC 6455, 5.3", "a client derives a new key that cannot be predicted for each frame",
		Case{Title: "the keys of 5000 messages", Roles: ForClients, Script: script{later(func() []Step {
			var messages []frame
			for i := range n {
				messages = append(messages, text(fmt.Sprint(i)))
			}
			return []Step{echo(messages...), do(freshKeys)}
		})}},
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

// freshKeys looks at the peer's keys so far. By chance a right peer fails here once
// in hundreds of millions of runs.
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
			Script: script{send(bin([]byte("hello")).claims(n)), failsOrLimit(), alive()}})
	}
	beyond = append(beyond,
		Case{Title: "a text that promises 2^63 bytes", Script: script{send(hello.claims(1 << 63)), failsOrLimit(), alive()}},
		Case{Title: "a fragment that promises 2^63 bytes", Script: script{send(text("he").more(), cont("llo").claims(1<<63)), failsOrLimit(), alive()}},
		Case{Title: "a ping that promises 2^63+5 bytes", Script: script{send(ping("hello").claims(1<<63 | 5)), fails(1002), alive()}},
		Case{Title: "2^63 bytes promised, octet by octet", Script: script{octetwise(hello.claims(1 << 63)), failsOrLimit(), alive()}},
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
		return failsStep{codes: []int{1002}}.judge(s, ev)
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
