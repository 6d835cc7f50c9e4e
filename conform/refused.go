package conform

import (
	"fmt"
	"net/http"
	"slices"
)

// The words for requests that are wrong, or that the RFC leaves to the server.

// asked sends a request as edited and judges whether the server accepts it or
// refuses it.
type asked struct {
	edits    []edit
	accept   Verdict // if it does
	refuse   Verdict
	note     string // says why, where either is not OK
	statuses []int  // that fit a refusal; none: 400 to 499
	plain    bool   // an answer as to a request without an upgrade will do too
	drop     bool   // and so will an end of the stream
	then     []Step // when it was accepted; none: an echo
	check    func(s *session, r *http.Response) error
}

// refuses wants a request refused, with one of the statuses; any from 400 to 499
// will do where none is given.
func refuses(statuses []int, edits ...edit) Step {
	return asked{edits: edits, statuses: statuses, accept: Failed}
}

// refusesWith is refuses and looks at the answer.
func refusesWith(check func(s *session, r *http.Response) error, edits ...edit) Step {
	return asked{edits: edits, accept: Failed, check: check}
}

// ignores wants a request not to become a WebSocket: it is refused, or answered as
// if it said nothing of one.
func ignores(edits ...edit) Step { return asked{edits: edits, accept: Failed, plain: true} }

// garbage sends what is not HTTP.
func garbage(p string) Step {
	return asked{edits: []edit{instead([]byte(p))}, accept: Failed, statuses: anyError, drop: true}
}

// shouldRefuse is refuses where accepting does no harm.
func shouldRefuse(note string, edits ...edit) Step {
	return asked{edits: edits, accept: NonStrict, note: note}
}

// mayAccept is refuses where the RFC leaves it to the server.
func mayAccept(note string, edits ...edit) Step {
	return asked{edits: edits, accept: Informational, note: note}
}

// mayRefuse wants a request accepted, or refused with one of the statuses, which
// the RFC leaves to the server.
func mayRefuse(note string, statuses []int, edits ...edit) Step {
	return asked{edits: edits, statuses: statuses, refuse: Informational, note: note}
}

// anyError are the statuses of errors that a server knows of.
var anyError = []int{400, 401, 403, 404, 405, 408, 411, 413, 414, 417, 421, 422, 426, 431, 500, 501, 503, 505}

func (st asked) run(s *session) error {
	s.opened, s.over = true, true
	if s.bare() {
		return noHandshake(s)
	}
	h, r, err := s.ask(st.edits)
	switch {
	case err == errGone && st.drop:
		return nil
	case err == errGone:
		s.mark(NonStrict, "it ended the stream without an answer")
		return nil
	case err != nil:
		return err
	case r.StatusCode != http.StatusSwitchingProtocols:
		return st.refused(s, r)
	case st.accept == Failed:
		return s.failed("it accepted a handshake that it must refuse")
	}
	s.over = false
	if err := s.answered(h, r.Header); err != nil {
		return err
	}
	if st.accept > OK {
		s.mark(st.accept, st.note)
	}
	if st.then != nil {
		return s.play(st.then)
	}
	return s.play(script{echo(text("hello"))})
}

// refused judges an answer that is not 101.
func (st asked) refused(s *session, r *http.Response) error {
	code, status := r.StatusCode, excerpt([]byte(r.Status))
	fits := slices.Contains(st.statuses, code) || len(st.statuses) == 0 && code >= 400 && code < 500
	switch {
	case code < 400 && st.plain:
		s.mark(Informational, "it answers as if it was not asked for an upgrade: "+status)
	case code < 400 && !fits:
		return s.failed("it answered %s to a handshake that it was to refuse", status)
	case !fits:
		s.mark(NonStrict, "it refused with "+status)
	case st.refuse > OK:
		s.mark(st.refuse, st.note)
	}
	if st.check != nil {
		return st.check(s, r)
	}
	return nil
}

func noHandshake(s *session) error {
	s.over = true
	s.listen(false)
	return &finding{verdict: Unimplemented, note: "there is no handshake"}
}

