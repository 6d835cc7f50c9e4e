package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
)

// What passes of a request, and what the site file adds.
func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "headers: { 'X-Key': 'secret', 'X-Two': ['1', '2'], Cookie: [], 'User-Agent': 'curlew' }", "")
		h.serves(headers)
		got := h.say("POST /a?b HTTP/1.1\r\nHost: site.example:80\r\nX-Key: theirs\r\nCookie: a=1\r\nAccept-Encoding: br\r\nX-Mine: 1\r\nX-Mine: 2\r\nOrigin: http://o\r\n" +
			"Transfer-Encoding: chunked\r\nTrailer: X-Last\r\nTE: trailers\r\nKeep-Alive: 5\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Last: z\r\n\r\n")
		for _, want := range []string{"POST /a?b\n", "\nHost: site.example:80\n", "X-Key: secret\r\n", "X-Two: 1\r\nX-Two: 2\r\n", "Accept-Encoding: br\r\n", "X-Mine: 1\r\nX-Mine: 2\r\n",
			"Origin: http://o\r\n", "User-Agent: curlew\r\n", "X-Forwarded-Host: site.example:80\r\n", `body "abc" -1 map[]`} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is missing in %q", want, got)
			}
		}
		for _, not := range []string{"theirs", "Cookie", "Keep-Alive", "X-Last"} {
			if strings.Contains(got, not) {
				t.Errorf("%q is in %q", not, got)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "headers: { Host: 'app.example' }", "")
		h.serves(headers)
		if got := h.say(ask("GET /")); !strings.Contains(got, "\nHost: app.example\n") || !strings.Contains(got, "X-Forwarded-Host: site\r\n") || strings.Contains(got, "User-Agent") {
			t.Errorf("%q", got)
		}
	})
}

// The same for a handshake, where what belongs to it is made anew.
func TestHandshakeRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "headers: { 'X-Key': 'secret' }", "origins: 'http://o', webSockets: { compression: true }")
		got := h.received(true, "Origin: http://o", "Cookie: a=1; b=2", "Authorization: Bearer x", "User-Agent: me", "Accept-Language: de", "Sec-WebSocket-Extensions: x-theirs",
			"Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b", "Sec-Fetch-Site: cross-site", "Accept-Encoding: gzip")
		for name, want := range map[string]string{
			"Origin": "http://o", "Cookie": "a=1; b=2", "Authorization": "Bearer x", "User-Agent": "me", "Accept-Language": "de", "X-Key": "secret", "Sec-Websocket-Protocol": "a, b",
			"Host": "site", "Sec-Websocket-Version": "13", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-Fetch-Site": "cross-site", "Accept-Encoding": "",
		} {
			if s := strings.Join(got[name], " | "); s != want {
				t.Errorf("%s: %q", name, s)
			}
		}
		if k := got.Get("Sec-Websocket-Key"); k == "" || k == "dGhlIHNhbXBsZSBub25jZQ==" {
			t.Errorf("key %q", k)
		}
		if e := got.Get("Sec-Websocket-Extensions"); !strings.HasPrefix(e, "permessage-deflate") || strings.Contains(e, "theirs") {
			t.Errorf("extensions %q", e)
		}
	})
}

// What the backend's 101 says passes, but for what is of its connection.
func TestHandshakeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "headers: { 'X-Ours': 'yes', 'X-Both': 'ours' }")
		h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
			io.WriteString(conn, switching(r, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Both: theirs\r\nKeep-Alive: 5\r\nX-Inactivity-Timeout: 9\r\nContent-Length: 0\r\n"))
		})
		c := h.connect()
		io.WriteString(c, upgrade("GET /"))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 101 {
			t.Fatalf("%v %v", resp, err)
		}
		got := resp.Header
		if s := fmt.Sprint(got["Set-Cookie"], got["X-Ours"], got["X-Both"], got["Keep-Alive"], got["X-Inactivity-Timeout"], got["Content-Length"]); s != "[a=1 b=2] [yes] [theirs] [] [] []" {
			t.Errorf("%s", s)
		}
	})
}

