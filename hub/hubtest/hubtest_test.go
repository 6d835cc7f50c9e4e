package hubtest_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/hub"
	"curlew.example/curlew/hub/hubtest"
)

func TestMemory(t *testing.T) { hubtest.Run(t, func() hub.Broker { return hub.NewMemory() }) }

// A wrong broker is a Memory of which something is not as it should be.
type wrong struct {
	*hub.Memory
	publish   func(b *hub.Memory, channel string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error)
	subscribe func(at hub.Position) hub.Position
	sink      func(s hub.Sink) hub.Sink
	keepSinks bool
	history   func(b *hub.Memory, channel string, q hub.Query) (*hub.Page, error)
	join      func(b *hub.Memory, channel string, m *hub.Member) error
	leave     func(b *hub.Memory, channel, connection string, grace time.Duration)
	members   func(list []*hub.Member) []*hub.Member
	channel   func(string) string
	open      bool // after Close

	mu    sync.Mutex
	sinks map[hub.Sink]hub.Sink
}

func (b *wrong) named(channel string) string {
	if b.channel != nil {
		return b.channel(channel)
	}
	return channel
}

func (b *wrong) Publish(ctx context.Context, channel string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
	if b.publish != nil {
		return b.publish(b.Memory, channel, p, k)
	}
	return b.Memory.Publish(ctx, b.named(channel), p, k)
}

func (b *wrong) Subscribe(ctx context.Context, channel string, s hub.Sink) (hub.Position, error) {
	if b.sink != nil {
		b.mu.Lock()
		if b.sinks == nil {
			b.sinks = make(map[hub.Sink]hub.Sink)
		}
		b.sinks[s] = b.sink(s)
		s = b.sinks[s]
		b.mu.Unlock()
	}
	at, err := b.Memory.Subscribe(ctx, b.named(channel), s)
	if b.subscribe != nil {
		at = b.subscribe(at)
	}
	return at, err
}

func (b *wrong) Unsubscribe(channel string, s hub.Sink) {
	if b.keepSinks {
		return
	}
	b.mu.Lock()
	if w := b.sinks[s]; w != nil {
		s = w
	}
	b.mu.Unlock()
	b.Memory.Unsubscribe(b.named(channel), s)
}

func (b *wrong) History(ctx context.Context, channel string, q hub.Query) (*hub.Page, error) {
	if b.history != nil {
		return b.history(b.Memory, channel, q)
	}
	return b.Memory.History(ctx, b.named(channel), q)
}

func (b *wrong) Join(ctx context.Context, channel string, m *hub.Member) error {
	if b.join != nil {
		return b.join(b.Memory, channel, m)
	}
	return b.Memory.Join(ctx, channel, m)
}

func (b *wrong) Leave(channel, connection string, grace time.Duration) {
	if b.leave != nil {
		b.leave(b.Memory, channel, connection, grace)
		return
	}
	b.Memory.Leave(channel, connection, grace)
}

func (b *wrong) Members(ctx context.Context, channel string) ([]*hub.Member, error) {
	list, err := b.Memory.Members(ctx, channel)
	if b.members != nil {
		list = b.members(list)
	}
	return list, err
}

func (b *wrong) Close() error {
	if b.open {
		return nil
	}
	return b.Memory.Close()
}

// A filter is a sink in front of another one.
type filter struct {
	hub.Sink
	deliver func(to hub.Sink, m *hub.Message)
}

func (f *filter) Deliver(m *hub.Message) { f.deliver(f.Sink, m) }

func filtered(deliver func(to hub.Sink, m *hub.Message)) func(hub.Sink) hub.Sink {
	return func(s hub.Sink) hub.Sink { return &filter{s, deliver} }
}

var ctx = context.Background()

