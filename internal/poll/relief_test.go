//go:build linux

package poll

import (
	"net"
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
