package proto

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

var errJSON = errors.New("not JSON")

// maxDepth is how deep what a client sends may nest.
const maxDepth = 64

// ValidData reports whether p may be the data of a message, or the info of a member:
// JSON, of UTF-8, that nests no deeper than where a request has room for it.
func ValidData(p []byte) bool { return check(p, maxDepth-2) }

// members calls f for each member of the JSON object p, in order. Names are as
// they mean, values as they stand. p is valid JSON. It reports whether p is an
// object, and stops when f returns false.
func members(p []byte, f func(name string, value []byte) bool) bool {
	return walk(p, '{', func(name, value []byte) bool {
		s, _ := text(name) // one that is not in order is none that is known
		return f(s, value)
	})
}

// elements calls f for each element of the JSON array p.
func elements(p []byte, f func(value []byte) bool) bool {
	return walk(p, '[', func(_, value []byte) bool { return f(value) })
}

// walk is both. p is valid JSON, so all that is looked for is there.
func walk(p []byte, open byte, f func(name, value []byte) bool) bool {
	p = space(p)
	if len(p) == 0 || p[0] != open {
		return false
	}
	p = space(p[1:])
	for p[0] != '}' && p[0] != ']' {
		var name []byte
		if open == '{' {
			n := skip(p)
			name, p = p[:n], space(p[n:])
			p = space(p[1:]) // the colon
		}
		n := skip(p)
		value := p[:n]
		if p = space(p[n:]); p[0] == ',' {
			p = space(p[1:])
		}
		if !f(name, value) {
			return true
		}
	}
	return true
}

func space(p []byte) []byte {
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t' || p[0] == '\n' || p[0] == '\r') {
		p = p[1:]
	}
	return p
}

// skip returns the length of the value at the start of p, which is valid.
func skip(p []byte) int {
	depth := 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth > 0 {
				continue
			}
			if depth < 0 {
				return i // behind a number or a word
			}
			return i + 1
		case '"':
			for i++; p[i] != '"'; i++ {
				if p[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return len(p)
}

// check reports whether p is JSON, of UTF-8, that nests no deeper than most.
func check(p []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return json.Valid(p) && utf8.Valid(p)
}

// text returns what a JSON string means. One with half of a surrogate pair means
// nothing: two of them would become the same.
func text(p []byte) (s string, ok bool) {
	if len(p) < 2 || p[0] != '"' {
		return "", false
	}
	for _, c := range p[1 : len(p)-1] {
		if c == '\\' || c >= 0x80 {
			err := json.Unmarshal(p, &s)
			return s, err == nil && strings.Count(s, "\uFFFD") == replacements(p)
		}
	}
	return string(p[1 : len(p)-1]), true
}

// replacements returns how often U+FFFD was meant in a JSON string, which is what
// encoding/json makes of everything that is wrong.
func replacements(p []byte) int {
	n := bytes.Count(p, []byte("\uFFFD"))
	for i := 0; i < len(p); i++ {
		if p[i] != '\\' {
			continue
		}
		if i++; p[i] == 'u' && strings.EqualFold(string(p[i+1:i+5]), "fffd") {
			n++
		}
	}
	return n
}

// number returns a whole number from 0 to MaxID.
func number(p []byte) (n int64, ok bool) {
	if len(p) == 0 || len(p) > 16 || len(p) > 1 && p[0] == '0' {
		return 0, false
	}
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, n <= MaxID
}

func boolean(p []byte) (b, ok bool) {
	switch string(p) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}
