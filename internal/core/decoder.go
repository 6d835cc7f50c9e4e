package core

import (
	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/deflate"
)

// Config is what a Decoder needs to know. All limits are exact values; "none" is
// the largest value of the type.
type Config struct {
	Server       bool  // we are the server: the peer must mask
	MaxMessage   int64 // bytes of a message, inflated
	MaxFragments int   // frames of a message
	CheckUTF8    bool  // of text messages; close reasons are always checked
	InflateBits  int   // the peer's agreed window, 8 to 15; 0: no compression
	KeepContext  bool  // the peer may refer back to earlier messages
}

// A Kind says what an Event is.
type Kind uint8

const (
	None  Kind = iota // more bytes are needed
	Data              // a piece of a message
	Ping              // Payload: at most 125 bytes
	Pong              // Payload: at most 125 bytes
	Close             // Code and Reason; whatever follows is discarded
	Fail              // Err: the peer broke a rule; whatever follows is discarded
)

// An Event is one thing that the peer's bytes meant.
type Event struct {
	Kind     Kind
	Opcode   frame.Opcode // Data: Text or Binary, of the message
	First    bool         // Data: the message begins here
	FrameEnd bool         // Data: a frame ends here
	Last     bool         // Data: the message ends here
	Code     frame.Code   // Close
	Payload  []byte       // lent until the next call; may be empty
	Reason   string       // Close
	Err      *frame.Error // Fail
}

// A Decoder turns the peer's bytes into events. Its zero value is not usable;
// see NewDecoder. One goroutine at a time may use it.
type Decoder struct {
	config *Config
	phase  phase

	// The frame at hand.
	header frame.Header
	left   int64 // payload bytes still to come
	clear  int   // of them, at the front: already unmasked, but not consumed
	pos    int   // offset of the next payload byte, for the mask
	full   bool  // more may come out of the compressed bytes consumed

	// The message at hand.
	open       bool // begun and not ended
	compressed bool
	begun      bool // an event of it was given
	opcode     frame.Opcode
	frames     int
	size       int64 // inflated bytes so far, or those that the headers promised
	wire       int64 // compressed bytes that the headers promised
	utf8       frame.UTF8
	inflater   *deflate.Inflater // while a compressed message is open, or for good with KeepContext
	out        []byte            // inflated bytes, while a compressed message is open; lent with its last piece

	split []byte // the beginning of a header, or a control payload, that came in pieces
}

type phase uint8

const (
	inHeader phase = iota
	inPayload
	inFinish // all of a compressed message has come; its last bytes are being inflated
	discard  // after a Close or a failure
)

// outSize is how much is inflated before it is handed on.
const outSize = 16 << 10

// NewDecoder returns a Decoder by value, to be part of a larger struct. c, which
// many may share, is not changed any more.
func NewDecoder(c *Config) Decoder { return Decoder{config: c} }

// Release gives back what the Decoder holds. It discards all bytes from then on.
func (d *Decoder) Release() {
	d.phase = discard
	d.freeInflater()
	d.freeOut()
	d.split = nil
}

// Detach lets whoever was lent a payload keep it beyond the next call.
func (d *Decoder) Detach() {
	if d.out == nil {
		return
	}
	d.out = nil
	if d.open {
		d.out = bufs.Get(outSize)
	}
}

// Idle reports whether no frame and no message has begun.
func (d *Decoder) Idle() bool {
	return d.phase == inHeader && !d.open && len(d.split) == 0
}

// Fresh reports whether nothing is to be remembered: a new Decoder would do as well.
func (d *Decoder) Fresh() bool { return d.Idle() && d.inflater == nil && d.out == nil }

// Between reports whether no message has begun, so that a new reader may start.
func (d *Decoder) Between() bool { return !d.open }

// Wanted returns how many bytes of the frame at hand are still to come.
func (d *Decoder) Wanted() int64 {
	if d.phase == inPayload {
		return d.left
	}
	return 0
}

