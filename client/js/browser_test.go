//go:build unix

package js_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"curlew.example/curlew/fallback"
	"curlew.example/curlew/internal/testenv"
)

// excused are the cases in which a browser does not do what the standards say, which
// are asked of Socket over plain HTTP only: there it does. (Over "ws" it does what the
// browser does.) Nothing else differs but isTrusted of events, which no page can set.
var excused = map[string]map[string]string{
	"Chromium": {
		"close with a reason only": "the close is never done; WebSockets, 'close a WebSocket': with 1000",
		"close: code 999.5":        "cut off; Web IDL, [Clamp]: to the nearest integer",
		"close: code 2999.5":       "the same",
		"close: code 4999.5":       "the same",
	},
	"Firefox": {
		"close with a reason only":       "the reason is left out; WebSockets, 'close a WebSocket': with 1000",
		"protocol: none is chosen":       "it connects; WebSockets, 'establish a WebSocket connection': fail",
		"protocol: not asked for":        "it connects; RFC 6455, 4.1: fail",
		"the server is wrong: code 1005": "taken for a Close; RFC 6455, 7.4.1: MUST NOT be sent",
		"the server is wrong: code 999":  "taken for a Close; RFC 6455, 7.4.2: not used",
		"the server is wrong: code 5000": "the same",
		"the server is wrong: one byte":  "taken for a Close without a code; RFC 6455, 5.5.1: two bytes or none",
		"the server is wrong: masked":    "taken for a message; RFC 6455, 5.1: MUST close",
	},
}

// The browser's own WebSocket and Socket over each mode answer the same questions;
// and the fallback as pages meet it.
func TestBrowser(t *testing.T) {
	t.Parallel()
	for name, b := range browsers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := testenv.Need(t, b.programs...)
			w := newWorld(t)
			if b.certificates {
				w.start("h2", w.endpoints(&fallback.Options{Origins: []string{w.URLs["main"]}}))
			}
			r := w.browse(t, program, b.args, slices.Sorted(maps.Keys(excused[name])))
			for _, step := range slices.Sorted(maps.Keys(r.Steps)) {
				if err := r.Steps[step]; err != "" {
					t.Errorf("%s: %s (%d ms)", step, err, r.Took[step])
				}
			}
			t.Logf("%d cases, %d ms", len(r.Tables["native"]), r.Took["all"])
			compare(t, r.Tables, name)
		})
	}
}

// compare wants all tables to be like the browser's own.
func compare(t *testing.T, tables map[string]table, browser string) {
	if len(tables) != 5 || len(tables["native"]) < 165 {
		t.Errorf("%d tables with %d cases", len(tables), len(tables["native"]))
	}
	var golden table // what Node is held to
	if p, err := os.ReadFile("test/answers.json"); err != nil || json.Unmarshal(p, &golden) != nil {
		t.Fatal("no answers.json: ", err)
	}
	for c, want := range golden {
		if got := tables["stream"][c]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v here, and %v in answers.json", c, got, want)
		}
	}
	for c := range excused[browser] {
		for _, mode := range []string{"stream", "sse", "poll"} {
			if got, want := tables[mode][c], tables["stream"][c]; !reflect.DeepEqual(got, want) || want == nil {
				t.Errorf("%s: %s: %v, want %v", mode, c, got, want)
			}
		}
	}
	for _, mode := range []string{"ws", "stream", "sse", "poll"} {
		for _, c := range slices.Sorted(maps.Keys(tables["native"])) {
			if got, want := tables[mode][c], tables["native"][c]; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s:\n got %v\nwant %v", mode, c, got, want)
			}
		}
	}
}

type table = map[string]any

type report struct {
	Steps  map[string]string
	Tables map[string]table
	Took   map[string]int
}

var browsers = map[string]struct {
	programs     []string
	args         func(dir, url string) []string
	certificates bool // it takes those of tests
}{
	"Chromium": {[]string{"chromium", "chromium-browser", "google-chrome"}, func(dir, url string) []string {
		return []string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
			"--ignore-certificate-errors", "--user-data-dir=" + dir, url}
	}, true},
	"Firefox": {[]string{"firefox-esr", "firefox"}, func(dir, url string) []string {
		return []string{"--headless", "--no-remote", "--profile", dir, url}
	}, false},
}

// browse has a browser visit the page, and waits for what it reports.
func (w *world) browse(t *testing.T, program string, args func(dir, url string) []string, skip []string) *report {
	t.Helper()
	dir := t.TempDir()
	list, err := json.Marshal(skip)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(firefoxSettings), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args(dir, w.URLs["main"]+"/page.html?skip="+url.QueryEscape(string(list)))...)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	select {
	case p := <-w.result:
		var r report
		if err := json.Unmarshal([]byte(p), &r); err != nil {
			t.Fatal(err)
		}
		if os.Getenv("CURLEW_TABLES") != "" {
			os.WriteFile(os.Getenv("CURLEW_TABLES")+"."+filepath.Base(program), []byte(p), 0o600)
		}
		return &r
	case <-ctx.Done():
		t.Fatalf("the page has not reported; it is at %v: %v", w.at.Load(), ctx.Err())
	}
	return nil
}

// firefoxSettings keep it from asking and from looking for news.
const firefoxSettings = `
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.prefetch-next", false);
user_pref("network.websocket.delay-failed-reconnects", false);
user_pref("security.sandbox.content.level", 0);
`
