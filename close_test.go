package curlew_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

func TestCL1_EmptyClose(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.Close(frame.NoStatus, ""))
		s.p.WantClose("an empty answer", frame.NoStatus, "")
		s.p.WantEOF("the server ends first")
		s.p.Close()
		if e := s.wantEnd(1005, true, true); e.Reason != "" {
			t.Errorf("reason %q", e.Reason)
		}
	})
}

func TestCL2_OneByte(t *testing.T) {
	testViolations(t, everyKind, []violation{
		{name: "server", bad: []wstest.Frame{wstest.Op(frame.Close, []byte{3})}, code: 1002},
		{name: "client", role: curlew.Client, bad: []wstest.Frame{wstest.Op(frame.Close, []byte("x"))}, code: 1002},
	})
}

// code is a Close frame with any number in it.
func code(n int, reason string) wstest.Frame {
	return wstest.Op(frame.Close, append([]byte{byte(n >> 8), byte(n)}, reason...))
}

func TestCL3_InvalidCodes(t *testing.T) {
	var rows []violation
	for _, n := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		rows = append(rows,
			violation{name: fmt.Sprint(n), bad: []wstest.Frame{code(n, "")}, code: 1002},
			violation{name: fmt.Sprint(n, " client"), role: curlew.Client, bad: []wstest.Frame{code(n, "why")}, code: 1002})
	}
	testViolations(t, []kind{memory, chopped}, rows)
	testViolations(t, []kind{overTCP, overTLS}, rows[:2])
}

func TestCL4_ValidCodes(t *testing.T) {
	codes := []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for _, n := range codes {
			s := open(t, k, d, curlew.Server, nil)
			s.p.Send(code(n, "why"))
			s.p.WantClose("the same code", frame.Code(n), "")
			s.p.WantEOF("the server ends first")
			s.p.Close()
			e := s.wantEnd(curlew.Code(n), true, true)
			if e.Reason != "why" || e.Err != nil {
				t.Errorf("reason %q, cause %v", e.Reason, e.Err)
			}
			if len(s.errs) != 0 {
				t.Errorf("Error was called for an orderly end: %v", s.errs)
			}
		}
	})
}

func TestCL5_ReasonLength(t *testing.T) {
	longest := strings.Repeat("r", 123)
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.Close(1000, longest))
		s.p.WantClose("fine", 1000, "")
		s.p.Close()
		if e := s.wantEnd(1000, true, true); e.Reason != longest {
			t.Errorf("reason %q", e.Reason)
		}
	})
	testViolations(t, everyKind, []violation{{name: "124", bad: []wstest.Frame{wstest.Close(1000, longest+"r")}, code: 1002}})
}

func TestCL6_ReasonNotUTF8(t *testing.T) {
	var rows []violation
	for _, reason := range []string{"\xff", "cut \xe2\x82", "over \xc0\x80", "half \xed\xa0\x80", "\xf4\x90\x80\x80"} {
		rows = append(rows,
			violation{name: fmt.Sprintf("%q", reason), bad: []wstest.Frame{wstest.Close(1000, reason)}, code: 1007},
			// Reasons are checked also where messages are not.
			violation{name: fmt.Sprintf("%q unchecked", reason), o: &curlew.Options{AllowInvalidUTF8: true},
				role: curlew.Client, bad: []wstest.Frame{wstest.Close(1000, reason)}, code: 1007})
	}
	testViolations(t, everyKind, rows)
}

// TestCL7_RudeReason: control characters are let through as they are and quoted
// in the error's text.
func TestCL7_RudeReason(t *testing.T) {
	const rude = "a\r\nb\x1b[31m\x00\u202e\u2028"
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.Close(1000, rude))
		s.p.WantClose("fine", 1000, "")
		s.p.Close()
		e := s.wantEnd(1000, true, true)
		if e.Reason != rude {
			t.Errorf("reason %q", e.Reason)
		}
		if strings.ContainsAny(e.Error(), "\r\n\x1b\x00\u202e\u2028") {
			t.Errorf("raw characters in %q", e.Error())
		}
	})
}

func TestCL8_AfterTheirClose(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			s := open(t, k, d, role, nil)
			s.p.Send(wstest.Text("before"), wstest.Close(1000, "first"),
				wstest.Close(1001, "second"), wstest.Text("after"), wstest.Ping("after"))
			s.p.Want("before", wstest.Text("before"))
			s.p.WantClose("one answer", 1000, "")
			if role == curlew.Client {
				s.p.CloseWrite() // the server ends first
			}
			s.p.WantEOF("nothing else is said")
			s.p.Close()
			if e := s.wantEnd(1000, true, true); e.Reason != "first" {
				t.Errorf("reason %q", e.Reason)
			}
			s.wantMessages("text before")
		}
	})
}

