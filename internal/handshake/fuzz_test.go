package handshake

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func FuzzExtensions(f *testing.F) {
	for _, s := range []string{"permessage-deflate; client_max_window_bits", `a;b="c\d"`, ",, a ;\tb = 1,", `a;b="`, "a;;", `a;b=" "`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		exts, err := ParseExtensions([]string{s})
		if err != nil {
			return
		}
		n := len(exts)
		for _, e := range exts {
			n += len(e.Params)
			for _, p := range e.Params {
				if !isToken(p.Name) || p.Bare == (p.Value != "") || p.Value != "" && !isToken(p.Value) {
					t.Errorf("parameter %+v", p)
				}
			}
			if !isToken(e.Name) {
				t.Errorf("name %q", e.Name)
			}
		}
		if n > maxMembers || len(exts) == 0 {
			t.Errorf("%d members", n)
		}
		if again, err := ParseExtensions([]string{render(exts)}); err != nil || !reflect.DeepEqual(again, exts) {
			t.Errorf("%q becomes %q, %v", s, render(again), err)
		}
	})
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"keep-alive, Upgrade", ",,", "a b", "\t a\t,b", "a\x00", "a/b, websocket"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tokens, err := ParseTokens([]string{s})
		if i := strings.IndexByte(s, ','); i >= 0 {
			lines, errLines := ParseTokens([]string{s[:i], s[i+1:]})
			if !slices.Equal(tokens, lines) || (err == nil) != (errLines == nil) {
				t.Errorf("%q is %q, over two lines %q", s, tokens, lines)
			}
		}
		names, strict := ParseSubprotocols([]string{s})
		if strict == nil && (err != nil || !slices.Equal(names, tokens)) {
			t.Errorf("%q is %q as subprotocols, %q as tokens", s, names, tokens)
		}
		if found, err := hasUpgrade([]string{s}); found && (err != nil || !strings.Contains(strings.ToLower(s), "websocket")) {
			t.Errorf("%q upgrades, %v", s, err)
		}
	})
}

func FuzzCanonicalHost(f *testing.F) {
	for _, s := range []string{"Example.com.:80", "[::1]:443", "a..b", "xn--a-", "[fe80::1%25a]", "a:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, scheme := range []string{"http", "wss", "x"} {
			host, err := CanonicalHost(s, scheme)
			if err != nil {
				continue
			}
			if again, err := CanonicalHost(host, scheme); again != host || err != nil {
				t.Errorf("%q, %q, %q, %v", s, host, again, err)
			}
			if o, err := parseOrigin(scheme + "://" + host); err != nil || o.host != host {
				t.Errorf("%q as an origin: %+v, %v", host, o, err)
			}
		}
	})
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"ws://example.com/a?b", "https://[::1]:8443", "ws://u@h/", "ws://h/#", "ws:///", "ws:h", "ws://h\\@g/", "ws://h/%2f?%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURL(s)
		if err != nil {
			return
		}
		head, err := (&Request{URL: u, Key: NewKey()}).Append(nil)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		if _, f := (&Policy{}).Check(r); f != nil {
			t.Errorf("our server on %q: %v", head, f.Err)
		}
	})
}

// FuzzCheck: the server's role over what net/http parses.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(sample))
	for _, c := range refusals {
		if len(c.raw) < 4<<10 {
			f.Add([]byte(c.raw))
		}
	}
	f.Add([]byte(plus("Origin: https://a.good.com", "Sec-Fetch-Site: cross-site")))
	p := &Policy{Subprotocols: []string{"chat", "superchat"}, Origins: []string{"https://*.good.com", "http://[::1]"}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		a, ref := p.Check(r)
		if (a == nil) == (ref == nil) {
			t.Fatalf("%+v and %+v", a, ref)
		}
		if ref != nil {
			if ref.Status < 400 || ref.Status > 505 || ref.Err == nil || strings.ContainsAny(ref.Err.Error(), "\r\n\x00\x1b") {
				t.Errorf("refusal %+v", ref)
			}
			if r.ProtoMajor == 1 && ref.Header["Connection"][0] != "close" {
				t.Errorf("the connection stays open: %v", ref.Header)
			}
			return
		}
		if r.Proto != "HTTP/1.1" || r.Method != "GET" || r.ContentLength != 0 || len(r.Header["Origin"]) > 1 {
			t.Errorf("accepted %+v", r)
		}
		if a.Subprotocol != "" && !slices.Contains(p.Subprotocols, a.Subprotocol) {
			t.Errorf("subprotocol %q", a.Subprotocol)
		}
		head, err := a.Append(nil, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		// The client's role takes what the server's says.
		if h, rest, err := ReadHead(bytes.NewReader(head), nil); err != nil || len(rest) > 0 || !bytes.Equal(h, head) {
			t.Errorf("%q: %v", head, err)
		}
		resp, err := ParseResponse(head, bytes.NewReader(nil), "GET")
		if err != nil {
			t.Fatal(err)
		}
		if sub, _, err := CheckResponse(resp, r.Header.Get("Sec-WebSocket-Key"), p.Subprotocols, false); err != nil || sub != a.Subprotocol {
			t.Errorf("%q, %v", sub, err)
		}
	})
}

// FuzzResponse: the client's role over raw bytes, whole and byte by byte.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(sampleAnswer))
	f.Add([]byte(answer("Sec-WebSocket-Protocol: chat") + "\x81\x00"))
	f.Add([]byte(answer("Sec-WebSocket-Extensions: permessage-deflate") + "frames"))
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 101 x\r\n y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		head, rest, err := ReadHead(bytes.NewReader(raw), nil)
		slow, _, errSlow := ReadHead(iotest.OneByteReader(bytes.NewReader(raw)), nil)
		if err != errSlow || !bytes.Equal(head, slow) {
			t.Fatalf("whole %q, %v; in bytes %q, %v", head, err, slow, errSlow)
		}
		if err != nil {
			return
		}
		if len(head) > maxHead || !bytes.HasPrefix(raw, head) || !bytes.HasPrefix(raw[len(head):], rest) {
			t.Fatalf("head %q, rest %q", head, rest)
		}
		resp, err := ParseResponse(head, bytes.NewReader(rest), "GET")
		if err != nil {
			return
		}
		io.Copy(io.Discard, resp.Body)
		sub, exts, err := CheckResponse(resp, "dGhlIHNhbXBsZSBub25jZQ==", []string{"chat"}, true)
		if err != nil {
			return
		}
		if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != sampleAccept || sub != "" && sub != "chat" || len(exts) > maxMembers {
			t.Errorf("accepted %+v, %q, %v", resp, sub, exts)
		}
	})
}
