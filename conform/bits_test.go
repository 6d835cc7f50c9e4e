package conform

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"curlew.example/curlew/internal/deflate"
)

// standard inflates a message with compress/flate.
func standard(msg []byte) ([]byte, error) {
	tail := "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff"
	return io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(msg), strings.NewReader(tail))))
}

// ours inflates messages with the engine's Inflater, as session.inflate does.
func ours(bits int, context bool, msgs ...[]byte) ([]byte, error) {
	a := &agreement{serverBits: bits, serverNoContext: !context}
	s := &session{c: new(Case), o: new(Options).filled(), client: true, agreed: a}
	var all []byte
	for _, m := range msgs {
		p, err := s.inflate(m)
		if err != nil {
			return nil, err
		}
		all = append(all, p...)
	}
	return all, nil
}

func TestBits(t *testing.T) {
	far := letters(4000)
	copied := far + far[:257]
	copied += copied[258:268]
	copied += copied[len(copied)-33 : len(copied)-22]
	for i, c := range []struct {
		msg  []byte
		want string
	}{
		{blocks().stored("Hello").tail(), "Hello"},
		{blocks().stored("").stored("Hel").stored("lo").tail(), "Hello"},
		{blocks().fixed().lits("Hello").stop().tail(), "Hello"},
		{blocks().fixed().lits("H\xff").stop().fixed().lits("\x8f\x90").stop().tail(), "H\xff\x8f\x90"},
		{blocks().fixed().lits("ab").copy(3, 2).copy(258, 1).stop().tail(), "ababa" + strings.Repeat("a", 258)},
		{blocks().stored(far).fixed().copy(257, 4000).copy(10, 3999).copy(11, 33).stop().tail(), copied},
		{blocks().dynamic(flatLit, flatDist).lits("Hello").copy(3, 5).stop().tail(), "HelloHel"},
		{[]byte{0}, ""},
		{[]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, "Hello"}, // RFC 7692, 7.2.3.1
	} {
		p, err := standard(c.msg)
		if err != nil || string(p) != c.want {
			t.Errorf("%d: compress/flate: %q, %v", i, p, err)
		}
		p, err = ours(15, false, c.msg)
		if err != nil || string(p) != c.want {
			t.Errorf("%d: the Inflater: %q, %v", i, p, err)
		}
	}
	if got := blocks().fixed().lits("Hello").stop().tail(); !bytes.Equal(got, []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}) {
		t.Errorf("RFC 7692, 7.2.3.1: %x", got)
	}
}

// TestReach: every distance up to the window's size inflates, none beyond it, in a
// message and into the one before.
func TestReach(t *testing.T) {
	for size := 8; size <= 15; size++ {
		window := 1 << size
		far := letters(window + 1)
		for _, d := range []int{1, window - 1, window, window + 1} {
			one := [][]byte{blocks().stored(far).fixed().copy(4, d).stop().tail()}
			two := [][]byte{blocks().stored(far).tail(), blocks().fixed().copy(4, d).stop().tail()}
			for i, c := range []struct {
				msgs    [][]byte
				context bool
				right   bool
			}{
				{one, false, d <= window},
				{one, true, d <= window},
				{two, true, d <= window},
				{two, false, false},
			} {
				p, err := ours(size, c.context, c.msgs...)
				if (err == nil) != c.right {
					t.Errorf("%d bits, distance %d, %d: %v", size, d, i, err)
				}
				if c.right && d >= 4 && string(p[len(far):]) != far[len(far)-d:][:4] {
					t.Errorf("%d bits, distance %d, %d: wrong bytes", size, d, i)
				}
			}
		}
	}
}

// TestPacker: what it packs inflates, in a window of the size, to what it was; it
// refers back to the window's very end, and not into earlier messages unless it may.
func TestPacker(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{8, 9, 10, 12, 15} {
		for _, context := range []bool{false, true} {
			k := &packer{window: 1 << size, context: context}
			var msgs [][]byte
			var want, stream []byte
			for i := range 40 - 2*size { // the larger, the fewer
				p := make([]byte, random.IntN(3<<size))
				for j := range p {
					p[j] = byte(random.IntN(1 + i%5*i))
				}
				want = append(want, p...)
				m := k.pack(p)
				msgs = append(msgs, m)
				stream = append(append(stream, m...), 0, 0, 0xff, 0xff)
			}
			got, err := ours(size, context, msgs...)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bits, context %t: the Inflater: %v", size, context, err)
			}
			if got, err := standard(stream[:len(stream)-4]); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bits, context %t: compress/flate: %v", size, context, err)
			}
			if _, err := ours(size-1, context, msgs...); err == nil && size > 8 {
				t.Errorf("%d bits, context %t: half of the window would do", size, context)
			}
			if _, err := ours(size, false, msgs...); (err == nil) == context {
				t.Errorf("%d bits, context %t: without context: %v", size, context, err)
			}
		}
	}
}

// TestInflaterAgrees: on packed, mutated and random data the Inflater says what
// compress/flate says.
func TestInflaterAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var right, wrong int
	for range 3000 {
		p := []byte(letters(random.IntN(200)))
		m := deflate.NewDeflater(6, 15, false).Append(nil, p)
		switch random.IntN(4) {
		case 0:
			m = (&packer{window: 1 << 15}).pack(p)
		case 1:
			m[random.IntN(len(m))] ^= 1 << random.IntN(8)
		case 2:
			m = make([]byte, 1+random.IntN(30))
			for i := range m {
				m[i] = byte(random.Uint32())
			}
		}
		got, err := ours(15, false, m)
		if err != nil {
			wrong++
			continue // it is stricter: a message must end where it may
		}
		right++
		want, err := standard(m)
		if err != nil && err != io.ErrUnexpectedEOF || !bytes.HasPrefix(got, want) {
			t.Fatalf("%x: %q, but compress/flate %q, %v", m, got, want, err)
		}
	}
	if right < 1000 || wrong < 100 {
		t.Errorf("%d right, %d wrong", right, wrong)
	}
}
