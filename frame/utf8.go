package frame

import "unicode/utf8"

// A UTF8 checks text that comes in pieces, cut anywhere, also inside a
// character. The zero value is ready; it is three bytes and keeps nothing
// of what it was given. One goroutine at a time. RFC 6455, 8.1; RFC 3629.
type UTF8 struct {
	need   uint8 // bytes that the open character still lacks; bad
	lo, hi uint8 // what the next of them may be
}

const bad = 0xFF // in need: invalid, for good

// Write takes the next piece and reports whether the text so far, as it is or
// with more to come, can be valid: a byte that is impossible where it stands is
// refused at once, also in the middle of a character. After that it stays false
// until Reset.
func (v *UTF8) Write(p []byte) bool {
	for v.need != 0 {
		if v.need == bad {
			return false
		}
		if len(p) == 0 {
			return true
		}
		if !v.step(p[0]) {
			return false
		}
		p = p[1:]
	}
	cut := whole(p)
	if !utf8.Valid(p[:cut]) {
		v.need = bad
		return false
	}
	for _, b := range p[cut:] {
		if !v.step(b) {
			return false
		}
	}
	return true
}

// Done reports whether the text may end here: valid, and no character open.
func (v *UTF8) Done() bool { return v.need == 0 }

// Reset makes v ready for another text.
func (v *UTF8) Reset() { *v = UTF8{} }

// step takes one byte of a character that is cut, or is about to be.
func (v *UTF8) step(b byte) bool {
	switch {
	case v.need != 0 && v.lo <= b && b <= v.hi:
		v.need, v.lo, v.hi = v.need-1, 0x80, 0xBF
		return true
	case v.need == 0:
		*v = open(b)
	default:
		v.need = bad
	}
	return v.need != bad
}

// open returns the state after the first byte of a character. RFC 3629, 4: the
// second byte's range leaves out overlong forms, surrogates, and what is above
// U+10FFFF.
func open(b byte) UTF8 {
	switch {
	case b < 0x80:
		return UTF8{}
	case b < 0xC2:
		return UTF8{need: bad}
	case b < 0xE0:
		return UTF8{1, 0x80, 0xBF}
	case b == 0xE0:
		return UTF8{2, 0xA0, 0xBF}
	case b == 0xED:
		return UTF8{2, 0x80, 0x9F}
	case b < 0xF0:
		return UTF8{2, 0x80, 0xBF}
	case b == 0xF0:
		return UTF8{3, 0x90, 0xBF}
	case b < 0xF4:
		return UTF8{3, 0x80, 0xBF}
	case b == 0xF4:
		return UTF8{3, 0x80, 0x8F}
	}
	return UTF8{need: bad}
}

// whole returns the length of p without a character that is cut by its end: at
// most 3 bytes less.
func whole(p []byte) int {
	n := len(p)
	if n == 0 || p[n-1] < 0x80 {
		return n
	}
	for i := 1; i <= 3 && i <= n; i++ {
		b := p[n-i]
		if b >= 0xC0 {
			// i bytes of it are here; the others would follow.
			if b >= 0xF0 || b >= 0xE0 && i < 3 || i < 2 {
				return n - i
			}
			return n
		}
		if b < 0x80 {
			return n
		}
	}
	return n
}
