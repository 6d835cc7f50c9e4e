package curlew

import (
	"context"
	"log"
	"net/http"
	"runtime/debug"
)

// Handle returns a handler that accepts WebSocket connections and handles them
// by events. f is called for each valid handshake, before it is answered, and
// returns the connection's events, which may be shared. Its error refuses the
// handshake: with the Status, Header and Err of a *HandshakeError, else with 403
// and without a word of the error.
//
// ServeHTTP returns at once; the connection lives on without net/http's memory,
// in one goroutine and, where the system allows, without a buffer while idle.
// http.Server.Shutdown does not wait for it. A callback that panics ends its
// connection with 1011 and is logged to the http.Server's ErrorLog.
func Handle(o *Options, f func(r *http.Request) (*Events, error)) http.Handler {
	return &eventHandler{newUpgrader(o), f}
}

type eventHandler struct {
	upgrader *upgrader
	events   func(*http.Request) (*Events, error)
}

func (h *eventHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ev *Events
	c, err := h.upgrader.upgrade(w, r, func() (err error) {
		ev, err = h.events(r)
		return err
	})
	if err != nil {
		return
	}
	if ev == nil {
		ev = &Events{}
	}
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	c.start()
	go c.handle(ev, server)
}

// handle is the goroutine of a connection of Handle.
func (c *Conn) handle(ev *Events, server *http.Server) {
	d := driver{c: c, ev: ev}
	if c.enter() != nil {
		return
	}
	c.guarded(server, func() { d.run(context.Background()) })
	<-c.life.done
	c.guarded(server, d.end)
	c.leave()
}

// guarded calls f and turns its panic into a log line and the end of the
// connection.
func (c *Conn) guarded(server *http.Server, f func()) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		c.close(&CloseError{Code: InternalError, Err: &panicError{v}})
		c.pumpAway()
		if v == http.ErrAbortHandler {
			return
		}
		logf := log.Printf
		if server != nil && server.ErrorLog != nil {
			logf = server.ErrorLog.Printf
		}
		logf("curlew: panic in a callback: %v\n%s", v, debug.Stack())
	}()
	f()
}

// A panicError is what a callback panicked with.
type panicError struct{ value any }

func (e *panicError) Error() string { return "curlew: panic in a callback" }
