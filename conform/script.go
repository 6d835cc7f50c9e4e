package conform

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// The words of scripts. A step that finds something wrong ends the script; what
// is merely worth a note does not.
type script = []Step

// send writes frames in one piece.
type sendStep struct {
	frames []frame
	chop   int // bytes a write; 0: all at once
}

func send(f ...frame) Step { return sendStep{frames: f} }

// chop writes frames in pieces of n bytes, each in a write of its own.
func chop(n int, f ...frame) Step { return sendStep{f, n} }

func (st sendStep) run(s *session) error {
	frames, err := s.packs(st.frames)
	if err != nil {
		return err
	}
	for _, f := range frames {
		if f.op == opPong {
			s.ponged[string(f.payload)] = true
		}
	}
	p := s.encode(frames)
	if st.chop == 0 {
		s.write(p)
		return nil
	}
	for q := range slices.Chunk(p, st.chop) {
		s.write(q)
	}
	return nil
}

// want waits for exactly these messages and control frames, in this order. How a
// message is cut into frames, and whether it is compressed, is the peer's business.
func want(f ...frame) Step { return wantStep{f} }

type wantStep struct{ frames []frame }

func (st wantStep) run(s *session) error {
	for _, f := range st.frames {
		ev, err := s.expect(f)
		if err != nil {
			return err
		}
		if err := s.same(ev, f); err != nil {
			return err
		}
	}
	return nil
}

// expect waits for an event while f is wanted.
func (s *session) expect(f frame) (event, error) {
	s.largest = max(s.largest, uint64(len(f.payload)))
	ev, err := s.next(s.wait())
	if err == errSilence {
		return ev, s.failed("waited %v in vain for %s", s.wait(), f)
	}
	if err == nil && ev.kind == opClose && f.op != opClose {
		switch limit := (&finding{verdict: Informational}); {
		case ev.code == 1009 && s.o.Limit > 0 && !s.beyond():
			return ev, s.failed("it closes with 1009, below its documented limit of %d bytes", s.o.Limit)
		case ev.code == 1009 && s.c.Size > 0 && s.o.Limit == 0:
			s.over = true
			limit.note = fmt.Sprintf("its limit is below %d bytes: it closes with 1009", s.c.Size)
			return ev, limit
		case (ev.code == 1008 || ev.code == 1009) && s.c.Fragments > 0:
			s.over = true
			limit.note = fmt.Sprintf("its limit is below %d frames a message: it closes with %d", s.c.Fragments, ev.code)
			return ev, limit
		}
	}
	return ev, err
}

// same compares what came with what was wanted.
func (s *session) same(ev event, f frame) error {
	w := event{kind: f.op, payload: f.payload}
	if f.op == opClose && len(f.payload) >= 2 {
		w.code, w.payload = int(f.payload[0])<<8|int(f.payload[1]), f.payload[2:]
	}
	switch {
	case ev.kind == 0 || ev.kind != w.kind || ev.code != w.code:
		return s.failed("wanted %s, but came %s", &w, &ev)
	case !bytes.Equal(ev.payload, w.payload):
		return s.failed("wanted %s, but came %s: they differ at byte %d", &w, &ev, difference(ev.payload, w.payload))
	}
	return nil
}

func difference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// wantAll waits for these, in any order.
func wantAll(f ...frame) Step { return wantAllStep{f} }

type wantAllStep struct{ frames []frame }

