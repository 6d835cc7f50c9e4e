package convert

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"curlew.example/curlew/server/site"
)

// route makes the route of a <Route> block.
func (c *appweb) route(s *scope, d *directive) {
	o := new(object)
	o.say("%s", d.at())
	m, err := translate(s.pattern)
	if err != nil {
		folder := base("^" + strings.TrimPrefix(s.pattern, "^"))
		switch {
		case !s.guards():
			c.add(s, c.without(o, s, err.Error()))
		case folder == "/" || strings.HasPrefix(s.pattern, "!") || strings.Contains(s.pattern, "|"):
			c.fail(d, "%v, and the route keeps somebody out; write it with another pattern first", err)
		default:
			c.matching(o, s, &matcher{match: folder})
			c.closed(o, s, err.Error()+"; as the route keeps somebody out all of the folder is closed")
			c.say(o, s)
			c.add(s, c.checked(o, s))
		}
		return
	}
	if s.guards() && strings.Contains(m.match, "{") { // where ours is never nothing
		m.match, m.pattern = "", m.regexp
	}
	c.matching(o, s, m)
	c.answer(o, s, m)
	c.holding(o, s)
	o = c.checked(o, s)
	c.add(s, c.toTLS(o, s))
	folder := m.base
	if l := o.find("match"); l != nil && strings.HasSuffix(l.value, "/'") && !strings.Contains(l.value, "{") {
		folder = strings.Trim(l.value, "'")
	}
	c.add(s, c.guard(o, s, folder))
	c.add(s, o)
	if m.pattern != "" && o.find("pattern") == nil && folder != m.base && s.guards() {
		bare := new(object)
		c.matching(bare, s, &matcher{match: strings.TrimSuffix(folder, "/")})
		redirectTo(bare, "", folder)
		c.add(s, c.checked(bare, s))
		c.add(s, c.beside(s, m))
	}
}

// beside closes what begins like a folder and is none: Appweb takes it for the
// folder's.
func (c *appweb) beside(s *scope, m *matcher) *object {
	o := new(object)
	o.say("what else begins so was for the same users, and leads elsewhere here")
	c.matching(o, s, &matcher{pattern: m.pattern + "[^/]"})
	o.set("'respond'", "", "handler")
	o.set("501", "", "respond", "status")
	return c.checked(o, s)
}

// without is a route that cannot be had: comments only.
func (c *appweb) without(o *object, s *scope, reason string) *object {
	o.say("this route is left out: %s", reason)
	c.say(o, s)
	return o
}

// checked closes a route that a site file cannot have, or leaves it out.
func (c *appweb) checked(o *object, s *scope) *object {
	refused := routeRefusal(o)
	if refused == "" {
		return o
	}
	left, closed := new(object), new(object)
	for _, l := range o.lines {
		switch l.key {
		case "":
			left.lines = append(left.lines, l)
			fallthrough
		case "match", "pattern", "hosts":
			closed.lines = append(closed.lines, l)
		}
	}
	c.closed(closed, s, refused)
	if routeRefusal(closed) == "" {
		return closed
	}
	return c.without(left, s, refused)
}

// matching says which requests the route answers.
func (c *appweb) matching(o *object, s *scope, m *matcher) {
	if m.match != "" {
		o.set(text(m.match), "", "match")
	} else {
		o.set(text(m.pattern), "", "pattern")
	}
	if len(s.hosts) > 0 {
		o.set(texts(s.hosts), "", "hosts")
	}
}

// holding says everything else that holds for a route: what differs from the top
// level, who may come in, and what has no counterpart.
func (c *appweb) holding(o *object, s *scope) {
	c.access(o, s)
	for _, k := range s.settings.paths {
		v := s.settings.said[k]
		if top, ok := c.top.settings.said[k]; ok && top.value == v.value {
			continue
		}
		if refusal(true, v.value, v.path...) == "" {
			o.set(v.value, v.note, v.path...)
		}
	}
	for _, k := range c.top.settings.paths {
		// A header of the top level that came behind this block in the file.
		if v := c.top.settings.said[k]; s.settings.said[k].path == nil && v.path[0] == "headers" {
			o.set("[]", "not here: the source says it further down", v.path...)
		}
	}
	c.say(o, s)
}

// access says who may come in.
func (c *appweb) access(o *object, s *scope) {
	if a := s.auth; a.kind != "" {
		users := "users"
		if len(a.user) > 0 {
			users += "." + strings.Map(fileSign, strings.Join(a.user, "."))
		}
		note := "line " + strconv.Itoa(a.line) + ": make the file"
		if len(a.user) > 0 {
			note += ", with these users only"
		}
		o.set(text(realm(a.realm)), "", "auth", "basic", "realm")
		o.set(text(users), note, "auth", "basic", "users")
		if len(a.roles) > 0 {
			o.set(texts(a.roles), "", "auth", "role")
		}
	}
	everybody := contains(s.allow, "all")
	if s.local {
		o.set(texts([]string{"127.0.0.0/8", "::1"}), "the host was at an address of this machine only", "allow")
	} else if len(s.allow) > 0 && !everybody {
		o.set(texts(s.allow), "", "allow")
	}
	if deny := slices.DeleteFunc(slices.Clone(s.deny), func(r string) bool { return r == "all" }); len(deny) > 0 {
		o.set(texts(deny), "", "deny")
	}
}

