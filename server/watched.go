package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
)

// A watched is a connection until it is hijacked; then its Conn goes on alone.
type watched struct {
	net.Conn
	limit time.Time // of the first head; zero for none

	place   *place // nil if connections are not counted
	refused int    // the status that is all there is to say, or 0
	handed  bool   // place is the WebSocket's

	mu       sync.Mutex // net/http reads from two goroutines, though in turn
	head     headWatch
	requests int           // that the gate has seen
	idle     time.Duration // timeouts.inactivity of the last answer, 0 for no limit
	resting  bool          // between two requests
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	w.head.observe(p[:n])
	w.mu.Unlock()
	return n, err
}

// rests is called between two requests: the deadline that net/http sets next is that
// of the rest.
func (w *watched) rests() {
	w.mu.Lock()
	w.resting = true
	w.mu.Unlock()
}

// mayRest says for how long the connection may be idle after an answer, 0 for no
// limit.
func (w *watched) mayRest(d time.Duration) {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.idle = d
	w.mu.Unlock()
}

// SetReadDeadline keeps the limit of the first head, and puts that of the last
// answer's route in the place of the server's for the time between requests.
func (w *watched) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	first := w.head.heads == 0 && !w.head.stop
	if w.resting {
		w.resting = false
		if t = (time.Time{}); w.idle > 0 {
			t = time.Now().Add(w.idle)
		}
	}
	w.mu.Unlock()
	if first && !w.limit.IsZero() && (t.IsZero() || t.After(w.limit)) {
		t = w.limit
	}
	return w.Conn.SetReadDeadline(t)
}

// verdict returns the status that r, the next request of the connection, is
// refused with, 0 for none. It is called once for each.
func (w *watched) verdict(r *http.Request) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	if w.refused != 0 {
		return w.refused
	}
	return w.head.status(w.requests, r.ProtoMinor)
}

// watch is how a watched is found behind a net.Conn.
func (w *watched) watch() *watched { return w }

// handOver returns the place of a connection that becomes a WebSocket, which has to
// leave it from then on. w may be nil.
func (w *watched) handOver() *place {
	if w == nil {
		return nil
	}
	w.handed = true
	return w.place
}

// silent reports whether nothing was received yet.
func (w *watched) silent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.head.heads == 0 && w.head.size == 0 && !w.head.stop
}

// A watchedTCP is a watched whose Conn can send a file without its bytes coming by
// here.
type watchedTCP struct{ *watched }

// ReadFrom is called by net/http for an answer's body.
func (w watchedTCP) ReadFrom(src io.Reader) (int64, error) {
	return w.Conn.(io.ReaderFrom).ReadFrom(src)
}

// A watchedTLS is a watched whose Conn is a tls.Conn.
type watchedTLS struct {
	*watched
	failed func(from net.Addr, err error) // told of a handshake that is none
	once   sync.Once
	state  tls.ConnectionState
}

// ConnectionState is called by net/http before the first Read. It makes the TLS
// handshake; if that fails, so does the Read.
func (w *watchedTLS) ConnectionState() tls.ConnectionState {
	w.once.Do(func() {
		t := w.Conn.(*tls.Conn)
		t.SetDeadline(w.limit)
		err := t.HandshakeContext(context.Background())
		t.SetDeadline(time.Time{})
		if wrong := (tls.RecordHeaderError{}); errors.As(err, &wrong) && wrong.Conn != nil && startsHTTP(wrong.RecordHeader) {
			io.WriteString(wrong.Conn, plainOnTLS)
		}
		if err != nil {
			w.failed(t.RemoteAddr(), err)
			linger(t.NetConn())
		}
		w.state = t.ConnectionState()
		if w.state.NegotiatedProtocol == acme.ALPNProto {
			t.Close() // it has seen what it came for: see issuer.forAuthority
		}
	})
	return w.state
}

// linger closes a connection on which something was said last: what the client
// has sent meanwhile must not destroy it. A moment is enough for that.
func linger(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok && h.CloseWrite() == nil {
		c.SetReadDeadline(time.Now().Add(time.Second))
		io.CopyN(io.Discard, c, 64<<10)
	}
	c.Close()
}

const plainOnTLS = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Connection: close\r\n\r\nThis is an https address.\n"

// startsHTTP reports whether a failed TLS handshake began like a request.
func startsHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// connKey is the key of the *watched in the context of a request.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(interface{ watch() *watched }); ok {
		return context.WithValue(ctx, connKey{}, w.watch())
	}
	return ctx
}

// connOf returns the connection of a request, nil in tests without one, and for a
// handshake that stands for an open of the fallback.
func connOf(r *http.Request) *watched {
	if r.Context().Value(openKey{}) != nil {
		return nil
	}
	w, _ := r.Context().Value(connKey{}).(*watched)
	return w
}
