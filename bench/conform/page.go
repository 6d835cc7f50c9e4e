package main

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"io"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"curlew.example/curlew/conform"
)

// The texts of the page that are written by hand.
//
//go:embed text/*.md
var texts embed.FS

func text(name string) string {
	b, err := texts.ReadFile("text/" + name + ".md")
	if err != nil {
		return ""
	}
	return string(b)
}

// writePage writes the page: the matrix, then for each peer what was found and why.
func writePage(w io.Writer, runs []*run, cases []*conform.Case) error {
	var b bytes.Buffer
	b.WriteString("<!-- Written by `make conform-peers` (bench/conform); change that, not this. -->\n\n# Conformance\n\n")
	b.WriteString(strings.NewReplacer(
		"{cases}", strconv.Itoa(len(cases)),
		"{servers}", strconv.Itoa(len(conform.For(cases, conform.ForServers))),
		"{clients}", strconv.Itoa(len(conform.For(cases, conform.ForClients))),
	).Replace(text("head")))
	b.WriteString("\n## Who was measured\n\n")
	whoTable(&b, runs)
	for _, role := range []string{"server", "client"} {
		fmt.Fprintf(&b, "\n## The matrix: %ss\n\n", role)
		matrix(&b, runs, role, cases)
	}
	b.WriteString("\n" + text("known"))
	for i := range peers {
		peerFindings(&b, &peers[i], runs)
	}
	_, err := b.WriteTo(w)
	return err
}

func whoTable(b *bytes.Buffer, runs []*run) {
	if len(runs) > 0 {
		fmt.Fprintf(b, "Measured on %s with %s on %s/%s; all but websockets in the newest version that could be had then.\n\n",
			runs[0].When.Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	}
	b.WriteString("| name | library | version | how it is used |\n|---|---|---|---|\n")
	var last *peer
	for _, r := range runs {
		if r.peer != last {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.peer.name, r.peer.what, r.version(), r.peer.how)
		}
		last = r.peer
	}
}

// matrix has a line for each section and a column for each peer.
func matrix(b *bytes.Buffer, runs []*run, role string, cases []*conform.Case) {
	runs = slices.DeleteFunc(slices.Clone(runs), func(r *run) bool { return r.role != role })
	b.WriteString("| section |")
	for _, r := range runs {
		fmt.Fprintf(b, " %s |", r.peer.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(runs)) + "\n")
	line := func(name string, of func(r *run) string) {
		fmt.Fprintf(b, "| %s |", name)
		for _, r := range runs {
			fmt.Fprintf(b, " %s |", of(r))
		}
		b.WriteByte('\n')
	}
	for n := 1; ; n++ {
		number := strconv.Itoa(n)
		title := conform.SectionTitle(number)
		if title == "" {
			break
		}
		line(number+" "+title, func(r *run) string { return r.tally(number).String() })
	}
	line("**all**", func(r *run) string { return r.tally("").String() })
	line("dies of a case", func(r *run) string { return cmp.Or(strings.Trim(strconv.Itoa(r.deaths()), "0"), "–") })
}

// A tally counts findings by verdict; documented limits apart.
type tally struct {
	n      [conform.Failed + 1]int
	limits int
}

func (r *run) tally(section string) (t tally) {
	for i := range r.Results {
		f := &r.Results[i]
		if head, _, _ := strings.Cut(f.ID, "."); section != "" && head != section {
			continue
		}
		if k := explain(r, f); k != nil && k.limit && f.Verdict() > conform.Informational {
			t.limits++
		} else {
			t.n[f.Verdict()]++
		}
	}
	return t
}

// String has the OK ones as a number, the others with their sign.
func (t tally) String() string {
	words := []string{strconv.Itoa(t.n[conform.OK])}
	add := func(n int, sign string) {
		if n > 0 {
			words = append(words, fmt.Sprintf(sign, n))
		}
	}
	add(t.n[conform.Informational], "%di")
	add(t.limits, "%dd")
	add(t.n[conform.Unimplemented], "%du")
	add(t.n[conform.NonStrict], "%dn")
	add(t.n[conform.Failed], "**%dF**")
	if len(words) > 1 && words[0] == "0" {
		words = words[1:]
	}
	return strings.Join(words, " ")
}

// A group is findings that are alike.
type group struct {
	reason  *reason
	verdict conform.Verdict // the worst
	note    string
	rules   map[string]bool
	ids     map[string][]string // by role
}

