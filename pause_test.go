package curlew_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// pausing is every driver that calls callbacks.
func pausing(t *testing.T, kinds []kind, f func(t *testing.T, open func(o *curlew.Options, ev *curlew.Events) *subject)) {
	each(t, kinds, func(t *testing.T, k kind, d driver) {
		if d == byRead {
			return
		}
		f(t, func(o *curlew.Options, ev *curlew.Events) *subject {
			ours, peers := k.open(t, curlew.Server)
			s := &subject{t: t, d: d}
			if d == byEvents {
				s.c = curlew.NewConn(ours, curlew.Server, o)
				s.p = wstest.NewPeer(t, peers, curlew.Client)
				go curlew.Serve(context.Background(), s.c, ev)
			} else {
				with := curlew.Options{}
				if o != nil {
					with = *o
				}
				with.GoroutinePerConn = d == byGoroutine
				s.handleWith(ours, peers, &with, ev)
			}
			t.Cleanup(func() { s.c.Abort(nil) })
			return s
		})
	})
}

// TestPause: no message is handed over until Resume, but pings are answered; then all
// come, in order, also those of the same read.
func TestPause(t *testing.T) {
	pausing(t, everyKind, func(t *testing.T, open func(*curlew.Options, *curlew.Events) *subject) {
		s := open(nil, &curlew.Events{Message: func(c *curlew.Conn, typ curlew.Type, p []byte) {
			if strings.HasPrefix(string(p), "pause") {
				c.Pause()
				c.Pause()
			}
			c.Send(typ, p)
		}})
		s.p.Send(wstest.Text("pause 1"), wstest.Text("2"), wstest.Text("3"))
		s.p.Want("the one that pauses is answered", wstest.Text("pause 1"))
		s.p.Send(wstest.Text("4"))
		s.p.WantIdle("the others are not, but pings")
		s.p.Send(wstest.Text("pause 5"), wstest.Text("6"))
		s.c.Resume()
		s.p.Want("then all come", wstest.Text("2"), wstest.Text("3"), wstest.Text("4"), wstest.Text("pause 5"))
		s.p.WantIdle("and it pauses again")
		s.c.Resume()
		s.c.Resume()
		s.p.Want("and goes on", wstest.Text("6"))
	})
}

// TestPauseEnd: with the end of the connection all that was read ahead is handed over,
// and Close is called.
func TestPauseEnd(t *testing.T) {
	pausing(t, []kind{memory, overTCP}, func(t *testing.T, open func(*curlew.Options, *curlew.Events) *subject) {
		var got []string
		closed := make(chan struct{})
		s := open(nil, &curlew.Events{
			Message: func(c *curlew.Conn, _ curlew.Type, p []byte) {
				got = append(got, string(p))
				c.Pause()
			},
			Close: func(_ *curlew.Conn, e *curlew.CloseError) {
				if e.Code != curlew.GoingAway {
					t.Errorf("%v", e)
				}
				close(closed)
			},
		})
		s.p.Send(wstest.Text("1"), wstest.Text("2"), wstest.Text("3"), wstest.Close(1001, ""))
		s.p.Want("it is answered", wstest.Close(1001, ""))
		<-closed
		if !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestPauseAbort: who pauses hears of an end that has no answer.
func TestPauseAbort(t *testing.T) {
	pausing(t, []kind{memory, overTCP}, func(t *testing.T, open func(*curlew.Options, *curlew.Events) *subject) {
		closed := make(chan struct{})
		s := open(nil, &curlew.Events{Close: func(*curlew.Conn, *curlew.CloseError) { close(closed) }})
		s.c.Pause()
		s.p.Send(wstest.Text("1"))
		s.p.WantIdle("it pauses")
		s.c.Abort(nil)
		<-closed
	})
}

// TestPauseWritable: Writable is called while messages are not.
func TestPauseWritable(t *testing.T) {
	pausing(t, []kind{memory, overTCP}, func(t *testing.T, open func(*curlew.Options, *curlew.Events) *subject) {
		full := make(chan struct{})
		s := open(&curlew.Options{SendQueue: 1000, WhenFull: curlew.WhenFullDropNewest}, &curlew.Events{
			Message: func(c *curlew.Conn, _ curlew.Type, p []byte) {
				c.Pause()
				big := make([]byte, 900)
				go func() { // else it is corked
					for c.Send(curlew.Binary, big) == nil {
					}
					close(full)
				}()
			},
			Writable: func(c *curlew.Conn) { c.Send(curlew.Text, []byte("writable")) },
		})
		s.p.Send(wstest.Text("go"))
		<-full
		for {
			if f := s.p.Next("what was sent"); string(f.Payload) == "writable" {
				return
			}
		}
	})
}

// TestPauseServe: the context of Serve ends a pause, which holds for the next Serve;
// Read does not know of it.
func TestPauseServe(t *testing.T) {
	ours, peers := openMemory(t, curlew.Server)
	c := curlew.NewConn(ours, curlew.Server, nil)
	defer c.Abort(nil)
	p := wstest.NewPeer(t, peers, curlew.Client)
	c.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string)
	ev := &curlew.Events{Message: func(_ *curlew.Conn, _ curlew.Type, p []byte) { got <- string(p) }}
	served := make(chan error)
	go func() { served <- curlew.Serve(ctx, c, ev) }()
	p.Send(wstest.Text("1"), wstest.Text("2"))
	p.WantIdle("it pauses")
	cancel()
	if err := <-served; err != context.Canceled {
		t.Error(err)
	}
	if _, m, err := c.Read(t.Context(), nil); string(m) != "1" || err != nil {
		t.Errorf("%q, %v", m, err)
	}
	go curlew.Serve(t.Context(), c, ev)
	p.WantIdle("it still pauses")
	c.Resume()
	if m := <-got; m != "2" {
		t.Errorf("%q", m)
	}
}

// TestGoroutinePerConn is told apart by what a connection is served by: a callback
// that never returns ends no other's service either way.
func TestGoroutinePerConn(t *testing.T) {
	for _, goroutine := range []bool{false, true} {
		stuck := make(chan struct{})
		t.Cleanup(func() { close(stuck) })
		ev := &curlew.Events{Message: func(c *curlew.Conn, typ curlew.Type, p []byte) {
			if string(p) == "stay" {
				<-stuck
			}
			c.Send(typ, p)
		}}
		b := build(t, tcpHouse, curlew.Handle(&curlew.Options{GoroutinePerConn: goroutine}, func(*http.Request) (*curlew.Events, error) { return ev, nil }), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		dial := func() *curlew.Conn {
			c, err := curlew.Dial(ctx, "ws://"+b.addr+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Abort(nil) })
			return c
		}
		for range 5 {
			dial().Write(ctx, curlew.Text, []byte("stay"))
			c := dial()
			c.Write(ctx, curlew.Text, []byte("hello"))
			if _, p, err := c.Read(ctx, nil); string(p) != "hello" || err != nil {
				t.Errorf("%q, %v", p, err)
			}
		}
	}
}
