package fallback

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"
)

// What every net.Conn does, tried on both ends of a session: the handler's and the
// client's.
var conformance = []struct {
	name string
	f    func(t *testing.T, a, b net.Conn)
}{
	{"large transfer", largeTransfer},
	{"empty reads and writes", emptyReadsAndWrites},
	{"deadline passed", deadlinePassed},
	{"deadline soon", deadlineSoon},
	{"deadline now", deadlineNow},
	{"deadline taken back", deadlineTakenBack},
	{"deadline of writing", deadlineOfWriting},
	{"racing readers", racingReaders},
	{"racing writers", racingWriters},
	{"close ends all", closeEndsAll},
	{"close ends the other", closeEndsOther},
	{"all methods at once", allMethods},
	{"addresses", addresses},
}

func TestConn(t *testing.T) {
	for _, mode := range []string{"stream", "sse", "poll"} {
		for _, c := range conformance {
			t.Run(mode+"/"+c.name, func(t *testing.T) {
				in(t, nil, nil, func(h *house) {
					a, b := h.pipe(mode)
					c.f(h.t, a, b)
					a.Close()
					b.Close()
				})
				in(t, nil, nil, func(h *house) {
					a, b := h.pipe(mode)
					c.f(h.t, b, a)
					a.Close()
					b.Close()
				})
			})
		}
	}
}

// pipe is a session by both ends.
func (h *house) pipe(mode string) (client, server net.Conn) {
	u, _ := url.Parse(h.base)
	o := &DialOptions{Modes: []string{mode}, HTTP: h.client.Transport}
	c := newTunnel(u, o)
	io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	server = <-h.conns
	for head := []byte{}; !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		p := make([]byte, 1)
		if _, err := c.Read(p); err != nil {
			h.t.Fatal(err)
		}
		head = append(head, p...)
	}
	return c, server
}

// Neither end has io.Copy's short cuts.
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
	a.SetDeadline(time.Time{})
	want := []byte("are you there?")
	if n, err := a.Write(want); n != len(want) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %v", got, err)
	}
}

func echoConn(b net.Conn) { io.Copy(onlyWriter{b}, onlyReader{b}) }

func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

