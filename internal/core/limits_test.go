package core

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"curlew.example/curlew/frame"
)

const (
	tooBig     = "fail 1009 RFC 6455, 7.4.1: message too big"
	tooMany    = "fail 1008 RFC 6455, 10.4: too many fragments"
	notAWindow = 0 // of Config.InflateBits
)

// A message of exactly the limit passes and one byte more does not, in any
// number of fragments, with control frames and other messages between.
func TestFR31_MessageLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 125, 126, 65535, 65536} {
		for _, fragments := range []int{1, 2, 3, 10} {
			for over := range 2 {
				c := open
				c.MaxMessage = int64(limit)
				w := to(c).text("a") // an earlier one does not count
				n := limit + over
				op := frame.Binary
				for i := range fragments {
					k := n / (fragments - i)
					n -= k
					p := strings.Repeat("b", k)
					if i == fragments-1 {
						w.op(op, p)
					} else {
						w.more(op, p).ping("not of the message")
					}
					op = frame.Continuation
				}
				w.text("c")
				got := decode(t, c, w.b)
				if over == 0 && !strings.HasSuffix(got, read(frame.Text, "c")) || over == 1 && !strings.HasSuffix(got, tooBig) {
					t.Errorf("limit %d, %d fragments, %d over: %s", limit, fragments, over, got)
				}
			}
		}
	}
}

// What is too big is known from the header.
func TestFR8_HeaderAlone(t *testing.T) {
	for _, c := range []Config{open, client(open), packed(open)} {
		c.MaxMessage = 1 << 20
		for _, n := range []int64{1<<20 + 1, 1 << 31, 1 << 32, math.MaxInt64} {
			for _, op := range []frame.Opcode{frame.Text, frame.Binary} {
				w := to(c).promise(frame.Header{Fin: true, Opcode: op}, n)
				if got := decode(t, c, w.b); got != tooBig {
					t.Errorf("%d bytes of %v: %s", n, op, got)
				}
			}
		}
		w := to(c).promise(frame.Header{Fin: true, Opcode: frame.Text}, 1<<20)
		if got := decode(t, c, w.b); got != "" {
			t.Errorf("the limit itself: %s", got)
		}
	}
}

// Sums of lengths do not overflow, also without a limit.
func TestFR9_Overflow(t *testing.T) {
	for _, c := range []Config{open, client(open)} {
		w := to(c).more(frame.Binary, "x").promise(frame.Header{}, math.MaxInt64)
		if got, want := decode(t, c, w.b), "binary first \"x\" end\n"+tooBig; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		w = to(c).more(frame.Binary, "x").promise(frame.Header{}, math.MaxInt64-1)
		if got, want := decode(t, c, w.b), "binary first \"x\" end"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	c := packed(open)
	w := to(c).compressed(false, frame.Binary, compress("xyz")[:1]).promise(frame.Header{}, math.MaxInt64)
	if got := decode(t, c, w.b); !strings.HasSuffix(got, tooBig) {
		t.Errorf("compressed: %s", got)
	}
}

func TestFR17_FragmentLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 1024} {
		for _, compress := range []bool{false, true} {
			for over := range 2 {
				c := open
				c.MaxFragments = limit
				first := frame.Header{Opcode: frame.Text}
				if compress {
					c = packed(c)
					first.RSV = frame.RSV1
				}
				w := to(c)
				for i := range limit + over {
					h := frame.Header{Fin: i == limit+over-1}
					if i == 0 {
						h.Opcode, h.RSV = first.Opcode, first.RSV
					}
					w.put(h, "").ping("")
				}
				got := decode(t, c, w.text("x").b)
				if over == 0 && !strings.HasSuffix(got, read(frame.Text, "x")) || over == 1 && !strings.HasSuffix(got, tooMany) {
					t.Errorf("limit %d, compressed %t, %d over: %.300s", limit, compress, over, got)
				}
			}
		}
	}
}

// The compressed bytes of a message have a limit of their own, also over many
// fragments, since empty blocks make nothing.
func TestPD2_WireLimit(t *testing.T) {
	c := packed(open)
	c.MaxMessage = 1000
	const limit = 1000 + 250 + 1024
	empty := strings.Repeat("\x00\x00\x00\xff\xff", 1000) // blocks of nothing
	for _, sizes := range [][]int{{limit}, {limit + 1}, {limit - 5, 5}, {limit - 5, 5, 0}, {limit - 5, 6}, {5, 5, limit}} {
		w, sum := to(c), 0
		op := frame.Text
		for i, n := range sizes {
			w.compressed(i == len(sizes)-1, op, []byte(empty[:n]))
			op, sum = frame.Continuation, sum+n
		}
		got := decode(t, c, w.b)
		if over := strings.HasSuffix(got, tooBig); over != (sum > limit) {
			t.Errorf("%v: %s", sizes, got)
		}
	}
}

// Without a limit on messages there is none on compressed bytes.
func TestMaxWire(t *testing.T) {
	for _, m := range []int64{0, 1, 1023, 1 << 20, 1<<62 - 1, 1 << 62, 1<<62 + 1, math.MaxInt64 - 1, math.MaxInt64} {
		d := NewDecoder(&Config{MaxMessage: m})
		if w := d.maxWire(); w < m || m <= 1<<40 && w != m+m/4+1024 {
			t.Errorf("MaxMessage %d: %d", m, w)
		}
	}
}

// Nothing is allocated for what a header promises: 300 connections that are each
// promised a megabyte and get 10 bytes.
func TestFR10_Promises(t *testing.T) {
	for _, c := range []Config{open, client(open), packed(open)} {
		t.Run(fmt.Sprintf("server %t, compressed %t", c.Server, c.InflateBits != notAWindow), func(t *testing.T) {
			balanced(t)
			c.MaxMessage = 1 << 20
			h := frame.Header{Fin: true, Opcode: frame.Binary}
			if c.InflateBits != notAWindow {
				h.RSV = frame.RSV1
			}
			b := to(c).promise(h, 1<<20).raw("\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff").b
			decoders := make([]Decoder, 300)
			grown := allocated(func() {
				for i := range decoders {
					decoders[i] = NewDecoder(&c)
					var ev Event
					for p := append([]byte(nil), b...); ; {
						p = p[decoders[i].Next(p, &ev):]
						if ev.Kind == None {
							break
						}
					}
				}
			})
			limit := uint64(300 << 8)
			if c.InflateBits != notAWindow { // a decompressor and 16 KiB of its output
				limit = 300 * 48 << 10
			}
			if grown > limit {
				t.Errorf("%d bytes allocated, %d for each", grown, grown/300)
			}
			for i := range decoders {
				decoders[i].Release()
			}
		})
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
