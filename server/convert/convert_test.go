package convert

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew/server/site"
)

var update = flag.Bool("update", false, "write the golden files")

// sources are the configurations of testdata.
func sources(t testing.TB) []string {
	var files []string
	for _, pattern := range []string{"testdata/*.conf", "testdata/*.web.json5"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// TestGolden: each configuration of testdata, and what becomes of it.
func TestGolden(t *testing.T) {
	for _, file := range sources(t) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := File(filepath.Base(file), source)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		accepted(t, file, got)
		golden := file + ".golden"
		if *update {
			if err := os.WriteFile(golden, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what is made now (go test -update writes it):\n%s", golden, got)
		}
	}
}

// accepted reads the result as curlew check does.
func accepted(t testing.TB, what string, result []byte) *site.Site {
	t.Helper()
	s, err := site.Parse(what, result)
	if err != nil {
		t.Fatalf("%s: %v\n%s", what, err, result)
	}
	return s
}

func convertText(t *testing.T, source string) (string, *site.Site) {
	t.Helper()
	got, err := File("source", []byte(source))
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	return string(got), accepted(t, source, got)
}

// TestDocumentedAppweb: the route block of Appweb's documentation means what the
// documentation says.
func TestDocumentedAppweb(t *testing.T) {
	source, err := os.ReadFile("testdata/documented.conf")
	if err != nil {
		t.Fatal(err)
	}
	text, s := convertText(t, string(source))
	if s == nil {
		t.Fatalf("this version lacks what the result needs:\n%s", text)
	}
	r := s.Routes[0]
	if r.Match.Value != "/websock/{controller}" || r.Handler.Value != "exec" || r.Exec.Command.Value[0] != "./controllers/${controller}" {
		t.Errorf("%s", text)
	}
	if w := r.WebSockets; !slices.Equal(w.Protocol.Value, []string{"chat"}) || !w.RequireProtocol.Value || w.Ping.Value != site.Unlimited {
		t.Errorf("%+v", w)
	}
	if r.Timeouts.Request.Value != 2*time.Hour || r.Timeouts.Inactivity.Value != 5*time.Minute {
		t.Errorf("%+v", r.Timeouts)
	}
	if !strings.Contains(text, "// line 5: Source test.c") {
		t.Errorf("where is the source?\n%s", text)
	}
}

// TestDocumentedIoto: the same for Ioto's.
func TestDocumentedIoto(t *testing.T) {
	source, err := os.ReadFile("testdata/documented.web.json5")
	if err != nil {
		t.Fatal(err)
	}
	text, s := convertText(t, string(source))
	if s == nil {
		t.Fatalf("this version lacks what the result needs:\n%s", text)
	}
	r := s.Routes[1]
	if r.Match.Value != "/ws/" || r.Handler.Value != "exec" || !slices.Equal(r.Methods.Value, []string{"GET"}) {
		t.Errorf("%s", text)
	}
	if w := r.WebSockets; w.Ping.Value != time.Minute || !slices.Equal(w.Protocol.Value, []string{"chat"}) || w.RequireProtocol.Value || !w.ValidateUTF.Value {
		t.Errorf("%+v", w)
	}
	if r.Timeouts.Request.Value != time.Hour || r.Timeouts.Inactivity.Value != 5*time.Minute || r.Limits.MaxFrame.Value != 128<<10 || r.Limits.MaxMessage.Value != 1<<20 {
		t.Errorf("%+v %+v", r.Timeouts, r.Limits)
	}
}

// TestUnits: what their numbers are here.
func TestUnits(t *testing.T) {
	type result struct{ value, note, err string }
	for _, c := range []struct {
		read func(string) (string, string, error)
		in   string
		want result
	}{
		{duration, "30", result{value: "'30 s'"}},
		{duration, "5mins", result{value: "'5 mins'"}},
		{duration, "5 MINS", result{value: "'5 mins'"}},
		{duration, "2hrs", result{value: "'2 hrs'"}},
		{duration, "1min", result{value: "'1 min'"}},
		{duration, "10secs", result{value: "'10 s'"}},
		{duration, "1day", result{value: "'1 day'"}},
		{duration, "3 months", result{value: "'90 days'"}},
		{duration, "2years", result{value: "'730 days'"}},
		{duration, "1.5 hours", result{"'1.5 hours'", "the source cuts it to 1", ""}},
		{duration, "5m", result{"'5 mins'", "the source reads 5m as 5 times 1048576 seconds", ""}},
		{duration, "unlimited", result{value: "'unlimited'"}},
		{duration, "forever", result{value: "'unlimited'"}},
		{duration, "Never", result{value: "'never'"}},
		{duration, "0", result{err: "0 has no counterpart"}},
		{duration, "5 fortnights", result{err: "'5 fortnights' has the unknown unit 'fortnights'"}},
		{duration, "fast", result{err: "'fast' is not a number"}},
		{duration, "", result{err: "'' is not a number"}},
		{duration, "-5", result{err: "'-5' is not a number"}},
		{duration, "999999999 years", result{err: "too large"}},
		{duration, "1.5 years", result{err: "no whole number"}},
		{size, "4K", result{value: "'4 KB'"}},
		{size, "40MB", result{value: "'40 MB'"}},
		{size, "1 gb", result{value: "'1 GB'"}},
		{size, "131072", result{value: "131072"}},
		{size, "007", result{value: "7"}},
		{size, "100 bytes", result{value: "100"}},
		{size, "infinite", result{value: "'unlimited'"}},
		{size, "1.5", result{err: "not a whole number of bytes"}},
		{size, "5 TB", result{err: "unknown unit 'tb'"}},
		{size, "99999999999999999999", result{err: "too large"}},
		{count, "25", result{value: "25"}},
		{count, "2K", result{value: "2048"}},
		{count, "unlimited", result{value: "'unlimited'"}},
		{count, "1.5", result{err: "no whole number"}},
		{count, "5 mins", result{err: "has a unit"}},
		{count, "00", result{err: "0 has no counterpart"}},
	} {
		value, note, err := c.read(c.in)
		if value != c.want.value || note != c.want.note || (err == nil) != (c.want.err == "") || err != nil && !strings.Contains(err.Error(), c.want.err) {
			t.Errorf("%q: %q, %q, %v, want %+v", c.in, value, note, err, c.want)
		}
	}
}

// TestPatterns: what becomes of Appweb's patterns.
func TestPatterns(t *testing.T) {
	for p, want := range map[string]matcher{
		"":                   {match: "/", base: "/"},
		"^/":                 {match: "/", base: "/"},
		"^/ws/":              {match: "/ws/", base: "/ws/"},
		"/ws/":               {match: "/ws/", base: "/ws/"},
		"^/ws":               {pattern: "^/ws", base: "/"},
		"^/ws$":              {match: "/ws", base: "/"},
		`^/a\.b$`:            {match: "/a.b", base: "/"},
		"^/a.b$":             {pattern: "^/a.b$", base: "/"},
		"^/a/{b}$":           {match: "/a/{b}", names: []string{"b"}, base: "/a/"},
		"^/a/{b}":            {pattern: "^/a/(?P<b>[^/]*)", names: []string{"b"}, base: "/a/"},
		"^/a/x{b}$":          {pattern: "^/a/x(?P<b>[^/]*)$", names: []string{"b"}, base: "/a/"},
		"^/{b}/{b}$":         {match: "", pattern: "^/(?P<b>[^/]*)/(?P<p2>[^/]*)$", names: []string{"b", "p2"}, base: "/"},
		"^/a/{b=[0-9]{2}}$":  {pattern: "^/a/(?P<b>[0-9]{2})$", names: []string{"b"}, base: "/a/"},
		"^/a/(.*)$":          {pattern: "^/a/(?P<p1>.*)$", names: []string{"p1"}, base: "/a/", rest: true},
		"^/a/(b|c)(~/{d}~)$": {pattern: "^/a/(?P<p1>b|c)(?:/(?P<d>[^/]*))?$", names: []string{"p1", "d"}, base: "/a/"},
		`^/a/[^a-z]\{2}b$`:   {pattern: `^/a/[^a-z]{2}b$`, base: "/a/"},
		`^/a/[^a-z]{2}\{x$`:  {pattern: `^/a/[^a-z]{2}\{x$`, base: "/a/"},
		`^/a/[]{}/(x]$`:      {pattern: `^/a/[]{}/(x]$`, base: "/a/"},
		"^/ab*":              {pattern: "^/ab*", base: "/"},
	} {
		m, err := translate(p)
		if p == "^/{b}/{b}$" && err == nil && m.match == "/{b}/{p2}" {
			continue // just as good
		}
		if err != nil || m.match != want.match || m.pattern != want.pattern || !slices.Equal(m.names, want.names) || m.base != want.base || m.rest != want.rest {
			t.Errorf("%q: %+v, %v, want %+v", p, m, err, want)
		}
	}
	for _, p := range []string{"!^/a", "^/(?!a)", "^/(", "^/[", `^/(a)\1`} {
		if m, err := translate(p); err == nil {
			t.Errorf("%q: %+v", p, m)
		}
	}
}

// TestErrors: what is wrong is refused, all at once, with its place.
func TestErrors(t *testing.T) {
	for source, want := range map[string]string{
		"Listen":                         "source:1:1: Listen: found no value; one is wanted",
		"\n  Listen 99999999":            "source:2:3: Listen: ':99999999' is not an address",
		"Listen host:http":               "source:1:1: Listen: 'host:http' is not an address",
		"InactivityTimeout 5 fortnights": "source:1:1: InactivityTimeout: '5 fortnights' has the unknown unit 'fortnights'",
		"LimitWebSockets many":           "source:1:1: LimitWebSockets: 'many' is not a number",
		"RequestTimeout":                 "source:1:1: RequestTimeout:",
		"Documents \"./web":              "source:1:11: the text that begins with \" does not end",
		"<Route ^/a/>\n</VirtualHost>":   "source:2:1: found </VirtualHost>, and the open block is <Route> of line 1",
		"</Route>":                       "source:1:1: found </Route>, and no block is open",
		"<else>":                         "source:1:1: found <else> without <if>",
		"<Route ^/a/":                    "source:1:1: the block '<Route ^/a/' does not end in >",
		"<Route>\n</Route>":              "source:1:1: Route: found no pattern",
		"< >":                            "source:1:1: found a block without a name",
		"PreserveFrames perhaps":         "source:1:1: PreserveFrames: found 'perhaps'; on or off is wanted",
		"WebSocketsProtocol a/b":         "source:1:1: WebSocketsProtocol: 'a/b' is not the name of a subprotocol",
		"Methods get/it":                 "source:1:1: Methods: 'GET/IT' is not a method",
		"Allow from example":             "source:1:1: Allow: 'example' is not a range of addresses",
		"Header mangle X y":              "source:1:1: Header: found 'mangle'",
		"Redirect":                       "source:1:1: Redirect: found no target",
		"Listen 80 # \xff":               "source:1:13: found the byte 0xff, which is not UTF-8",
		strings.Repeat("<if A>\n", 65):   "source:65:1: blocks stand more than 64 deep",
		strings.Repeat("#", 1<<20+1):     "source: the file is larger than 1 MiB",

		"Documents w\n<Route !^/public/>\nAuthType basic\n</Route>": "source:2:1: Route: a pattern that must not match has no counterpart, and the route keeps somebody out",
		"<Route ^/(?!a)>\nDeny from 10.0.0.1\n</Route>":             "source:1:1: Route: '^/(?!a)' is no RE2",
		"{ webSockets { ping: '1min' } }":                           "source:1:14: webSockets",
		"{ webSockets: { ping: '1 fortnight' } }":                   "source:1:23: webSockets.ping: '1 fortnight' has the unknown unit",
		"{ webSockets: { protocol: 'a b' } }":                       "source:1:27: webSockets.protocol: 'a b' is not the name of a subprotocol",
		"{ webSockets: { validateUTF: 'yes' } }":                    "source:1:30: webSockets.validateUTF: true or false is wanted",
		"{ limits: 5 }":                                             "source:1:11: limits: an object",
		"{ limits: { maxFrame: true } }":                            "source:1:23: limits.maxFrame: a number",
		"{ web: { listen: ['ftp://:21', 'http://a:b'] } }":          "source:1:19: web.listen: an address",
		"{ routes: {} }":                                            "source:1:11: routes: a list",
		"{ routes: [5] }":                                           "source:1:12: routes[0]: an object",
		"{ routes: [{ match: 5 }] }":                                "source:1:21: routes[0].match: a text is wanted",
		"{ routes: [{ match: 'x' }] }":                              "source:1:12: routes[0]: match: 'x' does not begin with /",
		"{ routes: [{ methods: 'get' }] }":                          "source:1:23: routes[0].methods: 'get' is not a method",
		"{ headers: { 'A B': 'c' } }":                               "source:1:21: headers.A B:",
		"{ a: 1, a: 2 }":                                            "source:1:9: a: this key is given twice",
		"{ tls: { certificate: 5 } }":                               "source:1:23: tls.certificate: the name of a file is wanted",
		"{ documents: 5 }":                                          "source:1:14: documents: the name of a folder is wanted",
	} {
		got, err := File("source", []byte(source))
		if got != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60q:\ngot  %v\nwant %s", source, err, want)
		}
	}
	_, err := File("source", []byte("Listen\nListen\n{"))
	if list := (site.Errors)(nil); !errors.As(err, &list) || len(list) != 2 {
		t.Errorf("not all at once: %v", err)
	}
}

// TestCF11_Comments: nothing of the source gets out of a comment or a text.
func TestCF11_Comments(t *testing.T) {
	for _, evil := range []string{"a\u2028listen: 5", "a\u2029}", "a\x1b[31m", "a\x00b", "*/ }", "' }", "\\", "a\rb", "a\u202eb", "${x}", "\x7f\u0085"} {
		for _, source := range []string{
			"Unknown " + evil, "Documents \"" + evil + "\"", "<Route ^/" + evil + "/>\nSource " + evil + "\n</Route>", "Header set X \"" + evil + "\"",
			"Redirect 302 /a \"/" + evil + "\"", "<if " + evil + ">\n</if>", "<Route ^/a>\nTarget write 200 \"" + evil + "\"\n</Route>",
			"AddHandler a" + evil + " x" + evil + "\nDocuments .", "AuthType basic \"" + evil + "\"\nDocuments .",
		} {
			got, err := File("na\nme", []byte(source))
			if err != nil {
				continue // refused is fine, too
			}
			accepted(t, source, got)
			if strings.ContainsAny(string(got), "\u2028\u2029\x1b\x00\u202e\u0085\r\x7f") {
				t.Errorf("%q:\n%q", source, got)
			}
		}
	}
}

// TestClosed: what cannot be translated does not become open to all.
func TestClosed(t *testing.T) {
	for source, want := range map[string]string{
		"Documents ./web\n<Route ^/a/>\nDeny from all\n</Route>":            "403",
		"Documents ./web\n<Route ^/a/>\nSetHandler secretHandler\n</Route>": "501",
		"Documents ./web\n<Route ^/a/(.*)$>\nTarget run x$1\n</Route>":      "501",
		"Documents ./web\n<Route ^/a/>\nSetHandler proxyHandler\n</Route>":  "501",
		"<Route ^/a/>\n</Route>": "501",
		"Documents ./web\n<Route ^/a/>\nCondition match ${request:scheme} https\n</Route>": "501",
		"Documents ./web\nScriptAlias /a/ ./cgi":                                           "501",
		"{ routes: [{ match: '/a/', handler: 'action', methods: ['POST'] }] }":             "501",
		"{ routes: [{ match: '/a/', handler: 'other' }] }":                                 "501",
		"{ webSockets: { enable: false }, routes: [{ match: '/a', handler: 'action' }] }":  "501",
	} {
		text, s := convertText(t, source)
		if s == nil || len(s.Routes) == 0 || s.Routes[0].Respond == nil || !strings.Contains(text, "respond: { status: "+want+" }") {
			t.Errorf("%s:\n%s", source, text)
		}
	}
	// Without TLS nothing of it is sent.
	if text, s := convertText(t, "Documents w\n<Route ^/a/>\nRequire secure\n</Route>"); s.Routes[0].Redirect == nil || s.Routes[0].Redirect.To.Value != "https:" || s.Routes[0].Match.Value != "/a/" {
		t.Errorf("%s", text)
	}
	// The source of programs is not sent, in any folder.
	text, s := convertText(t, "Documents web\nAddHandler espHandler esp\nAlias /x/ ./x\n<Route ^/y/>\n</Route>")
	guarded := 0
	for i, r := range s.Routes {
		if r.Static != nil {
			guard := s.Routes[i-1]
			if guard.Respond == nil || !guard.Regexp.MatchString(r.Match.Value+"deep/page.ESP") || guard.Regexp.MatchString(r.Match.Value+"page.html") {
				t.Errorf("%s is open:\n%s", r.Match.Value, text)
			}
			guarded++
		}
	}
	if guarded != 3 {
		t.Errorf("%d folders:\n%s", guarded, text)
	}
	// No folder is served that the source does not name.
	if text, s := convertText(t, "Listen 80"); len(s.Routes) != 0 {
		t.Errorf("%s", text)
	}
}

// TestUsersStay: who had to log in still has to, and nobody else may come.
func TestUsersStay(t *testing.T) {
	for source, want := range map[string][]string{
		"Documents w\n<Route ^/a/>\nAuthType basic \"Caf\u00e9 \\\"x\\\"\"\n</Route>": {`realm: 'Caf "x"'`, "users: 'users'"},
		"Documents w\n<Route ^/a/>\nAuthType digest\nRequire role boss\n</Route>":     {"realm: 'users'", "users: 'users'", "role: 'boss'"},
		"Documents w\n<Route ^/a/>\nRequire user joe\n</Route>":                       {"users: 'users.joe'"},
		"Documents w\n<Route ^/a/>\nRequire user ../../a j\u00f6\n</Route>":           {"users: 'users..._.._a.j_'"},
		"{ auth: { realm: 'r' }, routes: [{ match: '/a/', role: 'boss' }] }":          {"realm: 'r'", "users: 'users'", "role: 'boss'"},
		"{ routes: [{ match: '/a/', role: 'public' }] }":                              nil,
	} {
		text, _ := convertText(t, source)
		_, route, _ := strings.Cut(text, "match: '/a/'")
		if strings.Contains(route, "auth: {") != (want != nil) {
			t.Errorf("%s:\n%s", source, text)
		}
		for _, s := range want {
			if !strings.Contains(route, s) {
				t.Errorf("%s: where is %s?\n%s", source, s, text)
			}
		}
	}
	// Within a host that everybody may enter, or may not.
	text, _ := convertText(t, "Documents w\nAuthType form r\n<Route ^/a/>\nAuthType none\n</Route>\n<Route ^/b/>\n</Route>")
	_, rest, _ := strings.Cut(text, "match: '/a/'")
	open, rest, _ := strings.Cut(rest, "match: '/b/'")
	if strings.Contains(open, "auth: {") || strings.Count(rest, "auth: {") != 2 {
		t.Errorf("%s", text)
	}
}

// TestTLSVersions: SSLProtocol, as far as it matters here.
func TestTLSVersions(t *testing.T) {
	for protocols, want := range map[string]string{
		"ALL -SSLv2 -SSLv3 -TLSv1 -TLSv1.1":          "",
		"ALL -SSLv2 -SSLv3 -TLSv1.0":                 "line 1: SSLProtocol",
		"TLSv1.3":                                    "minVersion: '1.3'",
		"+TLSv1.3 +TLSv1.2":                          "",
		"ALL -SSLv2 -SSLv3 -TLSv1 -TLSv1.1 -TLSv1.2": "minVersion: '1.3'",
	} {
		text, _ := convertText(t, "SSLProtocol "+protocols+"\nListenSecure 443\nSSLCertificateFile a\nSSLCertificateKeyFile b")
		for _, s := range []string{"minVersion: '1.3'", "line 1: SSLProtocol"} {
			if strings.Contains(text, s) != (s == want) {
				t.Errorf("%s:\n%s", protocols, text)
			}
		}
	}
}

// TestClientCertificatesStay: who had to show a certificate still has to.
func TestClientCertificatesStay(t *testing.T) {
	const host = "<VirtualHost *:443>\nServerName a.example\nSSLCertificateFile c\nSSLCertificateKeyFile d\n</VirtualHost>\n"
	const on = "SSLCACertificateFile ca.pem\nSSLVerifyClient on\n"
	for _, source := range []string{
		"ListenSecure 443\n" + on,
		"ListenSecure 443\nSSLCertificateFile a\nSSLCertificateKeyFile b\n" + on + host,
		"ListenSecure 443\nSSLCertificateFile a\nSSLCertificateKeyFile b\n" + strings.Replace(host, "</", on+"</", 1),
	} {
		if text, s := convertText(t, source); s.TLS == nil || filepath.Base(s.TLS.ClientCA.Value) != "ca.pem" {
			t.Errorf("%s\n%s", source, text)
		}
	}
	if text, _ := convertText(t, "ListenSecure 443\nSSLVerifyClient on"); !strings.Contains(text, "name the authority") {
		t.Errorf("%s", text)
	}
	if text, s := convertText(t, "{ tls: { certificate: 'a', key: 'b', authority: 'ca.pem', verify: { client: true } }, listen: 'https://:443' }"); filepath.Base(s.TLS.ClientCA.Value) != "ca.pem" {
		t.Errorf("%s", text)
	}
}

// TestVirtualHosts: hosts are told apart by name, and asked before the rest.
func TestVirtualHosts(t *testing.T) {
	text, s := convertText(t, "Listen 80\nDocuments web\n<VirtualHost 10.0.0.1:80>\nDocuments one\n</VirtualHost>\n"+
		"<VirtualHost *:80>\nServerName http://Two.example:80 *three.example\nDocuments two\n<Route ^/ws$>\nAddFilter webSocketFilter\n</Route>\n</VirtualHost>\n"+
		"<VirtualHost *:80>\nServerName /regular/\nDocuments four\n</VirtualHost>")
	var got []string
	for _, r := range s.Routes {
		where := r.Handler.Value
		if r.Static != nil {
			where = filepath.Base(r.Static.Directory.Value)
		}
		got = append(got, strings.Join(r.Hosts.Value, " ")+" "+where)
	}
	want := []string{"10.0.0.1 one", "two.example *.three.example exec", "two.example *.three.example two", " web"}
	if !slices.Equal(got, want) || !strings.Contains(text, "// line 15: Documents four") {
		t.Errorf("%q\n%s", got, text)
	}
}

// TestSecrets: passwords and their hashes stay where they are.
func TestSecrets(t *testing.T) {
	for _, source := range []string{
		"User mary 5b90553bea8ba3686f4239d62801f0f3 user",
		"{ web: { auth: { secret: '5b90553bea8ba3686f4239d62801f0f3', users: { mary: { password: '5b90553bea8ba3686f4239d62801f0f3' } } } } }",
	} {
		if text, _ := convertText(t, source); strings.Contains(text, "5b9055") {
			t.Errorf("%s", text)
		}
	}
}

// TestCut: the beginnings of a configuration, at every 15th line, are
// translated or refused.
func TestCut(t *testing.T) {
	for _, file := range sources(t) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for i, c := range source {
			if c == '\n' {
				if lines++; lines%15 != 0 {
					continue
				}
				if got, err := File(file, source[:i]); err == nil {
					accepted(t, file, got)
				}
			}
		}
	}
}

