package hubtest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"curlew.example/curlew/hub"
)

// wantHistory checks what a query gets.
func wantHistory(b hub.Broker, q hub.Query, lost bool, offsets ...int64) error {
	p, err := b.History(ctx, "a", q)
	if err != nil {
		return err
	}
	if p.Lost != lost {
		return fmt.Errorf("%+v: lost is %v", q, p.Lost)
	}
	if err := sameOffsets(p.Messages, offsets...); err != nil {
		return fmt.Errorf("%+v: %w", q, err)
	}
	for _, m := range p.Messages {
		if string(m.Data) != fmt.Sprint(m.Offset) || m.Prev != m.Offset-1 || m.Epoch != p.Position.Epoch {
			return fmt.Errorf("message %d is %+v", m.Offset, m)
		}
	}
	return nil
}

func count(b hub.Broker, n int, k hub.Keep) (err error) {
	for range n {
		p, e := b.History(ctx, "a", hub.Query{})
		if e != nil {
			return e
		}
		_, _, e = b.Publish(ctx, "a", &hub.Publication{Data: fmt.Append(nil, p.Position.Offset+1)}, k)
		err = errors.Join(err, e)
	}
	return err
}

func size(b hub.Broker) error {
	all := hub.Query{Limit: 100}
	return errors.Join(
		count(b, 3, hub.Keep{Size: 3}), wantHistory(b, all, false, 1, 2, 3),
		count(b, 1, hub.Keep{Size: 3}), wantHistory(b, all, false, 2, 3, 4),
		count(b, 1, hub.Keep{Size: 1}), wantHistory(b, all, false, 5),
		count(b, 1, hub.Keep{}), wantHistory(b, all, false),
		count(b, 2, hub.Keep{Size: 3}), wantHistory(b, all, false, 7, 8),
	)
}

func age(b hub.Broker) error {
	k := hub.Keep{Size: 10, Age: 10 * time.Second}
	r := new(recorder)
	b.Subscribe(ctx, "a", r) // so that the channel stays
	defer b.Unsubscribe("a", r)
	all := hub.Query{Limit: 100}
	err := count(b, 2, k)
	after := func(d time.Duration, n int, offsets ...int64) {
		<-time.After(d)
		err = errors.Join(err, count(b, n, k), wantHistory(b, all, false, offsets...))
	}
	after(4*time.Second, 1, 1, 2, 3)
	after(6*time.Second-1, 0, 1, 2, 3)
	after(1, 0, 3)
	after(4*time.Second-1, 1, 3, 4)
	after(1, 0, 4)
	after(10*time.Second, 0)
	return err
}

func history(b hub.Broker) error {
	r := new(recorder)
	at, err := b.Subscribe(ctx, "a", r)
	if err != nil {
		return err
	}
	defer b.Unsubscribe("a", r)
	since := func(n int64) *hub.Position { return &hub.Position{Epoch: at.Epoch, Offset: n} }
	if err := errors.Join(wantHistory(b, hub.Query{Limit: 1}, false), wantHistory(b, hub.Query{Since: since(0), Limit: 1}, false), count(b, 6, hub.Keep{Size: 4})); err != nil {
		return err
	}
	p, err := b.History(ctx, "a", hub.Query{})
	if err != nil || len(p.Messages) != 0 || p.Position != *since(6) {
		return fmt.Errorf("of limit 0: %+v, %v", p, err)
	}
	return errors.Join(
		wantHistory(b, hub.Query{Limit: 10}, false, 3, 4, 5, 6),
		wantHistory(b, hub.Query{Limit: 2}, false, 3, 4),
		wantHistory(b, hub.Query{Limit: 2, Reverse: true}, false, 6, 5),
		wantHistory(b, hub.Query{Limit: 10, Since: since(4)}, false, 5, 6),
		wantHistory(b, hub.Query{Limit: 1, Since: since(4)}, false, 5),
		wantHistory(b, hub.Query{Limit: 10, Since: since(6)}, false),
		wantHistory(b, hub.Query{Limit: 10, Since: since(5), Reverse: true}, false, 4, 3),
		wantHistory(b, hub.Query{Limit: 1, Since: since(5), Reverse: true}, false, 4),
		wantHistory(b, hub.Query{Limit: 10, Since: since(1), Reverse: true}, false),
	)
}

