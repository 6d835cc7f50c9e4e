package site

import (
	"math"
	"strings"
	"testing"
	"time"
)

// TestSettings: every key that can be said is among the settings that are in
// force, with the place of its value when the file says it.
func TestSettings(t *testing.T) {
	s := parse(t, "site.json5", everything)
	places := map[string]bool{} // of keys, less the names of groups
	said := map[string]bool{}
	note := func(list []InForce) {
		for _, f := range list {
			places[f.Key] = true
			said[f.Key] = said[f.Key] || f.From.Line > 0
			if f.Value == "" || f.From.Line > 0 && f.From.File != s.File {
				t.Errorf("%s: %+v", f.Key, f)
			}
		}
	}
	for _, r := range s.Routes {
		note(s.Settings(r))
	}
	note(s.OwnSettings())
	for _, e := range definitions() {
		key := strings.TrimPrefix(e.path, "routes.")
		if _, isGroup := e.to.(group); e.to == nil || isGroup && key != "webSockets.compression" {
			continue
		}
		if key == "headers" || key == "respond.headers" || key == "proxy.headers" {
			continue // field by field
		}
		if !places[key] || !said[key] {
			t.Errorf("%s: listed %v, with a place %v", key, places[key], said[key])
		}
	}
	for _, key := range []string{"headers.Server", "headers.X-Two", "respond.headers.Content-Type", "proxy.headers.X-Key"} {
		if !said[key] {
			t.Errorf("%s is not listed", key)
		}
	}
}

// TestSettingsInherited: a place is that of the route where it says a key, else
// that of the top level, else nowhere.
func TestSettingsInherited(t *testing.T) {
	s := parse(t, "site.json5", `{
		limits: { maxMessage: 5, maxFrame: 6 },
		routes: [{ handler: 'echo', limits: { maxFrame: 7 } }, { handler: 'mine', mine: { a: [1, { 'b-c': "it's" }], keys: 'hush' } }],
	}`, "mine")
	got := map[string]InForce{}
	for _, f := range s.Settings(s.Routes[0]) {
		got[f.Key] = f
	}
	equal(t, "inherited", got["limits.maxMessage"], InForce{"limits.maxMessage", "5", Place{"site.json5", 2, 25, "limits.maxMessage"}})
	equal(t, "own", got["limits.maxFrame"], InForce{"limits.maxFrame", "7", Place{"site.json5", 3, 51, "routes[0].limits.maxFrame"}})
	equal(t, "default", got["limits.maxFragments"].From.Line, 0)
	list := s.Settings(s.Routes[1])
	equal(t, "of the program", list[len(list)-1].Value, `{ a: [1, { 'b-c': 'it\'s' }], keys: '(not shown)' }`)
}

// TestFormat: what is written is read as it was.
func TestFormat(t *testing.T) {
	for _, d := range []time.Duration{1, time.Millisecond, 1500 * time.Millisecond, time.Second, 90 * time.Second, time.Minute, 2 * time.Hour, 24 * time.Hour, 14 * 24 * time.Hour, math.MaxInt64, Unlimited} {
		if got, err := ParseDuration(strings.Trim(FormatDuration(d), "'")); got != d || err != nil {
			t.Errorf("%v: %s, %v, %v", int64(d), FormatDuration(d), got, err)
		}
	}
	for _, n := range []int64{1, 1023, 1024, 1 << 20, 3 << 30, 1<<20 + 1, math.MaxInt64, Unlimited} {
		if got, err := ParseSize(strings.Trim(FormatSize(n), "'")); got != n || err != nil {
			t.Errorf("%v: %s, %v, %v", n, FormatSize(n), got, err)
		}
	}
	for _, text := range []string{"", "a'b", `\`, "\x00\x1b\x7f\u0085\r\n\t\u2028\u2029", "é😀", "// no", "${a}", "\u202e", "\U000e0001"} {
		n, err := ParseNode("", []byte(quoteJSON5(text)))
		if err != nil || n.Text != text || strings.ContainsAny(quoteJSON5(text), "\x1b\n\r\u2028\u202e") {
			t.Errorf("%q: %s, %v, %v", text, quoteJSON5(text), n, err)
		}
	}
}

// TestOwnSettings: what routes have too is not among those of the server.
func TestOwnSettings(t *testing.T) {
	s := parse(t, "site.json5", `{
		auth: { basic: { users: 'users' } }, headers: { 'X-A': 'b' }, webSockets: { compression: { level: 9 } }, allow: 'all', rate: { requests: '1/s' },
		limits: { maxMessage: 5, head: 5000 }, origins: '*', trustedProxies: 'unix', routes: [],
	}`)
	var said []string
	for _, f := range s.OwnSettings() {
		if f.From.Line > 0 {
			said = append(said, f.Key)
		}
	}
	equal(t, "said", strings.Join(said, " "), "limits.head trustedProxies")
}

// TestCF5_NotShown: what a site gives programs and backends is not shown where its name
// sounds secret, nor what the settings of a program's own handler say of such.
func TestCF5_NotShown(t *testing.T) {
	s := parse(t, "site.json5", `{ routes: [
		{ handler: 'exec', exec: { command: ['/bin/cat'], env: { DB_PASSWORD: 'hush', API_KEY: 'hush', PATH: '/bin' } } },
		{ handler: 'proxy', proxy: { target: 'http://127.0.0.1:1', headers: { Authorization: 'hush', 'X-Api-Token': 'hush', Cookie: 'hush', Host: 'app' } } },
		{ handler: 'mine', mine: { name: 'me', db: { passwd: 'hush' } } },
	] }`, "mine")
	var all strings.Builder
	for _, r := range s.Routes {
		for _, f := range s.Settings(r) {
			all.WriteString(f.Key + " " + f.Value + "\n")
		}
	}
	for _, want := range []string{"PATH: '/bin'", "DB_PASSWORD: '(not shown)'", "proxy.headers.Authorization (not shown)", "proxy.headers.Host 'app'", "name: 'me'"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("%s is missing:\n%s", want, all.String())
		}
	}
	if strings.Contains(all.String(), "hush") {
		t.Error(all.String())
	}
}

// TestSettingsOfHub: a namespace without a history says that it keeps nothing, and what
// is secret is not shown.
func TestSettingsOfHub(t *testing.T) {
	s := parse(t, "site.json5", `{ hub: {
		namespaces: { room: { history: { size: 5 } }, quiet: {} },
		auth: { jwt: { keys: { kty: 'oct', k: 'hush' } }, webhook: 'http://me:hush@127.0.0.1/?hush' }, apiKeys: ['hush-hush-hush-hush'],
	} }`)
	got := map[string]string{}
	for _, f := range s.OwnSettings() {
		got[f.Key] = f.Value
		if strings.Contains(f.Value, "hush") {
			t.Errorf("%s: %s", f.Key, f.Value)
		}
	}
	for key, want := range map[string]string{
		"hub.namespaces.room.history.size": "5", "hub.namespaces.quiet.history": "nothing is kept", "hub.namespaces.quiet.history.size": "",
		"hub.auth.jwt.keys": "(not shown)", "hub.apiKeys": "(not shown)",
	} {
		equal(t, key, got[key], want)
	}
}
