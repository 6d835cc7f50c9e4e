package conform

import (
	"fmt"
	"net/http"
	"slices"
)

// The words for handshakes that are wrong, or that the RFC leaves to the peer.

// asked sends a request as edited and judges whether the server accepts it or
// refuses it.
type asked struct {
	edits    []edit
	accept   Verdict // if it does
	refuse   Verdict
	note     string // says why, where either is not OK
	statuses []int  // that fit a refusal, the best first; none: 400 to 499
	then     []Step // when it was accepted; none: an echo
}

// refuses wants a request refused, with one of the statuses; any from 400 to 499
// will do where none is given.
func refuses(statuses []int, edits ...edit) Step {
	return asked{edits: edits, statuses: statuses, accept: Failed}
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

func (st asked) run(s *session) error {
	s.opened = true
	if s.bare() {
		s.over = true
		s.listen(false)
		return &finding{verdict: Unimplemented, note: "there is no handshake"}
	}
	h, r, err := s.ask(st.edits)
	switch {
	case err == errGone:
		s.over = true
		s.mark(max(NonStrict, st.refuse), "it ended the stream without an answer")
		return nil
	case err != nil:
		s.over = true
		return err
	case r.StatusCode != http.StatusSwitchingProtocols:
		s.over = true
		return st.refused(s, r)
	case st.accept == Failed:
		s.over = true
		return s.failed("it accepted a handshake that it must refuse")
	}
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
	code := r.StatusCode
	fits := slices.Contains(st.statuses, code) || len(st.statuses) == 0 && code >= 400 && code < 500
	switch {
	case code < 400 && !fits:
		return s.failed("it answered %s to a handshake that it was to refuse", excerpt([]byte(r.Status)))
	case !fits:
		s.mark(NonStrict, "it refused with "+excerpt([]byte(r.Status)))
	case st.refuse > OK:
		s.mark(st.refuse, st.note)
	}
	return nil
}

// refusal sends a request that is to be refused and lets check look at the
// answer, and at what came behind its head until the stream ended or the patience
// did.
func refusal(check func(s *session, r *http.Response, rest []byte) error, edits ...edit) Step {
	return asking{edits, check}
}

type asking struct {
	edits []edit
	check func(s *session, r *http.Response, rest []byte) error
}

func (st asking) run(s *session) error {
	s.opened, s.over = true, true
	if s.bare() {
		s.listen(false)
		return &finding{verdict: Unimplemented, note: "there is no handshake"}
	}
	_, r, err := s.ask(st.edits)
	if err != nil {
		if err == errGone {
			s.mark(NonStrict, "it ended the stream without an answer")
			return nil
		}
		return err
	}
	if r.StatusCode == http.StatusSwitchingProtocols {
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

// rejects answers a client's request as edited, and wants the client to give up:
// it ends the stream and sends no frame. RFC 6455, 4.1. A message that follows
// would be returned by a client that does not.
func rejects(edits ...edit) Step { return rejected{edits: edits} }

// rejectsCut is rejects where the stream ends behind the answer.
func rejectsCut(edits ...edit) Step { return rejected{edits: edits, cut: true} }

type rejected struct {
	edits []edit
	cut   bool
}

func (st rejected) run(s *session) error {
	s.opened, s.over = true, true
	r, err := s.requestHead()
	if err != nil {
		return err
	}
	h, _ := s.reply(r)
	for _, e := range st.edits {
		e(h)
	}
	s.say(h)
	return s.givesUp(st.cut)
}

// givesUp wants the client to end the stream and to say nothing more.
func (s *session) givesUp(cut bool) error {
	if cut {
		if err := shut().run(s); err != nil {
			return err
		}
	} else {
		s.write(s.encode([]frame{text("must not come back")}))
	}
	it, err := s.take(s.wait())
	switch {
	case err == errSilence:
		return s.failed("it did not end the connection within %v", s.wait())
	case it.end == errEndless:
		return s.failed("it sends without end")
	case it.end != nil:
		return nil
	case it.frame.op == opClose:
		s.mark(NonStrict, fmt.Sprintf("it sent %s on a connection that was never open", it.frame))
		return nil
	}
	return s.failed("it accepted an answer that it must not: it sent %s", it.frame)
}
