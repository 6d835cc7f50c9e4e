package interop

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/testenv"
)

// An example is a section of docs/handlers.md whose site is being served.
type example struct {
	program string   // curlew
	at      string   // the server's address
	dir     string   // of the site
	connect []string // the arguments of each curlew connect, with that address
	curls   []string // the curl commands, with that address
}

// examples say for each section of docs/handlers.md what its files are and what
// comes of its commands.
var examples = map[string]struct {
	files map[string]string
	play  func(t *testing.T, e *example)
}{
	"echo": {nil, func(t *testing.T, e *example) {
		c := e.open(t, 0)
		c.says(t, "hello", "hello")
		c.end(t)
		e.answers(t, map[string]string{"/echo": "426"})
		for offer, want := range map[string]string{"": "400", "other": "400", "chat": "chat", "chat chat.v2": "chat.v2"} {
			c, err := curlew.Dial(t.Context(), "ws://"+e.at+"/chat", &curlew.DialOptions{Options: curlew.Options{Subprotocols: strings.Fields(offer)}})
			if refused, ok := err.(*curlew.HandshakeError); ok {
				if got := strconv.Itoa(refused.Status); got != want {
					t.Errorf("%q: %s", offer, got)
				}
			} else if err != nil {
				t.Errorf("%q: %v", offer, err)
			} else {
				if got := c.Info().Subprotocol; got != want {
					t.Errorf("%q: %s", offer, got)
				}
				c.Close(curlew.NormalClosure, "")
			}
		}
	}},
	"redirect": {nil, func(t *testing.T, e *example) {
		e.answers(t, map[string]string{
			"/old/a": "301 /new/a", "/old/a%3Fb?c=d": "301 /new/a%3Fb", "/shop/x": "302 https://shop.example.com/", "/old/..%2Fx": "404",
			"/2026/a%26b": "302 /archive?year=2026&name=a%26b",
		})
	}},
	"respond": {nil, func(t *testing.T, e *example) {
		e.answers(t, map[string]string{"/health": "200 fine\n", "/version": `200 {"version":3}`, "/private/x": "403 "})
		_, err := curlew.Dial(t.Context(), "ws://"+e.at+"/health", nil)
		if err.(*curlew.HandshakeError).Status != 200 {
			t.Error(err)
		}
	}},
	"broadcast": {nil, func(t *testing.T, e *example) {
		first := e.open(t, 0)
		first.says(t, "hello", "hello")
		second := e.open(t, 0)
		if line := first.next(t); !regexp.MustCompile(`^\{"event":"join","id":"[A-Z2-7]{26}","count":2\}$`).MatchString(line) {
			t.Errorf("the first is told %s", line)
		}
		second.says(t, "hi", "hi")
		if line := first.next(t); line != "hi" {
			t.Errorf("the first hears %q", line)
		}
		second.end(t)
		if line := first.next(t); !strings.HasPrefix(line, `{"event":"leave",`) || !strings.HasSuffix(line, `,"count":1}`) {
			t.Errorf("the first is told %s", line)
		}
		first.end(t)
	}},
	"hub": {map[string]string{"hub.keys": "0123456789abcdef\n"}, func(t *testing.T, e *example) {
		first := e.open(t, 0)
		if line := first.next(t); !strings.HasPrefix(line, `{"subscribed":{"channel":"room:lobby",`) {
			t.Errorf("the first is told %s", line)
		}
		publish := e.open(t, 1)
		if line := publish.next(t); !strings.HasPrefix(line, `{"published":{`) {
			t.Errorf("who publishes is told %s", line)
		}
		publish.end(t)
		for _, want := range []string{`{"join":`, `"data":{"text":"hello"}`} {
			if line := first.next(t); !strings.Contains(line, want) {
				t.Errorf("the first is told %s, want %s", line, want)
			}
		}
		second := e.open(t, 0)
		for _, want := range []string{`{"subscribed":`, `"data":{"text":"hello"}`} {
			if line := second.next(t); !strings.Contains(line, want) {
				t.Errorf("the second is told %s, want %s", line, want)
			}
		}
		if said := e.curl(t, 0); !strings.HasPrefix(said, `{"published":{`) {
			t.Errorf("curl is told %s", said)
		}
		top := e.open(t, 2)
		for line := ""; !strings.Contains(line, `"clients":2,"channels":1,`) || !strings.Contains(line, `{"channel":"room:lobby","subscribers":2,`); {
			line = top.next(t) // at last, when who has published is gone
		}
		for _, k := range []*terminal{first, second, top} {
			k.interrupt(t)
		}
		e.answers(t, map[string]string{"/hub/openapi.json": "200", "/curlew.js": "200", "/hub/other": "404", "/hub": "426"})
	}},
	"exec": {map[string]string{
		"tools/shout": "#!/bin/sh\nwhile read -r x; do echo \"$x\" | tr a-z A-Z; done\n",
		"tools/who":   "#!/bin/sh\necho \"$HTTP_USER_AGENT\"\n",
		"tools/plain": "no program",
	}, func(t *testing.T, e *example) {
		c := e.open(t, 0)
		c.says(t, "Rosa", "Hello, Rosa!")
		c.says(t, "$(id) ; *", "Hello, $(id) ; *!")
		c.end(t)
		at := "ws://" + e.at + "/run/"
		shout, err := curlew.Dial(t.Context(), at+"shout", nil)
		if err != nil {
			t.Fatal(err)
		}
		shout.Write(t.Context(), curlew.Text, []byte("hello"))
		if typ, p, err := shout.Read(t.Context(), nil); typ != curlew.Text || string(p) != "HELLO" || err != nil {
			t.Errorf("%v %q %v", typ, p, err)
		}
		shout.Write(t.Context(), curlew.Text, []byte("two\nlines"))
		if _, _, err := shout.Read(t.Context(), nil); err.(*curlew.CloseError).Code != curlew.InvalidPayload {
			t.Error(err)
		}
		who, err := curlew.Dial(t.Context(), at+"who", &curlew.DialOptions{Options: curlew.Options{Header: http.Header{"User-Agent": {"me"}}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, p, err := who.Read(t.Context(), nil); string(p) != "me" || err != nil {
			t.Errorf("%q %v", p, err)
		}
		if _, _, err := who.Read(t.Context(), nil); err.(*curlew.CloseError).Code != curlew.NormalClosure {
			t.Error(err)
		}
		for _, tool := range []string{"none", "plain", "..%2F..%2Fbin%2Fsh"} {
			if _, err := curlew.Dial(t.Context(), at+tool, nil); err.(*curlew.HandshakeError).Status != 404 {
				t.Errorf("%s: %v", tool, err)
			}
		}
	}},
	"file": {map[string]string{"tides.csv": "time,height\n06:12,3.1\n", "charts/emden/pier.png": "\x89PNG"}, func(t *testing.T, e *example) {
		c := e.open(t, 0)
		if got := c.next(t) + "|" + c.next(t); got != "time,height|06:12,3.1" {
			t.Errorf("the file is %q", got)
		}
		c.end(t)
		chart, err := curlew.Dial(t.Context(), "ws://"+e.at+"/charts/emden/pier", nil)
		if err != nil {
			t.Fatal(err)
		}
		if typ, p, err := chart.Read(t.Context(), nil); typ != curlew.Binary || string(p) != "\x89PNG" || err != nil {
			t.Errorf("%v %q %v", typ, p, err)
		}
		if _, _, err := chart.Read(t.Context(), nil); err.(*curlew.CloseError).Code != curlew.NormalClosure {
			t.Error(err)
		}
		if _, err := curlew.Dial(t.Context(), "ws://"+e.at+"/charts/..%2Femden/pier", nil); err.(*curlew.HandshakeError).Status != 404 {
			t.Error(err)
		}
	}},
	"static": {map[string]string{"files/a.txt": "0123456789", "public/index.html": "<p>home", "public/app.js": "plain", "public/app.js.gz": "packed", "files/.key": "k"}, func(t *testing.T, e *example) {
		before := time.Now().Add(-time.Hour) // than its sibling was packed
		if err := os.Chtimes(filepath.Join(e.dir, "public", "app.js"), before, before); err != nil {
			t.Fatal(err)
		}
		for _, ask := range []struct{ path, field, want string }{
			{"/", "", "200 <p>home"}, {"/downloads/a.txt", "bytes=2-3", "206 23"}, {"/downloads/", "", "404 Not Found"}, {"/downloads/.key", "", "404 Not Found"},
			{"/app.js", "", "200 packed"}, {"/downloads/..%2fpublic/app.js", "", "404 Not Found"},
		} {
			r, err := http.NewRequest("GET", "http://"+e.at+ask.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", "gzip")
			if ask.field != "" {
				r.Header.Set("Range", ask.field)
			}
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if got := strings.TrimSpace(resp.Status[:4] + string(b)); got != ask.want {
				t.Errorf("%s: %q, want %q", ask.path, got, ask.want)
			}
			if h := resp.Header.Get("Cache-Control"); resp.StatusCode < 300 && (h == "max-age=3600") != strings.HasPrefix(ask.path, "/downloads/") {
				t.Errorf("%s: Cache-Control %q", ask.path, h)
			}
		}
	}},
	"proxy": {nil, func(t *testing.T, e *example) {
		var asked http.Header
		app := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/app/echo" {
				io.WriteString(w, "hello from "+r.URL.Path)
				return
			}
			asked = r.Header
			curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
				return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}, nil
			}).ServeHTTP(w, r)
		})}
		l, err := net.Listen("unix", filepath.Join(e.dir, "app.sock"))
		if err != nil {
			t.Fatal(err)
		}
		go app.Serve(l)
		defer app.Close()
		c := e.open(t, 0)
		c.says(t, "hello", "hello")
		c.end(t)
		if asked.Get("X-Forwarded-For") != "127.0.0.1" || asked.Get("X-Forwarded-Host") != e.at || asked.Get("X-Api-Key") != "only between us" {
			t.Errorf("%v", asked)
		}
		for path, want := range map[string]string{"/app/x": "200 hello from /app/x", "/reports/": "502 Bad Gateway"} {
			resp, err := http.Get("http://" + e.at + path)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if got := strings.TrimSpace(resp.Status[:4] + string(b)); got != want {
				t.Errorf("%s: %q", path, got)
			}
		}
	}},
}

