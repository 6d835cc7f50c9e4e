package handshake

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A site is net/http's server with one WebSocket endpoint, which hijacks what it
// accepts, answers and closes.
type site struct {
	*httptest.Server
	upgraded atomic.Int32
	second   atomic.Int32 // requests for /second
}

func newSite(t *testing.T, p *Policy, withTLS bool) *site {
	s := &site{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/second" {
			s.second.Add(1)
			return
		}
		w.Header().Set("Etag", `"of another body"`)
		a, f := p.Check(r)
		if f != nil {
			f.Write(w)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		head, err := a.Append(nil, "", nil)
		if err != nil {
			t.Error(err)
		}
		s.upgraded.Add(1)
		c.Write(head)
	}))
	s.Config.MaxHeaderBytes = 128 << 10
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if withTLS {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// say sends raw and returns all that comes until the server ends.
func (s *site) say(t *testing.T, raw string) []byte {
	t.Helper()
	addr := s.Listener.Addr().String()
	c, err := net.Dial("tcp", addr)
	if s.TLS != nil {
		c, err = tls.Dial("tcp", addr, &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second)) // only so that a bug ends
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		io.WriteString(c, raw) // fails where the server has enough
	}()
	got, err := io.ReadAll(c)
	c.Close()
	<-wrote
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		t.Fatal("the server leaves the connection open")
	}
	return got
}

// Every refusal on a real net/http server: its status, and that nothing
// pipelined behind it is served (M7).
func TestServerRefuses(t *testing.T) {
	for _, name := range []string{"plain", "TLS"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, testPolicy, name == "TLS")
			for _, c := range refusals {
				t.Run(c.name, func(t *testing.T) {
					raw := c.raw
					if s.TLS != nil {
						raw = strings.ReplaceAll(raw, "Origin: http://example", "Origin: https://example")
					}
					got := s.say(t, raw+"GET /second HTTP/1.1\r\nHost: example.com\r\n\r\n")
					if len(got) == 0 && c.status == 431 {
						return // reset with our bytes unread: the answer may be lost
					}
					method, _, _ := strings.Cut(raw, " ")
					br := bufio.NewReader(bytes.NewReader(got))
					resp, err := http.ReadResponse(br, &http.Request{Method: method})
					if err != nil {
						t.Fatalf("%v in %q", err, got)
					}
					if resp.StatusCode != c.status {
						t.Errorf("status %d, want %d", resp.StatusCode, c.status)
					}
					if name, value, ok := strings.Cut(c.header, ": "); ok && resp.Header.Get(name) != value {
						t.Errorf("%s: %q, want %q", name, resp.Header.Get(name), value)
					}
					body, err := io.ReadAll(resp.Body)
					if rest, _ := io.ReadAll(br); err != nil || len(rest) > 0 {
						t.Errorf("%v; behind the answer: %q", err, rest)
					}
					if c.byServer || string(body) == "400 Bad Request: malformed Host header" {
						return // net/http's own words
					}
					if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || resp.Header.Get("Etag") != "" {
						t.Errorf("header %v", resp.Header)
					}
					if len(body) == 0 && method != "HEAD" || bytes.ContainsAny(bytes.TrimSuffix(body, []byte("\n")), "\r\n\x00\x1b") {
						t.Errorf("body %q", body)
					}
				})
			}
			if n := s.upgraded.Load(); n != 0 {
				t.Errorf("%d upgrades", n)
			}
			if n := s.second.Load(); n != 0 {
				t.Errorf("%d pipelined requests were served", n)
			}
		})
	}
}

// A 426 carries Upgrade and names it in Connection, on a line behind close.
func TestHS5_ConnectionLines(t *testing.T) {
	s := newSite(t, testPolicy, false)
	got := string(s.say(t, "GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\n"))
	one, two := strings.Index(got, "\r\nConnection: close\r\n"), strings.Index(got, "\r\nConnection: Upgrade\r\n")
	if one < 0 || two < one || !strings.Contains(got, "\r\nUpgrade: websocket\r\n") {
		t.Errorf("%q", got)
	}
}

func TestServerAccepts(t *testing.T) {
	const want = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n"
	for _, name := range []string{"plain", "TLS"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, testPolicy, name == "TLS")
			if got := string(s.say(t, sample)); got != want+"\r\n" {
				t.Errorf("%q", got)
			}
			if got := string(s.say(t, plus("Sec-WebSocket-Protocol: superchat, chat"))); got != want+"Sec-WebSocket-Protocol: chat\r\n\r\n" {
				t.Errorf("%q", got)
			}
		})
	}
}
