package server

import (
	"net/http"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A guard lets those requests pass that may come: it reports false for others,
// which it has answered.
type guard func(w http.ResponseWriter, r *http.Request) bool

// guardOf returns the guard of a route, or of what no route answers; the key is what
// it is known by to the next generation.
func (g *generation) guardOf(key string, a *site.Access) guard {
	allow, deny, limit := &a.Allow, &a.Deny.Value, g.rateOf(key, &a.Rate)
	return func(w http.ResponseWriter, r *http.Request) bool {
		if from := route.Address(r); allow.Set() && !allow.Value.Contains(from) || deny.Contains(from) {
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			return false
		}
		return limit.admit(w, r)
	}
}

// guarded is h behind a guard.
func guarded(h http.Handler, pass guard) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pass(w, r) {
			h.ServeHTTP(w, r)
		}
	})
}
