package conform

import "fmt"

// What families of cases are made with.

// group completes cases that have the rule in common: IDs prefix.1, prefix.2 and
// so on in their order, and Spec and Rule where a case has none of its own. New
// cases go to the end, so that no ID changes.
func group(prefix, spec, rule string, cases ...Case) []Case {
	for i := range cases {
		c := &cases[i]
		c.ID = fmt.Sprintf("%s.%d", prefix, i+1)
		if c.Spec == "" {
			c.Spec = spec
		}
		if c.Rule == "" {
			c.Rule = rule
		}
	}
	return cases
}

// A way is how frames are cut into writes.
type way struct {
	name string
	send func(...frame) Step
}

var ways = [...]way{
	{"in one write", send},
	{"a frame per write", perFrame},
	{"octet by octet", octetwise},
}

// perFrame writes each frame by itself.
func perFrame(frames ...frame) Step {
	var st steps
	for _, f := range frames {
		st = append(st, send(f))
	}
	return st
}

// octetwise writes each octet by itself.
func octetwise(frames ...frame) Step { return chop(1, frames...) }

// letters is a text of n ASCII characters, octets is n bytes of all values. Neither
// repeats itself.
func letters(n int) string { return string(ascii.bytes(n, 1)) }
func octets(n int) []byte  { return noise.bytes(n, 1) }

// nonZero are the seven combinations of the reserved bits that are not 0.
var nonZero = [...]byte{rsv3, rsv2, rsv2 | rsv3, rsv1, rsv1 | rsv3, rsv1 | rsv2, rsv1 | rsv2 | rsv3}

// failsBehind wants the echo of m, which was right, and then the connection failed
// for what came behind it. To fail it at once, without the echo, is a peer's right.
func failsBehind(m frame, codes ...int) Step { return behindEcho(m, failsStep{codes: codes}) }

// dropsBehind is failsBehind for a wrong mask.
func dropsBehind(m frame) Step { return behindEcho(m, wrongMask) }

func behindEcho(m frame, fails failsStep) Step {
	return do(func(s *session) error {
		ev, err := s.expect(m)
		switch {
		case err != nil:
			return err
		case ev.kind == ended || ev.kind == opClose:
			s.mark(Informational, "it fails the connection at once and does not answer what came before the wrong frame")
			return fails.judge(s, ev)
		}
		if err := s.same(ev, m); err != nil {
			return err
		}
		return fails.run(s)
	})
}

// onThis is a branch for exactly this message or control frame.
func onThis(f frame, v Verdict, note string, then ...Step) branch {
	return branch{func(ev event) bool { return (*session)(nil).same(ev, f) == nil }, v, note, then}
}
