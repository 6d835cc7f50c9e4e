package main

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestRanges(t *testing.T) {
	for _, c := range []struct{ ids, want string }{
		{"1.1", "1.1"},
		{"1.2 1.1", "1.1, 1.2"},
		{"1.1 1.2 1.3 1.5 2.9 2.10 2.11 6.1.1", "1.1–1.3, 1.5, 2.9–2.11, 6.1.1"},
	} {
		if got := ranges(strings.Fields(c.ids)); got != c.want {
			t.Errorf("%s: %s, want %s", c.ids, got, c.want)
		}
	}
}

// TestReasons: what explains findings must itself be sound.
func TestReasons(t *testing.T) {
	for _, k := range reasons {
		if k.what == "" || k.rule == "" || strings.HasSuffix(k.what, ".") {
			t.Errorf("%q: a reason needs to say what is so, and the rule", k.what)
		}
		if _, err := regexp.Compile(k.note); err != nil {
			t.Error(err)
		}
		for _, pattern := range strings.Fields(k.cases) {
			if _, err := path.Match(pattern, ""); err != nil {
				t.Errorf("%s: %v", pattern, err)
			}
		}
		for _, name := range strings.Fields(k.peers) {
			found := false
			for _, p := range peers {
				found = found || p.name == name
			}
			if !found {
				t.Errorf("no peer is called %s", name)
			}
		}
	}
}

func TestDeath(t *testing.T) {
	if why := death("waited in vain"); why != "" {
		t.Errorf("dead: %s", why)
	}
	if why := death(deathSign + "panic: x" + deathEnd + "nothing came"); why != "panic: x" {
		t.Errorf("%q", why)
	}
}
