package site

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// TestBroken: each file of testdata/broken with the text of all its errors.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.json5")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run("CF1 "+filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(filepath.Base(file), text)
			if s != nil || err == nil {
				t.Fatal("no error")
			}
			inText(t, string(text), err)
			golden(t, strings.TrimSuffix(file, ".json5")+".txt", err.Error()+"\n")
		})
	}
}

// golden compares with what the file holds, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is made now (go test -update writes it):\n%s", file, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(w):
			return "more: " + g[i]
		case i >= len(g):
			return "missing: " + w[i]
		case w[i] != g[i]:
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return ""
}

// everything is a file that says every key, with none at its default.
const everything = `{
    listen: ['127.0.0.1:8080', 'https://[::1]:0', 'https://:8443', 'unix:/run/curlew.sock', 'unix:run/curlew.sock'],
    tls: [{ certificate: 'a.pem', key: '/etc/a.key', minVersion: '1.3', clientCA: 'clients.pem' }, { certificate: '../b.pem', key: 'b.key' }, { acme: { domains: ['Example.com', 'www.example.com'], email: 'you@example.com', directory: 'https://ca.example/dir', cache: 'acme' } }],
    log: { level: 'debug', format: 'json', requests: false },
    limits: { maxMessage: '2 MB', maxFrame: '64 KB', maxPacket: '8 KB', maxFragments: 10, sendQueue: '1 MB', head: '8 KB', headers: 50, webSockets: 100, webSocketsPerIP: 4, messagesPerSecond: 20, bytesPerSecond: '32 KB', connections: 1000, connectionsPerIP: 8 },
    timeouts: { pong: '5 s', inactivity: '1 min', request: '1 hour', close: '2 s', write: '20 s', handshake: '3 s', drain: '30 s' },
    webSockets: {
        protocol: ['chat.v2', 'chat'], requireProtocol: true, ping: 'never', validateUTF: false, preserveFrames: true, whenFull: 'dropOldest',
        compression: { level: 6, minSize: '1 KB', serverContext: true, clientContext: true, windowBits: 12, memory: '64 MB' },
    },
    origins: ['https://example.com', 'HTTPS://*.Example.com:8443'], trustedProxies: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7', '::1', 'unix'], allow: 'all', deny: ['192.0.2.0/24'], rate: { requests: '20/s', burst: 40, per: 'route' }, auth: { role: 'admin', basic: { realm: 'here', users: 'users' }, jwt: { keys: { keys: [{ kty: 'oct', k: 'x' }] }, algorithms: 'HS256', issuer: 'i', audience: ['a', 'b'], leeway: '1 min', from: ['cookie:t', 'header'], roles: 'scope' } }, fallback: false,
    headers: { 'x-frame-options': 'DENY', 'X-Two': ['1', '2'], Server: 'Curlew' }, clientScript: '/lib/curlew.js', hub: { namespaces: { NAME: { history: { size: 100, age: '10 min' }, presence: true, joinLeave: true, publish: 'anyone', subscribe: 'users', whenSlow: 'conflate' }, quiet: {} }, limits: { channels: 10, nameBytes: 100, messageBytes: '8 KB', publishesPerSecond: 20, history: 50 }, historyMemory: '10 MB', grace: '10 s', apiKeys: ['0123456789abcdef', 'keys/of=our+app!'], auth: { jwt: { keys: 'hub.json', algorithms: 'ES256', issuer: 'i', audience: 'a', leeway: '5 s', from: 'query:t' }, webhook: 'https://app.example/hub?a', ask: ['connect'], timeout: '1 s', cache: 'never' }, },
    routes: [
        { match: '/echo', handler: 'echo' },
        {
            pattern: '/rooms/{room}/(?P<seat>[0-9]+)$', methods: ['GET', 'POST'], hosts: ['Example.com.', '*.example.com', '[::1]'], handler: 'redirect',
            redirect: { to: '/seats/\${seat}?room=\${room}', status: 308 },
            limits: { maxMessage: 'unlimited', maxFragments: 'infinite', maxFrame: 0x100 },
            timeouts: { inactivity: 'never', pong: 2.5 },
            webSockets: { protocol: 'other', compression: { level: 9 }, requireProtocol: false },
            origins: '*',
            headers: { 'X-Two': [], Server: 'Other', 'X-Own': 'yes' },
        },
        { match: '/files/{name}/', handler: 'static', static: { directory: './public' }, webSockets: { compression: false } },
        { handler: 'respond', respond: { status: 404, headers: { 'Content-Type': 'text/plain' }, body: 'none' }, webSockets: { compression: true } },
        { match: '/talk/{room}', handler: 'broadcast', broadcast: { echo: false, announce: true } },
        { match: '/run/{tool}/', handler: 'exec', exec: {
            command: ['tools/bin/../\${tool}.sh', '-n', '\${tool}', '-n', ''], mode: 'lengths', type: 'binary', env: { PATH: '/bin', A: '' }, pass: ['HTTP_USER_AGENT', 'HTTP_COOKIE'],
            directory: '/srv', user: 'www-data', maxProcesses: 10, maxPerIP: 'unlimited', killAfter: '1 min', maxLine: '64 KB',
        } },
        { match: '/logs/{day}', handler: 'file', file: { path: 'logs/\${day}/all-\${day}.log', type: 'text' } },
        { match: '/app/', handler: 'proxy', proxy: { target: 'https://app.example:8443/base/', headers: { Host: 'app', 'X-Key': 'k', Cookie: [] }, timeout: '3 s' } },
        { match: '/hub/', handler: 'hub' },
    ],
}`

