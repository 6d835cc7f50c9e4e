package convert

import (
	"net/netip"
	"slices"
	"strings"

	"curlew.example/curlew/server/site"
)

// Appweb translates an appweb.conf. See File.
func Appweb(name string, text []byte) ([]byte, error) {
	s, errs := readable(name, text)
	if errs != nil {
		return nil, errs
	}
	list, left, errs := readDirectives(name, s)
	c := &appweb{name: name, errs: errs, roles: newRoles()}
	c.readRoles(list)
	c.top = &scope{settings: appwebDefaults()}
	c.walk(c.top, list)
	if len(c.errs) > 0 {
		slices.SortStableFunc(c.errs, func(a, b *site.Error) int { return a.Line - b.Line })
		return nil, c.errs
	}
	o := new(object)
	o.say("Made by curlew convert from %s.", oneLine(name))
	o.say("What has no counterpart stands in comments, with the line that it came from;")
	o.say("what Appweb does by default and Curlew does not is written out.")
	for _, d := range left {
		o.say("line %d: <%s> is not closed; it ends with the file.", d.line, d.name)
	}
	c.write(o)
	return finish(name, o)
}

// appweb is one translation.
type appweb struct {
	name string
	errs site.Errors
	top  *scope

	roles *roles

	listen []string
	secure bool

	clientCA, minVersion string    // of all certificates
	tls                  []*object // certificates, those of hosts first
	hosts                []*object // the routes of virtual hosts, which are asked first
	routes               []*object
}

// A scope is what holds at a place of the file: at the top, in a host, in a
// route.
type scope struct {
	settings  *settings
	notes     []string // what has no counterpart
	line      int
	pattern   string
	documents string
	prefix    string
	handlers  []stage // in order
	inherited int     // of these, the first ones
	webSocket bool
	target    *directive
	source    string
	proxy     string
	methods   []string
	hosts     []string

	auth  access
	allow []string
	deny  []string

	certificate, key, authority string
	verify                      bool
	processes                   string

	conditional bool // only requests that fulfil what we cannot ask
	local       bool // only this machine
	tlsOnly     bool
}

// guards reports whether the scope keeps somebody out.
func (s *scope) guards() bool {
	if s.auth.kind != "" || len(s.allow) > 0 || len(s.deny) > 0 || s.conditional || s.tlsOnly || s.local {
		return true
	}
	if s.target == nil {
		return false
	}
	how := strings.ToLower(s.target.arg(0))
	return how == "close" || how == "write" && !strings.HasPrefix(s.target.arg(1), "2")
}

// A stage is a handler with the extensions that it is for; none is all.
type stage struct {
	name       string
	extensions []string
	line       int
}

// same reports whether both say the same, wherever.
func (s stage) same(t stage) bool {
	return strings.EqualFold(s.name, t.name) && slices.Equal(s.extensions, t.extensions)
}

// access is who may come in.
type access struct {
	kind, realm string
	roles       []string // of which a user must have one
	user        []string
	line        int
}

// inherit is what a block within s begins with.
func (s *scope) inherit(line int) *scope {
	t := *s
	t.settings, t.notes, t.line = s.settings.clone(), nil, line
	t.handlers, t.methods = slices.Clone(s.handlers), slices.Clone(s.methods)
	t.allow, t.deny, t.hosts = slices.Clone(s.allow), slices.Clone(s.deny), slices.Clone(s.hosts)
	t.auth.user, t.inherited = slices.Clone(s.auth.user), len(s.handlers)
	t.target, t.source = nil, ""
	return &t
}

// settings are keys of ours with values, in the order in which they came up.
type settings struct {
	paths []string
	said  map[string]said
}

type said struct {
	value, note string
	path        []string
}

func (s *settings) clone() *settings {
	t := &settings{slices.Clone(s.paths), make(map[string]said, len(s.said))}
	for k, v := range s.said {
		t.said[k] = v
	}
	return t
}

func (s *settings) set(value, note string, path ...string) {
	k := strings.Join(path, "\x00")
	if _, ok := s.said[k]; !ok {
		s.paths = append(s.paths, k)
	}
	s.said[k] = said{value, note, path}
}

