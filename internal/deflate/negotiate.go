package deflate

import (
	"errors"
	"fmt"
	"strconv"
)

// Name is the extension's name in Sec-WebSocket-Extensions. RFC 7692, 7.
const Name = "permessage-deflate"

// The extension's parameters. RFC 7692, 7.1. They are compared as they are: the
// RFC gives no leave to fold their case.
const (
	serverNoContext = "server_no_context_takeover"
	clientNoContext = "client_no_context_takeover"
	serverBits      = "server_max_window_bits"
	clientBits      = "client_max_window_bits"
)

// Window sizes as logarithms. RFC 7692, 7.1.2.
const (
	minBits = 8
	maxBits = 15
)

// A Param is a parameter of an offer or of an answer, already parsed and
// unquoted. Bare says that it has no value at all, not even "=".
type Param struct {
	Name, Value string
	Bare        bool
}

// Params are what was agreed. The bits are 8 to 15; 15 also if none were agreed.
type Params struct {
	ServerNoContext bool // the server does not refer back to earlier messages
	ClientNoContext bool // nor does the client
	ServerBits      int  // the server's distances are at most 1<<ServerBits
	ClientBits      int  // and the client's
}

// A Config is what one side wants. Zero is the default.
type Config struct {
	// Level is that of compress/flate, 1 to 9: 0 is 1. It is not negotiated.
	Level int

	// ServerContext and ClientContext allow that side context takeover; else it
	// is ruled out.
	ServerContext bool
	ClientContext bool

	// WindowBits is the largest window for either side, 8 to 15: 0 is 15. A
	// client that does not offer client_max_window_bits cannot be limited (RFC
	// 7692, 7.1.2.2) and gets 15.
	WindowBits int
}

func (c Config) bits() int {
	if c.WindowBits < minBits || c.WindowBits > maxBits {
		return maxBits
	}
	return c.WindowBits
}

// Accept chooses among a client's offers of this extension, in its order of
// preference, the first acceptable one. An offer with a parameter that is
// unknown, stands twice or has a value that it cannot have is declined, that
// offer only (RFC 7692, 5 and 7.1). The answer is the whole text for the
// response's Sec-WebSocket-Extensions. Without an acceptable offer ok is false,
// and the connection goes on without compression.
func (c Config) Accept(offers [][]Param) (p Params, answer string, ok bool) {
	for _, o := range offers {
		if s, err := parse(o, true); err == nil {
			p, answer = c.accept(s)
			return p, answer, true
		}
	}
	return Params{}, "", false
}

func (c Config) accept(s params) (Params, string) {
	p := Params{
		ServerNoContext: s.serverNoContext || !c.ServerContext,
		ClientNoContext: s.clientNoContext || !c.ClientContext,
		ServerBits:      c.bits(),
		ClientBits:      maxBits,
	}
	answer := Name
	if p.ServerNoContext {
		answer += "; " + serverNoContext
	}
	if p.ClientNoContext {
		answer += "; " + clientNoContext
	}
	// A client that asked must be told (7.1.2.1). One that did not is not told:
	// a smaller window needs no leave, and there are clients that fail on it.
	if s.serverBits != 0 {
		p.ServerBits = min(p.ServerBits, s.serverBits)
		answer += "; " + serverBits + "=" + strconv.Itoa(p.ServerBits)
	}
	// May only be said to a client that offered it, and always with a value
	// (7.1.2.2). Where there is nothing to limit it is left out.
	if s.hasClientBits {
		p.ClientBits = c.bits()
		if s.clientBits != 0 {
			p.ClientBits = min(p.ClientBits, s.clientBits)
		}
		if p.ClientBits < maxBits || s.clientBits != 0 {
			answer += "; " + clientBits + "=" + strconv.Itoa(p.ClientBits)
		}
	}
	return p, answer
}

