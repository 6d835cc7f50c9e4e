package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A source is a place where a token may stand.
type source struct{ kind, name string }

// DefaultFrom are the sources where none are named.
var DefaultFrom = []string{"header", "subprotocol"}

// ParseSource checks a source: "header", "subprotocol", "cookie:NAME" or
// "query:NAME".
func ParseSource(s string) error {
	_, err := parseSource(s)
	return err
}

func parseSource(s string) (source, error) {
	kind, name, named := strings.Cut(s, ":")
	switch kind {
	case "header", "subprotocol":
		if !named {
			return source{kind: kind}, nil
		}
	case "cookie", "query":
		if name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == "" {
			return source{kind, name}, nil
		}
	}
	return source{}, fmt.Errorf("%q is no source of tokens; 'header', 'subprotocol', 'cookie:NAME' or 'query:NAME'", s)
}

func parseSources(list []string) (sources []source, err error) {
	if len(list) == 0 {
		list = DefaultFrom
	}
	for _, s := range list {
		src, err := parseSource(s)
		if err != nil {
			return nil, err
		}
		sources = append(sources, src)
	}
	return sources, nil
}

// take returns the tokens of the first source that has any. Those that would be
// seen where a token must not be are taken out of the request.
func take(r *http.Request, from []source) (first []string) {
	for _, s := range from {
		var tokens []string
		switch s.kind {
		case "header":
			for _, line := range r.Header["Authorization"] {
				if scheme, t, _ := strings.Cut(line, " "); strings.EqualFold(scheme, "Bearer") {
					tokens = append(tokens, strings.TrimSpace(t))
				}
			}
		case "cookie":
			for _, c := range r.CookiesNamed(s.name) {
				tokens = append(tokens, c.Value)
			}
		case "query":
			tokens = append(tokens, takeQuery(r, s.name)...)
		case "subprotocol":
			tokens = append(tokens, takeSubprotocol(r)...)
		}
		if first == nil {
			first = tokens
		}
	}
	return first
}

// takeQuery takes out of the query what is of that name. The rest stays as it is.
func takeQuery(r *http.Request, name string) (tokens []string) {
	if r.URL.RawQuery == "" {
		return nil
	}
	var rest []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		key, value, _ := strings.Cut(part, "=")
		if key, err := url.QueryUnescape(key); err != nil || key != name {
			rest = append(rest, part)
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			tokens = append(tokens, value)
		}
	}
	r.URL.RawQuery = strings.Join(rest, "&")
	if path, _, ok := strings.Cut(r.RequestURI, "?"); ok {
		r.RequestURI = path
		if r.URL.RawQuery != "" {
			r.RequestURI += "?" + r.URL.RawQuery
		}
	}
	return tokens
}

const inSubprotocol = "bearer."

// takeSubprotocol takes the tokens out of the subprotocols that are offered. RFC
// 6455, 4.1: a page can set no other header.
func takeSubprotocol(r *http.Request) (tokens []string) {
	const field = "Sec-Websocket-Protocol"
	var lines []string
	for _, line := range r.Header[field] {
		var rest []string
		for name := range strings.SplitSeq(line, ",") {
			name = strings.Trim(name, " \t")
			if len(name) >= len(inSubprotocol) && strings.EqualFold(name[:len(inSubprotocol)], inSubprotocol) {
				tokens = append(tokens, name[len(inSubprotocol):])
			} else {
				rest = append(rest, name)
			}
		}
		if len(rest) > 0 {
			lines = append(lines, strings.Join(rest, ", "))
		}
	}
	if tokens != nil {
		if lines == nil {
			r.Header.Del(field)
		} else {
			r.Header[field] = lines
		}
	}
	return tokens
}