// Next consumes bytes of p, which it unmasks in place, and sets ev to the first
// event they make. It returns how many it consumed; the rest must be given
// again, in front of what comes after it. Kind None means that all of p was
// consumed and more is needed. An event may come out of no bytes at all, so
// Next must be called until None.
func (d *Decoder) Next(p []byte, ev *Event) (n int) {
	*ev = Event{}
	if d.out != nil && !d.open {
		d.freeOut()
	}
	for ev.Kind == None {
		switch d.phase {
		case discard:
			return len(p)
		case inHeader:
			if n == len(p) {
				return n
			}
			n += d.nextHeader(p[n:], ev)
		case inPayload:
			if n == len(p) && d.left > 0 && !d.full {
				return n
			}
			n += d.nextPayload(p[n:], ev)
		case inFinish:
			d.finish(d.room(), 0, ev)
		}
	}
	return n
}

// nextHeader consumes bytes of a header. When it is complete the frame begins.
func (d *Decoder) nextHeader(p []byte, ev *Event) int {
	q, had := p, len(d.split)
	if had > 0 {
		q = append(d.split, p[:min(len(p), frame.MaxHeader-had)]...)
	}
	h, n, err := frame.Parse(q)
	if err != nil {
		d.fail(ev, asRule(err))
		return len(p)
	}
	if n == 0 { // p ended inside
		if had == 0 {
			d.split = make([]byte, 0, frame.MaxHeader)
			d.split = append(d.split, p...)
		} else {
			d.split = q
		}
		return len(p)
	}
	d.split = nil
	if e := d.begin(h); e != nil {
		d.fail(ev, e)
	}
	return n - had
}

// begin starts a frame: every rule and every limit that its header can break.
func (d *Decoder) begin(h frame.Header) *frame.Error {
	if e := frame.Check(h, frame.State{Server: d.config.Server, RSV1: d.config.InflateBits != 0, Fragmented: d.open}); e != nil {
		return e
	}
	d.header, d.left, d.clear, d.pos, d.phase = h, h.Length, 0, 0, inPayload
	if h.Opcode.IsControl() {
		return nil
	}
	if h.Opcode != frame.Continuation {
		d.open, d.begun, d.opcode, d.compressed = true, false, h.Opcode, h.RSV&frame.RSV1 != 0
		d.frames, d.size, d.wire = 0, 0, 0
		d.utf8 = frame.UTF8{}
		if d.compressed {
			if d.inflater == nil {
				d.inflater = deflate.GetInflater(d.config.InflateBits)
			}
			d.inflater.Reset(d.config.KeepContext)
			d.out = bufs.Get(outSize)
		}
	}
	if d.frames++; d.frames > d.config.MaxFragments {
		return &frame.Error{Code: frame.PolicyViolation, Section: "RFC 6455, 10.4", Text: "too many fragments"}
	}
	if d.compressed {
		if h.Length > d.maxWire()-d.wire {
			return errTooBig
		}
		d.wire += h.Length
		return nil
	}
	if h.Length > d.config.MaxMessage-d.size {
		return errTooBig
	}
	d.size += h.Length
	return nil
}

// maxWire bounds the compressed bytes of a message: no honest compressor makes
// them much more than the message, and empty blocks cost time though they make
// no bytes.
func (d *Decoder) maxWire() int64 {
	m := d.config.MaxMessage
	return m + min(m/4+1024, 1<<62-min(m, 1<<62))
}

var errTooBig = &frame.Error{Code: frame.MessageTooBig, Section: "RFC 6455, 7.4.1", Text: "message too big"}

var errUTF8 = &frame.Error{Code: frame.InvalidPayload, Section: "RFC 6455, 8.1", Text: "text is not valid UTF-8"}

// nextPayload consumes payload bytes of the frame at hand.
func (d *Decoder) nextPayload(p []byte, ev *Event) int {
	chunk := p[:min(int64(len(p)), d.left)]
	if d.header.Masked && d.clear < len(chunk) {
		frame.Mask(chunk[d.clear:], d.header.Key, d.pos)
		d.pos += len(chunk) - d.clear
		d.clear = len(chunk)
	}
	switch {
	case d.header.Opcode.IsControl():
		d.control(chunk, ev)
	case d.compressed:
		return d.inflate(chunk, ev)
	default:
		d.plain(chunk, ev)
	}
	return len(chunk)
}

// consume notes that n payload bytes are used up.
func (d *Decoder) consume(n int) {
	d.left -= int64(n)
	d.clear = max(d.clear-n, 0)
}

func (d *Decoder) plain(chunk []byte, ev *Event) {
	d.consume(len(chunk))
	end := d.left == 0
	last := end && d.header.Fin
	if !d.text(chunk, last) {
		d.fail(ev, errUTF8)
		return
	}
	d.give(ev, chunk, end, last)
	if end {
		d.endFrame(last)
	}
}

