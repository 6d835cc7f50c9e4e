package site

import (
	"slices"
	"strings"
)

// handlerFields are the objects with the settings of the handlers, by their
// names, and the names of handlers to come.
func (r *Route) handlerFields() []field {
	list := []field{
		{name: "echo", to: nested{},
			doc: "Returns each message as it came. It has no settings. With `webSockets.preserveFrames` the frames of a message go back " +
				"one by one as they come, and so do the pieces of `limits.maxPacket` where `limits.maxMessage` is unlimited; " +
				"a client that then pauses inside a message for longer than `timeouts.write` is closed with 1011."},
		{name: "broadcast", to: nested{list: r.Broadcast.fields()},
			doc: "Every message goes to everyone who is connected to the same path, in one order for all. " +
				"What happens to a message for somebody who does not take it in time says `webSockets.whenFull`."},
		{name: "hub", to: hubAbove{},
			doc: "Channels with presence, history and exact resuming, for curlew.js and other clients of curlew.v1. " +
				"Its settings are `hub` at the top level. A route `/hub/` answers the protocol at `/hub` and `/hub/`, and the API and events below it."},
		{name: "exec", to: nested{list: r.Exec.fields()},
			doc: "Runs a program for each connection: the client's messages are its input, its output are messages to the client. " +
				"When it ends so does the connection, with 1000 if its status is 0, else with 1011; and when the connection ends so does the program."},
		{name: "file", to: nested{list: r.File.fields()},
			doc: "Sends one file, of any size, as one message, and closes with 1000. The file is read as the client takes it: " +
				"no more than `limits.sendQueue` of it is in memory, 256 KB if that is unlimited. What it grows by meanwhile is not sent; " +
				"when it shrinks or cannot be read any further the connection ends with 1011. What the client sends is not looked at."},
		{name: "proxy", to: nested{list: r.Proxy.fields()},
			doc: "Passes requests on to another server, the backend: HTTP and WebSocket. Messages pass piece by piece, with the limits of this route for both directions; " +
				"compression and pings are each side's own. Subprotocols are the backend's choice among those of `webSockets.protocol`, or all if that is not set. " +
				"`X-Forwarded-For`, `-Host` and `-Proto` tell the backend of the client. A backend that cannot be reached, or answers nonsense, gives 502."},
		{name: "static", to: nested{list: r.Static.fields()},
			doc: "Sends the files of a folder: index.html, ranges, `ETag`, precompressed `.gz` and `.br` siblings; " +
				"no dot files, no listing, never outside the folder, nothing in which the site has its secrets (the site file, files of keys and users); methods other than GET and HEAD get 405."},
		{name: "respond", to: nested{list: r.Respond.fields()},
			doc: "Answers every request alike."},
		{name: "redirect", to: nested{list: r.Redirect.fields()},
			doc: "Sends the client elsewhere."},
	}
	return list
}

func (s *Static) fields() []field {
	return []field{
		{name: "directory", to: fileName(&s.Directory, "folder"), required: true, none: "'./public'",
			doc: "The folder."},
	}
}

func (r *Respond) fields() []field {
	return []field{
		{name: "status", to: number(&r.Status, 200, 599), def: `200`,
			doc: "The status of the answer."},
		{name: "headers", to: headersBinding{p: &r.Headers}, none: "none",
			doc: "Fields of the answer, besides those of the route."},
		{name: "body", to: text(&r.Body, "text", nil), def: `''`,
			doc: "The body of the answer, in UTF-8."},
	}
}

func (r *Redirect) fields() []field {
	return []field{
		{name: "to", to: text(&r.To, "path or URL", checkTarget), required: true, none: "'https://example.com/'",
			doc: "Where to: a path, or a URL with http or https. `${name}` stands for what the route captured. " +
				"`'https:'` is the URL that was asked for, over TLS (`'https://:8443'` with another port than 443): " +
				"such a route answers only what came without TLS, the rest goes on to the next route; and it does not inherit `auth`, as passwords would come in the clear."},
		{name: "status", to: oneOf(&r.Status, 301, 302, 303, 307, 308), def: `302`,
			doc: "The status of the answer."},
	}
}

