package core

import (
	cryptorand "crypto/rand"
	"math/rand/v2"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/deflate"
)

// EncoderConfig is what an Encoder needs to know.
type EncoderConfig struct {
	Server   bool // we are the server: we do not mask
	MaxFrame int  // payload bytes of a data frame, at least 1
	MinSize  int  // shorter messages are not compressed
}

// An Encoder turns messages and control frames into bytes for the peer. One
// goroutine at a time may use it. Its methods append to dst and return it, like
// append; dst and the payload must not overlap.
type Encoder struct {
	config   *EncoderConfig
	masks    *rand.ChaCha8     // nil for a server
	deflater *deflate.Deflater // nil: no compression

	// The message that Part is sending.
	open       bool
	compressed bool
}

// NewEncoder returns an Encoder by value, to be part of a larger struct. c, which
// many may share, is not changed any more. A nil deflater means no compression.
func NewEncoder(c *EncoderConfig, d *deflate.Deflater) Encoder {
	e := Encoder{config: c, deflater: d}
	if !c.Server {
		// A mask must be unpredictable to whoever chooses the payload: RFC 6455, 5.3.
		var seed [32]byte
		cryptorand.Read(seed[:])
		e.masks = rand.NewChaCha8(seed)
	}
	return e
}

// Release gives back what the Encoder holds, which must not be used afterwards.
func (e *Encoder) Release() {
	if e.deflater != nil {
		e.deflater.Release()
		e.deflater = nil
	}
}

// Plain reports whether a message of n bytes leaves as it is: neither masked
// nor compressed nor split.
func (e *Encoder) Plain(n int) bool {
	return e.masks == nil && n <= e.config.MaxFrame && !e.Compresses(n)
}

// Compresses reports whether a message of n bytes is compressed.
func (e *Encoder) Compresses(n int) bool { return e.deflater != nil && n >= e.config.MinSize }

// Head appends the header of a frame of n payload bytes that the caller writes
// itself. Servers only.
func (e *Encoder) Head(dst []byte, op frame.Opcode, n int) []byte {
	return frame.Header{Fin: true, Opcode: op, Length: int64(n)}.Append(dst)
}

// Frame appends one frame.
func (e *Encoder) Frame(dst []byte, fin bool, rsv byte, op frame.Opcode, p []byte) []byte {
	h := frame.Header{Fin: fin, RSV: rsv, Opcode: op, Length: int64(len(p))}
	if e.masks != nil {
		h.Masked = true
		v := e.masks.Uint64()
		h.Key = [4]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}
	}
	dst = h.Append(dst)
	at := len(dst)
	dst = append(dst, p...)
	if h.Masked {
		frame.Mask(dst[at:], h.Key, 0)
	}
	return dst
}

// Message appends a whole message. With whole set it is one frame, neither
// split nor compressed.
func (e *Encoder) Message(dst []byte, op frame.Opcode, p []byte, whole bool) []byte {
	switch {
	case whole:
		return e.Frame(dst, true, 0, op, p)
	case !e.Compresses(len(p)):
		return e.frames(dst, op, 0, p, true)
	}
	buf := bufs.Get(packedSize(p))
	packed := e.deflater.Append(buf[:0], p)
	dst = e.frames(dst, op, frame.RSV1, packed, true)
	bufs.Put(buf) // whatever packed has become
	return dst
}

// frames appends p as frames of at most maxFrame: the first with op and rsv, the
// last with FIN if last.
func (e *Encoder) frames(dst []byte, op frame.Opcode, rsv byte, p []byte, last bool) []byte {
	for len(p) > e.config.MaxFrame {
		dst = e.Frame(dst, false, rsv, op, p[:e.config.MaxFrame])
		p, op, rsv = p[e.config.MaxFrame:], frame.Continuation, 0
	}
	return e.Frame(dst, last, rsv, op, p)
}

// Part appends a piece of a message that is sent in pieces; op counts for the
// first one. With whole set the piece is exactly one frame. A message that
// begins with compress set, and all of its pieces, are compressed if that was
// agreed.
func (e *Encoder) Part(dst []byte, op frame.Opcode, p []byte, last, whole, compress bool) []byte {
	var rsv byte
	if !e.open {
		e.open, e.compressed = true, compress && e.deflater != nil
		if e.compressed {
			rsv = frame.RSV1
		}
	} else {
		op = frame.Continuation
	}
	if last {
		e.open = false
	}
	if !e.compressed {
		if whole {
			return e.Frame(dst, last, 0, op, p)
		}
		return e.frames(dst, op, 0, p, last)
	}
	buf := bufs.Get(packedSize(p))
	packed := e.deflater.Write(buf[:0], p)
	if last {
		packed = e.deflater.Finish(packed)
	} else {
		packed = e.deflater.Flush(packed)
	}
	if whole {
		dst = e.Frame(dst, last, rsv, op, packed)
	} else {
		dst = e.frames(dst, op, rsv, packed, last)
	}
	bufs.Put(buf)
	return dst
}

// packedSize is where a compressed p finds room, as a rule.
func packedSize(p []byte) int { return len(p) + len(p)/1024 + 64 }

// Control appends a control frame; p is at most 125 bytes.
func (e *Encoder) Control(dst []byte, op frame.Opcode, p []byte) []byte {
	return e.Frame(dst, true, 0, op, p)
}
