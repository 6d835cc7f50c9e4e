package conform

import "fmt"

// Section 4: the reserved opcodes.
func opcodes() []Case {
	const (
		spec = "RFC 6455, 5.2"
		rule = "a frame of an unknown opcode fails the connection"
	)
	good := text("good")
	var all []Case

	// One by one, as the known suite has them.
	for n, first := range []byte{3, 11} {
		all = append(all, group(fmt.Sprintf("4.%d", 1+n), spec, rule,
			Case{Title: opcodeTitle(first, "without payload"), Script: script{send(op(first, "")), fails(1002)}},
			Case{Title: opcodeTitle(first+1, "with payload"), Script: script{send(op(first+1, "reserved")), fails(1002)}},
			Case{Title: opcodeTitle(first+2, "behind a good message, then a ping"),
				Script: script{perFrame(good, op(first+2, ""), ping("x")), failsBehind(good, 1002)}},
			Case{Title: opcodeTitle(first+3, "with payload behind a good message, then a ping"),
				Script: script{perFrame(good, op(first+3, "reserved"), ping("x")), failsBehind(good, 1002)}},
			Case{Title: opcodeTitle(first+4, "with payload behind a good message, then a ping, octet by octet"),
				Script: script{octetwise(good, op(first+4, "reserved"), ping("x")), failsBehind(good, 1002)}},
		)...)
	}

	// Each opcode in each place.
	reserved := []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15}
	data := reserved[:5] // what is wrong for every control frame says nothing of the others
	for n, place := range []struct {
		name   string
		codes  []byte
		script func(code byte) script
	}{
		{"without payload, then a ping", reserved, func(c byte) script {
			return script{send(op(c, ""), ping("x")), fails(1002)}
		}},
		{"with payload, then a message", reserved, func(c byte) script {
			return script{send(op(c, "reserved"), text("behind")), fails(1002)}
		}},
		{"in the middle of a fragmented message", reserved, func(c byte) script {
			return script{send(text("a").more(), op(c, "reserved"), cont("b")), fails(1002)}
		}},
		{"behind a good message, in the same write", reserved, func(c byte) script {
			return script{send(good, op(c, "reserved"), ping("x")), failsBehind(good, 1002)}
		}},
		{"octet by octet", reserved, func(c byte) script {
			return script{octetwise(op(c, "reserved"), ping("x")), fails(1002)}
		}},
		{"without FIN, then a ping", data, func(c byte) script {
			return script{send(op(c, "a").more(), ping("x")), fails(1002)}
		}},
		{"with 126 bytes", data, func(c byte) script {
			return script{send(op(c, letters(126)), ping("x")), fails(1002)}
		}},
	} {
		var cases []Case
		for _, code := range place.codes {
			cases = append(cases, Case{Title: opcodeTitle(code, place.name), Script: place.script(code)})
		}
		all = append(all, group(fmt.Sprintf("4.%d", 3+n), spec, rule, cases...)...)
	}
	return all
}

func opcodeTitle(code byte, what string) string { return fmt.Sprintf("opcode %d %s", code, what) }
