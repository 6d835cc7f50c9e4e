package server_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEmbeddingPage: the code of docs/embedding.md is that of the examples, which
// are run.
func TestEmbeddingPage(t *testing.T) {
	flat := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	trim := func(s string) string {
		var lines []string
		for line := range strings.SplitSeq(s, "\n") {
			lines = append(lines, strings.TrimSpace(line))
		}
		return strings.Join(lines, "\n")
	}
	examples := trim(flat("example_test.go"))
	blocks := regexp.MustCompile("(?s)```(?:go|json5)\n(.*?)```").FindAllStringSubmatch(flat("../docs/embedding.md"), -1)
	for _, b := range blocks {
		if !strings.Contains(examples, trim(b[1])) {
			t.Errorf("in no example:\n%s", b[1])
		}
	}
	if len(blocks) != 5 {
		t.Errorf("%d blocks of code", len(blocks))
	}
}