// fileSign makes a sign fit for the name of a file.
func fileSign(r rune) rune {
	if r < 0x80 && isAlnum(byte(r)) || strings.ContainsRune("-_.@", r) {
		return r
	}
	return '_'
}

// realm is what a field of a header can have of one.
func realm(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if strings.TrimSpace(s) == "" {
		return "users"
	}
	return s
}

// answer says who answers.
func (c *appweb) answer(o *object, s *scope, m *matcher) {
	handler := c.handler(s)
	switch {
	case s.conditional:
		c.closed(o, s, "only some requests were for this route, and they cannot be told apart here")
	case contains(s.deny, "all") && len(s.allow) == 0:
		o.say("Deny all")
		o.set("'respond'", "", "handler")
		o.set("403", "", "respond", "status")
	case s.target != nil && !strings.EqualFold(s.target.arg(0), "run"):
		c.target(o, s, m)
	case s.proxy != "" || handler == "proxyhandler":
		c.proxy(o, s)
	case s.webSocket:
		c.program(o, s, m, handler)
	case handler == "filehandler", handler == "":
		c.files(o, s, m)
	default:
		c.closed(o, s, handler+" has no counterpart; a program that embeds the server can bring it, see docs/convert.md")
	}
}

// handler is the one that answers most of what comes, in lower case.
func (c *appweb) handler(s *scope) string {
	for _, list := range [][]stage{s.handlers[min(s.inherited, len(s.handlers)):], s.handlers} {
		all := ""
		for _, h := range list {
			if name := strings.ToLower(h.name); len(h.extensions) == 0 && (all == "" || all == "filehandler") {
				all = name
			}
		}
		if all != "" {
			return all
		}
	}
	first := ""
	for _, h := range s.handlers {
		name := strings.ToLower(h.name)
		if name == "filehandler" {
			return name
		}
		if first == "" {
			first = name
		}
	}
	if !s.webSocket {
		return "" // files, and c.scripts says what is none
	}
	return first
}

// closed is the answer where a program would have to be.
func (c *appweb) closed(o *object, s *scope, reason string) {
	o.say("%s", reason)
	o.set("'respond'", "", "handler")
	o.set("501", "", "respond", "status")
}

// program is the counterpart of code behind a WebSocket: a process for each
// connection, with the messages as lines.
func (c *appweb) program(o *object, s *scope, m *matcher, handler string) {
	if len(s.methods) > 0 && !contains(s.methods, "GET") {
		c.closed(o, s, "methods "+strings.Join(s.methods, ", ")+": a WebSocket needs GET")
		return
	}
	name := strings.TrimSuffix(path.Base(s.source), path.Ext(s.source))
	if s.source == "" || name == "" || name == "." || name == "/" {
		name = strings.TrimSuffix(handler, "handler")
	}
	if s.target != nil && s.target.arg(1) != "" {
		to, err := m.expand(s.target.arg(1))
		if err != nil {
			c.closed(o, s, s.target.at()+"   ("+err.Error()+")")
			return
		}
		name = strings.TrimLeft(to, "/")
	}
	if name == "" {
		name = "websocket"
	}
	o.say("The code of the controller is yours to bring: a program that reads and writes a line for")
	o.say("each message, as below, or a handler in Go by name (docs/convert.md).")
	o.set("'exec'", "", "handler")
	o.set("["+text("./controllers/"+name)+"]", "", "exec", "command")
	bounds(o, s.settings, s.processes)
	if contains(s.methods, "GET") {
		o.set(texts(s.methods), "", "methods")
	}
}

// bounds makes those of programs no smaller than what bounds connections and
// messages there. all is how many programs the source allows, "" if it does not say.
func bounds(o *object, s *settings, all string) {
	connections, each := s.said["limits\x00connections"].value, s.said["limits\x00connectionsPerIP"].value
	if each == "" {
		each = connections // nobody counts them
	}
	larger := func(value string, than int) bool {
		n, err := strconv.Atoi(value)
		return err == nil && n > than || value == "'unlimited'"
	}
	if all == "" && larger(connections, 64) {
		all = connections
	}
	if all != "" {
		o.set(all, "", "exec", "maxProcesses")
	}
	if larger(each, 4) {
		o.set(each, "", "exec", "maxPerIP")
	}
	if m := s.said["limits\x00maxMessage"]; m.note == "" { // nobody asked for more than our default
		n, err := site.ParseSize(strings.Trim(m.value, "'"))
		switch {
		case err == nil && n == site.Unlimited, n > math.MaxInt32:
			o.set(strconv.Itoa(math.MaxInt32), "", "exec", "maxLine")
		case err == nil && n > 1<<20:
			o.set(m.value, "", "exec", "maxLine")
		}
	}
}