// appwebDefaults are those that differ from ours.
func appwebDefaults() *settings {
	s := &settings{said: make(map[string]said)}
	const note = "Appweb's default"
	s.set("50", note, "limits", "connections")
	s.set("20", note, "limits", "connectionsPerIP")
	s.set("2147483647", note, "limits", "maxMessage")
	s.set("'4 KB'", note, "limits", "maxFrame")
	s.set("'8 KB'", note, "limits", "maxPacket")
	s.set("'5 s'", note, "timeouts", "handshake")
	s.set("'30 s'", note, "timeouts", "inactivity")
	s.set("'5 mins'", note, "timeouts", "request")
	s.set("'never'", note+": no pings unless WebSocketsPing asks for them", "webSockets", "ping")
	return s
}

// note keeps a directive as a comment.
func (s *scope) note(d *directive, reason string) {
	text := d.at()
	if reason != "" {
		text += "   (" + reason + ")"
	}
	s.notes = append(s.notes, text)
}

func (c *appweb) fail(d *directive, format string, args ...any) {
	c.errs = append(c.errs, site.Place{File: c.name, Line: d.line, Column: d.column, Path: oneLine(d.name)}.Errorf(format, args...))
}

// walk reads the directives of a scope.
func (c *appweb) walk(s *scope, list []*directive) {
	for _, d := range list {
		if len(c.errs) >= maxErrors {
			return
		}
		if d.isBlock {
			c.block(s, d)
		} else {
			c.directive(s, d)
		}
	}
}

func (c *appweb) block(s *scope, d *directive) {
	switch {
	case d.is("if"):
		condition := strings.Join(d.args, " ")
		if strings.HasPrefix(condition, "!") || strings.Contains(condition, "DEBUG") {
			s.note(d, "taken as not fulfilled")
			c.asNotes(s, d.block, true)
			return
		}
		s.note(d, "taken as fulfilled")
		c.walk(s, d.block)
	case d.is("else"):
		c.asNotes(s, d.block, false)
	case d.is("Route"), d.is("Location"):
		if len(d.args) == 0 {
			c.fail(d, "found no pattern; write <Route ^/path/>")
			return
		}
		t := s.inherit(d.line)
		t.pattern = d.args[0]
		c.walk(t, d.block) // the routes within come first
		c.route(t, d)
	case d.is("VirtualHost"):
		c.host(s, d)
	case !d.is("ProxyConfig") && keepsOut(d.block):
		c.fail(d, "the block has no counterpart, and it keeps somebody out; write it as a <Route>")
	default:
		s.note(d, "the block has no counterpart")
		c.asNotes(s, d.block, false)
	}
}

// keepsOut reports whether a block says who may not come.
func keepsOut(list []*directive) bool {
	return slices.ContainsFunc(list, func(d *directive) bool {
		switch strings.ToLower(d.name) {
		case "authtype":
			return !strings.EqualFold(d.arg(0), "none")
		case "require", "allow", "deny", "condition", "requestheader", "param":
			return true
		}
		return keepsOut(d.block)
	})
}

// asNotes keeps a block as comments; of an <if> that is not fulfilled what
// stands behind <else> counts.
func (c *appweb) asNotes(s *scope, list []*directive, orElse bool) {
	for _, d := range list {
		if orElse && d.isBlock && d.is("else") {
			c.walk(s, d.block)
			continue
		}
		s.note(d, "")
		c.asNotes(s, d.block, false)
	}
}

// add puts a route where it is asked in its turn; nil is none.
func (c *appweb) add(s *scope, r *object) {
	if r == nil {
		return
	}
	if len(s.hosts) > 0 {
		c.hosts = append(c.hosts, r)
	} else {
		c.routes = append(c.routes, r)
	}
}

// host reads a <VirtualHost>. Site files tell hosts apart by name only.
func (c *appweb) host(s *scope, d *directive) {
	t := s.inherit(d.line)
	for _, address := range d.args {
		if host, _ := splitPort(address); host != "" && host != "*" && refusal(true, text(host), "hosts") == "" {
			t.hosts = append(t.hosts, host)
		}
	}
	for _, inner := range d.block {
		if inner.is("ServerName") || inner.is("ServerAlias") {
			t.hosts = nil
			break
		}
	}
	for _, inner := range d.block {
		if !inner.is("ServerName") && !inner.is("ServerAlias") {
			continue
		}
		for _, name := range inner.args {
			if _, rest, ok := strings.Cut(name, "://"); ok {
				name = rest
			}
			name, _ = splitPort(name)
			if strings.HasPrefix(name, "*") && !strings.HasPrefix(name, "*.") {
				name = "*." + strings.TrimLeft(name, "*.")
			}
			if why := refusal(true, text(name), "hosts"); why != "" {
				t.note(inner, why)
			} else if !slices.Contains(t.hosts, name) {
				t.hosts = append(t.hosts, name)
			}
		}
	}
	if len(t.hosts) == 0 {
		s.note(d, "a site file tells hosts apart by name, and this one has none that it knows; name it with ServerName")
		c.asNotes(s, d.block, false)
		return
	}
	t.certificate, t.key, t.authority, t.verify = "", "", "", false
	t.local = isLocal(d.block)
	c.walk(t, d.block)
	if t.certificate != "" {
		c.addTLS(t)
	}
	what := d.at()
	if slices.ContainsFunc(d.args, func(a string) bool { _, port := splitPort(a); return port != "" && port != "*" }) {
		what += "   (whatever the port: a site file tells hosts apart by name)"
	}
	c.hosts = append(c.hosts, c.documents(t, what)...)
}

