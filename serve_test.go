package curlew_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// served returns a connection in memory for Serve, and its Peer.
func served(t *testing.T, o *curlew.Options) (*curlew.Conn, *wstest.Peer) {
	a, b := wstest.NewLink(nil)
	c := curlew.NewConn(a, curlew.Server, o)
	t.Cleanup(func() { c.Abort(nil) })
	return c, wstest.NewPeer(t, b, curlew.Client)
}

// TestServeNothing: Events that are nil are none.
func TestServeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := served(t, nil)
		p.Send(wstest.Text("to nobody"), wstest.Ping("x"))
		done := make(chan error)
		go func() { done <- curlew.Serve(t.Context(), c, nil) }()
		p.Want("alive", wstest.Pong("x"))
		c.Abort(nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestServePanic: the panic of a callback goes on through Serve and ends the
// connection, which is not left busy.
func TestServePanic(t *testing.T) {
	ways := map[string]func(){
		"panic":  func() { panic("of a callback") },
		"goexit": runtime.Goexit,
	}
	for name, way := range ways {
		for _, where := range []string{"Open", "Message", "Error", "Close"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, p := served(t, nil)
					at := func(here string) {
						if here == where {
							way()
						}
					}
					switch where {
					case "Message", "Close":
						p.Send(wstest.Text("x"))
					case "Error": // a broken rule
						p.Send(wstest.Text("x").Reserved(7))
					}
					code, closes := curlew.Code(1011), 0
					if where == "Error" {
						code = 1002
					}
					got := make(chan any)
					go func() {
						defer func() { got <- recover() }()
						curlew.Serve(context.Background(), c, &curlew.Events{
							Open:    func(*curlew.Conn) { at("Open") },
							Message: func(c *curlew.Conn, _ curlew.Type, _ []byte) { at("Message"); c.Close(1011, "") },
							Error:   func(*curlew.Conn, error) { at("Error") },
							Close:   func(*curlew.Conn, *curlew.CloseError) { closes++; at("Close") },
						})
					}()
					p.WantClose("for the panic", code, wstest.AnyReason)
					p.Send(wstest.Close(code, ""))
					p.WantEOF("all the same")
					p.Close()
					if v := <-got; name == "panic" && v != "of a callback" {
						t.Errorf("recovered %v", v)
					}
					wait(t, "the end", c.Done())
					if want := map[string]int{"Error": 1, "Close": 1}[where]; closes != want {
						t.Errorf("Close was called %d times, want %d", closes, want)
					}
					if _, _, err := c.Read(context.Background(), nil); err != c.Err() {
						t.Errorf("Read afterwards = %v", err)
					}
				})
			})
		}
	}
}

// TestServeCancelled: Serve returns after the message at hand, although more have
// come, and the next reader goes on there.
func TestServeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := served(t, nil)
		frames := []wstest.Frame{}
		for i := range 20 {
			frames = append(frames, wstest.Text(fmt.Sprint(i)).Split(1)...)
		}
		p.Send(frames...)
		for i := 0; i < 20; i += 2 {
			ctx, cancel := context.WithCancel(t.Context())
			var got []string
			err := curlew.Serve(ctx, c, &curlew.Events{Message: func(_ *curlew.Conn, _ curlew.Type, m []byte) {
				got = append(got, string(m))
				cancel()
			}})
			if err != context.Canceled || !slices.Equal(got, []string{fmt.Sprint(i)}) {
				t.Fatalf("Serve = %v, messages %q, want %d", err, got, i)
			}
			if _, m, err := c.Read(t.Context(), nil); string(m) != fmt.Sprint(i+1) || err != nil {
				t.Fatalf("Read = %q, %v, want %d", m, err, i+1)
			}
		}
	})
}

// parts returns Events that note every Part: "text|" is not the last, "text." is.
func parts(got *[]string) *curlew.Events {
	return &curlew.Events{Part: func(_ *curlew.Conn, _ curlew.Type, p []byte, last bool) {
		*got = append(*got, string(p)+map[bool]string{false: "|", true: "."}[last])
	}}
}

// serveFor serves for a second.
func serveFor(t *testing.T, c *curlew.Conn, ev *curlew.Events) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := curlew.Serve(ctx, c, ev); err != context.DeadlineExceeded {
		t.Fatalf("Serve = %v", err)
	}
}