func (st wantAllStep) run(s *session) error {
	left := slices.Clone(st.frames)
	for len(left) > 0 {
		ev, err := s.expect(left[0])
		if err != nil {
			return err
		}
		i := slices.IndexFunc(left, func(f frame) bool { return s.same(ev, f) == nil })
		if i < 0 {
			return s.same(ev, left[0])
		}
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

// echo sends messages in one piece and wants them back.
func echo(f ...frame) Step { return steps(script{send(f...), want(whole(f)...)}) }

// whole joins the frames of messages; control frames are left out.
func whole(frames []frame) []frame {
	var all []frame
	joins := false
	for _, f := range frames {
		if f.op >= opClose {
			continue
		}
		if joins {
			m := &all[len(all)-1]
			m.payload = append(m.payload, f.payload...)
		} else {
			all = append(all, frame{op: f.op, payload: slices.Clip(f.payload)}) // what is appended is a copy
		}
		joins = f.open
	}
	return all
}

// steps are several as one.
type steps script

func (st steps) run(s *session) error { return s.play(st) }

// do is a step that is a function, for what no word is there for.
type do func(s *session) error

func (f do) run(s *session) error { return f(s) }

// quiet checks that the peer has nothing to say: the next thing that comes is the
// pong to a ping. Not inside a frame.
func quiet() Step {
	return do(func(s *session) error {
		mark := fmt.Sprintf("quiet? %d", len(s.pings))
		return steps(script{send(ping(mark)), want(pong(mark))}).run(s)
	})
}

// silent waits for d and wants nothing to come meanwhile.
func silent(d time.Duration) Step {
	return do(func(s *session) error {
		switch ev, err := s.next(d * s.o.scale()); {
		case err == errSilence:
			return nil
		case err != nil:
			return err
		default:
			return s.failed("nothing was to come, but it sent %s", &ev)
		}
	})
}

// fails wants the peer to fail the connection: it says nothing more but a Close
// with the code, and the stream ends. RFC 6455, 7.1.7. Codes after the first are
// as good. A peer that ends the stream without a Close, or with a code that is not
// appropriate, does not do what it SHOULD; no code is a MUST.
func fails(codes ...int) Step { return failsStep{codes: codes} }

// failsOrLimit is fails(1002) for what is also larger than any limit can be. Who
// looks at that first closes with 1009. RFC 6455, 10.4.
func failsOrLimit() Step { return failsStep{codes: []int{1002}, limit: true} }

type failsStep struct {
	codes []int
	drop  bool // the RFC leaves it open whether a Close is sent
	limit bool // or whether it is larger than the peer takes
}

// drops is fails for a wrong mask: it is RFC 6455, 5.1, that leaves it open whether
// a Close is sent.
func drops() Step { return wrongMask }

var wrongMask = failsStep{codes: []int{1002}, drop: true}

func (st failsStep) run(s *session) error {
	ev, err := s.next(s.wait())
	if err == errSilence {
		return s.failed("it did not fail the connection within %v", s.wait())
	}
	if err != nil {
		return err
	}
	return st.judge(s, ev)
}

// judge takes the event that came when the connection was to fail.
func (st failsStep) judge(s *session, ev event) error {
	s.over = true
	switch {
	case ev.kind == 0 && ev.end == errEndless:
		return s.failed("it sends without end")
	case ev.kind == 0 && st.drop:
		s.mark(Informational, "it ends the stream without a Close, as RFC 6455, 5.1 allows")
		return nil
	case ev.kind == 0:
		s.markClose(NonStrict, "it ended the stream without a Close")
		return nil
	case ev.kind != opClose:
		return s.failed("it was to fail the connection, but sent %s", &ev)
	}
	switch code := max(ev.code, 0); {
	case slices.Contains(st.codes, code):
	case code == 0:
		s.markClose(NonStrict, fmt.Sprintf("it closed without a code instead of with %d", st.codes[0]))
	case code == 1009 && (st.limit || s.beyond()):
		s.markClose(Informational, "it closed with 1009: that is more than it takes, too (RFC 6455, 10.4)")
	default:
		s.markClose(NonStrict, fmt.Sprintf("it closed with %d instead of %d", code, st.codes[0]))
	}
	s.gone()
	return nil
}

// gone waits for the end of the stream after both have, or the peer alone has,
// closed. Our Close answers the peer's first. A server ends the TCP connection
// first; a client when we did. RFC 6455, 7.1.1. Nothing may come meanwhile.
func (s *session) gone() { s.goneWith(failure(s.code)) }

// goneWith is gone where a reset is no wonder if the peer has left some of what we
// sent unread.
func (s *session) goneWith(unread bool) {
	s.over = true
	if !s.sent {
		s.write(s.encode([]frame{closing(codeBack(s.code), "")}))
	}
	if !s.client {
		c, ok := s.conn.(interface{ CloseWrite() error })
		if !ok || c.CloseWrite() != nil {
			s.conn.Close()
			return
		}
	}
	until := time.Now().Add(s.wait())
	it, err := s.take(s.wait())
	for err == nil && it.isControl() { // the RFC forbids data
		s.markClose(NonStrict, "after its Close it sent "+it.frame.String())
		it, err = s.take(time.Until(until))
	}
	switch {
	case err == errSilence && s.client:
		s.markClose(Failed, fmt.Sprintf("the server did not end the TCP connection within %v (RFC 6455, 7.1.1)", s.wait()))
	case err == errSilence:
		s.markClose(NonStrict, "the client keeps the TCP connection, which the server has ended")
	case it.end == nil:
		s.markClose(Failed, "after its Close it sent "+it.frame.String())
	case it.end == errEndless:
		s.markClose(Failed, "it sends without end")
	case it.end != io.EOF && s.client && !unread:
		s.markClose(NonStrict, "the stream ended with "+reason(it.end)+" instead of an orderly end")
	}
}

// failure reports whether a code says that the connection was failed.
func failure(code int) bool { return code == 1002 || code == 1003 || code >= 1007 && code <= 1011 }

// codeBack is the code that answers code.
func codeBack(code int) int {
	if code == noStatus || !sendable(code) {
		return 0
	}
	return code
}

// failsFast sends first, which cannot be right any more, and wants the connection
// failed although the rest is still to come. A peer that only notices after the
// rest is not strict.
func failsFast(code int, first frame, rest ...frame) Step {
	return do(func(s *session) error {
		return failsFastStep{failsStep{codes: []int{code}}, []Step{send(first)}, []Step{send(rest...)}}.run(s)
	})
}

type failsFastStep struct {
	fails       failsStep
	first, rest []Step
}

func (st failsFastStep) run(s *session) error {
	if err := s.play(st.first); err != nil {
		return err
	}
	ev, err := s.next(s.o.Patience * s.o.scale())
	if err == errSilence {
		if err := s.play(st.rest); err != nil {
			return err
		}
		if err := st.fails.run(s); err != nil {
			return err
		}
		s.mark(NonStrict, "it noticed only when all had come")
		return nil
	}
	if err != nil {
		return err
	}
	return st.fails.judge(s, ev)
}

// closed wants the peer to answer our Close with the code, and the stream to end.
// The code is usually the one it was sent (RFC 6455, 5.5.1).
func closed(codes ...int) closedStep { return closedStep{codes: codes} }

// closedAnyway is closed where more was sent behind our Close. To discard that is
// right. To answer a ping among it does no harm, and to reset the connection for it,
// so that the answer to the Close is lost, is not the clean end of RFC 6455, 7.1.1.
func closedAnyway(codes ...int) closedStep { return closedStep{codes, true} }

type closedStep struct {
	codes  []int
	anyway bool
}

func (st closedStep) run(s *session) error {
	ev, err := s.next(s.wait())
	if err == errSilence {
		s.over = true
		s.markClose(Failed, fmt.Sprintf("it did not answer our Close within %v", s.wait()))
		return nil
	}
	if err != nil {
		return err
	}
	return st.judge(s, ev)
}

// judge takes the event that came when our Close was to be answered.
func (st closedStep) judge(s *session, ev event) error {
	switch {
	case ev.kind == 0:
		s.over = true
		if st.anyway && ev.end != io.EOF && ev.end != errEndless {
			s.markClose(NonStrict, "it reset the connection for what came behind our Close")
		} else {
			s.markClose(Failed, "it ended the stream without answering our Close")
		}
		return nil
	case ev.kind == opPong && st.anyway:
		s.mark(NonStrict, "it answered a ping that came behind a Close")
		return st.run(s)
	case ev.kind != opClose:
		return s.failed("it was to answer our Close, but sent %s", &ev)
	}
	switch code := ev.code; {
	case slices.Contains(st.codes, code):
	case code == 1009 && s.beyond():
		s.markClose(Informational, "it closes with 1009 for what came before our Close")
	default:
		s.markClose(NonStrict, fmt.Sprintf("it answered our Close %d with %d", st.codes[0], code))
	}
	s.goneWith(st.anyway)
	return nil
}

// end closes in order.
type end struct{}

func (end) run(s *session) error {
	return steps(script{send(closing(1000, "")), closed(1000)}).run(s)
}

// hangUp ends the TCP connection at once, without a Close.
func hangUp() Step {
	return do(func(s *session) error {
		s.over = true
		s.note(true, "end of stream")
		s.conn.Close()
		return nil
	})
}

// shut ends our half of the TCP connection.
func shut() Step {
	return do(func(s *session) error {
		s.note(true, "end of stream")
		if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
			return nil
		}
		return &finding{verdict: Unimplemented, note: "this kind of stream has no half-close"}
	})
}

// pause waits without listening.
func pause(d time.Duration) Step {
	return do(func(s *session) error {
		timer := newTimer(d * s.o.scale())
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.ctx.Done():
		}
		return nil
	})
}