// What passes of an answer.
func TestAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		method, answer string
		want           []string
		not            []string
	}{
		"as it is": {"GET", "HTTP/1.1 404 Gone Fishing\r\nContent-Length: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Encoding: gzip\r\nConnection: X-Hop\r\nX-Hop: 1\r\nServer: it\r\n\r\nabc",
			[]string{" 404 ", "Set-Cookie: a\r\nSet-Cookie: b\r\n", "Content-Encoding: gzip\r\n", "Server: it\r\n", "Content-Length: 3\r\n", "\r\n\r\nabc"}, []string{"X-Hop"}},
		"chunks":       {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n", []string{" 200 ", "abc", "X-Sum: 9\r\n"}, nil},
		"HEAD":         {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", []string{" 200 ", "Content-Length: 3\r\n"}, []string{"abc"}},
		"early hints":  {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", []string{" 103 ", "Link: </a>\r\n", " 200 "}, nil},
		"204":          {"GET", "HTTP/1.1 204 No Content\r\n\r\n", []string{" 204 "}, nil},
		"to the end":   {"GET", "HTTP/1.0 200 OK\r\n\r\nabc", []string{" 200 ", "abc"}, nil},
		"garbage":      {"GET", "nonsense\r\n\r\n", []string{" 502 "}, []string{"nonsense"}},
		"both lengths": {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", []string{" 502 "}, nil},
		"a large head": {"GET", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 100_000) + "\r\n\r\n", []string{" 502 "}, nil},
		"nothing":      {"GET", "", []string{" 502 "}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) {
					io.WriteString(conn, c.answer)
					conn.Close()
				})
				got := h.say(ask(c.method + " /"))
				for _, want := range c.want {
					if !strings.Contains(got, want) {
						t.Errorf("%q is not in %.300q", want, got)
					}
				}
				for _, not := range c.not {
					if strings.Contains(got, not) {
						t.Errorf("%q is in %.300q", not, got)
					}
				}
			})
		})
	}
}

// An answer that the backend does not end is not ended for it.
func TestAnswerCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "")
		h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
			conn.Close()
		})
		c := h.connect()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: site\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%q was taken for all of it", b)
		}
	})
}

// A stream of events passes as it comes.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "timeouts: { inactivity: 'never' }")
		h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
			for range 3 {
				io.WriteString(conn, "data: x\n\n")
				time.Sleep(time.Hour)
			}
			conn.Close()
		})
		c := h.connect()
		io.WriteString(c, ask("GET /"))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			began := time.Now()
			p := make([]byte, 100)
			n, err := resp.Body.Read(p)
			if string(p[:n]) != "data: x\n\n" || err != nil {
				t.Errorf("%q %v", p[:n], err)
			}
			if d := time.Since(began); i > 0 && d != time.Hour {
				t.Errorf("after %v", d)
			}
		}
	})
}

// RP16: a body passes in pieces, both ways, and no faster than it is taken; a
// backend that takes nothing is given up.
func TestRP16_Bodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "")
		sent := 0
		h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
			for sent < 10_000_000 {
				conn.SetWriteDeadline(time.Now().Add(time.Minute))
				n, err := conn.Write(make([]byte, 10_000))
				if sent += n; err != nil {
					break
				}
			}
			conn.Close()
		})
		c := h.connect()
		io.WriteString(c, ask("GET /"))
		time.Sleep(time.Hour)
		synctest.Wait()
		if sent > 300_000 {
			t.Errorf("%d bytes were taken of the backend", sent)
		}
		c.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "")
		h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) { time.Sleep(time.Hour) })
		c := h.connect()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 10000000\r\n\r\n")
		taken := make(chan int)
		go func() {
			n, _ := c.Write(make([]byte, 10_000_000))
			taken <- n
		}()
		began := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 504 || time.Since(began) > 11*time.Second {
			t.Errorf("%v %v after %v", resp, err, time.Since(began))
		}
		c.Close()
		if n := <-taken; n > 400_000 {
			t.Errorf("%d bytes were taken of the client", n)
		}
	})
}

// Nobody listens.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openAt(t, "http://nobody:1", "", "", nil)
		for _, request := range []string{ask("GET /"), upgrade("GET /")} {
			if got := h.say(request); statuses(got) != "502" || strings.Contains(got, "nobody") {
				t.Errorf("%q", got)
			}
		}
		if n := strings.Count(h.log.String(), "proxy to nobody:1: "); n != 2 {
			t.Errorf("%q", h.log)
		}
		if _, err := h.dial("/", curlew.Options{}); statusOf(err) != "502" {
			t.Error(err)
		}
	})
}
