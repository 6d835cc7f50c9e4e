package hub

import (
	"context"
	"encoding/json"
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
)

// TestDeafSubscribers: of many subscribers over real sockets some never read.
// Publishing does not wait for them, what waits for them is bounded, the policy is
// counted, and the others get everything. Full size, with the lateness of the others
// with and without them:
//
//	CURLEW_SUBSCRIBERS=5000 CURLEW_DEAF=100 go test -run TestDeafSubscribers -v ./hub
func TestDeafSubscribers(t *testing.T) {
	number := func(name string, small int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return small
	}
	subscribers, deaf := number("CURLEW_SUBSCRIBERS", 20), number("CURLEW_DEAF", 3)
	var alone int64 // bytes, with nobody deaf
	pause := time.Duration(number("CURLEW_PAUSE", 0)) * time.Millisecond
	for _, row := range []struct {
		name string
		when WhenSlow
		deaf int
	}{{"nobody is deaf", Disconnect, 0}, {"disconnect", Disconnect, deaf}, {"dropOldest", DropOldest, deaf}, {"conflate", Conflate, deaf}} {
		t.Run(row.name, func(t *testing.T) {
			w := newCrowd(t, row.when)
			defer w.end()
			for i := range subscribers {
				w.join(i >= row.deaf)
			}
			before := allocated()
			var slowest time.Duration
			for i := range messages {
				began := time.Now()
				w.publish(i)
				slowest = max(slowest, time.Since(began))
				if i%lap == lap-1 { // those who read keep up
					for range subscribers - row.deaf {
						<-w.laps
					}
				}
				<-time.After(pause)
			}
			w.done.Wait() // the others have everything
			s := w.hub.Stats()
			grown := allocated() - before
			t.Logf("%d subscribers, %d deaf: publish at most %v; latency p50 %v, p99 %v; heap +%d KiB; %+v", subscribers, row.deaf, slowest, w.late(50), w.late(99), grown>>10, s)
			if row.deaf == 0 {
				alone = grown
				return
			}
			// What waits is the same 256 messages for all of them, and a queue for each.
			if more := grown - alone; row.when != Disconnect && pause == 0 && more > 2<<20+int64(row.deaf)*(64<<10) {
				t.Errorf("%d bytes for those who are deaf", more)
			}
			if row.when == Disconnect && (s.TooSlow != int64(row.deaf) || s.Lost != 0) || row.when != Disconnect && s.Lost < int64(row.deaf) || row.when != Disconnect && s.TooSlow != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func allocated() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

const lap, messages = 20, 500

// A crowd is the subscribers of one channel over sockets.
type crowd struct {
	t     *testing.T
	hub   *Hub
	url   string
	end   func()
	conns []*curlew.Conn
	done  sync.WaitGroup
	laps  chan bool // one for each lap of messages that somebody has read

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
	srv := &http.Server{Handler: h.Handler(&HandlerOptions{Conn: &curlew.Options{SendQueue: 32 << 10, WriteTimeout: time.Hour}}), ConnState: func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			c.(*net.TCPConn).SetWriteBuffer(8 << 10)
		}
	}}
	go srv.Serve(l)
	w := &crowd{t: t, hub: h, laps: make(chan bool, 10000), url: "ws://" + l.Addr().String() + "/"}
	w.end = func() {
		for _, c := range w.conns {
			c.Abort(nil)
		}
		h.Close()
		srv.Close()
		for _, c := range w.conns {
			<-c.Done()
		}
	}
	return w
}

// join adds a subscriber, who reads or not.
func (w *crowd) join(reads bool) {
	ctx := context.Background()
	c, err := curlew.Dial(ctx, w.url, &curlew.DialOptions{
		Options: curlew.Options{Subprotocols: []string{proto.Subprotocol}, InactivityTimeout: -1},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if err == nil && !reads {
				conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			}
			return conn, err
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.conns = append(w.conns, c)
	c.Write(ctx, curlew.Text, []byte(`[{"id":1,"hello":{}},{"id":2,"subscribe":{"channel":"c"}}]`))
	for range 2 {
		if _, _, err := c.Read(ctx, nil); err != nil {
			w.t.Fatal(err)
		}
	}
	if !reads {
		return
	}
	w.done.Go(func() {
		var took []time.Duration
		for last := int64(0); last < messages; {
			_, p, err := c.Read(ctx, nil)
			if err != nil {
				w.t.Error(err)
				return
			}
			proto.ParseAnswers(p, func(a *proto.Answer) bool {
				switch {
				case a.Gap != nil:
					last = a.Gap.To
				case a.Message != nil:
					var sent struct{ At int64 }
					json.Unmarshal(a.Message.Data, &sent)
					took = append(took, time.Duration(time.Now().UnixNano()-sent.At))
					if a.Message.Offset != last+1 {
						w.t.Errorf("%d behind %d", a.Message.Offset, last)
					}
					if last = a.Message.Offset; last%lap == 0 {
						w.laps <- true
					}
				}
				return true
			})
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.took = append(w.took, took...)
	})
}

var filling = strings.Repeat("x", 450)

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
