package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
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
		"folded":              func(r *http.Request) string { return switching(r, "X-A: a\r\n b\r\n") },
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

// RP4: Connection cannot take away what the proxy says.
func TestRP4_Nomination(t *testing.T) {
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

// RP8: whatever a client asks for, the backend is the one of the site file.
func TestRP8_FixedBackend(t *testing.T) {
	for _, line := range []string{
		"GET http://evil.example/x", "GET //evil.example/x", "GET /@evil.example:80/", "GET /x?target=http://evil.example", "GET http://169.254.169.254/latest",
	} {
		for _, websocket := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var dialed []string
				h := open(t, "", "")
				h.handler.network.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					dialed = append(dialed, network+" "+address)
					return h.network.DialContext(ctx, network, address)
				}
				h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
					if !strings.HasPrefix(r.RequestURI, "/") {
						t.Errorf("%s: %s", line, r.RequestURI)
					}
					io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
				})
				request := ask(line, "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example")
				if websocket {
					request = upgrade(line, "X-Forwarded-Host: evil.example")
				}
				if got := h.say(request); statuses(got) != "403" {
					t.Errorf("%s: %q", line, got)
				}
				if fmt.Sprint(dialed) != "[tcp backend:9000]" {
					t.Errorf("%s: dialed %v", line, dialed)
				}
			})
		}
	}
	for address, ok := range map[string]bool{
		"169.254.169.254:80": false, "[fe80::1%eth0]:80": false, "[::ffff:169.254.169.254]:80": false, "0.0.0.0:80": false, "[::]:80": false, "224.0.0.1:80": false,
		"10.1.2.3:80": true, "127.0.0.1:80": true, "[fd00::1]:80": true, "192.0.2.1:80": true,
	} {
		if err := refuseLocal(context.Background(), "tcp", address, nil); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// RP9, RP13: a redirect is the client's to follow, and credentials go to the
// backend alone.
func TestRP9_RP13_Redirect(t *testing.T) {
	for _, websocket := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "")
			elsewhere := h.network.Listen("elsewhere:80")
			defer elsewhere.Close()
			go func() {
				if _, err := elsewhere.Accept(); err == nil {
					t.Error("the redirect was followed")
				}
			}()
			var asked http.Header
			h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
				asked = r.Header
				io.WriteString(conn, "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere:80/\r\nContent-Length: 0\r\n\r\n")
			})
			fields := []string{"Authorization: Basic abc", "Proxy-Authorization: Basic def"}
			request := ask("GET /", fields...)
			if websocket {
				request = upgrade("GET /", fields...)
			}
			got := h.say(request)
			if statuses(got) != "307" || !strings.Contains(got, "Location: http://elsewhere:80/\r\n") {
				t.Errorf("%q", got)
			}
			if asked.Get("Authorization") != "Basic abc" || asked["Proxy-Authorization"] != nil {
				t.Errorf("%v", asked)
			}
		})
	}
}

// RP10: a connection that was a WebSocket, or could have become something else, is
// not used again.
func TestRP10_NotReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "")
		var mu sync.Mutex
		var seen []string // connection and request
		go func() {
			for n := 1; ; n++ {
				c, err := h.backend.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					br := bufio.NewReader(c)
					for {
						r, err := http.ReadRequest(br)
						if err != nil {
							return
						}
						mu.Lock()
						seen = append(seen, fmt.Sprint(n, r.URL.Path))
						mu.Unlock()
						switch {
						case r.URL.Path == "/ws":
							io.WriteString(c, switching(r, ""))
							wstest.NewPeer(t, c, curlew.Server).WantClose("the client's", 1000, "")
							c.Write([]byte{0x88, 2, 3, 232})
						case r.URL.Path == "/odd":
							io.WriteString(c, "HTTP/1.1 101 Odd\r\nContent-Length: 0\r\n\r\n")
						default:
							io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
						}
					}
				}()
			}
		}()
		plain := func(path, want string) {
			t.Helper()
			if got := h.say(ask("GET " + path)); statuses(got) != want {
				t.Errorf("%s: %q", path, got)
			}
		}
		plain("/1", "200")
		plain("/2", "200")
		c, err := h.dial("/ws", curlew.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close(1000, "")
		<-c.Done()
		synctest.Wait() // the backend's side, too
		plain("/odd", "502")
		plain("/3", "200")
		if s := h.say(ask("CONNECT site:80")); statuses(s) != "405" {
			t.Errorf("CONNECT: %q", s)
		}
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(seen[:min(len(seen), 5)], " "); got != "1/1 1/2 2/ws 1/odd 3/3" {
			t.Errorf("%s", got)
		}
	})
}

