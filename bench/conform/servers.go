package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"sync"
	"time"

	"curlew.example/curlew/conform"
)

// A server is a peer's server under test. It is started again when it dies.
type server struct {
	peer   *peer
	addr   string
	target *conform.Target
	o      *conform.Options

	echoes bool // a probe succeeds while all is well

	mu   sync.Mutex // guards the following
	proc *process
}

// testServer runs the cases against a peer's server. Each is followed by a probe;
// cases during which the server died, or after which it did not serve any more, are
// run again, alone, to learn which of them it was.
func testServer(ctx context.Context, p *peer, cases []*conform.Case, o *conform.Options, parallel int, tell func(conform.Result)) ([]conform.Result, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{peer: p, addr: addr, o: o}
	if s.target, err = conform.ServerAt("ws://"+addr+"/", nil); err != nil {
		return nil, err
	}
	defer s.stop()
	if _, err := s.running(ctx); err != nil {
		return nil, err
	}
	if _, err := conform.Probe(ctx, s.target, o); err == nil {
		s.echoes = true
	} else {
		log.Printf("%s: a probe fails, so it is not probed: %v", p.name, err)
	}
	cases = conform.For(cases, conform.ForServers)
	found := make([]*conform.Result, len(cases))
	var mu sync.Mutex // guards found and alone
	var alone []int
	var failed error
	run := func(i int, last bool) {
		r, died, err := s.run(ctx, cases[i])
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			failed = err
		case died && !last:
			alone = append(alone, i)
		default:
			found[i] = &r
			tell(r)
		}
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for i := range next {
				run(i, false)
			}
		})
	}
	for i, c := range cases {
		if c.Alone {
			mu.Lock()
			alone = append(alone, i)
			mu.Unlock()
		} else if ctx.Err() == nil {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	for _, i := range alone {
		if ctx.Err() == nil {
			run(i, true)
		}
	}
	var all []conform.Result
	for _, r := range found {
		if r != nil {
			all = append(all, *r)
		}
	}
	return all, failed
}

// run runs one case. That the server died of it is only sure if no other case ran
// at the same time.
func (s *server) run(ctx context.Context, c *conform.Case) (r conform.Result, died bool, err error) {
	proc, err := s.running(ctx)
	if err != nil {
		return r, false, err
	}
	results := conform.TestServer(ctx, []*conform.Case{c}, s.target, s.o)
	switch {
	case ctx.Err() != nil:
		return r, false, context.Cause(ctx)
	case len(results) == 0:
		return r, false, fmt.Errorf("case %s has no result", c.ID)
	}
	r = results[0]
	if why := s.dead(ctx, proc); why != "" {
		dies(&r, c, why)
		return r, true, nil
	}
	return r, false, nil
}

// running returns the process, started if need be.
func (s *server) running(ctx context.Context) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil && !s.proc.ended() {
		return s.proc, nil
	}
	var err error
	if s.proc, err = start(s.peer, "-addr", s.addr); err == nil {
		err = s.proc.listening(ctx, s.addr)
	}
	return s.proc, err
}

// dead says why the process is of no use any more, if it is.
func (s *server) dead(ctx context.Context, proc *process) string {
	if c, err := net.DialTimeout("tcp", s.addr, 5*time.Second); err != nil {
		select {
		case <-proc.done:
		case <-time.After(5 * time.Second):
			proc.stop()
			return "it accepts no connection any more"
		}
	} else {
		c.Close()
	}
	if proc.ended() {
		return proc.said()
	}
	if !s.echoes {
		return ""
	}
	if _, err := conform.Probe(ctx, s.target, s.o); err != nil && ctx.Err() == nil {
		select { // its connections may be gone a moment before itself
		case <-proc.done:
			return proc.said()
		case <-time.After(time.Second):
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.proc == proc {
			proc.stop()
		}
		return "it runs, but serves nobody any more: " + err.Error()
	}
	return ""
}

func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		s.proc.stop()
	}
}
