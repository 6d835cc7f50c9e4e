package server_test

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/conform"
	"curlew.example/curlew/fallback"
)

// Programs over plain HTTP: what they say, and how they end.
func TestFB_Exec(t *testing.T) {
	t.Parallel()
	everyWay(t, `timeouts: { close: '1 s' }, routes: [
		{ match: '/cat', handler: 'exec', exec: { command: ['/bin/cat'] } },
		{ match: '/env', handler: 'exec', exec: { command: ['/bin/sh', '-c', 'echo $HTTP_UPGRADE'], pass: 'HTTP_UPGRADE' } },
		{ match: '/fails', handler: 'exec', exec: { command: ['/bin/sh', '-c', 'read a; echo $a; exit 3'] } },
	]`, func(t *testing.T, r *running) {
		c := r.dial("/cat", curlew.Options{})
		for _, text := range []string{"one", "", strings.Repeat("x", 60_000)} {
			wantEcho(t, c, text)
		}
		c.Close(curlew.NormalClosure, "")
		<-c.Done()
		if e := c.Err().(*curlew.CloseError); !e.Orderly() {
			t.Error(e)
		}
		c = r.dial("/env", curlew.Options{})
		if _, p, err := c.Read(t.Context(), nil); err != nil || string(p) != "websocket" {
			t.Errorf("%q %v", p, err)
		}
		wantCode(t, c, curlew.NormalClosure)
		c = r.dial("/fails", curlew.Options{})
		wantEcho(t, c, "bye")
		wantCode(t, c, curlew.InternalError)
	})
}

// wantCode waits for the peer's Close.
func wantCode(t *testing.T, c *curlew.Conn, code curlew.Code) {
	t.Helper()
	_, _, err := c.Read(t.Context(), nil)
	if e, ok := err.(*curlew.CloseError); !ok || e.Code != code || !e.Remote {
		t.Errorf("%v, want %d", err, code)
	}
}

// What a route limits it limits over plain HTTP, with the same codes.
func TestFB3_Limits(t *testing.T) {
	t.Parallel()
	everyWay(t, `routes: [
		{ match: '/size', handler: 'echo', limits: { maxMessage: '1 KB' } },
		{ match: '/rate', handler: 'echo', limits: { messagesPerSecond: 2 } },
		{ match: '/bytes', handler: 'echo', limits: { bytesPerSecond: '2 KB' } },
		{ match: '/text', handler: 'echo' },
		{ match: '/idle', handler: 'echo', timeouts: { inactivity: '100 ms' } },
		{ match: '/life', handler: 'echo', timeouts: { request: '100 ms' } },
	]`, func(t *testing.T, r *running) {
		for path, code := range map[string]curlew.Code{
			"/size": curlew.MessageTooBig, "/rate": curlew.PolicyViolation, "/bytes": curlew.PolicyViolation, "/text": curlew.InvalidPayload,
			"/idle": curlew.PolicyViolation, "/life": curlew.PolicyViolation,
		} {
			c := r.dial(path, curlew.Options{AllowInvalidUTF8: true})
			switch path {
			case "/size", "/bytes":
				c.Send(curlew.Binary, make([]byte, 5000))
			case "/rate":
				for range 100 { // in however many requests
					c.Send(curlew.Text, nil)
				}
			case "/text":
				c.Send(curlew.Text, []byte{0xff})
			}
			for {
				_, _, err := c.Read(t.Context(), nil)
				if err == nil {
					continue // an echo before the limit
				}
				if e, ok := err.(*curlew.CloseError); !ok || e.Code != code || !e.Remote {
					t.Errorf("%s: %v, want %d", path, err, code)
				}
				break
			}
		}
	})
}

// The cases of conform pass over plain HTTP: here a part of them, in one of the modes
// each. Handshakes are net/http's, compression is never agreed.
func TestFB_Conform(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, timeouts: { close: '2 s' }, limits: { maxMessage: '64 MB', maxFragments: 'unlimited' }, routes: [{ handler: 'echo' }] }`, nil)
	ways := make(map[string]*conform.Target)
	for _, mode := range modes {
		dial, err := fallback.Dialer(r.url()+"/", &fallback.DialOptions{Modes: []string{mode}})
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(r.url())
		ways[mode] = &conform.Target{Host: u.Host, Path: "/", Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", u.Host) }}
	}
	cases := make(map[string][]*conform.Case)
	for i, c := range conform.For(conform.Cases(), conform.ForServers) {
		section, _, _ := strings.Cut(c.ID, ".")
		if c.Deflate != nil || slices.Contains([]string{"8", "12", "13", "14"}, section) {
			continue
		}
		if every := conformEvery(); every == 1 {
			for _, mode := range modes {
				cases[mode] = append(cases[mode], c)
			}
		} else if !c.Heavy && !c.Alone && i%(every/3) == 0 {
			mode := modes[i/(every/3)%3]
			cases[mode] = append(cases[mode], c)
		}
	}
	for mode, target := range ways {
		results := conform.TestServer(t.Context(), cases[mode], target, &conform.Options{Timeout: 10 * time.Second, Scale: 3, Parallel: 8})
		if len(results) != len(cases[mode]) || len(results) == 0 {
			t.Errorf("%d results of %d cases", len(results), len(cases[mode]))
		}
		verdicts := make(map[conform.Verdict]int)
		for _, res := range results {
			verdicts[res.Verdict()]++
			if res.Verdict() == conform.Failed {
				t.Errorf("%s %s: %s, %s\n%v", mode, res.ID, res.Note, res.Rule, res.Trace)
			}
		}
		t.Logf("%s: %v", mode, verdicts)
	}
}
