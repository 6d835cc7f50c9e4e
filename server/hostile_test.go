package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/wstest"
)

// A shortListener is one in a process that is out of descriptors from time to time.
type shortListener struct {
	net.Listener
	short atomic.Bool
	tries atomic.Int32
}

func (l *shortListener) Accept() (net.Conn, error) {
	l.tries.Add(1)
	if l.short.Load() {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

// RX3: out of descriptors, the server waits and does not spin, says so, keeps who is
// there, and accepts again within a second of when there are some.
func TestRX3_NoDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := config.Parse("site.json5", []byte(`{ listen: 'site:80', routes: [{ handler: 'echo' }] }`))
		if err != nil {
			t.Fatal(err)
		}
		network, log := wstest.NewNetwork(nil), new(safeBuffer)
		l := &shortListener{}
		srv, err := server.New(s, server.Options{Handlers: basic(), Log: slog.New(slog.NewTextHandler(log, nil)), Listen: func(_, address string) (net.Listener, error) {
			l.Listener = network.Listen(address)
			return l, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := srv.Listen(); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(ctx) }()
		dial := func() *wstest.Peer {
			c, err := network.DialContext(t.Context(), "tcp", "site:80")
			if err != nil {
				t.Fatal(err)
			}
			p, _ := wstest.Open(t, c, "/", nil)
			return p
		}
		synctest.Wait()
		l.short.Store(true)
		p := dial() // Accept was waiting already
		before := l.tries.Load()
		for range 60 {
			time.Sleep(time.Second)
			p.Send(wstest.Text("x"))
			p.Want("who is there is served", wstest.Text("x"))
		}
		if n := l.tries.Load() - before; n < 30 || n > 100 {
			t.Errorf("%d tries in a minute", n)
		}
		l.short.Store(false)
		began := time.Now()
		dial().Close()
		if d := time.Since(began); d > time.Second {
			t.Errorf("accepted after %v", d)
		}
		if n := strings.Count(log.String(), "cannot accept"); n < 30 || n > 100 {
			t.Errorf("%d lines", n)
		}
		p.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
}

// RX6: clients that all come at once are all served: 1500 at the same time, or as
// many as CURLEW_HERD says.
func TestRX6_Herd(t *testing.T) {
	n := 1500
	fmt.Sscan(os.Getenv("CURLEW_HERD"), &n)
	r := start(t, `{ @plain, log: { requests: false }, timeouts: { handshake: '2 mins' }, routes: [{ handler: 'echo' }] }`, nil)
	var all sync.WaitGroup
	begin := make(chan struct{})
	var failed atomic.Int32
	for i := range n {
		all.Go(func() {
			<-begin
			c, err := curlew.Dial(t.Context(), r.ws(), &curlew.DialOptions{HandshakeTimeout: 2 * time.Minute})
			if err != nil {
				if failed.Add(1) < 5 {
					t.Error(err)
				}
				return
			}
			text := fmt.Sprint("client ", i)
			c.Write(t.Context(), curlew.Text, []byte(text))
			if _, p, err := c.Read(t.Context(), nil); string(p) != text {
				t.Errorf("%q, %v", p, err)
			}
			c.Close(curlew.NormalClosure, "")
			<-c.Done()
		})
	}
	began := time.Now()
	close(begin)
	all.Wait()
	t.Logf("%d connections in %v, %d failed", n, time.Since(began), failed.Load())
}

// RX10: a log that cannot be written hinders nobody.
func TestRX10_LogFull(t *testing.T) {
	t.Parallel()
	full := writerFunc(func([]byte) (int, error) { return 0, syscall.ENOSPC })
	srv, err := server.New(parse(t, `{ listen: '127.0.0.1:0', log: { level: 'debug' }, routes: [{ match: '/ws', handler: 'echo' }, { handler: 'respond' }] }`),
		server.Options{Handlers: basic(), Log: slog.New(slog.NewJSONHandler(full, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	for range 50 {
		resp, err := http.Get(srv.URLs()[0])
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
		c, err := curlew.Dial(t.Context(), srv.URLs()[0]+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(t.Context(), curlew.Text, []byte("x"))
		if _, p, err := c.Read(t.Context(), nil); string(p) != "x" {
			t.Fatal(err)
		}
		c.Abort(nil)
	}
	srv.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// CF5: a secret in the site file stands neither in errors about it nor in the log.
func TestCF5_Secrets(t *testing.T) {
	t.Parallel()
	secret := base64.RawURLEncoding.EncodeToString([]byte("a secret of more than 32 bytes in all"))
	for _, text := range []string{
		`{ auth: { jwt: { keys: { kty: 'oct', k: '` + secret + `', alg: 'none' } } }, routes: [{ handler: 'echo' }] }`,
		`{ auth: { jwt: { keys: { kty: 'oct', k: '` + secret + `' }, algorithms: 'ES256' } }, routes: [{ handler: 'echo' }] }`,
		`{ auth: { jwt: { keys: { kty: 'nothing', k: '` + secret + `' } } }, routes: [{ handler: 'echo' }] }`,
		`{ auth: { jwt: { keys: '` + secret + `' } }, routes: [{ handler: 'echo' }] }`,
		`{ auth: { jwt: { keys: [{ kty: 'oct', k: '` + secret + `!' }] } }, routes: [{ handler: 'echo' }] }`,
		`{ auth: { jwt: { keys: { kty: 'oct', k: '` + secret + `' `,
	} {
		s, err := config.Parse("site.json5", []byte(text))
		if err == nil {
			_, err = server.New(s, server.Options{Handlers: basic()})
		}
		if err == nil {
			t.Errorf("no error: %s", text)
		} else if strings.Contains(err.Error(), secret[:20]) && !strings.Contains(text, "keys: '") { // which is the name of a file
			t.Errorf("%v", err)
		}
	}
	r := start(t, `{ @plain, auth: { jwt: { keys: { kty: 'oct', k: '`+secret+`' }, from: ['header', 'query:t', 'cookie:t', 'subprotocol'] } }, routes: [{ handler: 'echo' }] }`, nil)
	good := "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"
	r.say("GET /?t=" + good + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
	r.say(upgrade("/", "Cookie: t="+good+"\r\n", "Authorization: Bearer "+good+"\r\n", "Sec-WebSocket-Protocol: bearer."+good+"\r\n"))
	r.say(upgrade("/", basicAuth("user", "password-of-theirs")))
	r.stop()
	err := <-r.ended
	r.ended <- err
	for _, s := range []string{secret[:20], "c2lnbmF0dXJl", "eyJhbGci", "password-of-theirs", base64.StdEncoding.EncodeToString([]byte("user:password-of-theirs"))} {
		if strings.Contains(r.log.String(), s) {
			t.Errorf("%q stands in the log:\n%s", s, r.log)
		}
	}
}

// CF6: files with secrets that others may read are warned of; public keys are not
// secret. CF17: and so is what is dangerous to allow.
func TestCF6_CF17_Warnings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string]string{"users": "ann:$2y$04$uFb3yb6MAM8wfnkN3RcjKuQ0Ql2O6wT8G0p5SbsZPdRAU4Q0Kb3oq\n", "secret": tokenSecret, "keys": "0123456789abcdef\n"}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inline := `{ auth: { jwt: { keys: ` + inlineKey + ` } }, routes: [{ handler: 'echo' }] }`
	os.WriteFile(filepath.Join(dir, "site.json5"), []byte(inline), 0o600)
	warnings := func(text string) string {
		t.Helper()
		s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		log := new(safeBuffer)
		if _, err := server.New(s, server.Options{Handlers: basic(), Log: slog.New(slog.NewTextHandler(log, nil))}); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	byFile := `{ auth: { basic: { users: 'users' }, jwt: { keys: 'secret' } }, routes: [{ handler: 'echo' }, { match: '/x', handler: 'echo' }] }`
	hub := `{ hub: { apiKeys: 'keys', auth: { jwt: { keys: 'secret' } } }, routes: [] }`
	for text, wants := range map[string][]string{byFile: {"hashes of passwords", "secret of tokens"}, inline: {"secret of tokens"}, hub: {"keys of the hub's API", "secret of the hub's tokens"}} {
		if got := warnings(text); strings.Contains(got, "machine") {
			t.Errorf("0600: %s", got)
		}
		for _, name := range []string{"users", "secret", "keys", "site.json5"} {
			os.Chmod(filepath.Join(dir, name), 0o644)
		}
		got := warnings(text)
		for _, want := range wants {
			if n := strings.Count(got, "everybody on this machine may read the "+want); n != 1 {
				t.Errorf("0644: %d warnings of the %s:\n%s", n, want, got)
			}
		}
		for _, name := range []string{"users", "secret", "keys", "site.json5"} {
			os.Chmod(filepath.Join(dir, name), 0o600)
		}
	}
	for text, want := range map[string]string{
		`{ origins: '*', routes: [{ match: '/a', handler: 'echo' }, { match: '/b', handler: 'broadcast' }] }`:                           "pages of any site",
		`{ webSockets: { validateUTF: false }, routes: [{ match: '/a', handler: 'echo' }, { handler: 'echo' }] }`:                       "not UTF-8",
		`{ hub: { namespaces: { a: {} }, auth: { webhook: 'http://app.example/?s' } }, routes: [{ match: '/hub/', handler: 'hub' }] }`:  "cookies in the clear",
		`{ hub: { namespaces: { a: {} }, apiKeys: ['0123456789abcdef'] }, listen: ':0', routes: [{ match: '/hub/', handler: 'hub' }] }`: "API are sent in the clear",
		`{ routes: [{ match: '/hub/', handler: 'hub' }] }`:                                                                              "has no channels",
	} {
		if got := warnings(text); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, want) || !strings.Contains(got, "site.json5:1:") {
			t.Errorf("%s:\n%s", text, got)
		}
	}
	for _, text := range []string{
		`{ hub: { namespaces: { a: {} }, auth: { webhook: 'http://127.0.0.1/' }, apiKeys: ['0123456789abcdef'] }, routes: [{ match: '/hub/', handler: 'hub' }] }`,
		`{ hub: { namespaces: { a: {} }, auth: { webhook: 'https://app.example/' } }, routes: [{ match: '/hub/', handler: 'hub' }] }`,
		`{ origins: '*', routes: [{ handler: 'respond' }] }`, `{ origins: ['https://a.example'], trustedProxies: '10.0.0.0/8', webSockets: { validateUTF: true }, routes: [{ handler: 'echo' }] }`,
	} {
		if got := warnings(text); got != "" {
			t.Errorf("%s:\n%s", text, got)
		}
	}
}

// CF10: what programs of Go show of themselves is not there.
func TestCF10_NothingShown(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, routes: [{ match: '/x', handler: 'echo' }] }`, nil)
	for _, path := range []string{"/debug/pprof/", "/debug/vars", "/debug/requests", "/metrics", "/status", "/admin", "/config", "/load", "/.well-known/"} {
		if got := codes(r.say("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")); got != "404" {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// CF12: messages do not stand in the log, also not those that are wrong.
func TestCF12_Payloads(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, limits: { maxMessage: 100 }, routes: [{ match: '/echo', handler: 'echo' }, { match: '/rooms/', handler: 'broadcast', broadcast: { announce: true } }] }`, nil)
	for _, path := range []string{"/echo?%d", "/rooms/%d"} { // each in a room of its own: nobody hears the one before leave
		for i, last := range []wstest.Frame{wstest.Close(4000, "bye"), wstest.Text("PAYLOAD\xff"), wstest.Text(strings.Repeat("PAYLOAD", 100)), wstest.Cont("PAYLOAD"), wstest.Ping("PAYLOAD").Reserved(1)} {
			p := r.peerOf(fmt.Sprintf(path, i))
			p.Send(wstest.Text("PAYLOAD"))
			p.Want("it", wstest.Text("PAYLOAD"))
			p.Send(last)
			if f := nextBut(p, "the end", frame.Text); f.Opcode != frame.Close {
				t.Errorf("%v", f)
			}
			p.Close()
		}
	}
	r.stop()
	err := <-r.ended
	r.ended <- err
	if log := r.log.String(); strings.Contains(log, "PAYLOAD") || strings.Count(log, "websocket ended") != 10 {
		t.Errorf("%s", log)
	}
}

// CF13: what a client puts into a capture is put in once, whatever it looks like.
func TestCF13_OneExpansion(t *testing.T) {
	t.Setenv("CURLEW_TEST_SECRET", "the secret")
	r := start(t, `{ @plain, routes: [{ match: '/to/{a}/{b}', handler: 'redirect', redirect: { to: '/x/${a}/${b}' } }, { match: '/get/{a}', handler: 'file', file: { path: './${a}' } }] }`, nil)
	for _, a := range []string{"${b}", "$b", "$${b}", "${CURLEW_TEST_SECRET}", "{b}", "{{.b}}", "%b", "{env.CURLEW_TEST_SECRET}"} {
		escaped := strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D", "$", "%24").Replace(a)
		got := r.say("GET /to/" + escaped + "/secret HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
		if codes(got) != "302" {
			t.Fatalf("%s: %s", a, codes(got))
		}
		to, err := got[0].Location()
		if want := "/x/" + a + "/secret"; err != nil && !errors.Is(err, http.ErrNoLocation) || to.Path != want {
			t.Errorf("%s: to %v, want %s", a, to, want)
		}
	}
}

// AU9: a page whose name leads to this machine now comes with its name, which no
// route is for; without hosts in the site its Origin is its own host's, and such a
// page may connect.
func TestAU9_Rebinding(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, routes: [{ hosts: ['localhost', '127.0.0.1', '[::1]'], handler: 'echo' }] }`, nil)
	for host, want := range map[string]string{"evil.example": "421", "localhost.evil.example": "421", "127.0.0.1.evil.example": "421", "localhost": "101", "127.0.0.1": "101", "LOCALHOST.": "101", "2130706433": "421"} {
		request := strings.Replace(upgrade("/", "Origin: http://"+strings.TrimSuffix(strings.ToLower(host), ".")+"\r\n"), "site.example", host, 1)
		if got := codes(r.say(request)); got != want && !(host == "LOCALHOST." && got == "403") {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
