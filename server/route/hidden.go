package route

import (
	"slices"

	"curlew.example/curlew/server/site"
)

// Hidden lists the routes that are never asked, each as an error at its place: an
// earlier one answers whatever it would.
func (t *Table) Hidden() site.Errors {
	var list site.Errors
	for i, e := range t.entries {
		for _, earlier := range t.entries[:i] {
			if earlier.covers(e.rule) {
				list = append(list, e.from.Errorf("never reached; %s answers all of it", earlier.from.Path))
				break
			}
		}
	}
	return list
}

// covers reports whether m surely matches what n matches. Of patterns it only
// knows that they match themselves.
func (m *rule) covers(n *rule) bool {
	return (!m.plain || n.plain) && (len(m.hosts) == 0 || slices.Equal(m.hosts, n.hosts)) && m.coversMethods(n) && m.coversPath(n)
}

func (m *rule) coversMethods(n *rule) bool {
	if len(m.methods) == 0 {
		return true
	}
	for _, name := range n.methods {
		if !slices.Contains(m.methods, name) {
			return false
		}
	}
	return len(n.methods) > 0
}

func (m *rule) coversPath(n *rule) bool {
	everything := m.pattern == nil && m.prefix && len(m.segments) == 0
	switch {
	case everything:
		return true
	case m.pattern != nil || n.pattern != nil:
		return m.pattern != nil && n.pattern != nil && m.pattern.String() == n.pattern.String()
	case m.prefix && !n.prefix && len(n.segments) <= len(m.segments) && !(m.bare && len(n.segments) == len(m.segments)), // "/a/" is not for "/a"
		m.prefix && n.bare && !m.bare && len(n.segments) == len(m.segments),
		m.prefix && n.prefix && len(n.segments) < len(m.segments),
		!m.prefix && (n.prefix || len(n.segments) != len(m.segments)):
		return false
	}
	for i, s := range m.segments {
		if s.name == "" && (n.segments[i].name != "" || n.segments[i].text != s.text) {
			return false
		}
	}
	return true
}
