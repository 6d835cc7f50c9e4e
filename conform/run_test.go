package conform

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestServerAt(t *testing.T) {
	for _, v := range []struct{ url, host, path, auth string }{
		{"ws://example.com", "example.com", "/", ""},
		{"wss://example.com:8443/a%20b?c=d", "example.com:8443", "/a%20b?c=d", ""},
		{"http://[::1]:80/", "[::1]:80", "/", ""},
		{"ws://Aladdin:open%20sesame@example.com/", "example.com", "/", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, // RFC 7617, 2
		{"ws://user@example.com/", "example.com", "/", "Basic dXNlcjo="},
	} {
		got, err := ServerAt(v.url, nil)
		if err != nil || got.Host != v.host || got.Path != v.path || got.Header.Get("Authorization") != v.auth {
			t.Errorf("%s: %+v, %v", v.url, got, err)
		}
	}
	for _, url := range []string{"", "example.com", "ftp://example.com", "ws:///", "ws://example.com/#a", "ws://example.com/#", "ws://[::1", "ws://a b/"} {
		if got, err := ServerAt(url, nil); err == nil || !strings.HasPrefix(err.Error(), "conform: ") {
			t.Errorf("%q: %+v, %v", url, got, err)
		}
	}
}

// Each run sends the same request.
func TestHeaderInOrder(t *testing.T) {
	s := &session{c: new(Case), target: &Target{Host: "h", Header: http.Header{"B": {"2", "1"}, "C": {""}, "A": {"0"}}}}
	s.random = rand.New(rand.NewPCG(1, 1))
	for range 20 {
		var got []string
		for _, f := range s.right().fields[5:] {
			got = append(got, f.name+f.value)
		}
		if want := []string{"A0", "B2", "B1", "C"}; !slices.Equal(got, want) {
			t.Fatal(got)
		}
	}
}

// A trace has the fields that matter, and no secrets.
func TestFieldsInTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := targetAt(t, func(_ int, c net.Conn) {
			defer c.Close()
			c.Read(make([]byte, 4096))
			io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nSet-Cookie: a=secret\r\nX-Why: \x1b[2J\r\nDate: now\r\nX-Long: "+strings.Repeat("a", 1000)+"\r\n"+strings.Repeat("X: y\r\n", 30)+"\r\n")
		})
		target.Header = http.Header{"Authorization": {"Basic secret"}, "Cookie": {"a=secret"}}
		r := testServer(t.Context(), caseNamed(t, "8.27.1"), target, (&Options{Traces: true}).filled())
		var all []string
		for _, l := range r.Trace {
			all = append(all, l.Text)
		}
		want := []string{`HTTP "GET / HTTP/1.1"`, `HTTP   "Sec-WebSocket-Extensions: x-unknown x-two"`, `HTTP "HTTP/1.1 403 Forbidden"`,
			`HTTP   "X-Why: \x1b[2J"`, `HTTP   "X-Long: ` + strings.Repeat("a", 192) + `"…`}
		want = append(want, slices.Repeat([]string{`HTTP   "X: y"`}, 18)...)
		if want = append(want, "HTTP   and more fields"); len(all) < len(want) || !slices.Equal(all[:len(want)], want) {
			t.Errorf("%q", all)
		}
	})
}

func TestOptionsFilled(t *testing.T) {
	d := (*Options)(nil).filled()
	n := (&Options{Timeout: -1, Patience: -time.Hour, Scale: -3, Parallel: -1, Limit: -1}).filled()
	if d.Timeout != 5*time.Second || n.Timeout != d.Timeout || n.Patience != d.Patience || n.Scale != 1 || n.Parallel != d.Parallel || n.Limit != 0 {
		t.Errorf("%+v, %+v", d, n)
	}
}

// A Result tells whether somebody was there who failed.
func TestLost(t *testing.T) {
	for _, v := range []struct {
		name string
		dial func(ctx context.Context) (net.Conn, error)
		lost bool
	}{
		{"nobody", func(context.Context) (net.Conn, error) { return nil, errors.New("nobody is there") }, true},
		{"hangs up", targetAt(t, func(_ int, c net.Conn) { c.Close() }).Dial, true},
		{"silent", targetAt(t, drain).Dial, true},
		{"refuses", targetAt(t, func(_ int, c net.Conn) {
			c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
			drain(0, c)
		}).Dial, false},
	} {
		t.Run(v.name, func(t *testing.T) {
			r := testServer(t.Context(), caseNamed(t, "1.1.1"), &Target{Host: "example.com", Path: "/", Dial: v.dial}, (&Options{Timeout: 100 * time.Millisecond}).filled())
			if r.Verdict() != Failed || r.Lost != v.lost {
				t.Errorf("%+v", r)
			}
		})
	}
}
