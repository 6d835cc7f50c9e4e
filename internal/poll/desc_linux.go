package poll

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Supported says that Attach may succeed on this system.
const Supported = true

// ErrAgain: there is nothing to be received at the moment, or no room to send.
var ErrAgain = errors.New("poll: not ready")

// An Owner is told what happens to a Desc.
type Owner interface {
	// Ready is called when something came, the peer went or somebody called Wake:
	// never twice at once, and again if it happened meanwhile. It must not wait for
	// long without a call of Yield; if it does all the same, others suffer for
	// some milliseconds and then no more.
	Ready()

	// Room is called when there is room to send again, after a TrySend that had
	// ErrAgain and a call of Blocked. It must not wait.
	Room()

	// Flush is called once after each call of FlushSoon, with many others'.
	Flush()
}

// A Desc is a descriptor that waits without a goroutine: a connection that was taken
// out of package net. It is a Stream of the connection, less its blocking Read
// and Write. Any goroutine may call its methods.
type Desc struct {
	owner Owner
	group *Group
	set   *set
	local *net.TCPAddr // shared by many
	peer  [16]byte     // address

	waiting atomic.Pointer[chan struct{}] // of Wait
	flags   atomic.Uint32                 // what has happened and was not taken yet, and blocked
	turn    atomic.Uint32                 // of Ready
	uses    atomic.Int32                  // calls under way, and closed

	fd   int32
	slot uint32
	gen  uint32
	port uint16
}

// What may have happened to a Desc.
const (
	In      = 1 << iota // bytes came, or the end of them
	Hup                 // the peer has ended its side, or the connection failed
	woken               // Wake was called
	room                // there is room to send
	queued              // for Flush
	blocked             // somebody waits for room
)

// Turns of Ready.
const (
	resting uint32 = iota
	running
	again // running, and something happened meanwhile
)

// closed is part of uses.
const closed = 1 << 30

// Attach takes the descriptor out of c, which is closed by it. It reports false, and
// has done nothing, if that cannot be: on another system, for something else than
// plain TCP, without descriptors, in a bubble of testing/synctest, whose goroutines
// must not lead others. o is told nothing before Begin or Rest is called.
func (d *Desc) Attach(c net.Conn, g *Group, o Owner) bool {
	t, ok := c.(*net.TCPConn)
	if !ok || inBubble() {
		return false
	}
	peer, ok := t.RemoteAddr().(*net.TCPAddr)
	local, ok2 := t.LocalAddr().(*net.TCPAddr)
	if !ok || !ok2 || peer.Zone != "" {
		return false
	}
	rc, err := t.SyscallConn()
	if err != nil {
		return false
	}
	fd := -1
	rc.Control(func(old uintptr) {
		n, _, e := syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		if e == 0 {
			fd = int(n)
		}
	})
	if fd < 0 {
		return false
	}
	d.owner, d.group, d.fd = o, g, int32(fd)
	d.peer, d.port = peer.AddrPort().Addr().As16(), uint16(peer.Port)
	d.local = shared(local)
	d.turn.Store(running)
	if !attach(d) {
		syscall.Close(fd)
		return false
	}
	t.Close()
	return true
}

// inBubble reports whether the time is that of testing/synctest.
func inBubble() bool {
	var now syscall.Timeval
	syscall.Gettimeofday(&now)
	return time.Since(time.Unix(now.Unix())).Abs() > time.Minute
}

