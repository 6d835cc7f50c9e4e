package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"curlew.example/curlew/internal/testenv"
)

// The pages of the hub in a browser, served by the command as a stranger starts it;
// the chat of one that is stopped and started again meanwhile; and the page of the
// README with its site file.
func TestHubPages(t *testing.T) {
	testenv.Need(t, "node")
	program := build(t)
	browsers := []string{chromium}
	if all() {
		browsers = append(browsers, firefox)
	}
	for _, browser := range browsers {
		t.Run(browser, func(t *testing.T) {
			demo, again, readme := start(t, program, "127.0.0.1:0"), start(t, program, "127.0.0.1:0"), start(t, program, "127.0.0.1:0", readmeSite(t))
			r := run{Browser: browser, All: all(), Page: demo.page, Again: again.page, Readme: readme.page}
			browse(t, "hub.mjs", r, map[string]func(){
				"stop":  func() { again.stop(); again.wait() },
				"start": func() { again = start(t, program, strings.Trim(strings.TrimPrefix(r.Again, "http:"), "/")) },
			})
			for _, s := range []*served{demo, again, readme} {
				s.stop()
				s.wait()
			}
		})
	}
}

// readmeSite writes the page of the README and the site file in front of it, and
// returns the file's name.
func readmeSite(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```json5\n([^`]*)```\n\n```html\n([^`]*)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("README.md has no page behind a site file")
	}
	dir := t.TempDir()
	site := filepath.Join(dir, "site.json5")
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string][]byte{site: m[1], filepath.Join(dir, "public", "index.html"): m[2]} {
		if err := os.WriteFile(name, p, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return site
}
