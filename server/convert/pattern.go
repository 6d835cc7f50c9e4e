package convert

import (
	"fmt"
	"regexp"
	"strings"

	"curlew.example/curlew/server/site"
)

// A matcher is what a pattern of Appweb's becomes: a match if that says the
// same, else a pattern.
type matcher struct {
	match, pattern string

	// names are those of the groups, in order. Groups without a name of their
	// own get one: p1 for $1.
	names []string

	// base is the literal folder that the pattern begins with, with slashes
	// around it: "/" at least. rest says that behind it comes one group of
	// everything, and nothing else: ^/base/(.*)$.
	base string
	rest bool

	regexp string // what match says, as a pattern
}

// folder is what stands before the last slash of a match, with that.
func (m *matcher) folder() string { return m.match[:strings.LastIndexByte(m.match, '/')+1] }

// translate reads a pattern of Appweb's. Those are anchored at their start;
// {name} is ([^/]*), {name=pattern} is (pattern), and (~ … ~) may be missing.
func translate(p string) (*matcher, error) {
	switch {
	case strings.HasPrefix(p, "!"):
		return nil, fmt.Errorf("a pattern that must not match has no counterpart")
	case p == "", p == "/", p == "^", p == "^/", p == "^/.*", p == "^/.*$":
		return &matcher{match: "/", base: "/"}, nil
	}
	p = "^" + strings.TrimPrefix(p, "^")
	re, plain, err := rewrite(p)
	if err != nil {
		return nil, err
	}
	m := &matcher{pattern: re.text, names: re.names, base: base(p)}
	m.rest = p == "^"+m.base+"(.*)$" || p == "^"+m.base+"(.*)"
	if plain != "" && refusal(true, text(plain), "match") == "" {
		m.match, m.pattern, m.regexp = plain, "", m.pattern
		return m, nil
	}
	if _, err := site.CompilePattern(m.pattern); err != nil {
		return nil, fmt.Errorf("%s is no RE2: %s", quoted(p), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if why := refusal(true, text(m.pattern), "pattern"); why != "" {
		return nil, fmt.Errorf("%s", why)
	}
	return m, nil
}

type rewritten struct {
	text  string
	names []string
}

// rewrite makes a pattern RE2 with names. plain is the same as a match, "" if
// there is none: literal, with {name} as whole segments, and ending in $ or /.
func rewrite(p string) (re rewritten, plain string, err error) {
	var b, lit strings.Builder
	literal, class, depth := true, false, 0
	name := func(n string) string {
		if n == "" || !isName(n) || contains(re.names, n) {
			n = fmt.Sprintf("p%d", len(re.names)+1)
		}
		re.names = append(re.names, n)
		return n
	}
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\' && isRepetition(p[i+1:]): // not a token
			literal = false
		case c == '\\' && i+1 < len(p):
			i++
			b.WriteString(p[i-1 : i+1])
			if isAlnum(p[i]) || p[i] == '{' || p[i] == '}' {
				literal = false
			}
			lit.WriteByte(p[i])
		case class:
			class = c != ']'
			b.WriteByte(c)
		case c == '[':
			class, literal = true, false
			b.WriteByte(c)
			if strings.HasPrefix(p[i+1:], "^]") {
				b.WriteString("^]")
				i += 2
			} else if strings.HasPrefix(p[i+1:], "]") {
				b.WriteByte(']')
				i++
			}
		case strings.HasPrefix(p[i:], "(~"):
			b.WriteString("(?:")
			i++
			depth++
			literal = false
		case strings.HasPrefix(p[i:], "~)") && depth > 0:
			b.WriteString(")?")
			i++
			depth--
		case c == '(' && strings.HasPrefix(p[i:], "(?P<"):
			n, _, ok := strings.Cut(p[i+4:], ">")
			if !ok {
				return re, "", fmt.Errorf("%s has a group without a name", quoted(p))
			}
			re.names = append(re.names, n)
			b.WriteString("(?P<" + n + ">")
			i += 4 + len(n)
			literal = false
		case c == '(' && !strings.HasPrefix(p[i:], "(?"):
			b.WriteString("(?P<" + name("") + ">")
			literal = false
		case c == '{':
			end := closing(p[i:])
			if end < 0 {
				b.WriteString(`\{`)
				literal = false
				continue
			}
			n, re2, typed := strings.Cut(p[i+1:i+end], "=")
			if !typed && !isName(n) { // {2}: so many times
				b.WriteString(p[i : i+end+1])
				i += end
				literal = false
				continue
			}
			n = name(n)
			switch {
			case typed:
				b.WriteString("(?P<" + n + ">" + re2 + ")")
				literal = false
			default:
				b.WriteString("(?P<" + n + ">[^/]*)")
				lit.WriteString("{" + n + "}")
			}
			i += end
		case c == '^' && i == 0:
			b.WriteByte(c)
		case c == '$' && i == len(p)-1:
			b.WriteByte(c)
			lit.WriteByte(c)
		default:
			if strings.IndexByte(`.*+?|()^$}`, c) >= 0 {
				literal = false
			}
			b.WriteByte(c)
			lit.WriteByte(c)
		}
	}
	re.text = b.String()
	s := lit.String()
	exact := strings.HasSuffix(s, "$")
	s = strings.TrimSuffix(s, "$")
	switch {
	case !literal || depth > 0:
	case exact && !strings.HasSuffix(s, "/"), !exact && strings.HasSuffix(s, "/"):
		plain = s
	}
	return re, plain, nil
}

