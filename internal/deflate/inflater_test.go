package deflate

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// inflate gives z the message in the pieces that next says, for input and for
// room, and checks what is promised of each call. A piece of 0 is possible.
func inflate(t testing.TB, z *Inflater, wire []byte, next func() (in, room int)) (out []byte, err error) {
	t.Helper()
	const canary = 0xA5
	call := func(f func(dst []byte) (int, error)) (room, nd int, err error) {
		_, room = next()
		dst := bytes.Repeat([]byte{canary}, room+16)
		nd, err = f(dst[:room])
		if bytes.Count(dst[room:], []byte{canary}) != 16 {
			t.Fatal("written behind the room given")
		}
		out = append(out, dst[:nd]...)
		return room, nd, err
	}
	for later := false; len(wire) > 0; later = !later {
		in, _ := next()
		p := bytes.Clone(wire[:min(in, len(wire))])
		wire = wire[len(p):]
		for more := true; more; {
			var ns int
			room, nd, err := call(func(dst []byte) (nd int, err error) {
				nd, ns, err = z.Inflate(dst, p)
				return nd, err
			})
			clear(p[:ns]) // it may not be looked at again
			p = p[ns:]
			if err != nil {
				return out, err
			}
			if more = nd == room; !more && len(p) > 0 {
				t.Fatalf("%d bytes of room and %d of input left", room-nd, len(p))
			}
			if len(p) == 0 && later {
				break // what found no room comes with the next piece
			}
		}
	}
	for stuck := 0; ; stuck++ {
		var done bool
		_, nd, err := call(func(dst []byte) (nd int, err error) {
			nd, done, err = z.Finish(dst)
			return nd, err
		})
		if done || err != nil {
			return out, err
		}
		if nd > 0 {
			stuck = 0
		} else if stuck > 100 {
			t.Fatal("Finish neither ends nor writes")
		}
	}
}

// at gives pieces of the same size.
func at(in, room int) func() (int, int) { return func() (int, int) { return in, room } }

// randomly gives pieces, most of them small.
func randomly(r *rand.Rand) func() (int, int) {
	size := func() int {
		switch r.IntN(4) {
		case 0:
			return r.IntN(3)
		case 1:
			return r.IntN(40)
		case 2:
			return r.IntN(1000)
		}
		return r.IntN(40000)
	}
	return func() (int, int) { return size(), size() }
}

// split is a message in pieces, each inflated with plenty of room.
func split(z *Inflater, pieces ...[]byte) (out []byte, err error) {
	dst := make([]byte, 1<<11)
	for _, p := range pieces {
		nd, ns, err := z.Inflate(dst, p)
		if out = append(out, dst[:nd]...); err != nil {
			return out, err
		}
		if ns != len(p) {
			return out, errors.New("input left though there was room")
		}
	}
	nd, done, err := z.Finish(dst)
	if err == nil && !done {
		err = errors.New("not done though there was room")
	}
	return append(out, dst[:nd]...), err
}

// TestVectors: RFC 7692, 7.2.3, PD7 to PD10. Every one whole, in every two and
// every three pieces, byte by byte, and with every small room.
func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			wire := unhex(v.wire)
			z := GetInflater(15)
			defer z.Put()
			check := func(how string, out []byte, err error) {
				t.Helper()
				if string(out) != v.want || !errors.Is(err, v.err) || err != nil && v.err == nil {
					t.Fatalf("%s: %q, %v; want %q, %v", how, out, err, v.want, v.err)
				}
				z.Reset(false)
			}
			out, err := split(z, wire)
			agree(t, nil, wire, 1<<15, out, err)
			check("whole", out, err)
			for i := range wire {
				out, err := split(z, wire[:i], wire[i:])
				check(fmt.Sprint("cut at ", i), out, err)
				for j := i; j < len(wire) && len(wire) < 60; j++ {
					out, err := split(z, wire[:i], wire[i:j], wire[j:])
					check(fmt.Sprint("cut at ", i, " and ", j), out, err)
				}
			}
			for room := 1; room < 20; room++ {
				for _, in := range []int{1, 2, 7, 8, 9, 100} {
					out, err := inflate(t, z, wire, at(in, room))
					check(fmt.Sprintf("%d bytes, room %d", in, room), out, err)
				}
			}
			for seed := range uint64(20) {
				out, err := inflate(t, z, wire, randomly(rand.New(rand.NewPCG(seed, 1))))
				check(fmt.Sprint("seed ", seed), out, err)
			}
		})
	}
}

