package curlew_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// A violation is what a peer sends against the rules: first what is still
// answered, then what ends the connection.
type violation struct {
	name string
	role curlew.Role // ours
	o    *curlew.Options
	fine []wstest.Frame // echoed or answered
	echo []wstest.Frame // nil: the same as fine
	bad  []wstest.Frame
	code curlew.Code
}

// testViolations checks that each ends the connection with its code, once, and
// that nothing before it is lost and nothing after it heard.
func testViolations(t *testing.T, kinds []kind, rows []violation) {
	each(t, kinds, func(t *testing.T, k kind, d driver) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) { testViolation(t, k, d, row) })
		}
	})
}

func testViolation(t *testing.T, k kind, d driver, row violation) {
	s := open(t, k, d, row.role, row.o)
	fine := append([]wstest.Frame{wstest.Text("first")}, row.fine...)
	echo := row.echo
	if echo == nil {
		echo = row.fine
	}
	after := []wstest.Frame{wstest.Text("not heard"), wstest.Ping("not answered")}
	var all []wstest.Frame
	all = append(all, fine...)
	all = append(all, row.bad...)
	all = append(all, after...)
	s.p.Send(all...)
	s.p.Want("what came before is answered", append([]wstest.Frame{wstest.Text("first")}, echo...)...)
	s.p.WantClose("the failure", row.code, wstest.AnyReason)
	s.p.WantEOF("our side ends")
	s.p.Close()
	e := s.wantEnd(row.code, false, false)
	if e.Err == nil {
		t.Error("the error does not say which rule was broken")
	}
	if d != byRead && len(s.errs) != 1 {
		t.Errorf("%d calls of Error, want one", len(s.errs))
	}
	for _, m := range s.received() {
		if strings.Contains(m, "not heard") {
			t.Error("a message after the failure was delivered")
		}
	}
}

var everyOpcode = []frame.Opcode{0, 1, 2, 8, 9, 10}

func TestFR1_Unmasked(t *testing.T) {
	var rows []violation
	for _, op := range everyOpcode {
		rows = append(rows, violation{name: op.String(), bad: []wstest.Frame{wstest.Op(op, nil).Unmasked()}, code: 1002})
	}
	testViolations(t, everyKind, rows)
}

func TestFR2_MaskedByServer(t *testing.T) {
	var rows []violation
	for _, op := range everyOpcode {
		rows = append(rows, violation{name: op.String(), role: curlew.Client,
			bad: []wstest.Frame{wstest.Op(op, []byte("ab")).Masked()}, code: 1002})
	}
	testViolations(t, everyKind, rows)
}

func TestFR3_ReservedBits(t *testing.T) {
	var rows []violation
	for _, bits := range []byte{1, 2, 3, 5, 6, 7} {
		for _, op := range everyOpcode {
			for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
				rows = append(rows, violation{name: fmt.Sprintf("%v/%d/%d", op, bits, role), role: role,
					bad: []wstest.Frame{wstest.Op(op, nil).Reserved(bits)}, code: 1002})
			}
		}
	}
	testViolations(t, []kind{memory, chopped}, rows)
	testViolations(t, []kind{overTCP, overTLS}, rows[:1])
}

func TestFR4_CompressedWithoutExtension(t *testing.T) {
	var rows []violation
	for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
		rows = append(rows, violation{name: fmt.Sprint(role), role: role,
			bad: []wstest.Frame{wstest.Text("\xf2\x48\xcd\xc9\xc9\x07\x00").Reserved(frame.RSV1)}, code: 1002})
	}
	testViolations(t, everyKind, rows)
}

func TestFR5_ReservedOpcodes(t *testing.T) {
	var rows []violation
	for op := range frame.Opcode(16) {
		if op.IsReserved() {
			rows = append(rows,
				violation{name: op.String(), bad: []wstest.Frame{wstest.Op(op, nil)}, code: 1002},
				violation{name: op.String() + "/payload", role: curlew.Client,
					bad: []wstest.Frame{wstest.Op(op, []byte("payload"))}, code: 1002})
		}
	}
	testViolations(t, []kind{memory, chopped}, rows)
	testViolations(t, []kind{overTCP, overTLS}, rows[:2])
}

