package server_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
)

// A sending is a connection that notes what it is given of files as such, which the
// kernel can send by itself.
type sending struct {
	*net.TCPConn
	files, pieces *atomic.Int64 // bytes, calls
}

func (s *sending) ReadFrom(src io.Reader) (int64, error) {
	l, ok := src.(*io.LimitedReader)
	if ok {
		_, ok = l.R.(*os.File)
	}
	n, err := s.TCPConn.ReadFrom(src)
	if ok {
		s.files.Add(n)
		s.pieces.Add(1)
	}
	return n, err
}

type sendingListener struct {
	net.Listener
	files, pieces atomic.Int64
}

func (l *sendingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sending{c.(*net.TCPConn), &l.files, &l.pieces}, nil
}

// A file and a range of one reach the connection as a file, in pieces that the
// client must take in the time of timeouts.write each; the first 512 bytes of an
// answer net/http sends itself.
func TestStaticSendsFiles(t *testing.T) {
	t.Parallel()
	const size = 1<<20 + 1
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.bin"), make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte(`{ listen: '127.0.0.1:0', headers: { 'X-A': 'b' },
		routes: [{ match: '/', handler: 'static', static: { directory: '.' } }] }`))
	if err != nil {
		t.Fatal(err)
	}
	var l *sendingListener
	srv, err := server.New(s, server.Options{Handlers: basic(), Listen: func(network, address string) (net.Listener, error) {
		inner, err := net.Listen(network, address)
		l = &sendingListener{Listener: inner}
		return l, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	defer func() {
		srv.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	br := bufio.NewReader(c)
	for _, ask := range []struct {
		method, field string
		status        int
		body, file    int64
	}{
		{"GET", "", 200, size, size}, {"HEAD", "", 200, 0, 0}, {"GET", "Range: bytes=1-700000\r\n", 206, 700_000, 700_000}, {"GET", "", 200, size, size},
	} {
		l.files.Store(0)
		l.pieces.Store(0)
		io.WriteString(c, ask.method+" /a.bin HTTP/1.1\r\nHost: site\r\n"+ask.field+"\r\n")
		resp, err := http.ReadResponse(br, &http.Request{Method: ask.method})
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != ask.status || n != ask.body || err != nil || resp.Header.Get("X-A") != "b" {
			t.Errorf("%+v: %s, %d bytes, %v", ask, resp.Status, n, err)
		}
		if got := l.files.Load(); got > ask.file || got < ask.file-512 || got > l.pieces.Load()<<16 {
			t.Errorf("%+v: %d bytes as a file, in %d pieces", ask, got, l.pieces.Load())
		}
	}
}

// SF12: a client that takes nothing of a file is dropped after timeouts.write; one
// that takes 64 KiB in this time gets all of it.
func TestSF12_FileToSlowClients(t *testing.T) {
	const size = 1 << 20
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.bin"), make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	inBubble(t, dir, `limits: { connections: 9 }, routes: [{ match: '/', handler: 'static', static: { directory: '.' } }]`, nil, func(t *testing.T, b *bubble) {
		c := b.connect()
		io.WriteString(c, "GET /a.bin HTTP/1.1\r\nHost: site\r\n\r\n")
		began := time.Now()
		for time.Sleep(time.Millisecond); server.Connections(b.server) > 0; {
			time.Sleep(10 * time.Millisecond)
		}
		onTime(t, "a client that takes nothing", began, 10*time.Second)

		c = b.connect()
		io.WriteString(c, "GET /a.bin HTTP/1.1\r\nHost: site\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for p := make([]byte, 64<<10); ; time.Sleep(9 * time.Second) {
			m, err := io.ReadFull(resp.Body, p)
			if n += m; err != nil {
				break
			}
		}
		if n != size {
			t.Errorf("a slow client got %d bytes", n)
		}
	})
}
