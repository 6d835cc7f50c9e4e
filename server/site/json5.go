package site

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxText  = 1 << 20 // bytes of a site file
	maxDepth = 64      // objects and arrays within each other
)

// A parser reads JSON5 (spec.json5.org). What can be told apart clearly is
// noted and read on, such as a forgotten comma, so that one run finds as much as
// possible; at anything else it stops, with what was read until then.
type parser struct {
	scanner
	depth   int
	stopped bool // an error after which the rest makes no sense
}

// ParseNode reads a JSON5 text. A text larger than 1 MiB, nesting deeper than 64,
// bytes that are not UTF-8, duplicate names and names without a value are
// errors. All errors are of type Errors; the Node is nil if there is one.
func ParseNode(name string, text []byte) (*Node, error) {
	n, _, errs := parseNode(name, text)
	if len(errs) > 0 {
		errs.sort()
		return nil, errs
	}
	return n, nil
}

// parseNode returns what could be read, nil if nothing, and whether that is the
// whole text.
func parseNode(name string, text []byte) (n *Node, complete bool, errs Errors) {
	p := &parser{scanner: scanner{file: name, line: 1, col: 1}}
	if len(text) > maxText {
		p.fail(Place{File: name}, "the file is larger than 1 MiB", "a site file is a few KB")
		return nil, false, p.errs
	}
	p.src = string(text)
	if !utf8.ValidString(p.src) {
		return nil, false, p.notUTF8()
	}
	p.src = strings.TrimPrefix(p.src, "\uFEFF") // the mark of some editors; no column of its own
	if !p.space() {
		return nil, false, p.errs
	}
	if p.peek() == eof {
		p.fail(p.here(), "the file is empty", "an object is wanted: { … }")
		return nil, false, p.errs
	}
	if q := *p; startsName(q.peek()) && q.name() != "" && q.space() && q.peek() == ':' {
		p.fail(p.here(), "found a key outside of braces", "write { in front of everything and } behind it")
		return nil, false, p.errs
	}
	n = p.value()
	if !p.stopped && p.space() && p.peek() != eof {
		p.stop(p.here(), "found "+p.found()+" after the end", "remove it, or a closing bracket too many before it")
	}
	return n, !p.stopped && n != nil, p.errs
}

// notUTF8 finds the first byte that is wrong.
func (p *parser) notUTF8() Errors {
	for {
		r, n := utf8.DecodeRuneInString(p.src[p.off:])
		if r == utf8.RuneError && n == 1 {
			b := strconv.FormatUint(uint64(p.src[p.off]), 16)
			p.fail(p.here(), "found the byte 0x"+b+", which is not UTF-8", "save the file as UTF-8")
			return p.errs
		}
		p.next()
	}
}

// stop notes an error and ends the reading.
func (p *parser) stop(at Place, found, right string) {
	if !p.stopped {
		p.fail(at, found, right)
	}
	p.stopped = true
}

// found describes the next character.
func (p *parser) found() string {
	switch r := p.peek(); {
	case r == eof:
		return "the end of the file"
	case r == '\'':
		return "a single quote"
	default:
		return quote(string(r))
	}
}

// value reads any value. It returns nil if it stopped before the value began.
func (p *parser) value() *Node {
	if !p.space() {
		p.stopped = true
	}
	if p.stopped {
		return nil
	}
	n := &Node{Line: p.line, Column: p.col}
	switch r := p.peek(); {
	case r == '{':
		p.nested(n, p.object)
	case r == '[':
		p.nested(n, p.array)
	case r == '"' || r == '\'':
		n.Kind, n.Text = String, p.text()
	case isDigit(r) || r == '+' || r == '-' || r == '.':
		p.number(n)
	case startsName(r) || r == '\\':
		p.word(n)
	default:
		p.stop(p.here(), "found "+p.found(), "a value is wanted here")
		return nil
	}
	return n
}

// nested reads an object or an array unless it is too deep.
func (p *parser) nested(n *Node, read func(*Node)) {
	if p.depth == maxDepth {
		p.stop(p.here(), "nested deeper than 64", "remove brackets")
		return
	}
	p.depth++
	read(n)
	p.depth--
}

