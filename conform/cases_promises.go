package conform

import "fmt"

// endless is 9.9: a message that does not come to its end.
func sizesEndless() []Case {
	const size, count = 32 * mib, 32 * mib / (64 * kib)
	pour := func(c *corpus, piece int) Step {
		return do(func(s *session) error {
			p := c.bytes(piece, 1)
			f := frame{op: c.op, open: true, payload: p}
			for range size / piece {
				if s.stuck {
					break
				}
				s.write(s.encode([]frame{f}))
				f.op = opCont
			}
			return nil
		})
	}
	// A peer that limits nothing below 32 MiB answers the Close.
	refused := choose(
		onClose(OK, "", 1009, 1008, 1000),
		onClose(NonStrict, "it closes with another code than 1009"),
		on(ended, NonStrict, "it ended the stream without a Close"),
	)
	one := func(title string, c *corpus, piece int) Case {
		return Case{Title: title, Heavy: true, Alone: true, Size: size, Script: script{pour(c, piece), send(closing(1000, "")), refused, alive()}}
	}
	return group("9.9", "RFC 6455, 10.4", "a message that does not end is limited: 1009, or it is given up when a Close comes",
		one(fmt.Sprintf("text without end: %d frames of 64 KiB", count), ascii, 64*kib),
		one("a binary message without end: 512 frames of 64 KiB", noise, 64*kib),
		one("text without end: 8192 frames of 4 KiB", ascii, 4*kib),
	)
}

// promises is 9.15: a header promises far more than comes.
func sizesPromised() []Case {
	const rule = "what is too large is refused with 1009, and no promise takes memory"
	some := ascii.bytes(10, 1)
	var cases []Case
	for _, v := range []struct {
		n    uint64
		said string
	}{
		{1<<63 - 1, "2^63-1"}, {1<<63 - 10, "2^63-10"}, {1 << 62, "2^62"}, {1 << 40, "2^40"}, {1<<32 + 10, "2^32+10"}, {1 << 32, "2^32"},
		{1<<32 - 1, "2^32-1"}, {1 << 31, "2^31"}, {1<<31 - 1, "2^31-1"},
	} {
		cases = append(cases, Case{Title: "a binary message promises " + v.said + " bytes, and ten come", Script: script{
			send(bin(some).claims(v.n)), tooMuch(), alive()}})
	}
	first := text("0123456789").more()
	cases = append(cases,
		Case{Title: "a text promises 2^63-1 bytes, and ten come", Script: script{send(text(string(some)).claims(1<<63 - 1)), tooMuch(), alive()}},
		Case{Title: "a first fragment promises 2^63-1 bytes, and ten come", Script: script{send(first.claims(1<<63 - 1)), tooMuch(), alive()}},
		Case{Title: "a second fragment makes it 2^63+9 bytes", Script: script{send(first, cont(string(some)).claims(1<<63-1)), tooMuch(), alive()}},
		Case{Title: "a second fragment makes it 2^32+10 bytes", Script: script{send(first, cont(string(some)).claims(1<<32)), tooMuch(), alive()}},
		Case{Title: "a third fragment makes it 2^63 bytes", Script: script{
			send(first, cont("0123456789").more(), cont(string(some)).claims(1<<63-20)), tooMuch(), alive()}},
		Case{Title: "2^63-1 bytes are promised, and none come", Script: script{send(bin(nil).claims(1<<63 - 1)), tooMuch(), alive()}},
		Case{Title: "2^63-1 bytes are promised, octet by octet", Script: script{octetwise(bin(some).claims(1<<63 - 1)), tooMuch(), alive()}},
		Case{Title: "2^63-1 bytes are promised behind a good text", Script: script{
			echo(text("good")), send(bin(some).claims(1<<63 - 1)), tooMuch(), alive()}},
	)
	for i := range cases {
		cases[i].Alone = true // it may be the peer's last
	}
	return group("9.15", "RFC 6455, 5.2 and 10.4", rule, cases...)
}

// tooMuch wants a promise refused. To wait for it is allowed too: no rule says that
// a peer must have a limit, or look at it so early.
func tooMuch() Step {
	return do(func(s *session) error {
		ev, err := s.next(s.o.Patience * s.o.scale())
		if err == errSilence {
			s.mark(Informational, "it waits for all that was promised")
			return hangUp().run(s)
		}
		if err != nil {
			return err
		}
		return failsStep{codes: []int{1009}}.judge(s, ev)
	})
}

// beside are 9.16, other connections that want memory, and 9.17, some that stand
// still.
func sizesBeside() []Case {
	// hold is something begun on another connection that stays as it is.
	hold := func(count int, begun ...Step) Step {
		var all []Step
		for range count {
			all = append(all, also(append(begun, do(func(s *session) error {
				s.over = true
				return nil
			}))...))
		}
		return steps(all)
	}
	begin := func(f frame, n int) Step {
		return do(func(s *session) error {
			p := s.encode([]frame{f})
			s.note(true, fmt.Sprintf("(of which %d bytes)", n))
			s.write(p[:n])
			return nil
		})
	}
	hello := text("hello")
	later64 := func() Step { return later(func() []Step { return []Step{echo(noise.message(64*kib, 1))} }) }
	greedy := group("9.16", "RFC 6455, 10.4", "what is promised on some connections takes nothing from the others",
		Case{Title: "16 connections promise 256 MiB each", Size: 64 * kib, Script: script{
			echo(hello), hold(16, send(bin(octets(10)).claims(256*mib))), echo(hello), later64()}},
		Case{Title: "16 connections promise 2^62 bytes each", Size: 64 * kib, Script: script{
			echo(hello), hold(16, send(bin(octets(10)).claims(1<<62))), echo(hello), later64()}},
		Case{Title: "16 connections hold 60 KiB each of a message that does not end", Size: 64 * kib, Script: script{
			echo(hello), hold(16, send(text(letters(60*kib)).more())), echo(hello), later64()}},
		Case{Title: "16 connections promise a fragment of 1 GiB each, as the second of its message", Size: 64 * kib, Script: script{
			echo(hello), hold(16, send(text("he").more(), cont("llo").claims(1<<30))), echo(hello), later64()}},
	)
	stopped := group("9.17", "RFC 6455, 5 and 10.4", "a connection that stands still holds up no other",
		Case{Title: "16 connections have sent a byte of a header", Script: script{hold(16, begin(hello, 1)), echo(hello)}},
		Case{Title: "16 connections have sent half of a frame", Script: script{hold(16, begin(bin(octets(1000)), 500)), echo(hello)}},
		Case{Title: "16 connections have sent half of a message", Script: script{hold(16, send(text("he").more())), echo(hello)}},
		Case{Title: "another connection echoes in the middle of a frame, which then goes on", Script: script{do(func(s *session) error {
			m := noise.message(1000, 1)
			p := s.encode([]frame{m})
			return steps{writes(p[:500]), also(echo(hello)), writes(p[500:]), want(m)}.run(s)
		})}},
	)
	for i := range greedy {
		greedy[i].Alone = true
	}
	all := append(greedy, stopped...)
	for i := range all {
		all[i].Roles = ForServers
	}
	return all
}
