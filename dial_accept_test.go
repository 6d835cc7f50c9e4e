package curlew_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"curlew.example/curlew"
)

// Dial and Accept find each other: subprotocol, compression, header fields, and
// messages both ways, over net/http's server.
func TestDialAccept(t *testing.T) {
	for _, c := range []struct {
		name           string
		client, server *curlew.Compression
		compressed     bool
	}{
		{"none", nil, nil, false},
		{"client only", &curlew.Compression{}, nil, false},
		{"server only", nil, &curlew.Compression{}, false},
		{"both", &curlew.Compression{MinSize: -1}, &curlew.Compression{MinSize: -1}, true},
		{"windows and contexts", &curlew.Compression{MinSize: -1, WindowBits: 9, ClientContext: true}, &curlew.Compression{MinSize: -1, WindowBits: 12, ServerContext: true, ClientContext: true, Level: 6}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, scheme string, config *tls.Config) {
				done := make(chan struct{})
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(done)
					conn, err := curlew.Accept(w, r, &curlew.Options{Subprotocols: []string{"v2", "v1"}, Compression: c.server})
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Abort(nil)
					if r.Header.Get("X-Mine") != "yes" {
						t.Error("the header is lost")
					}
					for {
						typ, p, err := conn.Read(t.Context(), nil)
						if err != nil {
							return
						}
						if err := conn.Write(t.Context(), typ, p); err != nil {
							t.Error(err)
						}
					}
				}))
				if config != nil {
					s.TLS = config
					s.StartTLS()
				} else {
					s.Start()
				}
				defer s.Close()
				o := optionsTo(s.Listener.Addr().String())
				o.Subprotocols, o.Compression = []string{"v1", "v2"}, c.client
				o.Header = http.Header{"X-Mine": {"yes"}}
				conn := dialed(t, scheme+"://example.com/echo", o)
				if i := conn.Info(); i.Subprotocol != "v2" || i.Compressed != c.compressed {
					t.Errorf("%+v", i)
				}
				for _, n := range []int{0, 1, 1000, 100_000} {
					want := bytes.Repeat([]byte("a curlew "), n)[:n]
					if err := conn.Write(t.Context(), curlew.Binary, want); err != nil {
						t.Fatal(err)
					}
					if typ, p, err := conn.Read(t.Context(), nil); err != nil || typ != curlew.Binary || !bytes.Equal(p, want) {
						t.Fatalf("%d bytes: %v, %d bytes, %v", n, typ, len(p), err)
					}
				}
				conn.Abort(nil)
				<-done
			})
		})
	}
}

// Refusals of Accept reach Dial whole.
func TestDialRefusedByAccept(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := curlew.Accept(w, r, &curlew.Options{Subprotocols: []string{"v1"}, RequireSubprotocol: true}); err == nil {
			c.Abort(nil)
		}
	}))
	defer s.Close()
	for name, c := range map[string]struct {
		header    http.Header
		protocols []string
		status    int
	}{
		"another origin":        {http.Header{"Origin": {"https://evil.example"}}, []string{"v1"}, 403},
		"no subprotocol":        {nil, nil, 400},
		"another subprotocol":   {nil, []string{"v2"}, 400},
		"a page of another one": {http.Header{"Sec-Fetch-Site": {"cross-site"}}, []string{"v1"}, 403},
		"an expectation":        {http.Header{"Expect": {"100-continue"}}, []string{"v1"}, 417},
	} {
		t.Run(name, func(t *testing.T) {
			o := optionsTo(s.Listener.Addr().String())
			o.Header, o.Subprotocols = c.header, c.protocols
			e := refusedDial(t, "ws://example.com", o)
			if e.Status != c.status || len(e.Body) == 0 || e.Header.Get("Connection") != "close" && e.Header["Connection"] != nil {
				t.Errorf("%+v, %q", e, e.Body)
			}
		})
	}
}
