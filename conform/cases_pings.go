package conform

import (
	"fmt"
	"slices"
	"strings"
)

// Section 2: pings are answered, pongs are not.
func pings() []Case {
	const (
		spec   = "RFC 6455, 5.5.2 and 5.5.3"
		answer = "a ping is answered by a pong with the same payload"
		alone  = "a pong that answers nothing is not answered"
		short  = "a control frame has at most 125 bytes of payload"
	)
	binary := "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
	longest := string(octets(125))
	var ten, hundred, thousand, unasked []frame
	for i := range 10 {
		ten = append(ten, ping(fmt.Sprintf("ping %d", i)))
	}
	for i := range 100 {
		hundred = append(hundred, ping(fmt.Sprintf("%3d %s", i, letters(121))))
		unasked = append(unasked, pong(fmt.Sprintf("nobody asked %d", i)))
	}
	for i := range 1000 {
		thousand = append(thousand, ping(fmt.Sprintf("ping %d", i)))
	}

	all := group("2", spec, answer,
		Case{Title: "a ping without payload", Script: script{send(ping("")), want(pong(""))}},
		Case{Title: "a ping with text", Script: script{send(ping("hello")), want(pong("hello"))}},
		Case{Title: "a ping with bytes that are not UTF-8", Script: script{send(ping(binary)), want(pong(binary))}},
		Case{Title: "a ping with 125 bytes", Script: script{send(ping(longest)), want(pong(longest))}},
		Case{Title: "a ping with 126 bytes", Spec: "RFC 6455, 5.5", Rule: short, Script: script{send(ping(string(octets(126)))), fails(1002)}},
		Case{Title: "a ping with 125 bytes, octet by octet", Script: script{octetwise(ping(longest)), want(pong(longest))}},
		Case{Title: "a pong without payload that nobody asked for", Rule: alone, Script: script{send(pong("")), quiet()}},
		Case{Title: "a pong with payload that nobody asked for", Rule: alone, Script: script{send(pong("unasked")), quiet()}},
		Case{Title: "a pong that nobody asked for, then a ping", Rule: alone,
			Script: script{send(pong("unasked"), ping("asked")), want(pong("asked")), quiet()}},
		Case{Title: "ten pings in one write", Script: script{send(ten...), pongs(ten...), quiet()}},
		Case{Title: "ten pings, octet by octet", Script: script{octetwise(ten...), pongs(ten...), quiet()}},
	)

	var lengths []Case
	for _, n := range []int{1, 2, 3, 4, 5, 8, 64, 124} {
		p := string(octets(n))
		lengths = append(lengths, Case{Title: fmt.Sprintf("a ping with %d bytes", n), Script: script{send(ping(p)), want(pong(p))}})
	}
	var each []Step
	for n := range 126 {
		p := string(octets(n))
		each = append(each, send(ping(p)), want(pong(p)))
	}
	lengths = append(lengths,
		Case{Title: "pings with 0 to 125 bytes, one after another", Script: each},
		Case{Title: "a ping of zeros", Script: script{send(ping(strings.Repeat("\x00", 20))), want(pong(strings.Repeat("\x00", 20)))}},
		Case{Title: "a ping that looks like a Close", Script: script{send(ping("\x88\x02\x03\xe8")), want(pong("\x88\x02\x03\xe8")), quiet()}},
		Case{Title: "the same ping twice", Script: script{send(ping("x")), want(pong("x")), send(ping("x")), want(pong("x")), quiet()}},
	)
	all = append(all, group("2.12", spec, answer, lengths...)...)

	all = append(all, group("2.13", "RFC 6455, 5.5", short,
		Case{Title: "a pong with 126 bytes", Script: script{send(pong(letters(126))), fails(1002)}},
		Case{Title: "a ping with 65536 bytes", Script: script{send(ping(letters(65536))), fails(1002)}},
		Case{Title: "a pong with 65535 bytes", Script: script{send(pong(letters(65535))), fails(1002)}},
		Case{Title: "a ping with 126 bytes between fragments", Script: script{send(text("he").more(), ping(letters(126)), cont("llo")), fails(1002)}},
		Case{Title: "a ping with 126 bytes, octet by octet", Script: script{octetwise(ping(letters(126)), ping("x")), fails(1002)}},
		Case{Title: "a ping that promises 126 bytes, and they come late",
			Script: script{failsFast(1002, ping("").claims(126), rawBytes(make([]byte, 126)))}},
	)...)

	hello, p := text("hello"), ping("x")
	all = append(all, group("2.14", spec, answer+", as soon as is practical",
		Case{Title: "a ping before a message", Script: script{send(p, hello), wantAll(pong("x"), hello), quiet()}},
		Case{Title: "a ping behind a message", Script: script{send(hello, p), wantAll(pong("x"), hello), quiet()}},
		Case{Title: "a ping behind a message of 64 KiB", Size: 65536, Script: script{send(bin(octets(65536)), p), wantAll(pong("x"), bin(octets(65536)))}},
		Case{Title: "a ping between two fragments, which go on when it was answered", Script: script{
			send(text("he").more()), send(p), answered("x", cont("llo"), hello)}},
		Case{Title: "a ping in the write of the first fragment", Script: script{
			send(text("he").more(), p), answered("x", cont("llo"), hello)}},
		Case{Title: "a ping between two empty fragments", Script: script{
			send(text("").more(), p), answered("x", cont(""), text(""))}},
		Case{Title: "a ping between two fragments, octet by octet", Script: script{
			octetwise(text("he").more(), p), answered("x", cont("llo"), hello)}},
		Case{Title: "a ping and a Close in one write", Rule: "a ping is answered, unless a Close has come already",
			Script: script{send(p, closing(1000, "")), choose(
				onThis(pong("x"), OK, "", closed(1000)),
				onClose(Informational, "it takes the Close before it answers the ping", 1000),
			)}},
		Case{Title: "a ping, and a Close when it was answered", Script: script{send(p), want(pong("x")), send(closing(1000, "")), closed(1000)}},
	)...)

	all = append(all, group("2.15", "RFC 6455, 5.5.3", alone,
		Case{Title: "a hundred pongs in one write", Script: script{send(unasked...), quiet()}},
		Case{Title: "a pong with 125 bytes", Script: script{send(pong(longest)), quiet()}},
		Case{Title: "a pong octet by octet", Script: script{octetwise(pong("unasked")), quiet()}},
		Case{Title: "a pong between two fragments", Script: script{send(text("he").more(), pong("unasked"), cont("llo")), want(hello), quiet()}},
		Case{Title: "a pong that is not UTF-8", Script: script{send(pong(binary)), quiet()}},
		Case{Title: "pongs before and behind a message", Script: script{send(pong("a"), hello, pong("b")), want(hello), quiet()}},
	)...)

	all = append(all, group("2.16", spec, answer+"; if several wait, for the newest it is enough",
		Case{Title: "a hundred pings with 125 bytes in one write", Script: script{send(hundred...), pongsOrEnd(hundred...), quiet()}},
		Case{Title: "a thousand pings in one write", Script: script{send(thousand...), pongsOrEnd(thousand...), quiet()}},
		Case{Title: "ten pings in one write between two fragments", Script: script{
			send(slices.Concat([]frame{text("he").more()}, ten, []frame{cont("llo")})...), pongsAmong([]frame{hello}, ten...), quiet()}},
		Case{Title: "ten pings, a frame per write", Script: script{perFrame(ten...), pongs(ten...), quiet()}},
	)...)
	return all
}