func parse(t *testing.T, name, text string, handlers ...string) *Site {
	t.Helper()
	s, err := Parse(name, []byte(text), handlers...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestEverything(t *testing.T) {
	s := parse(t, "/etc/curlew/site.json5", everything)
	var listen []string
	for _, l := range s.Listen {
		listen = append(listen, fmt.Sprint(l.Network, " ", l.Address, " ", l.Secure))
	}
	equal(t, "listen", listen, []string{"tcp 127.0.0.1:8080 false", "tcp [::1]:0 true", "tcp :8443 true", "unix /run/curlew.sock false", "unix /etc/curlew/run/curlew.sock false"})
	equal(t, "place of listen[1]", s.Listen[1].From, Place{"/etc/curlew/site.json5", 2, 32, "listen[1]"})
	equal(t, "certificate", s.TLS.Certificates[0].Certificate.Value, "/etc/curlew/a.pem")
	equal(t, "key", s.TLS.Certificates[0].Key.Value, "/etc/a.key")
	equal(t, "certificate of a parent", s.TLS.Certificates[1].Certificate.Value, "/etc/b.pem")
	equal(t, "minVersion", s.TLS.MinVersion.Value, tls.VersionTLS13)
	equal(t, "certificates", len(s.TLS.Certificates), 2)
	equal(t, "acme", fmt.Sprint(s.TLS.ACME.Domains.Value, s.TLS.ACME.Email.Value, s.TLS.ACME.Directory.Value, s.TLS.ACME.Cache.Value),
		"[example.com www.example.com]you@example.comhttps://ca.example/dir/etc/curlew/acme")
	equal(t, "clientCA", s.TLS.ClientCA.Value, "/etc/curlew/clients.pem")
	equal(t, "log", fmt.Sprint(s.Log.Level.Value, s.Log.Format.Value, s.Log.Requests.Value), "debugjsonfalse")
	equal(t, "trustedProxies", fmt.Sprint(s.TrustedProxies.Value.Prefixes, s.TrustedProxies.Value.Unix), "[10.0.0.0/8 2001:db8::/32 192.0.2.7/32 ::1/128] true")
	equal(t, "head", s.Limits.Head.Value, 8<<10)
	equal(t, "rates", fmt.Sprint(s.Limits.MessagesPerSecond.Value, s.Routes[0].Limits.BytesPerSecond.Value), "20 32768")
	equal(t, "access", fmt.Sprint(s.Access.Allow.Value.All, s.Routes[0].Access.Deny.Value.Prefixes, s.Access.Rate.Requests.Value, s.Routes[0].Access.Rate.Most(), s.Access.Rate.Per.Value), "true [192.0.2.0/24] 20/s 40route")
	equal(t, "places", fmt.Sprint(s.Limits.WebSockets.Value, s.Limits.WebSocketsPerIP.Value, s.Limits.Connections.Value, s.Limits.ConnectionsPerIP.Value, s.Routes[0].Limits.WebSockets.Value), "100 4 1000 8 100")
	equal(t, "headers", s.Limits.HeadFields.Value, 50)
	equal(t, "handshake", s.Timeouts.Handshake.Value, 3*time.Second)
	equal(t, "drain", s.Timeouts.Drain.Value, 30*time.Second)

	r := s.Routes[0]
	l, m, w := r.Limits, r.Timeouts, r.WebSockets
	equal(t, "limits", []int64{l.MaxMessage.Value, l.MaxFrame.Value, l.MaxPacket.Value, int64(l.MaxFragments.Value), l.SendQueue.Value}, []int64{2 << 20, 64 << 10, 8 << 10, 10, 1 << 20})
	equal(t, "timeouts", []time.Duration{m.Pong.Value, m.Inactivity.Value, m.Request.Value, m.Close.Value, m.Write.Value},
		[]time.Duration{5 * time.Second, time.Minute, time.Hour, 2 * time.Second, 20 * time.Second})
	equal(t, "protocol", w.Protocol.Value, []string{"chat.v2", "chat"})
	equal(t, "webSockets", fmt.Sprint(w.RequireProtocol.Value, w.Ping.Value, w.ValidateUTF.Value, w.PreserveFrames.Value, w.WhenFull.Value), "true -1ns false truedropOldest")
	c := w.Compression
	equal(t, "compression", fmt.Sprint(c.Enabled.Value, c.Level.Value, c.MinSize.Value, c.ServerContext.Value, c.ClientContext.Value, c.WindowBits.Value), "true 6 1024 true true 12")
	equal(t, "origins", r.Origins.Value, []string{"https://example.com", "https://*.example.com:8443"})
	equal(t, "headers", r.Headers.Header(), http.Header{"X-Frame-Options": {"DENY"}, "X-Two": {"1", "2"}, "Server": {"Curlew"}})
	equal(t, "place of what is inherited", l.MaxMessage.From, Place{"/etc/curlew/site.json5", 5, 27, "limits.maxMessage"})
	equal(t, "place of a route", r.From, Place{"/etc/curlew/site.json5", 14, 9, "routes[0]"})

	// What a route says counts, what it does not say is inherited.
	r = s.Routes[1]
	l, m, w = r.Limits, r.Timeouts, r.WebSockets
	equal(t, "captures", r.Captures, []string{"room", "seat"})
	equal(t, "regexp", r.Regexp.String(), `^(?:/rooms/(?P<room>[^/]+)/(?P<seat>[0-9]+)$)`)
	equal(t, "methods", r.Methods.Value, []string{"GET", "POST"})
	equal(t, "hosts", r.Hosts.Value, []string{"example.com", "*.example.com", "[::1]"})
	equal(t, "redirect", fmt.Sprint(r.Redirect.To.Value, r.Redirect.Status.Value), "/seats/${seat}?room=${room}308")
	equal(t, "limits of 1", []int64{l.MaxMessage.Value, l.MaxFrame.Value, l.MaxPacket.Value, int64(l.MaxFragments.Value), l.SendQueue.Value}, []int64{-1, 256, 8 << 10, -1, 1 << 20})
	equal(t, "timeouts of 1", []time.Duration{m.Pong.Value, m.Inactivity.Value, m.Request.Value}, []time.Duration{2500 * time.Millisecond, Unlimited, time.Hour})
	equal(t, "protocol of 1", w.Protocol.Value, []string{"other"})
	equal(t, "level of 1", fmt.Sprint(w.Compression.Level.Value, w.Compression.MinSize.Value, w.RequireProtocol.Value), "9 1024 false")
	equal(t, "origins of 1", r.Origins.Value, []string{"*"})
	equal(t, "headers of 1", r.Headers.Header(), http.Header{"X-Frame-Options": {"DENY"}, "Server": {"Other"}, "X-Own": {"yes"}})
	equal(t, "place in route 1", m.Pong.From, Place{"/etc/curlew/site.json5", 19, 52, "routes[1].timeouts.pong"})
	equal(t, "handlers of 1", []bool{r.Static == nil, r.Respond == nil, r.Redirect == nil}, []bool{true, true, false})

	r = s.Routes[2]
	equal(t, "directory", r.Static.Directory.Value, "/etc/curlew/public")
	equal(t, "captures of 2", r.Captures, []string{"name"})
	equal(t, "compression of 2", r.WebSockets.Compression.Enabled.Value, false)

	r = s.Routes[3]
	equal(t, "respond", fmt.Sprint(r.Respond.Status.Value, r.Respond.Headers.Header(), r.Respond.Body.Value), "404 map[Content-Type:[text/plain]]none")
	equal(t, "compression of 3", fmt.Sprint(r.WebSockets.Compression.Enabled.Value, r.WebSockets.Compression.Level.Value), "true 6")
	r = s.Routes[4]
	equal(t, "broadcast", fmt.Sprint(r.Broadcast.Echo.Value, r.Broadcast.Announce.Value), "false true")
	r = s.Routes[5]
	e := r.Exec
	equal(t, "exec", fmt.Sprintf("%q %s %s %s %s %v %q %s %s", e.Command.Value, e.Folder, e.Name, e.Mode.Value, e.Type.Value, e.Env.Value, e.Pass.Value, e.Directory.Value, e.User.Value),
		`["tools/bin/../${tool}.sh" "-n" "${tool}" "-n" ""] /etc/curlew/tools ${tool}.sh lengths binary [{PATH /bin} {A }] ["HTTP_USER_AGENT" "HTTP_COOKIE"] /srv www-data`)
	equal(t, "limits of exec", fmt.Sprint(e.MaxProcesses.Value, e.MaxPerIP.Value, e.KillAfter.Value, e.MaxLine.Value), "10 -1 1m0s 65536")
	r = s.Routes[6]
	equal(t, "file", fmt.Sprint(r.File.Path.Value, " ", r.File.Folder, " ", r.File.Name, " ", r.File.Type.Value),
		"logs/${day}/all-${day}.log /etc/curlew/logs ${day}/all-${day}.log text")
	r = s.Routes[7]
	equal(t, "proxy", fmt.Sprint(r.Proxy.Target.Value, r.Proxy.Headers.Header(), r.Proxy.Timeout.Value, len(r.Proxy.Headers)), "{tcp app.example:8443 true app.example /base} map[Host:[app] X-Key:[k]] 3s 3")
	equal(t, "top level is left alone", fmt.Sprint(s.Headers.Header(), s.Limits.MaxFrame.Value), "map[Server:[Curlew] X-Frame-Options:[DENY] X-Two:[1 2]] 65536")
}

func TestDefaults(t *testing.T) {
	s := parse(t, "site.json5", `{ routes: [{ handler: 'echo' }, { handler: 'respond' }] }`)
	if len(s.Listen) != 1 || s.Listen[0].Network != "tcp" || s.Listen[0].Address != "127.0.0.1:8080" || s.Listen[0].From.Line != 0 {
		t.Errorf("listen: %v", s.Listen)
	}
	r := s.Routes[0]
	l, m, w, c := r.Limits, r.Timeouts, r.WebSockets, r.WebSockets.Compression
	equal(t, "limits", []int64{l.MaxMessage.Value, l.MaxFrame.Value, l.MaxPacket.Value, int64(l.MaxFragments.Value), l.SendQueue.Value, s.Limits.Head.Value, int64(s.Limits.HeadFields.Value)},
		[]int64{1 << 20, 128 << 10, Unlimited, 1024, 256 << 10, 16 << 10, 100})
	equal(t, "timeouts", []time.Duration{m.Pong.Value, m.Inactivity.Value, m.Request.Value, m.Close.Value, m.Write.Value, s.Timeouts.Handshake.Value, s.Timeouts.Drain.Value},
		[]time.Duration{10 * time.Second, 5 * time.Minute, Unlimited, 5 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second})
	equal(t, "webSockets", fmt.Sprint(w.Protocol.Value, w.RequireProtocol.Value, w.Ping.Value, w.ValidateUTF.Value, w.PreserveFrames.Value, w.WhenFull.Value), "[] false 25s true falseclose")
	equal(t, "compression", fmt.Sprint(c.Enabled.Value, c.Level.Value, c.MinSize.Value, c.ServerContext.Value, c.ClientContext.Value, c.WindowBits.Value), "false 1 512 false false 15")
	equal(t, "log", fmt.Sprint(s.Log.Level.Value, s.Log.Format.Value, s.Log.Requests.Value), "infotrue")
	equal(t, "route", fmt.Sprint(r.Match.Value, r.Methods.Value, r.Hosts.Value, r.Origins.Value, r.Headers.Header(), r.Regexp, r.Captures), "[] [] [] map[] <nil> []")
	equal(t, "a default is not set", l.MaxMessage.Set(), false)
	equal(t, "path of a default", l.MaxMessage.From.Path, "limits.maxMessage")
	equal(t, "respond", fmt.Sprint(s.Routes[1].Respond.Status.Value, s.Routes[1].Respond.Body.Value), "200")
	equal(t, "dir", s.Dir, ".")
}

func TestTLSVersion(t *testing.T) {
	s := parse(t, "site.json5", `{ tls: { certificate: 'a', key: 'b' } }`)
	equal(t, "default", s.TLS.MinVersion.Value, tls.VersionTLS12)
	s = parse(t, "site.json5", `{ tls: [{ certificate: 'a', key: 'b' }, { certificate: 'c', key: 'd', minVersion: '1.3' }, { certificate: 'e', key: 'f', minVersion: '1.3' }] }`)
	equal(t, "of a list", s.TLS.MinVersion.Value, tls.VersionTLS13)
	equal(t, "certificates", len(s.TLS.Certificates), 3)
}

func TestHandlersOfTheProgram(t *testing.T) {
	s := parse(t, "site.json5", `{ routes: [{ handler: 'clock', clock: { tick: '1 s', zones: [1] } }, { handler: 'clock' }] }`, "clock")
	equal(t, "settings", s.Routes[0].Settings.Any(), any(map[string]any{"tick": "1 s", "zones": []any{1.0}}))
	if s.Routes[1].Settings != nil {
		t.Error("settings out of nothing")
	}
	for text, want := range map[string]string{
		`{ routes: [{ handler: 'clokc' }] }`:           "f:1:23: routes[0].handler: unknown handler 'clokc'; did you mean 'clock'?",
		`{ routes: [{ handler: 'echo', clock: {} }] }`: "f:1:38: routes[0].clock: these are settings of another handler; the handler of this route is 'echo'",
		`{ routes: [{ handler: 'clock', clock: 1 }] }`: "f:1:39: routes[0].clock: found the number 1; an object { … } is wanted",
	} {
		if _, err := Parse("f", []byte(text), "clock"); err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// TestCF1_ManyErrors: what one file can make us say is bounded.
func TestCF1_ManyErrors(t *testing.T) {
	for _, text := range []string{
		"{" + strings.Repeat("a:1,", 40000) + "}", "[" + strings.Repeat("1 ", 50000) + "]", "{routes:[" + strings.Repeat("{},", 50000) + "]}",
		"{limits:{" + strings.Repeat("maxMessages:[],", 20000) + "}}", "{origins:[" + strings.Repeat("'a',", 50000) + "]}",
	} {
		_, err := Parse("f", []byte(text))
		var es Errors
		if !errors.As(err, &es) || len(es) != maxErrors+1 || !strings.Contains(es[maxErrors].Text, "too many") {
			t.Errorf("%.20s…: %d errors", text, len(es))
		}
	}
}

func TestErrors(t *testing.T) {
	_, err := Parse("f", []byte("{a:1,b:2}"))
	var e *Error
	if !errors.As(err, &e) || e.Line != 1 || e.Column != 2 || e.Path != "a" {
		t.Errorf("first error: %+v", e)
	}
	equal(t, "without a place", Place{}.Errorf("x").Error(), "x")
	equal(t, "of a default", Place{File: "f", Path: "p"}.Errorf("%d; y", 1).Error(), "f: p: 1; y")
}

func TestCompilePattern(t *testing.T) {
	for pattern, want := range map[string]string{
		`/a/{b}`:            `^(?:/a/(?P<b>[^/]+))`,
		`/a{2}/{b_1}{3,}`:   `^(?:/a{2}/(?P<b_1>[^/]+){3,})`,
		`\p{Greek}\P{L}{x}`: `^(?:\p{Greek}\P{L}(?P<x>[^/]+))`,
		`\x{abc}\{a}`:       `^(?:\x{abc}\{a})`,
		`[{a}]{b}`:          `^(?:[{a}](?P<b>[^/]+))`,
		`[]{a}]`:            `^(?:[]{a}])`,
		`[^]{a}]`:           `^(?:[^]{a}])`,
		`[[:alpha:]{a}]{b}`: `^(?:[[:alpha:]{a}](?P<b>[^/]+))`,
		`[\]{a}]`:           `^(?:[\]{a}])`,
		`\Q{a}\E{b}`:        `^(?:\Q{a}\E(?P<b>[^/]+))`,
		`a|b`:               `^(?:a|b)`,
		`\pL{a}`:            `^(?:\pL(?P<a>[^/]+))`,
		`{`:                 `^(?:{)`,
		``:                  `^(?:)`,
	} {
		re, err := CompilePattern(pattern)
		if err != nil || re.String() != want {
			t.Errorf("%s: got %v, %v, want %s", pattern, re, err, want)
		}
	}
	for _, pattern := range []string{`(`, `\`, `[`, `\p{`, `\Q{a}`, `[{a}`} {
		// Whatever it is to RE2, it is the same as without the names.
		_, want := regexp.Compile(`^(?:` + pattern + `)`)
		if _, err := CompilePattern(pattern); (err == nil) != (want == nil) {
			t.Errorf("%s: %v, without names %v", pattern, err, want)
		}
	}
}

// FuzzParse: nothing panics, errors lie in the text, and what is accepted is
// within its bounds.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/broken/*.json5")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(text)
		}
	}
	f.Add([]byte(everything))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("f", text)
		if (s == nil) != (err != nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if err != nil {
			if len(text) <= maxText {
				inText(t, strings.ToValidUTF8(strings.TrimPrefix(string(text), "\uFEFF"), "\uFFFD"), err)
			}
			return
		}
		for _, r := range s.Routes {
			l := r.Limits
			for _, v := range []int64{l.MaxMessage.Value, l.MaxFrame.Value, l.MaxPacket.Value, int64(l.MaxFragments.Value), l.SendQueue.Value} {
				if v <= 0 && v != Unlimited {
					t.Errorf("limit %d", v)
				}
			}
			m := r.Timeouts
			for _, v := range []time.Duration{m.Pong.Value, m.Inactivity.Value, m.Request.Value, m.Close.Value, m.Write.Value, r.WebSockets.Ping.Value} {
				if v <= 0 && v != Unlimited {
					t.Errorf("timeout %d", v)
				}
			}
			for name, values := range r.Headers.Header() {
				if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
					t.Errorf("header %q %q", name, values)
				}
			}
			if r.Handler.Value == "static" && r.Static.Directory.Value == "" {
				t.Error("no directory")
			}
		}
	})
}

// TestAuthInherited: auth is inherited whole, or but for its role.
func TestAuthInherited(t *testing.T) {
	s := parse(t, "/etc/site.json5", `{
		auth: { basic: { users: 'top' }, role: 'user' },
		routes: [
			{ match: '/a', handler: 'echo' },
			{ match: '/b', handler: 'echo', auth: 'none' },
			{ match: '/c', handler: 'echo', auth: { role: ['admin', 'boss'] } },
			{ match: '/d', handler: 'echo', auth: { jwt: { keys: 'own' } } },
			{ match: '/e', handler: 'echo', auth: { jwt: { keys: [{ kty: 'oct' }] }, basic: { realm: 'r', users: '/own' } } },
			{ match: '/f', handler: 'echo', auth: { jwt: { keys: '\n  -----BEGIN PUBLIC KEY-----\nx' } } },
		],
	}`)
	for i, want := range []string{
		"false '/etc/top' \"\" [user]", "true '' \"\" []", "false '/etc/top' \"\" [admin boss]", "false '' '/etc/own' []",
		"false '/own' (not shown) []", "false '' (not shown) []",
	} {
		a := s.Routes[i].Access.Auth
		keys := `""`
		if a.JWT.Keys.Set() {
			keys = a.JWT.Keys.Value.String()
		}
		equal(t, s.Routes[i].Match.Value, fmt.Sprint(a.Off, " '", a.Basic.Users.Value, "' ", keys, " ", a.Role.Value), want)
	}
	equal(t, "keys", string(s.Routes[4].Access.Auth.JWT.Keys.Value.Text), `[{"kty":"oct"}]`)
	equal(t, "leeway", s.Routes[3].Access.Auth.JWT.Leeway.Value, 30*time.Second)
	equal(t, "top level", fmt.Sprint(s.Access.Auth.Role.Value), "[user]")
}

// A redirect to TLS asks nobody who he is, unless it says so itself: a password
// would come in the clear.
func TestRedirectToTLSWithoutUsers(t *testing.T) {
	s := parse(t, "/etc/site.json5", `{
		auth: { basic: { users: 'top' } },
		routes: [
			{ match: '/a', handler: 'redirect', redirect: { to: 'https:' } },
			{ match: '/b', handler: 'redirect', redirect: { to: 'https://:8443' } },
			{ match: '/c', handler: 'redirect', redirect: { to: 'https://other.example/' } },
			{ match: '/d', handler: 'redirect', redirect: { to: 'https:' }, auth: { role: 'admin' } },
			{ match: '/e', handler: 'redirect', redirect: { to: '/f' } },
		],
	}`)
	for i, want := range []bool{false, false, true, true, true} {
		equal(t, s.Routes[i].Match.Value, s.Routes[i].Access.Auth != nil, want)
	}
}

// TestMeantKey: a key at the wrong place is looked for with the handler first.
func TestMeantKey(t *testing.T) {
	for text, want := range map[string]string{
		`{ routes: [{ handler: 'static', static: { directory: '.' }, directory: '.' }] }`: "f:1:61: routes[0].directory: unknown key; did you mean 'static.directory'?",
		`{ routes: [{ handler: 'exec', exec: { command: ['./a'] }, directory: '.' }] }`:   "f:1:59: routes[0].directory: unknown key; did you mean 'exec.directory'?",
		`{ routes: [{ handler: 'respond', stauts: 200 }] }`:                               "f:1:34: routes[0].stauts: unknown key; did you mean 'respond.status'?",
		"\nroutes: []": "f:2:1: found a key outside of braces; write { in front of everything and } behind it",
	} {
		if _, err := Parse("f", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}
