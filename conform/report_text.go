package conform

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteText writes a summary for a terminal: counts per section, then what was
// found. With verbose traces are whole, and of all cases that have one.
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
		r.textGroups(&b)
		for i := range r.Results {
			if f := &r.Results[i]; f.Verdict() >= NonStrict {
				f.text(&b, false)
			}
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

// textGroups are the findings that are no failures: those for which the same was
// seen stand together.
func (r *Report) textGroups(b *strings.Builder) {
	type group struct {
		verdict string
		note    string
		ids     []string
	}
	var groups []*group
	for i := range r.Results {
		f := &r.Results[i]
		if v := f.Verdict(); v == OK || v >= NonStrict {
			continue
		}
		at := slices.IndexFunc(groups, func(g *group) bool { return g.verdict == f.verdictText() && g.note == f.Note })
		if at < 0 {
			at = len(groups)
			groups = append(groups, &group{verdict: f.verdictText(), note: f.Note})
		}
		groups[at].ids = append(groups[at].ids, f.ID)
	}
	for _, g := range groups {
		const most = 8
		ids := g.ids
		more := ""
		if n := len(ids) - most; n > 1 {
			ids, more = ids[:most], fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(b, "\n%s  %s\n  seen: %s\n", strings.Join(ids, " ")+more, g.verdict, visible(g.note))
	}
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
