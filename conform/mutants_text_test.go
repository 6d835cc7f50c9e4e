//go:build !race && !invariants

package conform

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"curlew.example/curlew"
)

// taken is valid text that stands for what a careless peer takes for valid.
var taken = []byte("*")

// takes is a peer that takes some invalid text for valid: it is replaced on the
// way to our connection, in whole messages of one frame.
func takes(invalid ...string) damage {
	return alter(
		func(m *middle, f *frame) bool {
			return !m.inside(f) && f.op == opText && !f.open && *f.claim < 1<<20 && f.rsv == 0
		},
		oneFrame(func(f *frame) {
			for _, bad := range invalid {
				f.payload = bytes.ReplaceAll(f.payload, []byte(bad), taken)
			}
		}))
}

// refuses is a peer that refuses some valid text.
func refusesText(which func(p []byte) bool) func() *curlew.Events {
	return func() *curlew.Events {
		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
			if t == curlew.Text && which(p) {
				c.Close(curlew.InvalidPayload, "")
				return
			}
			put(c, t, p)
		}}
	}
}

// refusesRunes is a peer that takes some characters for invalid.
func refusesRunes(which func(r rune) bool) func() *curlew.Events {
	return refusesText(func(p []byte) bool { return bytes.ContainsFunc(p, which) })
}

func hasPlane(first, last rune) func(rune) bool {
	return func(r rune) bool { return r >= first && r <= last }
}

// lazily lets text through only up to where check says, in a frame, and the rest
// when the frame or the message is complete.
func lazily(whole bool) damage {
	return damage{
		gets: func(m *middle, f frame) []frame {
			before := m.inside(&f)
			if isData(&f) && !before {
				m.kind = f.op
			}
			if !whole || isControl(&f) || m.kind != opText {
				return []frame{f}
			}
			m.kept = append(m.kept, f)
			if f.open {
				return nil
			}
			out := m.kept
			m.kept = nil
			return out
		},
		hold: func(m *middle, f *frame) bool {
			return *f.claim < 1<<22 && (f.op == opText || f.op == opCont && m.kind == opText || isControl(f) && *f.claim < 126) && f.rsv == 0
		},
	}
}

