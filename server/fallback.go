package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"curlew.example/curlew/fallback"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// carried gives the WebSockets of a route's handler over plain HTTP too. An open
// comes by all that a handshake comes by: h is the whole of it. Requests of a session
// do not: to know the session is to be allowed.
func (g *generation) carried(r *site.Route, h http.Handler, known knower) http.Handler {
	o := route.Options(r)
	set := &fallback.Options{
		Origins: o.Origins, InsecureAnyOrigin: o.InsecureAnyOrigin, Sessions: &g.server.sessions,
		Client: func(r *http.Request) string { return route.Client(r).String() },
	}
	if known != nil {
		set.User = (&owners{knower: known, names: make(map[auth.Digest]string)}).of
	}
	h = fallback.Handler(h, set)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := w.(*answer)
		switch {
		case !ok || !fallback.Is(r):
		case fallback.Session(r):
			a.carries(r)
		default:
			a.opens = true
			o := &open{a}
			defer func() { o.answer = nil }() // the session keeps the context
			r = r.WithContext(context.WithValue(r.Context(), openKey{}, o))
		}
		h.ServeHTTP(w, r)
	})
}

// kept serves the sessions whose route is not there any more: WebSockets stay open,
// too, when theirs goes. may is asked first. All else is for next.
func (g *generation) kept(table *route.Table, next http.Handler, may guard) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fallback.Session(r) || table.Carries(r) {
			next.ServeHTTP(w, r)
			return
		}
		h := g.server.sessions.Handler(r)
		switch {
		case h == nil:
			next.ServeHTTP(w, r)
		case may(w, r):
			w.(*answer).carries(r)
			h.ServeHTTP(w, r)
		}
	})
}

// An open has the answer to a request that opens a session, until that is given. The
// handshake that stands for it has no other way to it, and none to the connection,
// which is not to become a WebSocket.
type open struct{ answer *answer }

// openKey is the key of the *open in the context of that handshake.
type openKey struct{}

// answerOf returns the answer to a request, also to an open that it stands for; nil
// in tests without one.
func answerOf(w http.ResponseWriter, r *http.Request) *answer {
	if a, ok := w.(*answer); ok {
		return a
	}
	if o, ok := r.Context().Value(openKey{}).(*open); ok {
		return o.answer
	}
	return nil
}

// postTime is how long the body of a request of a session may take.
const postTime = 30 * time.Second

// carries notes that the answer is for a session. What it says may come after long
// silence, for which the fallback sets deadlines: in HTTP/2 one that is over cannot
// be taken back, and where there is no timeouts.write its own are the only ones.
func (a *answer) carries(r *http.Request) {
	a.session = true
	a.paced = a.write <= 0 || a.stream
	if a.body != nil {
		a.body.until(time.Now().Add(postTime))
	}
}

// A knower knows users by what requests carry. A handler may be one, for users whom
// auth does not know.
type knower interface {
	// Credentials are those of auth.Guard.
	Credentials(r *http.Request) (d auth.Digest, any bool)

	// User returns the name of the user, which may be empty, and whether it is one. It
	// leaves the request as it is.
	User(r *http.Request) (name string, ok bool)
}

// knowerOf returns who knows the users of a handler behind a guard, either of which may
// be nil or none.
func knowerOf(guard *auth.Guard, h http.Handler) knower {
	if guard != nil {
		return guarding{guard}
	}
	known, _ := h.(knower)
	return known
}

// guarding is a knower.
type guarding struct{ *auth.Guard }

func (g guarding) User(r *http.Request) (name string, ok bool) {
	user, no := g.Check(r.Clone(r.Context()), route.Client(r))
	if no != nil {
		return "", false
	}
	return user.Name, true
}

// owners knows whose the credentials are that come along with requests of sessions,
// and remembers it: a poll is not to cost what a password does. Nothing depends on
// that they are still good, as a request may leave them out.
type owners struct {
	knower

	mu    sync.Mutex
	names map[auth.Digest]string
}

// maxOwners is how many are remembered. Beyond it all are asked for anew.
const maxOwners = 4096

// of is the User of fallback.Options. A token may be of a user without a name.
func (o *owners) of(r *http.Request) (name string, any bool) {
	d, any := o.Credentials(r)
	if !any {
		return "", false
	}
	o.mu.Lock()
	name, ok := o.names[d]
	o.mu.Unlock()
	if ok {
		return name, true
	}
	if name, ok = o.User(r); !ok {
		return "", true
	}
	name = "user " + name
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.names) >= maxOwners {
		clear(o.names)
	}
	o.names[d] = name
	return name, true
}
