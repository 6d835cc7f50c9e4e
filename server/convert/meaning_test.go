package convert

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"curlew.example/curlew/server/site"
)

// routeOf is the text of the route with this first line, without the others.
func routeOf(t *testing.T, text, first string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "        {\n            "+first)
	if !ok {
		t.Fatalf("no route begins with %s:\n%s", first, text)
	}
	r, _, _ := strings.Cut(rest, "\n        },\n")
	return first + r
}

// TestNamesOfFiles: the file that a path leads to is the same here.
func TestNamesOfFiles(t *testing.T) {
	for source, want := range map[string][2]string{
		"<Route ^/a/page$>\n</Route>":                               {"match: '/a/page'", "./web/a"},
		"<Route ^/page$>\n</Route>":                                 {"match: '/page'", "./web"},
		"<Route ^/a/b/{name}$>\n</Route>":                           {"match: '/a/b/{name}'", "./web/a/b"},
		"<Route ^/a/{x}/{name}$>\n</Route>":                         {"pattern: '^/a/(?P<x>[^/]*)/(?P<name>[^/]*)$'", "./web"},
		"<Route ^/get/page$>\nPrefix /get\n</Route>":                {"match: '/get/page'", "./web"},
		"<Route ^/get/a/{name}$>\nPrefix /get\n</Route>":            {"match: '/get/a/{name}'", "./web/a"},
		"<Route ^/get/{x}/{name}$>\nPrefix /get\n</Route>":          {"match: '/get/{x}/{name}'", ""},
		"<Route ^/a/>\n</Route>":                                    {"match: '/a/'", "./web/a"},
		"<Route ^/a/(.*)$>\nPrefix /a\nDocuments d\n</Route>":       {"match: '/a/'", "./d"},
		"<Route ^/a/{x}/>\n</Route>":                                {"pattern: '^/a/(?P<x>[^/]*)/'", "./web"},
		"<Route ^/page\\.html$>\n</Route>":                          {"match: '/page.html'", "./web"},
		"<Route ^/other$>\nAddHandler fileHandler\nMethods set GET": {"match: '/other'", "./web"},
	} {
		text, _ := convertText(t, "Documents web\n"+source)
		r := routeOf(t, text, want[0])
		if want[1] != "" && !strings.Contains(r, "static: { directory: '"+want[1]+"' }") || want[1] == "" && !strings.Contains(r, "status: 501") {
			t.Errorf("%s: %s is wanted:\n%s", source, want[1], text)
		}
	}
}

// TestGuardOfPrefix: what keeps the source of programs from being read concerns
// the folder of its route, not everybody's.
func TestGuardOfPrefix(t *testing.T) {
	text, _ := convertText(t, "Documents web\nAddHandler espHandler esp\n<Route ^/get>\nPrefix /get\n</Route>")
	guard := routeOf(t, text, `pattern: '^/get/(?i:.*\\.(?:esp))$'`)
	if !strings.Contains(guard, "501") || strings.Index(text, guard) > strings.Index(text, "match: '/get/'") {
		t.Errorf("%s", text)
	}
}

// TestGuardOfNothing: {name} is nothing at all, too, to Appweb, and what is
// protected stays so. Where nobody is kept out it makes no difference that
// matters.
func TestGuardOfNothing(t *testing.T) {
	text, s := convertText(t, "Documents web\n<Route ^/admin/{page}$>\nAuthType basic r\n</Route>\n<Route ^/open/{page}$>\n</Route>")
	if r := s.Routes[0]; r.Regexp == nil || !r.Regexp.MatchString("/admin/") || r.Access.Auth == nil || s.Routes[1].Match.Value != "/open/{page}" {
		t.Errorf("%s", text)
	}
}

