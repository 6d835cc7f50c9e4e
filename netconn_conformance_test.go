package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
)

// What every net.Conn does, tried on two of NetConn that talk to each other.
var conformance = []struct {
	name string
	f    func(t *testing.T, a, b net.Conn)
}{
	{"large transfer", largeTransfer},
	{"ping pong", pingPong},
	{"empty reads and writes", emptyReadsAndWrites},
	{"deadline passed", deadlinePassed},
	{"read deadline leaves writing", readDeadlineAlone},
	{"write deadline leaves reading", writeDeadlineAlone},
	{"deadline now", deadlineNow},
	{"deadline soon", deadlineSoon},
	{"deadline taken back", deadlineTakenBack},
	{"racing readers", racingReaders},
	{"racing writers", racingWriters},
	{"close ends all", closeEndsAll},
	{"end of the stream", endOfStream},
	{"all methods at once", allMethods},
}

var (
	longAgo = time.Unix(1, 0)
	never   = time.Time{}
)

func TestNetConnConformance(t *testing.T) {
	for _, k := range everyKind {
		if k.name == chopped.name {
			continue // a byte at a time takes long, and TLS splits enough
		}
		for _, c := range conformance {
			t.Run(k.name+"/"+c.name, func(t *testing.T) {
				a, b := netPair(t, k)
				c.f(t, a, b)
			})
		}
	}
}

// netPair are two that talk to each other.
func netPair(t *testing.T, k kind) (a, b net.Conn) {
	s, c := pair(t, k, &curlew.Options{MaxMessage: 100_000})
	a = curlew.NetConn(context.Background(), s, curlew.Binary)
	b = curlew.NetConn(context.Background(), c, curlew.Binary)
	return a, b
}

// echo returns at the end of b.
func echo(b net.Conn) { io.Copy(onlyWriter{b}, onlyReader{b}) }

// onlyReader and onlyWriter hide other methods from io.Copy.
type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

func wantTimeout(t *testing.T, what string, n int, err error) {
	t.Helper()
	e, ok := errors.AsType[net.Error](err)
	if n != 0 || !ok || !e.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s = %d, %v; want a timeout", what, n, err)
	}
}

// roundTrip shows that a lives; b echoes.
func roundTrip(t *testing.T, a net.Conn) {
	t.Helper()
	if err := a.SetDeadline(never); err != nil {
		t.Error(err)
	}
	want := []byte("are you there?")
	if n, err := a.Write(want); n != len(want) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %v", got, err)
	}
}

func largeTransfer(t *testing.T, a, b net.Conn) {
	want := unlikely(rand.New(rand.NewPCG(1, 2)), 2<<20)
	go echo(b)
	var wg sync.WaitGroup
	wg.Go(func() {
		for p := want; len(p) > 0; {
			n, err := a.Write(p[:min(len(p), 250_000)]) // more than MaxMessage
			if err != nil {
				t.Error(err)
				return
			}
			p = p[n:]
		}
	})
	got := make([]byte, len(want))
	if n, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", n, err)
	}
	wg.Wait()
}

func pingPong(t *testing.T, a, b net.Conn) {
	var wg sync.WaitGroup
	play := func(c net.Conn, first bool) {
		p := make([]byte, 1)
		for i := range byte(100) {
			if first || i > 0 {
				if _, err := c.Write([]byte{i}); err != nil {
					t.Error(err)
					return
				}
			}
			if _, err := io.ReadFull(c, p); err != nil || p[0] != i && p[0] != i+1 {
				t.Errorf("%d, %v; want %d", p[0], err, i)
				return
			}
		}
		c.Write([]byte{100})
	}
	wg.Go(func() { play(a, true) })
	wg.Go(func() { play(b, false) })
	wg.Wait()
}

func emptyReadsAndWrites(t *testing.T, a, b net.Conn) {
	go echo(b)
	for range 3 {
		if n, err := a.Read(nil); n != 0 || err != nil {
			t.Errorf("Read of nothing = %d, %v", n, err)
		}
		if n, err := a.Write(nil); n != 0 || err != nil {
			t.Errorf("Write of nothing = %d, %v", n, err)
		}
	}
	roundTrip(t, a)
}

