package curlew_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// stamped is a message that shows who sent it, which one it is, and whether all
// of it belongs together.
func stamped(sender, number, size int) []byte {
	p := make([]byte, max(size, 8))
	binary.BigEndian.PutUint32(p, uint32(sender))
	binary.BigEndian.PutUint32(p[4:], uint32(number))
	for i := 8; i < len(p); i++ {
		p[i] = byte(sender*31 + number*7)
	}
	return p
}

func stamp(p []byte) (sender, number int, ok bool) {
	if len(p) < 8 {
		return 0, 0, false
	}
	sender, number = int(binary.BigEndian.Uint32(p)), int(binary.BigEndian.Uint32(p[4:]))
	return sender, number, bytes.Equal(p, stamped(sender, number, len(p)))
}

// pair returns two connections over a kind of stream.
func pair(t *testing.T, k kind, o *curlew.Options) (s, c *curlew.Conn) {
	a, b := k.open(t, curlew.Server)
	s, c = curlew.NewConn(a, curlew.Server, o), curlew.NewConn(b, curlew.Client, o)
	t.Cleanup(func() {
		s.Abort(nil)
		c.Abort(nil)
	})
	return s, c
}

// senders are all the ways to send a message.
var senders = []struct {
	name string
	send func(ctx context.Context, c *curlew.Conn, p []byte) error
}{
	{"Write", func(ctx context.Context, c *curlew.Conn, p []byte) error { return c.Write(ctx, curlew.Binary, p) }},
	{"Send", func(_ context.Context, c *curlew.Conn, p []byte) error { return c.Send(curlew.Binary, p) }},
	{"SendPrepared", func(_ context.Context, c *curlew.Conn, p []byte) error {
		return c.SendPrepared(curlew.Prepare(curlew.Binary, p))
	}},
	{"Writer", func(ctx context.Context, c *curlew.Conn, p []byte) error {
		w, err := c.Writer(ctx, curlew.Binary)
		if err != nil {
			return err
		}
		if _, err := w.Write(p[:len(p)/2]); err != nil {
			return err
		}
		if _, err := w.Write(p[len(p)/2:]); err != nil {
			return err
		}
		return w.Close()
	}},
	{"WriteFrame", func(ctx context.Context, c *curlew.Conn, p []byte) error {
		w, err := c.Writer(ctx, curlew.Binary)
		if err != nil {
			return err
		}
		for ; len(p) > 300; p = p[300:] {
			if err := w.WriteFrame(p[:300]); err != nil {
				return err
			}
		}
		return w.Finish(p)
	}},
	{"TryWrite", func(ctx context.Context, c *curlew.Conn, p []byte) error {
		w, err := c.Writer(ctx, curlew.Binary)
		if err != nil {
			return err
		}
		n, err := w.TryWrite(p)
		if err != nil {
			return err
		}
		return w.Finish(p[n:])
	}},
}

// TestFR36_ManySenders: everybody sends at once, in every way, both ways, with
// pings between. Every message arrives whole, and those of each in order.
func TestFR36_ManySenders(t *testing.T) {
	const messages = 60
	for _, k := range []kind{memory, overTCP, overTLS} {
		t.Run(k.name, func(t *testing.T) {
			o := &curlew.Options{SendQueue: -1, MaxFrame: 1000}
			s, c := pair(t, k, o)
			ctx := t.Context()
			var sending, reading sync.WaitGroup
			for side, x := range []*curlew.Conn{s, c} {
				for i := range 2 * len(senders) {
					how := senders[i%len(senders)]
					sending.Go(func() {
						rng := rand.New(rand.NewPCG(uint64(side), uint64(i)))
						for n := range messages {
							if err := how.send(ctx, x, stamped(i, n, 8+rng.IntN(4000))); err != nil {
								t.Errorf("%s: %v", how.name, err)
								return
							}
						}
					})
				}
				for range 2 {
					sending.Go(func() {
						for range messages {
							if _, err := x.Ping(ctx); err != nil {
								t.Errorf("Ping: %v", err)
								return
							}
						}
					})
				}
				reading.Go(func() { readStamped(t, x, 2*len(senders), messages) })
			}
			reading.Wait()
			sending.Wait()
		})
	}
}

