package handshake

import (
	"net/http"
	"testing"
)

func TestAppend(t *testing.T) {
	a := &Answer{Accept: sampleAccept, Subprotocol: "chat"}
	got, err := a.Append([]byte("before "), "permessage-deflate", http.Header{"X-B": {"2", "3"}, "X-A": {"caf\u00e9\tau lait"}})
	const want = "before HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept +
		"\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-A: caf\u00e9\tau lait\r\nX-B: 2\r\nX-B: 3\r\n\r\n"
	if err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

// badFields are refused by the server's answer and by the client's request.
var badFields = map[string]http.Header{
	"HS40 CRLF":            {"X": {"a\r\nSet-Cookie: b"}},
	"HS40 LF":              {"X": {"a\nb"}},
	"HS40 CR":              {"X": {"a\rb"}},
	"HS40 NUL":             {"X": {"a\x00b"}},
	"HS40 ESC":             {"X": {"\x1b[2J"}},
	"HS40 second value":    {"X": {"a", "b\r\n"}},
	"HS40 name with CRLF":  {"X: a\r\nY": {"b"}},
	"HS40 name with colon": {"X:": {"b"}},
	"HS40 name with space": {"X Y": {"b"}},
	"HS40 empty name":      {"": {"b"}},
	"HS41 accept":          {"Sec-Websocket-Accept": {"a"}},
	"HS41 extensions":      {"Sec-WebSocket-Extensions": {"a"}},
	"HS41 protocol":        {"sec-websocket-protocol": {"a"}},
	"HS41 unknown of ours": {"Sec-Websocket-Next": {"a"}},
	"HS41 upgrade":         {"upgrade": {"h2c"}},
	"HS41 connection":      {"CONNECTION": {"close"}},
	"HS41 length":          {"Content-Length": {"5"}},
	"HS41 coding":          {"Transfer-Encoding": {"chunked"}},
	"HS41 without a value": {"Upgrade": nil},
}

func TestHS40_HS41_Append(t *testing.T) {
	for name, h := range badFields {
		t.Run(name, func(t *testing.T) {
			got, err := (&Answer{Accept: sampleAccept}).Append([]byte("before"), "", h)
			if err == nil || string(got) != "before" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
