package convert

import (
	"fmt"
	"strings"

	"curlew.example/curlew/server/site"
)

// A directive is a line of an appweb.conf, or a block of them.
type directive struct {
	line, column int
	name         string // as written
	args         []string
	raw          string // the line, without spaces around it and comment

	isBlock bool
	block   []*directive
}

// is compares the name as Appweb does: in any case.
func (d *directive) is(name string) bool { return strings.EqualFold(d.name, name) }

// arg returns an argument, "" if there are fewer.
func (d *directive) arg(i int) string {
	if i < len(d.args) {
		return d.args[i]
	}
	return ""
}

// maxBlocks bounds how deep blocks stand within each other.
const maxBlocks = 64

// maxErrors bounds what one file can make us say.
const maxErrors = 1000

// maxThings bounds how many directives, or routes, redirects and headers, a file
// has: each may have to be looked at with all others.
const maxThings = 4000

// A reader reads directives, one a line. A backslash at the end of a line joins
// it with the next one, # begins a comment where a word could begin, and quotes
// hold words with spaces together.
type reader struct {
	name string
	errs site.Errors

	count int

	open []*directive // blocks, the innermost last
	top  []*directive
	left []*directive // those that the end of the file closed
}

func readDirectives(name, text string) ([]*directive, []*directive, site.Errors) {
	r := &reader{name: name}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines) && len(r.errs) < maxErrors; i++ {
		first := i
		s := strings.TrimRight(lines[i], " \t\r")
		for strings.HasSuffix(s, `\`) && i+1 < len(lines) && !strings.HasPrefix(strings.TrimLeft(s, " \t"), "#") {
			i++
			s = s[:len(s)-1] + " " + strings.Trim(lines[i], " \t\r")
		}
		r.read(s, first+1)
	}
	r.left = append(r.left, r.open...)
	return r.top, r.left, r.errs
}

func (r *reader) fail(line, column int, format string, args ...any) {
	r.errs = append(r.errs, site.Place{File: r.name, Line: line, Column: column}.Errorf(format, args...))
}

// read takes one line.
func (r *reader) read(s string, line int) {
	trimmed := strings.TrimLeft(s, " \t")
	column := len([]rune(s)) - len([]rune(trimmed)) + 1
	switch {
	case trimmed == "" || trimmed[0] == '#':
	case strings.HasPrefix(trimmed, "</"):
		r.close(trimmed, line, column)
	case trimmed[0] == '<':
		r.begin(trimmed, line, column)
	default:
		words, ok := r.words(trimmed, line, column)
		if ok {
			d := &directive{line: line, column: column, name: words[0], args: words[1:], raw: withoutComment(trimmed)}
			r.add(d)
		}
	}
}

func (r *reader) add(d *directive) {
	switch r.count++; {
	case r.count == maxThings+1:
		r.fail(d.line, d.column, "the file has more than %d directives; convert it in parts", maxThings)
		return
	case r.count > maxThings:
		return
	}
	if n := len(r.open); n > 0 {
		r.open[n-1].block = append(r.open[n-1].block, d)
	} else {
		r.top = append(r.top, d)
	}
}

// begin takes <Name arguments>. The pattern of a route may have a > in it.
func (r *reader) begin(s string, line, column int) {
	s = withoutComment(s)
	inner, ok := strings.CutSuffix(s[1:], ">")
	if !ok {
		r.fail(line, column, "the block %s does not end in >; write <Name …>", quoted(s))
		return
	}
	inner = strings.TrimSpace(inner)
	name, rest, _ := strings.Cut(inner, " ")
	if i := strings.IndexByte(name, '\t'); i >= 0 {
		name, rest = name[:i], name[i+1:]+" "+rest
	}
	if name == "" {
		r.fail(line, column, "found a block without a name; write <Name …>")
		return
	}
	d := &directive{line: line, column: column, name: name, raw: s, isBlock: true}
	if rest = strings.TrimSpace(rest); rest != "" {
		if d.is("Route") || d.is("Location") || d.is("Reroute") {
			d.args = []string{unquoted(rest)}
		} else {
			d.args = strings.Fields(rest)
		}
	}
	if d.is("else") {
		r.otherwise(d)
		return
	}
	if len(r.open) == maxBlocks {
		r.fail(line, column, "blocks stand more than %d deep within each other; close some before", maxBlocks)
		return
	}
	r.add(d)
	r.open = append(r.open, d)
}

// otherwise takes <else>: what follows is the block of it, within the <if>.
func (r *reader) otherwise(d *directive) {
	n := len(r.open)
	if n == 0 || !r.open[n-1].is("if") {
		r.fail(d.line, d.column, "found <else> without <if>; remove it")
		return
	}
	r.add(d)
	r.open = append(r.open, d)
}

func (r *reader) close(s string, line, column int) {
	s = withoutComment(s)
	name := strings.TrimSpace(strings.TrimSuffix(s[2:], ">"))
	n := len(r.open)
	if n > 0 && r.open[n-1].is("else") && strings.EqualFold(name, "if") {
		n--
		r.open = r.open[:n]
	}
	switch {
	case n == 0:
		r.fail(line, column, "found </%s>, and no block is open; remove it", oneLine(name))
	case !r.open[n-1].is(name):
		r.fail(line, column, "found </%s>, and the open block is <%s> of line %d; close that one first", oneLine(name), oneLine(r.open[n-1].name), r.open[n-1].line)
	default:
		r.open = r.open[:n-1]
	}
}

// words takes a line apart.
func (r *reader) words(s string, line, column int) ([]string, bool) {
	var list []string
	var word strings.Builder
	in := false      // a word
	quote := rune(0) // the quote that is open
	opened := 0
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; {
		case quote != 0 && c == '\\' && i+1 < len(runes) && (runes[i+1] == quote || runes[i+1] == '\\'):
			i++
			word.WriteRune(runes[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, in, opened = c, true, i
		case c == ' ' || c == '\t':
			if in {
				list = append(list, word.String())
				word.Reset()
				in = false
			}
		case c == '#' && !in:
			i = len(runes)
		default:
			in = true
			word.WriteRune(c)
		}
	}
	if quote != 0 {
		r.fail(line, column+opened, "the text that begins with %c does not end; write another %c behind it", quote, quote)
		return nil, false
	}
	if in {
		list = append(list, word.String())
	}
	return list, len(list) > 0
}

// withoutComment cuts off a comment behind a line.
func withoutComment(s string) string {
	quote := byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote && s[i-1] != '\\' {
				quote = 0
			}
		case c == '"':
			quote = c
		case c == '#' && i > 0 && (s[i-1] == ' ' || s[i-1] == '\t'):
			return strings.TrimRight(s[:i], " \t")
		}
	}
	return strings.TrimRight(s, " \t\r")
}

// unquoted removes quotes around a text.
func unquoted(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// at names the line of a directive in a comment.
func (d *directive) at() string {
	return fmt.Sprintf("line %d: %s", d.line, strings.Join(strings.Fields(d.raw), " "))
}
