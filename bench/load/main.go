// Command load is a WebSocket client that keeps a server busy, or holds idle
// connections, and reports what that cost the server:
//
//	load -n 100 -size 128 -depth 16 -pid 4711 ws://127.0.0.1:8080/
//
// Closed loop: each connection sends depth messages in one write and waits for
// all the replies, which are compared with what was sent. The report is one
// line of JSON. With -all the replies to the first connection go to all of them, each
// of which counts. With -idle or -fanout it measures something else.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Report is what load prints.
type Report struct {
	Messages   int64   // echoed in the window
	Rate       float64 // of them a second
	CPU        float64 // of the server, microseconds a message; 0 where it is not known
	RSSPerConn int64   // bytes that one more connection adds to the server, -idle only
	Core       float64 // of one core that the server uses while it pings and is answered, -idle only
	Pings      float64 // of the server's, a second, -idle only
}

func main() {
	var (
		n      = flag.Int("n", 100, "connections")
		size   = flag.Int("size", 128, "bytes of a message")
		depth  = flag.Int("depth", 1, "messages sent in one write")
		text   = flag.Bool("text", false, "text of 1 to 3 byte characters instead of binary")
		warm   = flag.Duration("warm", time.Second, "before the measured window")
		window = flag.Duration("t", 3*time.Second, "length of the measured window")
		idle   = flag.Bool("idle", false, "open the connections, echo once on each, and measure memory instead, and then, answering pings, processor time")
		all    = flag.Bool("all", false, "the server sends to all what one connection says: the first one does, and each that gets it counts")
		fan    = flag.Bool("fanout", false, "one connection publishes to the others, of a room, and how long that takes is measured instead")
		stall  = flag.Int("stalled", 0, "of the connections of -fanout, those that do not read")
		every  = flag.Duration("every", 250*time.Millisecond, "between two messages of -fanout")
		pid    = flag.Int("pid", 0, "process `id` of the server")
	)
	flag.Parse()
	u, err := url.Parse(flag.Arg(0))
	if err != nil || u.Scheme != "ws" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: load [flags] ws://host:port/path")
		os.Exit(2)
	}
	l := &load{url: u, batch: newBatch(*size, *depth, *text), all: *all}
	var r any
	switch {
	case *idle:
		r, err = l.idle(*n, *pid, *warm, *window)
	case *fan:
		r, err = fanout(u, *n, *stall, max(*size, 8), *every, *window)
	default:
		r, err = l.echo(*n, *pid, *warm, *window)
	}
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		log.Fatal(err)
	}
}

// settle is how long a server is left alone before its memory is measured: what
// it gives back only after a while counts as given back.
const settle = 3 * time.Second

// patience is how long nothing may be echoed.
const patience = 30 * time.Second

type load struct {
	url   *url.URL
	batch *batch
	all   bool         // the server sends to all what one says
	done  atomic.Int64 // messages echoed
	stop  atomic.Bool
}

func (l *load) echo(n, pid int, warm, window time.Duration) (*Report, error) {
	open := l.open
	if l.all {
		open = l.gather
	}
	conns, err := open(n)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	errs := make(chan error, n)
	var busy sync.WaitGroup
	repeat := func(exchange func() error, messages int) {
		for !l.stop.Load() {
			if err := exchange(); err != nil {
				errs <- err
				return
			}
			l.done.Add(int64(messages * l.batch.depth))
		}
	}
	if l.all {
		busy.Go(func() { repeat(func() error { return l.broadcast(conns) }, n) })
	} else {
		for _, c := range conns {
			busy.Go(func() { repeat(func() error { return c.exchange(l.batch) }, 1) })
		}
	}
	wait := func(d time.Duration) error {
		select {
		case err := <-errs:
			return err
		case <-time.After(d):
			return nil
		}
	}
	if err := wait(warm); err != nil {
		return nil, err
	}
	cpu0, msgs0, t0 := cpuTime(pid), l.done.Load(), time.Now()
	// A busy machine may get nothing done in a short window: then it is a longer one.
	for l.done.Load() == msgs0 && time.Since(t0) < patience || time.Since(t0) < window {
		if err := wait(window); err != nil {
			return nil, err
		}
	}
	cpu, msgs, took := cpuTime(pid)-cpu0, l.done.Load()-msgs0, time.Since(t0)
	l.stop.Store(true)
	busy.Wait()
	if msgs == 0 {
		return nil, fmt.Errorf("nothing was echoed in %v", took)
	}
	return &Report{
		Messages: msgs, Rate: float64(msgs) / took.Seconds(),
		CPU: float64(cpu.Nanoseconds()) / 1000 / float64(msgs),
	}, nil
}

// gather is open for those to whom the server sends all: each connection says
// something that comes back to it, and to those before it, and so is there.
func (l *load) gather(n int) (conns []*conn, err error) {
	defer func() {
		if err != nil {
			closeAll(conns)
		}
	}()
	for range n {
		c, err := dial(l.url)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
		if err := c.exchange(l.batch); err != nil {
			return conns, err
		}
	}
	for i, c := range conns[:n-1] {
		b := *l.batch
		b.depth *= n - 1 - i
		if err := c.replies(&b); err != nil {
			return conns, err
		}
	}
	return conns, nil
}

// broadcast sends a batch to all, and waits until all have it.
func (l *load) broadcast(conns []*conn) error {
	if _, err := conns[0].nc.Write(l.batch.wire); err != nil {
		return err
	}
	errs := make(chan error, len(conns))
	for _, c := range conns {
		go func() { errs <- c.replies(l.batch) }()
	}
	for range conns {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func (l *load) idle(n, pid int, warm, window time.Duration) (*Report, error) {
	// What the server allocates once is not a connection's.
	some, err := l.open(20)
	if err != nil {
		return nil, err
	}
	if err := l.once(some); err != nil {
		return nil, err
	}
	closeAll(some)
	time.Sleep(settle)
	before := resident(pid)
	conns, err := l.open(n)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	if err := l.once(conns); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	r := &Report{Messages: int64(n), RSSPerConn: (resident(pid) - before) / int64(n)}
	errs := make(chan error, n)
	for _, c := range conns {
		go func() { errs <- c.answer(&l.done) }()
	}
	time.Sleep(warm)
	cpu0, pings0, t0 := cpuTime(pid), l.done.Load(), time.Now()
	select {
	case err := <-errs:
		return nil, err
	case <-time.After(window):
	}
	took := time.Since(t0).Seconds()
	r.Core, r.Pings = (cpuTime(pid)-cpu0).Seconds()/took, float64(l.done.Load()-pings0)/took
	return r, nil
}

func (l *load) open(n int) ([]*conn, error) {
	var conns []*conn
	for range n {
		c, err := dial(l.url)
		if err != nil {
			closeAll(conns)
			return nil, fmt.Errorf("connection %d: %w", len(conns)+1, err)
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func (l *load) once(conns []*conn) error {
	for _, c := range conns {
		if err := c.exchange(l.batch); err != nil {
			return err
		}
	}
	return nil
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.nc.Close()
	}
}
