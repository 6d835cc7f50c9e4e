package handshake

import (
	"bufio"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct{ in, want, host, target string }{
		{"ws://example.com", "ws://example.com", "example.com", "/"},
		{"WSS://Example.COM:443/a/../b?c=d&e", "wss://Example.COM:443/a/../b?c=d&e", "example.com", "/a/../b?c=d&e"},
		{"http://example.com:8080?x", "ws://example.com:8080?x", "example.com:8080", "/?x"},
		{"https://[::1]:443/%20?%0d", "wss://[::1]:443/%20?%0d", "[::1]", "/%20?%0d"},
		{"ws://example.com//x", "ws://example.com//x", "example.com", "//x"},
		{"ws://example.com/?", "ws://example.com/?", "example.com", "/?"},
		{"ws://example.com/?a=%23", "ws://example.com/?a=%23", "example.com", "/?a=%23"},
	} {
		u, err := ParseURL(c.in)
		if err != nil || u.String() != c.want {
			t.Errorf("ParseURL(%q) = %v, %v; want %s", c.in, u, err, c.want)
			continue
		}
		head, err := (&Request{URL: u, Key: "dGhlIHNhbXBsZSBub25jZQ=="}).Append(nil)
		if want := "GET " + c.target + " HTTP/1.1\r\nHost: " + c.host + "\r\n"; err != nil || !strings.HasPrefix(string(head), want) {
			t.Errorf("%q: request %q, %v; want %q", c.in, head, err, want)
		}
	}
}

func TestCC13_ParseURL(t *testing.T) {
	for name, in := range map[string]string{
		"empty":                    "",
		"CRLF":                     "ws://example.com/\r\nX: y",
		"CRLF in the host":         "ws://example.com\r\n/",
		"NUL":                      "ws://example.com/\x00",
		"space":                    "ws://example.com/a b",
		"space in the query":       "ws://example.com/?a b",
		"space before":             " ws://example.com/",
		"tab":                      "ws://example.com/\t",
		"8 bit":                    "ws://example.com/\xff",
		"user":                     "ws://user@example.com/",
		"user and password":        "ws://user:secret@example.com/",
		"empty user":               "ws://@example.com/",
		"fragment":                 "ws://example.com/#a",
		"empty fragment":           "ws://example.com/#",
		"IPv6 zone":                "ws://[fe80::1%25eth0]/",
		"IPv6 without brackets":    "ws://::1/",
		"IPv4 in brackets":         "ws://[127.0.0.1]/",
		"IDN":                      "ws://b\u00fccher.example/",
		"punycode of ASCII":        "ws://xn--example-/",
		"escaped host":             "ws://example%2ecom/",
		"1 MiB":                    "ws://example.com/" + strings.Repeat("a", 1<<20),
		"no host":                  "ws:///",
		"no host, path":            "ws:///path",
		"only a port":              "ws://:80/",
		"opaque":                   "ws:example.com",
		"only a scheme":            "ws:",
		"no scheme":                "//example.com/",
		"only a path":              "/path",
		"host and port":            "example.com:80",
		"ftp":                      "ftp://example.com/",
		"file":                     "file:///etc/passwd",
		"port 0":                   "ws://example.com:0/",
		"port 65536":               "ws://example.com:65536/",
		"negative port":            "ws://example.com:-1/",
		"port that is no number":   "ws://example.com:http/",
		"two ports":                "ws://example.com:80:80/",
		"bad escape":               "ws://example.com/%zz",
		"backslash before the at":  "ws://evil.example\\@example.com/",
		"backslash after the host": "ws://evil.example\\.example.com/",
	} {
		t.Run(name, func(t *testing.T) {
			u, err := ParseURL(in)
			if err == nil {
				t.Fatalf("accepted as %v", u)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	u, err := ParseURL("wss://server.example.com:8443/chat?x=y")
	if err != nil {
		t.Fatal(err)
	}
	q := &Request{URL: u, Key: "dGhlIHNhbXBsZSBub25jZQ==", Subprotocols: []string{"chat", "superchat"}, Extensions: "permessage-deflate",
		Header: http.Header{"Origin": {"https://example.com"}, "Cookie": {"a=b"}}}
	got, err := q.Append([]byte("before "))
	const want = "before GET /chat?x=y HTTP/1.1\r\nHost: server.example.com:8443\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate\r\nCookie: a=b\r\nOrigin: https://example.com\r\n\r\n"
	if err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(want[len("before "):])))
	if err != nil {
		t.Fatal(err)
	}
	if a, f := (&Policy{Subprotocols: []string{"superchat"}, AnyOrigin: true}).Check(r); f != nil || a.Accept != sampleAccept || a.Subprotocol != "superchat" {
		t.Errorf("our server: %+v, %+v", a, f)
	}
}

func TestCC14_Request(t *testing.T) {
	u, err := ParseURL("ws://example.com/")
	if err != nil {
		t.Fatal(err)
	}
	bad := maps.Clone(badFields)
	bad["Host"] = http.Header{"Host": {"example.com"}}
	bad["host"] = http.Header{"host": {"evil.example"}}
	bad["key"] = http.Header{"Sec-Websocket-Key": {"a"}}
	bad["two origins"] = http.Header{"Origin": {"http://a", "http://b"}}
	for name, h := range bad {
		t.Run(name, func(t *testing.T) {
			got, err := (&Request{URL: u, Key: NewKey(), Header: h}).Append([]byte("before"))
			if err == nil || string(got) != "before" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for _, names := range [][]string{{""}, {"a b"}, {"a,b"}, {"a\r\nb"}, {"caf\u00e9"}, {"a", "a"}} {
		if got, err := (&Request{URL: u, Key: NewKey(), Subprotocols: names}).Append(nil); err == nil || got != nil {
			t.Errorf("subprotocols %q: %q", names, got)
		}
	}
	if _, err := (&Request{URL: u, Key: "short"}).Append(nil); err == nil {
		t.Error("a key that is none")
	}
}

func TestCC11_NewKey(t *testing.T) {
	seen := map[string]bool{}
	for range 10000 {
		k := NewKey()
		if !isKey(k) || seen[k] {
			t.Fatalf("key %q", k)
		}
		seen[k] = true
	}
	if keys := slices.Collect(maps.Keys(seen)); len(keys) != 10000 {
		t.Errorf("%d keys", len(keys))
	}
}
