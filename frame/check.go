package frame

// A State is what must be known of a connection to judge the next header.
type State struct {
	Server     bool // we are the server: what comes must be masked
	RSV1       bool // an extension that uses RSV1 is in force
	Fragmented bool // a message has begun and its last frame has not come

	// Limit is the largest message in bytes: 0 is none. Received is how much of
	// the open message has come. For a compressed message, whose length says
	// little, leave Limit 0 and limit what is inflated.
	Limit    int64
	Received int64
}

// Check returns the rule that h breaks as the next header received, nil if
// none. The result is an *Error, not an error: do not assign a nil one to an
// error variable, it would not be nil there.
func Check(h Header, s State) *Error {
	control := h.Opcode.IsControl()
	switch {
	// RFC 6455, 5.2: zero unless a negotiated extension gives them a meaning.
	// RSV1 is the only one that an extension of ours does.
	case h.RSV&^RSV1 != 0 || h.RSV != 0 && !s.RSV1:
		return errReservedBits
	case h.Opcode.IsReserved():
		return errReservedOp
	// RFC 7692, 6: neither on control frames nor on later fragments.
	case h.RSV != 0 && (control || h.Opcode == Continuation):
		return errCompressed
	// RFC 6455, 5.1.
	case s.Server && !h.Masked:
		return errUnmasked
	case !s.Server && h.Masked:
		return errMasked
	// Parse never returns one; this is for headers made by hand.
	case h.Length < 0:
		return errLengthHigh
	case control:
		return checkControl(h)
	}
	return checkData(h, s)
}

// checkControl: RFC 6455, 5.5. A control frame may stand between the fragments
// of a message.
func checkControl(h Header) *Error {
	switch {
	case !h.Fin:
		return errControlSplit
	case h.Length > MaxControl:
		return errControlLong
	}
	return nil
}

// checkData: RFC 6455, 5.4 for the sequence, 10.4 for the limit.
func checkData(h Header, s State) *Error {
	switch {
	case h.Opcode == Continuation && !s.Fragmented:
		return errNothingOpen
	case h.Opcode != Continuation && s.Fragmented:
		return errStillOpen
	// Subtracted, for a sum could overflow.
	case s.Limit > 0 && h.Length > s.Limit-s.Received:
		return errTooBig
	}
	return nil
}
