package interop

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/testenv"
	"curlew.example/curlew/wstest"
)

func portOf(address string) int {
	a, _ := net.ResolveTCPAddr("tcp", address)
	return a.Port
}

// background runs a program until the test ends, and returns what it prints.
func background(t *testing.T, dir string, env []string, args ...string) (*bufio.Reader, *os.Process) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%v:\n%s", args, &errs)
		}
	})
	return bufio.NewReader(out), cmd.Process
}

// awaitPort waits until somebody listens.
func awaitPort(t *testing.T, address string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("nobody listens at %s", address)
		}
	}
}

// An acmeBench is a folder with a site, an authority made for tests, pebble, and its
// resolver, to which every name is this machine.
type acmeBench struct {
	t         *testing.T
	dir       string
	program   string // curlew
	directory string // of the authority
	own       tls.Certificate
	roots     *x509.CertPool // what the authority signs with
}

func newACMEBench(t *testing.T) *acmeBench {
	b := &acmeBench{t: t, dir: t.TempDir(), program: build(t), directory: testenv.Free(t)}
	host, _, _ := net.SplitHostPort(b.directory)
	b.own = wstest.Certificate(host)
	der, err := x509.MarshalECPrivateKey(b.own.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	b.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.own.Certificate[0]}))
	b.write("ca.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	return b
}

func (b *acmeBench) write(name string, content []byte) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), content, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// site writes the site file, with fetched certificates for the domains and routes
// besides those that are always there.
func (b *acmeBench) site(directory, domains, more string) {
	b.t.Helper()
	b.write("site.json5", fmt.Appendf(nil, `{
		listen: ['127.0.0.1:0', 'https://127.0.0.1:0'],
		tls: { acme: { domains: [%s], email: 'you@site.example', directory: 'https://%s/dir', cache: 'cache' } },
		routes: [{ match: '/echo', handler: 'echo' }, %s { handler: 'redirect', redirect: { to: 'https:' } }],
	}`, domains, directory, more))
}

// serve runs curlew until the test ends. reload has it read its site again.
func (b *acmeBench) serve() (plain, secure string, reload func()) {
	b.t.Helper()
	out, process := background(b.t, b.dir, []string{"SSL_CERT_FILE=" + filepath.Join(b.dir, "ca.pem")}, b.program, "serve", "site.json5")
	for range 2 {
		line, err := out.ReadString('\n')
		if err != nil {
			b.t.Fatal(err)
		}
		_, at, _ := strings.Cut(strings.TrimSpace(line), "://")
		if strings.Contains(line, "https:") {
			secure = at
		} else {
			plain = at
		}
	}
	go io.Copy(io.Discard, out)
	return plain, secure, func() { _ = process.Signal(syscall.SIGHUP) }
}

