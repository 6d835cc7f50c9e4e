package hub

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/hub/proto"
)

// take returns what has come.
func (n *narrow) take() (got []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	got, n.got = n.got, nil
	return got
}

// TestHB2: publishing while ten thousand subscribers leave: each of them gets each
// message at most once, and who stays gets all.
func TestHB2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := New(&Options{Namespaces: map[string]*Namespace{"c": {}, "seen": {JoinLeave: true}}})
		defer h.Close()
		const stay, messages = 10, 200
		leave := 10_000
		if underRace {
			leave = 1000
		}
		var all []*Client
		var ends []*narrow
		for i := range leave + stay {
			c, n := squeezed(h, fmt.Sprint(i), 1<<30)
			if _, err := c.subscribe(&proto.Request{ID: 1, Channel: "c"}); err != nil {
				t.Fatal(err)
			}
			all, ends = append(all, c), append(ends, n)
			n.take()
		}
		var both sync.WaitGroup
		both.Go(func() {
			for range messages {
				h.Publish(context.Background(), "c", &Publication{Data: []byte("1")})
			}
		})
		for part := range slices.Chunk(all[stay:], leave/4) {
			both.Go(func() {
				for _, c := range part {
					c.gone(nil, nil)
				}
			})
		}
		both.Wait()
		for i, n := range ends {
			last := 0
			for _, at := range strings.Fields(heard(n.take())) {
				var offset int
				fmt.Sscan(at, &offset)
				if offset != last+1 {
					t.Fatalf("client %d: %d behind %d", i, offset, last)
				}
				last = offset
			}
			if i < stay && last != messages {
				t.Errorf("client %d has %d", i, last)
			}
		}
		for _, c := range all[:stay] {
			c.gone(nil, nil)
		}
	})
}

// who returns Options.Connect for tokens that are names, with rights.
func who(rights map[string][]Right) func(context.Context, *http.Request, string) (*Identity, error) {
	return func(_ context.Context, _ *http.Request, token string) (*Identity, error) {
		return &Identity{User: token, Rights: rights[token]}, nil
	}
}

// TestHB4: a name with a wildcard is no name; a right with one is for what begins so,
// and for nothing else.
func TestHB4(t *testing.T) {
	o := &Options{Namespaces: map[string]*Namespace{"a": {Subscribe: Nobody, Publish: Nobody}}, Connect: who(map[string][]Right{
		"ann": {{Channel: "a:no*"}, {Channel: "a:x", Publish: true}, {Channel: "a:*", Subscribe: true}},
	})}
	in(t, o, func(h *house) {
		a, b := h.hello("ann"), h.hello("bob")
		for channel, ok := range map[string]bool{"a:1": true, "a:": true, "a:no": false, "a:nobody": false, "a:x": false, "a": false} {
			want := `{"id":2,"error":{"code":"forbidden",…}}`
			b.say(`{"id":2,"subscribe":{"channel":"` + channel + `"}}`)
			b.want(want)
			if ok {
				want = `{"id":2,"subscribed":{…}}`
			}
			a.say(`{"id":2,"subscribe":{"channel":"` + channel + `"}}`)
			a.want(want)
		}
		a.say(`[{"id":3,"publish":{"channel":"a:x","data":1}},{"id":4,"publish":{"channel":"a:1","data":1}}]`)
		a.want(`{"id":3,"published":{…}}`)
		a.want(`{"id":4,"error":{"code":"forbidden",…}}`)
		for _, name := range []string{"*", "a:*", "a:>", ">", "a*"} {
			a.say(`{"id":5,"subscribe":{"channel":"` + name + `"}}`)
			a.want(`{"id":5,"error":{"code":"bad_request",…}}`)
		}
	})
}