// route reads one route. The Site's top level is complete.
func (d *decoder) route(s *Site, n *Node) *Route {
	r := &Route{
		From:       d.at(n),
		Limits:     s.Limits.Limits,
		Timeouts:   s.Timeouts.Timeouts,
		WebSockets: s.WebSockets,
		Origins:    s.Origins,
		Access:     s.Access,
		Headers:    slices.Clone(s.Headers),
		Fallback:   s.Fallback,
		Broadcast:  new(Broadcast),
		Exec:       new(Exec),
		File:       new(File),
		Proxy:      new(Proxy),
		Static:     new(Static),
		Respond:    new(Respond),
		Redirect:   new(Redirect),
	}
	handlers := r.handlerFields()
	for _, f := range handlers {
		if f.to != nil {
			mark := d.path.push(f.name)
			d.defaults(f.to.(group).fields())
			d.path.pop(mark)
		}
	}
	for _, name := range d.handlers {
		handlers = append(handlers, field{name: name, to: raw{&r.Settings, Object}})
	}
	r.handlers = handlers
	before := len(d.errs)
	d.object(n, append(r.fields(), handlers...))
	if n.Kind != Object {
		return r
	}
	d.handler(s, r, n, handlers)
	if r.Proxy != nil && !r.Fallback.Set() {
		r.Fallback.Value = false // the backend may have its own
	}
	if r.Redirect != nil && r.Access.Auth == s.Access.Auth {
		if _, secure := ToTLS(r.Redirect.To.Value); secure {
			r.Access.Auth = nil // who comes without TLS is not asked for a password
		}
	}
	if len(d.errs) == before && d.whole {
		d.together(r, n)
	}
	return r
}

// handler checks that the handler exists, has the settings that it needs, and
// that there are none of another one.
func (d *decoder) handler(s *Site, r *Route, n *Node, handlers []field) {
	name := r.Handler.Value
	known := usable(handlers)
	var chosen *field
	if i := slices.IndexFunc(handlers, func(f field) bool { return f.name == name }); i >= 0 {
		chosen = &handlers[i]
	}
	for _, f := range handlers {
		if m := n.member(f.name); m != nil && chosen != nil && f.to != nil && f.name != name {
			mark := d.path.push(f.name)
			d.fail(m, "these are settings of another handler", "the handler of this route is '"+name+"'")
			d.path.pop(mark)
		}
	}
	if name != "broadcast" {
		r.Broadcast = nil
	}
	if name == "hub" {
		r.Hub = &s.Hub
	}
	if name != "exec" {
		r.Exec = nil
	}
	if name != "file" {
		r.File = nil
	}
	if name != "proxy" {
		r.Proxy = nil
	}
	if name != "static" {
		r.Static = nil
	}
	if name != "respond" {
		r.Respond = nil
	}
	if name != "redirect" {
		r.Redirect = nil
	}
	at := n.member("handler")
	if name == "" || at == nil {
		if at != nil && at.Kind == String && !at.bad {
			d.handlerError(at, "found an empty name", "one of "+strings.Join(known, ", ")+" is wanted")
		}
		return
	}
	switch {
	case chosen == nil:
		right := "known here: " + strings.Join(known, ", ")
		if w := nearest(name, known); w != "" {
			right = "did you mean '" + w + "'?"
		}
		d.handlerError(at, "unknown handler "+quote(name), right)
	case n.member(name) == nil && d.whole:
		// Its required settings are missing, if it has any.
		if g, ok := chosen.to.(group); ok {
			for _, f := range g.fields() {
				if f.required {
					mark := d.path.push(name)
					d.path.push(f.name)
					d.fail(n, "this key is missing", "add "+name+": { "+f.name+": "+f.none+" }")
					d.path.pop(mark)
				}
			}
		}
	}
}

func (d *decoder) handlerError(at *Node, found, right string) {
	mark := d.path.push("handler")
	d.fail(at, found, right)
	d.path.pop(mark)
}

// webSocketHandlers are those that answer WebSocket handshakes.
var webSocketHandlers = []string{"broadcast", "echo", "exec", "file", "hub", "proxy"}

// SpeaksWebSocket reports whether the handler is one of ours that answers WebSocket
// handshakes.
func (r *Route) SpeaksWebSocket() bool { return slices.Contains(webSocketHandlers, r.Handler.Value) }

