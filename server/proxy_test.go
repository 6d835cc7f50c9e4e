package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/conform"
	"curlew.example/curlew/wstest"
)

// A proxy in front of another server of ours, over sockets of each kind.
func TestProxy(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tcp", "unix"} {
		listen := "listen: ['127.0.0.1:0']"
		if kind == "unix" {
			listen = "listen: ['unix:@dir/app.sock']"
		}
		backend := start(t, "{ "+listen+`, routes: [
			{ match: '/base/app/echo', handler: 'echo', limits: { maxMessage: '16 MB' }, webSockets: { protocol: ['b', 'a'] } },
			{ match: '/app/echo', handler: 'echo', limits: { maxMessage: '16 MB' }, webSockets: { protocol: ['b', 'a'] } },
			{ handler: 'respond', respond: { status: 418, headers: { 'X-Backend': 'yes' }, body: 'hello' } } ] }`, nil)
		target := backend.url()
		if kind == "tcp" {
			target = backend.ws() + "/base/"
		}
		everyWay(t, `limits: { maxMessage: '16 MB' }, fallback: true, headers: { 'X-Front': 'yes' },
			routes: [{ match: '/app/', handler: 'proxy', proxy: { target: '`+target+`' } }]`, func(t *testing.T, r *running) {
			for _, path := range []string{"/app/x", "/app/echoes"} {
				got := r.say("GET " + path + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
				if codes(got) != "418" || body(t, got[0]) != "hello" || got[0].Header.Get("X-Backend") != "yes" || got[0].Header.Get("X-Front") != "yes" {
					t.Errorf("%v", got)
				}
			}
			if got := r.say(upgrade("/app/x") + get); codes(got) != "418" || !got[0].Close || body(t, got[0]) != "hello" {
				t.Errorf("a refusal: %s", codes(got))
			}
			c := r.dial("/app/echo", curlew.Options{Subprotocols: []string{"a", "b"}, MaxMessage: -1, PongTimeout: -1})
			if c.Info().Subprotocol != "b" {
				t.Errorf("%+v", c.Info())
			}
			for _, n := range []int{0, 1, 100, 70_000, 2 << 20} {
				sent := bytes.Repeat([]byte("x"), n)
				go c.Write(context.Background(), curlew.Text, sent)
				if typ, p, err := c.Read(t.Context(), nil); err != nil || typ != curlew.Text || !bytes.Equal(p, sent) {
					t.Fatalf("%d bytes came back as %v of %d: %v", n, typ, len(p), err)
				}
			}
			c.Close(4001, "bye")
			<-c.Done()
			if e := c.Err().(*curlew.CloseError); !e.Orderly() || e.Code != 4001 {
				t.Error(e)
			}
		})
	}
}

// RP15: a WebSocket that passes through stays when the site is loaded anew. When
// the backend drains, its Close passes.
func TestRP15_ProxyReloads(t *testing.T) {
	t.Parallel()
	backend := start(t, `{ @plain, routes: [{ handler: 'echo' }] }`, nil)
	site := func(more string) string {
		return `{ @plain, routes: [{ handler: 'proxy', proxy: { target: '` + backend.url() + `'` + more + ` } }] }`
	}
	r := start(t, site(""), nil)
	p := r.peerOf("/")
	p.Send(wstest.Text("before"))
	p.Want("before", wstest.Text("before"))
	r.say(get) // leaves a connection in the pool, which goes with the old site
	if err := r.Reload(r.next(strings.Replace(site(", timeout: '1 s'"), "routes:", "limits: { maxMessage: 10 }, routes:", 1))); err != nil {
		t.Fatal(err)
	}
	p.Send(wstest.Text("longer than what the new site lets pass"))
	p.Want("by the old limits", wstest.Text("longer than what the new site lets pass"))
	late := r.peerOf("/")
	late.Send(wstest.Text("longer than what the new site lets pass"))
	late.WantClose("by the new ones", curlew.MessageTooBig, wstest.AnyReason)
	q := r.peerOf("/")
	backend.stop()
	p.WantClose("the backend goes", curlew.GoingAway, "server is stopping")
	q.WantClose("of both", curlew.GoingAway, "server is stopping")
}

