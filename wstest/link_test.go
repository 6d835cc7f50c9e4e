package wstest_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/wstest"
)

// inAndOut runs a test in a bubble of synctest and outside of one.
func inAndOut(t *testing.T, f func(t *testing.T)) {
	t.Run("outside", f)
	t.Run("bubble", func(t *testing.T) { synctest.Test(t, f) })
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(w, s); n != len(s) || err != nil {
		t.Fatalf("Write(%q) = %d, %v", s, n, err)
	}
}

// read makes one Read and compares what it gives.
func read(t *testing.T, r io.Reader, want string) {
	t.Helper()
	b := make([]byte, 64<<10)
	n, err := r.Read(b)
	if string(b[:n]) != want || err != nil {
		t.Fatalf("Read = %q, %v; want %q", b[:n], err, want)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func readError(t *testing.T, r io.Reader, want error) {
	t.Helper()
	n, err := r.Read(make([]byte, 10))
	if n != 0 || !errors.Is(err, want) {
		t.Fatalf("Read = %d, %v; want error %v", n, err, want)
	}
}

func writeError(t *testing.T, w io.Writer, want error) {
	t.Helper()
	_, err := w.Write([]byte("x"))
	wantError(t, "Write", err, want)
}

func TestLinkBuffers(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		write(t, a, "one ")
		write(t, a, "two")
		write(t, b, "back")
		if n := b.Unread(); n != 7 {
			t.Fatalf("Unread = %d, want 7", n)
		}
		read(t, b, "one two")
		read(t, a, "back")
		if a.Peer() != b || b.Peer() != a {
			t.Fatal("Peer is not the other end")
		}
		if a.LocalAddr() != b.RemoteAddr() || a.RemoteAddr() != b.LocalAddr() {
			t.Fatal("the addresses of the ends do not match")
		}
	})
}

func TestLinkWriteBlocksWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 10})
		done := make(chan int, 1)
		go func() {
			n, _ := a.Write(bytes.Repeat([]byte("x"), 25))
			done <- n
		}()
		for _, want := range []int{10, 10, 5} {
			synctest.Wait()
			if n := b.Unread(); n != want {
				t.Fatalf("%d bytes in a buffer of 10, want %d", n, want)
			}
			read(t, b, string(bytes.Repeat([]byte("x"), want)))
		}
		if n := <-done; n != 25 {
			t.Fatalf("Write = %d, want 25", n)
		}
	})
}

func TestLinkHalfClose(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		write(t, a, "last words")
		if err := a.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		writeError(t, a, io.ErrClosedPipe)
		read(t, b, "last words")
		readError(t, b, io.EOF)
		write(t, b, "still heard")
		read(t, a, "still heard")
		b.Close()
		readError(t, a, io.EOF)
	})
}

func TestLinkClose(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		write(t, a, "bye")
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, "second Close", a.Close(), net.ErrClosed)
		wantError(t, "CloseWrite", a.CloseWrite(), net.ErrClosed)
		wantError(t, "SetDeadline", a.SetDeadline(time.Time{}), net.ErrClosed)
		readError(t, a, net.ErrClosed)
		writeError(t, a, net.ErrClosed)
		read(t, b, "bye")
		readError(t, b, io.EOF)
	})
}

// TestLinkCloseWithUnread is why RFC 6455, 7.1.1, wants the server to read on.
func TestLinkCloseWithUnread(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		write(t, b, "unread")
		write(t, a, "a Close frame")
		a.Close()
		readError(t, b, wstest.ErrReset)
		writeError(t, b, wstest.ErrReset)
	})
}

func TestLinkSendToClosed(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		write(t, a, "a Close frame")
		a.Close()
		write(t, b, "x") // taken, and answered with a reset
		readError(t, b, wstest.ErrReset)
		writeError(t, b, wstest.ErrReset)
	})
}

func TestLinkPoliteClose(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{PoliteClose: true})
		write(t, b, "unread")
		write(t, a, "heard")
		a.Close()
		write(t, b, "into the void")
		read(t, b, "heard")
		readError(t, b, io.EOF)
	})
}

func TestLinkReset(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		write(t, a, "lost")
		a.Reset()
		readError(t, b, wstest.ErrReset)
		writeError(t, b, wstest.ErrReset)
		readError(t, a, net.ErrClosed)
		writeError(t, a, net.ErrClosed)
		b.Close()
	})
}

