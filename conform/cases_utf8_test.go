package conform

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// The sequences have the numbers of the known suite.
func TestUTF8Numbers(t *testing.T) {
	counts := map[string]int{}
	for _, c := range utf8Sequences() {
		group, _, _ := strings.Cut(c.ID[2:], ".")
		counts[group]++
	}
	for group, n := range map[string]int{
		"5": 5, "6": 11, "7": 4, "8": 2, "9": 4, "10": 3, "11": 5, "12": 8, "13": 5, "14": 10, "15": 1, "16": 3,
		"17": 5, "18": 5, "19": 5, "20": 7, "21": 8, "22": 34, "23": 7,
	} {
		if counts[group] != n {
			t.Errorf("6.%s has %d cases instead of %d", group, counts[group], n)
		}
	}
}

// The table is what the standard library thinks.
func TestUTF8Rows(t *testing.T) {
	fits := func(p []byte) bool {
		for _, row := range utf8Rows {
			if len(row) != len(p) {
				continue
			}
			good := true
			for i, s := range row {
				good = good && s.low <= p[i] && p[i] <= s.high
			}
			if good {
				return true
			}
		}
		return false
	}
	edges := []byte{0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff}
	for first := range 256 {
		for _, second := range edges {
			for _, third := range edges {
				for _, p := range [][]byte{{byte(first)}, {byte(first), second}, {byte(first), second, third}, {byte(first), second, third, 0x80}} {
					if _, n := utf8.DecodeRune(p); n == len(p) && utf8.Valid(p) != fits(p) {
						t.Fatalf("%x", p)
					}
				}
			}
		}
	}
}

// Beginnings that are impossible are, and not before their last byte.
func TestUTF8Impossible(t *testing.T) {
	for _, v := range impossible {
		p := []byte(v.bytes)
		if utf8.Valid(p) || utf8.FullRune(p[:len(p)-1]) && !utf8.Valid(p[:len(p)-1]) {
			t.Errorf("%x", p)
		}
		if r, n := utf8.DecodeRune(p); r != utf8.RuneError || n != 1 {
			t.Errorf("%x begins with a character", p)
		}
	}
}
