package convert

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"curlew.example/curlew/server/site"
)

// Ioto translates a web.json5, with its web object or as the content of one. See
// File.
func Ioto(name string, source []byte) ([]byte, error) {
	root, err := site.ParseNode(name, source)
	if err != nil {
		return nil, err
	}
	if root.Kind != site.Object {
		return nil, site.Errors{site.Place{File: name, Line: root.Line, Column: root.Column}.Errorf("an object { … } is wanted")}
	}
	if n := member(root, "http"); n != nil && n.Kind == site.Object && member(root, "web") == nil {
		return nil, site.Errors{site.Place{File: name, Line: n.Line, Column: n.Column, Path: "http"}.Errorf("found the JSON of an Appweb application, which is not translated; an appweb.conf or Ioto's web.json5 is wanted")}
	}
	c := &ioto{name: name, documents: "./site", webSockets: true, roles: newRoles()}
	web, prefix := root, ""
	if n := member(root, "web"); n != nil && n.Kind == site.Object {
		web, prefix = n, "web."
		c.outside(root)
	}
	c.prepare(web, prefix)
	c.top(web, prefix)
	if len(c.errs) > 0 {
		slices.SortStableFunc(c.errs, func(a, b *site.Error) int { return a.Line - b.Line })
		return nil, c.errs
	}
	o := new(object)
	o.say("Made by curlew convert from %s.", oneLine(name))
	o.say("What has no counterpart stands in comments, with the line that it came from;")
	o.say("what Ioto does by default and Curlew does not is written out.")
	c.write(o)
	return finish(name, o)
}

// ioto is one translation.
type ioto struct {
	name string
	errs site.Errors

	out    settings
	notes  []string
	tls    *object
	secure bool
	routes []*object
	listen []string

	programs []*object // the routes that are for one

	documents  string
	webSockets bool
	realm      string
	authType   string
	inTheClear bool // basic without TLS is allowed
	roles      *roles
}

func member(n *site.Node, name string) *site.Node {
	if n == nil {
		return nil
	}
	for _, m := range n.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

func (c *ioto) fail(n *site.Node, path, format string, args ...any) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, site.Place{File: c.name, Line: n.Line, Column: n.Column, Path: oneLine(path)}.Errorf(format, args...))
	}
}

// note keeps a key as a comment.
func (c *ioto) note(m site.Member, path, reason string) {
	c.notes = append(c.notes, keyNote(m, path, reason))
}

// secrets are keys whose values do not belong into another file.
var secrets = []string{"password", "secret", "users"}

func keyNote(m site.Member, path, reason string) string {
	value := m.Value.JSON5()
	if slices.Contains(secrets, m.Name) {
		value = "…"
	}
	if r := []rune(value); len(r) > 80 {
		value = string(r[:80]) + "…"
	}
	s := fmt.Sprintf("line %d: %s: %s", m.Line, path, value)
	if reason != "" {
		s += "   (" + reason + ")"
	}
	return s
}

// scalarText is the text of a text or of a number.
func scalarText(n *site.Node) (string, bool) {
	return n.Text, n.Kind == site.String || n.Kind == site.Number
}

// outside reads what stands beside the web object.
func (c *ioto) outside(root *site.Node) {
	for _, m := range root.Members {
		switch m.Name {
		case "web":
		case "tls":
			c.readTLS(m)
		case "log":
			c.note(m, m.Name, "the log goes to standard error; see log")
		default:
			c.note(m, m.Name, "")
		}
	}
}

