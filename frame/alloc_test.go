package frame

import "testing"

// Nothing here allocates but the reason that ParseClose returns.
func TestNoAllocations(t *testing.T) {
	buf := make([]byte, 0, 1<<10)
	payload := pattern(1 << 10)
	text := []byte("Grüße, 世界 😀")
	refused := []byte("\x82\x7F\x80")
	closing := body(1000, "")
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"Append and Parse", func() {
			p := Header{Fin: true, Opcode: Binary, Masked: true, Key: testKey, Length: 70_000}.Append(buf)
			if _, n, err := Parse(p); n == 0 || err != nil {
				t.Error(n, err)
			}
		}},
		{"Parse of a broken one", func() {
			if _, _, err := Parse(refused); err == nil {
				t.Error("passed")
			}
		}},
		{"Check", func() {
			if Check(Header{Fin: true, Opcode: Text}, State{}) != nil || Check(Header{Opcode: 3}, State{}) == nil {
				t.Error("wrong")
			}
		}},
		{"Mask", func() { Mask(payload, testKey, 1) }},
		{"UTF8", func() {
			var v UTF8
			if !v.Write(text[:3]) || !v.Write(text[3:]) || !v.Done() {
				t.Error("refused")
			}
		}},
		{"close", func() {
			AppendClose(buf, GoingAway, "bye")
			if _, _, err := ParseClose(closing); err != nil || CheckClose(GoingAway, "bye") != nil || CheckClose(1, "") == nil {
				t.Error(err)
			}
		}},
		{"names", func() { _, _ = GoingAway.String(), Ping.String() }},
	} {
		if n := testing.AllocsPerRun(100, c.f); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