// TestNearestHandler: what a route says of handlers counts before what it inherits.
func TestNearestHandler(t *testing.T) {
	for source, want := range map[string]string{
		"AddHandler fileHandler html \"\"\n<Route ^/a/>\nAddHandler actionHandler \"\"\n</Route>": "501",
		"AddHandler fileHandler\n<Route ^/a/>\nSetHandler actionHandler\n</Route>":                "501",
		"SetHandler secretHandler\nAddHandler fileHandler\n<Route ^/a/>\n</Route>":                "501",
		"SetHandler actionHandler\n<Route ^/a/>\nSetHandler fileHandler\n</Route>":                "static: {",
		"SetHandler actionHandler\n<Route ^/a/>\nAddHandler fileHandler\n</Route>":                "static: {",
	} {
		text, _ := convertText(t, "Documents web\n"+source)
		if r := routeOf(t, text, "match: '/a/'"); !strings.Contains(r, want) {
			t.Errorf("%s: where is %s?\n%s", source, want, text)
		}
	}
}

// TestNoWayIn: a WebSocket needs GET, and who allows other methods only lets
// nobody open one.
func TestNoWayIn(t *testing.T) {
	for source, match := range map[string]string{
		"<Route ^/a$>\nAddFilter webSocketFilter\nMethods set POST\n</Route>": "match: '/a'",
		"{ routes: [{ match: '/a', handler: 'action', methods: ['POST'] }] }": "match: '/a'",
	} {
		text, _ := convertText(t, source)
		if r := routeOf(t, text, match); !strings.Contains(r, "501") {
			t.Errorf("%s:\n%s", source, text)
		}
	}
}

