package site

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// The checks of texts. Each returns an error of "what was found; what would be
// right".

// isToken: RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

func checkMethod(s string) (string, error) {
	switch {
	case !isToken(s):
		return "", problem(quote(s)+" is not a method", "a method is written such as 'GET'")
	case s != strings.ToUpper(s):
		return "", problem(quote(s)+" is not a method", "did you mean '"+strings.ToUpper(s)+"'?")
	}
	return s, nil
}

// checkProtocol: RFC 6455, 4.1, item 10.
func checkProtocol(s string) (string, error) {
	if !isToken(s) {
		return "", problem(quote(s)+" is not the name of a subprotocol", "letters, digits and !#$%&'*+-.^_`|~ are possible")
	}
	return s, nil
}

// checkHost returns a host in lower case.
func checkHost(s string) (string, error) {
	wrong := func(right string) (string, error) { return "", problem(quote(s)+" is not a host", right) }
	host := strings.TrimSuffix(strings.ToLower(s), ".")
	switch name, wild := strings.CutPrefix(host, "*."); {
	case strings.Contains(s, "://"):
		return wrong("write it without scheme and path")
	case strings.HasPrefix(s, "["):
		if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err != nil || !a.Is6() {
			return wrong("an IPv6 address is written '[::1]'")
		}
		return host, nil
	case strings.Contains(name, "*"):
		return wrong("a star stands for whole labels at the start: '*.example.com'")
	case strings.Contains(s, ":"):
		return wrong("write it without the port")
	case !isHostName(name) || wild && isAddress(name):
		return wrong("write it such as 'example.com' or '*.example.com'")
	}
	return host, nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// isHostName accepts names and IPv4 addresses in lower case.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// checkOrigin: RFC 6454, 6.2, with * for any origin or for labels at the start.
func checkOrigin(s string) (string, error) {
	wrong := func(right string) (string, error) { return "", problem(quote(s)+" is not an origin", right) }
	if s == "*" {
		return s, nil
	}
	scheme, rest, found := strings.Cut(strings.ToLower(s), "://")
	switch {
	case s == "null":
		return wrong("pages without an origin cannot be told apart; '*' allows all")
	case !found:
		return wrong("write it with its scheme, such as 'https://" + cutQuoted(s) + "'")
	case scheme != "https" && scheme != "http":
		return wrong("the scheme is https or http")
	case strings.ContainsAny(rest, "/?#"):
		end := strings.IndexAny(rest, "/?#")
		return wrong("an origin has no path: '" + cutQuoted(scheme+"://"+rest[:end]) + "'")
	}
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		host, port = rest[:i], rest[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return wrong("a port is a number from 1 to 65535")
		}
	}
	if _, err := checkHost(host); err != nil {
		return wrong("write it such as 'https://example.com' or 'https://*.example.com'")
	}
	return scheme + "://" + rest, nil
}

// cutQuoted is quote without the quotes.
func cutQuoted(s string) string {
	q := quote(s)
	return q[1 : len(q)-1]
}

