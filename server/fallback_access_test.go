package server_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/route"
)

// An open is refused as a handshake is, with the same status and the same fields; so
// neither is a way around the other.
func TestFB13_OpensAreHandshakes(t *testing.T) {
	t.Parallel()
	users := usersFile(t, "alice:a")
	for name, c := range map[string]struct {
		site, fields string
		want         string // of the first and the second one
		field        string // that both have
	}{
		"open":         {"", "", "ok ok", ""},
		"denied":       {"deny: '127.0.0.0/8'", "", "403 403", ""},
		"not allowed":  {"allow: '192.0.2.0/24'", "", "403 403", ""},
		"origin":       {"", "Origin: https://evil.example\r\n", "403 403", ""},
		"own origin":   {"", "Origin: http://site.example\r\n", "ok ok", ""},
		"listed":       {"origins: 'https://evil.example'", "Origin: https://evil.example\r\n", "ok ok", ""},
		"site":         {"", "Sec-Fetch-Site: cross-site\r\n", "403 403", ""},
		"nobody":       {"auth: { basic: { users: '" + users + "' } }", "", "401 401", "Www-Authenticate"},
		"somebody":     {"auth: { basic: { users: '" + users + "' } }", basicAuth("alice", "x"), "401 401", "Www-Authenticate"},
		"alice":        {"auth: { basic: { users: '" + users + "' } }", basicAuth("alice", "a"), "ok ok", ""},
		"no role":      {"auth: { role: 'admin', basic: { users: '" + users + "' } }", basicAuth("alice", "a"), "403 403", ""},
		"rate":         {"rate: { requests: '1/min', burst: 1 }", "", "ok 429", "Retry-After"},
		"places":       {"limits: { webSockets: 1 }", "", "ok 503", "Retry-After"},
		"places of IP": {"limits: { webSocketsPerIP: 1 }", "", "ok 429", "Retry-After"},
		"version":      {"", "Sec-WebSocket-Version: 12\r\n", "426 426", ""},
		"protocol":     {"webSockets: { protocol: 'chat', requireProtocol: true }", "", "400 400", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.site != "" {
				c.site += ", "
			}
			text := `{ @plain, timeouts: { close: '20 ms' }, headers: { 'X-Site': 'yes' }, ` + c.site + `routes: [{ match: '/', handler: 'echo' }] }`
			for kind, ask := range map[string]func(*running) []*http.Response{
				"101": func(r *running) []*http.Response {
					if strings.Contains(c.fields, "Version") {
						return r.say(strings.Replace(upgrade("/", c.fields), "Sec-WebSocket-Version: 13\r\n", "", 1))
					}
					return r.say(upgrade("/", c.fields))
				},
				"200": func(r *running) []*http.Response { return r.say(open("/", c.fields)) },
			} {
				r := start(t, text, nil)
				for i, want := range strings.Fields(strings.ReplaceAll(c.want, "ok", kind)) {
					got := ask(r)
					if codes(got) != want {
						t.Errorf("%d for %s: %s, want %s", i+1, kind, codes(got), want)
						continue
					}
					if h := got[0].Header; h.Get("X-Site") != "yes" || want >= "400" && c.field != "" && h.Get(c.field) == "" {
						t.Errorf("%d for %s: %v", i+1, kind, h)
					}
				}
			}
		})
	}
}

