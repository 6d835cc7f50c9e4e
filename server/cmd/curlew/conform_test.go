package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/conform"
)

// oddServer is a server that does with each connection what f does, which closes
// it.
func oddServer(t *testing.T, f func(n int, c net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f(n, c)
		}
	}()
	return "ws://" + l.Addr().String() + "/"
}

// A server that is silent, endless, dead or no WebSocket is said to be that, soon.
func TestConformOddServers(t *testing.T) {
	silent := func(_ int, c net.Conn) { io.Copy(io.Discard, c); c.Close() }
	for _, c := range []struct {
		name string
		f    func(int, net.Conn)
		want string
	}{
		{"silent", silent, "no WebSocket: no head of HTTP came within 200ms"},
		{"hangs up", func(_ int, c net.Conn) { c.Close() }, "no WebSocket: "},
		{"endless head", func(_ int, c net.Conn) {
			defer c.Close()
			for {
				if _, err := c.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
					return
				}
			}
		}, "no WebSocket: "},
		{"other protocol", func(_ int, c net.Conn) {
			defer c.Close()
			bufio.NewReader(c).ReadString('\n')
			io.WriteString(c, "-ERR \x1b[31munknown command\r\n\r\n")
		}, `no WebSocket: its answer is not HTTP: "-ERR \x1b[31munknown command`},
		{"greets", func(_ int, c net.Conn) { welcome(c, "hello \x1b[2J") }, `no echo server: wanted text 6 "curlew", but came text 10 "hello \x1b[2J"`},
	} {
		timeout := "1m" // which none waits for but one
		if c.name == "silent" {
			timeout = "100ms"
		}
		code, out, errs := run(t.Context(), nil, "conform", "server", oddServer(t, c.f), "1", "--timeout", timeout)
		if code != 1 || out != "" || !strings.Contains(errs, c.want) || strings.Contains(errs, "\x1b") {
			t.Errorf("%s: exit code %d, %q, %q", c.name, code, out, errs)
		}
	}
}

// welcome answers the handshake with a message at once.
func welcome(c net.Conn, text string) {
	defer c.Close()
	key := ""
	for r := bufio.NewScanner(c); r.Scan() && r.Text() != ""; {
		if v, ok := strings.CutPrefix(r.Text(), "Sec-WebSocket-Key: "); ok {
			key = v
		}
	}
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptOf(key))
	c.Write(append([]byte{0x81, byte(len(text))}, text...))
	io.Copy(io.Discard, c)
}

// front passes connections on to an echo server of ours, after asking before.
func front(t *testing.T, before func(n int) bool) (url string) {
	t.Helper()
	srv := httptest.NewServer(peerHandler())
	t.Cleanup(srv.Close)
	at := strings.TrimPrefix(srv.URL, "http://")
	return oddServer(t, func(n int, here net.Conn) {
		defer here.Close()
		if !before(n) {
			io.Copy(io.Discard, here)
			return
		}
		there, err := net.Dial("tcp", at)
		if err != nil {
			return
		}
		defer there.Close()
		go func() { io.Copy(there, here); there.(*net.TCPConn).CloseWrite() }()
		io.Copy(here, there)
	}) + "echo"
}

// A server that answers no more ends the run; what was seen is reported.
func TestConformServerGone(t *testing.T) {
	url := front(t, func(n int) bool { return n <= 10 })
	file := filepath.Join(t.TempDir(), "report.json")
	code, out, errs := run(t.Context(), nil, "conform", "server", url, "2", "3", "--parallel", "4", "--timeout", "1s", "--scale", "1", "--json", file)
	if code != 1 || !strings.Contains(errs, "the server does not answer any more") || !strings.Contains(out, " cases were run: ") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if r := reportIn(t, file); len(r.Results) > 9+4 || r.Planned < 50 { // 4 began together
		t.Error(r.Sum())
	}
}

