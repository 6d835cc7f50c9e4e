package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/deflate"
)

// FuzzServerStream and FuzzClientStream: whatever a peer sends, the same comes
// out of it in one piece and in others, and it keeps to the rules.
func FuzzServerStream(f *testing.F) { fuzzStream(f, true) }
func FuzzClientStream(f *testing.F) { fuzzStream(f, false) }

func fuzzStream(f *testing.F, server bool) {
	for _, v := range vectors() {
		if v.config.Server == server {
			settings := byte(3) << 4
			if v.config.InflateBits != 0 {
				settings |= 1
			}
			if v.config.KeepContext {
				settings |= 2
			}
			f.Add(v.wire.b, settings, uint64(0x0102030405060708))
			f.Add(v.wire.b, settings&^0x30, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, settings byte, cuts uint64) {
		c := Config{
			Server:       server,
			MaxMessage:   []int64{10, 1000, outSize, 1 << 20}[settings>>4&3],
			MaxFragments: []int{3, 1000}[settings>>6&1],
			CheckUTF8:    settings&4 == 0,
			KeepContext:  settings&2 != 0,
		}
		if settings&1 != 0 {
			c.InflateBits = []int{15, 8}[settings>>3&1]
		}
		whole := checked(t, c, [][]byte{b})
		if got := checked(t, c, cut(b, cuts)); got != whole {
			t.Fatalf("in pieces\n%s\nwhole\n%s", got, whole)
		}
		if len(b) < 2000 {
			if got := checked(t, c, chop(b, 1)); got != whole {
				t.Fatalf("byte by byte\n%s\nwhole\n%s", got, whole)
			}
		}
	})
}

// cut cuts p into pieces; the bytes of cuts are their sizes, in turn.
func cut(p []byte, cuts uint64) (pieces [][]byte) {
	var sizes [8]byte
	binary.BigEndian.PutUint64(sizes[:], cuts)
	for i := 0; len(p) > 0; i++ {
		n := min(max(int(sizes[i%8]), i%2), len(p)) // empty pieces too, but not alone
		pieces = append(pieces, p[:n])
		p = p[n:]
	}
	return pieces
}

// checked is decode, and checks every event.
func checked(t *testing.T, c Config, pieces [][]byte) string {
	d := NewDecoder(&c)
	defer d.Release()
	k := checker{t: t, c: c}
	var s said
	for _, p := range pieces {
		var ev Event
		for p := bytes.Clone(p); ; {
			n := d.Next(p, &ev)
			if n < 0 || n > len(p) || ev.Kind == None && n != len(p) {
				t.Fatalf("event %d, and %d of %d bytes consumed", ev.Kind, n, len(p))
			}
			k.event(&ev, n)
			if ev.Kind == None {
				break
			}
			s.add(&ev)
			clear(p[:n])
			p = p[n:]
		}
		if d.size > c.MaxMessage+1 {
			t.Fatalf("%d bytes inflated", d.size)
		}
	}
	if k.ended && (d.inflater != nil || d.out != nil || d.split != nil) {
		t.Fatal("something is kept after the end")
	}
	text := s.text()
	if strings.Contains(text, "within a frame") {
		t.Fatal(text)
	}
	return text
}

// A checker knows what may come next.
type checker struct {
	t     *testing.T
	c     Config
	ended bool
	quiet int // events in a row that came out of nothing

	open   bool
	op     frame.Opcode
	msg    []byte
	frames int
}

func (k *checker) event(ev *Event, consumed int) {
	t := k.t
	if k.ended && ev.Kind != None {
		t.Fatalf("event %d after the end", ev.Kind)
	}
	if k.quiet++; consumed > 0 || len(ev.Payload) > 0 || ev.Kind == None {
		k.quiet = 0
	} else if k.quiet > 2 {
		t.Fatal("events without end")
	}
	switch ev.Kind {
	case Data:
		k.data(ev)
	case Ping, Pong:
		if len(ev.Payload) > frame.MaxControl {
			t.Fatal("long control frame")
		}
	case Close:
		if err := frame.CheckClose(ev.Code, ev.Reason); err != nil {
			t.Fatal(err)
		}
		k.ended = true
	case Fail:
		if !ev.Err.Code.Valid() || ev.Err.Section == "" || ev.Err.Text == "" || len(ev.Err.Text) > frame.MaxReason {
			t.Fatalf("%+v", ev.Err)
		}
		k.ended = true
	}
}

func (k *checker) data(ev *Event) {
	t := k.t
	if ev.Opcode != frame.Text && ev.Opcode != frame.Binary {
		t.Fatalf("a message of type %v", ev.Opcode)
	}
	if ev.First == k.open || k.open && ev.Opcode != k.op || ev.Last && !ev.FrameEnd {
		t.Fatalf("%+v within a message: %t, of type %v", ev, k.open, k.op)
	}
	if ev.First {
		k.op, k.msg, k.frames = ev.Opcode, nil, 0
	}
	k.open = !ev.Last
	k.msg = append(k.msg, ev.Payload...)
	if int64(len(k.msg)) > k.c.MaxMessage {
		t.Fatalf("a message of %d bytes", len(k.msg))
	}
	if ev.FrameEnd {
		if k.frames++; k.frames > k.c.MaxFragments {
			t.Fatalf("a message of %d frames", k.frames)
		}
	}
	if ev.Last && k.op == frame.Text && k.c.CheckUTF8 && !utf8.Valid(k.msg) {
		t.Fatalf("not a text: %q", k.msg)
	}
}

// FuzzRoundTrip: what an Encoder makes of messages and control frames, whole and
// in pieces, compressed or not, a Decoder understands.
func FuzzRoundTrip(f *testing.F) {
	for settings := range byte(64) {
		f.Add([]byte("\x00\x05\x21\x09\x40\x03\x62\x11\x03\xff\x04\x7f\x87\x00\x08\x10\xc0\xff\x42\x01"), settings, uint16(settings)<<5, []byte("words and words, "))
	}
	f.Add([]byte("\x02\x00\x03\x00\x01\x00\x00\x00"), byte(0x0f), uint16(1), []byte(nil))
	f.Fuzz(func(t *testing.T, script []byte, settings byte, size uint16, seed []byte) {
		if len(script) > 200 {
			return
		}
		server, keep := settings&1 != 0, settings&4 != 0
		var d *deflate.Deflater
		c := Config{Server: !server, MaxMessage: 1 << 30, MaxFragments: 1 << 30, KeepContext: keep}
		if settings&2 != 0 {
			c.InflateBits = []int{8, 9, 10, 15}[settings>>3&3]
			d = deflate.NewDeflater([]int{1, 6}[settings>>5&1], c.InflateBits, keep)
		}
		maxFrame := max(int(size), 1)
		e := NewEncoder(&EncoderConfig{Server: server, MaxFrame: maxFrame, MinSize: 100}, d)
		defer e.Release()
		p := play{e: &e, seed: seed, longest: maxFrame}
		b := p.run(script)
		got := heard(t, c, cut(b, uint64(size)<<8|7))
		if want := strings.Join(p.want, "\n"); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		for len(b) > 0 {
			h, n, err := frame.Parse(b)
			if err != nil || n == 0 {
				t.Fatal("not frames")
			}
			if h.Length > int64(max(p.longest, frame.MaxControl)) {
				t.Fatalf("a frame of %d bytes", h.Length)
			}
			b = b[n+int(h.Length):]
		}
	})
}

// heard are whole messages and pings, a line each.
func heard(t *testing.T, c Config, pieces [][]byte) string {
	d := NewDecoder(&c)
	defer d.Release()
	var lines []string
	var msg []byte
	var ev Event
	for _, p := range pieces {
		for ev.Kind = Data; ev.Kind != None; {
			p = p[d.Next(p, &ev):]
			switch ev.Kind {
			case Data:
				if msg = append(msg, ev.Payload...); ev.Last {
					lines = append(lines, fmt.Sprintf("%v %s", ev.Opcode, brief(string(msg))))
					msg = nil
				}
			case Ping:
				lines = append(lines, fmt.Sprintf("ping %q", ev.Payload))
			case Fail:
				t.Fatal(ev.Err)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// A play is what a script makes an Encoder do.
type play struct {
	e       *Encoder
	seed    []byte
	want    []string
	longest int // frame, but for control frames
	n       int
}

// payload is n bytes, by repetition of the seed with a count between.
func (p *play) payload(n int) []byte {
	var b []byte
	for len(b) < n {
		b = fmt.Append(append(b, p.seed...), p.n)
		p.n++
	}
	return b[:n]
}

func (p *play) run(script []byte) (b []byte) {
	for ; len(script) >= 2; script = script[2:] {
		what, n := script[0], int(script[1])
		if what&0x80 != 0 {
			n *= 130 // to 33 KiB
		}
		op := frame.Binary
		if what&0x40 != 0 {
			op = frame.Text
		}
		whole := what&0x20 != 0
		if whole {
			p.longest = max(p.longest, 2*n+100) // compressed, it is a little longer
		}
		switch what & 3 {
		case 0, 1:
			m := p.payload(n)
			b = p.e.Message(b, op, m, whole)
			p.want = append(p.want, fmt.Sprintf("%v %s", op, brief(string(m))))
		case 2:
			b = p.ping(b, n)
		case 3:
			var all []byte
			for i := int(what >> 2 & 3); i >= 0; i-- {
				m := p.payload(n + i)
				all = append(all, m...)
				b = p.e.Part(b, op, m, i == 0, whole && i%2 == 1, what&0x10 != 0)
				if i == 2 {
					b = p.ping(b, n)
				}
			}
			p.want = append(p.want, fmt.Sprintf("%v %s", op, brief(string(all))))
		}
	}
	return b
}

func (p *play) ping(b []byte, n int) []byte {
	m := p.payload(n % (frame.MaxControl + 1))
	p.want = append(p.want, fmt.Sprintf("ping %q", m))
	return p.e.Control(b, frame.Ping, m)
}
