package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCounterparts: the tests that docs/counterparts.md names exist.
func TestCounterparts(t *testing.T) {
	known := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Example)\w+)\(`)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() != ".." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range function.FindAllStringSubmatch(string(b), -1) {
			known[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, named := 0, 0
	for i, row := range strings.Split(read(t, "docs/counterparts.md"), "\n") {
		if !strings.HasPrefix(row, "| ") || strings.HasPrefix(row, "|--") || strings.HasSuffix(row, "| shown by |") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		for _, m := range regexp.MustCompile("`((?:Test|Example)\\w*)`").FindAllStringSubmatch(cells[len(cells)-1], -1) {
			named++
			if !known[m[1]] {
				t.Errorf("docs/counterparts.md:%d: there is no %s", i+1, m[1])
			}
		}
	}
	if rows < 100 || named < 100 {
		t.Errorf("%d rows name %d tests", rows, named)
	}
}
