package floors

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// TestSleep: a test that sleeps is slow where the machine is quick and wrong
// where it is slow. In a synctest bubble sleeping costs nothing and is exact.
func TestSleep(t *testing.T) {
	for _, f := range tree(t) {
		if !f.test {
			continue
		}
		bubbles := bubbles(f.ast)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isCall(call, "time", "Sleep") {
				return true
			}
			for _, b := range bubbles {
				if b.Pos() <= call.Pos() && call.Pos() < b.End() {
					return true
				}
			}
			t.Errorf("%s: time.Sleep outside the function given to synctest.Test: wait for the event", f.pos(call))
			return true
		})
	}
}

// bubbles returns the calls of synctest.Test in a file, and those of a function
// inBubble, whose name promises one.
func bubbles(a *ast.File) []ast.Node {
	var found []ast.Node
	ast.Inspect(a, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name, _ := call.Fun.(*ast.Ident)
			if isCall(call, "synctest", "Test") || name != nil && name.Name == "inBubble" {
				found = append(found, call)
			}
		}
		return true
	})
	return found
}

func isCall(call *ast.CallExpr, pkg, name string) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// TestInit: what happens at import happens to everybody who imports.
func TestInit(t *testing.T) {
	for _, f := range tree(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init: build it where it is used", f.pos(fn))
			}
		}
	}
}

// TestSize: past these a file or a function has a seam. The limits are a little
// above what CONTRIBUTING.md asks for.
func TestSize(t *testing.T) {
	for _, f := range tree(t) {
		if f.lines > 600 {
			t.Errorf("%s has %d lines: look for the seam", f.name, f.lines)
		}
		if f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line; n > 120 {
				t.Errorf("%s: %s has %d lines: look for the seam", f.pos(fn), fn.Name.Name, n)
			}
		}
	}
}

// TestUnfinished: what is left for later is an issue, or not there at all.
func TestUnfinished(t *testing.T) {
	// Put together so that the test does not find itself.
	mark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	texts(t, func(name, text string) {
		for i, line := range strings.Split(text, "\n") {
			if m := mark.FindString(line); m != "" {
				t.Errorf("%s:%d: %s", name, i+1, m)
			}
		}
	}, ".go", ".js", ".mjs", ".css", ".html", ".sh", "Makefile", ".md")
}

// TestPackageComment: every package says what it is for, once.
func TestPackageComment(t *testing.T) {
	docs, packages := map[string]int{}, map[string]bool{}
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		packages[f.dir] = true
		if f.ast.Doc != nil {
			docs[f.dir]++
		}
	}
	for dir := range packages {
		if docs[dir] != 1 {
			t.Errorf("package in %q has %d package comments, want one", orRoot(dir), docs[dir])
		}
	}
}

// TestSkip: a test that cannot run says so through internal/testenv, which fails
// in CI.
func TestSkip(t *testing.T) {
	skips := map[string]bool{"Skip": true, "Skipf": true, "SkipNow": true}
	for _, f := range tree(t) {
		if !f.test || f.dir == "internal/testenv" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !skips[s.Sel.Name] {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && (x.Name == "t" || x.Name == "tb" || x.Name == "b") && !inFuzz(f.ast, call.Pos()) {
				t.Errorf("%s: %s.%s: use testenv.Missing, so that CI fails instead", f.pos(call), x.Name, s.Sel.Name)
			}
			return true
		})
	}
}

// inFuzz reports whether pos is in a fuzz target: there Skip refuses an input.
func inFuzz(a *ast.File, pos token.Pos) bool {
	for _, d := range a.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Pos() <= pos && pos < fn.End() {
			return strings.HasPrefix(fn.Name.Name, "Fuzz")
		}
	}
	return false
}
