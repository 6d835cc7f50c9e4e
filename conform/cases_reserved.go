package conform

import "fmt"

// Section 3: the reserved bits, when no extension was agreed.
func reservedBits() []Case {
	const (
		spec = "RFC 6455, 5.2"
		rule = "a frame with a reserved bit that no extension defines fails the connection"
	)
	const all3 = rsv1 | rsv2 | rsv3
	good, small := text("good"), text("small")
	all := group("3", spec, rule,
		Case{Title: "text with RSV3", Script: script{send(small.reserved(rsv3)), fails(1002)}},
		Case{Title: "a good message, text with RSV2, a ping", Script: script{send(good, small.reserved(rsv2), ping("x")), failsBehind(good, 1002)}},
		Case{Title: "a good message, text with RSV2 and RSV3, a ping, a frame per write",
			Script: script{perFrame(good, small.reserved(rsv2|rsv3), ping("x")), failsBehind(good, 1002)}},
		Case{Title: "a good message, text with RSV1, a ping, octet by octet",
			Script: script{octetwise(good, small.reserved(rsv1), ping("x")), failsBehind(good, 1002)}},
		Case{Title: "binary with RSV1 and RSV3", Script: script{send(bin([]byte{0, 1, 2, 255}).reserved(rsv1 | rsv3)), fails(1002)}},
		Case{Title: "a ping with RSV1 and RSV2", Script: script{send(ping("x").reserved(rsv1 | rsv2)), fails(1002)}},
		Case{Title: "a Close with RSV1, RSV2 and RSV3", Script: script{send(closing(1000, "").reserved(all3)), fails(1002)}},
	)

	// Each kind of frame with each combination. What follows must not be answered.
	for n, kind := range []struct {
		name   string
		before []frame
		wrong  frame
	}{
		{"text", nil, small},
		{"empty text", nil, text("")},
		{"binary", nil, bin([]byte{0, 1, 2, 255})},
		{"the first fragment", nil, small.more()},
		{"a continuation in the middle", []frame{text("a").more()}, cont("b").more()},
		{"the last continuation", []frame{text("a").more()}, cont("b")},
		{"a ping", nil, ping("x")},
		{"a pong", nil, pong("x")},
		{"a Close", nil, closing(1000, "")},
		{"a ping between fragments", []frame{text("a").more()}, ping("x")},
	} {
		var cases []Case
		for _, bits := range nonZero {
			frames := append(kind.before[:len(kind.before):len(kind.before)], kind.wrong.reserved(bits))
			if kind.wrong.open || kind.wrong.op >= opClose && len(kind.before) > 0 {
				frames = append(frames, cont("c"))
			}
			cases = append(cases, Case{
				Title:  kind.name + " with" + bitNames(bits),
				Script: script{send(append(frames, ping("behind"))...), fails(1002)},
			})
		}
		all = append(all, group(fmt.Sprintf("3.%d", 8+n), spec, rule, cases...)...)
	}

	// How it is cut into writes, and what was before.
	var cut []Case
	fragmented := []frame{text("go").more(), cont("od")}
	for _, w := range ways {
		cut = append(cut,
			Case{Title: "a fragmented message, then text with RSV1, " + w.name,
				Script: script{w.send(append(fragmented, small.reserved(rsv1), ping("x"))...), failsBehind(good, 1002)}},
			Case{Title: "a good message and its echo, then binary with RSV2, " + w.name,
				Script: script{echo(good), w.send(bin([]byte("x")).reserved(rsv2), ping("x")), fails(1002)}},
			Case{Title: "a message whose second fragment has RSV1, " + w.name,
				Script: script{w.send(text("a").more(), cont("b").reserved(rsv1).more(), cont("c"), ping("x")), fails(1002)}},
		)
	}
	return append(all, group("3.18", spec, rule, cut...)...)
}

func bitNames(bits byte) string {
	var names string
	for i, bit := range []byte{rsv1, rsv2, rsv3} {
		if bits&bit != 0 {
			names += fmt.Sprintf(" RSV%d", i+1)
		}
	}
	return names
}
