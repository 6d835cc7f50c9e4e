package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"curlew.example/curlew"
	program "curlew.example/curlew/bench/internal/peer"
	"curlew.example/curlew/conform"
)

// TestMain is also a peer: one that dies of every message of 125 bytes, and does
// not take another connection after one of 126.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != "peer" {
		os.Exit(m.Run())
	}
	os.Args = slices.Delete(os.Args, 1, 2)
	program.Main(func(*program.Options) *program.Peer { return &program.Peer{Serve: serveFrail, Dial: dialFrail} })
}

func serveFrail(addr string) error {
	deaf := make(chan struct{}, 1)
	ev := &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
		frail(p)
		if len(p) == 126 {
			deaf <- struct{}{}
		}
		c.Send(t, p)
	}}
	return http.ListenAndServe(addr, curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
		if len(deaf) > 0 {
			return nil, &curlew.HandshakeError{Status: http.StatusTeapot}
		}
		return ev, nil
	}))
}

func dialFrail(url string, message func([]byte) bool) error {
	c, err := curlew.Dial(context.Background(), url, nil)
	if err != nil {
		return err
	}
	return curlew.Serve(context.Background(), c, &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
		if frail(p); message(p) {
			c.Send(t, p)
		}
	}})
}

func frail(p []byte) {
	if len(p) == 125 { // a panic would be caught
		fmt.Fprintln(os.Stderr, "panic: 125 bytes are too many")
		os.Exit(2)
	}
}

// TestPeerThatDies: who dies is started again, the case that did it is named, and the
// others count.
func TestPeerThatDies(t *testing.T) {
	cases, err := conform.Select(conform.Cases(), []string{"1.1", "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{name: "frail", args: []string{os.Args[0], "peer"}}
	for _, role := range []struct {
		name string
		test func(context.Context, *peer, []*conform.Case, *conform.Options, int, func(conform.Result)) ([]conform.Result, error)
		deaf string // what becomes of those with 126 bytes
	}{{"server", testServer, "serves nobody"}, {"client", testClient, ""}} {
		t.Run(role.name, func(t *testing.T) {
			results, err := role.test(t.Context(), p, cases, &conform.Options{Parallel: 1}, 4, func(conform.Result) {})
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != len(cases) {
				t.Fatalf("%d results of %d cases", len(results), len(cases))
			}
			for i, r := range results {
				title, why := cases[i].Title, death(r.Note)
				switch {
				case strings.Contains(title, " 125 bytes"):
					if !strings.Contains(why, "125 bytes are too many") || r.Verdict() != conform.Failed || r.Rule == "" {
						t.Errorf("%s (%s): %v, died of %q", r.ID, title, r.Verdict(), why)
					}
				case strings.Contains(title, " 126 bytes") && role.deaf != "":
					if !strings.Contains(why, role.deaf) {
						t.Errorf("%s (%s): %v, died of %q", r.ID, title, r.Verdict(), why)
					}
				case why != "" || r.Verdict() != conform.OK:
					t.Errorf("%s (%s): %v: %s", r.ID, title, r.Verdict(), r.Note)
				}
			}
		})
	}
}
