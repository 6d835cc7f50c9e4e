package server_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/crypto/bcrypt"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

const tokenSecret = "0123456789abcdef0123456789abcdef"

// inlineKey is the secret as a site file may have it.
var inlineKey = `{ kty: 'oct', k: '` + base64.RawURLEncoding.EncodeToString([]byte(tokenSecret)) + `' }`

// token makes one that is good for a while, with other claims.
func token(t *testing.T, expires time.Time, more ...any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(tokenSecret)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"sub": "alice", "exp": float64(expires.UnixMilli()) / 1000}
	for i := 0; i+1 < len(more); i += 2 {
		claims[more[i].(string)] = more[i+1]
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// usersFile writes a file of users, each with a name and a password, and returns
// its name.
func usersFile(t *testing.T, lines ...string) string {
	t.Helper()
	var text string
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, ":")
		password, roles, _ := strings.Cut(rest, ":")
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += name + ":" + string(h) + ":" + roles + "\n"
	}
	name := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func basicAuth(name, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password)) + "\r\n"
}

// AU6, AU7, AU8: what the top level wants of users holds for every handler there
// is, plain and as a WebSocket, unless the route says otherwise.
func TestAU6AU7AU8EveryHandler(t *testing.T) {
	t.Parallel()
	settings := map[string]string{
		"static": "static: { directory: '.' }", "file": "file: { path: 'site.pem' }", "redirect": "redirect: { to: '/' }",
		"exec": "exec: { command: ['/bin/cat'] }", "proxy": "proxy: { target: 'http://127.0.0.1:9' }",
	}
	var routes, paths []string
	for name := range basic() {
		routes = append(routes, "{ match: '/"+name+"', handler: '"+name+"', "+settings[name]+" }")
		paths = append(paths, "/"+name)
	}
	r := start(t, `{ @plain, auth: { basic: { users: '`+usersFile(t, "alice:a")+`' }, jwt: { keys: `+inlineKey+` } }, routes: [`+
		strings.Join(routes, ",")+`, { match: '/open', handler: 'echo', auth: 'none' }] }`, nil)
	for _, path := range paths {
		for _, lines := range []string{"", basicAuth("alice", "x"), "Authorization: Bearer x.y.z\r\n"} {
			if got := r.asked(path, lines); got != "401" {
				t.Errorf("GET %s %s: %s", path, lines, got)
			}
			a := r.say(upgrade(path, lines))
			if codes(a) != "401" || len(a[0].Header["Www-Authenticate"]) != 2 || !a[0].Close {
				t.Errorf("WebSocket %s %s: %s", path, lines, codes(a))
			}
		}
		if got := r.asked(path, basicAuth("alice", "a")); got == "401" || got == "" {
			t.Errorf("%s with a password: %s", path, got)
		}
		if got := r.asked(path, "Authorization: Bearer "+token(t, time.Now().Add(time.Hour))+"\r\n"); got == "401" || got == "" {
			t.Errorf("%s with a token: %s", path, got)
		}
	}
	if got := codes(r.say(upgrade("/open"))); got != "101" {
		t.Errorf("/open: %s", got)
	}
}