// isLocal reports whether a host has addresses of its own, and only such as nobody
// else can reach.
func isLocal(block []*directive) bool {
	local := false
	for _, d := range block {
		if d.is("Listen") || d.is("ListenSecure") {
			host, _ := splitPort(d.arg(0))
			address, err := netip.ParseAddr(strings.Trim(host, "[]"))
			if host != "localhost" && (err != nil || !address.IsLoopback()) {
				return false
			}
			local = true
		}
	}
	return local
}

// splitPort parts host and port; the port may be missing.
func splitPort(s string) (host, port string) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.Contains(s[i:], "]") && (strings.Count(s, ":") == 1 || strings.HasPrefix(s, "[")) {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// say writes the notes of a scope.
func (c *appweb) say(o *object, s *scope) {
	for _, n := range s.notes {
		o.say("%s", n)
	}
	s.notes = nil
}

// write puts everything together.
func (c *appweb) write(o *object) {
	var rest []*object
	if c.top.documents != "" || len(c.top.handlers) > 0 || c.top.webSocket || c.top.target != nil || c.top.proxy != "" {
		rest = c.documents(c.top, "Documents")
	}
	if len(c.listen) > 0 {
		o.set(texts(c.listen), "", "listen")
	}
	if c.top.certificate != "" {
		c.addTLS(c.top)
	}
	if len(c.tls) == 0 && c.secure {
		t := new(object)
		t.set("'site.pem'", "the source names no certificate: fill in", "certificate")
		t.set("'site.key'", "", "key")
		c.tls = append(c.tls, t)
		c.verifying(c.top)
	}
	if len(c.tls) > 0 {
		if c.clientCA != "" {
			c.tls[0].set(text(c.clientCA), "for all https addresses", "clientCA")
		}
		if c.minVersion != "" {
			c.tls[0].set(c.minVersion, "for all https addresses", "minVersion")
		}
	}
	switch {
	case len(c.tls) == 1:
		o.lines = append(o.lines, &line{key: "tls", child: c.tls[0]})
	case len(c.tls) > 1:
		o.lines = append(o.lines, &line{key: "tls", list: c.tls})
	}
	for _, k := range c.top.settings.paths {
		s := c.top.settings.said[k]
		o.set(s.value, s.note, s.path...)
	}
	c.say(o, c.top)
	o.say("origins: '*', // Appweb looks at no Origin; here pages of other sites get 403 unless they are listed")
	for _, r := range leading(slices.Concat(c.hosts, c.routes, rest), c.listen) {
		o.add("routes", r)
	}
}

// addTLS adds the certificate of a scope.
func (c *appweb) addTLS(s *scope) {
	o := new(object)
	o.set(text(s.certificate), "", "certificate")
	if s.key == "" {
		o.set(text(s.certificate), "the source names no file of its own for the key", "key")
	} else {
		o.set(text(s.key), "", "key")
	}
	if !slices.ContainsFunc(c.tls, func(t *object) bool { return t.print() == o.print() }) {
		c.tls = append(c.tls, o)
	}
	c.verifying(s)
}

// verifying notes what holds for all https addresses here.
func (c *appweb) verifying(s *scope) {
	switch {
	case s.verify && s.authority != "":
		c.clientCA = s.authority
	case s.verify:
		c.top.notes = append(c.top.notes, "SSLVerifyClient on: name the authority of the clients with tls.clientCA")
	}
	if v, ok := s.settings.said["minVersion"]; ok {
		c.minVersion = v.value
	}
}
