package server

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"curlew.example/curlew/server/internal/logs"
)

// printable returns a stranger's text as it may stand in the log.
func printable(s string) string { return logs.Escape(s, 256) }

// refusals is how many lines a second refused requests, and the like, may cost.
const refusals = 10

// mayLog reports whether a line about something refused may be written, and how many
// were not since the last one.
func (s *Server) mayLog(now time.Time) (ok bool, missed int) {
	if !s.refused.Allow(now) {
		return false, 0
	}
	return true, s.refused.Missed()
}

// logged writes a line for each request that is answered. A query can hold
// secrets, names of sessions among them, and is left out. via is the proxy that passed it on, if any. Refusals are
// cheap to cause, so they are few a second.
func (s *Server) logged(a *answer, r *http.Request, via string, began time.Time) {
	status := a.status
	if a.hijacked {
		status = http.StatusSwitchingProtocols
	}
	attrs := []any{
		slog.String("method", printable(r.Method)), slog.String("host", printable(r.Host)),
		slog.String("path", printable(r.URL.Path)), slog.Int("status", status),
		slog.Int64("bytes", a.size), slog.Float64("ms", float64(time.Since(began).Microseconds())/1000), slog.String("from", strings.TrimSuffix(r.RemoteAddr, ":0")),
	}
	if a.opens {
		attrs = append(attrs, slog.Bool("fallback", true))
	}
	if !a.finished { // by the backend of a proxy, by a mistake of a handler
		attrs = append(attrs, slog.Bool("cut", true))
	}
	attrs = append(attrs, a.attributes()...)
	if via != "" {
		attrs = append(attrs, slog.String("via", via))
	}
	if name := subject(r); name != "" {
		attrs = append(attrs, slog.String("client", name))
	}
	if a.session { // a message may make one
		s.log.Debug("request of a session", attrs...)
		return
	}
	if status >= 400 {
		ok, dropped := s.mayLog(began)
		if !ok {
			return
		}
		if dropped > 0 {
			attrs = append(attrs, slog.Int("notLogged", dropped))
		}
	}
	s.log.Info("request", attrs...)
}

// unanswered writes that a connection beyond limits.connections was closed.
func (s *Server) unanswered() {
	if ok, dropped := s.mayLog(time.Now()); ok {
		s.log.Warn("too many connections: one was closed without an answer", "notLogged", dropped)
	}
}

// httpErrors passes what net/http and the library have to say to the log: one
// line, which may quote a stranger, or a panic with its stack.
type httpErrors struct{ s *Server }

func (h httpErrors) Write(p []byte) (int, error) {
	first, stack, _ := strings.Cut(strings.TrimSpace(string(p)), "\n")
	if stack != "" {
		h.s.log.Error("http", "error", printable(first), "stack", stack)
	} else if ok, dropped := h.s.mayLog(time.Now()); ok {
		h.s.log.Warn("http", "error", printable(first), "notLogged", dropped)
	}
	return len(p), nil
}
