package conform

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say how cases are run. The zero value is usable.
type Options struct {
	Timeout  time.Duration // for each step's wait; 0 or less: 5 s
	Patience time.Duration // how long silence is waited for, before it counts; 0 or less: 500 ms
	Scale    int           // multiplies all times on slow machines; 0 or less: 1
	Parallel int           // cases at the same time; 0 or less: 8
	Seed     uint64        // of keys and masks
	Traces   bool          // keep the trace of every case, not only where something was found
	Progress func(Result)  // is told each result; never two at the same time

	// Limit is the size of the largest message, in bytes, that the peer says in its
	// documentation that it takes; 0 or less: it is not known. A peer that ends the
	// connection for a larger one is Informational if it does so with 1009, as RFC
	// 6455, 7.4.1, has it, and not strict if not; one that does not take a message of
	// that size has failed. See LimitCases.
	Limit int
}

func (o *Options) filled() *Options {
	var f Options
	if o != nil {
		f = *o
	}
	f.Timeout = cmp.Or(max(f.Timeout, 0), 5*time.Second)
	f.Patience = cmp.Or(max(f.Patience, 0), 500*time.Millisecond)
	f.Scale = max(f.Scale, 1)
	f.Parallel = cmp.Or(max(f.Parallel, 0), 8)
	f.Limit = max(f.Limit, 0)
	return &f
}

func (o *Options) scale() time.Duration { return time.Duration(o.Scale) }

// budget bounds a whole case, whatever the peer does.
func (o *Options) budget(c *Case) time.Duration {
	wait := max(o.Timeout, c.Wait)
	return (6*wait + 30*time.Second) * o.scale()
}

// most bounds what is received in a case, in bytes.
func (o *Options) most(c *Case) int { return max(64<<20, 8*c.Size) }

// newTimer is time.NewTimer.
func newTimer(d time.Duration) *time.Timer { return time.NewTimer(d) }

// A Target is a server to test. It must return every message as it came.
type Target struct {
	Dial   func(ctx context.Context) (net.Conn, error) // TLS included
	Host   string                                      // for the request
	Path   string                                      // with the query
	Header http.Header                                 // more for the request: Origin, Authorization
	Bare   bool                                        // no handshake: frames at once
}

// ServerAt returns the target at a ws or wss URL. TLS may be nil. A user and a
// password in the URL become Authorization.
func ServerAt(address string, t *tls.Config) (*Target, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("conform: %w", err)
	}
	var secure bool
	port := "80"
	switch u.Scheme {
	case "ws", "http":
	case "wss", "https":
		secure, port = true, "443"
	default:
		return nil, fmt.Errorf("conform: %q is no ws or wss URL", address)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("conform: %q names no host", address)
	}
	if strings.Contains(address, "#") {
		return nil, fmt.Errorf("conform: %q has a fragment, which no ws or wss URL has (RFC 6455, 3); # in a path is %%23", address)
	}
	hostPort := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
	target := &Target{Host: u.Host, Path: u.RequestURI(), Header: make(http.Header)}
	if u.User != nil {
		password, _ := u.User.Password()
		target.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	target.Dial = func(ctx context.Context) (net.Conn, error) {
		if !secure {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", hostPort)
		}
		d := tls.Dialer{Config: t}
		return d.DialContext(ctx, "tcp", hostPort)
	}
	return target, nil
}

// TestServer runs those of the cases that test servers and returns the results
// in their order. When ctx ends, so do the cases; those that were not done have
// no result. It gives up a server that does not answer any more: then the cases
// that met nobody have no result either.
func TestServer(ctx context.Context, cases []*Case, t *Target, o *Options) []Result {
	o = o.filled()
	cases = For(cases, ForServers)
	results := make([]*Result, len(cases))
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var mu sync.Mutex
	var lost []int // the last cases, as far as they met nobody
	run := func(i int) {
		r := testServer(ctx, cases[i], t, o)
		if ctx.Err() != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		results[i] = &r
		if o.Progress != nil {
			o.Progress(r)
		}
		if !r.Lost {
			if len(lost) > 0 && i > lost[0] { // else it had begun before
				lost = nil
			}
			return
		}
		if lost = append(lost, i); len(lost) < 2*o.Parallel {
			return
		}
		if _, err := Probe(ctx, t, o); err != nil {
			for _, i := range lost {
				results[i] = nil
			}
			giveUp()
		}
		lost = nil
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range o.Parallel {
		wg.Go(func() {
			for i := range next {
				run(i)
			}
		})
	}
	for i, c := range cases {
		if c.Alone || ctx.Err() != nil {
			continue
		}
		next <- i
	}
	close(next)
	wg.Wait()
	for i, c := range cases {
		if c.Alone && ctx.Err() == nil {
			run(i)
		}
	}
	var all []Result
	for _, r := range results {
		if r != nil {
			all = append(all, *r)
		}
	}
	return all
}

// redial is how long a server that is not there is left alone.
const redial = 100 * time.Millisecond

// testServer runs one case on a connection of its own.
func testServer(ctx context.Context, c *Case, t *Target, o *Options) Result {
	dialing, cancel := context.WithTimeout(ctx, o.Timeout*o.scale())
	defer cancel()
	began := time.Now()
	conn, err := t.Dial(dialing)
	for err != nil && dialing.Err() == nil {
		select { // it may be about to be started again, after the case before this one
		case <-dialing.Done():
		case <-time.After(redial):
			conn, err = t.Dial(dialing)
		}
	}
	if err != nil {
		return Result{ID: c.ID, Behavior: Failed, Note: "no connection: " + reason(err), Duration: time.Since(began), Lost: true}
	}
	return newSession(ctx, c, o, t, conn, true).result()
}

// second is another connection to the server that is tested.
func (s *session) second() (*session, error) {
	if s.target == nil || !s.client {
		return nil, errors.New("only servers take a second connection")
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.wait())
	defer cancel()
	conn, err := s.target.Dial(ctx)
	if err != nil {
		return nil, err
	}
	other := newSession(s.ctx, s.c, s.o, s.target, conn, true)
	other.began = s.began
	s.others = append(s.others, other)
	return other, nil
}

// Worst is the worst verdict of all.
func Worst(results []Result) Verdict {
	v := OK
	for i := range results {
		v = max(v, results[i].Verdict())
	}
	return v
}

// Sort orders results by their IDs.
func Sort(results []Result) {
	slices.SortStableFunc(results, func(a, b Result) int { return CompareIDs(a.ID, b.ID) })
}
