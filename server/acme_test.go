package server_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curlew.example/curlew/server"
	"curlew.example/curlew/wstest"
)

// The whole of ACME with a real authority is in package interop. Here are the
// edges: what answers to whom. The cache says what an order under way would.
func startACME(t *testing.T, more string) *running {
	t.Helper()
	dir := t.TempDir()
	ca := newAuthority(t, "Staff")
	writeAuthorities(t, filepath.Join(dir, "ca.pem"), ca)
	proof := wstest.Certificate("new.example")
	der, err := x509.MarshalPKCS8PrivateKey(proof.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var token bytes.Buffer
	pem.Encode(&token, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	pem.Encode(&token, &pem.Block{Type: "CERTIFICATE", Bytes: proof.Certificate[0]})
	for name, content := range map[string][]byte{"new.example+token": token.Bytes(), "abc+http-01": []byte("abc.print")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return start(t, `{ listen: ['127.0.0.1:0', 'https://127.0.0.1:0'],
		tls: { certificate: 'site.pem', key: 'site.key', `+strings.ReplaceAll(more, "@ca", filepath.Join(dir, "ca.pem"))+`
			acme: { domains: ['new.example', 'other.example'], directory: 'https://127.0.0.1:1/', cache: '`+dir+`' } },
		routes: [{ handler: 'respond', respond: { body: 'site' } }] }`, nil)
}

// HTTP-01 is answered without TLS, for the names of acme, in front of all routes;
// everything else is the routes'.
func TestACMEOverHTTP(t *testing.T) {
	t.Parallel()
	r := startACME(t, "")
	ask := func(host, path string) string {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		return answered(t, c, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
	}
	for _, c := range []struct{ host, path, want string }{
		{"new.example", "/.well-known/acme-challenge/abc", "200 abc.print"},
		{"NEW.example:80", "/.well-known/acme-challenge/abc", "200 abc.print"},
		{"new.example", "/.well-known/acme-challenge/unknown", "404"},
		{"new.example", "/.well-known/acme-challenge/..%2fnew.example+token", "404"},
		{"127.0.0.1", "/.well-known/acme-challenge/abc", "200 site"},
		{"new.example", "/", "200 site"},
	} {
		if got := ask(c.host, c.path); !strings.HasPrefix(got, c.want) || strings.Contains(got, "PRIVATE") {
			t.Errorf("%s%s: %s, want %s", c.host, c.path, got, c.want)
		}
	}
}

// TL5, TL6: an authority proves a name without a certificate of a client, and
// nobody else gets through that way: no request is read there.
func TestTL5ACMEOverTLS(t *testing.T) {
	t.Parallel()
	r := startACME(t, "clientCA: '@ca',")
	at := strings.TrimPrefix(r.URLs()[1], "https://")
	dial := func(name string, protocols ...string) (*tls.Conn, error) {
		return tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: protocols})
	}
	c, err := dial("new.example", "acme-tls/1")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState(); got.PeerCertificates[0].DNSNames[0] != "new.example" || got.NegotiatedProtocol != "acme-tls/1" {
		t.Errorf("%v, %s", got.PeerCertificates[0].DNSNames, got.NegotiatedProtocol)
	}
	io.WriteString(c, get)
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("a request was answered: %.60s", b)
	}
	c.Close()
	if c, err := dial("other.example", "acme-tls/1"); err == nil {
		t.Errorf("a proof of a name that nobody asked for: %v", c.ConnectionState().PeerCertificates[0].DNSNames)
		c.Close()
	}
	for _, protocols := range [][]string{{"acme-tls/1", "http/1.1"}, {"http/1.1", "acme-tls/1"}, nil} {
		c, err := dial("127.0.0.1", protocols...)
		if err != nil {
			continue
		}
		io.WriteString(c, get)
		if b, err := io.ReadAll(c); err == nil || len(b) > 0 {
			t.Errorf("%v: %q, %v", protocols, b, err)
		}
		c.Close()
	}
}

// A name whose certificate cannot be fetched gets none, which is logged; the names
// of files and unknown ones get a file's.
func TestACMEUnreachable(t *testing.T) {
	t.Parallel()
	r := startACME(t, "")
	at := strings.TrimPrefix(r.URLs()[1], "https://")
	for name, want := range map[string]bool{"127.0.0.1": true, "localhost": true, "unknown.example": true, "other.example": false} {
		c, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, ServerName: name})
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			c.Close()
		}
	}
	r.eventually("it in the log", func() bool {
		log := r.log.String()
		return strings.Contains(log, "no certificate from the authority") && strings.Contains(log, "other.example")
	})
}

// Over a reload who fetches certificates goes on with what he has begun, if the
// site says the same of that. Who is not named any more asks no authority for
// anything; he may be named again.
func TestACMEAfterReload(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @tls, routes: [] }`, nil)
	with := func(acme string) string {
		return strings.Replace(r.expand(`{ @tls, routes: [] }`), "key: 'site.key'", "key: '"+r.dir+"/site.key', "+acme, 1)
	}
	of := func(domains string) string {
		return `acme: { domains: ` + domains + `, directory: 'https://127.0.0.1:1/', cache: '` + r.dir + `' }`
	}
	for i, c := range []struct{ acme, active, resting string }{
		{of("'one.example'"), "one.example", ""},
		{of("'one.example'"), "one.example", ""},
		{of("['one.example', 'two.example']"), "one.example two.example", "one.example"},
		{of("'one.example'") + ", clientCA: 'missing'", "one.example two.example", "one.example"},
		{"", "", "one.example,one.example two.example"},
		{of("'one.example'"), "one.example", "one.example two.example"},
	} {
		s := strings.Replace(with(c.acme), "'site.pem'", "'"+r.dir+"/site.pem'", 1)
		if err := r.Reload(parse(t, s)); (err != nil) != (i == 3) {
			t.Fatal(i, err)
		}
		active, resting := server.Issuers(r.Server)
		if strings.Join(active, ",") != c.active || strings.Join(resting, ",") != c.resting {
			t.Errorf("%d: active %q, resting %q", i, active, resting)
		}
	}
}
