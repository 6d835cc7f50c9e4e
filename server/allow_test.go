package server_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/site"
)

// asked makes a GET request with header lines and returns the status.
func (r *running) asked(path string, lines ...string) string {
	r.t.Helper()
	return codes(r.say("GET " + path + " HTTP/1.1\r\nHost: site.example\r\n" + strings.Join(lines, "") + "Connection: close\r\n\r\n"))
}

// allow and deny: who may not come gets 403, whatever there is; a route has its
// own lists or those of the top level.
func TestAllowDeny(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, trustedProxies: '127.0.0.1', allow: ['192.0.2.0/24', '2001:db8::/32'], deny: ['192.0.2.66', '2001:db8:bad::/48'], routes: [
		{ match: '/inherits', handler: 'echo' },
		{ match: '/all', handler: 'echo', allow: 'all' },
		{ match: '/none', handler: 'echo', allow: ['192.0.2.0/24', '203.0.113.5'], deny: [] },
		{ match: '/unix', handler: 'echo', allow: 'unix' },
	] }`, nil)
	for _, c := range []struct{ from, want string }{
		{"192.0.2.1", "426 426 426 403 404"},
		{"192.0.2.66", "403 403 426 403 403"},
		{"::ffff:192.0.2.66", "403 403 426 403 403"},
		{"192.0.3.0", "403 426 403 403 403"},
		{"203.0.113.5", "403 426 426 403 403"},
		{"203.0.113.6", "403 426 403 403 403"},
		{"2001:db8::1", "426 426 403 403 404"},
		{"2001:db8:bad::1", "403 403 403 403 403"},
		{"2001:db9::", "403 426 403 403 403"},
	} {
		var got []string
		for _, path := range []string{"/inherits", "/all", "/none", "/unix", "/there-is-none"} {
			got = append(got, r.asked(path, from(c.from)))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.from, got, c.want)
		}
	}
	if got := codes(r.say(upgrade("/inherits", from("192.0.2.66")))); got != "403" {
		t.Errorf("WebSocket: %s", got)
	}
	// AU15: other ways to write a path lead to no other route.
	for _, path := range []string{"/INHERITS", "//inherits", "/inherits/", "/inherits;x", "/x/../inherits", "/%69nherits", "/inherits%2f", "/./inherits"} {
		if got := r.asked(path, from("203.0.113.6")); got != "403" {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// rate: as many as burst says at once and not one more; each client, or the route,
// has its own; what is inherited counts for each route by itself.
func TestRate(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, trustedProxies: '127.0.0.1', rate: { requests: '3/hour', burst: 3 }, routes: [
		{ match: '/a', handler: 'echo' },
		{ match: '/b', handler: 'echo' },
		{ match: '/burst', handler: 'echo', rate: { burst: 1 } },
		{ match: '/route', handler: 'echo', rate: { per: 'route' } },
		{ match: '/free', handler: 'echo', rate: { requests: 'unlimited' } },
	] }`, nil)
	want := func(path, address string, codes ...string) {
		t.Helper()
		for i, want := range codes {
			if got := r.asked(path, from(address)); got != want {
				t.Errorf("%s from %s: request %d: %s, want %s", path, address, i, got, want)
			}
		}
	}
	for _, path := range []string{"/a", "/b"} {
		want(path, "192.0.2.1", "426", "426", "426", "429", "429")
	}
	want("/none", "192.0.2.1", "404", "404", "404", "429")
	want("/a", "192.0.2.2", "426", "426", "426", "429")
	want("/a", "2001:db8::1", "426", "426")
	want("/a", "2001:db8::2", "426", "429")
	want("/a", "2001:db8:0:1::2", "426")
	want("/burst", "192.0.2.1", "426", "429")
	want("/route", "192.0.2.1", "426", "426")
	want("/route", "192.0.2.2", "426", "429")
	want("/free", "192.0.2.1", "426", "426", "426", "426", "426", "426")

	began := time.Now()
	for range 3 { // handshakes are requests
		if got := codes(r.say(upgrade("/a", from("192.0.2.9")))); got != "101" {
			t.Error(got)
		}
	}
	a := r.say(upgrade("/a", from("192.0.2.9")))[0]
	var seconds int
	fmt.Sscan(a.Header.Get("Retry-After"), &seconds)
	if a.StatusCode != 429 || seconds < 1199-int(time.Since(began)/time.Second) || seconds > 1200 || !a.Close {
		t.Errorf("%s, Retry-After: %d", a.Status, seconds)
	}
}

