package site

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A scanner walks over the characters of a text and knows where it is.
type scanner struct {
	file      string
	src       string // valid UTF-8
	off       int    // of the next character
	line, col int    // of the next character

	path path // of the value being read
	errs Errors
}

// eof is what peek returns at the end. No character has this value.
const eof rune = -1

func (s *scanner) peek() rune {
	if s.off == len(s.src) {
		return eof
	}
	r, _ := utf8.DecodeRuneInString(s.src[s.off:])
	return r
}

// next takes a character. CR LF counts as one end of a line.
func (s *scanner) next() rune {
	r := s.peek()
	if r == eof {
		return eof
	}
	s.off += utf8.RuneLen(r)
	if r == '\n' || r == '\r' && s.peek() != '\n' {
		s.line++
		s.col = 1
	} else {
		s.col++
	}
	return r
}

// take takes n characters of which none ends a line.
func (s *scanner) take(n int) {
	for range n {
		s.next()
	}
}

// follows reports whether the text goes on with t.
func (s *scanner) follows(t string) bool { return strings.HasPrefix(s.src[s.off:], t) }

// here is the place of the next character.
func (s *scanner) here() Place {
	return Place{File: s.file, Line: s.line, Column: s.col, Path: s.path.String()}
}

// fail notes what was found at p and what would be right.
func (s *scanner) fail(p Place, found, right string) {
	if len(s.errs) < maxErrors {
		s.errs = append(s.errs, p.Errorf("%s; %s", found, right))
	}
}

// space skips white space and comments. It returns false if a comment does not
// end.
func (s *scanner) space() bool {
	for {
		r := s.peek()
		switch {
		case isSpace(r):
			s.next()
		case r == '#':
			s.fail(s.here(), "found '#'", "a comment begins with //")
			s.comment()
		case s.follows("//"):
			s.comment()
		case s.follows("/*"):
			start := s.here()
			s.take(2)
			for !s.follows("*/") {
				if s.next() == eof {
					s.fail(start, "this comment does not end", "write */ at its end")
					return false
				}
			}
			s.take(2)
		default:
			return true
		}
	}
}

// comment skips the rest of the line.
func (s *scanner) comment() {
	for r := s.peek(); r != eof && !endsLine(r); r = s.peek() {
		s.next()
	}
}

// isSpace: JSON5, 8 (White Space); ECMAScript 5.1, 7.2 and 7.3.
func isSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xA0, 0x2028, 0x2029, 0xFEFF:
		return true
	}
	return r > 0x7F && unicode.Is(unicode.Zs, r)
}

// endsLine: ECMAScript 5.1, 7.3.
func endsLine(r rune) bool {
	return r == '\n' || r == '\r' || r == 0x2028 || r == 0x2029
}

// startsName and continuesName: ECMAScript 5.1, 7.6.
func startsName(r rune) bool {
	if r < 0x80 {
		return 'a' <= r|0x20 && r|0x20 <= 'z' || r == '$' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.Is(unicode.Nl, r)
}

func continuesName(r rune) bool {
	return startsName(r) || '0' <= r && r <= '9' || r == 0x200C || r == 0x200D ||
		r >= 0x80 && (unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc))
}

// name reads an identifier, in which letters may be written as \uXXXX.
func (s *scanner) name() string {
	var b strings.Builder
	for {
		r := s.peek()
		at := s.here()
		switch {
		case r == '\\':
			s.next()
			if s.peek() != 'u' {
				s.fail(at, "found a backslash in a name", `only \uXXXX is possible there; put the name in quotes`)
				continue
			}
			s.next()
			code, ok := s.hex(at, 4)
			if !ok {
				continue
			}
			if b.Len() == 0 && !startsName(code) || !continuesName(code) {
				s.fail(at, "found an escape for "+quote(string(code))+" in a name", "put the name in quotes")
				continue
			}
			b.WriteRune(code)
		case b.Len() == 0 && startsName(r), b.Len() > 0 && continuesName(r):
			b.WriteRune(s.next())
		default:
			return b.String()
		}
	}
}

// hex reads n hexadecimal digits of the escape that began at p.
func (s *scanner) hex(p Place, n int) (rune, bool) {
	var v rune
	for i := range n {
		d, ok := hexDigit(s.peek())
		if !ok {
			s.fail(p, "found an escape with "+strconv.Itoa(i)+" hexadecimal digits", strconv.Itoa(n)+" are needed")
			return 0, false
		}
		s.next()
		v = v<<4 | d
	}
	return v, true
}

func hexDigit(r rune) (rune, bool) {
	switch {
	case '0' <= r && r <= '9':
		return r - '0', true
	case 'a' <= r|0x20 && r|0x20 <= 'f':
		return r | 0x20 - 'a' + 10, true
	}
	return 0, false
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// quote writes what was found so that it cannot disturb a terminal or a log,
// in single quotes and cut to a few words.
func quote(t string) string {
	const most = 48
	if n := 0; len(t) > most {
		for i := range t {
			if n++; n > most {
				t = t[:i] + "…"
				break
			}
		}
	}
	q := strconv.QuoteToGraphic(t)
	q = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	return "'" + strings.ReplaceAll(q, "'", `\'`) + "'"
}

// A path is that of a value: the names and indexes that lead to it.
type path struct{ text []byte }

func (p *path) String() string { return string(p.text) }

// push adds a name and returns what pop wants.
func (p *path) push(name string) int {
	n := len(p.text)
	switch {
	case !isPlain(name):
		p.text = append(append(append(p.text, '['), quote(name)...), ']')
	case n > 0:
		p.text = append(append(p.text, '.'), name...)
	default:
		p.text = append(p.text, name...)
	}
	return n
}

// index adds an index and returns what pop wants.
func (p *path) index(i int) int {
	n := len(p.text)
	p.text = append(strconv.AppendInt(append(p.text, '['), int64(i), 10), ']')
	return n
}

func (p *path) pop(n int) { p.text = p.text[:n] }

// isPlain reports whether a name needs no quotes in a path: a short identifier
// of ASCII.
func isPlain(name string) bool {
	for i, r := range name {
		if r >= 0x80 || !continuesName(r) || i == 0 && !startsName(r) {
			return false
		}
	}
	return name != "" && len(name) <= 48
}
