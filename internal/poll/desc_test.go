//go:build linux

package poll

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// An owner is made of functions; nil ones do nothing.
type owner struct {
	Desc
	ready, room, flush func()
	in                 atomic.Int32
	t                  *testing.T
}

func (o *owner) Ready() {
	if o.in.Add(1) != 1 {
		o.t.Error("two turns at once")
	}
	defer o.in.Add(-1)
	if o.ready != nil {
		o.ready()
	}
}

func (o *owner) Room() {
	if o.room != nil {
		o.room()
	}
}

func (o *owner) Flush() {
	if o.flush != nil {
		o.flush()
	}
}

// pair returns the two ends of a TCP connection; a test that hangs fails by peer's
// deadline.
func pair(t *testing.T) (ours, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if peer, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	peer.SetDeadline(time.Now().Add(20 * time.Second))
	return ours, peer
}

// attached returns an owner whose Desc waits, and the other end. prepare, which may be
// nil, sees it before it does.
func attached(t *testing.T, g *Group, prepare func(o *owner)) (*owner, net.Conn) {
	t.Helper()
	ours, peer := pair(t)
	o := &owner{t: t}
	if prepare != nil {
		prepare(o)
	}
	if g == nil {
		g = new(Group)
	}
	if !o.Attach(ours, g, o) {
		t.Fatal("not attached")
	}
	t.Cleanup(func() { o.Close() })
	o.Rest()
	return o, peer
}

// echo sends back what comes, and closes at the end.
func echo(o *owner) {
	buf := make([]byte, 4<<10)
	o.ready = func() {
		o.Take(In)
		for {
			n, err := o.Recv(buf)
			if err == ErrAgain {
				return
			}
			if err != nil {
				o.Close()
				return
			}
			if sent, err := o.TrySend(buf[:n]); sent < n || err != nil {
				o.t.Errorf("sent %d of %d: %v", sent, n, err)
			}
		}
	}
}

// says sends p and wants it back.
func says(t *testing.T, c net.Conn, p string) {
	t.Helper()
	if _, err := io.WriteString(c, p); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(p))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != p {
		t.Fatalf("%q, %v; want %q", got, err, p)
	}
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestDescEcho: what comes is handed over, and so is the end; addresses are the
// connection's.
func TestDescEcho(t *testing.T) {
	var g Group
	var peers []net.Conn
	for range 50 {
		o, peer := attached(t, &g, echo)
		if o.LocalAddr().String() != peer.RemoteAddr().String() || o.RemoteAddr().String() != peer.LocalAddr().String() {
			t.Errorf("%v to %v, want %v to %v", o.RemoteAddr(), o.LocalAddr(), peer.LocalAddr(), peer.RemoteAddr())
		}
		peers = append(peers, peer)
	}
	for i := range 20 {
		for _, p := range peers {
			says(t, p, "hello"[:1+i%5])
		}
	}
	for _, p := range peers {
		p.(*net.TCPConn).CloseWrite()
		if n, err := p.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("at the end: %d, %v", n, err)
		}
	}
}

// TestAttachFails: what is no plain TCP stays as it was.
func TestAttachFails(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	if o := new(owner); o.Attach(a, new(Group), o) {
		t.Error("a pipe was attached")
	}
	go b.Write([]byte("x"))
	if n, err := a.Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	ours, _ := pair(t)
	ours.Close()
	if o := new(owner); o.Attach(ours, new(Group), o) {
		t.Error("a closed connection was attached")
	}
	synctest.Test(t, func(t *testing.T) {
		ours, _ := pair(t)
		if o := new(owner); o.Attach(ours, new(Group), o) {
			t.Error("a connection in a bubble was attached")
		}
		ours.Close()
	})
}

// TestBlocked: Room is called once for each Blocked, as soon as there is room, and all
// bytes arrive in order.
func TestBlocked(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 256<<10)
	for range 20 {
		rest, rooms := data, 0
		blocked, done := make(chan struct{}), make(chan struct{})
		block := sync.OnceFunc(func() { close(blocked) })
		var o *owner
		send := func() {
			for {
				n, err := o.TrySend(rest[:min(len(rest), 100_000)])
				if err != nil {
					t.Error(err)
				}
				if rest = rest[n:]; len(rest) == 0 {
					close(done)
					return
				}
				if n < 100_000 && o.Blocked() {
					block()
					return
				}
			}
		}
		ours, peer := pair(t)
		ours.(*net.TCPConn).SetWriteBuffer(64 << 10)
		peer.(*net.TCPConn).SetReadBuffer(64 << 10)
		o = &owner{t: t, room: func() { rooms++; send() }}
		o.Attach(ours, new(Group), o)
		o.Rest()
		go send()
		<-blocked
		got := make([]byte, len(data))
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, data) {
			t.Fatal("the bytes differ", err)
		}
		<-done
		if rooms == 0 {
			t.Error("Room was not called")
		}
		o.Close()
	}
}

// TestBlockedClose: whoever waits for room is told when there will be none.
func TestBlockedClose(t *testing.T) {
	for range 50 {
		told := make(chan struct{}, 2)
		o, _ := attached(t, nil, func(o *owner) { o.room = func() { told <- struct{}{} } })
		big := make([]byte, 1<<20)
		for n := 1; n > 0; {
			n, _ = o.TrySend(big)
		}
		go o.Close()
		for {
			if o.Blocked() {
				<-told
				break
			}
			if _, err := o.TrySend(big); err != nil {
				break
			}
		}
		if len(told) > 0 {
			t.Fatal("Room was called twice")
		}
	}
}