// word reads a value that is written as a name.
func (p *parser) word(n *Node) {
	at := p.here()
	plain := p.peek() != '\\'
	w := p.name()
	switch {
	case w == "null" && plain:
	case (w == "true" || w == "false") && plain:
		n.Kind, n.Bool = Bool, w == "true"
	case (w == "Infinity" || w == "NaN") && plain:
		n.Kind, n.Text = Number, w
	case strings.EqualFold(w, "true") || strings.EqualFold(w, "false"):
		n.Kind, n.Bool = Bool, strings.EqualFold(w, "true")
		p.fail(at, "found the word "+quote(w), "did you mean "+strings.ToLower(w)+"?")
	case w == "":
		p.stopped = true // name has said why
	default:
		n.Kind, n.Text = String, w
		p.fail(at, "found the word "+quote(w)+" without quotes", "a text is written in quotes")
	}
}

// object reads from { to }.
func (p *parser) object(n *Node) {
	n.Kind = Object
	open := p.here()
	seen := make(map[string]Place)
	p.next()
	for p.more(open, '}') {
		m := Member{Line: p.line, Column: p.col}
		at := p.here()
		switch r := p.peek(); {
		case r == '"' || r == '\'':
			m.Name = p.text()
		case startsName(r) || r == '\\':
			m.Name = p.name()
		case isDigit(r):
			p.stop(at, "found "+p.found()+" where a name is wanted", "put the name in quotes")
		default:
			p.stop(at, "found "+p.found(), "a name or } is wanted here")
		}
		if p.stopped {
			return
		}
		mark := p.path.push(m.Name)
		if first, double := seen[m.Name]; double {
			at.Path = p.path.String()
			p.fail(at, "this key is given twice, first in line "+strconv.Itoa(first.Line), "keep one of them")
		} else {
			seen[m.Name] = at
		}
		if p.colon(m.Name) {
			m.Value = p.value()
		}
		if m.Value != nil {
			n.Members = append(n.Members, m)
		}
		if p.stopped {
			return // the path stays where the error is
		}
		p.path.pop(mark)
		p.comma('}')
	}
}

// colon takes what stands between a name and its value.
func (p *parser) colon(name string) bool {
	if !p.space() {
		p.stopped = true
		return false
	}
	switch p.peek() {
	case ':':
	case '=':
		p.fail(p.here(), "found '='", "a colon stands between a name and its value")
	default:
		p.stop(p.here(), "found "+p.found()+" after the name "+quote(name), "a colon and a value are wanted here")
		return false
	}
	p.next()
	return true
}

// array reads from [ to ].
func (p *parser) array(n *Node) {
	n.Kind = Array
	open := p.here()
	p.next()
	for p.more(open, ']') {
		mark := p.path.index(len(n.Items))
		item := p.value()
		if item != nil {
			n.Items = append(n.Items, item)
		}
		if p.stopped {
			return
		}
		p.path.pop(mark)
		p.comma(']')
	}
}

// more skips to the next member or item and reports whether there is one. It
// takes the closing bracket.
func (p *parser) more(open Place, closing rune) bool {
	for {
		if !p.space() {
			p.stopped = true
		}
		if p.stopped {
			return false
		}
		switch r := p.peek(); r {
		case closing:
			p.next()
			return false
		case eof:
			p.stop(open, "found the end of the file, and this bracket is open", "close it with "+string(closing))
			return false
		case ',':
			p.fail(p.here(), "found a comma with nothing before it", "remove it")
			p.next()
		case '}', ']':
			p.stop(p.here(), "found "+p.found()+" for the bracket of line "+strconv.Itoa(open.Line),
				"close that with "+string(closing)+" first")
			return false
		default:
			return true
		}
	}
}

// comma takes what stands between two members or items.
func (p *parser) comma(closing rune) {
	end := p.here() // where a forgotten comma belongs
	if !p.space() {
		p.stopped = true
		return
	}
	switch r := p.peek(); {
	case r == ',':
		p.next()
	case r == ';':
		p.fail(p.here(), "found ';'", "a comma stands between values")
		p.next()
	case r == closing || r == '}' || r == ']' || r == eof:
		// more knows what is right.
	case r == '"' || r == '\'' || r == '{' || r == '[' || startsName(r) || isDigit(r):
		p.fail(end, "found "+p.found()+" next, without a comma", "write a comma here")
	default:
		p.stop(p.here(), "found "+p.found(), "a comma or "+string(closing)+" is wanted here")
	}
}

// text reads a string from quote to quote. JSON5, 5.
func (p *parser) text() string {
	open := p.here()
	end := p.next()
	var b strings.Builder
	for {
		at := p.here()
		switch r := p.next(); r {
		case end:
			return b.String()
		case eof, '\n', '\r':
			p.stop(open, "this text does not end in its line", "close it with "+string(end)+", or end the line with a backslash")
			return b.String()
		case '\\':
			p.escape(&b, at)
		default:
			b.WriteRune(r)
		}
	}
}

