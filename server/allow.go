package server

import (
	"net/http"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A guard lets those requests pass that may come: it reports false for others,
// which it has answered.
type guard func(w http.ResponseWriter, r *http.Request) bool

// addressesOf returns the guard of what is said of addresses.
func addressesOf(a *site.Access) guard {
	allow, deny := &a.Allow, &a.Deny.Value
	return func(w http.ResponseWriter, r *http.Request) bool {
		if from := route.Address(r); allow.Set() && !allow.Value.Contains(from) || deny.Contains(from) {
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			return false
		}
		return true
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