func deadlinePassed(t *testing.T, a, b net.Conn) {
	go echo(b)
	roundTrip(t, a)
	for range 2 {
		a.SetDeadline(longAgo)
		n, err := a.Write(make([]byte, 1024))
		wantTimeout(t, "Write", n, err)
		n, err = a.Read(make([]byte, 1024))
		wantTimeout(t, "Read", n, err)
		roundTrip(t, a)
	}
	// Also if there is something to read.
	a.Write([]byte("x"))
	p := make([]byte, 1)
	if _, err := io.ReadFull(a, p); err != nil {
		t.Error(err)
	}
	b.SetReadDeadline(longAgo) // ends the echo
	a.SetReadDeadline(longAgo)
	n, err := a.Read(p)
	wantTimeout(t, "Read", n, err)
}

func readDeadlineAlone(t *testing.T, a, b net.Conn) {
	go io.Copy(io.Discard, onlyReader{b})
	a.SetReadDeadline(longAgo)
	for range 3 {
		n, err := a.Read(make([]byte, 10))
		wantTimeout(t, "Read", n, err)
		if n, err := a.Write(make([]byte, 1000)); n != 1000 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
}

func writeDeadlineAlone(t *testing.T, a, b net.Conn) {
	go b.Write(make([]byte, 3000))
	a.SetWriteDeadline(longAgo)
	for range 3 {
		n, err := a.Write(make([]byte, 10))
		wantTimeout(t, "Write", n, err)
		if n, err := io.ReadFull(a, make([]byte, 1000)); err != nil {
			t.Errorf("Read = %d, %v", n, err)
		}
	}
}

// deadlineNow: what waits is woken by a deadline that is set meanwhile.
func deadlineNow(t *testing.T, a, b net.Conn) {
	var wg sync.WaitGroup
	a.SetDeadline(time.Now().Add(time.Hour))
	var reading, writing sync.WaitGroup
	reading.Add(1)
	writing.Add(1)
	wg.Go(func() {
		reading.Done()
		n, err := a.Read(make([]byte, 10))
		wantTimeout(t, "Read", n, err)
	})
	wg.Go(func() {
		writing.Done()
		for { // until nothing more is taken
			if _, err := a.Write(make([]byte, 50_000)); err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				return
			}
		}
	})
	reading.Wait()
	writing.Wait()
	a.SetDeadline(time.Now())
	wg.Wait()
	go io.Copy(io.Discard, onlyReader{b})
	a.SetDeadline(never)
	if _, err := a.Write([]byte("on it goes")); err != nil {
		t.Error(err)
	}
}

func deadlineSoon(t *testing.T, a, b net.Conn) {
	a.SetDeadline(time.Now().Add(20 * time.Millisecond))
	var wg sync.WaitGroup
	wg.Go(func() {
		n, err := a.Read(make([]byte, 10))
		wantTimeout(t, "Read", n, err)
	})
	wg.Go(func() {
		for {
			if _, err := a.Write(make([]byte, 50_000)); err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				return
			}
		}
	})
	wg.Wait()
	// What was under way is completed; then there is an echo.
	go echo(b)
	a.SetDeadline(never)
	want := []byte("the end of it")
	wg.Go(func() {
		if _, err := a.Write(want); err != nil {
			t.Error(err)
		}
	})
	var got []byte
	p := make([]byte, 10_000)
	for !bytes.HasSuffix(got, want) {
		n, err := a.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p[:n]...)
	}
	wg.Wait()
}

func deadlineTakenBack(t *testing.T, a, b net.Conn) {
	for range 50 {
		a.SetDeadline(time.Now().Add(time.Hour))
		a.SetDeadline(longAgo)
		a.SetReadDeadline(time.Now().Add(time.Hour))
		a.SetDeadline(never)
	}
	go echo(b)
	roundTrip(t, a)
}

func racingReaders(t *testing.T, a, b net.Conn) {
	go func() {
		for {
			if _, err := b.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p := make([]byte, 300)
			for range 20 {
				if _, err := a.Read(p); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				a.SetReadDeadline(time.Now().Add(time.Millisecond))
			}
		})
	}
	wg.Wait()
}

func racingWriters(t *testing.T, a, b net.Conn) {
	go io.Copy(io.Discard, onlyReader{b})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p := make([]byte, 1000)
			for range 20 {
				if _, err := a.Write(p); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				a.SetWriteDeadline(time.Now().Add(time.Millisecond))
			}
		})
	}
	wg.Wait()
}