// A branch is what may come at a place where the RFC leaves a choice.
type branch struct {
	matches func(ev event) bool
	verdict Verdict
	note    string
	then    []Step
}

// on is a branch for an event of this kind: an opcode, ended or silence.
func on(kind byte, v Verdict, note string, then ...Step) branch {
	return branch{func(ev event) bool { return ev.kind == kind }, v, note, then}
}

// onClose is a branch for a Close with one of the codes, or any without codes. The
// end of the stream is then waited for.
func onClose(v Verdict, note string, codes ...int) branch {
	return branch{func(ev event) bool {
		return ev.kind == opClose && (len(codes) == 0 || slices.Contains(codes, ev.code))
	}, v, note, []Step{do(func(s *session) error { s.gone(); return nil })}}
}

const (
	ended   byte = 0   // as the kind of a branch: the stream ends
	silence byte = 255 // nothing comes within the patience
)

// choose waits for the next event and goes on with the first branch that it
// matches. Where silence is a branch it waits for Options.Patience only.
func choose(branches ...branch) Step {
	return do(func(s *session) error {
		d := s.wait()
		quiet := slices.ContainsFunc(branches, func(b branch) bool { return b.matches(event{kind: silence}) })
		if quiet {
			d = s.o.Patience * s.o.scale()
		}
		ev, err := s.next(d)
		if err == errSilence {
			ev = event{kind: silence}
			if !quiet {
				return s.failed("waited %v in vain", d)
			}
		} else if err != nil {
			return err
		}
		for _, b := range branches {
			if b.matches(ev) {
				if ev.kind == ended {
					s.over = true
				}
				s.mark(b.verdict, b.note)
				return s.play(b.then)
			}
		}
		return s.failed("it sent %s", &ev)
	})
}

// also runs steps on a second connection to the same server, with a handshake of
// its own, while this one stays as it is. Servers only.
func also(then ...Step) Step {
	return do(func(s *session) error {
		other, err := s.second()
		if err != nil {
			return s.failed("a second connection: %s", reason(err))
		}
		err = other.play(then)
		if err == nil && !other.over {
			err = other.play(script{open{}, end{}})
		}
		s.behavior, s.close = max(s.behavior, other.behavior), max(s.close, other.close)
		for _, note := range other.notes {
			s.remark("another connection: " + note)
		}
		if f := (*finding)(nil); errors.As(err, &f) {
			return &finding{f.verdict, "another connection: " + f.note, f.rule}
		}
		return err
	})
}
