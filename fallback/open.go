package fallback

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"

	"curlew.example/curlew/internal/handshake"
)

type logger = *log.Logger

// opened is the answer to an open.
type opened struct {
	Session  string `json:"session"`
	Protocol string `json:"protocol"` // "" for none
	Poll     int64  `json:"poll"`     // milliseconds
	Window   int    `json:"window"`   // bytes
}

// open asks the handler behind as a handshake would, and answers with what it has
// answered.
func (h *handler) open(w http.ResponseWriter, r *http.Request, _ *query) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", allowed)
		refuse(w, http.StatusMethodNotAllowed, errMethod)
		return
	}
	s := h.newSession(r)
	if !h.sessions.add(s) {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusTooManyRequests, errMany)
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	o := &opening{w: w, session: s, accepted: make(chan struct{}), returned: make(chan struct{})}
	s.mu.Lock()
	s.opening, s.cancel = o, cancel
	s.mu.Unlock()
	stop := context.AfterFunc(r.Context(), cancel)
	go h.ask(o, disguised(r, ctx))
	select {
	case <-o.accepted:
	case <-o.returned:
	}
	stop()
	select {
	case <-o.accepted:
		o.answer(h)
	default:
		s.abort(errAborted)
		o.refuse()
	}
}

func (h *handler) newSession(r *http.Request) *session {
	s := &session{
		of: h.sessions, id: newID(), path: strings.Clone(r.URL.EscapedPath()), client: h.client(r),
		ends: ends{window: h.window, remote: addressOf(r.RemoteAddr)},
	}
	s.local, _ = r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if h.user != nil {
		if name, any := h.user(r); any && name != "" {
			s.user, s.known = name, true
		}
	}
	return s
}

// ask has the handler behind serve the session.
func (h *handler) ask(o *opening, r *http.Request) {
	defer close(o.returned)
	finished := false
	defer func() {
		if finished {
			return
		}
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			h.logger(r).Printf("fallback: panic in the handler: %v\n%s", v, debug.Stack())
		}
		o.failed = true
		o.session.abort(errAborted)
	}()
	h.next.ServeHTTP(o, r)
	finished = true
}

func (h *handler) logger(r *http.Request) logger {
	if h.errorLog != nil {
		return h.errorLog
	}
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ErrorLog != nil {
		return s.ErrorLog
	}
	return log.Default()
}

// disguised makes of an open the handshake that it stands for.
func disguised(r *http.Request, ctx context.Context) *http.Request {
	hs := r.Clone(ctx)
	hs.Method, hs.Proto, hs.ProtoMajor, hs.ProtoMinor = http.MethodGet, "HTTP/1.1", 1, 1
	hs.Body, hs.ContentLength, hs.TransferEncoding, hs.Trailer = http.NoBody, 0, nil, nil
	head := hs.Header
	for _, name := range []string{
		"Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Te", "Trailer", "Expect",
		"Keep-Alive", "Proxy-Connection", "Http2-Settings", "Sec-Websocket-Extensions",
	} {
		delete(head, name)
	}
	head["Connection"], head["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	head["Sec-Websocket-Key"] = []string{handshake.NewKey()}
	if len(head["Sec-Websocket-Version"]) == 0 {
		head["Sec-Websocket-Version"] = []string{"13"}
	}
	var offered []string
	hs.URL.RawQuery, offered = withoutOurs(hs.URL.RawQuery)
	if len(offered) > 0 && len(head["Sec-Websocket-Protocol"]) == 0 {
		head["Sec-Websocket-Protocol"] = offered
	}
	hs.RequestURI = hs.URL.RequestURI()
	return hs
}

// withoutOurs takes curlew=open and protocol=… out of a query, which else stays as
// it is.
func withoutOurs(query string) (rest string, offered []string) {
	var keep []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case Param:
		case "protocol":
			if value, err := url.QueryUnescape(value); err == nil && value != "" {
				offered = append(offered, value)
			}
		default:
			keep = append(keep, part)
		}
	}
	return strings.Join(keep, "&"), offered
}

