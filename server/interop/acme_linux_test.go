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
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/testenv"
	"curlew.example/curlew/wstest"
)

// freePort returns the address of a port that was free a moment ago.
func freePort(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func portOf(address string) int {
	a, _ := net.ResolveTCPAddr("tcp", address)
	return a.Port
}

// background runs a program until the test ends, and returns what it prints.
func background(t *testing.T, dir string, env []string, args ...string) *bufio.Reader {
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
	return bufio.NewReader(out)
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

// TestACME: pebble, an authority made for tests, gives curlew a certificate for a
// name by each of the two challenges, and a second curlew finds it in the cache.
func TestACME(t *testing.T) {
	pebble := testenv.Need(t, "../../.deps/bin/pebble")
	names := testenv.Need(t, "../../.deps/bin/pebble-challtestsrv")
	program := build(t)
	for i, p := range []*string{&pebble, &names} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			t.Fatal(i, err)
		}
		*p = abs
	}
	for _, challenge := range []string{"TLS-ALPN-01", "HTTP-01"} {
		t.Run(challenge, func(t *testing.T) { testACME(t, pebble, names, program, challenge) })
	}
}

func testACME(t *testing.T, pebble, names, program, challenge string) {
	dir := t.TempDir()
	own := wstest.Certificate("127.0.0.1") // of the authority's own https
	der, err := x509.MarshalECPrivateKey(own.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	directory, management, resolver, dns := freePort(t, "tcp"), freePort(t, "tcp"), freePort(t, "tcp"), freePort(t, "udp")
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}))
	write("ca.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	site := fmt.Sprintf(`{
		listen: ['127.0.0.1:0', 'https://127.0.0.1:0'],
		tls: { acme: { domains: 'site.example', email: 'you@site.example', directory: 'https://%s/dir', cache: 'cache' } },
		routes: [{ match: '/echo', handler: 'echo' }, { handler: 'redirect', redirect: { to: 'https:' } }],
	}`, directory)
	write("site.json5", []byte(site))

	serve := func() (plain, secure string) {
		out := background(t, dir, []string{"SSL_CERT_FILE=" + filepath.Join(dir, "ca.pem")}, program, "serve", "site.json5")
		for range 2 {
			line, err := out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			_, at, _ := strings.Cut(strings.TrimSpace(line), "://")
			if strings.Contains(line, "https:") {
				secure = at
			} else {
				plain = at
			}
		}
		go io.Copy(io.Discard, out)
		return plain, secure
	}
	plain, secure := serve()
	config := map[string]any{
		"listenAddress": directory, "managementListenAddress": management,
		"certificate": "ca.pem", "privateKey": "ca.key",
		"httpPort": portOf(plain), "tlsPort": portOf(secure), "retryAfter": map[string]int{"authz": 1, "order": 1},
	}
	if challenge == "HTTP-01" { // nobody answers at the other port
		config["tlsPort"] = portOf(freePort(t, "tcp"))
	}
	text, err := json.Marshal(map[string]any{"pebble": config})
	if err != nil {
		t.Fatal(err)
	}
	write("pebble.json", text)
	chall := background(t, dir, nil, names, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-dnsserver", dns, "-management", resolver)
	go io.Copy(io.Discard, chall)
	authority := background(t, dir, []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"}, pebble, "-config", "pebble.json", "-dnsserver", dns, "-strict")
	go io.Copy(io.Discard, authority)
	awaitPort(t, directory)
	awaitPort(t, management)
	awaitPort(t, resolver)
	awaitPort(t, dns) // which it serves by TCP, too

	// What the authority signs with is asked of itself.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: wstest.Roots(own)}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	root, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(root) {
		t.Fatalf("%v: %s", err, root)
	}

	// The first client gets its certificate fetched, which may take longer than
	// timeouts.handshake; it tries again then.
	visit := func(secure string) error {
		again := time.NewTicker(100 * time.Millisecond)
		defer again.Stop()
		for end := time.Now().Add(patience); ; <-again.C {
			c, err := tls.Dial("tcp", secure, &tls.Config{RootCAs: roots, ServerName: "site.example"})
			if err == nil {
				return c.Close()
			}
			if time.Now().After(end) {
				return err
			}
		}
	}
	if err := visit(secure); err != nil {
		t.Fatal(err)
	}
	ws, err := curlew.Dial(t.Context(), "wss://"+secure+"/echo", &curlew.DialOptions{TLS: &tls.Config{RootCAs: roots, ServerName: "site.example"}})
	if err != nil {
		t.Fatal(err)
	}
	ws.Abort(nil)
	info, err := os.Stat(filepath.Join(dir, "cache", "site.example"))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the certificate in the cache: %v, %v", info, err)
	}

	// Another one finds it there, without an authority to ask.
	write("site.json5", []byte(strings.Replace(site, directory, "127.0.0.1:1", 1)))
	_, second := serve()
	if err := visit(second); err != nil {
		t.Errorf("from the cache: %v", err)
	}
	if c, err := tls.Dial("tcp", second, &tls.Config{InsecureSkipVerify: true, ServerName: "other.example"}); err == nil {
		t.Error("a certificate for a name that is not ours")
		c.Close()
	}
}