// together checks what several keys of a route say.
func (d *decoder) together(r *Route, n *Node) {
	if r.Match.Set() && r.Pattern.Set() {
		d.failAt(r.Pattern.From, "a route has match or pattern", "remove one of them")
		return
	}
	r.Captures = captures(r)
	if r.Methods.Set() && len(r.Methods.Value) == 0 {
		d.failAt(r.Methods.From, "found an empty list", "leave the key out for all methods")
	}
	if r.Hosts.Set() && len(r.Hosts.Value) == 0 {
		d.failAt(r.Hosts.From, "found an empty list", "leave the key out for all hosts")
	}
	if r.Hub != nil && r.Pattern.Set() {
		d.failAt(r.Pattern.From, "a hub has paths below its own", "write match: '/hub/' instead")
	}
	if w := r.WebSockets; r.Hub == nil && r.SpeaksWebSocket() && w.RequireProtocol.Value && len(w.Protocol.Value) == 0 {
		d.fail(n, "a subprotocol is required but none is given", "add webSockets: { protocol: 'name' }")
	}
	if s := r.Respond; s != nil && s.Body.Value != "" && (s.Status.Value == 204 || s.Status.Value == 304) {
		d.failAt(s.Body.From, "an answer with this status has no body", "remove it, or choose another status")
	}
	if r.Exec != nil {
		r.Exec.together(d, r)
	}
	if r.File != nil {
		d.expansions(r.File.Path, r.Captures)
	}
	if r.Proxy != nil {
		r.Proxy.together(d)
	}
	if r.Redirect != nil {
		d.expansions(r.Redirect.To, r.Captures)
	}
}

// expansions checks that every ${name} of a setting names a capture.
func (d *decoder) expansions(s Setting[string], captures []string) {
	rest := s.Value
	for {
		_, after, found := strings.Cut(rest, "${")
		if !found {
			return
		}
		name, tail, closed := strings.Cut(after, "}")
		rest = tail
		switch {
		case !closed:
			d.failAt(s.From, "found ${ without }", "write ${name} for what the route captured")
			return
		case !slices.Contains(captures, name):
			right := "the route captures nothing"
			if len(captures) > 0 {
				right = "the route captures " + strings.Join(captures, ", ")
			}
			if w := nearest(name, captures); w != "" {
				right = "did you mean '${" + w + "}'?"
			}
			d.failAt(s.From, quote("${"+name+"}")+" is not captured", right)
		}
	}
}

// A raw binding leaves a value of a kind as it is: the settings of a handler of
// the program, and the routes, which are read last.
type raw struct {
	p    **Node
	kind Kind // Object or Array
}

func (raw) what() string { return "object" }

func (b raw) read(d *decoder, n *Node) {
	switch {
	case n.Kind == b.kind:
		*b.p = n
	case b.kind == Array:
		d.wrongKind(n, "a list [ … ]")
	default:
		d.wrongKind(n, "an object { … }")
	}
}

// A headersBinding reads an object of header fields.
type headersBinding struct {
	p    *Headers
	asks bool // they are of a request, and may be secret
}

func (headersBinding) what() string { return "object of texts" }

func (b headersBinding) read(d *decoder, n *Node) {
	if n.Kind != Object {
		d.wrongKind(n, "an object { Name: 'value' }")
		return
	}
	given := make(map[string]bool)
	for _, m := range n.Members {
		mark := d.path.push(m.Name)
		name, err := checkFieldName(m.Name)
		var values Setting[[]string]
		errs := len(d.errs)
		switch {
		case err != nil:
			d.wrong(&Node{Line: m.Line, Column: m.Column}, err)
		case given[name]:
			d.failAt(d.place(m.Line, m.Column), "the field "+name+" is given twice", "a list gives several values")
		default:
			if !m.Value.bad {
				texts(&values, "value", checkFieldValue).read(d, m.Value)
			}
			given[name] = true
		}
		if len(d.errs) == errs {
			h := Header{Name: name, Values: values.Value, From: d.place(m.Line, m.Column)}
			if i := slices.IndexFunc(*b.p, func(h Header) bool { return h.Name == name }); i >= 0 {
				(*b.p)[i] = h
			} else {
				*b.p = append(*b.p, h)
			}
		}
		d.path.pop(mark)
	}
}
