package hub

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
	"curlew.example/curlew/wstest"
)

// TestDeafSubscribers: of many subscribers over real sockets some never read.
// Publishing does not wait for them, what waits for them is bounded, the policy is
// counted, and the others get everything. Full size, several rounds of which show how
// late the others are with and without them:
//
//	CURLEW_SUBSCRIBERS=5000 CURLEW_DEAF=100 CURLEW_ROUNDS=3 go test -timeout 1h -run TestDeafSubscribers -v ./hub
func TestDeafSubscribers(t *testing.T) {
	number := func(name string, small int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return small
	}
	subscribers, deaf := number("CURLEW_SUBSCRIBERS", 10), number("CURLEW_DEAF", 2)
	late := make(map[string][]string) // the p99 of a row, of that of the first one
	var alone time.Duration
	for range number("CURLEW_ROUNDS", 1) {
		for _, row := range []struct {
			name   string
			when   WhenSlow
			deaf   int
			behind int // messages that only the deaf ones could have had
		}{{"nobody is deaf", Disconnect, 0, 0}, {"disconnect", Disconnect, deaf, 0}, {"dropOldest", DropOldest, deaf, 500}, {"conflate", Conflate, deaf, 500}} {
			t.Run(row.name, func(t *testing.T) {
				w := newCrowd(t, row.when)
				defer w.end()
				for range row.deaf {
					w.deaf()
				}
				before := allocated()
				for i := range row.behind {
					w.publish(i)
				}
				// What waits is the same 256 messages for all of them, and for each a
				// queue of 32 KiB and what is being written, at most 64.
				grown := allocated() - before
				if grown > 2<<20+int64(row.deaf)*(128<<10) {
					t.Errorf("%d bytes for those who are deaf", grown)
				}
				for range subscribers - row.deaf {
					w.join()
				}
				var slowest time.Duration
				for i := range messages {
					began := time.Now()
					w.publish(i)
					slowest = max(slowest, time.Since(began))
					if i%lap == lap-1 {
						w.keepUp(subscribers - row.deaf)
					}
				}
				w.done.Wait()
				s, p99 := w.hub.Stats(), w.late(99)
				t.Logf("%d subscribers, %d deaf: publish at most %v; latency p50 %v, p99 %v; heap +%d KiB; %+v", subscribers, row.deaf, slowest, w.late(50), p99, grown>>10, s)
				if row.deaf == 0 {
					alone = p99
				}
				late[row.name] = append(late[row.name], fmt.Sprintf("%.2f", float64(p99)/float64(alone)))
				switch {
				case row.when == Disconnect && (s.TooSlow != int64(row.deaf) || s.Lost != 0),
					row.when != Disconnect && (s.TooSlow != 0 || s.Lost < int64(row.deaf)):
					t.Errorf("%+v", s)
				}
			})
		}
	}
	t.Logf("p99, of that with nobody deaf: %v", late)
}