func fuzz(f *testing.F, read func(string, []byte) ([]byte, error), seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	for _, file := range sources(f) {
		source, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if isJSON5(source) == strings.HasSuffix(file, "json5") {
			f.Add(source)
		}
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		if len(source) > 4<<10 {
			return
		}
		got, err := read("source", source)
		if err != nil {
			for _, e := range err.(site.Errors) {
				if strings.HasPrefix(e.File, "the result") {
					t.Fatalf("%v\n%s", err, source)
				}
			}
			return
		}
		accepted(t, string(source), got)
		again, err := read("source", source)
		if err != nil || string(again) != string(got) {
			t.Fatalf("not the same twice: %v", err)
		}
	})
}

// FuzzAppweb: any text is refused or becomes a site file that is accepted.
func FuzzAppweb(f *testing.F) {
	fuzz(f, Appweb, "Listen 80", "<Route ^/{a}(~/{b}~)>\nTarget run $1\n</Route>", "Redirect secure", "<VirtualHost a:1>\nServerName *a\n</VirtualHost>", "Methods add A,B", "Allow all")
}

// FuzzIoto is the same for Ioto's.
func FuzzIoto(f *testing.F) {
	fuzz(f, Ioto, "{}", "{web:{routes:[{redirect:'/a',role:'b'}]}}", "{redirect:[{from:'http://a',to:'https://b'}]}", "{listen:'http://:80',tls:{}}")
}
