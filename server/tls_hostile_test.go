package server_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/testenv"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// A helloEdit changes the first record that a TLS client sends: its ClientHello.
type helloEdit struct {
	net.Conn
	edit func(record []byte) []byte
	done bool
}

func (h *helloEdit) Write(p []byte) (int, error) {
	if !h.done {
		h.done = true
		if _, err := h.Conn.Write(h.edit(p)); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return h.Conn.Write(p)
}

// edited makes a TLS handshake with a changed ClientHello, and returns the answer to
// a request, or why there is none.
func (r *running) edited(o *tls.Config, edit func([]byte) []byte) (string, error) {
	r.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "https://"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	o.RootCAs = r.roots
	if o.ServerName == "" {
		o.ServerName = "127.0.0.1"
	}
	s := tls.Client(&helloEdit{Conn: c, edit: edit}, o)
	if err := s.Handshake(); err != nil {
		return "", err
	}
	if _, err := io.WriteString(s, get); err != nil {
		return "", err
	}
	b, err := io.ReadAll(s)
	if err != nil {
		return "", err
	}
	return string(b), nil
}

// TL3: neither old ciphers, nor a minimum that a client does not reach, nor
// compression.
func TestTL3_Weak(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @tls, routes: [{ handler: 'respond' }] }`, nil)
	strict := start(t, `{ listen: ['https://127.0.0.1:0'], tls: { certificate: 'site.pem', key: 'site.key', minVersion: '1.3' }, routes: [{ handler: 'respond' }] }`, nil)
	same := func(p []byte) []byte { return p }
	for _, c := range []struct {
		what string
		on   *running
		o    *tls.Config
		edit func([]byte) []byte
		ok   bool
	}{
		{"TLS 1.3", r, &tls.Config{}, same, true},
		{"TLS 1.2", r, &tls.Config{MaxVersion: tls.VersionTLS12}, same, true},
		{"TLS 1.1", r, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, same, false},
		{"TLS 1.0", r, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, same, false},
		{"minVersion 1.3", strict, &tls.Config{}, same, true},
		{"minVersion 1.3 and TLS 1.2", strict, &tls.Config{MaxVersion: tls.VersionTLS12}, same, false},
		{"RC4", r, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_RC4_128_SHA}}, same, false},
		{"3DES", r, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA}}, same, false},
		{"keys by RSA", r, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, same, false},
		{"nothing but DEFLATE", r, &tls.Config{MaxVersion: tls.VersionTLS12}, compressing, false},
	} {
		answer, err := c.on.edited(c.o, c.edit)
		if (err == nil) != c.ok || c.ok && !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("%s: %v, %.20q", c.what, err, answer)
		}
	}
}

// compressing offers DEFLATE in the place of no compression.
func compressing(hello []byte) []byte {
	p := bytes.Clone(hello)
	at := 5 + 4 + 2 + 32                   // record, message, version, random
	at += 1 + int(p[at])                   // session
	at += 2 + int(p[at])<<8 + int(p[at+1]) // suites
	if p[at] != 1 || p[at+1] != 0 {
		panic(fmt.Sprintf("compression methods %x", p[at:at+2]))
	}
	p[at+1] = 1
	return p
}

// pieces puts the ClientHello into many records of n bytes.
func pieces(n int) func([]byte) []byte {
	return func(hello []byte) (out []byte) {
		for rest := hello[5:]; len(rest) > 0; {
			part := rest[:min(n, len(rest))]
			out = append(out, hello[:3]...)
			out = append(binary.BigEndian.AppendUint16(out, uint16(len(part))), part...)
			rest = rest[len(part):]
		}
		return out
	}
}

// TL5, TL6: whatever name a client asks for, and in whatever pieces it says so, the
// certificates of clients are demanded, and the minimum version holds.
func TestTL5_TL6_SamePolicy(t *testing.T) {
	t.Parallel()
	staff, strangers := newAuthority(t, "Staff"), newAuthority(t, "Strangers")
	r := startMutual(t, `routes: [{ handler: 'respond' }]`, nil, staff)
	for _, n := range []int{1, 5, 64, 1000} {
		for _, name := range []string{"127.0.0.1", "localhost", "unknown.example"} {
			for who, cert := range map[string]tls.Certificate{"staff": staff.client("ann"), "stranger": strangers.client("ann"), "nobody": {}} {
				o := &tls.Config{ServerName: name, InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}
				answer, err := r.edited(o, pieces(n))
				if ok := strings.HasPrefix(answer, "HTTP/1.1 200 "); ok != (who == "staff" && err == nil) || ok != (who == "staff") {
					t.Errorf("%s at %q in pieces of %d: %v, %.20q", who, name, n, err, answer)
				}
			}
		}
		if _, err := r.edited(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, Certificates: []tls.Certificate{staff.client("ann")}}, pieces(n)); err == nil {
			t.Errorf("TLS 1.1 in pieces of %d", n)
		}
	}
}

// TL4: nothing is negotiated anew.
func TestTL4_Renegotiation(t *testing.T) {
	t.Parallel()
	openssl := testenv.Need(t, "openssl")
	r := start(t, `{ @tls, routes: [{ handler: 'respond' }] }`, nil)
	cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", strings.TrimPrefix(r.first, "https://"), "-tls1_2", "-legacy_renegotiation")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "R\n") // its word for it
	out, err := cmd.CombinedOutput()
	in.Close()
	if err == nil || !bytes.Contains(out, []byte("RENEGOTIATING")) || bytes.Count(out, []byte("SSL handshake has read")) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TL10: certificates that are work to look at are refused or taken, and others are
// served meanwhile.
func TestTL10_LargeCertificates(t *testing.T) {
	t.Parallel()
	staff, strangers := newAuthority(t, "Staff"), newAuthority(t, "Strangers")
	r := startMutual(t, `routes: [{ handler: 'echo' }]`, nil, staff)
	good := staff.client("ann")
	c, err := curlew.Dial(t.Context(), r.ws(), &curlew.DialOptions{TLS: &tls.Config{RootCAs: r.roots, Certificates: []tls.Certificate{good}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort(nil)
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("n%d.example", i))
	}
	many := &x509.Certificate{Subject: pkix.Name{CommonName: "many"}, DNSNames: names, ExtKeyUsage: usage}
	long := strangers.client("chain") // as many as a message of TLS holds, which all might be its parent
	for range 300 {
		long.Certificate = append(long.Certificate, newAuthority(t, "Strangers").cert.Raw)
	}
	for what, cert := range map[string]tls.Certificate{
		"10000 names": strangers.sign(many), "300 parents": long, "an RSA key of 16384 bits": largeRSA(t, staff, 16384), "an RSA key of 8193 bits": largeRSA(t, staff, 8193),
	} {
		s, err := tls.Dial("tcp", strings.TrimPrefix(r.first, "https://"), &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1", GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }})
		if err == nil {
			io.WriteString(s, get)
			_, err = io.ReadAll(s)
			s.Close()
		}
		if err == nil {
			t.Errorf("%s: taken", what)
		}
		c.Write(t.Context(), curlew.Text, []byte(what))
		if _, p, err := c.Read(t.Context(), nil); string(p) != what {
			t.Errorf("%s: another client's echo is %q, %v", what, p, err)
		}
	}
}

// A forger signs with what is no key.
type forger struct{ public *rsa.PublicKey }

func (f forger) Public() crypto.PublicKey { return f.public }
func (f forger) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, f.public.Size()), nil
}

// largeRSA is a certificate of an authority for a key that nobody has.
func largeRSA(t *testing.T, a *authority, bits uint) tls.Certificate {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	n.Add(n, big.NewInt(1))
	public := &rsa.PublicKey{N: n, E: 65537}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "large"}, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: forger{public}}
}

// TL11: names of protocols that hold anything stand in the log as text, and end the
// handshake.
func TestTL11_ProtocolNames(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @tls, routes: [{ handler: 'respond' }] }`, nil)
	for _, name := range []string{"\x1b[31m\x1b]0;x\x07", "a\r\nlevel=ERROR msg=fake", "\x00", "\u202e\u2028", "\xff\xfe", strings.Repeat("a", 255)} {
		if answer, err := r.edited(&tls.Config{NextProtos: []string{name}}, func(p []byte) []byte { return p }); err == nil {
			t.Errorf("%q: %.20q", name, answer)
		}
	}
	r.eventually("the log", func() bool { return strings.Count(r.log.String(), "no TLS handshake") >= 6 })
	for _, ch := range r.log.String() {
		if ch != '\n' && (ch < ' ' || ch >= 0x7f && ch < 0xa0 || ch == 0x2028 || ch == 0x202e || ch == 0xfffd) {
			t.Fatalf("%U stands in the log:\n%s", ch, r.log)
		}
	}
	if strings.Contains(r.log.String(), "\nlevel=ERROR") {
		t.Errorf("a line of a stranger's:\n%s", r.log)
	}
}

