package hub

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// A house is a site in memory whose routes lead to a hub.
type house struct {
	t       *testing.T
	hub     *Hub
	server  *server.Server
	network *wstest.Network
	stop    func() // makes the server drain
	log     *safeBuffer
}

// A safeBuffer may be written while it is read.
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

// rooms is a site with a namespace of each kind.
const rooms = `namespaces: {
	room: { history: { size: 10 }, presence: true, joinLeave: true }, open: { publish: 'anyone' },
	users: { publish: 'users', subscribe: 'users' }, closed: { publish: 'nobody', subscribe: 'nobody' },
}`

// in runs f in a bubble with a site: the settings of its hub, and what else it says.
func in(t *testing.T, settings, more string, f func(h *house)) {
	t.Helper()
	inAt(t, "{ hub: {"+settings+"}, "+more+" }", f)
}

const aRoute = `routes: [{ match: '/hub/', handler: 'hub' }]`

// inAt is in with a whole site, whose folder is one of the test's own.
func inAt(t *testing.T, text string, f func(h *house)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, network: wstest.NewNetwork(nil), log: new(safeBuffer)}
		log := slog.New(slog.NewTextHandler(h.log, nil))
		h.hub = &Hub{Log: log, dial: h.network.DialContext}
		s := h.parse(filepath.Join(dir, "site.json5"), text)
		var err error
		h.server, err = server.New(s, server.Options{Log: log, Handlers: map[string]route.Constructor{"hub": h.hub.New}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		h.stop = stop
		served := make(chan struct{})
		go func() {
			defer close(served)
			h.server.Serve(ctx)
		}()
		front := &http.Server{Handler: h.server}
		go front.Serve(h.network.Listen("example.com:80"))
		defer func() {
			stop()
			<-served
			front.Close()
			h.hub.Close()
			<-time.After(time.Hour)
		}()
		f(h)
	})
}

func (h *house) parse(name, text string) *site.Site {
	h.t.Helper()
	s, err := config.Parse(name, []byte(text))
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// A peer is a client that says and hears text.
type peer struct {
	h *house
	c *curlew.Conn
}

// dial connects to /hub, or with a path of its own, and fields given by name and
// value.
func (h *house) dial(path string, fields ...string) (*peer, error) {
	h.t.Helper()
	head := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		head.Set(fields[i], fields[i+1])
	}
	names := []string{"curlew.v1"}
	if token := head.Get("Subprotocol"); token != "" {
		names = append(names, token)
		head.Del("Subprotocol")
	}
	c, err := curlew.Dial(context.Background(), "ws://example.com"+path, &curlew.DialOptions{
		Options: curlew.Options{Subprotocols: names, Header: head, AllowInvalidUTF8: true}, DialContext: h.network.DialContext,
	})
	if err != nil {
		return nil, err
	}
	return &peer{h, c}, nil
}

// hello connects, says it, and wants an answer that has all the texts.
func (h *house) hello(hello string, want ...string) *peer {
	h.t.Helper()
	return h.helloAt("/hub", hello, want...)
}

func (h *house) helloAt(path, hello string, want ...string) *peer {
	h.t.Helper()
	p, err := h.dial(path)
	if err != nil {
		h.t.Fatal(err)
	}
	p.ask(`{"id":1,"hello":`+hello+`}`, append(want, `"id":1`)...)
	return p
}

// ask says something and wants an answer.
func (p *peer) ask(text string, want ...string) string {
	p.h.t.Helper()
	if err := p.c.Write(context.Background(), curlew.Text, []byte(text)); err != nil {
		p.h.t.Fatal(err)
	}
	return p.hear(want...)
}

// read waits for a message, not for ever.
func (p *peer) read() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	_, b, err := p.c.Read(ctx, nil)
	return b, err
}

// hear wants a message with all the texts.
func (p *peer) hear(want ...string) string {
	p.h.t.Helper()
	b, err := p.read()
	if err != nil {
		p.h.t.Fatalf("%v, want %s", err, want)
	}
	for _, w := range want {
		if !strings.Contains(string(b), w) {
			p.h.t.Errorf("heard %s, want %s", b, w)
		}
	}
	return string(b)
}

// ended wants the connection to be closed.
func (p *peer) ended(code curlew.Code) {
	p.h.t.Helper()
	for {
		b, err := p.read()
		if err == nil {
			p.h.t.Logf("heard %s", b)
			continue
		}
		if e := (*curlew.CloseError)(nil); !errors.As(err, &e) || e.Code != code {
			p.h.t.Errorf("ended with %v, want %d", err, code)
		}
		return
	}
}

// do makes a request, with fields given by name and value.
func (h *house) do(method, path, body string, fields ...string) *http.Response {
	h.t.Helper()
	r, err := http.NewRequest(method, "http://example.com"+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	c := &http.Client{Transport: &http.Transport{DialContext: h.network.DialContext, DisableKeepAlives: true}}
	a, err := c.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// hangUp makes a GET whose answer nobody waits for, and returns what gives it up.
func (h *house) hangUp(path string) func() {
	ctx, giveUp := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", "http://example.com"+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	go (&http.Transport{DialContext: h.network.DialContext, DisableKeepAlives: true}).RoundTrip(r)
	return giveUp
}

// call makes a call of the API and wants a status, and an answer with a text.
func (h *house) call(name, key, body string, status int, want string) {
	h.t.Helper()
	a := h.do("POST", "/hub/"+name, body, "Authorization", "Bearer "+key)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != status || !strings.Contains(string(text), want) {
		h.t.Errorf("%s %s: %d %s %v, want %d %s", name, body, a.StatusCode, text, err, status, want)
	}
}

// events opens a stream of events and returns its lines.
func (h *house) events(path string, fields ...string) (lines *bufio.Scanner, end func()) {
	h.t.Helper()
	a := h.do("GET", path, "", fields...)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("%s: %d %v", path, a.StatusCode, a.Header)
	}
	return bufio.NewScanner(a.Body), func() { a.Body.Close() }
}

const secret = "0123456789abcdef0123456789abcdef"

// jwt are settings with the secret.
var jwt = `jwt: { keys: { kty: 'oct', alg: 'HS256', k: '` + base64.RawURLEncoding.EncodeToString([]byte(secret)) + `' } }`

// token signs claims.
func token(claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(`{"alg":"HS256"}`)) + "." + b64([]byte(claims))
	m := hmac.New(sha256.New, []byte(secret))
	io.WriteString(m, text)
	return text + "." + b64(m.Sum(nil))
}

// hook serves a webhook at http://hook.example/ in the house.
func (h *house) hook(f http.HandlerFunc) {
	srv := &http.Server{Handler: f}
	go srv.Serve(h.network.Listen("hook.example:80"))
	context.AfterFunc(h.t.Context(), func() { srv.Close() })
}
