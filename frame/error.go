package frame

// An Error is a rule that was broken. Those of this package are shared values:
// do not change them.
type Error struct {
	// Code is what the connection is to be failed with. RFC 6455, 7.1.7.
	Code Code

	// Section is where the rule stands: "RFC 6455, 5.2".
	Section string

	// Text says what was wrong, in lower case. It holds nothing that the peer
	// sent.
	Text string
}

// Error returns the section and the text: "RFC 6455, 5.2: reserved opcode".
func (e *Error) Error() string { return e.Section + ": " + e.Text }

// Every rule that this package checks. Nothing is allocated for a broken one.
var (
	errLengthHigh   = &Error{ProtocolError, "RFC 6455, 5.2", "length with the most significant bit set"}
	errLengthForm   = &Error{ProtocolError, "RFC 6455, 5.2", "length not in its shortest form"}
	errReservedBits = &Error{ProtocolError, "RFC 6455, 5.2", "reserved bit without an extension that defines it"}
	errReservedOp   = &Error{ProtocolError, "RFC 6455, 5.2", "reserved opcode"}
	errCompressed   = &Error{ProtocolError, "RFC 7692, 6", "compression bit on a frame that does not begin a message"}
	errUnmasked     = &Error{ProtocolError, "RFC 6455, 5.1", "frame of a client is not masked"}
	errMasked       = &Error{ProtocolError, "RFC 6455, 5.1", "frame of a server is masked"}
	errControlSplit = &Error{ProtocolError, "RFC 6455, 5.5", "control frame is fragmented"}
	errControlLong  = &Error{ProtocolError, "RFC 6455, 5.5", "control frame with more than 125 bytes"}
	errNothingOpen  = &Error{ProtocolError, "RFC 6455, 5.4", "continuation without a message to continue"}
	errStillOpen    = &Error{ProtocolError, "RFC 6455, 5.4", "new message before the last frame of the one before"}
	errTooBig       = &Error{MessageTooBig, "RFC 6455, 10.4", "message larger than the limit"}

	errCloseShort  = &Error{ProtocolError, "RFC 6455, 5.5.1", "close body of one byte"}
	errCloseLong   = &Error{ProtocolError, "RFC 6455, 5.5", "close reason with more than 123 bytes"}
	errCloseCode   = &Error{ProtocolError, "RFC 6455, 7.4", "close code that may not be sent"}
	errCloseUTF8   = &Error{InvalidPayload, "RFC 6455, 5.5.1", "close reason is not valid UTF-8"}
	errCloseNoCode = &Error{ProtocolError, "RFC 6455, 5.5.1", "close reason without a code"}
)
