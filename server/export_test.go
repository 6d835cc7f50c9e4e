package server

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/site"
)

// A Keeper is the keeper of one certificate, with a clock of the test's.
type Keeper struct{ k *keeper }

func NewKeeper(log io.Writer, chain, key string) (Keeper, error) {
	k, err := newKeeper([]site.Certificate{{
		Certificate: site.Setting[string]{Value: chain}, Key: site.Setting[string]{Value: key},
	}}, slog.New(slog.NewTextHandler(log, nil)))
	return Keeper{k}, err
}

// Leaf returns the first name of the certificate in force at an instant.
func (k Keeper) Leaf(now time.Time) string {
	return k.k.at(now, &tls.ClientHelloInfo{}).Leaf.DNSNames[0]
}

// Open returns how many WebSockets a server has.
func Open(s *Server) int { return s.conns.number() }

// Generations returns how many there are.
func Generations(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 1 + len(s.old)
}

// Connections returns how many connections have a place.
func Connections(s *Server) int {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	return s.connections.taken
}

// A Rate is a rate.
type Rate struct{ l *rate }

func NewRate(r *site.Rate) Rate { return Rate{newRate(r)} }

// Take takes a request of a client at this instant.
func (r Rate) Take(client netip.Prefix) time.Duration { return r.l.take(client, time.Now()) }

// Len returns how many clients are remembered.
func (r Rate) Len() int { return len(r.l.buckets) }

// Expiries returns how many connections have a token that expires.
func Expiries(s *Server) int {
	s.expiries.mu.Lock()
	defer s.expiries.mu.Unlock()
	return len(s.expiries.list)
}

// Coming returns how many handshakes the drain would wait for.
func Coming(s *Server) int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.coming
}

// SetExpiryClock has tokens expire by another clock. There are none yet.
func SetExpiryClock(s *Server, now func() time.Time) { s.expiries.now = now }

// Issuers returns, sorted, the domains of those who may talk to an authority, and
// of those who may not.
func Issuers(s *Server) (active, resting []string) {
	s.reload.Lock()
	defer s.reload.Unlock()
	for _, is := range s.issuers {
		r, _ := http.NewRequest("GET", "https://127.0.0.1:1/", nil)
		if _, err := is.RoundTrip(r); errors.Is(err, errRests) {
			resting = append(resting, strings.Join(is.domains, " "))
		} else {
			active = append(active, strings.Join(is.domains, " "))
		}
	}
	slices.Sort(active)
	slices.Sort(resting)
	return active, resting
}

// NewOwners returns what asks a guard whose the credentials of a request are.
func NewOwners(g *auth.Guard) func(*http.Request) (string, bool) {
	return (&owners{knower: guarding{g}, names: make(map[auth.Digest]string)}).of
}

// Sessions returns how many sessions of the fallback there are.
func Sessions(s *Server) int { return s.sessions.Len() }