// A watched end notes when it is closed for good.
type watched struct {
	*wstest.End
	closed chan struct{}
}

func (w watched) Close() error {
	err := w.End.Close()
	if err == nil {
		close(w.closed)
	}
	return err
}

// openWatched is open in memory with a watched end.
func openWatched(t *testing.T, d driver, role curlew.Role, o *curlew.Options, link *wstest.LinkOptions) (*subject, watched) {
	a, b := wstest.NewLink(link)
	w := watched{a, make(chan struct{})}
	return openOn(t, w, b, d, role, o), w
}

// TestCL9_PeerStays: a peer that does not end its side is left alone after
// CloseTimeout.
func TestCL9_PeerStays(t *testing.T) {
	for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
		for _, d := range everyDriver {
			synctest.Test(t, func(t *testing.T) {
				s, w := openWatched(t, d, role, nil, nil)
				start := time.Now()
				s.p.Send(wstest.Close(1000, ""))
				s.p.WantClose("the answer", 1000, "")
				if role == curlew.Server {
					s.p.WantEOF("the server ends at once")
				}
				s.wantEnd(1000, true, true)
				wait(t, "the stream's end", w.closed)
				if took := time.Since(start); took < time.Second || took > 5500*time.Millisecond {
					t.Errorf("closed after %v, want 5 s", took)
				}
			})
		}
	}
}

// talk writes data again and again until it cannot any more.
func talk(p *wstest.Peer, data []byte, pause time.Duration) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for range ticker.C {
			if _, err := p.Conn().Write(data); err != nil {
				return
			}
		}
	}()
	return ended
}

// TestCL10_PeerTalksOn: a peer that answers our Close with nothing but data.
func TestCL10_PeerTalksOn(t *testing.T) {
	for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
		for _, d := range everyDriver {
			synctest.Test(t, func(t *testing.T) {
				s, w := openWatched(t, d, role, nil, nil)
				start := time.Now()
				s.c.Close(4000, "enough")
				s.p.WantClose("ours", 4000, "enough")
				data := wire(role, wstest.Text(strings.Repeat("blah ", 1000)))
				talked := talk(s.p, data, 10*time.Millisecond)
				s.wantEnd(4000, false, false)
				wait(t, "the stream's end", w.closed)
				wait(t, "the peer's end", talked)
				if took := time.Since(start); took > 10500*time.Millisecond {
					t.Errorf("closed after %v, want 5 s, or twice that", took)
				}
				s.wantMessages()
			})
		}
	}
}

func TestCL11_BothAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		a.Delay(100 * time.Millisecond)
		b.Delay(100 * time.Millisecond)
		s, c := curlew.NewConn(a, curlew.Server, nil), curlew.NewConn(b, curlew.Client, nil)
		start := time.Now()
		s.Close(4001, "server")
		c.Close(4002, "client")
		for i, x := range []*curlew.Conn{s, c} {
			_, _, err := x.Read(t.Context(), nil)
			var e *curlew.CloseError
			if !errors.As(err, &e) || e.Code != curlew.Code(4001+i) || e.Remote || !e.Orderly() {
				t.Errorf("side %d ended by %v", i, err)
			}
			<-x.Done()
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v, want about a round trip of 200 ms", took)
		}
		pass(time.Minute) // the ends of the streams are still under way
	})
	// And without anybody who reads.
	synctest.Test(t, func(t *testing.T) {
		s, c := wstest.Pipe(nil, nil)
		start := time.Now()
		s.Close(1000, "")
		c.Close(1000, "")
		<-s.Done()
		<-c.Done()
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v with nobody reading", took)
		}
		for _, x := range []*curlew.Conn{s, c} {
			var e *curlew.CloseError
			if !errors.As(x.Err(), &e) || !e.Orderly() {
				t.Errorf("ended by %v", x.Err())
			}
		}
	})
}

func TestCL12_EndWithoutClose(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			s := open(t, k, d, role, nil)
			s.p.Send(wstest.Text("last"))
			s.p.Want("echo", wstest.Text("last"))
			s.p.Close()
			e := s.wantEnd(1006, true, false)
			if e.Err == nil {
				t.Error("no cause")
			}
			if d != byRead && len(s.errs) != 1 {
				t.Errorf("%d calls of Error, want one", len(s.errs))
			}
		}
	})
}