// TL12: a stream that is cut without the end that TLS has for it (close_notify) is
// no end of a message, and no orderly one of a connection.
func TestTL12_Truncated(t *testing.T) {
	t.Parallel()
	got := make(chan string, 4)
	r := start(t, `{ @tls, routes: [{ handler: 'listen' }] }`, map[string]route.Constructor{
		"listen": func(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
			return ws(func(*http.Request) (*curlew.Events, error) {
				return &curlew.Events{
					Message: func(_ *curlew.Conn, _ curlew.Type, p []byte) { got <- string(p) },
					Close:   func(_ *curlew.Conn, e *curlew.CloseError) { got <- fmt.Sprint(e.Code, e.Orderly()) },
				}, nil
			}), nil
		},
	})
	for name, last := range map[string][]byte{"in a frame": {0x81, 0x85, 0, 0, 0, 0, 'h', 'e'}, "in a message": {0x01, 0x82, 0, 0, 0, 0, 'h', 'e'}, "in a header": {0x81}, "in a Close": {0x88, 0x82, 0, 0, 0, 0, 3}} {
		c := r.connect().(*tls.Conn)
		p, _ := wstest.Open(t, c, "/", nil)
		p.Send(wstest.Text("whole"))
		if m := <-got; m != "whole" {
			t.Errorf("%s: %q", name, m)
		}
		c.Write(last)
		c.NetConn().(*net.TCPConn).Close()
		if m := <-got; m != "1006 abnormal closure false" {
			t.Errorf("%s: %q", name, m)
		}
	}
}

