package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"curlew.example/curlew/server/site"
)

// newTLS returns the configuration of the https listeners, and who fetches
// certificates; nil if nobody does. Server.reload is held, but for New.
func (s *Server) newTLS(t *site.TLS) (*tls.Config, *issuer, error) {
	k, err := newKeeper(t.Certificates, s.log)
	if err != nil {
		return nil, nil, err
	}
	c := &tls.Config{
		MinVersion:     t.MinVersion.Value,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: k.choose,
	}
	var is *issuer
	if t.ACME != nil {
		is = s.issuerOf(t.ACME)
		c.GetCertificate = is.chooseAfter(k)
		c.GetConfigForClient = is.forAuthority
	}
	if t.ClientCA.Set() {
		if c.ClientCAs, err = readAuthorities(t.ClientCA.Value); err != nil {
			return nil, nil, t.ClientCA.From.Errorf("%v; the certificates of the clients' authorities as a PEM file", err)
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, is, nil
}

// readAuthorities reads the certificates of a PEM file: all of them, or none.
func readAuthorities(name string) (*x509.CertPool, error) {
	rest, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool, n := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: a PEM block %q", name, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		pool.AddCert(c)
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("%s: no certificate", name)
	}
	return pool, nil
}

// subject is the name in the certificate that the client has shown, as a log may
// have it; "" without one.
func subject(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return ""
	}
	return printable(r.TLS.PeerCertificates[0].Subject.String())
}

// handshakeFailed is told of TLS handshakes that failed. Strangers cause many;
// what an operator asks for who has given out certificates is why one is refused.
func (s *Server) handshakeFailed(from net.Addr, err error) {
	level := slog.LevelDebug
	if _, wrong := errors.AsType[*tls.CertificateVerificationError](err); wrong || strings.Contains(err.Error(), "didn't provide a certificate") {
		level = slog.LevelInfo
	}
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	if ok, dropped := s.mayLog(time.Now()); ok {
		s.log.Log(context.Background(), level, "no TLS handshake", "error", printable(err.Error()), "from", from.String(), "notLogged", dropped)
	}
}

// A keeper has the certificates and reads their files again when they change.
type keeper struct {
	log   *slog.Logger
	pairs []*pair

	mu   sync.Mutex
	next time.Time // when to look at the files again
}

func newKeeper(certificates []site.Certificate, log *slog.Logger) (*keeper, error) {
	k := &keeper{log: log}
	var wrong site.Errors
	for _, c := range certificates {
		p := &pair{cert: c.Certificate.Value, key: c.Key.Value}
		if err := p.load(); err != nil {
			wrong = append(wrong, c.Certificate.From.Errorf("%v; a chain and its key as PEM files", err))
			continue
		}
		exposed(log, p.key, "the private key")
		k.pairs = append(k.pairs, p)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return k, nil
}

const (
	// lookEvery is how often, at most, the files are looked at.
	lookEvery = 5 * time.Second

	// rest is how old a change is that is read: somebody may be writing yet.
	rest = time.Second
)

// choose returns the certificate for a client.
func (k *keeper) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return k.at(time.Now(), hello), nil
}

// at returns the certificate that has the name which the client asks for, or else
// the first one; nil if there is none.
func (k *keeper) at(now time.Time, hello *tls.ClientHelloInfo) *tls.Certificate {
	if c := k.named(now, hello); c != nil {
		return c
	}
	return k.first(hello, func(*tls.Certificate) bool { return true })
}

// named returns the certificate that has the name, or nil.
func (k *keeper) named(now time.Time, hello *tls.ClientHelloInfo) *tls.Certificate {
	k.look(now)
	return k.first(hello, func(c *tls.Certificate) bool {
		return hello.ServerName != "" && c.Leaf.VerifyHostname(hello.ServerName) == nil
	})
}

// first returns the first certificate of a kind that the client can check, or else
// the first of them; nil if there is none.
func (k *keeper) first(hello *tls.ClientHelloInfo, of func(*tls.Certificate) bool) (found *tls.Certificate) {
	nameless := *hello
	nameless.ServerName = "" // SupportsCertificate looks at that, too
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pairs {
		switch {
		case !of(p.tls):
		case nameless.SupportsCertificate(p.tls) == nil:
			return p.tls
		case found == nil:
			found = p.tls
		}
	}
	return found
}

// look reads files again that have changed, if nobody has looked for a while.
func (k *keeper) look(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !now.After(k.next) {
		return
	}
	k.next = now.Add(lookEvery)
	for _, p := range k.pairs {
		if !p.changed(now) {
			continue
		}
		if err := p.load(); err != nil {
			k.log.Error("certificate not read again; the old one stays", "error", err)
		}
	}
}

// A pair is a certificate with its key, from two files.
type pair struct {
	cert, key string
	tls       *tls.Certificate
	stamp     [2]time.Time // of the files when they were read
}

func (p *pair) load() error {
	p.stamp = p.stamps()
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("certificate %s, key %s: %w", p.cert, p.key, err)
	}
	p.tls = &c
	return nil
}

// changed reports whether the files have changed, and have rested since.
func (p *pair) changed(now time.Time) bool {
	s := p.stamps()
	for _, t := range s {
		if age := now.Sub(t); age >= 0 && age < rest {
			return false
		}
	}
	return s != p.stamp
}

func (p *pair) stamps() (s [2]time.Time) {
	for i, name := range []string{p.cert, p.key} {
		if info, err := os.Stat(name); err == nil {
			s[i] = info.ModTime()
		}
	}
	return s
}
