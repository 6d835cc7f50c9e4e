package floors

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "curlew.example/curlew"

// root is the repository, seen from this folder.
var root = filepath.Join("..", "..")

// A file is one Go file of the repository.
type file struct {
	name  string // slash-separated, from the root
	dir   string // of name, "" for the root
	test  bool
	lines int
	ast   *ast.File
	fset  *token.FileSet
	text  string
}

func (f *file) pos(n ast.Node) string {
	p := f.fset.Position(n.Pos())
	return f.name + ":" + strconv.Itoa(p.Line)
}

// texts calls f for every text file of the repository with one of the suffixes.
func texts(t *testing.T, f func(name, text string), suffixes ...string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			base := path.Base(rel)
			if rel != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata" || rel == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		for _, s := range suffixes {
			if strings.HasSuffix(rel, s) {
				b, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				f(rel, string(b))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tree returns every Go file of all modules. They are parsed once.
func tree(t *testing.T) []*file {
	t.Helper()
	parsed.Do(func() { parsed.files = parse(t) })
	if len(parsed.files) < 5 {
		t.Fatalf("only %d Go files below %s", len(parsed.files), root)
	}
	return parsed.files
}

var parsed struct {
	sync.Once
	files []*file
}

func parse(t *testing.T) []*file {
	t.Helper()
	var all []*file
	fset := token.NewFileSet()
	texts(t, func(name, text string) {
		a, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		dir := path.Dir(name)
		if dir == "." {
			dir = ""
		}
		all = append(all, &file{
			name: name, dir: dir, test: strings.HasSuffix(name, "_test.go"),
			lines: strings.Count(text, "\n"), ast: a, fset: fset, text: text,
		})
	}, ".go")
	return all
}
