package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/deflate"
)

// bomb is n megabytes of zeros, compressed 1000 to 1.
func bomb(n int) []byte {
	d := deflate.NewDeflater(9, 15, false)
	defer d.Release()
	block := d.Flush(d.Write(nil, make([]byte, 1<<20)))
	return append(bytes.Repeat(block, n), 0)
}

// Of a bomb no more is inflated than the limit and one byte, no more is given
// than the limit, and no more of it read than that takes.
func TestPD1_Bomb(t *testing.T) {
	balanced(t)
	b := bomb(64)
	for _, limit := range []int64{1, 1000, 16<<10 - 1, 16 << 10, 16<<10 + 1, 1 << 20} {
		for _, n := range []int{1, 100, len(b)} {
			c := packed(open)
			c.MaxMessage = limit
			d := NewDecoder(&c)
			w := to(c).compressed(true, frame.Binary, b[:min(int64(len(b)), limit+1000)])
			var given int64
			var read int
			var ev Event
			for _, p := range chop(w.b, n) {
				for ev.Kind != Fail {
					k := d.Next(p, &ev)
					p, read = p[k:], read+k
					given += int64(len(ev.Payload))
					if ev.Kind == None {
						break
					}
				}
			}
			if ev.Kind != Fail || ev.Err.Code != frame.MessageTooBig {
				t.Fatalf("limit %d: %+v", limit, ev)
			}
			if given > limit || d.size > limit+1 {
				t.Errorf("limit %d: %d bytes given, %d inflated", limit, given, d.size)
			}
			if most := int(limit)/900 + 200 + n; n < len(b) && read > most {
				t.Errorf("limit %d: %d bytes read, want at most %d", limit, read, most)
			}
			d.Release()
		}
	}
}

// It costs nothing either.
func TestPD1_BombsMemory(t *testing.T) {
	balanced(t)
	c := packed(open)
	c.MaxMessage = 1 << 20
	w := to(c).compressed(true, frame.Binary, bomb(1024)[:1<<20])
	grown := allocated(func() {
		for range 5 {
			d := NewDecoder(&c)
			var ev Event
			for p := w.b; ev.Kind != Fail; {
				p = p[d.Next(p, &ev):]
				if ev.Kind == None {
					t.Fatal("it went off")
				}
			}
		}
	})
	if grown > 1<<20 {
		t.Errorf("%d bytes allocated for 5 bombs", grown)
	}
}

// After a bomb, what follows costs nothing: it is discarded unread.
func TestPD3_NotInflatedAfterwards(t *testing.T) {
	c := packed(open)
	c.MaxMessage = 10
	d := NewDecoder(&c)
	var s said
	s.feed(t, &d, to(c).compressed(true, frame.Binary, compress("more than ten bytes")).b)
	if got := s.text(); got != tooBig {
		t.Fatal(got)
	}
	w := to(c).compressed(true, frame.Binary, compress("a"))
	b := bytes.Clone(w.b)
	var ev Event
	if n := d.Next(b, &ev); n != len(b) || ev.Kind != None || !bytes.Equal(b, w.b) {
		t.Error("what comes after a failure was looked at")
	}
	if d.inflater != nil || d.out != nil {
		t.Error("something is kept after a failure")
	}
}

// Empty blocks make nothing and come to an end by the limit on what is read.
func TestPD11_EmptyBlocks(t *testing.T) {
	balanced(t)
	c := packed(open)
	c.MaxMessage = 1 << 20
	blocks := bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 1<<20/5)
	got := decode(t, c, to(c).compressed(true, frame.Binary, append(blocks, 0)).b)
	if want := read(frame.Binary, ""); got != want {
		t.Errorf("got %.300s, want %s", got, want)
	}
	w := to(c)
	op := frame.Binary
	for range 3 {
		w.compressed(false, op, blocks)
		op = frame.Continuation
	}
	if got := decode(t, c, w.b); !strings.HasSuffix(got, tooBig) {
		t.Errorf("3 MiB of them: %.300s", got)
	}
}

// Messages of every size over every window, with and without takeover, from our
// own Encoder, whole and in pieces; pings between change nothing (PD26).
func TestCompressedMessages(t *testing.T) {
	balanced(t)
	for _, bits := range []int{9, 10, 12, 15} {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bits, takeover %t", bits, keep), func(t *testing.T) {
				c := client(open)
				c.InflateBits, c.KeepContext = bits, keep
				e := NewEncoder(&EncoderConfig{Server: true, MaxFrame: 3000}, deflate.NewDeflater(1, bits, keep))
				defer e.Release()
				r := rand.New(rand.NewPCG(1, 2))
				var b []byte
				var want []string
				for i, n := range []int{0, 1, 100, 600, 5000, 40_000, 10} {
					p := words(r, n)
					if i%3 == 2 {
						p = string(noise(r, n))
					}
					b = e.Message(b, frame.Binary, []byte(p), false)
					b = e.Control(b, frame.Ping, []byte("x"))
					want = append(want, p)
				}
				for _, n := range []int{len(b), 61, 1400} {
					got := messages(t, c, chop(b, n))
					if len(got) != len(want) {
						t.Fatalf("%d messages, want %d", len(got), len(want))
					}
					for i := range want {
						if got[i] != want[i] {
							t.Fatalf("message %d differs, in pieces of %d bytes", i, n)
						}
					}
				}
			})
		}
	}
}

