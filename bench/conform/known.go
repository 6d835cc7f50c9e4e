package main

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"curlew.example/curlew/conform"
)

// A reason explains findings: what the peer does, which rule that breaks, and why
// it is so. The first one that fits counts.
type reason struct {
	peers string // names, separated by spaces; empty: all but ours
	role  string // server or client; empty: both
	cases string // patterns of IDs, separated by spaces; empty: any
	note  string // a regular expression that what was seen has a match for
	limit bool   // documented by its makers as a limit: INFORMATIONAL, whatever the case says
	what  string // in a few words
	rule  string
	why   string
}

// fits reports whether the reason explains what was found with a peer.
func (k *reason) fits(r *run, f *conform.Finding) bool {
	if k.peers == "" && r.peer.ours() || k.peers != "" && !slices.Contains(strings.Fields(k.peers), r.peer.name) || k.role != "" && k.role != r.role {
		return false
	}
	if k.cases != "" && !slices.ContainsFunc(strings.Fields(k.cases), func(pattern string) bool {
		ok, err := path.Match(pattern, f.ID)
		return err == nil && ok || strings.HasPrefix(f.ID, pattern+".")
	}) {
		return false
	}
	return k.note == "" || regexp.MustCompile(k.note).MatchString(f.Note)
}

// explain returns the reason for a finding, nil if none is known.
func explain(r *run, f *conform.Finding) *reason {
	for i := range reasons {
		if reasons[i].fits(r, f) {
			return &reasons[i]
		}
	}
	return nil
}
