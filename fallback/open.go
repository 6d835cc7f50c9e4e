package fallback

import (
	"context"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"net/netip"
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
func (h *handler) open(w http.ResponseWriter, r *http.Request, q *query) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", allowed)
		refuse(w, http.StatusMethodNotAllowed, errMethod)
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	s := h.newSession(r)
	o := newOpening(w, s)
	s.opening, s.cancel = o, cancel
	if !h.sessions.add(s) {
		cancel()
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusTooManyRequests, errMany)
		return
	}
	stop := context.AfterFunc(r.Context(), func() { s.abort(errAborted) })
	hs := disguised(r, ctx, q)
	whose := hs
	if h.user != nil {
		whose = hs.Clone(ctx) // the handler may take credentials out
	}
	go h.ask(o, hs)
	<-o.done
	stop()
	if o.answer == nil || o.answer.StatusCode != http.StatusSwitchingProtocols {
		s.abort(errRefused)
		o.refuse()
		return
	}
	if h.user != nil { // only now, so that the handler behind has said what it thinks of them
		name, any := h.user(whose)
		s.mu.Lock()
		s.user, s.known = name, any && name != ""
		s.mu.Unlock()
	}
	body, _ := json.Marshal(&opened{
		Session: s.id, Protocol: o.tell(), Poll: h.poll.Milliseconds(), Window: h.window,
	})
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(body, '\n'))
}

func (h *handler) newSession(r *http.Request) *session {
	s := &session{
		of: h.sessions, by: h, id: newID(), path: strings.Clone(r.URL.EscapedPath()), client: h.client(r),
		ends: ends{window: h.window, remote: addressOf(r.RemoteAddr)},
	}
	var ok bool
	if s.local, ok = r.Context().Value(http.LocalAddrContextKey).(net.Addr); !ok {
		s.local = address(r.Host)
	}
	return s
}

// ask has the handler behind serve the session.
func (h *handler) ask(o *opening, r *http.Request) {
	panicked := true
	defer func() {
		if panicked { // or the goroutine was ended, then there is nothing to tell
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				h.logger(r).Printf("fallback: panic in the handler: %v\n%s", v, debug.Stack())
			}
		}
		o.returned(panicked)
	}()
	h.next.ServeHTTP(o, r)
	panicked = false
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
func disguised(r *http.Request, ctx context.Context, q *query) *http.Request {
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
	if len(head["Sec-Websocket-Protocol"]) == 0 && len(q.protocols) > 0 {
		head["Sec-Websocket-Protocol"] = q.protocols
	}
	hs.URL.RawQuery = q.rest
	hs.RequestURI = hs.URL.RequestURI()
	return hs
}

// addressOf returns what net/http says of a client as an address.
func addressOf(s string) net.Addr {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return address(s)
	}
	return net.TCPAddrFromAddrPort(a)
}
