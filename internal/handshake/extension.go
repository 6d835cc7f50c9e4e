package handshake

import "errors"

// A Param is a parameter of an extension. Bare says that it has no value at
// all, not even "=". A quoted value is held without its quotes.
type Param struct {
	Name, Value string
	Bare        bool
}

// An Extension is one member of Sec-WebSocket-Extensions: an offer in a request,
// what is in force in a response.
type Extension struct {
	Name   string
	Params []Param
}

var (
	errExtension = errors.New("malformed Sec-WebSocket-Extensions (RFC 6455, 9.1)")
	errExtLong   = errors.New("Sec-WebSocket-Extensions has more than 128 extensions and parameters")
)

// ParseExtensions reads Sec-WebSocket-Extensions over any number of header
// lines, in order. Names and parameters are not judged, only their syntax:
// tokens, and quoted values that are tokens once unquoted. RFC 6455, 9.1.
func ParseExtensions(values []string) ([]Extension, error) {
	var exts []Extension
	n := 0
	for _, v := range values {
		p := scanner{s: v}
		for {
			p.space()
			if p.end() {
				break
			}
			if p.take(',') { // an empty member
				continue
			}
			e, err := p.extension(&n)
			if err != nil {
				return nil, err
			}
			exts = append(exts, e)
			if !p.end() && !p.take(',') {
				return nil, errExtension
			}
		}
	}
	if len(values) > 0 && len(exts) == 0 {
		return nil, errExtension // at least one: "1#extension"
	}
	return exts, nil
}

// A scanner reads one header line. RFC 6455, 9.1, counts with the implied *LWS
// of RFC 2616: space is allowed around every separator, "=" included.
type scanner struct {
	s string
	i int
}

// extension reads one member and the space behind it; n counts the members and
// parameters so far.
func (p *scanner) extension(n *int) (e Extension, err error) {
	if *n++; *n > maxMembers {
		return e, errExtLong
	}
	if e.Name = p.token(); e.Name == "" {
		return e, errExtension
	}
	for p.space(); p.take(';'); p.space() {
		if *n++; *n > maxMembers {
			return e, errExtLong
		}
		p.space()
		q := Param{Name: p.token(), Bare: true}
		if q.Name == "" {
			return e, errExtension
		}
		p.space()
		if p.take('=') {
			p.space()
			q.Bare = false
			if q.Value = p.value(); q.Value == "" {
				return e, errExtension
			}
		}
		e.Params = append(e.Params, q)
	}
	return e, nil
}

// value returns "" for what is neither a token nor a quoted one.
func (p *scanner) value() string {
	if !p.take('"') {
		return p.token()
	}
	var b []byte
	for !p.end() {
		c := p.s[p.i]
		p.i++
		if c == '"' {
			return string(b)
		}
		if c == '\\' {
			if p.end() {
				return ""
			}
			c = p.s[p.i]
			p.i++
		}
		if !tchar[c] {
			return "" // RFC 6455, 9.1: unescaped it must conform to token
		}
		b = append(b, c)
	}
	return "" // no closing quote
}

func (p *scanner) token() string {
	start := p.i
	for !p.end() && tchar[p.s[p.i]] {
		p.i++
	}
	return p.s[start:p.i]
}

func (p *scanner) space() {
	for !p.end() && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

func (p *scanner) take(c byte) bool {
	if p.end() || p.s[p.i] != c {
		return false
	}
	p.i++
	return true
}

func (p *scanner) end() bool { return p.i == len(p.s) }
