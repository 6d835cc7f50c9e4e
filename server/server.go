package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/internal/logs"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// Options are what a program gives to the server besides the site. Handlers is
// needed.
type Options struct {
	// Handlers are the handlers that routes can name.
	Handlers map[string]route.Constructor

	// Log is where the server writes to: nil is nowhere.
	Log *slog.Logger

	// Listen is asked for the listener of an address of the site, network and
	// address as net.Listen has them, before the server opens one itself: that
	// is what it does if Listen is nil or returns nil without an error. A
	// program gives away here what it has inherited.
	Listen func(network, address string) (net.Listener, error)
}

// A Server runs a site. Listen and then Serve are called once each. Reload, Close
// and URLs may be called by any goroutine.
type Server struct {
	handlers map[string]route.Constructor
	log      *slog.Logger
	listen   func(network, address string) (net.Listener, error)
	conns    conns
	costs    *auth.Costs
	expiries expiries
	sessions fallback.Sessions

	connections, refusing places // of connections: those in order, and those that are refused

	refused logs.Limiter
	serving sync.WaitGroup // generations whose inlets are open
	visits  sync.WaitGroup // requests of ServeHTTP; none is added once ended or closed is set

	reload  sync.Mutex         // held while a generation is made and put in place
	issuers map[string]*issuer // guarded by reload

	mu      sync.Mutex
	current *generation
	old     []*generation // with connections that are not done
	sources []*source     // in the order of the site
	accept  func(*source) // starts to accept; nil before Serve and after
	ended   bool          // Serve has begun to drain
	closed  bool
	closing chan struct{} // closed by Close

	last atomic.Bool // answers are the last ones on their connections, but for sessions
}

// New prepares to run a site: handlers are made, certificates read. Errors about
// a place in the file are [site.Errors]; all of them are found.
func New(s *site.Site, o Options) (*Server, error) {
	srv := &Server{handlers: o.Handlers, log: o.Log, listen: o.Listen, closing: make(chan struct{}), costs: auth.NewCosts(), refused: logs.Limiter{Most: refusals}}
	if srv.log == nil {
		srv.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	srv.conns = conns{log: srv.log, open: make(map[*curlew.Conn]bool)}
	var err error
	srv.current, err = srv.newGeneration(s)
	if err != nil {
		return nil, err
	}
	srv.current.inForce()
	return srv, nil
}

// Listen opens all listeners of the site, or none.
func (s *Server) Listen() error {
	s.reload.Lock()
	defer s.reload.Unlock()
	s.mu.Lock()
	g, closed := s.current, s.closed
	s.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	l, err := openAll(g, nil)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.giveUp()
		return net.ErrClosed
	}
	s.takeLocked(g, l)
	return nil
}

// takeLocked puts a generation and its listeners in the place of those that are.
func (s *Server) takeLocked(g *generation, l *listeners) {
	for i, asked := range g.site.Listen {
		l.all[i].secure = asked.Secure
	}
	s.current, s.sources = g, l.all
}

// URLs returns the addresses that the server listens at, in the order of the
// site: "http://127.0.0.1:8080", "https://localhost:8443", "unix:/run/c.sock".
func (s *Server) URLs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, src := range s.sources {
		list = append(list, src.url())
	}
	return list
}