// readStamped reads what so many senders send.
func readStamped(t *testing.T, c *curlew.Conn, senders, messages int) {
	next := make([]int, senders)
	var buf []byte
	for range senders * messages {
		_, p, err := c.Read(t.Context(), buf[:0])
		if err != nil {
			t.Errorf("Read: %v", err)
			return
		}
		sender, number, ok := stamp(p)
		if !ok || sender >= senders || number != next[sender] {
			t.Errorf("message %d of sender %d, intact %t; want %v", number, sender, ok, next)
			return
		}
		next[sender]++
		buf = p
	}
}

// TestFR36_CloseWhileBusy: in the middle of all that somebody closes, aborts, or
// pulls the plug. Nothing panics or hangs, and every error says why.
func TestFR36_CloseWhileBusy(t *testing.T) {
	ends := []struct {
		name string
		end  func(s, c *curlew.Conn)
	}{
		{"close", func(s, c *curlew.Conn) { s.Close(1001, "") }},
		{"both close", func(s, c *curlew.Conn) { s.Close(1001, ""); c.Close(1000, "") }},
		{"everybody closes", func(s, c *curlew.Conn) {
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() { s.Close(1001, "") })
				wg.Go(func() { c.Close(1000, "") })
			}
			wg.Wait()
		}},
		{"abort", func(s, c *curlew.Conn) { s.Abort(nil) }},
		{"close and abort", func(s, c *curlew.Conn) {
			var wg sync.WaitGroup
			wg.Go(func() { s.Close(1001, "") })
			wg.Go(func() { s.Abort(nil) })
			wg.Go(func() { c.Abort(errors.New("why not")) })
			wg.Wait()
		}},
	}
	for _, k := range []kind{memory, overTCP, overTLS} {
		for _, end := range ends {
			t.Run(k.name+"/"+end.name, func(t *testing.T) {
				for range 5 {
					closeWhileBusy(t, k, end.end)
				}
			})
		}
	}
}

func closeWhileBusy(t *testing.T, k kind, end func(s, c *curlew.Conn)) {
	s, c := pair(t, k, &curlew.Options{WhenFull: curlew.WhenFullDropNewest})
	ctx := t.Context()
	var busy sync.WaitGroup
	var arrived atomic.Int64
	begun := make(chan struct{})
	check := func(what string, err error) {
		if !errors.Is(err, net.ErrClosed) && !errors.Is(err, curlew.ErrWriterClosed) {
			t.Errorf("%s = %v, want one that is net.ErrClosed", what, err)
		}
	}
	for _, x := range []*curlew.Conn{s, c} {
		for i, how := range senders {
			busy.Go(func() {
				for n := 0; ; n++ {
					switch err := how.send(ctx, x, stamped(i, n, 500)); err {
					case nil:
					case curlew.ErrQueueFull:
						runtime.Gosched()
					default:
						check(how.name, err)
						return
					}
				}
			})
		}
		busy.Go(func() {
			for {
				if _, err := x.Ping(ctx); err != nil {
					check("Ping", err)
					return
				}
			}
		})
		busy.Go(func() {
			for {
				_, p, err := x.Read(ctx, nil)
				if err != nil {
					check("Read", err)
					return
				}
				if _, _, ok := stamp(p); !ok {
					t.Error("a message is not intact")
				}
				if arrived.Add(1) == 200 {
					close(begun)
				}
			}
		})
	}
	wait(t, "messages", begun)
	end(s, c)
	wait(t, "the server's end", s.Done())
	wait(t, "the client's end", c.Done())
	busy.Wait()
	for _, x := range []*curlew.Conn{s, c} {
		first := x.Err()
		check("Err", first)
		check("Send afterwards", x.Send(curlew.Text, nil))
		x.Close(1000, "")
		x.Abort(nil)
		if x.Err() != first {
			t.Errorf("Err changed from %v to %v", first, x.Err())
		}
	}
}

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

