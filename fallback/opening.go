package fallback

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// An opening is a handshake that the handler behind is asked about: its
// ResponseWriter. The handler may answer there, and what it says is the answer to
// the open. Or it takes over the connection and answers on it, with a 101 or, as
// some libraries do, with a refusal; then the head of what it writes ends up here
// too, and what is behind it is the session's.
type opening struct {
	session *session
	header  http.Header   // what the handler sets; w's own is the fallback's
	done    chan struct{} // closed when nothing more comes: settleLocked

	// Of the handler's goroutine, until done.
	w        http.ResponseWriter
	status   int  // that it has answered
	silent   bool // what it writes is not for the client
	panicked bool

	// The session's lock guards the following.
	settled  bool
	hijacked bool           // only the handler's goroutine sets it
	head     []byte         // what has come on the connection
	answer   *http.Response // that was read from it, or set for it before; nil: there is none
}

func newOpening(w http.ResponseWriter, s *session) *opening {
	return &opening{w: w, session: s, header: make(http.Header), done: make(chan struct{})}
}

// settleLocked: nobody touches w any more but who waits for done.
func (o *opening) settleLocked() {
	if !o.settled {
		o.settled = true
		o.session.opening, o.head = nil, nil
		close(o.done)
	}
}

// returned notes that the handler has returned, or panicked. If it has taken over
// the connection it may still answer there.
func (o *opening) returned(panicked bool) {
	o.session.mu.Lock()
	defer o.session.mu.Unlock()
	if !o.hijacked {
		o.panicked = panicked
		o.settleLocked()
	} else if panicked {
		o.session.abortLocked(errAborted)
	}
}

func (o *opening) Header() http.Header { return o.header }

// WriteHeader passes on the refusal of a handshake. It is not one of a connection:
// that lives on. A success is none for who wants a WebSocket.
func (o *opening) WriteHeader(status int) {
	switch {
	case o.hijacked, o.status != 0:
	case status == http.StatusSwitchingProtocols: // the connection is taken over next
		o.status = status
	case status < 200:
	case status < 300:
		o.status, o.silent = http.StatusNotFound, true
		refuse(o.w, http.StatusNotFound, errNoEndpoint)
	default:
		o.status = status
		pass(o.w.Header(), o.header)
		o.w.WriteHeader(status)
	}
}

func (o *opening) Write(p []byte) (int, error) {
	if o.hijacked {
		return 0, http.ErrHijacked
	}
	if o.status == 0 {
		o.WriteHeader(http.StatusOK)
	}
	switch {
	case o.status == http.StatusSwitchingProtocols:
		return 0, http.ErrBodyNotAllowed
	case o.silent:
		return len(p), nil
	}
	return o.w.Write(p)
}

// Hijack gives the handler the session for a connection.
func (o *opening) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	s := o.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case o.hijacked:
		return nil, nil, http.ErrHijacked
	case o.status != 0 && o.status != http.StatusSwitchingProtocols:
		return nil, nil, errors.New("fallback: the handshake is answered already")
	case s.err != nil: // the client has gone
		return nil, nil, s.err
	}
	o.hijacked = true
	if o.status != 0 {
		o.answerLocked(&http.Response{StatusCode: o.status, Header: o.header.Clone()})
	}
	return s, bufio.NewReadWriter(bufio.NewReader(s), bufio.NewWriter(s)), nil
}

// takeLocked takes what the handler writes to the connection up to the end of its
// answer's head, and says how much of p that was.
func (o *opening) takeLocked(p []byte) (int, error) {
	before := len(o.head)
	o.head = append(o.head, p...)
	i := bytes.Index(o.head, []byte("\r\n\r\n")) + 4
	if i < 4 {
		if len(o.head) > maxHead {
			return 0, errors.New("fallback: the head of the answer is too long")
		}
		return len(p), nil
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(o.head)), nil)
	if err != nil {
		return 0, err
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		o.answerLocked(answer)
		return i - before, nil
	}
	// A refusal, with as much of its text as has come along.
	text, _ := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(bytes.NewReader(text))
	o.answer = answer
	o.session.abortLocked(errRefused)
	return len(p), nil
}

// answerLocked: the session is open.
func (o *opening) answerLocked(answer *http.Response) {
	o.answer = answer
	o.settleLocked()
	o.session.armLocked(firstTime)
}

// refuse answers the open of a session that was not opened, as far as the handler
// has not.
func (o *opening) refuse() {
	head := o.w.Header()
	switch {
	case o.answer != nil && o.answer.StatusCode >= 300:
		o.answer.Header.Del("Content-Length")
		pass(head, o.answer.Header)
		o.w.WriteHeader(o.answer.StatusCode)
		io.Copy(o.w, o.answer.Body)
	case o.answer != nil, o.status == 0 && !o.panicked && !o.hijacked:
		refuse(o.w, http.StatusNotFound, errNoEndpoint)
	case o.status == 0, o.status == http.StatusSwitchingProtocols:
		refuse(o.w, http.StatusInternalServerError, errUnanswered)
	case o.panicked: // in the middle of an answer
		panic(http.ErrAbortHandler)
	}
}

// tell gives the client the fields of the handler's 101, and returns the
// subprotocol.
func (o *opening) tell() (protocol string) {
	header := o.answer.Header
	for name, values := range header {
		canonical := http.CanonicalHeaderKey(name)
		if canonical == "Sec-Websocket-Protocol" && len(values) > 0 {
			protocol = values[0]
		}
		if strings.HasPrefix(canonical, "Sec-Websocket-") || strings.HasPrefix(canonical, "Content-") {
			delete(header, name)
		}
	}
	pass(o.w.Header(), header)
	return protocol
}

// pass gives the client fields of the handler's answer: not those that belong to a
// connection, and not those that the fallback speaks for.
func pass(to, from http.Header) {
	for name, values := range from {
		switch name = http.CanonicalHeaderKey(name); name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te", "Trailer", "Transfer-Encoding",
			"Cache-Control", "X-Accel-Buffering", "X-Content-Type-Options":
		case "Vary":
			to[name] = append(to[name], values...)
		default:
			if !strings.HasPrefix(name, "Access-Control-") {
				to[name] = values
			}
		}
	}
}
