package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub"
	"curlew.example/curlew/hub/client"
	"curlew.example/curlew/wstest"
)

// A plan is a world: how many of what, and what is done to them.
type plan struct {
	seed                         uint64
	clients, channels, publishes int
	history                      int
	when                         hub.WhenSlow
	joinLeave                    bool
	queue                        int           // bytes that wait for a connection; 0 is the default
	lasts                        time.Duration // publishing
	cutEvery                     time.Duration // each connection, on average; 0 is never
	away                         time.Duration // a client that was cut finds nobody for so long at most
	stall                        time.Duration // now and then nothing arrives for so long at most
	restarts                     int           // of the server, which forgets everything
}

// planOf is a small world that has something of everything, by seed.
func planOf(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 0))
	p := plan{
		seed: seed, clients: 5, channels: 3, publishes: 90, history: 1000, lasts: 15 * time.Second,
		cutEvery: 2 * time.Second, joinLeave: seed%3 == 0, when: hub.WhenSlow(seed % 5 % 3),
	}
	if seed%4 >= 2 {
		p.history = []int{0, 1, 3, 40}[r.IntN(4)] // too few for some
	}
	if seed%8 >= 4 {
		p.away = 10 * time.Second
	}
	if seed%7 >= 3 {
		p.stall, p.queue = 4*time.Second, 300
		if p.joinLeave && p.when == hub.Disconnect {
			p.queue = 3000 // with less those who come back throw each other out by their joins, for ever
		}
	}
	if seed%9 >= 6 {
		p.restarts = 1 + r.IntN(3)
	}
	return p
}

// faultless reports whether nothing may be lost.
func (p plan) faultless() bool {
	return p.history >= p.publishes && p.restarts == 0 && (p.when == hub.Disconnect || p.stall == 0)
}

// A truth is a broker that notes in a world what was published.
type truth struct {
	hub.Broker
	w *world
}

func (b *truth) Publish(ctx context.Context, channel string, p *hub.Publication, k hub.Keep) (hub.Position, bool, error) {
	at, again, err := b.Broker.Publish(ctx, channel, p, k)
	if err == nil {
		b.w.mu.Lock()
		defer b.w.mu.Unlock()
		if had, ok := b.w.was[place{channel, at}]; ok && had != string(p.Data) {
			b.w.wrong = append(b.w.wrong, fmt.Sprintf("%v in %s is both %s and %s", at, channel, had, p.Data))
		}
		b.w.was[place{channel, at}] = string(p.Data)
	}
	return at, again, err
}

type place struct {
	channel string
	hub.Position
}

// A world is a hub, clients, and what each of their subscriptions has seen.
type world struct {
	plan
	t       *testing.T
	network *wstest.Network // nil: real sockets
	address string
	hub     atomic.Pointer[hub.Hub]

	witnesses []*witness
	changed   chan struct{} // has room for one: a witness has seen something

	mu    sync.Mutex
	links []link // that are open, or were
	was   map[place]string
	wrong []string
}

// A link is an end of a connection.
type link struct {
	reset func()
	stall func(bool) // nil: it cannot
}