// TestPrefixes: every prefix of a vector is a start of its text and then short,
// or, at the end of a block, whole; and the same for both references.
func TestPrefixes(t *testing.T) {
	for _, v := range vectors {
		wire := unhex(v.wire)
		for i := range wire {
			z := GetInflater(15)
			out, err := split(z, wire[:i])
			agree(t, nil, wire[:i], 1<<15, out, err)
			if !bytes.HasPrefix([]byte(v.want), out) {
				t.Errorf("%s, %d bytes: %q, %v", v.name, i, out, err)
			}
			z.Put()
		}
	}
}

// TestErrorAtOnce: PD8. It comes with the byte that is wrong, not at the end,
// and stays.
func TestErrorAtOnce(t *testing.T) {
	for _, v := range vectors {
		if v.err == nil || v.err == errShort || v.err == ErrCorrupt {
			continue
		}
		z := GetInflater(15)
		_, _, err := z.Inflate(make([]byte, 100), unhex(v.wire))
		if !errors.Is(err, v.err) || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", v.name, err)
		}
		if _, _, again := z.Inflate(make([]byte, 100), []byte{0}); again != err {
			t.Errorf("%s: %v after %v", v.name, again, err)
		}
		if _, done, again := z.Finish(nil); done || again != err {
			t.Errorf("%s: Finish: %v, %v after %v", v.name, done, again, err)
		}
		z.Reset(true)
		if z.win.have != 0 {
			t.Errorf("%s: the window outlived the error", v.name)
		}
		if out, err := split(z, unhex("f248cdc9c90700")); string(out) != "Hello" || err != nil {
			t.Errorf("%s: then %q, %v", v.name, out, err)
		}
		z.Put()
	}
}

// TestContextTakeover: RFC 7692, 7.2.3.2, and chains of messages at all levels,
// against the reference with all that went before.
func TestContextTakeover(t *testing.T) {
	z := GetInflater(15)
	defer z.Put()
	for i, wire := range []string{"f248cdc9c90700", "f200110000", "f200110000"} {
		z.Reset(i > 0)
		if out, err := split(z, unhex(wire)); string(out) != "Hello" || err != nil {
			t.Fatalf("message %d: %q, %v", i, out, err)
		}
	}

	// PD17: without takeover it refers to nothing.
	z.Reset(false)
	if out, err := split(z, unhex("f200110000")); len(out) != 1 || !errors.Is(err, errDistance) {
		t.Fatalf("PD17: %q, %v", out, err)
	}
}

func TestContextTakeoverChains(t *testing.T) {
	for level := 1; level <= 9; level++ {
		t.Run(fmt.Sprint("level ", level), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(level), 7))
			d, z := NewDeflater(level, 15, true), GetInflater(15)
			defer d.Release()
			defer z.Put()
			var history []byte
			pool := prose(50000)
			for i := range 60 {
				at := r.IntN(len(pool))
				plain := pool[at:min(len(pool), at+r.IntN([]int{10, 300, 5000, 40000}[r.IntN(4)]))]
				wire := d.Append(nil, plain)
				out, err := inflate(t, z, wire, randomly(r))
				if err != nil || !bytes.Equal(out, plain) {
					t.Fatalf("message %d: %d bytes of %d, %v", i, len(out), len(plain), err)
				}
				if i%5 == 0 { // it is slow
					agree(t, history, wire, 1<<15, out, err)
				}
				history = append(history, plain...)
				history = history[max(0, len(history)-1<<15):]
				if !bytes.Equal(contents(z), history) {
					t.Fatalf("message %d: the window is not the last %d bytes", i, len(history))
				}
				z.Reset(true)
			}
		})
	}
}

// contents is what is in the window, oldest first.
func contents(z *Inflater) []byte {
	w := &z.win
	b := make([]byte, w.have)
	if w.have > 0 {
		n := copy(b, w.ring[(w.pos-w.have)&(len(w.ring)-1):])
		copy(b[n:], w.ring)
	}
	return b
}

