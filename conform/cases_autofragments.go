package conform

import (
	"fmt"
	"strings"
)

// Section 10: messages that the sender's library has cut into fragments.
func autoFragmentation() []Case {
	const (
		spec = "RFC 6455, 5.4"
		rule = "a sender may cut a message into fragments of any size"
		size = 65536
	)
	var texts, binaries, chopped, laced, mixed []Case
	message, noise := text(letters(size)), bin(octets(size))

	for _, n := range []int{1300, 64, 65, 100, 125, 126, 127, 128, 255, 256, 257, 1000, 1024, 1460, 4095, 4096, 4097, 8192, 10000, 16384, 32767, 32768, 32769, 65535, 65536} {
		texts = append(texts, Case{Title: fmt.Sprintf("text of 65536 bytes in fragments of %d", n), Size: size,
			Script: script{echo(message.split(n)...)}})
	}
	for _, n := range []int{64, 125, 126, 1300, 4096, 10000, 32768, 65535} {
		binaries = append(binaries, Case{Title: fmt.Sprintf("binary of 65536 bytes in fragments of %d", n), Size: size,
			Script: script{echo(noise.split(n)...)}})
	}
	for _, v := range []struct{ fragment, chop int }{{1300, 100}, {126, 125}, {1000, 4096}, {32768, 1460}, {65535, 997}} {
		chopped = append(chopped, Case{Title: fmt.Sprintf("binary of 65536 bytes in fragments of %d, in writes of %d", v.fragment, v.chop), Size: size,
			Script: script{chop(v.chop, noise.split(v.fragment)...), want(noise)}})
	}
	for _, n := range []int{1300, 10000, 32768} {
		frames, asked := withPings(message.split(n))
		laced = append(laced, Case{Title: fmt.Sprintf("text of 65536 bytes in fragments of %d and a ping behind each", n), Size: size,
			Script: script{send(frames...), pongsAmong([]frame{message}, asked...)}})
		perFrames := message.split(n)
		laced = append(laced, Case{Title: fmt.Sprintf("text of 65536 bytes in fragments of %d, a frame per write", n), Size: size,
			Script: script{perFrame(perFrames...), want(message)}})
	}

	runes := text(strings.Repeat("aé€𝄞", 6000)) // 60000 bytes
	mixed = append(mixed,
		Case{Title: "text of 60000 bytes cut in the middle of characters", Size: size, Script: script{echo(runes.split(997)...)}},
		Case{Title: "text of 600 bytes cut in the middle of each character", Script: script{echo(text(strings.Repeat("aé€𝄞", 60)).split(1)...)}},
		Case{Title: "binary of 65536 bytes in fragments of growing size", Size: size, Script: script{echo(growing(noise)...)}},
		Case{Title: "binary of 65536 bytes in fragments of random size", Size: size, Script: script{do(func(s *session) error {
			var frames []frame
			for rest := noise; ; {
				n := 1 + s.random.IntN(2000)
				if n >= len(rest.payload) {
					return echo(append(frames, rest)...).run(s)
				}
				f := rest.more()
				f.payload = f.payload[:n]
				frames = append(frames, f)
				rest.op, rest.payload = opCont, rest.payload[n:]
			}
		})}},
		Case{Title: "binary of 65536 bytes in fragments of 4096 with empty ones between", Size: size, Script: script{echo(withEmpty(noise.split(4096))...)}},
		Case{Title: "two messages of 65536 bytes in fragments, in one write", Size: size, Script: script{
			send(append(message.split(1300), noise.split(1000)...)...), want(message, noise)}},
	)

	all := group("10.1", spec, rule, texts...)
	all = append(all, group("10.2", spec, rule, binaries...)...)
	all = append(all, group("10.3", spec, "TCP is a stream: how it is cut into segments means nothing", chopped...)...)
	all = append(all, group("10.4", "RFC 6455, 5.4 and 5.5", "control frames may come between the fragments of a message", laced...)...)
	all = append(all, group("10.5", spec, rule, mixed...)...)

	// What the peer makes of a large message: its frames are checked one by one.
	large, long := bin(octets(300_000)), text(letters(300_000))
	return append(all, group("10.6", spec, "fragments are in order, of one message at a time: the first has the type, the last has FIN",
		Case{Title: "binary of 300000 bytes in one frame", Size: 300_000, Script: script{echo(large)}},
		Case{Title: "text of 300000 bytes in one frame", Size: 300_000, Script: script{echo(long)}},
		Case{Title: "text of 140000 bytes, then binary of 140000", Size: 140_000, Script: script{echo(text(letters(140_000)), bin(octets(140_000)))}},
		Case{Title: "binary of 300000 bytes, a ping, a short text", Size: 300_000, Script: script{
			send(large, ping("x"), text("short")), pongsAmong([]frame{large, text("short")}, ping("x"))}},
		Case{Title: "text of 300000 bytes, a ping, empty text, a ping", Size: 300_000, Script: script{
			send(long, ping("x"), text(""), ping("y")), pongsAmong([]frame{long, text("")}, ping("x"), ping("y")), quiet()}},
	)...)
}

// growing is the message in fragments each of which is larger than the one before.
func growing(f frame) []frame {
	var frames []frame
	for n := 1; len(f.payload) > n; n += 3 {
		g := f.more()
		g.payload = f.payload[:n]
		frames = append(frames, g)
		f.op, f.payload = opCont, f.payload[n:]
	}
	return append(frames, f)
}

// withEmpty has an empty fragment in front of each but the first, and behind the
// last.
func withEmpty(frames []frame) []frame {
	var all []frame
	for i, f := range frames {
		if i > 0 {
			all = append(all, cont("").more())
		}
		all = append(all, f.more())
	}
	return append(all, cont(""))
}
