package conform

import (
	"fmt"
	"slices"
)

// Section 15: what a stream may do to a WebSocket.
func transports() []Case {
	return slices.Concat(segments(), halfCloses(), truncations(), resets(), cutsBelowTLS(), manyConnections())
}

// segments: a connection whose bytes are cut in all places, and in none.
func segments() []Case {
	const spec, rule = "RFC 6455, 5.2", "TCP is a stream: how it is cut into segments means nothing"
	long := bin(octets(300))
	var whole []Case
	for _, n := range []int{1, 2, 3, 5, 7, 11, 13, 64} {
		w := func(f ...frame) Step { return chop(n, f...) }
		whole = append(whole, Case{Title: fmt.Sprintf("handshake, messages, ping and Close in writes of %d", n), Script: script{
			opens(pieces(n)), w(ahoy), want(ahoy), w(ping("x")), want(pong("x")), w(long.split(100)...), want(long),
			w(closing(1000, "")), closed(1000)}})
	}
	return slices.Concat(
		group("15.1", spec, rule, whole...),
		group("15.2", spec, rule,
			Case{Title: "the end of each message in one write with the beginning of the next", Script: script{straddling(20)}},
			Case{Title: "answer, message, ping and Close in one write", Roles: ForClients, Script: script{
				opens(pipelined(ahoy, closing(1000, ""))), lastWords(1000, ahoy)}},
			Case{Title: "answer and two messages, cut within the first", Roles: ForClients, Script: script{
				opens(pipelined(ahoy, long), pieces(140)), want(ahoy, long)}},
			Case{Title: "a request whose second half comes late", Roles: ForServers, Script: script{opens(halfway(pause(50e6), served())), echo(ahoy)}},
			Case{Title: "an answer whose second half comes late", Roles: ForClients, Script: script{opens(halfway(pause(50e6))), echo(ahoy)}},
		),
	)
}

// straddling writes n messages in pieces as long as one, half a message off.
func straddling(n int) Step {
	return do(func(s *session) error {
		var all []frame
		for i := range n {
			all = append(all, text(fmt.Sprintf("message %2d", i)))
		}
		p := s.encode(all)
		each := len(p) / n
		s.write(p[:each/2])
		for q := range slices.Chunk(p[each/2:], each) {
			s.write(q)
		}
		return want(all...).run(s)
	})
}

// anyEnd takes every end of the connection, but no message.
func anyEnd(then ...Step) Step {
	return choose(on(ended, OK, "", then...), branch{func(ev event) bool { return ev.kind == opClose }, OK, "", append([]Step{do(func(s *session) error {
		s.gone()
		return nil
	})}, then...)})
}

// halfCloses end our direction and still want what is owed.
func halfCloses() []Case {
	const unanswered = "it ends the connection with our half of it, and what it had received goes unanswered"
	owed := func(f frame) Step {
		return choose(onThis(f, OK, "", anyEnd()), on(ended, Informational, unanswered), onClose(Informational, unanswered))
	}
	return group("15.3", "RFC 6455, 7.1.1 and 7.1.4", "what came before the end of a stream has come; the end without a Close ends the connection",
		Case{Title: "a message, then the end of our half", Script: script{send(ahoy), shut(), owed(ahoy), served()}},
		Case{Title: "a message of 64 KiB, then the end of our half", Size: 64 << 10, Script: script{send(bin(octets(64 << 10))), shut(), owed(bin(octets(64 << 10)))}},
		Case{Title: "a message in fragments, then the end of our half", Script: script{send(text("he").more(), cont("llo")), shut(), owed(ahoy)}},
		Case{Title: "a ping, then the end of our half", Script: script{send(ping("x")), shut(), owed(pong("x"))}},
		Case{Title: "a message and half of another, then the end of our half", Script: script{send(ahoy, text("half").claims(100)), shut(), owed(ahoy)}},
		Case{Title: "a Close, then the end of our half", Script: script{send(closing(1000, "")), shut(), choose(
			onClose(OK, "", 1000), onClose(NonStrict, "it answered with another code"),
			on(ended, NonStrict, "it did not answer our Close when our half had ended")), served()}},
		Case{Title: "a right request, then the end of our half", Roles: ForServers, Script: script{opens(), shut(), anyEnd(), served()}},
	)
}

