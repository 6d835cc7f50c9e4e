package convert

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"curlew.example/curlew/server/site"
)

// quantities are the directives with a number, and what they are here.
var quantities = map[string]struct {
	read func(string) (value, note string, err error)
	path []string
}{
	"inactivitytimeout":         {duration, []string{"timeouts", "inactivity"}},
	"requesttimeout":            {duration, []string{"timeouts", "request"}},
	"requestparsetimeout":       {duration, []string{"timeouts", "handshake"}},
	"exittimeout":               {duration, []string{"timeouts", "drain"}},
	"websocketsping":            {duration, []string{"webSockets", "ping"}},
	"limitwebsockets":           {count, []string{"limits", "webSockets"}},
	"limitwebsocketsmessage":    {size, []string{"limits", "maxMessage"}},
	"limitwebsocketsframe":      {size, []string{"limits", "maxFrame"}},
	"limitwebsocketspacket":     {size, []string{"limits", "maxPacket"}},
	"limitconnections":          {count, []string{"limits", "connections"}},
	"limitconnectionsperclient": {count, []string{"limits", "connectionsPerIP"}},
	"limitrequestheader":        {size, []string{"limits", "head"}},
	"limitrequestheaderlines":   {count, []string{"limits", "headers"}},
}

// why says of directives without a counterpart what there is instead. Those
// with "" are known, and there is nothing to say.
var why = map[string]string{
	"addfilter": "", "addinputfilter": "", "addoutputfilter": "", "name": "", "routename": "", "loadmodule": "no modules here", "loadmodulepath": "no modules here",
	"errorlog": "the log goes to standard error; see log", "tracelog": "see log", "trace": "see log", "log": "see log", "logroutes": "curlew explain says which route answers",
	"useraccount": "the service manager sets the user", "groupaccount": "the service manager sets the group", "chroot": "the service manager does that", "home": "paths start at the folder of the site file",
	"include": "convert that file by itself", "canonicalname": "", "charset": "", "limitmemory": "the service manager limits memory", "memorypolicy": "",
	"limitworkers": "there are no workers to count", "startworkers": "", "threadstack": "", "limitfiles": "", "limitprocesses": "", "limitrequestsperclient": "see rate",
	"limitrequestbody": "handlers here take no bodies but proxy, which streams them", "limitrequestform": "", "limitresponsebody": "", "limituri": "8 KB here", "limitkeepalive": "", "limitpacket": "", "limitclients": "see limits.connectionsPerIP",
	"limitcache": "", "limitcacheitem": "", "limitchunk": "", "limitsessions": "", "limitstreams": "", "limitupload": "", "sessiontimeout": "no sessions here", "sessioncookie": "no sessions here", "xsrf": "no forms here",
	"sslciphersuite": "chosen by Go", "sslverifyissuer": "", "sslengine": "", "sslpreload": "", "sslcacertificatepath": "name one file, clientCA", "http2": "", "stealth": "Curlew names itself nowhere", "showerrors": "errors are never shown to clients",
	"errordocument": "", "cache": "set Cache-Control with headers", "map": "compressed siblings are sent by themselves", "compress": "compressed siblings are sent by themselves", "typesconfig": "", "addtype": "", "action": "",
	"options": "no listings here", "indexorder": "no listings here", "indexoptions": "no listings here", "directoryindex": "index.html here", "uploaddir": "no uploads here", "uploadautodelete": "no uploads here",
	"update": "", "addlanguagesuffix": "", "addlanguagedir": "", "defaultlanguage": "", "crossorigin": "for WebSockets see origins",
	"defense": "see rate", "monitor": "see rate", "role": "roles stand with the users", "authstore": "users stand in a file", "authdigestqop": "", "authautologin": "nobody is let in unasked", "order": "deny counts before allow", "followsymlinks": "only within the folder", "espapp": "", "streaminput": "", "setconnector": "", "cgiprefix": "", "cgiescape": "", "fastconnect": "no FastCGI here", "proxylog": "", "proxytrace": "",
}

