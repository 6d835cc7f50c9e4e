package hub

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/hub/proto"
)

// A meddler is a broker that has something happen at the most awkward moments: in
// front of and behind what it is asked.
type meddler struct {
	*Memory
	before, after func(call string)
	busy          bool
}

func (b *meddler) around(call string) func() {
	if b.busy {
		return func() {}
	}
	meddle := func(f func(string)) {
		if f != nil {
			b.busy = true
			f(call)
			b.busy = false
		}
	}
	meddle(b.before)
	return func() { meddle(b.after) }
}

func (b *meddler) Subscribe(ctx context.Context, channel string, s Sink) (Position, error) {
	defer b.around("subscribe")()
	return b.Memory.Subscribe(ctx, channel, s)
}

func (b *meddler) History(ctx context.Context, channel string, q Query) (*Page, error) {
	defer b.around("history")()
	return b.Memory.History(ctx, channel, q)
}

func (b *meddler) Join(ctx context.Context, channel string, m *Member) error {
	defer b.around("join")()
	return b.Memory.Join(ctx, channel, m)
}

func (b *meddler) Members(ctx context.Context, channel string) ([]*Member, error) {
	defer b.around("members")()
	return b.Memory.Members(ctx, channel)
}

// TestSeams: whatever is published at whichever moment of a subscribe, each message
// comes once and in order, behind the position that was answered or asked for.
func TestSeams(t *testing.T) {
	for _, call := range []string{"subscribe", "history", "join", "members"} {
		for _, row := range []struct {
			name    string
			resume  bool
			publish int // at that moment
			times   int
		}{{"one", true, 1, 1}, {"one, again and again", true, 1, 7}, {"a page", true, pageSize, 3}, {"more than may wait", true, maxBehind + 1, 1}, {"new", false, 1, 1}, {"new, many", false, maxBehind + 10, 1}} {
			for _, behind := range []bool{false, true} {
				t.Run(fmt.Sprint(call, " ", row.name, " ", behind), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := &meddler{Memory: NewMemory()}
						h, _ := New(&Options{Broker: b, Namespaces: map[string]*Namespace{"c": {History: History{Size: 5000}, Presence: true}}})
						defer h.Close()
						publish := func(n int) {
							for range n {
								h.Publish(t.Context(), "c", &Publication{Data: []byte("1")})
							}
						}
						publish(40)
						p, _ := h.History(t.Context(), "c", Query{})
						left := row.times
						meddle := func(at string) {
							if at == call && left > 0 {
								left--
								publish(row.publish)
							}
						}
						if behind {
							b.after = meddle
						} else {
							b.before = meddle
						}
						c, n := squeezed(h, "a", 5000)
						defer c.gone(nil, nil)
						r := &proto.Request{ID: 1, Channel: "c", Presence: true}
						if row.resume {
							r.Since = &Position{Epoch: p.Position.Epoch, Offset: 3}
						}
						a, err := c.subscribe(r)
						if err != nil || a.Recovered != row.resume {
							t.Fatalf("%+v, %v", a, err)
						}
						synctest.Wait()
						from := 4
						if !row.resume {
							from = int(a.Position.Offset) + 1
						}
						p, _ = b.Memory.History(t.Context(), "c", Query{})
						if got := heard(n.widen(0)); strings.TrimSpace(got) != numbers(from, int(p.Position.Offset)) {
							t.Errorf("from %d to %d: heard %s", from, p.Position.Offset, got)
						}
						publish(1)
						if got := heard(n.widen(0)); got != fmt.Sprint(p.Position.Offset+1) {
							t.Errorf("then %s", got)
						}
					})
				})
			}
		}
	}
}

