package site

import (
	"slices"
	"strconv"
	"strings"
)

// A field defines a key of an object in the file. The decoder, the suggestions
// in its errors and the reference page come from it.
type field struct {
	name string
	to   binding // where a value goes; nil: the key is known but refused
	def  string  // the default as JSON5; "": see none
	none string  // what the reference page says where def cannot
	doc  string

	required bool
	refused  string // if to is nil: what would be right
}

// A binding reads a value to where it belongs.
type binding interface {
	// read stores the value of n, or notes what is wrong with it.
	read(d *decoder, n *Node)

	// what names the values for the reference page: "size", "time or unlimited".
	what() string
}

// A group is a binding that is an object with fields of its own.
type group interface {
	binding
	fields() []field
}

// A decoder turns nodes into the values of a Site.
type decoder struct {
	file     string
	dir      string
	whole    bool // the text was read to its end, so what is missing is missing
	handlers []string
	path     path
	errs     Errors
}

func (d *decoder) place(line, column int) Place {
	return Place{File: d.file, Line: line, Column: column, Path: d.path.String()}
}

// at is the place of a value.
func (d *decoder) at(n *Node) Place { return d.place(n.Line, n.Column) }

// fail notes that n is wrong: what was found and what would be right.
func (d *decoder) fail(n *Node, found, right string) { d.failAt(d.at(n), found, right) }

func (d *decoder) failAt(p Place, found, right string) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, p.Errorf("%s; %s", found, right))
	}
}

// wrong notes an error that a parser of values gave, or that n is of the wrong
// kind.
func (d *decoder) wrong(n *Node, err error) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, d.at(n).Errorf("%v", err))
	}
}

// wrongKind notes that n is not what is wanted.
func (d *decoder) wrongKind(n *Node, wanted string) {
	d.fail(n, "found "+n.describe(), wanted+" is wanted")
}

// describe says what a node is, in an error.
func (n *Node) describe() string {
	switch n.Kind {
	case Bool:
		return strconv.FormatBool(n.Bool)
	case Number:
		return "the number " + strings.Trim(quote(n.Text), "'")
	case String:
		return "the text " + quote(n.Text)
	case Array:
		return "a list"
	case Object:
		return "an object"
	}
	return "null"
}

// defaults sets every field that has a default.
func (d *decoder) defaults(fields []field) {
	for _, f := range fields {
		mark := d.path.push(f.name)
		if g, ok := f.to.(group); ok {
			d.defaults(g.fields())
		}
		if f.def != "" {
			if n, _, errs := parseNode("", []byte(f.def)); len(errs) == 0 {
				n.forgetPlace()
				f.to.read(d, n)
			}
		}
		d.path.pop(mark)
	}
}

// forgetPlace makes a value be in no file.
func (n *Node) forgetPlace() {
	n.Line, n.Column = 0, 0
	for _, item := range n.Items {
		item.forgetPlace()
	}
}

// object reads the members of n into the fields.
func (d *decoder) object(n *Node, fields []field) {
	if n.Kind != Object {
		d.wrongKind(n, "an object { … }")
		return
	}
	for _, m := range n.Members {
		if len(d.errs) >= maxErrors {
			return
		}
		mark := d.path.push(m.Name)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == m.Name })
		switch {
		case i < 0:
			d.unknown(n, m, fields)
		case fields[i].to != nil:
			if !m.Value.bad {
				fields[i].to.read(d, m.Value)
			}
		default:
			d.failAt(d.place(m.Line, m.Column), "this key is not possible here", fields[i].refused)
		}
		d.path.pop(mark)
	}
	for _, f := range fields {
		if f.required && d.whole && n.member(f.name) == nil {
			mark := d.path.push(f.name)
			d.fail(n, "this key is missing", "add "+f.name+": "+f.none)
			d.path.pop(mark)
		}
	}
}

// member returns the value of a name, nil without it.
func (n *Node) member(name string) *Node {
	for _, m := range n.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// usable lists the names of the fields that are not refused.
func usable(fields []field) []string {
	var names []string
	for _, f := range fields {
		if f.to != nil {
			names = append(names, f.name)
		}
	}
	return names
}

// unknown notes a key of n that no field has, and which one may be meant: one with
// nearly that name, here or in an object that belongs here, that of the handler
// before others.
func (d *decoder) unknown(n *Node, m Member, fields []field) {
	names := usable(fields)
	right := "known here: " + strings.Join(names, ", ")
	if len(names) == 0 {
		right = "nothing can be set here"
	}
	if where := elsewhere(m.Name); where != "" && where != d.path.String() {
		right = "did you mean '" + where + "'?"
	} else if name := nearest(m.Name, names); name != "" {
		right = "did you mean '" + name + "'?"
	} else {
		handler := n.member("handler")
		found := false
		for _, f := range fields {
			g, ok := f.to.(group)
			if !ok {
				continue
			}
			own := handler != nil && handler.Kind == String && handler.Text == f.name
			if name := nearest(m.Name, usable(g.fields())); name != "" && (own || !found) {
				right, found = "did you mean '"+f.name+"."+name+"'?", true
			}
		}
	}
	d.failAt(d.place(m.Line, m.Column), "unknown key", right)
}

// elsewhere returns the path of a key with exactly this name in one of the
// groups that the top level and routes have, or "".
func elsewhere(name string) string {
	for _, f := range new(Site).fields() {
		if g, ok := f.to.(nested); ok && slices.Contains(usable(g.list), name) {
			return f.name + "." + name
		}
	}
	return ""
}
