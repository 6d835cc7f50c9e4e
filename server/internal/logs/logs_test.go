package logs

import (
	"strings"
	"testing"
	"time"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"plain ü 🐦 'text' \"quoted\" \\", "plain ü 🐦 'text' \"quoted\" \\"},
		{"a\nb\x1b[2J", `a\nb\x1b[2J`},
		{"a\"\n", `a"\n`},
		{"\u009b\u202e\u2028\x7f", `\u009b\u202e\u2028\x7f`},
		{"\xff", `\xff`},
		{strings.Repeat("ü", 200), strings.Repeat("ü", 128) + "…"},
		{"\xff" + strings.Repeat("ü", 200), `\xff` + strings.Repeat("ü", 127) + "…"},
		{strings.Repeat("\xbf", 300), strings.Repeat(`\xbf`, 252) + "…"},
	} {
		if got := Escape(c.in, 256); got != c.want {
			t.Errorf("%q: %s, want %s", c.in, got, c.want)
		}
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	l := Limiter{Most: 2}
	now := time.Unix(100, 0)
	for i, want := range []bool{true, true, false, false} {
		if l.Allow(now) != want {
			t.Errorf("%d: want %v", i, want)
		}
	}
	if !l.Allow(now.Add(time.Second)) || l.Missed() != 2 || l.Missed() != 0 {
		t.Error("the next second, or its count")
	}
}
