package exec

import (
	"net/http"
	"net/netip"
	"slices"
	"testing"

	"curlew.example/curlew/server/site"
)

// The environment of a program, as far as a client has a part in it.
func TestEX2_EX3_EX4_Environment(t *testing.T) {
	r := &http.Request{Host: "example.com", Header: http.Header{
		"User-Agent": {"a", "b"}, "Cookie": {"c=1", "d=2"}, "X-Function": {" () { :;}; id"}, "X-Function2": {"(){ :;}; id"},
		"X-Lines": {"a\r\nb\x00c\x7fd\te"}, "X_under": {"1"}, "Proxy": {"evil"}, "Ld_preload": {"x"}, "X-Empty": {""}, "X-Bytes": {"\xff=é"},
	}}
	e := &site.Exec{}
	e.Env.Value = []site.Variable{{Name: "A", Value: "() { fine; }"}}
	e.Pass.Value = []string{
		"HTTP_USER_AGENT", "HTTP_COOKIE", "HTTP_X_FUNCTION", "HTTP_X_FUNCTION2", "HTTP_X_LINES", "HTTP_X_UNDER", "HTTP_X_NONE", "HTTP_X_EMPTY", "HTTP_HOST", "HTTP_X_BYTES",
		"HTTP_LD_PRELOAD",
	}
	got := environ(e, r)
	want := []string{"A=() { fine; }", "HTTP_USER_AGENT=a, b", "HTTP_COOKIE=c=1; d=2", "HTTP_X_LINES=a  b c d e", "HTTP_X_EMPTY=", "HTTP_HOST=example.com", "HTTP_X_BYTES=\uFFFD=é"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := environ(&site.Exec{}, r); got == nil || len(got) > 0 {
		t.Errorf("%q: nil would be all of the server's", got)
	}
}

func TestPlaces(t *testing.T) {
	var p places
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	for i, c := range []struct {
		client    netip.Prefix
		all, each int
		status    int
	}{
		{a, 3, 1, 0}, {a, 3, 1, 429}, {a, 1, 1, 429}, {a, 1, 2, 503}, {b, 3, 1, 0}, {b, 2, -1, 503}, {netip.Prefix{}, 3, 1, 0}, {netip.Prefix{}, 3, 1, 503}, {netip.Prefix{}, -1, 1, 0}, {a, -1, -1, 0},
	} {
		if got := p.take(c.client, c.all, c.each); got != c.status {
			t.Errorf("%d: %d, want %d", i, got, c.status)
		}
	}
	p.says()
	p.says()
	waited := make(chan struct{})
	go func() { p.wait(); close(waited) }()
	var ends []func()
	for _, client := range []netip.Prefix{a, b, {}, {}, a} {
		ends = append(ends, func() { p.give(client) })
	}
	for _, end := range append(slices.Insert(ends, 2, p.said), p.said) { // what it has said may be the last of a program
		select {
		case <-waited:
			t.Error("waited for too few")
		default:
		}
		end()
	}
	<-waited
	p.wait()
	if p.all != 0 || len(p.each) != 0 {
		t.Errorf("left: %v", p.each)
	}
}
