package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// who answers with what it is told of the client.
func who(*site.Route, route.Endpoint) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, route.Address(r), " ", r.TLS != nil, " ", r.Host)
	}), nil
}

// fields writes header lines.
func fields(lines ...string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// AU13, AU14: what a trusted proxy says of its client counts, from the right, and
// nothing of what anybody else says.
func TestAU13Forwarded(t *testing.T) {
	t.Parallel()
	const own = "127.0.0.1 false site.example"
	who := map[string]route.Constructor{"who": who}
	for _, s := range []struct {
		name, trusted string
		cases         map[string]string // header lines to answer
	}{
		{"nobody", "", map[string]string{
			"": own,
			fields("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: other.example"): own,
			fields("X-Forwarded-Host: not a host"):                              own,
			fields("Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"):          own,
			fields("Connection: X-Forwarded-For", "X-Forwarded-For: 192.0.2.1"): own,
		}},
		{"somebody else", "trustedProxies: ['10.0.0.0/8', '::1', 'unix'], ", map[string]string{
			fields("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: other.example"): own,
		}},
		{"us", "trustedProxies: ['127.0.0.1', '10.0.0.0/8', '2001:db8:1::/48'], ", map[string]string{
			"":                                   own,
			fields("X-Forwarded-For: 192.0.2.1"): "192.0.2.1 false site.example",
			fields("X-Forwarded-For: 198.51.100.9, 192.0.2.1"):                                     "192.0.2.1 false site.example",
			fields("X-Forwarded-For: 198.51.100.9, 192.0.2.1, 10.1.2.3"):                           "192.0.2.1 false site.example",
			fields("X-Forwarded-For: 198.51.100.9, 192.0.2.1", "X-Forwarded-For:\t10.1.2.3"):       "192.0.2.1 false site.example",
			fields("X-Forwarded-For: 198.51.100.9,192.0.2.1 ,2001:db8:1::7,10.1.2.3"):              "192.0.2.1 false site.example",
			fields("X-Forwarded-For: 10.9.9.9, 10.1.2.3"):                                          "10.9.9.9 false site.example", // all are ours
			fields("X-Forwarded-For: 192.0.2.1, unknown, 10.1.2.3"):                                "10.1.2.3 false site.example",
			fields("X-Forwarded-For: 192.0.2.1,, 10.1.2.3"):                                        "10.1.2.3 false site.example",
			fields("X-Forwarded-For: 192.0.2.1, 10.1.2.3, <script>"):                               own,
			fields("X-Forwarded-For:"):                                                             own,
			fields("X-Forwarded-For: 192.0.2.1:4711"):                                              "192.0.2.1 false site.example",
			fields("X-Forwarded-For: [2001:db8::5]:4711"):                                          "2001:db8::5 false site.example",
			fields("X-Forwarded-For: [2001:db8::5]"):                                               "2001:db8::5 false site.example",
			fields("X-Forwarded-For: 2001:DB8::5"):                                                 "2001:db8::5 false site.example",
			fields("X-Forwarded-For: ::ffff:192.0.2.1"):                                            "192.0.2.1 false site.example",
			fields("X-Forwarded-For: 192.0.2.1, ::ffff:10.0.0.1"):                                  "192.0.2.1 false site.example",
			fields("X-Forwarded-For: fe80::1%eth0"):                                                "fe80::1 false site.example",
			fields("X-Forwarded-For: 192.0.2.010"):                                                 own,
			fields("X-Forwarded-For: 0300.0.2.1"):                                                  own,
			fields("Connection: X-Forwarded-For", "X-Forwarded-For: 192.0.2.1"):                    "192.0.2.1 false site.example",
			fields("X-Forwarded-Proto: https"):                                                     "127.0.0.1 true site.example",
			fields("X-Forwarded-Proto: WSS"):                                                       "127.0.0.1 true site.example",
			fields("X-Forwarded-Proto: http"):                                                      own,
			fields("X-Forwarded-Proto: gopher"):                                                    own,
			fields("X-Forwarded-Proto: http, https"):                                               "127.0.0.1 true site.example", // the nearest
			fields("X-Forwarded-For: 192.0.2.1, 10.1.2.3", "X-Forwarded-Proto: https, http"):       "192.0.2.1 true site.example", // the client's
			fields("X-Forwarded-For: 192.0.2.1, 10.1.2.3", "X-Forwarded-Proto: https"):             "192.0.2.1 true site.example",
			fields("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https, http"):                 own192,
			fields("X-Forwarded-Host: other.example:8443"):                                         "127.0.0.1 false other.example:8443",
			fields("X-Forwarded-For: 192.0.2.1, 10.1.2.3", "X-Forwarded-Host: a.example, b.local"): "192.0.2.1 false a.example",
			fields("X-Forwarded-Host: evil.example, other.example"):                                "127.0.0.1 false other.example",
			fields("X-Forwarded-Host: not a host"):                                                 "400",
			fields("X-Forwarded-Host: a/b"):                                                        "400",
			fields("X-Forwarded-Host:"):                                                            own,
			fields("X-Forwarded-Host: ,"):                                                          "400",
			// H1-8: headers that only look alike, and those that nobody speaks of.
			fields("X_Forwarded_For: 192.0.2.1"):                                          own,
			fields("X-Forwarded_For: 192.0.2.1"):                                          own,
			fields("X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1;proto=https"):        own,
			fields("X-Forwarded-For: " + strings.Repeat("10.1.2.3, ", 500) + "192.0.2.1"): "192.0.2.1 false site.example",
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, "{ @plain, "+s.trusted+"routes: [{ handler: 'who' }] }", who)
			for lines, want := range s.cases {
				got := r.say("GET / HTTP/1.1\r\nHost: site.example\r\n" + lines + "Connection: close\r\n\r\n")
				if len(got) != 1 {
					t.Fatalf("%q: %d answers", lines, len(got))
				}
				text := body(t, got[0])
				if got[0].StatusCode != 200 {
					text = fmt.Sprint(got[0].StatusCode)
				}
				if text != want {
					t.Errorf("%q:\ngot  %s\nwant %s", lines, text, want)
				}
			}
		})
	}
}

