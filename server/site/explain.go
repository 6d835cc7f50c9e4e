package site

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// An InForce is a setting that holds: by the file or by default.
type InForce struct {
	Key   string // such as "limits.maxMessage"
	Value string // as a file would say it, or a word for there being none

	// From is where the file says it, at the route or above. Line 0: nowhere,
	// it is the default.
	From Place
}

// Settings lists every setting that holds for the requests that the route
// answers, in the order of the reference page: its own and those of its
// handler, inherited or not.
func (s *Site) Settings(r *Route) []InForce {
	list := s.inForce(r.From.Path, "", r.fields())
	for _, f := range r.handlers {
		if f.name != r.Handler.Value {
			continue
		}
		if g, ok := f.to.(group); ok {
			list = append(list, s.inForce(r.From.Path, f.name+".", g.fields())...)
		} else if r.Settings != nil { // of a handler that the program brings
			list = append(list, s.written(r.From.Path, f.name, f))
		}
	}
	return list
}

// OwnSettings lists the settings that stand at the top level only: those of the
// listeners and of the whole server.
func (s *Site) OwnSettings() []InForce {
	shared := make(map[string]bool)
	for _, f := range s.inForce("", "", new(Route).fields()) {
		shared[f.Key] = true
	}
	var list []InForce
	for _, f := range s.inForce("", "", s.fields()) {
		if !shared[f.Key] && !slices.ContainsFunc(inParts, func(p string) bool { return strings.HasPrefix(f.Key, p) }) {
			list = append(list, f)
		}
	}
	return list
}

// inParts are settings of routes that have keys of their own if they are said.
var inParts = []string{"headers.", "auth.", "webSockets.compression."}

// A teller is a binding that can say what it holds, as one or several settings
// with keys below its own.
type teller interface {
	tell(key, none string) []InForce
}

// inForce lists what the fields hold; of is the path of their object.
func (s *Site) inForce(of, prefix string, fields []field) []InForce {
	var list []InForce
	for _, f := range fields {
		key := prefix + f.name
		switch to := f.to.(type) {
		case nil:
		case teller:
			if isSecret(f.name) {
				list = append(list, s.written(of, key, f))
				continue
			}
			list = append(list, to.tell(key, f.none)...)
		case group:
			list = append(list, s.inForce(of, key+".", to.fields())...)
		default:
			list = append(list, s.written(of, key, f))
		}
	}
	return list
}

// written finds what the file itself says of a key: at the object of, else at
// the top level.
func (s *Site) written(of, key string, f field) InForce {
	for _, from := range []*Node{s.root.at(of), s.root} {
		if n := from.at(key); n != nil {
			return InForce{key, n.withoutSecrets(f.name).JSON5(), Place{File: s.File, Line: n.Line, Column: n.Column, Path: key}}
		}
	}
	if f.def != "" {
		return InForce{Key: key, Value: f.def}
	}
	return InForce{Key: key, Value: f.none}
}

// isSecret reports whether the values of a key are not to be shown.
func isSecret(name string) bool { return name == "keys" || name == "secret" || name == "password" }

// soundsSecret reports that of a name of somebody else's: a variable, a field of a
// request, a setting of a program's own handler.
func soundsSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"auth", "cookie", "credential", "key", "pass", "secret", "token"}, func(s string) bool { return strings.Contains(name, s) })
}

// notShown stands for what is secret.
const notShown = "(not shown)"

// withoutSecrets returns what can be shown of the value of a key.
func (n *Node) withoutSecrets(name string) *Node {
	switch {
	case soundsSecret(name):
		return &Node{Kind: String, Text: notShown}
	case n.Kind == Object:
		shown := &Node{Kind: Object}
		for _, m := range n.Members {
			m.Value = m.Value.withoutSecrets(m.Name)
			shown.Members = append(shown.Members, m)
		}
		return shown
	}
	return n
}

