package fallback

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A poster is a POST whose body is read. The session's lock guards its fields.
type poster struct {
	rc          *http.ResponseController
	reading     bool // it waits for its body
	interrupted bool // by a newer one
}

// pieces are buffers for bodies.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// take takes the client's bytes, from the position at on, as far as there is room
// for them, and tells which one is wanted next.
func (s *session) take(w http.ResponseWriter, r *http.Request, q *query) {
	p := &poster{rc: http.NewResponseController(w)}
	status, err := s.beginPost(p, q)
	if err == nil && r.ContentLength > int64(s.window) {
		status, err = http.StatusRequestEntityTooLarge, errLong
	} else if err == nil {
		status, err = s.body(p, r, q.at)
	}
	s.mu.Lock()
	if s.post == p {
		s.post = nil
	}
	received, interrupted := s.received, p.interrupted
	s.mu.Unlock()
	if interrupted && r.ProtoMajor == 1 {
		// The deadline may have met net/http while it waits for the client to go:
		// then it takes it for gone, in all requests of this connection.
		w.Header().Set("Connection", "close")
	}
	w.Header().Set(offsetField, strconv.FormatInt(received, 10))
	if err != nil {
		refuse(w, status, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// beginPost makes p the POST that is read, and notes what it acknowledges. One
// that comes twice may acknowledge what is acknowledged already.
func (s *session) beginPost(p *poster, q *query) (status int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil || s.closed:
		if s.err == nil && q.ack > s.acked && q.ack <= s.endLocked() {
			if s.ackLocked(q.ack); len(s.out) == 0 {
				s.forgetLocked()
			}
		}
		return http.StatusGone, errEnded
	case q.ack > s.endLocked():
		return http.StatusConflict, errAhead
	case q.at > s.received:
		return http.StatusConflict, errHole
	}
	s.ackLocked(q.ack)
	if old := s.post; old != nil && old.reading {
		old.interrupted = true
		old.rc.SetReadDeadline(time.Now())
	}
	s.post, p.reading = p, true
	s.changeLocked() // the old one may wait for room
	s.askedLocked()
	return 0, nil
}

// askedLocked: the client has shown that it is there, which counts once it has
// asked for bytes.
func (s *session) askedLocked() {
	if s.get == nil && !s.due.IsZero() && s.of.asked(s) {
		s.armLocked(idleTime)
	}
}

// body reads a body whose first byte is the one at the position at.
func (s *session) body(p *poster, r *http.Request, at int64) (status int, err error) {
	buf := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(buf)
	limit := at + int64(s.window)
	patience := time.Now().Add(roomTime)
	for {
		n, end := r.Body.Read(buf[:])
		fits := min(int64(n), limit-at)
		if status, full, err := s.append(p, buf[:fits], at, patience, end == nil); err != nil || full {
			return status, err
		}
		if at += fits; fits < int64(n) {
			return http.StatusRequestEntityTooLarge, errLong
		}
		if end != nil { // or a client that is gone and is not told anything
			return 0, nil
		}
	}
}

// append puts bytes, the first of which has the position at, behind those that are
// there. It waits for room until the limit, and then reports that there is none. more
// says whether p reads on.
func (s *session) append(p *poster, b []byte, at int64, limit time.Time, more bool) (status int, full bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.reading = false
	for {
		switch {
		case s.err != nil || s.closed:
			return http.StatusGone, false, errEnded
		case s.post != p:
			return http.StatusConflict, false, errNewer
		}
		b, at = b[min(int64(len(b)), s.received-at):], max(at, s.received)
		if room := s.window - len(s.in); len(b) > 0 && room > 0 {
			n := min(room, len(b))
			s.in = push(s.in, b[:n], s.window)
			s.received += int64(n)
			s.askedLocked()
			s.changeLocked()
			continue
		}
		switch {
		case len(b) == 0:
			p.reading = more
			return 0, false, nil
		case over(limit):
			return 0, true, nil
		}
		s.awaitLocked(limit)
	}
}
