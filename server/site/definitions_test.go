package site

import (
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

// An entry is a definition with the path of its key.
type entry struct {
	path string
	field
}

// walk lists the definitions and those below them.
func walk(prefix string, fields []field) []entry {
	var list []entry
	for _, f := range fields {
		list = append(list, entry{prefix + f.name, f})
		if g, ok := f.to.(group); ok {
			below := prefix + f.name + "."
			if _, ok := f.to.(namespaces); ok {
				below += "NAME."
			}
			list = append(list, walk(below, g.fields())...)
		}
	}
	return list
}

func newRoute() *Route {
	return &Route{Broadcast: new(Broadcast), Exec: new(Exec), File: new(File), Proxy: new(Proxy), Static: new(Static), Respond: new(Respond), Redirect: new(Redirect)}
}

// definitions lists every key that the decoder knows.
func definitions() []entry {
	r := newRoute()
	return slices.Concat(walk("", new(Site).fields()), walk("routes.", r.fields()), walk("routes.", r.handlerFields()))
}

// TestDefinitions: every key is documented, says what it is by default or that
// it is required, and its default is a value that it accepts.
func TestDefinitions(t *testing.T) {
	for _, e := range definitions() {
		if e.to == nil {
			if e.refused == "" || e.doc != "" || e.def != "" {
				t.Errorf("%s: a key that is refused says why, and no more", e.path)
			}
			continue
		}
		if !strings.HasSuffix(e.doc, ".") || strings.ContainsAny(e.doc, "|\n") {
			t.Errorf("%s: the documentation is missing or not fit for a table: %q", e.path, e.doc)
		}
		if e.to.what() == "" || strings.Contains(e.to.what(), "|") {
			t.Errorf("%s: does not say what values it has", e.path)
		}
		_, isGroup := e.to.(group)
		if !isGroup && (e.def == "") == (e.none == "") {
			t.Errorf("%s: has one of a default and a word for there being none", e.path)
		}
		if e.def == "" {
			continue
		}
		n, err := ParseNode("default", []byte(e.def))
		if err != nil {
			t.Errorf("%s: %v", e.path, err)
			continue
		}
		d := new(decoder)
		if e.to.read(d, n); len(d.errs) > 0 {
			t.Errorf("%s: its default is refused: %v", e.path, d.errs)
		}
	}
}

// TestDefinedOnce: no object has two definitions of a key.
func TestDefinedOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, e := range definitions() {
		if seen[e.path] {
			t.Errorf("%s is defined twice", e.path)
		}
		seen[e.path] = true
	}
}

// TestKnownKeys lists the keys by hand, so that none comes or goes unnoticed.
// Those with a ^ stand at the top level.
func TestKnownKeys(t *testing.T) {
	const limits = "maxMessage maxFrame maxPacket maxFragments sendQueue webSockets webSocketsPerIP messagesPerSecond bytesPerSecond"
	const auth = "auth auth.basic auth.basic.realm auth.basic.users auth.jwt auth.jwt.keys auth.jwt.algorithms auth.jwt.issuer auth.jwt.audience auth.jwt.leeway auth.jwt.from auth.jwt.roles auth.role"
	const timeouts = "pong inactivity request close write"
	const webSockets = "protocol requireProtocol ping validateUTF preserveFrames compression whenFull compression.level compression.minSize " +
		"compression.serverContext compression.clientContext compression.windowBits compression.memory"
	var want []string
	add := func(prefix, names string) {
		for name := range strings.FieldsSeq(names) {
			want = append(want, prefix+name)
		}
	}
	add("", "listen tls log limits timeouts webSockets origins headers trustedProxies "+auth+" allow deny rate rate.requests rate.burst rate.per fallback clientScript")
	add("", "hub hub.namespaces hub.limits hub.limits.channels hub.limits.nameBytes hub.limits.messageBytes hub.limits.publishesPerSecond hub.limits.history hub.historyMemory hub.grace hub.apiKeys "+
		"hub.auth hub.auth.jwt hub.auth.jwt.keys hub.auth.jwt.algorithms hub.auth.jwt.issuer hub.auth.jwt.audience hub.auth.jwt.leeway hub.auth.jwt.from "+
		"hub.auth.webhook hub.auth.ask hub.auth.timeout hub.auth.cache")
	add("hub.namespaces.NAME.", "history history.size history.age presence joinLeave publish subscribe whenSlow")
	add("tls.", "certificate key minVersion clientCA acme acme.domains acme.email acme.directory acme.cache")
	add("log.", "level format requests")
	add("limits.", limits+" head headers connections connectionsPerIP")
	add("timeouts.", timeouts+" handshake drain")
	add("webSockets.", webSockets)
	add("routes.", "match pattern methods hosts handler limits timeouts webSockets origins headers "+auth+" allow deny rate rate.requests rate.burst rate.per fallback "+
		"listen^ tls^ log^ routes^ trustedProxies^ clientScript^")
	add("routes.limits.", limits+" head^ headers^ connections^ connectionsPerIP^")
	add("routes.timeouts.", timeouts+" handshake^ drain^")
	add("routes.webSockets.", webSockets)
	add("routes.", "echo broadcast exec file proxy static respond redirect hub")
	add("routes.exec.", "command mode type env pass directory user maxProcesses maxPerIP killAfter maxLine")
	add("routes.", "broadcast.echo broadcast.announce file.path file.type proxy.target proxy.headers proxy.timeout static.directory respond.status respond.headers respond.body redirect.to redirect.status")

	var got []string
	for _, e := range definitions() {
		mark := ""
		if e.to == nil {
			mark = "^"
		}
		got = append(got, e.path+mark)
	}
	sort.Strings(got)
	sort.Strings(want)
	for _, k := range got {
		if !slices.Contains(want, k) {
			t.Errorf("%s is defined and not listed here", k)
		}
	}
	for _, k := range want {
		if !slices.Contains(got, k) {
			t.Errorf("%s is listed here and not defined", k)
		}
	}
}

// TestEverythingIsEverything: the file of TestEverything has every key.
func TestEverythingIsEverything(t *testing.T) {
	for _, e := range definitions() {
		if e.to != nil && !regexp.MustCompile(`\b`+e.name+`:|handler: '`+e.name+`'`).MatchString(everything) {
			t.Errorf("%s is not in the file", e.path)
		}
	}
}
