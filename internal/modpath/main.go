// Command modpath gives the modules of this repository another path, everywhere
// it is written:
//
//	go run ./internal/modpath github.com/you/curlew
//
// curlew.example is a reserved name: nobody can publish there. See
// docs/decisions/0001-module-path.md.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/modpath NEW/PATH   (in the root of the repository)")
		os.Exit(2)
	}
	n, err := rename(".", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "modpath:", err)
		os.Exit(1)
	}
	fmt.Printf("%d files changed\n", n)
	if os.Args[1] > "net/http" {
		fmt.Println("note: a path that sorts behind net/http cannot switch on WebSockets over HTTP/2; see docs/decisions/0001-module-path.md")
	}
}

var (
	moduleLine = regexp.MustCompile(`(?m)^module (\S+)$`)

	// The form of a module path that can be published: a host with a dot, then
	// elements of plain characters.
	valid = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)
)

// rename replaces the path of the module in dir, and of those below it, by path
// in every text file that git would track. It returns how many files changed.
func rename(dir, path string) (int, error) {
	if !valid.MatchString(path) {
		return 0, fmt.Errorf("%q is not a module path: a host with a dot, then /elements", path)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return 0, err
	}
	m := moduleLine.FindSubmatch(mod)
	if m == nil {
		return 0, errors.New("go.mod has no module line")
	}
	old := string(m[1])
	// Not inside a longer name.
	word := regexp.MustCompile(`(^|[^A-Za-z0-9._~/-])` + regexp.QuoteMeta(old) + `($|[^A-Za-z0-9_~-])`)
	changed := 0
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".deps" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil || bytes.IndexByte(b, 0) >= 0 {
			return err
		}
		// Twice: a match takes the character behind it, which may be the one
		// before the next.
		now := word.ReplaceAll(b, []byte("${1}"+path+"${2}"))
		now = word.ReplaceAll(now, []byte("${1}"+path+"${2}"))
		if bytes.Equal(now, b) {
			return nil
		}
		changed++
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(name, now, info.Mode().Perm())
	})
	return changed, err
}
