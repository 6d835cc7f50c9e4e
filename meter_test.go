package curlew_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

const (
	tooManyMessages = "too many messages per second"
	tooManyBytes    = "too many bytes per second"
)

// exchange sends messages of one byte and wants them back.
func exchange(p *wstest.Peer, n int) {
	for range n {
		p.Send(wstest.Text("x"))
		p.Want("the echo", wstest.Text("x"))
	}
}

// small is the size of such a message on its way to a server.
const small = 2 + 4 + 1

// TestFR33_MessagesPerSecond: a second's worth may come at once, one more ends
// the connection; what was used comes back with time, up to a second's worth.
func TestFR33_MessagesPerSecond(t *testing.T) {
	for _, d := range everyDriver {
		t.Run(string(d), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, memory, d, curlew.Server, &curlew.Options{MessagesPerSecond: 10})
				exchange(s.p, 10)
				pass(100 * time.Millisecond)
				exchange(s.p, 1)
				for range 20 { // at the rate for a while
					pass(100 * time.Millisecond)
					s.p.Send(wstest.More(wstest.Text("x")), wstest.Ping("p"), wstest.More(wstest.Cont("")), wstest.Cont("y")) // one message
					s.p.Want("pong and echo", wstest.Pong("p"), wstest.Text("xy"))
				}
				pass(10 * time.Second) // is worth no more than a second
				exchange(s.p, 10)
				pass(99 * time.Millisecond)
				s.p.Send(wstest.Text("one too many"))
				s.p.WantClose("the limit", frame.PolicyViolation, tooManyMessages)
				if got := s.received(); strings.Contains(got[len(got)-1], "too many") {
					t.Error("the message too many was handed on")
				}
			})
		})
	}
}

// TestFR33_BytesPerSecond: of a read that has more than may come the rest is not
// looked at.
func TestFR33_BytesPerSecond(t *testing.T) {
	for _, d := range everyDriver {
		t.Run(string(d), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, memory, d, curlew.Server, &curlew.Options{BytesPerSecond: 10 * small})
				exchange(s.p, 10)
				pass(time.Second)
				ping := wstest.Ping(strings.Repeat("p", 10*small-6)) // bytes of any kind
				s.p.Send(ping)
				s.p.Want("the pong", wstest.Pong(string(ping.Payload)))
				pass(100 * time.Millisecond)
				exchange(s.p, 1)
			})
			for extra, want := range map[int]int{0: 10, 1: 10} {
				synctest.Test(t, func(t *testing.T) {
					s := open(t, memory, d, curlew.Server, &curlew.Options{BytesPerSecond: 10 * small})
					all := bytes.Repeat(wire(curlew.Server, wstest.Text("x")), 10)
					s.p.Conn().Write(append(all, wire(curlew.Server, wstest.Text("x"))[:extra]...))
					for range want {
						s.p.Want("the echo", wstest.Text("x"))
					}
					if extra > 0 {
						s.p.WantClose("one byte more", frame.PolicyViolation, tooManyBytes)
					} else {
						exchangeAfter(s.p, 100*time.Millisecond)
					}
				})
			}
		})
	}
}

func exchangeAfter(p *wstest.Peer, d time.Duration) {
	pass(d)
	exchange(p, 1)
}

// TestFR33_Flood: on every kind of stream a flood ends the connection, and the
// peer is told why.
func TestFR33_Flood(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for reason, o := range map[string]*curlew.Options{
			tooManyMessages: {MessagesPerSecond: 20, SendQueue: -1},
			tooManyBytes:    {BytesPerSecond: 20 * small, SendQueue: -1},
		} {
			s := open(t, k, d, curlew.Server, o)
			go s.p.Conn().Write(bytes.Repeat(wire(curlew.Server, wstest.Text("x")), 2000))
			n := 0
			for {
				f := s.p.Next("an echo or the end")
				if f.Opcode == frame.Close {
					if got := string(f.Payload[2:]); got != reason {
						t.Errorf("%s: %q", reason, got)
					}
					break
				}
				n++
			}
			if n < 20 || n > 500 {
				t.Errorf("%s: %d echoes", reason, n)
			}
		}
	})
}

// TestMeterWhileBusy: what came while the application was busy counts as if it had
// been read at once. It is no credit for later.
func TestMeterWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, peers := wstest.NewLink(nil)
		c := curlew.NewConn(ours, curlew.Server, &curlew.Options{MessagesPerSecond: 10, MaxPacket: 1})
		defer c.Abort(nil)
		n := 0
		go curlew.Serve(context.Background(), c, &curlew.Events{Message: func(*curlew.Conn, curlew.Type, []byte) {
			if n++; n == 1 {
				<-time.After(10 * time.Second)
			}
		}})
		p := wstest.NewPeer(t, peers, curlew.Client)
		large := strings.Repeat("x", 9000) // the window is soon full
		for range 100 {
			p.Send(wstest.Text(large))
			pass(101 * time.Millisecond)
		}
		pass(time.Second)
		synctest.Wait()
		if n != 100 || c.Err() != nil {
			t.Fatalf("%d messages, %v", n, c.Err())
		}
		for range 10 {
			p.Send(wstest.Text("x"))
		}
		synctest.Wait()
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
		p.Send(wstest.Text("x"))
		p.WantClose("the limit", frame.PolicyViolation, tooManyMessages)
	})
}

// TestMeterRates: odd rates, and a client that meters its server.
func TestMeterRates(t *testing.T) {
	for _, rate := range []int{1, 3, 7, 1000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, memory, byRead, curlew.Client, &curlew.Options{MessagesPerSecond: rate})
				for range 5 {
					exchange(s.p, rate)
					pass(time.Second)
				}
				exchange(s.p, rate)
				s.p.Send(wstest.Text("x"))
				s.p.WantClose("the limit", frame.PolicyViolation, tooManyMessages)
			})
		})
	}
	for _, none := range []int{0, -1} {
		s := open(t, memory, byRead, curlew.Client, &curlew.Options{MessagesPerSecond: none, BytesPerSecond: none})
		exchange(s.p, 1000)
	}
}
