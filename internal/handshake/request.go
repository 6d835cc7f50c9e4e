package handshake

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxURL bounds the URLs that a client takes, in bytes. Servers give up far
// earlier.
const maxURL = 16 << 10

// ParseURL reads the URL of a WebSocket. http and https mean ws and wss, and are
// returned so. The rest is RFC 6455, 3: a host, a port from 1 to 65535 or none,
// no fragment, no user information (what it would say belongs in an
// Authorization field), nothing that is not printable ASCII.
func ParseURL(s string) (*url.URL, error) {
	if len(s) > maxURL {
		return nil, fmt.Errorf("URL longer than %d bytes", maxURL)
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return nil, errors.New("URL has a character that must be percent-encoded, or in its host written in punycode (RFC 3986, 2)")
		}
	}
	if strings.Contains(s, "#") {
		return nil, errors.New("URL has a fragment (RFC 6455, 3)")
	}
	u, err := url.Parse(s)
	if err != nil {
		// Without the text of the URL, which may hold secrets.
		return nil, errors.New("malformed URL (RFC 3986)")
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return nil, errors.New("URL is neither ws nor wss (RFC 6455, 3)")
	}
	if u.User != nil {
		return nil, errors.New("URL has user information; send an Authorization header field instead (RFC 6455, 3)")
	}
	if u.Opaque != "" || u.Host == "" {
		return nil, errors.New("URL has no host (RFC 6455, 3)")
	}
	if _, err := CanonicalHost(u.Host, u.Scheme); err != nil {
		return nil, err
	}
	return u, nil
}

// A Request is what a client asks.
type Request struct {
	URL          *url.URL // of ParseURL
	Key          string   // of NewKey
	Subprotocols []string // in order of preference
	Extensions   string   // the value of Sec-WebSocket-Extensions, "" for none
	Header       http.Header
}

// Append appends the head of the request to dst. Fields of the application
// follow those of the handshake, in the order of their names; the handshake's
// own and Host among them, names or values that would not stay one field, and
// subprotocols that are not tokens or repeated are an error; dst is then
// returned as it was. RFC 6455, 4.1.
func (q *Request) Append(dst []byte) ([]byte, error) {
	host, err := CanonicalHost(q.URL.Host, q.URL.Scheme)
	if err != nil {
		return dst, err
	}
	target := q.URL.RequestURI()
	if !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }) {
		return dst, errors.New("URL cannot be a request target (RFC 9112, 3.2.1)")
	}
	if err := validSubprotocols(q.Subprotocols); err != nil {
		return dst, err
	}
	if !isFieldValue(q.Extensions) || !isKey(q.Key) {
		return dst, errors.New("malformed key or extensions")
	}
	for name, values := range q.Header {
		if strings.EqualFold(name, "Host") {
			return dst, errors.New("header field Host is that of the URL")
		}
		if strings.EqualFold(name, "Origin") && len(values) > 1 {
			return dst, errOriginTwice
		}
	}
	b := append(dst, "GET "...)
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", host)
	b = append(b, "Upgrade: websocket\r\nConnection: Upgrade\r\n"...)
	b = appendField(b, "Sec-WebSocket-Key", q.Key)
	b = append(b, "Sec-WebSocket-Version: 13\r\n"...)
	if len(q.Subprotocols) > 0 {
		b = appendField(b, "Sec-WebSocket-Protocol", strings.Join(q.Subprotocols, ", "))
	}
	if q.Extensions != "" {
		b = appendField(b, "Sec-WebSocket-Extensions", q.Extensions)
	}
	if b, err = appendExtra(b, q.Header); err != nil {
		return dst, err
	}
	return append(b, "\r\n"...), nil
}
