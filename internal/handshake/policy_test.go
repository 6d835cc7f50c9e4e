package handshake

import (
	"bufio"
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// sample is the request of RFC 6455, 1.2, without what is optional.
const sample = "GET /chat HTTP/1.1\r\n" +
	"Host: example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Version: 13\r\n\r\n"

const sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

// with replaces the line of sample that begins like line ("Key:" is enough of
// the name), plus adds lines behind the first ones.
func with(line string) string {
	name, _, _ := strings.Cut(line, ":")
	lines := strings.Split(sample, "\r\n")
	for i := range lines {
		if strings.HasPrefix(lines[i], name+":") {
			lines[i] = line
			return strings.Join(lines, "\r\n")
		}
	}
	panic("no line " + name)
}

func without(name string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(sample, "\r\n"), func(l string) bool { return strings.HasPrefix(l, name+":") }), "\r\n")
}

func first(line string) string { return line + sample[strings.Index(sample, "\r\n"):] }

func plus(lines ...string) string {
	return strings.TrimSuffix(sample, "\r\n") + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func parse(t testing.TB, raw string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("net/http refuses it itself: %v", err)
	}
	return r
}

// refusals are requests that never become a WebSocket. byServer are those that
// net/http's server answers itself (M8); they are tried on one only.
var refusals = []struct {
	name, raw string
	status    int
	header    string // "Name: value" that the answer has
	byServer  bool
}{
	{name: "HS1 HTTP 1.0", raw: first("GET /chat HTTP/1.0"), status: 505},
	{name: "HS1 HTTP 1.0 keep-alive", raw: strings.Replace(first("GET /chat HTTP/1.0"), ": Upgrade", ": keep-alive, Upgrade", 1), status: 505},
	{name: "HS2 HTTP 1.2", raw: first("GET /chat HTTP/1.2"), status: 505},
	{name: "HS2 HTTP 0.9", raw: first("GET /chat HTTP/0.9"), status: 505, byServer: true},
	{name: "HS2 HTTP 2.0", raw: first("GET /chat HTTP/2.0"), status: 505, byServer: true},
	{name: "HS2 preface", raw: "PRI * HTTP/2.0\r\n\r\n", status: 505},
	{name: "HS3 POST", raw: first("POST /chat HTTP/1.1"), status: 405, header: "Allow: GET"},
	{name: "HS3 PUT", raw: first("PUT /chat HTTP/1.1"), status: 405, header: "Allow: GET"},
	{name: "HS3 HEAD", raw: first("HEAD /chat HTTP/1.1"), status: 405, header: "Allow: GET"},
	{name: "HS3 OPTIONS", raw: first("OPTIONS /chat HTTP/1.1"), status: 405, header: "Allow: GET"},
	{name: "HS3 CONNECT", raw: first("CONNECT /chat HTTP/1.1"), status: 405, header: "Allow: GET"},
	{name: "HS4 get", raw: first("get /chat HTTP/1.1"), status: 405, header: "Allow: GET"},
	{name: "HS4 Get", raw: first("Get /chat HTTP/1.1"), status: 405, header: "Allow: GET"},
	{name: "HS5 plain GET", raw: "GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\n", status: 426, header: "Upgrade: websocket"},
	{name: "HS5 no Upgrade", raw: without("Upgrade"), status: 426, header: "Upgrade: websocket"},
	{name: "HS5 empty Upgrade", raw: with("Upgrade:"), status: 426, header: "Upgrade: websocket"},
	{name: "HS6 h2c", raw: with("Upgrade: h2c"), status: 426, header: "Upgrade: websocket"},
	{name: "HS6 h2c complete", raw: strings.Replace(with("Upgrade: h2c"), ": Upgrade", ": Upgrade, HTTP2-Settings", 1), status: 426, header: "Upgrade: websocket"},
	{name: "HS7 version of the protocol", raw: with("Upgrade: websocket/13"), status: 426},
	{name: "HS7 no comma", raw: with("Upgrade: foo websocket"), status: 400},
	{name: "HS7 no name", raw: with("Upgrade: /websocket"), status: 400},
	{name: "HS7 longer", raw: with("Upgrade: websockets"), status: 426},
	{name: "HS7 flood", raw: with("Upgrade: " + strings.Repeat("a,", huge/4) + "websocket"), status: 400},
	{name: "HS10 shorter", raw: with("Connection: upgrad"), status: 400},
	{name: "HS10 longer", raw: with("Connection: xupgrade"), status: 400},
	{name: "HS10 no comma", raw: with("Connection: keep-alive Upgrade"), status: 400},
	{name: "HS10 missing", raw: without("Connection"), status: 400},
	{name: "HS11 no key", raw: without("Sec-WebSocket-Key"), status: 400},
	{name: "HS12 empty", raw: with("Sec-WebSocket-Key:"), status: 400},
	{name: "HS12 15 bytes", raw: with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"), status: 400},
	{name: "HS12 17 bytes", raw: with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="), status: 400},
	{name: "HS12 18 bytes", raw: with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA"), status: 400},
	{name: "HS12 no padding", raw: with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), status: 400},
	{name: "HS12 half a padding", raw: with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="), status: 400},
	{name: "HS12 garbage behind", raw: with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==A"), status: 400},
	{name: "HS12 inner space", raw: with("Sec-WebSocket-Key: dGhlIHNhbXBs ZSBub25jZQ=="), status: 400},
	{name: "HS12 space for a character", raw: with("Sec-WebSocket-Key: dGhlIHNhbXBs SBub25jZQ=="), status: 400},
	{name: "HS12 URL alphabet", raw: with("Sec-WebSocket-Key: -_hlIHNhbXBsZSBub25jZQ=="), status: 400},
	{name: "HS12 bad character", raw: with("Sec-WebSocket-Key: d!hlIHNhbXBsZSBub25jZQ=="), status: 400},
	{name: "HS12 8 KiB", raw: with("Sec-WebSocket-Key: " + strings.Repeat("A", 8<<10)), status: 400},
	{name: "HS13 same twice", raw: plus("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), status: 400},
	{name: "HS13 two", raw: plus("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), status: 400},
	{name: "HS13 list", raw: with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="), status: 400},
	{name: "HS15 8", raw: with("Sec-WebSocket-Version: 8"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 7", raw: with("Sec-WebSocket-Version: 7"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 0", raw: with("Sec-WebSocket-Version: 0"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 12", raw: with("Sec-WebSocket-Version: 12"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 14", raw: with("Sec-WebSocket-Version: 14"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 255", raw: with("Sec-WebSocket-Version: 255"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 -1", raw: with("Sec-WebSocket-Version: -1"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 013", raw: with("Sec-WebSocket-Version: 013"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 13.0", raw: with("Sec-WebSocket-Version: 13.0"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 list", raw: with("Sec-WebSocket-Version: 13, 8"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 empty", raw: with("Sec-WebSocket-Version:"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 10^20", raw: with("Sec-WebSocket-Version: 100000000000000000000"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS15 two lines", raw: plus("Sec-WebSocket-Version: 13"), status: 400},
	{name: "HS16 none", raw: without("Sec-WebSocket-Version"), status: 400, header: "Sec-Websocket-Version: 13"},
	{name: "HS16 Hixie-76", raw: "GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" +
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nOrigin: http://example.com\r\n\r\n^n:ds[4U", status: 400},
	{name: "HS17 777", raw: with("Sec-WebSocket-Version: 777"), status: 426, header: "Sec-Websocket-Version: 13"},
	{name: "HS18 body", raw: plus("Content-Length: 5") + "hello", status: 400},
	{name: "HS19 chunked", raw: plus("Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n", status: 400},
	{name: "HS19 chunked and length", raw: plus("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n", status: 400},
	{name: "HS21 expect", raw: plus("Expect: 100-continue"), status: 417},
	{name: "HS22 empty", raw: plus("Sec-WebSocket-Protocol:"), status: 400},
	{name: "HS22 comma", raw: plus("Sec-WebSocket-Protocol: ,"), status: 400},
	{name: "HS22 twice", raw: plus("Sec-WebSocket-Protocol: a, a"), status: 400},
	{name: "HS22 separators", raw: plus("Sec-WebSocket-Protocol: a(b)"), status: 400},
	{name: "HS22 flood", raw: plus("Sec-WebSocket-Protocol: " + strings.Repeat(", ", huge/2)), status: 400},
	{name: "HS23 none in common", raw: plus("Sec-WebSocket-Protocol: Chat, other"), status: 400},
	{name: "HS24 unclosed", raw: plus(`Sec-WebSocket-Extensions: permessage-deflate; a="b`), status: 400},
	{name: "HS24 empty", raw: plus("Sec-WebSocket-Extensions:"), status: 400},
	{name: "HS24 backslashes", raw: plus(`Sec-WebSocket-Extensions: a; b="` + strings.Repeat(`\b`, huge/2)), status: 400},
	{name: "HS25 not a token", raw: plus(`Sec-WebSocket-Extensions: permessage-deflate; a="b c"`), status: 400},
	{name: "HS38 user", raw: first("GET http://user@example.com/chat HTTP/1.1"), status: 400},
	{name: "HS38 scheme", raw: first("GET ftp://example.com/chat HTTP/1.1"), status: 400},
	{name: "HS38 asterisk", raw: first("GET * HTTP/1.1"), status: 400},
	{name: "HS38 fragment", raw: first("GET /chat#here HTTP/1.1"), status: 400},
	{name: "HS38 other host", raw: strings.Replace(first("GET http://evil.example/chat HTTP/1.1"), "\r\n\r\n", "\r\nOrigin: http://example.com\r\n\r\n", 1), status: 403},
	{name: "HS39 empty", raw: with("Host:"), status: 400},
	{name: "HS39 user", raw: with("Host: user@example.com"), status: 400},
	{name: "HS39 port 0", raw: with("Host: example.com:0"), status: 400},
	{name: "HS39 port 99999", raw: with("Host: example.com:99999"), status: 400},
	{name: "HS39 zone", raw: with("Host: [fe80::1%25eth0]"), status: 400},
	{name: "HS39 labels", raw: with("Host: a..b"), status: 400},
	{name: "HS39 punycode of ASCII", raw: with("Host: xn--example-"), status: 400},
	{name: "AU1 other host", raw: plus("Origin: http://evil.example"), status: 403},
	{name: "AU5 no Origin, cross-site", raw: plus("Sec-Fetch-Site: cross-site"), status: 403},

	{name: "M5 obs-fold", raw: with("Upgrade: web\r\n socket"), status: 400},
	{name: "M8 no Host", raw: without("Host"), status: 400, byServer: true},
	{name: "M8 two Hosts", raw: plus("Host: example.com"), status: 400, byServer: true},
	{name: "M8 malformed Host", raw: with("Host: a b"), status: 400, byServer: true},
	{name: "M8 space before colon", raw: plus("Origin : http://example.com"), status: 400, byServer: true},
	{name: "M8 NUL", raw: plus("X: a\x00b"), status: 400, byServer: true},
	{name: "M8 bare CR", raw: plus("X: a\rb"), status: 400, byServer: true},
	{name: "M8 empty name", raw: plus(": a"), status: 400, byServer: true},
	{name: "M8 name with a space", raw: plus("X Y: a"), status: 400, byServer: true},
	{name: "M8 no colon", raw: plus("X"), status: 400, byServer: true},
	{name: "M8 leading line end", raw: "\r\n" + sample, status: 400, byServer: true},
	{name: "M8 bad escape", raw: first("GET /% HTTP/1.1"), status: 400, byServer: true},
	{name: "M8 two lengths", raw: plus("Content-Length: 0", "Content-Length: 5"), status: 400, byServer: true},
	{name: "M8 signed length", raw: plus("Content-Length: +5"), status: 400, byServer: true},
	{name: "M8 negative length", raw: plus("Content-Length: -5"), status: 400, byServer: true},
	{name: "M8 length of 2^64", raw: plus("Content-Length: 18446744073709551616"), status: 400, byServer: true},
	{name: "M8 other coding", raw: plus("Transfer-Encoding: gzip, chunked"), status: 501, byServer: true},
	{name: "M8 other expectation", raw: plus("Expect: 102-nothing"), status: 417, byServer: true},
	{name: "HS28 long target", raw: first("GET /" + strings.Repeat("a", 200<<10) + " HTTP/1.1"), status: 431, byServer: true},
	{name: "HS26 long head", raw: plus(strings.Repeat("A: b\r\n", 40000) + "C: d"), status: 431, byServer: true},
}

var testPolicy = &Policy{Subprotocols: []string{"chat", "superchat"}}

func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		if c.byServer {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			a, f := testPolicy.Check(parse(t, c.raw))
			if a != nil || f == nil {
				t.Fatalf("accepted: %+v", a)
			}
			if f.Status != c.status {
				t.Errorf("status %d (%v), want %d", f.Status, f.Err, c.status)
			}
			if cl := f.Header["Connection"]; len(cl) == 0 || cl[0] != "close" {
				t.Errorf("Connection: %q, want close first", cl)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && f.Header.Get(name) != value {
				t.Errorf("%s: %q, want %q", name, f.Header.Get(name), value)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	for _, c := range []struct{ name, raw string }{
		{"sample", sample},
		{"HS7 list", with("Upgrade: h2c, websocket")},
		{"HS7 list with a version", with("Upgrade: HTTP/3.0, websocket")},
		{"HS7 case", with("Upgrade: WebSocket")},
		{"HS8 two lines", with("Upgrade: h2c\r\nUpgrade: websocket")},
		{"HS9 keep-alive", with("Connection: keep-alive, Upgrade")},
		{"HS9 second line", with("Connection: keep-alive\r\nConnection: UPGRADE")},
		{"HS9 spacing", with("Connection: \t,keep-alive\t ,, \tupgrade , ")},
		{"HS14 bits behind the key", with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==")},
		{"HS18 length 0", plus("Content-Length: 0")},
		{"HS38 absolute-form", first("GET http://example.com/chat HTTP/1.1")},
		{"HS38 absolute-form without path", first("GET ws://example.com HTTP/1.1")},
		{"HS39 case", with("Host: EXAMPLE.com")},
		{"HS39 dot", with("Host: example.com.:80")},
		{"HS39 IPv6", with("Host: [::1]:8080")},
		{"AU5 same-origin", plus("Sec-Fetch-Site: same-origin")},
		{"AU5 none", plus("Sec-Fetch-Site: none")},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, f := testPolicy.Check(parse(t, c.raw))
			if f != nil {
				t.Fatalf("refused with %d: %v", f.Status, f.Err)
			}
			if want := AcceptKey(parse(t, c.raw).Header.Get("Sec-WebSocket-Key")); a.Accept != want || a.Subprotocol != "" || a.Extensions != nil {
				t.Errorf("answer %+v", a)
			}
		})
	}
	if AcceptKey("dGhlIHNhbXBsZSBub25jZQ==") != sampleAccept { // RFC 6455, 1.3
		t.Error("AcceptKey is not that of the RFC's example")
	}
}

func TestHS23_Subprotocols(t *testing.T) {
	for _, c := range []struct {
		name    string
		ours    []string
		require bool
		offer   string
		want    string
		status  int
	}{
		{"server's order", []string{"b", "a"}, false, "a, b, c", "b", 0},
		{"case counts", []string{"A"}, false, "a", "", 400},
		{"none offered", []string{"a"}, false, "", "", 0},
		{"none offered, required", []string{"a"}, true, "", "", 400},
		{"none in common", []string{"a"}, false, "b", "", 400},
		{"none of our own", nil, false, "b", "", 0},
		{"AU18 token beside it", []string{"a"}, true, "a, bearer.c2VjcmV0", "a", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := sample
			if c.offer != "" {
				raw = plus("Sec-WebSocket-Protocol: " + c.offer)
			}
			a, f := (&Policy{Subprotocols: c.ours, RequireSubprotocol: c.require}).Check(parse(t, raw))
			if f != nil && f.Status != c.status || f == nil && (c.status != 0 || a.Subprotocol != c.want) {
				t.Errorf("%+v, %+v", a, f)
			}
		})
	}
}

func TestHS24_ExtensionsInOrder(t *testing.T) {
	a, f := testPolicy.Check(parse(t, plus("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, __proto__", "Sec-WebSocket-Extensions: permessage-deflate")))
	if f != nil || render(a.Extensions) != "permessage-deflate;client_max_window_bits,__proto__,permessage-deflate" {
		t.Errorf("%+v, %+v", a, f)
	}
}

// Over HTTP/2 and 3 a refusal ends its stream, not the connection of others.
func TestMultiplexed(t *testing.T) {
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"HTTP 2 websocket", &http.Request{Method: "CONNECT", ProtoMajor: 2, Proto: "HTTP/2.0", Header: http.Header{":protocol": {"websocket"}}}, 501},
		{"HTTP 3 websocket", &http.Request{Method: "CONNECT", ProtoMajor: 3, Proto: "websocket", Header: http.Header{}}, 501},
		{"HTTP 2 GET", &http.Request{Method: "GET", ProtoMajor: 2, Proto: "HTTP/2.0", Header: http.Header{"Upgrade": {"websocket"}}}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, f := testPolicy.Check(c.r)
			if a != nil || f.Status != c.status || len(f.Header) != 0 {
				t.Errorf("%+v, %+v", a, f)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, p := range []Policy{
		{},
		{Subprotocols: []string{"a", "A"}, RequireSubprotocol: true},
		{Origins: []string{"https://example.com", "http://[::1]:8080", "https://*.example.com:8443", "chrome-extension://abcdef", "HTTPS://Example.COM."}},
	} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range []Policy{
		{Subprotocols: []string{""}},
		{Subprotocols: []string{"a b"}},
		{Subprotocols: []string{"a,b"}},
		{Subprotocols: []string{"a", "b", "a"}},
		{RequireSubprotocol: true},
		{Origins: []string{"example.com"}},
		{Origins: []string{"*"}},
		{Origins: []string{"null"}},
		{Origins: []string{""}},
		{Origins: []string{"https://*"}},
		{Origins: []string{"https://*.*.com"}},
		{Origins: []string{"https://a*.com"}},
		{Origins: []string{"https://a.*.com"}},
		{Origins: []string{"*://a.com"}},
		{Origins: []string{"https://*.[::1]"}},
		{Origins: []string{"https://example.com/"}},
		{Origins: []string{"https://user@example.com"}},
		{Origins: []string{"https://example.com:0"}},
		{Origins: []string{"https://example.com:"}},
		{Origins: []string{"//example.com"}},
	} {
		if p.Validate() == nil {
			t.Errorf("%+v is valid", p)
		}
	}
}

func TestAU_Origins(t *testing.T) {
	listed := []string{"https://good.com", "https://good.org:8443", "https://*.wild.com", "http://[2001:db8::1]", "https://app.example.com:443"}
	for _, c := range []struct {
		name   string
		tls    bool
		lines  string // "\n" between lines
		origin []string
		any    bool
		ok     bool
	}{
		{name: "AU1 own", lines: "http://example.com", ok: true},
		{name: "AU1 own, TLS", tls: true, lines: "https://example.com", ok: true},
		{name: "AU1 own, port of the scheme", lines: "http://example.com:80", ok: true},
		{name: "AU1 own, upper case", lines: "HTTP://EXAMPLE.COM", ok: true},
		{name: "AU1 own, trailing dot", lines: "http://example.com.", ok: true},
		{name: "AU1 other", lines: "http://evil.example"},
		{name: "AU1 other, upper case", lines: "HTTP://EVIL.EXAMPLE"},
		{name: "AU1 other, trailing dot", lines: "http://evil.example."},
		{name: "AU1 null", lines: "null"},
		{name: "AU1 null listed", lines: "null", origin: []string{"null"}},
		{name: "AU1 file", lines: "file://"},
		{name: "AU1 empty", lines: ""},
		{name: "AU1 two", lines: "http://example.com\nhttp://example.com"},
		{name: "AU1 two in one", lines: "http://example.com http://example.com"},
		{name: "AU1 list", lines: "http://example.com, http://example.com"},
		{name: "AU1 bad port", lines: "http://example.com:b"},
		{name: "AU1 port 0", lines: "http://example.com:0"},
		{name: "AU1 empty port", lines: "http://example.com:"},
		{name: "AU1 user", lines: "http://user@example.com"},
		{name: "AU1 user is the host", lines: "http://example.com@evil.example"},
		{name: "AU1 path", lines: "http://example.com/"},
		{name: "AU1 query", lines: "http://example.com?"},
		{name: "AU1 fragment", lines: "http://example.com#"},
		{name: "AU1 IDN", lines: "http://ex\u00e4mple.com"},
		{name: "AU1 no scheme", lines: "example.com"},
		{name: "AU1 only slashes", lines: "//example.com"},
		{name: "AU1 one slash", lines: "http:/example.com"},
		{name: "AU1 own host, other kind of scheme", lines: "ws://example.com"},
		{name: "AU2 other scheme", lines: "https://example.com"},
		{name: "AU2 other scheme, TLS", tls: true, lines: "http://example.com"},
		{name: "AU2 other port", lines: "http://example.com:8080"},
		{name: "AU2 other port, TLS", tls: true, lines: "https://example.com:80"},
		{name: "AU2 443 without TLS", lines: "http://example.com:443"},
		{name: "AU3 listed", lines: "https://good.com", origin: listed, ok: true},
		{name: "AU3 listed, port of the scheme", lines: "https://good.com:443", origin: listed, ok: true},
		{name: "AU3 listed with it", lines: "https://app.example.com", origin: listed, ok: true},
		{name: "AU3 listed port", lines: "https://good.org:8443", origin: listed, ok: true},
		{name: "AU3 listed IPv6", lines: "http://[2001:DB8:0::1]", origin: listed, ok: true},
		{name: "AU3 listed, other port", lines: "https://good.com:8443", origin: listed},
		{name: "AU3 listed, port missing", lines: "https://good.org", origin: listed},
		{name: "AU3 listed, other scheme", lines: "http://good.com", origin: listed},
		{name: "AU3 suffix", lines: "https://good.com.evil.com", origin: listed},
		{name: "AU3 prefix", lines: "https://evilgood.com", origin: listed},
		{name: "AU3 sub", lines: "https://sub.good.com", origin: listed},
		{name: "AU3 NUL", lines: "https://good.com%00.evil", origin: listed},
		{name: "AU3 dot is a dot", lines: "https://goodxcom", origin: listed},
		{name: "AU3 wildcard", lines: "https://a.wild.com", origin: listed, ok: true},
		{name: "AU3 wildcard, two labels", lines: "https://a.b.wild.com", origin: listed, ok: true},
		{name: "AU3 wildcard, upper case and dot", lines: "https://A.Wild.com.", origin: listed, ok: true},
		{name: "AU3 wildcard, no label", lines: "https://wild.com", origin: listed},
		{name: "AU3 wildcard, empty label", lines: "https://.wild.com", origin: listed},
		{name: "AU3 wildcard, part of a label", lines: "https://evilwild.com", origin: listed},
		{name: "AU3 wildcard, suffix", lines: "https://a.wild.com.evil.com", origin: listed},
		{name: "AU3 wildcard, port", lines: "https://a.wild.com:8443", origin: listed},
		{name: "AU3 wildcard, scheme", lines: "http://a.wild.com", origin: listed},
		{name: "AU3 wildcard, literal", lines: "https://*.wild.com", origin: listed},
		{name: "AU4 none", lines: "-", ok: true},
		{name: "any", lines: "https://evil.example", any: true, ok: true},
		{name: "any null", lines: "null", any: true, ok: true},
		{name: "any two", lines: "null\nnull", any: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := parse(t, sample)
			if c.lines != "-" {
				r.Header["Origin"] = strings.Split(c.lines, "\n")
			}
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			_, f := (&Policy{Origins: c.origin, AnyOrigin: c.any}).Check(r)
			if (f == nil) != c.ok || f != nil && f.Status != http.StatusForbidden {
				t.Errorf("refusal %+v, want ok %v", f, c.ok)
			}
		})
	}
}

func TestAU5_FetchSite(t *testing.T) {
	for _, c := range []struct {
		name, site, origin string
		ok                 bool
	}{
		{"same-origin", "same-origin", "", true},
		{"none", "none", "", true},
		{"same-site", "same-site", "", false},
		{"cross-site", "cross-site", "", false},
		{"empty", "", "", false},
		{"unknown", "Same-Origin", "", false},
		{"a listed Origin decides alone", "cross-site", "https://good.com", true},
		{"the own Origin decides alone", "cross-site", "http://example.com", true},
		{"another Origin decides alone", "same-origin", "https://evil.com", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := parse(t, sample)
			r.Header["Sec-Fetch-Site"] = []string{c.site}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if _, f := (&Policy{Origins: []string{"https://good.com"}}).Check(r); (f == nil) != c.ok {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestAllowOrigin(t *testing.T) {
	var asked []string
	p := &Policy{Origins: []string{"https://good.com"}, AllowOrigin: func(r *http.Request, o string) bool {
		asked = append(asked, o)
		return o == "null"
	}}
	for _, c := range []struct {
		lines []string
		ok    bool
	}{{nil, true}, {[]string{"null"}, true}, {[]string{"https://good.com"}, false}, {[]string{"http://example.com"}, false}, {[]string{"null", "null"}, false}} {
		r := parse(t, sample)
		if c.lines != nil {
			r.Header["Origin"] = c.lines
		}
		if _, f := p.Check(r); (f == nil) != c.ok {
			t.Errorf("%q: %+v", c.lines, f)
		}
	}
	if want := []string{"null", "https://good.com", "http://example.com"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
}
