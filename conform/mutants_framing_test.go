//go:build !race && !invariants

package conform

import "curlew.example/curlew"

// Words of the table.

// overlook changes headers before our connection sees them.
func overlook(change func(f *frame)) damage {
	return damage{opens: func(_ *middle, f *frame) bool {
		change(f)
		return true
	}}
}

// skip drops frames before our connection sees them.
func skip(which func(f *frame) bool) damage {
	return damage{opens: func(_ *middle, f *frame) bool { return !which(f) }}
}

// alter changes frames before our connection sees them, those that are chosen.
func alter(which func(m *middle, f *frame) bool, change func(m *middle, f frame) []frame) damage {
	return damage{hold: which, gets: change}
}

// send is what is sent instead of the frames that are chosen.
func sends(which func(f *frame) bool, change func(m *middle, f frame) []frame) damage {
	return damage{sends: func(m *middle, f frame) []frame {
		if !which(&f) {
			return []frame{f}
		}
		return change(m, f)
	}}
}

// one is a change of a frame into one.
func oneFrame(change func(f *frame)) func(*middle, frame) []frame {
	return func(_ *middle, f frame) []frame {
		change(&f)
		return []frame{f}
	}
}

func none(*middle, frame) []frame { return nil }

func isPing(f *frame) bool    { return f.op == opPing }
func isPong(f *frame) bool    { return f.op == opPong }
func isClose(f *frame) bool   { return f.op == opClose }
func isControl(f *frame) bool { return f.op >= opClose }
func isData(f *frame) bool    { return f.op < opClose }
func isUnknown(f *frame) bool { return f.op > opBinary && f.op < opClose || f.op > opPong }

// inside keeps track of whether a message is open, where each header is seen.
func (m *middle) inside(f *frame) (before bool) {
	before = m.open
	if isData(f) {
		m.open = f.open
	}
	return before
}