// TestCloseUse: descriptors are given out again while calls for closed Descs are under
// way: nobody reads or writes what is another's.
func TestCloseUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var g Group
	var id atomic.Uint64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 60 {
				peer, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				ours, err := l.Accept() // perhaps another's
				if err != nil {
					t.Error(err)
					return
				}
				o := &owner{t: t}
				me := []byte{byte(id.Add(1))}
				o.ready = func() {
					var b [64]byte
					o.Take(In)
					o.Recv(b[:])
				}
				if !o.Attach(ours, &g, o) {
					t.Error("not attached")
				}
				o.Rest()
				var inner sync.WaitGroup
				for range 3 {
					inner.Go(func() {
						for range 100 {
							n, err := o.TrySend(me)
							if err != nil {
								return
							}
							if n == 0 {
								runtime.Gosched()
							}
						}
					})
				}
				inner.Go(func() {
					for range rand.IntN(50) {
						runtime.Gosched()
					}
					o.Close()
				})
				peer.SetDeadline(time.Now().Add(20 * time.Second))
				inner.Go(func() {
					peer.Write([]byte("x"))
					all, _ := io.ReadAll(peer)
					peer.Close()
					if len(all) > 0 && bytes.Count(all, all[:1]) < len(all) {
						t.Error("bytes of another connection")
					}
				})
				inner.Wait()
				if _, err := o.Recv(me); err != net.ErrClosed {
					t.Errorf("Recv after Close: %v", err)
				}
				if o.Close() == nil {
					t.Error("closed twice")
				}
			}
		})
	}
	wg.Wait()
}

// TestStale: an event that was for a Desc which had this slot before is dropped.
func TestStale(t *testing.T) {
	o, _ := attached(t, nil, nil)
	turns := 0
	o.ready = func() { turns++ }
	s := &set{ep: -1}
	s.slots.put(o.slot, &o.Desc)
	l := &leader{set: s}
	ev := &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(o.slot), Pad: int32(o.gen - 1)}
	if l.event(l, ev); turns != 0 {
		t.Error("a stale event was acted on")
	}
	ev.Pad++
	if l.event(l, ev); turns != 1 {
		t.Error("an event was not acted on")
	}
	s.slots.put(o.slot, nil)
	if l.event(l, ev); turns != 1 {
		t.Error("an event was acted on whose Desc is gone")
	}
	s.slots.chunks.Store(nil) // the set was over, and began anew
	for range 2 {
		if l.event(l, ev); turns != 1 {
			t.Error("an event was acted on whose slot is gone")
		}
		s.slots.put(0, nil)
		ev.Fd = int32(len(chunk{}))
	}
}

// TestWake: Wake makes a turn, of a Desc that is gone too, and ends a Wait.
func TestWake(t *testing.T) {
	turns := make(chan bool)
	o, _ := attached(t, nil, func(o *owner) {
		o.ready = func() {
			if o.TakeWake() {
				turns <- true
			}
		}
	})
	for range 10 {
		o.Wake()
		<-turns
	}
	o.Close()
	<-turns

	o, _ = attached(t, nil, nil)
	for range 100 {
		done := make(chan struct{})
		go func() { o.Wait(); close(done) }()
		o.Wake()
		<-done
		o.TakeWake()
	}
	done := make(chan struct{})
	go func() { o.Wait(); close(done) }()
	o.Close()
	<-done
}

// TestFlushSoon: Flush is called for each that asked, whoever asked, and not once for
// every time.
func TestFlushSoon(t *testing.T) {
	const n = 40
	var flushes atomic.Int64
	var asked sync.WaitGroup
	gate := make(chan struct{})
	var all []*owner
	for i := range n {
		o, _ := attached(t, nil, nil)
		var once sync.Once
		o.flush = func() {
			if i == 0 {
				once.Do(func() { <-gate }) // the others queue behind
			}
			flushes.Add(1)
		}
		all = append(all, o)
	}
	all[0].FlushSoon()
	for range 4 {
		asked.Go(func() {
			for _, o := range all[1:] {
				for range 10 {
					o.FlushSoon()
				}
			}
		})
	}
	asked.Wait()
	close(gate)
	eventually(t, "all have flushed", func() bool { return flushes.Load() >= n })
	if m := flushes.Load(); m > 4*10*n/2 {
		t.Errorf("%d flushes for %d", m, n)
	}
}

// TestNothingLeft: without Descs there is neither a goroutine nor a descriptor, and
// new ones find all they need.
func TestNothingLeft(t *testing.T) {
	over := func() bool {
		for _, s := range sets.all {
			s.mu.Lock()
			ep, n := s.ep, s.n
			s.mu.Unlock()
			if ep >= 0 || n > 0 {
				return false
			}
		}
		return true
	}
	eventually(t, "the sets are gone", over)
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before := 0
	for i := range 2 {
		var peers []net.Conn
		var owners []*owner
		for range 10 {
			o, peer := attached(t, nil, echo)
			says(t, peer, "hello")
			peers, owners = append(peers, peer), append(owners, o)
		}
		for i, o := range owners {
			o.Close()
			peers[i].Close()
		}
		eventually(t, "the sets are gone", over)
		for _, s := range sets.all {
			if s.current.Load() != nil || s.taker.Load() != nil {
				t.Error("a set that is over remembers something")
			}
		}
		if n := count(); i == 0 {
			before = n
		} else if n > before {
			t.Errorf("%d descriptors, %d before", n, before)
		}
	}
}

// BenchmarkDesc is one byte there and back.
func BenchmarkDesc(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer peer.Close()
	ours, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	o := &owner{}
	echo(o)
	if !o.Attach(ours, new(Group), o) {
		b.Fatal("not attached")
	}
	defer o.Close()
	o.Rest()
	p := make([]byte, 1)
	for b.Loop() {
		peer.Write(p)
		peer.Read(p)
	}
}
