//go:build !race && !invariants

package conform

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"curlew.example/curlew/wstest"
)

// damage is what makes a peer wrong. Our own connection does the work, and a man
// in the middle changes the heads and frames that it gets and those that it sends.
// What is nil changes nothing.
type damage struct {
	// hears changes the head of HTTP that our connection gets, says the one that it
	// sends: a server gets the request. Of what is no head they learn nothing.
	hears, says func(m *middle, h *head)

	// opens is told the header of a frame that our connection gets, as soon as it is
	// complete, and may change it; f.claim is the length. False drops the frame.
	opens func(m *middle, f *frame) bool

	// gets is told the whole frame, and returns what our connection gets instead.
	// Frames that hold does not want, if it is set, go through as they come.
	gets func(m *middle, f frame) []frame
	hold func(m *middle, f *frame) bool

	// sends is told a frame of our connection's and returns what is sent instead.
	sends func(m *middle, f frame) []frame

	// reads changes what one Read returns, writes what one Write is given. lost is
	// what our connection gets when the stream ends, before it is told so.
	reads, writes func(m *middle, p []byte) []byte
	lost          func(m *middle) []byte

	// ends is called when our connection ends its side of the stream, fully or its
	// own half only; false keeps that from the peer.
	ends func(m *middle, half bool) bool
}

// middle is our connection's stream with a man in it.
type middle struct {
	net.Conn // towards the peer
	*damage
	server bool // our connection is the server
	random *rand.Rand

	in    passage // what our connection gets; its reader's
	ready []byte  // of it

	turn chan struct{} // held by whoever writes; guards the following
	out  passage

	// State of the damage. Those who use it take care that one side alone does.
	key   string // Sec-WebSocket-Key
	packs bool   // compression was agreed

	protocols, extensions string // offered

	late  time.Time       // since when something lasts
	swap  [2]string       // in the peer's head: what our connection gets instead of what
	open  bool            // a message is
	kind  byte            // its opcode
	begun []byte          // what has come of it
	count int             // of whatever
	kept  []frame         // for later
	flags map[string]bool // of whatever
}

// A passage is how far one direction was understood.
type passage struct {
	stage stage
	buf   []byte
	f     *frame // whose header has come and whose payload goes through
	drop  bool
	left  uint64 // of its payload
	pos   int
	key   [4]byte // that it came with
}

type stage int

const (
	heading stage = iota // HTTP
	framing              // frames
	through              // whatever it is
)

func newMiddle(d *damage, conn net.Conn, server bool) *middle {
	return &middle{
		damage: d, Conn: conn, server: server, random: rand.New(rand.NewPCG(1, 2)),
		turn: make(chan struct{}, 1), flags: make(map[string]bool),
	}
}

// readHeader reads a header from the front of p. It takes what parse does not.
func readHeader(p []byte) (f frame, size int) {
	if len(p) < 2 {
		return f, 0
	}
	f = frame{op: p[0] & 15, open: p[0]&0x80 == 0, rsv: p[0] & 0x70, mask: not, width: 1}
	n, at := uint64(p[1]&0x7F), 2
	switch n {
	case 126:
		f.width, at = 2, 4
	case 127:
		f.width, at = 8, 10
	}
	masked := p[1]&0x80 != 0
	size = at
	if masked {
		size += 4
	}
	if len(p) < size {
		return f, 0
	}
	switch f.width {
	case 2:
		n = uint64(binary.BigEndian.Uint16(p[2:]))
	case 8:
		n = binary.BigEndian.Uint64(p[2:])
	}
	f.claim = &n
	if masked {
		key := [4]byte(p[at:])
		f.mask, f.key = always, &key
	}
	return f, size
}