// AU15: nobody comes to a backend's protected part by the route of the rest, in a
// spelling that the backend understands.
func TestAU15AuthBySpelling(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") }))
	defer backend.Close()
	to := `handler: 'proxy', proxy: { target: '` + backend.URL + `' }`
	r := start(t, `{ @plain, routes: [
		{ match: '/admin/', auth: { basic: { users: '`+usersFile(t, "alice:a")+`' } }, `+to+` }, { match: '/public/', `+to+` }, { match: '/', `+to+` },
	] }`, nil)
	for path, want := range map[string]string{
		"/public/x": "200", "/x//y;z": "200", "/admin/x": "401", "/%61dmin/x": "401", "//admin/x": "404", "/admin%2Fx": "404", "/admin;/x": "404",
		"/public/..%2fadmin/x": "404", "/public/..;/admin/x": "404", "/public/../admin/x": "400", "/x/..%5cadmin/x": "400",
	} {
		if got := r.asked(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// AU10, AU18: a page gives its token among the subprotocols or in the query. It is
// in no answer, no handler sees it and no log has it.
func TestAU10AU18Token(t *testing.T) {
	t.Parallel()
	var seen []string
	r := start(t, `{ @plain, routes: [
		{ match: '/echo', handler: 'echo', webSockets: { protocol: 'chat' }, auth: { jwt: { keys: `+inlineKey+` } } },
		{ match: '/query', handler: 'tell', auth: { jwt: { keys: `+inlineKey+`, from: 'query:token' } } },
	] }`, map[string]route.Constructor{"tell": func(*site.Route, route.Endpoint) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.URL.String(), r.RequestURI, auth.Of(r).Name)
		}), nil
	}})
	good := token(t, time.Now().Add(time.Hour))
	for _, c := range []struct{ names, want, chosen string }{
		{"chat, bearer." + good, "101", "chat"},
		{"bearer." + good + ", chat", "101", "chat"},
		{"bearer." + good, "101", ""}, // a page would not take that
		{"other, bearer." + good, "400", ""},
		{"chat, bearer." + good + "x", "401", ""},
		{"chat", "401", ""},
	} {
		a := r.say(upgrade("/echo", "Sec-WebSocket-Protocol: "+c.names+"\r\n"))
		if codes(a) != c.want || a[0].Header.Get("Sec-WebSocket-Protocol") != c.chosen {
			t.Errorf("%s: %s %q", c.names, codes(a), a[0].Header.Get("Sec-WebSocket-Protocol"))
		}
		if text := fmt.Sprint(a[0].Header, body(t, a[0])); strings.Contains(text, good) {
			t.Errorf("the answer has the token: %s", text)
		}
	}
	if got := r.asked("/query?a=1&token=" + good); got != "200" {
		t.Error(got)
	}
	if got := r.asked("/query?a=1&token=" + good + "x"); got != "401" {
		t.Error(got)
	}
	r.stop()
	if got := strings.Join(seen, " "); got != "/query?a=1 /query?a=1 alice" {
		t.Errorf("the handler has seen %s", got)
	}
	r.eventually("the log", func() bool { return strings.Contains(r.log.String(), "user=alice") })
	if log := r.log.String(); strings.Contains(log, good[len(good)/2:]) || strings.Contains(log, good[:len(good)/2]) || !strings.Contains(log, `refused="no credentials"`) {
		t.Errorf("the log:\n%s", log)
	}
}

// A connection lives as long as its token.
func TestTokenExpires(t *testing.T) {
	inBubble(t, "", `webSockets: { ping: 'never' }, routes: [{ handler: 'echo', auth: { jwt: { keys: `+inlineKey+`, leeway: '1 ms' } } }]`, nil, func(t *testing.T, b *bubble) {
		connect := func(life time.Duration) *wstest.Peer {
			p, _ := wstest.Open(t, b.connect(), "/", http.Header{"Authorization": {"Bearer " + token(t, time.Now().Add(life))}})
			return p
		}
		began := time.Now()
		long, short, shorter := connect(time.Hour), connect(3*time.Second), connect(2*time.Second)
		gone := connect(time.Hour)
		gone.Send(wstest.Close(frame.NormalClosure, ""))
		gone.WantClose("the echo", frame.NormalClosure, "")
		short.Send(wstest.Text("x"))
		short.Want("the echo", wstest.Text("x"))
		shorter.WantClose("the end of the token", 4401, "token expired")
		if d := time.Since(began); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("closed after %v", d)
		}
		short.WantClose("the end of the token", 4401, "token expired")
		if d := time.Since(began); d < 3*time.Second || d > 4*time.Second {
			t.Errorf("closed after %v", d)
		}
		long.Send(wstest.Text("x"))
		long.Want("the echo", wstest.Text("x"))
		late := b.connect()
		io.WriteString(late, upgrade("/", "Authorization: Bearer "+token(t, time.Now().Add(-time.Second))+"\r\n"))
		if got := codes(answers(late)); got != "401" {
			t.Errorf("afterwards: %s", got)
		}
		synctest.Wait()
		if n := server.Expiries(b.server); n != 1 {
			t.Errorf("%d tokens expire yet", n)
		}
	})
}