// What clients have used up stays so over a reload, if the rule is the same: a route
// that is new, or limited in another way, begins anew.
func TestRateAfterReload(t *testing.T) {
	t.Parallel()
	site := func(burst int) string {
		return fmt.Sprintf(`{ @plain, trustedProxies: '127.0.0.1', rate: { requests: '3/hour', burst: 1 }, routes: [
			{ match: '/new%d', handler: 'echo' },
			{ match: '/a', handler: 'echo' },
			{ match: '/all', handler: 'echo', rate: { per: 'route' } },
			{ match: '/burst', handler: 'echo', rate: { burst: %d } },
		] }`, burst, burst)
	}
	r := start(t, site(1), nil)
	want := func(path, address, want string) {
		t.Helper()
		if got := r.asked(path, from(address)); got != want {
			t.Errorf("%s from %s: %s, want %s", path, address, got, want)
		}
	}
	for _, path := range []string{"/a", "/all", "/burst", "/new1"} {
		want(path, "192.0.2.1", "426")
	}
	want("/none", "192.0.2.1", "404")
	for i, burst := range []int{1, 2} {
		if err := r.Reload(r.next(site(burst))); err != nil {
			t.Fatal(err)
		}
		want("/a", "192.0.2.1", "429")
		want("/a", fmt.Sprint("192.0.2.1", i), "426")
		want("/all", "192.0.2.2", "429")
		want("/none", "192.0.2.1", "429")
		want("/burst", "192.0.2.1", []string{"429", "426"}[i])
	}
	want("/new2", "192.0.2.1", "426")
}

// A bucket fills with time, up to burst, and Retry-After is when to come again.
func TestRateInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			times, burst int
			in           time.Duration
		}{{20, 0, time.Second}, {3, 0, time.Second}, {1, 5, time.Minute}, {100, 1, time.Hour}, {1000000, 0, time.Second}} {
			l := server.NewRate(&site.Rate{
				Requests: site.Setting[site.Frequency]{Value: site.Frequency{Times: c.times, In: c.in}}, Burst: site.Setting[int]{Value: c.burst},
			})
			most, each := c.burst, c.in/time.Duration(c.times)
			if most == 0 {
				most = c.times
			}
			for range 2 {
				for i := range most {
					if wait := l.Take(netip.Prefix{}); wait != 0 {
						t.Fatalf("%+v: request %d: %v", c, i, wait)
					}
				}
				for range 3 { // does not make it longer
					if wait := l.Take(netip.Prefix{}); wait != each {
						t.Fatalf("%+v: one more: %v", c, wait)
					}
				}
				<-time.After(each - 1)
				if wait := l.Take(netip.Prefix{}); wait != 1 {
					t.Fatalf("%+v: too early: %v", c, wait)
				}
				<-time.After(1)
				if wait := l.Take(netip.Prefix{}); wait != 0 {
					t.Fatalf("%+v: in time: %v", c, wait)
				}
				<-time.After(1000 * each * time.Duration(most))
			}
		}
	})
}

// RX2: the memory for clients is bounded, and given back.
func TestRX2RateMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := server.NewRate(&site.Rate{Requests: site.Setting[site.Frequency]{Value: site.Frequency{Times: 1, In: time.Hour}}})
		client := func(i int) netip.Prefix {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		}
		for i := range 100_000 {
			if l.Take(client(i)) != 0 {
				t.Fatal(i)
			}
		}
		if n := l.Len(); n > 1<<14 {
			t.Errorf("%d clients are remembered", n)
		}
		if l.Take(client(99_999)) == 0 || l.Take(client(0)) != 0 {
			t.Error("not those that came last are remembered")
		}
		<-time.After(2 * time.Hour)
		for i := range 1 << 14 {
			l.Take(client(i % 2))
		}
		if n := l.Len(); n > 2 {
			t.Errorf("%d clients are remembered for nothing", n)
		}
	})
}
