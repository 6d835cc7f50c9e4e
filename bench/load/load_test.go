package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew"
)

// serve starts an echo server that alters what it returns by spoil.
func serve(t *testing.T, o *curlew.Options, spoil func(p []byte) []byte) *url.URL {
	t.Helper()
	s := httptest.NewServer(curlew.Handle(o, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, spoil(p)) }}, nil
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func same(p []byte) []byte { return p }

func TestEcho(t *testing.T) {
	for _, c := range []struct {
		name        string
		size, depth int
		text        bool
	}{
		{"empty", 0, 1, false},
		{"small", 128, 1, false},
		{"burst", 128, 16, false},
		{"text", 1000, 2, true},
		{"frames", 300_000, 2, false}, // larger than what is read at once
	} {
		t.Run(c.name, func(t *testing.T) {
			u := serve(t, &curlew.Options{MaxFrame: 1000, SendQueue: -1}, same)
			l := &load{url: u, batch: newBatch(c.size, c.depth, c.text)}
			r, err := l.echo(3, os.Getpid(), 0, 50*time.Millisecond)
			if err != nil || r.Messages%int64(c.depth) != 0 || r.Rate <= 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestAll: a message counts for each who gets it.
func TestAll(t *testing.T) {
	const n, depth = 5, 3
	var mu sync.Mutex
	var conns []*curlew.Conn
	s := httptest.NewServer(curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{
			Open: func(c *curlew.Conn) {
				mu.Lock()
				defer mu.Unlock()
				conns = append(conns, c)
			},
			Message: func(_ *curlew.Conn, t curlew.Type, p []byte) {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range conns {
					c.Send(t, p)
				}
			},
		}, nil
	}))
	t.Cleanup(s.Close)
	u, _ := url.Parse(s.URL)
	l := &load{url: u, batch: newBatch(128, depth, false), all: true}
	r, err := l.echo(n, os.Getpid(), 0, 50*time.Millisecond)
	if err != nil || r.Messages%(n*depth) != 0 || r.Rate <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestWrongReplies: a server that does not echo is not measured.
func TestWrongReplies(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"other bytes": func(p []byte) []byte { return bytes.Repeat([]byte("x"), len(p)) },
		"shorter":     func(p []byte) []byte { return p[1:] },
		"longer":      func(p []byte) []byte { return append(bytes.Clone(p), 'x') },
	} {
		t.Run(name, func(t *testing.T) {
			l := &load{url: serve(t, nil, spoil), batch: newBatch(128, 2, false)}
			if r, err := l.echo(1, 0, 0, time.Minute); err == nil {
				t.Errorf("no error: %+v", r)
			}
		})
	}
}

// TestProc: the figures of a process are read where there is /proc.
func TestProc(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		if cpuTime(os.Getpid()) != 0 || resident(os.Getpid()) != 0 {
			t.Error("figures out of nowhere")
		}
		return
	}
	if resident(os.Getpid()) < 1<<20 {
		t.Errorf("resident: %d bytes", resident(os.Getpid()))
	}
	if cpuTime(1<<30) != 0 || resident(1<<30) != 0 {
		t.Error("figures of a process that does not exist")
	}
}

// TestAnswers: pings of the server are answered and counted.
func TestAnswers(t *testing.T) {
	u := serve(t, &curlew.Options{PingInterval: 10 * time.Millisecond, PongTimeout: time.Minute}, same)
	l := &load{url: u, batch: newBatch(10, 1, false)}
	conns, err := l.open(1)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- conns[0].answer(&l.done) }()
	for l.done.Load() < 3 { // of which the second is sent because the first was answered
		select {
		case err := <-ended:
			t.Fatal(err)
		default:
			runtime.Gosched()
		}
	}
	closeAll(conns)
	<-ended
}

// TestFanout: those who read get everything, whoever does not.
func TestFanout(t *testing.T) {
	const all = 6 // with the one that publishes
	var mu sync.Mutex
	room := map[*curlew.Conn]bool{}
	var came sync.WaitGroup // else what is published first would not be for all
	came.Add(all)
	s := httptest.NewServer(curlew.Handle(&curlew.Options{WhenFull: curlew.WhenFullDropOldest}, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{
			Open: func(c *curlew.Conn) {
				mu.Lock()
				defer mu.Unlock()
				room[c] = true
				came.Done()
			},
			Message: func(_ *curlew.Conn, typ curlew.Type, p []byte) {
				came.Wait()
				mu.Lock()
				defer mu.Unlock()
				for c := range room {
					c.Send(typ, p)
				}
			},
		}, nil
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fanout(u, all-1, 2, 100, time.Millisecond, 20*time.Millisecond)
	if err != nil || f.Readers != 3 || f.Messages != 20 || f.Delivered != 60 || f.Max < f.P99 || f.P99 < f.P50 {
		t.Errorf("%+v, %v", f, err)
	}
}
