package hub_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"

	"curlew.example/curlew/hub"
	"curlew.example/curlew/hub/client"
	"curlew.example/curlew/hub/proto"
)

// A witness checks what one subscription is given: exactly what was published, or a
// gap is announced.
type witness struct {
	w             *world
	name, channel string

	mu      sync.Mutex
	at      hub.Position
	lost    bool // a gap of unknown size was announced: Subscribed follows
	seen    []*client.Message
	gaps    int
	answers int
	there   map[string]string // users, by connection
	wrong   []string
}

// notes runs f and tells whoever waits.
func (wi *witness) notes(f func()) {
	wi.mu.Lock()
	f()
	wi.mu.Unlock()
	select {
	case wi.w.changed <- struct{}{}:
	default: // is known
	}
}

func (wi *witness) fail(format string, args ...any) {
	wi.wrong = append(wi.wrong, wi.name+", "+wi.channel+": "+fmt.Sprintf(format, args...))
}

func (wi *witness) events() *client.Events {
	return &client.Events{
		Subscribed: func(at proto.Position, recovered bool, members []proto.Member) {
			wi.notes(func() { wi.answered(at, recovered, members) })
		},
		Message: func(m *client.Message) {
			wi.notes(func() {
				if m.Offset != wi.at.Offset+1 || m.Epoch != wi.at.Epoch {
					wi.fail("message %v behind %v", m.Position, wi.at)
				}
				wi.at = m.Position
				wi.seen = append(wi.seen, m)
			})
		},
		Gap: func(from, to int64) {
			wi.notes(func() {
				switch wi.gaps++; {
				case from == 0 && to == 0:
					wi.lost = true
				case from != wi.at.Offset+1 || to < from:
					wi.fail("a gap from %d to %d behind %v", from, to, wi.at)
				}
				wi.at.Offset = max(wi.at.Offset, to)
			})
		},
		Join: func(m proto.Member) { wi.notes(func() { wi.there[m.Connection] = user(m) }) },
		Leave: func(m proto.Member) {
			wi.notes(func() {
				if _, ok := wi.there[m.Connection]; ok {
					delete(wi.there, m.Connection)
					return
				}
				for connection, name := range wi.there { // he has come back meanwhile, unheard
					if name == user(m) && name != "" {
						delete(wi.there, connection)
						return
					}
				}
				wi.fail("%q, who leaves, was not there", m.Connection)
			})
		},
		Ended: func(err error) { wi.notes(func() { wi.fail("ended: %v", err) }) },
	}
}

func user(m proto.Member) string {
	if m.User == nil {
		return ""
	}
	return *m.User
}

func (wi *witness) answered(at hub.Position, recovered bool, members []proto.Member) {
	switch wi.answers++; {
	case wi.answers == 1 || wi.lost:
		if recovered && wi.lost {
			wi.fail("lost and recovered")
		}
		wi.at, wi.lost = at, false
	case !recovered:
		wi.fail("not recovered, and no gap")
	case at.Epoch != wi.at.Epoch || at.Offset < wi.at.Offset:
		wi.fail("recovered from %v to %v", wi.at, at)
	}
	wi.there = make(map[string]string)
	for _, m := range members {
		wi.there[m.Connection] = user(m)
	}
}

func (wi *witness) subscribed() bool {
	wi.mu.Lock()
	defer wi.mu.Unlock()
	return wi.answers > 0
}

// now is where the channel is.
func (wi *witness) now() hub.Position {
	p, err := wi.w.hub.Load().History(context.Background(), wi.channel, hub.Query{})
	if err != nil {
		return hub.Position{}
	}
	return p.Position
}

// present are the users who are there, and how often.
func (wi *witness) present() map[string]int {
	list, _ := wi.w.hub.Load().Members(context.Background(), wi.channel)
	n := make(map[string]int)
	for _, m := range list {
		n[m.User]++
	}
	return n
}

func (wi *witness) thinks() map[string]int {
	n := make(map[string]int)
	for _, name := range wi.there {
		n[name]++
	}
	return n
}

func (wi *witness) last() hub.Position {
	wi.mu.Lock()
	defer wi.mu.Unlock()
	return wi.at
}

func (wi *witness) upToDate() bool { return wi.last() == wi.now() }

// verdict is what was wrong in the end.
func (wi *witness) verdict() []string {
	now, present := wi.now(), wi.present()
	wi.mu.Lock()
	defer wi.mu.Unlock()
	if wi.at != now {
		wi.fail("the last position is %v, not %v", wi.at, now)
	}
	w := wi.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range wi.seen {
		data := cmp.Or(w.was[place{wi.channel, m.Position}], "nothing")
		if string(m.Data) != data {
			wi.fail("message %v is %s, and was %s", m.Position, m.Data, data)
		}
		if w.restarts == 0 && string(m.Data) != strconv.FormatInt(m.Offset, 10) {
			wi.fail("message %s has the offset %d", m.Data, m.Offset)
		}
	}
	if w.faultless() && wi.gaps > 0 {
		wi.fail("%d gaps, where nothing may be lost", wi.gaps)
	}
	if w.joinLeave && w.network != nil && !maps.Equal(wi.thinks(), present) {
		wi.fail("thinks %v are there, and there are %v", wi.thinks(), present)
	}
	return wi.wrong
}
