//go:build unix

package js_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
	"curlew.example/curlew/hub"
)

// A world is the servers that the tests in JavaScript talk to, by name: of one
// origin each.
type world struct {
	t    *testing.T
	URLs map[string]string

	opens, upgrades, live atomic.Int64
	at                    atomic.Value // what a page is at
	result                chan string  // what it has found

	mu    sync.Mutex // guards the following
	conns map[net.Conn]struct{}
	hub   *hub.Hub
	line  http.Handler // of hub
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, URLs: make(map[string]string), result: make(chan string, 16), conns: make(map[net.Conn]struct{})}
	w.restart()
	t.Cleanup(func() { w.hub.Close() })
	main := w.endpoints(nil)
	page := w.start("main", main)
	of := &fallback.Options{Origins: []string{page}}
	w.start("blocked", w.blocked(main, func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "no upgrades here", http.StatusBadRequest)
	}))
	w.start("hanging", w.blocked(w.endpoints(of), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	w.start("buffering", w.blocked(buffered(w.endpoints(of)), http.NotFound))
	for _, name := range []string{"listed", "stream", "sse", "poll"} {
		w.start(name, w.endpoints(of))
	}
	w.start("any", w.blocked(w.endpoints(&fallback.Options{InsecureAnyOrigin: true}), http.NotFound))
	w.start("own", w.blocked(w.endpoints(nil), http.NotFound))
	w.start("bare", w.socket(nil)) // without a fallback
	return w
}

func (w *world) start(name string, h http.Handler) string {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if state == http.StateNew {
			w.conns[c] = struct{}{}
		} else if state == http.StateClosed {
			delete(w.conns, c)
		}
	}
	if name == "h2" {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	w.t.Cleanup(func() {
		s.CloseClientConnections()
		s.Config.Close()
	})
	w.URLs[name] = s.URL
	return s.URL
}

// blocked has upgrades refused, and counts them.
func (w *world) blocked(h http.Handler, refuse http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if len(r.Header["Upgrade"]) > 0 {
			w.upgrades.Add(1)
			refuse(rw, r)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// buffered holds answers back until they are whole, as some proxies do.
func buffered(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := &recorder{header: make(http.Header)}
		h.ServeHTTP(rec, r)
		for k, v := range rec.header {
			rw.Header()[k] = v
		}
		rw.WriteHeader(rec.status)
		rw.Write(rec.body.Bytes())
	})
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}
func (r *recorder) FlushError() error { return nil }

// endpoints serves everything, over the fallback too.
func (w *world) endpoints(o *fallback.Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/ws/", fallback.Handler(w.socket(o), o))
	mux.Handle("/ws/never", fallback.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // no handshake is answered
	}), o))
	mux.Handle("/hub/", fallback.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		h := w.line
		w.mu.Unlock()
		h.ServeHTTP(rw, r)
	}), o))
	mux.HandleFunc("/count", func(rw http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(rw).Encode(map[string]int64{"opens": w.opens.Load(), "upgrades": w.upgrades.Load(), "live": w.live.Load()})
	})
	mux.HandleFunc("/cut", func(http.ResponseWriter, *http.Request) { w.cut() })
	mux.HandleFunc("/restart", func(http.ResponseWriter, *http.Request) { w.restart() })
	mux.HandleFunc("/at", func(_ http.ResponseWriter, r *http.Request) { w.at.Store(r.URL.RawQuery) })
	mux.HandleFunc("/result", func(_ http.ResponseWriter, r *http.Request) {
		p, _ := io.ReadAll(r.Body)
		w.result <- string(p)
	})
	mux.HandleFunc("/servers.json", func(rw http.ResponseWriter, _ *http.Request) { json.NewEncoder(rw).Encode(w.URLs) })
	mux.HandleFunc("/{file}", func(rw http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		if strings.HasSuffix(name, "js") {
			rw.Header().Set("Content-Type", "text/javascript")
		}
		if name != "curlew.js" {
			name = "test/" + name
		}
		p, err := os.ReadFile(name)
		if err != nil {
			http.NotFound(rw, r)
			return
		}
		rw.Write(p)
	})
	return mux
}

