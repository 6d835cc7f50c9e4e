package poll

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The leader of a set says in word where it stands, and moves on by compare-and-swap:
//
//	epoch 16 bits | sequence 32 | n 8 | pos 8
//
// n is how many events were taken, pos is which of them is being handled; n is 0
// when none is. Whoever finds the leader at one place for too long takes over: he adds
// one to the epoch and leads on behind pos. The former leader's next step fails
// then: it finishes with the Desc at pos, which is its own, and leads no more.
const (
	posBits   = 8
	nBits     = 8
	seqShift  = posBits + nBits
	seqMask   = 1<<32 - 1
	oneEpoch  = 1 << 48
	placeMask = 1<<seqShift - 1
)

func place(w uint64) (n, pos int) {
	return int(w >> posBits & (1<<nBits - 1)), int(w & (1<<posBits - 1))
}

// idle is w with nothing being handled.
func idle(w uint64) uint64 { return w &^ placeMask }

// batch is the word of a new batch of n events, behind w.
func batch(w uint64, n int) uint64 {
	return w&^(oneEpoch-1) | (w>>seqShift+1)&seqMask<<seqShift | uint64(n)<<posBits
}

// beginLocked makes the epoll instance and starts a leader.
func (s *set) beginLocked() bool {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	syscall.SetNonblock(ep, true)
	s.ep = ep
	if s.file = s.newFileLocked(); s.file == nil {
		syscall.Close(ep)
		s.ep = -1
		return false
	}
	s.free = nil
	w := idle(s.word.Load()) + oneEpoch
	s.word.Store(w)
	go s.lead(s.file, w, nil)
	return true
}

// newFileLocked returns another file of the epoll instance for a leader, who holds it
// while it waits in it. It is nil if the process is out of descriptors.
func (s *set) newFileLocked() *os.File {
	fd, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(s.ep), syscall.F_DUPFD_CLOEXEC, 0)
	if e != 0 {
		return nil
	}
	f, until := os.NewFile(fd, "epoll"), time.Time{}
	if s.n == 0 {
		until = time.Now().Add(linger)
	}
	if f.SetReadDeadline(until) != nil { // the runtime cannot wait for it
		f.Close()
		return nil
	}
	return f
}

// usurp takes the lead from whoever has stood at w for too long, and has another
// goroutine go on. It reports whether it did.
func (s *set) usurp(w uint64) bool {
	next := w + oneEpoch // the same place: behind it the new leader begins
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ep < 0 || s.word.Load() != w {
		return false
	}
	f := s.newFileLocked()
	if f == nil { // the leader stays
		return false
	}
	if !s.word.CompareAndSwap(w, next) {
		f.Close()
		return false
	}
	s.file = f
	go s.lead(f, next, s.taker.Load())
	return true
}

// Yield is called before something that may take long, inside of Ready: others
// need not wait for it.
func (d *Desc) Yield() {
	s := d.set
	if w := s.word.Load(); s.current.Load() == d && d.turn.Load() != resting {
		if n, _ := place(w); n > 0 {
			s.usurp(w)
		}
	}
}

// A leader leads a set. What it has taken it does not change as long as somebody may
// handle it: who takes over reads it there.
type leader struct {
	set    *set
	w      uint64 // what it has set word to
	events [maxEvents + maxRedo]syscall.EpollEvent
	redone []*Desc // of these events
	turn   *Desc   // whose turn it is
	since  int     // events since it let others run
	now    int64   // when the last turn ended, or these events were taken
}

const (
	maxEvents = 128
	maxRedo   = 64
)

// lead is the leader that waits in f and has set word to w. If events are being
// handled, taker has taken them.
func (s *set) lead(f *os.File, w uint64, taker *leader) {
	l := &leader{set: s, w: w, now: clock()}
	orderly := false
	defer func() {
		f.Close()
		s.standBack()
		if !orderly { // runtime.Goexit in a callback
			go l.turn.run()
			s.usurp(l.w)
		}
	}()
	if n, pos := place(w); n == 0 || l.batch(taker, n, pos) {
		l.wait(f)
	}
	orderly = true
}

// wait waits for events and handles them, as long as it leads.
func (l *leader) wait(f *os.File) {
	rc, err := f.SyscallConn()
	for over := false; err == nil && !over; {
		err = rc.Read(func(fd uintptr) bool {
			over = !l.work(int(fd))
			return over
		})
		if err != nil && !over && !l.set.over(f) {
			err = nil
		}
	}
}

// redos are Descs whose turn goes on, for whoever leads next.
type redos struct {
	n     atomic.Int32 // of descs
	mu    sync.Mutex
	descs []*Desc
}

// put reports false if there are too many.
func (r *redos) put(d *Desc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.descs) == maxRedo {
		return false
	}
	r.descs = append(r.descs, d)
	r.n.Store(int32(len(r.descs)))
	return true
}

