//go:build !race && !invariants

package conform

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"curlew.example/curlew"
)

// returns is an application that returns what change makes of a message.
func returns(change func(t curlew.Type, p []byte) (curlew.Type, []byte)) func() *curlew.Events {
	return func() *curlew.Events {
		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
			if t, p = change(t, bytes.Clone(p)); p != nil {
				put(c, t, p)
			}
		}}
	}
}

// put sends a message, and waits where the queue is full.
func put(c *curlew.Conn, t curlew.Type, p []byte) {
	if c.Send(t, p) == curlew.ErrQueueFull {
		c.Write(context.Background(), t, p)
	}
}

// spoils is an application that changes the payload of some messages.
func spoils(which func(t curlew.Type, p []byte) bool, change func(p []byte) []byte) func() *curlew.Events {
	return returns(func(t curlew.Type, p []byte) (curlew.Type, []byte) {
		if which(t, p) {
			if p = change(p); p == nil {
				p = []byte{}
			}
		}
		return t, p
	})
}

func swallows(which func(t curlew.Type, p []byte) bool) func() *curlew.Events {
	return returns(func(t curlew.Type, p []byte) (curlew.Type, []byte) {
		if which(t, p) {
			return t, nil
		}
		return t, p
	})
}

// sized chooses messages by their size.
func ofSize(least, most int) func(curlew.Type, []byte) bool {
	return func(_ curlew.Type, p []byte) bool { return len(p) >= least && len(p) <= most }
}

// flip changes byte i, from the end if it is negative. Text stays text.
func flip(i int) func(p []byte) []byte {
	return func(p []byte) []byte {
		at := i
		if at < 0 {
			at += len(p)
		}
		if at >= 0 && at < len(p) {
			p[at] ^= 1
		}
		return p
	}
}

