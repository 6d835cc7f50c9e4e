package conform

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteText writes a summary for a terminal: counts per section, then what was
// found, the worst last. Of the cases in which the same rule was broken the first
// is shown. With verbose all are, traces are whole, and of all cases that have one.
func (r *Report) WriteText(w io.Writer, verbose bool) error {
	var b strings.Builder
	r.textHead(&b)
	r.textTable(&b)
	if verbose {
		for i := range r.Results {
			if f := &r.Results[i]; f.Verdict() > OK || len(f.Trace) > 0 {
				f.text(&b, true)
			}
		}
	} else {
		for v := Informational; v <= Failed; v++ {
			r.textGroups(&b, v)
		}
	}
	b.WriteString("\n" + r.Sum() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) textHead(b *strings.Builder) {
	fmt.Fprintf(b, "%s %s", r.Role, visible(r.Agent))
	if r.Address != r.Agent {
		fmt.Fprintf(b, " at %s", visible(r.Address))
	}
	fmt.Fprintf(b, ", seed %d", r.Seed)
	if r.Scale > 1 {
		fmt.Fprintf(b, ", times × %d", r.Scale)
	}
	if r.Limit > 0 {
		fmt.Fprintf(b, ", limit %s", quantity(r.Limit))
	}
	b.WriteString("\n\n")
}

// textTable is the counts, a line per section. Columns without a number are left
// out.
func (r *Report) textTable(b *strings.Builder) {
	var columns []Verdict
	for v := range Verdict(len(verdicts)) {
		if r.Counts[v] > 0 {
			columns = append(columns, v)
		}
	}
	head := fmt.Sprintf("  %-40s %5s", "", "cases")
	for _, v := range columns {
		head += fmt.Sprintf(" %*s", wide(v), v)
	}
	b.WriteString(head + "\n")
	for _, c := range r.chapters() {
		line := fmt.Sprintf("  %2s  %-36s %5d", c.number, c.title, len(c.findings))
		for _, v := range columns {
			number := ""
			if n := c.counts[v]; n > 0 {
				number = fmt.Sprint(n)
			}
			line += fmt.Sprintf(" %*s", wide(v), number)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// wide is the width of a verdict's column.
func wide(v Verdict) int { return max(4, len(v.String())) }

// textGroups are the findings with a verdict. Those for which the same was seen, or
// from NON-STRICT on those that broke the same rule, stand together.
func (r *Report) textGroups(b *strings.Builder, v Verdict) {
	var groups [][]*Finding
	for i := range r.Results {
		f := &r.Results[i]
		if f.Verdict() != v {
			continue
		}
		at := slices.IndexFunc(groups, func(g []*Finding) bool {
			same := g[0].Note == f.Note
			if v >= NonStrict && f.Rule != "" {
				same = g[0].Rule == f.Rule
			}
			return same && g[0].verdictText() == f.verdictText()
		})
		if at < 0 {
			at = len(groups)
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], f)
	}
	for _, g := range groups {
		if v < NonStrict {
			fmt.Fprintf(b, "\n%s  %s\n  seen: %s\n", names(g), g[0].verdictText(), visible(g[0].Note))
			continue
		}
		g[0].text(b, false)
		if len(g) > 1 {
			fmt.Fprintf(b, "  so, too: %s\n", names(g[1:]))
		}
	}
}

// names are the IDs of findings, or the first of many.
func names(g []*Finding) string {
	const most = 8
	more := ""
	if n := len(g) - most; n > 1 {
		g, more = g[:most], fmt.Sprintf(" and %d more", n)
	}
	var ids []string
	for _, f := range g {
		ids = append(ids, f.ID)
	}
	return strings.Join(ids, " ") + more
}

// text is one finding.
func (f *Finding) text(b *strings.Builder, verbose bool) {
	fmt.Fprintf(b, "\n%s  %s  %s\n", f.ID, f.verdictText(), visible(f.Title))
	if f.Note != "" {
		fmt.Fprintf(b, "  seen: %s\n", visible(f.Note))
	}
	if f.Rule != "" {
		fmt.Fprintf(b, "  rule: %s\n", visible(f.Rule))
	}
	trace := f.Trace
	if !verbose {
		trace = shorten(trace, 2, 8)
	}
	for _, l := range trace {
		fmt.Fprintf(b, "  %s\n", visible(l.String()))
	}
}

// Sum says in one line how many cases came out how.
func (r *Report) Sum() string {
	var parts []string
	for v := range Verdict(len(verdicts)) {
		if n := r.Counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	cases := fmt.Sprintf("%d cases", r.Planned)
	if n := len(r.Results); n < r.Planned {
		cases = fmt.Sprintf("%d of %d cases were run", n, r.Planned)
	}
	if len(parts) == 0 {
		return cases
	}
	return cases + ": " + strings.Join(parts, ", ")
}
