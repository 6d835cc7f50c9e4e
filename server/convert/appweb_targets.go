package convert

import (
	"path"
	"strings"
)

// proxy passes on to the address of ProxyConnect.
func (c *appweb) proxy(o *object, s *scope) {
	words := strings.Fields(s.proxy)
	if len(words) < 2 {
		c.closed(o, s, "the route is for a proxy, and no ProxyConnect says where to")
		return
	}
	address, scheme := words[1], "http"
	if before, rest, ok := strings.Cut(address, "://"); ok {
		scheme, address = strings.ToLower(before), rest
	}
	for _, w := range words[2:] {
		if w == "ssl" || w == "http2" {
			scheme = "https"
		}
	}
	if _, port := splitPort(address); port == "" && strings.Trim(address, "0123456789") == "" {
		address = "127.0.0.1:" + address
	} else if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	target := scheme + "://" + address
	if len(words) > 2 {
		o.say("%s   (of this the address counts; start the backend by other means)", s.proxy)
	}
	if s.prefix != "" {
		o.say("Prefix %s: the backend gets the whole path here", s.prefix)
	}
	o.set("'proxy'", "", "handler")
	o.set(text(target), "", "proxy", "target")
	if len(s.methods) > 0 {
		o.say("methods %s: all are passed on", strings.Join(s.methods, ", "))
	}
}

// target takes a Target that does not run a handler.
func (c *appweb) target(o *object, s *scope, m *matcher) {
	d := s.target
	args := d.args[1:]
	status := ""
	if len(args) > 0 && strings.EqualFold(args[0], "-r") {
		args = args[1:]
	}
	if len(args) > 0 && args[0] != "" && strings.Trim(args[0], "0123456789") == "" {
		status, args = args[0], args[1:]
	}
	rest := strings.Join(args, " ")
	switch how := strings.ToLower(d.arg(0)); how {
	case "redirect":
		to, err := m.expand(rest)
		if err != nil {
			c.closed(o, s, d.at()+"   ("+err.Error()+")")
			return
		}
		redirectTo(o, status, to)
	case "write":
		o.set("'respond'", "", "handler")
		if status == "" {
			status = "200"
		}
		o.set(status, "", "respond", "status")
		if reference.MatchString(rest) {
			o.say("%s   (the body is always the same here)", d.at())
		} else if rest != "" {
			o.set("{ 'Content-Type': 'text/plain; charset=utf-8' }", "", "respond", "headers")
			o.set(text(rest), "", "respond", "body")
		}
	case "close":
		o.say("%s   (refused, not closed)", d.at())
		o.set("'respond'", "", "handler")
		o.set("403", "", "respond", "status")
	default:
		c.closed(o, s, d.at()+"   (not known)")
	}
}

// redirectTo says a redirect with a status of Appweb's.
func redirectTo(o *object, status, to string) {
	word := map[string]string{"": "302", "temp": "302", "permanent": "301", "seeother": "303"}
	if s, ok := word[strings.ToLower(status)]; ok {
		status = s
	}
	o.set("'redirect'", "", "handler")
	o.set(text(to), "", "redirect", "to")
	o.set(status, "", "redirect", "status")
}

// redirect takes a Redirect: a route of its own.
func (c *appweb) redirect(s *scope, d *directive) {
	args := d.args
	status := ""
	if len(args) > 1 || len(args) == 1 && strings.EqualFold(args[0], "secure") {
		switch word := strings.ToLower(args[0]); {
		case strings.Trim(word, "0123456789") == "", word == "permanent", word == "temp", word == "seeother", word == "gone", word == "all":
			status, args = word, args[1:]
		}
	}
	if status == "gone" {
		status = "410"
	}
	o := new(object)
	o.say("%s", d.at())
	t := s.inherit(d.line)
	switch {
	case len(args) == 1 && strings.EqualFold(args[0], "secure"):
		o.set("'/'", "", "match")
		if len(s.hosts) > 0 {
			o.set(texts(s.hosts), "", "hosts")
		}
		if status == "all" {
			status = ""
		}
		redirectTo(o, status, "https:")
		o.overTLS, o.asked = true, true
	case len(args) == 0 || len(args) == 1 && !strings.HasPrefix(status, "4"):
		c.fail(d, "found no target; write Redirect STATUS FROM TO")
		return
	default:
		m, err := translate(args[0])
		if err != nil {
			s.note(d, err.Error())
			return
		}
		c.matching(o, s, m)
		if len(args) == 1 {
			o.set("'respond'", "", "handler")
			o.set(status, "", "respond", "status")
			break
		}
		if status == "all" {
			status = ""
		}
		to, err := m.expand(args[1])
		if err != nil {
			s.note(d, err.Error())
			return
		}
		redirectTo(o, status, to)
	}
	c.add(s, c.checked(o, t))
}

// alias takes an Alias: a route of its own.
func (c *appweb) alias(s *scope, d *directive, script bool) {
	c.need(d, 2, func() {
		from, to := d.arg(0), c.expandPath(s, d, d.arg(1))
		o := new(object)
		o.say("%s", d.at())
		t := s.inherit(d.line)
		from = "/" + strings.Trim(from, "/") + "/"
		if from == "//" {
			from = "/"
		}
		if path.Ext(to) != "" && !strings.HasSuffix(to, "/") {
			s.note(d, "a folder can stand elsewhere, a single file cannot")
			return
		}
		o.set(text(from), "", "match")
		if len(s.hosts) > 0 {
			o.set(texts(s.hosts), "", "hosts")
		}
		if script {
			c.closed(o, t, "no CGI here")
		} else {
			o.set("'static'", "", "handler")
			if trimmed := strings.TrimRight(to, "/"); trimmed != "" {
				to = trimmed
			}
			o.set(text(folder(to)), "", "static", "directory")
		}
		c.access(o, t)
		o = c.checked(o, t)
		c.add(s, c.guard(o, t, from))
		c.add(s, o)
	})
}