func TestFR6_LengthNotShortest(t *testing.T) {
	var rows []violation
	for _, n := range []int{0, 1, 125} {
		rows = append(rows,
			violation{name: fmt.Sprintf("%d in 16 bits", n), bad: []wstest.Frame{wstest.Binary(make([]byte, n)).Wide(16)}, code: 1002})
	}
	for _, n := range []int{0, 125, 126, 65535} {
		rows = append(rows,
			violation{name: fmt.Sprintf("%d in 64 bits", n), bad: []wstest.Frame{wstest.Binary(make([]byte, n)).Wide(64)}, code: 1002})
	}
	rows = append(rows, violation{name: "ping", bad: []wstest.Frame{wstest.Ping("x").Wide(16)}, code: 1002})
	testViolations(t, []kind{memory, overTCP, overTLS}, rows)
	testViolations(t, []kind{chopped}, rows[:3])
}

func TestFR7_LengthWithHighBit(t *testing.T) {
	var rows []violation
	for _, n := range []uint64{1 << 63, 1<<63 + 5, 1<<64 - 1} {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			rows = append(rows, violation{name: fmt.Sprintf("%x/%d", n, role), role: role,
				bad: []wstest.Frame{wstest.Binary(nil).Wide(64).Length(int64(n))}, code: 1002})
		}
	}
	testViolations(t, everyKind, rows)
}

func TestFR8_PromiseOverLimit(t *testing.T) {
	var rows []violation
	for _, n := range []int64{1<<63 - 1, 1 << 32, 1 << 31, 1<<20 + 1} {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			rows = append(rows, violation{name: fmt.Sprintf("%x/%d", n, role), role: role,
				bad: []wstest.Frame{wstest.Binary(nil).Length(n)}, code: 1009})
		}
	}
	testViolations(t, everyKind, rows)
}

func TestFR9_SumOverflows(t *testing.T) {
	testViolations(t, everyKind, []violation{
		{name: "2^63-1", bad: []wstest.Frame{wstest.More(wstest.Binary([]byte("x"))), wstest.Cont("").Length(1<<63 - 1)}, code: 1009},
		{name: "client", role: curlew.Client,
			bad: []wstest.Frame{wstest.More(wstest.Text("x")), wstest.Cont("").Length(1<<63 - 1)}, code: 1009},
		{name: "no limit", o: &curlew.Options{MaxMessage: -1},
			bad: []wstest.Frame{wstest.More(wstest.Binary([]byte("x"))), wstest.Cont("").Length(1<<63 - 1)}, code: 1009},
	})
}

func TestFR11_LongControl(t *testing.T) {
	var rows []violation
	for _, op := range []frame.Opcode{frame.Close, frame.Ping, frame.Pong} {
		for _, n := range []int{126, 65536} {
			rows = append(rows, violation{name: fmt.Sprintf("%v/%d", op, n),
				bad: []wstest.Frame{wstest.Op(op, bytes.Repeat([]byte{3, 0xe8}, n/2))}, code: 1002})
		}
	}
	testViolations(t, []kind{memory, overTCP, overTLS}, rows)
	testViolations(t, []kind{chopped}, rows[:1])
}

func TestFR12_FragmentedControl(t *testing.T) {
	var rows []violation
	for _, op := range []frame.Opcode{frame.Close, frame.Ping, frame.Pong} {
		rows = append(rows,
			violation{name: op.String(), bad: []wstest.Frame{wstest.More(wstest.Op(op, nil))}, code: 1002},
			violation{name: op.String() + "/continued", role: curlew.Client,
				bad: []wstest.Frame{wstest.More(wstest.Op(op, []byte{3, 0xe8})), wstest.Cont("")}, code: 1002})
	}
	testViolations(t, everyKind, rows)
}

func TestFR13_NothingToContinue(t *testing.T) {
	whole := wstest.Text("whole")
	testViolations(t, everyKind, []violation{
		{name: "last", bad: []wstest.Frame{wstest.Cont("x")}, code: 1002},
		{name: "more", bad: []wstest.Frame{wstest.More(wstest.Cont("x")), wstest.Cont("")}, code: 1002},
		{name: "empty", bad: []wstest.Frame{wstest.Cont("")}, code: 1002},
		{name: "after a message", fine: []wstest.Frame{whole}, bad: []wstest.Frame{wstest.Cont("x")}, code: 1002},
		{name: "after fragments", fine: []wstest.Frame{wstest.More(wstest.Text("he")), wstest.Cont("llo")},
			echo: []wstest.Frame{wstest.Text("hello")}, bad: []wstest.Frame{wstest.Cont("x")}, code: 1002},
		{name: "client", role: curlew.Client, bad: []wstest.Frame{wstest.Cont("\xff")}, code: 1002},
	})
}