// TL13: handshakes that come by the hundred and do not go on take the places that
// connections have, and only for the time of timeouts.handshake. Who is there is
// served all the while, and so is who comes then.
func TestTL13_Flood(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @tls, limits: { connections: 100 }, timeouts: { handshake: '1 s' }, routes: [{ handler: 'echo' }] }`, nil)
	dial := func() (c *curlew.Conn) { // in less than the second, which a busy machine may not do at once
		t.Helper()
		r.eventually("a client", func() (ok bool) {
			var err error
			c, err = curlew.Dial(t.Context(), r.ws(), &curlew.DialOptions{TLS: &tls.Config{RootCAs: r.roots}})
			return err == nil
		})
		return c
	}
	c := dial()
	defer c.Abort(nil)
	var ended atomic.Int32
	const flood = 400
	for i := range flood {
		raw, err := net.Dial("tcp", strings.TrimPrefix(r.first, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if i%2 == 0 {
			raw.Write([]byte{22, 3, 1, 2, 0, 1})
		}
		go func() {
			io.Copy(io.Discard, raw)
			ended.Add(1)
		}()
		if i%20 == 0 {
			c.Write(t.Context(), curlew.Text, []byte("x"))
			if _, p, err := c.Read(t.Context(), nil); string(p) != "x" {
				t.Fatal(err)
			}
		}
	}
	r.eventually("the end of the flood", func() bool { return ended.Load() == flood })
	later := dial() // there is a place for who comes then
	later.Close(curlew.NormalClosure, "")
	<-later.Done()
}
