package conform

import (
	"fmt"
	"math"
	"slices"
)

// LimitCases are the cases for a peer that documents that it takes messages of up
// to limit bytes, and none above: they ask for the last one that it takes, and the
// first one that it does not. Run them with Options.Limit; Cases does not have them.
func LimitCases(limit int) []*Case {
	if limit < 1 {
		return nil
	}
	const (
		spec    = "RFC 6455, 10.4 and 7.4.1"
		within  = "a message as large as the limit that the peer documents comes back as it was"
		outside = "a message beyond the limit that the peer documents closes the connection with 1009"
	)
	sized := func(title, rule string, n int, d *Deflate, then func(n int) []Step) Case {
		return Case{
			Title: fmt.Sprintf(title, quantity(n)), Rule: rule, Size: n, Deflate: d, Heavy: n >= 200*kib, Alone: n >= 8*mib,
			Script: script{later(func() []Step { return then(n) })},
		}
	}
	halves := func(m frame) []frame { return m.split((len(m.payload) + 1) / 2) }
	cases := group("9.18", spec, "",
		sized("a text of %s, its limit", within, limit, nil, func(n int) []Step { return []Step{echo(ascii.message(n, 1))} }),
		sized("a binary message of %s, its limit, in two frames", within, limit, nil, func(n int) []Step {
			m := noise.message(n, 2)
			return []Step{send(halves(m)...), want(m)}
		}),
		sized("a message of %s, its limit, compressed", within, limit, plainly, func(n int) []Step {
			m := scripts.message(n, 3)
			return []Step{send(m.deflated()), want(m)}
		}),
		sized("two messages of %s, its limit, in one write", within, limit, nil, func(n int) []Step {
			return []Step{echo(noise.message(n, 4), noise.message(n, 5))}
		}),
		sized("a text of %s, one above its limit", outside, limit+1, nil, func(n int) []Step {
			return []Step{send(ascii.message(n, 6)), tooLarge()}
		}),
		sized("a binary message of %s, one above its limit, in two frames", outside, limit+1, nil, func(n int) []Step {
			return []Step{send(halves(noise.message(n, 7))...), tooLarge()}
		}),
		sized("a message of %s, one above its limit, compressed", outside, limit+1, plainly, func(n int) []Step {
			return []Step{send(scripts.message(n, 8).deflated()), tooLarge()}
		}),
	)
	var all []*Case
	for _, c := range slices.Clone(cases) {
		c.Roles = ForBoth
		all = append(all, &c)
	}
	return all
}

// tooLarge wants 1009. What is taken or ended in another way does not break the
// RFC, but is not what was documented, or 7.1.7.
func tooLarge() Step {
	return do(func(s *session) error {
		ev, err := s.next(s.wait())
		switch {
		case err == errSilence:
			return s.failed("it neither returned a message beyond its limit nor closed within %v", s.wait())
		case err != nil:
			return err
		case ev.kind == opText || ev.kind == opBinary:
			s.mark(NonStrict, fmt.Sprintf("it takes a message of %d bytes: its limit is another than was said", s.largest))
			return nil
		}
		return failsStep{codes: []int{1009}}.judge(s, ev)
	})
}

// beyond reports whether the peer was sent a message that is larger than its
// documentation promises to take.
func (s *session) beyond() bool { return s.o.Limit > 0 && s.largest > uint64(s.o.Limit) }

// limited is what a finding becomes if the peer ended the connection, or fell
// silent, for a message that it need not take.
func (s *session) limited(f *finding) *finding {
	switch {
	case f.verdict != Failed || !s.stopped || !s.beyond():
		return f
	case s.code == 1009:
		return &finding{verdict: Informational, note: fmt.Sprintf("its documented limit is %d bytes: it closes with 1009", s.o.Limit)}
	}
	return &finding{NonStrict, fmt.Sprintf("its documented limit is %d bytes, beyond which 1009 would say so: %s", s.o.Limit, f.note), f.rule}
}

// sends notes the size of a message that goes out, or of what there is of it. That
// of a compressed one is larger, as a rule: what comes back tells.
func (s *session) sends(f *frame) {
	if f.op >= opClose || f.raw != nil {
		return
	}
	if f.op != opCont {
		s.sending = 0
	}
	n := uint64(len(f.payload))
	if f.claim != nil {
		n = max(n, *f.claim)
	}
	s.sending += min(n, math.MaxUint64-s.sending)
	s.largest = max(s.largest, s.sending)
}