func TestFR14_NewMessageInside(t *testing.T) {
	testViolations(t, everyKind, []violation{
		{name: "text in text", bad: []wstest.Frame{wstest.More(wstest.Text("a")), wstest.Text("b")}, code: 1002},
		{name: "binary in text", bad: []wstest.Frame{wstest.More(wstest.Text("a")), wstest.More(wstest.Binary([]byte("b")))}, code: 1002},
		{name: "text in binary", bad: []wstest.Frame{wstest.More(wstest.Binary([]byte("b"))), wstest.More(wstest.Cont("")), wstest.Text("a")}, code: 1002},
		{name: "client", role: curlew.Client, bad: []wstest.Frame{wstest.More(wstest.Text("")), wstest.Binary(nil)}, code: 1002},
	})
}

func TestFR15_ControlBetweenFragments(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			s := open(t, k, d, role, nil)
			s.p.Send(wstest.More(wstest.Text("he")), wstest.Ping("one"))
			s.p.Want("pong before the message ends", wstest.Pong("one"))
			s.p.Send(wstest.Pong("unasked"), wstest.More(wstest.Cont("l")), wstest.Ping(""))
			s.p.Want("an empty pong", wstest.Pong(""))
			s.p.Send(wstest.Cont("lo"))
			s.p.Want("the message", wstest.Text("hello"))
			s.p.WantIdle("that is all")
			s.wantMessages("text hello")
		}
	})
}

func TestFR16_CloseBetweenFragments(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		// Half a character: the message is dropped and not judged.
		s.p.Send(wstest.More(wstest.Text("he\xc3")), wstest.Close(1000, "bye"))
		s.p.WantClose("the answer", 1000, "")
		s.p.WantEOF("the server ends first")
		s.p.Close()
		s.wantEnd(1000, true, true)
		s.wantMessages()
	})
}

func TestFR17_EmptyFragments(t *testing.T) {
	frames := func(n int) []wstest.Frame {
		list := []wstest.Frame{wstest.More(wstest.Text(""))}
		for len(list) < n {
			list = append(list, wstest.More(wstest.Cont("")))
		}
		return list
	}
	testViolations(t, everyKind, []violation{
		{name: "default", bad: frames(1025), code: 1008},
		{name: "3", o: &curlew.Options{MaxFragments: 3}, role: curlew.Client, bad: frames(4), code: 1008},
	})
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(append(frames(1023), wstest.Cont(""))...)
		s.p.Want("1024 are allowed", wstest.Text(""))
		s.p.Send(append(frames(1023), wstest.Cont("again"))...)
		s.p.Want("each message anew", wstest.Text("again"))
	})
}

// TestFR18_TinyFragments: a message of one-byte fragments up to the limit.
func TestFR18_TinyFragments(t *testing.T) {
	const size = 16 << 10
	o := &curlew.Options{MaxFragments: -1, MaxMessage: size, MaxFrame: -1}
	want := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	each(t, []kind{memory, overTCP, overTLS}, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, o)
		s.p.Send(wstest.Binary(want).Split(1)...)
		s.p.Want("the message", wstest.Binary(want))
		s.p.Send(wstest.Binary(append(want, 'x')).Split(1)...)
		s.p.WantClose("one more", 1009, wstest.AnyReason)
	})
}

func TestFR19_NeverEnding(t *testing.T) {
	o := &curlew.Options{MaxMessage: 10000}
	frames := []wstest.Frame{wstest.More(wstest.Binary(make([]byte, 100)))}
	for range 100 {
		frames = append(frames, wstest.More(wstest.Cont(string(make([]byte, 100)))))
	}
	testViolations(t, everyKind, []violation{{name: "limit", o: o, bad: frames, code: 1009}})
}

func TestFR20_Empty(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.Text(""), wstest.Binary(nil),
			wstest.More(wstest.Text("")), wstest.More(wstest.Cont("")), wstest.Cont(""))
		s.p.Want("as they came", wstest.Text(""), wstest.Binary(nil), wstest.Text(""))
		s.wantMessages("text ", "binary ", "text ")
	})
}

// speech has a frame of every kind and length form.
func speech() (frames, answers []wstest.Frame) {
	middle := wstest.Binary(bytes.Repeat([]byte("middle "), 20))
	frames = []wstest.Frame{
		wstest.Text("hello"), wstest.Text(""), wstest.Ping("ping"), middle,
		wstest.More(wstest.Text("κό")), wstest.More(wstest.Cont("\xcf")), wstest.Pong("unasked"),
		wstest.Ping(""), wstest.Cont("\x83με"), wstest.Text("Hi").Key([4]byte{}),
		wstest.Ping(strings.Repeat("p", 125)), wstest.Close(4321, "bye"),
	}
	answers = []wstest.Frame{
		wstest.Text("hello"), wstest.Text(""), wstest.Pong("ping"), middle,
		wstest.Pong(""), wstest.Text("κόσμε"), wstest.Text("Hi"),
		wstest.Pong(strings.Repeat("p", 125)), wstest.Close(4321, ""),
	}
	return frames, answers
}

