package wstest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"curlew.example/curlew/frame"
)

// A Frame is one that a Peer sends or wants. The functions Text, Binary, Cont,
// Ping, Pong, Close, Op and Raw make them; the methods return a changed copy and
// leave the frame as it was. A Frame may break every rule.
type Frame struct {
	Fin     bool
	RSV     byte // frame.RSV1, RSV2, RSV3 or'ed
	Opcode  frame.Opcode
	Payload []byte // before masking

	mask   maskMode
	key    [4]byte
	keyed  bool  // key is to be used, not one of the Peer's
	length int64 // what the header says, if lie
	lie    bool
	wide   int // 16 or 64: bits of the length, 0 the shortest form
	raw    bool
}

type maskMode uint8

const (
	maskByRole maskMode = iota // as clients do and servers do not
	maskOn
	maskOff
)

// Text is a whole text message.
func Text(s string) Frame { return Op(frame.Text, []byte(s)) }

// Binary is a whole binary message.
func Binary(p []byte) Frame { return Op(frame.Binary, p) }

// Cont is the last fragment of a message, More(Cont(s)) one in between.
func Cont(s string) Frame { return Op(frame.Continuation, []byte(s)) }

// More is f without FIN: More(Text("he")) begins a message that Cont("llo")
// ends.
func More(f Frame) Frame {
	f.Fin = false
	return f
}

// Ping is a ping.
func Ping(s string) Frame { return Op(frame.Ping, []byte(s)) }

// Pong is a pong.
func Pong(s string) Frame { return Op(frame.Pong, []byte(s)) }

// Close is a Close frame with that code, valid or not, and reason; with
// frame.NoStatus and no reason its body is empty.
func Close(code frame.Code, reason string) Frame {
	if code == frame.NoStatus && reason == "" {
		return Op(frame.Close, nil)
	}
	return Op(frame.Close, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

// Op is a frame of any opcode with FIN set. The payload is not copied.
func Op(op frame.Opcode, payload []byte) Frame {
	return Frame{Fin: true, Opcode: op, Payload: payload}
}

// Raw are bytes that are sent as they are, frame or not. It cannot be wanted.
func Raw(p []byte) Frame { return Frame{Payload: p, raw: true} }

// Reserved sets the reserved bits: frame.RSV1, RSV2, RSV3 or'ed.
func (f Frame) Reserved(bits byte) Frame {
	f.RSV = bits & 7
	return f
}

// Masked masks the frame, whoever sends it.
func (f Frame) Masked() Frame {
	f.mask = maskOn
	return f
}

// Unmasked leaves the frame without a mask, whoever sends it.
func (f Frame) Unmasked() Frame {
	f.mask = maskOff
	return f
}

// Key masks the frame with this key.
func (f Frame) Key(key [4]byte) Frame {
	f.mask, f.key, f.keyed = maskOn, key, true
	return f
}

// Length makes the header say n, which may be a lie. The bits of a negative n
// are sent as they are.
func (f Frame) Length(n int64) Frame {
	f.length, f.lie = n, true
	return f
}

// Wide gives the length 16 or 64 bits, also where fewer would do.
func (f Frame) Wide(bits int) Frame {
	f.wide = bits
	return f
}

// Split cuts a message of one frame into fragments of n bytes at most.
func (f Frame) Split(n int) []Frame {
	var frames []Frame
	p := f.Payload
	for n > 0 && len(p) > n {
		g := f
		g.Fin, g.Payload = false, p[:n]
		frames = append(frames, g)
		f.Opcode, f.RSV, p = frame.Continuation, 0, p[n:]
	}
	f.Payload = p
	return append(frames, f)
}

// Append appends the frame to dst as a Peer of that kind sends it, masked by key
// if it is a client and the frame does not say otherwise.
func (f Frame) Append(dst []byte, client bool, key [4]byte) []byte {
	if f.raw {
		return append(dst, f.Payload...)
	}
	if f.keyed {
		key = f.key
	}
	h := frame.Header{
		Fin:    f.Fin,
		RSV:    f.RSV,
		Opcode: f.Opcode,
		Masked: f.mask == maskOn || f.mask == maskByRole && client,
		Key:    key,
		Length: int64(len(f.Payload)),
	}
	if f.lie {
		h.Length = f.length
	}
	dst = f.appendHeader(dst, h)
	at := len(dst)
	dst = append(dst, f.Payload...)
	if h.Masked {
		frame.Mask(dst[at:], h.Key, 0)
	}
	return dst
}

func (f Frame) appendHeader(dst []byte, h frame.Header) []byte {
	if f.wide == 0 {
		return h.Append(dst)
	}
	first := h
	first.Length = 0
	b := first.Append(nil)
	n := uint64(h.Length)
	if f.wide == 16 {
		dst = append(dst, b[0], b[1]|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	} else {
		dst = append(dst, b[0], b[1]|127)
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	return append(dst, b[2:]...) // the key
}

// same reports whether got is what f wants.
func (f Frame) same(got Frame) bool {
	return f.Fin == got.Fin && f.RSV == got.RSV && f.Opcode == got.Opcode &&
		bytes.Equal(f.Payload, got.Payload)
}

// String describes the frame on one line, long payloads by their beginning,
// length and checksum.
func (f Frame) String() string {
	if f.raw {
		return "raw " + brief(f.Payload)
	}
	var b strings.Builder
	b.WriteString(f.Opcode.String())
	if !f.Fin {
		b.WriteString(" (more)")
	}
	for i, name := range []string{"RSV1", "RSV2", "RSV3"} {
		if f.RSV&(frame.RSV1>>i) != 0 {
			b.WriteString(" " + name)
		}
	}
	switch f.mask {
	case maskOn:
		b.WriteString(" masked")
	case maskOff:
		b.WriteString(" unmasked")
	}
	if f.lie {
		fmt.Fprintf(&b, " length %d", f.length)
	}
	if f.wide != 0 {
		fmt.Fprintf(&b, " in %d bits", f.wide)
	}
	if f.Opcode == frame.Close && len(f.Payload) >= 2 {
		fmt.Fprintf(&b, " %d", binary.BigEndian.Uint16(f.Payload))
		if len(f.Payload) > 2 {
			b.WriteString(" " + brief(f.Payload[2:]))
		}
		return b.String()
	}
	b.WriteString(" " + brief(f.Payload))
	return b.String()
}

const briefLen = 60

func brief(p []byte) string {
	if len(p) <= briefLen {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%q... %d bytes, crc %08x", p[:briefLen], len(p), crc32.ChecksumIEEE(p))
}
