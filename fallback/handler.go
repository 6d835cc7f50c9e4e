package fallback

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"curlew.example/curlew/internal/handshake"
)

// Param is the query parameter that makes a request one of the fallback's.
const Param = "curlew"

// Handler returns a handler that serves the WebSockets of next over plain HTTP
// too. next is called for each session in a goroutine of its own, with a request
// that is a handshake of HTTP/1.1: it may accept it, and stay or return, or refuse
// it; its context ends with the session.
//
// HTTP/1.1 and HTTP/2 are served, through proxies that pass on what they are
// given as it comes; of one that holds answers back the client learns by itself.
func Handler(next http.Handler, o *Options) http.Handler {
	if o == nil {
		o = &Options{}
	}
	h := &handler{
		next: next, window: cmp.Or(o.Window, defaultWindow), poll: cmp.Or(o.Poll, defaultPoll),
		user: o.User, client: o.Client, sessions: o.Sessions, errorLog: o.ErrorLog,
		listed: handshake.Policy{Origins: o.Origins, AllowOrigin: o.AllowOrigin},
		any:    o.InsecureAnyOrigin && o.AllowOrigin == nil,
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

// Is reports whether a request is one of the fallback's.
func Is(r *http.Request) bool {
	return strings.Contains(r.URL.RawQuery, Param+"=") && r.URL.Query().Has(Param)
}

// Session returns whether a request belongs to a session that is open already, or
// was: what the handler behind is not asked about.
func Session(r *http.Request) bool {
	return Is(r) && r.URL.Query().Get(Param) != "open"
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
	s := h.sessions.find(q.session)
	if s == nil || s.path != r.URL.EscapedPath() {
		refuse(w, http.StatusNotFound, errUnknown)
		return
	}
	if h.user != nil {
		if user, any := h.user(r); any && !(s.known && user == s.user) {
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

// A query is what the parameters of a request say.
type query struct {
	session string // or "open"
	at, ack int64  // ack is -1 if it is not there
	mode    string
	wait    time.Duration // -1 if it is not there
}

// parse reads the parameters. Those of the fallback must be there once; others are
// the application's.
func parse(r *http.Request) (*query, error) {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errors.New("the query cannot be read")
	}
	for _, name := range []string{Param, "at", "ack", "mode", "wait"} {
		if len(all[name]) > 1 {
			return nil, errors.New("the parameter " + name + " is there twice")
		}
	}
	q := &query{session: all.Get(Param), ack: -1, mode: all.Get("mode"), wait: -1}
	if q.session == "open" {
		return q, nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return q, nil
	}
	if q.at, err = position(all, "at"); err != nil {
		return nil, err
	}
	if all.Has("ack") && r.Method == http.MethodPost {
		if q.ack, err = position(all, "ack"); err != nil {
			return nil, err
		}
	}
	if all.Has("wait") && r.Method == http.MethodGet {
		ms, err := position(all, "wait")
		if err != nil || ms > maxWait {
			return nil, errors.New("wait is a number of milliseconds")
		}
		q.wait = time.Duration(ms) * time.Millisecond
	}
	if id := r.Header["Last-Event-Id"]; r.Method == http.MethodGet && q.mode == "sse" && len(id) > 0 {
		if q.at, err = number(id[0]); err != nil || len(id) > 1 {
			return nil, errors.New("Last-Event-ID is not a position")
		}
	}
	return q, nil
}

// maxWait is the longest wait that is understood; Options.Poll bounds it anyway.
const maxWait = 1 << 31

func position(all url.Values, name string) (int64, error) {
	n, err := number(all.Get(name))
	if err != nil {
		return 0, errors.New(name + " is not a position: a number of bytes is wanted")
	}
	return n, nil
}

// number reads digits, and what JavaScript can count exactly.
func number(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 53)
	if err != nil || s[0] == '+' {
		return 0, errors.New("not a number")
	}
	return int64(n), nil
}