// cut ends all connections that are there, without a word.
func (w *world) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
	clear(w.conns)
}

// restart begins with a new hub, which remembers nothing.
func (w *world) restart() {
	who := func(_ context.Context, _ *http.Request, token string) (*hub.Identity, error) {
		user, seconds, _ := strings.Cut(token, "/")
		id := &hub.Identity{User: user}
		if n, err := strconv.ParseFloat(seconds, 64); err == nil {
			id.Expires = time.Now().Add(time.Duration(n * float64(time.Second)))
		}
		if user == "mallory" {
			return nil, os.ErrPermission
		}
		return id, nil
	}
	h, err := hub.New(&hub.Options{Connect: who, Namespaces: map[string]*hub.Namespace{
		"room":  {History: hub.History{Size: 10000}, JoinLeave: true, Publish: hub.Anyone},
		"short": {History: hub.History{Size: 2}, Publish: hub.Anyone},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	old := w.hub
	w.hub, w.line = h, h.Handler(&hub.HandlerOptions{Keys: []string{"key"}, Conn: &curlew.Options{InsecureAnyOrigin: true}})
	w.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// socket serves the WebSockets by the last element of their path.
func (w *world) socket(o *fallback.Options) http.Handler {
	echo := curlew.Handle(&curlew.Options{InsecureAnyOrigin: true, Subprotocols: []string{"beta", "alpha"}, MaxMessage: 16 << 20, SendQueue: 32 << 20}, func(r *http.Request) (*curlew.Events, error) {
		if r.URL.Query().Has("count") {
			return &curlew.Events{
				Open:  func(*curlew.Conn) { w.live.Add(1) },
				Close: func(*curlew.Conn, *curlew.CloseError) { w.live.Add(-1) },
			}, nil
		}
		return &curlew.Events{
			Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) },
		}, nil
	})
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("count") {
			w.opens.Add(1)
		}
		switch r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] {
		case "echo":
			echo.ServeHTTP(rw, r)
		case "script":
			script(rw, r)
		case "refuse":
			status, _ := strconv.Atoi(r.FormValue("status"))
			http.Error(rw, "refused", status)
		default:
			http.NotFound(rw, r)
		}
	})
}

// script accepts any handshake, says the frames of its query, in hex, and then does
// what "then" says: it drops the connection, or answers the client's Close. With
// pong it says "ponged" for the first pong.
func script(rw http.ResponseWriter, r *http.Request) {
	c, buf, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	defer c.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	buf.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n")
	if p := r.FormValue("choose"); p != "" {
		buf.WriteString("Sec-WebSocket-Protocol: " + p + "\r\n")
	}
	buf.WriteString("\r\n")
	closed := false
	for _, f := range strings.Split(r.FormValue("say"), " ") {
		p, _ := hex.DecodeString(f)
		closed = closed || strings.HasPrefix(f, "88")
		buf.Write(p)
	}
	buf.Flush()
	if r.FormValue("then") == "drop" {
		readFrame(buf.Reader) // until the client has said something
		return
	}
	for {
		op, p, err := readFrame(buf.Reader)
		switch {
		case err != nil:
			return
		case op == 10 && r.FormValue("then") == "pong":
			buf.WriteString("\x81\x06ponged")
			buf.Flush()
		case op == 8 && closed:
			return
		case op == 8:
			buf.Write(append([]byte{0x88, byte(len(p))}, p...))
			buf.Flush()
			return
		}
	}
}

// readFrame reads a client's frame.
func readFrame(r *bufio.Reader) (op byte, p []byte, err error) {
	var head [8]byte
	if _, err = io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	op = head[0] & 15
	n := int(head[1] & 127)
	if n == 126 {
		io.ReadFull(r, head[:2])
		n = int(binary.BigEndian.Uint16(head[:2]))
	}
	io.ReadFull(r, head[:4])
	p = make([]byte, n)
	_, err = io.ReadFull(r, p)
	for i := range p {
		p[i] ^= head[i%4]
	}
	return op, p, err
}
