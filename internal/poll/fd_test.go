//go:build unix

package poll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"curlew.example/curlew/internal/bufs"
)

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

// each runs a test over a TCP and a Unix connection: an FD, the connection it is
// of, and the other end.
func each(t *testing.T, f func(t *testing.T, fd *FD, ours, peer net.Conn)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			l, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			peer, err := net.Dial(network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			ours, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			for _, c := range []net.Conn{ours, peer} { // a test that hangs fails
				c.SetDeadline(time.Now().Add(10 * time.Second))
			}
			fd := NewFD(ours)
			if fd == nil {
				t.Fatal("no FD")
			}
			out := bufs.Outstanding()
			f(t, fd, ours, peer)
			if n := bufs.Outstanding() - out; n != 0 {
				t.Errorf("%d buffers not given back", n)
			}
		})
	}
}

// Only what is a descriptor has an FD, never what wraps one.
func TestNewFD(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	for _, c := range []any{nil, a, struct{ *net.TCPConn }{}, &struct{ net.Conn }{a}, os.Stdin} {
		if NewFD(c) != nil {
			t.Errorf("%T has an FD", c)
		}
	}
	if NewFD(&net.TCPConn{}) != nil {
		t.Error("an FD of nothing")
	}
}

func TestRecv(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, _, peer net.Conn) {
		peer.Write([]byte("hello, world"))
		var got []byte
		for len(got) < 12 {
			p, err := fd.Recv(5)
			if err != nil || len(p) == 0 || len(p) > 5 {
				t.Fatalf("%q, %v", p, err)
			}
			if len(got) > 0 && fd.Waited() {
				t.Error("waited for what was there")
			}
			got = append(got, p...)
			bufs.Put(p)
		}
		if string(got) != "hello, world" {
			t.Errorf("%q", got)
		}
	})
}

// Recv waits, and holds no buffer meanwhile.
func TestRecvWaits(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, ours, peer net.Conn) {
		for range 3 {
			before := bufs.Outstanding()
			type result struct {
				p   []byte
				err error
			}
			done := make(chan result)
			go func() {
				p, err := fd.Recv(16 << 10)
				done <- result{p, err}
			}()
			waiting(t, "Recv")
			if n := bufs.Outstanding() - before; n != 0 {
				t.Errorf("%d buffers while it waits", n)
			}
			peer.Write([]byte("x"))
			if r := <-done; string(r.p) != "x" || r.err != nil || !fd.Waited() {
				t.Fatalf("%q, %v", r.p, r.err)
			} else {
				bufs.Put(r.p)
			}
		}
	})
}

// waiting returns when a call of that method, by another goroutine, waits.
func waiting(t *testing.T, method string) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			state, _, _ := strings.Cut(g, "\n")
			if strings.Contains(state, "[IO wait") && strings.Contains(g, "(*FD)."+method+"(") {
				return
			}
		}
		runtime.Gosched()
	}
	t.Fatal("nobody waits in " + method)
}

// What ends a waiting Recv: a deadline, after which it can be called again, the
// end of the stream, a reset, and Close.
func TestRecvEnds(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, ours, peer net.Conn) {
		recv := func(then func()) ([]byte, error) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				waiting(t, "Recv")
				then()
			}()
			p, err := fd.Recv(100)
			<-done
			if p != nil && err != nil {
				t.Errorf("%q and %v", p, err)
			}
			return p, err
		}
		for range 2 {
			if _, err := recv(func() { ours.SetReadDeadline(past) }); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("deadline: %v", err)
			}
			if _, err := fd.Recv(100); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("deadline passed before: %v", err)
			}
			ours.SetReadDeadline(time.Time{})
			p, err := recv(func() { peer.Write([]byte("abc")) })
			if string(p) != "abc" || err != nil {
				t.Fatalf("after a deadline: %q, %v", p, err)
			}
			bufs.Put(p)
		}
		if _, err := recv(func() { peer.(interface{ CloseWrite() error }).CloseWrite() }); err != io.EOF {
			t.Fatalf("end: %v", err)
		}
		if _, err := fd.Recv(100); err != io.EOF {
			t.Fatalf("end again: %v", err)
		}
	})
	each(t, func(t *testing.T, fd *FD, ours, peer net.Conn) {
		go func() {
			waiting(t, "Recv")
			ours.Close()
		}()
		if _, err := fd.Recv(100); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
		for range 2 {
			if _, err := fd.Recv(100); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
			if n, err := fd.TrySend([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("TrySend after Close: %d, %v", n, err)
			}
			if n, err := fd.Send([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Send after Close: %d, %v", n, err)
			}
		}
	})
}

func TestReset(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, ours, peer net.Conn) {
		if c, ok := peer.(*net.TCPConn); ok {
			c.SetLinger(0)
		} else {
			ours.Write([]byte("unread")) // closing with it unread resets a Unix stream
		}
		peer.Close()
		if _, err := fd.Recv(100); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Recv: %v", err)
		}
		// The second at the latest: the first tells the system.
		fd.Send([]byte("x"))
		if _, err := fd.Send([]byte("x")); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Send: %v", err)
		}
	})
}

