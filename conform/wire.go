package conform

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"unicode/utf8"
)

// Opcodes. RFC 6455, 11.8.
const (
	opCont   = 0
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// Reserved bits, as in the first byte of a frame.
const (
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

// A frame is what is put on the wire, right or wrong. The constructors make right
// ones; its methods return changed copies.
type frame struct {
	op      byte
	open    bool // FIN is not set
	rsv     byte // rsv1, rsv2, rsv3
	payload []byte

	deflate bool    // the message that begins here is to be compressed, and rsv1 set
	width   int     // bytes of the length: 0 the shortest form, else 1, 2 or 8
	claim   *uint64 // the length that the header promises, if it is another
	mask    mask
	key     *[4]byte // instead of a random one
	raw     []byte   // instead of a frame: these bytes
}

type mask byte

const (
	asRole mask = iota // a client masks, a server does not
	always
	not
)

func text(s string) frame     { return frame{op: opText, payload: []byte(s)} }
func bin(p []byte) frame      { return frame{op: opBinary, payload: p} }
func cont(s string) frame     { return frame{op: opCont, payload: []byte(s)} }
func ping(s string) frame     { return frame{op: opPing, payload: []byte(s)} }
func pong(s string) frame     { return frame{op: opPong, payload: []byte(s)} }
func rawBytes(p []byte) frame { return frame{raw: p} }

// op is a frame of any opcode.
func op(code byte, s string) frame { return frame{op: code & 15, payload: []byte(s)} }

// closing is a Close; 0 has no body.
func closing(code int, reason string) frame {
	if code == 0 {
		return frame{op: opClose}
	}
	return frame{op: opClose, payload: append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)}
}

// closeBody is a Close with that body, valid or not.
func closeBody(p []byte) frame { return frame{op: opClose, payload: p} }

func (f frame) more() frame           { f.open = true; return f }    // without FIN
func (f frame) reserved(b byte) frame { f.rsv |= b; return f }       // with reserved bits
func (f frame) deflated() frame       { f.deflate = true; return f } // the message is compressed
func (f frame) wide(n int) frame      { f.width = n; return f }      // the length takes n bytes: 1, 2 or 8
func (f frame) claims(n uint64) frame { f.claim = &n; return f }     // the header promises n bytes
func (f frame) masked() frame         { f.mask = always; return f }  // also by a server
func (f frame) unmasked() frame       { f.mask = not; return f }     // also by a client
func (f frame) keyed(k [4]byte) frame { f.key = &k; return f }       // masked with this key

// split is the message in frames of n payload bytes, at least one frame.
func (f frame) split(n int) []frame {
	var all []frame
	for p := f.payload; ; {
		k := min(n, len(p))
		g := f
		g.payload, p = p[:k], p[k:]
		if len(all) > 0 {
			g.op, g.rsv = opCont, 0
		}
		g.open = f.open || len(p) > 0
		all = append(all, g)
		if len(p) == 0 {
			return all
		}
	}
}

// append puts f on the wire. client says that we are one.
func (f frame) append(dst []byte, client bool, random *rand.Rand) []byte {
	if f.raw != nil {
		return append(dst, f.raw...)
	}
	first := f.op | f.rsv
	if !f.open {
		first |= 0x80
	}
	masks := f.mask == always || f.mask == asRole && client
	var second byte
	if masks {
		second = 0x80
	}
	n := uint64(len(f.payload))
	if f.claim != nil {
		n = *f.claim
	}
	width := f.width
	if width == 0 {
		switch {
		case n < 126:
			width = 1
		case n < 1<<16:
			width = 2
		default:
			width = 8
		}
	}
	switch width {
	case 1:
		dst = append(dst, first, second|byte(n))
	case 2:
		dst = binary.BigEndian.AppendUint16(append(dst, first, second|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, second|127), n)
	}
	if !masks {
		return append(dst, f.payload...)
	}
	var key [4]byte
	if f.key != nil {
		key = *f.key
	} else {
		binary.LittleEndian.PutUint32(key[:], random.Uint32())
	}
	dst = append(dst, key[:]...)
	for i, b := range f.payload {
		dst = append(dst, b^key[i&3])
	}
	return dst
}

func (f frame) String() string {
	if f.raw != nil {
		return fmt.Sprintf("%d bytes %s", len(f.raw), excerpt(f.raw))
	}
	var b bytes.Buffer
	b.WriteString(opName(f.op))
	if f.open {
		b.WriteString(" more")
	}
	for i, bit := range []byte{rsv1, rsv2, rsv3} {
		if f.rsv&bit != 0 {
			fmt.Fprintf(&b, " RSV%d", i+1)
		}
	}
	switch f.mask {
	case always:
		b.WriteString(" masked")
	case not:
		b.WriteString(" unmasked")
	}
	if f.width != 0 {
		fmt.Fprintf(&b, " length in %d", f.width)
	}
	if f.claim != nil {
		fmt.Fprintf(&b, " promises %d", *f.claim)
	}
	fmt.Fprintf(&b, " %d", len(f.payload))
	if len(f.payload) > 0 {
		if f.op == opClose && len(f.payload) >= 2 {
			fmt.Fprintf(&b, " %d", binary.BigEndian.Uint16(f.payload))
			if len(f.payload) > 2 {
				b.WriteString(" " + excerpt(f.payload[2:]))
			}
		} else {
			b.WriteString(" " + excerpt(f.payload))
		}
	}
	return b.String()
}

func opName(o byte) string {
	switch o {
	case opCont:
		return "continuation"
	case opText:
		return "text"
	case opBinary:
		return "binary"
	case opClose:
		return "close"
	case opPing:
		return "ping"
	case opPong:
		return "pong"
	}
	return fmt.Sprintf("opcode %d", o)
}

// excerpt is the beginning of p, escaped: nothing of a peer's reaches a terminal
// as it came.
func excerpt(p []byte) string {
	const most = 40
	tail := ""
	if len(p) > most {
		p, tail = p[:most], "…"
		for i := 1; i < utf8.UTFMax && i < len(p); i++ { // not in the middle of a rune
			if utf8.RuneStart(p[len(p)-i]) {
				if !utf8.FullRune(p[len(p)-i:]) {
					p = p[:len(p)-i]
				}
				break
			}
		}
	}
	if utf8.Valid(p) {
		return strconv.QuoteToGraphic(string(p)) + tail
	}
	return fmt.Sprintf("%x%s", p, tail)
}

// received is a frame of the peer's.
type received struct {
	op      byte
	fin     bool
	rsv     byte
	masked  bool
	key     [4]byte
	payload []byte
}

func (r received) String() string {
	f := frame{op: r.op, open: !r.fin, rsv: r.rsv, payload: r.payload}
	if r.masked {
		f.mask = always
	}
	return f.String()
}

// parse reads one frame from the front of p and unmasks it in place. need is how
// many bytes p must have at least to go on, if it has too few. wrong is the rule
// that the header breaks by itself, whoever sent it.
func parse(p []byte) (r received, size int, need uint64, wrong *rule) {
	if len(p) < 2 {
		return r, 0, 2, nil
	}
	r = received{op: p[0] & 15, fin: p[0]&0x80 != 0, rsv: p[0] & 0x70, masked: p[1]&0x80 != 0}
	n, head := uint64(p[1]&0x7F), 2
	switch n {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	body := head
	if r.masked {
		body += 4
	}
	if len(p) < body {
		return r, 0, uint64(body), nil
	}
	switch head {
	case 4:
		n = uint64(binary.BigEndian.Uint16(p[2:]))
		if n < 126 {
			wrong = ruleMinimal
		}
	case 10:
		n = binary.BigEndian.Uint64(p[2:])
		if n < 1<<16 {
			wrong = ruleMinimal
		}
		if n >= 1<<63 {
			return r, 0, 0, ruleLength
		}
	}
	if r.op >= opClose && (n > 125 || !r.fin) {
		wrong = ruleControl
	}
	if uint64(len(p)) < uint64(body)+n {
		return r, 0, uint64(body) + n, wrong
	}
	size = body + int(n)
	r.payload = p[body:size:size]
	if r.masked {
		r.key = [4]byte(p[body-4 : body])
		for i := range r.payload {
			r.payload[i] ^= r.key[i&3]
		}
	}
	return r, size, 0, wrong
}

// A rule is one that holds for every frame of the peer's, in every case.
type rule struct{ text, spec string }

func (r *rule) String() string { return r.text + " (" + r.spec + ")" }

var (
	ruleMinimal  = &rule{"the minimal number of bytes must be used to encode the length", "RFC 6455, 5.2"}
	ruleLength   = &rule{"the most significant bit of a 64-bit length must be 0", "RFC 6455, 5.2"}
	ruleControl  = &rule{"control frames have at most 125 bytes of payload and are not fragmented", "RFC 6455, 5.5"}
	ruleMasked   = &rule{"a client masks all frames that it sends", "RFC 6455, 5.3"}
	ruleUnmasked = &rule{"a server does not mask any frame that it sends", "RFC 6455, 5.1"}
	ruleReserved = &rule{"reserved bits are 0 unless an extension defines them", "RFC 6455, 5.2"}
	ruleOpcode   = &rule{"the opcodes 3 to 7 and 11 to 15 are reserved", "RFC 6455, 5.2"}
	ruleSequence = &rule{"the frames of two messages are not mixed, and a continuation continues something", "RFC 6455, 5.4"}
	ruleText     = &rule{"a text message is valid UTF-8", "RFC 6455, 5.6 and 8.1"}
	ruleBody     = &rule{"the body of a Close is a code that may be sent and a reason in UTF-8", "RFC 6455, 5.5.1 and 7.4"}
	ruleAfter    = &rule{"no data frame is sent after a Close", "RFC 6455, 5.5.1"}
	ruleRSV1     = &rule{"RSV1 is set in the first frame of a compressed message only", "RFC 7692, 6"}
	ruleInflate  = &rule{"a compressed message is DEFLATE within the agreed window and context", "RFC 7692, 7.2"}
)