// HB6: whatever the handler does at the moment.
func TestHB6TokenExpiresEverywhere(t *testing.T) {
	t.Parallel()
	backend := start(t, `{ @plain, routes: [{ handler: 'echo' }] }`, nil)
	r := start(t, `{ @plain, auth: { jwt: { keys: `+inlineKey+`, leeway: '1 ms' } }, limits: { maxFrame: '64 KB' }, routes: [
		{ match: '/exec', handler: 'exec', exec: { command: ['/bin/cat'] } },
		{ match: '/file', handler: 'file', file: { path: '@dir/large' } },
		{ match: '/proxy', handler: 'proxy', proxy: { target: '`+backend.first+`' } },
		{ match: '/room', handler: 'broadcast' },
		{ match: '/bytes', handler: 'echo', webSockets: { compression: true, preserveFrames: false } },
	] }`, nil)
	if err := os.WriteFile(filepath.Join(r.dir, "large"), make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	server.SetExpiryClock(r.Server, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	bearer := http.Header{"Authorization": {"Bearer " + token(t, time.Now().Add(time.Hour))}}
	peers := map[string]*wstest.Peer{}
	for _, path := range []string{"/exec", "/file", "/proxy", "/room", "/bytes"} {
		peers[path], _ = wstest.Open(t, r.connect(), path, bearer)
	}
	peers["/bytes"].Send(wstest.Binary(make([]byte, 1000)))
	ahead.Store(int64(2 * time.Hour))
	for _, path := range []string{"/exec", "/proxy", "/room", "/bytes", "/file"} { // /file does not read meanwhile
		wantEnd(t, peers[path], 4401, "token expired")
	}
}

// Roles: who has none of those that are needed gets 403.
func TestRolesOfARoute(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, auth: { basic: { users: '`+usersFile(t, "alice:a:admin,editor", "bob:b")+`' } }, routes: [
		{ match: '/all', handler: 'echo' },
		{ match: '/admin', handler: 'echo', auth: { role: ['boss', 'admin'] } },
		{ match: '/boss', handler: 'echo', auth: { role: 'boss' } },
	] }`, nil)
	for name, want := range map[string]string{"alice": "101 101 403", "bob": "101 403 403"} {
		var got []string
		for _, path := range []string{"/all", "/admin", "/boss"} {
			got = append(got, codes(r.say(upgrade(path, basicAuth(name, name[:1])))))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}

// What one user gets is for him: no cache on the way keeps it for others, as it may
// what was asked for with a cookie. RFC 9111, 3.5 and 4.2.2.
func TestAnswersAreForOne(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, auth: { jwt: { keys: `+inlineKey+`, from: 'cookie:t' } }, routes: [
		{ match: '/site.pem', handler: 'static', static: { directory: '.' } },
		{ match: '/said', handler: 'respond', headers: { 'Cache-Control': 'no-store' } },
		{ match: '/public', handler: 'respond', auth: 'none' },
	] }`, nil)
	cookie := "Cookie: t=" + token(t, time.Now().Add(time.Hour)) + "\r\n"
	for path, want := range map[string]string{"/site.pem": "private", "/said": "no-store", "/public": ""} {
		a := r.say("GET " + path + " HTTP/1.1\r\nHost: site.example\r\n" + cookie + "Connection: close\r\n\r\n")
		if codes(a) != "200" || a[0].Header.Get("Cache-Control") != want {
			t.Errorf("%s: %s, Cache-Control: %q, want %q", path, codes(a), a[0].Header.Get("Cache-Control"), want)
		}
	}
}

// The site file and the guard know the same algorithms and sources of tokens.
func TestTokensOfTheSite(t *testing.T) {
	_, err := config.Parse("site.json5", []byte(`{ auth: { jwt: { keys: 'k', algorithms: 'X' } }, routes: [] }`))
	if _, known, _ := strings.Cut(fmt.Sprint(err), "known here: "); known != strings.Join(auth.Algorithms(), ", ") {
		t.Errorf("the site file has %s", known)
	}
	for _, s := range []string{"header", "subprotocol", "cookie:a_B-9.", "query:t", "", "body", "header:", "subprotocol:x", "cookie", "cookie:", "cookie:a=b", "query:a b", "query:ä", "Header"} {
		_, err := config.Parse("site.json5", []byte(`{ auth: { jwt: { keys: 'k', from: '`+s+`' } }, routes: [] }`))
		if (err == nil) != (auth.ParseSource(s) == nil) {
			t.Errorf("%q: %v, %v", s, err, auth.ParseSource(s))
		}
	}
}

