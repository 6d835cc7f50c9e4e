package handshake

import (
	"io"
	"net/http"
)

// A Refusal is the answer to a request that does not become a WebSocket.
type Refusal struct {
	Status int
	Header http.Header // what the answer must carry; on HTTP/1.1 Connection: close
	Err    error       // why; also the answer's text
}

// refuse returns a Refusal after which net/http serves nothing more of this
// connection.
func refuse(status int, err error) *Refusal {
	return &Refusal{status, http.Header{"Connection": {"close"}}, err}
}

// multiplexed returns a Refusal that ends its stream, not the connection that
// others share.
func multiplexed(status int, err error) *Refusal {
	return &Refusal{status, http.Header{}, err}
}

// upgradable adds what a 426 must carry. RFC 9110, 15.5.22. The options of
// Connection stand on two lines: net/http looks for "close" only as the whole
// first line.
func (f *Refusal) upgradable() {
	f.Header["Connection"] = []string{"close", "Upgrade"}
	f.Header.Set("Upgrade", "websocket")
}

// Write answers with f. Fields that w has already and that speak of another body
// are dropped.
func (f *Refusal) Write(w http.ResponseWriter) {
	text := f.Err.Error() + "\n"
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Transfer-Encoding", "Trailer", "Etag", "Last-Modified", "Cache-Control"} {
		h.Del(name)
	}
	for name, values := range f.Header {
		h[name] = values
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(f.Status)
	io.WriteString(w, text)
}
