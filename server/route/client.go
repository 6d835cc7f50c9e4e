package route

import (
	"net/http"
	"net/netip"
)

// Address returns the address of the client of r, without its port. It is that
// which a trusted proxy tells if there is one; the zero Addr if the client has
// none, as on a Unix socket.
func Address(r *http.Request) netip.Addr { return ParseAddress(r.RemoteAddr) }

// ParseAddress returns the address of an "address:port", or the zero Addr.
func ParseAddress(s string) netip.Addr {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

// Client returns what counts as one client where something is counted for each:
// an IPv4 address, or the /64 of an IPv6 address, as one machine has all of
// that. Where it has not, on a link and behind a translator of IPv4, it is the
// address. Clients without one, those of Unix sockets, cannot be told apart and are
// one together.
func Client(r *http.Request) netip.Prefix { return ClientOf(Address(r)) }

// translated are the IPv4 addresses in IPv6. RFC 6052, 2.1.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// ClientOf is Client for an address.
func ClientOf(a netip.Addr) netip.Prefix {
	n := 32
	switch {
	case !a.IsValid():
		return netip.PrefixFrom(netip.IPv6Unspecified(), 128)
	case a.IsLinkLocalUnicast() && a.Is6(), translated.Contains(a):
		n = 128
	case a.Is6():
		n = 64
	}
	p, _ := a.Prefix(n)
	return p
}
