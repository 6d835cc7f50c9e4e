package conform

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Report is what came of testing one peer. Set the fields down to Limit, then call
// Fill; or read one with ReadReport.
type Report struct {
	Schema  string    `json:"schema"`      // "curlew.conform/1"; set by Fill
	Tool    string    `json:"tool"`        // the program that tested, with its version
	When    time.Time `json:"when"`        // when it began
	Role    string    `json:"role"`        // of the peer: "server" or "client"
	Agent   string    `json:"agent"`       // the peer's name
	Address string    `json:"address"`     // the server's URL, or that which clients came to
	Seed    uint64    `json:"seed,string"` // Options.Seed
	Scale   int       `json:"scale"`       // Options.Scale
	TLS     bool      `json:"tls"`
	Limit   int       `json:"limit,omitempty"` // Options.Limit

	Planned int             `json:"planned"` // how many cases were to be run
	Counts  map[Verdict]int `json:"counts"`  // of the results, by the worse verdict of each
	Results []Finding       `json:"results"` // in the order of their IDs
}

// A Finding is a result, with what a reader wants to know of its case.
type Finding struct {
	Result
	Title string `json:"title"`
	Spec  string `json:"spec,omitempty"`
}

// What a report holds at most, so that one can always be read again.
const (
	schemaName    = "curlew.conform/"
	schemaVersion = 1

	maxReport  = 128 << 20 // bytes of JSON
	maxObjects = 1 << 20   // in it
	maxTraces  = 8 << 20   // bytes of text in all traces, before they get short
	maxLines   = 400       // of a trace
	maxText    = 1000      // bytes of a line of a trace, of a name, of an address
	maxNote    = 4000      // bytes
)

// Fill sets the results, of those of the cases that were to be run, and what
// follows from them. Texts are made visible, so that no reader need take care;
// what is too long is cut: of a trace the middle.
func (r *Report) Fill(cases []*Case, results []Result) {
	r.Schema = schemaName + strconv.Itoa(schemaVersion)
	r.When = r.When.UTC().Truncate(time.Second)
	r.Scale, r.Limit = max(r.Scale, 1), max(r.Limit, 0)
	r.Tool, r.Agent, r.Address = clip(r.Tool, maxText), clip(cmp.Or(r.Agent, r.Role), maxText), clip(r.Address, maxText)
	r.Planned = len(cases)
	byID := make(map[string]*Case, len(cases))
	for _, c := range cases {
		byID[c.ID] = c
	}
	r.Results = make([]Finding, 0, len(results))
	left := maxTraces
	for _, one := range results {
		f := Finding{Result: one}
		if c := byID[one.ID]; c != nil {
			f.Title, f.Spec = clip(c.Title, maxText), clip(c.Spec, maxText)
		}
		f.Note, f.Rule = clip(f.Note, maxNote), clip(f.Rule, maxNote)
		lines, text := maxLines, maxText
		if left <= 0 {
			lines, text = maxLines/20, maxText/5
		}
		f.Trace = shorten(f.Trace, lines/2, lines/2)
		for i := range f.Trace {
			f.Trace[i].Text = clip(f.Trace[i].Text, text)
			left -= len(f.Trace[i].Text)
		}
		r.Results = append(r.Results, f)
	}
	slices.SortStableFunc(r.Results, func(a, b Finding) int { return CompareIDs(a.ID, b.ID) })
	r.Counts = r.count()
}

func (r *Report) count() map[Verdict]int {
	n := make(map[Verdict]int)
	for i := range r.Results {
		n[r.Results[i].Verdict()]++
	}
	return n
}

// Passed reports whether everything that was to be run was, and nothing failed.
// With strict also NON-STRICT is a failure.
func (r *Report) Passed(strict bool) bool {
	return len(r.Results) > 0 && len(r.Results) == r.Planned &&
		r.Counts[Failed] == 0 && (!strict || r.Counts[NonStrict] == 0)
}

// shorten is a copy of a trace with the first and last lines only, and one between
// them that says so.
func shorten(trace []Line, first, last int) []Line {
	n := len(trace) - first - last
	if n <= 1 {
		return slices.Clone(trace)
	}
	all := slices.Clone(trace[:first])
	between := trace[first]
	between.Text = fmt.Sprintf("(%d lines are left out)", n)
	return append(append(all, between), trace[first+n:]...)
}

// clip makes a text visible and cuts it if it is longer than n bytes.
func clip(s string, n int) string {
	const tail = "…"
	cut := len(s) > n
	if cut {
		s = s[:start(s, n)] // the rest may be very long
	}
	if s = visible(s); !cut && len(s) <= n {
		return s
	}
	return s[:start(s, min(len(s), n-len(tail)))] + tail
}

// start is the last place up to n where a rune begins or the text ends.
func start(s string, n int) int {
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

// visible is a text in one line, with everything escaped that a terminal could
// take for an order, a reader for another text, or XML for an error. All that may
// come from a peer passes through it, in Fill and, as files can hold anything, again
// before it is shown.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	var b []byte
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b = append(b, s[:n]...)
		default:
			quoted := strconv.AppendQuoteRuneToASCII(nil, r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		s = s[n:]
	}
	return string(b)
}

// A chapter is the part of a report that is of one section.
type chapter struct {
	number   string
	title    string
	findings []*Finding
	counts   map[Verdict]int
	took     time.Duration
}

// chapters are the sections of which there are results.
func (r *Report) chapters() []*chapter {
	var all []*chapter
	for i := range r.Results {
		f := &r.Results[i]
		number, _, _ := strings.Cut(f.ID, ".")
		if len(all) == 0 || all[len(all)-1].number != number {
			all = append(all, &chapter{number: number, title: SectionTitle(f.ID), counts: make(map[Verdict]int)})
		}
		c := all[len(all)-1]
		c.findings = append(c.findings, f)
		c.counts[f.Verdict()]++
		c.took += f.Duration
	}
	return all
}

// verdictText is both verdicts of a result, in short.
func (f *Finding) verdictText() string {
	if f.Close == f.Behavior || f.Close == OK {
		return f.Behavior.String()
	}
	return f.Behavior.String() + ", close " + f.Close.String()
}
