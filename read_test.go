package curlew_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestReadCancelled: a Read given up loses nothing, wherever in a message the
// bytes happened to be.
func TestReadCancelled(t *testing.T) {
	const messages = 200
	for _, k := range []kind{memory, chopped, overTCP, overTLS} {
		t.Run(k.name, func(t *testing.T) {
			a, b := k.open(t, curlew.Server)
			c := curlew.NewConn(a, curlew.Server, nil)
			t.Cleanup(func() { c.Abort(nil) })
			p := wstest.NewPeer(t, b, curlew.Client)
			go func() {
				rng := rand.New(rand.NewPCG(1, 2))
				for n := range messages {
					frames := wstest.Binary(stamped(0, n, rng.IntN(500))).Split(1 + rng.IntN(300))
					bytes := wire(curlew.Server, frames...)
					for len(bytes) > 0 {
						n := min(len(bytes), 1+rng.IntN(100))
						b.Write(bytes[:n])
						bytes = bytes[n:]
					}
				}
			}()
			cancelled := 0
			for n := 0; n < messages; {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(50))*time.Microsecond)
				_, m, err := c.Read(ctx, nil)
				cancel()
				if err != nil {
					if err != context.DeadlineExceeded {
						t.Fatalf("message %d: %v", n, err)
					}
					cancelled++
					continue
				}
				if _, number, ok := stamp(m); !ok || number != n {
					t.Fatalf("got message %d, intact %t; want %d", number, ok, n)
				}
				n++
			}
			t.Logf("%d Reads were given up", cancelled)
			p.Close()
		})
	}
}

// TestReadCancelledExactly: given up between any two bytes.
func TestReadCancelledExactly(t *testing.T) {
	frames := []wstest.Frame{wstest.More(wstest.Text("he\xc3")), wstest.Ping("p"), wstest.Cont("\xa9llo"), wstest.Binary(make([]byte, 200))}
	whole := wire(curlew.Server, frames...)
	for cut := range len(whole) {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.NewLink(nil)
			c := curlew.NewConn(a, curlew.Server, nil)
			defer c.Abort(nil)
			want := []string{"heéllo", string(make([]byte, 200))}
			read := func(err error) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				for {
					_, m, got := c.Read(ctx, nil)
					if got != nil {
						if got != err {
							t.Fatalf("Read = %v, want %v", got, err)
						}
						return
					}
					if len(want) == 0 || string(m) != want[0] {
						t.Fatalf("read %q, want %q", m, want)
					}
					want = want[1:]
				}
			}
			b.Write(whole[:cut])
			read(context.DeadlineExceeded)
			b.Write(whole[cut:])
			read(context.DeadlineExceeded)
			if len(want) > 0 {
				t.Errorf("%q did not come", want)
			}
		})
	}
}

// TestBusy: one reads, others are told so, and it does no harm.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		defer c.Abort(nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		got := make(chan string, 1)
		go func() {
			_, m, err := c.Read(t.Context(), nil)
			got <- fmt.Sprint(string(m), err)
		}()
		synctest.Wait()
		if _, _, err := c.Read(t.Context(), nil); err != curlew.ErrBusy {
			t.Errorf("second Read = %v, want ErrBusy", err)
		}
		if _, _, err := c.Reader(t.Context()); err != curlew.ErrBusy {
			t.Errorf("Reader = %v, want ErrBusy", err)
		}
		if err := curlew.Serve(t.Context(), c, &curlew.Events{}); err != curlew.ErrBusy {
			t.Errorf("Serve = %v, want ErrBusy", err)
		}
		p.Send(wstest.Text("for the first"))
		if m := <-got; m != "for the first<nil>" {
			t.Errorf("the first Read got %s", m)
		}
	})
}

// TestReader: a message in pieces; what is left of one is skipped.
func TestReader(t *testing.T) {
	for _, k := range everyKind {
		t.Run(k.name, func(t *testing.T) {
			ours, peers := k.open(t, curlew.Server)
			c := curlew.NewConn(ours, curlew.Server, nil)
			t.Cleanup(func() { c.Abort(nil) })
			p := wstest.NewPeer(t, peers, curlew.Client)
			long := bytes.Repeat([]byte("0123456789"), 2000)
			p.Send(wstest.Binary(long).Split(777)...)
			p.Send(wstest.Binary(long).Split(777)...)
			p.Send(wstest.Text(""))
			p.Send(wstest.Text("last"))
			ctx := t.Context()

			typ, r, err := c.Reader(ctx)
			if typ != curlew.Binary || err != nil {
				t.Fatalf("Reader = %v, %v", typ, err)
			}
			if got, err := io.ReadAll(r); !bytes.Equal(got, long) || err != nil {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("after the end: %d, %v", n, err)
			}
			_, old, err := c.Reader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(old, make([]byte, 1000))
			typ, r, err = c.Reader(ctx) // skips the rest
			if got, err2 := io.ReadAll(r); typ != curlew.Text || len(got) != 0 || err != nil || err2 != nil {
				t.Errorf("the empty one: %v %q, %v, %v", typ, got, err, err2)
			}
			if _, err := old.Read(make([]byte, 1)); err == nil || err == io.EOF {
				t.Errorf("a reader of an earlier message gives %v", err)
			}
			if typ, m, err := c.Read(ctx, nil); typ != curlew.Text || string(m) != "last" || err != nil {
				t.Errorf("the last: %v %q, %v", typ, m, err)
			}
		})
	}
}

// TestServeHandsOver: Serve can be left by its context and taken up again, by
// Read too, without losing anything.
func TestServeHandsOver(t *testing.T) {
	for _, k := range everyKind {
		t.Run(k.name, func(t *testing.T) {
			ours, peers := k.open(t, curlew.Server)
			c := curlew.NewConn(ours, curlew.Server, nil)
			t.Cleanup(func() { c.Abort(nil) })
			p := wstest.NewPeer(t, peers, curlew.Client)
			var frames []wstest.Frame
			for i := range 100 {
				frames = append(frames, wstest.Text(fmt.Sprint(i)).Split(1)...)
			}
			go peers.Write(wire(curlew.Server, frames...))
			got := []string{}
			for len(got) < 100 {
				ctx, cancel := context.WithCancel(t.Context())
				err := curlew.Serve(ctx, c, &curlew.Events{
					Message: func(_ *curlew.Conn, _ curlew.Type, m []byte) {
						got = append(got, string(m))
						if len(got)%7 == 0 {
							cancel()
						}
					},
					Close: func(*curlew.Conn, *curlew.CloseError) { t.Error("Close of a connection that lives") },
				})
				cancel()
				if err != context.Canceled {
					t.Fatalf("Serve = %v, want the context's error", err)
				}
				if len(got) < 100 {
					_, m, err := c.Read(t.Context(), nil)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, string(m))
				}
				if len(got) >= 98 { // the next multiple of 7 is beyond
					for len(got) < 100 {
						_, m, err := c.Read(t.Context(), nil)
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, string(m))
					}
				}
			}
			for i, m := range got {
				if m != fmt.Sprint(i) {
					t.Fatalf("message %d is %q: %q", i, m, got)
				}
			}
			p.Close()
		})
	}
}
