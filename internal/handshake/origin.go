package handshake

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

var (
	errOrigin      = errors.New("origin not allowed (RFC 6455, 10.2)")
	errOriginTwice = errors.New("more than one Origin (RFC 6454, 7.3)")
	errFetchSite   = errors.New("a page of another site, without Origin (Sec-Fetch-Site)")
)

// CheckOrigin decides whether the page that sent r, if it was a page, may be
// answered. It is what Check does, for requests that are no handshakes.
func (p *Policy) CheckOrigin(r *http.Request) error {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	host, err := CanonicalHost(r.Host, scheme)
	if err != nil {
		return err
	}
	return p.checkOrigin(r, host)
}

// checkOrigin decides whether the page that sent r, if it was a page, may
// connect. host is the canonical host of r.
func (p *Policy) checkOrigin(r *http.Request, host string) error {
	lines := r.Header["Origin"]
	if len(lines) > 1 {
		return errOriginTwice
	}
	if len(lines) == 1 {
		if p.allowed(r, lines[0], host) {
			return nil
		}
		return errOrigin
	}
	// No Origin: not a page, says RFC 6455, 4.2.1. A browser that leaves it out
	// all the same still says where the request is from.
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "same-origin" && site != "none" && !p.AnyOrigin {
			return errFetchSite
		}
	}
	return nil
}

func (p *Policy) allowed(r *http.Request, line, host string) bool {
	if p.AllowOrigin != nil {
		return p.AllowOrigin(r, line)
	}
	if p.AnyOrigin {
		return true
	}
	o, err := parseOrigin(line)
	if err != nil {
		return false
	}
	own := origin{scheme: "http", host: host}
	if r.TLS != nil {
		own.scheme = "https"
	}
	if o == own {
		return true
	}
	for _, s := range p.Origins {
		if pattern, open, err := parseOriginPattern(s); err == nil && pattern.matches(o, open) {
			return true
		}
	}
	return false
}

// An origin is that of RFC 6454, in canonical form: the port, unless it is the
// scheme's own, is part of host.
type origin struct{ scheme, host string }

// parseOrigin reads the form that browsers send: scheme, host, port and nothing
// else. "null" is an error. RFC 6454, 6.2.
func parseOrigin(s string) (o origin, err error) {
	scheme, authority, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !ok || !isScheme(scheme) || strings.HasSuffix(authority, ":") {
		return o, errors.New("not an origin")
	}
	host, err := CanonicalHost(authority, scheme)
	return origin{scheme, host}, err
}

// parseOriginPattern reads an origin, or one with "*." before its host; open
// tells which.
func parseOriginPattern(s string) (o origin, open bool, err error) {
	plain := s
	if scheme, rest, ok := strings.Cut(s, "://*."); ok {
		open, plain = true, scheme+"://"+rest
	}
	o, err = parseOrigin(plain)
	if err != nil || open && strings.HasPrefix(o.host, "[") {
		return o, open, fmt.Errorf("origin %q: want https://host, https://host:port or https://*.host", s)
	}
	return o, open, nil
}

// matches: with open, whole labels, at least one, stand before pattern's host.
func (pattern origin) matches(o origin, open bool) bool {
	if !open {
		return o == pattern
	}
	return o.scheme == pattern.scheme && strings.HasSuffix(o.host, "."+pattern.host)
}

// isScheme: RFC 3986, 3.1, in lower case.
func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}
