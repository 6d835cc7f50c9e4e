package fallback

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/conform"
)

var everyCase = flag.Bool("every-case", false, "run each case of package conform in each mode")

// conforming are the cases that are not about the handshake, whose bytes are
// net/http's here, nor about compression, which is never agreed. Each one is run in
// one of three modes, under the race detector some.
func conforming(role conform.Roles, mode int) (cases []*conform.Case) {
	share := 3
	if underRace {
		share = 30
	}
	for i, c := range conform.For(conform.Cases(), role) {
		section, _, _ := strings.Cut(c.ID, ".")
		if c.Deflate == nil && !c.Heavy && !slices.Contains([]string{"8", "12", "13", "14"}, section) &&
			(*everyCase || i%share == mode) {
			cases = append(cases, c)
		}
	}
	return cases
}

// judgeAll fails for what is not OK, unless for a reason.
func judgeAll(t *testing.T, cases []*conform.Case, results []conform.Result) {
	t.Helper()
	if len(results) != len(cases) || len(cases) == 0 {
		t.Errorf("%d results of %d cases", len(results), len(cases))
	}
	for _, r := range results {
		switch {
		case r.Verdict() == conform.OK:
		case r.Verdict() == conform.Unimplemented && slices.Contains([]string{
			"this kind of stream has no half-close", "this kind of stream has no reset", "there is no TLS",
		}, r.Note):
		case r.Verdict() == conform.Informational && (strings.HasPrefix(r.ID, "2.16.") || // of a flood of pings the newest is answered
			strings.HasPrefix(r.ID, "15.3.") || // there are no halves for RFC 6455
			strings.HasPrefix(r.ID, "16.8.") || // who waits in Write while a Close comes
			r.Note == "it fails the connection at once and does not answer what came before the wrong frame" ||
			r.Note == "it answers a Close at once, and not what came before it"):
		default:
			t.Errorf("%s: %v, close %v: %s (%s)", r.ID, r.Behavior, r.Close, r.Note, r.Rule)
			for _, l := range r.Trace[max(0, len(r.Trace)-20):] {
				t.Log(l)
			}
		}
	}
}

// strict are settings that no case reaches the limits of.
func strict() *curlew.Options {
	return &curlew.Options{MaxMessage: 64 << 20, MaxFragments: 1 << 20, WhenFull: curlew.WhenFullDropNewest}
}

func echoing() *curlew.Events {
	return &curlew.Events{Message: func(c *curlew.Conn, kind curlew.Type, p []byte) {
		if c.Send(kind, p) == curlew.ErrQueueFull {
			c.Write(context.Background(), kind, p)
		}
	}}
}

// Our server is as strict over plain HTTP as over TCP, in its timeouts too.
func TestConformServer(t *testing.T) {
	ws := curlew.Handle(strict(), func(*http.Request) (*curlew.Events, error) { return echoing(), nil })
	for i, mode := range []string{"stream", "sse", "poll"} {
		t.Run(mode, func(t *testing.T) {
			in(t, ws, nil, func(h *house) {
				base, _ := url.Parse(h.base)
				target := &conform.Target{Host: "example.com", Path: "/echo", Dial: func(context.Context) (net.Conn, error) {
					return newTunnel(base, &DialOptions{HTTP: h.client.Transport, Modes: []string{mode}}), nil
				}}
				cases := conforming(conform.ForServers, i)
				judgeAll(t, cases, conform.TestServer(h.t.Context(), cases, target, nil))
			})
		})
	}
}

// And so is our client.
func TestConformClient(t *testing.T) {
	for i, mode := range []string{"stream", "sse", "poll"} {
		t.Run(mode, func(t *testing.T) {
			build(t, nil, nil, func(h *house) {
				h.srv.Handler = Handler(http.HandlerFunc(h.relay), &Options{Sessions: h.sessions})
			}, func(h *house) {
				all := conforming(conform.ForClients, i)
				left := make(chan conform.Result, len(all))
				clients := &conform.Clients{Cases: all, Options: &conform.Options{Progress: func(r conform.Result) { left <- r }}}
				ctx, cancel := context.WithCancel(h.t.Context())
				var serving, visiting sync.WaitGroup
				serving.Go(func() { clients.Serve(ctx, relayed{h}) })
				next := make(chan int)
				for range 8 {
					visiting.Go(func() {
						for i := range next {
							h.meet(mode, i)
						}
					})
				}
				for i := range all {
					next <- i + 1
				}
				close(next)
				visiting.Wait()
				for range all {
					<-left
				}
				cancel()
				serving.Wait()
				judgeAll(t, all, clients.Results("us"))
			})
		})
	}
}

// meet goes through one case.
func (h *house) meet(mode string, number int) {
	o := &DialOptions{HTTP: h.client.Transport, Modes: []string{mode}, DialOptions: curlew.DialOptions{Options: *strict()}}
	c, err := Dial(h.t.Context(), fmt.Sprintf("http://example.com/runCase?case=%d&agent=us", number), o)
	if err != nil {
		h.t.Error(err)
		return
	}
	curlew.Serve(h.t.Context(), c, echoing())
	<-c.Done()
}

// relay hands connections with their handshakes on to who speaks HTTP itself.
func (h *house) relay(w http.ResponseWriter, r *http.Request) {
	var head bytes.Buffer
	fmt.Fprintf(&head, "GET %s HTTP/1.1\r\nHost: %s\r\n", r.RequestURI, r.Host)
	r.Header.Write(&head)
	head.WriteString("\r\n")
	conn, _, _ := http.NewResponseController(w).Hijack()
	h.conns <- prefixed{conn, io.MultiReader(&head, conn)}
}

type prefixed struct {
	net.Conn
	r io.Reader
}

func (c prefixed) Read(p []byte) (int, error) { return c.r.Read(p) }
func (c prefixed) CloseWrite() error          { return c.Conn.(*session).CloseWrite() }

// relayed is the listener of relay's connections.
type relayed struct{ h *house }

func (l relayed) Accept() (net.Conn, error) {
	c, ok := <-l.h.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l relayed) Close() error   { close(l.h.conns); return nil }
func (l relayed) Addr() net.Addr { return address("relay") }
