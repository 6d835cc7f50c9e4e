package site

import (
	"math"
	"math/big"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A scalar is the binding of a value that is no object.
type scalar[T any] struct {
	p     *Setting[T]
	kind  string
	parse func(d *decoder, n *Node) (T, bool) // has noted what is wrong if false
}

func (s scalar[T]) what() string { return s.kind }

func (s scalar[T]) read(d *decoder, n *Node) {
	if v, ok := s.parse(d, n); ok {
		*s.p = Setting[T]{Value: v, From: d.at(n)}
	}
}

// boolean binds true and false.
func boolean(p *Setting[bool]) binding {
	return scalar[bool]{p, "true or false", func(d *decoder, n *Node) (bool, bool) {
		switch {
		case n.Kind == Bool:
			return n.Bool, true
		case n.Kind == String && (n.Text == "true" || n.Text == "false"):
			d.fail(n, "found "+n.describe(), "write "+n.Text+" without quotes")
		default:
			d.wrongKind(n, "true or false")
		}
		return false, false
	}}
}

// duration binds a time that may be unlimited.
func duration(p *Setting[time.Duration]) binding {
	return shaped[time.Duration]{scalar[time.Duration]{p, "time or `'unlimited'`", func(d *decoder, n *Node) (time.Duration, bool) {
		return quantity(d, n, ParseDuration, "a time, such as '30 s', or 'unlimited'")
	}}, ref("time", true)}
}

// someDuration binds a time that has an end.
func someDuration(p *Setting[time.Duration]) binding {
	return shaped[time.Duration]{scalar[time.Duration]{p, "time", func(d *decoder, n *Node) (time.Duration, bool) {
		if n.Kind == Number && n.Float() <= 0 {
			d.fail(n, quote(n.Text)+" is not a time", "write a time, such as '30 s'")
			return 0, false
		}
		v, ok := quantity(d, n, ParseDuration, "a time, such as '30 s'")
		return v, ok && limited(d, n, v != Unlimited, "a time, such as '30 s'")
	}}, ref("time", false)}
}

// size binds a number of bytes up to most, or unlimited.
func size(p *Setting[int64], most int64) binding {
	return shaped[int64]{scalar[int64]{p, "size or `'unlimited'`", func(d *decoder, n *Node) (int64, bool) {
		v, ok := quantity(d, n, ParseSize, "a size, such as '64 KB', or 'unlimited'")
		return v, ok && within(d, n, v, most)
	}}, ref("size", true)}
}

// someSize binds a number of bytes up to most.
func someSize(p *Setting[int64], most int64) binding {
	return shaped[int64]{scalar[int64]{p, "size", func(d *decoder, n *Node) (int64, bool) {
		if n.Kind == Number && n.Float() <= 0 {
			d.fail(n, quote(n.Text)+" is not a size", "write a size, such as '64 KB'")
			return 0, false
		}
		v, ok := quantity(d, n, ParseSize, "a size, such as '64 KB'")
		return v, ok && limited(d, n, v != Unlimited, "a size, such as '64 KB'") && within(d, n, v, most)
	}}, ref("size", false)}
}

// threshold binds a number of bytes that may be 0 and not unlimited.
func threshold(p *Setting[int64], most int64) binding {
	bounded := someSize(p, most).(shaped[int64])
	bounded.shape = keywords{"anyOf": []any{keywords{"const": 0}, bounded.shape}}
	parse := bounded.parse
	bounded.parse = func(d *decoder, n *Node) (int64, bool) {
		if n.Kind == Number && n.Float() == 0 {
			return 0, true
		}
		return parse(d, n)
	}
	return bounded
}

// quantity reads a number or a text with a unit.
func quantity[T any](d *decoder, n *Node, parse func(string) (T, error), wanted string) (v T, ok bool) {
	text := n.Text
	switch n.Kind {
	case String:
	case Number:
		var err error
		if text, err = plainNumber(n); err != nil {
			d.wrong(n, err)
			return v, false
		}
	default:
		d.wrongKind(n, wanted)
		return v, false
	}
	v, err := parse(text)
	if err != nil {
		d.wrong(n, err)
	}
	return v, err == nil
}

// limited notes that a value must not be unlimited.
func limited(d *decoder, n *Node, ok bool, wanted string) bool {
	if !ok {
		d.fail(n, "this cannot be unlimited", "write "+wanted)
	}
	return ok
}

func within(d *decoder, n *Node, v, most int64) bool {
	if v > most {
		d.fail(n, quote(n.Text)+" is too large", "at most "+strconv.FormatInt(most, 10)+" bytes are possible")
		return false
	}
	return true
}

// count binds a whole number of 1 and more, or unlimited.
func count(p *Setting[int]) binding {
	const wanted = "a whole number or 'unlimited'"
	return shaped[int]{scalar[int]{p, "number or `'unlimited'`", func(d *decoder, n *Node) (int, bool) {
		if n.Kind == String {
			if isNoLimit(n.Text) {
				return Unlimited, true
			}
			if w := nearest(n.Text, noLimit); w != "" {
				d.fail(n, "found "+n.describe(), "did you mean '"+w+"'?")
				return 0, false
			}
		}
		if n.Kind == Number && math.IsInf(n.Float(), 1) {
			return Unlimited, true
		}
		v, ok := whole(d, n, wanted)
		switch {
		case !ok:
			return 0, false
		case v < 0:
			d.fail(n, quote(n.Text)+" is negative", "a number is more than 0; for no limit write 'unlimited'")
		case v == 0:
			d.fail(n, quote(n.Text)+" is no limit", "for no limit write 'unlimited'")
		}
		return v, v > 0
	}}, countSchema()}
}

// number binds a whole number from least to most.
func number(p *Setting[int], least, most int) binding {
	wanted := "a whole number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most)
	return shaped[int]{scalar[int]{p, "number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most), func(d *decoder, n *Node) (int, bool) {
		v, ok := whole(d, n, wanted)
		if ok && (v < least || v > most) {
			d.wrongKind(n, wanted)
			return 0, false
		}
		return v, ok
	}}, keywords{"type": "integer", "minimum": least, "maximum": most}}
}

