package conform

import (
	"fmt"
	"io"
	"strings"
)

// A Diff is what changed between two reports.
type Diff struct {
	Before, After *Report
	Worse         []Change // the behaviour or the close is worse, whatever the other is
	Better        []Change // one is better, the other not worse
	New           []Change // without Before
	Gone          []Change // without After
	Same          int      // how many have the verdicts that they had
}

// A Change is one case.
type Change struct {
	ID            string
	Before, After *Finding
}

// Compare compares two reports of peers in the same role.
func Compare(before, after *Report) (*Diff, error) {
	if before.Role != after.Role {
		return nil, fmt.Errorf("conform: nothing to compare: one report is of a %s, the other of a %s", before.Role, after.Role)
	}
	d := &Diff{Before: before, After: after}
	b, a := before.Results, after.Results
	for len(a) > 0 || len(b) > 0 {
		var order int
		switch {
		case len(a) == 0:
			order = -1
		case len(b) == 0:
			order = 1
		default:
			order = CompareIDs(b[0].ID, a[0].ID)
		}
		switch {
		case order < 0:
			d.Gone = append(d.Gone, Change{ID: b[0].ID, Before: &b[0]})
			b = b[1:]
		case order > 0:
			d.New = append(d.New, Change{ID: a[0].ID, After: &a[0]})
			a = a[1:]
		default:
			d.add(Change{a[0].ID, &b[0], &a[0]})
			a, b = a[1:], b[1:]
		}
	}
	return d, nil
}

func (d *Diff) add(c Change) {
	switch b, a := c.Before, c.After; {
	case a.Behavior > b.Behavior || a.Close > b.Close:
		d.Worse = append(d.Worse, c)
	case a.Behavior < b.Behavior || a.Close < b.Close:
		d.Better = append(d.Better, c)
	default:
		d.Same++
	}
}

// WriteText writes the changes for a terminal, the worse ones with what was seen.
func (d *Diff) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "before: %s, %s\nafter:  %s, %s\n", visible(d.Before.Agent), d.Before.Sum(), visible(d.After.Agent), d.After.Sum())
	for _, part := range []struct {
		title   string
		changes []Change
	}{{"worse", d.Worse}, {"better", d.Better}, {"new", d.New}, {"gone", d.Gone}} {
		if len(part.changes) > 0 {
			fmt.Fprintf(&b, "\n%s:\n", part.title)
		}
		for _, c := range part.changes {
			c.text(&b)
		}
	}
	fmt.Fprintf(&b, "\n%d worse, %d better, %d new, %d gone, %d the same\n", len(d.Worse), len(d.Better), len(d.New), len(d.Gone), d.Same)
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *Change) text(b *strings.Builder) {
	f, verdict := c.After, ""
	switch {
	case c.Before == nil:
		verdict = f.verdictText()
	case f == nil:
		f = c.Before
		verdict = "was " + f.verdictText()
	default:
		verdict = c.Before.verdictText() + " -> " + f.verdictText()
	}
	b.WriteString(strings.TrimRight(fmt.Sprintf("  %s  %s  %s", c.ID, verdict, visible(f.Title)), " ") + "\n")
	if c.After != nil && f.Verdict() >= NonStrict {
		fmt.Fprintf(b, "    seen: %s\n", visible(f.Note))
	}
}