func allocated() int64 {
	runtime.GC()
	runtime.GC() // pools are emptied in two steps
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// messages fill a queue, and what the kernel holds, twice; a lap is less than a queue.
const lap, messages = 20, 200

// A crowd is the subscribers of one channel over sockets.
type crowd struct {
	t     *testing.T
	hub   *Hub
	url   string
	end   func()
	conns []*curlew.Conn
	deafs []net.Conn
	done  sync.WaitGroup
	laps  chan bool     // one for each lap of messages that somebody has read
	lost  chan struct{} // closed when somebody who reads has lost his connection
	once  sync.Once

	mu   sync.Mutex
	took []time.Duration
}

func newCrowd(t *testing.T, when WhenSlow) *crowd {
	h, err := New(&Options{Namespaces: map[string]*Namespace{"c": {WhenSlow: when}}, Ping: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &crowd{t: t, hub: h, laps: make(chan bool, 1000), lost: make(chan struct{}), url: "ws://" + l.Addr().String() + "/"}
	o := &curlew.Options{SendQueue: 32 << 10, WriteTimeout: time.Hour, PingInterval: -1, InactivityTimeout: -1} // the deaf ones stay
	srv := &http.Server{Handler: h.Handler(&HandlerOptions{Conn: o}), ConnState: func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			c.(*net.TCPConn).SetWriteBuffer(8 << 10)
		}
	}}
	go srv.Serve(l)
	w.end = func() {
		for _, c := range w.conns {
			c.Abort(nil)
		}
		for _, c := range w.deafs {
			c.Close()
		}
		h.Close()
		srv.Close()
		for _, c := range w.conns {
			<-c.Done()
		}
	}
	return w
}

// hello is what subscribers say.
const hello = `[{"id":1,"hello":{}},{"id":2,"subscribe":{"channel":"c"}}]`

// deaf adds a subscriber who reads its answers and no more: nothing of it does, as a
// Conn reads ahead to answer pings.
func (w *crowd) deaf() {
	conn, err := net.Dial("tcp", strings.Trim(w.url, "ws:/"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.deafs = append(w.deafs, conn)
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	p, _ := wstest.Open(w.t, conn, "/", http.Header{"Sec-Websocket-Protocol": {proto.Subprotocol}})
	p.Send(wstest.Text(hello))
	p.Next("hello")
	p.Next("subscribed")
}

// join adds a subscriber who reads.
func (w *crowd) join() {
	ctx := context.Background()
	c, err := curlew.Dial(ctx, w.url, &curlew.DialOptions{Options: curlew.Options{
		Subprotocols: []string{proto.Subprotocol}, InactivityTimeout: -1, PingInterval: -1, WriteTimeout: time.Hour,
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.conns = append(w.conns, c)
	c.Write(ctx, curlew.Text, []byte(hello))
	var p []byte
	for range 2 {
		if _, p, err = c.Read(ctx, p[:0]); err != nil {
			w.t.Fatal(err)
		}
	}
	last := field(p, "offset")
	w.done.Go(func() { w.listen(c, last) })
}

// listen reads all that is published behind an offset.
func (w *crowd) listen(c *curlew.Conn, last int64) {
	var took []time.Duration
	var p []byte
	for range messages {
		var err error
		if _, p, err = c.Read(context.Background(), p[:0]); err != nil {
			w.once.Do(func() { w.t.Error(err); close(w.lost) })
			return
		}
		took = append(took, time.Duration(time.Now().UnixNano()-field(p, "At")))
		if offset := field(p, "offset"); offset != last+1 {
			w.once.Do(func() { w.t.Errorf("behind %d: %.100s", last, p); close(w.lost) })
			return
		}
		if last++; len(took)%lap == 0 {
			w.laps <- true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took = append(w.took, took...)
}

// field returns the first number of that name in a text, for less than decoding it.
func field(p []byte, name string) (n int64) {
	_, rest, _ := bytes.Cut(p, []byte(`"`+name+`":`))
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// keepUp waits until all of so many have read a lap more.
func (w *crowd) keepUp(readers int) {
	for range readers {
		select {
		case <-w.laps:
		case <-w.lost:
			w.t.FailNow()
		}
	}
}

var filling = strings.Repeat("x", 900)

func (w *crowd) publish(i int) {
	data := fmt.Appendf(nil, `{"At":%d,"filling":%q}`, time.Now().UnixNano(), filling)
	if _, err := w.hub.Publish(context.Background(), "c", &Publication{Data: data, Key: strconv.Itoa(i % 300)}); err != nil {
		w.t.Fatal(err)
	}
}

// late is a percentile of what those who read have waited for.
func (w *crowd) late(percent int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.took) == 0 {
		return 0
	}
	slices.Sort(w.took)
	return w.took[(len(w.took)-1)*percent/100].Round(10 * time.Microsecond)
}
