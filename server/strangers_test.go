package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/wstest"
)

// rude are all characters that could mean something to a terminal or to who reads a
// log.
func rude() (list []string) {
	for c := rune(0); c < 0xa0; c++ {
		if c < ' ' || c >= 0x7f {
			list = append(list, string(c))
		}
	}
	return append(list, "\u2028", "\u2029", "\u202e", "\u2066", "\ufeff", "\xff", "\xc0\xae")
}

// requestsWith have the text in every place where a stranger can put it.
func requestsWith(r string) []string {
	evil := "a" + r + "level=ERROR"
	return []string{
		"GET /" + url.PathEscape(evil) + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n",
		"GET /users/x HTTP/1.1\r\nHost: site.example\r\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte(evil+":p")) + "\r\nConnection: close\r\n\r\n",
		"GET /users/x?t=" + url.QueryEscape(evil) + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n",
		"GET /users/x HTTP/1.1\r\nHost: site.example\r\nUser-Agent: " + evil + "\r\nReferer: " + evil + "\r\nCookie: t=" + evil + "\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: " + evil + "\r\nConnection: close\r\n\r\n",
		"G" + r + "T / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.1" + r + "\r\nHost: site.example\r\nConnection: close\r\n\r\n",
		upgrade("/ws", "Origin: http://"+evil+"\r\n", "Sec-WebSocket-Protocol: "+evil+"\r\n"),
	}
}

// CF11: wherever a stranger can put them, in paths, methods, hosts, fields, names of
// users, tokens, subprotocols and the reasons of Closes, such characters stand in no
// line of the log as they are, neither as text nor as JSON.
func TestCF11_EveryFieldAndCharacter(t *testing.T) {
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("p"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte("ann:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json"} {
		synctest.Test(t, func(t *testing.T) {
			s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte(`{ listen: 'site:80', routes: [
				{ match: '/users/', handler: 'respond', auth: { basic: { users: 'users' }, jwt: { keys: `+inlineKey+`, from: ['header', 'query:t', 'cookie:t', 'subprotocol'] } } },
				{ match: '/ws', handler: 'echo', webSockets: { protocol: 'a' } }, { match: '/', handler: 'static', static: { directory: '.' } } ] }`))
			if err != nil {
				t.Fatal(err)
			}
			log, network := new(safeBuffer), wstest.NewNetwork(nil)
			o := &slog.HandlerOptions{Level: slog.LevelDebug}
			var h slog.Handler = slog.NewTextHandler(log, o)
			if format == "json" {
				h = slog.NewJSONHandler(log, o)
			}
			srv, err := server.New(s, server.Options{Handlers: basic(), Log: slog.New(h), Listen: func(_, address string) (net.Listener, error) { return network.Listen(address), nil }})
			if err != nil {
				t.Fatal(err)
			}
			if err := srv.Listen(); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(ctx) }()
			connect := func() net.Conn {
				time.Sleep(time.Second) // more refusals than ten a second are not logged
				c, err := network.DialContext(t.Context(), "tcp", "site:80")
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			requests := 0
			for i, r := range rude() {
				if format == "json" && i%4 != 0 {
					continue
				}
				for _, request := range requestsWith(r) {
					requests++
					c := connect()
					go io.WriteString(c, request)
					io.Copy(io.Discard, c)
					c.Close()
				}
				if reason := "a" + r; strings.ToValidUTF8(reason, "") == reason {
					p, _ := wstest.Open(t, connect(), "/ws", nil)
					p.Send(wstest.Close(frame.Code(4000), reason))
					p.WantClose("the answer", 4000, wstest.AnyReason)
					p.Close()
				}
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
			if len(lines) < requests/2 { // of those that net/http refuses there is none
				t.Errorf("%s: %d lines of %d requests", format, len(lines), requests)
			}
			for _, line := range lines {
				if !strings.HasPrefix(line, map[string]string{"text": "time=", "json": `{"time":`}[format]) || format == "json" && !json.Valid([]byte(line)) {
					t.Errorf("%s: a line of a stranger's: %q", format, line)
				}
				for _, r := range rude() {
					if strings.Contains(line, r) {
						t.Fatalf("%s: %q stands in %q", format, r, line)
					}
				}
			}
			time.Sleep(time.Hour)
		})
	}
}

// H1-12: of a body that nobody reads no more is taken than 256 KiB and what is under
// way.
func TestH1_12_HowMuch(t *testing.T) {
	for _, coded := range []bool{false, true} {
		inBubble(t, "", `routes: [{ handler: 'respond', respond: { body: 'fine' } }]`, nil, func(t *testing.T, b *bubble) {
			c := b.connect()
			head, part := "Content-Length: 1000000000\r\n\r\n", strings.Repeat("x", 16<<10)
			if coded {
				head, part = "Transfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n", len(part), part)
			}
			taken := make(chan int, 1)
			go func() {
				io.WriteString(c, "POST / HTTP/1.1\r\nHost: site\r\n"+head)
				n := 0
				for n < 10<<20 {
					m, err := io.WriteString(c, part)
					if n += m; err != nil {
						break
					}
				}
				taken <- n
			}()
			got := codes(answers(c))
			c.Close()
			// Of a connection that is closed on a client who still sends, the answer
			// may be lost: RFC 9112, 9.6.
			if n := <-taken; got != "200" && got != "" || n > 512<<10 {
				t.Errorf("coded %v: %s, %d bytes were taken", coded, got, n)
			}
		})
	}
}