func TestCL13_Reset(t *testing.T) {
	frames := []wstest.Frame{wstest.Text("one"), wstest.Binary(make([]byte, 1000))}
	for _, d := range everyDriver {
		for _, at := range []int64{0, 1, 5, 9, 10, 500, 1000} {
			t.Run(fmt.Sprintf("memory/%s/%d", d, at), func(t *testing.T) {
				s := open(t, memory, d, curlew.Server, nil)
				s.p.Conn().(*wstest.End).ResetAfter(at)
				s.p.Conn().Write(wire(curlew.Server, frames...))
				if e := s.wantEnd(1006, true, false); !errors.Is(e, wstest.ErrReset) {
					t.Errorf("the cause is not in %v", e)
				}
			})
		}
		t.Run("tcp/"+string(d), func(t *testing.T) {
			s := open(t, overTCP, d, curlew.Server, nil)
			s.p.Send(wstest.Text("one"), wstest.Binary(nil).Length(1000))
			s.p.Want("echo", wstest.Text("one"))
			s.p.Conn().(*net.TCPConn).SetLinger(0)
			s.p.Close()
			s.wantEnd(1006, true, false)
		})
	}
}

// TestCL13_ResetWhileWriting: everybody who waits to write is told.
func TestCL13_ResetWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := openWatched(t, byRead, curlew.Server, nil, &wstest.LinkOptions{Buffer: 100})
		errs := make(chan error)
		for range 3 {
			go func() { errs <- s.c.Write(context.Background(), curlew.Binary, make([]byte, 1000)) }()
		}
		synctest.Wait()
		s.p.Conn().(*wstest.End).Reset()
		for range 3 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write = %v, want one that is net.ErrClosed", err)
			}
		}
		s.wantEnd(1006, true, false)
	})
}

// TestCL14_SL9_WindowZero: our Close cannot even be written.
func TestCL14_SL9_WindowZero(t *testing.T) {
	for _, d := range everyDriver {
		synctest.Test(t, func(t *testing.T) {
			s, w := openWatched(t, d, curlew.Server, nil, &wstest.LinkOptions{Buffer: 100})
			s.c.Send(curlew.Binary, make([]byte, 1000))
			synctest.Wait()
			start := time.Now()
			if err := s.c.Close(1001, "going"); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took != 0 {
				t.Errorf("Close blocked for %v", took)
			}
			s.wantEnd(1001, false, false)
			wait(t, "the stream's end", w.closed)
			if took := time.Since(start); took > 10500*time.Millisecond {
				t.Errorf("closed after %v", took)
			}
		})
	}
}

func TestCL15_OurReason(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, nil)
	for _, reason := range []string{strings.Repeat("r", 124), "\xff", "half \xe2\x82"} {
		if err := s.c.Close(1000, reason); !errors.Is(err, curlew.ErrInvalidClose) {
			t.Errorf("Close(%q) = %v, want ErrInvalidClose", reason, err)
		}
	}
	s.p.Send(wstest.Text("still open"))
	s.p.Want("nothing but the echo", wstest.Text("still open"))
	longest := strings.Repeat("é", 61) + "r"
	if err := s.c.Close(4000, longest); err != nil {
		t.Fatal(err)
	}
	s.p.WantClose("123 bytes", 4000, longest)
}

// TestFR39_ReasonBytes: of a reason exactly its bytes are sent, at every length.
func TestFR39_ReasonBytes(t *testing.T) {
	for n := range frame.MaxReason + 1 {
		s := open(t, memory, everyDriver[n%3], []curlew.Role{curlew.Server, curlew.Client}[n%2], nil)
		reason := strings.Repeat("0123456789", 13)[:n]
		if err := s.c.Close(4000, reason); err != nil {
			t.Fatal(err)
		}
		s.p.Want("code and reason and no more", wstest.Close(4000, reason))
	}
}

func TestCL16_OurCode(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, nil)
	for _, c := range []curlew.Code{999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		if err := s.c.Close(c, ""); !errors.Is(err, curlew.ErrInvalidClose) {
			t.Errorf("Close(%v) = %v, want ErrInvalidClose", c, err)
		}
	}
	for _, c := range []curlew.Code{0, curlew.NoStatus} {
		if err := s.c.Close(c, "reason without a code"); !errors.Is(err, curlew.ErrInvalidClose) {
			t.Errorf("Close(%v) = %v, want ErrInvalidClose", c, err)
		}
	}
	s.p.Send(wstest.Text("still open"))
	s.p.Want("nothing but the echo", wstest.Text("still open"))
}

// TestCL1_OurEmptyClose: a Close without a code, which gateways pass on.
func TestCL1_OurEmptyClose(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, nil)
	if err := s.c.Close(0, ""); err != nil {
		t.Fatal(err)
	}
	s.p.WantClose("empty", curlew.NoStatus, "")
	s.p.Send(wstest.Close(1000, ""))
	<-s.c.Done()
	if e := s.c.Err().(*curlew.CloseError); e.Code != curlew.NoStatus || e.Remote || !e.Orderly() {
		t.Errorf("%v", e)
	}
}

