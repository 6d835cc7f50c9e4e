// Package proxies starts the proxies of others that tests put between a client and a
// server of ours.
package proxies

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew/internal/testenv"
)

// patience is how long a program may take to start, or to end: only bugs are slower.
const patience = time.Minute

// nginxConf is as short as such files get; what is not said is nginx's default: no
// upgrade passes, we are asked anew each time, and answers are held back unless they
// ask not to be. Host has to be the one that a page comes from, as origins are
// compared with it.
const nginxConf = `daemon off; worker_processes 1; pid DIR/pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
	server { listen ADDRESS; location / { proxy_pass http://BACKEND; proxy_set_header Host $http_host; MORE } }
}
`

// haproxyConf takes the upgrade out.
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

// Nginx runs nginx in front of backend, with more in its location, and returns its
// address.
func Nginx(t *testing.T, backend, more string) string {
	t.Helper()
	conf := strings.NewReplacer("BACKEND", backend, "MORE", more).Replace(nginxConf)
	return Run(t, conf, testenv.Need(t, "nginx"), "-e", "stderr", "-c")
}

// HAProxy runs haproxy in front of backend and returns its address.
func HAProxy(t *testing.T, backend string) string {
	t.Helper()
	return Run(t, strings.ReplaceAll(haproxyConf, "BACKEND", backend), testenv.Need(t, "haproxy"), "-db", "-f")
}

// Run runs a program until the test ends and returns where it listens. Its last
// argument is a file with conf, of which ADDRESS and DIR are replaced by that address
// and the file's folder.
func Run(t *testing.T, conf, program string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // started by root it becomes another user
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	at := testenv.Free(t)
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("DIR", dir, "ADDRESS", at).Replace(conf)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append(args, file)...)
	var out strings.Builder
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
			t.Logf("%s said:\n%s", program, &out)
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		c, err := net.Dial("tcp", at)
		if err == nil {
			c.Close()
			return at
		}
		select {
		case <-late:
			t.Fatalf("%s: %v", program, err)
		case <-tick.C:
		}
	}
}

// Cutting runs a proxy that resets every connection when it is so old, whatever is on
// its way. It returns its address, and how often it has done so.
func Cutting(t *testing.T, backend string, old time.Duration) (at string, cut *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cut = new(atomic.Int32)
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
				stop := time.AfterFunc(old, func() {
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
	})
	return l.Addr().String(), cut
}
