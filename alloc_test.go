//go:build !race && !invariants

package curlew_test

import (
	"context"
	"io"
	"net"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// The race detector makes sync.Pool forget at random, and the tag invariants makes
// pools keep books, so these run without either.

const payloadSize = 128

// allocations counts those of all goroutines for one turn, after some to warm up. What
// the runtime allocates now and then does not count, nor what is left of the tests
// before: a turn that allocates does so every time.
func allocations(t *testing.T, what string, turn func()) {
	t.Helper()
	for range 100 {
		turn()
	}
	least := testing.AllocsPerRun(1000, turn)
	for range 4 {
		if least >= 1 {
			least = min(least, testing.AllocsPerRun(1000, turn))
		}
	}
	if least >= 1 {
		t.Errorf("%s: %v allocations a message, want none", what, least)
	}
}

// allocationKinds are streams without TLS, whose own allocations are not ours.
var allocationKinds = []kind{memory, overTCP}

func TestAllocationsRead(t *testing.T) {
	for _, k := range allocationKinds {
		ours, peers := k.open(t, curlew.Server)
		c := curlew.NewConn(ours, curlew.Server, nil)
		t.Cleanup(func() { c.Abort(nil) })
		message := wire(curlew.Server, wstest.Binary(make([]byte, payloadSize)))
		fragments := wire(curlew.Server, wstest.Text(string(make([]byte, payloadSize))).Split(50)...)
		buf := make([]byte, 0, 1024)
		cancellable, cancel := context.WithCancel(context.Background())
		defer cancel()
		for name, ctx := range map[string]context.Context{"": context.Background(), ", cancellable": cancellable} {
			for what, bytes := range map[string][]byte{"Read": message, "Read of fragments": fragments} {
				allocations(t, k.name+": "+what+name, func() {
					peers.Write(bytes)
					if _, p, err := c.Read(ctx, buf); len(p) != payloadSize || err != nil {
						t.Fatal(len(p), err)
					}
				})
			}
		}
	}
}

func TestAllocationsSend(t *testing.T) {
	payload := make([]byte, payloadSize)
	prepared := curlew.Prepare(curlew.Binary, payload)
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	ways := map[string]func(c *curlew.Conn) error{
		"Write":              func(c *curlew.Conn) error { return c.Write(context.Background(), curlew.Binary, payload) },
		"Write, cancellable": func(c *curlew.Conn) error { return c.Write(cancellable, curlew.Binary, payload) },
		"Send":               func(c *curlew.Conn) error { return c.Send(curlew.Text, payload) },
		"SendPrepared":       func(c *curlew.Conn) error { return c.SendPrepared(prepared) },
	}
	for _, k := range allocationKinds {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			for name, send := range ways {
				if k.name == "memory" && name == "Write, cancellable" {
					continue // a stream without a descriptor: another goroutine writes a copy
				}
				ours, peers := k.open(t, role)
				c := curlew.NewConn(ours, role, nil)
				t.Cleanup(func() { c.Abort(nil) })
				sizes := map[curlew.Role]int{curlew.Server: 4, curlew.Client: 8}
				got := make([]byte, sizes[role]+payloadSize)
				allocations(t, k.name+": "+name, func() {
					if err := send(c); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(peers, got); err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}

func TestAllocationsFanout(t *testing.T) {
	for _, k := range allocationKinds {
		var r room
		var all []net.Conn
		for range 8 {
			ours, peers := k.open(t, curlew.Server)
			c := curlew.NewConn(ours, curlew.Server, nil)
			t.Cleanup(func() { c.Abort(nil) })
			r.add(c)
			all = append(all, peers)
		}
		m := curlew.Prepare(curlew.Binary, make([]byte, payloadSize))
		got := make([]byte, 4+payloadSize)
		allocations(t, k.name+": Fanout", func() {
			for to, b := range r.members.All() {
				b.Send(to.conn, m)
			}
			for _, p := range all {
				io.ReadFull(p, got)
			}
		})
	}
}

func TestAllocationsEvents(t *testing.T) {
	for _, k := range allocationKinds {
		for _, d := range []driver{byEvents, byHandle} {
			ours, peers := k.open(t, curlew.Server)
			s := &subject{t: t, d: d, ended: make(chan struct{})}
			echo := &curlew.Events{Message: func(c *curlew.Conn, typ curlew.Type, p []byte) { c.Send(typ, p) }}
			if d == byHandle {
				s.handleWith(ours, peers, nil, echo)
			} else {
				s.c = curlew.NewConn(ours, curlew.Server, nil)
				go curlew.Serve(context.Background(), s.c, echo)
			}
			t.Cleanup(func() { s.c.Abort(nil) })
			message := wire(curlew.Server, wstest.Binary(make([]byte, payloadSize)), wstest.Text(string(make([]byte, payloadSize))))
			got := make([]byte, 2*(4+payloadSize))
			allocations(t, k.name+": "+string(d), func() {
				peers.Write(message)
				if _, err := io.ReadFull(peers, got); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
