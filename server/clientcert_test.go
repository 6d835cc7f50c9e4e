package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// An authority signs the certificates of clients.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	pair := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// sign makes a certificate; an authority without its own signs itself.
func (a *authority) sign(c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// client is a certificate for a client.
func (a *authority) client(name string) tls.Certificate {
	return a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// startMutual runs a site with TLS that wants certificates of the authorities.
func startMutual(t *testing.T, routes string, more map[string]route.Constructor, authorities ...*authority) *running {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	writeAuthorities(t, name, authorities...)
	return start(t, mutual(name, routes), more)
}

func mutual(ca, routes string) string {
	return `{ listen: ['https://127.0.0.1:0'], tls: { certificate: 'site.pem', key: 'site.key', clientCA: '` + ca + `' }, ` + routes + ` }`
}

func writeAuthorities(t *testing.T, name string, authorities ...*authority) {
	t.Helper()
	var text []byte
	for _, a := range authorities {
		text = append(text, a.pem()...)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// as asks for a page with a certificate, and returns its status or the error.
func (r *running) as(o *tls.Config) (status int, resumed bool, err error) {
	o.RootCAs, o.ServerName = r.roots, "127.0.0.1"
	c, err := tls.Dial("tcp", strings.TrimPrefix(r.first, "https://"), o)
	if err != nil {
		return 0, false, err
	}
	defer c.Close()
	if _, err := io.WriteString(c, get); err != nil {
		return 0, false, err
	}
	b, err := io.ReadAll(c)
	if err != nil {
		return 0, false, err
	}
	if strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
		status = 200
	}
	return status, c.ConnectionState().DidResume, nil
}

// tls.clientCA: who has no certificate of the authorities gets no connection, is
// told so by TLS, and the log says why; who has is known to handlers and the log.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	staff, partners, strangers := newAuthority(t, "Staff"), newAuthority(t, "Partners"), newAuthority(t, "Strangers")
	r := startMutual(t, `routes: [{ match: '/ws', handler: 'echo' }, { handler: 'who' }]`, map[string]route.Constructor{
		"who": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, r.TLS.VerifiedChains[0][0].Subject.CommonName)
			}), nil
		},
	}, staff, partners)
	expired := staff.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "late"}, NotAfter: time.Now().Add(-time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	forServers := staff.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "server"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	for name, c := range map[string]tls.Certificate{
		"staff": staff.client("ann"), "partner": partners.client("bob"),
		"nobody": {}, "stranger": strangers.client("ann"), "expired": expired, "server's": forServers,
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			// Whatever authorities the server names, this one is sent.
			status, _, err := r.as(&tls.Config{MaxVersion: version, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }})
			wanted := name == "staff" || name == "partner"
			switch {
			case wanted && (status != 200 || err != nil):
				t.Errorf("%s, %s: %d %v", name, tls.VersionName(version), status, err)
			case !wanted && status != 0:
				t.Errorf("%s, %s: let in", name, tls.VersionName(version))
			case !wanted && !strings.Contains(err.Error(), "remote error"):
				t.Errorf("%s, %s: %v, want an alert", name, tls.VersionName(version), err)
			}
		}
	}
	for _, want := range []string{`client="CN=ann"`, `client="CN=bob"`, "didn't provide a certificate", "certificate signed by unknown authority", "expired", "incompatible key usage"} {
		r.eventually(want+" in the log", func() bool { return strings.Contains(r.log.String(), want) })
	}

	ann := staff.client("ann")
	o := &tls.Config{RootCAs: r.roots, Certificates: []tls.Certificate{ann}}
	c, err := curlew.Dial(t.Context(), r.ws()+"/ws", &curlew.DialOptions{TLS: o})
	if err != nil {
		t.Fatal(err)
	}
	c.Abort(nil)
}

// CF11, TL11: a subject is a stranger's text, though a verified one.
func TestCF11ClientCertificateSubject(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Staff")
	r := startMutual(t, ok, nil, ca)
	evil := ca.client("ann\n\x1b[31mlevel=ERROR\u202e")
	if status, _, err := r.as(&tls.Config{Certificates: []tls.Certificate{evil}}); status != 200 {
		t.Fatal(err)
	}
	if log := r.log.String(); strings.ContainsAny(log, "\x1b\u202e") || strings.Contains(log, "\nlevel=ERROR") || !strings.Contains(log, "CN=ann") {
		t.Errorf("%q", log)
	}
}

// TL7: without its authorities no server starts and no site is taken.
func TestTL7ClientCAFileBad(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Staff")
	r := startMutual(t, ok, nil, ca)
	bad := map[string]string{"missing": "", "empty": "\n", "key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"cut": string(ca.pem()) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}
	for name, text := range bad {
		file := filepath.Join(r.dir, name)
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := r.next(mutual(file, ok))
		if _, err := server.New(s, server.Options{Handlers: basic()}); err == nil || !strings.Contains(err.Error(), "site.json5:1:") || !strings.Contains(err.Error(), "tls.clientCA") {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.Reload(s); err == nil {
			t.Errorf("%s: taken by a reload", name)
		}
		if status, _, _ := r.as(&tls.Config{}); status != 0 {
			t.Errorf("%s: a client without a certificate was let in afterwards", name)
		}
	}
}

// TL8: a session that began under other authorities is not resumed.
func TestTL8ResumptionAcrossReload(t *testing.T) {
	t.Parallel()
	one, two := newAuthority(t, "One"), newAuthority(t, "Two")
	r := startMutual(t, ok, nil, one)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		o := &tls.Config{MaxVersion: version, Certificates: []tls.Certificate{one.client("ann")}, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		var resumed bool
		for range 2 {
			status, again, err := r.as(o)
			if status != 200 {
				t.Fatal(err)
			}
			resumed = again
		}
		if !resumed {
			t.Errorf("%s: no session is resumed, so that this proves nothing", tls.VersionName(version))
		}
		file := filepath.Join(r.dir, "ca.pem")
		writeAuthorities(t, file, two)
		if err := r.Reload(r.next(mutual(file, ok))); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := r.as(o); status != 0 {
			t.Errorf("%s: a client of the old authority was let in", tls.VersionName(version))
		}
		writeAuthorities(t, file, one)
		if err := r.Reload(r.next(mutual(file, ok))); err != nil {
			t.Fatal(err)
		}
	}
}

// A certificate that a trusted proxy shows is its own and not that of the client.
func TestClientCertificateOfProxy(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Staff")
	shown := make(chan int, 1)
	r := startMutual(t, `trustedProxies: '127.0.0.1', routes: [{ handler: 'who' }]`, map[string]route.Constructor{
		"who": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown <- len(r.TLS.PeerCertificates) }), nil
		},
	}, ca)
	if status, _, err := r.as(&tls.Config{Certificates: []tls.Certificate{ca.client("proxy")}}); status != 200 {
		t.Fatal(err)
	}
	if n := <-shown; n != 0 {
		t.Errorf("%d certificates", n)
	}
	if strings.Contains(r.log.String(), "client=") {
		t.Errorf("%s", r.log)
	}
}
