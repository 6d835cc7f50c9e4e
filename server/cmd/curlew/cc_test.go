package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew/conform"
)

// curlew connect against the malicious server that package conform contains. Its
// output is its input, so that it returns the text that it gets, as the cases want.
func TestCC_MaliciousServer(t *testing.T) {
	const right, wrong = 0, 1
	for _, row := range []struct {
		id, cases string
		code      int
	}{
		{"CC1 right 101", "8.41 8.42 8.43 8.55.5", right},
		{"CC1 wrong 101", "8.45 8.46 8.47 8.48 8.49", wrong},
		{"CC2 what was not asked for", "8.50 8.51 8.52", wrong},
		{"CC3 heads without end", "8.53 8.54 8.55 -8.55.5 -8.55.6 8.56", wrong},
		{"CC6 masked frames", "11.2 -11.2.15", wrong},
		{"CC7 lengths", "9.15 -9.15.17", wrong},
		{"CC7 compression that was not offered", "14.1", wrong},
		{"CC7 compression --compress", "13.30 14.3 14.4 -14.4.10", wrong},
		{"CC8 a Close that is not answered", "16.9", wrong},
		{"CC9 reasons", "7.6", right},
		{"CC11 requests", "8.40", right},
		{"CC17 pings", "2.16.1 2.16.2 2.16.4", right},
		{"CC22 parts of frames", "15.4", wrong},
		{"CC22 slow frames", "16.5", right},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			s := newMalicious(t, row.cases)
			var flags []string
			if strings.HasSuffix(row.id, "--compress") {
				flags = []string{"--compress"}
			}
			for i, c := range s.cases {
				code, errs, r := s.visit(t, i, flags...)
				if code != row.code || r.Verdict() > conform.Informational {
					t.Errorf("%s %s: exit code %d, %v %s\n%s", c.ID, c.Title, code, r.Verdict(), r.Note, errs)
				}
				if givesOrders(errs) || code == wrong && errs == "" || len(errs) > 2000 {
					t.Errorf("%s %s: %q", c.ID, c.Title, errs)
				}
			}
		})
	}
}

// givesOrders reports whether a terminal could take text for orders.
func givesOrders(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e)
	})
}

// A malicious server tests who connects with some cases.
type malicious struct {
	cases   []*conform.Case
	addr    string
	results chan conform.Result
}

func newMalicious(t *testing.T, patterns string) *malicious {
	all, err := conform.Select(conform.Cases(), strings.Fields(patterns))
	if err != nil {
		t.Fatal(err)
	}
	s := &malicious{cases: conform.For(all, conform.ForClients), results: make(chan conform.Result, 1)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	server := &conform.Clients{Cases: s.cases, Options: &conform.Options{
		Timeout: 10 * time.Second, Patience: 50 * time.Millisecond, Progress: func(r conform.Result) { s.results <- r },
	}}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(ctx, l) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	return s
}

// visit connects for a case and returns what came of it.
func (s *malicious) visit(t *testing.T, i int, flags ...string) (code int, errs string, r conform.Result) {
	loop := newLoop()
	defer loop.Close()
	var e strings.Builder
	p := &Program{Stdin: loop, Stdout: loop, Stderr: &e}
	code = p.Run(t.Context(), append([]string{"connect", fmt.Sprintf("ws://%s/runCase?case=%d&agent=connect", s.addr, i+1)}, flags...))
	return code, e.String(), <-s.results
}

// A loop gives to read what was written.
type loop struct {
	mu   sync.Mutex // guards the following
	more sync.Cond
	text bytes.Buffer
	done bool
}

func newLoop() *loop {
	l := new(loop)
	l.more.L = &l.mu
	return l
}

func (l *loop) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more.Broadcast()
	return l.text.Write(p)
}

func (l *loop) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.text.Len() == 0 && !l.done {
		l.more.Wait()
	}
	return l.text.Read(p)
}

func (l *loop) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	l.more.Broadcast()
	return nil
}

