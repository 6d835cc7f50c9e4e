package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/hub/proto"
)

// heard is what a client was given, short: offsets, g1-2 for a gap, +a and -a for
// joins and leaves.
func heard(list []string) string {
	var short []string
	for _, text := range list {
		var a proto.Answer
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return err.Error()
		}
		switch {
		case a.Message != nil:
			short = append(short, fmt.Sprint(a.Message.Offset))
		case a.Gap != nil:
			short = append(short, fmt.Sprintf("g%d-%d", a.Gap.From, a.Gap.To))
		case a.Join != nil:
			short = append(short, "+"+a.Join.Connection)
		case a.Leave != nil:
			short = append(short, "-"+a.Leave.Connection)
		case a.Unsubscribed != nil:
			short = append(short, "unsubscribed")
		case a.Drain != nil:
			short = append(short, "drain")
		}
	}
	return strings.Join(short, " ")
}

// numbers is from to to.
func numbers(from, to int) string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return strings.Join(list, " ")
}

// TestWhenSlow: what becomes of messages for which there is no room, by policy.
func TestWhenSlow(t *testing.T) {
	for _, row := range []struct {
		name     string
		when     WhenSlow
		room     int
		publish  []string // keys
		want     string   // once there is room
		closed   bool
		lost     int64
		announce bool
	}{
		{name: "disconnect", when: Disconnect, room: 2, publish: slices.Repeat([]string{""}, 3), want: "1 2", closed: true},
		{name: "disconnect exactly", when: Disconnect, room: 3, publish: slices.Repeat([]string{""}, 3), want: "1 2 3"},
		{name: "dropOldest exactly", when: DropOldest, room: 2, publish: slices.Repeat([]string{""}, 258), want: numbers(1, 258)},
		{name: "dropOldest one", when: DropOldest, room: 2, publish: slices.Repeat([]string{""}, 259), want: "1 2 g3-3 " + numbers(4, 259), lost: 1},
		{name: "dropOldest many", when: DropOldest, room: 0, publish: slices.Repeat([]string{"k"}, 1000), want: "g1-744 " + numbers(745, 1000), lost: 744},
		{name: "conflate", when: Conflate, room: 1, publish: []string{"a", "a", "b", "a", "b", "c"}, want: "1 g2-3 4 5 6", lost: 2},
		{name: "conflate the last", when: Conflate, room: 1, publish: []string{"a", "b", "c", "b"}, want: "1 g2-2 3 4", lost: 1},
		{name: "conflate without keys", when: Conflate, room: 1, publish: []string{"", "", "a", "", "a"}, want: "1 2 g3-3 4 5", lost: 1},
		{name: "conflate many", when: Conflate, room: 0, publish: slices.Repeat([]string{"a", "b"}, 5000), want: "g1-9998 9999 10000", lost: 9998},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, _ := New(&Options{Namespaces: map[string]*Namespace{"c": {WhenSlow: row.when}}})
				defer h.Close()
				c, n := squeezed(h, "a", row.room+1)
				defer c.gone(nil, nil)
				c.subscribe(&proto.Request{ID: 1, Channel: "c"})
				for _, key := range row.publish {
					h.Publish(t.Context(), "c", &Publication{Data: []byte("1"), Key: key})
				}
				synctest.Wait()
				if got := heard(n.widen(100000)) + " " + heard(n.widen(0)); strings.TrimSpace(got) != row.want {
					t.Errorf("heard %s", got)
				}
				if (n.closed == proto.CloseTooSlow) != row.closed {
					t.Errorf("closed with %d", n.closed)
				}
				if s := h.Stats(); s.Lost != row.lost || (s.TooSlow == 1) != row.closed {
					t.Errorf("%+v", s)
				}
				h.Publish(t.Context(), "c", &Publication{Data: []byte("1")})
				if got := heard(n.widen(0)); !row.closed && got != fmt.Sprint(len(row.publish)+1) {
					t.Errorf("then %s", got)
				}
			})
		})
	}
}

// TestSlowEvents: joins and leaves are not dropped, neither for want of room nor
// while a subscriber catches up; who leaves too many of them waiting is closed.
func TestSlowEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := New(&Options{Namespaces: map[string]*Namespace{"c": {WhenSlow: DropOldest, JoinLeave: true, History: History{Size: 1000}}}})
		defer h.Close()
		publish := func(n int) {
			for range n {
				h.Publish(t.Context(), "c", &Publication{Data: []byte("1")})
			}
		}
		publish(40)
		p, _ := h.History(t.Context(), "c", Query{})
		c, n := squeezed(h, "a", 1)
		defer c.gone(nil, nil)
		c.subscribe(&proto.Request{ID: 1, Channel: "c", Since: &Position{Epoch: p.Position.Epoch, Offset: 38}})
		synctest.Wait() // it catches up, and has no room
		join := func(id string) *Client {
			c := named(h, id, new(deaf))
			c.subscribe(&proto.Request{ID: 1, Channel: "c"})
			return c
		}
		b := join("b")
		b.leaveChannel("c", 0)
		publish(1)
		first := heard(n.widen(100))
		synctest.Wait()
		if got := first + " " + heard(n.widen(0)); !sameParts(got, "39 40 41 | +b -b") {
			t.Errorf("heard %s", got)
		}
		n.mu.Lock()
		n.room = 0
		n.mu.Unlock()
		publish(maxBehind)
		d := join("d")
		publish(10)
		if got := heard(n.widen(1000)) + " " + heard(n.widen(0)); !sameParts(strings.TrimSpace(got), "g42-52 "+numbers(53, 307)+" | +d") {
			t.Errorf("heard %s", got)
		}
		n.mu.Lock()
		n.room = 0
		n.mu.Unlock()
		for range maxBehind/2 + 1 {
			d.leaveChannel("c", 0)
			d.subscribe(&proto.Request{ID: 1, Channel: "c"})
		}
		if n.closed != proto.CloseTooSlow {
			t.Errorf("closed with %d", n.closed)
		}
		d.gone(nil, nil)
		b.gone(nil, nil)
	})
}

// sameParts compares what was heard with "messages | events": each part in order.
func sameParts(got, want string) bool {
	var messages, events []string
	for _, f := range strings.Fields(got) {
		if f[0] == '+' || f[0] == '-' {
			events = append(events, f)
		} else {
			messages = append(messages, f)
		}
	}
	return strings.Join(messages, " ")+" | "+strings.Join(events, " ") == want
}

// TestNobodyWaitsForTheDeaf: neither a drain nor the API waits for a client that
// takes nothing.
func TestNobodyWaitsForTheDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := New(&Options{Namespaces: map[string]*Namespace{"c": {WhenSlow: DropOldest}}})
		defer h.Close()
		var all []*narrow
		for i := range 10 {
			c, n := squeezed(h, fmt.Sprint(i), 1)
			c.subscribe(&proto.Request{ID: 1, Channel: "c"})
			all = append(all, n)
			defer c.gone(nil, nil)
		}
		began := time.Now()
		if n := h.Unsubscribe("c", "", "3", proto.Forbidden); n != 1 {
			t.Errorf("%d", n)
		}
		h.Drain(context.Background(), 2*time.Second, time.Second)
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("it took %v", d)
		}
		for i, n := range all {
			if n.closed != proto.CloseDrain {
				t.Errorf("%d is closed with %d", i, n.closed)
			}
		}
	})
}
