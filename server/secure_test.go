package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A redirect to 'https:' answers what comes without TLS; what comes with it, also
// by the word of a trusted proxy, goes on to the next routes.
func TestRedirectToTLS(t *testing.T) {
	t.Parallel()
	r := start(t, `{ listen: ['127.0.0.1:0', 'https://127.0.0.1:0'], tls: { certificate: 'site.pem', key: 'site.key' }, trustedProxies: '127.0.0.1',
		routes: [
			{ match: '/health', handler: 'respond', respond: { body: 'fine' } },
			{ hosts: 'site.example', handler: 'redirect', redirect: { to: 'https:', status: 308 } },
			{ match: '/ws', handler: 'echo' },
			{ handler: 'respond', respond: { body: 'secret' } },
		] }`, nil)
	for request, want := range map[string]string{
		get: "308 https://site.example/",
		strings.Replace(get, "GET / ", "GET /a%20b?c=d ", 1):                        "308 https://site.example/a%20b?c=d",
		strings.Replace(get, "site.example", "site.example:8080", 1):                "308 https://site.example/",
		strings.Replace(get, "GET / ", "GET http://site.example/x ", 1):             "308 https://site.example/x",
		strings.Replace(get, "GET / ", "GET /health ", 1):                           "200 fine",
		strings.Replace(get, "\r\n\r\n", "\r\nX-Forwarded-Proto: https\r\n\r\n", 1): "200 secret",
		upgrade("/ws"): "308 https://site.example/ws",
		strings.Replace(get, "site.example", "other.example", 1):       "200 secret", // which the operator has not asked for
		strings.Replace(get, "site.example", "evil.example/x", 1):      "400 400 Bad Request: malformed Host header",
		strings.Replace(get, "Host: site.example", "Host: a@b/\\c", 1): "400 400 Bad Request: malformed Host header",
		"GET / HTTP/1.0\r\n\r\n":                                       "200 secret",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if got := answered(t, c, request); got != want {
			t.Errorf("%q: %s, want %s", request, got, want)
		}
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(r.URLs()[1], "https://"), &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := answered(t, c, get); got != "200 secret" {
		t.Errorf("with TLS: %s", got)
	}
}

// answered says a request and returns the status of the answer with where it leads
// or what it says.
func answered(t *testing.T, c net.Conn, request string) string {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, _ := io.ReadAll(a.Body)
	if to := a.Header.Get("Location"); to != "" {
		text = []byte(to)
	}
	return strings.TrimSpace(a.Status[:4] + string(text))
}
