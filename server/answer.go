package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"curlew.example/curlew/server/site"
)

// An answer is the ResponseWriter that handlers see. It adds the headers of the
// route to every final answer, where the handler has not set the same field,
// ends the connection of a client that takes no bytes for the time of
// timeouts.write, tells the connection for how long it may be idle then, and
// remembers what the log wants to know. What it does with a body: see there.
type answer struct {
	http.ResponseWriter
	rc      *http.ResponseController
	conn    *watched
	headers site.Headers
	write   time.Duration // timeouts.write, 0 for no limit
	body    *body         // of the request; nil if it has none
	interim bool          // the client may be sent answers of 1xx
	stream  bool          // it has a stream of HTTP/2

	session bool // it is for a session of the fallback
	opens   bool // or for who opens one
	paced   bool // the handler sets the deadlines

	private bool   // it is for one user
	user    string // who that is: a stranger's text
	why     error  // why nobody may have it

	status   int // 0 before the head is written
	size     int64
	hijacked bool
	finished bool // else the handler has panicked
}

// newAnswer puts itself between the handler and the body of r, too.
func newAnswer(w http.ResponseWriter, r *http.Request, headers site.Headers, times *site.Timeouts) *answer {
	a := &answer{ResponseWriter: w, rc: http.NewResponseController(w), conn: connOf(r), interim: r.ProtoAtLeast(1, 1), stream: r.ProtoMajor > 1}
	if r.ContentLength != 0 {
		a.body = &body{ReadCloser: r.Body, rc: a.rc, duplex: r.ProtoMajor > 1}
		r.Body = a.body
	}
	a.use(headers, times)
	return a
}

// use is called again when the route is known.
func (a *answer) use(headers site.Headers, times *site.Timeouts) {
	a.headers, a.write = headers, max(times.Write.Value, 0)
	a.conn.mayRest(max(times.Inactivity.Value, 0))
	if a.body != nil {
		a.body.use(max(times.Inactivity.Value, 0), max(times.Close.Value, 0))
	}
	if !a.stream {
		a.progress()
	}
}

// progress gives the client another while to take bytes. Before the first ones
// net/http may wait for the rest of a body.
func (a *answer) progress() {
	if a.paced {
		return
	}
	var t time.Time
	if a.write > 0 {
		t = time.Now().Add(a.write)
		if a.body != nil {
			t = t.Add(a.body.rest)
		}
	}
	a.rc.SetWriteDeadline(t)
}

// silent is called when there is nothing more to take: a deadline that passes ends a
// stream of HTTP/2 even then.
func (a *answer) silent() {
	if a.stream && !a.paced {
		a.rc.SetWriteDeadline(time.Time{})
	}
}

// finish is called when the handler has returned. What it has written may have to
// leave still, and what it has not read to come.
func (a *answer) finish() {
	a.finished = true
	if a.hijacked {
		a.body.left(true)
		return
	}
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.progress()
	a.body.left(false)
}

func (a *answer) WriteHeader(status int) {
	if status < 200 && !a.interim { // RFC 9110, 15.2
		return
	}
	if a.status == 0 && status >= 200 {
		a.status = status
		a.body.answered()
		h := a.Header()
		for _, f := range a.headers {
			switch {
			case f.Name == "Vary": // a list that all may add to
				h[f.Name] = append(h[f.Name], f.Values...)
			case h[f.Name] == nil:
				h[f.Name] = append([]string(nil), f.Values...)
			}
		}
		if a.private && h["Cache-Control"] == nil { // RFC 9111, 5.2.2.7
			h.Set("Cache-Control", "private")
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

// maxWrite is how many bytes the client must take within timeouts.write.
const maxWrite = 64 << 10

func (a *answer) Write(p []byte) (n int, err error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	for {
		part := p[n:min(n+maxWrite, len(p))]
		a.progress()
		a.body.discard()
		m, err := a.ResponseWriter.Write(part)
		a.body.discarded(false)
		n += m
		a.size += int64(m)
		a.silent()
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// ReadFrom is what lets the kernel send a file by itself: net/http hands what it is
// given to the connection, see watchedTCP. Pieces are those of Write.
func (a *answer) ReadFrom(src io.Reader) (n int64, err error) {
	to, ok := a.ResponseWriter.(io.ReaderFrom)
	all, file := src.(*io.LimitedReader)
	if file {
		_, file = all.R.(*os.File)
	}
	if !ok || !file { // it has to pass through memory
		return io.Copy(struct{ io.Writer }{a}, src)
	}
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	for all.N > 0 {
		part := io.LimitedReader{R: all.R, N: min(all.N, maxWrite)}
		size := part.N
		a.progress()
		a.body.discard()
		m, err := to.ReadFrom(&part)
		a.body.discarded(false)
		all.N -= m
		n += m
		a.size += m
		if err != nil || m < size { // or it has no more
			return n, err
		}
	}
	return n, nil
}

func (a *answer) Flush() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.progress()
	a.body.discard()
	a.rc.Flush()
	a.silent()
	a.body.discarded(true)
}

// Hijack returns the connection itself, without the watch: no request follows.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := a.rc.Hijack()
	if err != nil {
		return nil, nil, err
	}
	a.hijacked = true
	boundSending(c)
	if w, ok := c.(interface{ watch() *watched }); ok {
		w := w.watch()
		c = w.Conn
		if w.place != nil && !w.handed {
			c = &placed{c, w.place}
		}
	}
	return c, rw, nil
}

// sendBuffer is how many bytes for a WebSocket may wait in the kernel. Linux takes up
// to 4 MB for a client that reads nothing, and all sockets of the machine share what
// it has for them: some hundreds of such clients hold everybody up.
const sendBuffer = 64 << 10

func boundSending(c net.Conn) {
	if w, ok := c.(interface{ watch() *watched }); ok {
		c = w.watch().Conn
	}
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = t.NetConn()
	}
	if s, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok {
		s.SetWriteBuffer(sendBuffer)
	}
}

// EnableFullDuplex is called by a handler that goes on reading when it has begun to
// answer.
func (a *answer) EnableFullDuplex() error {
	if a.body != nil {
		a.body.duplex = true
	}
	return a.rc.EnableFullDuplex()
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
