package conform

import (
	"fmt"
	"slices"
	"time"
)

// Section 16: nobody makes others wait, and nobody waits for ever.
func fairness() []Case {
	return slices.Concat(floods(), stalls(), slowness(), unfinished(), farewells())
}

// soon is when an echo has to be there on a machine that does nothing but this.
const soon = 2 * time.Second

// floods: a connection with much to say is one of several.
func floods() []Case {
	const spec, rule = "RFC 6455, 10", "whatever a connection sends, others are served in time, and it is too"
	var pings, pongs, small, tiny []frame
	for i := range 100 {
		pings = append(pings, ping(fmt.Sprintf("%3d %s", i, letters(121))))
		pongs = append(pongs, pong(letters(125)))
		small = append(small, text(fmt.Sprintf("message %d", i)))
		tiny = append(tiny, bin(nil))
	}
	var laced, answers []frame
	for i := range 500 {
		m := text(fmt.Sprintf("message %d", i))
		laced, answers = append(laced, m, ping(fmt.Sprintf("ping %d", i))), append(answers, m)
	}
	busy := []Step{also(within(soon, echo(ahoy))), also(within(soon, echo(ahoy)), within(soon, echo(bin(octets(1000)))))}
	echoes := func(f []frame) func(int) []Step {
		return func(n int) []Step { return []Step{want(slices.Repeat(f, n)...), quiet()} }
	}
	lastPong := func(int) []Step { return []Step{send(ping("last"), ahoy), unlessFlooded(pong("last"), ahoy)} }
	all := forRole(ForServers, group("16.1", spec, rule,
		Case{Title: "a flood of pings, and others", Alone: true, Script: script{opens(), during(pings, 200, busy, lastPong)}},
		Case{Title: "a flood of pongs, and others", Alone: true, Script: script{opens(), during(pongs, 200, busy, lastPong)}},
		Case{Title: "a flood of small messages, and others", Alone: true, Script: script{opens(), during(small, 200, busy, echoes(small))}},
		Case{Title: "a flood of empty messages, and others", Alone: true, Script: script{opens(), during(tiny, 200, busy, echoes(tiny))}},
		Case{Title: "a flood of requests that are refused, and others", Alone: true, Script: script{opens(), steps(slices.Repeat([]Step{
			also(refuses(nil, set("Sec-WebSocket-Version", "12")))}, 50)), within(soon, echo(ahoy)), served()}},
	))
	return append(all, group("16.2", spec, rule,
		Case{Title: "1000 pings, then a message", Script: script{send(slices.Repeat(pings, 10)...), send(ahoy), unlessFlooded(ahoy)}},
		Case{Title: "2000 messages in one write", Script: script{send(slices.Repeat(small, 20)...), want(slices.Repeat(small, 20)...)}},
		Case{Title: "2000 empty messages in one write", Script: script{send(slices.Repeat(tiny, 20)...), want(slices.Repeat(tiny, 20)...)}},
		Case{Title: "500 messages and as many pings", Script: script{perFrame(laced...), unlessFlooded(append(answers, pong("ping 499"))...)}},
	)...)
}

// unlessFlooded wants messages, in order, and pongs, at any time; pongs that it
// does not ask for are passed over, as the peer may leave them out (RFC 6455,
// 5.5.3). A peer may also end a connection that has so many pings.
func unlessFlooded(f ...frame) Step {
	return do(func(s *session) error {
		pongs := make(map[string]bool)
		var messages []frame
		for _, g := range f {
			if g.op == opPong {
				pongs[string(g.payload)] = true
			} else {
				messages = append(messages, g)
			}
		}
		for len(pongs)+len(messages) > 0 {
			ev, err := s.expect(f[len(f)-1])
			switch {
			case err != nil:
				return err
			case ev.kind == opPong:
				delete(pongs, string(ev.payload))
			case ev.kind == opClose:
				s.mark(Informational, "it takes no such flood")
				s.gone()
				return nil
			case ev.kind == 0 && ev.end != errEndless:
				s.over = true
				s.mark(Informational, "it takes no such flood")
				return nil
			case len(messages) == 0:
				return s.failed("nothing more was to come, but it sent %s", &ev)
			default:
				if err := s.same(ev, messages[0]); err != nil {
					return err
				}
				messages = messages[1:]
			}
		}
		return nil
	})
}

