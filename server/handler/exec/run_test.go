//go:build unix

package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A running is a server that tests talk to.
type running struct {
	*server.Server
	t    *testing.T
	ps   *Processes
	log  *safeBuffer
	dir  string // of the site
	stop func() // ends the server and waits for that
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// write writes a program. Nobody forks meanwhile: what another test starts would for
// a moment have the file open for writing, which thus could not be run (ETXTBSY).
func write(t *testing.T, name, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o777); err != nil {
		t.Fatal(err)
	}
}

// sh is a route to a shell that runs the text, with further settings of exec.
func sh(path, text, more string) string {
	if !strings.Contains(more, "maxPerIP") {
		more += ", maxPerIP: 'unlimited'"
	}
	more = strings.TrimPrefix(strings.TrimSpace(more), ",")
	return fmt.Sprintf(`{ match: '%s', handler: 'exec', exec: { command: ['/bin/sh', '-c', %s], env: { PATH: '/usr/bin:/bin' }, %s } },`,
		path, strconv.Quote(text), more)
}

// start runs a site with these routes. @self stands for this program, @dir for the
// site's folder.
func start(t *testing.T, routes string) *running { return startWith(t, "", routes) }

func startWith(t *testing.T, top, routes string) *running {
	t.Helper()
	r := &running{t: t, log: new(safeBuffer), dir: t.TempDir()}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	r.ps = &Processes{Log: log, AllowRoot: true}
	s := r.parse(top, routes)
	var err error
	if r.Server, err = server.New(s, server.Options{Handlers: map[string]route.Constructor{"exec": r.ps.New}, Log: log}); err != nil {
		t.Fatal(err)
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		r.ps.Wait()
	})
	t.Cleanup(r.stop)
	return r
}

func (r *running) parse(top, routes string) *site.Site {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	text := strings.NewReplacer("@self", self, "@dir", r.dir).Replace(
		`{ listen: ['127.0.0.1:0'], log: { requests: false }, timeouts: { drain: '1 ms' }, ` + top + ` routes: [` + routes + `] }`)
	s, err := config.Parse(filepath.Join(r.dir, "site.json5"), []byte(text))
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *running) url(path string) string {
	return strings.Replace(r.URLs()[0], "http", "ws", 1) + path
}

func (r *running) dial(path string) *curlew.Conn {
	r.t.Helper()
	c, err := r.try(path, nil)
	if err != nil {
		r.t.Fatalf("%s: %v", path, err)
	}
	return c
}

func (r *running) try(path string, h http.Header) (*curlew.Conn, error) {
	c, err := curlew.Dial(r.t.Context(), r.url(path), &curlew.DialOptions{
		Options: curlew.Options{Header: h, MaxMessage: -1, MaxFragments: -1, AllowInvalidUTF8: true},
	})
	if err == nil {
		r.t.Cleanup(func() { c.Abort(nil) })
	}
	return c, err
}

// refused wants a status instead of a connection, and returns the header.
func (r *running) refused(path string, status int) http.Header {
	r.t.Helper()
	_, err := r.try(path, nil)
	e, ok := errors.AsType[*curlew.HandshakeError](err)
	if !ok || e.Status != status {
		r.t.Fatalf("%s: %v, want status %d", path, err, status)
	}
	return e.Header
}

// say sends a text.
func say(t *testing.T, c *curlew.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), curlew.Text, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hear reads a message.
func hear(t *testing.T, c *curlew.Conn) string {
	t.Helper()
	_, p, err := c.Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

func want(t *testing.T, c *curlew.Conn, texts ...string) {
	t.Helper()
	for _, w := range texts {
		if got := hear(t, c); got != w {
			t.Fatalf("got %.200q, want %.200q", got, w)
		}
	}
}

// wantEnd wants no more messages, and the end.
func wantEnd(t *testing.T, c *curlew.Conn, code curlew.Code, reason string) {
	t.Helper()
	_, p, err := c.Read(t.Context(), nil)
	e, ok := errors.AsType[*curlew.CloseError](err)
	if !ok || e.Code != code || reason != "*" && e.Reason != reason {
		t.Fatalf("got %.200q, %v; want the end by %v %q", p, err, code, reason)
	}
}

// until waits for what no event tells.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute) // only so that a bug ends
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no %s", what)
		}
	}
}

// gone reports whether there is no such process, or nothing but what its parent
// has not asked for.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return os.IsNotExist(err) && fileExists("/proc/self/stat")
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(rest, "Z")
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func content(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}