// oneOf binds one of some numbers.
func oneOf(p *Setting[int], values ...int) binding {
	var list []string
	for _, v := range values {
		list = append(list, strconv.Itoa(v))
	}
	wanted := "one of " + strings.Join(list, ", ")
	return shaped[int]{scalar[int]{p, strings.Join(list, ", "), func(d *decoder, n *Node) (int, bool) {
		v, ok := whole(d, n, wanted)
		if ok && !slices.Contains(values, v) {
			d.wrongKind(n, wanted)
			return 0, false
		}
		return v, ok
	}}, keywords{"enum": values}}
}

// whole reads a number without a fraction that an int can hold.
func whole(d *decoder, n *Node, wanted string) (int, bool) {
	if n.Kind != Number {
		if n.Kind == String && n.Text != "" && strings.Trim(n.Text, "0123456789") == "" {
			d.fail(n, "found "+n.describe(), "write "+strings.Trim(quote(n.Text), "'")+" without quotes")
		} else {
			d.wrongKind(n, wanted)
		}
		return 0, false
	}
	text, err := plainNumber(n)
	if err != nil {
		d.wrong(n, err)
		return 0, false
	}
	r, ok := new(big.Rat), len(text) <= maxNumber
	if ok {
		_, ok = r.SetString(text)
	}
	switch {
	case !ok, !r.IsInt():
		d.wrongKind(n, wanted)
		return 0, false
	case !r.Num().IsInt64() || int64(int(r.Num().Int64())) != r.Num().Int64():
		d.fail(n, quote(n.Text)+" is too large", wanted+" is wanted")
		return 0, false
	}
	return int(r.Num().Int64()), true
}

// text binds a text that check accepts; nil accepts every one.
func text(p *Setting[string], kind string, check func(string) error) binding {
	return scalar[string]{p, kind, func(d *decoder, n *Node) (string, bool) {
		return checked(d, n, "a text", check)
	}}
}

func checked(d *decoder, n *Node, wanted string, check func(string) error) (string, bool) {
	if n.Kind != String {
		d.wrongKind(n, wanted)
		return "", false
	}
	if check != nil {
		if err := check(n.Text); err != nil {
			d.wrong(n, err)
			return "", false
		}
	}
	return n.Text, true
}

// fileName binds the name of a file or a folder; relative ones start at the
// folder of the site file.
func fileName(p *Setting[string], kind string) binding {
	return scalar[string]{p, kind, func(d *decoder, n *Node) (string, bool) {
		s, ok := checked(d, n, "the name of a "+kind, func(s string) error {
			switch {
			case s == "":
				return problem("found an empty name", "the name of a "+kind+" is wanted; this folder is '.'")
			case strings.Contains(s, "\x00"):
				return problem("found a name with a NUL character", "remove it")
			}
			return nil
		})
		return d.resolve(s), ok
	}}
}

// resolve makes a name start at the folder of the file.
func (d *decoder) resolve(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.dir, name)
}

// word binds one of a few words.
func word(p *Setting[string], words ...string) binding {
	quoted := "'" + strings.Join(words, "', '") + "'"
	kind := "`'" + strings.Join(words, "'`, `'") + "'`"
	return shaped[string]{scalar[string]{p, kind, func(d *decoder, n *Node) (string, bool) {
		return checked(d, n, "one of "+quoted, func(s string) error {
			if slices.Contains(words, s) {
				return nil
			}
			if w := nearest(s, words); w != "" {
				return problem("unknown word "+quote(s), "did you mean '"+w+"'?")
			}
			return problem("unknown word "+quote(s), "one of "+quoted+" is wanted")
		})
	}}, keywords{"enum": words}}
}

// texts binds a text or a list of texts. check may change each; the results must
// differ from each other.
func texts(p *Setting[[]string], kind string, check func(string) (string, error)) binding {
	return scalar[[]string]{p, kind + " or a list", func(d *decoder, n *Node) ([]string, bool) {
		items := n.Items
		if n.Kind != Array {
			items = []*Node{n}
		}
		list, ok := make([]string, 0, len(items)), true
		seen := make(map[string]bool, len(items))
		for i, item := range items {
			if item.bad {
				ok = false
				continue
			}
			mark := len(d.path.text)
			if n.Kind == Array {
				d.path.index(i)
			}
			var result string
			_, good := checked(d, item, "a text or a list of texts", func(s string) (err error) {
				if result, err = check(s); err == nil && seen[result] {
					return problem(quote(s)+" is given twice", "keep one of them")
				}
				return err
			})
			if good {
				seen[result] = true
				list = append(list, result)
			}
			ok = ok && good
			d.path.pop(mark)
		}
		return list, ok
	}}
}

// nested binds an object with fields.
type nested struct{ list []field }

func (nested) what() string               { return "object" }
func (g nested) fields() []field          { return g.list }
func (g nested) read(d *decoder, n *Node) { d.object(n, g.list) }
