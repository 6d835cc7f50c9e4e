// Package hub is the handler "hub": channels with presence, history and resuming, over
// curlew.v1, server-sent events and an API. What it leads to is one hub of package
// curlew.example/curlew/hub for the whole program; who comes to it is decided here,
// by tokens, a webhook and the users of routes.
//
//	hub.go       the routes that lead to the hub
//	program.go   what the program itself says in it
//	settings.go  what a site says of it
//	identity.go  who somebody is
//	webhook.go   whom the program is asked about
//	answers.go   what it has said, for a while
package hub

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub"
	"curlew.example/curlew/server/internal/logs"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A Hub is that of one program. The zero value is ready for use. It outlasts the
// routes that lead to it: after a reload of the site, who came before it and who came
// behind it are in the same channels. What a site says of the hub comes into force
// with the site, for those who are there too; a channel that somebody is subscribed to
// keeps its namespace's settings until nobody is.
type Hub struct {
	Log     *slog.Logger // nil is nowhere
	Version string       // of the server, for clients; may be empty

	// dial is how the webhook is reached: nil is as package http does.
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	once  sync.Once
	lines logs.Limiter

	mu      sync.Mutex  // guards the following
	hub     *hub.Hub    // nil before the first route
	memory  *hub.Memory // of the hub
	last    *settings   // that were made
	drained bool
}

// New makes the entrance of a route. It is a constructor for server.Options:
//
//	"hub": new(hub.Hub).New,
func (h *Hub) New(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	if r.Hub == nil {
		return nil, r.Handler.From.Errorf("the settings of a hub are those of the handler 'hub'; give it this name")
	}
	set, err := h.settingsOf(r.Hub)
	if err != nil {
		return nil, err
	}
	e := &entrance{hub: h, set: set, depth: strings.Count(strings.TrimSuffix(r.Match.Value, "/"), "/")}
	e.handler = h.hub.Handler(&hub.HandlerOptions{
		WebSocket: ws(func(r *http.Request) (*curlew.Events, error) { return h.hub.Events(r), nil }),
		Conn:      route.Options(r),
		Key:       set.isKey,
	})
	return e, nil
}

// Close ends the hub, at the end of the program: connections are closed with 4000.
func (h *Hub) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hub == nil {
		return nil
	}
	return h.hub.Close()
}

// settingsOf returns those of a site, made once for all of its routes.
func (h *Hub) settingsOf(s *site.Hub) (*settings, error) {
	h.once.Do(func() {
		if h.Log == nil {
			h.Log = slog.New(slog.DiscardHandler)
		}
		h.lines.Most = 10
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil && h.last.of == s {
		return h.last, nil
	}
	set, err := h.newSettings(s)
	if err != nil {
		return nil, err
	}
	memory, with := hub.NewMemory(), set.options
	with.Broker = memory
	one, err := hub.New(&with) // also finds what Reload would
	switch {
	case err != nil:
		return nil, s.From.Errorf("%v", err)
	case h.hub == nil:
		h.hub, h.memory = one, memory
	default:
		one.Close()
	}
	h.last = set
	return set, nil
}

// An entrance is a route that leads to the hub.
type entrance struct {
	hub     *Hub
	set     *settings
	depth   int // segments of the path in front of what is below
	handler http.Handler
}

// below are the names below a hub's own path.
var below = map[string]bool{
	"publish": true, "history": true, "presence": true, "unsubscribe": true, "disconnect": true,
	"channels": true, "info": true, "openapi.json": true, "events": true,
}

func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := e.name(r.URL.EscapedPath())
	if name != "" && (!below[name] || len(r.Header["Upgrade"]) > 0) {
		http.NotFound(w, r)
		return
	}
	if t := e.set.tokens; t != nil {
		// Before it is asked for: no log, no handler and no answer is to have it.
		token, err := t.Take(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="hub", error="invalid_token"`)
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
		if token != "" {
			r = r.WithContext(context.WithValue(r.Context(), tokenKey{}, token))
		}
	}
	if (name == "disconnect" || name == "unsubscribe") && e.set.isKey(bearer(r)) {
		e.set.hook.forget() // before: whoever comes back at once is asked about anew
	}
	e.handler.ServeHTTP(w, r)
}

// tokenKey is the key of the token that was taken out of a request.
type tokenKey struct{}

// name returns what stands behind the hub's own path: "" for the path itself, with
// and without a slash.
func (e *entrance) name(path string) string {
	for range e.depth + 1 {
		i := strings.IndexByte(path, '/')
		if i < 0 {
			return ""
		}
		path = path[i+1:]
	}
	return path
}

// InForce has the settings come into force. The server calls it when the route's site is.
func (e *entrance) InForce() {
	e.hub.hub.Reload(&e.set.options) // which settingsOf has found to be in order
	e.hub.memory.Bound(max(e.set.of.HistoryMemory.Value, 0))
}

// retry is when clients are told to come back, half of it more or less: to another
// server, or this one when it runs again.
const retry = 2500 * time.Millisecond

// Drain tells all clients to come back, and closes their connections over the time
// given. The server calls it when it ends.
func (e *entrance) Drain(ctx context.Context, over time.Duration) {
	h := e.hub
	h.mu.Lock()
	first := !h.drained
	h.drained = true
	h.mu.Unlock()
	if first {
		h.hub.Drain(ctx, over, retry)
	}
}

// Close gives back what the settings hold.
func (e *entrance) Close() error {
	e.set.hook.close()
	return nil
}
