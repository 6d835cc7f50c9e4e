package core

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"curlew.example/curlew/frame"
)

// written is what a Control and its Encoder write, as the peer's account of it.
func written(t *testing.T, server bool, b []byte) string {
	t.Helper()
	c := open
	c.Server = !server
	return decode(t, c, b)
}

// A lane is a Control with an Encoder.
type lane struct {
	t *testing.T
	Control
	Encoder
	server bool
}

func newLane(t *testing.T, server bool) *lane {
	return &lane{t: t, Encoder: NewEncoder(&EncoderConfig{Server: server, MaxFrame: 1 << 20}, nil), server: server}
}

// wants checks what is owed; it is no more than Size says.
func (l *lane) wants(why, want string) {
	l.t.Helper()
	if l.Owes() != (want != "") {
		l.t.Errorf("%s: Owes %t", why, l.Owes())
	}
	size := l.Size()
	b := l.Control.Append(nil, &l.Encoder)
	if len(b) > size {
		l.t.Errorf("%s: %d bytes, Size said %d", why, len(b), size)
	}
	if got := written(l.t, l.server, b); got != want {
		l.t.Errorf("%s: got\n%s\nwant\n%s", why, got, want)
	}
	if l.Owes() || len(l.Control.Append(nil, &l.Encoder)) > 0 {
		l.t.Errorf("%s: owed twice", why)
	}
}

func (l *lane) pinged(p string) { l.Handle(&Event{Kind: Ping, Payload: []byte(p)}) }

// Every ping is answered with its own payload, in order.
func TestFR25_Pongs(t *testing.T) {
	for _, server := range []bool{true, false} {
		l := newLane(t, server)
		l.wants("nothing", "")
		l.pinged("a")
		l.wants("one", `pong "a"`)
		l.pinged("")
		l.pinged("b\x00\xff")
		l.pinged(long[:59])
		l.wants("three", "pong \"\"\npong \"b\\x00\\xff\"\npong "+brief(long[:59]))
		l.Handle(&Event{Kind: Pong, Payload: []byte("unasked")})
		l.Handle(&Event{Kind: Data, Payload: []byte("x"), Last: true})
		l.Handle(&Event{})
		l.wants("what asks for nothing", "")
		l.Control.Ping(7)
		l.pinged("c")
		l.Control.Ping(8) // in the place of the one before
		l.wants("our ping behind the pongs", "pong \"c\"\nping \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\b\"")
		p := strings.Repeat("p", frame.MaxControl)
		l.pinged(p)
		l.wants("the longest", fmt.Sprintf("pong %q", p))
	}
}

// In a flood of pings, of which nothing is written meanwhile, the pongs owed stay
// bounded, and the newest is among them.
func TestFR23_PingFlood(t *testing.T) {
	for _, n := range []int{0, 1, 50, frame.MaxControl} {
		l := newLane(t, true)
		for i := range 100_000 {
			p := fmt.Sprint(i, strings.Repeat(" ", n))[:n]
			l.pinged(p)
			if cap(l.pongs) > 2*maxPongs || len(l.pongs) > maxPongs {
				t.Fatalf("%d bytes of pongs wait, in %d", len(l.pongs), cap(l.pongs))
			}
		}
		last := fmt.Sprint(99_999, strings.Repeat(" ", n))[:n]
		size := l.Size()
		b := l.Control.Append(nil, &l.Encoder)
		if len(b) > size {
			t.Errorf("%d bytes, Size said %d", len(b), size)
		}
		if got := written(t, true, b); !strings.HasSuffix(got, fmt.Sprintf("pong %q", last)) {
			t.Errorf("the last pong is not the newest: %.200s", got)
		}
		if l.pongs != nil {
			t.Error("a buffer is kept")
		}
	}
}

// Size is never too small, whatever waits.
func TestSize(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, server := range []bool{true, false} {
		l := newLane(t, server)
		for range 2000 {
			for range r.IntN(40) {
				l.pinged(strings.Repeat("x", r.IntN(frame.MaxControl+1)))
			}
			if r.IntN(2) == 0 {
				l.Control.Ping(r.Uint64())
			}
			if size, n := l.Size(), len(l.Control.Append(nil, &l.Encoder)); n > size {
				t.Fatalf("%d bytes, Size said %d", n, size)
			}
		}
	}
}

func TestPingNumber(t *testing.T) {
	l := newLane(t, true)
	for _, n := range []uint64{0, 1, 1<<64 - 1} {
		l.Control.Ping(n)
		b := l.Control.Append(nil, &l.Encoder)
		if got, ok := PingNumber(b[2:]); got != n || !ok {
			t.Errorf("%d, %t; want %d", got, ok, n)
		}
	}
	for _, p := range []string{"", "1234567", "123456789"} {
		if _, ok := PingNumber([]byte(p)); ok {
			t.Errorf("%q is not ours", p)
		}
	}
}

