package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"weak"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/deflate"
	"curlew.example/curlew/wstest"
)

// unlikely are bytes that do not compress.
func unlikely(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// Messages of all sizes and kinds go both ways for a long time, with every
// combination of contexts and windows.
func TestTakeover(t *testing.T) {
	for _, k := range []kind{memory, overTCP} {
		for _, z := range []curlew.Compression{
			{}, {ServerContext: true}, {ClientContext: true}, {ServerContext: true, ClientContext: true},
			{ServerContext: true, ClientContext: true, WindowBits: 9}, {MinSize: -1, ServerContext: true, Level: 9},
		} {
			t.Run(fmt.Sprintf("%s/%+v", k.name, z), func(t *testing.T) {
				s, c := packedPair(t, k, compression(z), compression(z))
				r := rand.New(rand.NewPCG(7, 8))
				go func() { // the echo
					var buf []byte
					for {
						typ, p, err := s.Read(t.Context(), buf[:0])
						if err != nil {
							return
						}
						s.Send(typ, p)
						buf = p
					}
				}()
				var buf []byte
				for i := range 60 {
					n := r.IntN(1 << r.IntN(17))
					p := repeating(n)
					if i%5 == 4 {
						p = unlikely(r, n)
					}
					if err := c.Write(t.Context(), curlew.Binary, p); err != nil {
						t.Fatal(err)
					}
					_, got, err := c.Read(t.Context(), buf[:0])
					if err != nil || !bytes.Equal(got, p) {
						t.Fatalf("message %d, of %d bytes: %v", i, n, err)
					}
					buf = got
				}
			})
		}
	}
}

// Later messages are shorter where they may refer back, and only there.
func TestTakeoverPays(t *testing.T) {
	for _, keep := range []bool{false, true} {
		c, p, _ := acceptPacked(t, memory, compression(curlew.Compression{ServerContext: keep}), offer)
		text := repeating(3000)
		var sizes []int
		for range 3 {
			go c.Write(t.Context(), curlew.Text, text)
			sizes = append(sizes, len(message(t, p)))
		}
		if pays := sizes[1] < sizes[0]/4; pays != keep {
			t.Errorf("takeover %t: messages of %v bytes", keep, sizes)
		}
	}
}

// PD1 at a client, which nobody or somebody reads; PD3: nor is more of a bomb
// inflated when it is discarded.
func TestPD1_PD3_BombForClient(t *testing.T) {
	packed := wstest.Binary(bomb(t, 256)).Reserved(frame.RSV1)
	for _, reads := range []bool{true, false} {
		for _, fragment := range []int{1 << 20, 5000} {
			c, p := dialPacked(t, memory, compression(curlew.Compression{}), offer+"; server_no_context_takeover")
			b := wire(curlew.Client, packed.Split(fragment)...)
			before := allocated()
			go p.Conn().Write(b)
			if reads {
				_, got, err := c.Read(t.Context(), nil)
				var e *curlew.CloseError
				if !errors.As(err, &e) || e.Code != 1009 || len(got) != 0 {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				p.WantClose("too big", 1009, wstest.AnyReason)
			} else {
				until(t, "the window to fill", func() bool { return c.Info().BytesRead > 0 })
				c.Close(1001, "")
				p.WantClose("ours", 1001, "")
			}
			wait(t, "the end", c.Done())
			if grown := allocated() - before; grown > 10<<20 {
				t.Errorf("%d KiB were allocated", grown>>10)
			}
			p.Close()
		}
	}
}

// PD2, PD11: compressed bytes that make nothing are limited too.
func TestPD2_PD11_EmptyBlocks(t *testing.T) {
	blocks := strings.Repeat("\x00\x00\x00\xff\xff", 200_000)
	for _, k := range []kind{memory, overTCP} {
		s := openPacked(t, k, nil, offer)
		s.p.Send(wstest.Text(blocks + "\x00").Reserved(frame.RSV1))
		s.p.Want("a megabyte of nothing", wstest.Text(""))
		s.p.Send(wstest.More(wstest.Text(blocks).Reserved(frame.RSV1)), wstest.More(wstest.Cont(blocks)))
		s.p.WantClose("more than the limit", 1009, wstest.AnyReason)
		s.p.Close()
		s.wantEnd(1009, false, false)
	}
}

// PD26: a message streamed in compressed pieces, with pings of both sides in
// between, is one message, and the first frame alone says that it is compressed.
func TestPD26_StreamedCompressed(t *testing.T) {
	for _, k := range everyKind {
		for _, keep := range []bool{false, true} {
			o := compression(curlew.Compression{ServerContext: keep, ClientContext: keep, MinSize: -1})
			s, c := packedPair(t, k, o, o)
			text := repeating(50_000)
			go func() {
				for range 3 {
					w, err := s.Writer(t.Context(), curlew.Text)
					if err != nil {
						t.Error(err)
						return
					}
					for p := text; len(p) > 0; {
						n := min(7000, len(p))
						if _, err := w.Write(p[:n]); err != nil {
							t.Error(err)
						}
						p = p[n:]
						if _, err := s.Ping(t.Context()); err != nil {
							t.Error(err)
						}
					}
					w.Close()
					s.Send(curlew.Text, text[:100])
				}
			}()
			for range 3 {
				_, r, err := c.Reader(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				if err != nil || !bytes.Equal(got, text) {
					t.Fatalf("%s: %d bytes, %v", k.name, len(got), err)
				}
				if _, got, err = c.Read(t.Context(), nil); err != nil || !bytes.Equal(got, text[:100]) {
					t.Fatalf("%s: %q, %v", k.name, got, err)
				}
			}
			s.Abort(nil)
			c.Abort(nil)
		}
	}
}

// What each piece of a streamed message holds can be read when it has come: the
// pieces are flushed.
func TestStreamedPiecesAreFlushed(t *testing.T) {
	c, p, _ := acceptPacked(t, memory, compression(curlew.Compression{}), offer)
	w, err := c.Writer(t.Context(), curlew.Text)
	if err != nil {
		t.Fatal(err)
	}
	z := deflate.GetInflater(15)
	defer z.Put()
	for i, text := range []string{"first", "second", "third"} {
		var want int
		switch i {
		case 0:
			_, err = w.Write([]byte(text))
		case 1:
			want, err = w.TryWrite([]byte(text))
			if want != len(text) {
				t.Errorf("%d bytes taken", want)
			}
		case 2:
			err = w.WriteFrame([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
		f := p.Next("a piece")
		if f.Fin || (f.RSV == frame.RSV1) != (i == 0) {
			t.Errorf("piece %d: %v", i, f)
		}
		dst := make([]byte, 100)
		if n, _, err := z.Inflate(dst, f.Payload); string(dst[:n]) != text || err != nil {
			t.Errorf("piece %d: %q, %v", i, dst[:n], err)
		}
	}
	w.Finish([]byte("!"))
	if f := p.Next("the last one"); !f.Fin || f.RSV != 0 {
		t.Errorf("%v", f)
	}
}

// PD25: what is short is not compressed, and what does not compress grows by
// hardly anything.
func TestPD25_Threshold(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, row := range []struct {
		minSize, n int
		packed     bool
	}{
		{0, 511, false}, {0, 512, true}, {100, 99, false}, {100, 100, true}, {-1, 0, true}, {-1, 1, true}, {1, 0, false},
	} {
		c, p, _ := acceptPacked(t, memory, compression(curlew.Compression{MinSize: row.minSize}), offer)
		c.Send(curlew.Binary, make([]byte, row.n))
		if f := p.Next("it"); (f.RSV != 0) != row.packed {
			t.Errorf("MinSize %d: %v", row.minSize, f)
		}
		c.SendPrepared(curlew.Prepare(curlew.Binary, make([]byte, row.n)))
		if f := p.Next("it"); (f.RSV != 0) != row.packed {
			t.Errorf("MinSize %d, prepared: %v", row.minSize, f)
		}
	}
	for _, bits := range []int{8, 12, 15} {
		c, p, _ := acceptPacked(t, memory, compression(everything), fmt.Sprint(offer, "; server_max_window_bits=", bits))
		for _, n := range []int{1, 100, 1000, 16 << 10, 100_000} {
			c.Send(curlew.Binary, unlikely(r, n))
			if got := len(message(t, p)); got > n+5*(n>>14)+6 {
				t.Errorf("%d bytes have become %d", n, got)
			}
		}
	}
}

// PD22: what was given to Send, Write, a Writer or Prepare belongs to the caller
// again, at once.
func TestPD22_PayloadIsCopied(t *testing.T) {
	o := compression(curlew.Compression{MinSize: -1, ServerContext: true})
	s, c := packedPair(t, memory, o, o)
	ctx := t.Context()
	text := string(repeating(5000))
	p := make([]byte, len(text))
	with := func(f func()) {
		copy(p, text)
		f()
		clear(p)
	}
	with(func() { s.Send(curlew.Text, p) })
	with(func() { s.Write(ctx, curlew.Text, p) })
	var m *curlew.Prepared
	with(func() { m = curlew.Prepare(curlew.Text, p) })
	s.SendPrepared(m)
	with(func() {
		w, err := s.Writer(ctx, curlew.Text)
		if err != nil {
			t.Fatal(err)
		}
		w.TryWrite(p[:1000])
		w.Write(p[1000:2000])
		w.Finish(p[2000:])
	})
	for i := range 4 {
		if _, got, err := c.Read(ctx, nil); string(got) != text || err != nil {
			t.Errorf("message %d differs: %v", i, err)
		}
	}
}

// PD23: a connection that is idle keeps nothing of its last message alive.
func TestPD23_LastMessage(t *testing.T) {
	for _, keep := range []bool{false, true} {
		o := compression(curlew.Compression{MinSize: -1, ServerContext: keep, ClientContext: keep})
		for _, way := range senders {
			s, c := packedPair(t, memory, o, o)
			p := unlikely(rand.New(rand.NewPCG(1, 1)), 100_000)
			last := weak.Make(&p[0])
			go way.send(t.Context(), s, p)
			_, got, err := c.Read(t.Context(), nil)
			if err != nil || len(got) != len(p) {
				t.Fatal(err)
			}
			received := weak.Make(&got[0])
			p, got = nil, nil
			until(t, "the message to be collected", func() bool {
				runtime.GC()
				return last.Value() == nil && received.Value() == nil
			})
			s.Info()
			c.Info()
		}
	}
}

// PD24: however connections end, what they took from the pools is given back.
// Without -tags invariants nothing is counted.
func TestPD24_PoolsBalance(t *testing.T) {
	type count struct{ buffers, inflaters, compressors int }
	outstanding := func() (n count) {
		n.inflaters, n.compressors = deflate.Outstanding()
		n.buffers = bufs.Outstanding()
		return n
	}
	text := repeating(10_000)
	parts := packedText(t, string(text[:5000])).Split(300)
	big := wstest.Binary(bomb(t, 4)).Reserved(frame.RSV1)
	for _, keep := range []bool{false, true} {
		before := outstanding()
		o := compression(curlew.Compression{MinSize: -1, ServerContext: keep, ClientContext: keep})
		for _, way := range []struct {
			name string
			end  func(c *curlew.Conn, p *wstest.Peer)
		}{
			{"close", func(c *curlew.Conn, p *wstest.Peer) {
				c.Close(1000, "")
				p.Send(wstest.Close(1000, ""))
			}},
			{"abort", func(c *curlew.Conn, p *wstest.Peer) { c.Abort(nil) }},
			{"abort within a message", func(c *curlew.Conn, p *wstest.Peer) {
				p.Send(parts[0], parts[1])
				until(t, "it to be read", func() bool { return c.Info().BytesRead > 600 })
				c.Abort(nil)
			}},
			{"CL17 close within a message", func(c *curlew.Conn, p *wstest.Peer) { p.Send(parts[0], parts[1], wstest.Close(1000, "")) }},
			{"the peer goes within a message", func(c *curlew.Conn, p *wstest.Peer) { p.Send(parts[0]) }},
			{"corrupt", func(c *curlew.Conn, p *wstest.Peer) { p.Send(parts[0], wstest.Cont("\xff\xff\xff\xff\xff\xff")) }},
			{"bomb", func(c *curlew.Conn, p *wstest.Peer) { p.Send(big) }},
			{"not text", func(c *curlew.Conn, p *wstest.Peer) { p.Send(packedText(t, "\xff")) }},
			{"within a Writer's message", func(c *curlew.Conn, p *wstest.Peer) {
				w, err := c.Writer(context.Background(), curlew.Text)
				if err != nil {
					t.Fatal(err)
				}
				w.Write(text[:1000])
				w.TryWrite(text[1000:])
			}},
			{"with a full queue", func(c *curlew.Conn, p *wstest.Peer) {
				for range 100 {
					c.Send(curlew.Text, text)
				}
			}},
		} {
			t.Run(fmt.Sprintf("takeover %t/%s", keep, way.name), func(t *testing.T) {
				for _, reads := range []bool{true, false} {
					c, p, _ := acceptPacked(t, memory, o, offer)
					drained := make(chan struct{})
					drain := func() { // what was read ahead is the application's
						defer close(drained)
						for {
							if _, _, err := c.Read(context.Background(), nil); err != nil {
								return
							}
						}
					}
					if reads {
						go drain()
					}
					p.Send(packedText(t, "one whole message"))
					c.Send(curlew.Text, []byte("and another"))
					p.Next("that it works")
					way.end(c, p)
					p.Close()
					if !reads {
						drain()
					}
					wait(t, "what was read to be drained", drained)
					wait(t, "the end", c.Done())
				}
			})
		}
		// Less is what connections of earlier tests give back meanwhile.
		until(t, "everything to be given back", func() bool {
			now := outstanding()
			return now.buffers <= before.buffers && now.inflaters <= before.inflaters && now.compressors <= before.compressors
		})
	}
}

// A message that is dropped, refused or cancelled before its turn leaves the
// context as it was: those after it are understood.
func TestDroppedLeaveTheContext(t *testing.T) {
	for _, policy := range []curlew.Policy{curlew.WhenFullDropOldest, curlew.WhenFullDropNewest} {
		server := compression(curlew.Compression{MinSize: -1, ServerContext: true})
		server.SendQueue, server.WhenFull = 10_000, policy
		s, c := packedPair(t, memory, server, compression(curlew.Compression{ServerContext: true}))
		r := rand.New(rand.NewPCG(11, 12))
		words := string(repeating(300))
		text := func(i int) []byte { // each in part like the others
			return fmt.Appendf(nil, "%d %s %x", i, words, unlikely(r, r.IntN(1000)))
		}
		refused := 0
		for i := range 1000 {
			if s.Send(curlew.Text, text(i)) != nil {
				refused++
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancelled := make(chan error)
		for i := range 10 {
			p := text(1000 + i)
			go func() { cancelled <- s.Write(ctx, curlew.Text, p) }()
		}
		cancel()
		for range 10 {
			<-cancelled
		}
		if dropped := s.Info().Dropped; dropped == 0 || policy == curlew.WhenFullDropNewest && int(dropped) != refused {
			t.Errorf("%d dropped, %d refused", dropped, refused)
		}
		go func() {
			s.Write(t.Context(), curlew.Text, []byte("2000 "+words+" last"))
			s.Close(1000, "")
		}()
		read, last := 0, -1
		for {
			_, p, err := c.Read(t.Context(), nil)
			if err != nil {
				if e, ok := errors.AsType[*curlew.CloseError](err); !ok || e.Code != 1000 {
					t.Fatal(err)
				}
				break
			}
			var n int
			if _, err := fmt.Sscan(string(p), &n); err != nil || !strings.Contains(string(p), words) {
				t.Fatalf("%.50q: %v", p, err)
			}
			if n <= last && n < 1000 {
				t.Errorf("%d after %d", n, last)
			}
			read, last = read+1, n
		}
		if last != 2000 || read < 2 { // how many fit depends on who is quicker
			t.Errorf("%d messages read, the last is %d", read, last)
		}
	}
}