// An opening is the ResponseWriter of the handshake. What the handler behind
// answers before it takes over the connection is the answer to the open; the
// 101 that it then writes is what the client is told of.
type opening struct {
	w        http.ResponseWriter
	session  *session
	accepted chan struct{} // closed when the 101 is there
	returned chan struct{} // closed when the handler has returned

	status   int  // that the handler has answered
	silent   bool // what it writes is not for the client
	hijacked bool
	failed   bool // it has panicked

	head  []byte         // what has come of the handler's 101; the session's lock guards it
	reply *http.Response // the 101
}

func (o *opening) Header() http.Header { return o.w.Header() }

// WriteHeader passes on the refusal of a handshake. It is not one of a connection:
// that lives on. A success is none for who wants a WebSocket.
func (o *opening) WriteHeader(status int) {
	if o.hijacked || o.status != 0 || status < 200 {
		return
	}
	head := o.w.Header()
	delete(head, "Connection")
	delete(head, "Upgrade")
	if o.status = status; status < 300 {
		o.status, o.silent = http.StatusNotFound, true
		refuse(o.w, http.StatusNotFound, errors.New("this is no WebSocket endpoint"))
		return
	}
	o.w.WriteHeader(status)
}

func (o *opening) Write(p []byte) (int, error) {
	if o.hijacked {
		return 0, http.ErrHijacked
	}
	if o.status == 0 {
		o.WriteHeader(http.StatusOK)
	}
	if o.silent {
		return len(p), nil
	}
	return o.w.Write(p)
}

// Hijack gives the handler the session for a connection.
func (o *opening) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if o.hijacked {
		return nil, nil, http.ErrHijacked
	}
	o.hijacked = true
	s := o.session
	return s, bufio.NewReadWriter(bufio.NewReaderSize(s, 16), bufio.NewWriterSize(s, 1024)), nil
}

// refuse answers where the handler has not.
func (o *opening) refuse() {
	if o.status == 0 {
		refuse(o.w, http.StatusInternalServerError, errors.New("the handshake was not answered"))
	}
}

// takeLocked takes the head of the 101 out of what the handler writes, and says how
// much of p it was.
func (o *opening) takeLocked(s *session, p []byte) (int, error) {
	before := len(o.head)
	o.head = append(o.head, p...)
	i := bytes.Index(o.head, []byte("\r\n\r\n"))
	if i < 0 {
		if len(o.head) > maxHead {
			return 0, errors.New("fallback: the head of the answer is too long")
		}
		return len(p), nil
	}
	i += 4
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(bytes.NewReader(o.head), int64(i))), nil)
	if err != nil {
		return 0, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return 0, errors.New("fallback: the connection was taken over and no handshake answered")
	}
	o.reply, o.head = answer, nil
	s.opening = nil
	s.armLocked(firstTime)
	close(o.accepted)
	return i - before, nil
}

// answer tells the client of its session.
func (o *opening) answer(h *handler) {
	head := o.w.Header()
	for name, values := range o.reply.Header {
		switch {
		case name == "Connection", name == "Upgrade", name == "Cache-Control", name == "Content-Length",
			strings.HasPrefix(name, "Sec-Websocket-"), strings.HasPrefix(name, "Access-Control-"):
		case name == "Vary":
			head[name] = append(head[name], values...)
		default:
			head[name] = values
		}
	}
	head.Set("Content-Type", "application/json")
	body, _ := json.Marshal(&opened{
		Session: o.session.id, Protocol: o.reply.Header.Get("Sec-Websocket-Protocol"),
		Poll: h.poll.Milliseconds(), Window: h.window,
	})
	o.w.Write(append(body, '\n'))
}

// addressOf returns what net/http says of a client as an address.
func addressOf(s string) net.Addr {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil
	}
	return net.TCPAddrFromAddrPort(a)
}