// escape reads what follows a backslash in a string. JSON5, 5.1 and 5.2.
func (p *parser) escape(b *strings.Builder, at Place) {
	switch r := p.peek(); r {
	case eof:
		return // text says it
	case '\r':
		p.next()
		if p.peek() == '\n' {
			p.next()
		}
		return
	case '\n', 0x2028, 0x2029: // the text goes on in the next line
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'v':
		b.WriteByte('\v')
	case 'x':
		p.next()
		if v, ok := p.hex(at, 2); ok {
			b.WriteRune(v)
		}
		return
	case 'u':
		p.next()
		if v, ok := p.hex(at, 4); ok {
			b.WriteRune(p.pair(v))
		}
		return
	case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		p.next()
		if r == '0' && !isDigit(p.peek()) {
			b.WriteByte(0)
			return
		}
		p.fail(at, `found an escape with a decimal digit`, `write \xHH for a byte, \\ for a backslash`)
		return
	default:
		b.WriteRune(r)
	}
	p.next()
}

// pair completes a character that is written as two halves. A half alone becomes
// U+FFFD, as in encoding/json.
func (p *parser) pair(high rune) rune {
	if high < 0xD800 || high > 0xDFFF {
		return high
	}
	if high < 0xDC00 && p.follows(`\u`) && len(p.src)-p.off >= 6 {
		if low, err := strconv.ParseUint(p.src[p.off+2:p.off+6], 16, 16); err == nil && low >= 0xDC00 && low <= 0xDFFF {
			p.take(6)
			return (high-0xD800)<<10 + rune(low-0xDC00) + 0x10000
		}
	}
	return utf8.RuneError
}

// number reads a number. JSON5, 6.
func (p *parser) number(n *Node) {
	n.Kind = Number
	at, start := p.here(), p.off
	if r := p.peek(); r == '+' || r == '-' {
		p.next()
	}
	good := true
	switch r := p.peek(); {
	case p.follows("Infinity") || p.follows("NaN"):
		p.name()
	case r == '0' && (p.follows("0x") || p.follows("0X")):
		p.take(2)
		digits := p.off
		for _, ok := hexDigit(p.peek()); ok; _, ok = hexDigit(p.peek()) {
			p.next()
		}
		good = p.off > digits
	default:
		good = p.decimal()
	}
	bad := p.off
	for r := p.peek(); continuesName(r) || r == '.' || r == '+' || r == '-'; r = p.peek() {
		p.next()
	}
	n.Text = p.src[start:p.off]
	if !good || p.off > bad || !isNumber(n.Text) {
		p.badNumber(n, at)
		return
	}
	if math.IsInf(n.Float(), 0) && !strings.HasSuffix(n.Text, "Infinity") {
		p.fail(at, "the number "+quote(n.Text)+" is too large", "write Infinity if that is meant")
		n.bad = true
	}
}

// isNumber tells Infinity and NaN from longer words.
func isNumber(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return s != "" && (s[0] == '.' || isDigit(rune(s[0])) || s == "Infinity" || s == "NaN")
}

// badNumber notes why the text of n is none.
func (p *parser) badNumber(n *Node, at Place) {
	t := strings.TrimLeft(n.Text, "+-")
	digits, unit := splitUnit(n.Text)
	right := "remove what does not belong to it"
	switch {
	case len(t) > 1 && t[0] == '0' && isDigit(rune(t[1])):
		right = "remove the leading zero"
	case strings.Count(t, ".") > 1:
		right = "a text is written in quotes"
	case strings.ContainsRune(t, '_'):
		right = "write it without _"
	case digits != "" && unit != "" && unit != "e" && unit != "E" && !isHex(t):
		right = "a number with a unit is written in quotes"
	}
	p.fail(at, quote(n.Text)+" is not a number", right)
	n.bad = true
}

// decimal reads digits, a point and an exponent and reports whether they make a
// number.
func (p *parser) decimal() bool {
	digits := func() int {
		start := p.off
		for isDigit(p.peek()) {
			p.next()
		}
		return p.off - start
	}
	zero := p.peek() == '0'
	whole := digits()
	fraction := 0
	if p.peek() == '.' {
		p.next()
		fraction = digits()
	}
	if whole+fraction == 0 || zero && whole > 1 {
		return false
	}
	if r := p.peek(); r == 'e' || r == 'E' {
		p.next()
		if r := p.peek(); r == '+' || r == '-' {
			p.next()
		}
		return digits() > 0
	}
	return true
}
