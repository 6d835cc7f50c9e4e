package handshake

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

var errHost = errors.New("invalid host (RFC 9110, 7.2)")

// CanonicalHost returns the one form of the authority of a URL, a Host field or
// an origin: the name in lower case without a trailing dot, an IPv6 address in
// brackets in its shortest form, the port only if it is not the scheme's own
// (http, ws: 80; https, wss: 443). User information, zones, percent-encoding,
// names outside ASCII and ports outside 1 to 65535 are errors. RFC 3986, 3.2.2;
// RFC 5952.
func CanonicalHost(authority, scheme string) (string, error) {
	host, port, err := splitHost(authority)
	if err != nil {
		return "", err
	}
	if port == "" || port == defaultPort(scheme) {
		return host, nil
	}
	return host + ":" + port, nil
}

// splitHost returns the canonical host, an IPv6 address in its brackets, and the
// port without leading zeros; "" if there is none.
func splitHost(authority string) (host, port string, err error) {
	host = authority
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return "", "", errHost
		}
		host, port = host[:end+1], host[end+1:]
		a, err := netip.ParseAddr(host[1:end])
		if err != nil || !a.Is6() || a.Zone() != "" {
			return "", "", errHost
		}
		host = "[" + a.String() + "]"
		if port == "" {
			return host, "", nil
		}
		if port[0] != ':' {
			return "", "", errHost
		}
		port = port[1:]
	} else {
		host, port, _ = strings.Cut(host, ":")
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if !isHostName(host) {
			return "", "", errHost
		}
	}
	if port == "" { // "host:" is legal. RFC 3986, 3.2.3
		return host, "", nil
	}
	for i := 0; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return "", "", errHost
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || len(port) > 5 {
		return "", "", errHost
	}
	return host, strconv.FormatUint(n, 10), nil
}

// isHostName is looser than DNS (underscores are in use) and stricter than RFC
// 3986: nothing that means something elsewhere in a URL, a header or a log.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for more := true; more; {
		var label string
		label, s, more = strings.Cut(s, ".")
		if label == "" || len(label) > 63 {
			return false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '~') {
				return false
			}
		}
		// Punycode of nothing but ASCII: a second spelling of another name.
		if strings.HasPrefix(label, "xn--") && strings.HasSuffix(label, "-") {
			return false
		}
	}
	return true
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}
