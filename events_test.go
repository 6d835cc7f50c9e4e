package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// A recorder notes what Part is given: "text he" with a + if there is more.
type recorder struct {
	mu    sync.Mutex
	parts []string
}

func (r *recorder) part(_ *curlew.Conn, t curlew.Type, p []byte, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	more := "+"
	if last {
		more = ""
	}
	r.parts = append(r.parts, t.String()+" "+string(p)+more)
}

func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if fmt.Sprintf("%q", r.parts) != fmt.Sprintf("%q", want) {
		t.Errorf("parts %q, want %q", r.parts, want)
	}
}

// testParts sends frames and compares the parts that come of them.
func testParts(t *testing.T, o *curlew.Options, frames []wstest.Frame, want ...string) {
	t.Helper()
	for _, k := range everyKind {
		for _, d := range []driver{byEvents, byHandle} {
			t.Run(k.name+"/"+string(d), func(t *testing.T) {
				ours, peers := k.open(t, curlew.Server)
				s := &subject{t: t, d: d}
				rec := &recorder{}
				ev := &curlew.Events{Part: rec.part, Message: func(*curlew.Conn, curlew.Type, []byte) {
					t.Error("Message was called although Part is set")
				}}
				if d == byHandle {
					s.handleWith(ours, peers, o, ev)
				} else {
					s.c = curlew.NewConn(ours, curlew.Server, o)
					s.p = wstest.NewPeer(t, peers, curlew.Client)
					go curlew.Serve(context.Background(), s.c, ev)
				}
				t.Cleanup(func() { s.c.Abort(nil) })
				s.p.Send(frames...)
				s.p.WantIdle("all is handled")
				if k.name == "chopped" && o.MaxPacket == 0 && !o.PreserveFrames {
					return // how much of a message is one part is not promised
				}
				rec.want(t, want...)
			})
		}
	}
}

func TestPartFrames(t *testing.T) {
	frames := []wstest.Frame{
		wstest.Text("whole"), wstest.More(wstest.Binary([]byte("one"))), wstest.Pong("x"),
		wstest.More(wstest.Cont("")), wstest.More(wstest.Cont(strings.Repeat("2", 500))), wstest.Cont("three"), wstest.Binary(nil),
	}
	testParts(t, &curlew.Options{PreserveFrames: true, MaxPacket: 2, SendQueue: -1}, frames,
		"text whole", "binary one+", "binary +", "binary "+strings.Repeat("2", 500)+"+", "binary three", "binary ")
}

func TestPartPackets(t *testing.T) {
	frames := []wstest.Frame{wstest.Text("abcdefghij"), wstest.More(wstest.Text("klm")), wstest.Cont("nopq"), wstest.Text("xyz"), wstest.Text("é€")}
	testParts(t, &curlew.Options{MaxPacket: 4}, frames,
		"text abcd+", "text efgh+", "text ij", "text klmn+", "text opq", "text xyz", "text é\xe2\x82+", "text \xac")
}

// TestPartWhole: without limits the parts of a message are the message.
func TestPartWhole(t *testing.T) {
	for _, k := range everyKind {
		ours, peers := k.open(t, curlew.Server)
		c := curlew.NewConn(ours, curlew.Server, nil)
		t.Cleanup(func() { c.Abort(nil) })
		p := wstest.NewPeer(t, peers, curlew.Client)
		var got bytes.Buffer
		done := make(chan string, 1)
		go curlew.Serve(context.Background(), c, &curlew.Events{Part: func(_ *curlew.Conn, _ curlew.Type, p []byte, last bool) {
			got.Write(p)
			if last {
				done <- got.String()
				got.Reset()
			}
		}})
		for _, m := range []string{"", "short", strings.Repeat("long ", 20000)} {
			p.Send(wstest.Text(m).Split(7000)...)
			if s := <-done; s != m {
				t.Errorf("%s: %d bytes of %d", k.name, len(s), len(m))
			}
		}
	}
}

// TestPreserveFramesSends: every block is one frame, whatever MaxFrame says, and
// it can be switched.
func TestPreserveFramesSends(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, &curlew.Options{PreserveFrames: true, MaxFrame: 3})
	ctx := t.Context()
	long := strings.Repeat("x", 100)
	s.c.Write(ctx, curlew.Text, []byte(long))
	s.p.Want("one frame", wstest.Text(long))
	w, err := s.c.Writer(ctx, curlew.Text)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(long))
	w.Finish([]byte("end"))
	s.p.Want("a frame a piece", wstest.More(wstest.Text(long)), wstest.Cont("end"))
	s.c.SetPreserveFrames(false)
	s.c.Write(ctx, curlew.Text, []byte("abcde"))
	s.p.Want("by MaxFrame", wstest.Text("abcde").Split(3)...)
}

// TestCallbackOrder: Open first, Close last, nothing after it.
func TestCallbackOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		var order []string
		p.Send(wstest.Text("one"), wstest.Text("two"), wstest.Text("three"))
		curlew.Serve(t.Context(), c, &curlew.Events{
			Open: func(*curlew.Conn) { order = append(order, "open") },
			Message: func(c *curlew.Conn, _ curlew.Type, m []byte) {
				order = append(order, string(m))
				if string(m) == "two" {
					c.Close(4000, "")
				}
			},
			Error: func(*curlew.Conn, error) { order = append(order, "error") },
			Close: func(c *curlew.Conn, e *curlew.CloseError) {
				order = append(order, fmt.Sprint("close ", uint16(e.Code)))
				if err := c.Send(curlew.Text, nil); err != error(e) {
					t.Errorf("Send in Close = %v", err)
				}
			},
		})
		p.WantClose("from a callback", 4000, "")
		want := "[open one two error close 4000]" // an error: the peer never answers
		if got := fmt.Sprint(order); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestCallbackPanics: with Handle, a panic ends its connection alone, with 1011,