// TestFR21_EverySplit: however the bytes come, the answers are the same. Pongs
// alone may be fewer: one answers the latest of several pings (RFC 6455, 5.5.3).
func TestFR21_EverySplit(t *testing.T) {
	frames, answers := speech()
	// Not masked frames of a client are another rule; here both roles.
	for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
		list := frames
		if role == curlew.Client {
			list = append([]wstest.Frame(nil), frames...)
			for i := range list {
				if strings.Contains(list[i].String(), "Hi") {
					list[i] = wstest.Text("Hi")
				}
			}
		}
		whole := wire(role, list...)
		run := func(t *testing.T, d driver, cuts ...int) {
			s := open(t, memory, d, role, nil)
			end := s.p.Conn().(*wstest.End)
			end.Segment(1 << 30) // no Read returns bytes of two Writes
			at := 0
			for _, cut := range append(cuts, len(whole)) {
				end.Write(whole[at:cut])
				at = cut
			}
			wantAnswers(s, answers)
			s.p.Close()
			s.wantEnd(4321, true, true)
		}
		for cut := range len(whole) {
			d := everyDriver[cut%3]
			t.Run(fmt.Sprintf("%v/%s/%d", role, d, cut), func(t *testing.T) { run(t, d, cut) })
		}
		for seed := range uint64(20) {
			rng := rand.New(rand.NewPCG(seed, 1))
			var cuts []int
			for at := 0; at < len(whole); at += 1 + rng.IntN(30) {
				cuts = append(cuts, at)
			}
			d := everyDriver[seed%3]
			t.Run(fmt.Sprintf("%v/%s/seed %d", role, d, seed), func(t *testing.T) { run(t, d, cuts...) })
		}
	}
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		for _, b := range wire(curlew.Server, frames...) {
			s.p.Conn().Write([]byte{b})
		}
		wantAnswers(s, answers)
		s.p.Close()
		s.wantEnd(4321, true, true)
	})
}

// wantAnswers wants these frames, of which pongs may be missing and may come
// later than data that was echoed meanwhile by another goroutine.
func wantAnswers(s *subject, answers []wstest.Frame) {
	s.t.Helper()
	var data []wstest.Frame
	pongs := map[string]bool{}
	for _, f := range answers {
		if f.Opcode == frame.Pong {
			pongs[string(f.Payload)] = true
		} else {
			data = append(data, f)
		}
	}
	for _, want := range data {
		got := s.p.Next("an answer")
		for got.Opcode == frame.Pong {
			if !pongs[string(got.Payload)] {
				s.t.Fatalf("a pong to nothing: %v", got)
			}
			delete(pongs, string(got.Payload))
			got = s.p.Next("an answer")
		}
		if got.String() != want.String() || !bytes.Equal(got.Payload, want.Payload) {
			s.t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// TestFR21_EveryPrefix: a stream that breaks off anywhere ends as 1006 and
// delivers the messages that were whole.
func TestFR21_EveryPrefix(t *testing.T) {
	frames := []wstest.Frame{wstest.Text("one"), wstest.More(wstest.Binary([]byte("tw"))), wstest.Ping("p"),
		wstest.Cont("o"), wstest.Binary(make([]byte, 130))}
	whole := wire(curlew.Server, frames...)
	messages := []struct {
		end  int
		text string
	}{
		{len(wire(curlew.Server, frames[:1]...)), "text one"},
		{len(wire(curlew.Server, frames[:4]...)), "binary two"},
		{len(whole), "binary " + string(make([]byte, 130))},
	}
	for n := range len(whole) + 1 {
		d := everyDriver[n%3]
		t.Run(fmt.Sprintf("%s/%d", d, n), func(t *testing.T) {
			s := open(t, memory, d, curlew.Server, nil)
			s.p.Send(wstest.Raw(whole[:n]))
			s.p.CloseWrite()
			s.wantEnd(1006, true, false)
			var want []string
			for _, m := range messages {
				if m.end <= n {
					want = append(want, m.text)
				}
			}
			s.wantMessages(want...)
		})
	}
}
