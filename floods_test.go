package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// TestFR22_ManyInOne: many frames in one piece come out in order.
func TestFR22_ManyInOne(t *testing.T) {
	const n = 10000
	each(t, []kind{memory, overTCP, overTLS}, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, &curlew.Options{SendQueue: -1})
		var frames []wstest.Frame
		for i := range n {
			frames = append(frames, wstest.Text(fmt.Sprint(i)))
		}
		go s.p.Conn().Write(wire(curlew.Server, frames...))
		s.p.Want("all in order", frames...)
	})
}

// TestFR23_PingFlood: a peer that pings and does not read its pongs makes
// nothing grow, and is dropped when it takes nothing for WriteTimeout.
func TestFR23_PingFlood(t *testing.T) {
	for _, d := range everyDriver {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, memory, d, curlew.Server, nil)
			s.p.Conn().SetDeadline(time.Time{})
			ping := wire(curlew.Server, wstest.Ping(string(make([]byte, 125))))
			flood := bytes.Repeat(ping, 100)
			start := time.Now()
			flooded := talk(s.p, flood, 10*time.Millisecond)
			pass(9 * time.Second)
			if q := s.c.Info().Queued; q > 4<<10 {
				t.Errorf("%d bytes queued for a peer that pings", q)
			}
			e := s.end()
			if e.Orderly() || e.Err == nil {
				t.Errorf("ended by %v", e)
			}
			if took := time.Since(start); took > 21*time.Second {
				t.Errorf("dropped after %v", took)
			}
			wait(t, "the peer's end", flooded)
		})
	}
}

func TestFR23_LatestPingIsAnswered(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		var frames []wstest.Frame
		for i := range 100 {
			frames = append(frames, wstest.Ping(fmt.Sprint(i)))
		}
		s.p.Send(frames...)
		last := -1
		for last < 99 {
			got, i := s.p.Next("a pong"), -1
			fmt.Sscan(string(got.Payload), &i)
			if got.Opcode != frame.Pong || i <= last {
				t.Fatalf("got %v after the pong to %d", got, last)
			}
			last = i
		}
	})
}

func TestFR24_PongFlood(t *testing.T) {
	each(t, []kind{memory, overTCP, overTLS}, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		pong := wire(curlew.Server, wstest.Pong(string(make([]byte, 125))))
		for range 100 {
			s.p.Conn().Write(bytes.Repeat(pong, 100))
		}
		s.p.Send(wstest.Text("still there"))
		s.p.Want("the echo", wstest.Text("still there"))
		s.wantMessages("text still there")
	})
}

func TestFR25_PingPayload(t *testing.T) {
	payload := make([]byte, 125)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			s := open(t, k, d, role, nil)
			for _, n := range []int{0, 1, 124, 125} {
				s.p.Send(wstest.Ping(string(payload[:n])))
				s.p.Want("the same payload", wstest.Pong(string(payload[:n])))
			}
		}
	})
}

func TestFR26_ZeroKey(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.Text("plain").Key([4]byte{}))
		s.p.Want("the echo", wstest.Text("plain"))
		s.p.Send(wstest.Ping("p").Key([4]byte{}))
		s.p.Want("the pong", wstest.Pong("p"))
	})
}

// TestFR27_LooksLikeHTTP: payloads that look like HTTP on the wire are answered
// in frames like any other.
func TestFR27_LooksLikeHTTP(t *testing.T) {
	const request = "GET /poison HTTP/1.1\r\nHost: example.com\r\n\r\n"
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.Binary([]byte(request)).Key([4]byte{}), wstest.Text("HTTP/1.1 200 OK\r\n\r\n").Key([4]byte{}))
		s.p.Want("frames", wstest.Binary([]byte(request)), wstest.Text("HTTP/1.1 200 OK\r\n\r\n"))
		s.p.WantIdle("no more")
	})
}

// TestFR28_Garbage: random bytes end every connection, in whatever way they ask
// for, and hang or crash none.
func TestFR28_Garbage(t *testing.T) {
	for seed := range uint64(40) {
		d := everyDriver[seed%3]
		role := []curlew.Role{curlew.Server, curlew.Client}[seed/2%2]
		t.Run(fmt.Sprintf("%v/%s/%d", role, d, seed), func(t *testing.T) {
			s := open(t, memory, d, role, &curlew.Options{SendQueue: -1})
			rng := rand.New(rand.NewPCG(seed, 28))
			garbage := make([]byte, 256<<10)
			for i := range garbage {
				garbage[i] = byte(rng.Uint32())
			}
			go io.Copy(io.Discard, s.p.Conn())
			s.p.Conn().Write(garbage)
			s.p.CloseWrite()
			if e := s.end(); e.Code < 1000 {
				t.Errorf("ended by %v", e)
			}
		})
	}
}

func TestFR29_HTTP(t *testing.T) {
	testViolations(t, everyKind, []violation{{name: "request", code: 1002,
		bad: []wstest.Frame{wstest.Raw([]byte("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"))}}})
}

func TestFR30_TLSHello(t *testing.T) {
	testViolations(t, everyKind, []violation{{name: "hello", code: 1002,
		bad: []wstest.Frame{wstest.Raw([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))}}})
}

