package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"curlew.example/curlew/server/site"
)

// An issuer fetches certificates by ACME. It outlives the generations whose sites
// say the same of it, as what it has begun goes on: an order, a renewal. One that no
// site speaks of any more rests: its manager would renew for ever.
type issuer struct {
	server  *Server
	domains []string
	manager *autocert.Manager
	answers http.Handler // to challenges by HTTP-01
	proof   *tls.Config  // for challenges by TLS-ALPN-01
	rests   atomic.Bool
}

var errRests = errors.New("the site does not name this authority or these domains any more")

// RoundTrip is how the manager talks to the authority.
func (is *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if is.rests.Load() {
		return nil, errRests
	}
	return http.DefaultTransport.RoundTrip(r)
}

// useIssuer lets all issuers rest but that of the site in force, which may be nil.
// Server.reload is held.
func (s *Server) useIssuer(used *issuer) {
	for _, is := range s.issuers {
		is.rests.Store(is != used)
	}
}

// issuerOf returns the issuer for what a site says.
func (s *Server) issuerOf(a *site.ACME) *issuer {
	key := fmt.Sprintf("%q %q %q %q", a.Domains.Value, a.Email.Value, a.Directory.Value, a.Cache.Value)
	if is := s.issuers[key]; is != nil {
		return is
	}
	is := &issuer{server: s, domains: a.Domains.Value, manager: &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(a.Cache.Value),
		HostPolicy: autocert.HostWhitelist(a.Domains.Value...),
		Email:      a.Email.Value,
	}}
	is.manager.Client = &acme.Client{DirectoryURL: a.Directory.Value, UserAgent: "curlew", HTTPClient: &http.Client{Transport: is}}
	is.answers = is.manager.HTTPHandler(http.NotFoundHandler())
	is.proof = &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{acme.ALPNProto}, GetCertificate: is.manager.GetCertificate,
	}
	if s.issuers == nil {
		s.issuers = make(map[string]*issuer)
	}
	s.issuers[key] = is
	return is
}

// forAuthority returns the configuration for connections of the authority, which
// wants to see a proof and nothing else, and has no certificate of a client.
// RFC 8737, 3. On these no request is read: see watchedTLS.
func (is *issuer) forAuthority(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		return is.proof, nil
	}
	return nil, nil
}

// chooseAfter returns a function that chooses the certificate for a client: one
// from a file that has the name, else one that is fetched, else the first file's.
func (is *issuer) chooseAfter(k *keeper) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		now := time.Now()
		if c := k.named(now, hello); c != nil {
			return c, nil
		}
		if !is.has(hello.ServerName) {
			if c := k.at(now, hello); c != nil {
				return c, nil
			}
			return nil, errors.New("no certificate for this name")
		}
		c, err := is.manager.GetCertificate(hello)
		// For a minute after a failure it says no more than that, to everybody.
		if err != nil && err.Error() != "acme/autocert: missing certificate" {
			if ok, dropped := is.server.mayLog(now); ok {
				is.server.log.Error("no certificate from the authority", "name", printable(hello.ServerName), "error", printable(err.Error()), "notLogged", dropped)
			}
		}
		return c, err
	}
}

func (is *issuer) has(name string) bool {
	return slices.Contains(is.domains, strings.TrimSuffix(strings.ToLower(name), "."))
}

// challenges answers what an authority asks without TLS of the names that
// certificates are fetched for, before any route. RFC 8555, 8.3.
func (is *issuer) challenges(next http.Handler) http.Handler {
	if is == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			host, _, err := net.SplitHostPort(r.Host)
			if err != nil {
				host = r.Host
			}
			if is.has(host) {
				r = r.WithContext(r.Context()) // a copy
				r.Host = strings.ToLower(host)
				is.answers.ServeHTTP(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
