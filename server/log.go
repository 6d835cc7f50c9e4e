package server

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// printable returns a stranger's text with everything escaped that a terminal, a
// log viewer or a reader could take for something else: control characters, line
// and paragraph separators, direction marks, bytes that are not UTF-8. At most
// 256 bytes of it.
func printable(s string) string {
	const most = 256
	cut := len(s) > most
	if cut {
		n := most
		for n > most-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	clean := true
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			clean = false
			break
		}
	}
	if !clean {
		q := strconv.QuoteToGraphic(s)
		s = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	}
	if cut {
		s += "…"
	}
	return s
}

// A limiter lets a number of log lines a second through and counts the others.
type limiter struct {
	mu      sync.Mutex
	second  int64
	lines   int
	dropped int
}

// refusals is how many lines a second refused requests may cost.
const refusals = 10

// allow reports whether a line may be written, and how many were not since the
// last one.
func (l *limiter) allow(now time.Time) (ok bool, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second {
		l.second, l.lines = s, 0
	}
	if l.lines >= refusals {
		l.dropped++
		return false, 0
	}
	l.lines++
	dropped, l.dropped = l.dropped, 0
	return true, dropped
}

// logged writes a line for each request that is answered. A query can hold
// secrets and is left out. via is the proxy that passed it on, if any. Refusals are
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
	if status >= 400 {
		ok, dropped := s.refused.allow(began)
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
	if ok, dropped := s.refused.allow(time.Now()); ok {
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
	} else if ok, dropped := h.s.refused.allow(time.Now()); ok {
		h.s.log.Warn("http", "error", printable(first), "notLogged", dropped)
	}
	return len(p), nil
}
