package fallback

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
)

var seed = flag.Uint64("seed", 0, "run TestHostileNetwork with this one seed")

// A hostile is a network that loses, cuts, delays, repeats and reorders requests.
type hostile struct {
	inner http.RoundTripper

	mu  sync.Mutex // guards the following
	rng *rand.Rand
	did map[string]int
}

var errNetwork = errors.New("the network is down")

// chance says what becomes of a request: yes with the probability p.
func (n *hostile) chance(what string, p float64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	yes := n.rng.Float64() < p
	if yes {
		n.did[what]++
	}
	return yes
}

func (n *hostile) upTo(k int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rng.IntN(k)
}

func (n *hostile) delay(most time.Duration) {
	<-time.After(time.Duration(n.upTo(int(most))))
}

func (n *hostile) RoundTrip(r *http.Request) (*http.Response, error) {
	if isOpen(r.URL.RawQuery) {
		return n.inner.RoundTrip(r)
	}
	again := func() *http.Request {
		copied := r.Clone(context.WithoutCancel(r.Context()))
		if r.GetBody != nil {
			copied.Body, _ = r.GetBody()
		}
		return copied
	}
	swallow := func(r *http.Request) {
		if a, err := n.inner.RoundTrip(r); err == nil {
			go func() {
				n.delay(time.Second)
				a.Body.Close()
			}()
		}
	}
	if n.chance("delayed", 0.2) {
		n.delay(300 * time.Millisecond)
	}
	switch {
	case n.chance("lost", 0.05):
		n.delay(time.Second)
		return nil, errNetwork
	case n.chance("answer lost", 0.05):
		swallow(again())
		return nil, errNetwork
	case r.Method == "POST" && n.chance("overtaken", 0.05): // the client gives up, and it comes later
		go func() {
			n.delay(2 * time.Second)
			swallow(again())
		}()
		return nil, errNetwork
	case r.Method == "POST" && n.chance("repeated", 0.05):
		go swallow(again())
	case r.Method == "POST" && r.ContentLength > 0 && n.chance("broken off", 0.05):
		broken := again()
		broken.Body = io.NopCloser(io.MultiReader(io.LimitReader(broken.Body, int64(n.upTo(int(r.ContentLength)))), failing{}))
		swallow(broken)
		return nil, errNetwork
	}
	a, err := n.inner.RoundTrip(r)
	if err == nil && r.Method == "GET" && n.chance("cut", 0.2) {
		most := 100
		if n.chance("cut late", 0.5) {
			most = 20_000
		}
		a.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(a.Body, int64(n.upTo(most))), failing{}), a.Body}
	}
	return a, err
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errNetwork }

// Whatever the network does to requests, every message arrives once and in order.
func TestHostileNetwork(t *testing.T) {
	seeds, first := uint64(1000), uint64(1)
	if underRace || testing.Short() {
		seeds = 40
	}
	if *seed != 0 {
		seeds, first = 1, *seed
	}
	did := make(map[string]int)
	for i := range seeds {
		mode := []string{"stream", "sse", "poll"}[(first+i)%3]
		synctest.Test(t, func(t *testing.T) {
			if err := visitHostile(t, mode, first+i, did); err != nil {
				t.Errorf("-seed %d: %v", first+i, err)
			}
			<-time.After(2 * time.Minute)
		})
		if t.Failed() {
			return
		}
	}
	for _, what := range []string{"delayed", "lost", "answer lost", "overtaken", "repeated", "broken off", "cut"} {
		if did[what] == 0 && *seed == 0 {
			t.Errorf("nothing was %s", what)
		}
	}
	t.Log(did)
}

// messages are what a side says under a seed: small ones, and some that fill windows.
func messages(seed uint64) (all [][]byte) {
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range 200 {
		n := 8 + r.IntN(200)
		if r.IntN(20) == 0 {
			n = r.IntN(20_000) + 8
		}
		p := bytes.Repeat([]byte{byte(i)}, n)
		binary.BigEndian.PutUint64(p, r.Uint64())
		all = append(all, p)
	}
	return all
}

func visitHostile(t *testing.T, mode string, seed uint64, did map[string]int) error {
	ours, theirs := messages(seed), messages(seed+1<<32)
	heard := make(chan error, 1)
	ws := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := curlew.Accept(w, r, nil)
		if err != nil {
			heard <- err
			return
		}
		go say(c, theirs, seed)
		heard <- hear(c, ours)
	})
	n := &hostile{inner: direct{Handler(ws, &Options{Window: 8 << 10})}, rng: rand.New(rand.NewPCG(seed, 0)), did: did}
	c, err := Dial(t.Context(), "ws://example.com/", &DialOptions{HTTP: n, Modes: []string{mode}})
	if err != nil {
		return err
	}
	defer c.Abort(nil)
	go say(c, ours, seed)
	if err := hear(c, theirs); err != nil {
		return fmt.Errorf("the client: %w", err)
	}
	if err := <-heard; err != nil {
		return fmt.Errorf("the server: %w", err)
	}
	c.Close(curlew.NormalClosure, "")
	if _, _, err := c.Read(t.Context(), nil); !errors.As(err, new(*curlew.CloseError)) {
		return fmt.Errorf("the end: %w", err)
	}
	return nil
}

func say(c *curlew.Conn, all [][]byte, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 3))
	for _, p := range all {
		if r.IntN(4) == 0 {
			<-time.After(time.Duration(r.IntN(int(500 * time.Millisecond))))
		}
		if c.Write(context.Background(), curlew.Binary, p) != nil {
			return
		}
	}
}

func hear(c *curlew.Conn, all [][]byte) error {
	for i, want := range all {
		_, p, err := c.Read(context.Background(), nil)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if !bytes.Equal(p, want) {
			return fmt.Errorf("message %d has %d bytes, want %d", i, len(p), len(want))
		}
	}
	return nil
}