// TestPD19_WindowLie: for every agreed window its full distance is taken and one
// more is not, wherever the bytes are: in what this call writes, in the window,
// across its edge, or in an earlier message.
func TestPD19_WindowLie(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		size := 1 << bits
		plain := prose(size + size/4)
		d := NewDeflater(1, bits, false)
		start := d.Flush(d.Write(nil, plain)) // ends at a byte, with the start of a block to come
		for _, c := range []struct {
			dist int
			ok   bool
		}{{size, true}, {size + 1, false}, {size - 1, true}, {1 << 15, size == 1<<15}} {
			if c.dist > 1<<15 {
				continue
			}
			wire := slices.Concat(start, fixedBits{}.back(c.dist).end())
			for _, room := range []int{3 * size, 300} {
				z := GetInflater(bits)
				out, err := inflate(t, z, wire, at(len(wire), room))
				agree(t, nil, wire, size, out, err)
				if (err == nil) != c.ok || !c.ok && !errors.Is(err, errDistance) {
					t.Errorf("%d bits, distance %d, room %d: %v", bits, c.dist, room, err)
				}
				z.Put()
			}
			z := GetInflater(bits)
			inflate(t, z, append(bytes.Clone(start), 0), at(1000, 1000))
			z.Reset(true)
			out, err := split(z, fixedBits{}.back(c.dist).end())
			if (err == nil) != c.ok || c.ok && !bytes.Equal(out, plain[len(plain)-c.dist:][:3]) {
				t.Errorf("%d bits, distance %d, next message: %q, %v", bits, c.dist, out, err)
			}
			z.Put()
		}
	}
}

// TestPD19_NotYetWritten: within the window's size, but there were not so many
// bytes.
func TestPD19_NotYetWritten(t *testing.T) {
	page := string(prose(100))
	for n := 1; n < 30; n++ {
		for dist := 1; dist < 35; dist++ {
			for _, padding := range []string{"", page[:30]} { // the latter for fast
				wire := fixedBits{}.text(page[:n]).back(dist).text(padding).end()
				z := GetInflater(9)
				out, err := split(z, wire)
				agree(t, nil, wire, 1<<9, out, err)
				if (err == nil) != (dist <= n) {
					t.Fatalf("%d bytes, distance %d: %v", n, dist, err)
				}
				z.Put()
			}
		}
	}
}

// TestOverlap: all short distances and all lengths, by the fast loop and the
// careful one.
func TestOverlap(t *testing.T) {
	page := string(prose(100))
	for dist := 1; dist <= 20; dist++ {
		for s := 257; s <= 285; s++ {
			for _, padding := range []string{"", page[:30]} {
				f := fixedBits{}.text(page[:dist]).code(s)
				if extra := litSymbols[s] & entryBits; extra > 0 {
					f = f.bits(1<<extra-1-dist&1, int(extra))
				}
				ds, base := 0, 1
				for dist >= base+1<<(max(ds/2, 1)-1) {
					base += 1 << (max(ds/2, 1) - 1)
					ds++
				}
				wire := f.dist(ds).bits(dist-base, max(ds/2, 1)-1).text(padding).end()
				z := GetInflater(15)
				out, err := split(z, wire)
				agree(t, nil, wire, 1<<15, out, err)
				if err != nil {
					t.Fatal(err)
				}
				z.Put()
			}
		}
	}
}

// TestPD1_Bomb: what comes out is bounded by the room given, and what is held by
// the window, whatever is promised.
func TestPD1_Bomb(t *testing.T) {
	d := NewDeflater(9, 15, false)
	wire := d.Append(nil, make([]byte, 16<<20))
	if len(wire) > 18<<10 {
		t.Fatal("the bomb is too large: ", len(wire))
	}
	const limit = 1 << 20
	z := GetInflater(15)
	defer z.Put()
	dst := make([]byte, limit+1)
	nd, ns, err := z.Inflate(dst, wire)
	if nd != limit+1 || err != nil || ns > len(wire)/15 {
		t.Fatalf("%d bytes out of %d, %v", nd, ns, err)
	}
	z.Reset(true)
	if len(z.win.ring) != 1<<15 || z.own != nil {
		t.Error("more is held than the window")
	}
}

// TestPD11_EmptyBlocks: many blocks with nothing in them. What they
// cost is in BenchmarkEmptyBlocks.
func TestPD11_EmptyBlocks(t *testing.T) {
	for name, wire := range emptyBlocks(1 << 18) {
		z := GetInflater(15)
		out, err := split(z, wire)
		if len(out) != 0 || err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
		z.Put()
	}
}