// RP11: fields that HTTP/1 cannot say, as another version of HTTP could bring
// them, are not passed on.
func TestRP11_Fields(t *testing.T) {
	for _, websocket := range []bool{false, true} {
		for name, value := range map[string]string{"X-A": "a\r\nEvil: 1", "X-B": "a\nb", "X:C": "1", "X D": "1", "X-E": "\x00"} {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				h.scripted(func(_ net.Conn, r *http.Request, _ *bufio.Reader) { t.Errorf("passed: %v", r.Header) })
				r := httptest.NewRequest("GET", "/", nil)
				r.Host, r.Header[name] = "site", []string{value}
				if websocket {
					for k, v := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
						r.Header.Set(k, v)
					}
				}
				server := &http.Server{ErrorLog: nil}
				server.ErrorLog = discard
				w := httptest.NewRecorder()
				h.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, server)))
				if w.Code != 502 {
					t.Errorf("%q: %d", name, w.Code)
				}
				h.backend.Close()
			})
		}
	}
}

// RP12: what a client says of itself in the fields of proxies does not pass.
func TestRP12_Forwarded(t *testing.T) {
	for _, websocket := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "")
			got := h.received(websocket, "X-Forwarded-For: 1.2.3.4", "x-forwarded-host: evil", "X-Forwarded-Proto: https", "Forwarded: for=1.2.3.4", "X-Real-IP: 1.2.3.4",
				"X_Forwarded_For: 1.2.3.4", "X-Forwarded_Host: evil", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil", "Proxy: http://evil")
			for name, values := range got {
				if strings.Contains(strings.Join(values, ""), "evil") || strings.Contains(strings.Join(values, ""), "1.2.3.4") {
					t.Errorf("%s: %q", name, values)
				}
			}
			if s := fmt.Sprint(got["X-Forwarded-For"], got["X-Forwarded-Host"], got["X-Forwarded-Proto"], got["Host"]); s != "[192.0.2.1] [site] [http] [site]" {
				t.Errorf("%s", s)
			}
		})
	}
}

// RP17: path and query pass as they came.
func TestRP17_RawTarget(t *testing.T) {
	for _, target := range []string{
		"/a%2Fb/c%20d/%C3%BC", "/?a=1;b=2&c=%zz&&x", "/?", "/?a=b?c=d", "/x?" + strings.Repeat("k=v&", 1500), "/a;b=c,d/+", "/%7Euser/~user", "/?q=\"<>|^`{}", "/trailing/",
	} {
		for base, prefix := range map[string]string{"": "", "/base": "/base", "/b%2Fc/": "/b%2Fc"} {
			for _, websocket := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					h := openAt(t, "http://backend:9000"+base, "", "", nil)
					got := ""
					h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
						got = r.RequestURI
						io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
					})
					request := ask("GET " + target)
					if websocket {
						request = upgrade("GET " + target)
					}
					h.say(request)
					if got != prefix+target {
						t.Errorf("%q became %q (WebSocket: %v)", target, got, websocket)
					}
				})
			}
		}
	}
}

