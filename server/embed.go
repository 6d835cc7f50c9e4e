package server

import (
	"context"
	"net/http"
	"time"

	"curlew.example/curlew/fallback"
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
// comes from then on is answered 503, but for requests of sessions that are to hear
// of it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := s.enter()
	if g == nil && fallback.Session(r) { // it is told of the end
		if h := s.sessions.Handler(r); h != nil {
			h.ServeHTTP(w, r)
			return
		}
	}
	if g == nil {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", retryAfter)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer s.visits.Done()
	defer g.lose()
	g.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), guestKey{}, true)))
}

// enter returns the generation that takes a request that has come elsewhere, which
// has to be lost again, as a visit; nil: the server has ended.
func (s *Server) enter() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.closed {
		return nil
	}
	s.visits.Add(1)
	return s.holdLocked()
}

// awaitGuests waits until the requests of ServeHTTP are answered, or ctx is done.
func (s *Server) awaitGuests(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.visits.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// restore gives the connection of a guest's request the deadline back that its
// server set: the next request may be for somebody else. A stream of HTTP/2 has one of
// its own.
func (a *answer) restore(r *http.Request) {
	if a.hijacked || a.stream || !isGuest(r) {
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
