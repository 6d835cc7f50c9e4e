package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub"
	"curlew.example/curlew/hub/client"
	"curlew.example/curlew/hub/proto"
	"curlew.example/curlew/wstest"
)

// A world is a hub, clients whose connections are cut at random, and what each of
// their subscriptions has seen.
type world struct {
	t       *testing.T
	seed    uint64
	rand    *rand.Rand
	hub     *hub.Hub
	network *wstest.Network

	mu    sync.Mutex
	links map[*wstest.End]bool
}

type plan struct {
	clients, channels, publishes int
	history                      int
	cutEvery                     time.Duration // of each connection, on average
	lasts                        time.Duration
}

// A witness checks the history of one subscription: exactly what was published, or
// a gap was announced.
type witness struct {
	name  string
	mu    sync.Mutex
	last  int64 // 0: nothing yet
	gap   bool  // announced, and not used yet
	epoch string
	seen  int
	wrong []string
}

func (w *witness) events() *client.Events {
	return &client.Events{
		Subscribed: func(at proto.Position, recovered bool, _ []proto.Member) {
			w.mu.Lock()
			defer w.mu.Unlock()
			switch {
			case w.epoch == "" || w.gap:
				w.last, w.gap = at.Offset, false
			case !recovered:
				w.wrong = append(w.wrong, "not recovered, and no gap")
			}
			w.epoch = at.Epoch
		},
		Message: func(m *client.Message) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if m.Offset != w.last+1 || m.Epoch != w.epoch || string(m.Data) != strconv.FormatInt(m.Offset, 10) {
				w.wrong = append(w.wrong, fmt.Sprintf("message %d with %s behind %d", m.Offset, m.Data, w.last))
			}
			w.last = m.Offset
			w.seen++
		},
		Gap: func(from, to int64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			switch {
			case from == 0:
				w.gap = true
			case from != w.last+1 || to < from:
				w.wrong = append(w.wrong, fmt.Sprintf("a gap from %d to %d behind %d", from, to, w.last))
			default:
				w.last = to
			}
		},
		Ended: func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.wrong = append(w.wrong, "ended: "+err.Error())
		},
	}
}

// cut resets a connection now and then.
func (w *world) cut(p plan, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(float64(p.cutEvery) / float64(p.clients) * 2 * w.rand.Float64())):
		}
		w.mu.Lock()
		for l := range w.links { // any of them: maps have no order
			delete(w.links, l)
			l.Reset()
			break
		}
		w.mu.Unlock()
	}
}

// run plays a plan and returns what went wrong.
func run(t *testing.T, seed uint64, p plan) (wrong []string, seen, stats string) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), links: make(map[*wstest.End]bool)}
		w.network = wstest.NewNetwork(&wstest.NetworkOptions{Dialed: func(_, server *wstest.End) {
			w.mu.Lock()
			w.links[server] = true
			w.mu.Unlock()
		}})
		h, err := hub.New(&hub.Options{Namespaces: map[string]*hub.Namespace{
			"c": {History: hub.History{Size: p.history}, Publish: hub.Anyone, JoinLeave: seed%3 == 0},
		}})
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: curlew.Handle(h.ConnOptions(nil), func(r *http.Request) (*curlew.Events, error) { return h.Events(r), nil })}
		go srv.Serve(w.network.Listen("hub:80"))

		var all []*witness
		var clients []*client.Client
		for i := range p.clients {
			c := client.New("ws://hub/", &client.Options{
				DialOptions: &curlew.DialOptions{DialContext: func(ctx context.Context, n, a string) (net.Conn, error) {
					return w.network.DialContext(ctx, n, "hub:80")
				}},
				MinWait: 50 * time.Millisecond, MaxWait: time.Second,
			})
			clients = append(clients, c)
			for j := range p.channels {
				if j > 0 && (i+j)%3 == 0 {
					continue
				}
				wi := &witness{name: fmt.Sprintf("client %d, channel %d", i, j)}
				all = append(all, wi)
				c.Subscribe(fmt.Sprintf("c:%d", j), wi.events())
			}
		}
		synctest.Wait()
		over := make(chan struct{})
		go w.cut(p, over)
		var publishing sync.WaitGroup
		for j := range p.channels {
			r := rand.New(rand.NewPCG(seed, uint64(j)+2))
			publishing.Go(func() {
				for n := range p.publishes / p.channels {
					<-time.After(time.Duration(float64(p.lasts) / float64(p.publishes/p.channels) * 2 * r.Float64()))
					if _, err := clients[r.IntN(len(clients))].Publish(context.Background(), fmt.Sprintf("c:%d", j), []byte(strconv.Itoa(n+1)), nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		publishing.Wait()
		close(over)
		<-time.After(time.Minute) // all come back
		n := 0
		for _, wi := range all {
			wi.mu.Lock()
			if want := int64(p.publishes / p.channels); wi.last != want {
				wi.wrong = append(wi.wrong, fmt.Sprintf("the last message is %d, not %d", wi.last, want))
			}
			for _, s := range wi.wrong {
				wrong = append(wrong, wi.name+": "+s)
			}
			n += wi.seen
			wi.mu.Unlock()
		}
		seen, stats = strconv.Itoa(n), fmt.Sprintf("%+v", h.Stats())
		for _, c := range clients {
			c.Close()
		}
		h.Close()
		srv.Close()
		<-time.After(time.Hour)
	})
	return wrong, seen, stats
}

// TestSequences: whatever becomes of connections, each subscriber has exactly the
// sequence that was published, or was told of the gap.
func TestSequences(t *testing.T) {
	for seed := range uint64(30) {
		p := plan{clients: 5, channels: 3, publishes: 90, history: 1000, cutEvery: 2 * time.Second, lasts: 15 * time.Second}
		if seed%4 == 3 {
			p.history = 3 // too few for some
		}
		wrong, seen, stats := run(t, seed, p)
		if len(wrong) > 0 {
			t.Fatalf("seed %d: %d wrong, the first: %s\nseen %s, %s", seed, len(wrong), wrong[0], seen, stats)
		}
		if seed < 4 {
			t.Logf("seed %d: %s seen, %s", seed, seen, stats)
		}
	}
}