// TestWrong: each check finds a broker that breaks its promise. These are such ones.
func TestWrong(t *testing.T) {
	shared := func(f func(first *bool) func(hub.Sink) hub.Sink) func() *wrong {
		return func() *wrong { first := true; return &wrong{sink: f(&first)} }
	}
	table := map[string][]func() *wrong{
		"offsets": {func() *wrong { // one count for all channels
			var mu sync.Mutex
			n := int64(0)
			return &wrong{publish: func(b *hub.Memory, c string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				n++
				at, again, err := b.Publish(ctx, c, p, k)
				at.Offset = n
				return at, again, err
			}}
		}},
		"deliveries": {
			func() *wrong { // a copy without Prev
				return &wrong{sink: filtered(func(to hub.Sink, m *hub.Message) { c := *m; c.Prev = 0; to.Deliver(&c) })}
			},
			func() *wrong { // twice
				return &wrong{sink: filtered(func(to hub.Sink, m *hub.Message) { to.Deliver(m); to.Deliver(m) })}
			},
			func() *wrong { // the key is forgotten
				return &wrong{sink: filtered(func(to hub.Sink, m *hub.Message) { c := *m; c.Key = ""; to.Deliver(&c) })}
			},
		},
		"subscribe":   {func() *wrong { return &wrong{subscribe: func(at hub.Position) hub.Position { at.Offset--; return at }} }},
		"unsubscribe": {func() *wrong { return &wrong{keepSinks: true} }},
		"sinks": {
			shared(func(first *bool) func(hub.Sink) hub.Sink { // only the first sink gets anything
				return func(s hub.Sink) hub.Sink {
					mine := *first
					*first = false
					return &filter{s, func(to hub.Sink, m *hub.Message) {
						if mine {
							to.Deliver(m)
						}
					}}
				}
			}),
		},
		"at once": {func() *wrong { // delivered in one order, stored in another: behind the lock
			var mu sync.Mutex
			var held *hub.Message
			return &wrong{sink: filtered(func(to hub.Sink, m *hub.Message) {
				mu.Lock()
				defer mu.Unlock()
				if held == nil && m.Offset == 7 {
					held = m
					return
				}
				to.Deliver(m)
				if held != nil {
					to.Deliver(held)
					held = nil
				}
			})}
		}},
		"size": {func() *wrong {
			return &wrong{publish: func(b *hub.Memory, c string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
				if k.Size > 0 {
					k.Size++
				}
				return b.Publish(ctx, c, p, k)
			}}
		}},
		"age": {func() *wrong {
			return &wrong{publish: func(b *hub.Memory, c string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
				k.Age += time.Second
				return b.Publish(ctx, c, p, k)
			}}
		}},
		"history": {
			func() *wrong {
				return &wrong{history: func(b *hub.Memory, c string, q hub.Query) (*hub.Page, error) {
					q.Reverse = false
					return b.History(ctx, c, q)
				}}
			},
			func() *wrong {
				return &wrong{history: func(b *hub.Memory, c string, q hub.Query) (*hub.Page, error) { q.Limit++; return b.History(ctx, c, q) }}
			},
		},
		"lost": {
			func() *wrong { // never
				return &wrong{history: func(b *hub.Memory, c string, q hub.Query) (*hub.Page, error) {
					p, err := b.History(ctx, c, q)
					p.Lost = false
					return p, err
				}}
			},
			func() *wrong { // one too often
				return &wrong{history: func(b *hub.Memory, c string, q hub.Query) (*hub.Page, error) {
					p, err := b.History(ctx, c, q)
					p.Lost = p.Lost || q.Since != nil && q.Since.Offset < 3
					return p, err
				}}
			},
		},
		"dedupe": {
			func() *wrong {
				return &wrong{publish: func(b *hub.Memory, c string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
					q := *p
					q.Dedupe = ""
					return b.Publish(ctx, c, &q, k)
				}}
			},
			func() *wrong { // does not say so
				return &wrong{publish: func(b *hub.Memory, c string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
					at, _, err := b.Publish(ctx, c, p, k)
					return at, false, err
				}}
			},
			func() *wrong { // whoever it is
				return &wrong{publish: func(b *hub.Memory, c string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
					q := *p
					q.User = ""
					return b.Publish(ctx, c, &q, k)
				}}
			},
		},
		"dedupe at once": {func() *wrong { // looked up first, remembered later
			var known sync.Map
			return &wrong{publish: func(b *hub.Memory, c string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
				if at, ok := known.Load(p.Dedupe); ok {
					return at.(hub.Position), true, nil
				}
				<-time.After(time.Millisecond)
				at, again, err := b.Publish(ctx, c, &hub.Publication{Data: p.Data}, k)
				known.Store(p.Dedupe, at)
				return at, again, err
			}}
		}},
		"dedupe window": {func() *wrong { // forever
			var known sync.Map
			return &wrong{publish: func(b *hub.Memory, c string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
				if at, ok := known.Load(p.Dedupe); ok && p.Dedupe != "" {
					return at.(hub.Position), true, nil
				}
				at, again, err := b.Publish(ctx, c, p, k)
				known.Store(p.Dedupe, at)
				return at, again, err
			}}
		}},
		"members": {
			func() *wrong {
				return &wrong{members: func(list []*hub.Member) []*hub.Member { return list[:min(1, len(list))] }}
			},
			func() *wrong { return &wrong{leave: func(*hub.Memory, string, string, time.Duration) {}} },
		},
		"grace": {
			func() *wrong {
				return &wrong{leave: func(b *hub.Memory, c, n string, d time.Duration) { b.Leave(c, n, 0) }}
			},
			func() *wrong {
				return &wrong{leave: func(b *hub.Memory, c, n string, d time.Duration) { b.Leave(c, n, d+time.Second) }}
			},
		},
		"return": {func() *wrong { // as if he were another one
			return &wrong{join: func(b *hub.Memory, c string, m *hub.Member) error {
				return b.Join(ctx, c, &hub.Member{User: m.User + " " + m.Connection, Connection: m.Connection, Info: m.Info})
			}, members: func(list []*hub.Member) (plain []*hub.Member) {
				for _, m := range list {
					c := *m
					c.User, _, _ = strings.Cut(m.User, " ")
					plain = append(plain, &c)
				}
				return plain
			}}
		}},
		"anonymous": {func() *wrong { // all the same
			return &wrong{join: func(b *hub.Memory, c string, m *hub.Member) error {
				return b.Join(ctx, c, &hub.Member{User: m.User + "?", Connection: m.Connection})
			}, members: func(list []*hub.Member) (plain []*hub.Member) {
				for _, m := range list {
					plain = append(plain, &hub.Member{User: strings.TrimSuffix(m.User, "?"), Connection: m.Connection})
				}
				return plain
			}}
		}},
		"names": {func() *wrong { return &wrong{channel: strings.ToLower} }},
		"close": {func() *wrong { return &wrong{open: true} }},
	}
	for _, c := range hubtest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			if len(table[c.Name]) == 0 {
				t.Fatal("no broker breaks this promise")
			}
			for i, broken := range table[c.Name] {
				synctest.Test(t, func(t *testing.T) {
					b := broken()
					b.Memory = hub.NewMemory()
					defer b.Memory.Close()
					if err := c.Do(b); err == nil {
						t.Errorf("%d: not found", i)
					} else {
						t.Logf("%d: %v", i, err)
					}
				})
			}
		})
	}
}