// isToken tells {name} and {name=pattern} from {2}: so many times.
func isToken(s string) bool {
	end := closing(s)
	if end < 0 {
		return false
	}
	name, _, _ := strings.Cut(s[1:end], "=")
	return isName(name)
}

// closing is the index of the } that ends a token, which may have {2} in it.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// base is the literal folder that a pattern begins with.
func base(p string) string {
	p = strings.TrimPrefix(p, "^")
	end := strings.IndexAny(p, `\.*+?|()[]{}^$`)
	if end < 0 {
		end = len(p)
	}
	if end < len(p) && end > 0 && (strings.IndexByte("*+?", p[end]) >= 0 || p[end] == '{' && !isToken(p[end:])) {
		end-- // of the character before
	}
	i := strings.LastIndexByte(p[:end], '/')
	if i < 0 {
		return "/"
	}
	return p[:i+1]
}

// isRepetition reports whether s begins with {2}, {2,} or {2,3}.
func isRepetition(s string) bool {
	end := strings.IndexByte(s, '}')
	return end > 1 && s[0] == '{' && strings.Trim(s[1:end], "0123456789,") == ""
}

var reference = regexp.MustCompile(`\$(?:([0-9]+)|([&` + "`'" + `])|\{([^}]*)\})`)

// expand writes a text of Appweb's with our ${name} for its $1 and ${name}.
func (m *matcher) expand(s string) (string, error) {
	var wrong error
	out := reference.ReplaceAllStringFunc(s, func(ref string) string {
		parts := reference.FindStringSubmatch(ref)
		if n := parts[1]; n != "" {
			var i int
			if fmt.Sscan(n, &i); i >= 1 && i <= len(m.names) {
				return "${" + m.names[i-1] + "}"
			}
		}
		if contains(m.names, parts[3]) {
			return ref
		}
		wrong = fmt.Errorf("%s has no counterpart", quoted(ref))
		return ref
	})
	return out, wrong
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return s != ""
		}
	}
	return false
}

func isAlnum(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

// isName reports whether s can name a capture.
func isName(s string) bool {
	for i := range len(s) {
		if !(isAlnum(s[i]) || s[i] == '_') || i == 0 && '0' <= s[0] && s[0] <= '9' {
			return false
		}
	}
	return s != ""
}
