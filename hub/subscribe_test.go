package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/hub/proto"
)

// TestRevokeWhileDeciding: who is thrown out of a channel while it is still decided
// whether he may be in it is not in it afterwards, and nobody's ghost stays.
func TestRevokeWhileDeciding(t *testing.T) {
	o := rooms()
	asked, answered := make(chan bool), make(chan bool)
	o.Connect = func(context.Context, *http.Request, string) (*Identity, error) { return &Identity{User: "ann"}, nil }
	o.Subscribe = func(context.Context, *Client, string) error { asked <- true; <-answered; return nil }
	in(t, o, func(h *house) {
		asked, answered = make(chan bool), make(chan bool)
		a := h.hello("")
		a.say(`{"id":2,"subscribe":{"channel":"room:1"}}`)
		<-asked
		if n := h.hub.Unsubscribe("room:1", "ann", "", proto.Forbidden); n != 1 {
			t.Errorf("%d were thrown out", n)
		}
		answered <- true
		a.want(`{"id":2,"subscribed":{…}}`)
		a.want(`{"unsubscribed":{"channel":"room:1","code":"forbidden"}}`)
		synctest.Wait()
		if list, _ := h.hub.Members(h.t.Context(), "room:1"); len(list) > 0 {
			t.Errorf("%v is there", list[0])
		}
		if n := h.hub.Stats().Channels; n != 0 {
			t.Errorf("%d channels", n)
		}
	})
}

// TestLoneSubscriber: the only subscriber of a channel without history, whose last
// message is long ago, or never was, comes back and has missed nothing; after a
// minute nobody knows.
func TestLoneSubscriber(t *testing.T) {
	in(t, rooms(), func(h *house) {
		for _, publishes := range []string{"", "1"} {
			a := h.hello("")
			a.say(`{"id":2,"subscribe":{"channel":"plain` + `:` + publishes + `"}}`)
			a.want(`{"id":2,"subscribed":{…}}`)
			if publishes != "" {
				h.publish("plain:1", "1")
				a.want(`{"message":{…}}`)
			}
			p, _ := h.hub.History(h.t.Context(), "plain:"+publishes, Query{})
			<-time.After(time.Hour)
			a.c.Close(1000, "")
			for _, row := range []struct {
				after     time.Duration
				recovered bool
			}{{linger - time.Second, true}, {linger + time.Second, false}} {
				<-time.After(row.after)
				b := caller(h.hub)
				got, err := b.subscribe(&proto.Request{ID: 1, Channel: "plain:" + publishes, Since: &p.Position})
				if err != nil || got.Recovered != row.recovered {
					t.Errorf("%q after %v: %+v, %v", publishes, row.after, got, err)
				}
				b.gone(nil, nil)
			}
		}
	})
}

// TestIdleChannels: of channels of which only the position is left so many are
// remembered, and no more.
func TestIdleChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewMemory()
		defer b.Close()
		keep := func() (n int) {
			for i := range b.shards {
				sh := &b.shards[i]
				sh.mu.Lock()
				n += len(sh.streams)
				sh.mu.Unlock()
			}
			return n
		}
		for i := range 100 * maxIdle {
			name := "c:" + string(rune('a'+i%26)) + time.Duration(i).String()
			b.Subscribe(t.Context(), name, nobody{})
			b.Unsubscribe(name, nobody{})
		}
		if n := keep(); n > 64*maxIdle || n < 60*maxIdle {
			t.Errorf("%d are remembered", n)
		}
		<-time.After(linger + time.Second)
		if n := keep(); n != 0 {
			t.Errorf("%d are left", n)
		}
		for i := range b.shards {
			if b.shards[i].idle != 0 {
				t.Fatalf("%d are counted", b.shards[i].idle)
			}
		}
	})
}

type nobody struct{}

func (nobody) Deliver(*Message) {}
func (nobody) Joined(*Member)   {}
func (nobody) Left(*Member)     {}

// caller is a client of which only the answers to calls are of interest.
func caller(h *Hub) *Client { return named(h, rand.Text(), new(deaf)) }

// named returns a client with a name and a carrier, which has said hello.
func named(h *Hub, id string, to carrier) *Client {
	c := &Client{hub: h, id: id, to: to, timer: time.NewTimer(time.Hour)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if _, err := c.hello(""); err != nil {
		panic(err)
	}
	return c
}

// A renewing broker begins a channel anew under its subscribers.
type renewing struct {
	*Memory
	sink Sink
}

func (b *renewing) Subscribe(ctx context.Context, channel string, s Sink) (Position, error) {
	b.sink = s
	return b.Memory.Subscribe(ctx, channel, s)
}

// TestEpochUnderSubscribers: the broker begins a channel anew: subscribers are told
// to subscribe again, and not nothing.
func TestEpochUnderSubscribers(t *testing.T) {
	o := rooms()
	in(t, o, func(h *house) {
		b := &renewing{Memory: NewMemory()}
		h.hub.broker = b
		a := h.hello("")
		a.say(`{"id":2,"subscribe":{"channel":"plain"}}`)
		a.want(`{"id":2,"subscribed":{…}}`)
		for range 3 {
			h.publish("plain", "1")
			a.want(`{"message":{…}}`)
		}
		b.sink.Deliver(&Message{Message: proto.Message{Channel: "plain", Position: Position{Epoch: "new", Offset: 1}, Data: []byte("1")}})
		a.want(`{"unsubscribed":{"channel":"plain","code":"unavailable"}}`)
	})
}

// TestFirstSubscriberGone: the one for whom the broker was asked goes away; the
// others who wait for the same get it.
func TestFirstSubscriberGone(t *testing.T) {
	in(t, rooms(), func(h *house) {
		b := &slowBroker{Memory: NewMemory(), ready: make(chan bool)}
		h.hub.broker = b
		first, second := caller(h.hub), caller(h.hub)
		errs := make(chan error, 2)
		ask := func(c *Client) {
			_, err := c.subscribe(&proto.Request{ID: 1, Channel: "plain"})
			errs <- err
		}
		go ask(first)
		synctest.Wait()
		go ask(second)
		synctest.Wait()
		first.gone(nil, nil)
		close(b.ready)
		for range 2 {
			if err := <-errs; err != nil && !errors.Is(err, errClosed) {
				t.Error(err)
			}
		}
		if len(second.subs) != 1 {
			t.Error("the second one has no subscription")
		}
		second.gone(nil, nil)
	})
}

type slowBroker struct {
	*Memory
	ready chan bool
}

func (b *slowBroker) Subscribe(ctx context.Context, channel string, s Sink) (Position, error) {
	select {
	case <-b.ready:
		return b.Memory.Subscribe(ctx, channel, s)
	case <-ctx.Done():
		return Position{}, ctx.Err()
	}
}