// Mutants that do not look at headers, or not close enough.
func framingMutants() []mutant {
	return []mutant{
		{name: "frames of unknown opcodes are skipped", guards: "4", damage: skip(isUnknown)},
		{name: "opcodes 3 to 7 are binary", guards: "4.1 4.8.1", damage: overlook(func(f *frame) {
			if f.op > opBinary && f.op < opClose {
				f.op = opBinary
			}
		})},
		{name: "opcodes 11 to 15 are pongs", guards: "4.2", damage: overlook(func(f *frame) {
			if f.op > opPong {
				f.op = opPong
			}
		})},
		{name: "opcode 3 is text", guards: "4.1.1", damage: overlook(func(f *frame) {
			if f.op == 3 {
				f.op = opText
			}
		})},
		{name: "the lowest bit of opcodes means nothing", guards: "4.1.1 4.2.1", damage: overlook(func(f *frame) {
			if f.op == 3 || f.op == 11 {
				f.op--
			}
		})},
		{name: "unknown opcodes between fragments are skipped", guards: "4.5", damage: damage{opens: func(m *middle, f *frame) bool {
			return !(m.inside(f) && isUnknown(f))
		}}},
		{name: "unknown opcodes close with 1003", guards: "4", damage: damage{
			opens: func(m *middle, f *frame) bool {
				if isUnknown(f) {
					m.flags["unknown"] = true
				}
				return true
			},
			sends: func(m *middle, f frame) []frame {
				if isClose(&f) && m.flags["unknown"] {
					return m.said(closing(1003, ""))
				}
				return []frame{f}
			},
		}},

		{name: "RSV2 and RSV3 mean nothing", guards: "3.1 3.2 3.8.1 3.8.2 3.8.3", damage: overlook(func(f *frame) { f.rsv &= rsv1 })},
		{name: "RSV1 means nothing without compression", guards: "3.4 14.1", damage: damage{
			opens: func(m *middle, f *frame) bool {
				if !m.packs {
					f.rsv &^= rsv1
				}
				return true
			},
		}},
		{name: "RSV3 means nothing", guards: "3.1 3.8.1", damage: overlook(func(f *frame) { f.rsv &^= rsv3 })},
		{name: "reserved bits of control frames mean nothing", guards: "3.6 3.7 3.14 3.15 3.16 3.17", damage: overlook(func(f *frame) {
			if isControl(f) {
				f.rsv = 0
			}
		})},
		{name: "reserved bits of continuations mean nothing", guards: "3.12 3.13", damage: overlook(func(f *frame) {
			if f.op == opCont {
				f.rsv = 0
			}
		})},
		{name: "reserved bits of empty frames mean nothing", guards: "3.9", damage: overlook(func(f *frame) {
			if *f.claim == 0 {
				f.rsv = 0
			}
		})},
		{name: "frames with RSV2 are skipped", guards: "3.2 3.8.2", damage: skip(func(f *frame) bool { return f.rsv&rsv2 != 0 })},

		{name: "frames need no mask", guards: "11.1", roles: ForServers, damage: overlook(func(f *frame) {
			if f.mask == not {
				f.mask, f.key = always, new([4]byte)
			}
		})},
		{name: "control frames need no mask", guards: "11.1.9 7.18", roles: ForServers, damage: overlook(func(f *frame) {
			if f.mask == not && isControl(f) {
				f.mask, f.key = always, new([4]byte)
			}
		})},
		{name: "continuations need no mask", guards: "11.1.7 11.1.8", roles: ForServers, damage: overlook(func(f *frame) {
			if f.mask == not && f.op == opCont {
				f.mask, f.key = always, new([4]byte)
			}
		})},
		{name: "empty frames need no mask", guards: "11.1.2", roles: ForServers, damage: overlook(func(f *frame) {
			if f.mask == not && *f.claim == 0 {
				f.mask, f.key = always, new([4]byte)
			}
		})},
		{name: "frames without mask are skipped", guards: "11.1", roles: ForServers, damage: skip(func(f *frame) bool { return f.mask == not })},
		{name: "masks are taken", guards: "11.2", roles: ForClients, damage: overlook(func(f *frame) { f.mask, f.key = not, nil })},
		{name: "masks are taken on control frames", guards: "11.2.9", roles: ForClients, damage: overlook(func(f *frame) {
			if isControl(f) {
				f.mask, f.key = not, nil
			}
		})},
		{name: "masks of zeros are taken", guards: "11.2.18", roles: ForClients, damage: overlook(func(f *frame) {
			if f.key != nil && *f.key == [4]byte{} {
				f.mask, f.key = not, nil
			}
		})},
		{name: "masks are taken on continuations", guards: "11.2.7", roles: ForClients, damage: overlook(func(f *frame) {
			if f.op == opCont {
				f.mask, f.key = not, nil
			}
		})},
		{name: "frames with masks are skipped", guards: "11.2", roles: ForClients, damage: skip(func(f *frame) bool { return f.mask == always })},
		{name: "the mask begins anew with every read", guards: "9.1.1", roles: ForServers, damage: damage{
			opens: func(*middle, *frame) bool { return true },
			reads: func(m *middle, p []byte) []byte {
				if f := m.in.f; f != nil && f.mask == always && *f.claim > 125 { // floods of small ones are cut by chance
					for i, b := range f.key {
						m.in.key[(m.in.pos+i)&3] = b
					}
				}
				return p
			},
		}},

		{name: "lengths may be longer than need be", guards: "11.5", damage: overlook(func(f *frame) { f.width = 0 })},
		{name: "lengths may take 8 bytes", guards: "11.5.5", damage: overlook(func(f *frame) {
			if f.width == 8 {
				f.width = 0
			}
		})},
		{name: "lengths of control frames may be longer than need be", guards: "11.5.16", damage: overlook(func(f *frame) {
			if isControl(f) {
				f.width = 0
			}
		})},
		{name: "lengths of 126 in 8 bytes are taken", guards: "11.5.8", damage: overlook(func(f *frame) {
			if f.width == 8 && *f.claim == 126 {
				f.width = 0
			}
		})},
		{name: "the highest bit of a length means nothing", guards: "11.6.2 11.6.8", damage: overlook(func(f *frame) {
			if *f.claim >= 1<<63 {
				*f.claim &= 1<<63 - 1
				f.width = 0
			}
		})},
		{name: "lengths are 32 bits", guards: "11.6 -11.6.3 9.15.3", damage: overlook(func(f *frame) {
			if *f.claim > 1<<32 {
				*f.claim &= 1<<32 - 1
				f.width = 0
			}
		})},
		{name: "lengths are 16 bits", guards: "11.6 11.7.13", damage: overlook(func(f *frame) {
			if *f.claim > 1<<16 {
				*f.claim &= 1<<16 - 1
				f.width = 0
			}
		})},
		{name: "lengths of 2 bytes are signed", guards: "11.7.9 11.7.10", damage: alter(
			func(_ *middle, f *frame) bool { return *f.claim >= 1<<15 && *f.claim < 1<<16 },
			oneFrame(func(f *frame) { f.payload = nil }))},

		{name: "control frames may be long", guards: "2.5 2.13", damage: alter(
			func(_ *middle, f *frame) bool { return isControl(f) && *f.claim > 125 && *f.claim < 1<<20 },
			oneFrame(func(f *frame) { f.payload, f.width = f.payload[:125], 0 }))},
		{name: "long pongs are skipped", guards: "2.13.1", damage: skip(func(f *frame) bool { return isPong(f) && *f.claim > 125 })},
		{name: "control frames need no FIN", guards: "5.1 5.26", damage: overlook(func(f *frame) {
			if isControl(f) {
				f.open = false
			}
		})},
		{name: "pongs need no FIN", guards: "5.26.7", damage: overlook(func(f *frame) {
			if isPong(f) {
				f.open = false
			}
		})},
		{name: "fragments of control frames are put together", guards: "5.1 5.2 5.26", damage: damage{opens: func(m *middle, f *frame) bool {
			if isControl(f) && f.open {
				m.flags["open"] = true
				return false
			}
			if f.op == opCont && m.flags["open"] {
				m.flags["open"] = f.open
				return false
			}
			return true
		}}},

		{name: "a continuation of nothing is skipped", guards: "5.9 5.24", damage: damage{opens: func(m *middle, f *frame) bool {
			if f.op == opCont && !m.open {
				return false
			}
			m.inside(f)
			return true
		}}},
		{name: "a continuation of nothing begins a text", guards: "5.9 5.10 5.11", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); f.op == opCont && !before {
				f.op = opText
			}
			return true
		}}},
		{name: "an empty continuation of nothing is skipped", guards: "5.24.13", damage: damage{opens: func(m *middle, f *frame) bool {
			if f.op == opCont && !m.open && *f.claim == 0 {
				return false
			}
			m.inside(f)
			return true
		}}},
		{name: "a message within another continues it", guards: "5.18 5.25", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); before && isData(f) {
				f.op = opCont
			}
			return true
		}}},
		{name: "a message within another is skipped", guards: "5.18 5.25", damage: damage{opens: func(m *middle, f *frame) bool {
			if m.open && (f.op == opText || f.op == opBinary) {
				return false
			}
			m.inside(f)
			return true
		}}},
		{name: "binary within text continues it", guards: "5.25.3", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); before && f.op == opBinary {
				f.op = opCont
			}
			return true
		}}},
		{name: "a message takes ten frames at most", guards: "9.14.1 10.1.1", options: func(o *curlew.Options) { o.MaxFragments = 10 }},
	}
}