// pongs wants the answers to these pings, which were sent without waiting.
func pongs(pings ...frame) Step { return pongsStep{pings: pings} }

// pongsAmong is pongs where messages come back too, in their order, before, among
// or behind the pongs.
func pongsAmong(messages []frame, pings ...frame) Step {
	return pongsStep{messages: messages, pings: pings}
}

// pongsOrEnd is pongs for so many pings that a peer may end the connection.
func pongsOrEnd(pings ...frame) Step { return pongsStep{pings: pings, flood: true} }

type pongsStep struct {
	messages, pings []frame
	flood           bool
}

func (st pongsStep) run(s *session) error {
	echoes, left := st.messages, st.pings
	for len(echoes)+len(left) > 0 {
		var wanted frame // of those, the one to name
		if len(echoes) > 0 {
			wanted = echoes[0]
		} else {
			wanted = pong(string(left[len(left)-1].payload))
		}
		ev, err := s.expect(wanted)
		if err != nil {
			return err
		}
		if st.flood && (ev.kind == opClose || ev.kind == ended && ev.end != errEndless) {
			s.over = true
			return &finding{verdict: Informational, note: fmt.Sprintf("it ends a connection on which %d pings come at once", len(st.pings))}
		}
		i := slices.IndexFunc(left, func(f frame) bool { return s.same(ev, pong(string(f.payload))) == nil })
		if i < 0 {
			if err := s.same(ev, wanted); err != nil {
				return err
			}
			echoes = echoes[1:]
			continue
		}
		if i > 0 {
			s.mark(Informational, "it does not answer each ping but the newest one, as RFC 6455, 5.5.3 allows")
		}
		left = left[i+1:]
	}
	return nil
}

const lateAnswer = "it answers a ping in the middle of a message only when that has ended"

// answered wants the pong to a ping that came in the middle of a message, then
// sends the rest and wants the message. A pong that only comes behind the message
// is not as soon as was practical.
func answered(payload string, rest, message frame) Step {
	return choose(
		onThis(pong(payload), OK, "", send(rest), want(message)),
		on(silence, NonStrict, lateAnswer, send(rest), wantAll(pong(payload), message)),
	)
}
