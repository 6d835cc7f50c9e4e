package curlew_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// A house is an http.Server of net/http with one handler, and what becomes of it.
type house struct {
	t       testing.TB
	kind    houseKind
	srv     *http.Server
	network *wstest.Network // in memory
	addr    string          // on a port
	busy    atomic.Int32    // calls of the handler that have not returned

	mu     sync.Mutex // guards the following
	logged []string
}

// A houseKind is how a house is reached. The ones in memory work in bubbles.
type houseKind string

const (
	memoryHouse    houseKind = "memory"
	memoryTLSHouse houseKind = "memory, TLS"
	tcpHouse       houseKind = "tcp"
	tlsHouse       houseKind = "tls" // with HTTP/2, as net/http has it by itself
)

// build starts a server, which is gone when the test is over. change may be nil.
func build(t testing.TB, k houseKind, h http.Handler, change func(*http.Server)) *house {
	t.Helper()
	b := &house{t: t, kind: k}
	b.srv = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b.busy.Add(1)
			defer b.busy.Add(-1)
			h.ServeHTTP(w, r)
		}),
		ErrorLog: log.New(writerFunc(b.log), "", 0),
	}
	if change != nil {
		change(b.srv)
	}
	var l net.Listener
	if b.inMemory() {
		b.network = wstest.NewNetwork(nil)
		l = b.network.Listen("example.com:80")
	} else {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		b.addr = l.Addr().String()
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if b.withTLS() {
			b.srv.TLSConfig = serverTLS()
			b.srv.ServeTLS(l, "", "")
		} else {
			b.srv.Serve(l)
		}
	}()
	t.Cleanup(func() {
		b.srv.Close()
		wait(t, "the server's end", over)
		until(t, "the handlers' end", func() bool { return b.busy.Load() == 0 })
	})
	return b
}

func (b *house) inMemory() bool { return b.kind == memoryHouse || b.kind == memoryTLSHouse }
func (b *house) withTLS() bool  { return b.kind == tlsHouse || b.kind == memoryTLSHouse }

func (b *house) log(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logged = append(b.logged, string(p))
}

// wantLog compares what was logged so far: one line for each of these, which it
// contains.
func (b *house) wantLog(lines ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	ok := len(b.logged) == len(lines)
	for i := 0; ok && i < len(lines); i++ {
		ok = strings.Contains(b.logged[i], lines[i])
	}
	if !ok {
		b.t.Errorf("logged %q, want %q", b.logged, lines)
	}
}

