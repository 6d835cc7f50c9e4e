package conform

import (
	"fmt"
	"slices"
)

// Section 5: messages in fragments.
func fragmentation() []Case {
	all := group("5", "RFC 6455, 5.4", "the fragments of a message are its frames in the order sent, with control frames between them perhaps",
		knownFragments()...)
	all = append(all, rightFragments()...)
	return append(all, wrongFragments()...)
}

const (
	ruleWhole   = "control frames are not fragmented"
	ruleNothing = "a continuation that continues nothing fails the connection"
	ruleMixed   = "the frames of two messages are not mixed: after a frame without FIN comes a continuation"
)

// knownFragments are those of the known suite.
func knownFragments() []Case {
	hello := text("hello")
	one, two := text("he").more(), cont("llo")
	cases := []Case{
		{Title: "a ping in two fragments", Spec: "RFC 6455, 5.5", Rule: ruleWhole, Script: script{send(ping("a").more(), cont("b")), fails(1002)}},
		{Title: "a pong in two fragments", Spec: "RFC 6455, 5.5", Rule: ruleWhole, Script: script{send(pong("a").more(), cont("b")), fails(1002)}},
	}
	for _, w := range ways {
		cases = append(cases, Case{Title: "text in two fragments, " + w.name, Script: script{w.send(one, two), want(hello)}})
	}
	for _, w := range ways {
		cases = append(cases, Case{Title: "text in two fragments and a ping between them, " + w.name,
			Script: script{w.send(one, ping("x"), two), wantAll(pong("x"), hello)}})
	}
	for _, f := range []frame{cont("nothing"), cont("nothing").more()} {
		for _, w := range ways {
			cases = append(cases, Case{Title: f.fin() + " that continues nothing, then text, " + w.name, Rule: ruleNothing,
				Script: script{w.send(f, hello), fails(1002)}})
		}
	}
	cases = append(cases, Case{Title: "text in two fragments, a continuation without FIN that continues nothing, then text", Rule: ruleNothing,
		Script: script{send(one, two, cont("nothing").more(), hello), failsBehind(hello, 1002)}})
	for _, f := range []frame{cont("nothing").more(), cont("nothing")} {
		cases = append(cases, Case{Title: f.fin() + " that continues nothing and text in two fragments, twice", Rule: ruleNothing,
			Script: script{send(f, one, two, f, one, two), fails(1002)}})
	}
	cases = append(cases, Case{Title: "text in two fragments that both say text", Rule: ruleMixed, Script: script{send(one, text("llo")), fails(1002)}})
	for _, w := range ways[:2] {
		cases = append(cases, Case{Title: "text in five fragments and two pings between them, " + w.name, Script: script{
			w.send(text("1").more(), cont("2").more(), ping("one")),
			w.send(cont("3").more(), cont("4").more(), ping("two"), cont("5")),
			pongsAmong([]frame{text("12345")}, ping("one"), ping("two")),
		}})
	}
	return cases
}

// fin is the title of a continuation.
func (f frame) fin() string {
	if f.open {
		return "a continuation without FIN"
	}
	return "a continuation with FIN"
}

