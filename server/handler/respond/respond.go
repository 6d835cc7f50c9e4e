// Package respond is the handler "respond": the same answer to every request.
package respond

import (
	"io"
	"net/http"
	"strconv"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// New answers with the status, headers and body of the route's settings. A body
// is plain text in UTF-8 unless the headers say something else.
func New(r *site.Route, _ route.Endpoint) (http.Handler, error) {
	set := r.Respond
	status, body := set.Status.Value, set.Body.Value
	if bodyless := status == http.StatusNoContent || status == http.StatusNotModified; bodyless && body != "" {
		return nil, set.Body.From.Errorf("a body; an answer of status %d has none", status)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if body != "" {
			h.Set("Content-Type", "text/plain; charset=utf-8")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Content-Length", strconv.Itoa(len(body)))
		}
		for _, f := range set.Headers {
			h[f.Name] = append([]string(nil), f.Values...)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}), nil
}