func lost(b hub.Broker) error {
	if err := count(b, 6, hub.Keep{Size: 4}); err != nil {
		return err
	}
	p, err := b.History(ctx, "a", hub.Query{})
	if err != nil {
		return err
	}
	for _, row := range []struct {
		epoch  string
		offset int64
		lost   bool
	}{
		{p.Position.Epoch, 6, false}, {p.Position.Epoch, 2, false}, {p.Position.Epoch, 1, true}, {p.Position.Epoch, 0, true},
		{p.Position.Epoch, -1, true}, {p.Position.Epoch, 7, true}, {p.Position.Epoch, 1<<63 - 1, true}, {p.Position.Epoch, -1 << 63, true},
		{"other", 6, true}, {"", 0, true},
	} {
		p, err := b.History(ctx, "a", hub.Query{Since: &hub.Position{Epoch: row.epoch, Offset: row.offset}})
		if err != nil || p.Lost != row.lost {
			return fmt.Errorf("since %q %d: %+v, %v, want %v", row.epoch, row.offset, p, err, row.lost)
		}
	}
	return nil
}

func dedupe(b hub.Broker) error {
	top := map[string]int64{} // by channel
	for i, row := range []struct {
		channel, user, key string
		offset             int64
	}{
		{"a", "", "k", 1}, {"a", "", "k", 1}, {"a", "", "l", 2}, {"a", "ann", "k", 3}, {"a", "ann", "k", 3}, {"b", "", "k", 1}, {"a", "", "", 4}, {"a", "", "", 5},
		{"a", "", "k", 1}, {"a", "", "l", 2},
	} {
		at, again, err := b.Publish(ctx, row.channel, &hub.Publication{Data: []byte("1"), User: row.user, Dedupe: row.key}, hub.Keep{Size: 1})
		if err != nil || at.Offset != row.offset {
			return fmt.Errorf("publication %d has offset %d, %v, want %d", i, at.Offset, err, row.offset)
		}
		if again != (at.Offset <= top[row.channel]) {
			return fmt.Errorf("publication %d, with the offset %d: again is %v", i, at.Offset, again)
		}
		top[row.channel] = max(top[row.channel], at.Offset)
	}
	return nil
}

