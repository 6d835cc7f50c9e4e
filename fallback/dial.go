package fallback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"curlew.example/curlew"
)

// DialOptions are the settings of Dial. Zero values and nil are as in
// curlew.DialOptions.
type DialOptions struct {
	// DialOptions are those of the connection. Compression and WrapConn are not
	// used, and no redirect is followed.
	curlew.DialOptions

	// HTTP makes the requests: nil is a client with Proxy, DialContext and TLS of
	// DialOptions. It must be able to have two under way at once.
	HTTP http.RoundTripper

	// Modes are the ways to be given bytes, "stream", "sse" and "poll", which are
	// tried in this order: nil is all three. One is passed over where nothing
	// comes of it at once, as behind a proxy that holds answers back.
	Modes []string
}

// Dial connects to a WebSocket endpoint over plain HTTP: url has the scheme ws, wss,
// http or https. What the server refuses is a *curlew.HandshakeError.
//
// The connection outlives requests that fail: they are repeated for up to 30 s. Cookies
// that the answer to the open sets are sent with them.
func Dial(ctx context.Context, url string, o *DialOptions) (*curlew.Conn, error) {
	if o == nil {
		o = &DialOptions{}
	}
	base, err := plain(url)
	if err != nil {
		return nil, err
	}
	var raw *tunnel
	with := o.DialOptions
	with.Compression, with.MaxRedirects, with.WrapConn = nil, 0, nil
	with.Proxy = func(*http.Request) (*neturl, error) { return nil, nil }
	with.DialContext = func(context.Context, string, string) (net.Conn, error) {
		raw = newTunnel(base, o)
		return raw, nil
	}
	inner := *base
	inner.Scheme = "ws" // it is the requests that may use TLS
	c, err := curlew.Dial(ctx, inner.String(), &with)
	if err != nil && raw != nil {
		if cause := raw.failure(); cause != nil {
			return nil, fmt.Errorf("fallback: %w", cause)
		}
	}
	return c, err
}

// Dialer is Dial without the WebSocket, for clients of other libraries: what it returns
// stands for the DialContext that they let one set. They write their handshake of
// HTTP/1.1, for the URL with the scheme ws, to the connection and read the answer
// there; no extension is agreed. Of the options HTTP, Modes, Proxy, DialContext and TLS
// are used.
func Dialer(url string, o *DialOptions) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	if o == nil {
		o = &DialOptions{}
	}
	base, err := plain(url)
	if err != nil {
		return nil, err
	}
	return func(context.Context, string, string) (net.Conn, error) { return newTunnel(base, o), nil }, nil
}

type neturl = url.URL

// plain returns u as one of http or https.
func plain(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("fallback: the URL cannot be read")
	}
	switch strings.ToLower(u.Scheme) {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("fallback: the scheme %q is none of ws, wss, http, https", u.Scheme)
	}
	return u, nil
}

// transport returns what makes the requests, and how to let go of it.
func (o *DialOptions) transport() (http.RoundTripper, func()) {
	if o.HTTP != nil {
		return o.HTTP, func() {}
	}
	t := &http.Transport{
		Proxy: o.Proxy, DialContext: o.DialContext, TLSClientConfig: o.TLS,
		ForceAttemptHTTP2: true, DisableCompression: true, IdleConnTimeout: idleTime,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	if t.Proxy == nil {
		t.Proxy = http.ProxyFromEnvironment
	}
	return t, t.CloseIdleConnections
}