// TestServePartsOfARead: what a cancelled Read has left is cut by MaxPacket too.
func TestServePartsOfARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := served(t, &curlew.Options{MaxPacket: 4})
		p.Send(wstest.More(wstest.Text("0123456789")))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.Read(ctx, nil); err != context.DeadlineExceeded {
			t.Fatal(err)
		}
		p.Send(wstest.Cont("abc"), wstest.Text("next"))
		var got []string
		serveFor(t, c, parts(&got))
		if want := []string{"0123|", "4567|", "89ab|", "c.", "next."}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestServePartsTorn: a message of which Part has had pieces is not taken for a
// whole one by the next reader.
func TestServePartsTorn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := served(t, &curlew.Options{MaxPacket: 4})
		p.Send(wstest.More(wstest.Text("012345")))
		var got []string
		serveFor(t, c, parts(&got))
		p.Send(wstest.Cont("67"), wstest.Text("whole"))
		if _, m, err := c.Read(t.Context(), nil); string(m) != "whole" || err != nil {
			t.Errorf("Read = %q, %v", m, err)
		}
		p.Send(wstest.More(wstest.Text("012")))
		serveFor(t, c, parts(&got)) // has given nothing of it
		p.Send(wstest.Cont("3"))
		if _, m, err := c.Read(t.Context(), nil); string(m) != "0123" || err != nil {
			t.Errorf("Read = %q, %v", m, err)
		}
		if want := []string{"0123|"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestServePreserveSwitched: SetPreserveFrames counts from the next frame on, in
// both directions, and cuts what was kept before.
func TestServePreserveSwitched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := served(t, &curlew.Options{MaxPacket: 4})
		var got []string
		go curlew.Serve(context.Background(), c, parts(&got))
		half := func(f wstest.Frame, cut int, between func()) {
			b := wire(curlew.Server, f)
			p.Conn().Write(b[:len(b)-cut])
			synctest.Wait()
			between()
			p.Conn().Write(b[len(b)-cut:])
			synctest.Wait()
		}
		half(wstest.More(wstest.Text("012345")), 3, func() { c.SetPreserveFrames(true) })
		half(wstest.More(wstest.Cont("a long frame")), 5, func() { c.SetPreserveFrames(false) })
		p.Send(wstest.Cont("cut again"))
		synctest.Wait()
		if want := []string{"0123|", "45|", "a long frame|", "cut |", "agai|", "n."}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestHandleGoexit: a callback that ends its goroutine, as t.FailNow does, ends
// the connection and leaves nothing behind. Close is called all the same.
func TestHandleGoexit(t *testing.T) {
	for _, where := range []string{"Open", "Message", "Error", "Close"} {
		each(t, []kind{memory, overTCP}, func(t *testing.T, k kind, d driver) {
			if d != byHandle && d != byGoroutine {
				return
			}
			t.Log(where)
			at := func(here string) {
				if here == where {
					runtime.Goexit()
				}
			}
			closed := make(chan *curlew.CloseError, 100)
			s := &subject{t: t, d: d}
			ours, peers := k.open(t, curlew.Server)
			s.handleWith(ours, peers, &curlew.Options{GoroutinePerConn: d == byGoroutine}, &curlew.Events{
				Open:    func(*curlew.Conn) { at("Open") },
				Message: func(c *curlew.Conn, _ curlew.Type, _ []byte) { at("Message"); c.Close(1011, "") },
				Error:   func(*curlew.Conn, error) { at("Error") },
				Close:   func(_ *curlew.Conn, e *curlew.CloseError) { closed <- e; at("Close") },
			})
			code := curlew.Code(1011)
			if where == "Error" {
				code = 1002
				s.p.Send(wstest.Text("a broken rule").Reserved(7))
			} else if where != "Open" {
				s.p.Send(wstest.Text("x"))
			}
			s.p.WantClose("for it", code, wstest.AnyReason)
			s.p.Send(wstest.Close(code, ""))
			s.p.WantEOF("at the end")
			s.p.Close()
			wait(t, "the end", s.c.Done())
			select {
			case e := <-closed:
				if e != s.c.Err() || e.Code != code || e.Remote {
					t.Errorf("Close was told %v, Err is %v", e, s.c.Err())
				}
			case <-time.After(20 * time.Second): // only so that a bug ends
				t.Error("Close was not called")
			}
			s.c.Abort(nil)
			if len(closed) > 0 {
				t.Error("Close was called again")
			}
		})
	}
}
