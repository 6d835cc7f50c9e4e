package handshake

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const sampleAnswer = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: " + sampleAccept + "\r\n\r\n"

func answer(line string) string {
	name, _, _ := strings.Cut(line, ":")
	i := strings.Index(sampleAnswer, "\r\n"+name+":")
	if i < 0 {
		return sampleAnswer[:len(sampleAnswer)-2] + line + "\r\n\r\n"
	}
	j := i + 2 + strings.Index(sampleAnswer[i+2:], "\r\n")
	return sampleAnswer[:i+2] + line + sampleAnswer[j:]
}

func status(line string) string { return line + sampleAnswer[strings.Index(sampleAnswer, "\r\n"):] }

// check is what Dial does with an answer.
func check(r io.Reader, offered []string, extensions bool) (string, []Extension, []byte, error) {
	head, rest, err := ReadHead(r, nil)
	if err != nil {
		return "", nil, nil, err
	}
	resp, err := ParseResponse(head, strings.NewReader(""), "GET")
	if err != nil {
		return "", nil, nil, err
	}
	sub, exts, err := CheckResponse(resp, "dGhlIHNhbXBsZSBub25jZQ==", offered, extensions)
	return sub, exts, rest, err
}

func TestCheckResponse(t *testing.T) {
	for _, c := range []struct{ name, raw, sub, exts string }{
		{"sample", sampleAnswer, "", ""},
		{"other reason", status("HTTP/1.1 101 Web Socket Protocol Handshake"), "", ""},
		{"no reason", status("HTTP/1.1 101 "), "", ""},
		{"no reason, no space", status("HTTP/1.1 101"), "", ""},
		{"CC1 upper case", answer("Upgrade: WEBSOCKET"), "", ""},
		{"CC1 lower case names", strings.ToLower(sampleAnswer[:strings.Index(sampleAnswer, "Sec-")]) + sampleAnswer[strings.Index(sampleAnswer, "Sec-"):], "", ""},
		{"CC1 list", answer("Connection: keep-alive, UPGRADE"), "", ""},
		{"subprotocol", answer("Sec-WebSocket-Protocol: chat"), "chat", ""},
		{"extension", answer("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"), "", "permessage-deflate;server_no_context_takeover"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.raw, "http/") {
				c.raw = "HTTP/" + c.raw[5:]
			}
			sub, exts, rest, err := check(strings.NewReader(c.raw+"frames"), []string{"chat", "superchat"}, true)
			if err != nil || sub != c.sub || render(exts) != c.exts || string(rest) != "frames" {
				t.Errorf("%q, %q, %q, %v", sub, render(exts), rest, err)
			}
		})
	}
}

func TestCC1_CC2_CheckResponse(t *testing.T) {
	for name, raw := range map[string]string{
		"CC1 200":                         status("HTTP/1.1 200 OK"),
		"CC1 HTTP 1.0":                    status("HTTP/1.0 101 Switching Protocols"),
		"CC1 HTTP 1.2":                    status("HTTP/1.2 101 Switching Protocols"),
		"CC1 HTTP 2.0":                    status("HTTP/2.0 101 Switching Protocols"),
		"CC1 no Upgrade":                  strings.Replace(sampleAnswer, "Upgrade: websocket\r\n", "", 1),
		"CC1 other Upgrade":               answer("Upgrade: h2c"),
		"CC1 two Upgrades":                answer("Upgrade: websocket, h2c"),
		"CC1 two Upgrade lines":           answer("Upgrade: websocket\r\nUpgrade: websocket"),
		"CC1 Upgrade with version":        answer("Upgrade: websocket/13"),
		"CC1 no Connection":               strings.Replace(sampleAnswer, "Connection: Upgrade\r\n", "", 1),
		"CC1 other Connection":            answer("Connection: keep-alive"),
		"CC1 Connection by substring":     answer("Connection: upgraded"),
		"CC1 no Accept":                   strings.Replace(sampleAnswer, "Sec-WebSocket-Accept: "+sampleAccept+"\r\n", "", 1),
		"CC1 empty Accept":                answer("Sec-WebSocket-Accept:"),
		"CC1 wrong Accept":                answer("Sec-WebSocket-Accept: " + AcceptKey("AAAAAAAAAAAAAAAAAAAAAA==")),
		"CC1 Accept in lower case":        answer("Sec-WebSocket-Accept: " + strings.ToLower(sampleAccept)),
		"CC1 Accept in upper case":        answer("Sec-WebSocket-Accept: " + strings.ToUpper(sampleAccept)),
		"CC1 Accept without padding":      answer("Sec-WebSocket-Accept: " + strings.TrimSuffix(sampleAccept, "=")),
		"CC1 the key itself":              answer("Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ=="),
		"CC2 two Accepts":                 answer("Sec-WebSocket-Accept: " + sampleAccept + "\r\nSec-WebSocket-Accept: " + sampleAccept),
		"CC2 Accept list":                 answer("Sec-WebSocket-Accept: " + sampleAccept + ", " + sampleAccept),
		"CC2 subprotocol not offered":     answer("Sec-WebSocket-Protocol: other"),
		"CC2 subprotocol in another case": answer("Sec-WebSocket-Protocol: Chat"),
		"CC2 empty subprotocol":           answer("Sec-WebSocket-Protocol:"),
		"CC2 two subprotocols":            answer("Sec-WebSocket-Protocol: chat, superchat"),
		"CC2 two Protocol lines":          answer("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat"),
		"CC2 two Extensions lines":        answer("Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: b"),
		"CC2 malformed extensions":        answer("Sec-WebSocket-Extensions: a;"),
		"CC2 empty extensions":            answer("Sec-WebSocket-Extensions:"),
	} {
		t.Run(name, func(t *testing.T) {
			if sub, exts, _, err := check(strings.NewReader(raw), []string{"chat", "superchat"}, true); err == nil {
				t.Errorf("accepted: %q, %q", sub, render(exts))
			}
		})
	}
	if _, _, _, err := check(strings.NewReader(answer("Sec-WebSocket-Protocol: chat")), nil, true); err == nil {
		t.Error("CC2: a subprotocol, none offered")
	}
	if _, _, _, err := check(strings.NewReader(answer("Sec-WebSocket-Extensions: a")), nil, false); err == nil {
		t.Error("CC2: an extension, none offered")
	}
}

