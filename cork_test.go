package curlew_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestCorkSlowCallback: what a callback sends, and its Close, do not wait for its
// end when it takes long, and not only the first time.
func TestCorkSlowCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		served := make(chan error)
		go func() {
			served <- curlew.Serve(context.Background(), c, &curlew.Events{
				Message: func(c *curlew.Conn, _ curlew.Type, m []byte) {
					for range 10 {
						c.Send(curlew.Text, []byte("progress"))
						pass(time.Second)
					}
					c.Close(1000, "done")
					pass(time.Minute)
				},
			})
		}()
		start := time.Now()
		p.Send(wstest.Text("do"))
		for i := range 10 {
			p.Want("one a second", wstest.Text("progress"))
			wantTook(t, "progress", start, 0, time.Duration(i)*time.Second+within)
		}
		p.WantClose("at once", 1000, "done")
		wantTook(t, "Close", start, 10*time.Second, 10*time.Second+within)
		p.Send(wstest.Close(1000, ""))
		p.WantEOF("while the callback goes on")
		p.Close()
		<-served
	})
}

// TestCorkPanic: the Close for a callback that panicked is sent, however long it
// took.
func TestCorkPanic(t *testing.T) {
	for _, took := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := &subject{t: t, d: byHandle, ended: make(chan struct{})}
			ours, peers := wstest.NewLink(nil)
			s.handleWith(ours, peers, nil, &curlew.Events{Message: func(c *curlew.Conn, _ curlew.Type, _ []byte) {
				c.Send(curlew.Text, []byte("before"))
				pass(took)
				panic(http.ErrAbortHandler) // is not logged
			}})
			s.p.Send(wstest.Text("x"))
			s.p.Want("what was sent before", wstest.Text("before"))
			s.p.WantClose("for the panic", 1011, wstest.AnyReason)
			s.p.Close()
			wait(t, "the end", s.c.Done())
		})
	}
}

// TestCorkIsBounded: one callback may send more than the queue holds, if the peer
// takes it.
func TestCorkIsBounded(t *testing.T) {
	for _, queue := range []int{0, 1000} {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 2 << 20})
			c := curlew.NewConn(a, curlew.Server, &curlew.Options{SendQueue: queue})
			defer c.Abort(nil)
			p := wstest.NewPeer(t, b, curlew.Client)
			m := make([]byte, 1000)
			if queue != 0 {
				m = m[:10]
			}
			go curlew.Serve(context.Background(), c, &curlew.Events{
				Message: func(c *curlew.Conn, _ curlew.Type, _ []byte) {
					start := time.Now()
					for i := range 1000 {
						if err := c.Send(curlew.Binary, m); err != nil {
							t.Errorf("message %d: %v", i, err)
							return
						}
						if i%20 == 0 {
							synctest.Wait() // the peer takes it
						}
					}
					wantTook(t, "sent", start, 0, 0)
				},
			})
			p.Send(wstest.Text("x"))
			for range 1000 {
				p.Want("all", wstest.Binary(m))
			}
		})
	}
}