func largeTransfer(t *testing.T, a, b net.Conn) {
	want := noise(1, 1<<20)
	go echoConn(b)
	go func() {
		for p := want; len(p) > 0; {
			n, err := a.Write(p[:min(len(p), 70_001)])
			if err != nil {
				t.Error(err)
				return
			}
			p = p[n:]
		}
	}()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func emptyReadsAndWrites(t *testing.T, a, b net.Conn) {
	go echoConn(b)
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
	go echoConn(b)
	for range 2 {
		a.SetDeadline(time.Unix(1, 0))
		n, err := a.Write(make([]byte, 10))
		wantTimeout(t, "Write", n, err)
		n, err = a.Read(make([]byte, 10))
		wantTimeout(t, "Read", n, err)
		roundTrip(t, a)
	}
	a.SetReadDeadline(time.Unix(1, 0))
	if n, err := a.Write([]byte("x")); n != 1 || err != nil { // the other direction is free
		t.Error(n, err)
	}
	<-time.After(time.Second)
	n, err := a.Read(make([]byte, 1)) // although there is something
	wantTimeout(t, "Read", n, err)
	b.SetReadDeadline(time.Unix(1, 0))
}

func deadlineSoon(t *testing.T, a, b net.Conn) {
	go echoConn(b)
	for _, d := range []time.Duration{time.Nanosecond, time.Millisecond, time.Second} {
		began := time.Now()
		a.SetReadDeadline(began.Add(d))
		n, err := a.Read(make([]byte, 10))
		wantTimeout(t, "Read", n, err)
		if got := time.Since(began); got != d {
			t.Errorf("it took %v, want %v", got, d)
		}
	}
	roundTrip(t, a)
}

func deadlineNow(t *testing.T, a, b net.Conn) {
	go echoConn(b)
	done := make(chan error)
	go func() {
		n, err := a.Read(make([]byte, 10))
		wantTimeout(t, "Read", n, err)
		done <- err
	}()
	<-time.After(time.Second)
	a.SetReadDeadline(time.Now())
	<-done
	roundTrip(t, a)
}

func deadlineTakenBack(t *testing.T, a, b net.Conn) {
	go echoConn(b)
	a.SetReadDeadline(time.Now().Add(time.Second))
	go func() {
		<-time.After(time.Second / 2)
		a.SetReadDeadline(time.Time{})
		<-time.After(time.Minute)
		a.Write([]byte("x"))
	}()
	if n, err := a.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
}

// deadlineOfWriting: what was written before it is said, and comes.
func deadlineOfWriting(t *testing.T, a, b net.Conn) {
	a.SetWriteDeadline(time.Now().Add(time.Second))
	p := noise(2, 1<<20)
	n, err := a.Write(p)
	if n == 0 || n == len(p) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Write = %d, %v", n, err)
	}
	a.SetWriteDeadline(time.Time{})
	go a.Write(p[n:])
	got := make([]byte, len(p))
	if n, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, p) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func racingReaders(t *testing.T, a, b net.Conn) {
	go func() {
		for range 50 {
			b.Write(make([]byte, 10))
		}
		<-time.After(time.Second)
		a.SetReadDeadline(time.Now())
	}()
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 5 {
		wg.Go(func() {
			p := make([]byte, 7)
			for {
				n, err := a.Read(p)
				mu.Lock()
				total += n
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	if wg.Wait(); total != 500 {
		t.Errorf("%d bytes", total)
	}
}

// racingWriters: each Write is in one piece, also one that does not fit at once.
func racingWriters(t *testing.T, a, b net.Conn) {
	const size = 300_000 // more than a window
	var wg sync.WaitGroup
	for i := range byte(4) {
		wg.Go(func() {
			if n, err := a.Write(bytes.Repeat([]byte{i}, size)); n != size || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
		})
	}
	p := make([]byte, size)
	seen := make(map[byte]bool)
	for range 4 {
		if _, err := io.ReadFull(b, p); err != nil {
			t.Fatal(err)
		}
		if seen[p[0]] || bytes.Count(p, p[:1]) != size {
			t.Fatal("the writes are mixed")
		}
		seen[p[0]] = true
	}
	wg.Wait()
}

func closeEndsAll(t *testing.T, a, b net.Conn) {
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if n, err := a.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read = %d, %v", n, err)
			}
		})
		wg.Go(func() {
			if _, err := a.Write(make([]byte, 8<<20)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write: %v", err)
			}
		})
	}
	<-time.After(time.Second)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := a.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := a.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// closeEndsOther: what was written before Close arrives, and then the end.
func closeEndsOther(t *testing.T, a, b net.Conn) {
	want := noise(3, 200_000)
	a.Write(want)
	a.Close()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", n, err)
	}
	began := time.Now()
	if n, err := b.Read(got); n != 0 || err == nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	if d := time.Since(began); d > leaveTime {
		t.Errorf("the end came after %v", d)
	}
	for began := time.Now(); time.Since(began) < time.Minute; { // not at once, as on TCP
		if _, err := b.Write([]byte("x")); err != nil {
			return
		}
		<-time.After(time.Second)
	}
	t.Error("writing goes on")
}

func allMethods(t *testing.T, a, b net.Conn) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range []net.Conn{a, b} {
		for _, f := range []func(){
			func() { c.Read(make([]byte, 1000)) },
			func() { c.Write(make([]byte, 1000)) },
			func() { c.SetDeadline(time.Now().Add(10 * time.Millisecond)) },
			func() { c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) },
			func() { c.SetWriteDeadline(time.Now()) },
			func() { c.LocalAddr() },
			func() { c.RemoteAddr() },
		} {
			wg.Go(func() {
				for range 20 {
					f()
					select {
					case <-time.After(time.Millisecond):
					case <-ctx.Done():
					}
				}
			})
		}
	}
	wg.Go(func() { <-time.After(15 * time.Millisecond); a.Close() })
	wg.Wait()
}

func addresses(t *testing.T, a, b net.Conn) {
	for _, c := range []net.Conn{a, b} {
		if l, r := c.LocalAddr(), c.RemoteAddr(); l == nil || r == nil || r.String() == "" {
			t.Errorf("%v, %v", l, r)
		}
	}
}

// The connection under a handler of net/http that proxies: both ends copied at once.
func TestConnProxied(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		c1, s1 := h.pipe("stream")
		c2, s2 := h.pipe("poll")
		go io.Copy(onlyWriter{s2}, onlyReader{s1})
		go io.Copy(onlyWriter{s1}, onlyReader{s2})
		go echoConn(c2)
		roundTrip(h.t, c1)
		c1.Close()
		s1.Close()
		s2.Close()
		c2.Close()
	})
}

var _ http.Hijacker = (*opening)(nil)
