package fallback

import (
	"errors"
	"net/http"
	"time"

	"curlew.example/curlew/internal/handshake"
)

// Handler returns a handler that serves the WebSockets of next over plain HTTP
// too. next is called for each session in a goroutine of its own, with a request
// that is a handshake of HTTP/1.1: it may accept it, and stay or return, or refuse
// it; its context ends with the session.
//
// HTTP/1.1 and HTTP/2 are served, through proxies that pass on what they are
// given as it comes; of one that holds answers back the client learns by itself. The
// ResponseWriter is net/http's, or leads to it as http.ResponseController has it:
// else nothing is given before its answer ends, and a client that does not read is
// never cut off. http.Server.Shutdown waits for GETs, as long as a poll or a stream
// lasts: whoever calls it ends the connections first, or with RegisterOnShutdown.
func Handler(next http.Handler, o *Options) http.Handler {
	if o == nil {
		o = &Options{}
	}
	h := &handler{
		next: next, window: o.Window, poll: o.Poll,
		user: o.User, client: o.Client, sessions: o.Sessions, errorLog: o.ErrorLog,
		listed: handshake.Policy{Origins: o.Origins, AllowOrigin: o.AllowOrigin},
		any:    o.InsecureAnyOrigin && o.AllowOrigin == nil,
	}
	if h.window <= 0 {
		h.window = defaultWindow
	}
	if h.poll <= 0 {
		h.poll = defaultPoll
	}
	if h.client == nil {
		h.client = clientOf
	}
	if h.sessions == nil {
		h.sessions = new(Sessions)
	}
	h.invalid = h.listed.Validate()
	return h
}

type handler struct {
	next     http.Handler
	window   int
	poll     time.Duration
	user     func(*http.Request) (string, bool)
	client   func(*http.Request) string
	sessions *Sessions
	errorLog logger
	listed   handshake.Policy // the origins that may bring credentials
	any      bool             // the others may come too
	invalid  error            // of listed
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !Is(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	if s := h.sessions.of(r); s != nil {
		h = s.by // a session keeps what it began with
	}
	head := w.Header()
	head.Set("Cache-Control", "no-store, no-transform")
	head.Set("X-Accel-Buffering", "no")
	head.Set("X-Content-Type-Options", "nosniff")
	if h.invalid != nil {
		refuse(w, http.StatusInternalServerError, h.invalid)
		return
	}
	if err := h.admit(w, r); err != nil {
		refuse(w, http.StatusForbidden, err)
		return
	}
	if r.Method == http.MethodPost && Session(r) {
		// The limits of the http.Server may be shorter than a POST has to wait, or not
		// there at all.
		rc := http.NewResponseController(w)
		rc.SetReadDeadline(time.Now().Add(idleTime))
		rc.SetWriteDeadline(time.Now().Add(2 * idleTime))
	}
	q, err := parse(r)
	switch {
	case r.Method == http.MethodOptions:
		preflight(w, r)
	case err != nil:
		refuse(w, http.StatusBadRequest, err)
	case q.session == "open":
		h.open(w, r, q)
	default:
		h.serve(w, r, q)
	}
}

// serve answers a request that belongs to a session.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, q *query) {
	s := h.sessions.of(r)
	if s == nil {
		refuse(w, http.StatusNotFound, errUnknown)
		return
	}
	if h.user != nil {
		if user, any := h.user(r); any && !s.isOf(user) {
			refuse(w, http.StatusForbidden, errUser)
			return
		}
	}
	switch r.Method {
	case http.MethodGet:
		h.get(w, r, s, q)
	case http.MethodPost:
		s.take(w, r, q)
	case http.MethodDelete:
		s.abort(errAborted)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", allowed)
		refuse(w, http.StatusMethodNotAllowed, errMethod)
	}
}

const allowed = "GET, POST, DELETE, OPTIONS"

var (
	errNoEndpoint = errors.New("this is no WebSocket endpoint")
	errUnanswered = errors.New("the handshake was not answered")

	errUnknown = errors.New("no such session, or not any more")
	errEnded   = errors.New("the session has ended")
	errUser    = errors.New("the session is another user's")
	errMethod  = errors.New("a session knows GET, POST and DELETE; it is opened by POST")
	errMany    = errors.New("too many sessions were opened and not asked for")
	errAhead   = errors.New("this position is not reached yet, or no longer kept")
	errHole    = errors.New("bytes in front of these are missing")
	errNewer   = errors.New("a newer request has taken the place of this one")
	errLong    = errors.New("the body is longer than the window")
)

// refuse answers with err as plain text.
func refuse(w http.ResponseWriter, status int, err error) {
	http.Error(w, err.Error(), status)
}