// TestHandlersPage serves the site of each section of docs/handlers.md and does
// with it what the page says.
func TestHandlersPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/handlers.md")
	if err != nil {
		t.Fatal(err)
	}
	program := build(t)
	sections := strings.Split(string(page), "\n## ")[1:]
	for _, section := range sections {
		name, text, _ := strings.Cut(section, "\n")
		t.Run(name, func(t *testing.T) {
			x, ok := examples[name]
			if !ok {
				t.Fatalf("docs/handlers.md: nothing is known of an example of %s; add it to examples", name)
			}
			m := regexp.MustCompile("(?s)```json5\n(.*?)```").FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("docs/handlers.md: %s has no site", name)
			}
			e := &example{program: program, dir: t.TempDir()}
			files := map[string]string{"site.json5": m[1]}
			for _, m := range regexp.MustCompile("(?s)```text\n(#![^\n]*\n# ([^\n]*)\n.*?)```").FindAllStringSubmatch(text, -1) {
				files[m[2]] = m[1] // programs say their names
			}
			for name, content := range x.files {
				files[name] = content
			}
			for name, content := range files {
				name = filepath.Join(e.dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
					t.Fatal(err)
				}
				mode := os.FileMode(0o666)
				if strings.HasPrefix(content, "#!") {
					mode = 0o777
				}
				if err := os.WriteFile(name, []byte(content), mode); err != nil {
					t.Fatal(err)
				}
			}
			e.at = listening(t, e.dir, program, "serve", "site.json5")
			for line := range strings.Lines(text) {
				args, ok := strings.CutPrefix(strings.TrimSpace(line), "go run ./server/cmd/curlew ")
				if word, _, _ := strings.Cut(args, " "); ok && (word == "connect" || word == "hub") {
					args = strings.ReplaceAll(strings.ReplaceAll(args, "127.0.0.1:8080", e.at), "'", "")
					e.connect = append(e.connect, args)
				}
				if strings.HasPrefix(line, "curl ") {
					e.curls = append(e.curls, strings.ReplaceAll(line, "127.0.0.1:8080", e.at))
				}
			}
			x.play(t, e)
		})
	}
	if len(sections) != len(examples) {
		t.Errorf("docs/handlers.md has %d sections, not %d", len(sections), len(examples))
	}
}