// after sends a request that is to be refused and lets check look at what comes
// behind the head of the answer, until the stream ends or the patience does.
func after(check func(s *session, r *http.Response, rest []byte) error, edits ...edit) Step {
	return asking{edits, check}
}

type asking struct {
	edits []edit
	check func(s *session, r *http.Response, rest []byte) error
}

func (st asking) run(s *session) error {
	s.opened, s.over = true, true
	if s.bare() {
		return noHandshake(s)
	}
	_, r, err := s.ask(st.edits)
	switch {
	case err == errGone:
		s.mark(NonStrict, "it ended the stream without an answer")
		return nil
	case err != nil:
		return err
	case r.StatusCode == http.StatusSwitchingProtocols:
		return s.failed("it accepted a handshake that it must refuse")
	}
	var rest []byte
	for {
		it, err := s.take(s.o.Patience * s.o.scale())
		if err != nil || it.end != nil {
			return st.check(s, r, rest)
		}
		rest = append(rest, it.body...)
	}
}

// The words for answers that are wrong, or that the RFC leaves to the client.

// rejects answers a client's request as edited, and wants the client to give up:
// it ends the stream and sends no frame. RFC 6455, 4.1. A message follows which a
// client that does not would return.
func rejects(edits ...edit) Step { return replied{edits: edits, accept: Failed} }

// rejectsCut is rejects where the stream then ends.
func rejectsCut(edits ...edit) Step { return replied{edits: edits, accept: Failed, cut: true} }

// rejectsPart is rejectsCut without the message.
func rejectsPart(edits ...edit) Step {
	return replied{edits: edits, accept: Failed, cut: true, mute: true}
}

// shouldReject is rejects where accepting does no harm.
func shouldReject(note string, edits ...edit) Step {
	return replied{edits: edits, accept: NonStrict, note: note}
}

// mayBelieve is rejects where the RFC leaves it to the client.
func mayBelieve(note string, edits ...edit) Step {
	return replied{edits: edits, accept: Informational, note: note}
}

// mayReject wants an answer accepted, or not, which the RFC leaves to the client.
func mayReject(note string, edits ...edit) Step {
	return replied{edits: edits, reject: Informational, note: note}
}

type replied struct {
	edits  []edit
	accept Verdict
	reject Verdict
	note   string
	mute   bool                  // no message follows
	cut    bool                  // the stream ends
	keyed  func(key string) edit // made of the client's key
}

func (st replied) run(s *session) error {
	s.opened, s.over = true, true
	if s.bare() {
		return noHandshake(s)
	}
	r, err := s.requestHead()
	if err != nil {
		return err
	}
	h, unfit := s.rightAnswer(r)
	if unfit != nil {
		return unfit
	}
	for _, e := range st.edits {
		e(h)
	}
	if st.keyed != nil {
		st.keyed(r.Header.Get("Sec-WebSocket-Key"))(h)
	}
	if err := s.say(h); err != nil {
		return err
	}
	return st.judge(s)
}

// judge sees whether the client takes the answer for good.
func (st replied) judge(s *session) error {
	const probe = "must not come back"
	if !st.mute {
		s.write(s.encode([]frame{text(probe)}))
	}
	if st.cut {
		if err := shut().run(s); err != nil {
			return err
		}
	}
	it, err := s.take(s.wait())
	switch {
	case err == errSilence:
		return s.failed("it neither returned a message nor ended the connection within %v", s.wait())
	case it.end == errEndless:
		return s.failed("it sends without end")
	case it.end != nil:
		if st.reject > OK {
			s.mark(st.reject, st.note)
		}
		return nil
	case it.frame.op == opClose && st.accept > OK:
		s.mark(NonStrict, fmt.Sprintf("it sent %s on a connection that was never open", it.frame))
		return nil
	case st.accept == Failed:
		return s.failed("it accepted an answer that it must not: it sent %s", it.frame)
	}
	s.mu.Lock()
	s.items = append([]item{it}, s.items...)
	s.mu.Unlock()
	s.over = false
	if st.accept > OK {
		s.mark(st.accept, st.note)
	}
	return want(text(probe)).run(s)
}