// directive takes one that is no block.
func (c *appweb) directive(s *scope, d *directive) {
	name := strings.ToLower(d.name)
	if q, ok := quantities[name]; ok {
		c.quantity(s, d, q.path, q.read)
		return
	}
	switch name {
	case "listen", "listensecure":
		c.addListen(s, d, name == "listensecure")
	case "servername", "serveralias":
		if len(s.hosts) == 0 {
			s.note(d, "a name is needed only to tell hosts apart")
		}
	case "documents", "documentroot":
		c.need(d, 1, func() { s.documents = c.expandPath(s, d, d.arg(0)) })
	case "prefix":
		s.prefix = strings.TrimSuffix(d.arg(0), "/")
	case "addfilter", "addinputfilter", "addoutputfilter":
		if f := strings.ToLower(d.arg(0)); f == "websocketfilter" || f == "websockfilter" {
			s.webSocket = true
		} else {
			s.note(d, why[name])
		}
	case "addhandler", "sethandler":
		c.need(d, 1, func() {
			if name == "sethandler" {
				s.handlers, s.inherited = nil, 0
			}
			added := stage{d.arg(0), extensions(d.args[1:]), d.line}
			if !slices.ContainsFunc(s.handlers[min(s.inherited, len(s.handlers)):], added.same) {
				s.handlers = append(s.handlers, added)
			}
		})
	case "reset", "resetpipeline":
		if what := strings.ToLower(d.arg(0)); what == "pipeline" || what == "" {
			s.handlers, s.inherited, s.webSocket = nil, 0, false
		} else {
			s.note(d, "")
		}
	case "target":
		c.need(d, 1, func() { s.target = d })
	case "condition", "requestheader", "param":
		s.conditional = true
		s.note(d, "requests cannot be told apart by this")
	case "source":
		s.source = d.arg(0)
		s.note(d, "the code of a handler: see docs/convert.md")
	case "methods":
		c.methods(s, d)
	case "header":
		c.header(s, d)
	case "websocketsprotocol":
		c.need(d, 1, func() {
			if refused := refusal(true, text(d.arg(0)), "webSockets", "protocol"); refused != "" {
				c.fail(d, "%s", refused)
				return
			}
			s.settings.set(text(d.arg(0)), "", "webSockets", "protocol")
			s.settings.set("true", "Appweb refuses clients that offer no protocol", "webSockets", "requireProtocol")
		})
	case "ignoreencodingerrors":
		c.onOff(s, d, true, "webSockets", "validateUTF")
	case "preserveframes":
		c.onOff(s, d, false, "webSockets", "preserveFrames")
	case "redirect":
		c.redirect(s, d)
	case "alias", "scriptalias":
		c.alias(s, d, name == "scriptalias")
	case "proxyconnect":
		c.need(d, 1, func() { s.proxy = d.raw })
	case "limitprocesses":
		if v, _, err := count(d.arg(0)); err == nil && v != "'unlimited'" {
			s.processes = v
		} else {
			s.note(d, "")
		}
	default:
		if !c.security(s, d, name) {
			if text, known := why[name]; known {
				s.note(d, text)
			} else {
				s.note(d, "not known")
			}
		}
	}
}

// security takes the directives of TLS and of who may come in, and reports
// whether it was one.
func (c *appweb) security(s *scope, d *directive, name string) bool {
	switch name {
	case "sslcertificatefile":
		s.certificate = c.expandPath(s, d, d.arg(0))
	case "sslcertificatekeyfile":
		s.key = c.expandPath(s, d, d.arg(0))
	case "sslcacertificatefile":
		s.authority = c.expandPath(s, d, d.arg(0))
	case "sslverifyclient":
		s.verify = isOn(d.arg(0))
	case "sslprotocol":
		c.protocols(s, d)
	case "authtype":
		s.auth.kind, s.auth.line = strings.ToLower(d.arg(0)), d.line
		if s.auth.kind == "none" {
			s.auth = access{}
		}
		if d.arg(1) != "" {
			s.auth.realm = d.arg(1)
		}
		if s.auth.kind != "basic" && s.auth.kind != "" {
			s.note(d, "here it is basic, for which use TLS only")
		}
	case "authname", "authrealm":
		s.auth.realm = d.arg(0)
	case "authuserfile", "authgroupfile":
		s.note(d, "the passwords have to be hashed again, with bcrypt or argon2id")
	case "user":
		words := append([]string{d.name, d.arg(0), "…"}, d.args[min(2, len(d.args)):]...)
		s.note(&directive{line: d.line, raw: strings.Join(words, " ")}, "nobody else can check this hash: add the user to the file of auth, with a new one")
	case "require":
		c.require(s, d)
	case "allow", "deny":
		c.ranges(s, d, name)
	default:
		return false
	}
	return true
}

