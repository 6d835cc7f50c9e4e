package handshake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// An Answer is what a 101 says.
type Answer struct {
	Accept      string      // Sec-WebSocket-Accept
	Subprotocol string      // the selected one, or ""
	Extensions  []Extension // the client's offers, in its order
}

// Append appends the head of the 101 to dst. extensions is the value of
// Sec-WebSocket-Extensions, "" for none; extra are fields of the application,
// written in the order of their names. Those that are the handshake's own, and
// names or values that would not stay one field, are an error; dst is then
// returned as it was. RFC 6455, 4.2.2.
func (a *Answer) Append(dst []byte, extensions string, extra http.Header) ([]byte, error) {
	b := append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	b = appendField(b, "Sec-WebSocket-Accept", a.Accept)
	if a.Subprotocol != "" {
		b = appendField(b, "Sec-WebSocket-Protocol", a.Subprotocol)
	}
	if extensions != "" {
		b = appendField(b, "Sec-WebSocket-Extensions", extensions)
	}
	b, err := appendExtra(b, extra)
	if err != nil {
		return dst, err
	}
	return append(b, "\r\n"...), nil
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// appendExtra appends the application's fields in the order of their names.
func appendExtra(b []byte, extra http.Header) ([]byte, error) {
	if len(extra) == 0 {
		return b, nil
	}
	names := make([]string, 0, len(extra))
	for name := range extra {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := validField(name, extra[name]); err != nil {
			return b, err
		}
		for _, v := range extra[name] {
			b = appendField(b, name, v)
		}
	}
	return b, nil
}

// validField refuses what is not the application's to say and what would not
// stay one field. RFC 9110, 5.5.
func validField(name string, values []string) error {
	if !isToken(name) {
		return fmt.Errorf("header field name %q is not a token (RFC 9110, 5.1)", name)
	}
	lower := strings.ToLower(name)
	switch lower {
	case "upgrade", "connection", "content-length", "transfer-encoding", "trailer", "te", "keep-alive", "proxy-connection", "http2-settings":
		return fmt.Errorf("header field %s belongs to the handshake", name)
	}
	if strings.HasPrefix(lower, "sec-websocket-") {
		return fmt.Errorf("header field %s belongs to the handshake", name)
	}
	for _, v := range values {
		if !isFieldValue(v) {
			return fmt.Errorf("header field %s has a line break or another control character in its value", name)
		}
	}
	return nil
}

func isFieldValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
