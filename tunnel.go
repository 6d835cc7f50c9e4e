package curlew

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// connect makes the TCP connection, to the server or to the proxy.
func (d *dialer) connect(ctx context.Context, proxy *url.URL) (net.Conn, error) {
	to := d.url
	if proxy != nil {
		to = proxy
	}
	dial := d.o.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", address(to))
	if err == nil && conn == nil {
		err = errors.New("DialContext returned no connection")
	}
	return conn, err
}

// secure passes the proxy, if there is one, and makes the TLS of wss.
func (d *dialer) secure(ctx context.Context, conn net.Conn, proxy *url.URL) (net.Conn, error) {
	var err error
	if proxy != nil {
		if conn, err = d.tunnel(ctx, conn, proxy); err != nil {
			return nil, err
		}
	}
	if d.url.Scheme != "wss" {
		return conn, nil
	}
	config := d.o.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config.ServerName = hostname(d.url)
	}
	config.NextProtos = []string{"http/1.1"} // the handshake is HTTP/1.1 alone
	t := tls.Client(conn, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// tunnel makes conn, to the proxy, one to the server.
func (d *dialer) tunnel(ctx context.Context, conn net.Conn, proxy *url.URL) (net.Conn, error) {
	switch proxy.Scheme {
	case "socks5", "socks5h":
		if err := socks(conn, proxy.User, hostname(d.url), port(d.url)); err != nil {
			return nil, fmt.Errorf("SOCKS5 proxy: %w", err)
		}
		return conn, nil
	case "https":
		config := d.o.TLS.Clone()
		if config == nil {
			config = &tls.Config{}
		}
		config.ServerName = hostname(proxy)
		config.NextProtos = []string{"http/1.1"}
		config.Certificates, config.GetClientCertificate = nil, nil // who we are is for the server
		config.EncryptedClientHelloConfigList = nil
		t := tls.Client(conn, config)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		conn = proxyTLS{t}
	}
	resp, rest, err := exchange(conn, connectRequest(address(d.url), proxy.User), http.MethodConnect)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, refused(resp, "the proxy refused")
	}
	if len(rest) > 0 { // WebSocket's clients speak first: not the server's words
		return nil, errors.New("proxy: sent more than its answer (RFC 9110, 9.3.6)")
	}
	return conn, nil
}

// proxyTLS is TLS that ends at the proxy, which Info must not take for the
// server's.
type proxyTLS struct{ *tls.Conn }

// connectRequest: RFC 9110, 9.3.6; credentials as in RFC 7617.
func connectRequest(address string, user *url.Userinfo) []byte {
	b := fmt.Appendf(nil, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", address, address)
	if user != nil {
		password, _ := user.Password()
		secret := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		b = fmt.Appendf(b, "Proxy-Authorization: Basic %s\r\n", secret)
	}
	return append(b, "\r\n"...)
}

// address is host:port of a URL, with the scheme's port if it names none.
func address(u *url.URL) string { return net.JoinHostPort(u.Hostname(), port(u)) }

// hostname is the host of a URL without brackets and, as TLS wants it, without
// the dot that ends an absolute name.
func hostname(u *url.URL) string { return strings.TrimSuffix(u.Hostname(), ".") }

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	switch u.Scheme {
	case "wss", "https":
		return "443"
	case "socks5", "socks5h":
		return "1080"
	}
	return "80"
}
