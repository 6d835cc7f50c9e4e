package server_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/server"
	"curlew.example/curlew/wstest"
)

// Idle connections with pings and timeouts have one goroutine each, that of their
// driver, through hours of pings, and nothing is left of those that have ended. What
// they cost of a processor: docs/operating.md.
func TestIdleConnectionsHaveOneGoroutine(t *testing.T) {
	const n = 100
	inBubble(t, "", `timeouts: { request: '1 hour' }, routes: [{ handler: 'echo' }]`, nil, func(t *testing.T, b *bubble) {
		synctest.Wait() // the server accepts
		before := ofBubble(t)
		var peers []*wstest.Peer
		for range n {
			p, _ := b.peer("/")
			peers = append(peers, p)
		}
		synctest.Wait()
		if got := ofBubble(t) - before; got != n {
			t.Errorf("%d goroutines for %d connections", got, n)
		}
		var answering sync.WaitGroup
		pings := make([]int, n)
		for i, p := range peers {
			answering.Go(func() {
				for {
					f := p.Next("a ping or the end")
					if f.Opcode == frame.Close {
						p.Send(wstest.Close(frame.PolicyViolation, ""))
						return
					}
					pings[i]++
					p.Send(wstest.Pong(string(f.Payload)))
				}
			})
		}
		for range 50 {
			time.Sleep(time.Minute + 7*time.Millisecond)
			synctest.Wait()
			if got := ofBubble(t) - before - n; got != n { // as many answer pings
				t.Fatalf("%d goroutines for %d connections", got, n)
			}
		}
		answering.Wait()
		time.Sleep(time.Minute) // no peer ends its side
		synctest.Wait()
		for i, n := range pings {
			if n < 3600/28 || n > 3600/22 {
				t.Errorf("connection %d was pinged %d times", i, n)
			}
		}
		if got := ofBubble(t); got != before || server.Open(b.server) != 0 {
			t.Errorf("%d goroutines, and %d before", got, before)
		}
	})
}

// ofBubble counts the goroutines of the bubble, in which all wait.
func ofBubble(t *testing.T) int {
	t.Helper()
	all := make([]byte, 16<<20)
	list := strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n")
	_, mine, ok := strings.Cut(strings.SplitN(list[0], "\n", 2)[0], "synctest bubble ")
	if !ok {
		t.Fatalf("not in a bubble: %.100s", list[0])
	}
	mine = strings.TrimRight(mine, "]:")
	n := 0
	for _, g := range list {
		if head, _, _ := strings.Cut(g, "\n"); strings.HasSuffix(head, "synctest bubble "+mine+"]:") {
			n++
		}
	}
	return n
}