// upgrading answers a handshake rightly and then does what then says.
func upgrading(then func(c net.Conn)) func(int, net.Conn) {
	return func(_ int, c net.Conn) {
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			acceptOf(r.Header.Get("Sec-WebSocket-Key")))
		then(c)
	}
}

// refusing reads a request and says text, and then endless again and again until
// nobody listens any more.
func refusing(text, endless string) func(int, net.Conn) {
	return func(_ int, c net.Conn) {
		defer c.Close()
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		io.WriteString(c, text)
		for endless != "" {
			if _, err := io.WriteString(c, endless); err != nil {
				return
			}
		}
		io.Copy(io.Discard, c)
	}
}

// fails runs connect, which must exit with one of the codes, soon, and say little.
func fails(t *testing.T, code int, args ...string) (errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // only so that a bug ends
	defer cancel()
	got, out, errs := run(ctx, strings.NewReader(""), append([]string{"connect"}, args...)...)
	if got != code || out != "" || errs == "" || len(errs) > 2000 || givesOrders(errs) || ctx.Err() != nil {
		t.Errorf("exit code %d, output %.100q, %.3000q", got, out, errs)
	}
	return errs
}

// CC4: of a refusal without end the beginning is shown.
func TestCC4EndlessRefusal(t *testing.T) {
	for _, head := range []string{
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 10737418240\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\n\r\n",
	} {
		errs := fails(t, 1, oddServer(t, refusing(head, strings.Repeat("no \x1b[2J", 1000))))
		if !strings.Contains(errs, "403") || !strings.Contains(errs, `no \x1b[2J`) {
			t.Errorf("%.200q", errs)
		}
	}
}

// CC5: redirects are not followed.
func TestCC5Redirects(t *testing.T) {
	other := oddServer(t, func(_ int, c net.Conn) { t.Error("followed"); c.Close() })
	for _, to := range []string{other, "/again", "file:///etc/passwd", "http://\u202e.example/", ""} {
		var n atomic.Int32
		url := oddServer(t, func(i int, c net.Conn) {
			n.Add(1)
			refusing("HTTP/1.1 302 Found\r\nLocation: "+to+"\r\nContent-Length: 0\r\n\r\n", "")(i, c)
		})
		if errs := fails(t, 1, url); !strings.Contains(errs, "302") || n.Load() != 1 {
			t.Errorf("%q: %d connections, %q", to, n.Load(), errs)
		}
	}
}

// CC8: a server that answers our Close never, or with data that goes on.
func TestCC8CloseWithoutAnswer(t *testing.T) {
	for name, then := range map[string]func(c net.Conn){
		"silence": func(c net.Conn) { io.Copy(io.Discard, c) },
		"drips": func(c net.Conn) {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(c, "\x81\x01x"); err != nil {
					return
				}
			}
		},
		"half a frame": func(c net.Conn) { io.WriteString(c, "\x81\x7f\x00"); io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := oddServer(t, upgrading(then))
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			stop, end := context.WithCancel(ctx)
			defer end()
			in, hold := io.Pipe() // input that does not end: Ctrl-C does
			defer hold.Close()
			time.AfterFunc(300*time.Millisecond, end)
			run(stop, in, "connect", url)
			if ctx.Err() != nil {
				t.Error("it does not end")
			}
		})
	}
}

// CC9: the names in a certificate are a stranger's.
func TestCC9Certificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: orders}, Issuer: pkix.Name{CommonName: orders},
		DNSNames: []string{"\x1b]52;c;cm0gLXJm\x07\r.example"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	url := oddServer(t, func(_ int, c net.Conn) {
		s := tls.Server(c, config)
		s.Handshake()
		s.Close()
	})
	ca := t.TempDir() + "/ca.pem"
	if err := os.WriteFile(ca, pemOf(der), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--cacert", ca}} {
		fails(t, 1, append(args, "wss"+strings.TrimPrefix(url, "ws"))...)
	}
}

