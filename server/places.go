package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// places are what there is room for: connections of the server, or WebSockets of
// a route. They outlive the generation that limits them.
type places struct {
	mu    sync.Mutex
	taken int
	each  map[netip.Prefix]int // by client; none is 0

	waiting int           // in await
	freed   chan struct{} // closed when somebody leaves; nil if nobody waits
}

// A place is one that is taken. A nil one is nobody's.
type place struct {
	of     *places
	client netip.Prefix // the zero one is not counted
	left   atomic.Bool
}

// take takes one of the most places, of which a client may have mostEach; neither
// is a limit if it is not more than 0. Else it returns the status that says so: 429
// to a client that has its share, 503 to others.
func (p *places) take(client netip.Prefix, most, mostEach int) (*place, int) {
	if mostEach <= 0 {
		client = netip.Prefix{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case client.IsValid() && p.each[client] >= mostEach:
		return nil, http.StatusTooManyRequests
	case most > 0 && p.taken >= most:
		return nil, http.StatusServiceUnavailable
	}
	p.taken++
	if client.IsValid() {
		if p.each == nil {
			p.each = make(map[netip.Prefix]int)
		}
		p.each[client]++
	}
	return &place{of: p, client: client}, 0
}

// leave gives the place back; only the first time counts.
func (l *place) leave() {
	if l == nil || l.left.Swap(true) {
		return
	}
	p := l.of
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
	if l.client.IsValid() {
		if p.each[l.client]--; p.each[l.client] == 0 {
			delete(p.each, l.client)
		}
	}
}

// Who has closed a WebSocket may come back before we have come to free its place.
// So a few may wait a moment for one; that is how long and how many.
const (
	moment     = 100 * time.Millisecond
	maxWaiting = 16
)

// await is take, and waits a moment if there is no place.
func (p *places) await(ctx context.Context, client netip.Prefix, most, mostEach int) (*place, int) {
	l, status := p.take(client, most, mostEach)
	if status == 0 || !p.mayWait() {
		return l, status
	}
	defer p.waited()
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	for {
		freed := p.next()
		if l, status = p.take(client, most, mostEach); status == 0 {
			return l, 0
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, status
		}
	}
}

func (p *places) mayWait() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting >= maxWaiting {
		return false
	}
	p.waiting++
	return true
}

func (p *places) waited() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
}

// next returns what is closed when the next one leaves.
func (p *places) next() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.freed == nil {
		p.freed = make(chan struct{})
	}
	return p.freed
}

// retryAfter is how many seconds a client that found no place is told to wait.
const retryAfter = "5"

var (
	errNoPlace  = errors.New("no place is free; try again later")
	errOneShare = errors.New("too many connections from this address")
)

// admit gives a WebSocket a place on its route, or the answer for it.
func (p *places) admit(r *http.Request, l *site.Limits) (*place, error) {
	most, mostEach := l.WebSockets.Value, l.WebSocketsPerIP.Value
	if most <= 0 && mostEach <= 0 {
		return nil, nil
	}
	t, status := p.await(r.Context(), route.Client(r), most, mostEach)
	if status == 0 {
		return t, nil
	}
	e := &curlew.HandshakeError{Status: status, Header: http.Header{"Retry-After": {retryAfter}}, Err: errNoPlace}
	if status == http.StatusTooManyRequests {
		e.Err = errOneShare
	}
	return nil, e
}

// leaving returns events that give places back first of all when a connection
// ends.
func leaving(ev *curlew.Events, list ...*place) *curlew.Events {
	with, closed := *ev, ev.Close
	with.Close = func(c *curlew.Conn, e *curlew.CloseError) {
		for _, l := range list {
			l.leave()
		}
		closed(c, e)
	}
	return &with
}

// placesOf returns the places of a route. Those of a route that looks the same in
// the generation before are the same: what is open there counts.
func (g *generation) placesOf(r *site.Route) *places {
	key := routeKey(r)
	p := g.places[key]
	if p == nil {
		if before := g.server.before(); before != nil {
			p = before.places[key]
		}
		if p == nil {
			p = new(places)
		}
		g.places[key] = p
	}
	return p
}

// routeKey is what a route is known by to the next generation.
func routeKey(r *site.Route) string {
	return fmt.Sprintf("%q %q %q %q %q", r.Handler.Value, r.Match.Value, r.Pattern.Value, r.Hosts.Value, r.Methods.Value)
}

// before returns the generation that runs while another one is made, or nil.
func (s *Server) before() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// maxRefusing is how many connections beyond limits.connections are told so. More
// are closed without a word: telling costs memory and, with TLS, time.
const maxRefusing = 64

// refusalTime is how long a connection that is refused may take to be told so.
const refusalTime = 2 * time.Second

// admit gives a connection a place, or a status to refuse its first request with.
// It reports false if the connection is to be closed at once. Connections of
// trusted proxies are not counted by their address: their clients have others.
func (g *generation) admit(w *watched, address net.Addr) bool {
	s, l := g.server, &g.site.Limits
	most, mostEach := l.Connections.Value, l.ConnectionsPerIP.Value
	if most <= 0 && mostEach <= 0 {
		return true
	}
	a := route.ParseAddress(address.String())
	client := route.ClientOf(a)
	if g.site.TrustedProxies.Value.Contains(a) {
		client = netip.Prefix{}
	}
	w.place, w.refused = s.connections.take(client, most, mostEach)
	if w.refused != 0 {
		w.place, _ = s.refusing.take(netip.Prefix{}, maxRefusing, 0)
		return w.place != nil
	}
	return true
}

// A placed is a connection that somebody else than an endpoint has taken from
// net/http, with its place.
type placed struct {
	net.Conn
	place *place
}

func (p *placed) Close() error {
	p.place.leave()
	return p.Conn.Close()
}