// RP19: the certificate of a backend must be good, and of the host in the site
// file, whatever Host says.
func TestRP19_TLS(t *testing.T) {
	for name, c := range map[string]struct {
		hosts   []string
		trusted bool
		ok      bool
	}{
		"good":         {[]string{"backend"}, true, true},
		"another name": {[]string{"site"}, true, false},
		"unknown":      {[]string{"backend"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cert := wstest.Certificate(c.hosts...)
				h := openAt(t, "https://backend:9000", "headers: { Host: 'site' }", "", func(p *proxy) {
					if c.trusted {
						p.network.tls = &tls.Config{RootCAs: wstest.Roots(cert)}
						p.transport = p.newTransport()
						p.forward = p.newForward()
					}
				})
				mux := http.NewServeMux()
				mux.Handle("/ws", echo(nil))
				mux.Handle("/", headers)
				s := &http.Server{Handler: mux, ErrorLog: discard}
				go s.Serve(tls.NewListener(h.backend, &tls.Config{Certificates: []tls.Certificate{cert}}))
				t.Cleanup(func() { s.Close() })
				want := "502"
				if c.ok {
					want = "200"
				}
				if got := h.say(ask("GET /")); statuses(got) != want {
					t.Errorf("%q", got)
				}
				conn, err := h.dial("/ws", curlew.Options{})
				if (err == nil) != c.ok {
					t.Errorf("%v", err)
				}
				if err == nil {
					conn.Write(t.Context(), curlew.Text, []byte("x"))
					if _, p, err := conn.Read(t.Context(), nil); string(p) != "x" {
						t.Errorf("%q %v", p, err)
					}
					conn.Close(1000, "")
					<-conn.Done()
				}
			})
		})
	}
}

// RP20: however connections end, nothing is left: a bubble ends only when all of
// its goroutines have.
func TestRP20_NothingLeft(t *testing.T) {
	for _, end := range []func(client, backend *wstest.Peer){
		func(client, _ *wstest.Peer) { client.Close() },
		func(_, backend *wstest.Peer) { backend.Close() },
		func(client, _ *wstest.Peer) { client.Conn().(*wstest.End).Reset() },
		func(_, backend *wstest.Peer) { backend.Conn().(*wstest.End).Reset() },
		func(client, _ *wstest.Peer) { client.Send(wstest.Close(1000, "")) },
		func(_, backend *wstest.Peer) { backend.Send(wstest.Close(1000, "")) },
		func(client, backend *wstest.Peer) { client.Close(); backend.Close() },
		func(client, backend *wstest.Peer) {
			client.Send(wstest.Close(1000, ""))
			backend.Send(wstest.Close(1001, ""))
		},
		func(client, backend *wstest.Peer) { // both are in the middle of a message
			client.Send(wstest.More(wstest.Binary(make([]byte, 50_000))))
			backend.Send(wstest.More(wstest.Binary(make([]byte, 50_000))))
			client.Close()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "")
			client, backend, _ := h.pair(nil)
			client.Send(wstest.Text("x"))
			backend.Want("it", wstest.Text("x"))
			end(client, backend)
			time.Sleep(time.Minute)
		})
	}
	synctest.Test(t, func(t *testing.T) { // a client that goes while the backend is asked
		h := open(t, "", "")
		h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
			time.Sleep(5 * time.Second)
			io.WriteString(conn, switching(r, ""))
			wstest.NewPeer(t, conn, curlew.Server)
		})
		c := h.connect()
		io.WriteString(c, upgrade("GET /"))
		c.Close()
		time.Sleep(time.Minute)
	})
	synctest.Test(t, func(t *testing.T) { // one whose 101 cannot be written
		h := open(t, "", "")
		h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
			time.Sleep(5 * time.Second)
			io.WriteString(conn, switching(r, ""))
			p := wstest.NewPeer(t, conn, curlew.Server)
			if f := p.Next("the end"); f.Opcode != frame.Close {
				t.Errorf("%v", f)
			}
		})
		c := h.connect()
		io.WriteString(c, upgrade("GET /"))
		time.Sleep(time.Second)
		wstest.NewPeer(t, c, curlew.Client).Send(wstest.Text("this hides the end from net/http"))
		time.Sleep(time.Second)
		c.Reset()
		time.Sleep(time.Minute)
	})
}
