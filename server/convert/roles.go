package convert

import (
	"slices"
	"strings"
)

// roles are those of a source. One can have others, and abilities, within it; to
// ours a role is a word and nothing else.
type roles struct {
	names  []string // in order
	within map[string][]string
}

func newRoles() *roles { return &roles{within: make(map[string][]string)} }

// add says that a role has others within it; "" is none.
func (r *roles) add(name string, others ...string) {
	if !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
	}
	for _, o := range others {
		if o != "" {
			r.within[name] = append(r.within[name], o)
		}
	}
}

// has reports whether name is wanted, or has it within it.
func (r *roles) has(name, wanted string, seen map[string]bool) bool {
	if name == wanted {
		return true
	}
	if seen[name] {
		return false
	}
	seen[name] = true
	return slices.ContainsFunc(r.within[name], func(o string) bool { return r.has(o, wanted, seen) })
}

// with returns the roles of which a user who is to have all that is wanted must
// have one: those themselves, and those that have them within. Where there is no
// such role it is one that nobody has.
func (r *roles) with(wanted []string) []string {
	var list []string
	for _, name := range append(slices.Clone(wanted), r.names...) {
		all := !slices.ContainsFunc(wanted, func(w string) bool { return !r.has(name, w, make(map[string]bool)) })
		if all && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return []string{strings.Join(wanted, " ")}
	}
	return list
}

// isSeparator reports whether a sign parts the words of a list.
func isSeparator(r rune) bool { return r == ' ' || r == ',' || r == '\t' }