// take appends all of them to to.
func (r *redos) take(to []*Desc) []*Desc {
	if r.n.Load() == 0 {
		return to
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	to = append(to, r.descs...)
	clear(r.descs)
	r.descs = r.descs[:0]
	r.n.Store(0)
	return to
}

// standBack is called by who leads no more: what it has put among the redos after
// another had taken the lead may be overlooked there, and gets a goroutine.
func (s *set) standBack() {
	for _, d := range s.redos.take(nil) {
		go d.run()
	}
}

// over ends a set without Descs.
func (s *set) over(f *os.File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n > 0 {
		f.SetReadDeadline(time.Time{})
		return false
	}
	syscall.Close(s.ep)
	s.ep, s.file = -1, nil
	s.slots.chunks.Store(nil)
	s.taker.Store(nil) // these two hold what is gone
	s.current.Store(nil)
	return true
}

// few events are not worth a look whether there are more by now.
const few = 4

// work handles what there is and reports whether the leader still is one.
func (l *leader) work(fd int) bool {
	for {
		n := l.take(fd)
		if n == 0 {
			return true
		}
		l.set.taker.Store(l)
		l.set.turns.Add(int64(n))
		l.now = clock()
		if !l.batch(l, n, -1) {
			return false
		}
		if n < few && l.set.redos.n.Load() == 0 {
			return true
		}
		if l.since += n; l.since >= breath {
			l.since = 0
			runtime.Gosched()
		}
	}
}

// breath is how many events are handled before other goroutines may run.
const breath = 512

// redone marks an event that is none: the turn of its Desc goes on.
const redone = 0x400 // EPOLLMSG, which does not exist

// take takes events, and the Descs whose turn goes on.
func (l *leader) take(fd int) int {
	n, _ := epollWait(fd, l.events[:maxEvents])
	n = max(n, 0)
	clear(l.redone)
	l.redone = l.set.redos.take(l.redone[:0])
	for i := range l.redone {
		l.events[n] = syscall.EpollEvent{Events: redone, Fd: int32(i)}
		n++
	}
	return n
}

// batch handles those of n events behind pos, which taker has taken. It reports false
// if another leads now.
func (l *leader) batch(taker *leader, n, pos int) bool {
	for pos++; pos < n; pos++ {
		w := l.w + 1
		if pos == 0 {
			w = batch(l.w, n)
		}
		if !l.step(w) {
			return false
		}
		watch() // behind the step: see watchman
		if d, more := l.event(taker, &taker.events[pos]); more && !l.set.redos.put(d) {
			go d.run()
		}
	}
	return l.step(idle(l.w))
}

// step moves the leader on, if it is one still.
func (l *leader) step(w uint64) bool {
	if !l.set.word.CompareAndSwap(l.w, w) {
		return false
	}
	l.w = w
	return true
}

// event handles one event; more says that the turn of its Desc goes on.
func (l *leader) event(taker *leader, ev *syscall.EpollEvent) (d *Desc, more bool) {
	if ev.Events == redone {
		d = taker.redone[ev.Fd]
	} else {
		d = l.set.slots.at(uint32(ev.Fd))
		if d == nil || d.gen != uint32(ev.Pad) || !d.happened(ev.Events) {
			return nil, false // one that is gone, or nothing for a turn
		}
	}
	if d.group.Apart() {
		go d.run()
		return nil, false
	}
	l.turn = d
	l.set.current.Store(d)
	d.owner.Ready()
	now := clock()
	if took := now - l.now; took >= slow && l.set.word.Load() == l.w { // else it was told
		d.group.slowed(l.set.turns.Load())
	}
	l.now = now
	return d, !d.rest()
}

// happened notes what epoll says and reports whether the caller has to see to a turn.
func (d *Desc) happened(events uint32) (run bool) {
	const gone = syscall.EPOLLHUP | syscall.EPOLLERR
	if events&(syscall.EPOLLOUT|gone) != 0 {
		if !d.Has(room) {
			d.flags.Or(room)
		}
		if d.Has(blocked) && d.unblock() {
			d.owner.Room()
		}
	}
	switch {
	case events&(syscall.EPOLLRDHUP|gone) != 0:
		return d.post(In | Hup)
	case events&syscall.EPOLLIN != 0:
		return d.post(In)
	}
	return false
}

// watching is whether the watchman is up.
var watching atomic.Bool

// watch sees to it that there is a watchman.
func watch() {
	if !watching.Load() && watching.CompareAndSwap(false, true) {
		go watchman()
	}
}

// watchman relieves leaders whose owners take long, until nothing happens any more.
func watchman() {
	last := make([]uint64, len(sets.all))
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for quiet := 0; quiet < 10; quiet++ {
		<-tick.C
		for i, s := range sets.all {
			w := s.word.Load()
			if n, _ := place(w); n > 0 && w == last[i] {
				if d := s.current.Load(); s.usurp(w) && d != nil {
					d.group.part()
				}
			}
			if w != last[i] {
				quiet = 0
			}
			last[i] = w
		}
	}
	watching.Store(false)
	for _, s := range sets.all { // who began meanwhile has seen that there was one
		if n, _ := place(s.word.Load()); n > 0 {
			watch()
		}
	}
}
