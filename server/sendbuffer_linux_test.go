package server_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/wstest"
)

// A keeping is a listener that keeps a duplicate of what it has accepted: a WebSocket
// may have left its net.Conn.
type keeping struct {
	net.Listener
	conns chan *os.File
}

func (k *keeping) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err == nil {
		var f *os.File
		if f, err = c.(*net.TCPConn).File(); err == nil {
			k.conns <- f
		}
	}
	return c, err
}

// RX20: what the kernel holds for a WebSocket that does not read is bounded, below TLS
// too.
func TestRX20_SendBuffer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert := wstest.Certificate("127.0.0.1")
	writePair(t, filepath.Join(dir, "site"), cert)
	for scheme, tlsText := range map[string]string{"": "", "https://": "tls: { certificate: 'site.pem', key: 'site.key' },"} {
		s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte("{ listen: '"+scheme+"127.0.0.1:0', "+tlsText+" routes: [{ match: '/ws', handler: 'echo' } ] }"))
		if err != nil {
			t.Fatal(err)
		}
		k := &keeping{conns: make(chan *os.File, 2)}
		srv, err := server.New(s, server.Options{Handlers: basic(), Listen: func(network, address string) (l net.Listener, err error) {
			k.Listener, err = net.Listen(network, address)
			return k, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := srv.Listen(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(t.Context()) }()
		at := "ws" + strings.TrimPrefix(srv.URLs()[0], "http")
		c, err := curlew.Dial(t.Context(), at+"/ws", &curlew.DialOptions{TLS: &tls.Config{RootCAs: wstest.Roots(cert)}})
		if err != nil {
			t.Fatal(err)
		}
		if n := size(t, <-k.conns); n != 2*64<<10 { // Linux counts its own use, too: socket(7)
			t.Errorf("%s: the buffer is %d", at, n)
		}
		c.Abort(nil)
		srv.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// size is SO_SNDBUF of f, which it closes.
func size(t *testing.T, f *os.File) (n int) {
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if n, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF); err != nil {
			t.Error(err)
		}
	})
	return n
}
