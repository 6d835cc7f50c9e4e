package convert

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"curlew.example/curlew/server/site"
)

// An object is one of the result, in the order in which it is written.
type object struct {
	lines []*line

	// A route that leads to TLS: to the port where that is, which is known at the
	// end only; nowhere if there is none, unless it was asked for.
	overTLS, asked bool
}

// A line is a key with its value, or a comment.
type line struct {
	comment string // alone on the line, if key is empty
	key     string
	value   string    // JSON5
	child   *object   // instead of value
	list    []*object // instead of value: routes
	note    string    // a comment behind the value
}

// say adds a comment.
func (o *object) say(format string, args ...any) {
	o.lines = append(o.lines, &line{comment: fmt.Sprintf(format, args...)})
}

// set says a value at a path of keys; a path that is there gets the new value.
func (o *object) set(value, note string, path ...string) {
	l := o.find(path[0])
	if l == nil {
		l = &line{key: path[0]}
		o.lines = append(o.lines, l)
	}
	if len(path) == 1 {
		l.value, l.note = value, note
		return
	}
	if l.child == nil {
		l.child = new(object)
	}
	l.child.set(value, note, path[1:]...)
}

// add appends an object to a list.
func (o *object) add(key string, item *object) {
	l := o.find(key)
	if l == nil {
		l = &line{key: key}
		o.lines = append(o.lines, l)
	}
	l.list = append(l.list, item)
}

func (o *object) find(key string) *line {
	for _, l := range o.lines {
		if l.key == key && key != "" {
			return l
		}
	}
	return nil
}

// leading says where the routes to TLS lead to, and leaves out those that lead
// nowhere. The first address with TLS counts.
func leading(routes []*object, listen []string) []*object {
	to := ""
	for _, address := range listen {
		if rest, ok := strings.CutPrefix(address, "https://"); ok {
			if to = "https:"; !strings.HasSuffix(rest, ":443") {
				to = "https://:" + rest[strings.LastIndexByte(rest, ':')+1:]
			}
			break
		}
	}
	return slices.DeleteFunc(routes, func(o *object) bool {
		if !o.overTLS {
			return false
		}
		if to != "" && to != "https://:0" {
			o.set(text(to), "", "redirect", "to")
		}
		return to == "" && !o.asked
	})
}

// has reports whether there is something at a path.
func (o *object) has(path ...string) bool {
	l := o.find(path[0])
	return l != nil && (len(path) == 1 || l.child != nil && l.child.has(path[1:]...))
}

// print writes the object as a file. Comments in front of its first key stand
// in front of it all.
func (o *object) print() string {
	var b strings.Builder
	rest := o.lines
	for len(rest) > 0 && rest[0].key == "" {
		b.WriteString(commented("", rest[0].comment))
		rest = rest[1:]
	}
	b.WriteString("{\n")
	(&object{lines: rest}).write(&b, "    ")
	b.WriteString("}\n")
	return b.String()
}

func (o *object) write(b *strings.Builder, indent string) {
	for _, l := range o.lines {
		switch {
		case l.key == "":
			b.WriteString(commented(indent, l.comment))
			continue
		case l.list != nil:
			b.WriteString(indent + l.key + ": [\n")
			for _, item := range l.list {
				item.writeItem(b, indent+"    ")
			}
			b.WriteString(indent + "],")
		case l.child != nil:
			b.WriteString(indent + key(l.key) + ": ")
			if short := l.child.short(); short != "" {
				b.WriteString(short + ",")
			} else {
				b.WriteString("{\n")
				l.child.write(b, indent+"    ")
				b.WriteString(indent + "},")
			}
		default:
			b.WriteString(indent + key(l.key) + ": " + l.value + ",")
		}
		if l.note != "" {
			b.WriteString(" // " + oneLine(l.note))
		}
		b.WriteByte('\n')
	}
}

// writeItem writes an object of a list. One that has comments only stands for
// nothing.
func (o *object) writeItem(b *strings.Builder, indent string) {
	rest := o.lines
	for len(rest) > 0 && rest[0].key == "" {
		b.WriteString(commented(indent, rest[0].comment))
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return
	}
	b.WriteString(indent + "{\n")
	(&object{lines: rest}).write(b, indent+"    ")
	b.WriteString(indent + "},\n")
}

// short is the object on one line, "" if that would lose something or be long.
func (o *object) short() string {
	var parts []string
	for _, l := range o.lines {
		if l.key == "" || l.child != nil || l.list != nil || l.note != "" {
			return ""
		}
		parts = append(parts, key(l.key)+": "+l.value)
	}
	s := "{ " + strings.Join(parts, ", ") + " }"
	if len(s) > 80 {
		return ""
	}
	return s
}

// commented is a comment of one or several lines.
func commented(indent, text string) string {
	if text == "" {
		return "\n"
	}
	var b strings.Builder
	for part := range strings.SplitSeq(text, "\n") {
		b.WriteString(strings.TrimRight(indent+"// "+oneLine(part), " ") + "\n")
	}
	return b.String()
}

// oneLine makes a text fit behind //: nothing in it ends the line, and nothing
// shows as what it is not.
func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// text writes a text as JSON5 has it.
func text(s string) string { return (&site.Node{Kind: site.String, Text: s}).JSON5() }

// texts writes one text, or a list.
func texts(list []string) string {
	if len(list) == 1 {
		return text(list[0])
	}
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = text(s)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// key writes a name, in quotes if it needs them.
func key(s string) string {
	for i, r := range s {
		if !(r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || i > 0 && '0' <= r && r <= '9') {
			return text(s)
		}
	}
	if s == "" {
		return "''"
	}
	return s
}

// refusal is why a site file cannot say a value at a path of the top level or of
// a route; "" if it can.
func refusal(inRoute bool, value string, path ...string) string {
	o := new(object)
	if inRoute {
		r := new(object)
		r.set("'respond'", "", "handler")
		r.set(value, "", path...)
		o.add("routes", r)
	} else {
		o.set(value, "", path...)
	}
	if errs := problems("", o.print()); len(errs) > 0 {
		return errs[0].Text
	}
	return ""
}

// routeRefusal is why a site file cannot have a route; "" if it can.
func routeRefusal(r *object) string {
	o := new(object)
	o.add("routes", r)
	if errs := problems("", o.print()); len(errs) > 0 {
		text := errs[0].Text
		if _, path, ok := strings.Cut(errs[0].Path, "]."); ok {
			text = path + ": " + text
		}
		return text
	}
	return ""
}