// begin makes a hub, in the place of another one.
func (w *world) begin() {
	h, err := hub.New(&hub.Options{
		Broker: &truth{hub.NewMemory(), w},
		Connect: func(_ context.Context, _ *http.Request, token string) (*hub.Identity, error) {
			return &hub.Identity{User: token}, nil
		},
		Namespaces: map[string]*hub.Namespace{
			"c": {History: hub.History{Size: w.history}, Publish: hub.Anyone, JoinLeave: w.joinLeave, WhenSlow: w.when},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if old := w.hub.Swap(h); old != nil {
		old.Close()
	}
}

// serve has whichever hub there is serve connections. The hub is taken anew for
// each.
func (w *world) serve() (end func()) {
	var hs sync.Map // handlers, by hub
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := w.hub.Load()
		handler, _ := hs.LoadOrStore(h, h.Handler(&hub.HandlerOptions{Conn: &curlew.Options{SendQueue: w.queue}}))
		handler.(http.Handler).ServeHTTP(rw, r)
	})}
	if w.network != nil {
		go srv.Serve(w.network.Listen("hub:80"))
		return func() { srv.Close() }
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.address = l.Addr().String()
	go srv.Serve(l)
	return func() { srv.Close() }
}

// client returns the client with a number, whose name is that of others too, or
// nobody's.
func (w *world) client(i int) *client.Client {
	r := rand.New(rand.NewPCG(w.seed, uint64(i)+1000))
	var away time.Time
	first := true
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		now := time.Now()
		if !first && w.away > 0 && away.IsZero() {
			away = now.Add(rand.N(w.away) * time.Duration(r.IntN(2)))
		}
		if now.Before(away) {
			return nil, errors.New("nobody is there")
		}
		first, away = false, time.Time{}
		if w.network != nil {
			return w.network.DialContext(ctx, network, "hub:80")
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", w.address)
		if tcp, ok := c.(*net.TCPConn); ok {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.links = append(w.links, link{reset: func() { tcp.SetLinger(0); tcp.Close() }})
		}
		return c, err
	}
	wait := time.Second
	if w.network == nil {
		wait = 20 * time.Millisecond
	}
	return client.New("ws://hub/", &client.Options{
		Token:       func(context.Context) (string, error) { return []string{"", "ann", "bob"}[i%3], nil },
		DialOptions: &curlew.DialOptions{DialContext: dial},
		MinWait:     wait / 20, MaxWait: wait,
	})
}

// trouble cuts and stalls connections as often as the plan's time has room for, and no
// more: where there is little processor everything else takes longer,
// and clients that are cut as soon as they are back would never be done.
func (w *world) trouble() {
	r := rand.New(rand.NewPCG(w.seed, 1))
	for range int(int64(w.clients) * int64(w.lasts) / int64(w.cutEvery)) {
		<-time.After(time.Duration(float64(w.cutEvery) / float64(w.clients) * 2 * r.Float64()))
		w.mu.Lock()
		if len(w.links) > 0 {
			i := r.IntN(len(w.links))
			l := w.links[i]
			if w.stall > 0 && l.stall != nil && r.IntN(2) == 0 {
				l.stall(true)
				time.AfterFunc(rand.N(w.stall), func() { l.stall(false) })
			} else {
				w.links = slices.Delete(w.links, i, i+1)
				l.reset()
			}
		}
		w.mu.Unlock()
	}
}

// restart begins the server anew, so often.
func (w *world) restart() {
	for range w.restarts {
		<-time.After(w.lasts / time.Duration(w.restarts+1))
		w.begin()
	}
}

// play does what the plan says, and returns what went wrong.
func (w *world) play() (wrong []string, summary string) {
	w.was, w.changed = make(map[place]string), make(chan struct{}, 1)
	w.begin()
	end := w.serve()
	var clients []*client.Client
	for i := range w.clients {
		c := w.client(i)
		clients = append(clients, c)
		for j := range w.channels {
			if j > 0 && (i+j)%3 == 0 {
				continue
			}
			wi := &witness{w: w, name: fmt.Sprintf("client %d", i), channel: fmt.Sprintf("c:%d", j)}
			w.witnesses = append(w.witnesses, wi)
			c.Subscribe(wi.channel, wi.events())
		}
	}
	w.until((*witness).subscribed)
	var all sync.WaitGroup
	if w.cutEvery > 0 {
		all.Go(w.trouble)
	}
	all.Go(w.restart)
	var publishing sync.WaitGroup
	each := w.publishes / w.channels
	for j := range w.channels {
		r := rand.New(rand.NewPCG(w.seed, uint64(j)+2))
		publishing.Go(func() {
			for n := range each {
				<-time.After(time.Duration(float64(w.lasts) / float64(each) * 2 * r.Float64()))
				c := clients[r.IntN(len(clients))]
				if _, err := c.Publish(context.Background(), fmt.Sprintf("c:%d", j), []byte(strconv.Itoa(n+1)), &client.PublishOptions{Key: []string{"", "x", "y"}[r.IntN(3)]}); err != nil {
					w.t.Error(err)
				}
			}
		})
	}
	publishing.Wait()
	all.Wait()
	w.until((*witness).upToDate)
	w.until(func(*witness) bool { return w.cutEvery == 0 || w.returned() }) // or nothing was shown
	if w.network != nil {
		synctest.Wait() // also of what has happened at this instant
	}
	summary = fmt.Sprintf("%+v, %+v", w.plan, w.hub.Load().Stats())
	for _, wi := range w.witnesses {
		wrong = append(wrong, wi.verdict()...)
	}
	for _, c := range clients {
		c.Close()
	}
	w.hub.Load().Close()
	end()
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(w.wrong, wrong...), summary
}

// until waits until f, which then stays true, holds for all witnesses: as long as it
// takes in a bubble, where time costs nothing, else until all have seen so much. Who
// never does is named shortly before the test's own time is over.
func (w *world) until(f func(*witness) bool) {
	if w.network != nil {
		<-time.After(2 * time.Minute)
		return
	}
	var late <-chan time.Time
	if end, ok := w.t.Deadline(); ok {
		late = time.After(time.Until(end) * 9 / 10)
	}
	for _, wi := range w.witnesses {
		for !f(wi) {
			select {
			case <-w.changed:
			case <-late:
				w.t.Fatalf("seed %d: %s, %s is late: at %v, now %v", w.seed, wi.name, wi.channel, wi.last(), wi.now())
			}
		}
	}
}

// returned reports whether somebody has subscribed again.
func (w *world) returned() bool {
	return slices.ContainsFunc(w.witnesses, func(wi *witness) bool {
		wi.mu.Lock()
		defer wi.mu.Unlock()
		return wi.answers > 1
	})
}

// simulate plays a plan in a bubble.
func simulate(t *testing.T, p plan) (wrong []string, summary string) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{plan: p, t: t}
		o := &wstest.NetworkOptions{Dialed: func(_, server *wstest.End) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.links = append(w.links, link{server.Reset, server.Stall})
		}}
		if p.queue > 0 {
			o.Link.Buffer = 1 << 10
		}
		w.network = wstest.NewNetwork(o)
		wrong, summary = w.play()
		<-time.After(time.Hour)
	})
	return wrong, summary
}