// TestWriteCancelledBefore: a Write that gave up before its turn leaves nothing.
func TestWriteCancelledBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory, byRead, curlew.Server, nil)
		w, err := s.c.Writer(t.Context(), curlew.Text)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("one "))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.c.Write(ctx, curlew.Text, []byte("never")); err != context.DeadlineExceeded {
			t.Errorf("Write = %v, want the context's error alone", err)
		}
		if _, err := s.c.Writer(ctx, curlew.Text); err != context.DeadlineExceeded {
			t.Errorf("Writer = %v, want the context's error", err)
		}
		w.Write([]byte("two"))
		w.Close()
		s.c.Write(t.Context(), curlew.Text, []byte("next"))
		s.p.WantMessage("the streamed one", curlew.Text, []byte("one two"))
		s.p.Want("and the next", wstest.Text("next"))
		s.p.WantIdle("nothing of what was given up")
		if q := s.c.Info().Queued; q != 0 {
			t.Errorf("%d bytes are still queued", q)
		}
	})
}

// TestWriteCancelledDuring: one under way is completed from a copy, and says so.
func TestWriteCancelledDuring(t *testing.T) {
	for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := openWatched(t, byRead, role, nil, &wstest.LinkOptions{Buffer: 1000})
			p := bytes.Repeat([]byte("x"), 200<<10)
			want := bytes.Clone(p)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := s.c.Write(ctx, curlew.Binary, p)
			if !errors.Is(err, curlew.ErrSending) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Write = %v, want ErrSending and the context's error", err)
			}
			clear(p) // ours again
			done := make(chan error, 1)
			go func() { done <- s.c.Write(t.Context(), curlew.Text, []byte("next")) }()
			s.p.WantMessage("all of it", curlew.Binary, want)
			s.p.WantMessage("and the next", curlew.Text, []byte("next"))
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWriteEndedContext: what need not block succeeds anyway, what must block
// does not begin.
func TestWriteEndedContext(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		t.Run(k.name, func(t *testing.T) {
			s := open(t, k, byRead, curlew.Server, nil)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := s.c.Write(ctx, curlew.Text, []byte("maybe"))
			switch {
			case err == nil, errors.Is(err, curlew.ErrSending):
				s.p.Want("sent", wstest.Text("maybe"))
			case err != context.Canceled:
				t.Errorf("Write = %v", err)
			}
			s.p.WantIdle("once at most")
		})
	}
}

// TestWriterControl: a pong during a streamed message is a pong, a ping a ping,
// and the Close ends it.
func TestWriterControl(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			s := open(t, k, d, role, nil)
			w, err := s.c.Writer(t.Context(), curlew.Text)
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte("he"))
			s.p.Want("the first piece", wstest.More(wstest.Text("he")))
			s.p.Send(wstest.Ping("now"))
			s.p.Want("the pong inside", wstest.Pong("now"))
			rtt := make(chan error, 1)
			go func() {
				_, err := s.c.Ping(context.Background())
				rtt <- err
			}()
			s.p.Send(pongTo(t, s.p.Next("our ping inside")))
			if err := <-rtt; err != nil {
				t.Error(err)
			}
			w.Write([]byte("llo"))
			s.p.Want("the second piece", wstest.More(wstest.Cont("llo")))
			s.p.Send(wstest.Text("echoed behind"))
			w.Close()
			s.p.Want("the last piece, then others", wstest.Cont(""), wstest.Text("echoed behind"))

			w, err = s.c.Writer(t.Context(), curlew.Binary)
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte("cut"))
			s.c.Close(1000, "enough")
			s.p.Want("a piece", wstest.More(wstest.Binary([]byte("cut"))))
			s.p.WantClose("Close passes", 1000, "enough")
			if _, err := w.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write after Close = %v", err)
			}
			if err := w.Close(); err == nil {
				t.Error("Close of a message that was cut off says nothing")
			}
		}
	})
}

