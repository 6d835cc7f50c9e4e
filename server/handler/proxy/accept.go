package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// dialOptions are those of the connections to the backend. The route's limits hold
// for both sides. That nothing happens, and for how long all may last, is the
// client's side to notice.
func (p *proxy) dialOptions(r *site.Route) *curlew.DialOptions {
	d := &curlew.DialOptions{Options: *route.Options(r)}
	d.Subprotocols, d.RequireSubprotocol, d.Header = nil, false, nil
	d.InactivityTimeout, d.RequestTimeout = -1, -1
	d.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	d.HandshakeTimeout = -1
	if p.timeout > 0 {
		d.HandshakeTimeout = p.timeout
	}
	return d
}

// accept is called for a handshake that is in order: if the backend takes it, so
// do we.
func (p *proxy) accept(r *http.Request) (*curlew.Events, error) {
	d := *p.options
	d.DialContext, d.TLS = p.network.connect, p.network.config()
	d.Subprotocols = p.offers(r)
	d.Header = r.Header.Clone()
	removeHops(d.Header)
	for name := range d.Header {
		if strings.HasPrefix(name, "Sec-Websocket-") {
			delete(d.Header, name)
		}
	}
	for _, name := range []string{"Host", "Content-Length", "Content-Type", "Accept-Encoding"} { // there is no body
		delete(d.Header, name)
	}
	p.address(d.Header, r)
	var answer http.Header
	d.Answer = func(h http.Header) { answer = h }

	c, err := curlew.Dial(r.Context(), p.url(r), &d)
	if err != nil {
		return nil, p.refused(r, err)
	}
	i := c.Info()
	if len(p.protocols) > 0 && len(d.Subprotocols) > 0 && i.Subprotocol == "" {
		c.Close(curlew.GoingAway, "")
		return nil, p.refused(r, &curlew.HandshakeError{Err: errors.New("it selected no subprotocol")})
	}
	t := &tunnel{backend: c, up: p.relay, down: p.relay}
	return &curlew.Events{
		Subprotocol: i.Subprotocol, Header: passedBack(answer),
		Open: t.open, Part: t.up.part, Close: t.clientClosed,
	}, nil
}

// url is where a handshake goes: the host is the one that the backend is told.
func (p *proxy) url(r *http.Request) string {
	scheme := "ws"
	if p.target.Secure {
		scheme = "wss"
	}
	path, query := p.path(r)
	if query != "" || r.URL.ForceQuery {
		path += "?" + query
	}
	return scheme + "://" + p.hostFor(r) + path
}

// offers are the subprotocols that the client offers, less those that are not for
// this route. They are in order: the endpoint has read them.
func (p *proxy) offers(r *http.Request) []string {
	var names []string
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.Trim(name, " \t")
			if name != "" && (len(p.protocols) == 0 || slices.Contains(p.protocols, name)) {
				names = append(names, name)
			}
		}
	}
	return names
}

// passedBack are the fields of the backend's 101 for the client's. What is no name of a
// field is left out, as net/http does with those of other answers.
func passedBack(h http.Header) http.Header {
	h = h.Clone()
	removeHops(h)
	for name := range h {
		if strings.HasPrefix(name, "Sec-Websocket-") || !isToken(name) {
			delete(h, name)
		}
	}
	for _, name := range []string{"Content-Length", "X-Inactivity-Timeout", "X-Request-Timeout"} {
		delete(h, name)
	}
	return h
}

// refused notes what a client is answered whose handshake the backend did not
// take, and returns it.
func (p *proxy) refused(r *http.Request, err error) error {
	e := new(curlew.HandshakeError)
	errors.As(err, &e)
	if e.Status < 200 {
		status := failure(err)
		if r.Context().Err() == nil || status == http.StatusGatewayTimeout {
			p.logf(r, "%v", err)
		}
		e = &curlew.HandshakeError{Status: status, Err: fmt.Errorf("%s", http.StatusText(status))}
	} else if h, ok := r.Context().Value(heldKey{}).(*held); ok {
		h.refusal = e
	}
	return e
}

// heldKey is the key of the *held in the context of a request.
type heldKey struct{}

// A held is the ResponseWriter of a handshake. When the backend has refused that,
// the endpoint's words are left out, and release answers with the backend's.
type held struct {
	http.ResponseWriter
	refusal *curlew.HandshakeError
	unused  http.Header
}

func (h *held) Header() http.Header {
	if h.refusal == nil {
		return h.ResponseWriter.Header()
	}
	if h.unused == nil {
		h.unused = make(http.Header)
	}
	return h.unused
}

func (h *held) WriteHeader(status int) {
	if h.refusal == nil {
		h.ResponseWriter.WriteHeader(status)
	}
}

func (h *held) Write(p []byte) (int, error) {
	if h.refusal == nil {
		return h.ResponseWriter.Write(p)
	}
	return len(p), nil
}

// Unwrap is for http.ResponseController.
func (h *held) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// release passes the backend's refusal on, with the start of its body. The
// connection ends, whatever the client has sent behind its request.
func (h *held) release() {
	e := h.refusal
	if e == nil {
		return
	}
	to, own := h.ResponseWriter.Header(), e.Header.Clone()
	removeHops(own)
	for _, name := range []string{"Content-Length", "Sec-Websocket-Accept", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
		delete(own, name)
	}
	for name, values := range own {
		to[name] = values
	}
	to["Connection"] = []string{"close"}
	if e.Status == http.StatusUpgradeRequired { // RFC 9110, 15.5.22
		to["Connection"] = []string{"close", "Upgrade"}
		to["Upgrade"] = []string{"websocket"}
	}
	h.ResponseWriter.WriteHeader(e.Status)
	h.ResponseWriter.Write(e.Body)
}
