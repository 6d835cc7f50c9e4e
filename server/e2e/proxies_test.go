package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew/internal/testenv"
)

// A way is one from the browser to the demo site.
type way struct {
	Name     string `json:"name"`
	Page     string `json:"page"`
	Proxy    string `json:"proxy"`    // that the browser is told of
	Upgrades bool   `json:"upgrades"` // they pass
	Cut      bool   `json:"cut"`      // connections are cut off
}

// nginxConf is what most have: no upgrade passes. Host has to be the one that the page
// comes from, as origins are compared with it.
const nginxConf = `daemon off; worker_processes 1; pid DIR/pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
	server { listen ADDRESS; location / { proxy_pass http://BACKEND; proxy_set_header Host $http_host; MORE } }
}
`

const haproxyConf = `defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend f
	bind ADDRESS
	http-request del-header Upgrade
	default_backend b
backend b
	server s BACKEND
`

// squidConf is that of a firm: no tunnels, which is what a browser wants for WebSockets.
const squidConf = `http_port ADDRESS
acl tunnel method CONNECT
http_access deny tunnel
http_access allow all
cache deny all
pid_filename DIR/pid
cache_log DIR/cache.log
access_log none
coredump_dir DIR
memory_cache_shared off
shared_memory_locking off
shutdown_lifetime 0 seconds
`

// Two tabs chat, and numbers arrive, through nothing and through proxies that let no
// WebSocket pass, hold answers back or cut every connection off: nothing is lost, nothing
// comes twice, and all is in order.
func TestHubBehindProxies(t *testing.T) {
	testenv.Need(t, "node")
	demo := start(t, build(t), "127.0.0.1:0")
	backend := strings.Trim(strings.TrimPrefix(demo.page, "http:"), "/")
	nginx := func(more string) string {
		return "http://" + front(t, "nginx.conf", nginxConf, backend, more, "nginx", "-e", "stderr", "-c") + "/"
	}
	ways := []way{
		{Name: "nothing", Page: demo.page, Upgrades: true},
		{Name: "nginx", Page: nginx("")},
		{Name: "nginx holding back", Page: nginx("proxy_ignore_headers X-Accel-Buffering;")},
		{Name: "haproxy", Page: "http://" + front(t, "haproxy.cfg", haproxyConf, backend, "", "haproxy", "-db", "-f") + "/"},
		{Name: "squid", Page: demo.page, Proxy: "http://" + front(t, "squid.conf", squidConf, backend, "", "squid", "-n", fmt.Sprintf("curlew%d", os.Getpid()), "-N", "-f")},
		{Name: "cutting", Page: "http://" + cutting(t, backend) + "/", Upgrades: true, Cut: true},
	}
	for _, browser := range []string{chromium, firefox} {
		t.Run(browser, func(t *testing.T) {
			browse(t, "proxies.mjs", run{Browser: browser, All: all(), Through: ways}, nil)
		})
	}
	demo.stop()
	demo.wait()
}

// front runs a proxy with a file and returns its address. The last of its arguments
// is the file's name.
func front(t *testing.T, file, conf, backend, more string, program string, args ...string) string {
	t.Helper()
	program = testenv.Need(t, program)
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // started by root it becomes another user
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	at := testenv.Free(t)
	text := strings.NewReplacer("DIR", dir, "ADDRESS", at, "BACKEND", backend, "MORE", more).Replace(conf)
	file = filepath.Join(dir, file)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append(args, file)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		cmd.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", program, &out)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		c, err := net.Dial("tcp", at)
		if err == nil {
			c.Close()
			return at
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", program, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// cutAfter is how long a connection lives that is cut off.
func cutAfter() time.Duration {
	if all() {
		return 5 * time.Second
	}
	return time.Second
}

// cutting runs a proxy that resets every connection when it is so old, whatever is on
// its way, and returns its address.
func cutting(t *testing.T, backend string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				b, err := net.Dial("tcp", backend)
				if err != nil {
					return
				}
				defer b.Close()
				stop := time.AfterFunc(cutAfter(), func() {
					c.(*net.TCPConn).SetLinger(0)
					c.Close()
					b.Close()
				})
				defer stop.Stop()
				running.Go(func() {
					io.Copy(b, c)
					b.Close()
				})
				io.Copy(c, b)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return l.Addr().String()
}
