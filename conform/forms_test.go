package conform

import (
	"testing"
)

// TestForms: what section 14 takes for DEFLATE is so for compress/flate too, and
// for the Inflater.
func TestForms(t *testing.T) {
	for _, v := range append(forms(), reaching(1<<15)) {
		if got, err := ours(15, false, v.data); err != nil || string(got) != v.says {
			t.Errorf("%s: the Inflater: %q, %v", v.title, got, err)
		}
		got, err := standard(v.data)
		if err != nil || string(got) != v.says {
			t.Errorf("%s: compress/flate: %q, %v", v.title, got, err)
		}
	}
}

// TestCorrupt: what section 14 takes for corrupt is refused by both.
func TestCorrupt(t *testing.T) {
	for _, v := range corruptData() {
		if got, err := ours(15, false, v.data); err == nil {
			t.Errorf("%s: the Inflater: %q", v.title, got)
		}
		if got, err := standard(v.data); err == nil {
			t.Errorf("%s: compress/flate: %q", v.title, got)
		}
	}
	for _, v := range truncatedData() {
		if got, err := ours(15, false, v.data); err == nil {
			t.Errorf("%s: the Inflater: %q", v.title, got)
		}
	}
}

func TestBomb(t *testing.T) {
	for _, n := range []int{1, 258, 259, 1 << 20} {
		p := bomb("x", n)
		got, err := ours(15, false, p)
		if err != nil || len(got) != n || n > 1000 && len(p) > n/800 {
			t.Errorf("%d: %d bytes make %d, %v", n, len(p), len(got), err)
		}
	}
}
