package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// RP1: a refusal is an answer, with its status, its fields and the start of its
// body; nothing of what the client sends behind its request passes.
func TestRP1_Refused(t *testing.T) {
	for _, c := range []struct{ status, fields, body string }{
		{"200 OK", "Content-Type: text/html\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n", "<p>hello"},
		{"204 No Content", "", ""},
		{"302 Found", "Location: http://elsewhere.example/\r\n", "go"},
		{"401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "who?"},
		{"403 Forbidden", "", strings.Repeat("x", 100_000)},
		{"426 Upgrade Required", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", "no"},
		{"503 Service Unavailable", "Retry-After: 5\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n", "later"},
	} {
		t.Run(c.status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				var behind []byte
				h.scripted(func(conn net.Conn, _ *http.Request, br *bufio.Reader) {
					length := fmt.Sprintf("Content-Length: %d\r\n", len(c.body))
					if strings.HasPrefix(c.status, "204") {
						length = ""
					}
					go io.WriteString(conn, "HTTP/1.1 "+c.status+"\r\n"+length+c.fields+"\r\n"+c.body)
					behind, _ = io.ReadAll(br)
				})
				got := h.say(upgrade("GET /") + "GET /secret HTTP/1.1\r\nHost: site\r\n\r\n")
				head, body, _ := strings.Cut(got, "\r\n\r\n")
				if statuses(got) != c.status[:3] || !strings.Contains(head, "\r\nConnection: close") {
					t.Fatalf("%.300q", got)
				}
				if want := min(len(c.body), 64<<10); strings.Count(body, "x") < want && !strings.HasPrefix(body, c.body) {
					t.Errorf("body of %d: %.100q", len(body), body)
				}
				for line := range strings.Lines(c.fields) {
					line = strings.TrimSpace(line)
					hop := strings.HasPrefix(line, "Keep-Alive") || strings.HasPrefix(line, "Connection: k") || strings.HasPrefix(line, "X-Hop")
					if strings.Contains(strings.ToLower(head), strings.ToLower(line)) == hop {
						t.Errorf("%s in %q: %v", line, head, !hop)
					}
				}
				h.backend.Close()
				synctest.Wait()
				if len(behind) > 0 {
					t.Errorf("the backend got %q", behind)
				}
			})
		})
	}
}

// RP2: an answer that is no handshake of ours is answered for, and the connection
// is over.
func TestRP2_WrongAnswers(t *testing.T) {
	for name, answer := range map[string]func(r *http.Request) string{
		"another accept": func(r *http.Request) string {
			return strings.Replace(switching(r, ""), acceptKey(r), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1)
		},
		"no accept": func(r *http.Request) string {
			return strings.Replace(switching(r, ""), "Sec-WebSocket-Accept", "X-A", 1)
		},
		"accept twice":     func(r *http.Request) string { return switching(r, "Sec-WebSocket-Accept: "+acceptKey(r)+"\r\n") },
		"another protocol": func(r *http.Request) string { return strings.Replace(switching(r, ""), "websocket", "h2c", 1) },
		"one more protocol": func(r *http.Request) string {
			return strings.Replace(switching(r, ""), "websocket", "websocket, h2c", 1)
		},
		"no Connection": func(r *http.Request) string {
			return strings.Replace(switching(r, ""), "Connection", "X-Connection", 1)
		},
		"unasked subprotocol": func(r *http.Request) string { return switching(r, "Sec-WebSocket-Protocol: chat\r\n") },
		"unasked extension":   func(r *http.Request) string { return switching(r, "Sec-WebSocket-Extensions: permessage-deflate\r\n") },
		"HTTP/1.0":            func(r *http.Request) string { return strings.Replace(switching(r, ""), "HTTP/1.1", "HTTP/1.0", 1) },
		"garbage":             func(*http.Request) string { return "SSH-2.0-OpenSSH_9.2\r\n\r\n" },
		"nothing":             func(*http.Request) string { return "" },
		"bare LF":             func(r *http.Request) string { return strings.ReplaceAll(switching(r, ""), "\r\n", "\n") },
		"endless": func(r *http.Request) string {
			return strings.TrimSuffix(switching(r, ""), "\r\n") + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 70)
		},
		"100 for ever": func(*http.Request) string { return strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
					io.WriteString(conn, answer(r))
					if name == "nothing" || name == "garbage" {
						conn.(*wstest.End).CloseWrite()
					}
				})
				got := h.say(upgrade("GET /") + ask("GET /second"))
				if statuses(got) != "502" || !strings.Contains(got, "\r\nConnection: close\r\n") || strings.Contains(got, "second") {
					t.Errorf("%q", got)
				}
				if !strings.Contains(h.log.String(), "proxy to backend:9000: ") {
					t.Errorf("the log does not say why: %q", h.log)
				}
			})
		})
	}
}