// Recv receives what is there, at most len(p) bytes. The end of the stream is io.EOF.
func (d *Desc) Recv(p []byte) (int, error) {
	if !d.use() {
		return 0, net.ErrClosed
	}
	n, err := recv(uintptr(d.fd), p)
	for err == syscall.EINTR {
		n, err = recv(uintptr(d.fd), p)
	}
	d.unuse()
	switch {
	case err == syscall.EAGAIN:
		return 0, ErrAgain
	case err != nil:
		return 0, os.NewSyscallError("recv", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// TrySend sends what there is room for, of what may be nothing: then Blocked has
// Room called. One goroutine at a time may call it.
func (d *Desc) TrySend(p []byte) (sent int, err error) {
	if !d.use() {
		return 0, net.ErrClosed
	}
	for full := false; sent < len(p); {
		n, e := send(uintptr(d.fd), p[sent:])
		if n > 0 {
			sent += n
		}
		if e == syscall.EAGAIN {
			if full {
				break
			}
			full = true // now; Blocked wants to know of room from here on
			d.flags.And(^uint32(room))
		} else if e != nil && e != syscall.EINTR {
			err = os.NewSyscallError("send", e)
			break
		}
	}
	d.unuse()
	return sent, err
}

// Blocked has Room called once when there is room again. It reports false if there is
// room already, or the Desc is closed, and then Room is not called.
func (d *Desc) Blocked() bool {
	d.flags.Or(blocked)
	if d.flags.Load()&room == 0 && d.uses.Load() < closed {
		return true
	}
	return !d.unblock()
}

// unblock reports whether somebody was waiting for room, and does not any more.
func (d *Desc) unblock() bool { return d.flags.And(^uint32(blocked))&blocked != 0 }

// Take reports which of flags were set, and clears them.
func (d *Desc) Take(flags uint32) uint32 {
	if d.flags.Load()&flags == 0 {
		return 0
	}
	return d.flags.And(^flags) & flags
}

// Has reports whether one of flags is set.
func (d *Desc) Has(flags uint32) bool { return d.flags.Load()&flags != 0 }

// TakeWake reports whether Wake was called since the last time.
func (d *Desc) TakeWake() bool { return d.Take(woken) != 0 }

// Wake has Ready called, soon and by another goroutine; a Wait ends.
func (d *Desc) Wake() {
	if d.post(woken) {
		go d.run()
	}
}

// post notes what has happened and reports whether the caller has to see to a turn.
func (d *Desc) post(flags uint32) (run bool) {
	d.flags.Or(flags)
	if w := d.waiting.Load(); w != nil {
		select {
		case *w <- struct{}{}:
		default:
		}
	}
	for {
		switch t := d.turn.Load(); t {
		case resting:
			if d.turn.CompareAndSwap(resting, running) {
				return true
			}
		case running:
			if d.turn.CompareAndSwap(running, again) {
				return false
			}
		default:
			return false
		}
	}
}

// run is turns of Ready, until nothing has happened meanwhile.
func (d *Desc) run() {
	over := false
	defer func() {
		if !over { // runtime.Goexit in a callback
			go d.run()
		}
	}()
	for d.owner.Ready(); !d.rest(); d.owner.Ready() {
		runtime.Gosched()
	}
	over = true
}

// rest ends a turn, if nothing happened meanwhile.
func (d *Desc) rest() bool {
	if d.turn.CompareAndSwap(running, resting) {
		return true
	}
	d.turn.Store(running)
	return false
}

// Begin has Ready called for the first time, by another goroutine.
func (d *Desc) Begin() { go d.run() }

// Rest ends the turn that begins with Attach without a call of Ready.
func (d *Desc) Rest() {
	if !d.rest() {
		go d.run()
	}
}

// Again has Ready called once more after this turn, by a goroutine of its own: others
// come before. Only Ready may call it, last.
func (d *Desc) Again() { d.turn.Store(again) }

// Wait waits until bytes came, the peer went or somebody called Wake. Only one
// goroutine at a time may call it.
func (d *Desc) Wait() {
	c := make(chan struct{}, 1)
	d.waiting.Store(&c)
	defer d.waiting.Store(nil)
	for d.flags.Load()&(In|Hup|woken) == 0 && d.uses.Load() < closed {
		<-c
	}
}

// use begins a call that needs the descriptor.
func (d *Desc) use() bool {
	for {
		n := d.uses.Load()
		if n >= closed {
			return false
		}
		if d.uses.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (d *Desc) unuse() {
	if d.uses.Add(-1) == closed {
		d.end()
	}
}

// Close closes the descriptor, once calls under way have returned. Ready is called.
func (d *Desc) Close() error {
	for {
		n := d.uses.Load()
		if n >= closed {
			return net.ErrClosed
		}
		if d.uses.CompareAndSwap(n, n+closed+1) {
			break
		}
	}
	d.unuse()
	d.flags.Or(Hup)
	d.Wake()
	if d.unblock() {
		go d.owner.Room()
	}
	return nil
}

// end is called once, by the last user of a closed Desc.
func (d *Desc) end() {
	d.set.remove(d)
	syscall.Close(int(d.fd))
}

// CloseWrite ends our side of the connection.
func (d *Desc) CloseWrite() error {
	if !d.use() {
		return net.ErrClosed
	}
	defer d.unuse()
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(d.fd), syscall.SHUT_WR))
}

// SetReadDeadline with an instant that has passed is Wake; there are no others.
func (d *Desc) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		d.Wake()
	}
	return nil
}

// Read must not be called: see Recv.
func (d *Desc) Read([]byte) (int, error) { panic("poll: Read of a Desc") }

// Write must not be called: see TrySend.
func (d *Desc) Write([]byte) (int, error) { panic("poll: Write of a Desc") }

// RemoteAddr returns the peer's address.
func (d *Desc) RemoteAddr() net.Addr {
	ip := netip.AddrFrom16(d.peer).Unmap()
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, d.port))
}

// LocalAddr returns our own address.
func (d *Desc) LocalAddr() net.Addr {
	a := *d.local
	return &a
}

// locals are the addresses of our own that connections came to: few, as a rule.
var locals struct {
	sync.Mutex
	of map[netip.AddrPort]*net.TCPAddr
}

// shared returns an address that is a, or equal to it.
func shared(a *net.TCPAddr) *net.TCPAddr {
	key := a.AddrPort()
	locals.Lock()
	defer locals.Unlock()
	known := locals.of[key]
	if known == nil {
		if known = a; len(locals.of) >= 1000 || locals.of == nil {
			locals.of = map[netip.AddrPort]*net.TCPAddr{}
		}
		locals.of[key] = known
	}
	return known
}
