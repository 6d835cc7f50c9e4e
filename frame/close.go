package frame

import (
	"encoding/binary"
	"unicode/utf8"
)

// AppendClose appends the body of a Close frame to dst and returns the extended
// slice: the code and then the reason, of which at most MaxReason bytes of whole
// characters are taken; for NoStatus nothing. Whether they may be sent at all
// says CheckClose. RFC 6455, 5.5.1.
func AppendClose(dst []byte, code Code, reason string) []byte {
	if code == NoStatus {
		return dst
	}
	if len(reason) > MaxReason {
		n := MaxReason
		for n > MaxReason-utf8.UTFMax && !utf8.RuneStart(reason[n]) {
			n--
		}
		reason = reason[:n]
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// ParseClose reads the body of a received Close frame. An empty one is
// NoStatus. The error says how to fail the connection: with 1002 for a body of
// one byte or over MaxControl and for a code that may not be sent, with 1007
// for a reason that is not UTF-8. The reason is a copy. RFC 6455, 5.5.1 and 7.4.
//
// The error is an *Error, not an error: do not assign a nil one to an error
// variable, it would not be nil there.
func ParseClose(p []byte) (Code, string, *Error) {
	switch {
	case len(p) == 0:
		return NoStatus, "", nil
	case len(p) == 1:
		return 0, "", errCloseShort
	case len(p) > MaxControl:
		return 0, "", errCloseLong
	}
	code := Code(binary.BigEndian.Uint16(p))
	switch {
	case !code.Valid():
		return 0, "", errCloseCode
	case !utf8.Valid(p[2:]):
		return 0, "", errCloseUTF8
	}
	return code, string(p[2:]), nil
}

// CheckClose says why a Close with this code and reason may not be sent, nil if
// it may: the code must be Valid, or NoStatus without a reason, and the reason
// UTF-8 of at most MaxReason bytes. The error is an *Error. RFC 6455, 7.4.
func CheckClose(code Code, reason string) error {
	switch {
	case code == NoStatus && reason == "":
		return nil
	case code == NoStatus:
		return errCloseNoCode
	case !code.Valid():
		return errCloseCode
	case len(reason) > MaxReason:
		return errCloseLong
	case !utf8.ValidString(reason):
		return errCloseUTF8
	}
	return nil
}
