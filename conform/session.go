package conform

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"curlew.example/curlew/internal/deflate"
)

// A session is one connection of a case. Two goroutines work on it: the reader,
// which takes in what the peer sends so that it never has to wait for us, and the
// script.
type session struct {
	ctx    context.Context // of the run
	c      *Case
	o      *Options
	target *Target // nil if a client is tested
	conn   net.Conn
	began  time.Time
	random *rand.Rand
	client bool     // we are the client: a server is tested
	ring   *keyring // what the client that is tested sent before; or nil
	agreed *agreement

	mu    sync.Mutex // guards the following
	trace []Line
	items []item // received and not yet looked at
	size  int    // bytes received, with itemCost for each frame
	woken chan struct{}
	held  chan struct{} // closed when reading goes on; nil: it does

	head    chan []byte   // gets the peer's head of HTTP, once
	done    chan struct{} // closed when the reader has ended
	unwatch func() bool   // ends the watch over ctx

	// Owned by the script.
	reading  bool     // the reader was started
	opened   bool     // the handshake was made
	reply    *message // the head of the server's answer
	over     bool     // the script has ended the connection
	sent     bool     // we have sent a Close
	stuck    bool     // the stream takes nothing any more
	code     int      // of the peer's Close
	behavior Verdict
	close    Verdict
	notes    []string
	rule     string
	begun    []byte // the message at hand
	kind     byte   // its opcode, 0: none
	packed   bool   // it is compressed
	frames   int
	pings    map[string]bool // sent
	ponged   map[string]bool // sent without being asked
	pieces   []int           // sizes of the frames of the last message
	keys     [][4]byte       // of the first masked frames
	deflater *deflate.Deflater
	packer   *packer // instead of deflater
	inflater *deflate.Inflater
	others   []*session
}

// An item is a frame, or the end of what the peer sends.
type item struct {
	at    time.Time
	frame received
	wrong *rule
	size  int    // on the wire
	body  []byte // instead of a frame: of an answer that is no 101
	end   error  // io.EOF: orderly
}

// A finding ends a script.
type finding struct {
	verdict Verdict
	note    string
	rule    string
}

func (f *finding) Error() string { return f.note }

func (s *session) failed(format string, args ...any) error {
	return &finding{verdict: Failed, note: fmt.Sprintf(format, args...)}
}

func broke(r *rule, format string, args ...any) error {
	return &finding{verdict: Failed, note: fmt.Sprintf(format, args...), rule: r.String()}
}

// mark notes a verdict on the behaviour and lets the script go on.
func (s *session) mark(v Verdict, note string) {
	s.behavior = max(s.behavior, v)
	if note != "" {
		s.notes = append(s.notes, note)
	}
}

// markClose is mark for how the connection ended.
func (s *session) markClose(v Verdict, note string) {
	s.close = max(s.close, v)
	if note != "" {
		s.notes = append(s.notes, note)
	}
}

func newSession(ctx context.Context, c *Case, o *Options, t *Target, conn net.Conn, client bool) *session {
	s := &session{
		ctx: ctx, c: c, o: o, target: t, conn: conn, client: client, began: time.Now(),
		woken: make(chan struct{}, 1), head: make(chan []byte, 1), done: make(chan struct{}), pings: make(map[string]bool), ponged: make(map[string]bool),
	}
	s.unwatch = context.AfterFunc(ctx, func() { abort(conn) })
	seed := o.Seed
	for _, b := range []byte(c.ID) {
		seed = seed*31 + uint64(b)
	}
	s.random = rand.New(rand.NewPCG(seed, 1))
	return s
}

// result runs the script and judges.
func (s *session) result() Result {
	budget := time.AfterFunc(s.o.budget(s.c), func() { s.conn.Close() })
	defer budget.Stop()
	err := s.play(s.c.Script)
	if err == nil && !s.over {
		err = s.play(script{open{}, end{}})
	}
	var f *finding
	switch {
	case err == nil:
	case s.ctx.Err() != nil:
		s.mark(Failed, "given up: "+context.Cause(s.ctx).Error())
	case errors.As(err, &f):
		s.mark(f.verdict, f.note)
		s.rule = f.rule
	default:
		s.mark(Failed, err.Error())
	}
	trace := s.lines() // without what our own closing brings about
	s.finish()
	r := Result{
		ID: s.c.ID, Behavior: s.behavior, Close: s.close, Note: strings.Join(s.notes, "; "),
		Code: s.code, Duration: time.Since(s.began),
		lost: !slices.ContainsFunc(trace, func(l Line) bool { return !l.Sent }),
	}
	if v := r.Verdict(); v > OK {
		r.Rule = s.rule
		if r.Rule == "" && v > Unimplemented {
			r.Rule = s.c.Rule + " (" + s.c.Spec + ")"
		}
	}
	if r.Verdict() > OK || s.o.Traces {
		r.Trace = trace
	}
	return r
}

