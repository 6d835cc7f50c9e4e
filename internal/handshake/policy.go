package handshake

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// A Policy is what a server accepts. It is not changed once it is in use; any
// number of goroutines may Check with it.
type Policy struct {
	// Subprotocols in the server's order of preference.
	Subprotocols       []string
	RequireSubprotocol bool

	// Origins besides the server's own: exact, or "https://*.host".
	Origins []string

	// AnyOrigin allows every Origin, and none.
	AnyOrigin bool

	// AllowOrigin, if set, decides alone about requests with exactly one Origin
	// line, whatever stands in it.
	AllowOrigin func(r *http.Request, origin string) bool
}

// Validate finds what no request can be checked against: subprotocols that are
// not tokens or repeated, origins that are not one.
func (p *Policy) Validate() error {
	if err := validSubprotocols(p.Subprotocols); err != nil {
		return err
	}
	if p.RequireSubprotocol && len(p.Subprotocols) == 0 {
		return errors.New("a subprotocol is required but none is named")
	}
	for _, s := range p.Origins {
		if _, _, err := parseOriginPattern(s); err != nil {
			return err
		}
	}
	return nil
}

func validSubprotocols(names []string) error {
	for i, s := range names {
		if !isToken(s) {
			return fmt.Errorf("subprotocol %q is not a token (RFC 6455, 4.1)", s)
		}
		for _, t := range names[:i] {
			if s == t {
				return fmt.Errorf("subprotocol %q is named twice (RFC 6455, 4.1)", s)
			}
		}
	}
	return nil
}

// Check judges a request. Exactly one of its results is nil. The origin is that
// of r.Host, which net/http takes from an absolute-form target if there is one
// (RFC 9112, 3.2.2), and of r.TLS.
func (p *Policy) Check(r *http.Request) (*Answer, *Refusal) {
	if f := checkLine(r); f != nil {
		return nil, f
	}
	host, err := CanonicalHost(r.Host, "http")
	if r.TLS != nil {
		host, err = CanonicalHost(r.Host, "https")
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, err)
	}
	if f := checkUpgrade(r); f != nil {
		return nil, f
	}
	if err := p.checkOrigin(r, host); err != nil {
		return nil, refuse(http.StatusForbidden, err)
	}
	offered, err := ParseSubprotocols(r.Header["Sec-Websocket-Protocol"])
	if err != nil {
		return nil, refuse(http.StatusBadRequest, fmt.Errorf("Sec-WebSocket-Protocol: %w", err))
	}
	a := &Answer{Accept: AcceptKey(r.Header["Sec-Websocket-Key"][0])}
	if a.Extensions, err = ParseExtensions(r.Header["Sec-Websocket-Extensions"]); err != nil {
		return nil, refuse(http.StatusBadRequest, err)
	}
	if a.Subprotocol = choose(p.Subprotocols, offered); a.Subprotocol == "" {
		if len(offered) > 0 && len(p.Subprotocols) > 0 {
			return nil, refuse(http.StatusBadRequest, errors.New("no subprotocol in common (RFC 6455, 4.2.2)"))
		}
		if p.RequireSubprotocol {
			return nil, refuse(http.StatusBadRequest, errors.New("a subprotocol is required (Sec-WebSocket-Protocol)"))
		}
	}
	return a, nil
}

// checkLine judges the request line and what comes with it, before anything is
// believed of an upgrade.
func checkLine(r *http.Request) *Refusal {
	if r.ProtoMajor >= 2 && r.Method != "PRI" {
		if r.Method == http.MethodConnect && (r.Header.Get(":protocol") == "websocket" || r.Proto == "websocket") {
			return multiplexed(http.StatusNotImplemented, errors.New("WebSocket over this version of HTTP is not served here (RFC 8441)"))
		}
		return multiplexed(http.StatusBadRequest, errors.New("not a WebSocket handshake (RFC 8441, 4)"))
	}
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 {
		// An upgrade in HTTP/1.0 must be ignored. RFC 9110, 7.8.
		return refuse(http.StatusHTTPVersionNotSupported, errors.New("the handshake needs HTTP/1.1 (RFC 6455, 4.1)"))
	}
	if r.Method != http.MethodGet { // exactly, also by case
		f := refuse(http.StatusMethodNotAllowed, errors.New("the handshake is a GET (RFC 6455, 4.1)"))
		f.Header.Set("Allow", http.MethodGet)
		return f
	}
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		// After the upgrade the body would be read as frames.
		return refuse(http.StatusBadRequest, errors.New("a handshake has no body"))
	}
	if len(r.Header["Expect"]) > 0 {
		return refuse(http.StatusExpectationFailed, errors.New("a handshake expects nothing (RFC 9110, 10.1.1)"))
	}
	if !validTarget(r) {
		return refuse(http.StatusBadRequest, errors.New("invalid request target (RFC 9112, 3.2)"))
	}
	return nil
}

// validTarget allows origin-form and, without user information, absolute-form.
// A fragment is never sent (RFC 6455, 3), but net/http takes it for path.
func validTarget(r *http.Request) bool {
	if strings.ContainsRune(r.RequestURI, '#') || r.URL == nil || r.URL.User != nil || r.URL.Opaque != "" {
		return false
	}
	switch r.URL.Scheme {
	case "":
		return strings.HasPrefix(r.URL.Path, "/") // not "*"
	case "http", "https", "ws", "wss":
		return r.URL.Host != "" && (r.URL.Path == "" || r.URL.Path[0] == '/')
	}
	return false
}

// checkUpgrade judges the fields of RFC 6455, 4.2.1, besides Host, Origin and
// the lists of names.
func checkUpgrade(r *http.Request) *Refusal {
	found, err := hasUpgrade(r.Header["Upgrade"])
	if err != nil {
		return refuse(http.StatusBadRequest, fmt.Errorf("Upgrade: %w", err))
	}
	if !found {
		f := refuse(http.StatusUpgradeRequired, errors.New("this is a WebSocket endpoint: Upgrade: websocket is missing (RFC 6455, 4.2.1)"))
		f.upgradable()
		return f
	}
	if found, err = hasToken(r.Header["Connection"], "upgrade"); err != nil {
		return refuse(http.StatusBadRequest, fmt.Errorf("Connection: %w", err))
	} else if !found {
		return refuse(http.StatusBadRequest, errors.New("Connection: upgrade is missing (RFC 6455, 4.2.1)"))
	}
	switch v := r.Header["Sec-Websocket-Version"]; {
	case len(v) == 1 && v[0] == "13":
	case len(v) == 1:
		f := refuse(http.StatusUpgradeRequired, errors.New("the version of WebSocket is 13 (RFC 6455, 4.4)"))
		f.upgradable()
		f.Header.Set("Sec-WebSocket-Version", "13")
		return f
	default:
		f := refuse(http.StatusBadRequest, errors.New("Sec-WebSocket-Version must be there once (RFC 6455, 11.3.5)"))
		f.Header.Set("Sec-WebSocket-Version", "13")
		return f
	}
	if key := r.Header["Sec-Websocket-Key"]; len(key) != 1 || !isKey(key[0]) {
		return refuse(http.StatusBadRequest, errors.New("Sec-WebSocket-Key must be there once and be 16 bytes in base64 (RFC 6455, 4.2.1)"))
	}
	return nil
}

// choose returns the first of ours that is offered too, or "".
func choose(ours, offered []string) string {
	for _, s := range ours {
		for _, t := range offered {
			if s == t {
				return s
			}
		}
	}
	return ""
}