// and is logged.
func TestCallbackPanics(t *testing.T) {
	for name, ev := range map[string]*curlew.Events{
		"Open":    {Open: func(*curlew.Conn) { panic("oh no") }},
		"Message": {Message: func(*curlew.Conn, curlew.Type, []byte) { panic("oh no") }},
		"Part":    {Part: func(*curlew.Conn, curlew.Type, []byte, bool) { panic("oh no") }},
		"Close":   {Close: func(*curlew.Conn, *curlew.CloseError) { panic("oh no") }},
	} {
		t.Run(name, func(t *testing.T) {
			ours, peers := memory.open(t, curlew.Server)
			logged := make(chan string, 10)
			l := &onlyListener{conn: ours, closed: make(chan struct{})}
			srv := &http.Server{
				Handler:  curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) { return ev, nil }),
				ErrorLog: log.New(writerFunc(func(p []byte) { logged <- string(p) }), "", 0),
			}
			t.Cleanup(func() { srv.Close() })
			go srv.Serve(l)
			p, _ := wstest.Open(t, peers, "/", nil)
			p.Send(wstest.Text("go"))
			if name == "Close" {
				p.Send(wstest.Close(1000, ""))
				p.WantClose("the end is over by then", 1000, "")
			} else {
				p.WantClose("ended", 1011, wstest.AnyReason)
			}
			p.Send(wstest.Close(1011, ""))
			p.WantEOF("ended")
			p.Close()
			if s := <-logged; !strings.Contains(s, "oh no") {
				t.Errorf("logged %q", s)
			}
		})
	}
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory, byHandle, curlew.Server, nil)
		s.p.Send(wstest.Text("hello"), wstest.Ping(""))
		s.p.Next("echo or pong")
		s.p.Next("echo or pong")
		synctest.Wait()
		i := s.c.Info()
		if i.MessagesRead != 1 || i.MessagesWritten != 1 || i.BytesRead != 6+5+6 || i.BytesWritten != 2+5+2 {
			t.Errorf("%+v", i)
		}
		if i.Proto != "HTTP/1.1" || i.URL.String() != "/" && i.URL.Path != "/" || i.LocalAddr == nil || i.RemoteAddr == nil || i.TLS != nil {
			t.Errorf("%+v", i)
		}
		s.c.SetValue(42)
		if v := s.c.Value(); v != 42 {
			t.Errorf("Value = %v", v)
		}
		s.c.SetValue("of another type")
		if v := s.c.Value(); v != "of another type" {
			t.Errorf("Value = %v", v)
		}
	})
	s := open(t, overTLS, byRead, curlew.Server, nil)
	if i := s.c.Info(); i.TLS == nil || !i.TLS.HandshakeComplete {
		t.Errorf("%+v", i)
	}
}

// TestMessageTypes: what is neither text nor binary is refused.
func TestMessageTypes(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, nil)
	for _, typ := range []curlew.Type{0, 3, 8, 9, 10, 255} {
		_, err := s.c.Writer(t.Context(), typ)
		for _, err := range []error{err, s.c.Write(t.Context(), typ, nil), s.c.Send(typ, nil), s.c.SendPrepared(curlew.Prepare(typ, nil))} {
			if err == nil {
				t.Errorf("type %d was sent", typ)
			}
		}
	}
	s.p.WantIdle("nothing was sent")
}

// TestNegativeOptions: every option can be off, and a connection still works.
func TestNegativeOptions(t *testing.T) {
	off := &curlew.Options{
		MaxMessage: -1, MaxFrame: -1, MaxPacket: -1, MaxFragments: -1, SendQueue: -1,
		PingInterval: -1, PongTimeout: -1, InactivityTimeout: -1, RequestTimeout: -1, WriteTimeout: -1, CloseTimeout: -1,
	}
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, off)
		size := 2 << 20
		if k.name == "chopped" {
			size = 20 << 10
		}
		big := wstest.Binary(make([]byte, size))
		go s.p.Conn().Write(wire(curlew.Server, big))
		s.p.Want("the echo", big)
		s.p.Send(wstest.Close(1000, ""))
		s.p.WantClose("the answer", 1000, "")
		s.p.WantEOF("the server ends first")
		s.p.Close()
		s.wantEnd(1000, true, true)
	})
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory, byRead, curlew.Server, off)
		pass(100 * 24 * time.Hour)
		s.p.WantIdle("no clock at all")
		if err := s.c.Err(); err != nil {
			t.Error(err)
		}
	})
}

// TestErrorValues: what the doc comments promise of the errors.
func TestErrorValues(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, nil)
	if err := s.c.Err(); err != nil {
		t.Errorf("Err of an open connection = %v", err)
	}
	s.p.Send(wstest.Close(4444, "why\n"))
	e := s.end()
	if e.Error() != `curlew: connection closed by the peer: 4444 "why\n"` {
		t.Errorf("text %q", e.Error())
	}
	if errors.Unwrap(e) != nil {
		t.Errorf("cause %v", errors.Unwrap(e))
	}
}
