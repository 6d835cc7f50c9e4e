package server_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server"
	"curlew.example/curlew/wstest"
)

// Rooms over sockets: everyone hears everyone, who comes and goes is announced,
// and a reload parts nobody.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	for _, way := range append([]string{"plain", "tls"}, modes...) {
		t.Run(way, func(t *testing.T) {
			kind, mode := way, ""
			if slices.Contains(modes, way) {
				kind, mode = "plain", way
			}
			r := start(t, "{ @"+kind+`, timeouts: { close: '200 ms' }, routes: [{ match: '/rooms/{room}', handler: 'broadcast', broadcast: { announce: true } }] }`, nil)
			r.mode = mode
			a := r.peerOf("/rooms/1")
			a.Send(wstest.Text("alone"))
			a.Want("alone", wstest.Text("alone"))
			wants := func(why, event, count string) {
				t.Helper()
				f := a.Next(why)
				if s := string(f.Payload); !strings.HasPrefix(s, `{"event":"`+event+`","id":"`) || !strings.HasSuffix(s, `","count":`+count+`}`) {
					t.Errorf("%s: %v", why, f)
				}
			}
			b := r.dial("/rooms/1", curlew.Options{})
			wants("b comes", "join", "2")
			long := strings.Repeat("ü", 200_000)
			go b.Write(t.Context(), curlew.Text, []byte(long))
			a.WantMessage("a long message", curlew.Text, []byte(long))
			if _, p, err := b.Read(t.Context(), nil); string(p) != long || err != nil {
				t.Errorf("the echo: %d bytes, %v", len(p), err)
			}
			b.Close(curlew.NormalClosure, "")
			wants("b goes", "leave", "1")
			if err := r.Reload(r.next("{ @" + kind + `, routes: [{ match: '/rooms/{name}', handler: 'broadcast', broadcast: { announce: true } }] }`)); err != nil {
				t.Fatal(err)
			}
			c := r.peerOf("/rooms/1")
			wants("c comes, by the new site", "join", "2")
			a.Send(wstest.Text("hello"))
			c.Want("of the old site", wstest.Text("hello"))
		})
	}
}

// Members whom a drain sends away are told that, and nothing of each other: of n of
// them each would be told n times. Who went before, and by itself, is announced.
func TestDrainOfARoom(t *testing.T) {
	t.Parallel()
	const members = 60
	r := start(t, `{ @plain, timeouts: { drain: '300 ms' }, routes: [{ match: '/rooms/', handler: 'broadcast', broadcast: { announce: true } }] }`, nil)
	var all []*wstest.Peer
	for range members {
		all = append(all, r.peerOf("/rooms/1"))
	}
	r.eventually("all of them", func() bool { return server.Open(r.Server) == members })
	last := all[members-1]
	last.Send(wstest.Close(1001, "going by myself"))
	r.eventually("one less", func() bool { return server.Open(r.Server) == members-1 })
	r.stop()
	var leaves atomic.Int32
	var reading sync.WaitGroup
	for _, p := range all[:members-1] {
		reading.Go(func() {
			for {
				f := p.Next("the end")
				if f.Opcode == frame.Close {
					p.Send(wstest.Close(1001, ""))
					return
				}
				if strings.Contains(string(f.Payload), `"leave"`) {
					leaves.Add(1)
				}
			}
		})
	}
	reading.Wait()
	if n := leaves.Load(); n != members-1 {
		t.Errorf("%d times somebody was told of one who left, want %d", n, members-1)
	}
}
