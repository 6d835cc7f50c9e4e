package conform

import (
	"fmt"
	"slices"
	"time"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// Section 9: sizes and limits.
func sizes() []Case {
	return slices.Concat(
		sizesInOneFrame(),
		sizesInFragments(),
		sizesInWrites(),
		sizesRoundTrips(),
		sizesEndless(),
		sizesPipelined(),
		sizesEvery(),
		sizesMixed(),
		sizesManyFragments(),
		sizesPromised(),
		sizesBeside(),
	)
}

const (
	specSize   = "RFC 6455, 5.2 and 10.4"
	ruleOfSize = "a message within the peer's limits comes back as it was"
)

// sized is a case of messages of n bytes, count of them.
func sized(title string, n, count int, steps func() []Step) Case {
	c := Case{Title: title, Script: script{later(steps)}}
	if n >= 64*kib {
		c.Size = n
	}
	c.Heavy = n*count >= 200*kib
	if n*count >= 4*mib {
		c.Wait = 20 * time.Second
	}
	c.Alone = n >= 8*mib // for its memory, here and there
	return c
}

// textAndBinary is a group for text and one for binary messages.
func textAndBinary(text, binary, rule string, cases func(c *corpus) []Case) []Case {
	return append(group(text, specSize, rule, cases(scripts)...), group(binary, specSize, rule, cases(noise)...)...)
}

// quantity is a size as one says it.
func quantity(n int) string {
	switch {
	case n >= mib && n%mib == 0:
		return fmt.Sprintf("%d MiB", n/mib)
	case n >= kib && n%kib == 0:
		return fmt.Sprintf("%d KiB", n/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}

// oneFrame are 9.1 and 9.2.
func sizesInOneFrame() []Case {
	return textAndBinary("9.1", "9.2", ruleOfSize, func(c *corpus) (all []Case) {
		for _, n := range []int{64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib} {
			all = append(all, sized(fmt.Sprintf("%s message of %s in one frame", opName(c.op), quantity(n)), n, 1, func() []Step {
				return []Step{echo(c.message(n, 1))}
			}))
		}
		return all
	})
}

// inFragments are 9.3 and 9.4.
func sizesInFragments() []Case {
	return textAndBinary("9.3", "9.4", ruleOfSize+", however many frames it took", func(c *corpus) (all []Case) {
		const n = 4 * mib
		for _, size := range []int{64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib} {
			one := sized(fmt.Sprintf("%s message of 4 MiB in frames of %s", opName(c.op), quantity(size)), n, 1, func() []Step {
				m := c.message(n, 3)
				return []Step{send(m.split(size)...), want(m)}
			})
			one.Fragments = n / size
			all = append(all, one)
		}
		return all
	})
}

// inWrites are 9.5 and 9.6.
func sizesInWrites() []Case {
	return textAndBinary("9.5", "9.6", ruleOfSize+", wherever TCP was cut", func(c *corpus) (all []Case) {
		for _, v := range []struct{ n, size int }{
			{mib, 64}, {mib, 128}, {mib, 256}, {mib, 512}, {mib, kib}, {mib, 2 * kib},
			{4 * mib, 4 * kib}, {4 * mib, 16 * kib}, {4 * mib, 64 * kib}, {4 * mib, 256 * kib}, {4 * mib, mib}, {4 * mib, 2 * mib},
			{64 * kib, 1}, {64 * kib, 7}, {mib, 1000}, {mib, 65537},
		} {
			title := fmt.Sprintf("%s message of %s in one frame, in writes of %s", opName(c.op), quantity(v.n), quantity(v.size))
			all = append(all, sized(title, v.n, 1, func() []Step {
				m := c.message(v.n, 5)
				return []Step{chop(v.size, m), want(m)}
			}))
		}
		return all
	})
}

// smallSizes are those of messages that are sent a thousand times.
var smallSizes = []int{0, 16, 64, 256, kib, 4 * kib}

// thousand are a thousand different messages of n bytes.
func thousand(c *corpus, n int) []frame {
	var all []frame
	for i := range 1000 {
		all = append(all, c.message(n, uint64(i)))
	}
	return all
}

// roundTrips are 9.7 and 9.8.
func sizesRoundTrips() []Case {
	return textAndBinary("9.7", "9.8", "every message comes back as it was", func(c *corpus) (all []Case) {
		for _, n := range smallSizes {
			all = append(all, sized(fmt.Sprintf("a thousand %s messages of %s, one after another", opName(c.op), quantity(n)), n, 1000, func() []Step {
				var steps []Step
				for _, m := range thousand(c, n) {
					steps = append(steps, echo(m))
				}
				return steps
			}))
		}
		return all
	})
}

// pipelined are 9.10 and 9.11.
func sizesPipelined() []Case {
	return textAndBinary("9.10", "9.11", "messages come back in their order", func(c *corpus) (all []Case) {
		for _, n := range smallSizes {
			all = append(all, sized(fmt.Sprintf("a thousand %s messages of %s in one write", opName(c.op), quantity(n)), n, 1000, func() []Step {
				m := thousand(c, n)
				return []Step{send(m...), want(m...)}
			}))
		}
		return all
	})
}

// everySize is 9.12: buffers end somewhere.
func sizesEvery() []Case {
	// around are sizes near the powers of two.
	around := func(c *corpus, from, to int) (all []frame) {
		for n := from; n <= to; n *= 2 {
			for _, d := range []int{-1, 0, 1} {
				all = append(all, c.message(n+d, uint64(n+d)))
			}
		}
		return all
	}
	fragments := func(messages []frame, n int) (all []frame) {
		for _, m := range messages {
			all = append(all, m.split(n)...)
		}
		return all
	}
	var cases []Case
	for _, c := range []*corpus{noise, scripts} {
		kind := opName(c.op)
		cases = append(cases,
			sized("every size from 1 to 600, "+kind, 600, 300, func() []Step {
				var all []frame
				for n := 1; n <= 600; n++ {
					all = append(all, c.message(n, uint64(n)))
				}
				return []Step{echo(all...)}
			}),
			sized("sizes around the powers of two up to 64 KiB, "+kind, 64*kib, 6, func() []Step {
				return []Step{echo(around(c, 128, 64*kib)...)}
			}),
			sized("sizes around the powers of two up to 64 KiB, one after another, "+kind, 64*kib, 6, func() (all []Step) {
				for _, m := range around(c, 128, 64*kib) {
					all = append(all, echo(m))
				}
				return all
			}),
			sized("sizes around the powers of two up to 1 MiB, "+kind, mib, 6, func() []Step {
				return []Step{echo(around(c, 128*kib, mib)...)}
			}),
			sized("sizes around the powers of two up to 64 KiB, in frames of 1021 bytes, "+kind, 64*kib, 6, func() []Step {
				m := around(c, 128, 64*kib)
				return []Step{send(fragments(m, 1021)...), want(m...)}
			}),
			sized("sizes around the powers of two up to 16 KiB, in frames of 127 bytes, in writes of any size, "+kind, 16*kib, 6, func() []Step {
				m := around(c, 128, 16*kib)
				return []Step{scattered(fragments(m, 127)...), want(m...)}
			}),
			sized("a small message behind a large one, and the other way round, "+kind, 64*kib, 6, func() []Step {
				small, big := c.message(3, 1), c.message(64*kib, 2)
				return []Step{echo(big, small, big, small), echo(small, big), echo(c.message(1, 1), big, c.message(2, 1))}
			}),
		)
	}
	for i := range cases {
		if cases[i].Size > 0 {
			cases[i].Size++ // the largest are one byte larger
		}
	}
	return group("9.12", specSize, ruleOfSize, cases...)
}

// anyMixture is 9.13: what nobody thought of. Options.Seed gives another mixture.
func sizesMixed() []Case {
	const most = 14 // of the logarithm of a size
	var cases []Case
	for _, v := range []struct {
		title   string
		cut     bool // into frames
		scatter bool // over writes
		pings   bool
	}{
		{"in one write", false, false, false},
		{"in fragments, in one write", true, false, false},
		{"in writes of any size", false, true, false},
		{"in fragments, in writes of any size", true, true, false},
		{"in fragments, in writes of any size, with pings", true, true, true},
	} {
		cases = append(cases, Case{Title: "200 messages of any kind and size, " + v.title, Script: script{do(func(s *session) error {
			var frames, messages []frame
			pings := 0
			for range 200 {
				m := corpora[s.random.IntN(len(corpora))].message(1+s.random.IntN(1<<s.random.IntN(most)), s.random.Uint64())
				messages = append(messages, m)
				pieces := []frame{m}
				if v.cut {
					pieces = m.split(1 + len(m.payload)/(1+s.random.IntN(20)))
				}
				for _, f := range pieces {
					frames = append(frames, f)
					if v.pings && pings < 8 && s.random.IntN(50) == 0 { // no flood
						pings++
						frames = append(frames, ping(fmt.Sprint(pings)))
					}
				}
			}
			by := send
			if v.scatter {
				by = scattered
			}
			return steps{by(frames...), amongPongs(messages)}.run(s)
		})}})
	}
	return group("9.13", "RFC 6455, 5", ruleOfSize, cases...)
}

// amongPongs wants messages, with pongs anywhere between them.
func amongPongs(messages []frame) Step {
	return do(func(s *session) error {
		for i := 0; i < len(messages); {
			ev, err := s.expect(messages[i])
			if err != nil {
				return err
			}
			if ev.kind == opPong {
				continue
			}
			if err := s.same(ev, messages[i]); err != nil {
				return err
			}
			i++
		}
		return nil
	})
}

// manyFragments is 9.14.
func sizesManyFragments() []Case {
	var cases []Case
	for _, v := range []struct{ count, size int }{
		{100, 1}, {1000, 1}, {5000, 1}, {20000, 1}, {1000, 0}, {10000, 0}, {5000, 13},
	} {
		for _, c := range []*corpus{scripts, noise} {
			one := Case{Title: fmt.Sprintf("%s message in %d frames of %s", opName(c.op), v.count, quantity(v.size)), Script: script{
				later(func() []Step {
					m := c.message(v.count*v.size, 9)
					frames := m.split(max(v.size, 1))
					for len(frames) < v.count { // empty ones
						frames[len(frames)-1].open = true
						frames = append(frames, cont(""))
					}
					return []Step{send(frames...), want(m)}
				})}}
			if v.count >= 1000 {
				one.Fragments = v.count
			}
			cases = append(cases, one)
		}
	}
	return group("9.14", "RFC 6455, 5.4 and 10.4", ruleOfSize+", however many frames it took", cases...)
}
