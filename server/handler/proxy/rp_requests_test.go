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

// RP11: nor are those that say how a body is sent: whatever they claim, the backend
// is told of the body that there is.
func TestRP11_Lengths(t *testing.T) {
	for name, value := range map[string]string{"Transfer-Encoding": "chunked", "Te": "trailers, chunked", "Content-Length": "100", "Trailer": "X", "Upgrade": "h2c", "Http2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA", "Keep-Alive": "1", "Proxy-Connection": "keep-alive"} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "")
			h.scripted(func(conn net.Conn, r *http.Request, body *bufio.Reader) {
				if got := r.Header.Get(name); got == value && name != "Te" || name == "Te" && strings.Contains(got, "chunked") || len(r.TransferEncoding) > 0 || r.ContentLength != 3 {
					t.Errorf("%s: %v, %v, %d", name, r.Header, r.TransferEncoding, r.ContentLength)
				}
				if b, err := io.ReadAll(r.Body); string(b) != "abc" || err != nil || body.Buffered() > 0 {
					t.Errorf("%s: the body is %q and %d more, %v", name, b, body.Buffered(), err)
				}
				io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
			})
			r := httptest.NewRequest("POST", "/", strings.NewReader("abc"))
			r.Host, r.Header[name] = "site", []string{value}
			server := &http.Server{ErrorLog: discard}
			w := httptest.NewRecorder()
			h.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, server)))
			if w.Code != 204 {
				t.Errorf("%s: %d", name, w.Code)
			}
			h.backend.Close()
			h.handler.Close()
		})
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
