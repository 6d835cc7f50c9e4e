package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"curlew.example/curlew"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"curlew": main})
}

// The command line as its users see it: testdata/*.txt.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "screen": screen, "serve": serving, "shut": stopping, "reload": reloading, "get": get, "peer": peer, "proxy": connectProxy,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_PROXY", "")
			e.Setenv("GORACE", "atexit_sleep_ms=10") // else each program takes a second to end
			e.Values[started{}] = map[string]*background{}
			// Bytes that a script cannot hold.
			return errors.Join(
				os.WriteFile(filepath.Join(e.WorkDir, "latin1"), []byte("caf\xe9\n"), 0o644),
				os.WriteFile(filepath.Join(e.WorkDir, "binary"), []byte("\x00\xffcurlew\n"), 0o644),
			)
		},
	})
}

// exits N COMMAND...: runs the command, which must exit with N.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d\n%s", code, want, ts.ReadFile("stderr"))
	}
}

// screen: the last output fits 80 columns and 24 lines and has an example.
func screen(ts *testscript.TestScript, neg bool, _ []string) {
	if why := noScreen(ts.ReadFile("stdout")); why != "" {
		ts.Fatalf("%s", why)
	}
}

// noScreen says why a text does not fit 80 columns and 24 lines, or that it has no
// example.
func noScreen(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > 24 {
		return fmt.Sprintf("%d lines", len(lines))
	}
	for _, l := range lines {
		if len(l) > 80 {
			return fmt.Sprintf("%d columns: %s", len(l), l)
		}
	}
	if !strings.Contains(text, "\nExample:\n  ") {
		return "no example"
	}
	return ""
}

// started is the key of the programs that run in the background.
type started struct{}

type background struct {
	cmd    *exec.Cmd
	stderr *watchedText
	rest   chan string // of standard output
}

// A watchedText can be waited for.
type watchedText struct {
	mu   sync.Mutex
	more sync.Cond
	text strings.Builder
}

func (w *watchedText) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.more.Broadcast()
	return w.text.Write(p)
}

func (w *watchedText) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until the text, behind its first n bytes, contains s.
func (w *watchedText) await(n int, s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !strings.Contains(w.text.String()[n:], s) {
		w.more.Wait()
	}
}

// serve NAME [ARG...]: starts curlew serve and waits until it listens; from then
// on NAME, NAME_ws and NAME_at are its first address as http, ws and host:port.
// Without --listen among the arguments it listens at a free port.
func serving(ts *testscript.TestScript, neg bool, args []string) {
	name, rest := args[0], args[1:]
	if !strings.Contains(strings.Join(rest, " "), "--listen") {
		rest = append(rest, "--listen", "127.0.0.1:0")
	}
	if os.Geteuid() == 0 {
		rest = append(rest, "--allow-root")
	}
	b := &background{rest: make(chan string, 1), stderr: new(watchedText)}
	b.stderr.more.L = &b.stderr.mu
	b.cmd = exec.Command("curlew", append([]string{"serve"}, rest...)...)
	b.cmd.Dir, b.cmd.Env, b.cmd.Stderr = ts.MkAbs("."), append(os.Environ(), "PATH="+ts.Getenv("PATH")), b.stderr
	if path, err := exec.LookPath("curlew"); err == nil {
		b.cmd.Path, b.cmd.Err = path, nil
	}
	out, err := b.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(b.cmd.Start())
	ts.Defer(func() { b.cmd.Process.Kill(); b.cmd.Wait() })
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		b.cmd.Wait()
		ts.Fatalf("%q, %v\n%s", line, err, b.stderr)
	}
	go func() {
		more, _ := io.ReadAll(r)
		b.rest <- line + string(more)
	}()
	ts.Setenv(name, address)
	_, at, _ := strings.Cut(address, "://")
	ts.Setenv(name+"_at", at)
	ts.Setenv(name+"_ws", "ws"+strings.TrimPrefix(address, "http"))
	ts.Value(started{}).(map[string]*background)[name] = b
}

