package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A generation is what one site file made of the server. The last one takes all
// new connections. A retired one lives on as long as connections that it took;
// the WebSockets among them are the server's and do not keep it.
type generation struct {
	server    *Server
	site      *site.Site
	tls       *tls.Config // nil: none
	issuer    *issuer     // nil: none
	handler   http.Handler
	http      *http.Server
	inlet     *inlet
	methods   map[string]bool    // that handlers see
	places    map[string]*places // of WebSockets, see placesOf
	rates     map[string]*rate   // of requests, see rateOf
	closers   []io.Closer        // the handlers that hold something
	newcomers []newcomer         // the handlers that have something to do when it is the current one
	leavers   []leaver           // the handlers that see their clients off themselves
	closed    sync.Once          // those that hold something are
	guards    map[*site.Auth]*auth.Guard

	mu      sync.Mutex            // guards the following
	conns   int                   // that were taken, and that net/http has
	fresh   map[net.Conn]struct{} // of these, on which no request has come yet
	retired bool
}

// newGeneration makes the handlers of a site and reads its certificates. All
// that is wrong is found.
func (s *Server) newGeneration(from *site.Site) (*generation, error) {
	g := &generation{
		server: s, site: from, inlet: newInlet(), methods: knownMethods(), fresh: make(map[net.Conn]struct{}),
		places: make(map[string]*places), rates: make(map[string]*rate), guards: make(map[*site.Auth]*auth.Guard),
	}
	var wrong site.Errors
	collect := func(at site.Place, err error) {
		e, list := (*site.Error)(nil), site.Errors(nil)
		switch {
		case err == nil:
		case errors.As(err, &list):
			wrong = append(wrong, list...)
		case errors.As(err, &e):
			if !slices.ContainsFunc(wrong, func(told *site.Error) bool { return *told == *e }) { // what routes inherit
				wrong = append(wrong, e)
			}
		default:
			wrong = append(wrong, at.Errorf("%v", err))
		}
	}
	if from.TLS != nil {
		var err error
		g.tls, g.issuer, err = s.newTLS(from.TLS)
		collect(from.TLS.From, err)
	}
	may, rate := addressesOf(&from.Access), g.rateOf("", &from.Access.Rate)
	table := &route.Table{Pass: func(w http.ResponseWriter, r *http.Request) bool { return may(w, r) && rate.admit(w, r) }}
	for _, r := range from.Routes {
		h, err := g.newHandler(r)
		if err == nil {
			err = table.Add(r, h)
		}
		collect(r.From, err)
		for _, m := range r.Methods.Value {
			g.methods[m] = true
		}
	}
	if len(wrong) > 0 {
		g.release()
		return nil, wrong
	}
	for _, e := range table.Hidden() {
		s.log.Warn("a route is never reached", "route", e.Error())
	}
	if len(from.Routes) == 0 {
		s.log.Warn("there are no routes: every request is answered 404")
	}
	g.warn()
	g.handler = g.answered(gate(g.issuer.challenges(g.kept(table, scripted(table, from), may)), g.methods))
	g.http = g.newHTTP(http.HandlerFunc(g.serve))
	return g, nil
}

// newHandler makes the handler of a route, with what all handlers have.
func (g *generation) newHandler(r *site.Route) (http.Handler, error) {
	construct := g.server.handlers[r.Handler.Value]
	if construct == nil {
		return nil, r.Handler.From.Errorf("no handler %q in this program", r.Handler.Value)
	}
	leaves := new(bool)
	ws, sockets := g.endpoint(r, leaves), false
	h, err := construct(r, func(f func(*http.Request) (*curlew.Events, error)) http.Handler {
		sockets = true
		return ws(f)
	})
	if err != nil {
		return nil, err
	}
	if c, ok := h.(io.Closer); ok {
		g.closers = append(g.closers, c)
	}
	if n, ok := h.(newcomer); ok {
		g.newcomers = append(g.newcomers, n)
	}
	if l, ok := h.(leaver); ok {
		g.leavers, *leaves = append(g.leavers, l), true
	}
	users, err := g.users(r.Access.Auth)
	if err != nil {
		return nil, err
	}
	headers, times, known := r.Headers, &r.Timeouts, knowerOf(users, h)
	h = authenticated(h, users)
	h = guarded(limited(h, r.Timeouts.Request.Value), g.rateOf(routeKey(r), &r.Access.Rate).admit)
	carried := sockets && r.Fallback.Value
	if carried {
		h = g.carried(r, h, known)
	}
	h = guarded(h, addressesOf(&r.Access))
	all := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a, ok := w.(*answer); ok {
			a.use(headers, times)
		}
		h.ServeHTTP(w, r)
	})
	if carried {
		return route.Carried{Handler: all}, nil
	}
	return all, nil
}

// A newcomer is a handler that has something to do when its site comes into force, which it
// may never be: one with something wrong in it is given up.
type newcomer interface{ InForce() }

// inForce is called when the generation is about to be the current one: before the
// first request.
func (g *generation) inForce() {
	for _, n := range g.newcomers {
		n.InForce()
	}
}

// A leaver is a handler that ends its connections by itself when the server does,
// over the time given or until ctx is done. Those that it has left are closed behind
// it.
type leaver interface {
	Drain(ctx context.Context, over time.Duration)
}

// release lets handlers give back what they hold. No request comes any more.
func (g *generation) release() {
	g.closed.Do(func() {
		for _, c := range g.closers {
			c.Close()
		}
	})
}

