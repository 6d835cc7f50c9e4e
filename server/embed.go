package server

import (
	"context"
	"net/http"
	"time"
)

// ServeHTTP answers by the routes of the site what has come to a server of the
// program's own: the Server is a handler in its mux then, and Listen is not called.
// Paths are matched as they are, whatever prefix the mux knows it by. Everything
// that a site says of requests, WebSockets and users holds; what it says of
// listeners does not, as they are not its own (listen, tls, timeouts.handshake,
// limits.head, headers, connections and connectionsPerIP): the http.Server of the
// program has fields for that.
//
// Serve, with nothing to listen at, waits for its context and then drains: it
// closes the WebSockets, which Shutdown of an http.Server knows nothing of. What
// comes from then on is answered 503.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := s.guests()
	if g == nil {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", retryAfter)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer g.lose()
	g.http.Handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), guestKey{}, true)))
}

// guests returns the generation that takes a request that has come elsewhere, which
// has to be lost again; nil: the server has ended.
func (s *Server) guests() *generation {
	for {
		s.mu.Lock()
		g, ended := s.current, s.ended || s.closed
		s.mu.Unlock()
		if ended {
			return nil
		}
		g.mu.Lock()
		if !g.retired {
			g.conns++
			g.mu.Unlock()
			return g
		}
		g.mu.Unlock() // another one is in its place
	}
}

// restore gives the connection of a guest's request the deadline back that its
// server set: the next request may be for somebody else.
func (a *answer) restore(r *http.Request) {
	if a.hijacked || !isGuest(r) {
		return
	}
	var t time.Time
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.WriteTimeout > 0 {
		t = time.Now().Add(s.WriteTimeout)
	}
	a.rc.SetWriteDeadline(t)
}

// guestKey is in the context of a request that has come elsewhere.
type guestKey struct{}

func isGuest(r *http.Request) bool { return r.Context().Value(guestKey{}) != nil }
