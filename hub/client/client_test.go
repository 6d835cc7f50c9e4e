package client_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub"
	"curlew.example/curlew/hub/client"
	"curlew.example/curlew/wstest"
)

// in runs f in a bubble with a hub that listens at hub:80 once listen is called.
func in(t *testing.T, o *hub.Options, f func(network *wstest.Network, listen func() *hub.Hub)) {
	synctest.Test(t, func(t *testing.T) {
		network := wstest.NewNetwork(nil)
		var h *hub.Hub
		var srv *http.Server
		f(network, func() *hub.Hub {
			h, _ = hub.New(o)
			srv = &http.Server{Handler: h.Handler(nil)}
			go srv.Serve(network.Listen("hub:80"))
			return h
		})
		h.Close()
		srv.Close()
		<-time.After(time.Hour)
	})
}

func dial(network *wstest.Network) *client.Client {
	return client.New("ws://hub/", &client.Options{DialOptions: &curlew.DialOptions{
		DialContext: func(ctx context.Context, n, _ string) (net.Conn, error) { return network.DialContext(ctx, n, "hub:80") },
	}})
}

// TestBurst: more than the connection's queue holds is published at once, before
// there is a connection and while there is one: all of it is stored, once.
func TestBurst(t *testing.T) {
	const n, size = 30, 30 << 10
	in(t, &hub.Options{Namespaces: map[string]*hub.Namespace{"c": {Publish: hub.Anyone}}}, func(network *wstest.Network, listen func() *hub.Hub) {
		c := dial(network)
		defer c.Close()
		data := []byte(`"` + strings.Repeat("x", size) + `"`)
		var h *hub.Hub
		for range 2 {
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					if _, err := c.Publish(context.Background(), "c", data, nil); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			if h == nil {
				h = listen()
			}
			all.Wait()
		}
		if w := c.Welcome(); w == nil || w.Connection == "" || w.Limits.Channels != 128 {
			t.Errorf("welcomed with %+v", w)
		}
		if s := h.Stats(); s.Published != 2*n {
			t.Errorf("%d are published", s.Published)
		}
	})
}