// truncations end in the middle of something, of which nothing may be returned.
func truncations() []Case {
	zero := [4]byte{}
	frameOf := func(s *session, f frame) []byte { return f.append(nil, s.client, nil) }
	part := func(n int, f frame) Step { // the first n bytes, or all but -n
		return do(func(s *session) error {
			p := frameOf(s, f.keyed(zero))
			if n < 0 {
				return send(rawBytes(p[:len(p)+n])).run(s)
			}
			return send(rawBytes(p[:n])).run(s)
		})
	}
	var all []Case
	for _, c := range []struct {
		title string
		step  Step
	}{
		{"behind the first byte of a header", part(1, ahoy)},
		{"behind the second byte of a header", part(2, text(letters(10)))},
		{"within a length of 16 bits", part(3, bin(octets(300)))},
		{"within a length of 64 bits", part(7, bin(octets(70000)))},
		{"before the payload", steps{do(func(s *session) error {
			p := frameOf(s, ahoy.keyed(zero))
			return send(rawBytes(p[:len(p)-len(ahoy.payload)])).run(s)
		})}},
		{"within the payload", part(-3, ahoy)},
		{"before the last byte of a message", part(-1, bin(octets(300)))},
		{"before the last byte of a message of 64 KiB", part(-1, bin(octets(64<<10)))},
		{"between two fragments", send(text("he").more())},
		{"between two fragments, behind half a character", send(text("\xe2\x82").more())},
		{"behind an empty fragment", send(text("").more())},
		{"within the last fragment", steps{send(text("he").more()), part(-1, cont("llo"))}},
		{"within a ping", part(-1, ping("ahoy"))},
		{"within a ping between two fragments", steps{send(text("he").more()), part(-1, ping("ahoy"))}},
		{"within a Close", part(-1, closing(1000, ""))},
		{"behind the header of a Close", part(2, closing(1000, ""))},
		{"within a message behind another", steps{echo(text("whole")), part(-1, ahoy)}},
	} {
		all = append(all, Case{Title: "the stream ends " + c.title, Script: script{c.step, shut(), anyEnd(served())}})
	}
	return group("15.4", "RFC 6455, 5.4 and 7.1.4", "nothing is returned of a message that has no end, and others are served all the same", all...)
}

// resets: nothing can be seen of the connection any more, but others are served.
func resets() []Case {
	return forRole(ForServers, group("15.5", "RFC 6455, 7.1.5", "a connection that is reset has ended, and others are served all the same",
		Case{Title: "a reset of a new connection", Script: script{opens(), reset(), served()}},
		Case{Title: "a reset behind an echo", Script: script{echo(ahoy), reset(), served()}},
		Case{Title: "a reset instead of waiting for an echo", Script: script{send(ahoy), reset(), served()}},
		Case{Title: "a reset in the middle of a frame", Script: script{send(bin([]byte("x")).claims(100)), reset(), served()}},
		Case{Title: "a reset in the middle of a message", Script: script{send(text("he").more()), reset(), served()}},
		Case{Title: "a reset while much is on its way back", Size: 256 << 10, Script: script{opens(), hold(), meanwhile([]frame{bin(octets(256 << 10))}, pauseForPatience(), reset()), served()}},
		Case{Title: "a reset instead of a request", Script: script{bare{func(s *session) error { return nil }}, reset(), served()}},
		Case{Title: "a reset in the middle of a request", Script: script{bare{func(s *session) error {
			s.write([]byte("GET / HTTP/1.1\r\nHost: exam"))
			return nil
		}}, reset(), served()}},
		Case{Title: "a reset behind a Close", Script: script{send(closing(1000, "")), reset(), served()}},
		Case{Title: "a reset behind a wrong frame", Script: script{send(op(3, "")), reset(), served()}},
		Case{Title: "the end of both halves in the middle of a message", Script: script{send(text("he").more()), hangUp(), served()}},
	))
}

// cutsBelowTLS: anybody on the way can end a TCP connection. TLS says when the end
// is that of its peer.
func cutsBelowTLS() []Case {
	return group("15.6", "RFC 6455, 7.1.4, and RFC 8446, 6.1", "a stream of TLS that ends without close_notify was cut off: nothing is returned of what was under way",
		Case{Title: "TLS is cut off within a frame", Script: script{send(bin([]byte("x")).claims(100)), cut(), anyEnd(served())}},
		Case{Title: "TLS is cut off between two fragments", Script: script{send(text("he").more()), cut(), anyEnd(served())}},
		Case{Title: "TLS is cut off within a header", Script: script{send(rawBytes([]byte{0x82})), cut(), anyEnd(served())}},
		Case{Title: "TLS is cut off behind a message and its echo", Script: script{echo(ahoy), cut(), anyEnd(served())}},
		Case{Title: "TLS is cut off in the middle of a record", Script: script{echo(ahoy), halfRecord(), cut(), anyEnd(served())}},
	)
}

// halfRecord writes a record of TLS that promises more than there is.
func halfRecord() Step {
	return do(func(s *session) error {
		if c := under(s.conn); c != s.conn {
			c.Write([]byte{23, 3, 3, 0, 200, 1, 2, 3})
		}
		return nil
	})
}

// manyConnections: each is one of many.
func manyConnections() []Case {
	var nested []Step
	for range 20 {
		nested = []Step{also(append([]Step{opens()}, append(nested, echo(ahoy))...)...)}
	}
	var row []Step
	for range 20 {
		row = append(row, also(echo(ahoy)))
	}
	var rude []Step
	for range 20 {
		rude = append(rude, also(send(ahoy), hangUp()))
	}
	return forRole(ForServers, group("15.7", "RFC 6455, 1.2", "connections do not depend on each other",
		Case{Title: "20 connections at the same time, each with an echo", Script: script{opens(), steps(nested), echo(ahoy)}},
		Case{Title: "20 connections one after the other", Script: script{opens(), steps(row), echo(ahoy)}},
		Case{Title: "20 connections that hang up on an echo", Script: script{opens(), steps(rude), echo(ahoy)}},
		Case{Title: "a connection without a request, then another", Script: script{bare{func(s *session) error { return served().run(s) }}, hangUp(), served()}},
	))
}
