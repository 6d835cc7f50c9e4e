package main

import (
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable returns a stranger's text with everything escaped that a terminal
// could take for an order (control characters, C1 ones too) and a reader for
// another text (direction marks, bytes that are not UTF-8). Line ends and tabs
// stay.
func printable(s string) string {
	clean := true
	for _, r := range s {
		if !showable(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + hexDigits(uint32(s[i]), 2))
		case showable(r):
			b.WriteString(s[i : i+n])
		case r < 0x80:
			b.WriteString(`\x` + hexDigits(uint32(r), 2))
		case r < 0x10000:
			b.WriteString(`\u` + hexDigits(uint32(r), 4))
		default:
			b.WriteString(`\U` + hexDigits(uint32(r), 8))
		}
		i += n
	}
	return b.String()
}

// showable reports whether r shows as itself. A replacement character is taken
// for a byte that is not UTF-8: the caller looks closer.
func showable(r rune) bool {
	return (unicode.IsPrint(r) || r == '\n' || r == '\t') && r != utf8.RuneError
}

func hexDigits(v uint32, n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		b[i] = digits[v&15]
		v >>= 4
	}
	return string(b)
}

// isTerminal reports whether a stream of the program is one, or some other device
// that a person looks at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Name() != "null" && f.Name() != os.DevNull
}
