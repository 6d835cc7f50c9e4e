//go:build !race && !invariants

package conform

import (
	"bytes"
	"encoding/binary"
	"time"
	"unicode/utf8"
)

// recode changes the code of a Close.
func recode(f *frame, from, to uint16) {
	if len(f.payload) >= 2 && binary.BigEndian.Uint16(f.payload) == from {
		binary.BigEndian.PutUint16(f.payload, to)
	}
}

func codeOf(f *frame) int {
	if len(f.payload) < 2 {
		return noStatus
	}
	return int(binary.BigEndian.Uint16(f.payload))
}

func isValidClose(f *frame) bool {
	return len(f.payload) == 0 || len(f.payload) > 1 && sendable(codeOf(f)) && utf8.Valid(f.payload[2:])
}

// ownClose changes the Close with which our connection fails or begins to close,
// answer the one that answers the peer's.
func ownClose(change func(m *middle, f frame) []frame) damage { return closeIf(false, change) }
func answerOf(change func(m *middle, f frame) []frame) damage { return closeIf(true, change) }

func closeIf(answers bool, change func(m *middle, f frame) []frame) damage {
	return damage{
		gets: func(m *middle, f frame) []frame {
			if isValidClose(&f) {
				m.flags["closed"] = true
			}
			return []frame{f}
		},
		hold: wholeClose,
		sends: func(m *middle, f frame) []frame {
			if !isClose(&f) || m.flags["closed"] != answers {
				return []frame{f}
			}
			return change(m, f)
		},
	}
}

// wholeClose chooses Closes that are right but for what is in them.
func wholeClose(m *middle, f *frame) bool {
	return isClose(f) && f.rsv == 0 && !f.open && *f.claim < 126 && f.mask == m.heard(frame{})[0].mask
}

// peekBehind does something about the frames that come behind a Close, before our
// connection is told of that.
func peekBehind(do func(m *middle, f frame)) damage {
	return alter(wholeClose, func(m *middle, f frame) []frame {
		p, _ := m.peek()
		for {
			g, size := readHeader(p)
			if size == 0 || uint64(len(p)-size) < *g.claim {
				m.in.buf = nil
				return []frame{f}
			}
			g.payload = p[size : size+int(*g.claim)]
			if g.key != nil {
				unmask(g.payload, *g.key, 0)
			}
			p = p[size+len(g.payload):]
			do(m, g)
		}
	})
}

// takesCode takes a Close with a code that is not for it.
func takesCode(which func(code int) bool) damage {
	return alter(
		wholeClose,
		oneFrame(func(f *frame) {
			if len(f.payload) >= 2 && which(codeOf(f)) {
				binary.BigEndian.PutUint16(f.payload, 1000)
			}
		}))
}

// refusesCode fails upon a Close that is right.
func refusesCode(which func(f *frame) bool) damage {
	return alter(
		wholeClose,
		oneFrame(func(f *frame) {
			if isValidClose(f) && which(f) {
				f.payload = []byte{0, 0}
			}
		}))
}

func between(first, last int) func(int) bool {
	return func(code int) bool { return code >= first && code <= last }
}

