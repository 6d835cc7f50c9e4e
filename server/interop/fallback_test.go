package interop

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
	"curlew.example/curlew/internal/testenv"
)

// nginxConf is as short as such files get, what is not said is nginx's default: no
// upgrade passes, we are asked anew each time, and answers are held back unless they
// ask not to be.
const nginxConf = `daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server { listen %[2]s; location / { proxy_pass http://%[3]s; %[4]s } }
}
`

// haproxyConf takes the upgrade out.
const haproxyConf = `defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend f
	bind %[2]s
	http-request del-header Upgrade
	default_backend b
backend b
	server s %[3]s
`

// TestFallbackThroughProxies sends a thousand numbered messages each way through
// proxies that let no WebSocket pass, hold answers back or cut connections off, in
// each mode and in that which the client finds by itself: none is lost, none comes
// twice, and all come in order.
func TestFallbackThroughProxies(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	write(t, dir, "site.json5", `{ trustedProxies: '127.0.0.1', routes: [{ match: '/echo', handler: 'echo' }] }`)
	backend := listening(t, dir, program, "serve", "site.json5")

	nginx := func(more string) func(t *testing.T) *through {
		return func(t *testing.T) *through {
			theirs, dir := testenv.Need(t, "nginx"), t.TempDir()
			for _, d := range []string{dir, filepath.Dir(dir)} { // started by root it becomes another user
				if err := os.Chmod(d, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			at := testenv.Free(t)
			write(t, dir, "nginx.conf", fmt.Sprintf(nginxConf, dir, at, backend, more))
			runFront(t, dir, []string{theirs, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")})
			wait(t, at)
			return &through{at: at}
		}
	}
	all := []string{"stream", "sse", "poll", ""}
	for name, c := range map[string]struct {
		modes []string
		setup func(t *testing.T) *through
	}{
		"nginx":               {all, nginx("")},
		"nginx, HTTP 1.0":     {all, nginx("proxy_http_version 1.0;")},
		"nginx, HTTP 1.1":     {all, nginx(`proxy_http_version 1.1; proxy_set_header Connection "";`)},
		"nginx, holding back": {[]string{"poll", ""}, nginx("proxy_ignore_headers X-Accel-Buffering; ")},
		"haproxy": {all, func(t *testing.T) *through {
			theirs, dir := testenv.Need(t, "haproxy"), t.TempDir()
			at := testenv.Free(t)
			write(t, dir, "haproxy.cfg", fmt.Sprintf(haproxyConf, dir, at, backend))
			runFront(t, dir, []string{theirs, "-db", "-f", filepath.Join(dir, "haproxy.cfg")})
			wait(t, at)
			return &through{at: at}
		}},
		"squid": {all, func(t *testing.T) *through {
			return &through{at: backend, proxy: proxy(&url.URL{Scheme: "http", Host: squid(t), User: url.UserPassword("curlew", "p@ss:w/rd")}), upgrades: true}
		}},
		"cutting": {all, func(t *testing.T) *through {
			return &through{at: cutting(t, backend), upgrades: true, slowly: cutAfter() / 100}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			th := c.setup(t)
			if !th.upgrades {
				if _, err := curlew.Dial(t.Context(), "ws://"+th.at+"/echo", nil); err == nil {
					t.Fatal("a WebSocket passes")
				}
			}
			var modes sync.WaitGroup
			for _, mode := range c.modes {
				modes.Go(func() { th.numbered(t, mode) })
			}
			modes.Wait()
		})
	}
}

// A through is a way to the server.
type through struct {
	at       string
	proxy    func(*http.Request) (*url.URL, error)
	upgrades bool          // it is not the upgrade that is in the way
	slowly   time.Duration // between two messages
}

// numbered sends a thousand messages to the echo and wants them back.
func (th *through) numbered(t *testing.T, mode string) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	o := &fallback.DialOptions{}
	o.Proxy = th.proxy
	if o.Proxy == nil {
		o.Proxy = proxy(nil)
	}
	if mode != "" {
		o.Modes = []string{mode}
	}
	c, err := fallback.Dial(ctx, "http://"+th.at+"/echo", o)
	if err != nil {
		t.Errorf("%q: %v", mode, err)
		return
	}
	defer c.Abort(nil)
	const n = 1000
	text := func(i int) string { return strconv.Itoa(i) + strings.Repeat(" ", i%7*i) }
	go func() {
		for i := range n {
			if c.Write(ctx, curlew.Text, []byte(text(i))) != nil {
				return
			}
			if th.slowly > 0 {
				select {
				case <-time.After(th.slowly):
				case <-ctx.Done():
				}
			}
		}
	}()
	for i := range n {
		_, p, err := c.Read(ctx, nil)
		if err != nil || string(p) != text(i) {
			t.Errorf("%q: message %d: %.20q of %d bytes, %v", mode, i, p, len(p), err)
			return
		}
	}
	c.Close(curlew.NormalClosure, "")
	<-c.Done()
	if e := c.Err().(*curlew.CloseError); !e.Orderly() {
		t.Errorf("%q: %v", mode, e)
	}
	t.Logf("%q: %v", mode, time.Since(began).Round(time.Millisecond))
}

// cutAfter is how long a connection lives that is cut off: 5 s with
// CURLEW_CONFORM=all, else less.
func cutAfter() time.Duration {
	if os.Getenv("CURLEW_CONFORM") == "all" {
		return 5 * time.Second
	}
	return 250 * time.Millisecond
}

// cutting runs a proxy that resets every connection when it is so old, whatever is
// on its way.
func cutting(t *testing.T, backend string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var cut atomic.Int32
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
					cut.Add(1)
					c.(*net.TCPConn).SetLinger(0)
					b.(*net.TCPConn).SetLinger(0)
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
		if n := cut.Load(); n < 20 {
			t.Errorf("%d connections were cut off", n)
		} else {
			t.Logf("%d connections were cut off", n)
		}
	})
	return l.Addr().String()
}
