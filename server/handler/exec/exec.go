// Package exec is the handler "exec": a program for each connection, whose input
// are the client's messages and whose output becomes messages to it.
//
// # What a client decides
//
// That a program is started, and what it reads. Where the route says so, a capture
// is a part of the program's name, which is looked for below a literal folder and
// nowhere else: command.go. Fields of the request that the route lists are in the
// environment: environ.go. Nothing else of a client reaches arguments or
// environment, and there is no shell.
//
// # Life and death
//
// A program is started before the handshake is answered, so that one that cannot
// be started, or is one too many, is an HTTP status. From then on a goroutine
// (process.go, run) sees to its end and to that of what it has started, in
// whatever way the connection ends, and gives its place back. Memory is bounded by
// one message each way and the send queue: who is slow, the program or the
// client, makes the other one wait.
package exec

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/server/internal/logs"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// Processes are those of one program: the places that all routes share, and what
// is logged. The zero value is ready for use. They outlast the routes, so that a
// reload of the site gives nobody another place.
type Processes struct {
	// Log is where the standard error output of programs goes, and what goes
	// wrong with them: nil is nowhere. It is not to be changed after the first New.
	Log *slog.Logger

	// AllowRoot lets programs run as root, if the server does, also where the site
	// does not say so by exec.user. Else it is an error of the site.
	AllowRoot bool

	once   sync.Once
	places places
	lines  logs.Limiter
}

// New makes an endpoint that runs a program for each connection. It is a
// constructor for server.Options:
//
//	"exec": (&exec.Processes{Log: log}).New,
func (ps *Processes) New(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	ps.once.Do(ps.prepare)
	c, err := newCommand(r.Exec)
	if err != nil {
		return nil, err
	}
	if c.as, err = ps.identity(r.Exec); err != nil {
		return nil, err
	}
	h := &handler{
		processes: ps, command: c, settings: r.Exec, input: curlew.Binary, output: curlew.Binary,
		line: int(r.Exec.MaxLine.Value),
	}
	if r.Exec.Type.Value == "text" {
		h.input, h.output = curlew.Text, curlew.Text
	}
	return ws(h.begin), nil
}

// Wait waits until all programs have ended and the log has what they said. Those of
// connections that have ended have about the time of killAfter for that.
func (ps *Processes) Wait() { ps.places.wait() }

// Number returns how many programs run, those that are being ended included.
func (ps *Processes) Number() int { return ps.places.number() }

// prepare is done once for all routes.
func (ps *Processes) prepare() {
	keepDescriptors()
	if ps.Log == nil {
		ps.Log = slog.New(slog.DiscardHandler)
	}
	ps.lines.Most = 100
}

// identity returns whom the programs of a route run as.
func (ps *Processes) identity(e *site.Exec) (*identity, error) {
	if name := e.User.Value; name != "" {
		as, err := lookUp(name)
		if err != nil {
			return nil, e.User.From.Errorf("%v", err)
		}
		return as, nil
	}
	switch {
	case os.Geteuid() != 0:
	case !ps.AllowRoot:
		return nil, e.Command.From.Errorf("this server runs as root, and so would its programs: say as whom they are to run, exec: { user: 'nobody' }; if as root, user: 'root' or curlew serve --allow-root")
	default:
		ps.Log.Warn("exec: this server runs as root, and so do the programs that it starts for clients", "route", e.Command.From.String())
	}
	return nil, nil
}

// A handler is that of one route.
type handler struct {
	processes *Processes
	command   *command
	settings  *site.Exec

	// Text is all that the client may send, and what it gets; or Binary is what it
	// gets, and it may send both.
	input, output curlew.Type
	line          int // maxLine
}

// begin starts the program for a handshake that is in order. Whatever comes of that,
// Open and Close are called.
func (h *handler) begin(r *http.Request) (*curlew.Events, error) {
	path, name, ok := h.command.find(r)
	if !ok {
		return nil, refusal(http.StatusNotFound)
	}
	client, places := route.Client(r), &h.processes.places
	if status := places.take(client, h.settings.MaxProcesses.Value, h.settings.MaxPerIP.Value); status != 0 {
		return nil, refusal(status)
	}
	p, err := h.start(path, name, environ(h.settings, r), func() { places.give(client) })
	if err != nil {
		places.give(client)
		h.processes.log(slog.LevelError, "exec: cannot start a program", "program", escaped(name), "error", escaped(err.Error()))
		if exhausted(err) {
			return nil, refusal(http.StatusServiceUnavailable)
		}
		return nil, refusal(http.StatusInternalServerError)
	}
	return &curlew.Events{Open: p.opened, Message: p.message, Close: p.closed}, nil
}

// retryAfter is how many seconds a client should wait for a place.
const retryAfter = 5

func refusal(status int) error {
	e := &curlew.HandshakeError{Status: status, Header: http.Header{}, Err: errors.New(http.StatusText(status))}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		e.Header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	return e
}
