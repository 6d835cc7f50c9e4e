package proto

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name of a channel, in bytes.
const MaxName = 255

// ValidName reports whether s may be the name of a channel: 1 to 255 bytes of
// UTF-8 without control characters, spaces, "*" and ">". Names are compared byte by
// byte: two spellings of what looks the same are two channels.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > MaxName || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == '*' || r == '>' || unicode.IsControl(r) || unicode.IsSpace(r) {
			return false
		}
	}
	return true
}

// Namespace returns the part of a channel's name that selects its settings: what is
// before the first ":", or all of it.
func Namespace(channel string) string {
	name, _, _ := strings.Cut(channel, ":")
	return name
}
