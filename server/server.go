package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server/config"
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
}

// A Server runs one site. Listen and then Serve are called once each, by one
// goroutine; Close and URLs by any.
type Server struct {
	site    *site.Site
	log     *slog.Logger
	tls     *tls.Config // nil: none
	handler http.Handler
	conns   conns
	refused limiter

	mu        sync.Mutex
	listeners []net.Listener
	secure    []bool // of listeners
	urls      []string
	fresh     map[net.Conn]struct{} // on which no request has come yet
	serving   bool
	closed    bool
	closing   chan struct{} // closed by Close
}

// New prepares to run a site: handlers are made, certificates read. Errors about
// a place in the file are [site.Errors]; all of them are found.
func New(s *site.Site, o Options) (*Server, error) {
	srv := &Server{
		site: s, log: o.Log,
		fresh: make(map[net.Conn]struct{}), closing: make(chan struct{}),
	}
	if srv.log == nil {
		srv.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	srv.conns = conns{log: srv.log, open: make(map[*curlew.Conn]struct{})}
	var wrong site.Errors
	collect := func(at site.Place, err error) {
		if e := (*site.Error)(nil); errors.As(err, &e) {
			wrong = append(wrong, e)
		} else if err != nil {
			wrong = append(wrong, at.Errorf("%v", err))
		}
	}
	table, methods := new(route.Table), knownMethods()
	for _, r := range s.Routes {
		h, err := srv.newHandler(r, o.Handlers)
		if err == nil {
			err = table.Add(r, h)
		}
		collect(r.From, err)
		for _, m := range r.Methods.Value {
			methods[m] = true
		}
	}
	if s.TLS != nil {
		var err error
		srv.tls, err = newTLS(s.TLS, srv.log)
		collect(s.TLS.From, err)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	srv.handler = srv.answered(gate(table, methods))
	return srv, nil
}

// newHandler makes the handler of a route, with what all handlers have.
func (s *Server) newHandler(r *site.Route, handlers map[string]route.Constructor) (http.Handler, error) {
	construct := handlers[r.Handler.Value]
	if construct == nil {
		return nil, r.Handler.From.Errorf("no handler %q in this program", r.Handler.Value)
	}
	h, err := construct(r, s.endpoint(r))
	if err != nil {
		return nil, err
	}
	headers, write := r.Headers, r.Timeouts.Write.Value
	h = limited(h, r.Timeouts.Request.Value)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a, ok := w.(*answer); ok {
			a.use(headers, write)
		}
		h.ServeHTTP(w, r)
	}), nil
}

// endpoint returns the maker of WebSocket endpoints for a route.
func (s *Server) endpoint(r *site.Route) route.Endpoint {
	o := config.Options(r)
	tell(o)
	return func(f func(*http.Request) (*curlew.Events, error)) http.Handler {
		wrap := s.conns.wrapper()
		return curlew.Handle(o, func(r *http.Request) (*curlew.Events, error) {
			ev, err := f(r)
			if err != nil {
				return nil, err
			}
			return wrap(ev), nil
		})
	}
}

// tell adds the times of a connection to its 101, in whole seconds rounded up;
// those that are off are not mentioned.
func tell(o *curlew.Options) {
	if o.Header == nil {
		o.Header = make(http.Header)
	}
	for name, d := range map[string]time.Duration{
		"X-Inactivity-Timeout": o.InactivityTimeout, "X-Request-Timeout": o.RequestTimeout,
	} {
		if d > 0 {
			o.Header.Set(name, strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
		}
	}
}

// answered is the outermost handler.
func (s *Server) answered(next http.Handler) http.Handler {
	headers, write := s.site.Headers, s.site.Timeouts.Write.Value
	requests := s.site.Log.Requests.Value
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a := newAnswer(w, headers, write)
		next.ServeHTTP(a, r)
		if requests {
			s.logged(a, r, began)
		}
	})
}