// TestSeamsLost: what goes out of the history while a subscriber catches up is
// announced, all of it or a part.
func TestSeamsLost(t *testing.T) {
	for _, row := range []struct {
		size, publish int
		wait          time.Duration
		want          string
	}{
		{100, 0, time.Minute, "g1-60"}, {100, 1, time.Minute, "g1-60 61"}, {100, 50, 0, numbers(1, 110)},
		{70, 50, 0, numbers(1, 32) + " g33-40 " + numbers(41, 110)}, {40, 100, 0, numbers(1, 32) + " g33-120 " + numbers(121, 160)},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &meddler{Memory: NewMemory()}
			h, _ := New(&Options{Broker: b, Namespaces: map[string]*Namespace{"c": {History: History{Size: row.size, Age: time.Minute}}}})
			defer h.Close()
			publish := func(n int) {
				for range n {
					h.Publish(t.Context(), "c", &Publication{Data: []byte("1")})
				}
			}
			keep := caller(h)
			defer keep.gone(nil, nil)
			keep.subscribe(&proto.Request{ID: 1, Channel: "c"})
			p, _ := h.History(t.Context(), "c", Query{})
			publish(60)
			asked := 0
			b.before = func(string) {
				if asked++; asked == 2 && row.wait > 0 || asked == 3 && row.wait == 0 { // the first is whether all is there
					<-time.After(row.wait)
					publish(row.publish)
				}
			}
			c, n := squeezed(h, "a", 5000)
			defer c.gone(nil, nil)
			if row.size < 60 {
				p.Position.Offset = int64(60 - row.size)
			}
			a, err := c.subscribe(&proto.Request{ID: 1, Channel: "c", Since: &p.Position})
			if err != nil || !a.Recovered {
				t.Fatalf("%+v, %v", a, err)
			}
			synctest.Wait()
			<-time.After(2 * time.Minute)
			want := row.want
			if row.size < 60 {
				want = numbers(21, 52) + " g53-120 " + numbers(121, 160)
			}
			if got := strings.TrimSpace(heard(n.widen(0))); got != want {
				t.Errorf("%+v: heard %s", row, got)
			}
		})
	}
}

// A forgetful broker does not deliver every third message.
type forgetful struct{ *Memory }

func (b forgetful) Subscribe(ctx context.Context, channel string, s Sink) (Position, error) {
	return b.Memory.Subscribe(ctx, channel, some{s})
}

func (b forgetful) Unsubscribe(channel string, s Sink) { b.Memory.Unsubscribe(channel, some{s}) }

type some struct{ Sink }

func (s some) Deliver(m *Message) {
	if m.Offset%3 != 0 {
		s.Sink.Deliver(m)
	}
}

// TestBrokerLeavesOut: what the broker has not delivered is read from the history as
// soon as something else comes.
func TestBrokerLeavesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := New(&Options{Broker: forgetful{NewMemory()}, Namespaces: map[string]*Namespace{"c": {History: History{Size: 100}}, "none": {}}})
		defer h.Close()
		c, n := squeezed(h, "a", 5000)
		defer c.gone(nil, nil)
		c.subscribe(&proto.Request{ID: 1, Channel: "c"})
		c.subscribe(&proto.Request{ID: 1, Channel: "none"})
		for channel, want := range map[string]string{"c": numbers(1, 50), "none": "1 2 g3-4 5 g6-7 8 g9-10 11"} {
			for range len(strings.Fields(want)) {
				h.Publish(t.Context(), channel, &Publication{Data: []byte("1")})
				synctest.Wait()
			}
			if got := strings.TrimSpace(heard(n.widen(0))); !strings.HasPrefix(got, want) && !strings.HasPrefix(want, got) {
				t.Errorf("%s: heard %s", channel, got)
			}
		}
	})
}

// A hook is a carrier that has something happen while the first missed message is on its
// way to it.
type hook struct {
	deaf
	mu    sync.Mutex
	got   []string
	first func()
}

func (k *hook) write(_ context.Context, d *delivery) error {
	if f := k.first; f != nil {
		k.first = nil
		f()
	}
	return k.deliver(d)
}

func (k *hook) deliver(d *delivery) error {
	k.add(fmt.Sprint(d.Offset))
	return nil
}

func (k *hook) answer(_ context.Context, a *proto.Answer) {
	if a.Subscribed != nil {
		k.add("subscribed")
	}
}

func (k *hook) add(s string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got = append(k.got, s)
}

// TestSubscribeAgainWhileCatchingUp: nothing of a subscription that was ended comes
// behind the answer to the next one, which would be taken for its own.
func TestSubscribeAgainWhileCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := New(&Options{Namespaces: map[string]*Namespace{"c": {History: History{Size: 10}}}})
		defer h.Close()
		var at Position
		for range 3 {
			at, _ = h.Publish(t.Context(), "c", &Publication{Data: []byte("1")})
		}
		k := new(hook)
		c := named(h, "a", k)
		defer c.gone(nil, nil)
		ask := func(kind proto.Kind, offset int64) {
			c.do(&proto.Request{ID: 1, Kind: kind, Channel: "c", Since: &Position{Epoch: at.Epoch, Offset: offset}})
		}
		again := make(chan bool)
		k.first = func() {
			go func() {
				ask(proto.Unsubscribe, 0)
				ask(proto.Subscribe, 0)
				close(again)
			}()
			// In the bubble nothing else can go on without us: time passes when all wait.
			<-time.After(time.Second)
		}
		ask(proto.Subscribe, 1)
		<-again
		synctest.Wait()
		k.mu.Lock()
		defer k.mu.Unlock()
		if got := strings.Join(k.got, " "); got != "subscribed 2 subscribed 1 2 3" {
			t.Error(got)
		}
	})
}