func TestLinkResetAfter(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		a.ResetAfter(5)
		write(t, a, "abc")
		if n, err := a.Write([]byte("defg")); n != 4 || err != nil {
			t.Fatalf("Write = %d, %v; the kernel takes it", n, err)
		}
		read(t, b, "abcde")
		readError(t, b, wstest.ErrReset)
		writeError(t, a, wstest.ErrReset)
		readError(t, a, wstest.ErrReset)

		a, b = wstest.NewLink(nil)
		write(t, b, "heard")
		a.ResetAfter(0)
		read(t, a, "heard")
		readError(t, a, wstest.ErrReset)
		readError(t, b, wstest.ErrReset)
	})
}

// TestLinkWakes ends Reads and Writes that wait, in every way there is.
func TestLinkWakes(t *testing.T) {
	ends := []struct {
		name        string
		end         func(a, b *wstest.End)
		read, write error
	}{
		{"Close", func(a, b *wstest.End) { a.Close() }, net.ErrClosed, net.ErrClosed},
		{"Reset", func(a, b *wstest.End) { a.Reset() }, net.ErrClosed, net.ErrClosed},
		{"peer's Close", func(a, b *wstest.End) { b.Close() }, wstest.ErrReset, wstest.ErrReset},
		{"peer's Reset", func(a, b *wstest.End) { b.Reset() }, wstest.ErrReset, wstest.ErrReset},
		{"deadline", func(a, b *wstest.End) { a.SetDeadline(time.Now().Add(time.Hour)) },
			os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"past deadline", func(a, b *wstest.End) { a.SetDeadline(time.Unix(1, 0)) },
			os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	}
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 1})
				errs := make(chan [2]error, 1)
				go func() {
					var e [2]error
					var wg sync.WaitGroup
					wg.Go(func() { _, e[0] = a.Read(make([]byte, 1)) })
					wg.Go(func() { _, e[1] = a.Write([]byte("xyz")) })
					wg.Wait()
					errs <- e
				}()
				synctest.Wait()
				end.end(a, b)
				e := <-errs
				wantError(t, "Read", e[0], end.read)
				wantError(t, "Write", e[1], end.write)
				b.Close()
			})
		})
	}
}

func TestLinkDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Hour))
		n, err := a.Read(make([]byte, 1))
		var ne net.Error
		if n != 0 || !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Read = %d, %v; want a timeout", n, err)
		}
		if d := time.Since(start); d != time.Hour {
			t.Fatalf("the deadline took %v, want an hour", d)
		}
		write(t, b, "kept")
		readError(t, a, os.ErrDeadlineExceeded) // until it is moved
		a.SetReadDeadline(time.Time{})
		read(t, a, "kept")
		// Moved while somebody waits: later, then sooner, then off.
		a.SetReadDeadline(time.Now().Add(time.Minute))
		a.SetReadDeadline(time.Now().Add(2 * time.Minute))
		start = time.Now()
		readError(t, a, os.ErrDeadlineExceeded)
		if d := time.Since(start); d != 2*time.Minute {
			t.Fatalf("the deadline took %v, want two minutes", d)
		}
		a.SetReadDeadline(time.Now().Add(time.Minute))
		a.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, func() { b.Write([]byte("late")) })
		read(t, a, "late")
		write(t, a, "writing has its own deadline")
		a.SetWriteDeadline(time.Now().Add(-1))
		writeError(t, a, os.ErrDeadlineExceeded)
	})
}

func TestLinkSegment(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		a.Segment(3)
		write(t, a, "abcdefgh")
		write(t, a, "i")
		a.Segment(0)
		write(t, a, "j")
		write(t, a, "k")
		for _, want := range []string{"abc", "def", "gh", "i", "jk"} {
			read(t, b, want)
		}
		b.LimitRead(2)
		write(t, a, "lmn")
		read(t, b, "lm")
		read(t, b, "n")
	})
}

