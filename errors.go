package curlew

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"curlew.example/curlew/frame"
)

var (
	// ErrTooBig: the message given is larger than Options.MaxMessage. Nothing
	// was sent and the connection lives.
	ErrTooBig = errors.New("curlew: message larger than MaxMessage")

	// ErrQueueFull: the send queue is full and the policy dropped the message.
	ErrQueueFull = errors.New("curlew: send queue full")

	// ErrInvalidUTF8: the text given is not UTF-8. Nothing was sent and the
	// connection lives. RFC 6455, 8.1.
	ErrInvalidUTF8 = errors.New("curlew: text is not valid UTF-8")

	// ErrBusy: another goroutine is reading, or Serve has the connection.
	ErrBusy = errors.New("curlew: connection is being read by somebody else")

	// ErrSending, together with the context's error: the wait was given up when
	// the message was already under way; it is completed from a copy.
	ErrSending = errors.New("curlew: message is still being sent")

	// ErrWriterClosed: the Writer is closed, or has failed.
	ErrWriterClosed = errors.New("curlew: write to a closed Writer")

	// ErrInvalidClose: the code may not be sent, or the reason is longer than
	// 123 bytes or not UTF-8. Nothing was sent. RFC 6455, 7.4.
	ErrInvalidClose = errors.New("curlew: invalid close code or reason")
)

// A CloseError is what ended a connection. There is one for each connection,
// it never changes, and it matches net.ErrClosed.
type CloseError struct {
	// Code is that of the Close frame that began the ending; NoStatus if it had
	// none, AbnormalClosure if there was no Close frame.
	Code Code

	// Reason is the Close frame's, at most 123 bytes of UTF-8. A peer's reason
	// is a stranger's text: escape it before it is shown.
	Reason string

	// Remote says that the peer began: its Close was received before ours was
	// sent, or it ended the stream without one.
	Remote bool

	// Err is the cause below: a rule that was broken, an I/O error, the argument
	// of Abort; often nil.
	Err error

	orderly bool
}

// Orderly reports whether both sides sent a Close. RFC 6455, 7.1.4.
func (e *CloseError) Orderly() bool { return e.orderly }

func (e *CloseError) Error() string {
	who := "locally"
	if e.Remote {
		who = "by the peer"
	}
	s := fmt.Sprintf("curlew: connection closed %s: %v", who, e.Code)
	if e.Reason != "" {
		s += fmt.Sprintf(" %q", e.Reason)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *CloseError) Unwrap() error { return e.Err }

// Is makes every CloseError match net.ErrClosed.
func (e *CloseError) Is(target error) bool { return target == net.ErrClosed }

// A HandshakeError says why no connection came about. Accept has already
// answered with Status. From Dial it holds what the server or the proxy
// answered, if it answered at all.
type HandshakeError struct {
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int

	// Header is that of the answer.
	Header http.Header

	// Body is the start of the answer's body, at most 64 KiB. Dial only.
	Body []byte

	// Err is what was wrong.
	Err error
}

func (e *HandshakeError) Error() string {
	if e.Status == 0 {
		return "curlew: handshake: " + e.Err.Error()
	}
	return fmt.Sprintf("curlew: handshake: status %d: %v", e.Status, e.Err)
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// A Code is the status code of a Close frame. RFC 6455, 7.4; the registered
// ones are constants here.
type Code = frame.Code

// The registered codes. NoStatus, AbnormalClosure and TLSFailure never stand in
// a Close frame; they say what happened instead of one.
const (
	NormalClosure      = frame.NormalClosure      // 1000
	GoingAway          = frame.GoingAway          // 1001
	ProtocolError      = frame.ProtocolError      // 1002
	UnsupportedData    = frame.UnsupportedData    // 1003
	NoStatus           = frame.NoStatus           // 1005: a Close without a code
	AbnormalClosure    = frame.AbnormalClosure    // 1006: no Close at all
	InvalidPayload     = frame.InvalidPayload     // 1007: text that is not UTF-8, and the like
	PolicyViolation    = frame.PolicyViolation    // 1008
	MessageTooBig      = frame.MessageTooBig      // 1009
	MandatoryExtension = frame.MandatoryExtension // 1010
	InternalError      = frame.InternalError      // 1011
	ServiceRestart     = frame.ServiceRestart     // 1012
	TryAgainLater      = frame.TryAgainLater      // 1013
	BadGateway         = frame.BadGateway         // 1014
	TLSFailure         = frame.TLSFailure         // 1015
)