// rightFragments are messages that must come back.
func rightFragments() []Case {
	const spec = "RFC 6455, 5.4"
	var plain []Case
	ten := letters(10)
	sizes := []frame{bin(nil).more()}
	for _, n := range []int{1, 125, 126, 127, 65535, 65536, 3} {
		sizes = append(sizes, cont(string(octets(n))).more())
	}
	sizes = append(sizes, cont("end"))
	for _, w := range ways {
		plain = append(plain,
			Case{Title: "binary in two fragments, " + w.name, Script: script{w.send(bin([]byte{0, 255}).more(), cont("\x80")), want(bin([]byte{0, 255, 0x80}))}},
			Case{Title: "text in ten fragments of a character, " + w.name, Script: script{w.send(text(ten).split(1)...), want(text(ten))}},
			Case{Title: "two messages in fragments and two in one frame, in turns, " + w.name, Script: script{
				w.send(text("a").more(), cont("b"), bin([]byte("c")), bin([]byte("d")).more(), cont("e").more(), cont("f"), text("g")),
				want(text("ab"), bin([]byte("c")), bin([]byte("def")), text("g"))}},
			Case{Title: "text whose characters are cut in two, " + w.name, Script: script{
				w.send(text("\xc3").more(), cont("\xa9\xe2\x82").more(), cont("\xac\xf0\x9d").more(), cont("\x84\x9e")), want(text("é€𝄞"))}},
		)
	}
	plain = append(plain,
		Case{Title: "binary in fragments of 0 to 65536 bytes", Size: 200 << 10, Script: script{echo(sizes...)}},
		Case{Title: "text in a thousand fragments of a character", Script: script{echo(text(letters(1000)).split(1)...)}},
		Case{Title: "binary in a thousand fragments of a byte, a frame per write", Script: script{
			perFrame(bin(octets(1000)).split(1)...), want(bin(octets(1000)))}},
		Case{Title: "a hundred messages of three fragments in one write", Script: script{echo(slices.Repeat(
			[]frame{text("a").more(), cont("b").more(), cont("c")}, 100)...)}},
	)
	all := group("5.21", spec, "a fragmented message is one message, of the type that its first frame has", plain...)

	all = append(all, group("5.22", spec, "a fragment may be empty",
		Case{Title: "an empty first fragment", Script: script{echo(text("").more(), cont("x")), quiet()}},
		Case{Title: "an empty last fragment", Script: script{echo(text("x").more(), cont("")), quiet()}},
		Case{Title: "an empty fragment in the middle", Script: script{echo(text("a").more(), cont("").more(), cont("b")), quiet()}},
		Case{Title: "text in three empty fragments", Script: script{echo(text("").more(), cont("").more(), cont("")), quiet()}},
		Case{Title: "binary in two empty fragments", Script: script{echo(bin(nil).more(), cont("")), quiet()}},
		Case{Title: "text in three empty fragments, octet by octet", Script: script{octetwise(text("").more(), cont("").more(), cont("")), want(text("")), quiet()}},
		Case{Title: "a hundred empty fragments and one that is not", Script: script{
			echo(append(append([]frame{text("").more()}, slices.Repeat([]frame{cont("").more()}, 99)...), cont("x"))...), quiet()}},
		Case{Title: "empty fragments in the middle of a character", Script: script{
			echo(text("\xe2").more(), cont("").more(), cont("\x82").more(), cont("").more(), cont("\xac"))}},
	)...)

	var between []Case
	p, q := ping("x"), ping("y")
	nine, big := text("123456789"), bin(octets(65536))
	laced, asked := withPings(nine.split(1))
	bigLaced, bigAsked := withPings(big.split(16384))
	var ponged []frame
	for _, f := range nine.split(1) {
		ponged = append(ponged, f, pong(""))
	}
	for _, w := range ways {
		between = append(between,
			Case{Title: "a ping between every two of nine fragments, " + w.name, Script: script{w.send(laced...), pongsAmong([]frame{nine}, asked...), quiet()}},
			Case{Title: "a pong behind each of nine fragments, " + w.name, Script: script{w.send(ponged...), want(nine), quiet()}},
			Case{Title: "pings before, between and behind the fragments, " + w.name, Script: script{
				w.send(p, bin([]byte("a")).more(), q, cont("b"), ping("z")), pongsAmong([]frame{bin([]byte("ab"))}, p, q, ping("z")), quiet()}},
		)
	}
	longest := ping(string(octets(125)))
	between = append(between,
		Case{Title: "a ping with 125 bytes between two fragments", Script: script{
			send(text("he").more(), longest, cont("llo")), pongsAmong([]frame{text("hello")}, longest)}},
		Case{Title: "a ping without payload between two fragments", Script: script{
			send(text("he").more(), ping(""), cont("llo")), pongsAmong([]frame{text("hello")}, ping(""))}},
		Case{Title: "a ping between the halves of a character", Script: script{
			send(text("\xe2\x82").more(), p, cont("\xac")), pongsAmong([]frame{text("€")}, p)}},
		Case{Title: "a message that stays open while ten pings are answered, one by one", Script: script{
			send(text("he").more()), heldOpen(10, cont("llo"), text("hello"))}},
		Case{Title: "pings between fragments of 16 KiB", Size: 65536, Script: script{
			send(bigLaced...), pongsAmong([]frame{big}, bigAsked...)}},
	)
	return append(all, group("5.23", "RFC 6455, 5.4 and 5.5", "control frames may come in the middle of a fragmented message", between...)...)
}

// heldOpen wants n pings answered in the middle of a message, each before the next,
// then sends the rest and wants the message.
func heldOpen(n int, rest, message frame) Step {
	p := fmt.Sprintf("ping %d", n)
	then := []Step{send(rest), want(message)}
	if n > 1 {
		then = []Step{heldOpen(n-1, rest, message)}
	}
	return steps{send(ping(p)), choose(
		onThis(pong(p), OK, "", then...),
		on(silence, NonStrict, lateAnswer, send(rest), wantAll(pong(p), message)),
	)}
}

