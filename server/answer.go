package server

import (
	"bufio"
	"net"
	"net/http"
	"time"

	"curlew.example/curlew/server/site"
)

// An answer is the ResponseWriter that handlers see. It adds the headers of the
// route to every final answer, where the handler has not set the same field,
// ends the connection of a client that takes no bytes for the time of
// timeouts.write, and remembers what the log wants to know.
type answer struct {
	http.ResponseWriter
	rc      *http.ResponseController
	headers site.Headers
	write   time.Duration // 0 for no limit

	status   int // 0 before the head is written
	size     int64
	hijacked bool
}

func newAnswer(w http.ResponseWriter, headers site.Headers, write time.Duration) *answer {
	a := &answer{ResponseWriter: w, rc: http.NewResponseController(w), headers: headers, write: max(write, 0)}
	a.progress()
	return a
}

// use is called when the route is known.
func (a *answer) use(headers site.Headers, write time.Duration) {
	a.headers, a.write = headers, max(write, 0)
	a.progress()
}

// progress gives the client another while to take bytes.
func (a *answer) progress() {
	var t time.Time
	if a.write > 0 {
		t = time.Now().Add(a.write)
	}
	a.rc.SetWriteDeadline(t)
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
		h := a.Header()
		for _, f := range a.headers {
			switch {
			case f.Name == "Vary": // a list that all may add to
				h[f.Name] = append(h[f.Name], f.Values...)
			case h[f.Name] == nil:
				h[f.Name] = append([]string(nil), f.Values...)
			}
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
		m, err := a.ResponseWriter.Write(part)
		n += m
		a.size += int64(m)
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

func (a *answer) Flush() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.progress()
	a.rc.Flush()
}

// Hijack returns the connection itself, without the watch: no request follows.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := a.rc.Hijack()
	if err != nil {
		return nil, nil, err
	}
	a.hijacked = true
	if w, ok := c.(interface{ watch() *watched }); ok {
		c = w.watch().Conn
	}
	return c, rw, nil
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
