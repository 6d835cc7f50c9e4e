package route_test

import (
	"net/netip"
	"testing"

	"curlew.example/curlew/server/route"
)

// RX2: what counts as one client is what one machine can have.
func TestRX2Client(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:80":                "192.0.2.1/32",
		"192.0.2.1:0":                 "192.0.2.1/32",
		"[::ffff:192.0.2.1]:80":       "192.0.2.1/32",
		"[::ffff:192.0.2.1%eth0]:80":  "192.0.2.1/32",
		"[2001:db8:1:2:3:4:5:6]:80":   "2001:db8:1:2::/64",
		"[2001:db8:1:2:3:4:5:6%x]:80": "2001:db8:1:2::/64",
		"[::1]:80":                    "::/64",
		"[fe80::1%eth0]:80":           "fe80::1/128", // the neighbours' too begin with fe80::/64
		"[fe80::2%eth1]:80":           "fe80::2/128",
		"[64:ff9b::192.0.2.1]:80":     "64:ff9b::c000:201/128", // IPv4 behind a translator, RFC 6052, 2.1
		"[64:ff9b::192.0.2.2]:80":     "64:ff9b::c000:202/128",
		"[64:ff9b:1::192.0.2.2]:80":   "64:ff9b:1::/64",
		"@":                           "::/128",
		"":                            "::/128",
		"192.0.2.1":                   "::/128",
	} {
		if got := route.ClientOf(route.ParseAddress(address)); got != netip.MustParsePrefix(want) {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