// TestLinkSeed: the same seed, the same pieces; another, others.
func TestLinkSeed(t *testing.T) {
	pieces := func(seed uint64) (sizes []int) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Seed: seed})
		a.Segment(100)
		b.LimitRead(60)
		a.Write(make([]byte, 10000))
		a.CloseWrite()
		p := make([]byte, 10000)
		total := 0
		for {
			n, err := b.Read(p)
			if err != nil {
				break
			}
			sizes = append(sizes, n)
			total += n
		}
		if total != 10000 {
			t.Fatalf("%d bytes arrived of 10000", total)
		}
		return sizes
	}
	same := func(a, b []int) bool {
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if a[i] != b[i] {
				return false
			}
		}
		return true
	}
	if !same(pieces(1), pieces(1)) {
		t.Error("the same seed gave different pieces")
	}
	if same(pieces(1), pieces(2)) {
		t.Error("different seeds gave the same pieces")
	}
}

func TestLinkStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		write(t, a, "before ")
		a.Stall(true)
		write(t, a, "after")
		a.CloseWrite()
		read(t, b, "before ")
		if b.Unread() != 0 {
			t.Fatal("a stalled end was heard")
		}
		write(t, b, "the other way")
		read(t, a, "the other way")
		time.AfterFunc(time.Hour, func() { a.Stall(false) })
		read(t, b, "after")
		readError(t, b, io.EOF)
	})
}

func TestLinkDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		start := time.Now()
		after := func(want time.Duration) {
			t.Helper()
			if d := time.Since(start); d != want {
				t.Fatalf("after %v, want %v", d, want)
			}
		}
		a.Delay(time.Second)
		write(t, a, "one")
		a.Delay(time.Minute)
		write(t, a, "two")
		a.Delay(0)
		write(t, a, "three") // in order all the same
		a.CloseWrite()
		after(0)
		read(t, b, "one")
		after(time.Second)
		read(t, b, "twothree")
		readError(t, b, io.EOF)
		after(time.Minute)

		a, b = wstest.NewLink(nil)
		a.Delay(time.Second)
		write(t, a, "lost")
		a.Reset()
		start = time.Now()
		readError(t, b, wstest.ErrReset)
		after(time.Second)
	})
}

func TestLinkDropAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 10})
		a.DropAfter(3)
		write(t, a, "abcdef")
		read(t, b, "abc")
		a.SetWriteDeadline(time.Now().Add(time.Hour))
		n, err := a.Write(make([]byte, 20))
		if n != 7 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write = %d, %v; want 7, what the buffer takes, and a timeout", n, err)
		}
		write(t, b, "back")
		read(t, a, "back")
		write(t, b, "unread")
		a.Close() // with bytes unread; nobody hears of it
		b.SetReadDeadline(time.Now().Add(time.Hour))
		readError(t, b, os.ErrDeadlineExceeded)
	})
}

// TestLinkWritesDoNotMix: every Write arrives in one piece among the others.
func TestLinkWritesDoNotMix(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 7})
		const writers, size = 5, 100
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() { a.Write(bytes.Repeat([]byte{'a' + byte(i)}, size)) })
		}
		go func() {
			wg.Wait()
			a.CloseWrite()
		}()
		got, err := io.ReadAll(b)
		if err != nil || len(got) != writers*size {
			t.Fatalf("%d bytes, %v; want %d", len(got), err, writers*size)
		}
		for i := 0; i < len(got); i += size {
			if !bytes.Equal(got[i:i+size], bytes.Repeat(got[i:i+1], size)) {
				t.Fatalf("Writes mixed: %q", got[i:i+size])
			}
		}
	})
}

// TestLinkCarriesAll sends a megabyte through small buffers in odd pieces.
func TestLinkCarriesAll(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		want := make([]byte, 1<<20)
		rand.Read(want)
		a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 1000, Seed: 7})
		a.Segment(300)
		b.LimitRead(170)
		go func() {
			for p := want; len(p) > 0; {
				n := min(len(p), 3333)
				a.Write(p[:n])
				p = p[n:]
			}
			a.CloseWrite()
		}()
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v; want the same %d", len(got), err, len(want))
		}
	})
}

// TestLinkAllocates: nothing once it has grown, so that tests of others can
// count their own allocations.
func TestLinkAllocates(t *testing.T) {
	a, b := wstest.NewLink(nil)
	p := make([]byte, 1000)
	turn := func() {
		b.SetReadDeadline(time.Now().Add(time.Hour))
		a.Write(p)
		a.Write(p[:10])
		b.Read(p)
		b.Read(p)
	}
	turn()
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations a turn, want none", n)
	}
}