// need fails if there are fewer arguments than f wants.
func (c *appweb) need(d *directive, n int, f func()) {
	if len(d.args) < n {
		c.fail(d, "found no value; one is wanted")
		return
	}
	f()
}

func (c *appweb) quantity(s *scope, d *directive, path []string, read func(string) (string, string, error)) {
	value, note, err := read(strings.Join(d.args, " "))
	switch {
	case len(d.args) == 0:
		c.fail(d, "found no value; one is wanted")
	case errors.Is(err, errZero):
		s.note(d, err.Error())
	case err != nil:
		c.fail(d, "%v", err)
	default:
		inRoute := s != c.top
		if refused := refusal(inRoute, value, path...); refused != "" {
			s.note(d, refused)
			return
		}
		s.settings.set(value, note, path...)
	}
}

func isOn(s string) bool {
	switch strings.ToLower(s) {
	case "on", "yes", "true", "1":
		return true
	}
	return false
}

// onOff takes a switch; inverse is the other way round here.
func (c *appweb) onOff(s *scope, d *directive, inverse bool, path ...string) {
	on := true // Appweb takes the name alone for on
	if len(d.args) > 0 {
		on = isOn(d.arg(0))
		if word := strings.ToLower(d.arg(0)); !on && word != "off" && word != "no" && word != "false" && word != "0" {
			c.fail(d, "found %s; on or off is wanted", quoted(d.arg(0)))
			return
		}
	}
	value := "false"
	if on != inverse {
		value = "true"
	}
	s.settings.set(value, "", path...)
}

func (c *appweb) addListen(s *scope, d *directive, secure bool) {
	c.need(d, 1, func() {
		address := d.arg(0)
		if _, rest, ok := strings.Cut(address, "://"); ok {
			address = strings.TrimRight(rest, "/")
		}
		host, port := splitPort(address)
		if port == "" {
			if strings.Trim(host, "0123456789") == "" {
				host, port = "", host
			} else {
				port = map[bool]string{false: "80", true: "443"}[secure]
			}
		}
		if host == "*" {
			host = ""
		}
		address = host + ":" + port
		if secure {
			address = "https://" + address
		}
		if _, err := site.ParseListen(address); err != nil {
			c.fail(d, "%v", err)
			return
		}
		if contains(c.listen, address) {
			s.note(d, "given before")
			return
		}
		c.listen = append(c.listen, address)
		c.secure = c.secure || secure
	})
}

// extensions are those of AddHandler; "" means every one.
func extensions(list []string) []string {
	var out []string
	for _, e := range list {
		e = strings.TrimPrefix(strings.TrimPrefix(e, "*"), ".")
		if e == "" {
			return nil
		}
		out = append(out, e)
	}
	return out
}

// expandPath writes a file name without Appweb's variables.
func (c *appweb) expandPath(s *scope, d *directive, name string) string {
	name = strings.ReplaceAll(name, "${DOCUMENTS}", s.documents)
	name = strings.ReplaceAll(name, "${HOME}", ".")
	name = strings.ReplaceAll(name, "${CONFIG_DIR}", ".")
	if strings.Contains(name, "${") {
		s.note(d, "fill in what stands for the variable")
	}
	if name == "" {
		return "."
	}
	if strings.ContainsAny(name, "\x00") {
		c.fail(d, "found a name with a NUL character; remove it")
	}
	return name
}

func (c *appweb) methods(s *scope, d *directive) {
	list := d.args
	how := "set"
	if len(list) > 0 {
		switch strings.ToLower(list[0]) {
		case "add", "set", "remove":
			how, list = strings.ToLower(list[0]), list[1:]
		}
	}
	if how == "remove" {
		s.note(d, "")
		return
	}
	all := s.methods
	if how == "set" {
		all = nil
	} else if all == nil {
		all = []string{"GET", "POST"}
	}
	for _, words := range list {
		for m := range strings.FieldsFuncSeq(words, func(r rune) bool { return r == ',' || r == ' ' }) {
			m = strings.ToUpper(m)
			switch {
			case refusal(true, text(m), "methods") != "":
				c.fail(d, "%s", refusal(true, text(m), "methods"))
				return
			case !contains(all, m):
				all = append(all, m)
			}
		}
	}
	if len(all) > 0 {
		s.methods = all
	}
}

