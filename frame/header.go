package frame

import "encoding/binary"

const (
	MaxHeader  = 14  // bytes of the longest header
	MaxControl = 125 // bytes of the longest control payload; RFC 6455, 5.5
	MaxReason  = 123 // bytes of the longest close reason: MaxControl less the code
)

// The bits of Header.RSV. permessage-deflate uses RSV1; RFC 7692, 6.
const (
	RSV1 = 4
	RSV2 = 2
	RSV3 = 1
)

// A Header is the beginning of a frame, before the payload. RFC 6455, 5.2.
type Header struct {
	Fin    bool    // the last frame of its message
	RSV    byte    // reserved bits: RSV1, RSV2, RSV3 or'ed
	Opcode Opcode  // four bits
	Masked bool    // Key follows the length and masks the payload
	Key    [4]byte // zero unless Masked
	Length int64   // of the payload in bytes, never negative
}

// Size returns how many bytes Append writes: 2 to MaxHeader.
func (h Header) Size() int {
	n := 2
	switch l := uint64(h.Length); {
	case l > 0xFFFF:
		n += 8
	case l > 125:
		n += 2
	}
	if h.Masked {
		n += 4
	}
	return n
}

// Append appends the header to dst, its length in the shortest form, and
// returns the extended slice. It checks no rule; see Check. A negative Length is
// written with its most significant bit set, which every peer refuses.
func (h Header) Append(dst []byte) []byte {
	b0 := h.RSV&7<<4 | byte(h.Opcode)&15
	if h.Fin {
		b0 |= 0x80
	}
	var b1 byte
	if h.Masked {
		b1 = 0x80
	}
	switch l := uint64(h.Length); {
	case l > 0xFFFF:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, l)
	case l > 125:
		dst = append(dst, b0, b1|126, byte(l>>8), byte(l))
	default:
		dst = append(dst, b0, b1|byte(l))
	}
	if h.Masked {
		dst = append(dst, h.Key[0], h.Key[1], h.Key[2], h.Key[3])
	}
	return dst
}

// Parse reads the header that p begins with; n is how many bytes of p it is.
// With n = 0 and no error p holds only the beginning of one: call again with
// more. The error, an *Error, is a length that is not in its shortest form or
// has its most significant bit set; it comes with the first byte that makes it
// certain. All other rules are Check's.
//
// Nothing of p is kept, and nothing must be allocated for h.Length: it is only
// a promise.
func Parse(p []byte) (h Header, n int, err error) {
	if len(p) < 2 {
		return Header{}, 0, nil
	}
	n = 2
	length := int64(p[1] & 0x7F)
	switch length {
	case 126:
		if len(p) < 4 {
			return Header{}, 0, nil
		}
		length = int64(binary.BigEndian.Uint16(p[2:]))
		if length <= 125 {
			return Header{}, 0, errLengthForm
		}
		n = 4
	case 127:
		if length, err = length64(p[2:]); length < 0 || err != nil {
			return Header{}, 0, err
		}
		n = 10
	}
	if p[1]&0x80 != 0 {
		if len(p) < n+4 {
			return Header{}, 0, nil
		}
		h.Masked = true
		h.Key = [4]byte(p[n:])
		n += 4
	}
	h.Fin = p[0]&0x80 != 0
	h.RSV = p[0] >> 4 & 7
	h.Opcode = Opcode(p[0] & 15)
	h.Length = length
	return h, n, nil
}

// length64 reads a length of 8 bytes; -1 says that p is too short for it but
// not wrong so far.
func length64(p []byte) (int64, error) {
	if len(p) > 0 && p[0]&0x80 != 0 {
		return -1, errLengthHigh
	}
	if len(p) < 6 {
		return -1, nil
	}
	// Six bytes of zero leave 65535 at most, whatever the other two will be.
	if binary.BigEndian.Uint32(p) == 0 && p[4] == 0 && p[5] == 0 {
		return -1, errLengthForm
	}
	if len(p) < 8 {
		return -1, nil
	}
	return int64(binary.BigEndian.Uint64(p)), nil
}
