package fallback

import (
	"net/http"
)

// admit says whether the page that sent r, if it was one, may use the fallback, and
// sets what its browser wants to read about that. The Fetch standard; wire.md's
// rule that an Origin alone decides is RFC 6455, 10.2, for every method.
func (h *handler) admit(w http.ResponseWriter, r *http.Request) error {
	head := w.Header()
	head.Add("Vary", "Origin")
	err := h.listed.CheckOrigin(r)
	switch origin := r.Header["Origin"]; {
	case err == nil && len(origin) == 1:
		head.Set("Access-Control-Allow-Origin", origin[0])
		head.Set("Access-Control-Allow-Credentials", "true")
		head.Set("Timing-Allow-Origin", origin[0]) // whether it is HTTP/2
	case err != nil && h.any && len(origin) < 2:
		// Whoever it is: the browser then sends and shows nothing that belongs to
		// a user.
		head.Set("Access-Control-Allow-Origin", "*")
		head.Set("Timing-Allow-Origin", "*")
		err = nil
	}
	head.Set("Access-Control-Expose-Headers", offsetField)
	return err
}

// preflight answers a browser's question what it may send.
func preflight(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Allow", allowed)
	if len(r.Header["Access-Control-Request-Method"]) > 0 {
		head.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		head.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
		head.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}
