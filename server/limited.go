package server

import (
	"context"
	"net/http"
	"time"
)

// limited gives the requests that are no handshakes the time of timeouts.request:
// their context and the reading of their body end then, and if the handler comes
// back without an answer, the answer is 503. RFC 9110, 15.6.4. For a WebSocket the
// library keeps the time.
func limited(h http.Handler, d time.Duration) http.Handler {
	if d <= 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := w.(*answer)
		if !ok || len(r.Header["Upgrade"]) > 0 {
			h.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		if a.body {
			a.rc.SetReadDeadline(time.Now().Add(d))
		}
		h.ServeHTTP(w, r.WithContext(ctx))
		if ctx.Err() == context.DeadlineExceeded && a.status == 0 {
			w.Header().Set("Connection", "close")
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		}
	})
}