// An interrupt ends the run at once and reports what ran.
func TestConformServerInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := front(t, func(n int) bool {
		if n == 20 {
			cancel()
		}
		return n < 20
	})
	file := filepath.Join(t.TempDir(), "report.json")
	began := time.Now()
	code, out, errs := run(ctx, nil, "conform", "server", url, "1", "2", "3", "--timeout", "10m", "--json", file)
	if code != 1 || !strings.Contains(errs, "curlew: interrupted") || strings.Contains(out, "FAILED") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if time.Since(began) > time.Minute {
		t.Error("it waited")
	}
	if r := reportIn(t, file); len(r.Results) < 5 || len(r.Results) >= r.Planned {
		t.Error(r.Sum())
	}
}

func reportIn(t *testing.T, name string) *conform.Report {
	t.Helper()
	r, err := readReport(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A served is a run of conform client.
type served struct {
	url    string
	ended  chan int // gets the exit code
	out    *watchedText
	stop   context.CancelFunc
	errors *strings.Builder
}

// serveClients runs conform client until it says where.
func serveClients(t *testing.T, args ...string) *served {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &served{ended: make(chan int, 1), out: new(watchedText), stop: stop, errors: new(strings.Builder)}
	s.out.more.L = &s.out.mu
	p := &Program{Stdout: s.out, Stderr: s.errors}
	go func() { s.ended <- p.Run(ctx, append([]string{"conform", "client", "127.0.0.1:0"}, args...)) }()
	s.out.await(0, "\n")
	line, _, _ := strings.Cut(s.out.String(), "\n")
	url, ok := strings.CutPrefix(line, "listening on ")
	if !ok {
		t.Fatalf("%q, %q", s.out, s.errors)
	}
	s.url = url
	t.Cleanup(stop)
	return s
}

// visit is a test client as people have it, of ours; it runs the cases up to
// most.
func visit(t *testing.T, url, agent string, most int, config *tls.Config) {
	t.Helper()
	o := &curlew.DialOptions{TLS: config, Options: curlew.Options{MaxMessage: -1, Compression: &curlew.Compression{}}}
	talk := func(path string, echo bool) (last []byte) {
		c, err := curlew.Dial(t.Context(), url+path, o)
		if err != nil {
			return nil // a case that wants just that
		}
		for {
			typ, p, err := c.Read(t.Context(), nil)
			if err != nil {
				break
			}
			last = p
			if echo && c.Write(t.Context(), typ, p) != nil {
				break
			}
		}
		<-c.Done()
		return last
	}
	n, err := strconv.Atoi(string(talk("/getCaseCount", false)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range min(n, most) {
		talk(fmt.Sprintf("/runCase?case=%d&agent=%s", i+1, agent), true)
	}
	talk("/updateReports?agent="+agent, false)
}

func TestConformClientOnce(t *testing.T) {
	dir := t.TempDir()
	s := serveClients(t, "1", "2", "-2.16", "--once", "--json", filepath.Join(dir, "{agent}.json"), "--junit", filepath.Join(dir, "j.xml"),
		"--html", filepath.Join(dir, "h.html"), "--index", filepath.Join(dir, "i.json"))
	visit(t, s.url, "us%2F..%2F%1b[2J", 1e9, nil)
	if code := <-s.ended; code != 0 {
		t.Errorf("exit code %d, %s, %s", code, s.out, s.errors)
	}
	if text := s.out.String(); !strings.Contains(text, `client us/../\x1b[2J at ws://127.0.0.1:`) || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 4 || !strings.HasPrefix(filepath.Base(names[3]), "us_.._") {
		t.Fatal(names, err)
	}
	if r := reportIn(t, names[3]); !r.Passed(true) || r.Role != "client" {
		t.Error(r.Sum())
	}
	var index map[string]map[string]struct{ Behavior, BehaviorClose string }
	p, err := os.ReadFile(filepath.Join(dir, "i.json"))
	if err := errors.Join(err, json.Unmarshal(p, &index)); err != nil {
		t.Fatal(err)
	}
	if got := index[`us/../\x1b[2J`]["1.1.1"]; got.Behavior != "OK" || got.BehaviorClose != "OK" {
		t.Errorf("%s", p)
	}
}

// Over TLS, several agents; one did not do all, another did not ask for its
// report. An interrupt ends it.
func TestConformClientSeveral(t *testing.T) {
	dir := t.TempDir()
	file, index := filepath.Join(dir, "report.json"), filepath.Join(dir, "index.json")
	s := serveClients(t, "1", "--tls", "--json", file, "--index", index)
	if !strings.HasPrefix(s.url, "wss://127.0.0.1:") {
		t.Fatal(s.url)
	}
	_, fingerprint, _ := strings.Cut(s.errors.String(), "SHA-256 ")
	config := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error {
		cert := state.PeerCertificates[0]
		if got := fmt.Sprintf("%x", sha(cert.Raw)); !strings.HasPrefix(fingerprint, got) {
			return fmt.Errorf("%s is not the fingerprint that was printed", got)
		}
		roots := x509.NewCertPool()
		roots.AddCert(cert)
		_, err := cert.Verify(x509.VerifyOptions{DNSName: "127.0.0.1", Roots: roots})
		return err
	}}
	visit(t, s.url, "whole", 1e9, config)
	visit(t, s.url, "part", 2, config)
	s.out.await(0, "client part")
	if c, err := curlew.Dial(t.Context(), s.url+"/runCase?case=1&agent=shy", &curlew.DialOptions{TLS: config}); err == nil {
		c.Close(curlew.NormalClosure, "")
		<-c.Done()
	}
	s.stop()
	if code := <-s.ended; code != 1 {
		t.Errorf("exit code %d, %s, %s", code, s.out, s.errors)
	}
	for _, want := range []string{"client whole at wss://", "client part at wss://"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("no %q in %s", want, s.out)
		}
	}
	if r := reportIn(t, file); r.Agent != "whole" || !r.Passed(true) || !r.TLS {
		t.Error(r.Agent, r.Sum())
	}
	if r := reportIn(t, filepath.Join(dir, "report-part.json")); r.Agent != "part" || len(r.Results) != 2 {
		t.Error(r.Agent, r.Sum())
	}
	if p, err := os.ReadFile(index); err != nil || !bytes.Contains(p, []byte(`"whole": {`)) || !bytes.Contains(p, []byte(`"part": {`)) {
		t.Errorf("%v %s", err, p)
	}
}

func TestConformClientNobody(t *testing.T) {
	s := serveClients(t)
	s.stop()
	if code := <-s.ended; code != 1 || !strings.Contains(s.errors.String(), "no client came") {
		t.Errorf("exit code %d, %s", code, s.errors)
	}
}

// No agent chooses a folder, and none takes another's file.
func TestFileNames(t *testing.T) {
	of := func(agent string) *conform.Report { return &conform.Report{Agent: agent} }
	seen := map[string]string{}
	for _, agent := range []string{"a", "A", "../a", "..", ".", "", "a/b", `a\b`, "a_b", "CON:1", "ü", "ö", strings.Repeat("x", 300), strings.Repeat("x", 301)} {
		for _, name := range []string{"dir/r.json", "dir/{agent}.json", "{agent}"} {
			got := fileOf(name, of(agent), []*conform.Report{of("first")})
			if dir, base := filepath.Split(got); strings.Trim(dir, "/") != strings.TrimPrefix(strings.Trim(filepath.Dir(name), "/"), ".") || base == "" || base[0] == '.' || len(base) > 120 {
				t.Errorf("%q, agent %q: %q", name, agent, got)
			}
			if other, ok := seen[got]; ok {
				t.Errorf("%q and %q have %q", other, agent, got)
			}
			seen[got] = agent
		}
	}
	if got := fileOf("r.json", of("a"), []*conform.Report{of("a"), of("b")}); got != "r.json" {
		t.Error(got)
	}
}

// The progress line is for a terminal only, and goes away.
func TestProgress(t *testing.T) {
	var b strings.Builder
	l := &progress{w: &b, cases: 3}
	l.add(conform.Result{ID: "1.1"})
	l.add(conform.Result{ID: "1.2", Behavior: conform.Failed}) // too soon
	l.end()
	if b.String() != "\r\x1b[K1 of 3, 0 failed; 1.1\r\x1b[K" {
		t.Errorf("%q", b.String())
	}
	if l := newProgress(&b, 3); l.w != nil {
		t.Error("a line where there is no terminal")
	}
}

// acceptOf is RFC 6455, 4.2.2.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func sha(p []byte) [32]byte { return sha256.Sum256(p) }