// editHead changes a head of HTTP. Lines that are no fields are kept as they are,
// in the names of fields without a colon.
func (m *middle) editHead(p []byte, e func(*middle, *head)) []byte {
	lines := strings.Split(strings.TrimSuffix(string(p), "\r\n\r\n"), "\r\n")
	h := head{first: lines[0]}
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if ok {
			name += ":"
		}
		h.fields = append(h.fields, field{name, value})
	}
	was := slices.Clone(h.fields)
	for i, f := range h.fields {
		h.fields[i] = field{strings.TrimSuffix(f.name, ":"), strings.TrimSpace(f.value)}
	}
	first := h.first
	e(m, &h)
	if h.raw != nil {
		return h.raw
	}
	var b bytes.Buffer
	b.WriteString(h.first)
	if h.first != first || len(h.fields) != len(was) {
		was = nil
	}
	for i, f := range h.fields {
		if i < len(was) && strings.TrimSuffix(was[i].name, ":") == f.name && strings.TrimSpace(was[i].value) == f.value {
			b.WriteString("\r\n" + was[i].name + was[i].value) // to the letter
		} else {
			b.WriteString("\r\n" + f.name + ": " + f.value)
		}
	}
	b.WriteString("\r\n\r\n")
	return b.Bytes()
}

// isHead reports whether this may become a head of HTTP.
func isHead(p []byte) bool {
	line, _, whole := bytes.Cut(p, []byte("\n"))
	if len(p) > 0 && (p[0] < 'A' || p[0] > 'z') || bytes.Contains(p, []byte("\n\n")) || len(p) >= 1<<17 {
		return false
	}
	return !whole || bytes.Contains(line, []byte("HTTP/"))
}

// pass takes what has come in one direction and returns what goes on.
func (m *middle) pass(w *passage, p []byte, e func(*middle, *head), frames func(dst []byte, w *passage) []byte) (out []byte) {
	w.buf = append(w.buf, p...)
	before := 0 // what was let through of the head
	if e == nil {
		before = len(w.buf) - len(p)
	}
	for w.stage == heading {
		i := bytes.Index(w.buf, []byte("\r\n\r\n"))
		switch {
		case i >= 0:
			i += 4
		case e == nil && len(w.buf) < 1<<17: // as it comes, but what is looked for is kept
			return append(out, w.buf[before:]...)
		case isHead(w.buf):
			return out
		default:
			w.stage = through
			w.buf = w.buf[before:]
			continue
		}
		head := w.buf[:i]
		w.buf = w.buf[i:]
		m.learn(head)
		answer := bytes.HasPrefix(head, []byte("HTTP/"))
		status, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("HTTP/1.1 ")), []byte(" "))
		if e != nil {
			head = m.editHead(head, e)
		}
		out = append(out, head[min(before, len(head)):]...)
		before = 0
		switch {
		case len(head) == 0 || answer && len(status) == 3 && status[0] == '1' && string(status) != "101":
		case frames == nil || answer && string(status) != "101":
			w.stage = through
		default:
			w.stage = framing
		}
	}
	if w.stage == through {
		out = append(out, w.buf...)
		w.buf = w.buf[:0]
		return out
	}
	return frames(out, w)
}

// learn keeps the key of the request, what is offered in it, and whether the
// answer agrees to compression.
func (m *middle) learn(head []byte) {
	if bytes.HasPrefix(head, []byte("HTTP/")) {
		m.packs = bytes.Contains(head, []byte(deflateName))
		return
	}
	for l := range strings.SplitSeq(string(head), "\r\n") {
		name, value, _ := strings.Cut(l, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "sec-websocket-key":
			m.key = value
		case "sec-websocket-protocol":
			m.protocols = value
		case "sec-websocket-extensions":
			m.extensions = value
		}
	}
}

// inbound lets frames through to our connection, each byte as it comes unless the
// frame is wanted whole.
func (m *middle) inbound(dst []byte, w *passage) []byte {
	for {
		if w.f == nil {
			f, size := readHeader(w.buf)
			if size == 0 {
				return dst
			}
			n := *f.claim
			if m.gets != nil && n < 1<<22 && (m.hold == nil || m.hold(m, &f)) {
				if uint64(len(w.buf)-size) < n {
					return dst
				}
				f.payload = bytes.Clone(w.buf[size : size+int(n)])
				if f.key != nil {
					unmask(f.payload, *f.key, 0)
				}
				f.claim = nil
				w.buf = w.buf[size+int(n):]
				dst = m.encode(dst, m.gets(m, f))
				continue
			}
			w.buf = w.buf[size:]
			w.f, w.left, w.pos = &f, n, 0
			if f.key != nil {
				w.key = *f.key
			} else {
				w.key = [4]byte{}
			}
			if w.drop = m.opens != nil && !m.opens(m, &f); !w.drop {
				dst = f.append(dst, false, m.random)
			}
		}
		n := int(min(w.left, uint64(len(w.buf))))
		p := w.buf[:n]
		w.buf = w.buf[n:]
		w.left -= uint64(n)
		if !w.drop {
			at := len(dst)
			dst = append(dst, p...)
			unmask(dst[at:], w.key, w.pos)
			if w.f.mask == always {
				unmask(dst[at:], *w.f.key, w.pos)
			}
		}
		w.pos += n
		if w.left > 0 {
			return dst
		}
		w.f = nil
	}
}