// The close handshake, from either side and from both at once.
func TestClosing(t *testing.T) {
	fail := &frame.Error{Code: frame.InvalidPayload, Section: "RFC 6455, 8.1", Text: "not text"}
	for _, c := range []struct {
		name string
		do   func(l *lane) []byte
		wire string
		want Closing
	}{
		{"ours", func(l *lane) []byte {
			if !l.Control.Close(1000, "bye") || l.Control.Close(1001, "again") {
				t.Error("not once")
			}
			return l.AppendClose(nil, &l.Encoder)
		}, `close 1000 "bye"`, Closing{Queued: true, Sent: true, Code: 1000, Reason: "bye"}},
		{"the peer's, echoed", func(l *lane) []byte {
			l.Handle(&Event{Kind: Close, Code: 4000, Reason: "why"})
			return l.AppendClose(nil, &l.Encoder)
		}, `close 4000 ""`, Closing{Queued: true, Sent: true, Received: true, Code: 4000}},
		{"the peer's empty one", func(l *lane) []byte {
			l.Handle(&Event{Kind: Close, Code: frame.NoStatus})
			return l.AppendClose(nil, &l.Encoder)
		}, `close 1005 ""`, Closing{Queued: true, Sent: true, Received: true, Code: frame.NoStatus}},
		{"CL11 both at once", func(l *lane) []byte {
			l.Control.Close(1001, "ours")
			b := l.AppendClose(nil, &l.Encoder)
			l.Handle(&Event{Kind: Close, Code: 4000, Reason: "theirs"})
			return b
		}, `close 1001 "ours"`, Closing{Queued: true, Sent: true, Received: true, Code: 1001, Reason: "ours"}},
		{"ours queued, theirs first", func(l *lane) []byte {
			l.Control.Close(1001, "ours")
			l.Handle(&Event{Kind: Close, Code: 4000, Reason: "theirs"})
			return l.AppendClose(nil, &l.Encoder)
		}, `close 1001 "ours"`, Closing{Queued: true, Sent: true, Received: true, Code: 1001, Reason: "ours"}},
		{"failure", func(l *lane) []byte {
			l.Handle(&Event{Kind: Fail, Err: fail})
			return l.AppendClose(nil, &l.Encoder)
		}, `close 1007 "not text"`, Closing{Queued: true, Sent: true, Failed: true, Code: 1007, Reason: "not text"}},
		{"failure after our Close", func(l *lane) []byte {
			l.Control.Close(1000, "")
			b := l.AppendClose(nil, &l.Encoder)
			l.Handle(&Event{Kind: Fail, Err: fail})
			return b
		}, `close 1000 ""`, Closing{Queued: true, Sent: true, Failed: true, Code: 1000}},
		{"pongs before the Close, none after it", func(l *lane) []byte {
			l.pinged("a")
			l.Control.Close(1000, "")
			l.pinged("b")
			b := l.Control.Append(nil, &l.Encoder)
			l.pinged("c")
			l.Control.Ping(1)
			b = l.AppendClose(b, &l.Encoder)
			l.pinged("d")
			if l.Owes() {
				t.Error("something is owed after our Close")
			}
			return l.Control.Append(b, &l.Encoder)
		}, "pong \"a\"\npong \"b\"\nclose 1000 \"\"", Closing{Queued: true, Sent: true, Code: 1000}},
		{"CL8 no pong after the peer's Close", func(l *lane) []byte {
			l.pinged("a")
			l.Handle(&Event{Kind: Close, Code: 1000})
			l.pinged("b")
			b := l.Control.Append(nil, &l.Encoder)
			return l.AppendClose(b, &l.Encoder)
		}, "pong \"a\"\nclose 1000 \"\"", Closing{Queued: true, Sent: true, Received: true, Code: 1000}},
		{"the longest reason", func(l *lane) []byte {
			l.Control.Close(1000, strings.Repeat("r", frame.MaxReason))
			return l.AppendClose(nil, &l.Encoder)
		}, fmt.Sprintf("close 1000 %q", strings.Repeat("r", frame.MaxReason)),
			Closing{Queued: true, Sent: true, Code: 1000, Reason: strings.Repeat("r", frame.MaxReason)}},
	} {
		for _, server := range []bool{true, false} {
			l := newLane(t, server)
			if got := written(t, server, c.do(l)); got != c.wire {
				t.Errorf("%s: wrote\n%s\nwant\n%s", c.name, got, c.wire)
			}
			if got := *l.Closing(); got != c.want {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			}
		}
	}
}
