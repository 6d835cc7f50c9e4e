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
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync"

	"curlew.example/curlew"
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

	once   sync.Once
	places places
	lines  limiter // of the log
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
	h := &handler{
		processes: ps, command: c, settings: r.Exec, input: curlew.Binary, output: curlew.Binary,
		line: int(r.Exec.MaxLine.Value),
	}
	if r.Exec.Type.Value == "text" {
		h.input, h.output = curlew.Text, curlew.Text
	}
	h.endpoint = ws(h.begin)
	return h, nil
}

// Wait waits until all programs have ended. Those of connections that have ended
// have about the time of killAfter for that.
func (ps *Processes) Wait() { ps.places.wait() }

// Number returns how many programs run, those that are being ended included.
func (ps *Processes) Number() int { return ps.places.number() }

// prepare is done once for all routes.
func (ps *Processes) prepare() {
	keepDescriptors()
	if ps.Log == nil {
		ps.Log = slog.New(slog.DiscardHandler)
	}
	ps.lines.most = 100
	if os.Geteuid() == 0 {
		ps.Log.Warn("exec: this server runs as root, and so do the programs that it starts for clients")
	}
}

// A handler is that of one route.
type handler struct {
	processes *Processes
	command   *command
	settings  *site.Exec
	endpoint  http.Handler

	// Text is all that the client may send, and what it gets; or Binary is what it
	// gets, and it may send both.
	input, output curlew.Type
	line          int // maxLine
}

// attemptKey is the key of the *attempt in the context of a request.
type attemptKey struct{}

// An attempt is a handshake under way.
type attempt struct {
	http.ResponseWriter
	process *process
	refused bool
}

func (a *attempt) WriteHeader(status int) {
	a.refused = true // the library writes a 101 by itself
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *attempt) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &attempt{ResponseWriter: w}
	h.endpoint.ServeHTTP(a, r.WithContext(context.WithValue(r.Context(), attemptKey{}, a)))
	if a.process != nil && a.refused {
		go a.process.run(nil)
	}
}

// begin starts the program for a handshake that is in order. If that comes to
// something, Open and Close are called.
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
	if a, ok := r.Context().Value(attemptKey{}).(*attempt); ok {
		a.process = p
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
