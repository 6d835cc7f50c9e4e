package hub

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/wstest"
)

// TestEventsHTTP2: a stream of events that has nothing to say lives on over HTTP/2,
// where a deadline that passes ends it though nothing is written; and by HTTP/1.1 no
// deadline of its is left for the answers behind it.
func TestEventsHTTP2(t *testing.T) {
	for _, version := range []string{"2", "1"} {
		synctest.Test(t, func(t *testing.T) {
			h, err := New(rooms())
			if err != nil {
				t.Fatal(err)
			}
			network, protocols := wstest.NewNetwork(nil), new(http.Protocols)
			protocols.SetUnencryptedHTTP2(version == "2")
			protocols.SetHTTP1(version == "1")
			srv := &http.Server{Handler: h.Handler(nil), Protocols: protocols}
			go srv.Serve(network.Listen("hub:80"))
			transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, n, _ string) (net.Conn, error) {
				return network.DialContext(ctx, n, "hub:80")
			}}
			defer func() {
				transport.CloseIdleConnections()
				h.Close()
				srv.Close()
				<-time.After(time.Hour)
			}()
			get := func(path string) *http.Response {
				t.Helper()
				r, _ := http.NewRequest("GET", "http://hub/hub/"+path, nil)
				a, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatalf("%s by HTTP/%s: %v", path, version, err)
				}
				return a
			}
			a := get("events?channel=room:1")
			lines := bufio.NewScanner(a.Body)
			began := time.Now()
			for beats := 0; beats < 5; {
				if !lines.Scan() {
					t.Fatalf("HTTP/%s: it ended after %v, %d beats: %v", version, time.Since(began), beats, lines.Err())
				}
				if lines.Text() == ":" {
					beats++
				}
			}
			h.Disconnect("", h.all()[0].id, "")
			for lines.Scan() {
			}
			a.Body.Close()
			<-time.After(time.Minute)
			get("openapi.json").Body.Close()
		})
	}
}