func TestFR31_Limit(t *testing.T) {
	o := &curlew.Options{MaxMessage: 1000}
	exact := wstest.Binary(bytes.Repeat([]byte("x"), 1000))
	pieces := exact.Split(300)
	withPings := []wstest.Frame{pieces[0], wstest.Ping("1"), pieces[1], pieces[2], wstest.Ping("2"), pieces[3]}
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, o)
		s.p.Send(exact)
		s.p.Want("exactly the limit", exact)
		s.p.Send(pieces...)
		s.p.Want("in fragments", exact)
		s.p.Send(withPings...)
		wantAnswers(s, []wstest.Frame{wstest.Pong("1"), wstest.Pong("2"), exact})
	})
	testViolations(t, everyKind, []violation{
		{name: "one more", o: o, bad: []wstest.Frame{wstest.Binary(make([]byte, 1001))}, code: 1009},
		{name: "last fragment", o: o, code: 1009,
			bad: []wstest.Frame{wstest.More(wstest.Binary(make([]byte, 1000))), wstest.Cont("x")}},
		{name: "client", o: o, role: curlew.Client, code: 1009,
			bad: []wstest.Frame{wstest.More(wstest.Text("")), wstest.Cont(string(make([]byte, 1001)))}},
	})
}

// TestFR31_Refused: what is too large to send is refused and the connection
// lives. Writers are not limited.
func TestFR31_Refused(t *testing.T) {
	ctx := t.Context()
	s := open(t, memory, byRead, curlew.Server, &curlew.Options{MaxMessage: 100})
	big := make([]byte, 101)
	for name, err := range map[string]error{
		"Write": s.c.Write(ctx, curlew.Binary, big),
		"Send":  s.c.Send(curlew.Binary, big),
	} {
		if err != curlew.ErrTooBig {
			t.Errorf("%s = %v, want ErrTooBig", name, err)
		}
	}
	if err := s.c.Write(ctx, curlew.Binary, big[:100]); err != nil {
		t.Error(err)
	}
	s.p.Want("exactly the limit, and nothing before", wstest.Binary(big[:100]))
	w, err := s.c.Writer(ctx, curlew.Binary)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.Write(big); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s.p.WantMessage("streamed", curlew.Binary, make([]byte, 303))
}

// TestFR35_AfterClose: nothing is sent after our Close, whoever tries.
func TestFR35_AfterClose(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		if err := s.c.Close(1000, "done"); err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		checks := map[string]error{
			"Write": s.c.Write(ctx, curlew.Text, []byte("late")),
			"Send":  s.c.Send(curlew.Text, []byte("late")),
		}
		_, checks["Writer"] = s.c.Writer(ctx, curlew.Text)
		_, checks["Ping"] = s.c.Ping(ctx)
		for name, err := range checks {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close = %v, want one that is net.ErrClosed", name, err)
			}
		}
		s.p.WantClose("ours", 1000, "done")
		s.p.Send(wstest.Text("too late"), wstest.Ping("too late"), wstest.Close(1000, ""))
		s.p.WantEOF("nothing after our Close")
		s.p.Close()
		s.wantEnd(1000, false, true)
		s.wantMessages()
	})
}

// TestFR37_ReadAgain: the same error, as often as it is asked for.
func TestFR37_ReadAgain(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.Text("bad").Unmasked())
		s.p.WantClose("failure", 1002, wstest.AnyReason)
		s.p.Close()
		s.wantEnd(1002, false, false)
		first := s.c.Err()
		for range 1000 {
			_, p, err := s.c.Read(context.Background(), nil)
			if err != first || p != nil {
				t.Fatalf("Read = %q, %v; want %v", p, err, first)
			}
			if _, _, err = s.c.Reader(context.Background()); err != first {
				t.Fatalf("Reader: %v, want %v", err, first)
			}
		}
		if err := curlew.Serve(context.Background(), s.c, &curlew.Events{}); err != nil && err != first {
			t.Errorf("Serve = %v, want nothing new", err)
		}
	})
}

// TestFR40_Mutate: what is given is copied or done with when the call returns.
func TestFR40_Mutate(t *testing.T) {
	each(t, []kind{memory, overTCP, overTLS}, func(t *testing.T, k kind, d driver) {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			s := open(t, k, d, role, &curlew.Options{SendQueue: -1})
			p := make([]byte, 100)
			fill := func(i int) {
				for j := range p {
					p[j] = byte(i)
				}
			}
			go func() {
				for i := range 200 {
					fill(i)
					if i%2 == 0 {
						s.c.Send(curlew.Binary, p)
					} else {
						s.c.Write(context.Background(), curlew.Binary, p)
						// A client masks a copy: the caller's bytes stay.
						if p[0] != byte(i) || p[99] != byte(i) {
							t.Error("Write changed what it was given")
						}
					}
				}
			}()
			for i := range 200 {
				s.p.Want("as it was", wstest.Binary(bytes.Repeat([]byte{byte(i)}, 100)))
			}
		}
	})
}
