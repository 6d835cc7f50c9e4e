package frame

import "strconv"

// A Code is the status code of a Close frame. RFC 6455, 7.4. Those from 3000 to
// 3999 are for libraries and frameworks, those from 4000 to 4999 for
// applications.
type Code uint16

// The registered codes. RFC 6455, 7.4.1 and 11.7; 1012 to 1014 are of IANA's
// registry alone. NoStatus, AbnormalClosure and TLSFailure never stand in a
// Close frame: they say what happened instead of one.
const (
	NormalClosure      Code = 1000
	GoingAway          Code = 1001
	ProtocolError      Code = 1002
	UnsupportedData    Code = 1003
	NoStatus           Code = 1005 // a Close without a code
	AbnormalClosure    Code = 1006 // no Close at all
	InvalidPayload     Code = 1007 // text that is not UTF-8, and the like
	PolicyViolation    Code = 1008
	MessageTooBig      Code = 1009
	MandatoryExtension Code = 1010
	InternalError      Code = 1011
	ServiceRestart     Code = 1012
	TryAgainLater      Code = 1013
	BadGateway         Code = 1014
	TLSFailure         Code = 1015 // the TLS handshake failed
)

// Valid reports whether c may stand in a Close frame: 1000 to 1003, 1007 to
// 1014, 3000 to 4999. RFC 6455, 7.4.
func (c Code) Valid() bool {
	switch {
	case c < 1000:
		return false
	case c <= UnsupportedData:
		return true
	case c < InvalidPayload:
		return false
	case c <= BadGateway:
		return true
	}
	return c >= 3000 && c <= 4999
}

// String returns the number and, for a registered code, its name: "1000 normal
// closure", "4001".
func (c Code) String() string {
	switch c {
	case NormalClosure:
		return "1000 normal closure"
	case GoingAway:
		return "1001 going away"
	case ProtocolError:
		return "1002 protocol error"
	case UnsupportedData:
		return "1003 unsupported data"
	case NoStatus:
		return "1005 no status"
	case AbnormalClosure:
		return "1006 abnormal closure"
	case InvalidPayload:
		return "1007 invalid payload"
	case PolicyViolation:
		return "1008 policy violation"
	case MessageTooBig:
		return "1009 message too big"
	case MandatoryExtension:
		return "1010 mandatory extension"
	case InternalError:
		return "1011 internal error"
	case ServiceRestart:
		return "1012 service restart"
	case TryAgainLater:
		return "1013 try again later"
	case BadGateway:
		return "1014 bad gateway"
	case TLSFailure:
		return "1015 TLS failure"
	}
	return strconv.Itoa(int(c))
}
