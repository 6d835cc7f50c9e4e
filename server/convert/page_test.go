package convert

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPage: the examples of docs/convert.md are what is made of them.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/convert.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		blocks := regexp.MustCompile("(?s)```(?:text|json5)\n(.*?)```").FindAllStringSubmatch(section, -1)
		if len(blocks) == 0 {
			continue
		}
		title, _, _ := strings.Cut(section, "\n")
		name := title[strings.LastIndexByte(title, ' ')+1:]
		if len(blocks) != 2 {
			t.Errorf("%s: %d blocks, not a source and a result", title, len(blocks))
			continue
		}
		got, err := File(name, []byte(blocks[0][1]))
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		accepted(t, title, got)
		if string(got) != blocks[1][1] {
			t.Errorf("%s: this is what becomes of it:\n%s", title, got)
		}
		examples++
	}
	if examples != 2 {
		t.Errorf("%d examples", examples)
	}
}