// Mutants whose echo is wrong: messages, fragments, pings.
func messageMutants() []mutant {
	const all = 1 << 30
	return []mutant{
		{name: "empty messages are not returned", guards: "1.1.1 1.2.1 6.1.1", events: swallows(ofSize(0, 0))},
		{name: "messages of one byte are not returned", guards: "1.1.9", events: swallows(ofSize(1, 1))},
		{name: "messages of 125 bytes are not returned", guards: "1.1.2", events: swallows(ofSize(125, 125))},
		{name: "messages of 126 bytes are not returned", guards: "1.1.3", events: swallows(ofSize(126, 126))},
		{name: "messages of 127 bytes are not returned", guards: "1.1.4", events: swallows(ofSize(127, 127))},
		{name: "messages of 128 bytes are not returned", guards: "1.1.5", events: swallows(ofSize(128, 128))},
		{name: "messages of 65535 bytes are not returned", guards: "1.1.6", events: swallows(ofSize(65535, 65535))},
		{name: "messages of 65536 bytes are not returned", guards: "1.1.7", events: swallows(ofSize(65536, 65536))},
		{name: "binary messages are not returned", guards: "1.2 1.4", events: swallows(func(t curlew.Type, _ []byte) bool { return t == curlew.Binary })},
		{name: "the last byte of long messages is wrong", guards: "1.1.7 9.1.1", events: spoils(ofSize(65536, all), flip(-1))},
		{name: "the first byte of long messages is wrong", guards: "1.1.7 9.1.1", events: spoils(ofSize(65536, all), flip(0))},
		{name: "byte 40000 is wrong", guards: "1.1.6", events: spoils(ofSize(40001, all), flip(40000))},
		{name: "byte 4096 is wrong", guards: "1.1.6", events: spoils(ofSize(4097, all), flip(4096))},
		{name: "byte 600 is wrong", guards: "1.1.6", events: spoils(ofSize(601, all), flip(600))},
		{name: "byte 200 is wrong", guards: "1.1.6", events: spoils(ofSize(201, all), flip(200))},
		{name: "byte 15 is wrong", guards: "1.1.2", events: spoils(ofSize(16, all), flip(15))},
		{name: "messages are cut at 65535 bytes", guards: "1.1.7", events: spoils(ofSize(65536, all), func(p []byte) []byte { return p[:65535] })},
		{name: "messages are cut at 255 bytes", guards: "1.1.6", events: spoils(ofSize(256, all), func(p []byte) []byte { return p[:255] })},
		{name: "messages end at NUL", guards: "1.6.1 6.7.1", events: spoils(ofSize(1, all), func(p []byte) []byte { p, _, _ = bytes.Cut(p, []byte{0}); return p })},
		{name: "CR LF becomes LF", guards: "1.6.2", events: spoils(ofSize(1, all), func(p []byte) []byte { return bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")) })},
		{name: "space around text is dropped", guards: "1.6.5", events: returns(func(t curlew.Type, p []byte) (curlew.Type, []byte) {
			if t == curlew.Text && len(p) > 0 {
				p = append([]byte{}, bytes.TrimSpace(p)...)
			}
			return t, p
		})},
		{name: "the byte order mark is dropped", guards: "1.6.7", events: returns(func(t curlew.Type, p []byte) (curlew.Type, []byte) {
			return t, append([]byte{}, bytes.TrimPrefix(p, []byte("\ufeff"))...)
		})},
		{name: "escapes of terminals are dropped", guards: "1.6.2", events: spoils(ofSize(1, all), func(p []byte) []byte {
			return bytes.ReplaceAll(p, []byte("\x1b["), nil)
		})},
		{name: "what looks like a request is not returned", guards: "1.6.5", events: swallows(func(_ curlew.Type, p []byte) bool { return bytes.HasPrefix(p, []byte("GET ")) })},
		{name: "what looks like frames is not returned", guards: "1.6.4", events: swallows(func(_ curlew.Type, p []byte) bool { return bytes.HasPrefix(p, []byte{0x81, 5}) })},
		{name: "zeros are not returned", guards: "1.6.8", events: swallows(func(_ curlew.Type, p []byte) bool { return len(p) > 1 && len(bytes.Trim(p, "\x00")) == 0 })},
		{name: "bytes from 128 on are cleared in binary", guards: "1.6.1", events: returns(func(t curlew.Type, p []byte) (curlew.Type, []byte) {
			for i := range p {
				if t == curlew.Binary {
					p[i] &= 127
				}
			}
			return t, p
		})},
		{name: "binary that is text comes back as text", guards: "1.6.8", events: returns(func(t curlew.Type, p []byte) (curlew.Type, []byte) {
			if utf8.Valid(p) {
				t = curlew.Text
			}
			return t, p
		})},
		{name: "text comes back as binary", guards: "1.1", events: returns(func(_ curlew.Type, p []byte) (curlew.Type, []byte) { return curlew.Binary, p })},
		{name: "empty text comes back as binary", guards: "1.1.1", events: returns(func(t curlew.Type, p []byte) (curlew.Type, []byte) {
			if len(p) == 0 {
				t = curlew.Binary
			}
			return t, p
		})},
		{name: "some messages come back twice", guards: "1.1.9", events: func() *curlew.Events {
			return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
				put(c, t, p)
				if len(p) == 1 || len(p) == 10 {
					put(c, t, p)
				}
			}}
		}},
		{name: "messages that come together are swapped", guards: "1.5.1", events: func() *curlew.Events {
			var mu sync.Mutex // guards the following
			var waiting []func()
			release := func() {
				mu.Lock()
				defer mu.Unlock()
				for _, send := range slices.Backward(waiting) {
					send()
				}
				waiting = nil
			}
			return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
				mu.Lock()
				defer mu.Unlock()
				p = bytes.Clone(p)
				if waiting = append(waiting, func() { put(c, t, p) }); len(waiting) == 1 {
					time.AfterFunc(time.Millisecond, release)
				}
			}}
		}},
		{name: "text overtakes binary", guards: "1.5.2", events: func() *curlew.Events {
			var mu sync.Mutex // guards the following
			var waiting []func()
			release := func() {
				mu.Lock()
				defer mu.Unlock()
				for _, send := range waiting {
					send()
				}
				waiting = nil
			}
			return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
				if t == curlew.Text {
					put(c, t, p)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				p = bytes.Clone(p)
				if waiting = append(waiting, func() { put(c, t, p) }); len(waiting) == 1 {
					time.AfterFunc(time.Millisecond, release)
				}
			}}
		}},
		{name: "only ten messages are returned", guards: "1.5.2", events: func() *curlew.Events {
			n := 0
			return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
				if n++; n <= 10 {
					put(c, t, p)
				}
			}}
		}},

		{name: "every fragment is a message", guards: "5.3 5.4 5.5", events: func() *curlew.Events {
			return &curlew.Events{Part: func(c *curlew.Conn, t curlew.Type, p []byte, last bool) { put(c, curlew.Binary, p) }}
		}, options: func(o *curlew.Options) { o.MaxPacket = -1 }},
		{name: "fragmented text comes back as binary", guards: "5.3", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); !before && f.op == opText && f.open {
				f.op = opBinary
			}
			return true
		}}},
		{name: "empty fragments end a message", guards: "5.22.3", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); isData(f) && before && *f.claim == 0 {
				f.open, m.open = false, false
			}
			return true
		}}},
		{name: "empty fragments in the middle close with 1002", guards: "5.22.2", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); isData(f) && before && *f.claim == 0 {
				f.rsv = rsv2
			}
			return true
		}}},
		{name: "a message may not begin with an empty fragment", guards: "5.22.1", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); isData(f) && !before && f.open && *f.claim == 0 {
				f.rsv = rsv2
			}
			return true
		}}},
		{name: "a ping within a message makes an end of it", guards: "5.6 5.7 5.8", damage: damage{opens: func(m *middle, f *frame) bool {
			before := m.inside(f)
			if before && isPing(f) {
				m.flags["broken"] = true
			}
			if before && f.op == opCont && m.flags["broken"] {
				f.op = opBinary
				m.flags["broken"] = false
			}
			return true
		}}},
		{name: "a pong within a message is refused", guards: "2.15.4", damage: damage{opens: func(m *middle, f *frame) bool {
			if m.inside(f) && isPong(f) {
				f.rsv = rsv2
			}
			return true
		}}},
		{name: "the payload of a ping gets into the message around it", guards: "5.6", damage: damage{
			gets: func(m *middle, f frame) []frame {
				if m.open {
					return []frame{f, {op: opCont, open: true, payload: f.payload, mask: f.mask, key: f.key}}
				}
				return []frame{f}
			},
			hold:  func(_ *middle, f *frame) bool { return isPing(f) && *f.claim < 126 && f.rsv == 0 && !f.open },
			opens: func(m *middle, f *frame) bool { m.inside(f); return true },
		}},
		{name: "pings are answered behind the message around them", guards: "2.14.4 6.34", damage: damage{gets: func(m *middle, f frame) []frame {
			before := m.inside(&f)
			if before && isPing(&f) {
				m.kept = append(m.kept, f)
				return nil
			}
			out := []frame{f}
			if !m.open {
				out, m.kept = append(out, m.kept...), nil
			}
			return out
		},
			hold:  func(m *middle, f *frame) bool { return isPing(f) && *f.claim < 126 || len(m.kept) > 0 && !f.open },
			opens: func(m *middle, f *frame) bool { m.inside(f); return true },
		}},
		{name: "the answer is one fragment without end", guards: "1.5.4", damage: sends(
			func(f *frame) bool { return f.op == opBinary && len(f.payload) == 7 },
			oneFrame(func(f *frame) { f.open = true }))},
		{name: "the last fragment of the answer has no FIN", guards: "10.6", damage: sends(
			func(f *frame) bool { return f.op == opCont && !f.open },
			oneFrame(func(f *frame) { f.open = true }))},
		{name: "fragments of the answer repeat the type", guards: "10.6", damage: sends(
			func(f *frame) bool { return f.op == opCont },
			oneFrame(func(f *frame) { f.op = opBinary }))},
		{name: "an answer begins with a continuation", guards: "6.6.2", damage: sends(
			func(f *frame) bool { return f.op == opText && len(f.payload) == 2 },
			oneFrame(func(f *frame) { f.op = opCont }))},
		{name: "fragments of an answer are swapped", guards: "1.2.3", damage: sends(
			func(f *frame) bool { return f.op == opBinary && len(f.payload) > 2 && len(f.payload)%2 == 0 },
			func(_ *middle, f frame) []frame {
				a, b := f, f
				half := len(f.payload) / 2
				a.payload, b.payload = f.payload[half:], f.payload[:half]
				a.open, b.op = true, opCont
				return []frame{a, b}
			})},

		{name: "pings are not answered", guards: "2.1 2.2", damage: skip(isPing)},
		{name: "empty pings are not answered", guards: "2.1", damage: skip(func(f *frame) bool { return isPing(f) && *f.claim == 0 })},
		{name: "pings of 125 bytes are refused", guards: "2.4", damage: overlook(func(f *frame) {
			if isPing(f) && *f.claim == 125 {
				f.rsv = rsv2
			}
		})},
		{name: "pongs are empty", guards: "2.2", damage: sends(isPong, oneFrame(func(f *frame) { f.payload = nil }))},
		{name: "pongs end at NUL", guards: "2.3", damage: sends(isPong, oneFrame(func(f *frame) { f.payload, _, _ = bytes.Cut(f.payload, []byte{0}) }))},
		{name: "pongs are cut at 64 bytes", guards: "2.4", damage: sends(isPong, oneFrame(func(f *frame) { f.payload = f.payload[:min(len(f.payload), 64)] }))},
		{name: "pongs are UTF-8", guards: "2.3", damage: sends(isPong, oneFrame(func(f *frame) { f.payload = bytes.ToValidUTF8(f.payload, []byte("?")) }))},
		{name: "the last byte of pongs is wrong", guards: "2.2", damage: sends(isPong, oneFrame(func(f *frame) { flip(-1)(f.payload) }))},
		{name: "pongs come twice", guards: "2.1", damage: sends(isPong, func(_ *middle, f frame) []frame { return []frame{f, f} })},
		{name: "pings come back as pings", guards: "2.1", damage: sends(isPong, oneFrame(func(f *frame) { f.op = opPing }))},
		{name: "pings come back as text", guards: "2.1", damage: sends(isPong, oneFrame(func(f *frame) { f.op = opText }))},
		{name: "pongs are answered", guards: "2.7 2.8 2.9", damage: damage{opens: func(m *middle, f *frame) bool {
			if isPong(f) {
				f.op = opPing
			}
			return true
		}}},
		{name: "a pong that answers nothing is refused", guards: "2.7", damage: overlook(func(f *frame) {
			if isPong(f) {
				f.rsv = rsv2
			}
		})},
		{name: "a pong with payload that answers nothing is refused", guards: "2.8", damage: overlook(func(f *frame) {
			if isPong(f) && *f.claim > 0 && *f.claim < 126 && f.rsv == 0 && !f.open {
				f.rsv = rsv2
			}
		})},
		{name: "a pong is returned as a message", guards: "2.7", damage: damage{opens: func(_ *middle, f *frame) bool {
			if isPong(f) && f.rsv == 0 && !f.open && *f.claim < 126 {
				f.op = opBinary
			}
			return true
		}}},
		{name: "a ping answers only once", guards: "2.10", damage: damage{opens: func(m *middle, f *frame) bool {
			if isPing(f) {
				m.count++
			}
			return !isPing(f) || m.count < 2
		}}},
		{name: "pongs wait for a message", guards: "2.1", damage: damage{sends: func(m *middle, f frame) []frame {
			if isPong(&f) {
				m.kept = append(m.kept, f)
				return nil
			}
			out := append([]frame{f}, m.kept...)
			if isClose(&f) {
				out = []frame{f}
			}
			m.kept = nil
			return out
		}}},
		{name: "of pings in a row the first is answered", guards: "2.10", damage: damage{
			opens: func(m *middle, f *frame) bool {
				drop := isPing(f) && m.flags["ping"]
				m.flags["ping"] = isPing(f)
				return !drop
			},
		}},
		{name: "pongs are in fragments", guards: "2.2", damage: sends(
			func(f *frame) bool { return isPong(f) && len(f.payload) > 1 },
			func(_ *middle, f frame) []frame {
				a, b := f, f
				a.open, a.payload = true, f.payload[:1]
				b.op, b.payload = opCont, f.payload[1:]
				return []frame{a, b}
			})},
	}
}
