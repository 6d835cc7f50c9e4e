package server_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"time"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// timeouts.inactivity of a route is that of connections whose last answer was the
// route's.
func TestInactivityBetweenRequests(t *testing.T) {
	inBubble(t, "", `timeouts: { inactivity: '2 mins' }, routes: [
		{ match: '/inherits', handler: 'respond' },
		{ match: '/short', handler: 'respond', timeouts: { inactivity: '30 s' } },
		{ match: '/default', handler: 'respond', timeouts: { inactivity: '5 mins' } },
		{ match: '/never', handler: 'respond', timeouts: { inactivity: 'never' } },
	]`, nil, func(t *testing.T, b *bubble) {
		c := b.connect()
		br := bufio.NewReader(c)
		ask := func(path string) time.Time {
			io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: site\r\n\r\n")
			a, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			io.Copy(io.Discard, a.Body)
			return time.Now()
		}
		for path, d := range map[string]time.Duration{"/inherits": 2 * time.Minute, "/short": 30 * time.Second, "/default": 5 * time.Minute, "/there-is-none": 2 * time.Minute} {
			c = b.connect()
			br = bufio.NewReader(c)
			for range 3 {
				ask(path)
				time.Sleep(d - time.Second)
			}
			began := ask(path)
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("%s: %d, %v", path, n, err)
			}
			onTime(t, path, began, d)
		}
		c = b.connect()
		br = bufio.NewReader(c)
		ask("/short")
		ask("/never")
		time.Sleep(24 * time.Hour)
		ask("/never")
		began := ask("/short")
		c.Read(make([]byte, 1))
		onTime(t, "again /short", began, 30*time.Second)
	})
}

// timeouts.request of a request holds whatever the client says of upgrades.
func TestRequestTimeoutWithUpgrade(t *testing.T) {
	for _, fields := range []string{"", "Connection: Upgrade\r\nUpgrade: h2c\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"} {
		inBubble(t, "", `timeouts: { request: '20 s' }, routes: [{ handler: 'waits' }]`, map[string]route.Constructor{
			"waits": func(*site.Route, route.Endpoint) (http.Handler, error) {
				return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					select {
					case <-r.Context().Done():
					case <-time.After(time.Hour):
					}
				}), nil
			},
		}, func(t *testing.T, b *bubble) {
			c := b.connect()
			began := time.Now()
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: site\r\n"+fields+"\r\n")
			a, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || a.StatusCode != 503 {
				t.Errorf("%q: %v, %v", fields, a, err)
			}
			onTime(t, "the answer", began, 20*time.Second)
		})
	}
}