// ParseListen reads an address as listen and --listen have it: host:port,
// https://host:port or unix:/path. A relative path stays so.
func ParseListen(s string) (Listen, error) {
	wrong := func(right string) (Listen, error) { return Listen{}, problem(quote(s)+" is not an address", right) }
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if path == "" || strings.Contains(path, "\x00") {
			return wrong("a path is wanted after unix:, such as 'unix:/run/curlew.sock'")
		}
		return Listen{Network: "unix", Address: path}, nil
	}
	address, secure := strings.CutPrefix(s, "https://")
	scheme, bare, _ := strings.Cut(s, "://")
	host, port, err := net.SplitHostPort(address)
	switch {
	case scheme == "http" || scheme == "ws":
		return wrong("write it without " + scheme + "://: '" + cutQuoted(strings.TrimRight(bare, "/")) + "'")
	case scheme == "wss":
		return wrong("did you mean 'https://" + cutQuoted(strings.TrimRight(bare, "/")) + "'?")
	case isPort(s):
		return wrong("did you mean ':" + cutQuoted(s) + "'?")
	case s != "" && strings.Trim(s, "0123456789") == "":
		return wrong(rightPort)
	case strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./"):
		return wrong("did you mean 'unix:" + cutQuoted(s) + "'?")
	case secure && strings.HasSuffix(address, "/"):
		return wrong("write it without the path: 'https://" + cutQuoted(strings.TrimRight(address, "/")) + "'")
	case strings.Contains(address, "/"):
		return wrong("host:port, https://host:port or unix:/path is wanted")
	case err != nil && isAddress(address) && strings.Contains(address, ":"):
		return wrong("an IPv6 address is written with brackets and a port, such as '[::1]:8080'")
	case err != nil && !strings.Contains(address, ":") && address != "":
		if secure {
			return wrong("the port is missing: '" + cutQuoted(s) + ":443'")
		}
		return wrong("the port is missing: '" + cutQuoted(s) + ":8080'")
	case err != nil:
		return wrong("host:port, https://host:port or unix:/path is wanted")
	}
	if !isPort(port) {
		return wrong(rightPort)
	}
	if host != "" && !isAddress(host) && !isHostName(strings.ToLower(host)) {
		return wrong("the host is a name or an address")
	}
	return Listen{Network: "tcp", Address: address, Secure: secure}, nil
}

const rightPort = "a port is a number from 0 to 65535; 0 is any that is free"

// isPort reports whether s is the number of a port, or 0.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && s == strconv.FormatUint(n, 10)
}

// checkTarget checks where a redirect leads to.
func checkTarget(s string) error {
	wrong := func(right string) error { return problem(quote(s)+" is not a target", right) }
	_, rest, _ := strings.Cut(s, "://")
	host, _, _ := strings.Cut(rest, "/")
	u, err := url.Parse(strings.ReplaceAll(strings.ReplaceAll(s, "${", "x"), "}", "x"))
	_, secure := ToTLS(s)
	switch {
	case secure:
		return nil
	case strings.HasPrefix(host, ":"):
		return wrong("the same over TLS is 'https:' or 'https://:8443'")
	case strings.HasPrefix(s, "//") || strings.HasPrefix(s, `/\`):
		return wrong("a URL is written with its scheme: 'https:" + cutQuoted(s) + "'")
	case err != nil || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7F || r >= 0x80 }):
		return wrong("a path or a URL is wanted, with other characters as %XX")
	case strings.HasPrefix(s, "/"):
		return nil
	case strings.Contains(host, "${"):
		return wrong("a client must not choose the host: write it out")
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return nil
	}
	return wrong("a path such as '/new' or a URL such as 'https://example.com/' is wanted")
}

// ToTLS reports whether the target of a redirect is 'https:' or 'https://:port':
// what was asked for, over TLS. The port is 443 if it names none.
func ToTLS(to string) (port string, ok bool) {
	if to == "https:" {
		return "443", true
	}
	port, ok = strings.CutPrefix(to, "https://:")
	return port, ok && isPort(port) && port != "0"
}

// ownFields are written by the server itself; setting them would break the
// framing of answers or the handshake.
var ownFields = map[string]bool{
	"Connection": true, "Upgrade": true, "Content-Length": true, "Transfer-Encoding": true,
	"Trailer": true, "Te": true, "Keep-Alive": true,
}

// checkFieldName returns the name of a header field as net/http writes it.
func checkFieldName(s string) (string, error) {
	if !isToken(s) {
		return "", problem(quote(s)+" is not the name of a field", "letters, digits and !#$%&'*+-.^_`|~ are possible")
	}
	name := http.CanonicalHeaderKey(s)
	if ownFields[name] || strings.HasPrefix(name, "Sec-Websocket-") {
		return "", problem("the field "+quote(s)+" is the server's own", "remove it")
	}
	return name, nil
}

// checkFieldValue: RFC 9110, 5.5.
func checkFieldValue(s string) (string, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7F {
			return "", problem(quote(s)+" has a control character", "a value is one line of text")
		}
	}
	if strings.Trim(s, " \t") != s {
		return "", problem(quote(s)+" begins or ends with a space", "remove it")
	}
	return s, nil
}