func (c *appweb) header(s *scope, d *directive) {
	c.need(d, 2, func() {
		how, name, value := strings.ToLower(d.arg(0)), d.arg(1), strings.Join(d.args[min(2, len(d.args)):], " ")
		literal := text(value)
		switch how {
		case "add", "set", "append":
		case "remove":
			literal = "[]"
		default:
			c.fail(d, "found %s; add, append, set or remove is wanted", quoted(d.arg(0)))
			return
		}
		if refused := refusal(true, literal, "headers", name); refused != "" {
			s.note(d, refused)
			return
		}
		for _, k := range s.settings.paths {
			if p := s.settings.said[k].path; len(p) == 2 && p[0] == "headers" && strings.EqualFold(p[1], name) {
				name = p[1]
			}
		}
		if how == "remove" && s == c.top {
			s.note(d, "Curlew adds none by itself")
			return
		}
		s.settings.set(literal, "", "headers", name)
	})
}

func (c *appweb) protocols(s *scope, d *directive) {
	on := map[string]bool{"tlsv1.0": true, "tlsv1.1": true, "tlsv1.2": true, "tlsv1.3": true}
	first := true
	for _, w := range d.args {
		w = strings.ToLower(w)
		add := !strings.HasPrefix(w, "-")
		if w = strings.TrimLeft(w, "+-"); w == "tlsv1" {
			w = "tlsv1.0"
		}
		if w == "all" {
			for k := range on {
				on[k] = add
			}
		} else {
			if first && add {
				clear(on)
			}
			on[w] = add
		}
		first = false
	}
	if on["tlsv1.0"] || on["tlsv1.1"] {
		s.note(d, "TLS before 1.2 is not spoken")
	}
	if !on["tlsv1.2"] && on["tlsv1.3"] && !on["tlsv1.1"] {
		s.settings.said["minVersion"] = said{value: "'1.3'"}
	}
}

func (c *appweb) require(s *scope, d *directive) {
	switch strings.ToLower(d.arg(0)) {
	case "user":
		s.auth.user = d.args[1:]
	case "role", "ability":
		s.auth.roles = c.roles.with(strings.FieldsFunc(strings.Join(d.args[1:], " "), isSeparator))
	case "valid-user":
	case "secure":
		s.tlsOnly = true
		c.insist(s, d)
		return
	default:
		s.note(d, "")
		return
	}
	if s.auth.kind == "" {
		s.auth.kind, s.auth.line = "basic", d.line
	}
}

// insist takes for how long browsers are to come over TLS only.
func (c *appweb) insist(s *scope, d *directive) {
	value := ""
	for _, word := range d.args[1:] {
		age, ok := strings.CutPrefix(strings.ToLower(word), "age=")
		if !ok {
			continue
		}
		v, _, err := duration(age)
		t, _ := site.ParseDuration(strings.Trim(v, "'"))
		if err != nil || t < 0 || len(d.args) > 3 {
			s.note(d, "for the age set Strict-Transport-Security with headers")
			return
		}
		value = "max-age=" + strconv.FormatInt(int64(t.Seconds()), 10)
	}
	if value == "" {
		return
	}
	if strings.EqualFold(d.arg(1), "domains") || strings.EqualFold(d.arg(2), "domains") {
		value += "; includeSubDomains"
	}
	s.settings.set(text(value), "", "headers", "Strict-Transport-Security")
}

// readRoles finds the roles wherever they stand.
func (c *appweb) readRoles(list []*directive) {
	for _, d := range list {
		if d.is("Role") && len(d.args) > 0 {
			c.roles.add(d.arg(0), d.args[1:]...)
		}
		c.readRoles(d.block)
	}
}

// ranges takes Allow and Deny, with or without "from".
func (c *appweb) ranges(s *scope, d *directive, key string) {
	for _, w := range d.args {
		if strings.EqualFold(w, "from") {
			continue
		}
		if strings.EqualFold(w, "all") {
			w = "all"
		}
		if _, err := site.NewRanges(w); err != nil {
			c.fail(d, "%v", err)
			return
		}
		list := &s.allow
		if key == "deny" {
			list = &s.deny
		}
		if !contains(*list, w) {
			*list = append(*list, w)
		}
	}
}
