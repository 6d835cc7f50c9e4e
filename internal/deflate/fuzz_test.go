package deflate

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// FuzzInflate: any bytes as two messages, the second with or without context
// takeover, for any window, in any pieces: the same as the reference and, where
// it can tell, compress/flate.
func FuzzInflate(f *testing.F) {
	for i, v := range vectors {
		f.Add(unhex(v.wire), unhex(vectors[len(vectors)-1-i].wire), uint64(i), i%3 == 0)
	}
	for i, plain := range texts() {
		if len(plain) > 5000 {
			plain = plain[:5000]
		}
		for level := 1; level <= 9; level += 4 {
			d := NewDeflater(level, 15, true)
			f.Add(d.Append(nil, plain), d.Append(nil, plain), uint64(level+len(i)), level > 1)
			d.Release()
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte, seed uint64, keep bool) {
		bits := 8 + int(seed%8)
		r := rand.New(rand.NewPCG(seed, 1))
		z := GetInflater(bits)
		defer z.Put()
		out, err := inflateBounded(t, z, first, r)
		if len(out) > 1<<20 {
			return // the reference is slow
		}
		agree(t, nil, first, 1<<bits, out, err)
		z.Reset(keep)
		var history []byte
		if keep && err == nil {
			history = out[max(0, len(out)-1<<bits):]
		}
		out, err = inflateBounded(t, z, second, r)
		if len(out) > 1<<20 {
			return
		}
		agree(t, history, second, 1<<bits, out, err)
	})
}

// inflateBounded makes big pieces rarer than small messages would have.
func inflateBounded(t *testing.T, z *Inflater, wire []byte, r *rand.Rand) ([]byte, error) {
	if r.IntN(4) == 0 {
		return inflate(t, z, wire, at(len(wire)+1, 1<<15))
	}
	return inflate(t, z, wire, randomly(r))
}

// FuzzDamage: a message of compress/flate with bytes changed, put in or taken
// out, which gets further into the decoder than chance does.
func FuzzDamage(f *testing.F) {
	for i := range uint64(20) {
		f.Add([]byte(squares), i, 1+int(i%9))
		f.Add(jsonText(300), i, 1+int(i%9))
	}
	f.Fuzz(func(t *testing.T, plain []byte, seed uint64, level int) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := NewDeflater(level, 15, false)
		wire := d.Append(nil, plain)
		for range r.IntN(4) {
			i := r.IntN(len(wire))
			switch r.IntN(4) {
			case 0:
				wire[i] ^= 1 << r.IntN(8)
			case 1:
				wire[i] = byte(r.Uint32())
			case 2:
				wire = append(wire[:i], wire[i+1:]...)
			case 3:
				wire = append(wire[:i], append([]byte{byte(r.Uint32())}, wire[i:]...)...)
			}
			if len(wire) == 0 {
				break
			}
		}
		bits := 15
		if seed%3 == 0 {
			bits = 8 + r.IntN(8)
		}
		z := GetInflater(bits)
		defer z.Put()
		out, err := inflateBounded(t, z, wire, r)
		if len(out) > 1<<20 {
			return
		}
		agree(t, nil, wire, 1<<bits, out, err)
	})
}

// FuzzRoundTrip: whatever is sent arrives, and its distances fit the window.
func FuzzRoundTrip(f *testing.F) {
	for _, plain := range texts() {
		f.Add(plain[:min(len(plain), 3000)], uint64(len(plain)), 1)
		f.Add(plain[:min(len(plain), 500)], uint64(len(plain)), 6)
	}
	f.Fuzz(func(t *testing.T, plain []byte, seed uint64, level int) {
		bits, context := 8+int(seed%8), seed&8 == 0
		r := rand.New(rand.NewPCG(seed, 3))
		d := NewDeflater(level, bits, context)
		defer d.Release()
		z := GetInflater(bits)
		defer z.Put()
		for range 3 {
			var wire []byte
			if r.IntN(2) == 0 {
				wire = d.Append(nil, plain)
			} else {
				for rest := plain; len(rest) > 0; {
					n := 1 + r.IntN(len(rest))
					wire = d.Write(wire, rest[:n])
					if rest = rest[n:]; r.IntN(2) == 0 {
						wire = d.Flush(wire)
					}
				}
				wire = d.Finish(wire)
			}
			out, err := inflateBounded(t, z, wire, r)
			if err != nil || !bytes.Equal(out, plain) {
				t.Fatalf("%d bytes of %d, %v", len(out), len(plain), err)
			}
			z.Reset(context)
		}
	})
}

// FuzzNegotiate: Accept and Confirm of anything neither panic nor agree on what
// does not exist, and an answer of ours is one that a client of ours confirms.
func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"", cmwb, snc + ";" + cnc, smwb + "=10;" + cmwb + "=9", smwb + "=7," + cmwb, cmwb + "=", "x;" + snc + "=1"} {
		f.Add(s, 15, true, false)
		f.Add(s, 9, false, true)
	}
	valid := func(p Params) bool {
		return 8 <= p.ServerBits && p.ServerBits <= 15 && 8 <= p.ClientBits && p.ClientBits <= 15
	}
	f.Fuzz(func(t *testing.T, s string, bits int, server, client bool) {
		c := Config{WindowBits: bits, ServerContext: server, ClientContext: client}
		p, answer, ok := c.Accept(readOffers(s))
		if ok != (answer != "") || ok != valid(p) {
			t.Fatalf("%q: %+v, %q, %v", s, p, answer, ok)
		}
		if ok {
			if p.ServerBits > c.bits() || !server && !p.ServerNoContext || !client && !p.ClientNoContext {
				t.Fatalf("%+v became %+v", c, p)
			}
			rest, found := strings.CutPrefix(answer, Name)
			if _, err := parse(readParams(rest), false); !found || err != nil {
				t.Fatalf("%q was answered by %q: %v", s, answer, err)
			}
		}
		p, err := c.Confirm(readParams(s))
		if (err == nil) != valid(p) {
			t.Fatalf("%q: %+v, %v", s, p, err)
		}
		if err == nil && (p.ServerBits > c.bits() || p.ClientBits > c.bits()) {
			t.Fatalf("%+v became %+v", c, p)
		}
	})
}
