package curlew

import (
	"context"
	"log"
	"net/http"
	"runtime/debug"
	"time"

	"curlew.example/curlew/internal/poll"
)

// Handle returns a handler that accepts WebSocket connections and handles them
// by events. f is called for each valid handshake, before it is answered, and
// returns the connection's events, which may be shared. Its error refuses the
// handshake: with the Status, Header and Err of a *HandshakeError, less the fields
// of a connection or a body, else with 403 and without a word of the error. A client
// that is gone before it has taken the 101, or that cannot be sent one (the Header of
// the events is none, Hijack is missing), is a connection too, which has ended when
// it opens: whoever counts in f can rely on Events.Close.
// Nothing but r.Context() bounds f, and not even that ends with a client that has
// sent frames since its request: an f that may take long sets its own limit.
//
// ServeHTTP returns at once; the connection lives on without net/http's memory and,
// where the system allows, without a goroutine or a buffer while idle: plain TCP on
// Linux; the net.Conn that net/http had is closed then, and its descriptor lives on.
// Else, or with Options.GoroutinePerConn, it has one goroutine.
// http.Server.Shutdown does not wait for it. A callback that panics ends its
// connection with 1011 and is logged to the http.Server's ErrorLog.
func Handle(o *Options, f func(r *http.Request) (*Events, error)) http.Handler {
	return &eventHandler{upgrader: newUpgrader(o), events: f}
}

type eventHandler struct {
	upgrader  *upgrader
	events    func(*http.Request) (*Events, error)
	calendars calendars
	group     poll.Group
}

func (h *eventHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ev *Events
	c, err := h.upgrader.upgrade(w, r, h.calendars.agenda(serverOf(r)), func() (*Events, error) {
		var err error
		ev, err = h.events(r)
		return ev, err
	})
	if c == nil {
		return
	}
	if ev == nil {
		ev = &Events{}
	}
	if err == nil && h.park(c, ev) {
		return
	}
	d := &driver{c: c, ev: ev}
	c.startClock(never)
	if err != nil {
		c.lost(err)
	}
	if c.enter() == nil {
		go d.begin()
	}
}

// begin calls the first event and handles what came with the handshake.
func (d *driver) begin() {
	c := d.c
	if d.ev.Open == nil && c.in.pump.CompareAndSwap(pumpFree, pumpHeld) {
		c.in.reader.mine = true
		if c.in.intake == nil && c.window.Load() == nil { // both are the pump's
			d.handle()
			return
		}
	}
	err := d.guarded((*driver).opened)
	if err == nil {
		err = d.guarded((*driver).works)
	}
	d.goOn(err)
}

// handle is the goroutine of a connection of Handle. An idle connection waits
// right here, with next to nothing on the stack. Work makes a stack grow, and it
// does not shrink again. So what comes after a silence is handled by a goroutine
// for this once, and another one waits; when more comes soon after, that is not
// worth it, and work is done here: then the clock sees to it that the connection,
// once it is idle, goes on with a new stack.
func (d *driver) handle() {
	err := errBytes
	for c := d.c; err == errBytes; {
		silence := time.Duration(c.in.heard.Load()) + stackDelay
		first := c.traffic.bytesRead.Load() == 0
		switch err = c.fill(context.Background()); {
		case err == errWoken && c.in.restack.CompareAndSwap(true, false) && !d.writableDue():
			go d.handle()
			return
		case err == nil && c.smallStack() && (first || time.Duration(c.in.heard.Load()) >= silence):
			go d.once()
			return
		case err == nil || err == errWoken:
			c.noteStack()
			err = d.guarded((*driver).works)
		}
	}
	d.goOn(err)
}

// once handles what has come.
func (d *driver) once() { d.goOn(d.guarded((*driver).works)) }

// goOn waits for more, in a goroutine of its own, or ends.
func (d *driver) goOn(err error) {
	if err == errBytes {
		go d.handle()
		return
	}
	<-d.c.Done()
	d.last()
}

// last calls the last events and lets go of the connection, which has ended.
func (d *driver) last() {
	d.over = true
	defer d.c.leave() // also after runtime.Goexit
	d.guarded((*driver).end)
}

func (d *driver) works() error { return d.work(context.Background()) }

// smallStack reports whether Handle's goroutine has a small stack, where that
// matters: another stream holds a buffer anyway.
func (c *Conn) smallStack() bool { return c.fd != nil && !c.in.grown.Load() }

// noteStack tells the clock that the stack is about to grow.
func (c *Conn) noteStack() {
	if c.smallStack() {
		c.in.grown.Store(true)
		c.arm(time.Duration(c.in.heard.Load()) + stackDelay)
	}
}

// stackDelay is how long a connection must be idle to be given a new stack.
const stackDelay = time.Second

// tickStack has an idle connection of Handle begin a new stack.
func (c *Conn) tickStack(now time.Duration) time.Duration {
	if !c.in.grown.Load() || c.in.pump.Load() != pumpHeld {
		return never
	}
	if due := time.Duration(c.in.heard.Load()) + stackDelay; now < due {
		return due
	}
	c.in.grown.Store(false)
	c.in.restack.Store(true)
	c.wake()
	return never
}

// guarded calls f and turns its panic into a log line and the end of the
// connection.
func (d *driver) guarded(f func(*driver) error) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover() // nil if it is runtime.Goexit
		err = errPanic
		d.c.close(&CloseError{Code: InternalError, Err: err})
		d.c.pumpAway()
		if v == nil {
			d.exited()
		}
		if v == nil || v == http.ErrAbortHandler {
			return
		}
		logf := log.Printf
		if s := d.c.terms.server; s != nil && s.ErrorLog != nil {
			logf = s.ErrorLog.Printf
		}
		logf("curlew: panic in a callback: %v\n%s", v, debug.Stack())
	}()
	err = f(d)
	returned = true
	return err
}

// exited has what is left, the end, called by another goroutine than this one, which
// a callback has ended.
func (d *driver) exited() {
	if p := d.c.parked; p != nil {
		p.waits = errEnding // the engine goes on with the turn
	} else if !d.over {
		go d.goOn(errPanic)
	}
}
