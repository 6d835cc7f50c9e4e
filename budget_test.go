package curlew_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"curlew.example/curlew"
)

// TestPD18_Budget: as many connections keep their contexts as there is memory for,
// to the byte; others are compressed without. What a connection has kept is there
// for others when it has ended, however that was.
func TestPD18_Budget(t *testing.T) {
	const each = 1200<<10 + 32<<10 // of the compressor and the client's window
	for _, way := range []string{"Handle", "Accept"} {
		for _, room := range []struct{ bytes, fit int64 }{{2 * each, 2}, {2*each - 1, 1}, {each - 1, 0}, {0, 0}} {
			t.Run(way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					budget := curlew.NewBudget(room.bytes)
					o := &curlew.Options{Compression: &curlew.Compression{ServerContext: true, ClientContext: true, Memory: budget}}
					var h http.Handler = curlew.Handle(o, func(*http.Request) (*curlew.Events, error) { return nil, nil })
					if way == "Accept" {
						h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							c, err := curlew.Accept(w, r, o)
							if err == nil {
								c.Read(context.Background(), nil)
							}
						})
					}
					b := build(t, memoryHouse, h, nil)
					dial := func() (c *curlew.Conn, kept bool) {
						t.Helper()
						answer := ""
						with := *o
						c, err := curlew.Dial(t.Context(), "ws://example.com/", &curlew.DialOptions{
							Options: with, DialContext: b.network.DialContext,
							Answer: func(h http.Header) { answer = h.Get("Sec-WebSocket-Extensions") },
						})
						if err != nil {
							t.Fatal(err)
						}
						if !strings.HasPrefix(answer, "permessage-deflate") {
							t.Fatalf("compression was not agreed: %q", answer)
						}
						return c, !strings.Contains(answer, "no_context")
					}
					for round := range 3 {
						var all []*curlew.Conn
						for i := range room.fit + 2 {
							c, kept := dial()
							if all = append(all, c); kept != (i < room.fit) {
								t.Errorf("round %d, connection %d: contexts %t", round, i, kept)
							}
						}
						if got := budget.Used(); got != room.fit*each {
							t.Errorf("%d bytes are used for %d", got, room.fit)
						}
						for i, c := range all {
							if i%2 == 0 {
								c.Abort(nil)
							} else {
								c.Close(curlew.NormalClosure, "")
								<-c.Done()
							}
						}
						synctest.Wait()
						if got := budget.Used(); got != 0 {
							t.Errorf("%d bytes are used by nobody", got)
						}
					}
				})
			})
		}
	}
}

// TestBudgetOfRefused: a handshake that fails behind the agreement keeps nothing.
func TestBudgetOfRefused(t *testing.T) {
	budget := curlew.NewBudget(1 << 30)
	o := &curlew.Options{Compression: &curlew.Compression{ServerContext: true, Memory: budget}}
	for name, h := range map[string]http.Handler{
		"Accept": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := curlew.Accept(hidden{w}, r, o); err == nil {
				c.Abort(nil)
			}
		}),
		"Handle": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			curlew.Handle(o, func(*http.Request) (*curlew.Events, error) { return nil, nil }).ServeHTTP(hidden{w}, r)
		}),
		"Header": curlew.Handle(o, func(*http.Request) (*curlew.Events, error) {
			return &curlew.Events{Header: http.Header{"X": {"a\nb"}}}, nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := build(t, memoryHouse, h, nil)
				_, err := curlew.Dial(t.Context(), "ws://example.com/", &curlew.DialOptions{
					Options: curlew.Options{Compression: &curlew.Compression{ServerContext: true}}, DialContext: b.network.DialContext,
				})
				if err == nil {
					t.Fatal("the handshake was answered")
				}
				synctest.Wait()
				if got := budget.Used(); got != 0 {
					t.Errorf("%d bytes are used by nobody", got)
				}
			})
		})
	}
}

// A hidden ResponseWriter cannot be hijacked.
type hidden struct{ w http.ResponseWriter }

func (h hidden) Header() http.Header         { return h.w.Header() }
func (h hidden) Write(p []byte) (int, error) { return h.w.Write(p) }
func (h hidden) WriteHeader(status int)      { h.w.WriteHeader(status) }

// Takeover for as many connections as 64 MiB are enough for, of all handlers
// together.
func ExampleNewBudget() {
	budget := curlew.NewBudget(64 << 20)
	o := &curlew.Options{Compression: &curlew.Compression{ServerContext: true, ClientContext: true, Memory: budget}}
	http.NewServeMux().Handle("/feed", curlew.Handle(o, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{}, nil
	}))
	fmt.Printf("takeover costs %d bytes so far\n", budget.Used())
	// Output: takeover costs 0 bytes so far
}

// A budget says how much of it is taken, for a page of metrics.
func ExampleBudget_Used() {
	budget := curlew.NewBudget(64 << 20)
	http.NewServeMux().HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "compression_context_bytes", budget.Used())
	})
	fmt.Println(budget.Used())
	// Output: 0
}
