package conform

import "fmt"

// Section 12: what is compressed comes back as it was. Groups 1 to 5 have the
// sizes of the known suite; in 5 it sends a file that is compressed already.

// A load is how many messages of which size are sent.
type load struct{ size, count, cut int } // cut: frames of so many bytes; 0: one

// loads are numbered as in the known suite. It sends 1000 messages of each size.
var loads = [...]load{
	{16, 1000, 0}, {64, 1000, 0}, {256, 500, 0}, {1 << 10, 128, 0}, {4 << 10, 32, 0}, {8 << 10, 16, 0},
	{16 << 10, 8, 0}, {32 << 10, 4, 0}, {64 << 10, 3, 0}, {128 << 10, 2, 0},
	{8 << 10, 8, 256}, {16 << 10, 4, 256}, {32 << 10, 3, 256}, {64 << 10, 2, 256},
	{128 << 10, 2, 256}, {128 << 10, 2, 1 << 10}, {128 << 10, 2, 4 << 10}, {128 << 10, 2, 32 << 10},
}

func (l load) String() string {
	return fmt.Sprintf("%d messages of %d bytes, %s", l.count, l.size, inFrames(l.cut))
}

func inFrames(cut int) string {
	if cut == 0 {
		return "each in one frame"
	}
	return fmt.Sprintf("in frames of %d", cut)
}

// large is the Case.Size.
func (l load) large() int {
	if l.size <= 64<<10 {
		return 0
	}
	return l.size
}

