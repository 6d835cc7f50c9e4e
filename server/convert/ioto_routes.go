package convert

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"curlew.example/curlew/server/site"
)

// route reads an object of routes.
func (c *ioto) route(n *site.Node, at string) {
	o := new(object)
	o.say("line %d: %s", n.Line, at)
	var notes []string
	match, trim, handler, role, to := "", "", "file", "", ""
	plain := map[string]*string{"match": &match, "trim": &trim, "handler": &handler, "role": &role, "redirect": &to}
	var methods []string
	authType, caching := c.authType, ""
	for _, m := range n.Members {
		where := at + "." + m.Name
		if p, ok := plain[m.Name]; ok {
			if m.Value.Kind != site.String {
				c.fail(m.Value, where, "a text is wanted")
				continue
			}
			*p = m.Value.Text
			continue
		}
		switch m.Name {
		case "methods":
			if refused := refusal(true, m.Value.JSON5(), "methods"); refused != "" {
				c.fail(m.Value, where, "%s", refused)
				continue
			}
			for _, item := range append(m.Value.Items, m.Value) {
				if item.Text != "" {
					methods = append(methods, item.Text)
				}
			}
		case "authType":
			authType = strings.ToLower(m.Value.Text)
		case "cache":
			var left []string
			caching, left = c.cache(m, where)
			notes = append(notes, left...)
		case "compressed": // done anyway
		default:
			notes = append(notes, keyNote(m, where, ""))
		}
	}
	c.matching(o, match)
	closed := role != "" && role != "public"
	if closed && to != "" {
		notes = append(notes, "redirect "+to+": who is not logged in gets 401 here")
		to = ""
	}
	switch {
	case to != "":
		redirectTo(o, "302", to)
	case handler == "action":
		c.action(o, match, methods)
	case handler == "file":
		c.files(o, match, trim, methods)
	default:
		o.say("the handler %s is not known", handler)
		o.set("'respond'", "", "handler")
		o.set("501", "", "respond", "status")
	}
	if caching != "" {
		o.set(caching, "", "headers", "Cache-Control")
	}
	if closed {
		o.lines = slices.DeleteFunc(o.lines, func(l *line) bool { return l.key == "methods" }) // others are not for the next route
		o.set(text(realm(c.realm)), "", "auth", "basic", "realm")
		note := "make the file"
		if authType != "basic" {
			note += "; use TLS only, as this is basic here"
		}
		o.set("'users'", note, "auth", "basic", "users")
		o.set(texts(c.roles.with([]string{role})), "", "auth", "role")
	}
	for _, s := range notes {
		o.say("%s", s)
	}
	if refused := routeRefusal(o); refused != "" {
		c.fail(n, at, "%s", refused)
		return
	}
	if closed && !(c.inTheClear && authType == "basic") {
		secure := &object{overTLS: true}
		secure.say("no passwords without TLS")
		c.matching(secure, match)
		redirectTo(secure, "", "https:")
		c.routes = append(c.routes, secure)
	}
	c.routes = append(c.routes, o)
}

// matching says which requests a route answers: "" is all of them, "/" the home
// page alone, a slash at the end all below.
func (c *ioto) matching(o *object, match string) {
	switch match {
	case "":
		o.set("'/'", "", "match")
	case "/":
		o.set("'^/$'", "", "pattern")
	default:
		if !hasBraces(match) {
			o.set(text(match), "", "match")
			break
		}
		p := "^" + regexp.QuoteMeta(match)
		if !strings.HasSuffix(match, "/") {
			p += "$"
		}
		o.set(text(p), "", "pattern")
	}
}

// hasBraces reports whether a match would have captures here.
func hasBraces(match string) bool { return strings.ContainsAny(match, "{}") }

