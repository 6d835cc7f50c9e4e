// Package hubtest tests brokers: what every hub.Broker promises, for whoever writes
// one.
//
//	func TestBroker(t *testing.T) {
//		hubtest.Run(t, func() hub.Broker { return mybroker.New() })
//	}
package hubtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/hub"
)

// Run tests a broker: each promise with one of its own, in a bubble of package
// synctest, in which open is called too. The broker is closed at the end.
func Run(t *testing.T, open func() hub.Broker) {
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := open()
				defer b.Close()
				if err := c.Do(b); err != nil {
					t.Errorf("%s: %v", c.Promise, err)
				}
			})
		})
	}
}

// A Check tests one promise with a new broker, which it does not close. It must be
// called in a bubble of package synctest.
type Check struct {
	Name    string
	Promise string
	Do      func(b hub.Broker) error
}

// Checks returns all of them.
func Checks() []Check {
	return []Check{
		{"offsets", "a channel's offsets are 1, 2, 3 within an epoch, whatever happens in others", offsets},
		{"deliveries", "a sink is given what is published, in order, each with the offset before it", deliveries},
		{"subscribe", "a sink is given all that is behind the position of Subscribe, and nothing before it", subscribe},
		{"unsubscribe", "a sink is given nothing once Unsubscribe has returned", unsubscribe},
		{"sinks", "every sink of a channel is given the same, and those of other channels nothing of it", sinks},
		{"at once", "publications at once have one order, the same in the history and for each sink", atOnce},
		{"size", "the history is the last Size messages", size},
		{"age", "the history is not older than Age", age},
		{"history", "a query gets what it asks for", history},
		{"lost", "a query is told that something is lost, and only then", lost},
		{"dedupe", "a Dedupe key is published once, by channel and user", dedupe},
		{"dedupe at once", "of publications at once with one Dedupe key one is published", dedupeAtOnce},
		{"dedupe window", "a Dedupe key is remembered for DedupeWindow", dedupeWindow},
		{"members", "who joins is listed and announced, until he leaves", members},
		{"grace", "who leaves is listed for his grace", grace},
		{"return", "of a user who returns within his grace nobody hears", returns},
		{"anonymous", "those without a name are not each other", anonymous},
		{"names", "names are compared byte by byte", names},
		{"close", "a closed broker refuses", closed},
	}
}

var ctx = context.Background()

// A recorder is a sink that keeps what it is given.
type recorder struct {
	mu       sync.Mutex
	messages []*hub.Message
	events   []string // +connection, -connection
	busy     bool
	broken   error
}

func (r *recorder) enter() func() {
	r.mu.Lock()
	if r.busy {
		r.broken = errors.New("two calls at once")
	}
	r.busy = true
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		r.busy = false
		r.mu.Unlock()
	}
}

func (r *recorder) Deliver(m *hub.Message) {
	defer r.enter()()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
}

func (r *recorder) Joined(m *hub.Member) { r.event("+" + m.Connection) }
func (r *recorder) Left(m *hub.Member)   { r.event("-" + m.Connection) }

func (r *recorder) event(e string) {
	defer r.enter()()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// got returns the messages that have come.
func (r *recorder) got() ([]*hub.Message, error) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages, r.broken
}

// wantEvents checks the joins and leaves that have come.
func (r *recorder) wantEvents(want ...string) error {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if fmt.Sprint(r.events) != fmt.Sprint(want) {
		return fmt.Errorf("heard %v, want %v", r.events, want)
	}
	return r.broken
}

// wantMessages checks that exactly these offsets have come, each with the one before.
func (r *recorder) wantMessages(offsets ...int64) error {
	list, err := r.got()
	if err != nil {
		return err
	}
	if err := sameOffsets(list, offsets...); err != nil {
		return err
	}
	for _, m := range list {
		if m.Prev != m.Offset-1 {
			return fmt.Errorf("message %d is behind %d", m.Offset, m.Prev)
		}
	}
	return nil
}

func sameOffsets(list []*hub.Message, want ...int64) error {
	got := make([]int64, len(list))
	for i, m := range list {
		got[i] = m.Offset
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("the offsets %v, want %v", got, want)
	}
	return nil
}

// publish publishes n messages whose data is their offset.
func publish(b hub.Broker, channel string, n int, k hub.Keep) (at hub.Position, err error) {
	for range n {
		if at, _, err = b.Publish(ctx, channel, &hub.Publication{Data: fmt.Append(nil, at.Offset+1)}, k); err != nil {
			return at, err
		}
	}
	return at, nil
}

func offsets(b hub.Broker) error {
	epoch := ""
	for i := range int64(5) {
		at, err := publish(b, "a", 1, hub.Keep{Size: 10})
		if err != nil {
			return err
		}
		if epoch == "" {
			epoch = at.Epoch
		}
		if at.Offset != i+1 || at.Epoch != epoch || epoch == "" {
			return fmt.Errorf("%+v, want %d", at, i+1)
		}
		if at, err = publish(b, "b", 1, hub.Keep{Size: 1}); err != nil || at.Offset != i+1 {
			return fmt.Errorf("another channel: %+v, %v", at, err)
		}
	}
	return nil
}