// TestHB5: another one's room is closed at every door: subscribe, history, presence,
// publish, and events; and again when a token says less.
func TestHB5(t *testing.T) {
	o := &Options{Namespaces: map[string]*Namespace{"own": {Subscribe: Nobody, Publish: Nobody, Presence: true, History: History{Size: 5}}}}
	o.Connect = func(_ context.Context, _ *http.Request, token string) (*Identity, error) {
		user, less, _ := strings.Cut(token, "-")
		id := &Identity{User: user}
		if less == "" {
			id.Rights = []Right{{Channel: "own:" + user, Subscribe: true, Publish: true}}
		}
		return id, nil
	}
	in(t, o, func(h *house) {
		a, b := h.hello("ann"), h.hello("bob")
		h.publish("own:ann", "1")
		for _, call := range []string{`"subscribe":{`, `"history":{`, `"presence":{`, `"publish":{"data":1,`, `"subscribe":{"since":{"epoch":"x","offset":0},`} {
			b.say(`{"id":2,` + call + `"channel":"own:ann"}}`)
			b.want(`{"id":2,"error":{"code":"forbidden",…}}`)
			if strings.Contains(call, "since") {
				continue
			}
			a.say(`{"id":2,` + call + `"channel":"own:ann"}}`)
			if strings.Contains(call, "publish") {
				a.want(`{"message":{…}}`)
			}
			a.want(`{"id":2,"…"…}`)
		}
		a.say(`{"id":3,"refresh":{"token":"bob"}}`)
		a.want(`{"id":3,"error":{"code":"unauthorized",…}}`)
		a.say(`{"id":4,"refresh":{"token":"ann-less"}}`)
		a.want(`{"unsubscribed":{"channel":"own:ann","code":"forbidden"}}`)
		a.want(`{"id":4,"refreshed":{}}`)
		a.say(`{"id":5,"publish":{"channel":"own:ann","data":1}}`)
		a.want(`{"id":5,"error":{"code":"forbidden",…}}`)
	})
}

// TestHB7: what is meant for one is heard by that one.
func TestHB7(t *testing.T) {
	o := rooms()
	o.Connect = who(nil)
	in(t, o, func(h *house) {
		a, b := h.hello("ann"), h.hello("bob")
		a.say(`{"id":2,"subscribe":{"channel":"plain"}}`)
		a.want(`{"id":2,"subscribed":{…}}`)
		b.say(`{"id":2,"subscribe":{"channel":"plain"}}`)
		b.want(`{"id":2,"subscribed":{…}}`)
		a.say(`[{"id":3,"history":{"channel":"plain"}},{"id":4,"presence":{"channel":"plain"}},{"id":5,"refresh":{"token":"x"}},{"id":6,"subscribe":{"channel":"plain"}}]`)
		for _, want := range []string{`{"id":3,"history"…`, `{"id":4,"presence"…`, `{"id":5,"error"…`, `{"id":6,"error"…`} {
			a.want(want)
		}
		h.hub.Unsubscribe("plain", "ann", "", proto.Forbidden)
		a.want(`{"unsubscribed":…`)
		h.publish("plain", "1")
		b.want(`{"message":…`) // the first thing that it hears
		a.say(`{"id":7,"presence":{"channel":"plain"}}`)
		a.want(`{"id":7,…`)
	})
}

// TestHB10: a slow replay, with live messages all the while: order is kept, nothing
// comes twice, and what waits is bounded by a page.
func TestHB10(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := New(&Options{Namespaces: map[string]*Namespace{"c": {History: History{Size: 10000}}}})
		defer h.Close()
		publish := func(n int) {
			for range n {
				h.Publish(t.Context(), "c", &Publication{Data: []byte("1")})
			}
		}
		publish(1000)
		p, _ := h.History(t.Context(), "c", Query{})
		c, n := squeezed(h, "a", 1)
		defer c.gone(nil, nil)
		if a, err := c.subscribe(&proto.Request{ID: 1, Channel: "c", Since: &Position{Epoch: p.Position.Epoch}}); err != nil || !a.Recovered {
			t.Fatal(a, err)
		}
		got := ""
		for range 400 {
			publish(2)
			got += heard(n.widen(3)) + " "
			synctest.Wait()
			s := c.subs["c"]
			s.ch.mu.Lock()
			if len(s.behind) > 0 {
				t.Errorf("%d wait", len(s.behind))
			}
			s.ch.mu.Unlock()
		}
		got += heard(n.widen(10000)) + " "
		synctest.Wait()
		got += heard(n.widen(0))
		if got = strings.Join(strings.Fields(got), " "); got != numbers(1, 1800) {
			t.Errorf("heard %s", got)
		}
	})
}

// TestHB16: what lasts is measured by a clock that nobody sets: of the instants of
// the broker none is a time of day. (Messages have one, for people.)
func TestHB16(t *testing.T) {
	b := NewMemory()
	defer b.Close()
	began := time.Now()
	if b.began.Round(0) == b.began {
		t.Error("the broker counts from a time of day")
	}
	if d := b.now(); d < 0 || d > time.Since(began)+time.Minute {
		t.Errorf("now is %v", d)
	}
	// A message of the future, or of the past, by its time of day is as old as it is.
	st := &stream{age: time.Second, stored: new(budget)}
	for i, wall := range []int64{1 << 50, -1, 0, time.Now().Add(time.Hour).UnixMilli()} {
		st.kept = append(st.kept, &Message{stored: time.Duration(i) * time.Second, Message: proto.Message{Time: wall}})
	}
	st.trimLocked(3 * time.Second)
	if len(st.kept) != 1 {
		t.Errorf("%d are kept", len(st.kept))
	}
	var k bucket
	if k.take(1); k.last.Round(0) == k.last {
		t.Error("the rate counts from a time of day")
	}
}