// action is the counterpart of code: a process for each WebSocket.
func (c *ioto) action(o *object, match string, methods []string) {
	if !c.webSockets || len(methods) > 0 && !contains(methods, "GET") {
		o.say("An action has no counterpart; a program that embeds the server can bring it, see docs/convert.md.")
		o.set("'respond'", "", "handler")
		o.set("501", "", "respond", "status")
		return
	}
	name := strings.Trim(path.Clean("/"+match), "/")
	if name = strings.ReplaceAll(name, "/", "-"); name == "" {
		name = "action"
	}
	o.say("The code of the action is yours to bring: a program that reads and writes a line for")
	o.say("each message, as below, or a handler in Go by name (docs/convert.md).")
	o.set("'exec'", "", "handler")
	o.set("["+text("./actions/"+name)+"]", "", "exec", "command")
	c.programs = append(c.programs, o)
	if len(methods) > 0 {
		o.set(texts(methods), "", "methods")
	}
}

// files are those of documents. Ioto looks for the whole path there, less what
// trim says.
func (c *ioto) files(o *object, match, trim string, methods []string) {
	dir := c.documents
	rest := match
	if trim != "" {
		if cut, ok := strings.CutPrefix(match, trim); ok {
			rest = "/" + strings.TrimLeft(cut, "/")
		} else {
			o.say("trim %s has no counterpart here", trim)
		}
	}
	if hasBraces(match) { // a pattern takes the whole path
		if rest != match {
			o.say("trim %s has no counterpart for this path", trim)
		}
	} else if i := strings.LastIndexByte(rest, '/'); i >= 0 && match != "/" {
		dir = folder(path.Join(dir, rest[:i]))
	}
	o.set("'static'", "", "handler")
	o.set(text(folder(dir)), "", "static", "directory")
	for _, m := range methods {
		if m != "GET" && m != "HEAD" {
			o.say("methods %s: files are only read", strings.Join(methods, ", "))
			break
		}
	}
}

// cache returns what browsers may keep, as the value of a header, or a comment.
func (c *ioto) cache(m site.Member, where string) (value string, left []string) {
	if m.Value.Kind != site.Object || member(m.Value, "extensions") != nil {
		return "", []string{keyNote(m, where, "set Cache-Control with headers, on a route for these extensions")}
	}
	var parts []string
	if n := member(m.Value, "directives"); n != nil && n.Kind == site.String {
		parts = append(parts, n.Text)
	}
	if n := member(m.Value, "maxAge"); n != nil {
		s, _ := scalarText(n)
		value, _, err := duration(s)
		d, _ := site.ParseDuration(strings.Trim(value, "'"))
		if err != nil || d < 0 {
			return "", []string{keyNote(m, where, "")}
		}
		parts = append(parts, "max-age="+strconv.FormatInt(int64(d.Seconds()), 10))
	}
	value = text(strings.Join(parts, ", "))
	if len(parts) == 0 || refusal(true, value, "headers", "Cache-Control") != "" {
		return "", []string{keyNote(m, where, "")}
	}
	return value, nil
}

