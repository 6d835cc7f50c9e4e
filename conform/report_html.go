package conform

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

var (
	//go:embed page/report.html
	pageHTML string
	//go:embed page/report.css
	pageCSS string
	//go:embed page/report.js
	pageJS string
)

// A page is what report.html shows. All texts that may come from a peer have
// passed through visible; html/template escapes them for their place.
type page struct {
	Style      template.CSS
	StyleHash  string
	Script     template.JS
	ScriptHash string

	Cases    int
	Mixed    bool // servers and clients
	Verdicts []Verdict
	Peers    []*pagePeer
	Sections []*pageSection
	Found    []*pageFound
}

type pagePeer struct {
	*Report
	Name, Address, Tool, When string
	Ran                       int
	Counts                    []pageCount
	findings                  map[string]*Finding
}

// LimitText is the limit of which the cases were told.
func (p *pagePeer) LimitText() string { return quantity(p.Limit) }

type pageCount struct {
	N       int
	Class   string
	Verdict Verdict
}

type pageSection struct {
	Number, Title string
	Sums          []pageSum
	Rows          []*pageRow
}

type pageSum struct {
	OK, Ran int
	Bad     []pageCount
}

type pageRow struct {
	ID, Title string
	Worst     int // of all peers, as a number
	Differs   bool
	Found     bool // something below "What was found"
	Cells     []pageCell
}

type pageCell struct {
	Class, Text, Link string
	OnlyClose         bool // the behaviour was better
}

// A pageFound is what was found by one case, with all peers.
type pageFound struct {
	*pageRow
	Spec  string
	Peers []*pageFinding
}

type pageFinding struct {
	Class, Verdict, Name, Brief, Link, Note, Rule string
	Trace                                         []pageLine
}

type pageLine struct {
	At   string
	Sent bool
	Text string
}

// classes are how verdicts look.
var classes = [len(verdicts)]string{"ok", "info", "none", "loose", "failed"}

// WriteHTML writes one page that needs nothing else: a matrix of what came of
// several peers, and what was found with rules and frames.
func WriteHTML(w io.Writer, reports ...*Report) error {
	t, err := template.New("report").Parse(pageHTML)
	if err != nil {
		return err
	}
	return t.Execute(w, pageOf(reports))
}

func pageOf(reports []*Report) *page {
	p := &page{
		Style: template.CSS(pageCSS), StyleHash: sourceHash(pageCSS),
		Script: template.JS(pageJS), ScriptHash: sourceHash(pageJS),
	}
	for v := range Verdict(len(verdicts)) {
		p.Verdicts = append(p.Verdicts, v)
	}
	titles := make(map[string]string)
	specs := make(map[string]string)
	names := make(map[string]int)
	for _, r := range reports {
		peer := peerOf(r)
		full := r.Role + peer.Name
		if names[full]++; names[full] > 1 {
			peer.Name = fmt.Sprintf("%s (%d)", peer.Name, names[full])
		}
		for id, f := range peer.findings {
			titles[id], specs[id] = f.Title, f.Spec
		}
		p.Peers = append(p.Peers, peer)
		p.Mixed = p.Mixed || r.Role != reports[0].Role
	}
	p.Cases = len(titles)
	var ids []string
	for id := range titles {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, CompareIDs)
	var s *pageSection
	for _, id := range ids {
		number, _, _ := strings.Cut(id, ".")
		if s == nil || s.Number != number {
			s = &pageSection{Number: number, Title: SectionTitle(id), Sums: make([]pageSum, len(p.Peers))}
			p.Sections = append(p.Sections, s)
		}
		row := p.row(id, visible(titles[id]))
		s.Rows = append(s.Rows, row)
		if row.Found {
			p.Found = append(p.Found, p.found(row, visible(specs[id])))
		}
	}
	for _, s := range p.Sections {
		for i, peer := range p.Peers {
			s.Sums[i] = peer.sum(s)
		}
	}
	return p
}

// sourceHash lets a Content-Security-Policy allow exactly this.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func peerOf(r *Report) *pagePeer {
	peer := &pagePeer{
		Report: r, Name: visible(r.Agent), Address: visible(r.Address), Tool: visible(r.Tool),
		When: r.When.UTC().Format("2006-01-02 15:04 UTC"), Ran: len(r.Results),
		findings: make(map[string]*Finding, len(r.Results)),
	}
	for v := range Verdict(len(verdicts)) {
		peer.Counts = append(peer.Counts, pageCount{r.Counts[v], classes[v], v})
	}
	for i := range r.Results {
		peer.findings[r.Results[i].ID] = &r.Results[i]
	}
	return peer
}

// sum is what a peer has in a section.
func (peer *pagePeer) sum(s *pageSection) (sum pageSum) {
	var counts [len(verdicts)]int
	for _, row := range s.Rows {
		if f := peer.findings[row.ID]; f != nil {
			sum.Ran++
			counts[f.Verdict()]++
		}
	}
	sum.OK = counts[OK]
	for v := Failed; v > OK; v-- {
		if n := counts[v]; n > 0 {
			sum.Bad = append(sum.Bad, pageCount{n, classes[v], v})
		}
	}
	return sum
}

func (p *page) row(id, title string) *pageRow {
	row := &pageRow{ID: id, Title: title}
	first := -1 // the verdict of the first peer that has one
	for i, peer := range p.Peers {
		f := peer.findings[id]
		if f == nil {
			row.Cells = append(row.Cells, pageCell{Text: "–"})
			continue
		}
		v := f.Verdict()
		cell := pageCell{Class: classes[v], Text: v.String(), OnlyClose: f.Close > f.Behavior}
		if v > OK {
			row.Found = true
			cell.Link = p.link(id, i)
		}
		if first < 0 {
			first = int(v)
		}
		row.Differs = row.Differs || int(v) != first
		row.Worst = max(row.Worst, int(v))
		row.Cells = append(row.Cells, cell)
	}
	return row
}

// link is the place of what was found with peer i.
func (p *page) link(id string, i int) string { return fmt.Sprintf("c%s-%d", id, i+1) }

func (p *page) found(row *pageRow, spec string) *pageFound {
	all := &pageFound{pageRow: row, Spec: spec}
	for i, peer := range p.Peers {
		f := peer.findings[row.ID]
		if f == nil || f.Verdict() == OK {
			continue
		}
		one := &pageFinding{
			Class: classes[f.Verdict()], Verdict: f.verdictText(), Brief: visible(clip(f.Note, 100)),
			Link: p.link(row.ID, i), Rule: visible(f.Rule),
		}
		if note := visible(f.Note); note != one.Brief {
			one.Note = note
		}
		if len(p.Peers) > 1 {
			one.Name = peer.Name
		}
		if p.Mixed {
			one.Name += " " + peer.Role
		}
		for _, l := range shorten(f.Trace, shownFirst, shownLast) {
			one.Trace = append(one.Trace, pageLine{fmt.Sprintf("%.3f", float64(l.At)/1e6), l.Sent, visible(l.Text)})
		}
		all.Peers = append(all.Peers, one)
	}
	return all
}
