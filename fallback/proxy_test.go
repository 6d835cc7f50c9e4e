package fallback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"testing"
	"time"

	"curlew.example/curlew"
)

// A network that cuts every TCP connection after 5 s, whatever is under way: nothing is
// lost, doubled or out of order.
func TestConnectionsCut(t *testing.T) {
	for _, mode := range []string{"stream", "sse", "poll"} {
		everyHTTP(t, echoes(nil), nil, func(h *house) {
			cut := func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := h.network.DialContext(ctx, network, address)
				if err == nil {
					time.AfterFunc(5*time.Second, func() { c.(interface{ Reset() }).Reset() })
				}
				return c, err
			}
			h.client.Transport.(*http.Transport).DialContext = cut
		}, func(h *house) {
			c, err := h.dial(mode, &DialOptions{HTTP: h.client.Transport})
			if err != nil {
				h.t.Fatal(err)
			}
			defer c.Abort(nil)
			go func() {
				for i := range 250 {
					c.Write(h.t.Context(), curlew.Text, fmt.Append(nil, i))
					<-time.After(100 * time.Millisecond)
				}
			}()
			for i := range 250 {
				if _, p, err := c.Read(h.t.Context(), nil); string(p) != fmt.Sprint(i) {
					h.t.Fatalf("%s: %d: %q, %v", mode, i, p, err)
				}
			}
		})
	}
}

// Through a reverse proxy, which takes the upgrade for its own and drops it.
func TestReverseProxy(t *testing.T) {
	everyHTTP(t, echoes(&curlew.Options{MaxMessage: 1 << 20, SendQueue: 1 << 20}), nil, func(h *house) {
		inner := h.srv.Handler
		h.srv.Handler = &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = "http", "inner"
				r.Out.Header.Del("Upgrade")
			},
			Transport: direct{inner}, ErrorLog: h.srv.ErrorLog,
		}
	}, func(h *house) {
		if _, err := curlew.Dial(h.t.Context(), h.base, &curlew.DialOptions{DialContext: h.network.DialContext, TLS: h.client.Transport.(*http.Transport).TLSClientConfig}); err == nil {
			h.t.Error("the upgrade came through")
		}
		for _, mode := range []string{"", "stream", "sse", "poll"} {
			c, err := h.dial(mode, &DialOptions{HTTP: h.client.Transport})
			if err != nil {
				h.t.Fatal(err)
			}
			for _, n := range []int{1, 1000, 200_000} {
				c.Write(h.t.Context(), curlew.Binary, make([]byte, n))
				if _, p, err := c.Read(h.t.Context(), nil); len(p) != n {
					h.t.Fatal(len(p), err)
				}
			}
			c.Close(curlew.NormalClosure, "")
			if _, _, err := c.Read(h.t.Context(), nil); !errors.As(err, new(*curlew.CloseError)) {
				h.t.Error(err)
			}
		}
	})
}