// reload NAME TEXT: sends SIGHUP and waits for a line of the log with the text.
func reloading(ts *testscript.TestScript, neg bool, args []string) {
	b := ts.Value(started{}).(map[string]*background)[args[0]]
	n := len(b.stderr.String())
	ts.Check(b.cmd.Process.Signal(syscall.SIGHUP))
	b.stderr.await(n, args[1])
}

// shut NAME [SIGNAL]: tells a server to stop; it must exit with 0. NAME.out and
// NAME.err are what it said.
func stopping(ts *testscript.TestScript, neg bool, args []string) {
	b := ts.Value(started{}).(map[string]*background)[args[0]]
	sig := syscall.SIGTERM
	if len(args) > 1 && args[1] == "INT" {
		sig = syscall.SIGINT
	}
	ts.Check(b.cmd.Process.Signal(sig))
	out := <-b.rest
	if err := b.cmd.Wait(); err != nil {
		ts.Fatalf("%v\n%s", err, b.stderr)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(out), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(b.stderr.String()), 0o644))
}

// get URL STATUS [TEXT]: an HTTP answer, with the text in its body.
func get(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if strconv.Itoa(resp.StatusCode) != args[1] || len(args) > 2 && !strings.Contains(string(body), args[2]) {
		ts.Fatalf("%s\n%s", resp.Status, body)
	}
}

// peer: a WebSocket server of the test; $peer is its address. $peertls is the
// same over TLS, with ca.pem as its certificate.
func peer(ts *testscript.TestScript, neg bool, _ []string) {
	plain := httptest.NewServer(peerHandler())
	ts.Defer(plain.Close)
	ts.Setenv("peer", "ws"+strings.TrimPrefix(plain.URL, "http"))
	ts.Setenv("peer_at_wss", "wss"+strings.TrimPrefix(plain.URL, "http"))
	secure := httptest.NewUnstartedServer(peerHandler())
	secure.Config.ErrorLog = newDiscard()
	secure.StartTLS()
	ts.Defer(secure.Close)
	ts.Setenv("peertls", "ws"+strings.TrimPrefix(secure.URL, "http"))
	ts.Setenv("peertls_at_ws", "ws"+strings.TrimPrefix(secure.URL, "https"))
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), pemOf(secure.Certificate().Raw), 0o644))
}

// peerHandler does what the path says.
func peerHandler() http.Handler {
	open := func(f func(c *curlew.Conn, r *http.Request)) http.Handler {
		return curlew.Handle(&curlew.Options{
			InsecureAnyOrigin: true, Subprotocols: []string{"chat"}, Compression: &curlew.Compression{MinSize: -1}, MaxMessage: -1,
		}, func(r *http.Request) (*curlew.Events, error) {
			return &curlew.Events{
				Open:    func(c *curlew.Conn) { f(c, r) },
				Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) },
			}, nil
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/echo", open(func(*curlew.Conn, *http.Request) {}))
	mux.Handle("/binary", open(func(c *curlew.Conn, _ *http.Request) {
		c.Send(curlew.Binary, []byte("\x00\xffcurlew\n"))
		c.Close(curlew.NormalClosure, "")
	}))
	mux.Handle("/orders", open(func(c *curlew.Conn, _ *http.Request) {
		c.Send(curlew.Text, []byte(orders))
		c.Close(4000, "\x1b]52;c;cm0=\x07\u202e")
	}))
	mux.Handle("/request", open(func(c *curlew.Conn, r *http.Request) {
		c.Send(curlew.Text, fmt.Appendf(nil, "origin=%s token=%s subprotocol=%s compressed=%v",
			r.Header.Get("Origin"), r.Header.Get("X-Token"), c.Info().Subprotocol, c.Info().Compressed))
		c.Close(curlew.NormalClosure, "")
	}))
	mux.Handle("/three", open(func(c *curlew.Conn, _ *http.Request) {
		for _, s := range []string{"one", "two", "three"} {
			c.Send(curlew.Text, []byte(s))
		}
	}))
	mux.Handle("/close/{code}", open(func(c *curlew.Conn, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		c.Close(curlew.Code(code), "because")
	}))
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "not \x1b[31myou\x1b[0m")
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/echo", http.StatusFound) })
	return mux
}