// lines is the trace until now, with those of other connections.
func (s *session) lines() []Line {
	s.mu.Lock()
	trace := slices.Clip(s.trace)
	s.mu.Unlock()
	for i, other := range s.others {
		for _, l := range other.lines() {
			l.Text = fmt.Sprintf("(%d) %s", i+2, l.Text)
			trace = append(trace, l)
		}
	}
	slices.SortStableFunc(trace, func(a, b Line) int { return cmp.Compare(a.At, b.At) })
	return trace
}

func (s *session) play(steps []Step) error {
	for _, step := range steps {
		if _, ok := step.(open); !s.opened && !ok && !isHandshake(step) {
			if err := (open{}).run(s); err != nil {
				return err
			}
		}
		if err := step.run(s); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the connection, and those beside it, and waits for their readers.
func (s *session) finish() {
	s.unwatch()
	s.conn.Close()
	s.release()
	if s.reading {
		<-s.done
	}
	for _, other := range s.others {
		other.finish()
	}
	if s.inflater != nil {
		s.inflater.Put()
		s.inflater = nil
	}
	if s.deflater != nil {
		s.deflater.Release()
	}
}

// abort closes a connection without a word, also of TLS, which could have to wait.
func abort(c net.Conn) {
	for {
		under, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			c.Close()
			return
		}
		c = under.NetConn()
	}
}

// mostLines bounds a trace.
const mostLines = 2000

// note puts a line into the trace.
func (s *session) note(sent bool, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.trace) < mostLines {
		s.trace = append(s.trace, Line{time.Since(s.began), sent, text})
	} else if len(s.trace) == mostLines {
		s.trace = append(s.trace, Line{time.Since(s.began), sent, "and so on"})
	}
}

// noteFrame is note for a frame. Once the trace is full, it costs nothing to have
// many.
func (s *session) noteFrame(sent bool, f fmt.Stringer) {
	s.mu.Lock()
	full := len(s.trace) > mostLines
	s.mu.Unlock()
	if !full {
		s.note(sent, f.String())
	}
}

// wait is how long a step waits for the peer.
func (s *session) wait() time.Duration {
	if s.c.Wait > 0 {
		return s.c.Wait * s.o.scale()
	}
	return s.o.Timeout * s.o.scale()
}

// write sends bytes. That the peer takes no more is no failure by itself: what it
// sent will tell.
func (s *session) write(p []byte) {
	if s.stuck {
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(s.wait()))
	if _, err := s.conn.Write(p); err != nil {
		s.stuck = true
		s.note(true, "(cannot send: "+reason(err)+")")
	}
}

// reason is an error without the addresses in it.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		err = sys.Err
	}
	return err.Error()
}

// encode is frames as bytes; messages that are to be compressed are.
func (s *session) encode(frames []frame) []byte {
	var p []byte
	for _, f := range frames {
		s.noteFrame(true, f)
		switch f.op {
		case opPing:
			s.pings[string(f.payload)] = true
		case opClose:
			if f.raw == nil {
				s.sent = true
			}
		}
		p = f.append(p, s.client, s.random)
	}
	return p
}

// packs compresses the messages that are to be.
func (s *session) packs(frames []frame) ([]frame, error) {
	var out []frame
	for i := 0; i < len(frames); i++ {
		f := frames[i]
		if !f.deflate {
			out = append(out, f)
			continue
		}
		if s.agreed == nil {
			return nil, &finding{verdict: Unimplemented, note: "compression was not agreed"}
		}
		// All fragments of the message, compressed as one and cut where they were.
		var whole []byte
		var cuts []int
		last := i
		for j := i; j < len(frames); j++ {
			if frames[j].op >= opClose {
				continue
			}
			whole = append(whole, frames[j].payload...)
			cuts = append(cuts, len(frames[j].payload))
			last = j
			if !frames[j].open {
				break
			}
		}
		packed := s.deflate(whole)
		k := 0
		for j := i; j <= last; j++ {
			g := frames[j]
			if g.op < opClose {
				n := len(packed)
				if k < len(cuts)-1 {
					n = min(len(packed), (len(packed)+len(cuts)-1)/len(cuts))
				}
				g.payload, packed = packed[:n], packed[n:]
				if k == 0 {
					g.rsv |= rsv1
				}
				k++
			}
			g.deflate = false
			out = append(out, g)
		}
		i = last
	}
	return out, nil
}