// TestCL18_Races: a close from here, one from there, a timeout, an abort and a
// lost stream at nearly one instant: exactly one end, told once.
func TestCL18_Races(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			d := everyDriver[seed%3]
			s, w := openWatched(t, d, []curlew.Role{curlew.Server, curlew.Client}[seed/2%2],
				&curlew.Options{InactivityTimeout: time.Second, RequestTimeout: time.Second}, nil)
			at := func(bit uint64, f func()) {
				if seed>>bit&1 == 0 {
					time.AfterFunc(time.Second, f)
				}
			}
			at(2, func() { s.c.Close(4001, "ours") })
			at(3, func() { s.p.Conn().Write(wire(curlew.Server, wstest.Close(4002, "theirs"))) })
			at(4, func() { s.c.Abort(errors.New("abort")) })
			at(5, func() { s.p.Conn().(*wstest.End).CloseWrite() })
			at(6, func() { s.p.Conn().(*wstest.End).Reset() })
			s.end()
			wait(t, "the stream's end", w.closed)
		})
	}
}

// TestCL19_ServerFirst: the client waits for the server to end the stream, and
// the server does so as soon as both have closed.
func TestCL19_ServerFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := openWatched(t, byRead, curlew.Client, nil, nil)
		s.c.Close(1000, "")
		s.p.WantClose("ours", 1000, "")
		s.p.Send(wstest.Close(1000, ""))
		s.wantEnd(1000, false, true)
		s.p.WantIdle("the client waits for the server")
		select {
		case <-w.closed:
			t.Error("the client ended the stream first")
		default:
		}
		s.p.CloseWrite()
		start := time.Now()
		wait(t, "the stream's end", w.closed)
		if took := time.Since(start); took != 0 {
			t.Errorf("closed %v after the server", took)
		}
	})
}

// TestCL20_Linger: a client that is still sending when the server closes gets
// the server's Close nevertheless, always.
func TestCL20_Linger(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		for _, d := range everyDriver {
			t.Run(k.name+"/"+string(d), func(t *testing.T) {
				for i := range 20 {
					s := open(t, k, d, curlew.Server, nil)
					conn := s.p.Conn()
					sent := make(chan struct{})
					go func() {
						defer close(sent)
						data := wire(curlew.Server, wstest.More(wstest.Binary(make([]byte, 10000))))
						more := wire(curlew.Server, wstest.More(wstest.Cont(string(make([]byte, 5000)))))
						conn.Write(data)
						for range 50 {
							if _, err := conn.Write(more); err != nil {
								t.Errorf("try %d: %v", i, err)
								return
							}
						}
					}()
					s.c.Close(1001, "going")
					s.p.WantClose("the server's Close", 1001, "going")
					<-sent
					s.p.Send(wstest.Cont(""), wstest.Close(1001, ""))
					s.p.WantEOF("the server ends first")
					s.p.Close()
					s.wantEnd(1001, false, true)
				}
			})
		}
	}
}

// TestCloseTwice: the first Close counts; later ones are harmless.
func TestCloseTwice(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.c.Close(4000, "first")
		s.c.Close(4001, "second")
		s.p.WantClose("one", 4000, "first")
		s.p.Send(wstest.Close(4000, ""))
		s.p.WantEOF("one only")
		s.p.Close()
		if e := s.wantEnd(4000, false, true); e.Reason != "first" {
			t.Errorf("reason %q", e.Reason)
		}
		s.c.Close(4002, "late")
		if e := s.wantEnd(4000, false, true); e.Reason != "first" {
			t.Errorf("reason %q after a late Close", e.Reason)
		}
	})
}

// TestCloseFlushes: what was sent before Close arrives before it.
func TestCloseFlushes(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		var want []wstest.Frame
		for i := range 50 {
			m := fmt.Sprint("message ", i)
			if err := s.c.Send(curlew.Text, []byte(m)); err != nil {
				t.Fatal(err)
			}
			want = append(want, wstest.Text(m))
		}
		s.c.Close(1000, "that was it")
		s.p.Want("all before the Close", want...)
		s.p.WantClose("then the Close", 1000, "that was it")
	})
}

// TestAbort: at once, without a word, with its cause.
func TestAbort(t *testing.T) {
	cause := errors.New("no more")
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.c.Abort(cause)
		e := s.wantEnd(1006, false, false)
		if !errors.Is(e, cause) {
			t.Errorf("the cause is not in %v", e)
		}
		s.c.Abort(errors.New("another"))
		if s.c.Err() != error(e) {
			t.Errorf("Err changed to %v", s.c.Err())
		}
	})
}