// messages are the payloads of the messages in pieces of the wire.
func messages(t testing.TB, c Config, pieces [][]byte) (got []string) {
	t.Helper()
	d := NewDecoder(&c)
	defer d.Release()
	var msg strings.Builder
	var ev Event
	for _, p := range pieces {
		for p := bytes.Clone(p); ; {
			p = p[d.Next(p, &ev):]
			switch ev.Kind {
			case Data:
				msg.Write(ev.Payload)
				if ev.Last {
					got = append(got, msg.String())
					msg.Reset()
				}
			case Fail:
				t.Fatal(ev.Err)
			}
			if ev.Kind == None {
				break
			}
		}
	}
	return got
}

// words are n bytes that compress well, noise such that do not.
func words(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString([]string{"one ", "twelve ", "a hundred ", "seven thousand "}[r.IntN(4)])
	}
	return b.String()[:n]
}

func noise(r *rand.Rand, n int) []byte {
	p := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], r.Uint64())
	}
	return p[:n]
}

// All that the bytes of a frame's beginning determine is given with them, also
// when it is more than is inflated at once.
func TestInflatedAtOnce(t *testing.T) {
	balanced(t)
	c := packed(client(open))
	d := deflate.NewDeflater(1, 15, false)
	for _, n := range []int{outSize - 1, outSize, outSize + 1, 3 * outSize, 100_000} {
		p := d.Flush(d.Write(nil, bytes.Repeat([]byte("abcdefgh"), n)[:n]))
		d.Release()
		b := to(c).promise(frame.Header{RSV: frame.RSV1, Opcode: frame.Text}, 1<<20).raw(string(p)).b
		for _, size := range []int{len(b), 1, 7} {
			dec := NewDecoder(&c)
			given := 0
			var ev Event
			for _, p := range chop(b, size) {
				for p := bytes.Clone(p); ; {
					p = p[dec.Next(p, &ev):]
					given += len(ev.Payload)
					if ev.Kind == None {
						break
					}
				}
			}
			if given != n {
				t.Errorf("%d bytes given of %d, in pieces of %d", given, n, size)
			}
			dec.Release()
		}
	}
}

// A payload that was lent may be kept after Detach, whatever comes next.
func TestDetach(t *testing.T) {
	c := packed(client(open))
	first, second := strings.Repeat("first ", 1000), strings.Repeat("second ", 1000)
	b := to(c).compressed(true, frame.Text, compress(first)).compressed(true, frame.Text, compress(second)).b
	d := NewDecoder(&c)
	defer d.Release()
	var ev Event
	b = b[d.Next(b, &ev):]
	kept, last := ev.Payload, ev.Last
	d.Detach()
	got := string(kept)
	for !last || len(b) > 0 {
		n := d.Next(b, &ev)
		b = b[n:]
		if ev.Kind == None {
			break
		}
		last = ev.Last
	}
	if string(kept) != got || !strings.HasPrefix(first, got) || got == "" {
		t.Error("what was kept has changed")
	}
}

// Everything is given back, wherever a connection ends (CL17, PD24).
func TestPD24_Release(t *testing.T) {
	balanced(t)
	c := packed(open)
	c.KeepContext = true
	w := to(c).compressed(true, frame.Text, compress("a message")).
		compressed(false, frame.Text, compress("and one in pieces")[:5]).ping("x").
		compressed(true, frame.Continuation, compress("and one in pieces")[5:]).
		compressed(false, frame.Binary, compress("not completed")).close(1000, "")
	for i := range len(w.b) + 1 {
		d := NewDecoder(&c)
		var s said
		s.feed(t, &d, w.b[:i])
		d.Release()
		d.Release() // does no harm
	}
	if got := decode(t, c, w.b); !strings.HasSuffix(got, `close 1000 ""`) {
		t.Error(got)
	}
}

// Without takeover a connection holds nothing between messages, with it the
// window alone.
func TestIdleHoldsNothing(t *testing.T) {
	balanced(t)
	for _, keep := range []bool{false, true} {
		c := packed(open)
		c.KeepContext = keep
		d := NewDecoder(&c)
		var s said
		s.feed(t, &d, to(c).compressed(true, frame.Text, compress("message")).text("plain").ping("x").b)
		if !d.Idle() || d.out != nil || d.split != nil || (d.inflater != nil) != keep || d.Fresh() == keep {
			t.Errorf("takeover %t: %+v", keep, d)
		}
		d.Release()
	}
}