// listen starts the reader. With http a head of HTTP comes first.
func (s *session) listen(http bool) {
	if !s.reading {
		s.reading = true
		go s.read(http)
	}
}

// read takes in what the peer sends, until it ends.
func (s *session) read(http bool) {
	defer close(s.done)
	var buf []byte
	used := 0
	body := false // of an answer that is not 101
	chunk := make([]byte, 64<<10)
	for {
		s.mayRead()
		n, err := s.conn.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for http {
			i := bytes.Index(buf, []byte("\r\n\r\n"))
			if i < 0 && len(buf) > 64<<10 {
				s.put(item{end: errors.New("its head of HTTP has no end")})
				return
			}
			if i < 0 && err == nil {
				break
			}
			used = len(buf)
			if i >= 0 {
				used, http = i+4, false
			}
			head := bytes.Clone(buf[:used])
			s.note(false, "HTTP "+excerpt(head[:firstLine(head)]))
			if i >= 0 && isInterim(head) {
				buf, http = buf[used:], true
				continue
			}
			s.head <- head
			body = s.client && !isSwitch(head)
			break
		}
		if body {
			if used < len(buf) {
				s.put(item{body: buf[used:], size: len(buf) - used})
				buf, used = nil, 0
			}
		}
		for !http && !body {
			r, size, need, wrong := parse(buf[used:])
			if wrong != nil && size == 0 {
				s.put(item{frame: r, wrong: wrong})
			}
			if size == 0 && (wrong != nil || need > uint64(s.o.most(s.c))) {
				if wrong == nil {
					s.put(item{end: fmt.Errorf("it promises a frame of %d bytes", need)})
				}
				io.Copy(io.Discard, io.LimitReader(s.conn, 1<<20))
				return
			}
			if size == 0 {
				buf, used = buf[used:], 0 // what was parsed belongs to the items
				break
			}
			used += size
			s.put(item{frame: r, wrong: wrong, size: size})
		}
		if err != nil {
			if http {
				return
			}
			s.put(item{end: err})
			return
		}
	}
}

// isSwitch reports whether a head is that of a 101.
func isSwitch(head []byte) bool {
	words := bytes.Fields(head[:firstLine(head)])
	return len(words) >= 2 && string(words[1]) == "101"
}

// isInterim reports whether a head is one of those that come before the answer.
// RFC 9110, 15.2.
func isInterim(head []byte) bool {
	words := bytes.Fields(head[:firstLine(head)])
	return len(words) >= 2 && len(words[1]) == 3 && words[1][0] == '1' && !isSwitch(head)
}

func firstLine(p []byte) int {
	if i := bytes.IndexByte(p, '\r'); i >= 0 {
		return i
	}
	return len(p)
}

// put hands an item to the script. A peer that sends without end is cut off.
func (s *session) put(it item) {
	it.at = time.Now()
	switch {
	case it.end == io.EOF:
		s.note(false, "end of stream")
	case it.end != nil:
		s.note(false, "end: "+reason(it.end))
	case it.body != nil:
		s.note(false, fmt.Sprintf("%d bytes %s", len(it.body), excerpt(it.body)))
	default:
		s.noteFrame(false, it.frame)
	}
	s.mu.Lock()
	s.items = append(s.items, it)
	if s.size += it.size + itemCost; s.size > s.o.most(s.c) && it.end == nil {
		s.items = append(s.items, item{at: it.at, end: errEndless})
		s.conn.Close()
	}
	s.mu.Unlock()
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// itemCost is about the memory that an item takes besides its payload: empty
// frames are not for nothing.
const itemCost = 128

var errEndless = errors.New("it sends without end")

// errSilence: nothing came in time.
var errSilence = errors.New("nothing came in time")

// take waits for the next item, up to d.
func (s *session) take(d time.Duration) (item, error) {
	var timer *time.Timer // made when there is something to wait for
	for {
		s.mu.Lock()
		if len(s.items) > 0 {
			it := s.items[0]
			s.items[0] = item{}
			s.items = s.items[1:]
			if it.end != nil {
				s.items = append(s.items, it) // for whoever asks again
			}
			s.mu.Unlock()
			return it, nil
		}
		s.mu.Unlock()
		if timer == nil {
			timer = time.NewTimer(d)
			defer timer.Stop()
		}
		select {
		case <-s.woken:
		case <-timer.C:
			return item{}, errSilence
		}
	}
}

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
			if p := string(ev.payload); !s.pings[p] && !s.ponged[p] {
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
