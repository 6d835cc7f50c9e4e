package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

// A block is a fenced block of a page.
type block struct {
	page string
	line int // of its first line of text
	kind string
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// pages returns the names of the Markdown pages, from the root.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "examples/*.md", "bench/*.md", "server/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, filepath.ToSlash(rel))
		}
	}
	if len(all) < 5 {
		t.Fatalf("only %d pages: %v", len(all), all)
	}
	return all
}

func read(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// blocks returns the fenced blocks of all pages that are of one kind.
func blocks(t *testing.T, kind string) []block {
	t.Helper()
	var all []block
	for _, page := range pages(t) {
		var open *block
		for i, line := range strings.Split(read(t, page), "\n") {
			switch {
			case !strings.HasPrefix(line, "```"):
				if open != nil {
					open.text += line + "\n"
				}
			case open == nil:
				open = &block{page: page, line: i + 2, kind: strings.TrimPrefix(line, "```")}
			default:
				if open.kind == kind {
					all = append(all, *open)
				}
				if open.kind == "" {
					t.Errorf("%s: a block without a kind: sh, go, json5 or text", open)
				}
				open = nil
			}
		}
		if open != nil {
			t.Errorf("%s: the block does not end", open)
		}
	}
	return all
}

// imports is what a snippet may use without saying so.
var imports = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "io": "io", "log": "log", "os": "os", "time": "time",
	"net": "net", "http": "net/http", "httptest": "net/http/httptest", "testing": "testing", "synctest": "testing/synctest",
	"strings": "strings", "strconv": "strconv",
	"curlew": "curlew.example/curlew", "frame": "curlew.example/curlew/frame", "wstest": "curlew.example/curlew/wstest",
	"conform": "curlew.example/curlew/conform", "fallback": "curlew.example/curlew/fallback",
}

var qualifier = regexp.MustCompile(`\b([a-z]+)\.[A-Z]`)

// program makes a file of a block. What is no file by itself becomes the body of
// a function, or, if it has functions, gets just its imports.
func program(b block) string {
	if strings.Contains("\n"+b.text, "\npackage ") {
		return b.text
	}
	var s strings.Builder
	s.WriteString("package snippet\n")
	seen := map[string]bool{}
	for _, m := range qualifier.FindAllStringSubmatch(b.text, -1) {
		if p, ok := imports[m[1]]; ok && !seen[p] {
			seen[p] = true
			fmt.Fprintf(&s, "import %q\n", p)
		}
	}
	if strings.Contains("\n"+b.text, "\nfunc ") {
		s.WriteString(b.text)
	} else {
		// With what a snippet in the middle of a program finds around it.
		result := ""
		if strings.Contains(b.text, "return err") {
			result = "error "
		}
		ctx := ""
		if strings.Contains(b.text, "ctx") {
			s.WriteString("import \"context\"\n")
			ctx = "ctx context.Context"
		}
		fmt.Fprintf(&s, "func _(%s) %s{\n%s}\n", ctx, result, b.text)
	}
	return s.String()
}

// elsewhere has the pages whose Go blocks a test of another module compiles and
// runs.
var elsewhere = map[string]string{"docs/embedding.md": "server/embedding_page_test.go: TestEmbeddingPage"}

// TestGo vets every Go block, as a stranger's module that requires the library.
func TestGo(t *testing.T) {
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	all := blocks(t, "go")
	if len(all) == 0 {
		t.Fatal("no Go blocks: where is the README's server?")
	}
	write("go.mod", "module stranger.example\n\ngo 1.26\n\nrequire curlew.example/curlew v0.0.0\n\nreplace curlew.example/curlew => "+abs+"\n")
	for page, where := range elsewhere {
		file, text, _ := strings.Cut(where, ": ")
		if !contains(t, file, "func "+text) {
			t.Errorf("%s is said to be run by %s, which is not there", page, where)
		}
	}
	for i, b := range all {
		if elsewhere[b.page] != "" {
			continue
		}
		name := "snippet.go"
		if strings.Contains(b.text, "*testing.T") {
			name = "snippet_test.go"
		}
		write(fmt.Sprintf("b%d/%s", i, name), program(b))
		t.Logf("b%d is %s", i, b)
	}
	cmd := exec.Command("go", "vet", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}

// TestShell: every command on a page is one that is tested, see commands.
func TestShell(t *testing.T) {
	used := map[string]bool{}
	for _, b := range blocks(t, "sh") {
		for i, line := range strings.Split(b.text, "\n") {
			line, _, _ = strings.Cut(line, " #")
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if _, ok := commands[line]; !ok {
				t.Errorf("%s:%d: %q: no test is known to run it; add both to commands", b.page, b.line+i, line)
			}
			used[line] = true
		}
	}
	for line, where := range commands {
		if !used[line] {
			t.Errorf("%q is on no page any more", line)
		}
		file, text, _ := strings.Cut(where, ": ")
		if !contains(t, file, text) {
			t.Errorf("%q is said to be run by %q, which is not there", line, where)
		}
	}
}

// contains reports whether one of the files has the text.
func contains(t *testing.T, pattern, text string) bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && strings.Contains(string(b), text) {
			return true
		}
	}
	return false
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

// TestLinks: links within the repository lead to a file.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := filepath.Join(root, filepath.Dir(filepath.FromSlash(page)), filepath.FromSlash(m[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", page, m[1], err)
			}
		}
	}
}
