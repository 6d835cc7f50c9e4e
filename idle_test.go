//go:build unix && !race && !invariants

package curlew_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/poll"
	"curlew.example/curlew/wstest"
)

// TestIdleMemory: what an idle connection of Handle costs in the heap and in
// stacks, fresh and after it has said something once. Both ends are here: about 350
// bytes are the client's, and 480 of the heap are what the runtime has of a goroutine.
// It keeps them for as many as there ever were at once, which is chance: so there were
// more before. docs/decisions/0004 says what becomes of it resident.
func TestIdleMemory(t *testing.T) {
	t.Run("goroutine", func(t *testing.T) { testIdleMemory(t, true, 1300, 2600) })
	if poll.Supported {
		t.Run("parked", func(t *testing.T) { testIdleMemory(t, false, 600, 50) })
	}
}

// testIdleMemory: goroutine says that each connection has one.
func testIdleMemory(t *testing.T, goroutine bool, heap, stack int) {
	const n, client = 1000, 350
	own, each := 0, 0 // bytes that the runtime has of a goroutine, and how many a connection has
	if goroutine {
		own, each = 480, 1
	}
	ev := &curlew.Events{Message: func(c *curlew.Conn, typ curlew.Type, p []byte) { c.Send(typ, p) }}
	b := build(t, tcpHouse, curlew.Handle(&curlew.Options{GoroutinePerConn: goroutine}, func(*http.Request) (*curlew.Events, error) { return ev, nil }), nil)
	message := wire(curlew.Server, wstest.Text("hello"), wstest.Ping("?"))
	answer := wire(curlew.Client, wstest.Pong("?"), wstest.Text("hello"))
	say := func(c net.Conn) {
		c.Write(message)
		if _, err := io.ReadFull(c, make([]byte, len(answer))); err != nil {
			t.Fatal(err)
		}
	}
	var conns []net.Conn
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
	open := func() net.Conn {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		io.WriteString(c, b.asks("/"))
		if resp, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil); err != nil || resp.StatusCode != 101 {
			t.Fatal(resp, err)
		}
		return c
	}
	const some = 100 // what is made once is not a connection's
	for range some {
		say(open())
	}
	var spare sync.WaitGroup
	enough := make(chan struct{})
	for range 4 * n {
		spare.Go(func() { <-enough })
	}
	close(enough)
	spare.Wait()
	heap0, stack0 := used(t, each*some)
	for range n {
		open()
	}
	check := func(when string) {
		var h, s int
		for range 10 { // what earlier tests have left may still be going
			h, s = used(t, each*(n+some))
			if h, s = (h-heap0)/n-client+own, (s-stack0)/n; h <= heap && s <= stack {
				t.Logf("%s: %d bytes of heap, %d of stack", when, h, s)
				return
			}
		}
		t.Errorf("%s: %d bytes of heap, %d of stack; want at most %d and %d", when, h, s, heap, stack)
	}
	check("fresh")
	for _, c := range conns[some:] {
		say(c)
	}
	check("after the first message")
}

// used is how many bytes heap and stacks have in use when n connections wait and
// nothing else of ours runs.
func used(t *testing.T, n int) (heap, stack int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; runtime.Gosched() {
		waiting, others := idle()
		if waiting == n && others == 0 { // the leaders wait for events
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections wait, %d goroutines do something else; want %d and none", waiting, others, n)
		}
	}
	for range 3 { // pools are emptied in two steps
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), int(m.StackInuse)
}

// idle counts the goroutines of idle connections of Handle, and our others.
func idle() (waiting, others int) {
	for _, g := range goroutines() {
		switch {
		case strings.Contains(g, "[IO wait") && strings.Contains(g, "(*driver).handle"):
			waiting++
		case strings.Contains(g, "[IO wait") && strings.Contains(g, "poll.(*set).lead"), strings.Contains(g, "poll.watchman"):
		case strings.Contains(g, "curlew.(*") || strings.Contains(g, "curlew/internal/poll."):
			others++
		}
	}
	return waiting, others
}
