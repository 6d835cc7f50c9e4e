package fallback

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// offsetField says which byte of the client's is wanted next.
const offsetField = "Curlew-Offset"

// greeting are the first bytes of a stream, which do not count: who reads them at
// once has no proxy that holds answers back.
const greeting = "curlew1\n"

// A getter is a GET that is answered.
type getter struct {
	rc       *http.ResponseController
	replaced chan struct{} // closed when a newer one has come
	writing  bool          // the client is being given bytes; the session's lock guards it
}

// get gives the client bytes.
func (h *handler) get(w http.ResponseWriter, r *http.Request, s *session, q *query) {
	switch q.mode {
	case "stream", "sse", "poll":
	default:
		refuse(w, http.StatusBadRequest, errors.New("mode is stream, sse or poll"))
		return
	}
	g := &getter{rc: http.NewResponseController(w), replaced: make(chan struct{})}
	if status, err := s.begin(g, q.at); err != nil {
		refuse(w, status, err)
		return
	}
	defer s.finish(g)
	if q.mode == "poll" {
		wait := h.poll
		if q.wait >= 0 {
			wait = min(wait, q.wait)
		}
		s.poll(w, r, g, q.at, wait)
		return
	}
	form := &streamed{w: w, at: q.at, events: q.mode == "sse"}
	form.begin()
	g.rc.Flush()
	s.stream(r, g, form, h.poll)
}

// begin makes g the GET that is answered, if the session has bytes from the
// position at on.
func (s *session) begin(g *getter, at int64) (status int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return http.StatusGone, errEnded
	case at < s.acked || at > s.endLocked():
		return http.StatusConflict, errAhead
	}
	s.ackLocked(at)
	if s.closed && len(s.out) == 0 {
		s.forgetLocked()
		return http.StatusGone, errEnded
	}
	if !s.closed {
		s.of.count(s, notCounted)
	}
	if p := s.get; p != nil {
		close(p.replaced)
		if p.writing {
			p.rc.SetWriteDeadline(time.Now())
		}
	}
	s.get = g
	s.disarmLocked()
	return 0, nil
}

// finish has the clock of the session run again, unless another GET is answered.
func (s *session) finish(g *getter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.get != g {
		return
	}
	s.get = nil
	if s.of.find(s.id) == s {
		s.armLocked(idleTime)
	}
}

// next waits for bytes from the position at on: it returns them, or nothing when
// the time is over, g is no longer the one, or nothing can come any more, which
// ended says. They are not to be changed.
func (s *session) next(r *http.Request, g *getter, at int64, wait time.Duration) (p []byte, ended bool) {
	var timeout <-chan time.Time
	for {
		s.mu.Lock()
		if s.get != g {
			s.mu.Unlock()
			return nil, false
		}
		if i := at - s.acked; i >= 0 && i < int64(len(s.out)) {
			p = s.out[i:min(int(i)+pieceSize, len(s.out)):len(s.out)]
			g.writing = true
			s.mu.Unlock()
			return p, false
		}
		if s.err != nil || s.closed {
			s.mu.Unlock()
			return nil, true
		}
		if len(s.out) >= s.window { // it must be acknowledged before there is more
			s.mu.Unlock()
			return nil, false
		}
		changes := s.changesLocked()
		s.mu.Unlock()
		if timeout == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-changes:
		case <-g.replaced:
		case <-r.Context().Done():
			return nil, false
		case <-timeout:
			return nil, false
		}
	}
}

// wrote notes that the client has been given what next returned.
func (s *session) wrote(g *getter) {
	s.mu.Lock()
	g.writing = false
	s.mu.Unlock()
}

// poll answers with what is there as soon as something is.
func (s *session) poll(w http.ResponseWriter, r *http.Request, g *getter, at int64, wait time.Duration) {
	p, ended := s.next(r, g, at, wait)
	defer s.wrote(g)
	switch {
	case p != nil:
		s.mu.Lock()
		if i := at - s.acked; i >= 0 && i < int64(len(s.out)) {
			p = s.out[i:] // all of it
		}
		s.mu.Unlock()
		head := w.Header()
		head.Set("Content-Type", "application/octet-stream")
		head.Set("Content-Length", strconv.Itoa(len(p)))
		w.Write(p)
	case ended:
		refuse(w, http.StatusGone, errEnded)
	case closed(g.replaced):
		refuse(w, http.StatusConflict, errNewer)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// stream gives the client bytes as they come. It ends when the window is full of
// what the client has not acknowledged, when nothing has come for a while, and
// when another GET or the end of the session has come: the client asks again, and
// is told.
func (s *session) stream(r *http.Request, g *getter, form *streamed, silence time.Duration) {
	for {
		p, _ := s.next(r, g, form.at, silence)
		if p == nil {
			return
		}
		g.rc.SetWriteDeadline(time.Now().Add(idleTime))
		err := form.write(p)
		if err == nil {
			err = g.rc.Flush()
		}
		s.wrote(g)
		if err != nil || closed(g.replaced) {
			return
		}
		g.rc.SetWriteDeadline(time.Time{})
	}
}

// streamed is the body of an answer without an end, in one of its two forms.
type streamed struct {
	w      http.ResponseWriter
	at     int64 // behind the last byte
	events bool
	buf    []byte
}

func (f *streamed) begin() {
	head, first := f.w.Header(), greeting
	head.Set("Content-Type", "application/octet-stream")
	if f.events {
		head.Set("Content-Type", "text/event-stream")
		first = ":ok\n\n"
	}
	f.w.Write([]byte(first))
}

// write gives the client p; an event's id is the position behind it.
func (f *streamed) write(p []byte) error {
	f.at += int64(len(p))
	if f.events {
		f.buf = append(f.buf[:0], "id:"...)
		f.buf = strconv.AppendInt(f.buf, f.at, 10)
		f.buf = append(f.buf, "\ndata:"...)
		f.buf = base64.StdEncoding.AppendEncode(f.buf, p)
		f.buf = append(f.buf, "\n\n"...)
		p = f.buf
	}
	_, err := f.w.Write(p)
	return err
}