// prepare looks at what others depend on, wherever it stands in the file.
func (c *ioto) prepare(web *site.Node, prefix string) {
	c.out.said = make(map[string]said)
	const note = "Ioto's default"
	c.out.set("100", note, "limits", "connections")
	c.out.set("'10 KB'", note, "limits", "head")
	c.out.set("'100 KB'", note+"; its documentation says unlimited", "limits", "maxMessage")
	c.out.set("'100 KB'", note+"; its documentation says 128 KB", "limits", "maxFrame")
	c.out.set("'5 s'", note, "timeouts", "handshake")
	c.out.set("'5 mins'", note, "timeouts", "request")
	c.out.set("'never'", note, "webSockets", "ping")
	c.out.set("'chat'", note, "webSockets", "protocol")
	if n := member(web, "documents"); n != nil {
		if n.Kind == site.String && n.Text != "" {
			c.documents = place(n.Text)
		} else {
			c.fail(n, prefix+"documents", "the name of a folder is wanted")
		}
	}
	if n := member(member(web, "webSockets"), "enable"); n != nil && n.Kind == site.Bool {
		c.webSockets = n.Bool
	}
	auth := member(web, "auth")
	if n := member(auth, "realm"); n != nil && n.Kind == site.String {
		c.realm = n.Text
	}
	c.readRoles(member(auth, "roles"))
	if n := member(auth, "requireTlsForBasic"); n != nil && n.Kind == site.Bool {
		c.inTheClear = !n.Bool
	}
	if n := member(auth, "authType"); n != nil && n.Kind == site.String {
		c.authType = strings.ToLower(n.Text)
	}
}

// readRoles reads a list, in which each role has those before it, or an object
// that says which ones each has.
func (c *ioto) readRoles(n *site.Node) {
	if n == nil {
		return
	}
	last := ""
	for _, item := range n.Items {
		if item.Kind == site.String {
			c.roles.add(item.Text, last)
			last = item.Text
		}
	}
	for _, m := range n.Members {
		c.roles.add(m.Name)
		for _, item := range m.Value.Items {
			c.roles.add(m.Name, item.Text)
		}
	}
}

// place is a file name without the names of folders that Ioto has: @site.
func place(s string) string {
	for from, to := range map[string]string{"@site": "./site", "@certs": "./certs", "@config": ".", "@state": "./state"} {
		if rest, ok := strings.CutPrefix(s, from); ok && (rest == "" || rest[0] == '/') {
			return folder(path.Clean(to + rest))
		}
	}
	return folder(s)
}

// iotoQuantities are the keys with a number, and what they are here.
var iotoQuantities = map[string]struct {
	read func(string) (value, note string, err error)
	path []string
}{
	"limits.connections":  {count, []string{"limits", "connections"}},
	"limits.header":       {size, []string{"limits", "head"}},
	"limits.maxMessage":   {size, []string{"limits", "maxMessage"}},
	"limits.maxFrame":     {size, []string{"limits", "maxFrame"}},
	"timeouts.parse":      {duration, []string{"timeouts", "handshake"}},
	"timeouts.inactivity": {duration, []string{"timeouts", "inactivity"}},
	"timeouts.request":    {duration, []string{"timeouts", "request"}},
	"webSockets.ping":     {duration, []string{"webSockets", "ping"}},
}

// iotoWhy says of keys without a counterpart what there is instead.
var iotoWhy = map[string]string{
	"mime": "types are known by extension", "sessions": "no sessions here", "upload": "no uploads here", "signatures": "",
	"fiberBlocks": "a handler that fails ends its own request only", "name": "", "index": "index.html here", "limits.body": "", "limits.sessions": "no sessions here",
	"limits.upload": "no uploads here", "timeouts.session": "no sessions here", "timeouts.tls": "", "timeouts.digest": "no digest here", "auth.users": "nobody else can check these hashes: make the file of auth with new ones, bcrypt or argon2id",
	"auth.roles": "roles stand with the users", "auth.login": "no forms here", "auth.logout": "no forms here", "auth.requireTlsForBasic": "use basic on https addresses only",
}

