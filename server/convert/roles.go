package convert

import (
	"slices"
	"strings"
)

// roles are those of a source. One can have others, and abilities, within it; to
// ours a role is a word and nothing else.
type roles struct {
	names  []string            // in order
	around map[string][]string // which roles have one directly within them
	asked  map[string][]string // what with has answered
}

func newRoles() *roles {
	return &roles{around: make(map[string][]string), asked: make(map[string][]string)}
}

// add says that a role has others within it; "" is none.
func (r *roles) add(name string, others ...string) {
	r.names = append(r.names, name)
	for _, o := range others {
		if o != "" {
			r.around[o] = append(r.around[o], name)
		}
	}
}

// having are the roles that are wanted, or have it within them at any depth.
func (r *roles) having(wanted string) map[string]bool {
	found := map[string]bool{wanted: true}
	for next := []string{wanted}; len(next) > 0; {
		name := next[0]
		next = next[1:]
		for _, outer := range r.around[name] {
			if !found[outer] {
				found[outer] = true
				next = append(next, outer)
			}
		}
	}
	return found
}

// with returns the roles of which a user who is to have all that is wanted must
// have one: those themselves, and those that have them within. Where there is no
// such role it is one that nobody has.
func (r *roles) with(wanted []string) []string {
	key := strings.Join(wanted, " ")
	if list := r.asked[key]; list != nil {
		return list
	}
	counts := make(map[string]int) // of those wanted that a role has
	for _, w := range wanted {
		for name := range r.having(w) {
			counts[name]++
		}
	}
	var list []string
	for _, name := range append(slices.Clone(wanted), r.names...) {
		if len(wanted) > 0 && counts[name] == len(wanted) {
			counts[name] = 0
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		list = []string{key}
	}
	r.asked[key] = list
	return list
}

// isSeparator reports whether a sign parts the words of a list.
func isSeparator(r rune) bool { return r == ' ' || r == ',' || r == '\t' }