func dedupeAtOnce(b hub.Broker) error {
	r := new(recorder)
	b.Subscribe(ctx, "a", r)
	defer b.Unsubscribe("a", r)
	var all sync.WaitGroup
	var mu sync.Mutex
	var wrong error
	for range 50 {
		all.Go(func() {
			at, _, err := b.Publish(ctx, "a", &hub.Publication{Data: []byte("1"), Dedupe: "k"}, hub.Keep{Size: 10})
			if err != nil || at.Offset != 1 {
				mu.Lock()
				wrong = fmt.Errorf("%+v, %v", at, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return errors.Join(wrong, r.wantMessages(1))
}

func dedupeWindow(b hub.Broker) error {
	r := new(recorder)
	b.Subscribe(ctx, "a", r)
	defer b.Unsubscribe("a", r)
	once := func(offset int64) error {
		at, _, err := b.Publish(ctx, "a", &hub.Publication{Data: []byte("1"), Dedupe: "k"}, hub.Keep{})
		if err == nil && at.Offset != offset {
			err = fmt.Errorf("offset %d, want %d", at.Offset, offset)
		}
		return err
	}
	err := once(1)
	<-time.After(hub.DedupeWindow - 1)
	err = errors.Join(err, once(1))
	<-time.After(time.Second)
	return errors.Join(err, once(2))
}

// wantMembers checks who is listed, in any order: connections and users.
func wantMembers(b hub.Broker, want ...string) error {
	list, err := b.Members(ctx, "a")
	if err != nil {
		return err
	}
	left := make(map[string]int)
	for _, w := range want {
		left[w]++
	}
	for _, m := range list {
		left[m.User+"/"+m.Connection]--
	}
	for who, n := range left {
		if n != 0 {
			return fmt.Errorf("%q is %d times too few in the list of %d", who, n, len(list))
		}
	}
	return nil
}

func join(b hub.Broker, user, connection string) error {
	return b.Join(ctx, "a", &hub.Member{User: user, Connection: connection, Info: []byte(`{"x":1}`)})
}

func members(b hub.Broker) error {
	r := new(recorder)
	b.Subscribe(ctx, "a", r)
	defer b.Unsubscribe("a", r)
	err := errors.Join(wantMembers(b), join(b, "ann", "1"), join(b, "ann", "2"), join(b, "bob", "3"), wantMembers(b, "ann/1", "ann/2", "bob/3"))
	if list, _ := b.Members(ctx, "a"); len(list) > 0 && string(list[0].Info) != `{"x":1}` {
		err = errors.Join(err, fmt.Errorf("the info is %s", list[0].Info))
	}
	if list, _ := b.Members(ctx, "b"); len(list) > 0 {
		err = errors.Join(err, errors.New("in another channel too"))
	}
	err = errors.Join(err, r.wantEvents("+1", "+2", "+3"))
	b.Leave("a", "2", 0)
	b.Leave("a", "none", 0)
	b.Leave("a", "2", 0)
	return errors.Join(err, wantMembers(b, "ann/1", "bob/3"), r.wantEvents("+1", "+2", "+3", "-2"))
}

func grace(b hub.Broker) error {
	r := new(recorder)
	b.Subscribe(ctx, "a", r)
	defer b.Unsubscribe("a", r)
	err := errors.Join(join(b, "ann", "1"), join(b, "bob", "2"), join(b, "eve", "3"))
	b.Leave("a", "1", 5*time.Second)
	<-time.After(time.Second)
	b.Leave("a", "2", 2*time.Second)
	b.Leave("a", "1", 5*time.Second) // he has left: nothing begins anew
	<-time.After(2*time.Second - 1)
	err = errors.Join(err, wantMembers(b, "ann/1", "bob/2", "eve/3"), r.wantEvents("+1", "+2", "+3"))
	<-time.After(2)
	err = errors.Join(err, wantMembers(b, "ann/1", "eve/3"), r.wantEvents("+1", "+2", "+3", "-2"))
	<-time.After(2*time.Second - 2)
	err = errors.Join(err, wantMembers(b, "ann/1", "eve/3"))
	<-time.After(2)
	return errors.Join(err, wantMembers(b, "eve/3"), r.wantEvents("+1", "+2", "+3", "-2", "-1"))
}

func returns(b hub.Broker) error {
	r := new(recorder)
	b.Subscribe(ctx, "a", r)
	defer b.Unsubscribe("a", r)
	err := join(b, "ann", "1")
	b.Leave("a", "1", 5*time.Second)
	<-time.After(5*time.Second - 1)
	err = errors.Join(err, join(b, "ann", "2"), wantMembers(b, "ann/2"))
	<-time.After(time.Minute)
	err = errors.Join(err, wantMembers(b, "ann/2"), r.wantEvents("+1"))
	b.Leave("a", "2", 5*time.Second)
	err = errors.Join(err, join(b, "bob", "3")) // another one does not take his place
	<-time.After(5*time.Second + 1)
	err = errors.Join(err, wantMembers(b, "bob/3"), r.wantEvents("+1", "+3", "-2"), join(b, "ann", "4"))
	b.Leave("a", "4", 5*time.Second)
	err = errors.Join(err, join(b, "ann", "4")) // the same connection
	<-time.After(time.Minute)
	return errors.Join(err, wantMembers(b, "bob/3", "ann/4"), r.wantEvents("+1", "+3", "-2", "+4"))
}

func anonymous(b hub.Broker) error {
	r := new(recorder)
	b.Subscribe(ctx, "a", r)
	defer b.Unsubscribe("a", r)
	err := join(b, "", "1")
	b.Leave("a", "1", 5*time.Second)
	err = errors.Join(err, join(b, "", "2"), wantMembers(b, "/1", "/2"))
	<-time.After(6 * time.Second)
	return errors.Join(err, wantMembers(b, "/2"), r.wantEvents("+1", "+2", "-1"))
}

func names(b hub.Broker) error {
	list := []string{"a", "A", "é", "e\u0301", "a:b", "a:", "..", "a/b", "a%2fb", strings.Repeat("x", 255), strings.Repeat("x", 254)}
	for range 2 {
		for _, name := range list {
			if _, _, err := b.Publish(ctx, name, &hub.Publication{Data: []byte("1")}, hub.Keep{Size: 5}); err != nil {
				return err
			}
		}
	}
	for _, name := range list {
		p, err := b.History(ctx, name, hub.Query{Limit: 5})
		if err != nil || len(p.Messages) != 2 || p.Messages[0].Channel != name {
			return fmt.Errorf("%q: %+v, %v", name, p, err)
		}
	}
	return nil
}

func closed(b hub.Broker) error {
	publish(b, "a", 1, hub.Keep{Size: 1})
	if err := b.Close(); err != nil {
		return err
	}
	_, err := publish(b, "a", 1, hub.Keep{Size: 1})
	_, err2 := b.Subscribe(ctx, "a", new(recorder))
	_, err3 := b.History(ctx, "a", hub.Query{})
	if err == nil || err2 == nil || err3 == nil || join(b, "", "1") == nil {
		return fmt.Errorf("%v, %v, %v", err, err2, err3)
	}
	b.Leave("a", "1", 0)
	b.Unsubscribe("a", new(recorder))
	return nil
}
