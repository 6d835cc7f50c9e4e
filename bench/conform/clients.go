package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"curlew.example/curlew/conform"
)

// stuck is how long a client may take over one case. The test server ends each of
// them sooner.
const stuck = 2 * time.Minute

// A client is a peer's client under test. It is started again when it dies, behind
// the case in which it did.
type client struct {
	peer    *peer
	url     string
	clients *conform.Clients
	cases   []*conform.Case // those that test clients
	tell    func(conform.Result)

	mu     sync.Mutex // guards the following
	agents int        // each process has a name of its own: none waits for another's cases
	died   map[int]string
}

// testClient runs the cases against a peer's client, several ranges of them at the
// same time. Those that are to be alone come last.
func testClient(ctx context.Context, p *peer, cases []*conform.Case, o *conform.Options, parallel int, tell func(conform.Result)) ([]conform.Result, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &client{
		peer: p, url: "ws://" + l.Addr().String(),
		clients: &conform.Clients{Cases: cases, Options: o},
		cases:   conform.For(cases, conform.ForClients), tell: tell, died: make(map[int]string),
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- c.clients.Serve(ctx, l) }()
	defer func() {
		cancel()
		<-served
	}()
	next := make(chan [2]int)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards failed
	var failed error
	walk := func(from, to int) {
		if err := c.walk(ctx, from, to); err != nil {
			mu.Lock()
			failed = err
			mu.Unlock()
		}
	}
	for range parallel {
		wg.Go(func() {
			for r := range next {
				walk(r[0], r[1])
			}
		})
	}
	const most = 50 // cases a process
	for from := 1; from <= len(c.cases); {
		to := from
		for to < len(c.cases) && to-from < most && !c.cases[to-1].Alone && !c.cases[to].Alone {
			to++
		}
		if !c.cases[from-1].Alone {
			next <- [2]int{from, to}
		}
		from = to + 1
	}
	close(next)
	wg.Wait()
	for i, cs := range c.cases {
		if cs.Alone {
			walk(i+1, i+1)
		}
	}
	return c.found(), failed
}

// walk lets the client run the cases from to to, however often it dies.
func (c *client) walk(ctx context.Context, from, to int) error {
	for from <= to && ctx.Err() == nil {
		proc, err := start(c.peer, "-client", c.url, "-agent", c.agent(), "-from", strconv.Itoa(from), "-to", strconv.Itoa(to))
		if err != nil {
			return err
		}
		at, hung := c.follow(ctx, proc)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case at == 0:
			return fmt.Errorf("it ended before its first case: %s", proc.said())
		case hung:
			c.dies(at, "it never came to an end")
		case !proc.cmd.ProcessState.Success():
			c.dies(at, proc.said())
		default:
			return nil
		}
		from = at + 1
	}
	return nil
}

// follow waits for the process' end and returns the number of the last case that
// it began. One that is stuck is ended.
func (c *client) follow(ctx context.Context, proc *process) (at int, hung bool) {
	timer := time.NewTimer(stuck)
	defer timer.Stop()
	for {
		select {
		case text, ok := <-proc.out:
			if !ok {
				<-proc.done
				return at, false
			}
			if n, err := strconv.Atoi(text); err == nil {
				at = n
				timer.Reset(stuck)
			}
		case <-timer.C:
			proc.stop()
			return at, true
		case <-ctx.Done():
			proc.stop()
			return at, false
		}
	}
}

func (c *client) agent() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agents++
	return fmt.Sprintf("%s.%d", c.peer.name, c.agents)
}

func (c *client) dies(n int, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.died[n] = why
}

// found puts the results together.
func (c *client) found() []conform.Result {
	results := make(map[string]conform.Result)
	for _, agent := range c.clients.Agents() {
		for _, r := range c.clients.Results(agent) {
			results[r.ID] = r
		}
	}
	var all []conform.Result
	for i, cs := range c.cases {
		r, ok := results[cs.ID]
		if !ok {
			r = conform.Result{ID: cs.ID, Behavior: conform.Failed, Note: "it did not connect", Rule: ruleOf(cs)}
		}
		if why, died := c.died[i+1]; died {
			dies(&r, cs, why)
		}
		c.tell(r)
		all = append(all, r)
	}
	return all
}