// redirect reads an object of redirect. What from leaves out matches everything,
// what to leaves out stays.
func (c *ioto) redirect(n *site.Node, at string) {
	o := new(object)
	status := "301"
	from, to := "", ""
	for _, m := range n.Members {
		switch {
		case m.Name == "from" && m.Value.Kind == site.String:
			from = m.Value.Text
		case m.Name == "to" && m.Value.Kind == site.String:
			to = m.Value.Text
		case m.Name == "status" && (m.Value.Kind == site.Number || m.Value.Kind == site.String):
			status = m.Value.Text
		case m.Name == "from", m.Name == "to", m.Name == "status":
			c.fail(m.Value, at+"."+m.Name, "a text is wanted")
			return
		}
	}
	o.say("line %d: %s: %s", n.Line, at, n.JSON5())
	if member(n, "status") == nil {
		o.say("301 is what Ioto does without a status; its documentation says 302")
	}
	f, t := partsOf(from), partsOf(to)
	if t.query != "" {
		t.query = "?" + t.query
	}
	switch {
	case f.query != "" || f.fragment != "" || t.query != "" && t.path == "":
		c.leave(o, "queries do not matter to a route")
		return
	case t.scheme == "https" && f.port == "443" && f.scheme != "http":
		c.leave(o, "it is for what comes over TLS")
	case t.scheme == "https" && t.host == "" && t.path == "":
		// The same over TLS.
		if f.scheme == "https" || f.host != "" && f.path != "" {
			c.leave(o, "it would lead to itself")
			return
		}
		target := "https:"
		if t.port != "" && t.port != "443" {
			target = "https://:" + t.port
		}
		c.redirecting(o, f, status, target, false)
	case t.scheme == "https" && t.path == "" && f.path == "" && f.scheme != "https" && f.distinct() && f.mayBe(t):
		// The same over TLS; without the scheme it would lead to itself.
		if f.host == "" {
			o.say("the host stays what it was")
		}
		target := "https:"
		if t.port != "" && t.port != "443" {
			target = "https://:" + t.port
		}
		c.redirecting(o, f, status, target, false)
	case f.mayBe(t) && (f.distinct() || t.host == "") && f.leadsTo(t):
		c.leave(o, "it would lead to itself")
	case t.host != "" && t.scheme != "":
		target := t.scheme + "://" + t.host
		if t.port != "" {
			target += ":" + t.port
		}
		c.redirecting(o, f, status, target+t.path+t.query, t.path == "")
	case t.host == "" && t.scheme == "" && t.port == "" && t.path != "":
		t.path += t.query
		c.redirecting(o, f, status, t.path, false)
	default:
		c.leave(o, "a target is a path, or a URL with its scheme")
	}
}

func (c *ioto) leave(o *object, reason string) {
	o.say("left out: %s", reason)
	c.routes = append(c.routes, o)
}

// redirecting makes the route; keep has the path go on behind the target.
func (c *ioto) redirecting(o *object, f parts, status, to string, keep bool) {
	if f.scheme == "https" || f.port != "" && f.port != "80" {
		o.say("the scheme and the port that were asked for do not matter to a route")
	}
	switch {
	case f.path != "":
		c.matching(o, f.path)
	case keep:
		o.set("'/(?P<path>.*)$'", "", "pattern")
		to += "/${path}"
	default:
		o.set("'/'", "", "match")
	}
	if f.host != "" {
		o.set(text(f.host), "", "hosts")
	}
	redirectTo(o, status, to)
	if refused := routeRefusal(o); refused != "" {
		left := new(object)
		left.say("%s", o.lines[0].comment)
		c.leave(left, refused)
		return
	}
	c.routes = append(c.routes, o)
}

// parts are those of a URL pattern of Ioto's: scheme, host, port and path, each
// of which may be missing.
type parts struct{ scheme, host, port, path, query, fragment string }

// distinct reports whether it says what does not matter to a route of ours.
func (p parts) distinct() bool { return p.scheme != "" || p.port != "" }

// mayBe reports whether the host of a target may be the one that was asked for.
func (p parts) mayBe(t parts) bool {
	return p.host == "" || t.host == "" || strings.EqualFold(p.host, t.host)
}

// leadsTo reports whether the path of a target is one that p matches.
func (p parts) leadsTo(t parts) bool {
	return p.path == "" || p.path == t.path || p.path != "/" && strings.HasSuffix(p.path, "/") && strings.HasPrefix(t.path, p.path)
}

func partsOf(s string) parts {
	var p parts
	s, p.fragment, _ = strings.Cut(s, "#")
	s, p.query, _ = strings.Cut(s, "?")
	switch {
	case s == "http" || s == "https":
		return parts{scheme: s, query: p.query, fragment: p.fragment}
	case strings.Contains(s, "://"):
		if u, err := url.Parse(s); err == nil {
			return parts{u.Scheme, u.Hostname(), u.Port(), u.EscapedPath(), p.query, p.fragment}
		}
		return parts{path: s, query: p.query, fragment: p.fragment}
	case strings.HasPrefix(s, "/") || s == "":
		p.path = s
		return p
	}
	host, rest, slash := strings.Cut(s, "/")
	if slash {
		p.path = "/" + rest
	}
	p.host, p.port = splitPort(host)
	return p
}
