package floors

import (
	"go/ast"
	"go/token"
	"sort"
	"strings"
	"testing"
)

// A name is an exported identifier of the root package: "Dial", "Conn.Read".
type name struct {
	where string
	kind  token.Token // FUNC, TYPE, VAR, CONST
	doc   bool
}

// surface reads the exported names of the package in dir.
func surface(t *testing.T, dir string) map[string]name {
	t.Helper()
	names := map[string]name{}
	for _, f := range tree(t) {
		if f.dir != dir || f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if id, ok := funcName(d); ok {
					names[id] = name{f.pos(d), token.FUNC, d.Doc != nil}
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							names[s.Name.Name] = name{f.pos(s), token.TYPE, d.Doc != nil || s.Doc != nil}
						}
					case *ast.ValueSpec:
						for _, id := range s.Names {
							if id.IsExported() {
								names[id.Name] = name{f.pos(s), d.Tok, d.Doc != nil || s.Doc != nil || s.Comment != nil || enumeration(d)}
							}
						}
					}
				}
			}
		}
	}
	return names
}

// enumeration reports whether d lists the values of a type, which says what they
// are.
func enumeration(d *ast.GenDecl) bool {
	s, ok := d.Specs[0].(*ast.ValueSpec)
	return ok && d.Tok == token.CONST && s.Type != nil
}

// funcName is the exported name of a function or method.
func funcName(d *ast.FuncDecl) (string, bool) {
	if !d.Name.IsExported() {
		return "", false
	}
	if d.Recv == nil {
		return d.Name.Name, true
	}
	typ := d.Recv.List[0].Type
	if p, ok := typ.(*ast.StarExpr); ok {
		typ = p.X
	}
	if id, ok := typ.(*ast.Ident); ok && id.IsExported() {
		return id.Name + "." + d.Name.Name, true
	}
	return "", false
}

// plain are the methods that interfaces of the standard library ask for; they
// need no words of their own.
var plain = map[string]bool{"Error": true, "Unwrap": true, "Is": true, "As": true, "String": true, "Network": true}

func method(id string) string {
	_, m, _ := strings.Cut(id, ".")
	return m
}

// TestSurface: the public face stays small enough to be read as a whole.
func TestSurface(t *testing.T) {
	const maxNames, maxMethods = 45, 18
	var top, conn []string
	for id, n := range surface(t, "") {
		if !n.doc && !plain[method(id)] {
			t.Errorf("%s: %s has no doc comment", n.where, id)
		}
		switch {
		case strings.HasPrefix(id, "Conn."):
			conn = append(conn, id)
		case !strings.Contains(id, ".") && n.kind != token.CONST:
			top = append(top, id)
		}
	}
	sort.Strings(top)
	sort.Strings(conn)
	if len(top) > maxNames {
		t.Errorf("%d exported names besides constants, at most %d: rare power is a lower package or an optional interface: %v", len(top), maxNames, top)
	}
	if len(conn) > maxMethods {
		t.Errorf("%d methods of Conn, at most %d: %v", len(conn), maxMethods, conn)
	}
	t.Logf("%d names, %d methods of Conn", len(top), len(conn))
}

// TestDocumented: in every package that users import, each exported name says
// what it is.
func TestDocumented(t *testing.T) {
	for _, dir := range []string{"frame", "wstest", "conform", "server"} {
		for id, n := range surface(t, dir) {
			if !n.doc && !plain[method(id)] {
				t.Errorf("%s: %s.%s has no doc comment", n.where, dir, id)
			}
		}
	}
}

// TestExamples: every verb of the root package has an Example that runs (with an
// Output comment): ExampleDial, ExampleConn_Read, or with a suffix.
func TestExamples(t *testing.T) {
	have := map[string]bool{}
	for _, f := range tree(t) {
		if f.dir != "" || !f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Example") {
				continue
			}
			if !runs(f.ast, fn) {
				t.Errorf("%s: %s has no Output comment: it is compiled but never run", f.pos(fn), fn.Name.Name)
			}
			have[exampleOf(fn.Name.Name)] = true
		}
	}
	for id, n := range surface(t, "") {
		if n.kind == token.FUNC && !plain[method(id)] && !have[id] {
			t.Errorf("%s: %s has no Example", n.where, id)
		}
	}
}

// exampleOf turns ExampleConn_Read_two into Conn.Read.
func exampleOf(fn string) string {
	parts := strings.Split(strings.TrimPrefix(fn, "Example"), "_")
	id := parts[0]
	if len(parts) > 1 && ast.IsExported(parts[1]) {
		id += "." + parts[1]
	}
	return id
}

// runs reports whether an example has an Output comment.
func runs(a *ast.File, fn *ast.FuncDecl) bool {
	for _, c := range a.Comments {
		if fn.Pos() <= c.Pos() && c.End() <= fn.End() {
			text := strings.ToLower(c.Text())
			if strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:") {
				return true
			}
		}
	}
	return false
}
