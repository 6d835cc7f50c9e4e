package deflate

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// texts are messages of all sorts.
func texts() map[string][]byte {
	r := rand.New(rand.NewPCG(8, 9))
	periodic := make([]byte, 70000) // repeats at distances up to the largest
	for i := range periodic {
		if i < 32768 {
			periodic[i] = byte(r.Uint32())
		} else {
			periodic[i] = periodic[i-32768]
		}
	}
	return map[string][]byte{
		"empty":      {},
		"one byte":   {'x'},
		"hello":      []byte(hello),
		"squares":    []byte(squares),
		"json":       jsonText(5000),
		"prose":      prose(40000),
		"zeros":      make([]byte, 100000),
		"random 100": random(100),
		"random":     random(40000),
		"periodic":   periodic,
	}
}

// whole inflates a message with a window of 1<<bits.
func whole(t testing.TB, wire []byte, bits int) []byte {
	t.Helper()
	z := GetInflater(bits)
	defer z.Put()
	out, err := inflate(t, z, wire, at(len(wire)+1, 1<<15))
	if err != nil {
		t.Fatalf("%v of %x", err, head(wire))
	}
	return out
}

// TestPD16_SmallWindows: P12. What is compressed for a window can be read with
// that window, message for message, however it is written.
func TestPD16_SmallWindows(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 11))
	for name, plain := range texts() {
		for bits := 8; bits <= 15; bits++ {
			plain := plain[:min(len(plain), 20<<bits)]
			for _, level := range []int{1, 3 + bits%7} {
				d := NewDeflater(level, bits, bits%2 == 0)
				z := GetInflater(bits)
				for range 2 {
					var wire []byte
					if bits%3 == 0 {
						wire = d.Append(nil, plain)
					} else {
						for rest := plain; len(rest) > 0; {
							n := min(len(rest), 1+r.IntN(40000))
							wire = d.Write(wire, rest[:n])
							if rest = rest[n:]; r.IntN(3) == 0 {
								wire = d.Flush(wire)
							}
						}
						wire = d.Finish(wire)
					}
					z.Reset(true)
					out, err := inflate(t, z, wire, at(len(wire)+1, 1<<15))
					if err != nil || !bytes.Equal(out, plain) {
						t.Fatalf("%s, %d bits, level %d: %d bytes of %d, %v", name, bits, level, len(out), len(plain), err)
					}
				}
				z.Put()
				d.Release()
			}
		}
	}
}

// TestP10_Tail: no message ends with 00 00 FF FF, an empty one is the byte 00,
// in every state. RFC 7692, 7.2.1 and 7.2.3.6.
func TestP10_Tail(t *testing.T) {
	for _, context := range []bool{false, true} {
		d := NewDeflater(1, 15, context)
		defer d.Release()
		for i := range 3 {
			if wire := d.Append(nil, nil); !bytes.Equal(wire, []byte{0}) {
				t.Errorf("empty message: %x", wire)
			}
			wire := d.Append([]byte("before"), []byte(hello))
			if !bytes.HasPrefix(wire, []byte("before")) || bytes.HasSuffix(wire, []byte{0, 0, 0xff, 0xff}) {
				t.Errorf("message %d: %x", i, wire)
			}
			streamed := d.Flush(d.Write(nil, []byte(hello)))
			if !bytes.HasSuffix(streamed, []byte{0, 0, 0xff, 0xff}) {
				t.Errorf("Flush: %x", streamed)
			}
			if wire := d.Finish(nil); !bytes.Equal(wire, []byte{0}) {
				t.Errorf("Finish after Flush: %x", wire)
			}
			if wire := d.Flush(nil); context != (len(wire) > 0) {
				t.Errorf("Flush of nothing: %x", wire)
			}
			if wire := d.Finish(nil); !bytes.Equal(wire, []byte{0}) {
				t.Errorf("Finish of nothing: %x", wire)
			}
		}
	}
}

// TestFlush: what was flushed can be read before the rest is there.
func TestFlush(t *testing.T) {
	for _, bits := range []int{8, 15} {
		d := NewDeflater(1, bits, false)
		z := GetInflater(bits)
		dst := make([]byte, 1000)
		for i := range 20 {
			piece := fmt.Appendf(nil, "piece %d of a message that nobody knows the end of; ", i)
			nd, _, err := z.Inflate(dst, d.Flush(d.Write(nil, piece)))
			if err != nil || !bytes.Equal(dst[:nd], piece) {
				t.Fatalf("%d bits, piece %d: %q, %v", bits, i, dst[:nd], err)
			}
		}
		if _, _, err := z.Inflate(dst, d.Finish(nil)); err != nil {
			t.Fatal(err)
		}
		if _, done, err := z.Finish(dst); !done || err != nil {
			t.Fatal(done, err)
		}
		z.Put()
	}
}

