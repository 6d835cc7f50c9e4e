package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/handler/broadcast"
	"curlew.example/curlew/server/handler/echo"
	"curlew.example/curlew/server/handler/exec"
	"curlew.example/curlew/server/handler/file"
	"curlew.example/curlew/server/handler/hub"
	"curlew.example/curlew/server/handler/proxy"
	"curlew.example/curlew/server/handler/redirect"
	"curlew.example/curlew/server/handler/respond"
	"curlew.example/curlew/server/handler/static"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// A running is a server that tests talk to.
type running struct {
	*server.Server
	t     testing.TB
	log   *safeBuffer
	roots *x509.CertPool
	ended chan error
	stop  context.CancelFunc
	first string // the address of the first listener
	mode  string // of the fallback, in which dial comes; "" is none
	dir   string // of the site
}

// expand puts in what "@plain", "@tls" and "@dir" stand for.
func (r *running) expand(text string) string {
	return strings.NewReplacer(
		"@plain", `listen: ['127.0.0.1:0']`,
		"@tls", `listen: ['https://127.0.0.1:0'], tls: { certificate: 'site.pem', key: 'site.key' }`,
		"@dir", r.dir,
	).Replace(text)
}

// start runs the site until the test ends. What the text says of listen is kept;
// "@plain" and "@tls" stand for listeners, "@dir" for a folder of the test.
func start(t testing.TB, text string, more map[string]route.Constructor) *running {
	t.Helper()
	dir := t.TempDir()
	c := wstest.Certificate("127.0.0.1", "localhost")
	writePair(t, filepath.Join(dir, "site"), c)
	r := &running{t: t, log: new(safeBuffer), roots: wstest.Roots(c), ended: make(chan error, 1), dir: dir}
	handlers := basic()
	var names []string
	for name, h := range more {
		handlers[name] = h
		names = append(names, name)
	}
	s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte(r.expand(text)), names...)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Timeouts.Drain.Set() {
		s.Timeouts.Drain.Value = time.Millisecond
	}
	srv, err := server.New(s, server.Options{
		Handlers: handlers, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.Server, r.stop, r.first = srv, cancel, srv.URLs()[0]
	go func() { r.ended <- srv.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

func basic() map[string]route.Constructor {
	return map[string]route.Constructor{
		"broadcast": new(broadcast.Rooms).New, "echo": echo.New, "exec": (&exec.Processes{AllowRoot: true}).New, "file": file.New, "hub": new(hub.Hub).New, "proxy": proxy.New, "static": static.New, "respond": respond.New, "redirect": redirect.New,
	}
}

// parse reads a site whose folder is an empty one.
func parse(t *testing.T, text string) *site.Site {
	t.Helper()
	s, err := config.Parse(filepath.Join(t.TempDir(), "site.json5"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs a site until the test ends and returns its first address.
func serve(t *testing.T, s *site.Site) string {
	t.Helper()
	srv, err := server.New(s, server.Options{Handlers: basic()})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	_, addr, _ := strings.Cut(srv.URLs()[0], "://")
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return addr
}

// both runs f with the site on a plain listener and on one with TLS.
func both(t *testing.T, routes string, f func(t *testing.T, r *running)) {
	for _, kind := range []string{"plain", "tls"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel() // much of this is waiting
			f(t, start(t, "{ @"+kind+", "+routes+" }", nil))
		})
	}
}

// everyWay is both, and the same over plain HTTP in each mode of the fallback.
func everyWay(t *testing.T, routes string, f func(t *testing.T, r *running)) {
	both(t, routes, f)
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := start(t, "{ @plain, "+routes+" }", nil)
			r.mode = mode
			f(t, r)
		})
	}
}

func writePair(t testing.TB, base string, c tls.Certificate) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.WriteFile(base+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600),
		os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
}

// on returns r for a subtest.
func (r *running) on(t *testing.T) *running {
	c := *r
	c.t = t
	return &c
}

// url returns the address of the first listener; ws turns http into ws.
func (r *running) url() string { return r.first }
func (r *running) ws() string  { return "ws" + strings.TrimPrefix(r.url(), "http") }

// connect opens a connection and, where there is TLS, makes its handshake.
func (r *running) connect() net.Conn {
	r.t.Helper()
	host, secure := strings.CutPrefix(r.url(), "https://")
	host = strings.TrimPrefix(host, "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		r.t.Fatal(err)
	}
	if secure {
		t := tls.Client(c, &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1"})
		if err := t.Handshake(); err != nil {
			r.t.Fatal(err)
		}
		c = t
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// dial opens a WebSocket.
func (r *running) dial(path string, o curlew.Options) *curlew.Conn {
	r.t.Helper()
	if r.mode != "" {
		c, err := r.over(r.mode, path, curlew.DialOptions{Options: o})
		if err != nil {
			r.t.Fatal(err)
		}
		return c
	}
	c, err := curlew.Dial(r.t.Context(), r.ws()+path, &curlew.DialOptions{Options: o, TLS: &tls.Config{RootCAs: r.roots}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Abort(nil) })
	return c
}

// say sends bytes on a new connection and returns the answers in order: as many
// as come until the server closes.
func (r *running) say(request string) []*http.Response {
	r.t.Helper()
	c := r.connect()
	go func() {
		io.WriteString(c, request)
	}()
	return answers(c)
}

// answers reads answers until the end.
func answers(c net.Conn) (list []*http.Response) {
	br := bufio.NewReader(c)
	for {
		a, err := http.ReadResponse(br, nil)
		if err != nil {
			return list
		}
		// A refused client that goes on talking may have its body cut off.
		body, _ := io.ReadAll(a.Body)
		a.Body = io.NopCloser(bytes.NewReader(body))
		list = append(list, a)
		if a.StatusCode == http.StatusSwitchingProtocols {
			return list
		}
	}
}

// codes are the statuses of answers, "400 404".
func codes(list []*http.Response) string {
	var s []string
	for _, a := range list {
		s = append(s, fmt.Sprint(a.StatusCode))
	}
	return strings.Join(s, " ")
}

// get is a request that is in order and ends the connection.
const get = "GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n"

// upgrade returns a handshake for a path.
func upgrade(target string, more ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: site.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(more, "") + "\r\n"
}

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

// body returns the body of an answer of say.
func body(t *testing.T, a *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