func unmask(p []byte, key [4]byte, pos int) {
	for i := range p {
		p[i] ^= key[(pos+i)&3]
	}
}

// outbound lets whole frames through to the peer.
func (m *middle) outbound(dst []byte, w *passage) []byte {
	for {
		f, size := readHeader(w.buf)
		if size == 0 || uint64(len(w.buf)-size) < *f.claim {
			return dst
		}
		n := int(*f.claim)
		f.payload = bytes.Clone(w.buf[size : size+n])
		if f.key != nil {
			unmask(f.payload, *f.key, 0)
		}
		f.claim, f.width = nil, 0
		w.buf = w.buf[size+n:]
		dst = m.encode(dst, m.sends(m, f))
	}
}

// encode appends frames; those made here have the masks of those that they stand
// beside.
func (m *middle) encode(dst []byte, frames []frame) []byte {
	for _, f := range frames {
		dst = f.append(dst, false, m.random)
	}
	return dst
}

// heard makes frames such as the peer sends, said such as our connection sends.
func (m *middle) heard(f ...frame) []frame { return maskAll(f, m.server) }
func (m *middle) said(f ...frame) []frame  { return maskAll(f, !m.server) }

func maskAll(frames []frame, masked bool) []frame {
	frames = slices.Clone(frames)
	for i := range frames {
		if frames[i].mask == asRole {
			frames[i].mask = not
			if masked {
				frames[i].mask = always
			}
		}
	}
	return frames
}

// say sends frames to the peer, from within opens and gets.
func (m *middle) say(f ...frame) {
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	m.Conn.Write(m.encode(nil, m.said(f...)))
}

func (m *middle) Read(p []byte) (int, error) {
	for len(m.ready) == 0 {
		n, err := m.Conn.Read(p)
		q := p[:n]
		if m.swap[0] != "" && m.in.stage == heading {
			q = bytes.ReplaceAll(q, []byte(m.swap[0]), []byte(m.swap[1]))
		}
		if n > 0 && m.reads != nil {
			q = m.reads(m, bytes.Clone(q))
		}
		if n == 0 && err != nil && m.lost != nil && !m.flags["lost"] && !errors.Is(err, os.ErrDeadlineExceeded) {
			m.flags["lost"] = true
			q = m.lost(m)
		}
		frames := m.inbound
		if m.opens == nil && m.gets == nil {
			frames = nil
		}
		m.ready = m.pass(&m.in, q, m.hears, frames)
		if len(m.ready) == 0 && err != nil {
			return 0, err
		}
	}
	n := copy(p, m.ready)
	m.ready = m.ready[n:]
	return n, nil
}

func (m *middle) Write(p []byte) (int, error) {
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	q := p
	if m.writes != nil {
		q = m.writes(m, bytes.Clone(p))
	}
	frames := m.outbound
	if m.sends == nil {
		frames = nil
	}
	if q = m.pass(&m.out, q, m.says, frames); len(q) == 0 {
		return len(p), nil
	}
	if _, err := m.Conn.Write(q); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (m *middle) Close() error {
	if m.ends != nil && !m.ends(m, false) {
		return nil
	}
	return m.Conn.Close()
}

func (m *middle) CloseWrite() error {
	if m.ends != nil && !m.ends(m, true) {
		return nil
	}
	return m.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// reset ends the stream as a crash does.
func (m *middle) reset() { m.Conn.(*wstest.End).Reset() }