func check(t *testing.T, p plan, wrong []string, summary string) {
	t.Helper()
	if len(wrong) > 0 {
		t.Fatalf("seed %d: %d wrong, the first: %s\n%s", p.seed, len(wrong), wrong[0], summary)
	}
	if p.seed < 10 {
		t.Logf("seed %d: %s", p.seed, summary)
	}
}

// TestSequences: whatever becomes of connections and of the server, each subscriber
// has exactly the sequence that was published, or was told of the gap; and knows who
// is there.
func TestSequences(t *testing.T) {
	seeds := uint64(1000)
	if race {
		seeds = 30
	}
	for seed := range seeds {
		p := planOf(seed)
		wrong, summary := simulate(t, p)
		check(t, p, wrong, summary)
	}
}

// TestSequencesMany: more clients and channels. A minute of 200 clients in 50 channels
// with 20,000 publications, and four times the same over real sockets, which take a
// minute or two each where there are two processors for them:
//
//	CURLEW_SIMULATE=full go test -timeout 1h -run 'TestSequences(Many|Sockets)' -v ./hub
func TestSequencesMany(t *testing.T) {
	p := plan{seed: 1, clients: 30, channels: 10, publishes: 1000, history: 100_000, cutEvery: 2 * time.Second, lasts: 10 * time.Second}
	if os.Getenv("CURLEW_SIMULATE") == "full" {
		p.clients, p.channels, p.publishes, p.lasts = 200, 50, 20_000, time.Minute
	}
	wrong, summary := simulate(t, p)
	check(t, p, wrong, summary)
}

// TestSequencesSockets is the same over real sockets, smaller.
func TestSequencesSockets(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := plan{
				seed: seed, clients: 12, channels: 3, publishes: 300, history: 1000, lasts: 300 * time.Millisecond,
				cutEvery: 200 * time.Millisecond, joinLeave: seed%2 == 0, restarts: int(seed) / 2, when: hub.WhenSlow(seed % 3),
			}
			if os.Getenv("CURLEW_SIMULATE") == "full" {
				p.clients, p.channels, p.publishes, p.history, p.lasts, p.cutEvery = 200, 50, 20_000, 100_000, time.Minute, 2*time.Second
				p.joinLeave = false // of 130 in a channel each would hear of each: 20 million events, and it is messages that count
			}
			w := &world{plan: p, t: t}
			wrong, summary := w.play()
			check(t, p, wrong, summary)
		})
	}
}