// answers asks for paths and wants the status, and where the answer leads to or
// what it is, if that is wanted.
func (e *example) answers(t *testing.T, asks map[string]string) {
	t.Helper()
	for path, want := range asks {
		r, err := http.NewRequest("GET", "http://"+e.at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		got := resp.Status[:3]
		if len(want) > 3 {
			got += " " + resp.Header.Get("Location") + string(b)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// A terminal is where a curlew connect runs.
type terminal struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // printed
	errs  bytes.Buffer
}

// curl runs the nth curl of the section and returns what it prints.
func (e *example) curl(t *testing.T, n int) string {
	t.Helper()
	testenv.Need(t, "curl")
	c := exec.Command("sh", "-c", e.curls[n])
	c.Dir = e.dir
	out, err := c.Output()
	if err != nil {
		t.Errorf("%s: %v", e.curls[n], err)
	}
	return string(out)
}

// open starts the nth connect of the section.
func (e *example) open(t *testing.T, n int) *terminal {
	t.Helper()
	if n >= len(e.connect) {
		t.Fatalf("docs/handlers.md: the section has %d commands to connect", len(e.connect))
	}
	k := &terminal{cmd: exec.Command(e.program, strings.Fields(e.connect[n])...), lines: make(chan string, 100)}
	k.cmd.Dir, k.cmd.Stderr = e.dir, &k.errs
	var err error
	if k.in, err = k.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(k.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			k.lines <- s.Text()
		}
	}()
	return k
}

// next returns the next line that is printed.
func (k *terminal) next(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-k.lines:
		if !ok {
			t.Fatalf("connect ended: %v\n%s", k.cmd.Wait(), &k.errs)
		}
		return line
	case <-time.After(patience):
		t.Fatal("connect prints nothing")
	}
	return ""
}

// says sends a line and wants another one printed.
func (k *terminal) says(t *testing.T, line, want string) {
	t.Helper()
	if _, err := io.WriteString(k.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
	if got := k.next(t); got != want {
		t.Errorf("%q was answered by %q, want %q", line, got, want)
	}
}

// interrupt ends what would go on.
func (k *terminal) interrupt(t *testing.T) {
	t.Helper()
	if err := k.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	k.end(t)
}

// end ends the input, and with it the connection.
func (k *terminal) end(t *testing.T) {
	t.Helper()
	k.in.Close()
	for range k.lines {
	}
	if err := k.cmd.Wait(); err != nil {
		t.Errorf("connect: %v\n%s", err, &k.errs)
	}
}
