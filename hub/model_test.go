package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// stepsOf is how many steps a model test makes: n, fewer under the race detector, or as
// many as one has asked for.
func stepsOf(n int) int {
	if is, err := strconv.Atoi(os.Getenv("CURLEW_STEPS")); err == nil {
		return is
	}
	if underRace {
		return n / 10
	}
	return n
}

// A modelled subscription is what the model test thinks of one.
type modelled struct {
	client  int
	channel string
}

// TestHB1: subscribing, unsubscribing, publishing and closing at random, each step
// against a sequential model: who is subscribed gets it once, others nothing, and
// nothing comes to who is gone. The whole of it:
//
//	CURLEW_STEPS=1000000 go test -run TestHB1 -v ./hub
func TestHB1(t *testing.T) {
	steps := stepsOf(100_000)
	synctest.Test(t, func(t *testing.T) {
		h, _ := New(&Options{MaxChannels: 4, Namespaces: map[string]*Namespace{"c": {Publish: Subscribers, Presence: true}}})
		defer h.Close()
		const n = 8
		r := rand.New(rand.NewPCG(1, 1))
		clients, ends := make([]*Client, n), make([]*narrow, n)
		open := func(i int) { clients[i], ends[i] = squeezed(h, fmt.Sprint(i), 1<<30) }
		for i := range n {
			open(i)
		}
		model := map[modelled]bool{}
		offsets := map[string]int64{}
		for step := range steps {
			i, channel := r.IntN(n), fmt.Sprintf("c:%d", r.IntN(6))
			c, key := clients[i], modelled{i, channel}
			have := 0
			for k := range model {
				if k.client == i {
					have++
				}
			}
			switch r.IntN(10) {
			case 0, 1:
				_, err := c.subscribe(&proto.Request{ID: 1, Channel: channel})
				if ok := !model[key] && have < 4; (err == nil) != ok {
					t.Fatalf("step %d: subscribe: %v", step, err)
				} else if ok {
					model[key] = true
				}
				ends[i].take()
			case 2:
				if c.leaveChannel(channel, 0) != model[key] {
					t.Fatalf("step %d: unsubscribe", step)
				}
				delete(model, key)
			case 3:
				if r.IntN(20) == 0 {
					c.gone(nil, nil)
					for j := range 6 {
						delete(model, modelled{i, fmt.Sprintf("c:%d", j)})
					}
					if ends[i].take() != nil {
						t.Fatalf("step %d: something came", step)
					}
					open(i)
				}
			default:
				at, err := c.publish(&proto.Request{ID: 1, Channel: channel, Data: []byte("1")})
				if (err == nil) != model[key] {
					t.Fatalf("step %d: publish: %v", step, err)
				}
				if err == nil && at.Offset <= offsets[channel] && at.Offset != 1 {
					t.Fatalf("step %d: %v behind %d", step, at, offsets[channel])
				} else if err == nil {
					offsets[channel] = at.Offset
				}
				for j := range n {
					got := ends[j].take()
					if want := err == nil && model[modelled{j, channel}]; len(got) != map[bool]int{true: 1}[want] {
						t.Fatalf("step %d: client %d got %v", step, j, got)
					}
				}
			}
		}
		for i, c := range clients {
			c.gone(nil, nil)
			if len(ends[i].take()) > 0 {
				t.Error("something came at the end")
			}
		}
		if s := h.Stats(); s.Channels != 0 || s.Clients != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A wary carrier looks at each message that comes: it is the next one of a channel that
// its client is subscribed to.
type wary struct {
	mu    sync.Mutex
	at    map[string]int64 // of the last message; what is not there is not subscribed to
	got   int
	wrong string

	channel string    // of the request that is answered next
	since   *Position // in it
}

func (w *wary) deliver(d *delivery) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.Message == nil {
		w.wrong = string(d.event)
		return nil
	}
	switch last, ok := w.at[d.Channel]; {
	case !ok:
		w.wrong = fmt.Sprintf("%v in %s came to who is not there", d.Position, d.Channel)
	case d.Offset != last+1:
		w.wrong = fmt.Sprintf("%v in %s came behind %d", d.Position, d.Channel, last)
	default:
		w.at[d.Channel] = d.Offset
		w.got++
	}
	return nil
}

func (w *wary) write(_ context.Context, d *delivery) error { return w.deliver(d) }

func (w *wary) answer(_ context.Context, a *proto.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case a.Subscribed != nil:
		w.at[a.Subscribed.Channel] = a.Subscribed.Position.Offset
		if w.since != nil {
			w.at[a.Subscribed.Channel] = w.since.Offset
		}
	case a.Unsubscribed != nil:
		delete(w.at, w.channel)
	}
}

func (w *wary) close(curlew.Code, string) {}
func (w *wary) ended() bool               { return false }

// TestHB1_AtOnce: the same from many goroutines on the same channels: each client is
// given all from its subscribing to its unsubscribing, in order, and nothing else.
func TestHB1_AtOnce(t *testing.T) {
	const clients, channels = 8, 2
	steps := stepsOf(100_000) / clients
	h, _ := New(&Options{MaxChannels: 1 << 30, Namespaces: map[string]*Namespace{"c": {Publish: Anyone, History: History{Size: 1 << 20}}}})
	defer h.Close()
	var all sync.WaitGroup
	var got, published atomic.Int64
	for i := range clients {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			var c *Client
			var w *wary
			n := 0
			open := func() {
				w = &wary{at: make(map[string]int64)}
				c = named(h, fmt.Sprint(i, " ", n), w)
				n++
			}
			end := func() {
				c.gone(nil, nil)
				for j := range channels {
					c.settle(fmt.Sprintf("c:%d", j))
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				got.Add(int64(w.got))
				if w.wrong != "" {
					t.Error(w.wrong)
				}
				clear(w.at)
			}
			open()
			for range steps {
				channel := fmt.Sprintf("c:%d", r.IntN(channels))
				switch r.IntN(12) {
				case 0, 1, 2:
					q := &proto.Request{ID: 1, Kind: proto.Subscribe, Channel: channel}
					if p, _ := h.History(t.Context(), channel, Query{}); r.IntN(2) == 0 {
						q.Since = &Position{Epoch: p.Position.Epoch, Offset: max(p.Position.Offset-int64(r.IntN(100)), 0)}
					}
					w.channel, w.since = channel, q.Since
					c.do(q)
				case 3, 4:
					w.channel = channel
					c.do(&proto.Request{ID: 1, Kind: proto.Unsubscribe, Channel: channel})
				case 5:
					if r.IntN(20) == 0 {
						end()
						open()
					}
				default:
					if _, err := c.publish(&proto.Request{ID: 1, Channel: channel, Data: []byte("1")}); err != nil {
						t.Error(err)
					}
					published.Add(1)
				}
			}
			end()
		})
	}
	all.Wait()
	s := h.Stats()
	if s.Channels != 0 || s.Clients != 0 || s.Published != published.Load() || s.Delivered != got.Load() || s.Lost != 0 {
		t.Errorf("%+v, want %d published, %d delivered", s, published.Load(), got.Load())
	}
}