// orders are what a terminal would do something on.
const orders = "\x1b[2J\x1b]52;c;cm0gLXJm\x07 \u009b31m \u202etxt.exe\r over"

// proxy: an HTTP proxy of the test that wants user:secret; $proxy is host:port.
func connectProxy(ts *testscript.TestScript, neg bool, _ []string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpzZWNyZXQ=" {
			http.Error(w, "who are you?", http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { defer there.Close(); io.Copy(there, here) }()
		go func() { defer here.Close(); io.Copy(here, there) }()
	}))
	ts.Defer(s.Close)
	ts.Setenv("proxy", strings.TrimPrefix(s.URL, "http://"))
}

// Whoever tries the demo for the first time may have something at its port.
func TestDemoPortTaken(t *testing.T) {
	for taken := false; !taken; {
		l, err := net.Listen("tcp", "127.0.0.1:8080")
		taken = err == nil // else it is already, and may not be any more
		ctx, stop := context.WithCancel(t.Context())
		var errs strings.Builder
		served := false
		p := &Program{Stdin: strings.NewReader(""), Stdout: writerFunc(func(b []byte) (int, error) { served = true; stop(); return len(b), nil }), Stderr: &errs}
		code := p.Run(ctx, []string{"serve"})
		stop()
		if taken {
			l.Close()
		} else if taken = !served; !taken {
			continue
		}
		want := "curlew: cannot listen at 127.0.0.1:8080: address already in use; "
		if code != 1 || served || !strings.HasPrefix(errs.String(), want) || !strings.Contains(errs.String(), "\ncurlew: --listen 127.0.0.1:0 ") {
			t.Errorf("exit code %d, %q", code, &errs)
		}
	}
}

// Every command has a help that fits a screen and has an example, every flag stands
// in it, and nothing else does.
func TestHelp(t *testing.T) {
	all := map[string]bool{"": true}
	var look func(path string, of reflect.Type)
	look = func(path string, of reflect.Type) {
		for f := range of.Fields() {
			if _, ok := f.Tag.Lookup("cmd"); ok {
				name := strings.TrimSpace(path + " " + dashed(f.Name))
				all[name] = true
				look(name, f.Type)
			}
		}
		want := flags(of)
		var got []string
		for line := range strings.Lines(texts[path]) {
			if strings.HasPrefix(line, "  --") {
				got = append(got, regexp.MustCompile(`--[a-z-]+`).FindAllString(line[:min(len(line), 60)], -1)...)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: help of %v, there are %v", path, got, want)
		}
	}
	look("", reflect.TypeFor[commands]())
	for path := range all {
		if code, out, errs := run(t.Context(), strings.NewReader(""), append(strings.Fields(path), "--help")...); code != 0 || out != texts[path] || errs != "" {
			t.Errorf("%s --help: exit code %d, %q, %q", path, code, out, errs)
		}
		if why := noScreen(texts[path]); why != "" {
			t.Errorf("%s: %s", path, why)
		}
	}
	for path := range texts {
		if !all[path] {
			t.Errorf("%s: a help of no command", path)
		}
	}
}

// flags are those that kong makes of a command.
func flags(c reflect.Type) (all []string) {
	for f := range c.Fields() {
		if _, ok := f.Tag.Lookup("cmd"); ok {
			continue
		}
		name, named := f.Tag.Lookup("name")
		switch _, arg := f.Tag.Lookup("arg"); {
		case f.Anonymous:
			all = append(all, flags(f.Type)...)
		case arg:
		case named:
			all = append(all, "--"+name)
		default:
			all = append(all, "--"+dashed(f.Name))
		}
	}
	return all
}

// dashed writes a field's name as kong does.
func dashed(s string) string {
	var b strings.Builder
	for i, r := range s {
		if 'A' <= r && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// run runs the command in this process.
func run(ctx context.Context, in io.Reader, args ...string) (code int, out, errs string) {
	var o, e strings.Builder
	p := &Program{Stdin: in, Stdout: &o, Stderr: &e}
	code = p.Run(ctx, args)
	return code, o.String(), e.String()
}