// authority runs pebble, which looks at these ports of every name, and whose
// certificates are good for a number of seconds, or a usual time if it is 0.
func (b *acmeBench) authority(plain, secure string, seconds int) {
	b.t.Helper()
	t := b.t
	pebble, names := testenv.Need(t, "../../.deps/bin/pebble"), testenv.Need(t, "../../.deps/bin/pebble-challtestsrv")
	for i, p := range []*string{&pebble, &names} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			t.Fatal(i, err)
		}
		*p = abs
	}
	management, resolver, dns := testenv.Free(t), testenv.Free(t), testenv.Free(t)
	config := map[string]any{
		"listenAddress": b.directory, "managementListenAddress": management,
		"certificate": "ca.pem", "privateKey": "ca.key",
		"httpPort": portOf(plain), "tlsPort": portOf(secure), "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": seconds}},
	}
	text, err := json.Marshal(map[string]any{"pebble": config})
	if err != nil {
		t.Fatal(err)
	}
	b.write("pebble.json", text)
	chall, _ := background(t, b.dir, nil, names, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-dnsserver", dns, "-management", resolver)
	go io.Copy(io.Discard, chall)
	authority, _ := background(t, b.dir, []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"}, pebble, "-config", "pebble.json", "-dnsserver", dns, "-strict")
	go io.Copy(io.Discard, authority)
	awaitPort(t, b.directory)
	awaitPort(t, management)
	awaitPort(t, resolver)
	awaitPort(t, dns) // which it serves by TCP, too

	// What the authority signs with is asked of itself.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: wstest.Roots(b.own)}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	root, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	b.roots = x509.NewCertPool()
	if err != nil || !b.roots.AppendCertsFromPEM(root) {
		t.Fatalf("%v: %s", err, root)
	}
}

// look returns the certificate of a name, if it is good.
func (b *acmeBench) look(secure, name string) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", secure, &tls.Config{RootCAs: b.roots, ServerName: name})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// await is look, again and again: the first client gets its certificate fetched,
// which may take longer than timeouts.handshake.
func (b *acmeBench) await(secure, name string) *x509.Certificate {
	b.t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(patience); ; <-again.C {
		c, err := b.look(secure, name)
		if err == nil {
			return c
		}
		if time.Now().After(end) {
			b.t.Fatal(err)
		}
	}
}

// TestACME: pebble gives curlew a certificate for a name by each of the two
// challenges, and a second curlew finds it in the cache.
func TestACME(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"TLS-ALPN-01", "HTTP-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			b := newACMEBench(t)
			b.site(b.directory, "'site.example'", "")
			plain, secure, _ := b.serve()
			looksAt := secure
			if challenge == "HTTP-01" { // nobody answers at the other port
				looksAt = testenv.Free(t)
			}
			b.authority(plain, looksAt, 0)
			b.await(secure, "site.example")
			ws, err := curlew.Dial(t.Context(), "wss://"+secure+"/echo", &curlew.DialOptions{TLS: &tls.Config{RootCAs: b.roots, ServerName: "site.example"}})
			if err != nil {
				t.Fatal(err)
			}
			ws.Abort(nil)
			info, err := os.Stat(filepath.Join(b.dir, "cache", "site.example"))
			if err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("the certificate in the cache: %v, %v", info, err)
			}

			// Another one finds it there, without an authority to ask.
			b.site("127.0.0.1:1", "'site.example'", "")
			_, second, _ := b.serve()
			b.await(second, "site.example")
			if c, err := tls.Dial("tcp", second, &tls.Config{InsecureSkipVerify: true, ServerName: "other.example"}); err == nil {
				t.Error("a certificate for a name that is not ours")
				c.Close()
			}
		})
	}
}

// TestACMERenewal: a certificate is kept over reloads, and renewed in time, though
// what is said of the authority changes meanwhile, with no connection lost.
func TestACMERenewal(t *testing.T) {
	t.Parallel()
	b := newACMEBench(t)
	b.site(b.directory, "'site.example'", "")
	plain, secure, reload := b.serve()
	const seconds = 30 // a third of that before the end it is renewed
	b.authority(plain, secure, seconds)
	first := b.await(secure, "site.example")
	same := func(when string) {
		t.Helper()
		if c, err := b.look(secure, "site.example"); err != nil || c.SerialNumber.Cmp(first.SerialNumber) != 0 {
			t.Fatalf("%s: another certificate, %v", when, err)
		}
	}
	// reloaded has the site read again, which is known by a new route.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reloaded := func(route, domains string) {
		t.Helper()
		b.site(b.directory, domains, "{ match: '"+route+"', handler: 'respond' },")
		reload()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			resp, err := client.Get("http://" + plain + route)
			if err != nil {
				continue // it goes on to where nobody has a certificate for 127.0.0.1
			}
			resp.Body.Close()
			return
		}
	}
	reloaded("/one", "'site.example'")
	same("behind a reload")
	reloaded("/two", "'site.example', 'more.example'")
	same("with another domain")

	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		c, err := b.look(secure, "site.example")
		if err != nil {
			t.Fatalf("%v before the end of the first: %v", time.Until(first.NotAfter), err)
		}
		if c.SerialNumber.Cmp(first.SerialNumber) != 0 {
			break
		}
		if time.Now().After(first.NotAfter) {
			t.Fatal("not renewed in time")
		}
	}
	if time.Now().After(first.NotAfter) {
		t.Error("renewed late")
	}
}