// text checks a piece of a text message.
func (d *Decoder) text(p []byte, last bool) bool {
	if d.opcode != frame.Text || !d.config.CheckUTF8 {
		return true
	}
	return d.utf8.Write(p) && (!last || d.utf8.Done())
}

func (d *Decoder) give(ev *Event, p []byte, frameEnd, last bool) {
	ev.Kind, ev.Opcode, ev.Payload = Data, d.opcode, p
	ev.First, ev.FrameEnd, ev.Last = !d.begun, frameEnd, last
	d.begun = true
}

func (d *Decoder) endFrame(last bool) {
	d.phase = inHeader
	if last {
		d.open = false
	}
}

// inflate pushes compressed bytes through and returns how many were taken.
func (d *Decoder) inflate(chunk []byte, ev *Event) int {
	room := d.room()
	made, taken, err := d.inflater.Inflate(room, chunk)
	d.full = made == len(room)
	d.consume(taken)
	end := err == nil && d.left == 0 && !d.full
	if end && d.header.Fin {
		d.finish(room, made, ev)
	} else if made > 0 || end || err != nil {
		d.inflated(ev, made, end, false, err)
	}
	return taken
}

// finish inflates what is left when all bytes of a compressed message are there,
// behind the made bytes of room.
func (d *Decoder) finish(room []byte, made int, ev *Event) {
	n, done, err := d.inflater.Finish(room[made:])
	d.phase = inFinish // unless it is done
	d.inflated(ev, made+n, done, done, err)
}

// room is where to inflate to: never more than one byte past the limit.
func (d *Decoder) room() []byte {
	if left := d.config.MaxMessage - d.size; left < outSize {
		return d.out[:left+1]
	}
	return d.out[:outSize]
}

// inflated gives the n bytes that were inflated; err came behind them. Of what
// is wrong the first counts, wherever the bytes were cut.
func (d *Decoder) inflated(ev *Event, n int, frameEnd, last bool, err error) {
	d.size += int64(n)
	over := d.size > d.config.MaxMessage // by one byte
	if over {
		n--
	}
	switch {
	case !d.text(d.out[:n], last && !over):
		d.fail(ev, errUTF8)
	case over:
		d.fail(ev, errTooBig)
	case err != nil:
		d.fail(ev, errInflate(err))
	default:
		d.give(ev, d.out[:n], frameEnd, last)
		if frameEnd {
			d.endFrame(last)
		}
		if last && !d.config.KeepContext {
			d.freeInflater()
		}
	}
}

func (d *Decoder) freeInflater() {
	if d.inflater != nil {
		d.inflater.Put()
		d.inflater = nil
	}
}

func (d *Decoder) freeOut() {
	bufs.Put(d.out)
	d.out = nil
}

func errInflate(err error) *frame.Error {
	return &frame.Error{Code: frame.InvalidPayload, Section: "RFC 7692, 7.2.2", Text: err.Error()}
}

// control collects the payload of a control frame and gives it when complete.
func (d *Decoder) control(chunk []byte, ev *Event) {
	d.consume(len(chunk))
	if d.left > 0 || len(d.split) > 0 {
		if d.split == nil {
			d.split = make([]byte, 0, d.header.Length)
		}
		d.split = append(d.split, chunk...)
		if d.left > 0 {
			return
		}
		chunk = d.split
		d.split = nil
	}
	d.phase = inHeader
	ev.Payload = chunk
	switch d.header.Opcode {
	case frame.Ping:
		ev.Kind = Ping
	case frame.Pong:
		ev.Kind = Pong
	case frame.Close:
		code, reason, e := frame.ParseClose(chunk)
		if e != nil {
			d.fail(ev, e)
			return
		}
		ev.Kind, ev.Code, ev.Reason = Close, code, reason
		d.Release()
	}
}

func (d *Decoder) fail(ev *Event, e *frame.Error) {
	*ev = Event{Kind: Fail, Err: e}
	d.Release()
}

// asRule turns what Parse returned into the rule that was broken.
func asRule(err error) *frame.Error {
	if e, ok := err.(*frame.Error); ok {
		return e
	}
	return &frame.Error{Code: frame.ProtocolError, Section: "RFC 6455, 5.2", Text: err.Error()}
}
