package frame

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// states are all that Check tells apart, without a limit.
var states = func() (all []State) {
	for i := range 8 {
		all = append(all, State{Server: i&1 != 0, RSV1: i&2 != 0, Fragmented: i&4 != 0})
	}
	return all
}()

// specCheck returns the sections that h breaks, told rule by rule without any
// order among them.
func specCheck(h Header, s State) (broken []string) {
	rule := func(broke bool, section string) {
		if broke {
			broken = append(broken, section)
		}
	}
	data := h.Opcode == Text || h.Opcode == Binary || h.Opcode == Continuation
	control := h.Opcode == Close || h.Opcode == Ping || h.Opcode == Pong
	rule(h.RSV&1 != 0, "RFC 6455, 5.2")
	rule(h.RSV&2 != 0, "RFC 6455, 5.2")
	rule(h.RSV&4 != 0 && !s.RSV1, "RFC 6455, 5.2")
	rule(h.RSV&4 != 0 && h.Opcode != Text && h.Opcode != Binary, "RFC 7692, 6")
	rule(!data && !control, "RFC 6455, 5.2")
	rule(s.Server != h.Masked, "RFC 6455, 5.1")
	rule(control && (!h.Fin || h.Length >= 126), "RFC 6455, 5.5")
	rule(data && s.Fragmented != (h.Opcode == Continuation), "RFC 6455, 5.4")
	return broken
}

// Every header of two bytes in every state, and every length that matters.
func TestCheckEverything(t *testing.T) {
	for _, s := range states {
		for b0 := range 256 {
			for _, masked := range []bool{false, true} {
				for _, l := range []int64{0, 1, 125, 126, 65535, 65536, math.MaxInt64} {
					h := Header{Fin: b0&128 != 0, RSV: byte(b0 >> 4 & 7), Opcode: Opcode(b0 & 15), Masked: masked, Length: l}
					got, want := Check(h, s), specCheck(h, s)
					switch {
					case got == nil && want != nil:
						t.Fatalf("%+v in %+v passed, breaks %q", h, s, want)
					case got != nil && !slices.Contains(want, got.Section):
						t.Fatalf("%+v in %+v: %v, want %q", h, s, got, want)
					case got != nil && got.Code != ProtocolError:
						t.Fatalf("%+v in %+v: %v", h, s, got.Code)
					}
				}
			}
		}
	}
}

// mustCheck wants want for h as a server and as a client receives it.
func mustCheck(t *testing.T, name string, h Header, s State, want *Error) {
	t.Helper()
	for _, server := range []bool{false, true} {
		h.Masked, s.Server = server, server
		if got := Check(h, s); got != want {
			t.Errorf("%s, server %t: %v, want %v", name, server, got, want)
		}
	}
}

var allOpcodes = []Opcode{Continuation, Text, Binary, 3, 4, 5, 6, 7, Close, Ping, Pong, 11, 12, 13, 14, 15}

func TestFR1_UnmaskedAtServer(t *testing.T) {
	for _, op := range []Opcode{Text, Binary, Close, Ping, Pong} {
		if got := Check(Header{Fin: true, Opcode: op}, State{Server: true}); got != errUnmasked {
			t.Errorf("%v: %v", op, got)
		}
	}
	if got := Check(Header{Fin: true}, State{Server: true, Fragmented: true}); got != errUnmasked {
		t.Errorf("continuation: %v", got)
	}
}

func TestFR2_MaskedAtClient(t *testing.T) {
	for _, op := range []Opcode{Text, Binary, Close, Ping, Pong} {
		if got := Check(Header{Fin: true, Opcode: op, Masked: true}, State{}); got != errMasked {
			t.Errorf("%v: %v", op, got)
		}
	}
}

func TestFR3_ReservedBits(t *testing.T) {
	for _, op := range allOpcodes {
		for _, rsv := range []byte{RSV2, RSV3, RSV2 | RSV3, RSV1 | RSV2, RSV1 | RSV3, RSV1 | RSV2 | RSV3} {
			for _, s := range states {
				mustCheck(t, fmt.Sprint(op, " rsv ", rsv), Header{Fin: true, RSV: rsv, Opcode: op, Length: 5}, s, errReservedBits)
			}
		}
	}
}

func TestFR4_RSV1WithoutExtension(t *testing.T) {
	for _, op := range allOpcodes {
		mustCheck(t, op.String(), Header{Fin: true, RSV: RSV1, Opcode: op}, State{}, errReservedBits)
	}
	for _, op := range []Opcode{Text, Binary} {
		mustCheck(t, op.String()+" with extension", Header{RSV: RSV1, Opcode: op}, State{RSV1: true}, nil)
	}
	for _, op := range []Opcode{Continuation, Close, Ping, Pong} {
		mustCheck(t, op.String()+" with extension", Header{Fin: true, RSV: RSV1, Opcode: op}, State{RSV1: true, Fragmented: true}, errCompressed)
	}
}

func TestFR5_ReservedOpcodes(t *testing.T) {
	for _, op := range allOpcodes {
		if !op.IsReserved() {
			continue
		}
		for _, l := range []int64{0, 1, 125, 126, 65536} {
			for _, s := range states {
				mustCheck(t, fmt.Sprint(op, " length ", l), Header{Fin: true, Opcode: op, Length: l}, s, errReservedOp)
				mustCheck(t, fmt.Sprint(op, " length ", l), Header{Opcode: op, Length: l}, s, errReservedOp)
			}
		}
	}
	mustCheck(t, "five bits", Header{Fin: true, Opcode: 0x11}, State{}, errReservedOp)
}