// emptyBlocks are messages of about n bytes without output.
func emptyBlocks(n int) map[string][]byte {
	repeat := func(f fixedBits, trailer []byte) []byte {
		var whole fixedBits
		for whole.n == 0 || whole.n&7 != 0 { // a whole number of bytes
			for i := range f.n {
				whole = whole.bits(int(f.b[i>>3]>>(i&7)), 1)
			}
		}
		return append(bytes.Repeat(whole.b, n/len(whole.b)), trailer...)
	}
	// The end of the block alone, in one bit.
	short := onlyEnd(0).bits(0, 1)
	// All symbols have codes, of 8 and 9 bits, in few bits; the end is used.
	long := dynamicBits(286, 30, map[int]int{16: 1, 9: 2, 8: 3, 4: 4, 5: 4})
	codes := func(f fixedBits, lens []int) fixedBits {
		bits := map[int][2]int{9: {0b10, 2}, 8: {0b110, 3}, 4: {0b1110, 4}, 5: {0b1111, 4}}
		for i := 0; i < len(lens); {
			run := 1
			for i+run < len(lens) && lens[i+run] == lens[i] {
				run++
			}
			c := bits[lens[i]]
			f = f.high(c[0], c[1])
			i++
			for run--; run >= 3; {
				k := min(run, 6)
				f = f.bits(0, 1).bits(k-3, 2)
				i += k
				run -= k
			}
			for ; run > 0; run-- {
				f = f.high(c[0], c[1])
				i++
			}
		}
		return f
	}
	var lens []int
	for i := range 286 { // 226 of 8 bits and 60 of 9 fill a code
		if i < 226 {
			lens = append(lens, 8)
		} else {
			lens = append(lens, 9)
		}
	}
	for i := range 30 { // 2 of 4 and 28 of 5
		if i < 2 {
			lens = append(lens, 4)
		} else {
			lens = append(lens, 5)
		}
	}
	// The codes of 9 bits begin where those of 8 end, and 256 is the 31st.
	long = codes(long, lens).high(226<<1+30, 9)
	return map[string][]byte{
		"stored":        repeat(fixedBits{}.bits(0, 8).bits(0, 16).bits(0xffff, 16), []byte{0}),
		"fixed":         repeat(fixedBits{}.code(256), []byte{0}),
		"small dynamic": repeat(short, []byte{0}),
		"large dynamic": repeat(long, []byte{0}),
	}
}

func BenchmarkEmptyBlocks(b *testing.B) {
	for name, wire := range emptyBlocks(1 << 20) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(wire)))
			for b.Loop() {
				z := GetInflater(15)
				if out, err := split(z, wire); len(out) != 0 || err != nil {
					b.Fatal(out, err)
				}
				z.Put()
			}
		})
	}
}

// TestHeld: between messages nothing is held but the window, and that only as
// large as what was sent.
func TestHeld(t *testing.T) {
	d := NewDeflater(6, 15, false)
	z := GetInflater(15)
	defer z.Put()
	if z.win.ring != nil || z.own != nil {
		t.Error("an Inflater holds something before its first message")
	}
	for _, c := range []struct{ add, ring int }{{100, 256}, {100, 256}, {57, 512}, {1000, 2048}, {10000, 16384}, {1 << 16, 1 << 15}, {5, 1 << 15}} {
		if _, err := inflate(t, z, d.Append(nil, prose(c.add)), at(1000, 1000)); err != nil {
			t.Fatal(err)
		}
		if len(z.win.ring) != c.ring || z.own != nil || z.t != nil {
			t.Errorf("after %d bytes more: %d bytes of window, tables %v; want %d, none", c.add, len(z.win.ring), z.own != nil, c.ring)
		}
		z.Reset(true)
	}
	z.Reset(false)
	if z.win.ring != nil {
		t.Error("a window is held without takeover")
	}
}

// TestMisuse: nothing happens but errors.
func TestMisuse(t *testing.T) {
	z := GetInflater(99) // 15
	if z.size != 1<<15 {
		t.Error("window of ", z.size)
	}
	if _, err := split(z, unhex("f248cdc9c90700")); err != nil {
		t.Fatal(err)
	}
	if _, done, err := z.Finish(nil); !done || err != nil {
		t.Error("Finish after Finish: ", done, err)
	}
	if _, _, err := z.Inflate(make([]byte, 10), []byte{0}); err != errOver {
		t.Error("Inflate after Finish: ", err)
	}
	z.Put()
	if _, _, err := z.Inflate(make([]byte, 10), []byte{0}); err != errPut {
		t.Error("Inflate after Put: ", err)
	}
	z.Reset(true)
	if _, _, err := z.Finish(nil); err != errPut {
		t.Error("Finish after Put: ", err)
	}
	func() {
		defer func() {
			if (recover() != nil) != invariants {
				t.Error("second Put: should panic under -tags invariants, and only there")
			}
		}()
		z.Put()
	}()
}
