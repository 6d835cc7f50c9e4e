package frame

import "strconv"

// An Opcode says what a frame is: four bits. RFC 6455, 5.2 and 11.8.
type Opcode byte

// The opcodes that are defined; the others are reserved. RFC 6455, 11.8.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

// IsControl reports whether o is a control opcode, defined or not: those from 8
// on. RFC 6455, 5.5.
func (o Opcode) IsControl() bool { return o >= 8 }

// IsReserved reports whether o has no meaning: 3 to 7, 11 to 15, and what does
// not fit in four bits.
func (o Opcode) IsReserved() bool {
	return o > Pong || o > Binary && o < Close
}

// String returns the name of o in lower case, "reserved 3" for one without.
func (o Opcode) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "reserved " + strconv.Itoa(int(o))
}