// Offer returns a client's text for the request's Sec-WebSocket-Extensions: one
// offer. That the server may limit our window is always offered.
func (c Config) Offer() string {
	offer := Name
	if !c.ServerContext {
		offer += "; " + serverNoContext
	}
	if !c.ClientContext {
		offer += "; " + clientNoContext
	}
	if b := c.bits(); b < maxBits {
		n := strconv.Itoa(b)
		return offer + "; " + serverBits + "=" + n + "; " + clientBits + "=" + n
	}
	return offer + "; " + clientBits
}

// Confirm checks the parameters of the server's answer against what Offer of
// the same Config offered. On an error the client must fail the connection (RFC
// 7692, 7.1); that the server accepted an extension that was not offered, or
// this one twice, is for the caller to notice.
func (c Config) Confirm(answer []Param) (Params, error) {
	s, err := parse(answer, false)
	switch {
	case err != nil:
		return Params{}, err
	case !c.ServerContext && !s.serverNoContext:
		return Params{}, errNotAnswered(serverNoContext, "7.1.1.1")
	case c.bits() < maxBits && s.serverBits == 0:
		return Params{}, errNotAnswered(serverBits, "7.1.2.1")
	case s.serverBits > c.bits():
		return Params{}, fmt.Errorf("server answered %s=%d to an offer of %d (RFC 7692, 7.1.2.1)",
			serverBits, s.serverBits, c.bits())
	}
	p := Params{
		ServerNoContext: s.serverNoContext,
		ClientNoContext: s.clientNoContext || !c.ClientContext,
		ServerBits:      maxBits,
		ClientBits:      c.bits(),
	}
	if s.serverBits != 0 {
		p.ServerBits = s.serverBits
	}
	// More than was offered is allowed to the server and not used by us: the
	// offer was already a promise (7.1.2.2).
	if s.clientBits != 0 {
		p.ClientBits = min(p.ClientBits, s.clientBits)
	}
	return p, nil
}

// params are the parameters of one offer or answer; bits are 0 if absent, or if
// they came without a value.
type params struct {
	serverNoContext, clientNoContext bool
	serverBits, clientBits           int
	hasServerBits, hasClientBits     bool
}

var (
	errBits = errors.New("is not one of 8 to 15 (RFC 7692, 7.1.2)")
	errFlag = errors.New("takes no value (RFC 7692, 7.1.1)")
	errName = errors.New("is unknown (RFC 7692, 7.1)")
	errTwin = errors.New("stands twice (RFC 7692, 7.1)")
)

func parse(list []Param, offer bool) (s params, err error) {
	for _, p := range list {
		var twin *bool
		switch p.Name {
		case serverNoContext:
			twin, err = &s.serverNoContext, p.flag()
		case clientNoContext:
			twin, err = &s.clientNoContext, p.flag()
		case serverBits:
			twin = &s.hasServerBits
			s.serverBits, err = p.bits()
		case clientBits:
			twin = &s.hasClientBits
			if !offer || !p.Bare { // without a value: that it may be limited
				s.clientBits, err = p.bits()
			}
		default:
			err = errName
		}
		if err == nil && *twin {
			err = errTwin
		}
		if err != nil {
			return params{}, fmt.Errorf("%s: parameter %q %w", Name, p.Name, err)
		}
		*twin = true
	}
	return s, nil
}

func (p Param) flag() error {
	if !p.Bare {
		return errFlag
	}
	return nil
}

// bits reads 8 to 15 in decimal, without sign or leading zero. RFC 7692, 7.1.2.
func (p Param) bits() (int, error) {
	switch p.Value {
	case "8", "9", "10", "11", "12", "13", "14", "15":
		if !p.Bare {
			return strconv.Atoi(p.Value)
		}
	}
	return 0, errBits
}

func errNotAnswered(name, section string) error {
	return fmt.Errorf("%s: server accepted the offer without its parameter %q (RFC 7692, %s)", Name, name, section)
}