// top reads the web object.
func (c *ioto) top(web *site.Node, prefix string) {
	for _, m := range web.Members {
		path := prefix + m.Name
		switch m.Name {
		case "documents":
		case "listen":
			c.readListen(m.Value, path)
		case "limits", "timeouts", "webSockets":
			c.group(m, prefix)
		case "headers":
			c.headers(m, path)
		case "tls":
			if prefix == "" {
				c.readTLS(m)
			} else {
				c.note(m, path, "")
			}
		case "redirect":
			c.each(m.Value, path, c.redirect)
		case "routes":
			c.each(m.Value, path, c.route)
		case "auth":
			c.group(m, prefix)
		case "index":
			if m.Value.Text != "index.html" {
				c.note(m, path, "index.html here")
			}
		default:
			c.note(m, path, iotoWhy[m.Name])
		}
	}
}

// group reads an object of settings.
func (c *ioto) group(m site.Member, prefix string) {
	if m.Value.Kind != site.Object {
		c.fail(m.Value, prefix+m.Name, "an object { … } is wanted")
		return
	}
	for _, inner := range m.Value.Members {
		name := m.Name + "." + inner.Name
		path := prefix + name
		if q, ok := iotoQuantities[name]; ok {
			s, ok := scalarText(inner.Value)
			if !ok {
				c.fail(inner.Value, path, "a number, or a text with a unit, is wanted")
				continue
			}
			value, note, err := q.read(s)
			switch {
			case errors.Is(err, errZero):
				c.note(inner, path, err.Error())
			case err != nil:
				c.fail(inner.Value, path, "%v", err)
			default:
				if refused := refusal(false, value, q.path...); refused != "" {
					c.fail(inner.Value, path, "%s", refused)
					continue
				}
				c.out.set(value, note, q.path...)
			}
			continue
		}
		switch name {
		case "webSockets.enable":
		case "webSockets.validateUTF":
			if inner.Value.Kind != site.Bool {
				c.fail(inner.Value, path, "true or false is wanted")
				continue
			}
			c.out.set(inner.Value.JSON5(), "", "webSockets", "validateUTF")
		case "webSockets.protocol":
			c.protocol(inner, path)
		case "auth.realm", "auth.authType", "auth.algorithm":
		default:
			c.note(inner, path, iotoWhy[name])
		}
	}
}

func (c *ioto) protocol(m site.Member, path string) {
	if m.Value.Kind == site.Null || m.Value.Kind == site.String && m.Value.Text == "" {
		c.out.set("[]", "", "webSockets", "protocol")
		c.note(m, path, "Ioto selects what the client offers first; here nothing is selected")
		return
	}
	if refused := refusal(false, m.Value.JSON5(), "webSockets", "protocol"); refused != "" {
		c.fail(m.Value, path, "%s", refused)
		return
	}
	c.out.set(m.Value.JSON5(), "", "webSockets", "protocol")
}

func (c *ioto) readListen(n *site.Node, path string) {
	items := n.Items
	if n.Kind != site.Array {
		items = []*site.Node{n}
	}
	for _, item := range items {
		u, err := url.Parse(item.Text)
		if item.Kind != site.String || err != nil || u.Scheme != "http" && u.Scheme != "https" {
			c.fail(item, path, "an address such as 'http://:80' or 'https://:443' is wanted")
			continue
		}
		address, port := u.Host, "80"
		if u.Scheme == "https" {
			port = "443"
		}
		if u.Port() == "" {
			address = strings.TrimSuffix(address, ":") + ":" + port
		}
		if u.Scheme == "https" {
			address = "https://" + address
			c.secure = true
		}
		if _, err := site.ParseListen(address); err != nil {
			c.fail(item, path, "%v", err)
			continue
		}
		if !contains(c.listen, address) {
			c.listen = append(c.listen, address)
		}
	}
}

func (c *ioto) headers(m site.Member, path string) {
	if m.Value.Kind != site.Object {
		c.fail(m.Value, path, "an object { Name: 'value' } is wanted")
		return
	}
	if c.tooMany(m.Value, path, len(m.Value.Members)) {
		return
	}
	for _, h := range m.Value.Members {
		if refused := refusal(false, h.Value.JSON5(), "headers", h.Name); refused != "" {
			c.fail(h.Value, path+"."+h.Name, "%s", refused)
			continue
		}
		for _, k := range c.out.paths {
			if p := c.out.said[k].path; p[0] == "headers" && strings.EqualFold(p[1], h.Name) {
				c.fail(h.Value, path+"."+h.Name, "the field is given twice; keep one of them")
			}
		}
		c.out.set(h.Value.JSON5(), "", "headers", h.Name)
	}
}

