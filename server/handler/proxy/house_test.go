package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/wstest"
)

// A house is a site in memory with a proxy at site:80, for a backend at
// backend:9000 that is the test's.
type house struct {
	t       *testing.T
	network *wstest.Network
	handler *proxy
	log     *safeBuffer
	backend *wstest.Listener
}

// open runs a route with more settings of proxy, and of the route.
func open(t *testing.T, settings, more string) *house {
	t.Helper()
	return openAt(t, "http://backend:9000", settings, more, nil)
}

// openAt is open for another target, and with the proxy changed before it is used.
func openAt(t *testing.T, target, settings, more string, change func(*proxy)) *house {
	t.Helper()
	h := &house{t: t, network: wstest.NewNetwork(nil), log: new(safeBuffer)}
	s, err := config.Parse("site.json5", []byte("{ routes: [{ handler: 'proxy', proxy: { target: '"+target+"', "+settings+" }, "+more+" }] }"))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Routes[0]
	made, err := New(r, func(f func(*http.Request) (*curlew.Events, error)) http.Handler {
		return curlew.Handle(config.Options(r), f)
	})
	if err != nil {
		t.Fatal(err)
	}
	h.handler = made.(*proxy)
	h.handler.network.dial = h.network.DialContext
	if change != nil {
		change(h.handler)
	}
	table := new(route.Table)
	if err := table.Add(r, made); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: table, ErrorLog: stdlog.New(h.log, "", 0)}
	l := h.network.Listen("site:80")
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(l) })
	h.backend = h.network.Listen("backend:9000")
	t.Cleanup(func() {
		server.Close()
		h.backend.Close()
		h.handler.Close()
		serving.Wait()
	})
	return h
}

// serves lets a handler be the backend.
func (h *house) serves(handler http.Handler) {
	s := &http.Server{Handler: handler, ErrorLog: stdlog.New(io.Discard, "", 0)}
	go s.Serve(h.backend)
	h.t.Cleanup(func() { s.Close() })
}

// scripted lets a function be the backend, for one connection.
func (h *house) scripted(f func(c net.Conn, r *http.Request, body *bufio.Reader)) {
	var done sync.WaitGroup
	done.Go(func() {
		c, err := h.backend.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		br := bufio.NewReader(c)
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		f(c, r, br)
		io.Copy(io.Discard, br)
	})
	h.t.Cleanup(func() {
		h.backend.Close()
		done.Wait()
	})
}

func (h *house) connect() *wstest.End {
	h.t.Helper()
	c, err := h.network.DialContext(h.t.Context(), "tcp", "site:80")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c.(*wstest.End)
}

// dial opens a WebSocket.
func (h *house) dial(path string, o curlew.Options) (*curlew.Conn, error) {
	c, err := curlew.Dial(h.t.Context(), "ws://site"+path, &curlew.DialOptions{Options: o, DialContext: h.network.DialContext,
		Proxy: nil})
	if err == nil {
		h.t.Cleanup(func() { c.Abort(nil) })
	}
	return c, err
}

// pair opens a WebSocket whose both ends the test plays.
func (h *house) pair(header http.Header) (client, backend *wstest.Peer, request *http.Request) {
	h.t.Helper()
	accepted := make(chan *wstest.Peer, 1)
	go func() {
		c, err := h.backend.Accept()
		if err != nil {
			close(accepted)
			return
		}
		if request, err = http.ReadRequest(bufio.NewReader(c)); err != nil {
			h.t.Error(err)
		}
		io.WriteString(c, switching(request, ""))
		accepted <- wstest.NewPeer(h.t, c, curlew.Server)
	}()
	client, _ = wstest.Open(h.t, h.connect(), "/chat", header)
	backend, ok := <-accepted
	if !ok {
		h.t.Fatal("no backend")
	}
	return client, backend, request
}

// switching is the 101 for a request, with more fields.
func switching(r *http.Request, more string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey(r) + "\r\n" + more + "\r\n"
}

func acceptKey(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// say sends bytes and returns all that is answered, up to the end.
func (h *house) say(text string) string {
	h.t.Helper()
	c := h.connect()
	go io.WriteString(c, text)
	b, _ := io.ReadAll(c)
	return string(b)
}

// statuses are those of the answers in a text.
func statuses(text string) string {
	var list []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "HTTP/1."); ok {
			list = append(list, rest[2:5])
		}
	}
	return strings.Join(list, " ")
}

// ask is a request that ends the connection, upgrade a handshake.
func ask(line string, fields ...string) string {
	return line + " HTTP/1.1\r\nHost: site\r\n" + strings.Join(append(fields, "Connection: close"), "\r\n") + "\r\n\r\n"
}

func upgrade(line string, fields ...string) string {
	return line + " HTTP/1.1\r\nHost: site\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(append(fields, "", ""), "\r\n")
}

// echo is a backend that returns messages.
func echo(o *curlew.Options) http.Handler {
	return curlew.Handle(o, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Write(context.Background(), t, p) }}, nil
	})
}

// headers answers with the request as it came.
var headers = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s\nHost: %s\n", r.Method, r.RequestURI, r.Host)
	r.Header.Write(w)
	fmt.Fprintf(w, "body %q %d %v\n", body, r.ContentLength, r.Trailer)
})

// A safeBuffer is written by the server and read by the test.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// statusOf is the status of a refused handshake.
func statusOf(err error) string {
	if e, ok := errors.AsType[*curlew.HandshakeError](err); ok {
		return fmt.Sprint(e.Status)
	}
	return err.Error()
}

var discard = stdlog.New(io.Discard, "", 0)
