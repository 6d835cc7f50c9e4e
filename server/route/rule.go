package route

import (
	"regexp"
	"slices"
	"strings"

	"curlew.example/curlew/server/site"
)

// A rule says which requests a route answers.
type rule struct {
	segments []segment // of match, without the empty one of a trailing slash
	prefix   bool      // match ends in a slash
	bare     bool      // and the path without it is this route's, too
	pattern  *regexp.Regexp
	hosts    []string // as canonicalHost gives them; a leading "." stands for "*."
	methods  []string
	plain    bool // only for requests that came without TLS
}

// A segment is a literal, or a capture if name is set.
type segment struct{ text, name string }

// A Capture is a named part of a path.
type Capture struct{ Name, Value string }

func compile(r *site.Route) (*rule, error) {
	m := &rule{pattern: r.Regexp, methods: r.Methods.Value}
	switch match := r.Match.Value; {
	case m.pattern != nil:
	case match == "":
		m.prefix = true
	default:
		if err := m.compileMatch(r.Match); err != nil {
			return nil, err
		}
	}
	m.bare = m.prefix && r.Hub != nil
	if r.Redirect != nil {
		_, m.plain = site.ToTLS(r.Redirect.To.Value)
	}
	for _, h := range r.Hosts.Value {
		name, wild := strings.CutPrefix(h, "*.")
		name, ok := canonicalHost(name)
		if !ok {
			return nil, r.Hosts.From.Errorf("%q; a host name without port, or *.name", h)
		}
		if wild {
			name = "." + name
		}
		m.hosts = append(m.hosts, name)
	}
	if slices.Contains(m.methods, "GET") && !slices.Contains(m.methods, "HEAD") {
		m.methods = append(slices.Clone(m.methods), "HEAD")
	}
	return m, nil
}

func (m *rule) compileMatch(match site.Setting[string]) error {
	if match.Value[0] != '/' {
		return match.From.Errorf("%q; a path begins with a slash", match.Value)
	}
	parts := strings.Split(match.Value[1:], "/")
	if parts[len(parts)-1] == "" {
		m.prefix = true
		parts = parts[:len(parts)-1]
	}
	for _, p := range parts {
		switch {
		case len(p) > 2 && p[0] == '{' && p[len(p)-1] == '}':
			m.segments = append(m.segments, segment{name: p[1 : len(p)-1]})
		case strings.ContainsAny(p, "{}"):
			return match.From.Errorf("%q; a capture is a whole segment, like /{name}/", match.Value)
		default:
			m.segments = append(m.segments, segment{text: p})
		}
	}
	return nil
}

// path reports whether the path p matches, and with what captures.
func (m *rule) path(p *path) ([]Capture, bool) {
	if m.pattern != nil {
		return m.matchPattern(p)
	}
	switch n := len(m.segments); {
	case m.prefix && len(p.segments) <= n && !(m.bare && len(p.segments) == n), !m.prefix && len(p.segments) != n:
		return nil, false
	}
	var found []Capture
	for i, s := range m.segments {
		switch got := p.segments[i]; {
		case s.name == "" && s.text != got, s.name != "" && got == "":
			return nil, false
		case s.name != "":
			found = append(found, Capture{s.name, got})
		}
	}
	return found, true
}

func (m *rule) matchPattern(p *path) ([]Capture, bool) {
	if p.slashInside {
		return nil, false
	}
	groups := m.pattern.FindStringSubmatch(p.decoded)
	if groups == nil {
		return nil, false
	}
	var found []Capture
	for i, name := range m.pattern.SubexpNames() {
		if name != "" {
			found = append(found, Capture{name, groups[i]})
		}
	}
	return found, true
}

// host reports whether the canonical host name matches.
func (m *rule) host(name string) bool {
	if len(m.hosts) == 0 {
		return true
	}
	for _, h := range m.hosts {
		if h == name || h[0] == '.' && len(name) > len(h) && strings.HasSuffix(name, h) {
			return true
		}
	}
	return false
}

func (m *rule) method(name string) bool {
	return len(m.methods) == 0 || slices.Contains(m.methods, name)
}
