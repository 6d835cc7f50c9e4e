package site

import (
	"regexp"
	"strings"
)

// CompilePattern compiles the pattern of a route: RE2, anchored at the start,
// with {name} for (?P<name>[^/]+).
func CompilePattern(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`^(?:` + expandNames(pattern) + `)`)
}

// expandNames writes {name} as a group, where it is neither escaped nor in a
// class nor the argument of \p, \P or \x.
func expandNames(p string) string {
	var b strings.Builder
	class, quoted := false, false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case quoted:
			quoted = !strings.HasPrefix(p[i:], `\E`)
			b.WriteByte(c)
		case c == '\\' && i+1 < len(p):
			i++
			b.WriteString(p[i-1 : i+1])
			quoted = p[i] == 'Q'
			if !strings.ContainsRune("pPx", rune(p[i])) || i+1 >= len(p) || p[i+1] != '{' {
				continue
			}
			if end := strings.IndexByte(p[i:], '}'); end > 0 {
				b.WriteString(p[i+1 : i+end+1])
				i += end
			}
		case class && strings.HasPrefix(p[i:], "[:") && strings.Contains(p[i:], ":]"):
			end := strings.Index(p[i:], ":]") + 2
			b.WriteString(p[i : i+end])
			i += end - 1
		case class:
			class = c != ']'
			b.WriteByte(c)
		case c == '[':
			class = true
			b.WriteByte(c)
			// A ] that comes first stands for itself.
			rest := p[i+1:]
			if strings.HasPrefix(rest, "^") {
				b.WriteByte('^')
				i++
				rest = rest[1:]
			}
			if strings.HasPrefix(rest, "]") {
				b.WriteByte(']')
				i++
			}
		case c == '{':
			end := strings.IndexByte(p[i:], '}')
			if end < 0 || !isCapture(p[i+1:i+end]) {
				b.WriteByte(c)
				continue
			}
			b.WriteString(`(?P<` + p[i+1:i+end] + `>[^/]+)`)
			i += end
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isCapture reports whether s can name a capture: a letter or _, then letters,
// digits and _.
func isCapture(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case 'a' <= c && c <= 'z', s[i] == '_':
		case i > 0 && '0' <= s[i] && s[i] <= '9':
		default:
			return false
		}
	}
	return s != ""
}
