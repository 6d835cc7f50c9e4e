package conform

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What a stranger may rely on in a case.
func TestCases(t *testing.T) {
	all := Cases()
	if len(all) < 600 {
		t.Errorf("%d cases, promised are 600", len(all))
	}
	seen := make(map[string]bool)
	before := make(map[string]string) // the ID before, by section
	last := 0
	for _, c := range all {
		if seen[c.ID] {
			t.Errorf("%s: there are two", c.ID)
		}
		seen[c.ID] = true
		parts := strings.Split(c.ID, ".")
		for _, p := range parts {
			if n, err := strconv.Atoi(p); err != nil || n < 1 || strconv.Itoa(n) != p {
				t.Errorf("%s: an ID is numbers with dots", c.ID)
			}
		}
		section := parts[0]
		if SectionTitle(c.ID) == "" {
			t.Errorf("%s: no section has this number", c.ID)
		}
		if n, _ := strconv.Atoi(section); n < last {
			t.Errorf("%s: stands behind section %d", c.ID, last)
		} else {
			last = n
		}
		if prev := before[section]; prev != "" && CompareIDs(prev, c.ID) >= 0 {
			t.Errorf("%s stands behind %s", c.ID, prev)
		}
		before[section] = c.ID
		if len(parts) < 2 || c.Title == "" || c.Rule == "" {
			t.Errorf("%s: title %q, rule %q", c.ID, c.Title, c.Rule)
		}
		if !strings.HasPrefix(c.Spec, "RFC ") {
			t.Errorf("%s: spec %q names no RFC", c.ID, c.Spec)
		}
		for _, s := range []string{c.Title, c.Rule, c.Spec} {
			if strings.HasSuffix(s, ".") || s != strings.TrimSpace(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
				t.Errorf("%s: %q is to be printed in a line, without a full stop", c.ID, s)
			}
		}
		if c.Roles == 0 || c.Roles&^ForBoth != 0 || len(c.Script) == 0 {
			t.Errorf("%s: roles %v, %d steps", c.ID, c.Roles, len(c.Script))
		}
		if c.Deflate != nil && (c.Roles&ForServers != 0 && c.Deflate.Offer == "" || c.Roles&ForClients != 0 && c.Deflate.Answer == "") {
			t.Errorf("%s: half an agreement: %+v", c.ID, c.Deflate)
		}
	}
	for _, s := range sections {
		if before[strconv.Itoa(s.number)] == "" {
			t.Errorf("section %d, %s, has no cases", s.number, s.title)
		}
	}
}

// A prefix of an ID never is an ID: a pattern means one of both.
func TestNoCaseIsAGroup(t *testing.T) {
	all := Cases()
	ids := make(map[string]bool)
	for _, c := range all {
		ids[c.ID] = true
	}
	for _, c := range all {
		for i, b := range c.ID {
			if b == '.' && ids[c.ID[:i]] {
				t.Errorf("%s and %s", c.ID[:i], c.ID)
			}
		}
	}
}

func idsOf(cases []*Case) string {
	var ids []string
	for _, c := range cases {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, " ")
}

func TestSelect(t *testing.T) {
	var all []*Case
	for _, id := range []string{"1.1.1", "1.1.2", "1.2.1", "1.10.1", "2.1", "7.1.3", "7.2.3", "10.1.1"} {
		all = append(all, &Case{ID: id})
	}
	for _, v := range []struct{ patterns, want string }{
		{"", "1.1.1 1.1.2 1.2.1 1.10.1 2.1 7.1.3 7.2.3 10.1.1"},
		{"1", "1.1.1 1.1.2 1.2.1 1.10.1"}, // not 10
		{"1.1", "1.1.1 1.1.2"},            // not 1.10
		{"1.1.2", "1.1.2"},
		{"7.*.3", "7.1.3 7.2.3"},
		{"7.1.3 1.1.1 7.1.3", "1.1.1 7.1.3"}, // in their own order
		{"-1 -7", "2.1 10.1.1"},
		{"1 -1.1", "1.2.1 1.10.1"},
		{"1 -1.1 1.1.1", "1.1.1 1.2.1 1.10.1"}, // the last one counts
		{"-1.1 1", "1.1.1 1.1.2 1.2.1 1.10.1"},
		{"[12]*", "1.1.1 1.1.2 1.2.1 1.10.1 2.1 10.1.1"},
	} {
		got, err := Select(all, strings.Fields(v.patterns))
		if err != nil || idsOf(got) != v.want {
			t.Errorf("%q: %s, %v, want %s", v.patterns, idsOf(got), err, v.want)
		}
	}
	for _, p := range []string{"3", "1.1.3", "1.", "-8", "[", "1.1.1.1", ""} {
		if got, err := Select(all, []string{p}); err == nil {
			t.Errorf("%q: %s, want an error", p, idsOf(got))
		}
	}
	if idsOf(all) != "1.1.1 1.1.2 1.2.1 1.10.1 2.1 7.1.3 7.2.3 10.1.1" {
		t.Error("the list that was selected from has changed")
	}
}

func TestFor(t *testing.T) {
	all := []*Case{{ID: "1", Roles: ForBoth}, {ID: "2", Roles: ForServers}, {ID: "3", Roles: ForClients}}
	for r, want := range map[Roles]string{ForServers: "1 2", ForClients: "1 3", ForBoth: "1 2 3"} {
		if got := idsOf(For(all, r)); got != want {
			t.Errorf("%v: %s, want %s", r, got, want)
		}
	}
}

func TestCompareIDs(t *testing.T) {
	sorted := []string{"1", "1.1", "1.1.1", "1.2", "1.10", "1.10.1", "2", "9.9", "10", "10.1", "a", "a.1"}
	for i, a := range sorted {
		for j, b := range sorted {
			want := 0
			if i != j {
				want = 1
			}
			if i < j {
				want = -1
			}
			if got := CompareIDs(a, b); got != want {
				t.Errorf("%s, %s: %d, want %d", a, b, got, want)
			}
		}
	}
	results := []Result{{ID: "10.1"}, {ID: "5.10", Note: "a"}, {ID: "5.2"}, {ID: "5.10", Note: "b"}}
	Sort(results)
	if got := []string{results[0].ID, results[1].Note, results[2].Note, results[3].ID}; !slices.Equal(got, []string{"5.2", "a", "b", "10.1"}) {
		t.Error(got)
	}
}

func TestWorst(t *testing.T) {
	for _, v := range []struct {
		results []Result
		want    Verdict
	}{
		{nil, OK},
		{[]Result{{}, {Behavior: Informational}}, Informational},
		{[]Result{{Close: Failed}, {Behavior: NonStrict}}, Failed},
		{[]Result{{Close: Unimplemented}, {Behavior: NonStrict}}, NonStrict},
	} {
		if got := Worst(v.results); got != v.want {
			t.Errorf("%v: %v, want %v", v.results, got, v.want)
		}
	}
}

func TestVerdictText(t *testing.T) {
	for v := OK; v <= Failed; v++ {
		p, err := v.MarshalText()
		if err != nil || string(p) != v.String() {
			t.Errorf("%v: %q, %v", v, p, err)
		}
		var back Verdict
		if err := back.UnmarshalText([]byte(strings.ToLower(string(p)))); err != nil || back != v {
			t.Errorf("%q: %v, %v", p, back, err)
		}
	}
	var v Verdict
	if err := v.UnmarshalText([]byte("fine")); err == nil {
		t.Error("no error")
	}
	if Verdict(9).String() != "Verdict(9)" {
		t.Error(Verdict(9))
	}
}