// AU17: where the browser says by itself who its user is, a page of any site could
// speak for him; what a page has to know it can only say for itself.
func TestAU17AnyOrigin(t *testing.T) {
	t.Parallel()
	users := usersFile(t, "alice:a")
	jwt := func(from string) string { return `{ jwt: { keys: ` + inlineKey + `, from: ` + from + ` } }` }
	for auth, want := range map[string]bool{
		`'none'`: true, `{ basic: { users: '` + users + `' } }`: true, jwt(`['header', 'cookie:t']`): true,
		jwt(`['header', 'subprotocol', 'query:t']`): false, jwt(`'header'`): false,
	} {
		log := new(safeBuffer)
		_, err := server.New(parse(t, `{ listen: 'localhost:0', routes: [{ handler: 'echo', origins: '*', auth: `+auth+` }] }`),
			server.Options{Handlers: basic(), Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "pages of any site"); got != want {
			t.Errorf("%s: %v\n%s", auth, got, log)
		}
	}
}

// Scopes have colons in their names, in tokens and in the file.
func TestRolesWithColons(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, auth: { basic: { users: '`+usersFile(t, "alice:a:admin,chat:write", "bob:b:chat")+`' },
		jwt: { keys: `+inlineKey+`, roles: 'scope' }, role: 'chat:write' }, routes: [{ handler: 'echo' }] }`, nil)
	bearer := func(scope string) string {
		return "Authorization: Bearer " + token(t, time.Now().Add(time.Hour), "scope", scope) + "\r\n"
	}
	for lines, want := range map[string]string{
		basicAuth("alice", "a"): "101", basicAuth("bob", "b"): "403", bearer("profile chat:write"): "101", bearer("chat write"): "403",
	} {
		if got := codes(r.say(upgrade("/", lines))); got != want {
			t.Errorf("%s: %s, want %s", lines, got, want)
		}
	}
}

// Reloads disturb nobody who comes with a password or a token, nor what is counted
// of them.
func TestUsersOverReloads(t *testing.T) {
	t.Parallel()
	const site = `{ @plain, trustedProxies: '127.0.0.1', rate: { requests: '10/hour', burst: 10 }, limits: { webSocketsPerIP: 2 }, auth: { basic: { users: '%s' }, jwt: { keys: %s } }, routes: [
		{ match: '/free', handler: 'respond', rate: { requests: 'unlimited' } }, { match: '/some', handler: 'respond' }, { match: '/ws', handler: 'echo' } ] }`
	text := fmt.Sprintf(site, usersFile(t, "alice:a", "bob:b"), inlineKey)
	r := start(t, text, nil)
	bearer := "Authorization: Bearer " + token(t, time.Now().Add(time.Hour)) + "\r\n"
	var asking sync.WaitGroup
	var some atomic.Int32
	done := make(chan struct{})
	for i, c := range []struct{ lines, want string }{{basicAuth("alice", "a"), "200"}, {bearer, "200"}, {basicAuth("bob", "x"), "401"}, {"", "401"}} {
		asking.Go(func() {
			for {
				if got := r.asked("/free", c.lines, from(fmt.Sprint("192.0.2.", i))); got != c.want {
					t.Errorf("%s: %s, want %s", c.lines, got, c.want)
					return
				}
				if i == 1 && r.asked("/some", c.lines, from("192.0.2.9")) == "200" {
					some.Add(1)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 2 {
		if _, a := r.ask("/ws", bearer, from("192.0.2.7")); a.StatusCode != 101 {
			t.Error(a.Status)
		}
	}
	for range 30 {
		if err := r.Reload(r.next(text)); err != nil {
			t.Error(err)
		}
		if _, a := r.ask("/ws", bearer, from("192.0.2.7")); a.StatusCode != 429 {
			t.Error(a.Status)
		}
	}
	r.eventually("all that may come", func() bool { return some.Load() >= 10 })
	close(done)
	asking.Wait()
	if n := some.Load(); n != 10 {
		t.Errorf("%d of 10 requests an hour were answered", n)
	}
}

// What is wrong with the files is told before anything is served, once.
func TestUsersMissing(t *testing.T) {
	s, err := config.Parse("site.json5", []byte(`{ auth: { basic: { users: 'none-at-all' } }, routes: [
		{ match: '/a', handler: 'echo' }, { match: '/b', handler: 'echo' }, { match: '/c', handler: 'echo', auth: { jwt: { keys: { kty: 'RSA' } } } },
	] }`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = server.New(s, server.Options{Handlers: basic()})
	if err == nil || strings.Count(err.Error(), "none-at-all") != 1 || strings.Count(err.Error(), "no JSON Web Key") != 1 || !strings.HasPrefix(err.Error(), "site.json5:1:9: auth: ") {
		t.Error(err)
	}
}

// Passwords in the clear are worth a warning.
func TestPasswordsInTheClear(t *testing.T) {
	users := usersFile(t, "alice:a")
	for text, want := range map[string]bool{
		"listen: ':0'": true, "listen: '192.0.2.1:80'": true, "listen: 'localhost:0'": false, "listen: '127.0.0.1:0'": false, "listen: 'unix:/s'": false,
		"listen: ':0', trustedProxies: '10.0.0.1'": false,
	} {
		log := new(safeBuffer)
		if _, err := server.New(parse(t, `{ `+text+`, auth: { basic: { users: '`+users+`' } }, routes: [{ handler: 'echo' }] }`),
			server.Options{Handlers: basic(), Log: slog.New(slog.NewTextHandler(log, nil))}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "in the clear"); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// So are hashes that let them be guessed, once for a file however many routes have it.
func TestQuickPasswords(t *testing.T) {
	log := new(safeBuffer)
	if _, err := server.New(parse(t, `{ listen: 'localhost:0', auth: { basic: { users: '`+usersFile(t, "alice:a", "bob:b")+`' } },
		routes: [{ match: '/a', handler: 'echo' }, { match: '/b', handler: 'echo' }] }`),
		server.Options{Handlers: basic(), Log: slog.New(slog.NewTextHandler(log, nil))}); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); strings.Count(text, "guessed quickly") != 1 || !strings.Contains(text, "users=2 one=alice") {
		t.Error(text)
	}
}