// RP12: the backend is told of the client that a trusted proxy in front tells of,
// and of nobody that others make up.
func TestRP12_ProxyForwards(t *testing.T) {
	t.Parallel()
	told := make(chan string, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		told <- fmt.Sprint(h["X-Forwarded-For"], h["X-Forwarded-Proto"], h["X-Forwarded-Host"], r.Host)
		w.WriteHeader(http.StatusForbidden)
	})}
	go backend.Serve(l)
	t.Cleanup(func() { backend.Close() })
	for trusted, want := range map[string]string{
		"127.0.0.1": "[203.0.113.9] [https] [shop.example]shop.example",
		"192.0.2.1": "[127.0.0.1] [http] [site.example]site.example",
	} {
		r := start(t, `{ @plain, trustedProxies: '`+trusted+`', routes: [{ handler: 'proxy', proxy: { target: 'http://`+l.Addr().String()+`' } }] }`, nil)
		fields := "X-Forwarded-For: 10.9.9.9, 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n"
		for _, request := range []string{strings.Replace(get, "\r\n\r\n", "\r\n"+fields+"\r\n", 1), upgrade("/", fields)} {
			if got := r.say(request); codes(got) != "403" {
				t.Fatalf("%s: %s", trusted, codes(got))
			}
			if got := <-told; got != want {
				t.Errorf("trusting %s: %s", trusted, got)
			}
		}
	}
}

// RP19: the certificate of a backend is checked with the system's roots.
func TestRP19_ProxyRoots(t *testing.T) {
	base := os.Getenv("CURLEW_TEST_BACKEND")
	if base == "" {
		dir := t.TempDir()
		base = filepath.Join(dir, "backend")
		writePair(t, base, wstest.Certificate("127.0.0.1"))
		for file, want := range map[string]string{base + ".pem": "200", base + ".key": "502"} {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRP19_ProxyRoots$", "-test.v")
			cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+dir+"/none", "CURLEW_TEST_BACKEND="+base)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "got "+want) {
				t.Errorf("%v\n%s", err, out)
			}
		}
		return
	}
	pair, err := tls.LoadX509KeyPair(base+".pem", base+".key")
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
	go s.Serve(l)
	defer s.Close()
	r := start(t, `{ @plain, routes: [{ handler: 'proxy', proxy: { target: 'https://`+l.Addr().String()+`' } }] }`, nil)
	fmt.Println("got", codes(r.say(get)))
}

// The cases of conform pass through the proxy to our own echo: here a part of them.
func TestProxyConform(t *testing.T) {
	t.Parallel()
	set := `limits: { maxMessage: '16 MB', maxFragments: 'unlimited' }, webSockets: { compression: { clientContext: true, serverContext: true, minSize: 0 } }`
	backend := start(t, `{ @plain, `+set+`, routes: [{ handler: 'echo' }] }`, nil)
	r := start(t, `{ @plain, `+set+`, routes: [{ handler: 'proxy', proxy: { target: '`+backend.url()+`' } }] }`, nil)
	target, err := conform.ServerAt(r.ws()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	var cases []*conform.Case
	for i, c := range conform.For(conform.Cases(), conform.ForServers) {
		if every := conformEvery(); !c.Heavy && !c.Alone && i%every == 0 || every == 1 {
			cases = append(cases, c)
		}
	}
	results := conform.TestServer(t.Context(), cases, target, &conform.Options{Timeout: 10 * time.Second, Scale: 3, Parallel: 16})
	if len(results) != len(cases) {
		t.Errorf("%d results of %d cases", len(results), len(cases))
	}
	for _, res := range results {
		if res.Verdict() == conform.Failed {
			t.Errorf("%s: %s, %s\n%v", res.ID, res.Note, res.Rule, res.Trace)
		}
	}
}

// conformEvery says that every so manieth case is run: CURLEW_CONFORM=all is every
// one.
func conformEvery() int {
	if os.Getenv("CURLEW_CONFORM") == "all" {
		return 1
	}
	return 29
}