func TestCC3_ReadHead(t *testing.T) {
	line := "HTTP/1.1 101 x\r\n"
	for _, c := range []struct {
		name, raw string
		err       error
	}{
		{"endless line", line + "A: " + strings.Repeat("b", 2*maxHead), errHeadLong},
		{"endless first line", strings.Repeat("b", 2*maxHead), errHeadLong},
		{"one byte too many", line + "A: " + strings.Repeat("b", maxHead-len(line)-len("A: \r\n\r\n")+1) + "\r\n\r\n", errHeadLong},
		{"10000 fields", line + strings.Repeat("a:\r\n", 10000), errHeadFields},
		{"129 fields", line + strings.Repeat("a:\r\n", 129) + "\r\n", errHeadFields},
		{"bare LF", "HTTP/1.1 101 x\nA: b\n\n", errHeadLine},
		{"bare CR", line + "A: b\rC: d\r\n\r\n", errHeadLine},
		{"two CR", line + "A: b\r\r\n\r\n", errHeadLine},
		{"space before the first field", line + " A: b\r\n\r\n", errHeadFold},
		{"NUL", line + "A: \x00\r\n\r\n", errHeadByte},
		{"ESC", "HTTP/1.1 101 \x1b[2J\r\n\r\n", errHeadByte},
		{"nothing", "", io.ErrUnexpectedEOF},
		{"cut", sampleAnswer[:len(sampleAnswer)-1], io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			if head, _, err := ReadHead(strings.NewReader(c.raw), nil); err != c.err || head != nil {
				t.Errorf("%d bytes, %v; want %v", len(head), err, c.err)
			}
		})
	}
	for name, raw := range map[string]string{
		"exactly as long as allowed": line + "A: " + strings.Repeat("b", maxHead-len(line)-len("A: \r\n\r\n")) + "\r\n\r\n",
		"128 fields":                 line + strings.Repeat("a:\r\n", 128) + "\r\n",
		"8 bit and tabs":             line + "A: caf\xe9\tx\r\n\r\n",
		"folded":                     line + "A: b\r\n c\r\n\td\r\n\r\n",
	} {
		if head, rest, err := ReadHead(strings.NewReader(raw+"rest"), nil); err != nil || string(head) != raw || !strings.HasPrefix("rest", string(rest)) {
			t.Errorf("%s: %d bytes, rest %q, %v", name, len(head), rest, err)
		}
	}
	if _, _, err := ReadHead(stuck{}, nil); err != io.ErrNoProgress {
		t.Errorf("a reader without progress: %v", err)
	}
	if _, _, err := ReadHead(iotest.ErrReader(io.ErrClosedPipe), []byte(line)); err != io.ErrClosedPipe {
		t.Errorf("a reader that fails: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// However a head comes, whole, byte by byte or in two pieces of which one was
// read before, the result is the same; every prefix of it is incomplete.
func TestReadHeadSplits(t *testing.T) {
	raw := answer("Sec-WebSocket-Protocol: chat") + "\x81\x05hello"
	end := len(raw) - len("\x81\x05hello")
	ok := func(name string, head, rest []byte, err error) {
		t.Helper()
		if err != nil || string(head) != raw[:end] || !strings.HasPrefix(raw[end:], string(rest)) {
			t.Errorf("%s: %q, %q, %v", name, head, rest, err)
		}
	}
	head, rest, err := ReadHead(iotest.OneByteReader(strings.NewReader(raw)), nil)
	ok("bytes", head, rest, err)
	head, rest, err = ReadHead(iotest.DataErrReader(strings.NewReader(raw)), nil)
	ok("with EOF", head, rest, err)
	for i := range raw {
		head, rest, err := ReadHead(strings.NewReader(raw[i:]), []byte(raw[:i]))
		ok("read before", head, rest, err)
		head, rest, err = ReadHead(io.MultiReader(strings.NewReader(raw[:i]), strings.NewReader(raw[i:])), nil)
		ok("two pieces", head, rest, err)
		if i < end {
			if _, _, err := ReadHead(strings.NewReader(raw[:i]), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("prefix of %d bytes: %v", i, err)
			}
		}
	}
}

func TestParseResponse(t *testing.T) {
	for _, raw := range []string{"\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 1000 x\r\n\r\n", "HTTP/1.1 abc x\r\n\r\n", "SSH-2.0-x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"} {
		if resp, err := ParseResponse([]byte(raw), strings.NewReader(""), "GET"); err == nil {
			t.Errorf("%q: %v", raw, resp)
		}
	}
	resp, err := ParseResponse([]byte("HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\n"), strings.NewReader("no!\nmore"), "GET")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "no!\n" || resp.StatusCode != 403 {
		t.Errorf("%d %q, %v", resp.StatusCode, body, err)
	}
}