// Mutants that close wrong.
func closingMutants() []mutant {
	fail := func(code uint16) func(*middle, frame) []frame {
		return oneFrame(func(f *frame) { f.payload = closing(int(code), "").payload })
	}
	return []mutant{
		{name: "a Close is not answered", guards: "7.1.1 7.3.1 7.7.1", damage: skip(isClose)},
		{name: "the answer to a Close has no body", guards: "7.7 7.10", damage: answerOf(oneFrame(func(f *frame) { f.payload = nil }))},
		{name: "the answer to a Close is always 1000", guards: "7.7.2", damage: answerOf(fail(1000))},
		{name: "the answer to a Close is 1002", guards: "7.1.1 7.3.3 7.7.1", damage: answerOf(fail(1002))},
		{name: "the answer to an empty Close is 1005", guards: "7.3.1", damage: answerOf(oneFrame(func(f *frame) {
			if len(f.payload) == 0 {
				f.payload = closing(1005, "").payload
			}
		}))},
		{name: "the answer to a Close has a body of one byte", guards: "7.3.1", damage: answerOf(oneFrame(func(f *frame) { f.payload = []byte{3} }))},
		{name: "the answer to a Close has a reason that is not UTF-8", guards: "7.1.1", damage: answerOf(oneFrame(func(f *frame) { f.payload = append(f.payload, 0xFF) }))},
		{name: "the answer to a Close has FIN not set", guards: "7.1.1", damage: answerOf(oneFrame(func(f *frame) { f.open = true }))},
		{name: "a Close is answered twice", guards: "7.1.1", damage: answerOf(func(_ *middle, f frame) []frame { return []frame{f, f} })},
		{name: "a ping follows the Close", guards: "7.1.1", damage: damage{sends: func(m *middle, f frame) []frame {
			if isClose(&f) {
				return append([]frame{f}, m.said(ping("late"))...)
			}
			return []frame{f}
		}}},
		{name: "a message follows the Close", guards: "7.1.1", damage: answerOf(func(m *middle, f frame) []frame {
			return append([]frame{f}, m.said(text("late"))...)
		})},
		{name: "a Close is answered too late", guards: "7.1.1", damage: damage{sends: func(_ *middle, f frame) []frame {
			if isClose(&f) {
				elapse(6 * time.Second)
			}
			return []frame{f}
		}}},
		{name: "the server does not end TCP", guards: "7.20", roles: ForServers, damage: damage{ends: func(*middle, bool) bool { return false }}},
		{name: "the server ends TCP late", guards: "7.20.1", roles: ForServers, damage: damage{ends: func(*middle, bool) bool { elapse(2 * time.Second); return true }}},
		{name: "the client does not end TCP", guards: "7.1.1", roles: ForClients, damage: damage{ends: func(*middle, bool) bool { return false }}},
		{name: "TCP is reset", guards: "7.1.1", roles: ForServers, damage: damage{ends: func(m *middle, _ bool) bool {
			elapse(time.Millisecond) // what was sent has come
			m.reset()
			return false
		}}},
		{name: "a failed connection gets no Close", guards: "3.1 4.1 5.9", damage: ownClose(none)},
		{name: "a failed connection gets 1000", guards: "3.1 4.1", damage: ownClose(fail(1000))},
		{name: "a failed connection gets 1011", guards: "3.1 4.1", damage: ownClose(fail(1011))},
		{name: "a failed connection gets 1002", guards: "6.3.1", damage: ownClose(fail(1002))},
		{name: "a failed connection gets 1007", guards: "3.1 4.1", damage: ownClose(fail(1007))},
		{name: "a failed connection gets an empty Close", guards: "3.1 4.1", damage: ownClose(oneFrame(func(f *frame) { f.payload = nil }))},
		{name: "a failed connection goes on", guards: "3.1 4.1", damage: damage{
			sends: func(m *middle, f frame) []frame {
				if isClose(&f) {
					return m.said(pong("go on"))
				}
				return []frame{f}
			},
			ends: func(*middle, bool) bool { return false },
		}},
		{name: "limits close with 1002", guards: "14.7.3", long: "14.7", damage: sends(isClose, oneFrame(func(f *frame) { recode(f, 1009, 1002) }))},

		{name: "codes below 1000 are taken", guards: "7.9.1", damage: takesCode(between(0, 999))},
		{name: "1004, 1005, 1006 and 1015 are taken", guards: "7.9.3 7.9.4 7.9.5", damage: takesCode(func(c int) bool { return c >= 1004 && c <= 1006 || c == 1015 })},
		{name: "1005 is taken", guards: "7.9.4", damage: takesCode(between(1005, 1005))},
		{name: "1016 to 2999 are taken", guards: "7.9.8", damage: takesCode(between(1016, 2999))},
		{name: "codes are not looked at", guards: "7.9", damage: takesCode(func(c int) bool { return !sendable(c) })},
		{name: "1001 to 1003 are refused", guards: "7.7.2", damage: refusesCode(func(f *frame) bool { return codeOf(f) > 1000 && codeOf(f) <= 1003 })},
		{name: "1007 to 1011 are refused", guards: "7.7.5", damage: refusesCode(func(f *frame) bool { return codeOf(f) >= 1007 && codeOf(f) <= 1011 })},
		{name: "3000 to 3999 are refused", guards: "7.7.10", damage: refusesCode(func(f *frame) bool { return codeOf(f) >= 3000 && codeOf(f) <= 3999 })},
		{name: "4000 to 4999 are refused", guards: "7.7.12", damage: refusesCode(func(f *frame) bool { return codeOf(f) >= 4000 && codeOf(f) <= 4999 })},
		{name: "a Close without a body is refused", guards: "7.3.1", damage: refusesCode(func(f *frame) bool { return len(f.payload) == 0 })},
		{name: "a Close with a reason is refused", guards: "7.6 7.10", damage: refusesCode(func(f *frame) bool { return len(f.payload) > 2 })},
		{name: "a reason of 123 bytes is refused", guards: "7.3.5", damage: refusesCode(func(f *frame) bool { return len(f.payload) == 125 })},
		{name: "a reason beyond ASCII is refused", guards: "7.6.12", damage: refusesCode(func(f *frame) bool {
			return bytes.ContainsFunc(f.payload[min(2, len(f.payload)):], func(r rune) bool { return r > 127 })
		})},
		{name: "a reason with NUL is refused", guards: "7.6.1", damage: refusesCode(func(f *frame) bool { return bytes.IndexByte(f.payload[min(2, len(f.payload)):], 0) >= 0 })},
		{name: "reasons are not checked", guards: "7.5", damage: alter(
			wholeClose,
			oneFrame(func(f *frame) {
				if len(f.payload) > 2 {
					f.payload = f.payload[:2]
				}
			}))},
		{name: "a Close with a body of one byte is taken", guards: "7.3.2", damage: alter(
			func(m *middle, f *frame) bool { return wholeClose(m, f) && *f.claim == 1 },
			oneFrame(func(f *frame) { f.payload = nil }))},

		{name: "messages behind a Close are returned", guards: "7.14.1", damage: peekBehind(func(m *middle, f frame) {
			if isData(&f) {
				m.say(frame{op: f.op, payload: f.payload})
			}
		})},
		{name: "pings behind a Close are answered", guards: "7.14.1", damage: peekBehind(func(m *middle, f frame) {
			if isPing(&f) {
				m.say(pong(string(f.payload)))
			}
		})},
		{name: "a Close within a message is refused", guards: "7.16", damage: damage{opens: func(m *middle, f *frame) bool {
			if m.inside(f) && isClose(f) {
				f.rsv = rsv2
			}
			return true
		}}},
		{name: "a Close within a message waits for its end", guards: "7.16.1", damage: damage{opens: func(m *middle, f *frame) bool {
			return !(m.inside(f) && isClose(f))
		}}},
		{name: "a message that has begun when a Close comes is returned", guards: "7.16.1", damage: damage{gets: func(m *middle, f frame) []frame {
			if m.open {
				return []frame{{op: opCont, mask: f.mask, key: f.key}, f}
			}
			return []frame{f}
		}, opens: func(m *middle, f *frame) bool { m.inside(f); return true }, hold: wholeClose}},
		{name: "the end of the stream is not noticed", guards: "7.21", damage: damage{
			ends: func(*middle, bool) bool { return false },
		}},
	}
}
