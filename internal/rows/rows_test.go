package rows

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// ids finds IDs in what a test is called; in the name of a function "_" stands for
// the hyphen.
var ids = func() *regexp.Regexp {
	var prefixes []string
	for _, f := range Families {
		if p, ok := strings.CutSuffix(f.ID, "-"); ok {
			prefixes = append(prefixes, p+"[-_]")
		} else if f.ID != "U" { // which other words begin with
			prefixes = append(prefixes, f.ID)
		}
	}
	return regexp.MustCompile(`(?:` + strings.Join(prefixes, "|") + `)[0-9]+|(?:^|_| )U[0-9]+`)
}()

// begins is a string that begins with IDs.
var begins = regexp.MustCompile(`^(?:(?:[A-Z]{1,2}|H[123]-)[0-9]+(?:, | |$))+`)

func found(in string) (list []string) {
	for _, id := range ids.FindAllString(in, -1) {
		list = append(list, strings.ReplaceAll(strings.Trim(id, "_ "), "_", "-"))
	}
	return list
}

// named returns the tests of the repository that name each ID.
func named(t *testing.T) map[string][]string {
	root := filepath.Join("..", "..")
	tests := make(map[string][]string)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != root && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata" || base == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") || filepath.Base(filepath.Dir(name)) == "rows" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				for _, id := range found(f.Name.Name[len("Test"):]) {
					tests[id] = append(tests[id], f.Name.Name)
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					for _, id := range found(begins.FindString(s)) {
						tests[id] = append(tests[id], strconv.Quote(s))
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

func TestEveryRow(t *testing.T) {
	tests := named(t)
	known := make(map[string]bool)
	all, with := 0, 0
	for _, f := range Families {
		known[f.ID] = true
		for _, id := range f.IDs() {
			all++
			known[id] = true
			if len(tests[id]) > 0 {
				with++
			} else if Without[id] == "" && Without[f.ID] == "" {
				t.Errorf("%s (%s): no test names it, and nothing says why", id, f.About)
			}
		}
	}
	for id, list := range tests {
		if !known[id] && id != "HS256" && id != "HS384" && id != "HS512" { // algorithms of tokens
			t.Errorf("there is no row %s: %s", id, strings.Join(list, ", "))
		}
	}
	for id, why := range Without {
		if !known[id] || why == "" {
			t.Errorf("there is no row %s that is without a test because %q", id, why)
		}
	}
	if all != 385 {
		t.Errorf("%d rows, there are 385", all)
	}
	t.Logf("%d of %d rows have tests", with, all)
}

func TestFound(t *testing.T) {
	for in, want := range map[string]string{
		"SF1_WaysOut": "SF1", "H1_9Pipelined": "H1-9", "HS31HS32HS33UnfinishedHeads": "HS31 HS32 HS33", "U11_Exec": "U11", "FR3_U1_Both": "FR3 U1",
		"CF11LogOfStrangersHS45Floods": "CF11 HS45", "HTTP2": "", "FUSE3": "", "UTF8": "",
	} {
		if got := strings.Join(found(in), " "); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"HS4 method": "HS4", "H1-16 CONNECT": "H1-16", "PD7, PD8 x": "PD7 PD8", "a HS4": "", "CF1": "CF1", "U8 text": "U8"} {
		if got := strings.Join(found(begins.FindString(in)), " "); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
