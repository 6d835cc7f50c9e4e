package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/conform"
	"curlew.example/curlew/internal/testenv"
	"curlew.example/curlew/wstest"
)

// A front is a proxy of theirs in front of curlew serve, set up as docs/operating.md
// says.
type front struct {
	kind  string // of the block on the page
	setup func(block string, f *place) string
	file  string
	args  func(program, file string) []string
}

// A place is what a test puts in the place of the page's names: where the front
// listens, where its files are and where we listen.
type place struct{ at, dir, backend string }

var fronts = map[string]front{
	"nginx": {"nginx", func(block string, p *place) string {
		block = replaceAll(block, "listen 443 ssl", "listen "+p.at+" ssl", "/etc/ssl/", p.dir+"/", "127.0.0.1:8080", p.backend)
		temp := ""
		for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			temp += name + "_temp_path " + p.dir + "/" + name + ";\n"
		}
		return "daemon off; worker_processes 1; pid " + p.dir + "/pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + temp + block + "}\n"
	}, "nginx.conf", func(program, file string) []string { return []string{program, "-e", "stderr", "-c", file} }},
	"haproxy": {"haproxy", func(block string, p *place) string {
		return replaceAll(block, "bind :443", "bind "+p.at, "/etc/ssl/", p.dir+"/", "127.0.0.1:8080", p.backend)
	}, "haproxy.cfg", func(program, file string) []string { return []string{program, "-db", "-f", file} }},
	"caddy": {"caddyfile", func(block string, p *place) string {
		host, port, _ := net.SplitHostPort(p.at)
		return "{\nadmin off\nauto_https disable_redirects\n}\n" + replaceAll(block, "example.com {", "https://example.com:"+port+" {\nbind "+host+"\ntls "+p.dir+"/site.pem "+p.dir+"/site.key",
			"127.0.0.1:8080", p.backend)
	}, "Caddyfile", func(program, file string) []string {
		return []string{program, "run", "--config", file, "--adapter", "caddyfile"}
	}},
}

func replaceAll(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }

// TestFronts runs nginx, HAProxy and Caddy as docs/operating.md sets them up, in
// front of a server of ours. The client's address and origin arrive, and WebSockets
// pass: a part of the cases of conform.
func TestFronts(t *testing.T) {
	page := operating(t)
	program := build(t)
	for name, f := range fronts {
		t.Run(name, func(t *testing.T) {
			theirs := testenv.Need(t, name)
			blocks := fenced(page, f.kind)
			if len(blocks) != 1 {
				t.Fatalf("docs/operating.md has %d blocks for %s", len(blocks), name)
			}
			dir := t.TempDir()
			cert := wstest.Certificate("example.com")
			pair(t, dir, cert)
			write(t, dir, "site.json5", `{ trustedProxies: '127.0.0.1', routes: [
				{ match: '/echo', handler: 'echo', limits: { maxMessage: '16 MB', maxFragments: 'unlimited' },
					webSockets: { compression: { clientContext: true, serverContext: true, minSize: 0 } } },
				{ handler: 'respond', respond: { body: 'hello' } },
			] }`)
			at := testenv.Free(t)
			p := &place{at: at, dir: dir, backend: listening(t, dir, program, "serve", "site.json5")}
			write(t, dir, f.file, f.setup(blocks[0], p))
			runFront(t, dir, f.args(theirs, filepath.Join(dir, f.file)))

			config := &tls.Config{RootCAs: wstest.Roots(cert), ServerName: "example.com", NextProtos: []string{"http/1.1"}}
			dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", at)
			}
			waitFor(t, func() error {
				c, err := dial(t.Context(), "", "")
				if err == nil {
					c.Close()
				}
				return err
			})
			client := &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: config}, Timeout: patience}
			defer client.CloseIdleConnections()
			resp, err := client.Get("https://example.com/")
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(b) != "hello" {
				t.Errorf("%s %q", resp.Status, b)
			}
			for origin, ok := range map[string]bool{"https://example.com": true, "http://example.com": false, "https://evil.example": false} {
				o := &curlew.DialOptions{DialContext: dial, TLS: config, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
				o.Header = http.Header{"Origin": {origin}}
				c, err := curlew.Dial(t.Context(), "wss://example.com/echo", o)
				e, _ := errors.AsType[*curlew.HandshakeError](err)
				if (err == nil) != ok || e != nil && e.Status != 403 {
					t.Errorf("%s: %v", origin, err)
				}
				if err == nil {
					c.Write(t.Context(), curlew.Text, []byte("x"))
					if _, p, err := c.Read(t.Context(), nil); string(p) != "x" {
						t.Error(err)
					}
					c.Close(1000, "")
					<-c.Done()
				}
			}
			target := &conform.Target{Host: "example.com", Path: "/echo", Dial: func(ctx context.Context) (net.Conn, error) {
				c, err := dial(ctx, "", "")
				if err != nil {
					return nil, err
				}
				s := tls.Client(c, config)
				return s, s.HandshakeContext(ctx)
			}}
			frontConform(t, name, target)
		})
	}
}

// runFront runs a program until the test ends.
func runFront(t *testing.T, dir string, args []string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("%v said:\n%s", args, &out)
		}
	})
}

// pair writes a certificate with its key as the page names them.
func pair(t *testing.T, dir string, c tls.Certificate) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	write(t, dir, "site.pem", public)
	write(t, dir, "site.key", key)
	write(t, dir, "site-with-key.pem", public+key)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until f succeeds.
func waitFor(t *testing.T, f func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal(err)
		}
	}
}
