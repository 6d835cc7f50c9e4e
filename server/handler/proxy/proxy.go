// Package proxy is the handler "proxy": it passes requests on to another server,
// the backend, and what that answers back to the client, over HTTP and WebSocket.
//
// # What is never done
//
// No bytes pass that nobody has understood. An HTTP request is parsed and written
// anew. A WebSocket connection ends here, and another one begins: both are checked
// frame by frame, with the limits of the route, and messages go from one to the
// other. So an answer that refuses an upgrade is an answer and no more, whatever
// the client sends behind its request; and a backend that switches protocols
// unasked, or to others than WebSocket, is answered for with 502.
//
// The backend is the one that the site file names, whatever a client says.
// Redirects are the client's to follow. Certificates are checked.
//
// # What is held
//
// Of a message no more than a piece of 32 KiB each way (with
// webSockets.preserveFrames a frame), besides what the connections themselves
// read ahead. A side that does not take what it is sent stops the other from
// being read; pings are answered all the same, on each side for itself. So are
// compression and the sizes of frames.
//
// # How a connection ends
//
// The code and the reason of a Close pass, and so does a Close without a code.
// A side that ends in another way has the other closed: the backend with 1001,
// the client with 1012 if the backend is lost, with 1011 if it broke a rule.
package proxy

import (
	"context"
	"log"
	"net/http"
	"strings"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// New makes the handler of a route. It keeps connections to the backend until it
// is closed, by the io.Closer that it is.
func New(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	p := newProxy(r)
	p.endpoint = ws(p.accept)
	return p, nil
}

// A proxy is the handler of one route.
type proxy struct {
	target    site.Target
	host      string // in the place of the client's, or ""
	headers   site.Headers
	timeout   time.Duration // 0: none
	write     time.Duration // 0: none
	idle      time.Duration // that nothing may come of an answer; 0: any time
	protocols []string      // that pass; nil: all

	network   network
	relay     relay // what those of each connection begin with
	options   *curlew.DialOptions
	endpoint  http.Handler
	transport *http.Transport
	forward   http.Handler
}

func newProxy(r *site.Route) *proxy {
	set := r.Proxy
	p := &proxy{
		target: set.Target.Value, timeout: max(set.Timeout.Value, 0), write: max(r.Timeouts.Write.Value, 0),
		idle: max(r.Timeouts.Inactivity.Value, 0), protocols: r.WebSockets.Protocol.Value,
	}
	for _, h := range set.Headers {
		if h.Name == "Host" {
			p.host = h.Values[0]
		} else {
			p.headers = append(p.headers, h)
		}
	}
	p.relay = relay{frames: r.WebSockets.PreserveFrames.Value, maxFrame: int(max(r.Limits.MaxFrame.Value, 0))}
	p.network = network{target: &p.target, write: p.write}
	p.options = p.dialOptions(r)
	p.transport = p.newTransport()
	p.forward = p.newForward()
	return p
}

// Close ends idle connections to the backend.
func (p *proxy) Close() error {
	p.transport.CloseIdleConnections()
	return nil
}

// ServeHTTP sends whatever asks for a WebSocket, be it wrong, to the endpoint: all
// else loses its Upgrade and is an ordinary request.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect { // whatever comes of it would be a tunnel
		w.Header().Set("Connection", "close")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	if asksWebSocket(r) {
		h := &held{ResponseWriter: w}
		p.endpoint.ServeHTTP(h, r.WithContext(context.WithValue(r.Context(), heldKey{}, h)))
		h.release()
		return
	}
	p.forward.ServeHTTP(w, r)
}

func asksWebSocket(r *http.Request) bool {
	for _, v := range r.Header["Upgrade"] {
		if strings.Contains(strings.ToLower(v), "websocket") {
			return true
		}
	}
	return false
}

// logf writes to the log of the server that r came to.
func (p *proxy) logf(r *http.Request, format string, args ...any) {
	logf := log.Printf
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ErrorLog != nil {
		logf = s.ErrorLog.Printf
	}
	logf("proxy to "+p.target.Address+": "+format, args...)
}