// CC12: expired, or for another name; nothing is sent.
func TestCC12Certificates(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, template := range map[string]*x509.Certificate{
		"expired": {SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
		"another": {SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"}},
	} {
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
		url := oddServer(t, func(_ int, c net.Conn) {
			s := tls.Server(c, config)
			if n, _ := s.Read(make([]byte, 1)); n > 0 {
				t.Errorf("%s: connect speaks", name)
			}
			s.Close()
		})
		ca := t.TempDir() + "/ca.pem"
		if err := os.WriteFile(ca, pemOf(der), 0o600); err != nil {
			t.Fatal(err)
		}
		fails(t, 1, "--cacert", ca, "wss"+strings.TrimPrefix(url, "ws"))
	}
}

// CC13: URLs that are none, before anything is dialed.
func TestCC13URLs(t *testing.T) {
	host := strings.TrimPrefix(oddServer(t, func(_ int, c net.Conn) { t.Error("dialed"); c.Close() }), "ws://")
	host = strings.TrimSuffix(host, "/")
	for code, urls := range map[int][]string{
		2: {"", "127.0.0.1", "file:///etc/passwd", "ftp://" + host, "ws:" + host, "//" + host, "\x1b[2J://" + host},
		1: {"ws:///", "ws://", "ws://" + host + "#a", "ws://user:secret@" + host, "ws://127.0.0.1:0", "ws://127.0.0.1:65536", "ws://127.0.0.1:x",
			"ws://[fe80::1%25eth0]/", "ws://xn--example-/", "ws://" + host + "/a b", "ws://" + host + "/\r\nX: y", "ws://" + host + "/\x00", "ws://" + host + "/%zz",
			"ws://" + host + "/" + strings.Repeat("a", 1<<20), "ws://\u202e.example/"},
	} {
		for _, u := range urls {
			if errs := fails(t, code, u); strings.Contains(errs, "secret") {
				t.Errorf("%.80q: %q", u, errs)
			}
		}
	}
}

// CC14: fields that are not the caller's to set, or would be two.
func TestCC14Headers(t *testing.T) {
	url := oddServer(t, func(_ int, c net.Conn) { t.Error("dialed"); c.Close() })
	for _, h := range []string{
		"X: a\r\nY: b", "X: a\nY: b", "X\r\nY: b", "X: \x00", "X Y: a", "Host: evil.example", "Upgrade: h2c", "Connection: close",
		"Sec-WebSocket-Key: a", "Sec-WebSocket-Version: 8", "sec-websocket-extensions: x", "Content-Length: 5", "Transfer-Encoding: chunked",
	} {
		fails(t, 1, "--header", h, url)
	}
	for _, h := range []string{"", "X", ": a"} {
		fails(t, 2, "--header", h, url)
	}
	fails(t, 1, "--origin", "https://a\r\nX: y", url)
	for _, p := range []string{"a b", "a\r\nX: y", "a/b"} {
		fails(t, 1, "--protocol", p, url)
	}
	fails(t, 1, "--protocol", "a", "--protocol", "a", url)
}

// CC15: proxies that are none.
func TestCC15Proxies(t *testing.T) {
	for name, f := range map[string]func(int, net.Conn){
		"garbage":      refusing("\x1b[2J\r\n\r\n", ""),
		"endless head": refusing("HTTP/1.1 200 OK\r\n", "X: "+strings.Repeat("a", 1000)+"\r\n"),
		"endless body": refusing("HTTP/1.1 407 No\r\n\r\n", strings.Repeat("\x1b[2J", 1000)),
		"too much":     refusing("HTTP/1.1 200 OK\r\n\r\n\x81\x01x", ""),
		"hangs up":     func(_ int, c net.Conn) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			proxy := strings.TrimSuffix(strings.TrimPrefix(oddServer(t, f), "ws://"), "/")
			errs := fails(t, 1, "--proxy", "http://user:secret@"+proxy, "ws://example.com/")
			if strings.Contains(errs, "secret") || !strings.Contains(errs, "proxy") {
				t.Errorf("%q", errs)
			}
		})
	}
	for name, answer := range map[string]string{
		"not SOCKS5":      "HTTP/1.1 400 Bad Request\r\n\r\n",
		"a wrong length":  "\x05\x00\x05\x00\x00\x03\xff",
		"no such address": "\x05\x00\x05\x00\x00\x09",
		"refused":         "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00",
		"credentials":     "\x05\xff",
	} {
		t.Run("SOCKS5/"+name, func(t *testing.T) {
			proxy := strings.TrimSuffix(strings.TrimPrefix(oddServer(t, func(_ int, c net.Conn) {
				defer c.Close()
				c.Read(make([]byte, 3))
				io.WriteString(c, answer)
				if len(answer) > 2 {
					c.Read(make([]byte, 100))
				}
			}), "ws://"), "/")
			if errs := fails(t, 1, "--proxy", "socks5://"+proxy, "ws://example.com/"); !strings.Contains(errs, "SOCKS5") {
				t.Errorf("%q", errs)
			}
		})
	}
	for _, p := range []string{"x", "http://", "ftp://127.0.0.1:1", "http://[::1", "http://127.0.0.1:99999"} {
		code, _, errs := run(t.Context(), strings.NewReader(""), "connect", "--proxy", p, "ws://example.com/")
		if code != 1 && code != 2 || errs == "" || givesOrders(errs) {
			t.Errorf("--proxy %q: %d, %q", p, code, errs)
		}
	}
}

