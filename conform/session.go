package conform

import (
	"bytes"
	"cmp"
	"context"
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
	met   bool   // something was received
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
	begun    []byte          // the message at hand
	kind     byte            // its opcode, 0: none
	packed   bool            // it is compressed
	pings    map[string]bool // sent
	ponged   map[string]bool // sent without being asked
	pieces   []int           // sizes of the frames of the last message
	sending  uint64          // bytes of the message that goes out, uncompressed
	largest  uint64          // of all that did
	stopped  bool            // the last that was waited for was a Close, the end or silence
	keys     [][4]byte       // of the first masked frames
	deflater *deflate.Deflater
	packer   *packer // instead of deflater
	inflater *deflate.Inflater
	promised *deflate.Inflater // by what a client only promised
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

// isControl reports whether it is a control frame with a right header.
func (it *item) isControl() bool {
	return it.end == nil && it.body == nil && it.wrong == nil && it.frame.op >= opClose
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
	s.remark(note)
}

// markClose is mark for how the connection ended.
func (s *session) markClose(v Verdict, note string) {
	s.close = max(s.close, v)
	s.remark(note)
}

// remark adds a note, once: a peer may do the same thing again and again.
func (s *session) remark(note string) {
	const most = 20
	if note != "" && len(s.notes) < most && !slices.Contains(s.notes, note) {
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
	run := s.ctx
	var cancel context.CancelFunc // the connections beside this one end with it
	s.ctx, cancel = context.WithTimeout(run, s.o.budget(s.c))
	defer cancel()
	over := context.AfterFunc(s.ctx, func() { abort(s.conn) })
	defer over()
	err := s.play(s.c.Script)
	if err == nil && !s.over {
		err = s.play(script{open{}, end{}})
	}
	var f *finding
	switch {
	case err == nil:
	case run.Err() != nil:
		s.mark(Failed, "given up: "+context.Cause(run).Error())
	case errors.As(err, &f):
		f = s.limited(f)
		s.mark(f.verdict, f.note)
		s.rule = f.rule
	default:
		s.mark(Failed, err.Error())
	}
	trace := s.lines() // without what our own closing brings about
	s.mu.Lock()
	met := s.met
	s.mu.Unlock()
	s.finish()
	r := Result{
		ID: s.c.ID, Behavior: s.behavior, Close: s.close, Note: strings.Join(s.notes, "; "),
		Code: s.code, Duration: time.Since(s.began),
		Lost: !met,
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
	for _, inflater := range []**deflate.Inflater{&s.inflater, &s.promised} {
		if *inflater != nil {
			(*inflater).Put()
			*inflater = nil
		}
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
		s.sends(&f)
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
		if n > 0 {
			s.mu.Lock()
			s.met = true
			s.mu.Unlock()
		}
		buf = append(buf, chunk[:n]...)
		for http {
			i := bytes.Index(buf, []byte("\r\n\r\n"))
			if i < 0 && len(buf) > 64<<10 {
				s.put(item{end: errLongHead})
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
			if used > 0 {
				s.note(false, "HTTP "+excerpt(head[:firstLine(head)]))
				s.noteFields(false, fieldsOf(head[firstLine(head):]))
			}
			if i < 0 {
				s.noteEnd(err)
			}
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

var errLongHead = errors.New("its head of HTTP has no end")

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

func (s *session) noteEnd(err error) {
	if err == io.EOF {
		s.note(false, "end of stream")
		return
	}
	s.note(false, "end: "+reason(err))
}

// put hands an item to the script. A peer that sends without end is cut off.
func (s *session) put(it item) {
	it.at = time.Now()
	switch {
	case it.end != nil:
		s.noteEnd(it.end)
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
