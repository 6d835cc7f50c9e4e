package conform

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Case is one rule, or one way to break it.
type Case struct {
	ID    string // section and number in it, "6.4.2"
	Title string // what is done, in a line
	Spec  string // where the rule is: "RFC 6455, 5.5.1"
	Rule  string // the rule, in a sentence of ours
	Roles Roles  // whom it tests

	// Deflate is what is agreed on permessage-deflate; nil: nothing.
	Deflate *Deflate

	// Size is that of the largest message, in bytes, where a peer may have a
	// smaller limit: one that then closes with 1009 is Informational, unless
	// Options.Limit says that it takes as much.
	Size int

	// Fragments is how many frames the longest message has, where a peer may have a
	// smaller limit: one that then closes with 1008 or 1009 is Informational.
	Fragments int

	// Alone: nothing else should be going on at the same time.
	Alone bool

	// Wait is how long each step waits, if not Options.Timeout.
	Wait time.Duration

	// Heavy cases move more than some 200 KiB. Tests that run all cases many times
	// leave them out.
	Heavy bool

	Script []Step
}

// Roles says whom a case tests.
type Roles uint8

const (
	ForServers Roles = 1 << iota
	ForClients
	ForBoth = ForServers | ForClients
)

func (r Roles) String() string {
	switch r {
	case ForServers:
		return "servers"
	case ForClients:
		return "clients"
	}
	return "both"
}

// Deflate is an agreement on permessage-deflate.
type Deflate struct {
	Offer  string // what a client of ours offers
	Answer string // what a server of ours answers, if the client's offer allows it
}

// A Step of a script; see script.go.
type Step interface {
	run(s *session) error
}

// A section is all cases whose ID begins with its number.
type section struct {
	number int
	title  string
	cases  func() []Case
}

// Cases returns all cases in order. They are made anew: keep them, and do not
// change them.
func Cases() []*Case {
	var all []*Case
	for _, s := range sections {
		for _, c := range s.cases() {
			if c.Roles == 0 {
				c.Roles = ForBoth
			}
			all = append(all, &c)
		}
	}
	return all
}

// SectionTitle returns the title of the section that an ID belongs to.
func SectionTitle(id string) string {
	head, _, _ := strings.Cut(id, ".")
	for _, s := range sections {
		if strconv.Itoa(s.number) == head {
			return s.title
		}
	}
	return ""
}

// For returns the cases that test any of the roles.
func For(cases []*Case, r Roles) []*Case {
	return slices.DeleteFunc(slices.Clone(cases), func(c *Case) bool { return c.Roles&r == 0 })
}

// Select returns the cases that one of the patterns names: an ID, a section
// ("6" or "6.4", with all that is in it), or a pattern as of path.Match ("7.*.3").
// One with a minus in front takes away instead; if all have, they take away from
// all cases. A pattern that names nothing is an error.
func Select(cases []*Case, patterns []string) ([]*Case, error) {
	chosen := make(map[*Case]bool)
	if !slices.ContainsFunc(patterns, func(p string) bool { return !strings.HasPrefix(p, "-") }) {
		for _, c := range cases {
			chosen[c] = true
		}
	}
	for _, p := range patterns {
		name, minus := strings.CutPrefix(p, "-")
		n := 0
		for _, c := range cases {
			ok, err := path.Match(name, c.ID)
			if err != nil {
				return nil, fmt.Errorf("conform: pattern %q: %w", name, err)
			}
			if ok || strings.HasPrefix(c.ID, name+".") {
				n++
				chosen[c] = !minus
			}
		}
		if n == 0 {
			return nil, fmt.Errorf("conform: no case is called %q", name)
		}
	}
	return slices.DeleteFunc(slices.Clone(cases), func(c *Case) bool { return !chosen[c] }), nil
}

// CompareIDs orders IDs by their numbers: 5.2 before 5.10.
func CompareIDs(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		i, errX := strconv.Atoi(x)
		j, errY := strconv.Atoi(y)
		if errX != nil || errY != nil {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(i, j)
	})
}
