package conform

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func TestFreshKeys(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, v := range []struct {
		title string
		key   func(i uint32) uint32
		want  Verdict
	}{
		{"random", func(uint32) uint32 { return random.Uint32() }, OK},
		{"zero", func(uint32) uint32 { return 0 }, Failed},
		{"always the same", func(uint32) uint32 { return 0x37fa213d }, Failed},
		{"two by turns", func(i uint32) uint32 { return 7 + i&1 }, Failed},
		{"counted", func(i uint32) uint32 { return 1000 + i }, Failed},
		{"counted in steps", func(i uint32) uint32 { return i * 0x9e3779b9 }, Failed},
		{"random, one bit never set", func(uint32) uint32 { return random.Uint32() >> 1 }, NonStrict},
		{"random, of 16 bits", func(uint32) uint32 { return random.Uint32() & 0xffff }, NonStrict},
	} {
		s := &session{}
		for i := range uint32(256) {
			var k [4]byte
			binary.BigEndian.PutUint32(k[:], v.key(i))
			s.keys = append(s.keys, k)
		}
		got := OK
		if err := freshKeys(s); err != nil {
			got = err.(*finding).verdict
		}
		if got = max(got, s.behavior); got != v.want {
			t.Errorf("%s: %v instead of %v", v.title, got, v.want)
		}
	}
}
