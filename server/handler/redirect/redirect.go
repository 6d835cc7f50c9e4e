// Package redirect is the handler "redirect": it sends the client elsewhere.
package redirect

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// New redirects to the address in the route's settings, in which "${name}" stands
// for a capture. A captured value is written so that it stays in its place: in a
// path only its slashes keep their meaning, in a query and behind it nothing
// does. The host is never captured, and a value that would make another host of
// a path ("//evil.example") is answered 404.
func New(r *site.Route, _ route.Endpoint) (http.Handler, error) {
	to := r.Redirect.To
	if port, ok := site.ToTLS(to.Value); ok {
		return overTLS(port, r.Redirect.Status.Value), nil
	}
	t, problem := parse(to.Value, r.Captures)
	if problem != "" {
		return nil, to.From.Errorf("%q: %s", to.Value, problem)
	}
	status := r.Redirect.Status.Value
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		location, ok := t.expand(r)
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	}), nil
}

// overTLS redirects to the URL that was asked for, over TLS at a port. The host is
// the client's word, as it is with the answers of any route: hosts can say which.
func overTLS(port string, status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
			host = host[:i]
		}
		if host == "" || !strings.HasPrefix(r.URL.Path, "/") {
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		if port != "443" {
			host += ":" + port
		}
		w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
		w.WriteHeader(status)
	})
}

// A template is an address with places for captures.
type template struct {
	parts []part
	local bool // begins with a slash: the same host
}

// A part is literal text followed by a capture; the last one has none.
type part struct {
	text    string
	name    string
	inQuery bool // the capture stands behind the first "?" or "#"
}

// parse returns what is wrong with the address as a text.
func parse(to string, captures []string) (template, string) {
	var t template
	rest, inQuery := to, false
	for {
		text, after, found := strings.Cut(rest, "${")
		inQuery = inQuery || strings.ContainsAny(text, "?#")
		if !found {
			t.parts = append(t.parts, part{text: text})
			break
		}
		name, after, found := strings.Cut(after, "}")
		if !found {
			return t, "${ without }; ${name} for a capture"
		}
		if !slices.Contains(captures, name) {
			return t, "no capture " + name + "; one of the route's match or pattern"
		}
		t.parts = append(t.parts, part{text, name, inQuery})
		rest = after
	}
	return t, t.check()
}

// check says what is wrong with the beginning, which must name the host and the
// first slash of the path before any capture.
func (t *template) check() string {
	const right = "; a path from the slash on, or https://host/ and a path"
	start := t.parts[0].text
	if strings.HasPrefix(start, "/") {
		t.local = true
		if strings.HasPrefix(start, "//") || strings.HasPrefix(start, `/\`) {
			return "begins like the address of another host" + right
		}
		return ""
	}
	u, err := url.Parse(start)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "neither a path nor an address with http or https" + right
	case u.User != nil:
		return "a password in an address; none"
	case t.parts[0].name != "" && u.Path == "" && u.RawQuery == "" && u.Fragment == "":
		return "a capture in the name of the host" + right
	}
	return ""
}

// expand returns the address for a request.
func (t *template) expand(r *http.Request) (string, bool) {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.text)
		switch value := r.PathValue(p.name); {
		case p.name == "":
		case p.inQuery:
			b.WriteString(url.QueryEscape(value))
		default:
			b.WriteString(escapePath(value))
		}
	}
	location := b.String()
	if t.local && strings.HasPrefix(location, "//") {
		return "", false
	}
	path, _, _ := strings.Cut(location, "?")
	for s := range strings.SplitSeq(path, "/") {
		if s == ".." {
			return "", false // a value beside a literal dot
		}
	}
	return location, true
}

// escapePath escapes everything but the slashes.
func escapePath(s string) string {
	segments := strings.Split(s, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}