// stalls: we do not read while the peer has much to say. It waits, or gives up;
// what it does not do is to lose a part.
func stalls() []Case {
	const (
		rule = "a peer that has to wait until we read loses nothing: it sends all, or ends the connection"
		full = "it ends the connection where too much has to wait"
	)
	cases := func(title string, heavy bool, f ...frame) Case {
		n := 0
		for _, g := range f {
			n += len(g.payload)
		}
		return Case{Title: fmt.Sprintf("%s, and we do not read", title), Heavy: heavy, Size: len(f[0].payload), Script: script{opens(), hold(),
			meanwhile(f, pauseForPatience(), release(), allOrEnd(full, f...))}}
	}
	var numbered []frame
	for i := range 3000 {
		numbered = append(numbered, text(fmt.Sprintf("message %d %s", i, letters(80))))
	}
	big, much := bin(octets(64<<10)), slices.Repeat([]frame{bin(octets(16 << 10))}, 16)
	return append(group("16.3", "RFC 6455, 10", rule,
		cases("3000 messages of 90 bytes", false, numbered...),
		cases("16 messages of 16 KiB", false, much...),
		cases("128 messages of 64 KiB", true, slices.Repeat([]frame{big}, 128)...),
		cases("a message of 256 KiB", false, bin(octets(256<<10))),
	), forRole(ForServers, group("16.4", "RFC 6455, 10", "one who does not read holds up nobody else",
		Case{Title: "16 messages of 16 KiB whose echo is not read, and others", Script: script{opens(), hold(),
			meanwhile(much, within(soon, served()), release(), allOrEnd(full, much...))}},
	))...)
}

// pauseForPatience gives the peer time to fill what can be filled.
func pauseForPatience() Step {
	return do(func(s *session) error { return pause(min(s.o.Patience, 200*time.Millisecond)).run(s) })
}

// allOrEnd wants these messages, in order, or the end of the connection in the
// middle of them.
func allOrEnd(note string, f ...frame) Step {
	return do(func(s *session) error {
		for _, g := range f {
			ev, err := s.expect(g)
			switch {
			case err != nil:
				return err
			case ev.kind == opClose:
				s.mark(Informational, note)
				s.gone()
				return nil
			case ev.kind == 0 && ev.end != errEndless:
				s.over = true
				s.mark(Informational, note)
				return nil
			}
			if err := s.same(ev, g); err != nil {
				return err
			}
		}
		return nil
	})
}

// slowness: who takes his time is waited for.
func slowness() []Case {
	const ms = time.Millisecond
	return append(group("16.5", "RFC 6455, 5.2", "a frame may take its time",
		Case{Title: "a message an octet at a time, with pauses", Script: script{slowly(5*ms, ahoy), want(ahoy)}},
		Case{Title: "a message in fragments, an octet at a time, with pauses", Script: script{slowly(3*ms, text("he").more(), cont("llo")), want(ahoy)}},
		Case{Title: "a ping an octet at a time, with pauses", Script: script{slowly(5*ms, ping("x")), want(pong("x"))}},
		Case{Title: "a Close an octet at a time, with pauses", Script: script{slowly(5*ms, closing(1000, "bye")), closed(1000)}},
		Case{Title: "three messages with a pause before each", Script: script{pause(30 * ms), echo(ahoy), pause(30 * ms), echo(ahoy), pause(30 * ms), echo(ahoy)}},
	), forRole(ForServers, group("16.6", "RFC 6455, 10", "one who is slow holds up nobody else",
		Case{Title: "half a request, others, the other half", Script: script{opens(halfway(served(), served())), echo(ahoy)}},
		Case{Title: "half a header, others, the other half", Script: script{heldUp(ahoy, 1), want(ahoy)}},
		Case{Title: "half a message, others, the other half", Script: script{heldUp(ahoy, 8), want(ahoy)}},
		Case{Title: "half of 64 KiB, others, the other half", Size: 64 << 10, Script: script{heldUp(bin(octets(64<<10)), 32<<10), want(bin(octets(64 << 10)))}},
		Case{Title: "half a ping, others, the other half", Script: script{heldUp(ping("ahoy"), 8), want(pong("ahoy"))}},
		Case{Title: "a fragment, others, the next fragment", Script: script{send(text("he").more()), served(), send(cont("llo")), want(ahoy)}},
	))...)
}

