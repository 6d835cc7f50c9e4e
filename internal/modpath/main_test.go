package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRename(t *testing.T) {
	dir := t.TempDir()
	files := map[string][2]string{
		"go.mod":         {"module old.example/thing\n", "module github.com/you/thing\n"},
		"server/go.mod":  {"module old.example/thing/server\n\nreplace old.example/thing => ../\n", "module github.com/you/thing/server\n\nreplace github.com/you/thing => ../\n"},
		"server/main.go": {"import \"old.example/thing/frame\"\n", "import \"github.com/you/thing/frame\"\n"},
		"README.md":      {"old.example/thing. notold.example/thing old.example/things old.example/thing old.example/thing", "github.com/you/thing. notold.example/thing old.example/things github.com/you/thing github.com/you/thing"},
		"a.bin":          {"old.example/thing\x00", "old.example/thing\x00"},
		".git/config":    {"old.example/thing", "old.example/thing"},
	}
	for name, c := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(c[0]), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	n, err := rename(dir, "github.com/you/thing")
	if n != 4 || err != nil {
		t.Errorf("rename = %d, %v; want 4 files", n, err)
	}
	for name, c := range files {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != c[1] {
			t.Errorf("%s: %q, %v; want %q", name, b, err, c[1])
		}
	}
	for _, bad := range []string{"", "thing", "https://github.com/you/thing", "github.com/you/", "github.com//x", "github.com/a b"} {
		if _, err := rename(dir, bad); err == nil {
			t.Errorf("rename to %q: no error", bad)
		}
	}
}

// TestRepository renames a copy of the library and type-checks it.
func TestRepository(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata" || rel == "bench"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o777)
		case !strings.HasSuffix(rel, ".go") && !strings.HasPrefix(d.Name(), "go.") && filepath.Base(filepath.Dir(rel)) != "page": // which is embedded
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), b, 0o666)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rename(dir, "github.com/you/curlew"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "vet", ".", "./frame")
	cmd.Dir = dir
	// By itself: go.work names folders that were not copied.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
