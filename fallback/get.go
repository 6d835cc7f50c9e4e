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
const (
	greeting       = "curlew1\n"
	eventsGreeting = ":ok\n\n"
)

// A getter is a GET that is answered.
type getter struct {
	rc       *http.ResponseController
	replaced chan struct{} // closed when a newer one has come
	silence  time.Duration // how long it waits for bytes
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
	g := &getter{rc: http.NewResponseController(w), replaced: make(chan struct{}), silence: h.poll}
	if status, err := s.begin(g, q.at); err != nil {
		refuse(w, status, err)
		return
	}
	defer s.finish(g)
	g.extend() // that of the http.Server may be shorter than the wait
	if q.mode == "poll" {
		if q.wait >= 0 {
			g.silence = min(h.poll, q.wait)
		}
		s.poll(w, r, g, q.at)
		return
	}
	form := &streamed{w: w, at: q.at, events: q.mode == "sse"}
	form.begin()
	g.rc.Flush()
	s.stream(r, g, form)
}

// extend gives the client time to take what is written next, behind a silence. In
// HTTP/2 a deadline that is over cannot be taken back.
func (g *getter) extend() {
	g.rc.SetWriteDeadline(time.Now().Add(g.silence + takeTime))
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
	if (s.closed || s.shut) && len(s.out) == 0 {
		s.tellLocked()
		return http.StatusGone, errEnded
	}
	if !s.closed {
		s.of.count(s, notCounted)
		s.disarmLocked()
	}
	if p := s.get; p != nil {
		close(p.replaced)
		if p.writing {
			p.rc.SetWriteDeadline(time.Now())
		}
	}
	s.get = g
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
	if !s.closed && s.err == nil {
		s.armLocked(idleTime)
	}
}

// next waits for bytes from the position at on: it returns them, as many as most, or
// nothing when the time is over, g is no longer the one, or nothing can come any
// more, which ended says. They are not to be changed.
func (s *session) next(r *http.Request, g *getter, at int64, most int) (p []byte, ended bool) {
	var timeout <-chan time.Time
	for {
		s.mu.Lock()
		i := at - s.acked
		switch {
		case s.get != g:
			s.mu.Unlock()
			return nil, false
		case i >= 0 && i < int64(len(s.out)):
			p = s.out[i:min(int(i)+most, len(s.out)):len(s.out)]
			g.writing = true
			s.mu.Unlock()
			return p, false
		case i >= 0 && (s.err != nil || s.closed || s.shut):
			s.mu.Unlock()
			return nil, true
		case i < 0, len(s.out) >= s.window: // others have read on; or it must be acknowledged before there is more
			s.mu.Unlock()
			return nil, false
		}
		changes := s.changesLocked()
		s.mu.Unlock()
		if timeout == nil {
			timer := time.NewTimer(g.silence)
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
func (s *session) poll(w http.ResponseWriter, r *http.Request, g *getter, at int64) {
	p, ended := s.next(r, g, at, s.window)
	defer s.wrote(g)
	g.extend()
	switch {
	case closed(g.replaced): // behind extend, so that it cannot undo what begin does
		refuse(w, http.StatusConflict, errNewer)
	case p != nil:
		head := w.Header()
		head.Set("Content-Type", "application/octet-stream")
		head.Set("Content-Length", strconv.Itoa(len(p)))
		w.Write(p)
	case ended:
		s.mu.Lock()
		s.tellLocked()
		s.mu.Unlock()
		refuse(w, http.StatusGone, errEnded)
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
func (s *session) stream(r *http.Request, g *getter, form *streamed) {
	for {
		p, _ := s.next(r, g, form.at, pieceSize)
		if p == nil {
			return
		}
		g.extend()
		if closed(g.replaced) { // behind extend, so that it cannot undo what begin does
			return
		}
		err := form.write(p)
		if err == nil {
			err = g.rc.Flush()
		}
		s.wrote(g)
		if err != nil {
			return
		}
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
		first = eventsGreeting
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