// Serve accepts connections until ctx is done, Close is called or a listener
// fails. Then it drains: it stops accepting, lets requests under way be answered
// and closes the WebSockets with 1001 over the time of timeouts.drain; those that
// are sessions of the fallback may use the connections that there are so long. It returns
// nil if ctx or Close ended it, also when the drain had to drop connections.
func (s *Server) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	var accepting sync.WaitGroup
	s.mu.Lock()
	s.accept = func(src *source) {
		accepting.Go(func() {
			if err := s.acceptFrom(src); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	for _, src := range s.sources {
		s.accept(src)
	}
	s.current.start()
	s.mu.Unlock()
	var err error
	select {
	case <-ctx.Done():
	case <-s.closing:
	case err = <-failed:
	}
	s.mu.Lock()
	s.accept, s.ended = nil, true
	s.last.Store(true)
	s.closeSourcesLocked()
	s.mu.Unlock()
	accepting.Wait()
	s.drain()
	return err
}

// acceptFrom gives connections to the current generation until the source is
// closed.
func (s *Server) acceptFrom(src *source) error {
	var wait time.Duration
	for {
		c, err := src.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil && !passing(err):
			return err
		case err != nil: // out of descriptors: others may be given back
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.log.Error("cannot accept; trying again", "error", err, "wait", wait.String())
			select {
			case <-time.After(wait):
			case <-src.gone:
				return nil
			}
			continue
		}
		wait = 0
		s.deliver(src, c)
	}
}

// deliver gives a connection to the generation that takes it.
func (s *Server) deliver(src *source, c net.Conn) {
	for {
		s.mu.Lock()
		g, secure := s.current, src.secure
		s.mu.Unlock()
		if g.take(c, secure) {
			return
		}
		s.mu.Lock()
		same := g == s.current
		s.mu.Unlock()
		if same { // draining
			c.Close()
			return
		}
	}
}

// Reload, from Listen on, puts another site in the place of the one that runs.
// Listeners that both have stay open and lose no connection; WebSockets that are
// open keep what they have, other connections end with their next answer, which is
// the new site's, or when none is asked for within a second. If anything is wrong
// with the new site, nothing changes. A server that ends returns net.ErrClosed.
func (s *Server) Reload(to *site.Site) error {
	s.reload.Lock()
	defer s.reload.Unlock()
	next, err := s.newGeneration(to)
	if err != nil {
		return err
	}
	s.mu.Lock()
	have := slices.Clone(s.sources)
	s.mu.Unlock()
	l, err := openAll(next, have) // which may take its time; the old site answers
	if err != nil {
		next.release()
		return err
	}
	next.inForce()
	s.mu.Lock()
	if s.ended || s.closed { // then it does not matter any more
		s.mu.Unlock()
		l.giveUp()
		next.release()
		return net.ErrClosed
	}
	last, started := s.current, s.accept != nil
	s.takeLocked(next, l)
	if started {
		next.start()
		s.old = append(s.old, last)
		for _, src := range l.opened {
			s.accept(src)
		}
	}
	s.mu.Unlock()
	s.useIssuer(next.issuer)
	for _, src := range l.unused {
		src.Close()
	}
	last.retire()
	return nil
}

// forget is called when a retired generation has no connection any more.
func (s *Server) forget(g *generation) {
	s.mu.Lock()
	s.old = slices.DeleteFunc(s.old, func(o *generation) bool { return o == g })
	s.mu.Unlock()
	g.release()
}

func (s *Server) closeSourcesLocked() {
	for _, src := range s.sources {
		src.Close()
	}
	s.sources = nil
}

// grace is how long, beyond the spread of the drain and the time of a close,
// the end of a drain is waited for.
const grace = time.Second

// drain ends everything, politely as far as the time allows.
func (s *Server) drain() {
	s.mu.Lock()
	set := &s.current.site.Timeouts
	all := append([]*generation{s.current}, s.old...)
	s.mu.Unlock()
	spread := max(set.Drain.Value, 0)
	ctx, cancel := context.WithTimeout(context.Background(), spread+closeTime(all)+grace)
	defer cancel()
	var stopped sync.WaitGroup
	told := make(chan struct{}) // the WebSockets are closed
	for _, g := range all {
		stopped.Go(func() {
			g.inlet.Close()
			g.closeFresh()
			if s.sessions.Len() > 0 { // whose clients hear of it by their next requests
				<-told
			}
			g.end(ctx)
		})
	}
	stopped.Go(func() { s.awaitGuests(ctx) })
	for _, g := range all {
		for _, l := range g.leavers {
			stopped.Go(func() { l.Drain(ctx, spread) })
		}
	}
	if n := s.conns.number(); n > 0 {
		s.log.Info("stopping", "webSockets", n, "closedOver", spread.String())
	}
	dropped := s.conns.drain(ctx, spread)
	if s.sessions.Len() > 0 { // one may have been opened just now
		s.conns.settle(grace)
		dropped += s.conns.drain(ctx, 0)
	}
	close(told)
	stopped.Wait() // no request is answered from here on
	for _, g := range all {
		g.release()
	}
	s.conns.settle(grace)
	dropped += s.conns.drain(ctx, 0) // those whose handshake was under way
	if dropped > 0 {
		s.log.Warn("connections dropped at the end of the drain", "connections", dropped)
	}
	s.serving.Wait()
}

// closeTime is the longest that a close may take, on any route. Where there is no
// limit a drain has the default.
func closeTime(all []*generation) time.Duration {
	const unlimited = 5 * time.Second
	most := time.Duration(0)
	note := func(d time.Duration) {
		if d < 0 {
			d = unlimited
		}
		most = max(most, d)
	}
	for _, g := range all {
		note(g.site.Timeouts.Close.Value)
		for _, r := range g.site.Routes {
			note(r.Timeouts.Close.Value)
		}
	}
	return most
}

// end shuts the generation down; its WebSockets are not its own.
func (g *generation) end(ctx context.Context) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := g.http.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
			g.http.Close()
		}
	}()
	g.inlet.Close()
	g.closeFresh()
	<-stopped
}

// Close makes Serve drain and return. It does not wait for that. Without Serve
// it closes the listeners.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	unserved, g := s.accept == nil && !s.ended, s.current
	if unserved {
		s.closeSourcesLocked()
	}
	s.mu.Unlock()
	if unserved {
		g.retire() // when requests of ServeHTTP are answered
	}
	return nil
}
