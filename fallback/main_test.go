package fallback

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// A house is a server in memory, in a bubble.
type house struct {
	t        *testing.T
	srv      *http.Server
	network  *wstest.Network
	sessions *Sessions
	client   *http.Client
	base     string        // the endpoint's URL
	conns    chan net.Conn // those that accept has taken over
	logged   *record
	serving  atomic.Int32 // GETs that are being answered
}

// A record is what a logger was told.
type record struct {
	mu sync.Mutex
	b  strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// in runs f in a bubble with a server of next's WebSockets, over HTTP/1.1. Without
// next the connections are the test's, in conns.
func in(t *testing.T, next http.Handler, o *Options, f func(h *house)) {
	t.Helper()
	build(t, next, o, nil, f)
}

// build is in for a server that set changes.
func build(t *testing.T, next http.Handler, o *Options, set func(h *house), f func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{
			t: t, network: wstest.NewNetwork(nil), sessions: new(Sessions), logged: new(record),
			base: "http://example.com/echo", conns: make(chan net.Conn, 1000),
		}
		with := Options{}
		if o != nil {
			with = *o
		}
		with.Sessions = h.sessions
		if next == nil {
			next = http.HandlerFunc(h.accept)
		}
		inner := Handler(next, &with)
		h.srv = &http.Server{ErrorLog: log.New(h.logged, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "GET" {
				h.serving.Add(1)
				defer h.serving.Add(-1)
			}
			inner.ServeHTTP(w, r)
		})}
		tr := &http.Transport{DialContext: h.network.DialContext, DisableCompression: true}
		h.client = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		if set != nil {
			set(h)
		}
		if l := h.network.Listen("example.com:80"); strings.HasPrefix(h.base, "https:") {
			go h.srv.ServeTLS(l, "", "")
		} else {
			go h.srv.Serve(l)
		}
		defer func() {
			h.pass(5 * time.Minute) // whatever is late
			tr.CloseIdleConnections()
			h.srv.Close()
			synctest.Wait()
			if n := h.sessions.Len(); n != 0 || len(h.sessions.each) != 0 {
				t.Errorf("%d sessions are left, %d clients", n, len(h.sessions.each))
			}
		}()
		f(h)
	})
}

// overHTTP2 makes a house one of HTTP/2 over TLS.
func overHTTP2(h *house) {
	cert := wstest.Certificate("example.com")
	h.base = "https://example.com:80/echo"
	h.srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	tr := h.client.Transport.(*http.Transport)
	tr.TLSClientConfig, tr.ForceAttemptHTTP2 = &tls.Config{RootCAs: wstest.Roots(cert)}, true
}

// pass lets time go by.
func (h *house) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// accept is a handler that takes over every connection and answers with a 101.
func (h *house) accept(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	h.conns <- conn
}

// dial opens a session in one mode, or as it comes.
func (h *house) dial(mode string, o *DialOptions) (*curlew.Conn, error) {
	if o == nil {
		o = &DialOptions{}
	}
	if o.DialContext = h.network.DialContext; o.HTTP == nil && strings.HasPrefix(h.base, "https:") {
		o.TLS = h.client.Transport.(*http.Transport).TLSClientConfig
	}
	if mode != "" {
		o.Modes = []string{mode}
	}
	return Dial(context.Background(), h.base, o)
}

// An answer is one that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the request, or of reading the body
}

func (a *answer) offset() string { return a.header.Get(offsetField) }

// start makes a request and returns when its answer begins. Fields are pairs.
func (h *house) start(method, url string, body io.Reader, fields ...string) (*http.Response, error) {
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "Host" {
			r.Host = fields[i+1]
		}
		r.Header[fields[i]] = append(r.Header[fields[i]], fields[i+1])
	}
	return h.client.Do(r)
}

func read(r *http.Response, err error) *answer {
	if err != nil {
		return &answer{err: err, header: http.Header{}}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return &answer{r.StatusCode, r.Header, string(body), err}
}

// do makes a request for the endpoint.
func (h *house) do(method, query, body string, fields ...string) *answer {
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	return read(h.start(method, h.base+"?"+query, b, fields...))
}

// want checks a status.
func (h *house) want(what string, a *answer, status int) *answer {
	h.t.Helper()
	if a.status != status || a.err != nil {
		h.t.Fatalf("%s: %d %q, %v; want %d", what, a.status, a.body, a.err, status)
	}
	return a
}

// A visit is a session as its client knows it, and the connection that the handler
// has of it.
type visit struct {
	*house
	id   string
	conn net.Conn
}

// open opens a session of accept's.
func (h *house) open(fields ...string) *visit {
	h.t.Helper()
	a := h.want("open", h.do("POST", "curlew=open", "", fields...), 200)
	var is opened
	if err := json.Unmarshal([]byte(a.body), &is); err != nil {
		h.t.Fatal(err)
	}
	return &visit{h, is.Session, <-h.conns}
}

func (v *visit) get(rest string, fields ...string) *answer {
	return v.do("GET", "curlew="+v.id+"&"+rest, "", fields...)
}

func (v *visit) post(rest, body string, fields ...string) *answer {
	return v.do("POST", "curlew="+v.id+"&"+rest, body, fields...)
}

func (v *visit) delete() *answer { return v.do("DELETE", "curlew="+v.id, "") }

// later makes a request in a goroutine.
func later(f func() *answer) <-chan *answer {
	c := make(chan *answer, 1)
	go func() { c <- f() }()
	synctest.Wait()
	return c
}

// says has the handler write.
func (v *visit) says(s string) {
	v.t.Helper()
	if n, err := io.WriteString(v.conn, s); n != len(s) || err != nil {
		v.t.Fatalf("the handler's Write = %d, %v", n, err)
	}
}

// hears has the handler read exactly s.
func (v *visit) hears(s string) {
	v.t.Helper()
	v.conn.SetReadDeadline(time.Now().Add(time.Second))
	p := make([]byte, len(s))
	if n, err := io.ReadFull(v.conn, p); err != nil || string(p) != s {
		v.t.Fatalf("the handler's Read = %.100q, %v; want %.100q", p[:n], err, s)
	}
	v.conn.SetReadDeadline(time.Time{})
}

// hearsEnd has the handler read to the end of its connection.
func (v *visit) hearsEnd(s string, want error) {
	v.t.Helper()
	v.conn.SetReadDeadline(time.Now().Add(time.Second))
	p, err := io.ReadAll(v.conn)
	if string(p) != s || err != want && !(want == io.EOF && err == nil) {
		v.t.Fatalf("the handler's Read = %.100q, %v; want %.100q, %v", p, err, s, want)
	}
}

func echo() *curlew.Events {
	return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}
}

func echoes(o *curlew.Options) http.Handler {
	ev := echo()
	return curlew.Handle(o, func(*http.Request) (*curlew.Events, error) { return ev, nil })
}