// Mutants that are wrong about UTF-8.
func textMutants() []mutant {
	return []mutant{
		{name: "text is not checked", guards: "6.3 6.8 6.20 6.44", long: "6.44", options: func(o *curlew.Options) { o.AllowInvalidUTF8 = true }},
		{name: "text is checked when a frame is complete", guards: "6.37", damage: lazily(false)},
		{name: "text is checked when a message is complete", guards: "6.4.1 6.4.2 6.35 6.36", damage: lazily(true)},
		{name: "fragments of text are not checked", guards: "6.3.2 6.30.1 6.30.2 6.30.3", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); f.op == opText && f.open && !before {
				f.op = opBinary
			}
			return true
		}, sends: func(m *middle, f frame) []frame { return []frame{f} }}},
		{name: "the end of text is not checked", guards: "6.14.6 6.29", damage: alter(
			func(m *middle, f *frame) bool {
				return !m.inside(f) && f.op == opText && !f.open && *f.claim < 1<<20 && f.rsv == 0
			},
			oneFrame(func(f *frame) {
				for i := range min(3, len(f.payload)) {
					if tail := f.payload[len(f.payload)-1-i:]; utf8.RuneStart(tail[0]) && tail[0] >= 0xC2 && tail[0] < 0xF5 && !utf8.FullRune(tail) {
						f.payload = f.payload[:len(f.payload)-1-i]
						return
					}
				}
			}))},
		{name: "surrogates are taken", guards: "6.20", damage: takes(surrogates()...)},
		{name: "what is too long is taken, in two bytes", guards: "6.17.1 6.18.1 6.19.1", damage: takes("\xc0\xaf", "\xc1\xbf", "\xc0\x80", "\xc1\x80", "\xc0\xbf")},
		{name: "what is too long is taken, in three bytes", guards: "6.17.2 6.18.2 6.19.2", damage: takes("\xe0\x80\xaf", "\xe0\x9f\xbf", "\xe0\x80\x80")},
		{name: "what is too long is taken, in four bytes", guards: "6.17.3 6.18.3 6.19.3", damage: takes("\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xf0\x80\x80\x80")},
		{name: "five and six bytes are taken", guards: "6.8 6.10", damage: takes("\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf",
			"\xf7\xbf\xbf\xbf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80")},
		{name: "what is beyond U+10FFFF is taken", guards: "6.10.1", damage: takes("\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf7\xbf\xbf\xbf")},
		{name: "a byte that continues nothing is taken", guards: "6.12.1", damage: takes("\x80", "\xbf")},
		{name: "FE and FF are taken", guards: "6.16", damage: takes("\xfe", "\xff")},
		{name: "noncharacters are refused", guards: "6.22", events: refusesRunes(func(r rune) bool { return r&0xFFFE == 0xFFFE || r >= 0xFDD0 && r <= 0xFDEF })},
		{name: "NUL is refused", guards: "6.7.1", events: refusesRunes(func(r rune) bool { return r == 0 })},
		{name: "control characters are refused", guards: "6.9.1", events: refusesRunes(func(r rune) bool { return r < ' ' || r == 127 })},
		{name: "characters of two bytes are refused", guards: "6.7.2 6.9.2", events: refusesRunes(hasPlane(0x80, 0x7FF))},
		{name: "characters of three bytes are refused", guards: "6.7.3 6.9.3", events: refusesRunes(hasPlane(0x800, 0xFFFF))},
		{name: "characters beyond the first plane are refused", guards: "6.7.4 6.43.2", long: "6.43", events: refusesRunes(hasPlane(0x10000, 0x10FFFF))},
		{name: "the limits are refused", guards: "6.11.1 6.11.2 6.11.3 6.11.4", events: refusesRunes(func(r rune) bool {
			return r == 0xD7FF || r == 0xE000 || r == 0xFFFD || r == 0x10FFFF
		})},
		{name: "what is not printed is refused", guards: "6.23.1", events: refusesRunes(func(r rune) bool { return r > 127 && !unicode.IsPrint(r) })},
		{name: "the replacement character is refused", guards: "6.23.5", events: refusesRunes(func(r rune) bool { return r == utf8.RuneError })},
		{name: "letters beyond ASCII are refused", guards: "6.2 6.32.2", events: refusesRunes(func(r rune) bool { return r > 127 && unicode.IsLetter(r) })},
		{name: "a frame may not end inside a character", guards: "6.2.3 6.31.1", damage: damage{
			gets: func(m *middle, f frame) []frame {
				if before := m.inside(&f); isData(&f) && !before {
					m.kind = f.op
				}
				if isData(&f) && m.kind == opText && !utf8.Valid(f.payload) {
					f.payload = append([]byte("\xff"), f.payload...) // so that it fails
					f.width = 0
				}
				return []frame{f}
			},
			hold: func(m *middle, f *frame) bool { return *f.claim < 1<<16 && f.rsv == 0 && f.open && isData(f) },
		}},
		{name: "a read may not end inside a character", guards: "6.2.5 6.43.1", damage: damage{
			opens: func(m *middle, f *frame) bool {
				if before := m.inside(f); isData(f) && !before {
					m.kind = f.op
				}
				return true
			},
			reads: func(m *middle, p []byte) []byte {
				w, body := m.in, p
				if w.f == nil && m.in.stage == framing && len(w.buf) == 0 {
					f, size := readHeader(p)
					if size == 0 {
						return p
					}
					w.f, w.left, w.pos, body = &f, *f.claim, 0, p[size:]
					if w.key = [4]byte{}; f.key != nil {
						w.key = *f.key
					}
				}
				if w.f == nil || w.f.op != opText && (w.f.op != opCont || m.kind != opText) || uint64(len(body)) >= w.left {
					return p
				}
				text := bytes.Clone(body)
				unmask(text, w.key, w.pos)
				if r, size := utf8.DecodeLastRune(text); r == utf8.RuneError && size == 1 {
					body[len(body)-1] ^= 0xFF
				}
				return p
			},
		}},
		{name: "the state of text outlives a message", guards: "6.29.1", damage: damage{
			gets: func(m *middle, f frame) []frame {
				out := f
				if m.begun != nil {
					out.payload = append(m.begun, out.payload...)
					out.width, m.begun = 0, nil
				}
				for i := 1; i <= min(3, len(out.payload)); i++ {
					if tail := out.payload[len(out.payload)-i:]; utf8.RuneStart(tail[0]) && tail[0] >= 0xC2 && !utf8.FullRune(tail) {
						m.begun = bytes.Clone(tail)
						out.payload = out.payload[:len(out.payload)-i]
						break
					}
				}
				return []frame{out}
			},
			hold: func(m *middle, f *frame) bool {
				return !m.inside(f) && f.op == opText && !f.open && *f.claim < 1<<16 && f.rsv == 0
			},
		}},
		{name: "binary is checked as text", guards: "6.41.1", events: func() *curlew.Events {
			return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
				if !utf8.Valid(p) {
					c.Close(curlew.InvalidPayload, "")
					return
				}
				put(c, t, p)
			}}
		}},
		{name: "invalid text is repaired", guards: "6.3.1 6.16.1", damage: alter(
			func(m *middle, f *frame) bool {
				return !m.inside(f) && f.op == opText && !f.open && *f.claim < 1<<20 && f.rsv == 0
			},
			oneFrame(func(f *frame) { f.payload, f.width = bytes.ToValidUTF8(f.payload, []byte("\ufffd")), 0 }))},
		{name: "long text is not checked", guards: "6.44.1", damage: alter(
			func(m *middle, f *frame) bool {
				return !m.inside(f) && f.op == opText && *f.claim > 60_000 && *f.claim < 1<<20
			},
			oneFrame(func(f *frame) { f.payload = bytes.ToValidUTF8(f.payload, []byte("?")); f.width = 0 }))},
		{name: "the text of compressed messages is not checked", guards: "14.6.1", damage: damage{
			opens: func(m *middle, f *frame) bool {
				if before := m.inside(f); f.op == opText && f.rsv == rsv1 && !before {
					f.op = opBinary
				}
				return true
			},
		}},
		{name: "text closes with 1002", guards: "6.3.1", damage: sends(isClose, oneFrame(func(f *frame) { recode(f, 1007, 1002) }))},
	}
}

// surrogates are some of them as three bytes.
func surrogates() []string {
	var all []string
	for _, second := range []byte{0xA0, 0xAD, 0xAE, 0xAF, 0xB0, 0xBE, 0xBF} {
		for _, third := range []byte{0x80, 0xBF} {
			all = append(all, string([]byte{0xED, second, third}))
		}
	}
	return all
}