// varies is what may differ between notes that say the same.
var varies = regexp.MustCompile(`permessage-deflate[-a-z_;,=0-9 ]*|(text|binary) \d+ \S+|"(?:[^"\\]|\\.)*"…?|\b[0-9a-f]{4,}…?|\d+`)

// groups puts together what has the same reason, or else looks the same.
func groups(runs []*run) []*group {
	byKey := make(map[string]*group)
	var all []*group
	for _, r := range runs {
		for i := range r.Results {
			f := &r.Results[i]
			if f.Verdict() == conform.OK {
				continue
			}
			k := explain(r, f)
			key := varies.ReplaceAllString(f.Note, "#") + f.Rule + f.Verdict().String()
			if k != nil {
				key = k.what
			}
			g := byKey[key]
			if g == nil {
				g = &group{reason: k, note: f.Note, rules: make(map[string]bool), ids: make(map[string][]string)}
				byKey[key] = g
				all = append(all, g)
			}
			g.verdict = max(g.verdict, f.Verdict())
			if f.Rule != "" {
				g.rules[f.Rule] = true
			}
			g.ids[r.role] = append(g.ids[r.role], f.ID)
		}
	}
	slices.SortStableFunc(all, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(b.size(), a.size()))
	})
	return all
}

func (g *group) rank() int {
	if g.reason != nil && g.reason.limit {
		return int(conform.Informational)
	}
	return int(g.verdict)
}

func (g *group) size() int { return len(g.ids["server"]) + len(g.ids["client"]) }

func (g *group) where() string {
	var words []string
	for _, role := range []string{"server", "client"} {
		if ids := g.ids[role]; len(ids) > 0 {
			words = append(words, fmt.Sprintf("%d as a %s: %s", len(ids), role, ranges(ids)))
		}
	}
	return strings.Join(words, "; ")
}

// peerFindings is the chapter of a peer.
func peerFindings(b *bytes.Buffer, p *peer, runs []*run) {
	runs = slices.DeleteFunc(slices.Clone(runs), func(r *run) bool { return r.peer != p })
	if len(runs) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n", p.name)
	if t := text(p.name); t != "" {
		b.WriteString(t + "\n")
	}
	all := groups(runs)
	if len(all) == 0 {
		b.WriteString("Every case is OK.\n")
	}
	unexplained := false
	for _, g := range all {
		if g.reason == nil {
			unexplained = true
			continue
		}
		v := g.verdict.String()
		if g.reason.limit && g.verdict > conform.Informational {
			v = conform.Informational.String() + ", documented"
		}
		fmt.Fprintf(b, "* **%s.** %s. %s. ", g.reason.what, v, strings.TrimSuffix(g.reason.rule, "."))
		if g.reason.why != "" {
			b.WriteString(g.reason.why + " ")
		}
		fmt.Fprintf(b, "(%s)\n", g.where())
	}
	if !unexplained {
		return
	}
	b.WriteString("\n| verdict | what was seen | rule | cases |\n|---|---|---|---|\n")
	for _, g := range all {
		if g.reason == nil {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", g.verdict, cell(g.note),
				cell(strings.Join(slices.Sorted(maps.Keys(g.rules)), "; ")), g.where())
		}
	}
}

// cell is a text in a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;", "*", "\\*", "_", "\\_", "`", "'").Replace(s)
}

// ranges is IDs in order, what follows each other put together.
func ranges(ids []string) string {
	slices.SortFunc(ids, conform.CompareIDs)
	var words []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && follows(ids[j], ids[j+1]) {
			j++
		}
		switch j - i {
		case 0:
			words = append(words, ids[i])
		case 1:
			words = append(words, ids[i], ids[j])
		default:
			words = append(words, ids[i]+"–"+ids[j])
		}
		i = j + 1
	}
	return strings.Join(words, ", ")
}

// follows reports whether b is the ID behind a in its group.
func follows(a, b string) bool {
	i, j := strings.LastIndexByte(a, '.'), strings.LastIndexByte(b, '.')
	if i != j || i < 0 || a[:i] != b[:j] {
		return false
	}
	x, err := strconv.Atoi(a[i+1:])
	y, err2 := strconv.Atoi(b[j+1:])
	return err == nil && err2 == nil && y == x+1
}
