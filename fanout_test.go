package curlew_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"curlew.example/curlew"
)

type member struct {
	curlew.Seat
	conn *curlew.Conn
}

// A room is a Fanout as it is used.
type room struct {
	mu      sync.Mutex
	members curlew.Fanout[*member]
}

func (r *room) add(c *curlew.Conn) *member {
	m := &member{conn: c}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members.Add(m)
	return m
}

func (r *room) remove(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members.Remove(m)
}

func (r *room) say(text string) {
	m := curlew.Prepare(curlew.Text, []byte(text))
	r.mu.Lock()
	defer r.mu.Unlock()
	for to, b := range r.members.All() {
		b.Send(to.conn, m)
	}
}

// TestFanout: what several say at once comes to all on every kind of stream, once, in
// one and the same order, while members send other things, answer in callbacks, come,
// go and end.
func TestFanout(t *testing.T) {
	const speakers, each, echoes, members = 3, 100, 40, 3
	var r room
	var all sync.WaitGroup
	var mu sync.Mutex
	var heard []string // by each
	for _, k := range everyKind {
		for range members {
			ours, peers := k.open(t, curlew.Server)
			c := curlew.NewConn(ours, curlew.Server, nil)
			peer := curlew.NewConn(peers, curlew.Client, nil)
			t.Cleanup(func() { c.Abort(nil); peer.Abort(nil); <-c.Done(); <-peer.Done() })
			ev := &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}
			r.add(c)
			go curlew.Serve(context.Background(), c, ev)
			all.Go(func() {
				for i := range echoes {
					peer.Send(curlew.Text, fmt.Append(nil, "echo ", i))
				}
			})
			all.Go(func() {
				for i := range echoes {
					c.Write(context.Background(), curlew.Text, fmt.Append(nil, "own ", i))
				}
			})
			all.Go(func() {
				got := map[string][]string{}
				for range speakers*each + 2*echoes {
					_, p, err := peer.Read(context.Background(), nil)
					if err != nil {
						t.Error(err)
						return
					}
					kind, rest, _ := strings.Cut(string(p), " ")
					got[kind] = append(got[kind], rest)
				}
				for _, kind := range []string{"own", "echo"} {
					for i, s := range got[kind] {
						if s != fmt.Sprint(i) {
							t.Errorf("%s: %s is %s", kind, fmt.Sprint(i), s)
						}
					}
				}
				mu.Lock()
				defer mu.Unlock()
				heard = append(heard, strings.Join(got["all"], ","))
			})
		}
	}
	for s := range speakers {
		all.Go(func() {
			for i := range each {
				r.say(fmt.Sprintf("all %d-%d", s, i))
			}
		})
	}
	all.Go(func() { // those who come, go, and end in the middle of it
		for i := range 20 {
			ours, peers := openTCP(t, curlew.Server)
			c := curlew.NewConn(ours, curlew.Server, nil)
			m := r.add(c)
			if i%2 == 0 {
				c.Abort(nil)
			} else {
				c.Close(curlew.NormalClosure, "")
			}
			peers.Close()
			r.remove(m)
			<-c.Done()
		}
	})
	all.Wait()
	for _, h := range heard {
		if h != heard[0] || strings.Count(h, ",") != speakers*each-1 {
			t.Errorf("heard %s\nand %s", heard[0], h)
		}
	}
}

// TestFanoutSlow: nobody waits for a member that takes nothing; what it has missed
// comes once it does.
func TestFanoutSlow(t *testing.T) {
	const messages, size = 100, 64 << 10
	var r room
	var peers []net.Conn
	for range 3 {
		ours, peer := openTCP(t, curlew.Server)
		c := curlew.NewConn(ours, curlew.Server, noWriteTimeout(curlew.Options{SendQueue: 2 * messages * size}))
		t.Cleanup(func() { c.Abort(nil); peer.Close(); <-c.Done() })
		r.add(c)
		peers = append(peers, peer)
	}
	text := strings.Repeat("x", size)
	for range messages {
		r.say(text)
		for _, p := range peers[1:] {
			if _, err := io.CopyN(io.Discard, p, size+10); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := io.CopyN(io.Discard, peers[0], messages*(size+10)); err != nil {
		t.Fatal(err)
	}
}

// TestFanoutSeats: who comes and goes in whatever order is a member for so long, and
// seats are not kept for ever.
func TestFanoutSeats(t *testing.T) {
	var f curlew.Fanout[*member]
	there := map[*member]bool{}
	var list []*member
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		if len(list) == 0 || r.IntN(5) < 3 {
			m := new(member)
			f.Add(m)
			there[m], list = true, append(list, m)
			continue
		}
		i := r.IntN(len(list))
		m := list[i]
		list = slices.Delete(list, i, i+1)
		delete(there, m)
		f.Remove(m)
		f.Remove(m) // for whom it is nothing
		if m.Taken() || len(list) > 0 && !list[0].Taken() {
			t.Fatal("who has a seat?")
		}
	}
	seen := map[*member]bool{}
	for m := range f.All() {
		if seen[m] || !there[m] {
			t.Errorf("%p, seen %v, there %v", m, seen[m], there[m])
		}
		seen[m] = true
	}
	if len(seen) != len(list) || f.Len() != len(list) {
		t.Errorf("%d were seen, Len is %d, there are %d", len(seen), f.Len(), len(list))
	}
	for range f.All() {
		break
	}
	for m := range there {
		f.Remove(m)
	}
	if f.Len() != 0 {
		t.Errorf("%d are left", f.Len())
	}
}
