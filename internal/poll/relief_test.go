//go:build linux

package poll

import (
	"io"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// together returns n owners that share a set, with other ends of connections.
func together(t *testing.T, n int, prepare func(i int, o *owner)) (owners []*owner, peers []net.Conn) {
	t.Helper()
	for len(owners) < n {
		o, peer := attached(t, nil, func(o *owner) { prepare(len(owners), o) })
		if len(owners) > 0 && o.set != owners[0].set {
			o.ready = nil
			o.Close()
			continue
		}
		owners, peers = append(owners, o), append(peers, peer)
	}
	return owners, peers
}

// arrived waits until something can be received.
func (o *owner) arrived() {
	eventually(o.t, "bytes are there", func() bool {
		n, _, _ := syscall.Recvfrom(int(o.fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n > 0
	})
}

// TestAgainBehindBlocked: a turn that goes on does not wait for one that came behind
// it in the same batch of events and takes long.
func TestAgainBehindBlocked(t *testing.T) {
	all := make(chan struct{}) // the owners are known
	goesOn := make(chan struct{})
	returned := make(chan bool)
	var owners []*owner
	var peers []net.Conn
	owners, peers = together(t, 3, func(i int, o *owner) {
		turns := 0
		o.ready = func() {
			switch turns++; {
			case i == 0 && turns == 1: // so that both events of the others are there when it returns
				<-all
				owners[1].arrived()
				owners[2].arrived()
			case i == 1 && turns == 1:
				o.Again()
			case i == 1 && turns == 2:
				close(goesOn)
			case i == 2 && turns == 1:
				o.Yield()
				select {
				case <-goesOn:
					returned <- true
				case <-time.After(20 * time.Second): // only so that a bug ends
					returned <- false
				}
			}
		}
	})
	for _, p := range peers {
		p.Write([]byte("x"))
	}
	close(all)
	if !<-returned {
		t.Error("the turn did not go on")
	}
}

// TestWatched: whoever has a turn is watched, even if the watchman has just left.
func TestWatched(t *testing.T) {
	gone, _ := attached(t, nil, nil)
	gone.Close()
	s := gone.set // which the watchman knows, and nobody leads
	eventually(t, "the set is over", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ep < 0
	})
	turns, o := 0, &owner{t: t}
	o.owner, o.group = o, new(Group)
	o.ready = func() {
		turns++
		eventually(t, "there is a watchman", watching.Load)
	}
	s.slots.put(0, &o.Desc)
	l := &leader{set: s, w: s.word.Load()}
	l.events[0] = syscall.EpollEvent{Events: syscall.EPOLLIN}
	eventually(t, "there is no watchman", func() bool { return !watching.Load() })
	if l.batch(l, 1, -1); turns != 1 {
		t.Errorf("%d turns", turns)
	}
	s.slots.chunks.Store(nil)
	s.current.Store(nil)
}

// limit leaves the process no descriptors but the first n, until restore is called.
func limit(t *testing.T, n uint64) (restore func()) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) }
}

// TestAttachWithoutDescriptors: a connection that cannot be attached, whichever of the
// descriptors for it are missing, is as it was.
func TestAttachWithoutDescriptors(t *testing.T) {
	for more := range uint64(4) {
		if sets.all != nil {
			eventually(t, "the sets are over", func() bool {
				return !slices.ContainsFunc(sets.all, func(s *set) bool {
					s.mu.Lock()
					defer s.mu.Unlock()
					return s.ep >= 0
				})
			})
		}
		ours, peer := pair(t)
		next, err := syscall.Dup(2)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Close(next)
		o := &owner{t: t}
		echo(o)
		restore := limit(t, uint64(next)+more)
		ok := o.Attach(ours, new(Group), o)
		restore()
		if ok {
			o.Rest()
		} else {
			go func() { io.Copy(ours, ours); ours.Close() }()
		}
		says(t, peer, "hello")
		peer.Close()
	}
}

// TestReliefWithoutDescriptors: a leader that cannot be relieved goes on, and one that
// is gone has a successor when there can be one.
func TestReliefWithoutDescriptors(t *testing.T) {
	for _, exits := range []bool{false, true} {
		out := make(chan func())
		_, peers := together(t, 2, func(i int, o *owner) {
			echo(o)
			f, first := o.ready, i == 0
			o.ready = func() {
				if first {
					first = false
					restore := limit(t, 0)
					o.Yield()
					out <- restore
					if exits {
						runtime.Goexit()
					}
				}
				f()
			}
		})
		peers[0].Write([]byte("x"))
		restore := <-out
		for range 100 {
			runtime.Gosched()
		}
		restore()
		peers[0].Read(make([]byte, 1))
		for _, p := range peers {
			says(t, p, "hello")
		}
	}
}
