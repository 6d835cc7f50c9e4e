package conform

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// An event is what an item means.
type event struct {
	kind    byte   // opText, opBinary, opPing, opPong, opClose; 0: the end
	payload []byte // of a message: whole and inflated
	packed  bool   // the message was compressed
	code    int    // of a Close; 0: it has none
	end     error
	at      time.Time
}

func (e *event) String() string {
	switch {
	case e.kind == 0 && e.end == io.EOF:
		return "the end of the stream"
	case e.kind == 0:
		return "the end: " + reason(e.end)
	case e.kind == opClose:
		return closeText(e.code, string(e.payload))
	}
	return fmt.Sprintf("%s %d %s", opName(e.kind), len(e.payload), excerpt(e.payload))
}

func closeText(code int, why string) string {
	switch {
	case code == 0:
		return "close without a code"
	case why == "":
		return fmt.Sprintf("close %d", code)
	}
	return fmt.Sprintf("close %d %s", code, excerpt([]byte(why)))
}

// next returns the peer's next event. Rules that hold always are checked here.
// Pings are answered, and neither they nor pongs that nobody asked for are
// reported, unless they could be an answer to pongs of ours.
func (s *session) next(d time.Duration) (event, error) {
	until := time.Now().Add(d)
	for {
		it, err := s.take(time.Until(until))
		s.stopped = err != nil || it.end != nil || it.body == nil && it.wrong == nil && it.frame.op == opClose
		if err != nil {
			return event{}, err
		}
		if it.end != nil {
			return event{end: it.end, at: it.at}, nil
		}
		if it.body != nil {
			continue
		}
		ev, whole, err := s.frame(it)
		if err != nil {
			return event{}, err
		}
		if !whole {
			continue
		}
		switch ev.kind {
		case opPing:
			if !s.sent {
				s.write(s.encode([]frame{pong(string(ev.payload))}))
			}
			continue
		case opPong:
			if !s.pings[string(ev.payload)] && !s.ponged[string(ev.payload)] {
				continue
			}
		}
		return ev, nil
	}
}

// frame judges a frame and adds it to the message at hand; whole says that ev is
// complete.
func (s *session) frame(it item) (ev event, whole bool, err error) {
	f := it.frame
	switch {
	case it.wrong != nil:
		return ev, false, broke(it.wrong, "it sent a wrong header: %s", f)
	case f.masked && s.client:
		return ev, false, broke(ruleUnmasked, "it masks: %s", f)
	case !f.masked && !s.client:
		return ev, false, broke(ruleMasked, "it does not mask: %s", f)
	case f.op > opPong || f.op > opBinary && f.op < opClose:
		return ev, false, broke(ruleOpcode, "it sent %s", f)
	case (s.code != 0 || s.over) && f.op >= opClose: // the RFC forbids data
		s.markClose(NonStrict, "after its Close it sent "+f.String())
		return ev, false, nil
	case s.code != 0 || s.over:
		return ev, false, broke(ruleAfter, "after its Close it sent %s", f)
	case f.rsv&(rsv2|rsv3) != 0 || f.rsv != 0 && s.agreed == nil:
		return ev, false, broke(ruleReserved, "it sent %s", f)
	case f.rsv != 0 && (f.op == opCont || f.op >= opClose):
		return ev, false, broke(ruleRSV1, "it sent %s", f)
	}
	const enough = 4096
	if f.masked && len(s.keys) < enough {
		s.keys = append(s.keys, f.key)
	}
	ev = event{kind: f.op, payload: f.payload, at: it.at}
	switch f.op {
	case opPing, opPong:
		return ev, true, nil
	case opClose:
		err = s.closeFrame(&ev)
		return ev, true, err
	}
	if (f.op == opCont) != (s.kind != 0) {
		return ev, false, broke(ruleSequence, "it sent %s", f)
	}
	if f.op != opCont {
		s.kind, s.packed, s.begun, s.pieces = f.op, f.rsv != 0, nil, nil
	}
	s.pieces = append(s.pieces, len(f.payload))
	if s.begun == nil && f.fin {
		s.begun = f.payload
	} else {
		s.begun = append(s.begun, f.payload...)
	}
	if !f.fin {
		return ev, false, nil
	}
	ev = event{kind: s.kind, payload: s.begun, packed: s.packed, at: it.at}
	s.kind, s.begun = 0, nil
	if ev.packed {
		if ev.payload, err = s.inflate(ev.payload); err != nil {
			return ev, false, broke(ruleInflate, "its message does not inflate: %v", err)
		}
	}
	if ev.kind == opText && !utf8.Valid(ev.payload) {
		return ev, false, broke(ruleText, "it sent text that is not UTF-8: %s", excerpt(ev.payload))
	}
	return ev, true, nil
}

// noStatus stands for a Close without a code. RFC 6455, 7.1.5.
const noStatus = 1005

func (s *session) closeFrame(ev *event) error {
	p := ev.payload
	s.code = noStatus
	if len(p) == 0 {
		return nil
	}
	if len(p) == 1 {
		return broke(ruleBody, "its Close has a body of one byte")
	}
	ev.code = int(binary.BigEndian.Uint16(p))
	ev.payload = p[2:]
	s.code = ev.code
	if !sendable(ev.code) {
		return broke(ruleBody, "it sent close code %d", ev.code)
	}
	if !utf8.Valid(ev.payload) {
		return broke(ruleBody, "its reason is not UTF-8: %s", excerpt(ev.payload))
	}
	return nil
}

// sendable reports whether a close code may be on the wire: RFC 6455, 7.4, and
// IANA's registry.
func sendable(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}