// closeEndsAll: Close wakes who reads and writes; they and all later ones learn
// that it is closed.
func closeEndsAll(t *testing.T, a, b net.Conn) {
	var begun, ended sync.WaitGroup
	until := func(f func() error) {
		begun.Add(1)
		ended.Go(func() {
			begun.Done()
			for {
				if err := f(); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("%v, want net.ErrClosed", err)
					}
					return
				}
			}
		})
	}
	p := make([]byte, 1000)
	until(func() error { _, err := a.Read(make([]byte, 10)); return err })
	until(func() error { _, err := a.Write(p); return err })
	go io.Copy(io.Discard, onlyReader{b})
	begun.Wait()
	if err := a.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	ended.Wait()
	if _, err := a.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := a.Write(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	a.Close() // does no harm
	a.SetDeadline(longAgo)
	if _, err := a.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close and a deadline: %v", err)
	}
}

// endOfStream: all that was written before Close arrives, then io.EOF, again and
// again.
func endOfStream(t *testing.T, a, b net.Conn) {
	want := unlikely(rand.New(rand.NewPCG(3, 4)), 300_000)
	go func() {
		a.Write(want)
		a.Close()
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	for range 3 {
		if n, err := b.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("Read = %d, %v", n, err)
		}
	}
	if _, err := b.Write([]byte("x")); err == nil || err == io.EOF {
		t.Errorf("Write = %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func allMethods(t *testing.T, a, b net.Conn) {
	go echo(b)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { a.Read(make([]byte, 1024)) })
		wg.Go(func() { a.Write(make([]byte, 1024)) })
		wg.Go(func() { a.SetDeadline(time.Now().Add(10 * time.Millisecond)) })
		wg.Go(func() { a.SetReadDeadline(longAgo) })
		wg.Go(func() { a.SetWriteDeadline(longAgo) })
		wg.Go(func() { a.LocalAddr() })
		wg.Go(func() { a.RemoteAddr() })
	}
	wg.Wait()
}

// What has begun is sent, and Write says how much that was: a caller who goes on
// behind it after a timeout breaks nothing.
func TestNetConnWriteTimeoutCounts(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		t.Run(k.name, func(t *testing.T) {
			a, b := netPair(t, k)
			want := unlikely(rand.New(rand.NewPCG(5, 6)), 8<<20)
			rest, timeouts := want, 0
			for timeouts < 3 && len(rest) > 0 {
				a.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
				n, err := a.Write(rest[:min(len(rest), 60_000)])
				if rest = rest[n:]; err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatal(err)
					}
					timeouts++
				}
			}
			go func() {
				a.SetWriteDeadline(never)
				a.Write(rest)
			}()
			got := make([]byte, len(want))
			if n, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v, equal %t", n, err, bytes.Equal(got, want))
			}
		})
	}
}

// A context that has ended is not a timeout.
func TestNetConnAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := pair(t, memory, nil)
		ctx, cancel := context.WithCancel(context.Background())
		a := curlew.NetConn(ctx, s, curlew.Binary)
		time.AfterFunc(time.Second, cancel)
		for range 2 {
			_, err := a.Read(make([]byte, 1))
			if !errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read = %v", err)
			}
			_, err = a.Write(make([]byte, 1))
			if !errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Write = %v", err)
			}
		}
	})
}

// A Calculator is served by net/rpc.
type Calculator struct{}

// Add adds.
func (Calculator) Add(args [2]int, sum *int) error {
	*sum = args[0] + args[1]
	return nil
}

func TestNetConnRPC(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		a, b := netPair(t, k)
		server := rpc.NewServer()
		server.Register(Calculator{})
		served := make(chan struct{})
		go func() {
			defer close(served)
			server.ServeConn(a)
		}()
		client := rpc.NewClient(b)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				for j := range 10 {
					var sum int
					if err := client.Call("Calculator.Add", [2]int{i, j}, &sum); err != nil || sum != i+j {
						t.Errorf("%d + %d = %d, %v", i, j, sum, err)
					}
				}
			})
		}
		wg.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		wait(t, "the server to see the end", served)
	}
}

// HTTP in both directions, kept alive, with bodies of all sizes.
func TestNetConnHTTP(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		a, b := netPair(t, k)
		l := &onlyListener{conn: a, closed: make(chan struct{})}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := io.ReadAll(r.Body)
			w.Write(p)
		})}
		go srv.Serve(l)
		client := &http.Client{Transport: &http.Transport{DialContext: once(b)}}
		for _, n := range []int{0, 1, 5000, 300_000} {
			want := unlikely(rand.New(rand.NewPCG(7, 8)), n)
			r, err := client.Post("http://example.com/", "application/octet-stream", bytes.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %d, %v", len(got), n, err)
			}
		}
		client.CloseIdleConnections()
		srv.Close()
	}
}
