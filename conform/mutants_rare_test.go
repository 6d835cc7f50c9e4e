//go:build !race && !invariants

package conform

import (
	"bytes"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"os"
	"strings"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// rareMutants are wrong where few cases look.
func rareMutants() []mutant {
	const loads = "12 13.1 13.2 13.3 13.4 13.5 13.6 13.7 13.8 13.9 13.10 13.11 13.12 13.13"
	return []mutant{
		{name: "messages of 124 bytes are not returned", guards: "1.1.10", events: swallows(ofSize(124, 124))},
		{name: "messages of 11 bytes are not returned", guards: "6.5.1", events: swallows(ofSize(11, 11))},
		{name: "the last of nine bytes is wrong", guards: "7.15.1 7.15.2", events: spoils(ofSize(9, 9), flip(-1))},
		{name: "text is taken for a template", guards: "6.5.1", events: replaces(func(s string) string { return os.Expand(s, func(string) string { return "" }) })},
		{name: "text comes back escaped", guards: "6.45.17", events: replaces(html.EscapeString)},

		// Closing.
		{name: "a second Close is answered too", guards: "7.1.2 7.14.5", damage: peekBehind(func(m *middle, f frame) {
			if isClose(&f) {
				m.say(frame{op: opClose, payload: f.payload})
			}
		})},
		{name: "a Close waits for the frame behind it", guards: "7.14.8", damage: alter(wholeClose, func(m *middle, f frame) []frame {
			p, _ := m.peek()
			if _, size := readHeader(p); len(p) > 0 && size > 0 {
				return nil
			}
			return []frame{f}
		})},
		{name: "much behind a Close resets the stream", guards: "7.14.9", damage: alter(wholeClose, func(m *middle, f frame) []frame {
			if p, _ := m.peek(); len(p) > 64<<10 {
				m.reset()
			}
			return []frame{f}
		})},
		{name: "a Close and the end of the stream at once is a crash", guards: "7.20.4 15.3.6", damage: alter(wholeClose, func(m *middle, f frame) []frame {
			if _, ended := m.peek(); ended {
				m.reset()
			}
			return []frame{f}
		})},
		{name: "the client ends TCP first", guards: "7.20.2", roles: ForClients, damage: damage{sends: func(m *middle, f frame) []frame {
			if isClose(&f) {
				time.AfterFunc(time.Millisecond, func() { m.Conn.Close() })
			}
			return []frame{f}
		}}},
		{name: "codes from 5000 on are not answered", guards: "7.13", damage: alter(wholeClose, func(_ *middle, f frame) []frame {
			if len(f.payload) >= 2 && codeOf(&f) >= 5000 {
				return nil
			}
			return []frame{f}
		})},

		// Handshakes.
		{name: "Host is sensitive to case", guards: "8.2.9", roles: ForServers, damage: onlyIf(func(_ *middle, h *head) bool {
			return h.get("Host") == strings.ToLower(h.get("Host"))
		})},
		{name: "the key is decoded and encoded again", guards: "8.15.14", roles: ForServers, damage: says(func(m *middle, h *head) {
			if p, err := base64.StdEncoding.DecodeString(m.key); err == nil && h.count("Sec-WebSocket-Accept") == 1 {
				set("Sec-WebSocket-Accept", acceptKey(base64.StdEncoding.EncodeToString(p)))(h)
			}
		})},
		{name: "strange targets are answered by 500", guards: "8.5.1 8.5.2 8.5.4 8.11.9 8.11.10", roles: ForServers, damage: damage{
			hears: func(m *middle, h *head) {
				m.flags["strange"] = strings.ContainsAny(h.words()[1], "?%:") || h.words()[2] != "HTTP/1.1"
			},
			says: fiveHundred("strange"),
		}},
		{name: "lines that are folded or cut are answered by 500", guards: "8.19.6 8.19.7 8.19.11", roles: ForServers, damage: damage{
			reads: func(m *middle, p []byte) []byte {
				if q := bytes.ReplaceAll(p, []byte("\r\n"), nil); m.in.stage == heading && (bytes.ContainsAny(q, "\n") || bytes.Contains(p, []byte("\r\n "))) {
					m.flags["strange"] = true
				}
				return p
			},
			says: fiveHundred("strange"),
		}},
		{name: "right answers are refused", guards: "8.41.1", roles: ForClients, damage: hears(func(_ *middle, h *head) {
			if !isEarly(h) {
				spoil(h)
			}
		})},
		{name: "a request that is cut off ends all", guards: "15.5.7 15.5.8", roles: ForServers, single: true, fresh: func() damage {
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
				lost: func(m *middle) []byte {
					if m.in.stage == heading {
						dead = time.Now()
					}
					return nil
				},
				hears: func(*middle, *head) {},
			}
		}},

		// Sizes.
		{name: "long headers come in one read", guards: "11.8.10 11.9.3", long: "11.8 11.9", damage: damage{opens: through1, reads: func(m *middle, p []byte) []byte {
			if m.in.stage != framing || m.in.f != nil || len(m.in.buf) > 0 {
				return p
			}
			whole, rest := m.halves(p)
			if _, size := readHeader(rest); size == 0 && len(rest) > 1 && rest[1]&127 == 127 {
				return whole
			}
			return p
		}}},
		{name: "byte 255 is wrong", guards: "9.7.4 9.7.5 9.7.6 9.8.4 9.8.5 9.8.6 9.10.4 9.10.5 9.10.6 9.11.4 9.11.5 9.11.6", long: "9.7 9.8 9.10 9.11", events: spoils(ofSize(256, 1<<30), flip(255))},
		{name: "byte 65000 is wrong", guards: "9.12 -9.12.1 -9.12.6 -9.12.8 -9.12.13", long: "9.12", events: spoils(ofSize(65001, 1<<30), flip(65000))},
		{name: "the keys of long messages are all the same", guards: "11.4.3", long: "11.4", roles: ForClients, damage: sends(
			func(f *frame) bool { return len(f.payload) > 60_000 }, oneFrame(func(f *frame) { f.key = &[4]byte{1, 2, 3, 4} }))},
		{name: "a Close within much is not seen", guards: "9.9", long: "9.9", damage: damage{opens: func(m *middle, f *frame) bool {
			before := m.inside(f)
			m.count += int(*f.claim)
			return !(before && isClose(f) && m.count > 1<<20)
		}}},
		{name: "short messages that are compressed are refused", guards: "12.1.1 12.5.1 12.5.2 13.7.1", long: loads, damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); isData(f) && !before && !f.open && f.rsv == rsv1 && *f.claim < 256 {
				f.rsv |= rsv2
			}
			return true
		}}},
		{name: "what inflates to a megabyte is too much", guards: "14.7.1 14.7.2 14.7.6", long: "14.7.2 14.7.6", options: func(o *curlew.Options) { o.MaxMessage = 1<<20 - 1 },
			damage: sends(isClose, oneFrame(func(f *frame) { recode(f, 1009, 1008) }))},
		{name: "what is compressed has 64 KiB at most", guards: "14.7.7", long: "14.7.7", damage: damage{opens: func(m *middle, f *frame) bool {
			if f.rsv == rsv1 && *f.claim > 64<<10 {
				f.rsv |= rsv2
			}
			return true
		}}},
	}
}

// replaces is an application that returns another text.
func replaces(change func(string) string) func() *curlew.Events {
	return returns(func(t curlew.Type, p []byte) (curlew.Type, []byte) {
		if t == curlew.Text {
			p = append([]byte{}, change(string(p))...)
		}
		return t, p
	})
}

// fiveHundred says so instead of an answer if the flag is set.
func fiveHundred(flag string) func(*middle, *head) {
	return func(m *middle, h *head) {
		if m.flags[flag] {
			h.first = "HTTP/1.1 500 Oh"
		}
	}
}

// peek is what has come behind the frame at hand, and whether the stream has ended.
// It goes on as it was.
func (m *middle) peek() (p []byte, ended bool) {
	elapse(10 * time.Millisecond)
	end := m.Conn.(*wstest.End)
	end.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer end.SetReadDeadline(time.Time{})
	for {
		q := make([]byte, 64<<10)
		n, err := end.Read(q)
		if m.in.buf = append(m.in.buf, q[:n]...); err != nil {
			return m.in.buf, errors.Is(err, io.EOF)
		}
	}
}