const own192 = "192.0.2.1 false site.example"

// Behind a proxy that ends TLS pages of the server's own origin may connect.
func TestOriginBehindProxy(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]string{"": "403 403 101", "trustedProxies: '127.0.0.0/8', ": "101 403 403"} {
		r := start(t, "{ @plain, "+trusted+"routes: [{ handler: 'echo' }] }", nil)
		forwarded := []string{"X-Forwarded-For: 192.0.2.1\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Host: public.example\r\n"}
		var got []string
		for _, origin := range []string{"https://public.example", "http://public.example", "http://site.example"} {
			got = append(got, codes(r.say(upgrade("/", append(forwarded, "Origin: "+origin+"\r\n")...))))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", trusted, got, want)
		}
	}
}

// The other way round: a proxy that speaks TLS with us to a client that does not.
func TestProtoOverTLS(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @tls, trustedProxies: '127.0.0.1', routes: [{ handler: 'who' }] }", map[string]route.Constructor{"who": who})
	for line, want := range map[string]string{"": "true", "X-Forwarded-Proto: http\r\n": "false", "X-Forwarded-Proto: https\r\n": "true"} {
		got := body(t, r.say("GET / HTTP/1.1\r\nHost: site.example\r\n" + line + "Connection: close\r\n\r\n")[0])
		if got != "127.0.0.1 "+want+" site.example" {
			t.Errorf("%q: %s", line, got)
		}
	}
}

// The log has the client and the proxy. Unix sockets have no addresses and can be
// trusted all the same.
func TestForwardedInTheLog(t *testing.T) {
	t.Parallel()
	r := start(t, "{ listen: 'unix:@dir/s', trustedProxies: 'unix', routes: [{ handler: 'who' }] }", map[string]route.Constructor{"who": who})
	c, err := net.Dial("unix", filepath.Join(r.dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, "GET / HTTP/1.1\r\nHost: site.example\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n")
	if got := body(t, answers(c)[0]); got != own192 {
		t.Error(got)
	}
	r.stop()
	if log := r.log.String(); !strings.Contains(log, "from=192.0.2.1 via=@") {
		t.Errorf("the log:\n%s", log)
	}
}