// TestTakeoverPays: with context the second of two equal messages is a fraction
// of the first; without, and below 15 bits, it is not.
func TestTakeoverPays(t *testing.T) {
	for _, bits := range []int{9, 14, 15} {
		for _, context := range []bool{false, true} {
			d := NewDeflater(1, bits, context)
			first := len(d.Append(nil, []byte(squares)))
			second := len(d.Append(nil, []byte(squares)))
			if pays := second*4 < first; pays != (context && bits == 15) {
				t.Errorf("%d bits, context %v: %d bytes, then %d", bits, context, first, second)
			}
			if held := d.w != nil; held != (context && bits == 15) {
				t.Errorf("%d bits, context %v: a compressor is held: %v", bits, context, held)
			}
			d.Release()
			d.Release()
			if d.w != nil {
				t.Error("a compressor is held after Release")
			}
		}
	}
}

// TestPD25_NoExpansion: what cannot be compressed grows by 5 bytes in 64 KiB and
// one, whatever the window.
func TestPD25_NoExpansion(t *testing.T) {
	noise := random(131071)
	for _, level := range []int{1, 6, 9} {
		for _, bits := range []int{8, 9, 12, 14, 15} {
			for _, context := range []bool{false, true} {
				d := NewDeflater(level, bits, context)
				z := GetInflater(bits)
				for _, n := range []int{1, 2, 15, 16, 17, 100, 127, 128, 129, 1000, 16384, 65535, 65536, 131071} {
					if n > 20000 && bits < 15 {
						continue
					}
					plain := noise[:n]
					wire := d.Append(nil, plain)
					if most := n + 5*((n+65534)/65535) + 1; len(wire) > most {
						t.Errorf("level %d, %d bits: %d bytes to %d, more than %d", level, bits, n, len(wire), most)
					}
					z.Reset(true)
					if out, err := inflate(t, z, wire, at(len(wire), 1<<16)); err != nil || !bytes.Equal(out, plain) {
						t.Fatalf("level %d, %d bits, %d bytes: %v", level, bits, n, err)
					}
				}
				z.Put()
				d.Release()
			}
		}
	}
}

// TestPD20_NothingBetweenConnections: PD22. A compressor out of the pool writes
// what a fresh one writes, to the byte, whatever it did before.
func TestPD20_NothingBetweenConnections(t *testing.T) {
	for level := 1; level <= 9; level++ {
		secret := bytes.Repeat([]byte("the secret of another connection "), 50)
		fresh := NewDeflater(level, 15, false)
		fresh.w = &compressor{level: level}
		fresh.w.fw = newFlate(&fresh.w.dst, level)
		want := fresh.Append(nil, secret[:100])
		fresh.Append(nil, secret) // to the pool with it
		for range 5 {
			d := NewDeflater(level, 15, true)
			if got := d.Append(nil, secret[:100]); !bytes.Equal(got, want) {
				t.Errorf("level %d: %x, fresh %x", level, got, want)
			}
			d.Write(nil, secret) // and given up in the middle of a message
			d.Release()
		}
	}
}

// TestPD22_Canary: the output belongs to the caller at once, nothing of it is
// written again, and the input is not kept.
func TestPD22_Canary(t *testing.T) {
	d := NewDeflater(1, 15, true)
	defer d.Release()
	var wires, copies [][]byte
	in := make([]byte, 2000)
	for i := range 20 {
		copy(in, jsonText(2000)[i:])
		wires = append(wires, d.Append(nil, in))
		copies = append(copies, bytes.Clone(wires[i]))
		clear(in)
		if d.w.dst.b != nil {
			t.Fatal("the output is still in reach")
		}
	}
	for i := range wires {
		if !bytes.Equal(wires[i], copies[i]) {
			t.Errorf("message %d was changed: %s", i, hex.EncodeToString(wires[i][:20]))
		}
	}
}

// TestLevels: all that is given to NewDeflater is taken for something.
func TestLevels(t *testing.T) {
	for _, level := range []int{-2, -1, 0, 1, 9, 10, 1000} {
		for _, bits := range []int{-1, 0, 7, 8, 15, 16} {
			d := NewDeflater(level, bits, false)
			if out := whole(t, d.Append(nil, []byte(squares)), 15); string(out) != squares {
				t.Errorf("level %d, %d bits: %q", level, bits, out)
			}
		}
	}
}

// TestPD21_PD24_Pools: many connections at once, some of them given up in the middle
// of a message; all comes back to the pools, and nothing is shared.
func TestPD21_PD24_Pools(t *testing.T) {
	inflaters, compressors := Outstanding()
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, 12))
			for range 100 {
				bits, context := 8+r.IntN(8), r.IntN(2) == 0
				d, z := NewDeflater(1, bits, context), GetInflater(bits)
				for range 1 + r.IntN(4) {
					plain := jsonText(1 + r.IntN(3000))
					wire := d.Append(nil, plain)
					if r.IntN(4) == 0 { // the connection ends here
						z.Inflate(make([]byte, 100), wire[:r.IntN(len(wire))])
						d.Write(nil, plain)
						break
					}
					z.Reset(context)
					out, err := inflate(t, z, wire, randomly(r))
					if err != nil || !bytes.Equal(out, plain) {
						t.Errorf("%d bytes of %d, %v", len(out), len(plain), err)
					}
				}
				z.Put()
				d.Release()
			}
		})
	}
	wg.Wait()
	if i, c := Outstanding(); i != inflaters || c != compressors {
		t.Errorf("%d Inflaters and %d compressors did not come back", i-inflaters, c-compressors)
	}
}
