package conform

import (
	"bytes"
	"fmt"
	"time"
)

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
		// Where its mask is wrong too, it may be dropped.
		failed := do(func(s *session) error {
			r, _, _, _ := parse(bytes.Clone(v.bytes))
			return failsFastStep{failsStep{codes: []int{1002}, drop: r.masked != s.client},
				script{send(rawBytes(v.bytes))}, script{send(rawBytes(make([]byte, 300)))}}.run(s)
		})
		all = append(all, Case{Title: v.title, Script: script{failed}},
			Case{Title: v.title + " behind a good text", Script: script{echo(text("good")), failed}})
	}
	return group("11.12", "RFC 6455, 5.1 and 5.2", "what is no frame that may come now fails the connection", all...)
}