// TestWriterFrames: Write splits by MaxFrame, WriteFrame does not, Close and
// Finish end the message.
func TestWriterFrames(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, &curlew.Options{MaxFrame: 4})
	ctx := t.Context()
	w, err := s.c.Writer(ctx, curlew.Text)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("abcdefghij"))
	w.WriteFrame([]byte("klmnop"))
	w.WriteFrame(nil)
	w.Finish([]byte("qrstuvw"))
	s.p.Want("as asked for", wstest.More(wstest.Text("abcd")), wstest.More(wstest.Cont("efgh")), wstest.More(wstest.Cont("ij")),
		wstest.More(wstest.Cont("klmnop")), wstest.More(wstest.Cont("")), wstest.Cont("qrstuvw"))
	for name, f := range map[string]func() error{
		"Write":      func() error { _, err := w.Write([]byte("x")); return err },
		"TryWrite":   func() error { _, err := w.TryWrite([]byte("x")); return err },
		"WriteFrame": func() error { return w.WriteFrame([]byte("x")) },
		"Finish":     func() error { return w.Finish([]byte("x")) },
		"Close":      w.Close,
	} {
		if err := f(); !errors.Is(err, curlew.ErrWriterClosed) {
			t.Errorf("%s after the end = %v, want ErrWriterClosed", name, err)
		}
	}
	s.c.Write(ctx, curlew.Binary, []byte("123456789"))
	s.p.Want("whole messages are split too", wstest.Binary([]byte("123456789")).Split(4)...)

	w, _ = s.c.Writer(ctx, curlew.Text)
	if _, err := w.Write([]byte("half \xc3")); err != nil {
		t.Errorf("half a character: %v", err)
	}
	if _, err := w.Write([]byte("\xa9")); err != nil {
		t.Errorf("the other half: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	s.p.WantMessage("characters across pieces", curlew.Text, []byte("half é"))
}

// TestTryWrite: takes what fits, and Writable says when more does.
func TestTryWrite(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		t.Run(k.name, func(t *testing.T) {
			ours, peers := k.open(t, curlew.Server)
			c := curlew.NewConn(ours, curlew.Server, &curlew.Options{SendQueue: 10000})
			t.Cleanup(func() { c.Abort(nil) })
			p := wstest.NewPeer(t, peers, curlew.Client)
			payload := make([]byte, 8<<20)
			for i := range payload {
				payload[i] = byte(i >> 8)
			}
			var w *curlew.Writer
			short, calls := 0, 0
			rest := payload
			pump := func(c *curlew.Conn) {
				calls++
				for len(rest) > 0 {
					n, err := w.TryWrite(rest)
					if err != nil {
						t.Error(err)
						return
					}
					if n > 10000 {
						t.Errorf("TryWrite took %d bytes into a queue of 10000", n)
					}
					full := n < len(rest)
					rest = rest[n:]
					if full {
						short++
						return
					}
				}
				w.Close()
			}
			go curlew.Serve(context.Background(), c, &curlew.Events{
				Open: func(c *curlew.Conn) {
					var err error
					if w, err = c.Writer(context.Background(), curlew.Binary); err != nil {
						t.Error(err)
						return
					}
					pump(c)
				},
				Writable: pump,
			})
			p.WantMessage("all of it", curlew.Binary, payload)
			if short == 0 || calls < 2 {
				t.Errorf("%d short counts, %d calls: the queue never filled", short, calls)
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

// TestFR38_Canaries: many connections at once never see a byte of another's.
func TestFR38_Canaries(t *testing.T) {
	var wg sync.WaitGroup
	for conn := range 20 {
		k := []kind{memory, overTCP, chopped}[conn%3]
		d := everyDriver[conn%3]
		s := open(t, k, d, curlew.Server, &curlew.Options{SendQueue: -1})
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(conn), 38))
			for n := range 30 {
				m := stamped(conn, n, 8+rng.IntN(1000))
				key := [4]byte{byte(n), byte(conn)}
				b := []byte{}
				for _, f := range wstest.Binary(m).Split(1 + rng.IntN(1500)) {
					b = f.Append(b, true, key)
				}
				if _, err := s.p.Conn().Write(b); err != nil {
					t.Error(err)
					return
				}
				if got := readMessage(s.p.Conn()); !bytes.Equal(got, m) {
					t.Errorf("connection %d, message %d: %d bytes that are not its own", conn, n, len(got))
					return
				}
			}
		})
	}
	wg.Wait()
}

// readMessage reads a server's message without a Peer, for other goroutines than
// the test's; nil if it cannot.
func readMessage(r net.Conn) (message []byte) {
	r.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		var head []byte
		h, n, err := frame.Parse(head)
		for n == 0 {
			one := make([]byte, 1)
			if _, err = io.ReadFull(r, one); err != nil {
				return nil
			}
			head = append(head, one...)
			if h, n, err = frame.Parse(head); err != nil {
				return nil
			}
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return nil
		}
		message = append(message, payload...)
		if h.Fin {
			return message
		}
	}
}
