package interop

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
	"curlew.example/curlew/server/internal/proxies"
)

// TestFallbackThroughProxies sends a thousand numbered messages each way through
// proxies that let no WebSocket pass, hold answers back or cut connections off, in
// each mode and in that which the client finds by itself: none is lost, none comes
// twice, and all come in order.
func TestFallbackThroughProxies(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	write(t, dir, "site.json5", `{ trustedProxies: '127.0.0.1', routes: [{ match: '/echo', handler: 'echo' }] }`)
	backend := listening(t, dir, program, "serve", "site.json5")

	nginx := func(more string) func(t *testing.T) *through {
		return func(t *testing.T) *through { return &through{at: proxies.Nginx(t, backend, more)} }
	}
	all := []string{"stream", "sse", "poll", ""}
	for name, c := range map[string]struct {
		modes []string
		setup func(t *testing.T) *through
	}{
		"nginx":               {all, nginx("")},
		"nginx, HTTP 1.0":     {all, nginx("proxy_http_version 1.0;")},
		"nginx, HTTP 1.1":     {all, nginx(`proxy_http_version 1.1; proxy_set_header Connection "";`)},
		"nginx, holding back": {[]string{"poll", ""}, nginx("proxy_ignore_headers X-Accel-Buffering; ")},
		"haproxy":             {all, func(t *testing.T) *through { return &through{at: proxies.HAProxy(t, backend)} }},
		"squid": {all, func(t *testing.T) *through {
			return &through{at: backend, proxy: proxy(&url.URL{Scheme: "http", Host: squid(t), User: url.UserPassword("curlew", "p@ss:w/rd")}), upgrades: true}
		}},
		"cutting": {all, func(t *testing.T) *through {
			at, cut := proxies.Cutting(t, backend, cutAfter())
			t.Cleanup(func() {
				t.Logf("%d connections were cut off", cut.Load())
				if cut.Load() < 20 {
					t.Error("that is few")
				}
			})
			return &through{at: at, upgrades: true, slowly: cutAfter() / 100}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			th := c.setup(t)
			if !th.upgrades {
				if _, err := curlew.Dial(t.Context(), "ws://"+th.at+"/echo", nil); err == nil {
					t.Fatal("a WebSocket passes")
				}
			}
			var modes sync.WaitGroup
			for _, mode := range c.modes {
				modes.Go(func() { th.numbered(t, mode) })
			}
			modes.Wait()
		})
	}
}

// A through is a way to the server.
type through struct {
	at       string
	proxy    func(*http.Request) (*url.URL, error)
	upgrades bool          // it is not the upgrade that is in the way
	slowly   time.Duration // between two messages
}

// numbered sends a thousand messages to the echo and wants them back.
func (th *through) numbered(t *testing.T, mode string) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	o := &fallback.DialOptions{}
	o.Proxy = th.proxy
	if o.Proxy == nil {
		o.Proxy = proxy(nil)
	}
	if mode != "" {
		o.Modes = []string{mode}
	}
	c, err := fallback.Dial(ctx, "http://"+th.at+"/echo", o)
	if err != nil {
		t.Errorf("%q: %v", mode, err)
		return
	}
	defer c.Abort(nil)
	const n = 1000
	text := func(i int) string { return strconv.Itoa(i) + strings.Repeat(" ", i%7*i) }
	go func() {
		for i := range n {
			if c.Write(ctx, curlew.Text, []byte(text(i))) != nil {
				return
			}
			if th.slowly > 0 {
				select {
				case <-time.After(th.slowly):
				case <-ctx.Done():
				}
			}
		}
	}()
	for i := range n {
		_, p, err := c.Read(ctx, nil)
		if err != nil || string(p) != text(i) {
			t.Errorf("%q: message %d: %.20q of %d bytes, %v", mode, i, p, len(p), err)
			return
		}
	}
	c.Close(curlew.NormalClosure, "")
	<-c.Done()
	if e := c.Err().(*curlew.CloseError); !e.Orderly() {
		t.Errorf("%q: %v", mode, e)
	}
	t.Logf("%q: %v", mode, time.Since(began).Round(time.Millisecond))
}

// cutAfter is how long a connection lives that is cut off: 5 s with
// CURLEW_CONFORM=all, else less.
func cutAfter() time.Duration {
	if os.Getenv("CURLEW_CONFORM") == "all" {
		return 5 * time.Second
	}
	return 250 * time.Millisecond
}
