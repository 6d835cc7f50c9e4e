package conform

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// The elements of a JUnit report that GitLab and Jenkins know.
type junitSuites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Time     string   `xml:"time,attr"`
	Suites   []*junitSuite
}

type junitSuite struct {
	XMLName    xml.Name        `xml:"testsuite"`
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []*junitCase
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	XMLName   xml.Name      `xml:"testcase"`
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	Time      string        `xml:"time,attr"`
	Skipped   *junitSkipped `xml:"skipped"`
	Failure   *junitFailure `xml:"failure"`
	Error     *junitFailure `xml:"error"`
	Output    *junitText    `xml:"system-out"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

type junitText struct {
	Text string `xml:",cdata"`
}

// WriteJUnit writes a suite per peer and section. UNIMPLEMENTED cases are
// skipped, NON-STRICT ones failures if strict. That nobody was met is an error, and
// so is that not all cases were run, which has a suite of its own.
func WriteJUnit(w io.Writer, strict bool, reports ...*Report) error {
	all := &junitSuites{Name: "curlew conform"}
	var total time.Duration
	for _, r := range reports {
		for _, c := range r.chapters() {
			var cases []*junitCase
			for _, f := range c.findings {
				cases = append(cases, junitOf(f, strict))
			}
			all.add(r, c.number+" "+c.title, c.took, cases...)
			total += c.took
		}
		if n := len(r.Results); n < r.Planned {
			text := fmt.Sprintf("%d of %d cases were run", n, r.Planned)
			all.add(r, "the run", 0, &junitCase{Name: "all cases are run", Time: seconds(0), Error: &junitFailure{text, "INCOMPLETE", text + "\n"}})
		}
	}
	all.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "\t")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// add adds a suite.
func (all *junitSuites) add(r *Report, title string, took time.Duration, cases ...*junitCase) {
	s := &junitSuite{
		Name:      visible(r.Agent) + " " + r.Role + ": " + title,
		Time:      seconds(took),
		Timestamp: r.When.UTC().Format("2006-01-02T15:04:05"),
		Properties: []junitProperty{
			{"role", r.Role}, {"address", visible(r.Address)}, {"tool", visible(r.Tool)},
			{"seed", strconv.FormatUint(r.Seed, 10)}, {"scale", strconv.Itoa(r.Scale)}, {"tls", strconv.FormatBool(r.TLS)},
		},
		Tests: len(cases),
		Cases: cases,
	}
	for _, one := range cases {
		// GitLab shows the class as the suite; Jenkins cuts it at its dots.
		one.ClassName = r.Role + "." + strings.ReplaceAll(visible(r.Agent), ".", "_") + "." + title
		switch {
		case one.Failure != nil:
			s.Failures++
		case one.Error != nil:
			s.Errors++
		case one.Skipped != nil:
			s.Skipped++
		}
	}
	all.Tests += s.Tests
	all.Failures += s.Failures
	all.Errors += s.Errors
	all.Skipped += s.Skipped
	all.Suites = append(all.Suites, s)
}

func junitOf(f *Finding, strict bool) *junitCase {
	one := &junitCase{Name: f.ID + " " + visible(f.Title), Time: seconds(f.Duration)}
	var b strings.Builder
	b.WriteString(f.verdictText() + "\n")
	if f.Note != "" {
		b.WriteString("seen: " + visible(f.Note) + "\n")
	}
	if f.Rule != "" {
		b.WriteString("rule: " + visible(f.Rule) + "\n")
	}
	for _, l := range shorten(f.Trace, shownFirst, shownLast) {
		b.WriteString(visible(l.String()) + "\n")
	}
	switch v := f.Verdict(); {
	case v == Failed && f.Lost:
		one.Error = &junitFailure{Message: visible(f.Note), Type: "LOST", Text: b.String()}
	case v == Failed, v == NonStrict && strict:
		one.Failure = &junitFailure{Message: visible(f.Note), Type: v.String(), Text: b.String()}
	case v == Unimplemented:
		one.Skipped = &junitSkipped{visible(f.Note)}
	case v > OK:
		one.Output = &junitText{b.String()}
	}
	return one
}

// shownFirst and shownLast are the lines of a trace that are shown where not all
// of them can be.
const shownFirst, shownLast = 20, 40

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
