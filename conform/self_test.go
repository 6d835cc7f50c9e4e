package conform

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// echoServer serves every message back, in memory.
func echoServer(t *testing.T, o *curlew.Options) *Target {
	n := wstest.NewNetwork(nil)
	l := n.Listen("example.com:80")
	ev := &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}
	s := &http.Server{Handler: curlew.Handle(o, func(*http.Request) (*curlew.Events, error) { return ev, nil })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return &Target{Host: "example.com", Path: "/", Dial: func(ctx context.Context) (net.Conn, error) {
		return n.DialContext(ctx, "tcp", "example.com:80")
	}}
}

func TestOurServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &curlew.Options{MaxMessage: 64 << 20, Compression: &curlew.Compression{ServerContext: true, ClientContext: true}}
		report(t, TestServer(t.Context(), Cases(), echoServer(t, o), nil))
	})
}

// echoClient is a test client as anyone would write it: one case, echoed to its
// end.
func echoClient(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), path string, o *curlew.DialOptions) {
	d := *o
	d.DialContext = dial
	c, err := curlew.Dial(ctx, "ws://example.com"+path, &d)
	if err != nil {
		return
	}
	var ty curlew.Type
	var p []byte
	for {
		if ty, p, err = c.Read(ctx, p[:0]); err != nil {
			break
		}
		if err = c.Write(ctx, ty, p); err != nil {
			break
		}
	}
	<-c.Done()
}

func TestOurClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := wstest.NewNetwork(nil)
		clients := &Clients{Cases: Cases()}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		l := n.Listen("example.com:80")
		go func() { done <- clients.Serve(ctx, l) }()
		o := &curlew.DialOptions{Options: curlew.Options{
			MaxMessage: 64 << 20, Compression: &curlew.Compression{ServerContext: true, ClientContext: true}}}
		cases := For(Cases(), ForClients)
		for i := range cases {
			echoClient(ctx, n.DialContext, fmt.Sprintf("/runCase?case=%d&agent=us", i+1), o)
		}
		synctest.Wait()
		cancel()
		<-done
		results := clients.Results("us")
		if len(results) != len(cases) {
			t.Errorf("%d results of %d cases", len(results), len(cases))
		}
		report(t, results)
	})
}

// report fails for everything that is not as we promise.
func report(t *testing.T, results []Result) {
	t.Helper()
	for _, r := range results {
		if r.Verdict() > Informational {
			t.Errorf("%s: %v, close %v: %s\n%s", r.ID, r.Behavior, r.Close, r.Note, r.Rule)
			for _, l := range r.Trace {
				t.Log(l)
			}
		}
	}
}