// at follows a path such as "routes[2].limits"; nil if it leads nowhere.
func (n *Node) at(path string) *Node {
	for n != nil && path != "" {
		if rest, ok := strings.CutPrefix(path, "["); ok {
			number, tail, _ := strings.Cut(rest, "]")
			i, err := strconv.Atoi(number)
			if err != nil || i < 0 || i >= len(n.Items) {
				return nil
			}
			n, path = n.Items[i], strings.TrimPrefix(tail, ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		n, path = n.member(path[:end]), strings.TrimPrefix(path[end:], ".")
	}
	return n
}

func (s scalar[T]) tell(key, none string) []InForce {
	v := InForce{Key: key, Value: literal(s.p.Value), From: s.p.From}
	if !s.p.Set() && none != "" {
		v.Value = none
	}
	return []InForce{v}
}

func (b compressionBinding) tell(key, none string) []InForce {
	list := boolean(&b.p.Enabled).(teller).tell(key, none)
	if !b.p.Enabled.Value {
		return list
	}
	for _, f := range b.p.fields() {
		if to, ok := f.to.(teller); ok {
			list = append(list, to.tell(key+"."+f.name, f.none)...)
		}
	}
	return list
}

func (b headersBinding) tell(key, none string) []InForce {
	if len(*b.p) == 0 {
		return []InForce{{Key: key, Value: none}}
	}
	var list []InForce
	for _, h := range *b.p {
		value := literal(h.Values)
		if b.asks && soundsSecret(h.Name) {
			value = notShown
		}
		list = append(list, InForce{key + "." + h.Name, value, h.From})
	}
	return list
}

func (b listens) tell(key, _ string) []InForce {
	var list []InForce
	for _, l := range *b.p {
		address := l.Address
		switch {
		case l.Network == "unix":
			address = "unix:" + address
		case l.Secure:
			address = "https://" + address
		}
		list = append(list, InForce{key, literal(address), l.From})
	}
	return list
}

// literal writes a value as a file would.
func literal(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case string:
		return quoteJSON5(v)
	case []string:
		if len(v) == 1 {
			return quoteJSON5(v[0])
		}
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = quoteJSON5(s)
		}
		return "[" + strings.Join(list, ", ") + "]"
	case int:
		if v == Unlimited {
			return "'unlimited'"
		}
		return strconv.Itoa(v)
	case int64:
		return FormatSize(v)
	case time.Duration:
		return FormatDuration(v)
	case uint16:
		return "'" + strings.TrimPrefix(tls.VersionName(v), "TLS ") + "'"
	case Keys:
		return v.String()
	case Frequency:
		return "'" + v.String() + "'"
	case Ranges:
		if v.Empty() {
			return "[]"
		}
		return literal(v.texts())
	}
	return fmt.Sprint(v)
}

// texts are the ranges as a file has them.
func (r *Ranges) texts() []string {
	var list []string
	for _, p := range r.Prefixes {
		if p.IsSingleIP() {
			list = append(list, p.Addr().String())
		} else {
			list = append(list, p.String())
		}
	}
	if r.Unix {
		list = append(list, "unix")
	}
	if r.All {
		list = append(list, "all")
	}
	return list
}

// FormatSize writes a number of bytes as a file has it, such as '64 KB', with
// its quotes if it needs them.
func FormatSize(n int64) string {
	switch {
	case n == Unlimited:
		return "'unlimited'"
	case n > 0 && n%(1<<30) == 0:
		return "'" + strconv.FormatInt(n>>30, 10) + " GB'"
	case n > 0 && n%(1<<20) == 0:
		return "'" + strconv.FormatInt(n>>20, 10) + " MB'"
	case n > 0 && n%(1<<10) == 0:
		return "'" + strconv.FormatInt(n>>10, 10) + " KB'"
	}
	return strconv.FormatInt(n, 10)
}

// FormatDuration writes a time as a file has it, such as '5 mins', with its
// quotes.
func FormatDuration(d time.Duration) string {
	if d == Unlimited {
		return "'unlimited'"
	}
	for _, u := range []struct {
		size      time.Duration
		one, many string
	}{
		{7 * 24 * time.Hour, "week", "weeks"}, {24 * time.Hour, "day", "days"}, {time.Hour, "hour", "hours"},
		{time.Minute, "min", "mins"}, {time.Second, "s", "s"}, {time.Millisecond, "ms", "ms"},
	} {
		if d > 0 && d%u.size == 0 {
			name := u.many
			if d == u.size {
				name = u.one
			}
			return fmt.Sprintf("'%d %s'", d/u.size, name)
		}
	}
	return "'" + d.String() + "'"
}

// JSON5 writes the value on one line.
func (n *Node) JSON5() string {
	switch n.Kind {
	case Bool:
		return strconv.FormatBool(n.Bool)
	case Number:
		return n.Text
	case String:
		return quoteJSON5(n.Text)
	case Array:
		list := make([]string, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.JSON5()
		}
		return "[" + strings.Join(list, ", ") + "]"
	case Object:
		if len(n.Members) == 0 {
			return "{}"
		}
		list := make([]string, len(n.Members))
		for i, m := range n.Members {
			list[i] = keyJSON5(m.Name) + ": " + m.Value.JSON5()
		}
		return "{ " + strings.Join(list, ", ") + " }"
	}
	return "null"
}

// keyJSON5 writes the name of a key, with quotes if it needs them.
func keyJSON5(s string) string {
	if isCapture(s) {
		return s
	}
	return quoteJSON5(s)
}

// quoteJSON5 writes a text so that a file can have it on one line.
func quoteJSON5(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(r): // marks of direction, too
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
