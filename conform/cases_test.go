package conform

import (
	"strings"
	"testing"
)

// Every case can be named, found and understood, and stands where its ID says.
func TestCases(t *testing.T) {
	seen := make(map[string]bool)
	before := ""
	for _, c := range Cases() {
		if seen[c.ID] {
			t.Errorf("%s stands twice", c.ID)
		}
		seen[c.ID] = true
		if SectionTitle(c.ID) == "" || before != "" && CompareIDs(before, c.ID) >= 0 {
			t.Errorf("%s stands behind %s", c.ID, before)
		}
		before = c.ID
		if c.Title == "" || c.Rule == "" || !strings.HasPrefix(c.Spec, "RFC ") || len(c.Script) == 0 {
			t.Errorf("%s lacks something: title %q, rule %q, spec %q, %d steps", c.ID, c.Title, c.Rule, c.Spec, len(c.Script))
		}
		if strings.ContainsAny(c.Title+c.Rule+c.Spec, "\r\n\t") || strings.HasSuffix(c.Title, ".") {
			t.Errorf("%s: the title or the rule is more than a line: %q, %q", c.ID, c.Title, c.Rule)
		}
	}
}
