package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/testenv"
)

// A manager is what a service manager has: a socket that services report to.
type manager struct {
	t *testing.T
	c *net.UnixConn
}

func newManager(t *testing.T) (m *manager, name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &manager{t, c}, name
}

// told returns the next report as a map.
func (m *manager) told() map[string]string {
	m.t.Helper()
	p := make([]byte, 4096)
	n, err := m.c.Read(p)
	if err != nil {
		m.t.Fatal(err)
	}
	got := make(map[string]string)
	for line := range strings.SplitSeq(string(p[:n]), "\n") {
		key, value, _ := strings.Cut(line, "=")
		got[key] = value
	}
	return got
}

func (m *manager) want(key, value string) map[string]string {
	m.t.Helper()
	got := m.told()
	if got[key] != value {
		m.t.Errorf("told %v, want %s=%s", got, key, value)
	}
	return got
}

// uptime is the clock of MONOTONIC_USEC where nothing sleeps, in microseconds.
func uptime(t *testing.T) float64 {
	t.Helper()
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	seconds, _, _ := strings.Cut(string(b), " ")
	f, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f * 1e6
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fetch asks for / through a connection of dial.
func fetch(t *testing.T, dial func() (net.Conn, error)) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return dial() },
	}}
	resp, err := client.Get("http://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Sockets that are inherited are those of the listen with their address, survive
// reloads that do without them, and are nobody else's; the manager is told of
// readiness, reloads and the end.
func TestSystemd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m, notify := newManager(t)
	var files []*os.File
	inherit := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		t.Cleanup(func() { f.Close() })
		l.Close() // the file goes on
		return l
	}
	at := inherit("tcp", "127.0.0.1:0").Addr().String()
	path := inherit("unix", filepath.Join(dir, "s")).Addr().String()
	spare := inherit("tcp", "127.0.0.1:0").Addr().String()
	name := filepath.Join(dir, "site.json5")
	both := fmt.Sprintf(`{ listen: ['%s', 'unix:s'], routes: [
		{ match: '/fds', handler: 'exec', exec: { command: ['/bin/ls', '/proc/self/fd'] } }, { handler: 'respond', respond: { body: 'one' } }] }`, at)
	write(t, name, both)

	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec curlew serve --allow-root "$0"`, name)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=3", "LISTEN_FDNAMES=web:local:spare", "NOTIFY_SOCKET="+notify, "GORACE=atexit_sleep_ms=10")
	cmd.ExtraFiles = files
	var log watchedText
	log.more.L = &log.mu
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	tcp := func() (net.Conn, error) { return net.Dial("tcp", at) }
	unix := func() (net.Conn, error) { return net.Dial("unix", path) }

	if got := m.want("READY", "1"); got["STATUS"] != "listening on http://"+at+" unix:"+path {
		t.Errorf("%v", got)
	}
	for _, dial := range []func() (net.Conn, error){tcp, unix} {
		if got := fetch(t, dial); got != "one" {
			t.Errorf("%q", got)
		}
	}
	if want := "spare (" + spare + ")"; !strings.Contains(log.String(), want) {
		t.Errorf("%s is not in the log:\n%s", want, log.String())
	}
	c, err := curlew.Dial(t.Context(), "ws://"+at+"/fds", nil)
	if err != nil {
		t.Fatal(err)
	}
	var fds []string
	for {
		_, p, err := c.Read(t.Context(), nil)
		if err != nil {
			break
		}
		fds = append(fds, string(p))
	}
	if got := strings.Join(fds, " "); got != "0 1 2 3" { // 3 is the folder that it lists
		t.Errorf("a program of exec has the descriptors %s", got)
	}

	reload := func(text, status string) {
		t.Helper()
		write(t, name, text)
		before := uptime(t)
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		got := m.want("RELOADING", "1")
		if at, err := strconv.ParseFloat(got["MONOTONIC_USEC"], 64); err != nil || at < before-20_000 || at > uptime(t)+20_000 {
			t.Errorf("MONOTONIC_USEC=%s at %f", got["MONOTONIC_USEC"], before)
		}
		if got := m.want("READY", "1"); !strings.HasPrefix(got["STATUS"], status) {
			t.Errorf("%v, want %s", got, status)
		}
	}
	reload(`{ listen: 'unix:s', routes: [{ handler: 'respond', respond: { body: 'two' } }] }`, "listening on unix:")
	if got := fetch(t, unix); got != "two" {
		t.Errorf("%q", got)
	}
	reload("{ nonsense: 1 }", "not reloaded: ")
	reload(strings.Replace(both, "'one'", "'three'", 1), "listening on http://"+at)
	for _, dial := range []func() (net.Conn, error){tcp, unix} {
		if got := fetch(t, dial); got != "three" {
			t.Errorf("%q", got)
		}
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.want("STOPPING", "1")
	err = cmd.Wait()
	ended = true
	if err != nil {
		t.Errorf("%v\n%s", err, log.String())
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the manager's socket: %v", err)
	}
}

// What is inherited and cannot be listened at is said, and nothing is served.
func TestSystemdBadDescriptor(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "no socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for fds, want := range map[string]string{"1": "descriptor 3 (web) is no socket that listens", "x": "LISTEN_FDS"} {
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec curlew serve --listen 127.0.0.1:0`)
		cmd.Env = append(os.Environ(), "LISTEN_FDS="+fds, "LISTEN_FDNAMES=web")
		cmd.ExtraFiles = []*os.File{file}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("LISTEN_FDS=%s: %v\n%s", fds, err, out)
		}
	}
}

// The sockets of another process, such as a parent, are not ours.
func TestSystemdOtherProcess(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("curlew", "serve", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "LISTEN_FDS=7", "LISTEN_PID=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if !strings.HasPrefix(line, "listening on http://127.0.0.1:") {
		t.Errorf("%q", line)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// The real thing hands its socket over at the first connection.
func TestSystemdSocketActivate(t *testing.T) {
	t.Parallel()
	activate := testenv.Need(t, "systemd-socket-activate")
	at := testenv.Free(t)
	program, err := exec.LookPath("curlew")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(activate, "-l", at, "--fdname=web", program, "serve", "--listen", at)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewReader(errs)
	if line, _ := log.ReadString('\n'); !strings.Contains(line, "Listening on") {
		t.Errorf("%q", line)
	}
	go io.Copy(io.Discard, log)
	if got := fetch(t, func() (net.Conn, error) { return net.Dial("tcp", at) }); !strings.Contains(got, "<html") {
		t.Errorf("%q", got)
	}
	cmd.Process.Signal(syscall.SIGTERM) // it has become curlew
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