// wrongFragments are sequences that must fail.
func wrongFragments() []Case {
	var all, nothing, mixed, control []Case

	good := text("good")
	for _, f := range []frame{cont("nothing"), cont("nothing").more(), cont(""), cont("").more()} {
		name := f.fin()
		if len(f.payload) == 0 {
			name += " and payload"
			if !f.open {
				name = "an empty continuation with FIN"
			}
		}
		nothing = append(nothing,
			Case{Title: name + ", then a ping", Script: script{send(f, ping("x")), fails(1002)}},
			Case{Title: name + " behind a message", Script: script{send(good, f, ping("x")), failsBehind(good, 1002)}},
			Case{Title: name + " behind a message in fragments", Script: script{send(text("go").more(), cont("od"), f, ping("x")), failsBehind(good, 1002)}},
			Case{Title: name + " behind a message and its echo", Script: script{echo(good), send(f, good), fails(1002)}},
			Case{Title: name + " behind a ping and its pong", Script: script{send(ping("x")), want(pong("x")), send(f, good), fails(1002)}},
			Case{Title: name + " behind an empty message in empty fragments", Script: script{
				send(text("").more(), cont(""), f, ping("x")), failsBehind(text(""), 1002)}},
		)
	}
	all = append(all, group("5.24", "RFC 6455, 5.4", ruleNothing, nothing...)...)

	for _, first := range []frame{text("a"), bin([]byte("a"))} {
		for _, second := range []frame{text("b"), bin([]byte("b"))} {
			for _, open := range []bool{false, true} {
				second.open = open
				fin := "with"
				if open {
					fin = "without"
				}
				mixed = append(mixed, Case{Title: fmt.Sprintf("a fragment of %s, then %s %s FIN", opName(first.op), opName(second.op), fin),
					Script: script{send(first.more(), second, cont("c"), ping("x")), fails(1002)}})
			}
		}
	}
	for _, w := range ways {
		mixed = append(mixed,
			Case{Title: "text behind two fragments of text, " + w.name, Script: script{w.send(text("a").more(), cont("b").more(), text("c"), ping("x")), fails(1002)}},
			Case{Title: "empty text behind an empty fragment of text, " + w.name, Script: script{w.send(text("").more(), text(""), ping("x")), fails(1002)}},
			Case{Title: "binary behind a fragment of text and a ping, " + w.name, Script: script{
				w.send(text("a").more(), ping("x"), bin([]byte("b")), cont("c")),
				choose(onThis(pong("x"), OK, "", fails(1002)), onClose(OK, "", 1002), onClose(NonStrict, "it closed with another code than 1002", 1003, 1007, 1008, 1011), on(ended, NonStrict, "it ended the stream without a Close"))}},
		)
	}
	all = append(all, group("5.25", "RFC 6455, 5.4", ruleMixed, mixed...)...)

	for _, c := range []struct {
		name string
		frame
	}{{"ping", ping("a")}, {"pong", pong("a")}, {"Close", closing(1000, "")}} {
		empty := c.frame
		empty.payload = nil
		control = append(control,
			Case{Title: "a " + c.name + " without FIN and nothing behind it", Script: script{send(c.more()), fails(1002)}},
			Case{Title: "a " + c.name + " without FIN, then a message", Script: script{send(c.more(), good), fails(1002)}},
			Case{Title: "an empty " + c.name + " without FIN", Script: script{send(empty.more(), ping("x")), fails(1002)}},
			Case{Title: "a " + c.name + " without FIN between two fragments", Script: script{send(text("a").more(), c.more(), cont("b")), fails(1002)}},
			Case{Title: "a " + c.name + " without FIN behind a message, octet by octet", Script: script{
				octetwise(good, c.more(), ping("x")), failsBehind(good, 1002)}},
			Case{Title: "a " + c.name + " in two frames that both say so", Script: script{send(c.more(), c.frame), fails(1002)}},
		)
	}
	return append(all, group("5.26", "RFC 6455, 5.5", ruleWhole, control...)...)
}

// withPings has a ping between every two of the frames; asked are the pings.
func withPings(frames []frame) (laced, asked []frame) {
	for i, f := range frames {
		if i > 0 {
			p := ping(fmt.Sprintf("ping %d", i))
			asked, laced = append(asked, p), append(laced, p)
		}
		laced = append(laced, f)
	}
	return laced, asked
}
