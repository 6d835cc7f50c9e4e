package handshake

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// CheckResponse judges the answer to a request with this key, these
// subprotocols, and extensions if offeredExtensions. It returns the selected
// subprotocol, or "", and the extensions in force, which the caller has yet to
// compare with its offers. RFC 6455, 4.1.
func CheckResponse(resp *http.Response, key string, offeredProtocols []string, offeredExtensions bool) (subprotocol string, exts []Extension, err error) {
	h := resp.Header
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return "", nil, errors.New("the server did not switch protocols")
	}
	if resp.ProtoMajor != 1 || resp.ProtoMinor != 1 {
		return "", nil, errors.New("the answer is not HTTP/1.1 (RFC 9110, 15.2)")
	}
	if up, err := ParseTokens(h["Upgrade"]); err != nil || len(up) != 1 || !strings.EqualFold(up[0], "websocket") {
		return "", nil, errors.New("Upgrade is not websocket (RFC 6455, 4.1)")
	}
	if found, err := hasToken(h["Connection"], "upgrade"); err != nil || !found {
		return "", nil, errors.New("Connection is not upgrade (RFC 6455, 4.1)")
	}
	if a := h["Sec-Websocket-Accept"]; len(a) != 1 || strings.Trim(a[0], " \t") != AcceptKey(key) {
		return "", nil, errors.New("Sec-WebSocket-Accept is not that of our key (RFC 6455, 4.1)")
	}
	if p := h["Sec-Websocket-Protocol"]; len(p) > 0 {
		if len(p) > 1 {
			return "", nil, errors.New("Sec-WebSocket-Protocol is there twice (RFC 6455, 11.3.4)")
		}
		if !slices.Contains(offeredProtocols, p[0]) {
			return "", nil, errors.New("the server selected a subprotocol that was not offered (RFC 6455, 4.1)")
		}
		subprotocol = p[0]
	}
	if e := h["Sec-Websocket-Extensions"]; len(e) > 0 {
		if len(e) > 1 {
			return "", nil, errors.New("Sec-WebSocket-Extensions is there twice (RFC 6455, 11.3.2)")
		}
		if !offeredExtensions {
			return "", nil, errors.New("the server uses an extension that was not offered (RFC 6455, 4.1)")
		}
		if exts, err = ParseExtensions(e); err != nil {
			return "", nil, fmt.Errorf("the answer: %w", err)
		}
	}
	return subprotocol, exts, nil
}
