package route

import (
	"net"
	"net/url"
	"strings"
	"unicode/utf8"
)

// A path is that of a request, decoded once.
type path struct {
	raw         string // as it came, but for what was not encoded and had to be
	decoded     string
	segments    []string // between the slashes; "/" is one empty segment
	slashInside bool     // a segment holds an encoded slash
}

// split takes a request's path apart. It refuses what two programs could
// understand in two ways: see the package comment.
func split(u *url.URL) (*path, bool) {
	raw := u.EscapedPath()
	if raw == "" && u.Host != "" { // "GET http://example.com", RFC 9112, 3.2.2
		raw, u.Path = "/", "/"
	}
	if raw == "" || raw[0] != '/' || !plain(u.Path) {
		return nil, false
	}
	p := &path{raw: raw, decoded: u.Path, segments: strings.Split(raw[1:], "/")}
	for i, s := range p.segments {
		if strings.Contains(s, "%") {
			var err error
			if s, err = url.PathUnescape(s); err != nil {
				return nil, false
			}
			p.segments[i] = s
			p.slashInside = p.slashInside || strings.Contains(s, "/")
		}
		if s == "." || s == ".." {
			return nil, false
		}
	}
	return p, true
}

// A spelling is a path as other programs may read it, in the place of ours.
type spelling struct {
	path
	out bool // dots have taken segments away
}

// spellings returns those that differ from ours: divided at encoded slashes, without
// empty segments and dots, and with what stands behind a semicolon or without it,
// which may be looked for before or after the rest.
func (p *path) spellings() (list []spelling) {
	if !strings.Contains(p.decoded, ";") && !strings.Contains(p.decoded, "//") && !p.slashInside {
		return nil
	}
	cut := cutParameters(p.raw)
	cut, _ = url.PathUnescape(cut) // it is valid: split has decoded all of it
	for _, text := range []string{p.decoded, cutParameters(p.decoded), cut, cutParameters(cut)} {
		if q := spell(text[1:]); p.slashInside || q.decoded != p.decoded {
			list = append(list, q)
		}
	}
	return list
}

// cutParameters returns a path without what stands behind semicolons in its segments.
func cutParameters(text string) string {
	segments := strings.Split(text, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

func spell(text string) (q spelling) {
	slash := false // it ends in one
	for s := range strings.SplitSeq(text, "/") {
		slash = s == "" || s == "." || s == ".."
		switch {
		case s == "..":
			q.out = true
			q.segments = q.segments[:max(len(q.segments)-1, 0)]
		case !slash:
			q.segments = append(q.segments, s)
		}
	}
	if slash {
		q.segments = append(q.segments, "")
	}
	q.decoded = "/" + strings.Join(q.segments, "/")
	return q
}

// plain reports whether s is UTF-8 without control characters and backslashes.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// canonicalHost returns the name of a Host field or of an absolute target: lower
// case, without port and trailing dot, IPv6 addresses without brackets. RFC
// 9110, 7.2; RFC 3986, 3.2.2.
func canonicalHost(host string) (string, bool) {
	name := host
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return "", false
		}
		name = host[1:end]
		if ip := net.ParseIP(name); ip == nil || !strings.Contains(name, ":") || !validPort(host[end+1:]) {
			return "", false
		} else {
			return ip.String(), true
		}
	}
	if i := strings.IndexByte(host, ':'); i >= 0 {
		if !validPort(host[i:]) {
			return "", false
		}
		name = host[:i]
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
		return "", false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return "", false
		}
	}
	return strings.ToLower(name), true // not before: of other letters it makes ASCII ones
}

// validPort reports whether s is empty or a colon and a port of 1 to 65535.
func validPort(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != ':' || len(s) < 2 || len(s) > 6 {
		return false
	}
	n := 0
	for _, c := range s[1:] {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n >= 1 && n <= 65535
}