func deliveries(b hub.Broker) error {
	r := new(recorder)
	at, err := b.Subscribe(ctx, "a", r)
	if err != nil {
		return err
	}
	list := []*hub.Publication{
		{Data: []byte(`{"x":1}`), User: "ann", Key: "k"}, {Data: []byte{0, 255}, Binary: true}, {Data: []byte("null"), Dedupe: "d"},
	}
	for _, p := range list {
		if _, _, err := b.Publish(ctx, "a", p, hub.Keep{}); err != nil {
			return err
		}
	}
	if err := r.wantMessages(1, 2, 3); err != nil {
		return err
	}
	got, _ := r.got()
	for i, m := range got {
		p := list[i]
		if m.Channel != "a" || m.Epoch != at.Epoch || string(m.Data) != string(p.Data) || m.Binary != p.Binary || m.User != p.User || m.Key != p.Key ||
			m.Time != time.Now().UnixMilli() {
			return fmt.Errorf("%+v is not %+v", m, p)
		}
	}
	b.Unsubscribe("a", r)
	return nil
}

func subscribe(b hub.Broker) error {
	if _, err := publish(b, "a", 3, hub.Keep{Size: 10}); err != nil {
		return err
	}
	r := new(recorder)
	at, err := b.Subscribe(ctx, "a", r)
	if err != nil || at.Offset != 3 {
		return fmt.Errorf("%+v, %v, want 3", at, err)
	}
	defer b.Unsubscribe("a", r)
	if _, err := publish(b, "a", 2, hub.Keep{Size: 10}); err != nil {
		return err
	}
	if err := r.wantMessages(4, 5); err != nil {
		return err
	}
	// While others publish: whatever the position, all behind it comes.
	var all sync.WaitGroup
	all.Go(func() { publish(b, "a", 200, hub.Keep{Size: 10}) })
	late := make(map[*recorder]int64)
	for range 20 {
		r := new(recorder)
		at, err := b.Subscribe(ctx, "a", r)
		if err != nil {
			return err
		}
		defer b.Unsubscribe("a", r)
		late[r] = at.Offset
	}
	all.Wait()
	for r, from := range late {
		if err := contiguous(r, from, 205); err != nil {
			return err
		}
	}
	return nil
}

// contiguous checks that what has come is everything behind one offset up to another.
func contiguous(r *recorder, from, to int64) error {
	list, err := r.got()
	for _, m := range list {
		if m.Offset <= from {
			continue // it came before Subscribe had returned
		}
		if m.Prev != from || m.Offset != from+1 {
			return fmt.Errorf("message %d is behind %d, not %d", m.Offset, m.Prev, from)
		}
		from = m.Offset
	}
	if from != to {
		return fmt.Errorf("the last message is %d, not %d", from, to)
	}
	return err
}

func unsubscribe(b hub.Broker) error {
	one, two := new(recorder), new(recorder)
	for _, r := range []*recorder{one, two} {
		if _, err := b.Subscribe(ctx, "a", r); err != nil {
			return err
		}
	}
	publish(b, "a", 1, hub.Keep{})
	synctest.Wait()
	b.Unsubscribe("a", one)
	publish(b, "a", 1, hub.Keep{})
	b.Join(ctx, "a", &hub.Member{Connection: "c"})
	if err := one.wantMessages(1); err != nil {
		return err
	}
	if err := one.wantEvents(); err != nil {
		return err
	}
	if err := two.wantMessages(1, 2); err != nil {
		return fmt.Errorf("the other one: %w", err)
	}
	b.Unsubscribe("a", two)
	b.Unsubscribe("a", two) // nothing is there: nothing happens
	b.Unsubscribe("never", two)
	return nil
}

func sinks(b hub.Broker) error {
	var list []*recorder
	for range 10 {
		r := new(recorder)
		list = append(list, r)
		b.Subscribe(ctx, "a", r)
		defer b.Unsubscribe("a", r)
	}
	other := new(recorder)
	b.Subscribe(ctx, "b", other)
	defer b.Unsubscribe("b", other)
	publish(b, "a", 5, hub.Keep{})
	b.Join(ctx, "a", &hub.Member{Connection: "c"})
	for _, r := range list {
		if err := errors.Join(r.wantMessages(1, 2, 3, 4, 5), r.wantEvents("+c")); err != nil {
			return err
		}
	}
	return errors.Join(other.wantMessages(), other.wantEvents())
}

func atOnce(b hub.Broker) error {
	const writers, each = 8, 50
	r := new(recorder)
	if _, err := b.Subscribe(ctx, "a", r); err != nil {
		return err
	}
	defer b.Unsubscribe("a", r)
	var all sync.WaitGroup
	where := make([]map[int64]string, writers)
	for i := range writers {
		where[i] = make(map[int64]string)
		all.Go(func() {
			for j := range each {
				data := fmt.Sprintf(`"%d %d"`, i, j)
				at, _, _ := b.Publish(ctx, "a", &hub.Publication{Data: []byte(data)}, hub.Keep{Size: writers * each})
				where[i][at.Offset] = data
				p, err := b.History(ctx, "a", hub.Query{Since: &hub.Position{Epoch: at.Epoch, Offset: at.Offset - 1}, Limit: 1})
				if err != nil || len(p.Messages) != 1 || string(p.Messages[0].Data) != data {
					r.mu.Lock()
					r.broken = fmt.Errorf("message %d is not in the history when it is published", at.Offset)
					r.mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	want := make([]int64, writers*each)
	for i := range want {
		want[i] = int64(i) + 1
	}
	if err := r.wantMessages(want...); err != nil {
		return err
	}
	p, err := b.History(ctx, "a", hub.Query{Limit: writers * each})
	if err != nil {
		return err
	}
	for i, m := range p.Messages {
		data := string(m.Data)
		found := false
		for _, w := range where {
			found = found || w[m.Offset] == data
		}
		if got, _ := r.got(); !found || !reflect.DeepEqual(got[i].Data, m.Data) {
			return fmt.Errorf("message %d differs", m.Offset)
		}
	}
	return sameOffsets(p.Messages, want...)
}