func (c *ioto) readTLS(m site.Member) {
	if m.Value.Kind != site.Object {
		c.fail(m.Value, m.Name, "an object { … } is wanted")
		return
	}
	t := new(object)
	for _, name := range []string{"certificate", "key"} {
		n := member(m.Value, name)
		switch {
		case n == nil:
		case n.Kind != site.String || n.Text == "" || strings.Contains(n.Text, "\x00"):
			c.fail(n, m.Name+"."+name, "the name of a file is wanted")
		default:
			t.set(text(place(n.Text)), "", name)
		}
	}
	verify := member(member(m.Value, "verify"), "client")
	for _, inner := range m.Value.Members {
		switch {
		case inner.Name == "certificate", inner.Name == "key":
		case inner.Name == "verify" && verify != nil && verify.Bool && member(m.Value, "authority") == nil:
			c.note(inner, m.Name+"."+inner.Name, "name the authority of the clients with tls.clientCA")
		case inner.Name == "verify" && verify != nil && verify.Bool && t.has("certificate") && t.has("key"):
		case inner.Name == "authority" && verify != nil && verify.Bool && inner.Value.Kind == site.String && inner.Value.Text != "" && !strings.Contains(inner.Value.Text, "\x00") && t.has("certificate") && t.has("key"):
			t.set(text(place(inner.Value.Text)), "", "clientCA")
		default:
			c.note(inner, m.Name+"."+inner.Name, "")
		}
	}
	if t.has("certificate") && t.has("key") {
		c.tls = t
	} else {
		c.note(m, m.Name, "certificate and key belong together")
	}
}

// tooMany reports whether there are more of them than a file may have.
func (c *ioto) tooMany(n *site.Node, path string, count int) bool {
	if count > maxThings {
		c.fail(n, path, "found %d of them, and at most %d are translated; convert them in parts", count, maxThings)
		return true
	}
	return false
}

// each calls f for the objects of a list.
func (c *ioto) each(n *site.Node, path string, f func(n *site.Node, path string)) {
	if n.Kind != site.Array {
		c.fail(n, path, "a list [ … ] is wanted")
		return
	}
	if c.tooMany(n, path, len(n.Items)) {
		return
	}
	for i, item := range n.Items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if item.Kind != site.Object {
			c.fail(item, at, "an object { … } is wanted")
			continue
		}
		f(item, at)
	}
}

// write puts everything together.
func (c *ioto) write(o *object) {
	if len(c.listen) > 0 {
		o.set(texts(c.listen), "", "listen")
	}
	switch {
	case c.tls != nil:
		o.lines = append(o.lines, &line{key: "tls", child: c.tls})
	case c.secure:
		t := new(object)
		t.set("'site.pem'", "the source names no certificate: fill in", "certificate")
		t.set("'site.key'", "", "key")
		o.lines = append(o.lines, &line{key: "tls", child: t})
	}
	for _, k := range c.out.paths {
		s := c.out.said[k]
		o.set(s.value, s.note, s.path...)
	}
	if !o.has("webSockets", "validateUTF") {
		o.say("webSockets.validateUTF: Ioto checks texts only when told to, against its documentation; Curlew does by default.")
	}
	for _, n := range c.notes {
		o.say("%s", n)
	}
	o.say("origins: '*', // Ioto looks at no Origin; here pages of other sites get 403 unless they are listed")
	for _, r := range c.programs { // limits may stand behind the routes
		bounds(r, &c.out, "")
	}
	for _, r := range leading(c.routes, c.listen) {
		o.add("routes", r)
	}
}
