package site

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPages: every site that stands on a page of ours is one, to the parser and to
// the schema.
func TestPages(t *testing.T) {
	own := []string{"websock", "status"} // of the program of docs/embedding.md
	s := compileSchema(t, Schema(own...))
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	sites := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)```json5\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			if filepath.Base(page) == "convert.md" && !strings.HasPrefix(m[1], "// Made by curlew convert") {
				continue // what is translated
			}
			sites++
			if _, err := Parse("site.json5", []byte(m[1]), own...); err != nil {
				t.Errorf("%s: %v\n%s", page, err, m[1])
				continue
			}
			n, err := ParseNode("", []byte(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(n.Any()); err != nil {
				t.Errorf("%s: %v\n%s", page, err, m[1])
			}
		}
	}
	if sites < 15 {
		t.Errorf("%d sites", sites)
	}
}
