package fallback

import (
	"log"
	"net/http"
	"net/netip"
	"time"
)

// Options are the settings of Handler. The zero value is the good default; nil is
// the zero value. They must not be changed once they are in use.
type Options struct {
	// Origins, InsecureAnyOrigin and AllowOrigin are as in curlew.Options: the
	// pages that may use the fallback, besides those of the server's own origin.
	// They are given their CORS headers, with credentials; those that only
	// InsecureAnyOrigin lets in are given them without. The handler behind is
	// asked as well when a session is opened.
	Origins           []string
	InsecureAnyOrigin bool
	AllowOrigin       func(r *http.Request, origin string) bool

	// Window is how many bytes wait, each way, until the other side takes them: 0
	// is 256 KiB. A POST may have as many.
	Window int

	// Poll is how long a long poll waits for bytes, and how long a stream may say
	// nothing until it ends: 0 is 25 s.
	Poll time.Duration

	// User, if set, says whose credentials a request carries, "" for some that are
	// not valid, and whether it carries any. A request whose user is not that of
	// the one that opened the session is answered 403; one without credentials is
	// not, as knowing the session's name is enough. Of an open it is called with the
	// handshake that the handler behind has accepted.
	User func(r *http.Request) (name string, any bool)

	// Client names the client of a request where something is counted for each:
	// nil is its IPv4 address, or the /64 of its IPv6 address.
	Client func(r *http.Request) string

	// Sessions are those that the handler shares with others: nil is a set of its
	// own. A session is found at the path that it was opened on through each of
	// them, and keeps the options of the handler that it was opened by.
	Sessions *Sessions

	// ErrorLog is told of panics in the handler behind: nil is that of the
	// http.Server, or of package log.
	ErrorLog *log.Logger
}

const (
	defaultWindow = 256 << 10
	defaultPoll   = 25 * time.Second
)

// The times and numbers of docs/fallback.md.
const (
	idleTime  = 30 * time.Second // so long a session lives that is not asked for
	firstTime = 10 * time.Second // within which the first GET must come
	roomTime  = 5 * time.Second  // so long a POST waits for room in the window
	lastTime  = 5 * time.Second  // so long a client that has been told of the end may still say something
	takeTime  = 30 * time.Second // so long, besides Poll, the client has to take a piece
	maxFresh  = 32               // sessions of a client without a GET yet
	maxEnded  = 32               // of a client that have ended, and not all of them is read
	maxHead   = 64 << 10         // of the handler's 101
	pieceSize = 32 << 10         // of what is read or written at once
)

// clientOf is an IPv4 address, or the /64 of an IPv6 address, as one machine has all
// of one.
func clientOf(r *http.Request) string {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(64)
	return p.String()
}