// TestHB20: the same publication a thousand times, from two connections and over
// HTTP, is one message, and all are told its position.
func TestHB20(t *testing.T) {
	o := rooms()
	o.Namespaces["plain"].Publish = Anyone
	in(t, o, func(h *house) {
		a, b := h.hello(""), h.hello("")
		listening := caller(h.hub)
		listening.subscribe(&proto.Request{ID: 1, Channel: "plain"})
		defer listening.gone(nil, nil)
		var all sync.WaitGroup
		for _, m := range []*mouth{a, b} {
			all.Go(func() {
				for range 5 {
					m.say("[" + strings.TrimSuffix(strings.Repeat(`{"id":2,"publish":{"channel":"plain","data":1,"dedupe":"once"}},`, 100), ",") + "]")
				}
			})
			all.Go(func() {
				for range 500 {
					m.want(`{"id":2,"published":{"epoch":"…","offset":1}}`)
				}
			})
		}
		all.Wait()
		handler := h.hub.Handler(&HandlerOptions{Keys: []string{"k"}})
		if _, body := ask(t, handler, "publish", "Bearer k", `{"channel":"plain","data":1,"dedupe":"once"}`); !strings.Contains(body, `"offset":1`) {
			t.Error(body)
		}
		if p, _ := h.hub.History(h.t.Context(), "plain", Query{}); p.Position.Offset != 1 {
			t.Errorf("%d messages", p.Position.Offset)
		}
		if s := h.hub.Stats(); s.Delivered != 1 || s.Published != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestHB23: nobody chooses the name of his connection: what a client calls itself
// does not count, and each has another name, which cannot be guessed.
func TestHB23(t *testing.T) {
	in(t, rooms(), func(h *house) {
		seen := map[string]bool{}
		for range 20 {
			m := h.dial()
			m.say(`{"id":1,"hello":{"connection":"mine","client":"mine","user":"ann"}}`)
			got := m.want(`{"id":1,"hello":{"connection":"…"…`)
			name := strings.Split(got, `"`)[7]
			if seen[name] || name == "mine" || len(name) < 26 || strings.Contains(got, `"user"`) {
				t.Errorf("%s", got)
			}
			seen[name] = true
		}
	})
}

// TestPublishRate: exactly a second's worth at once, then as time goes.
func TestPublishRate(t *testing.T) {
	o := rooms()
	o.PublishRate = 10
	in(t, o, func(h *house) {
		c := caller(h.hub)
		c.subscribe(&proto.Request{ID: 1, Channel: "plain"})
		defer c.gone(nil, nil)
		try := func(n int) (ok int) {
			for range n {
				if _, err := c.publish(&proto.Request{ID: 1, Channel: "plain", Data: []byte("1")}); err == nil {
					ok++
				} else {
					wantCode(t, err, proto.Limit)
				}
			}
			return ok
		}
		got := []int{try(20)}
		for _, d := range []time.Duration{99 * time.Millisecond, time.Millisecond, 250 * time.Millisecond, 50 * time.Millisecond, time.Hour} {
			<-time.After(d)
			got = append(got, try(20))
		}
		if fmt.Sprint(got) != "[10 0 1 2 1 10]" {
			t.Errorf("%v", got)
		}
	})
}

// TestHB8: what others must not see is taken out by Options.Publish, for subscribers
// and for the history.
func TestHB8(t *testing.T) {
	o := rooms()
	o.Publish = func(_ context.Context, c *Client, _ string, p *Publication) (*Publication, error) {
		other := *p
		other.Data = []byte(strings.ReplaceAll(string(p.Data), "secret", "******"))
		return &other, nil
	}
	in(t, o, func(h *house) {
		a := h.hello("")
		a.say(`[{"id":2,"subscribe":{"channel":"room"}},{"id":3,"publish":{"channel":"room","data":"a secret"}},{"id":4,"history":{"channel":"room"}}]`)
		a.want(`{"id":2,…`)
		a.want(`{"message":{…"data":"a ******",…`)
		a.want(`{"id":3,…`)
		if got := a.want(`{"id":4,…"data":"a ******"…`); strings.Contains(got, "secret") {
			t.Error(got)
		}
	})
}

// TestHB9: a position that cannot be, of the future or of another epoch is told as
// lost; one that is no position is an error.
func TestHB9(t *testing.T) {
	in(t, rooms(), func(h *house) {
		epoch := h.publish("room", "1").Epoch
		a := h.hello("")
		for since, want := range map[string]string{
			`{"epoch":"` + epoch + `","offset":1}`: `"recovered":true`, `{"epoch":"` + epoch + `","offset":0}`: `"recovered":true`,
			`{"epoch":"` + epoch + `","offset":2}`: `"recovered":false`, `{"epoch":"` + epoch + `","offset":9007199254740992}`: `"recovered":false`,
			`{"epoch":"other","offset":1}`: `"recovered":false`, `{"epoch":"","offset":0}`: `"recovered":false`,
			`{"epoch":"` + epoch + `","offset":-1}`: `"bad_request"`, `{"epoch":"` + epoch + `","offset":9223372036854775808}`: `"bad_request"`,
		} {
			a.say(`{"id":2,"subscribe":{"channel":"room","since":` + since + `}}`)
			if got := a.want(`{"id":2,…` + want + `…`); strings.Contains(got, "error") {
				continue
			}
			if strings.HasSuffix(since, `"offset":0}`) && strings.Contains(since, epoch) {
				a.want(`{"message":…`)
			}
			a.say(`{"id":3,"unsubscribe":{"channel":"room"}}`)
			a.want(`{"id":3,…`)
		}
	})
}

// TestRX7: a client that wants a million channels, or a name of a megabyte, is told
// no and stays.
func TestRX7(t *testing.T) {
	in(t, rooms(), func(h *house) {
		a := h.hello("")
		for part := range slices.Chunk(slices.Collect(func(yield func(int) bool) {
			for i := range 2000 {
				if !yield(i) {
					return
				}
			}
		}), 1000) {
			text := "["
			for _, i := range part {
				text += fmt.Sprintf(`{"id":2,"subscribe":{"channel":"plain:%d"}},`, i)
			}
			a.say(strings.TrimSuffix(text, ",") + "]")
			for _, i := range part {
				if i < 128 {
					a.want(`{"id":2,"subscribed":…`)
				} else {
					a.want(`{"id":2,"error":{"code":"limit",…`)
				}
			}
		}
		a.say(`{"id":3,"subscribe":{"channel":"` + strings.Repeat("x", 1<<20-100) + `"}}`)
		a.want(`{"id":3,"error":{"code":"bad_request",…`)
		if n := h.hub.Stats().Channels; n != 128 {
			t.Errorf("%d channels", n)
		}
	})
}

// TestRX7_Coming: coming and going, of which all the others are told, is bounded too,
// and goes on later.
func TestRX7_Coming(t *testing.T) {
	in(t, rooms(), func(h *house) {
		a := h.hello("")
		try := func() (came int) {
			a.say("[" + strings.TrimSuffix(strings.Repeat(`{"id":2,"subscribe":{"channel":"room"}},{"id":3,"unsubscribe":{"channel":"room"}},`, 500), ",") + "]")
			for range 1000 {
				if got := a.hear(); strings.Contains(got, `"subscribed"`) {
					came++
				} else if strings.HasPrefix(got, `{"id":2`) && !strings.Contains(got, `"limit"`) {
					t.Fatal(got)
				}
			}
			return came
		}
		if n := try(); n != 128 {
			t.Errorf("%d", n)
		}
		<-time.After(time.Second)
		if n := try(); n != 128 {
			t.Errorf("%d a second later", n)
		}
	})
}

// TestRX8: what is kept of a channel, and what one request gets of it, is bounded.
func TestRX8(t *testing.T) {
	o := rooms()
	o.MaxHistory = 7
	in(t, o, func(h *house) {
		for range 10_000 {
			h.publish("room", "1")
		}
		b := h.hub.broker.(*Memory)
		b.use("room", func(st *stream) {
			if len(st.kept) != 10 || cap(st.kept) > 64 {
				t.Errorf("%d of %d are kept", len(st.kept), cap(st.kept))
			}
		})
		c := caller(h.hub)
		defer c.gone(nil, nil)
		for limit, want := range map[int]int{0: 7, 5: 5, 1 << 30: 7} {
			if p, err := c.history(&proto.Request{Channel: "room", Limit: limit}); err != nil || len(p.Messages) != want {
				t.Errorf("%d: %v", limit, err)
			}
		}
		for range 1000 {
			c.subscribe(&proto.Request{ID: 1, Channel: "room"})
			c.leaveChannel("room", 0)
		}
		if list, _ := h.hub.Members(h.t.Context(), "room"); len(list) != 0 {
			t.Errorf("%d members", len(list))
		}
	})
}