// Legal lengths that nobody will take: the header alone decides.
func TestFR8_LengthOverLimit(t *testing.T) {
	const limit = 1 << 20
	for _, c := range []struct {
		p    string
		want *Error
	}{
		{"\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", errTooBig}, // 2^63-1
		{"\x82\x7F\x00\x00\x00\x01\x00\x00\x00\x00", errTooBig}, // 2^32
		{"\x82\x7F\x00\x00\x00\x00\x80\x00\x00\x00", errTooBig}, // 2^31
		{"\x82\x7F\x00\x00\x00\x00\x00\x10\x00\x01", errTooBig}, // limit+1
		{"\x82\x7F\x00\x00\x00\x00\x00\x10\x00\x00", nil},       // limit
	} {
		h, n, err := Parse([]byte(c.p))
		if n != len(c.p) || err != nil {
			t.Fatalf("%x: %d, %v", c.p, n, err)
		}
		mustCheck(t, fmt.Sprint(h.Length), h, State{Limit: limit}, c.want)
		mustCheck(t, fmt.Sprint(h.Length, " without limit"), h, State{}, nil)
	}
	if errTooBig.Code != MessageTooBig {
		t.Error(errTooBig.Code)
	}
}

// What came and what is promised must not overflow when added.
func TestFR9_FragmentsOverflow(t *testing.T) {
	for _, c := range []struct {
		received, length, limit int64
		want                    *Error
	}{
		{1, math.MaxInt64, 1 << 20, errTooBig},
		{1 << 20, math.MaxInt64, 1 << 20, errTooBig},
		{math.MaxInt64, math.MaxInt64, math.MaxInt64, errTooBig},
		{math.MaxInt64 - 1, 2, math.MaxInt64, errTooBig},
		{math.MaxInt64 - 1, 1, math.MaxInt64, nil},
		{10, 91, 100, errTooBig},
		{10, 90, 100, nil},
		{100, 0, 100, nil},
		{100, 1, 100, errTooBig},
	} {
		s := State{Fragmented: true, Limit: c.limit, Received: c.received}
		mustCheck(t, fmt.Sprintf("%d of %d after %d", c.length, c.limit, c.received), Header{Length: c.length}, s, c.want)
	}
	// Control frames do not count.
	mustCheck(t, "ping at the limit", Header{Fin: true, Opcode: Ping, Length: 125}, State{Fragmented: true, Limit: 10, Received: 10}, nil)
}

func TestFR11_ControlTooLong(t *testing.T) {
	for _, op := range []Opcode{Close, Ping, Pong} {
		for _, s := range states {
			mustCheck(t, op.String(), Header{Fin: true, Opcode: op, Length: 125}, s, nil)
			mustCheck(t, op.String(), Header{Fin: true, Opcode: op, Length: 126}, s, errControlLong)
			mustCheck(t, op.String(), Header{Fin: true, Opcode: op, Length: 65536}, s, errControlLong)
		}
	}
}

func TestFR12_ControlFragmented(t *testing.T) {
	for _, op := range []Opcode{Close, Ping, Pong} {
		for _, l := range []int64{0, 125, 126} {
			for _, s := range states {
				mustCheck(t, op.String(), Header{Opcode: op, Length: l}, s, errControlSplit)
			}
		}
	}
}

func TestFR13_NothingToContinue(t *testing.T) {
	for _, fin := range []bool{false, true} {
		for _, l := range []int64{0, 5, 1 << 30} {
			mustCheck(t, "alone", Header{Fin: fin, Length: l}, State{}, errNothingOpen)
			mustCheck(t, "in a message", Header{Fin: fin, Length: l}, State{Fragmented: true}, nil)
		}
	}
}

func TestFR14_MessageInMessage(t *testing.T) {
	for _, op := range []Opcode{Text, Binary} {
		for _, fin := range []bool{false, true} {
			mustCheck(t, op.String(), Header{Fin: fin, Opcode: op}, State{Fragmented: true}, errStillOpen)
			mustCheck(t, op.String(), Header{Fin: fin, Opcode: op}, State{}, nil)
		}
	}
}

// What is no WebSocket at all is refused with its first header.
func TestFR29_FR30_OtherProtocols(t *testing.T) {
	for _, c := range []struct{ id, p string }{
		{"FR29", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"FR30", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
	} {
		t.Run(c.id, func(t *testing.T) {
			for _, s := range states {
				h, _, err := Parse([]byte(c.p))
				if err == nil && Check(h, s) == nil {
					t.Errorf("%q passed as %+v in %+v", c.p, h, s)
				}
			}
		})
	}
}

func TestFR32_RSV1InOpenMessage(t *testing.T) {
	s := State{RSV1: true, Fragmented: true}
	mustCheck(t, "continuation", Header{RSV: RSV1}, s, errCompressed)
	mustCheck(t, "RSV2", Header{RSV: RSV2}, s, errReservedBits)
}

// A header made by hand is judged too.
func TestCheckNegativeLength(t *testing.T) {
	mustCheck(t, "-1", Header{Fin: true, Opcode: Binary, Length: -1}, State{}, errLengthHigh)
}
