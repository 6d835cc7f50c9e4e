package core

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/deflate"
)

// open is a server's Config without limits.
var open = Config{Server: true, MaxMessage: math.MaxInt64, MaxFragments: math.MaxInt, CheckUTF8: true}

// client is c for the other role.
func client(c Config) Config {
	c.Server = false
	return c
}

// packed is c with compression, without context takeover.
func packed(c Config) Config {
	c.InflateBits = 15
	return c
}

// said is what a Decoder made of bytes, as text, a line for each event. Where
// the bytes were cut makes no difference: pieces of one frame are put together.
//
//	text "hello" end
//	binary first "he"
//	ping "x"
//	binary end "llo"
//	fail 1007 RFC 6455, 8.1: text is not valid UTF-8
type said struct {
	lines []string

	// The frame of which pieces have come, but not the last one.
	piece strings.Builder
	first bool
	open  bool
	op    frame.Opcode
}

func (s *said) add(ev *Event) {
	if ev.Kind != Data && ev.Kind != Fail && s.open {
		s.lines = append(s.lines, "an event within a frame")
	}
	switch ev.Kind {
	case Data:
		if !s.open {
			s.open, s.first, s.op = true, ev.First, ev.Opcode
		} else if ev.First || ev.Opcode != s.op {
			s.lines = append(s.lines, "a message begins within a frame")
		}
		s.piece.Write(ev.Payload)
		if ev.FrameEnd {
			s.flush(" end", ev.Last)
		} else if ev.Last {
			s.lines = append(s.lines, "a message ends within a frame")
		}
	case Ping:
		s.lines = append(s.lines, fmt.Sprintf("ping %q", ev.Payload))
	case Pong:
		s.lines = append(s.lines, fmt.Sprintf("pong %q", ev.Payload))
	case Close:
		s.lines = append(s.lines, fmt.Sprintf("close %d %q", ev.Code, ev.Reason))
	case Fail:
		// How much of the frame is given before depends on the pieces.
		s.open = false
		s.piece.Reset()
		s.lines = append(s.lines, fmt.Sprintf("fail %d %v", ev.Err.Code, ev.Err))
	}
}

func (s *said) flush(end string, last bool) {
	if !s.open {
		return
	}
	line := s.op.String()
	if s.first {
		line += " first"
	}
	if last {
		line += " last"
	}
	s.lines = append(s.lines, line+" "+brief(s.piece.String())+end)
	s.open = false
	s.piece.Reset()
}

// brief is a payload in one line; a long one is its length and a sum.
func brief(p string) string {
	if len(p) < 100 {
		return fmt.Sprintf("%q", p)
	}
	var sum uint64 = 14695981039346656037
	for _, b := range []byte(p) {
		sum = (sum ^ uint64(b)) * 1099511628211
	}
	return fmt.Sprintf("%d bytes %x", len(p), sum)
}

// text ends the account; a frame that is not complete is its last line.
func (s *said) text() string {
	s.flush(" ...", false)
	return strings.Join(s.lines, "\n")
}

// feed gives d a copy of p, as long as it takes something, and notes the events.
// What every event must hold is checked here.
func (s *said) feed(t testing.TB, d *Decoder, p []byte) {
	t.Helper()
	p = bytes.Clone(p)
	var ev Event
	for quiet := 0; ; {
		n := d.Next(p, &ev)
		if n < 0 || n > len(p) {
			t.Fatalf("%d of %d bytes consumed", n, len(p))
		}
		if ev.Kind == None {
			if n != len(p) {
				t.Fatalf("no event, and %d of %d bytes left", len(p)-n, len(p))
			}
			return
		}
		s.add(&ev)
		if quiet++; n > 0 || len(ev.Payload) > 0 {
			quiet = 0
		} else if quiet > 4 {
			t.Fatal("events come out of nothing, without end")
		}
		clear(p[:n]) // lent only until now
		p = p[n:]
	}
}

// decode feeds the pieces to a new Decoder and returns the account.
func decode(t testing.TB, c Config, pieces ...[]byte) string {
	t.Helper()
	d := NewDecoder(&c)
	defer d.Release()
	var s said
	for _, p := range pieces {
		s.feed(t, &d, p)
		if d.Fresh() {
			d = NewDecoder(&c) // does as well
		}
	}
	return s.text()
}

// chop cuts p into pieces of n bytes.
func chop(p []byte, n int) (pieces [][]byte) {
	for len(p) > n {
		pieces = append(pieces, p[:n])
		p = p[n:]
	}
	return append(pieces, p)
}

// A wire is bytes of a peer in the making.
type wire struct {
	b      []byte
	server bool // who receives them; clients mask
	key    byte
}

func to(c Config) *wire { return &wire{server: c.Server} }

// put appends a frame.
func (w *wire) put(h frame.Header, p string) *wire {
	h.Length = int64(len(p))
	if w.server {
		w.key += 0x35
		h.Masked, h.Key = true, [4]byte{w.key, 0xFF, 0, w.key ^ 0x80}
	}
	w.b = h.Append(w.b)
	at := len(w.b)
	w.b = append(w.b, p...)
	if h.Masked {
		frame.Mask(w.b[at:], h.Key, 0)
	}
	return w
}

func (w *wire) op(o frame.Opcode, p string) *wire {
	return w.put(frame.Header{Fin: true, Opcode: o}, p)
}
func (w *wire) text(p string) *wire   { return w.op(frame.Text, p) }
func (w *wire) binary(p string) *wire { return w.op(frame.Binary, p) }
func (w *wire) ping(p string) *wire   { return w.op(frame.Ping, p) }
func (w *wire) pong(p string) *wire   { return w.op(frame.Pong, p) }
func (w *wire) last(p string) *wire   { return w.op(frame.Continuation, p) }
func (w *wire) more(o frame.Opcode, p string) *wire {
	return w.put(frame.Header{Opcode: o}, p)
}
func (w *wire) close(code frame.Code, reason string) *wire {
	return w.op(frame.Close, string(frame.AppendClose(nil, code, reason)))
}

// compressed appends a frame whose payload is already compressed.
func (w *wire) compressed(fin bool, o frame.Opcode, p []byte) *wire {
	h := frame.Header{Fin: fin, Opcode: o}
	if o != frame.Continuation {
		h.RSV = frame.RSV1
	}
	return w.put(h, string(p))
}

// promise appends a header alone, of n bytes that do not follow.
func (w *wire) promise(h frame.Header, n int64) *wire {
	h.Length = n
	h.Masked = w.server
	w.b = h.Append(w.b)
	return w
}

// raw appends bytes as they are.
func (w *wire) raw(p string) *wire {
	w.b = append(w.b, p...)
	return w
}

// compress is p as a message compressed on its own.
func compress(p string) []byte {
	d := deflate.NewDeflater(9, 15, false)
	return d.Append(nil, []byte(p))
}

// balanced checks at the end of a test that everything pooled was given back.
// Without -tags invariants it checks nothing.
func balanced(t testing.TB) {
	b := bufs.Outstanding()
	i, c := deflate.Outstanding()
	t.Cleanup(func() {
		if n := bufs.Outstanding(); n != b {
			t.Errorf("%d buffers not given back", n-b)
		}
		if in, co := deflate.Outstanding(); in != i || co != c {
			t.Errorf("%d inflaters and %d compressors not given back", in-i, co-c)
		}
	})
}

// read is a line of what said writes, for one whole message.
func read(o frame.Opcode, p string) string {
	return fmt.Sprintf("%v first last %s end", o, brief(p))
}