// returnsAll sends the messages of a load, compressed, and wants them back. As many as
// make 64 KiB, but at least one and at most 100, are under way at a time.
func returnsAll(c *corpus, l load) Step {
	return do(func(s *session) error {
		for sent := 0; sent < l.count; {
			var out, back []frame
			for size := 0; sent < l.count && len(back) < 100 && (size == 0 || size+l.size <= 64<<10); size += l.size {
				m := c.message(l.size, uint64(sent))
				packed, err := s.packs([]frame{m.deflated()})
				if err != nil {
					return err
				}
				if l.cut > 0 {
					packed = packed[0].split(l.cut)
				}
				out, back = append(out, packed...), append(back, m)
				sent++
			}
			if err := s.play(script{send(out...), want(back...)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// plainly is the offer and the answer that leave everything open.
var plainly = &Deflate{Offer: "permessage-deflate; client_max_window_bits", Answer: "permessage-deflate"}

const (
	specPayload = "RFC 7692, 7.2"
	rulePayload = "a compressed message comes back as it was before it was compressed"
)

// payloadCases are the cases of one sort of payload and one agreement.
func payloadCases(prefix string, c *corpus, d *Deflate, what string, of []load) []Case {
	var all []Case
	for _, l := range of {
		all = append(all, Case{
			Title: fmt.Sprintf("%s: %v%s", c.name, l, what), Deflate: d, Size: l.large(),
			Script: script{returnsAll(c, l)},
		})
	}
	return group(prefix, specPayload, rulePayload, all...)
}

func compressedPayloads() []Case {
	var all []Case
	for i, c := range []*corpus{objects, samples, prose, markup, noise, stars} {
		all = append(all, payloadCases(fmt.Sprintf("12.%d", i+1), c, plainly, "", loads[:])...)
	}
	return append(all, compressedShapes()...)
}

// compressedShapes are messages whose form on the wire is the matter.
func compressedShapes() []Case {
	var all []Case
	add := func(title string, steps ...Step) *Case {
		all = append(all, Case{Title: title, Deflate: plainly, Script: steps})
		return &all[len(all)-1]
	}
	add("an empty text message", echo(text("").deflated()))
	add("an empty binary message", echo(bin(nil).deflated()))
	add("a message of one byte", echo(text("*").deflated()))
	for _, n := range []int{125, 126, 127, 65535, 65536} {
		p := octets(n - 6)
		add(fmt.Sprintf("a message that takes %d bytes on the wire", n),
			send(packedBin(blocks().stored(string(p)).tail())), want(bin(p)))
	}
	add("all sorts of payload in turn", do(func(s *session) error {
		for i := range 3 {
			for _, c := range corpora {
				if err := s.play(script{echo(c.message(3000, uint64(i)).deflated())}); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	few := func(op byte, i int) frame { return frame{op: op, payload: []byte(letters(500 + i))} }
	add("text and binary in turn",
		echo(few(opText, 1).deflated(), few(opBinary, 2).deflated(), few(opText, 3).deflated(), few(opBinary, 4).deflated()))
	c := add("compressed and uncompressed messages in turn",
		echo(few(opText, 1).deflated(), few(opText, 2), few(opBinary, 3).deflated(), few(opBinary, 4), few(opText, 5).deflated()))
	c.Spec, c.Rule = "RFC 7692, 6", "also where compression was agreed a message may be sent uncompressed"
	c = add("only uncompressed messages", echo(few(opText, 1), few(opBinary, 2), text(""), bin(nil)))
	c.Spec, c.Rule = "RFC 7692, 6", "also where compression was agreed a message may be sent uncompressed"
	add("an uncompressed message in frames between compressed ones in frames",
		echo(append(append(few(opText, 900).deflated().split(50), few(opText, 800).split(50)...), few(opText, 900).deflated().split(50)...)...))
	c = add("a ping, a pong and a compressed message in the same write",
		send(ping("1"), pong("unasked"), few(opText, 1).deflated(), ping("2")), pongsAmong([]frame{few(opText, 1)}, ping("1"), ping("2")))
	c.Spec, c.Rule = "RFC 7692, 6.1", "control frames are not compressed, and do not matter to what is"
	c = add("a close right behind compressed messages",
		send(few(opText, 1).deflated(), few(opText, 2).deflated(), closing(1000, "")), lastWords(1000, few(opText, 1), few(opText, 2)))
	c.Spec, c.Rule = "RFC 6455, 5.5.1", "what came before a Close is returned before it is answered"
	c = add("does it compress what it returns", opens(), do(func(s *session) error {
		m := stars.message(60_000, 0)
		if err := s.play(script{send(m.deflated())}); err != nil {
			return err
		}
		ev, err := s.expect(m)
		if err == nil {
			err = s.same(ev, m)
		}
		if err == nil && !ev.packed {
			s.mark(Informational, "it agreed to compression, and returns 60,000 equal bytes uncompressed")
		}
		return err
	}))
	c.Spec, c.Rule = "RFC 7692, 6", "who agreed to compression may compress each message, or not"
	add("compressed, octet by octet", chop(1, few(opText, 300).deflated()), want(few(opText, 300)))
	add("compressed, in frames of one byte each", sendsPacked(1, few(opText, 300)), want(few(opText, 300)))
	for _, big := range []struct {
		c   *corpus
		cut int
	}{{objects, 0}, {noise, 10_000}} {
		c = add(fmt.Sprintf("2 MiB of %s in one message, %s", big.c.name, inFrames(big.cut)), later(func() []Step {
			m := big.c.message(2<<20, 0)
			return script{sendsPacked(big.cut, m), want(m)}
		}))
		c.Size, c.Heavy = 2<<20, true
	}
	return group("12.7", specPayload, rulePayload, all...)
}

// packedText and packedBin are frames with RSV1, of a message that is DEFLATE
// already.
func packedText(p []byte) frame { return frame{op: opText, rsv: rsv1, payload: p} }
func packedBin(p []byte) frame  { return frame{op: opBinary, rsv: rsv1, payload: p} }

// sendsPacked compresses a message and sends it in frames of n bytes; 0: in one.
func sendsPacked(n int, m frame) Step {
	return do(func(s *session) error {
		packed, err := s.packs([]frame{m.deflated()})
		if err == nil && n > 0 {
			packed = packed[0].split(n)
		}
		if err != nil {
			return err
		}
		return s.play(script{send(packed...)})
	})
}
