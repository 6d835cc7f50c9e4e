package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/testenv"
)

// One user, curlew, with a password that has to be escaped in a URL: p@ss:w/rd
const squidUsers = "curlew:$apr1$curlew12$fyUpmzxQuQr8gvr6JlR2r0\n"

const squidConf = `
http_port %[1]s
auth_param basic program %[3]s %[2]s/users
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
pid_filename %[2]s/pid
cache_log %[2]s/cache.log
access_log stdio:%[2]s/access.log
coredump_dir %[2]s
memory_cache_shared off
shared_memory_locking off
shutdown_lifetime 0 seconds
`

// squid starts the proxy and returns its address.
func squid(t *testing.T) string {
	t.Helper()
	program := testenv.Need(t, "squid")
	auth := testenv.Need(t, "/usr/lib/squid/basic_ncsa_auth", "/usr/lib64/squid/basic_ncsa_auth", "/usr/local/libexec/squid/basic_ncsa_auth")
	dir := t.TempDir()
	// Started by root it becomes another user, who has to get at its files.
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	addr := testenv.Free(t)
	for name, text := range map[string]string{"users": squidUsers, "squid.conf": fmt.Sprintf(squidConf, addr, dir, auth)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The name keeps its shared memory apart from that of others.
	cmd := exec.Command(program, "-n", fmt.Sprintf("curlew%d", os.Getpid()), "-N", "-f", filepath.Join(dir, "squid.conf"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A kill would leave its shared memory behind.
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if t.Failed() {
			access, _ := os.ReadFile(filepath.Join(dir, "access.log"))
			t.Logf("squid: %s\n%s", &out, access)
		}
	})
	wait(t, addr)
	return addr
}

// wait returns when somebody listens on addr.
func wait(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func proxy(u *url.URL) func(*http.Request) (*url.URL, error) {
	return func(*http.Request) (*url.URL, error) { return u, nil }
}

// TestDialThroughSquid: CONNECT with credentials, to ws and to wss.
func TestDialThroughSquid(t *testing.T) {
	addr := squid(t)
	// That everything goes through the proxy: only it is dialled.
	dialer := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != addr {
			t.Errorf("dialled %s, the proxy is %s", address, addr)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	h := curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{Message: answer}, nil
	})
	plain, secure := httptest.NewServer(h), httptest.NewTLSServer(h)
	defer plain.Close()
	defer secure.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	trust := secure.Client().Transport.(*http.Transport).TLSClientConfig

	for _, c := range []struct{ name, url string }{
		{"ws", "ws" + strings.TrimPrefix(plain.URL, "http")},
		{"wss", "wss" + strings.TrimPrefix(secure.URL, "https")},
	} {
		dial := func(user *url.Userinfo) (*curlew.Conn, error) {
			return curlew.Dial(ctx, c.url, &curlew.DialOptions{
				Proxy:       proxy(&url.URL{Scheme: "http", Host: addr, User: user}),
				DialContext: dialer,
				TLS:         &tls.Config{RootCAs: trust.RootCAs},
			})
		}
		t.Run(c.name, func(t *testing.T) {
			conn, err := dial(url.UserPassword("curlew", "p@ss:w/rd"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Abort(nil)
			if secure := conn.Info().TLS != nil; secure != (c.name == "wss") {
				t.Errorf("TLS: %v", secure)
			}
			d := &dialogue{t, ctx, conn}
			d.send(curlew.Text, []byte("through"))
			d.want("echo", curlew.Text, []byte("through"))
			blob := bytes.Repeat([]byte("through the proxy "), 30_000)
			d.send(curlew.Binary, blob)
			d.want("echo", curlew.Binary, blob)
			if err := conn.Close(curlew.NormalClosure, ""); err != nil {
				t.Error(err)
			}
			d.wantEnd(curlew.NormalClosure, "", false)
		})
		for name, user := range map[string]*url.Userinfo{"no credentials": nil, "wrong password": url.UserPassword("curlew", "guess")} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				_, err := dial(user)
				var e *curlew.HandshakeError
				if !errors.As(err, &e) || e.Status != http.StatusProxyAuthRequired || e.Header.Get("Proxy-Authenticate") == "" {
					t.Fatalf("Dial: %v; want the proxy's 407", err)
				}
				if strings.Contains(err.Error(), "guess") {
					t.Errorf("the error tells the password: %v", err)
				}
			})
		}
	}
}
