package site

import (
	"slices"
	"strings"
)

// listens binds the addresses of listen.
type listens struct{ p *[]Listen }

func (listens) what() string { return "address or a list" }

func (b listens) read(d *decoder, n *Node) {
	var addresses Setting[[]string]
	var list []Listen
	items := n.Items
	if n.Kind != Array {
		items = []*Node{n}
	}
	errs := len(d.errs)
	for i, item := range items {
		if item.Kind == Number && !item.bad && isPort(item.Text) {
			mark := len(d.path.text)
			if n.Kind == Array {
				d.path.index(i)
			}
			d.fail(item, "found "+item.describe(), "did you mean ':"+item.Text+"'?")
			d.path.pop(mark)
			item.bad = true
		}
	}
	texts(&addresses, "address", func(s string) (string, error) {
		l, err := ParseListen(s)
		if err != nil {
			return "", err
		}
		if l.Network == "unix" {
			l.Address = d.resolve(l.Address)
		}
		list = append(list, l)
		return s, nil
	}).read(d, n)
	switch {
	case len(d.errs) > errs:
	case len(items) == 0:
		d.fail(n, "found an empty list", "leave the key out for '127.0.0.1:8080'")
	default:
		for i := range list {
			mark := len(d.path.text)
			if n.Kind == Array {
				d.path.index(i)
			}
			list[i].From = d.at(items[i])
			d.path.pop(mark)
		}
		*b.p = list
	}
}

// A compressionBinding reads true, false or an object.
type compressionBinding struct{ p *Compression }

func (compressionBinding) what() string      { return "true, false or object" }
func (b compressionBinding) fields() []field { return b.p.fields() }

func (b compressionBinding) read(d *decoder, n *Node) {
	switch n.Kind {
	case Bool:
		b.p.Enabled = Setting[bool]{n.Bool, d.at(n)}
	case Object:
		b.p.Enabled = Setting[bool]{true, d.at(n)}
		d.object(n, b.p.fields())
	default:
		d.wrongKind(n, "true, false or an object { … }")
	}
}

// checkMatch checks the path of a route.
func checkMatch(s string) error {
	wrong := func(found, right string) error { return problem(quote(s)+" "+found, right) }
	if !strings.HasPrefix(s, "/") {
		return wrong("does not begin with /", "a path does: '/"+cutQuoted(s)+"'")
	}
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return wrong("has more than a path", "a route does not see queries: '"+cutQuoted(s[:i])+"'")
	}
	seen := make(map[string]bool)
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F || r == '\\' }); i >= 0 {
		return wrong("has the character "+quote(s[i:i+1]), "no path with it reaches a route")
	}
	for segment := range strings.SplitSeq(s[1:], "/") {
		if segment == "." || segment == ".." {
			return wrong("has the segment '"+segment+"'", "no path with it reaches a route")
		}
		if !strings.ContainsAny(segment, "{}") {
			continue
		}
		name, _ := strings.CutPrefix(segment, "{")
		name, closed := strings.CutSuffix(name, "}")
		switch {
		case !strings.HasPrefix(segment, "{") || !closed || len(name)+2 != len(segment) || strings.ContainsAny(name, "{}"):
			return wrong("captures a part of a segment", "{name} stands for a whole segment; pattern can do more")
		case !isCapture(name):
			return wrong("has a capture without a good name", "a name has letters, digits and _, and no digit first")
		case seen[name]:
			return wrong("captures '"+name+"' twice", "choose another name")
		}
		seen[name] = true
	}
	return nil
}

// captures lists the names that a route captures.
func captures(r *Route) []string {
	var names []string
	if r.Regexp != nil {
		for _, name := range r.Regexp.SubexpNames() {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	for segment := range strings.SplitSeq(r.Match.Value, "/") {
		if strings.HasPrefix(segment, "{") {
			names = append(names, segment[1:len(segment)-1])
		}
	}
	return names
}

// patternBinding binds pattern and compiles it.
func patternBinding(r *Route) binding {
	return text(&r.Pattern, "RE2", func(s string) error {
		re, err := CompilePattern(s)
		if err != nil {
			reason := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
			return problem(quote(s)+" is no regular expression", cutQuoted(reason))
		}
		names := re.SubexpNames()
		for i, name := range names {
			if name != "" && slices.Contains(names[:i], name) {
				return problem(quote(s)+" captures '"+name+"' twice", "choose another name")
			}
		}
		r.Regexp = re
		return nil
	})
}