// files are those of the folder that the documents are in.
func (c *appweb) files(o *object, s *scope, m *matcher) {
	dir := s.documents
	if dir == "" {
		// Appweb would serve the folder that it was started in, with what is there.
		c.closed(o, s, "no Documents says where the files are")
		return
	}
	switch {
	case s.target != nil && m.rest && s.target.arg(1) == "$"+strconv.Itoa(len(m.names)):
		// What the pattern captures is the name: the rest of the path.
		if l := o.find("pattern"); l != nil {
			l.key, l.value = "match", text(m.base)
		}
	case s.target != nil && s.target.arg(1) != "" && s.target.arg(1) != "$&":
		c.closed(o, s, s.target.at()+"   (no counterpart for files)")
		return
	case m.match != "" && !strings.Contains(m.folder(), "{"):
		// Ours takes what is behind the last slash of the match, Appweb's all but
		// the prefix.
		if rest, ok := strings.CutPrefix(m.folder(), s.prefix); ok {
			dir = path.Join(dir, rest)
		}
	case m.match != "" && s.prefix == "":
		if l := o.find("match"); l != nil { // the whole path
			l.key, l.value = "pattern", text(m.regexp)
		}
	case s.prefix != "" && (m.pattern == "^"+s.prefix || m.rest && m.base == s.prefix+"/"):
		if l := o.find("pattern"); l != nil {
			l.key, l.value, l.note = "match", text(s.prefix+"/"), "Appweb takes everything that begins with "+s.prefix
		}
	case s.prefix != "":
		c.closed(o, s, "Prefix "+s.prefix+" in front of this pattern has no counterpart for files")
		return
	}
	o.set("'static'", "", "handler")
	o.set(text(folder(dir)), "", "static", "directory")
	if slices.Contains(s.methods, "PUT") || slices.Contains(s.methods, "DELETE") {
		o.say("methods %s: files are only read", strings.Join(s.methods, ", "))
	}
}

// toTLS leads what comes without TLS to where it is, in front of a route that is
// for TLS only; nil if it is not.
func (c *appweb) toTLS(route *object, s *scope) *object {
	sent := s.auth.kind == "digest" || s.auth.kind == "form" // which basic is not
	if !s.tlsOnly && !sent {
		return nil
	}
	o := &object{overTLS: true, asked: s.tlsOnly}
	if s.tlsOnly {
		o.say("Require secure")
	} else {
		o.say("no passwords without TLS")
	}
	for _, key := range []string{"match", "pattern", "hosts"} {
		if l := route.find(key); l != nil {
			o.set(l.value, "", key)
		}
	}
	redirectTo(o, "", "https:")
	return c.checked(o, s)
}

// guard answers what was a program in a folder of files, in front of the route
// that serves the folder, so that nobody reads its source. nil: there is none.
func (c *appweb) guard(route *object, s *scope, base string) *object {
	if l := route.find("handler"); l == nil || l.value != "'static'" {
		return nil
	}
	o := new(object)
	var all []string
	for _, h := range s.handlers {
		if strings.EqualFold(h.name, "fileHandler") || len(h.extensions) == 0 {
			continue
		}
		o.say("line %d: %s for %s has no counterpart, and nobody is to read the source.", h.line, oneLine(h.name), strings.Join(h.extensions, ", "))
		for _, e := range h.extensions {
			if e = quoteMeta(e); !contains(all, e) {
				all = append(all, e)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	o.set(text("^"+quoteMeta(base)+`(?i:.*\.(?:`+strings.Join(all, "|")+`))$`), "", "pattern")
	if len(s.hosts) > 0 {
		o.set(texts(s.hosts), "", "hosts")
	}
	o.set("'respond'", "", "handler")
	o.set("501", "", "respond", "status")
	return c.checked(o, s)
}

func quoteMeta(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] < 0x80 && s[i] != '/' && s[i] != '-' && s[i] != '_' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// folder is the name of a folder, from the site file.
func folder(dir string) string {
	dir = strings.ReplaceAll(dir, `\`, "/")
	if path.IsAbs(dir) || dir == "." || strings.HasPrefix(dir, "./") || strings.HasPrefix(dir, "../") || strings.HasPrefix(dir, "${") {
		return dir
	}
	return "./" + dir
}

// documents are the routes for what no other route answers: those of the top
// level or of a host.
func (c *appweb) documents(s *scope, what string) []*object {
	o := new(object)
	if what != "Documents" {
		o.say("%s", what)
	}
	m := &matcher{match: "/", base: "/"}
	c.matching(o, s, m)
	c.answer(o, s, m)
	if s == c.top {
		c.access(o, s)
	} else {
		c.holding(o, s)
	}
	o = c.checked(o, s)
	return slices.DeleteFunc([]*object{c.toTLS(o, s), c.guard(o, s, "/"), o}, func(o *object) bool { return o == nil })
}
