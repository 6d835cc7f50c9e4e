package curlew

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"curlew.example/curlew/internal/handshake"
)

// proxy returns the proxy for this attempt, nil for none.
func (d *dialer) proxy(ctx context.Context) (*url.URL, error) {
	if d.o.Proxy == nil {
		return environmentProxy(d.url, os.Getenv)
	}
	u := *d.url // in http's words, so that http.ProxyURL and the like work
	u.Scheme = "http"
	if d.url.Scheme == "wss" {
		u.Scheme = "https"
	}
	r := &http.Request{
		Method: http.MethodGet, URL: &u, Host: u.Host, Header: d.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	p, err := d.o.Proxy(r.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("choosing a proxy: %w", err)
	}
	if p == nil {
		return nil, nil
	}
	return p, validProxy(p)
}

func validProxy(p *url.URL) error {
	switch p.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return errors.New("the proxy's URL is none of http, https, socks5 and socks5h")
	}
	if _, err := handshake.CanonicalHost(p.Host, p.Scheme); err != nil {
		return fmt.Errorf("the proxy's URL: %w", err)
	}
	return nil
}

// environmentProxy reads the variables that other programs read, in upper or in
// lower case: HTTP_PROXY for ws, HTTPS_PROXY for wss, ALL_PROXY for what these
// leave open, NO_PROXY for whom none is for. The machine itself is never reached
// by one.
func environmentProxy(u *url.URL, getenv func(string) string) (*url.URL, error) {
	either := func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return getenv(strings.ToLower(name))
	}
	name := "HTTP_PROXY"
	if u.Scheme == "wss" {
		name = "HTTPS_PROXY"
	}
	value := either(name)
	// In a CGI program a request's field Proxy becomes HTTP_PROXY ("httpoxy").
	if value != "" && name == "HTTP_PROXY" && getenv("REQUEST_METHOD") != "" {
		return nil, errors.New("HTTP_PROXY is not believed in a CGI program; set DialOptions.Proxy")
	}
	if value == "" {
		name, value = "ALL_PROXY", either("ALL_PROXY")
	}
	if value == "" || isLocal(hostname(u)) || isExcepted(hostname(u), port(u), either("NO_PROXY")) {
		return nil, nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	p, err := url.Parse(value)
	if err == nil {
		err = validProxy(p)
	}
	if err != nil { // without the value, which may hold a password
		return nil, fmt.Errorf("%s does not hold a proxy's URL", name)
	}
	return p, nil
}

func isLocal(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// isExcepted looks host up in a NO_PROXY list: "*", names (which mean the names
// below them too), names with a dot or "*." before them (which mean only those
// below), addresses, ranges of addresses; all but ranges and "*" may end in a
// port.
func isExcepted(host, port, list string) bool {
	host = strings.ToLower(host)
	addr, err := netip.ParseAddr(host)
	isAddr := err == nil
	addr = addr.Unmap()
	for entry := range strings.FieldsFuncSeq(strings.ToLower(list), func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
		if entry == "*" {
			return true
		}
		if r, err := netip.ParsePrefix(entry); err == nil {
			if isAddr && r.Contains(addr) {
				return true
			}
			continue
		}
		name, only := splitPort(entry)
		if only != "" && only != port {
			continue
		}
		if a, err := netip.ParseAddr(name); err == nil {
			if isAddr && a.Unmap() == addr {
				return true
			}
			continue
		}
		if isAddr {
			continue
		}
		name = strings.TrimSuffix(strings.TrimPrefix(name, "*"), ".")
		below, found := strings.CutPrefix(name, ".")
		if below != "" && (strings.HasSuffix(host, "."+below) || !found && host == below) {
			return true
		}
	}
	return false
}

// splitPort splits an entry of NO_PROXY; an IPv6 address with a port stands in
// brackets.
func splitPort(entry string) (host, port string) {
	if i := strings.LastIndexByte(entry, ':'); i >= 0 && (strings.Count(entry, ":") == 1 || entry[i-1] == ']') {
		entry, port = entry[:i], entry[i+1:]
	}
	return strings.TrimSuffix(strings.TrimPrefix(entry, "["), "]"), port
}
