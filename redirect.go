package curlew

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"curlew.example/curlew/internal/handshake"
)

// isRedirect: RFC 9110, 15.4; those that say where a GET goes on.
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow makes the next attempt go where a redirect points.
func (d *dialer) follow(answer http.Header) error {
	if len(answer["Location"]) != 1 {
		return errors.New("redirect without one Location (RFC 9110, 10.2.2)")
	}
	base := *d.url
	to, err := url.Parse(answer["Location"][0])
	if err != nil {
		return errors.New("redirect to a malformed URL")
	}
	to = base.ResolveReference(to)
	to.Fragment, to.RawFragment = "", "" // a WebSocket's URL has none
	next, err := handshake.ParseURL(to.String())
	if err != nil {
		return fmt.Errorf("redirect to a URL that is not one of a WebSocket: %w", err)
	}
	if d.url.Scheme == "wss" && next.Scheme != "wss" {
		return errors.New("redirect from wss to ws")
	}
	if !sameOrigin(d.url, next) {
		// For good: an origin that sends us back is not the one they were for.
		d.header = d.header.Clone()
		for _, name := range []string{"Authorization", "Cookie", "Cookie2", "Proxy-Authorization", "Www-Authenticate"} {
			deleteField(d.header, name)
		}
	}
	d.url = next
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	x, errX := handshake.CanonicalHost(a.Host, a.Scheme)
	y, errY := handshake.CanonicalHost(b.Host, b.Scheme)
	return errX == nil && errY == nil && a.Scheme == b.Scheme && x == y
}

// deleteField deletes a field however its name is written.
func deleteField(h http.Header, name string) {
	for n := range h {
		if http.CanonicalHeaderKey(n) == name {
			delete(h, n)
		}
	}
}
