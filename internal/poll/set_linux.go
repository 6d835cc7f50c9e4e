package poll

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A set waits for the events of many Descs: an edge-triggered epoll instance, which
// itself waits in the runtime's poller, so that no thread is blocked. One goroutine
// leads: it takes events and calls owners. When an owner takes long, another one
// takes over the rest, and the first is done when the owner returns (see lead). A set
// without Descs has no goroutine and no descriptor.
type set struct {
	mu   sync.Mutex // guards the following
	ep   int        // -1: none
	file *os.File   // of the leader
	n    int        // Descs
	free []uint32   // slots

	slots   slots
	flushes flushes
	redos   redos

	word    atomic.Uint64          // where the leader stands, see leader
	taker   atomic.Pointer[leader] // who took the events that are being handled
	current atomic.Pointer[Desc]   // whose turn it is
	turns   atomic.Int64           // about how many there were
}

// slots finds a Desc by its number, for the leader without a lock.
type slots struct {
	chunks atomic.Pointer[[]*chunk]
}

type chunk [256]atomic.Pointer[Desc]

// at returns the Desc of a slot, nil if it is gone.
func (s *slots) at(i uint32) *Desc {
	const n = uint32(len(chunk{}))
	all := s.chunks.Load()
	if all == nil || int(i/n) >= len(*all) { // the set was over meanwhile
		return nil
	}
	return (*all)[i/n][i%n].Load()
}

func (s *slots) put(i uint32, d *Desc) {
	const n = uint32(len(chunk{}))
	all := s.chunks.Load()
	if all == nil {
		all = new([]*chunk)
	}
	if int(i/n) == len(*all) {
		more := append(append([]*chunk(nil), *all...), new(chunk))
		all = &more
		s.chunks.Store(all)
	}
	(*all)[i/n][i%n].Store(d)
}

// sets are one for each processor.
var sets struct {
	once sync.Once
	all  []*set
	next atomic.Uint32
	gen  atomic.Uint32
}

// attach gives d to a set. It fails if the process is out of descriptors.
func attach(d *Desc) bool {
	sets.once.Do(func() {
		for range runtime.GOMAXPROCS(0) {
			sets.all = append(sets.all, &set{ep: -1})
		}
	})
	return sets.all[sets.next.Add(1)%uint32(len(sets.all))].add(d)
}

const events = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | 1<<31 // EPOLLET

func (s *set) add(d *Desc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ep < 0 && !s.beginLocked() {
		return false
	}
	i := uint32(s.n)
	if n := len(s.free); n > 0 {
		i = s.free[n-1]
		s.free = s.free[:n-1]
	}
	d.set, d.slot, d.gen = s, i, sets.gen.Add(1)
	s.slots.put(i, d)
	ev := syscall.EpollEvent{Events: events, Fd: int32(d.slot), Pad: int32(d.gen)}
	if syscall.EpollCtl(s.ep, syscall.EPOLL_CTL_ADD, int(d.fd), &ev) != nil {
		s.slots.put(i, nil)
		s.free = append(s.free, i)
		return false
	}
	s.n++
	return true
}

// remove forgets d, whose descriptor is about to be closed.
func (s *set) remove(d *Desc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	syscall.EpollCtl(s.ep, syscall.EPOLL_CTL_DEL, int(d.fd), nil)
	s.slots.put(d.slot, nil)
	s.free = append(s.free, d.slot)
	if s.n--; s.n == 0 {
		s.file.SetReadDeadline(time.Now().Add(linger))
	}
}

// linger is how long a set without Descs waits for new ones.
const linger = time.Second

// flushes are Descs that want Flush called.
type flushes struct {
	mu    sync.Mutex
	descs []*Desc
	spare []*Desc // memory for the next ones
	busy  bool    // a goroutine calls them
}

// FlushSoon has Flush called, by a goroutine that does so for many. It never waits.
func (d *Desc) FlushSoon() {
	if d.flags.Or(queued)&queued != 0 {
		return
	}
	f := &d.set.flushes
	f.mu.Lock()
	f.descs = append(f.descs, d)
	begin := !f.busy
	f.busy = true
	f.mu.Unlock()
	if begin {
		go f.run()
	}
}

func (f *flushes) run() {
	for {
		f.mu.Lock()
		descs := f.descs
		if len(descs) == 0 {
			f.busy = false
			if cap(descs)+cap(f.spare) > 1024 {
				f.descs, f.spare = nil, nil
			}
			f.mu.Unlock()
			return
		}
		f.descs, f.spare = f.spare[:0], descs
		f.mu.Unlock()
		for i, d := range descs {
			d.flags.And(^uint32(queued))
			d.owner.Flush()
			descs[i] = nil
		}
	}
}