// Listen opens all listeners of the site, or none.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	var failed []error
	for _, l := range s.site.Listen {
		if l.Secure && s.tls == nil {
			failed = append(failed, l.From.Errorf("https without a certificate; tls: { certificate, key }"))
			continue
		}
		ln, url, err := open(l)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		s.listeners, s.secure, s.urls = append(s.listeners, ln), append(s.secure, l.Secure), append(s.urls, url)
	}
	if len(failed) > 0 {
		s.closeListenersLocked()
		return errors.Join(failed...)
	}
	return nil
}

func (s *Server) closeListenersLocked() {
	for _, ln := range s.listeners {
		ln.Close()
	}
	s.listeners, s.secure, s.urls = nil, nil, nil
}

// URLs returns the addresses that the server listens at, in the order of the
// site: "http://127.0.0.1:8080", "https://localhost:8443", "unix:/run/c.sock".
func (s *Server) URLs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.urls...)
}

// Serve accepts connections until ctx is done, Close is called or a listener
// fails. Then it drains: it stops accepting, lets requests under way be answered
// and closes the WebSockets with 1001 over the time of timeouts.drain. It returns
// nil if ctx or Close ended it, also when the drain had to drop connections.
func (s *Server) Serve(ctx context.Context) error {
	s.mu.Lock()
	listeners, secure := s.listeners, s.secure
	s.serving = true
	s.mu.Unlock()
	h := s.newHTTP()
	failed := make(chan error, len(listeners))
	for i, ln := range listeners {
		l := &listener{Listener: ln, patient: max(s.site.Timeouts.Handshake.Value, 0), watch: headWatch{
			maxBytes: s.site.Limits.Head.Value, maxFields: max(s.site.Limits.HeadFields.Value, 0),
		}}
		if secure[i] {
			l.tls = s.tls
		}
		go func() { failed <- h.Serve(l) }()
	}
	var err error
	waiting := len(listeners)
	select {
	case <-ctx.Done():
	case <-s.closing:
	case err = <-failed:
		waiting--
	}
	s.drain(h)
	for range waiting {
		<-failed
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// newHTTP returns the net/http server behind all listeners.
func (s *Server) newHTTP() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      s.handler,
		Protocols:                    protocols,
		ReadHeaderTimeout:            max(s.site.Timeouts.Handshake.Value, 0),
		IdleTimeout:                  max(s.site.Timeouts.Inactivity.Value, 0),
		MaxHeaderBytes:               int(s.site.Limits.Head.Value),
		DisableGeneralOptionsHandler: true,
		ConnContext:                  withConn,
		ConnState:                    s.connState,
		ErrorLog:                     stdlog.New(httpErrors{s}, "", 0),
	}
}

// connState keeps the set of connections without a request: net/http would wait
// for them for seconds when it shuts down.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.fresh[c] = struct{}{}
	} else {
		delete(s.fresh, c)
	}
}

// grace is how long, beyond the spread of the drain and the time of a close,
// the end of a drain is waited for.
const grace = time.Second

// drain ends everything, politely as far as the time allows.
func (s *Server) drain(h *http.Server) {
	spread := max(s.site.Timeouts.Drain.Value, 0)
	ctx, cancel := context.WithTimeout(context.Background(), spread+max(s.site.Timeouts.Close.Value, 0)+grace)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if h.Shutdown(ctx) != nil {
			h.Close()
		}
	}()
	s.mu.Lock()
	for c := range s.fresh {
		if w, ok := c.(interface{ watch() *watched }); ok && w.watch().silent() {
			w.watch().Conn.Close()
		}
	}
	s.mu.Unlock()
	if dropped := s.conns.drain(ctx, spread); dropped > 0 {
		s.log.Warn("connections dropped at the end of the drain", "connections", dropped)
	}
	<-stopped
	s.mu.Lock()
	s.closeListenersLocked() // those that Serve never reached
	s.mu.Unlock()
}

// Close makes Serve drain and return. It does not wait for that. Without Serve
// it closes the listeners.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	if !s.serving {
		s.closeListenersLocked()
	}
	return nil
}
