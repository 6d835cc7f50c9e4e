//go:build !unix

package static

import "path/filepath"

const openFlags = 0

// portable reports whether a name means a file of this name and nothing else:
// not a device (CON, NUL), a stream (x::$DATA), or what loses dots and spaces at
// its end. Short names (PROGRA~1) are aliases too.
func portable(s string) bool {
	if !filepath.IsLocal(s) || s[len(s)-1] == '.' || s[len(s)-1] == ' ' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == ':' || c == '~' || c == '*' || c == '?' || c == '<' || c == '>' || c == '|' || c == '"' {
			return false
		}
	}
	return true
}

// exhausted reports whether err is about this server, not about the file.
func exhausted(error) bool { return false }