// fillUp sends until the system takes no more, and returns how much that was.
func fillUp(t *testing.T, fd *FD) (sent int) {
	t.Helper()
	p := make([]byte, 1<<20)
	for i := range p {
		p[i] = byte(i)
	}
	for range 1000 {
		n, err := fd.TrySend(p)
		if err != nil {
			t.Fatal(err)
		}
		if sent += n; n == 0 {
			return sent
		}
	}
	t.Fatal("it takes everything")
	return 0
}

// TrySend takes what there is room for and does not wait.
func TestTrySend(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, _, peer net.Conn) {
		if n, err := fd.TrySend([]byte("hello")); n != 5 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if n, err := fd.TrySend(nil); n != 0 || err != nil {
			t.Fatalf("nothing: %d, %v", n, err)
		}
		sent := 5 + fillUp(t, fd)
		if sent < 1<<10 {
			t.Errorf("only %d bytes taken", sent)
		}
		if n, err := io.Copy(io.Discard, io.LimitReader(peer, int64(sent))); n != int64(sent) || err != nil {
			t.Errorf("%d of %d bytes arrived: %v", n, sent, err)
		}
	})
}

// Send waits until the system takes something.
func TestSend(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, _, peer net.Conn) {
		if n, err := fd.Send(nil); n != 0 || err != nil {
			t.Fatalf("nothing: %d, %v", n, err)
		}
		sent := fillUp(t, fd)
		go func() {
			waiting(t, "Send")
			io.CopyN(io.Discard, peer, int64(sent))
		}()
		n, err := fd.Send(make([]byte, 1<<10))
		if n < 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// What is sent in any pieces arrives as it was.
func TestTransfer(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, _, peer net.Conn) {
		want := make([]byte, 3<<20)
		for i := range want {
			want[i] = byte(i * i >> 8)
		}
		failed := make(chan error, 1)
		go func() { // the peer sends back what comes
			_, err := io.Copy(peer, peer)
			failed <- err
		}()
		go func() {
			p := want
			for i := 0; len(p) > 0; i++ {
				send := fd.Send
				if i%2 == 1 {
					send = fd.TrySend
				}
				n, err := send(p[:min(len(p), 100_000)])
				if err != nil {
					failed <- err
					return
				}
				p = p[n:]
			}
		}()
		var got []byte
		for len(got) < len(want) {
			p, err := fd.Recv(16 << 10)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p...)
			bufs.Put(p)
		}
		if !bytes.Equal(got, want) {
			t.Error("not what was sent")
		}
		peer.Close()
		<-failed
	})
}

// What ends a waiting Send: a deadline, Close.
func TestSendEnds(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, ours, peer net.Conn) {
		fillUp(t, fd)
		send := func(then func()) (int, error) {
			go func() {
				waiting(t, "Send")
				then()
			}()
			return fd.Send([]byte("x"))
		}
		if n, err := send(func() { ours.SetWriteDeadline(past) }); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline: %d, %v", n, err)
		}
		if n, err := fd.TrySend([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("TrySend after the deadline: %d, %v", n, err)
		}
		ours.SetWriteDeadline(time.Time{})
		if n, err := fd.TrySend([]byte("x")); n != 0 || err != nil {
			t.Errorf("without a deadline: %d, %v", n, err)
		}
		if n, err := send(func() { ours.Close() }); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close: %d, %v", n, err)
		}
	})
}

// One may receive while another sends.
func TestBothWaysAtOnce(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, _, peer net.Conn) {
		const rounds = 2000
		go io.Copy(peer, peer)
		go func() {
			for i := range rounds {
				fd.Send([]byte{byte(i)})
			}
		}()
		for i := 0; i < rounds; {
			p, err := fd.Recv(256)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range p {
				if b != byte(i) {
					t.Fatalf("byte %d is %d", i, b)
				}
				i++
			}
			bufs.Put(p)
		}
	})
}
