package server

import (
	"context"
	"net/http"
	"time"
)

// limited gives requests the time of timeouts.request: their context and the
// reading of their body end then, and if the handler comes back without an answer,
// the answer is 503. RFC 9110, 15.6.4. An endpoint leaves the time of a WebSocket to
// the library: see lasting.
func limited(h http.Handler, d time.Duration) http.Handler {
	if d <= 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := w.(*answer)
		if !ok {
			h.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), lastingKey{}, r.Context()), d)
		defer cancel()
		if a.body != nil {
			a.body.until(time.Now().Add(d))
		}
		h.ServeHTTP(w, r.WithContext(ctx))
		if ctx.Err() == context.DeadlineExceeded && a.status == 0 && !a.hijacked {
			w.Header().Set("Connection", "close")
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		}
	})
}

// lastingKey is the key of the context that a request had before limited.
type lastingKey struct{}

// lasting takes back what limited does to the context of a request.
func lasting(r *http.Request) *http.Request {
	before, ok := r.Context().Value(lastingKey{}).(context.Context)
	if !ok {
		return r
	}
	return r.WithContext(valued{before, r.Context()})
}

// A valued is a context with the values of another one.
type valued struct {
	context.Context
	values context.Context
}

func (v valued) Value(key any) any { return v.values.Value(key) }