// dial connects, past the handshake of TLS. The connection ends with the test.
func (b *house) dial() net.Conn {
	b.t.Helper()
	var c net.Conn
	var err error
	if b.inMemory() {
		c, err = b.network.DialContext(b.t.Context(), "tcp", "example.com:80")
	} else {
		c, err = net.Dial("tcp", b.addr)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	if b.withTLS() {
		config := clientTLS()
		config.ServerName = "example.com"
		s := tls.Client(c, config)
		if err := s.HandshakeContext(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		c = s
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// far is the server's end of a connection in memory, to set faults.
func far(c net.Conn) *wstest.End {
	if s, ok := c.(*tls.Conn); ok {
		c = s.NetConn()
	}
	return c.(*wstest.End).Peer()
}

// open makes a handshake that must succeed.
func (b *house) open(url string) *wstest.Peer {
	b.t.Helper()
	p, _ := wstest.Open(b.t, b.dial(), url, nil)
	return p
}

// asks is the handshake of one of the server's own pages for path, with more
// lines.
func (b *house) asks(path string, lines ...string) string {
	origin := "Origin: http://example.com"
	if b.withTLS() {
		origin = "Origin: https://example.com"
	}
	return "GET " + path + " HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + origin + "\r\n" +
		strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

// switched is the beginning of the answer that accepts it, behind which come the
// lines of the application and an empty one.
const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

// say sends raw and returns the first answer, its body and all that is behind
// it: the server has to end the connection.
func (b *house) say(raw string) (resp *http.Response, body, rest string) {
	b.t.Helper()
	c := b.dial()
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute)) // only so that a bug ends
	if _, err := io.WriteString(c, raw); err != nil {
		b.t.Fatal(err)
	}
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, "", ""
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("a broken answer: %v in %v, %q", err, resp.Header, text)
	}
	more, err := io.ReadAll(br)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.t.Fatal("the server leaves the connection open")
	}
	return resp, string(text), string(more)
}

// refused is say with what must be true of every refusal.
func (b *house) refused(raw string, status int) (h http.Header, body string) {
	b.t.Helper()
	resp, body, rest := b.say(raw)
	if resp.StatusCode != status || !resp.Close || rest != "" {
		b.t.Fatalf("status %d, header %v, body %q, behind it %q: want %d and the end", resp.StatusCode, resp.Header, body, rest, status)
	}
	return resp.Header, body
}

// A journal is what an application of curlew was told.
type journal struct {
	mu      sync.Mutex // guards the following
	opened  int
	refused []error // by Accept
	ended   []*curlew.CloseError
	conns   []*curlew.Conn
	text    []string // messages
}

func (j *journal) note(f func(j *journal)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(j)
}

// balance wants as many ends as beginnings, and returns what ended the
// connections and what Accept returned.
func (j *journal) balance(t testing.TB) (ended []*curlew.CloseError, refused []error) {
	t.Helper()
	done := func() (ok bool) {
		j.note(func(j *journal) { ok = j.opened == len(j.ended) })
		return ok
	}
	until(t, "the end of every connection", done)
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended, j.refused
}

// A way is how an application that echoes accepts: with Accept and a loop of
// Reads in the handler, or with Handle.
type way string

const (
	byAccept way = "Accept"
	byEvent  way = "Handle"
)

var bothWays = []way{byAccept, byEvent}

// echoes is a handler. allow, which may be nil, is called before the answer.
func (w way) echoes(o *curlew.Options, j *journal, allow func(*http.Request) error) http.Handler {
	if allow == nil {
		allow = func(*http.Request) error { return nil }
	}
	if w == byEvent {
		return curlew.Handle(o, func(r *http.Request) (*curlew.Events, error) {
			return &curlew.Events{
				Open: func(c *curlew.Conn) { j.note(func(j *journal) { j.opened++; j.conns = append(j.conns, c) }) },
				Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
					s := string(p)
					j.note(func(j *journal) { j.text = append(j.text, s) })
					c.Send(t, p)
				},
				Close: func(_ *curlew.Conn, e *curlew.CloseError) {
					j.note(func(j *journal) { j.ended = append(j.ended, e) })
				},
			}, allow(r)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var own curlew.Options
		if o != nil {
			own = *o
		}
		if own.AllowOrigin == nil {
			own.AllowOrigin = func(r *http.Request, _ string) bool { return allow(r) == nil }
		}
		c, err := curlew.Accept(w, r, &own)
		if err != nil {
			j.note(func(j *journal) { j.refused = append(j.refused, err) })
			return
		}
		j.note(func(j *journal) { j.opened++; j.conns = append(j.conns, c) })
		var buf []byte
		for {
			t, p, err := c.Read(context.Background(), buf[:0])
			if err != nil {
				e, _ := errors.AsType[*curlew.CloseError](err)
				j.note(func(j *journal) { j.ended = append(j.ended, e) })
				return
			}
			s := string(p)
			j.note(func(j *journal) { j.text = append(j.text, s) })
			c.Write(context.Background(), t, p)
			buf = p
		}
	})
}

// readTo reads to the end of a stream.
func readTo(t testing.TB, c net.Conn) []byte {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute)) // only so that a bug ends
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("%v behind %q", err, got)
	}
	return got
}

// refuseMe is an application that refuses one path.
func refuseMe(r *http.Request) error {
	if r.URL.Path == "/refuse-me" {
		return errors.New("as you wish")
	}
	return nil
}

// client is one of HTTP/2 if the server has it.
func (b *house) client() *http.Client {
	tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: clientTLS(), DialContext: dialTo(b.addr)}
	b.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}