// TestClosedFolder: a protected route whose pattern cannot be had here closes the
// folder that it is in, if there is one.
func TestClosedFolder(t *testing.T) {
	text, s := convertText(t, "Documents w\n<Route ^/a/((?!\\.php).*)$>\nAuthType basic\n</Route>")
	if r := routeOf(t, text, "match: '/a/'"); !strings.Contains(r, "501") || !strings.Contains(r, "is no RE2") || s.Routes[0].Respond == nil {
		t.Errorf("%s", text)
	}
	for _, pattern := range []string{"!^/a/b/", "^/a/(?!x)|^/b/", "^(?!/a/)", "^/(?!a/)"} {
		_, err := File("source", []byte("Documents w\n<Route "+pattern+">\nDeny from 10.0.0.1\n</Route>"))
		if err == nil || !strings.Contains(err.Error(), "keeps somebody out") {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	// What is beside the folder of a Prefix without a slash was for users, too.
	text, s = convertText(t, "Documents w\n<Route ^/a/b>\nPrefix /a/b\nAuthType basic\n</Route>")
	if r := routeOf(t, text, "pattern: '^/a/b[^/]'"); !strings.Contains(r, "501") || s.Routes[0].Match.Value != "/a/b/" {
		t.Errorf("%s", text)
	}
	if r := routeOf(t, text, "match: '/a/b',"); !strings.Contains(r, "redirect: { to: '/a/b/', status: 302 }") {
		t.Errorf("%s", text)
	}
}

// TestRolesWithin: a role that has another one in it may do what that one may.
func TestRolesWithin(t *testing.T) {
	for source, want := range map[string]string{
		"Role admin user manage\nRole user view\nRole root admin\nDocuments w\n<Route ^/a/>\nAuthType basic r\nRequire ability view\n</Route>": "role: ['view', 'admin', 'user', 'root']",
		"Documents w\n<Route ^/a/>\nAuthType basic r\nRequire role user\n</Route>\nRole admin user":                                            "role: ['user', 'admin']",
		"Role admin a b\nRole x a\nDocuments w\n<Route ^/a/>\nAuthType basic r\nRequire ability a, b\n</Route>":                                "role: 'admin'",
		"Documents w\n<Route ^/a/>\nAuthType basic r\nRequire ability a b\n</Route>":                                                           "role: 'a b'",
		"Role a b\nRole b a\nDocuments w\n<Route ^/a/>\nAuthType basic r\nRequire role a\n</Route>":                                            "role: ['a', 'b']",

		"{ auth: { roles: ['user', 'admin', 'owner'] }, routes: [{ match: '/a/', role: 'admin' }] }":                                "role: ['admin', 'owner']",
		"{ auth: { roles: { user: ['view'], admin: ['user'], owner: ['admin', 'x'] } }, routes: [{ match: '/a/', role: 'user' }] }": "role: ['user', 'admin', 'owner']",
		"{ auth: { roles: { a: ['b'], b: ['a'], c: 5 } }, routes: [{ match: '/a/', role: 'a' }] }":                                  "role: ['a', 'b']",
		"{ routes: [{ match: '/a/', role: 'user' }] }":                                                                              "role: 'user'",
	} {
		text, _ := convertText(t, source)
		if r := routeOf(t, text, "match: '/a/'"); !strings.Contains(r, want) {
			t.Errorf("%s: where is %s?\n%s", source, want, text)
		}
	}
}

// TestIotoRedirectOfStrangers: a route with a role and a redirect sends who is not
// logged in to the redirect; others get what is there.
func TestIotoRedirectOfStrangers(t *testing.T) {
	text, _ := convertText(t, "{ routes: [{ match: '/a/', role: 'user', redirect: '/auth/login' }, { match: '/b/', redirect: '/c' }] }")
	if r := routeOf(t, text, "match: '/a/'"); !strings.Contains(r, "handler: 'static'") || !strings.Contains(r, "role: 'user'") || !strings.Contains(r, "// redirect /auth/login") {
		t.Errorf("%s", text)
	}
	if r := routeOf(t, text, "match: '/b/'"); !strings.Contains(r, "handler: 'redirect'") {
		t.Errorf("%s", text)
	}
}

// TestIotoMethods: a method that a protected route does not have is not for the
// next route, which may be open: Ioto asks no other.
func TestIotoMethods(t *testing.T) {
	text, s := convertText(t, "{ routes: [{ match: '/a/', handler: 'action', role: 'user', methods: ['GET'] }, { match: '/b/', handler: 'action', methods: ['GET'] }, {}] }")
	if len(s.Routes[0].Methods.Value) > 0 || len(s.Routes[1].Methods.Value) != 1 {
		t.Errorf("%s", text)
	}
}

// TestIotoRedirectsEnd: no redirect leads to itself, as schemes and ports do not
// matter to a route.
func TestIotoRedirectsEnd(t *testing.T) {
	for redirect, want := range map[string]string{
		"from: 'http://example.com', to: 'https://example.com'":       "redirect: { to: 'https:', status: 301 }",
		"from: 'http://example.com', to: 'https://example.com:8443'":  "redirect: { to: 'https://:8443', status: 301 }",
		"from: 'https://example.com', to: 'http://example.com'":       "left out: it would lead to itself",
		"from: 'https://example.com/a', to: 'http://example.com/a'":   "left out: it would lead to itself",
		"to: 'https://example.com'":                                   "to: 'https://example.com/${path}'",
		"from: 'http://:80', to: 'https://example.com'":               "// the host stays what it was",
		"from: 'http://:80', to: 'http://example.com:8080'":           "left out: it would lead to itself",
		"from: ':443', to: 'https://:4443'":                           "left out: it is for what comes over TLS",
		"from: 'http://:80', to: 'https://:4443'":                     "redirect: { to: 'https://:4443', status: 301 }",
		"from: '/', to: '/home/'":                                     "pattern: '^/$'",
		"from: '/a{b}', to: '/c'":                                     "pattern: '^/a\\\\{b\\\\}$'",
		"from: '/a', to: '/a'":                                        "left out: it would lead to itself",
		"from: '/a/', to: '/a/b'":                                     "left out: it would lead to itself",
		"from: 'http://example.com', to: 'https://EXAMPLE.com/b'":     "left out: it would lead to itself",
		"from: 'http://example.com', to: 'https://new.example.com'":   "to: 'https://new.example.com/${path}'",
		"from: 'http://example.com/a', to: 'https://example.com/b'":   "to: 'https://example.com/b'",
		"from: 'http://example.com/a', to: 'https://b.example.com/a'": "to: 'https://b.example.com/a'",
	} {
		text, _ := convertText(t, "{ redirect: [{ "+redirect+" }] }")
		if !strings.Contains(text, want) {
			t.Errorf("%s: where is %s?\n%s", redirect, want, text)
		}
	}
}

// TestPlacesOfPrograms: our own bounds of programs are no smaller than what the
// source bounds.
func TestPlacesOfPrograms(t *testing.T) {
	for source, want := range map[string]string{
		"":                                       "maxPerIP: 20",
		"LimitConnectionsPerClient 3":            "command: ['./controllers/websocket'] }",
		"LimitConnectionsPerClient 30":           "maxPerIP: 30",
		"LimitConnections 500":                   "maxProcesses: 500",
		"LimitConnections unlimited":             "maxProcesses: 'unlimited'",
		"LimitConnections 500\nLimitProcesses 7": "maxProcesses: 7",
	} {
		text, _ := convertText(t, source+"\n<Route ^/ws$>\nAddFilter webSocketFilter\n</Route>")
		if r := routeOf(t, text, "match: '/ws'"); !strings.Contains(r, want) || strings.Contains(r, "maxProcesses") != strings.Contains(want, "maxProcesses") {
			t.Errorf("%q: where is %s?\n%s", source, want, text)
		}
	}
	text, _ := convertText(t, "{ routes: [{ match: '/ws', handler: 'action' }], limits: { connections: 300, maxMessage: '2MB' } }")
	if r := routeOf(t, text, "match: '/ws'"); !strings.Contains(r, "maxProcesses: 300") || !strings.Contains(r, "maxPerIP: 300") || !strings.Contains(r, "maxLine: '2 MB'") {
		t.Errorf("%s", text)
	}
	for limit, want := range map[string]string{"": "", "1MB": "", "40MB": "maxLine: '40 MB'", "unlimited": "maxLine: 2147483647", "4GB": "maxLine: 2147483647", "10": ""} {
		if limit != "" {
			limit = "\nLimitWebSocketsMessage " + limit
		}
		text, _ := convertText(t, "<Route ^/ws$>\nAddFilter webSocketFilter"+limit+"\n</Route>")
		if r := routeOf(t, text, "match: '/ws'"); !strings.Contains(r, want) || want == "" && strings.Contains(r, "maxLine") {
			t.Errorf("%q: where is %s?\n%s", limit, want, text)
		}
	}
}

// TestRequireSecure: for how long browsers are to insist on TLS is a header.
func TestRequireSecure(t *testing.T) {
	for require, want := range map[string]string{
		"secure":                  "",
		"secure age=30days":       "max-age=2592000",
		"secure age=1day domains": "max-age=86400; includeSubDomains",
		"secure domains":          "",
		"secure age=5fortnights":  "line 3: Require secure age=5fortnights",
	} {
		text, _ := convertText(t, "Documents w\n<Route ^/a/>\nRequire "+require+"\n</Route>")
		if strings.Contains(text, "Strict-Transport-Security': '") != strings.HasPrefix(want, "max") || !strings.Contains(text, want) {
			t.Errorf("%s: where is %s?\n%s", require, want, text)
		}
	}
}

// TestOnce: a certificate that several hosts have is one.
func TestOnce(t *testing.T) {
	const pair = "SSLCertificateFile a\nSSLCertificateKeyFile b\n"
	text, s := convertText(t, "ListenSecure 443\n"+pair+"<VirtualHost *:443>\nServerName a.example\n"+pair+"</VirtualHost>")
	if len(s.TLS.Certificates) != 1 {
		t.Errorf("%s", text)
	}
}

// TestPortsOfHosts: where hosts were told apart by their ports it is said that
// they are not any more.
func TestPortsOfHosts(t *testing.T) {
	text, _ := convertText(t, "Listen 80\n<VirtualHost *:81>\nListen 81\nServerName a.example\nDocuments w\n</VirtualHost>")
	if !strings.Contains(text, "// line 2: <VirtualHost *:81>   (whatever the port") {
		t.Errorf("%s", text)
	}
}

// TestOtherKinds: Appweb's JSON is not taken for Ioto's, where nothing would be
// left of it.
func TestOtherKinds(t *testing.T) {
	_, err := File("esp.json", []byte("{\n    http: { limits: { webSockets: 5 }, routes: [] },\n}"))
	var list site.Errors
	if !errors.As(err, &list) || !strings.HasPrefix(err.Error(), "esp.json:2:11: http: ") || !strings.Contains(err.Error(), "appweb.conf") {
		t.Errorf("%v", err)
	}
}

// TestIotoClientCertificates: whoever had to show a certificate is told of, if
// nobody says of which authority.
func TestIotoClientCertificates(t *testing.T) {
	text, _ := convertText(t, "{ tls: { certificate: 'a', key: 'b', verify: { client: true } }, listen: 'https://:443' }")
	if !strings.Contains(text, "name the authority of the clients with tls.clientCA") {
		t.Errorf("%s", text)
	}
	if text, _ := convertText(t, "{ tls: { certificate: 'a', key: 'b', authority: 'c', verify: { client: true } }, listen: 'https://:443' }"); strings.Contains(text, "tls.verify") {
		t.Errorf("%s", text)
	}
}

// TestCF1_ManyThings: a file can not make this take minutes.
func TestCF1_ManyThings(t *testing.T) {
	for what, source := range map[string]string{
		"4001:1: the file has more than 4000 directives":     strings.Repeat("Listen 1\n", 5000),
		"8001:1: the file has more than 4000 directives":     strings.Repeat("<if A>\n</if>\n", 5000),
		"1:11: routes: found 5000 of them, and at most 4000": "{ routes: [" + strings.Repeat("{},", 5000) + "] }",
		"1:1: this comment does not end":                     "/* { }",
		"1:10: limits: this text does not end":               "{ limits:'",
	} {
		_, err := File("source", []byte(source))
		if err == nil || !strings.HasPrefix(err.Error(), "source:"+what) {
			t.Errorf("%.30q: %v, want %s", source, err, what)
		}
	}
	// Roles in a long row, asked for by many.
	text := "Documents w\n"
	for i := range 1000 {
		text += fmt.Sprintf("Role r%d r%d\n", i, i+1)
	}
	text += strings.Repeat("<Route ^/a/>\nRequire role r900\n</Route>\n", 10)
	if got, _ := convertText(t, text); strings.Count(got, "role: ['r900', 'r0', 'r1', ") != 10 {
		t.Error("not all roles")
	}
}

// TestUnknownBlocks: a block that nobody knows here and that keeps somebody out
// is an error; others become comments.
func TestUnknownBlocks(t *testing.T) {
	for inner, refused := range map[string]bool{
		"AuthType basic example.com": true, "Require user joe": true, "Deny from all": true, "Allow from 10.0.0.0/8": true, "Condition exists x": true,
		"<Limit GET>\nRequire valid-user\n</Limit>": true, "<if A>\nDeny from all\n</if>": true,
		"Options Indexes": false, "AuthType none": false,
	} {
		source := "Documents w\n<Directory /var/www>\n" + inner + "\n</Directory>"
		got, err := File("source", []byte(source))
		if refused && (err == nil || !strings.HasPrefix(err.Error(), "source:2:1: Directory: the block has no counterpart, and it keeps somebody out; write it as a <Route>")) {
			t.Errorf("%s: %v\n%s", source, err, got)
		}
		if !refused && (err != nil || !strings.Contains(string(got), "// line 2: <Directory /var/www>   (the block has no counterpart)")) {
			t.Errorf("%s: %v\n%s", source, err, got)
		}
	}
	// What is for the way to a backend keeps nobody out.
	if _, err := File("source", []byte("<Route ^/a/>\nProxyConnect 9999\n<ProxyConfig>\nCondition x\n</ProxyConfig>\n</Route>")); err != nil {
		t.Error(err)
	}
}

// TestIotoBraces: they stand for nothing in a match of Ioto's.
func TestIotoBraces(t *testing.T) {
	for match, want := range map[string]string{
		"/a/{b}":     `^/a/\{b\}$`,
		"/a/{b}/":    `^/a/\{b\}/`,
		"/{a.b}/c":   `^/\{a\.b\}/c$`,
		"/a}/":       `^/a\}/`,
		"/plain/a.b": "",
	} {
		text, s := convertText(t, "{ routes: [{ match: '"+match+"' }] }")
		if r := s.Routes[0]; r.Pattern.Value != want || want == "" && r.Match.Value != match {
			t.Errorf("%s: %q\n%s", match, r.Pattern.Value, text)
		} else if want != "" && (!r.Regexp.MatchString(match) || r.Regexp.MatchString("/a/x/c")) {
			t.Errorf("%s: %v", match, r.Regexp)
		}
	}
}

// TestPasswordsOverTLS: where the source sent no password in the clear, none is
// asked for without TLS if there is any.
func TestPasswordsOverTLS(t *testing.T) {
	const pair = "SSLCertificateFile a\nSSLCertificateKeyFile b\n"
	for source, want := range map[string]string{
		"Documents w\n<Route ^/a/>\nAuthType digest r\n</Route>\nListenSecure 443\n" + pair:                 "https:",
		"Documents w\n<Route ^/a/>\nAuthType form r /login\n</Route>\nListenSecure 8443\n" + pair:           "https://:8443",
		"Documents w\n<Route ^/a/>\nAuthType basic r\n</Route>\nListenSecure 443\n" + pair:                  "",
		"Documents w\n<Route ^/a/>\nAuthType digest r\n</Route>\nListen 80\n":                               "",
		"Documents w\n<Route ^/a/>\nRequire secure\n</Route>\nListen 80\nListenSecure *:4443\n" + pair:      "https://:4443",
		"Documents w\n<Route ^/a/>\nRequire secure\nAuthType digest r\n</Route>\nListenSecure 443\n" + pair: "https:",

		"{ routes: [{ match: '/a/', role: 'user' }], listen: ['http://:80', 'https://:443'], tls: { certificate: 'a', key: 'b' } }":                                           "https:",
		"{ routes: [{ match: '/a/', role: 'user', authType: 'basic' }], listen: ['https://:8443'], tls: { certificate: 'a', key: 'b' } }":                                     "https://:8443",
		"{ routes: [{ match: '/a/', role: 'user', authType: 'basic' }], auth: { requireTlsForBasic: false }, listen: ['https://:443'], tls: { certificate: 'a', key: 'b' } }": "",
		"{ routes: [{ match: '/a/', role: 'user' }], listen: ['http://:80'] }":                                                                                                "",
		"{ routes: [{ match: '/a/', role: 'public' }], listen: ['https://:443'] }":                                                                                            "",
	} {
		text, s := convertText(t, source)
		got, routes := "", 0
		for _, r := range s.Routes {
			if r.Match.Value == "/a/" {
				if routes++; r.Redirect != nil {
					if routes > 1 {
						t.Errorf("behind the route:\n%s", text)
					}
					got = r.Redirect.To.Value
				}
			}
		}
		if got != want || want != "" && routes != 2 {
			t.Errorf("%s: leads to %q, want %q, %d routes\n%s", source, got, want, routes, text)
		}
	}
	// Redirect secure leads to where TLS is, too; what Ioto says of ports stays.
	if text, _ := convertText(t, "ListenSecure 4443\n"+pair+"Redirect secure"); !strings.Contains(text, "to: 'https://:4443'") {
		t.Errorf("%s", text)
	}
	if text, _ := convertText(t, "{ listen: ['https://:4443'], redirect: [{ from: 'http://:80', to: 'https://:443' }], tls: { certificate: 'a', key: 'b' } }"); !strings.Contains(text, "to: 'https:'") {
		t.Errorf("%s", text)
	}
}

// TestHostsOfThisMachine: a host that only this machine could reach, as its
// address was one of the loopback, is for this machine still.
func TestHostsOfThisMachine(t *testing.T) {
	for listen, want := range map[string]bool{
		"Listen 127.0.0.1:81": true, "Listen 127.0.0.1:81\nListenSecure [::1]:82": true, "Listen localhost:81": true,
		"Listen 127.0.0.1:81\nListen 82": false, "Listen 10.0.0.1:81": false, "": false,
	} {
		text, s := convertText(t, "Listen 80\nDocuments w\nSSLCertificateFile a\nSSLCertificateKeyFile b\n<VirtualHost *:81>\n"+listen+"\nServerName admin.example\nDocuments a\n"+
			"<Route ^/x/>\nAllow from all\n</Route>\n<Route ^/y/>\nAuthType basic r\n</Route>\n</VirtualHost>")
		for _, r := range s.Routes {
			if only := r.Access.Allow.Set() && !r.Access.Allow.Value.All; len(r.Hosts.Value) > 0 && only != want {
				t.Errorf("%s: %s\n%s", listen, r.Match.Value, text)
			}
		}
	}
}
