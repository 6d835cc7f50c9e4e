package curlew_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
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
				for range 3 {
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
	r.SetReadDeadline(time.Now().Add(time.Minute)) // only so that a bug ends
	for {
		var head []byte
		var h frame.Header
		for n := 0; n == 0; {
			one := make([]byte, 1)
			_, err := io.ReadFull(r, one)
			if err != nil {
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

// life is a context that ends with a connection.
type life struct {
	context.Context
	c *curlew.Conn
}

func (l life) Done() <-chan struct{} { return l.c.Done() }
func (l life) Err() error            { return l.c.Err() }

// TestContextOfConn: a context may be made of the connection itself.
func TestContextOfConn(t *testing.T) {
	each(t, []kind{memory, overTCP}, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		ctx := life{context.Background(), s.c}
		done := make(chan error, 1)
		go func() { done <- s.c.Write(ctx, curlew.Text, []byte("hello")) }()
		s.p.Want("it is sent", wstest.Text("hello"))
		if err := <-done; err != nil {
			t.Error(err)
		}
		w, err := s.c.Writer(ctx, curlew.Text)
		if err == nil {
			_, err = w.Write([]byte("hel"))
		}
		if err == nil {
			err = w.Finish([]byte("lo"))
		}
		if err != nil {
			t.Error(err)
		}
		s.p.WantMessage("and in pieces", curlew.Text, []byte("hello"))
		go s.c.Close(1000, "")
		s.p.Want("it closes", wstest.Close(1000, ""))
		if _, err := s.c.Ping(ctx); err == nil {
			t.Error("Ping of a closing connection")
		}
	})
}
