package wstest

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/http"
	"testing"
	"time"

	"curlew.example/curlew"
)

// Open makes a client's handshake on conn, for the given URL ("/chat" or
// "http://example.com/chat") and with additional header fields, and returns the
// Peer that goes on from there, and the answer. An answer other than 101 ends
// the test. The key of the answer is not checked: that is for tests of a
// handshake.
func Open(t testing.TB, conn net.Conn, url string, header http.Header) (*Peer, *http.Response) {
	t.Helper()
	p := NewPeer(t, conn, curlew.Client)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		p.fail("handshake", "%v", err)
	}
	if r.Host == "" {
		r.Host = "example.com"
	}
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	if r.Header.Get("Sec-WebSocket-Key") == "" {
		key := make([]byte, 16)
		rand.Read(key)
		r.Header.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(key))
	}
	conn.SetDeadline(time.Now().Add(p.Patience))
	p.note("send", "GET "+url)
	if err := r.Write(conn); err != nil {
		p.fail("handshake", "%v", err)
	}
	// What follows the answer in the buffer are the first frames.
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, r)
	if err != nil {
		p.fail("handshake", "%v", err)
	}
	p.note("got ", resp.Status)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		p.fail("handshake", "want 101\n got %s", resp.Status)
	}
	p.in, _ = in.Peek(in.Buffered())
	return p, resp
}