// answered is the outermost handler.
func (g *generation) answered(next http.Handler) http.Handler {
	headers, times := g.site.Headers, &g.site.Timeouts.Timeouts
	requests, trusted := g.site.Log.Requests.Value, &g.site.TrustedProxies.Value
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a := newAnswer(w, r, headers, times)
		via, ok := forwarded(r, trusted)
		if requests {
			defer func() { g.server.logged(a, r, via, began) }()
		}
		if ok {
			next.ServeHTTP(a, r)
		} else {
			a.Header().Set("Connection", "close")
			http.Error(a, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		}
		a.finish()
		a.restore(r)
	})
}

// newHTTP returns the net/http server behind all listeners.
func (g *generation) newHTTP(h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      h,
		Protocols:                    protocols,
		ReadHeaderTimeout:            max(g.site.Timeouts.Handshake.Value, 0),
		IdleTimeout:                  max(g.site.Timeouts.Inactivity.Value, 0),
		MaxHeaderBytes:               int(g.site.Limits.Head.Value),
		DisableGeneralOptionsHandler: true,
		ConnContext:                  withConn,
		ConnState:                    g.connState,
		ErrorLog:                     stdlog.New(httpErrors{g.server}, "", 0),
	}
}

// start begins to serve what is put into the inlet.
func (g *generation) start() {
	g.server.serving.Go(func() { g.http.Serve(g.inlet) })
}

// take hands an accepted connection to net/http, and reports whether this
// generation still takes any.
func (g *generation) take(c net.Conn, secure bool) bool {
	g.mu.Lock()
	g.conns++ // it is retired first, or kept by this one
	g.mu.Unlock()
	w := &watched{Conn: c, head: headWatch{
		maxBytes: g.site.Limits.Head.Value, maxFields: max(g.site.Limits.HeadFields.Value, 0),
	}}
	if d := g.site.Timeouts.Handshake.Value; d > 0 {
		w.limit = time.Now().Add(d)
	}
	if !g.admit(w, c.RemoteAddr()) {
		g.server.unanswered()
		c.Close()
		g.lose()
		return true
	}
	if limit := time.Now().Add(refusalTime); w.refused != 0 && (w.limit.IsZero() || w.limit.After(limit)) {
		w.limit = limit
	}
	var taken bool
	if secure {
		w.Conn = tls.Server(c, g.tls)
		taken = g.inlet.put(&watchedTLS{watched: w, failed: g.server.handshakeFailed})
	} else if _, ok := c.(io.ReaderFrom); ok {
		taken = g.inlet.put(watchedTCP{w})
	} else {
		taken = g.inlet.put(w)
	}
	if !taken {
		w.place.leave()
		g.lose()
	}
	return taken
}

// lose counts a connection that is not net/http's, or no longer.
func (g *generation) lose() {
	g.mu.Lock()
	g.conns--
	gone := g.retired && g.conns == 0
	g.mu.Unlock()
	if gone {
		g.server.forget(g)
	}
}

// connState keeps the set of connections without a request, which net/http would
// wait for for seconds when it shuts down, counts those that end, and tells those
// that are kept.
func (g *generation) connState(c net.Conn, state http.ConnState) {
	g.mu.Lock()
	delete(g.fresh, c)
	if state == http.StateNew {
		g.fresh[c] = struct{}{}
	}
	g.mu.Unlock()
	w, _ := c.(interface{ watch() *watched })
	switch state {
	case http.StateIdle:
		if w != nil {
			w.watch().rests()
		}
	case http.StateClosed:
		if w != nil {
			w.watch().place.leave()
		}
		g.lose()
	case http.StateHijacked:
		g.lose()
	}
}

// serve answers what comes on a connection of this generation. When that is not the
// current one any more, the answer is the other's, and the last one there: so a client
// that uses its connections all the time never finds one closed. Where the other wants
// certificates of clients, which this connection may have been made without, it is the
// last answer of this one.
func (g *generation) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	retired := g.retired
	g.mu.Unlock()
	if retired {
		w.Header().Set("Connection", "close")
		s := g.server
		s.mu.Lock()
		if t := s.current.tls; t == nil || t.ClientAuth == tls.NoClientCert {
			g = s.holdLocked()
			defer g.lose()
		}
		s.mu.Unlock()
	}
	if g.server.last.Load() && !fallback.Session(r) {
		w.Header().Set("Connection", "close")
	}
	g.handler.ServeHTTP(w, r)
}

// holdLocked returns the current generation, which has to be lost again.
func (s *Server) holdLocked() *generation {
	g := s.current
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns++ // it is retired after another one is current
	return g
}

// lastAnswer is how long the connections of a generation that is retired may wait for
// it.
const lastAnswer = time.Second

// retire lets the generation end: its connections do after their next answer, or when
// that does not come soon.
func (g *generation) retire() {
	g.inlet.Close()
	g.mu.Lock()
	g.retired = true
	gone := g.conns == 0
	g.mu.Unlock()
	if gone {
		g.server.forget(g)
		return
	}
	time.AfterFunc(lastAnswer, func() { g.http.SetKeepAlivesEnabled(false) })
}

// closeFresh closes the connections that have said nothing.
func (g *generation) closeFresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.fresh {
		if w, ok := c.(interface{ watch() *watched }); ok && w.watch().silent() {
			w.watch().Conn.Close()
		}
	}
}