// heldUp writes the first n bytes of a frame, plays with others, and writes the
// rest.
func heldUp(f frame, n int) Step {
	return do(func(s *session) error {
		if err := (open{}).run(s); err != nil {
			return err
		}
		p := s.encode([]frame{f})
		s.write(p[:n])
		if err := within(soon, served()).run(s); err != nil {
			return err
		}
		s.write(p[n:])
		return nil
	})
}

// unfinished messages never end, and have nothing to do with others.
func unfinished() []Case {
	var held []Step
	for range 10 {
		held = []Step{also(append([]Step{send(text("never ends").more())}, append(held, hangUp())...)...)}
	}
	return forRole(ForServers, group("16.7", "RFC 6455, 10", "messages that do not end hold up nobody else",
		Case{Title: "10 connections in the middle of a message, and another", Script: script{opens(), steps(held), within(soon, echo(ahoy)), served()}},
		Case{Title: "in the middle of a message pings are answered", Script: script{send(text("he").more()), send(ping("x")), want(pong("x")), served(), send(cont("llo")), want(ahoy)}},
	))
}

// farewells: ends while there is much to say, and ends that are not answered.
func farewells() []Case {
	var many []frame
	for i := range 200 {
		many = append(many, text(fmt.Sprintf("message %d %s", i, letters(1000))))
	}
	bye := closing(1000, "")
	behind := slices.Concat(many, []frame{bye})
	return slices.Concat(
		group("16.8", "RFC 6455, 5.5.1 and 7.1.1", "a Close comes through whatever else is on its way, in either direction",
			Case{Title: "200 messages of 1 KiB and a Close in one write", Script: script{meanwhile(behind, lastWords(1000, many...))}},
			Case{Title: "the same, and we read late", Script: script{opens(), hold(), meanwhile(behind, pauseForPatience(), release(), upToClose(many...))}},
			Case{Title: "a Close between fragments, with echoes on their way back", Script: script{opens(), hold(),
				meanwhile(slices.Concat(many, []frame{text("he").more(), bye}), pauseForPatience(), release(), upToClose(many...))}},
		),
		group("16.9", "RFC 6455, 7.1.1 and 7.1.7", "who has failed a connection is done with it, whatever the other side does",
			Case{Title: "a wrong frame; its Close is not answered, the stream not ended", Wait: 15 * time.Second, Roles: ForServers, Script: script{send(op(3, "")), farewell(false)}},
			Case{Title: "a wrong frame; its Close is not answered, and data goes on", Wait: 15 * time.Second, Script: script{send(op(3, "")), farewell(true)}},
		),
	)
}

// upToClose wants messages back up to the answer to our Close. A peer that has to
// wait until we read may answer the Close first, and drop what is behind.
func upToClose(messages ...frame) Step {
	return do(func(s *session) error {
		for _, f := range messages {
			ev, err := s.expect(f)
			if err != nil {
				return err
			}
			if ev.kind == opClose && ev.code == 1000 {
				s.mark(Informational, "it answers a Close before it has returned all that came before")
				s.gone()
				return nil
			}
			if err := s.same(ev, f); err != nil {
				return err
			}
		}
		return closed(1000).run(s)
	})
}

// farewell wants the peer to fail the connection and then, in Case.Wait, to let go
// of the stream, although we neither answer its Close nor end our half. With talk
// we go on sending. A server that is done takes nothing any more: writing fails.
func farewell(talk bool) Step {
	return do(func(s *session) error {
		ev, err := s.next(s.wait())
		switch {
		case err == errSilence:
			return s.failed("it did not fail the connection within %v", s.wait())
		case err != nil:
			return err
		case ev.kind == 0:
			s.over = true
			s.markClose(NonStrict, "it ended the stream without a Close")
			return nil
		case ev.kind != opClose:
			return s.failed("it was to fail the connection, but sent %s", &ev)
		}
		s.over = true
		began := time.Now()
		for time.Since(began) < s.wait() {
			if talk {
				s.write(s.encode([]frame{ahoy}))
			}
			it, err := s.take(50 * time.Millisecond)
			switch {
			case err == nil && it.end != nil:
				return nil
			case err == nil && it.isControl(): // the RFC forbids data
				s.markClose(NonStrict, "after its Close it sent "+it.frame.String())
			case err == nil:
				return s.failed("it failed the connection, but sent %s", it.frame)
			}
		}
		s.mark(Informational, fmt.Sprintf("it waits for our Close for more than %v", s.wait()))
		return nil
	})
}
