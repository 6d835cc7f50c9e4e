package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// TL3, TL5: what TLS is spoken, and with which certificate.
func TestTL3_TL5_TLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := wstest.Certificate("one.example"), wstest.Certificate("two.example", "*.three.example")
	writePair(t, filepath.Join(dir, "one"), first)
	writePair(t, filepath.Join(dir, "two"), second)
	s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte(`{ listen: 'https://127.0.0.1:0', tls: [
		{ certificate: 'one.pem', key: 'one.key' }, { certificate: 'two.pem', key: 'two.key' }], `+ok+` }`))
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, s)
	got := func(o *tls.Config) string {
		o.InsecureSkipVerify = true
		c, err := tls.Dial("tcp", addr, o)
		if err != nil {
			return "refused"
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	for name, want := range map[string]string{
		"one.example": "one.example", "two.example": "two.example", "TWO.example": "two.example", "a.three.example": "two.example",
		"": "one.example", "unknown.example": "one.example",
	} {
		if g := got(&tls.Config{ServerName: name}); g != want {
			t.Errorf("TL5: %q gets the certificate of %s, want %s", name, g, want)
		}
	}
	if g := got(&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); g != "refused" {
		t.Errorf("TL3: TLS 1.1: %s", g)
	}
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		t.Errorf("protocol %q", p)
	}
	c.Close()

	// Plain HTTP on an https address is told so.
	p, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	io.WriteString(p, get)
	if got := codes(answers(p)); got != "400" {
		t.Errorf("plain HTTP: %s", got)
	}
}

// Of several certificates of a name the first counts that the client can check: RSA
// for those that know nothing else.
func TestCertificatesOfTwoKinds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"site.example", "rsa.example"}, NotAfter: time.Now().Add(time.Hour),
	}, &x509.Certificate{}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	writePair(t, filepath.Join(dir, "ec"), wstest.Certificate("site.example"))
	writePair(t, filepath.Join(dir, "rsa"), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte(`{ listen: 'https://127.0.0.1:0', tls: [
		{ certificate: 'ec.pem', key: 'ec.key' }, { certificate: 'rsa.pem', key: 'rsa.key' }], `+ok+` }`))
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, s)
	old := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for _, c := range []struct {
		name  string
		suite []uint16
		want  x509.PublicKeyAlgorithm
	}{
		{"site.example", nil, x509.ECDSA}, {"site.example", old, x509.RSA}, {"rsa.example", nil, x509.RSA},
		{"unknown.example", nil, x509.ECDSA}, {"unknown.example", old, x509.RSA},
	} {
		o := &tls.Config{InsecureSkipVerify: true, ServerName: c.name, CipherSuites: c.suite}
		if c.suite != nil {
			o.MaxVersion = tls.VersionTLS12
		}
		conn, err := tls.Dial("tcp", addr, o)
		if err != nil {
			t.Errorf("%s, %v: %v", c.name, c.suite, err)
			continue
		}
		if got := conn.ConnectionState().PeerCertificates[0].PublicKeyAlgorithm; got != c.want {
			t.Errorf("%s, %v: %v, want %v", c.name, c.suite, got, c.want)
		}
		conn.Close()
	}
}

// A certificate is read again when its files change; a bad one changes nothing.
func TestCertificateReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := filepath.Join(dir, "site")
	writePair(t, base, wstest.Certificate("one.example"))
	log := new(safeBuffer)
	old := time.Now().Add(-time.Hour)
	age := func() { os.Chtimes(base+".pem", old, old); os.Chtimes(base+".key", old, old) }
	age()
	k, err := server.NewKeeper(log, base+".pem", base+".key")
	if err != nil {
		t.Fatal(err)
	}
	name := func(after time.Duration) string { return k.Leaf(time.Now().Add(after)) }
	if got := name(0); got != "one.example" {
		t.Fatal(got)
	}
	writePair(t, base, wstest.Certificate("two.example"))
	later := old.Add(time.Hour + 5*time.Minute)
	os.Chtimes(base+".pem", later, later)
	os.Chtimes(base+".key", later, later)
	if got := k.Leaf(later.Add(999 * time.Millisecond)); got != "one.example" { // somebody may be writing yet
		t.Errorf("just changed: %s", got)
	}
	if got := name(time.Hour); got != "two.example" {
		t.Errorf("replaced: %s", got)
	}
	os.WriteFile(base+".pem", []byte("nonsense"), 0o600)
	if got := name(2 * time.Hour); got != "two.example" {
		t.Errorf("with a bad file: %s", got)
	}
	if !strings.Contains(log.String(), "old one stays") {
		t.Errorf("nothing in the log: %s", log)
	}
}

// TL14: a key that others may read is told of.
func TestTL14ReadableKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := filepath.Join(dir, "site")
	writePair(t, base, wstest.Certificate("one.example"))
	os.Chmod(base+".key", 0o644)
	log := new(safeBuffer)
	if _, err := server.NewKeeper(log, base+".pem", base+".key"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "private key") {
		t.Errorf("%s", log)
	}
}

// HTTPS without a certificate is said before anything listens.
func TestHTTPSWithoutCertificate(t *testing.T) {
	t.Parallel()
	s := parse(t, ok1)
	s.Listen = []site.Listen{{Network: "tcp", Address: "127.0.0.1:0", Secure: true}}
	srv, err := server.New(s, server.Options{Handlers: basic()})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}
