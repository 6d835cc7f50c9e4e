package fallback

import (
	"errors"
	"io"
	"net"
	"time"
)

var (
	errIdle    = errors.New("fallback: the client has stopped asking")
	errAborted = errors.New("fallback: the client has aborted")
	errRefused = errors.New("fallback: the handshake was refused")
)

// A session is a net.Conn for the handler, and two numbered streams of bytes for
// the client. docs/fallback.md says what may happen to it and when.
type session struct {
	ends     // out is what the client has not acknowledged; err: the client is gone
	of       *Sessions
	by       *handler // that opened it
	id, path string
	client   string // for counting

	// mu guards the following too.
	user    string
	known   bool     // user is somebody's name
	opening *opening // until it is settled
	cancel  func()   // of the handler's context

	acked int64   // towards the client: out begins behind so many bytes
	get   *getter // the GET that is answered, the newest one

	received int64   // from the client: so many bytes were taken
	post     *poster // the POST that is read, the newest one

	told    bool        // the client knows that nothing more comes
	timer   *time.Timer // runs while no GET is answered
	due     time.Time
	counted counted
}

// counted says among what a session is counted for its client.
type counted int

const (
	notCounted   counted = iota
	countedFresh         // no GET has come
	countedEnded         // unread bytes are left of it
)

// endLocked is the position behind the last byte for the client.
func (s *session) endLocked() int64 { return s.acked + int64(len(s.out)) }

// isOf reports whether the session is a user's.
func (s *session) isOf(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known && s.user == user
}

// Write takes the handler's answer to the handshake first.
func (s *session) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opening != nil && !s.closed {
		if n, err = s.opening.takeLocked(p); err != nil || n == len(p) {
			return n, err
		}
	}
	m, err := s.writeLocked(p[n:])
	return n + m, err
}

// CloseWrite says that nothing more is written: a client that has everything is told
// of the end, and has a while for its last words.
func (s *session) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.shut {
		return net.ErrClosed
	}
	s.shut = true
	s.changeLocked()
	return nil
}

// Close ends the session for the handler. What the client has not taken yet is
// kept for a while.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed, s.in = true, nil
	s.endedLocked()
	s.keepLocked()
	return nil
}

// abort ends the session for the client, who finds nothing of it any more.
func (s *session) abort(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abortLocked(cause)
}

func (s *session) abortLocked(cause error) {
	if s.err == nil {
		s.err = cause
	}
	s.out, s.acked = nil, s.endLocked() // what has come may be read
	s.endedLocked()
	s.forgetLocked()
}

// endedLocked tells all who wait that one side has ended.
func (s *session) endedLocked() {
	s.cancel()
	if o := s.opening; o != nil && o.hijacked {
		o.settleLocked()
	}
	s.changeLocked()
}

// keepLocked keeps what is left of a session that the handler has ended, for a time
// that nothing prolongs.
func (s *session) keepLocked() {
	if len(s.out) == 0 || s.err != nil || !s.of.count(s, countedEnded) {
		s.forgetLocked()
		return
	}
	s.armLocked(idleTime)
}

// tellLocked: the client has everything, and is told that nothing more comes.
func (s *session) tellLocked() {
	if s.closed || s.err != nil {
		s.forgetLocked()
		return
	}
	if !s.told {
		s.told = true
		s.armLocked(lastTime)
	}
}

// forgetLocked: nobody finds the session any more.
func (s *session) forgetLocked() {
	s.out, s.acked = nil, s.endLocked()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.due = time.Time{}
	s.of.forget(s)
	s.changeLocked()
}

// ackLocked: the client has what comes before the position at.
func (s *session) ackLocked(at int64) {
	if at <= s.acked {
		return
	}
	s.out, s.acked = rest(s.out, int(at-s.acked)), at
	s.changeLocked()
}

// armLocked has the session end after the time d, or sooner if it has only to hear
// the last words.
func (s *session) armLocked(d time.Duration) {
	if s.told {
		d = min(d, lastTime)
	}
	s.due = time.Now().Add(d)
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.expire)
	} else {
		s.timer.Reset(d)
	}
}

func (s *session) disarmLocked() {
	s.due = time.Time{}
	if s.timer != nil {
		s.timer.Stop()
	}
}

// expire may come late, when the session was asked for again.
func (s *session) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch wait := time.Until(s.due); {
	case s.due.IsZero():
	case wait > 0:
		s.timer.Reset(wait)
	case s.closed:
		s.forgetLocked()
	case s.told:
		s.abortLocked(io.EOF)
	default:
		s.abortLocked(errIdle)
	}
}
