package server

import (
	"io"
	"log/slog"
	"time"

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
func (k Keeper) Leaf(now time.Time) string { return k.k.at(now, "").Leaf.DNSNames[0] }

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
