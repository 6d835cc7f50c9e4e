// Package echo is the handler "echo": each message goes back as it came.
package echo

import (
	"net/http"

	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// New makes an endpoint that sends each message back, of the same type. Where
// the route preserves frames or limits packets, the pieces are sent back as they
// come, so that no message is ever held whole. A peer that sends without reading
// is not read from any further.
func New(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	whole := &curlew.Events{
		Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) },
	}
	return ws(func(*http.Request) (*curlew.Events, error) { return whole, nil }), nil
}
