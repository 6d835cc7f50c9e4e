// Package route decides which handler answers a request.
//
// # Matching
//
// A [Table] holds the routes of a site in the order of its file. The first one
// that matches by host, path and method answers; a redirect to 'https:' answers
// only what came without TLS. A route of the table whose host
// and path match but whose methods do not is remembered: if no later route
// matches either, the answer is 405 with the methods of all of them in Allow. No
// route for the path is 404; no route for the host, of any path, is 421.
//
// A path is decoded once and compared as bytes, segment by segment: "%2F" is
// part of a segment and never divides two. Paths with control characters,
// backslashes, "." or ".." segments are nobody's: 400 before any route is asked,
// so that a rule and the handler behind it cannot understand one path in two
// ways. For the same reason a path is nobody's, 404, that some programs read as one
// of an earlier route: with empty segments, an encoded slash or something behind a
// semicolon ("//admin", "/admin%2Fx", "/admin;x"), or with dots behind such
// ("/open/..;/admin").
//
// # Handlers
//
// A handler is an [net/http.Handler] made for one route by a [Constructor]. The
// program passes its constructors to the server in one literal map, name to
// constructor; nothing registers itself:
//
//	server.Options{Handlers: map[string]route.Constructor{
//		"echo":   echo.New,
//		"static": static.New,
//		"clock":  clock.New, // the program's own
//	}}
//
// The constructor is given the route as it stands in the site file, defaults and
// inheritance done, and a function that makes WebSocket endpoints. An endpoint
// made by it has the options of the route (limits, timeouts, origins,
// subprotocols, headers), is closed with 1001 when the server drains, and
// answers whatever is no handshake. A constructor that finds its settings
// impossible returns an error; the server then does not start. A handler that is an
// [io.Closer] is closed when the site that it is part of has no connection any more,
// or the server ends; WebSockets may outlive that. One with a method
//
//	InForce()
//
// is told when its site comes into force, before the first request; it may never do so.
// One with a method
//
//	Drain(ctx context.Context, over time.Duration)
//
// sees its clients off itself when the server ends, over that time and until ctx is
// done at the latest; who is still there then the server closes. One with the methods
//
//	Credentials(r *http.Request) (d auth.Digest, any bool)
//	User(r *http.Request) (name string, ok bool)
//
// knows users where the route has no auth: a session of the fallback is then for
// requests of its user alone, or for such as say nothing of one.
//
// At a request the captures of the route are its path values
// ([net/http.Request.PathValue]). What all answers have in common is done by the
// server around the handler: the headers of the route, the end of connections
// that asked for an upgrade and did not get it, deadlines, the log.
//
// Handlers know the library and package site, not each other, nor this package:
// a constructor is a plain function.
package route

import (
	"fmt"
	"net/http"
	"os"

	"curlew.example/curlew"
	"curlew.example/curlew/server/site"
)

// An Endpoint makes a WebSocket endpoint of one route: f is called for each
// handshake that is in order, before it is answered, like the f of
// [curlew.Handle].
type Endpoint = func(f func(*http.Request) (*curlew.Events, error)) http.Handler

// ErrStalled is the error of reading the body of a request of which nothing has come
// for timeouts.inactivity. It matches os.ErrDeadlineExceeded.
var ErrStalled = fmt.Errorf("nothing more comes of the request's body: %w", os.ErrDeadlineExceeded)

// Stalled reports whether reading the body of r has ended, or is about to end, with
// ErrStalled. net/http may take that for the end of the client and cancel the context
// of r before.
func Stalled(r *http.Request) bool {
	b, ok := r.Body.(interface{ Stalled() bool })
	return ok && b.Stalled()
}

// A Constructor makes the handler of one route. The route is not to be changed.
// The handler is called by many goroutines at once.
type Constructor = func(r *site.Route, ws Endpoint) (http.Handler, error)