// CC16: whoever is cut off stays so: there is one attempt for each command.
func TestCC16OneAttempt(t *testing.T) {
	for name, f := range map[string]func(int, net.Conn){
		"before the answer": func(_ int, c net.Conn) { c.Close() },
		"behind the answer": upgrading(func(net.Conn) {}),
		"try again later":   upgrading(func(c net.Conn) { io.WriteString(c, "\x88\x02\x03\xf5"); io.Copy(io.Discard, c) }),
	} {
		var n atomic.Int32
		url := oddServer(t, func(i int, c net.Conn) { n.Add(1); f(i, c) })
		in, hold := io.Pipe()
		if code, _, errs := run(t.Context(), in, "connect", url); code != 1 || n.Load() != 1 {
			t.Errorf("%s: exit code %d after %d attempts, %q", name, code, n.Load(), errs)
		}
		hold.Close()
	}
}

// CC18: a server chooses no names of files.
func TestCC18NoFiles(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	url := oddServer(t, upgrading(func(c net.Conn) {
		for _, m := range []string{"> written", "| tee written", "@written", "../written", "Content-Disposition: attachment; filename=written"} {
			c.Write(append([]byte{0x81, byte(len(m))}, m...))
		}
		io.WriteString(c, "\x88\x02\x03\xe8")
		io.Copy(io.Discard, c)
	}))
	in, hold := io.Pipe()
	defer hold.Close()
	if code, out, errs := run(t.Context(), in, "connect", url); code != 0 || strings.Count(out, "written") != 5 {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
}

// CC19: what looks like JSON is a line like others, as deep and as long as it is.
func TestCC19DeepJSON(t *testing.T) {
	deep := strings.Repeat(`[{"a":`, 200_000)
	url := oddServer(t, upgrading(func(c net.Conn) {
		b := binary.BigEndian.AppendUint64([]byte{0x81, 127}, uint64(len(deep)))
		c.Write(append(b, deep...))
		io.WriteString(c, "\x88\x02\x03\xe8")
		io.Copy(io.Discard, c)
	}))
	in, hold := io.Pipe()
	defer hold.Close()
	if code, out, errs := run(t.Context(), in, "connect", url); code != 0 || out != deep+"\n" {
		t.Errorf("exit code %d, %d bytes of %d, %q", code, len(out), len(deep)+1, errs)
	}
}

// CC21: a name that does not exist, or a resolver that says so late, ends connect.
func TestCC21Names(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	code, _, errs := run(ctx, strings.NewReader(""), "connect", "ws://"+strings.Repeat("a", 63)+".invalid/")
	if code != 1 || errs == "" || ctx.Err() != nil {
		t.Errorf("exit code %d, %q", code, errs)
	}
}
