package server

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// forwarded makes a request that a trusted proxy passed on look as if it had come
// directly: RemoteAddr, Host and TLS are those of the client and of what it asked
// for. So all that comes after this needs to know nothing of proxies. It returns
// the proxy's address, "" for a request that came directly, and false if the
// proxy tells what cannot be.
//
// A header of somebody else says nothing: it is left alone and not looked at. So
// are Forwarded and headers that only look alike. The request is changed in place,
// since net/http cleans up behind the one that it has made.
func forwarded(r *http.Request, trusted *site.Ranges) (via string, ok bool) {
	if trusted.Empty() || !trusted.Contains(route.Address(r)) {
		return "", true
	}
	via = r.RemoteAddr
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		r.TLS = new(tls.ConnectionState) // a certificate of the proxy's is not the client's
	}
	hop, address := client(items(r.Header["X-Forwarded-For"]), trusted)
	if hop >= 0 {
		r.RemoteAddr = address.String()
	}
	switch strings.ToLower(ofHop(items(r.Header["X-Forwarded-Proto"]), hop)) {
	case "https", "wss":
		if r.TLS == nil {
			r.TLS = new(tls.ConnectionState)
		}
	case "http", "ws":
		r.TLS = nil
	}
	if hosts := items(r.Header["X-Forwarded-Host"]); len(hosts) > 0 {
		host := ofHop(hosts, hop)
		if host == "" {
			return via, false
		}
		r.Host = host // what it may be checks the route, as it does with any
	}
	return via, true
}

// items returns those of a header field that may stand in several lines, the
// last one first: that is the nearest. RFC 9110, 5.3.
func items(lines []string) (list []string) {
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; rest != ""; {
			cut := strings.LastIndexByte(rest, ',')
			list = append(list, strings.Trim(rest[cut+1:], " \t"))
			rest = rest[:max(cut, 0)]
		}
	}
	return list
}

// client returns the address that is the client's by a list of X-Forwarded-For,
// nearest first, and its index: the first one that is not a trusted proxy's, or
// the last one. What stands behind that the client may have made up. Nothing that
// is no address is believed, nor anything behind it. -1: there is none.
func client(list []string, trusted *site.Ranges) (hop int, address netip.AddrPort) {
	hop = -1
	for i, s := range list {
		a, ok := parseAddress(s)
		if !ok {
			break
		}
		hop, address = i, a
		if !trusted.Contains(a.Addr()) {
			break
		}
	}
	return hop, address
}

// parseAddress reads an address, perhaps with a port.
func parseAddress(s string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return netip.AddrPortFrom(a.Unmap().WithZone(""), 0), true
	}
	a, err := netip.ParseAddrPort(s)
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), err == nil
}

// ofHop returns the item that the proxy added which the client, at index hop in
// X-Forwarded-For, came to. Proxies that replace the field leave one item.
func ofHop(list []string, hop int) string {
	if len(list) == 0 {
		return ""
	}
	return list[min(max(hop, 0), len(list)-1)]
}
