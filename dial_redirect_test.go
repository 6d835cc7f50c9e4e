package curlew_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"curlew.example/curlew"
)

// redirecting runs a plain and a TLS server that answer by host and path: with a
// redirect to where moved says, else with 101. Options go to them by port, and
// seen is what they were asked.
func redirecting(t *testing.T, moved map[string]string) (o *curlew.DialOptions, seen *[]string) {
	seen = new([]string) // one Dial asks one thing after the other
	answer := func(scheme string) func(*http.Request) string {
		return func(r *http.Request) string {
			at := scheme + "://" + r.Host + r.RequestURI
			line := at
			for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization", "X-Mine"} {
				if v := r.Header.Get(name); v != "" {
					line += " " + name[:1]
				}
			}
			*seen = append(*seen, line)
			to, ok := moved[at]
			if !ok {
				return switching(r)
			}
			status := 302
			if s, rest, ok := strings.Cut(to, " "); ok && s[0] == '3' {
				fmt.Sscan(s, &status)
				to = rest
			}
			return fmt.Sprintf("HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\nContent-Length: 3\r\n\r\nbye", status, to)
		}
	}
	plain := listen(t, nil, answering(answer("ws")))
	secured := listen(t, serverTLS(), answering(answer("wss")))
	config := clientTLS()
	config.ServerName = "example.com" // all the names are one server's
	o = &curlew.DialOptions{Proxy: noProxy, MaxRedirects: 5, TLS: config, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		to := plain
		if strings.HasSuffix(address, "443") {
			to = secured
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}}
	o.Header = http.Header{"authorization": {"a"}, "Cookie": {"c"}, "Proxy-Authorization": {"p"}, "X-Mine": {"x"}}
	return o, seen
}

func TestCC5_Followed(t *testing.T) {
	for _, c := range []struct {
		name  string
		moved map[string]string
		want  []string
	}{
		{"same origin", map[string]string{"ws://a.com/": "/b?c"}, []string{"ws://a.com/ A C P X", "ws://a.com/b?c A C P X"}},
		{"relative", map[string]string{"ws://a.com/": "b"}, []string{"ws://a.com/ A C P X", "ws://a.com/b A C P X"}},
		{"http and the port are the same origin", map[string]string{"ws://a.com/": "http://A.com.:80/b"}, []string{"ws://a.com/ A C P X", "ws://a.com/b A C P X"}},
		{"fragment", map[string]string{"ws://a.com/": "/b#c"}, []string{"ws://a.com/ A C P X", "ws://a.com/b A C P X"}},
		{"every status", map[string]string{"ws://a.com/": "301 /1", "ws://a.com/1": "302 /2", "ws://a.com/2": "303 /3", "ws://a.com/3": "307 /4", "ws://a.com/4": "308 /5"},
			[]string{"ws://a.com/ A C P X", "ws://a.com/1 A C P X", "ws://a.com/2 A C P X", "ws://a.com/3 A C P X", "ws://a.com/4 A C P X", "ws://a.com/5 A C P X"}},
		{"other host", map[string]string{"ws://a.com/": "ws://b.com/"}, []string{"ws://a.com/ A C P X", "ws://b.com/ X"}},
		{"subdomain", map[string]string{"ws://a.com/": "//sub.a.com/"}, []string{"ws://a.com/ A C P X", "ws://sub.a.com/ X"}},
		{"other port", map[string]string{"ws://a.com/": "ws://a.com:81/"}, []string{"ws://a.com/ A C P X", "ws://a.com:81/ X"}},
		{"to TLS", map[string]string{"ws://a.com/": "https://a.com/"}, []string{"ws://a.com/ A C P X", "wss://a.com/ X"}},
		{"there and back", map[string]string{"ws://a.com/": "ws://b.com/", "ws://b.com/": "ws://a.com/c"},
			[]string{"ws://a.com/ A C P X", "ws://b.com/ X", "ws://a.com/c X"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, seen := redirecting(t, c.moved)
			conn := dialed(t, "ws://a.com", o)
			if !slices.Equal(*seen, c.want) {
				t.Errorf("asked %q", *seen)
			}
			at, _, _ := strings.Cut(c.want[len(c.want)-1], " ")
			host, path, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(at, "wss://"), "ws://"), "/")
			if u := conn.Info().URL; !strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), strings.Split(host, ":")[0]) || strings.TrimPrefix(u.RequestURI(), "/") != path {
				t.Errorf("URL %v, asked %s last", u, at)
			}
			if len(o.Header) != 4 {
				t.Errorf("the options were changed: %v", o.Header)
			}
		})
	}
}

func TestCC5_Refused(t *testing.T) {
	for _, c := range []struct {
		name, url string
		max       int
		moved     map[string]string
		asked     int
	}{
		{"off", "ws://a.com/", 0, map[string]string{"ws://a.com/": "/b"}, 1},
		{"negative", "ws://a.com/", -1, map[string]string{"ws://a.com/": "/b"}, 1},
		{"loop", "ws://a.com/", 5, map[string]string{"ws://a.com/": "/"}, 6},
		{"loop of two", "ws://a.com/", 4, map[string]string{"ws://a.com/": "ws://b.com/", "ws://b.com/": "ws://a.com/"}, 5},
		{"wss to ws", "wss://a.com/", 5, map[string]string{"wss://a.com/": "ws://a.com/"}, 1},
		{"wss to http", "wss://a.com/", 5, map[string]string{"wss://a.com/": "http://b.com/"}, 1},
		{"wss to wss to ws", "wss://a.com/", 5, map[string]string{"wss://a.com/": "wss://b.com/", "wss://b.com/": "ws://b.com/"}, 2},
		{"file", "ws://a.com/", 5, map[string]string{"ws://a.com/": "file:///etc/passwd"}, 1},
		{"javascript", "ws://a.com/", 5, map[string]string{"ws://a.com/": "javascript:alert(1)"}, 1},
		{"user", "ws://a.com/", 5, map[string]string{"ws://a.com/": "ws://u:secret@a.com/"}, 1},
		{"port", "ws://a.com/", 5, map[string]string{"ws://a.com/": "ws://a.com:0/"}, 1},
		{"malformed", "ws://a.com/", 5, map[string]string{"ws://a.com/": "ws://%zz/"}, 1},
		{"no host", "ws://a.com/", 5, map[string]string{"ws://a.com/": "ws:///"}, 1},
		{"two Locations", "ws://a.com/", 5, map[string]string{"ws://a.com/": "/a\r\nLocation: /b"}, 1},
		{"300", "ws://a.com/", 5, map[string]string{"ws://a.com/": "300 /b"}, 1},
		{"304", "ws://a.com/", 5, map[string]string{"ws://a.com/": "304 /b"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, seen := redirecting(t, c.moved)
			o.MaxRedirects = c.max
			e := refusedDial(t, c.url, o)
			if e.Status < 300 || e.Status > 399 || e.Header.Get("Location") == "" || len(*seen) != c.asked {
				t.Errorf("%+v, asked %q", e, *seen)
			}
		})
	}
}
