package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/internal/testenv"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/handler/echo"
	"curlew.example/curlew/server/handler/hub"
	"curlew.example/curlew/server/handler/static"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/server/web"
	"curlew.example/curlew/wstest"
)

var shots = flag.String("shots", "", "folder for pictures of the page")

// patience is how long a run of the browser may take.
const patience = 4 * time.Minute

// codes are those that a server may end with, and what a page is told.
var codes = [][2]string{
	{"1000", "all done"}, {"1001", ""}, {"1008", "not here"}, {"1011", ""}, {"1012", ""}, {"1013", ""}, {"3000", "grüezi"}, {"4999", "last"},
}

// A run is one of browser.mjs, or of another driver, which knows only some of it.
type run struct {
	Browser string      `json:"browser"`
	Program string      `json:"program"`
	All     bool        `json:"all"` // for hub.mjs and proxies.mjs: not only what matters most
	Shots   string      `json:"shots"`
	Page    string      `json:"page"`    // for hub.mjs: the demo site
	Through []way       `json:"through"` // for proxies.mjs
	Again   string      `json:"again"`   // for hub.mjs: a demo site that is started again
	Readme  string      `json:"readme"`  // for hub.mjs: the README's
	Codes   [][2]string `json:"codes"`
	File    string      `json:"file"`   // of 5 MB
	Big     string      `json:"big"`    // of a byte more than the demo takes
	Visits  []visit     `json:"visits"` // at the same time
	Last    visit       `json:"last"`   // then
}

// A visit is to one site; its parts come one after the other.
type visit struct {
	Name  string   `json:"name"`
	Page  string   `json:"page"`
	Parts []string `json:"parts"`
}

// Browsers, and what they are called where.
const chromium, firefox = "Chromium", "Firefox"

var programs = map[string][]string{
	chromium: {"chromium", "chromium-browser", "google-chrome"},
	firefox:  {"firefox-esr", "firefox"},
}

// all says that Firefox shall do everything too, and that cutting cuts as late as it
// might: CURLEW_CONFORM=all.
func all() bool { return os.Getenv("CURLEW_CONFORM") == "all" }

// browse runs a driver with r, each step as a subtest. What it asks for is in asked.
func browse(t *testing.T, driver string, r run, asked map[string]func()) {
	t.Helper()
	node := testenv.Need(t, "node")
	r.Program = testenv.Need(t, programs[r.Browser]...)
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		testenv.Missing(t, "the npm packages of server/e2e are not installed; make deps brings them")
	}
	if *shots != "" {
		var err error
		if r.Shots, err = filepath.Abs(*shots); err != nil {
			t.Fatal(err)
		}
	}
	args, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, driver, string(args))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for s := bufio.NewScanner(out); s.Scan(); {
		var step struct {
			Name, Error, Ask string
			MS               int
		}
		if err := json.Unmarshal(s.Bytes(), &step); err != nil {
			t.Fatalf("%v: %s", err, s.Bytes())
		}
		if step.Ask != "" {
			asked[step.Ask]()
			in.Write([]byte("done\n")) // who has ended meanwhile says so below
			continue
		}
		steps++
		t.Run(step.Name, func(t *testing.T) {
			t.Logf("%d ms", step.MS)
			if step.Error != "" {
				t.Error(step.Error)
			}
		})
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("browser: %v\n%s", err, &errs)
	}
	if steps == 0 {
		t.Fatal("the browser did nothing")
	}
}

// randomFile makes a file that does not compress.
func randomFile(t *testing.T, dir string, size int) string {
	t.Helper()
	p := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(p)
	name := filepath.Join(dir, strconv.Itoa(size)+".bin")
	if err := os.WriteFile(name, p, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The demo in a browser: the command as a stranger starts it, without a file, and
// the same site with a route beside it that closes as asked, plain and over TLS.
func TestDemo(t *testing.T) {
	testenv.Need(t, "node")
	curlew := start(t, build(t), "127.0.0.1:0")
	dir := t.TempDir()
	talk := []string{"conversation"}
	browse(t, "browser.mjs", run{
		Browser: chromium,
		Codes:   codes, File: randomFile(t, dir, 5<<20), Big: randomFile(t, dir, 16<<20+1),
		Visits: []visit{
			{"plain", demoSite(t, false) + "/", talk},
			{"TLS", demoSite(t, true) + "/", talk},
			{"command", curlew.page, []string{"keyboard", "dark", "phones"}},
		},
		Last: visit{"command", curlew.page, []string{"leave"}},
	}, map[string]func(){"stop": curlew.stop})
	curlew.wait()
}

// build makes the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "curlew")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/curlew").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// served is a site that the program serves.
type served struct {
	t    *testing.T
	page string // the address of the first page
	cmd  *exec.Cmd
	errs bytes.Buffer
}

// start starts the program, with a site file if there is one.
func start(t *testing.T, program, address string, file ...string) *served {
	t.Helper()
	d := &served{t: t, cmd: exec.Command(program, append([]string{"serve", "--listen", address}, file...)...)}
	d.cmd.Stderr = &d.errs
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	page, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("%q, %v\n%s", line, err, &d.errs)
	}
	d.page = page + "/"
	return d
}

// stop tells it to stop.
func (d *served) stop() {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Error(err)
	}
}

// wait waits until it has stopped.
func (d *served) wait() {
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("the server: %v\n%s", err, &d.errs)
	}
}

// closer makes an endpoint that closes with the code in its path.
func closer(_ *site.Route, ws route.Endpoint) (http.Handler, error) {
	reasons := make(map[string]string)
	for _, c := range codes {
		reasons[c[0]] = c[1]
	}
	return ws(func(r *http.Request) (*curlew.Events, error) {
		name := r.PathValue("code")
		code, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		return &curlew.Events{Open: func(c *curlew.Conn) { c.Close(curlew.Code(code), reasons[name]) }}, nil
	}), nil
}

// demoSite starts the demo site in this process and returns its address.
func demoSite(t *testing.T, secure bool) string {
	t.Helper()
	s, err := config.Parse("demo.json5", web.DemoSite(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	extra, err := config.Parse("closer.json5", []byte(`{ routes: [{ match: '/close/{code}', handler: 'closer' }] }`), "closer")
	if err != nil {
		t.Fatal(err)
	}
	s.Routes = append(extra.Routes, s.Routes...)
	s.Listen = []site.Listen{{Network: "tcp", Address: "127.0.0.1:0", Secure: secure}}
	if secure {
		s.TLS = certificate(t)
	}
	channels := new(hub.Hub)
	srv, err := server.New(s, server.Options{Handlers: map[string]route.Constructor{
		"echo": echo.New, "hub": channels.New, "closer": closer,
		"demo": func(r *site.Route, _ route.Endpoint) (http.Handler, error) {
			return static.Files(web.Demo(), r.Match.Value), nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(t.Context()) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		channels.Close()
	})
	return srv.URLs()[0]
}

// certificate writes one for 127.0.0.1 that nobody believes.
func certificate(t *testing.T) *site.TLS {
	t.Helper()
	dir := t.TempDir()
	chain, key := filepath.Join(dir, "site.pem"), filepath.Join(dir, "site.key")
	c := wstest.Certificate("127.0.0.1")
	if err := writePEM(chain, key, c); err != nil {
		t.Fatal(err)
	}
	return &site.TLS{
		Certificates: []site.Certificate{{
			Certificate: site.Setting[string]{Value: chain}, Key: site.Setting[string]{Value: key},
		}},
	}
}