// RP3: nothing but a GET that is a handshake can become a connection, whatever the
// backend would answer; it is not even asked.
func TestRP3_NoHandshake(t *testing.T) {
	good := upgrade("GET /")
	for name, request := range map[string]string{
		"POST":        strings.Replace(good, "GET", "POST", 1),
		"a body":      strings.Replace(good, "\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc", 1),
		"no key":      strings.Replace(good, "Sec-WebSocket-Key", "X-Key", 1),
		"version 777": strings.Replace(good, "13", "777", 1),
		"HTTP/1.0":    strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1),
		"two keys":    strings.Replace(good, "\r\n\r\n", "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 1),
		"origin":      strings.Replace(good, "\r\n\r\n", "\r\nOrigin: http://evil.example\r\n\r\n", 1),
		"two tokens":  strings.Replace(strings.Replace(good, ": websocket", ": xwebsocket", 1), "GET", "PUT", 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				asked := false
				h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
					asked = true
					io.WriteString(conn, switching(r, ""))
				})
				got := h.say(request + ask("GET /second"))
				if s := statuses(got); len(s) != 3 || s[0] != '4' && s != "505" {
					t.Errorf("%q", got)
				}
				h.backend.Close()
				synctest.Wait()
				if asked {
					t.Error("the backend was asked")
				}
			})
		})
	}
	// To ordinary requests, and upgrades to other protocols, a 101 is no answer.
	for _, request := range []string{
		ask("GET /"), ask("POST /", "Content-Length: 3") + "abc",
		"GET / HTTP/1.1\r\nHost: site\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: site\r\nUpgrade: foo\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	} {
		for _, answer := range []string{"Upgrade: websocket\r\nConnection: Upgrade\r\n", "", "Upgrade: h2c\r\nConnection: Upgrade\r\n", "Upgrade: foo\r\nConnection: Upgrade\r\n"} {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
					if r.Header["Upgrade"] != nil {
						t.Errorf("Upgrade passed: %v", r.Header)
					}
					io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+answer+"\r\nsecret")
				})
				c := h.connect()
				io.WriteString(c, request)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || resp.StatusCode != 502 {
					t.Errorf("%q %q: %v, %v", request, answer, resp, err)
				}
			})
		}
	}
}

// RP4, AU14: Connection cannot take away what the proxy says.
func TestRP4_AU14_Nomination(t *testing.T) {
	for _, websocket := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "headers: { 'X-Auth': 'ours', 'X-Real': 'ours' }", "")
			got := h.received(websocket, "Connection: X-Auth, X-Forwarded-For , x-mine", "Connection: x-REAL,cookie", "X-Mine: 1", "X-Auth: theirs", "Cookie: a=1")
			if got.Get("X-Auth") != "ours" || got.Get("X-Real") != "ours" || got.Get("X-Forwarded-For") != "192.0.2.1" || got["X-Mine"] != nil || got["Cookie"] != nil {
				t.Errorf("%v", got)
			}
		})
	}
}

// received returns the header that the backend gets of a request.
func (h *house) received(websocket bool, fields ...string) http.Header {
	h.t.Helper()
	got := make(chan http.Header, 1)
	h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
		r.Header.Set("Host", r.Host)
		r.Header.Set("Target", r.RequestURI)
		got <- r.Header
		io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
	})
	if websocket {
		h.say(upgrade("GET /", fields...))
	} else {
		h.say(ask("GET /", fields...))
	}
	return <-got
}

// RP5: what the client sends before the backend has answered waits, and not much
// of it.
func TestRP5_EarlyBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "limits: { maxMessage: 'unlimited' }")
		taken := 0
		c := h.connect()
		p := wstest.NewPeer(t, c, curlew.Client)
		var early []byte
		h.scripted(func(conn net.Conn, r *http.Request, br *bufio.Reader) {
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			b := make([]byte, 100)
			n, _ := br.Read(b)
			early = b[:n]
			conn.SetReadDeadline(time.Time{})
			io.WriteString(conn, switching(r, ""))
			backend := wstest.NewPeer(t, conn, curlew.Server)
			backend.Want("what came first", wstest.Text("early"))
			backend.Next("and more")
		})
		io.WriteString(c, upgrade("GET /"))
		p.Send(wstest.Text("early"), wstest.Binary(nil).Length(10<<20))
		for {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := c.Write(make([]byte, 16<<10))
			taken += n
			if err != nil {
				break
			}
		}
		if taken > 64<<10+16<<10 { // of the link itself: 64 KiB
			t.Errorf("%d bytes were taken before the backend's answer", taken)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(early) > 0 {
			t.Errorf("passed before the 101: %q", early)
		}
		c.Close()
	})
}

// RP6: a backend that does not answer is answered for after proxy.timeout.
func TestRP6_Timeout(t *testing.T) {
	for _, settings := range []string{"", "timeout: '3 s'"} {
		want := 10 * time.Second
		if settings != "" {
			want = 3 * time.Second
		}
		for _, where := range []string{"connecting", "answering", "inside the head", "inside the body"} {
			for name, request := range map[string]string{"http": ask("GET /"), "websocket": upgrade("GET /")} {
				if where == "inside the body" && name == "http" {
					continue // the answer has begun
				}
				t.Run(fmt.Sprint(where, " ", name, " ", want), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := open(t, settings, "")
						switch where {
						case "connecting":
							h.handler.network.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
								<-ctx.Done()
								return nil, ctx.Err()
							}
						case "inside the head", "inside the body":
							h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) {
								io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n")
								if where == "inside the body" {
									io.WriteString(conn, "\r\nsome")
								}
							})
						}
						began := time.Now()
						c := h.connect()
						io.WriteString(c, request)
						br := bufio.NewReader(c)
						resp, err := http.ReadResponse(br, nil)
						if err != nil {
							t.Fatal(err)
						}
						took := time.Since(began)
						status := 504
						if where == "inside the body" {
							status = 403
						}
						if resp.StatusCode != status || took < want || took > want+100*time.Millisecond {
							t.Errorf("%d after %v", resp.StatusCode, took)
						}
					})
				})
			}
		}
	}
}