// opens opens a session and returns its path with its name.
func (r *running) opens(path string, fields ...string) string {
	r.t.Helper()
	a := r.say(open(path, fields...))
	if codes(a) != "200" {
		r.t.Fatal(codes(a))
	}
	text, _ := io.ReadAll(a[0].Body)
	_, id, _ := strings.Cut(string(text), `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	return path + "?curlew=" + id
}

// asks polls without waiting and returns the status.
func (r *running) asks(session string, fields ...string) string {
	r.t.Helper()
	return codes(r.say("GET " + session + "&at=0&mode=poll&wait=0 HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n" + strings.Join(fields, "") + "\r\n"))
}

// Who knows a session may use it; whoever says who they are must be its user. The
// rate of a route is not that of polls, but what it denies holds for them.
func TestFB2_WhoUsesASession(t *testing.T) {
	t.Parallel()
	in := func(name string) string {
		return "Authorization: Bearer " + token(t, time.Now().Add(time.Hour), "sub", name, "jti", name) + "\r\n"
	}
	again := func(name string) string {
		return "Authorization: Bearer " + token(t, time.Now().Add(time.Hour), "sub", name, "jti", "another") + "\r\n"
	}
	old := "Authorization: Bearer " + token(t, time.Now().Add(-time.Hour)) + "\r\n"
	r := start(t, `{ @plain, timeouts: { close: '20 ms' }, trustedProxies: '127.0.0.1', deny: '192.0.2.0/24', rate: { requests: '1/hour', burst: 3 },
		auth: { basic: { users: '`+usersFile(t, "alice:a", "bob:b")+`' }, jwt: { keys: `+inlineKey+`, from: ['header', 'subprotocol', 'query:t'] } },
		routes: [{ match: '/', handler: 'echo' }] }`, nil)
	byPassword := r.opens("/", basicAuth("alice", "a"))
	byToken := r.opens("/", in("alice"))
	byProtocol := r.opens("/", "Sec-WebSocket-Protocol: bearer."+token(t, time.Now().Add(time.Hour))+"\r\n")
	all := []string{byPassword, byToken, byProtocol}
	for _, c := range []struct{ fields, want string }{
		{"", "204"}, {basicAuth("alice", "a"), "204"}, {basicAuth("alice", "x"), "403"}, {basicAuth("bob", "b"), "403"}, {basicAuth("carol", "c"), "403"},
		{in("alice"), "204"}, {again("alice"), "204"}, {in("bob"), "403"}, {old, "403"}, {"Authorization: Bearer x.y.z\r\n", "403"},
		{"Cookie: t=x\r\n", "204"}, {"X-Forwarded-For: 198.51.100.1\r\n", "204"}, {"X-Forwarded-For: 192.0.2.1\r\n", "403"},
		{"Origin: https://evil.example\r\n", "403"}, {"Sec-Fetch-Site: cross-site\r\n", "403"}, {"Origin: http://site.example\r\n", "204"},
	} {
		for _, s := range all {
			if got := r.asks(s, c.fields); got != c.want {
				t.Errorf("%q: %s, want %s", c.fields, got, c.want)
			}
		}
	}
	for more, want := range map[string]string{"t=" + token(t, time.Now().Add(time.Hour)): "204", "t=x": "403"} {
		for _, s := range all {
			if got := r.asks(strings.Replace(s, "?", "?"+more+"&", 1)); got != want {
				t.Errorf("in the query: %s, want %s", got, want)
			}
		}
	}
	if got := codes(r.say(open("/", basicAuth("alice", "a")))); got != "429" {
		t.Errorf("the fourth open: %s", got)
	}
	r.eventually("an open in the log", func() bool { return strings.Contains(r.log.String(), "fallback=true user=alice") })
	for _, s := range all {
		_, id, _ := strings.Cut(s, "=")
		if log := r.log.String(); strings.Contains(log, id) || strings.Contains(log, "bearer.") {
			t.Errorf("the log tells a secret:\n%s", log)
		}
	}
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, "method=GET") && !strings.Contains(line, "level=DEBUG") && !strings.Contains(line, "from=192.0.2.1") {
			t.Errorf("in the log: %s", line)
		}
	}
}

// The credentials of an open that come along with each poll cost nothing, and may
// have become worthless since: so may those who leave them out.
func TestFB_CredentialsOfPolls(t *testing.T) {
	file := usersFile(t, "alice:a")
	guard, err := auth.New(&auth.Options{Users: file})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest("GET", "http://site.example/", nil)
	r.RemoteAddr = "192.0.2.1:1234"
	owner := server.NewOwners(guard)
	ask := func() string {
		name, any := owner(r)
		return fmt.Sprint(name, " ", any)
	}
	if got := ask(); got != " false" {
		t.Error(got)
	}
	r.SetBasicAuth("alice", "x")
	if got := ask(); got != " true" {
		t.Error(got)
	}
	r.SetBasicAuth("alice", "a")
	if got := ask(); got != "user alice true" {
		t.Error(got)
	}
	other, _ := os.ReadFile(usersFile(t, "alice:another password"))
	if err := os.WriteFile(file, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if guard, err = auth.New(&auth.Options{Users: file}); err != nil {
		t.Fatal(err)
	}
	if _, no := guard.Check(r, route.Client(r)); no == nil {
		t.Error("the old password is still good")
	}
	if got := ask(); got != "user alice true" {
		t.Error(got)
	}
}

// A token that expires ends the session as it ends a WebSocket.
func TestFB_TokenExpires(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, auth: { jwt: { keys: `+inlineKey+`, leeway: '1 ms' } }, routes: [{ match: '/', handler: 'echo' }] }`, nil)
	for _, mode := range modes {
		for life := time.Second; ; life *= 2 {
			o := curlew.DialOptions{}
			o.Header = http.Header{"Authorization": {"Bearer " + token(t, time.Now().Add(life))}}
			c, err := r.over(mode, "/", o)
			if e, ok := errors.AsType[*curlew.HandshakeError](err); ok && e.Status == 401 && life < time.Minute {
				continue // on a slow machine
			}
			if err != nil {
				t.Fatal(mode, err)
			}
			<-c.Done()
			if e := c.Err().(*curlew.CloseError); e.Code != 4401 || !e.Remote {
				t.Error(mode, e)
			}
			break
		}
	}
}

// FB8: no site can say that any page may come with credentials.
func TestFB8_AnyOrigin(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, timeouts: { close: '20 ms' }, origins: ['*', 'https://a.example'], routes: [{ match: '/', handler: 'echo' }] }`, nil)
	for origin, want := range map[string]string{
		"https://a.example": "https://a.example true", "https://b.example": "* ", "null": "* ", "http://site.example": "http://site.example true",
	} {
		a := r.say(open("/", "Origin: "+origin+"\r\n"))
		if got := fmt.Sprint(a[0].Header.Get("Access-Control-Allow-Origin"), " ", a[0].Header.Get("Access-Control-Allow-Credentials")); codes(a) != "200" || got != want {
			t.Errorf("%s: %s %q, want %q", origin, codes(a), got, want)
		}
	}
	// A refusal is readable for the pages that may ask.
	r = start(t, `{ @plain, origins: 'https://a.example', auth: { jwt: { keys: `+inlineKey+` } }, routes: [{ match: '/', handler: 'echo' }] }`, nil)
	a := r.say(open("/", "Origin: https://a.example\r\n"))
	if codes(a) != "401" || a[0].Header.Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("%s %v", codes(a), a[0].Header)
	}
}
