//go:build !race && !invariants

package conform

import (
	"sync"
	"time"

	"curlew.example/curlew"
)

// halves is what a read holds beyond whole frames, given that it began with one.
func (m *middle) halves(p []byte) (whole, rest []byte) {
	if m.in.stage == heading {
		return p, nil
	}
	all := p
	for len(p) > 0 {
		f, size := readHeader(p)
		if size == 0 || uint64(len(p)-size) < *f.claim {
			break
		}
		p = p[size+int(*f.claim):]
	}
	return all[:len(all)-len(p)], p
}

func through1(*middle, *frame) bool { return true }

// transportMutants are wrong about streams, and about the time and the room that
// others need.
func transportMutants() []mutant {
	return []mutant{
		{name: "a frame comes in one read", guards: "15.1 15.2.1 2.6", damage: damage{reads: func(m *middle, p []byte) []byte {
			whole, _ := m.halves(p)
			return whole
		}, opens: through1}},
		{name: "of a read the first frame is seen", guards: "2.10", damage: damage{reads: func(m *middle, p []byte) []byte {
			if f, size := readHeader(p); m.in.stage == framing && m.in.f == nil && len(m.in.buf) == 0 && size > 0 && uint64(len(p)-size) > *f.claim {
				return p[:size+int(*f.claim)]
			}
			return p
		}, opens: through1}},
		{name: "a header comes in one read", guards: "15.1.1 11.8.1", damage: damage{reads: func(m *middle, p []byte) []byte {
			if _, size := readHeader(p); m.in.stage == framing && m.in.f == nil && len(m.in.buf) == 0 && size == 0 {
				return nil
			}
			return p
		}, opens: through1}},
		{name: "what has come of a frame is returned when the stream ends", guards: "15.4.6 11.10.1", damage: damage{
			opens: through1,
			lost: func(m *middle) []byte {
				if m.in.f != nil && isData(m.in.f) || len(m.in.buf) > 0 {
					m.say(bin([]byte("all that came")))
				}
				return nil
			},
		}},
		{name: "what has come of a message is returned when the stream ends", guards: "15.4.9", damage: damage{
			opens: func(m *middle, f *frame) bool { m.inside(f); return true },
			lost: func(m *middle) []byte {
				if m.open && m.in.f == nil {
					return m.encode(nil, m.heard(cont("")))
				}
				return nil
			},
		}},
		{name: "what was cut off is returned, over TLS", guards: "15.6", secure: true, damage: damage{
			opens: func(m *middle, f *frame) bool { m.inside(f); return true },
			lost: func(m *middle) []byte {
				m.say(bin([]byte("all that came")))
				return nil
			},
		}},
		{name: "the end of the stream is not seen", guards: "15.3.5 15.4.1", damage: damage{
			gets: func(m *middle, f frame) []frame {
				m.flags["closed"] = m.flags["closed"] || isClose(&f)
				return []frame{f}
			},
			hold: wholeClose,
			lost: func(m *middle) []byte {
				if !m.flags["closed"] { // whether it is waited for then is up to chance
					elapse(20 * time.Second)
				}
				return nil
			},
		}},
		{name: "connections are served one by one", guards: "9.16 9.17 15.7.1 16.1 16.4 16.6.2", roles: ForServers, single: true, fresh: func() damage {
			var mu sync.Mutex // guards busy
			var busy *middle
			var since time.Time
			return damage{
				reads: func(m *middle, p []byte) []byte {
					for range 60 {
						mu.Lock()
						if busy == nil || busy == m || time.Since(since) > 30*time.Second {
							busy, since = m, time.Now()
							mu.Unlock()
							return p
						}
						mu.Unlock()
						elapse(500 * time.Millisecond)
					}
					return p
				},
				ends: func(m *middle, half bool) bool {
					mu.Lock()
					defer mu.Unlock()
					if busy == m {
						busy = nil
					}
					return true
				},
			}
		}},
		{name: "a connection that ends badly ends all", guards: "15.5.2 15.4.1", roles: ForServers, single: true, fresh: func() damage {
			var dead time.Time
			return damage{
				reads: func(m *middle, p []byte) []byte {
					if m.in.stage != heading {
						return p
					}
					elapse(time.Millisecond) // others have seen their ends
					if time.Since(dead) < 30*time.Second {
						m.reset()
					}
					return p
				},
				gets: func(m *middle, f frame) []frame {
					if isClose(&f) {
						m.flags["closed"] = true
					}
					return []frame{f}
				},
				hold: wholeClose,
				lost: func(m *middle) []byte {
					if !m.flags["closed"] {
						dead = time.Now()
					}
					return nil
				},
			}
		}},
		{name: "the twentieth connection is refused", guards: "15.7.1", roles: ForServers, single: true, fresh: func() damage {
			var last time.Time
			n := 0
			return damage{reads: func(m *middle, p []byte) []byte {
				if m.in.stage == heading && len(m.in.buf) == 0 {
					if time.Since(last) > 30*time.Second {
						n = 0
					}
					last = time.Now()
					if n++; n == 20 {
						m.reset()
					}
				}
				return p
			}}
		}},
		{name: "after a hundred frames in a read there is a break of a minute", guards: "16.2.1", damage: damage{
			opens: func(m *middle, f *frame) bool {
				if m.count++; m.count%100 == 0 && len(m.in.buf) > 600 {
					elapse(time.Minute)
				}
				return true
			},
		}},
		{name: "what is not read at once is lost", guards: "16.3.1", damage: damage{writes: func(m *middle, p []byte) []byte {
			if m.in.stage != heading && m.count > 64<<10 {
				return nil
			}
			m.count += len(p)
			return p
		}}},
		{name: "an octet every few milliseconds is too slow", guards: "16.5.1 16.5.2", damage: damage{opens: through1, reads: func(m *middle, p []byte) []byte {
			if m.in.stage == framing && len(p) == 1 {
				if m.late.IsZero() {
					m.late = time.Now()
				} else if time.Since(m.late) > 2*time.Millisecond {
					m.reset()
				}
			}
			return p
		}}},
		{name: "a pause between messages is too long", guards: "16.5.5", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage != heading {
				if !m.late.IsZero() && time.Since(m.late) > 20*time.Millisecond {
					m.reset()
				}
				m.late = time.Now()
			}
			return p
		}, opens: through1}},
		{name: "a Close waits for all that is to be sent", guards: "16.8.2", damage: damage{sends: func(m *middle, f frame) []frame {
			if isClose(&f) && m.count > 50_000 {
				return nil
			}
			m.count += len(f.payload)
			return []frame{f}
		}}},
		{name: "a failed connection waits for the Close of the other side", guards: "7.18 9.15", damage: damage{
			ends: func(m *middle, half bool) bool { return m.flags["closed"] },
			gets: func(m *middle, f frame) []frame {
				if isClose(&f) {
					m.flags["closed"] = true
				}
				return []frame{f}
			},
			hold: wholeClose,
		}},
		{name: "memory is taken for what is promised", guards: "9.15.8", damage: damage{opens: func(m *middle, f *frame) bool {
			if *f.claim > 1<<30 {
				m.reset()
			}
			return true
		}}},
		{name: "what is promised is waited for", guards: "11.6.1", damage: damage{opens: func(m *middle, f *frame) bool {
			if *f.claim > 1<<24 {
				f.claim = new(uint64(1 << 23))
				f.width = 8
			}
			return true
		}}},
		{name: "no message is larger than 64 KiB", guards: "9.1.2 9.2.2", long: "9.1 9.2 9.3 9.4 9.5 9.6", options: func(o *curlew.Options) { o.MaxMessage = 64 << 10 },
			damage: damage{sends: func(m *middle, f frame) []frame {
				if isClose(&f) {
					recode(&f, 1009, 1008)
				}
				return []frame{f}
			}}},
		{name: "long messages lose a byte", guards: "9.1.2", long: "9.1 9.2 9.3 9.4 9.5 9.6 16.3", events: spoils(ofSize(65536, 1<<30), func(p []byte) []byte { return p[1:] })},
	}
}
