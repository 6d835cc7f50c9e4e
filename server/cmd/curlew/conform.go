package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"curlew.example/curlew/conform"
	"curlew.example/curlew/server/site"
)

type conformance struct {
	Server conformServer `cmd:""`
	Client conformClient `cmd:""`
	Report conformReport `cmd:""`
	Diff   conformDiff   `cmd:""`
}

// conformRun is what both roles are asked for.
type conformRun struct {
	Cases   []string `arg:"" optional:"" name:"case"`
	Seed    uint64
	Timeout time.Duration
	Scale   string
	Limit   string
	Strict  bool
	Verbose bool
	List    bool
	reportFiles
}

// minus stands for the - of a pattern like -9.1, which would be a flag.
const minus = "\x00"

func withoutMinus(args []string) []string {
	all := make([]string, len(args))
	for i, a := range args {
		ofFlag := i > 0 && slices.Contains([]string{"--limit", "--parallel", "--scale", "--seed", "--timeout"}, args[i-1])
		if len(a) > 1 && a[0] == '-' && '0' <= a[1] && a[1] <= '9' && !ofFlag {
			a = minus + a[1:]
		}
		all[i] = a
	}
	return all
}

// mostLimit bounds --limit: what is larger cannot be held here several times.
const mostLimit = 256 << 20

// limit is what --limit says, 0 if nothing.
func (c *conformRun) limit() (int, error) {
	if c.Limit == "" {
		return 0, nil
	}
	n, err := site.ParseSize(c.Limit)
	if err != nil || n == site.Unlimited || n > mostLimit {
		return 0, wrongUsage{errors.New("--limit: a size of up to 256 MB, such as 1MB or 65536")}
	}
	return int(n), nil
}

// cases are those that are asked for and test this role.
func (c *conformRun) cases(role conform.Roles) ([]*conform.Case, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	all := append(conform.Cases(), conform.LimitCases(limit)...)
	slices.SortStableFunc(all, func(a, b *conform.Case) int { return conform.CompareIDs(a.ID, b.ID) })
	patterns := make([]string, len(c.Cases))
	for i, p := range c.Cases {
		patterns[i] = strings.ReplaceAll(p, minus, "-")
	}
	chosen, err := conform.Select(all, patterns)
	if err != nil {
		return nil, wrongUsage{fmt.Errorf("%w; --list shows them", err)}
	}
	if chosen = conform.For(chosen, role); len(chosen) == 0 {
		return nil, wrongUsage{fmt.Errorf("none of these cases tests %v; --list shows them", role)}
	}
	return chosen, nil
}

// list shows cases instead of running them.
func list(w io.Writer, cases []*conform.Case) error {
	var b strings.Builder
	section := ""
	for _, c := range cases {
		if title := conform.SectionTitle(c.ID); title != section {
			section = title
			number, _, _ := strings.Cut(c.ID, ".")
			fmt.Fprintf(&b, "\n%s %s\n", number, title)
		}
		fmt.Fprintf(&b, "  %-10s %s (%s)\n", c.ID, c.Title, c.Spec)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

// options are those of the run. auto says that the scale is still to be measured.
func (c *conformRun) options() (o *conform.Options, auto bool, err error) {
	o = &conform.Options{Seed: c.Seed, Timeout: c.Timeout, Traces: c.Verbose}
	switch c.Scale {
	case "", "0", "auto":
		auto = true
	default:
		o.Scale, err = strconv.Atoi(c.Scale)
		if err != nil || o.Scale < 1 || o.Scale > 1000 {
			return nil, false, wrongUsage{errors.New("--scale: a number from 1 to 1000, or auto")}
		}
	}
	if c.Timeout < 0 {
		return nil, false, wrongUsage{errors.New("--timeout: a time, such as 5s")}
	}
	if o.Limit, err = c.limit(); err != nil {
		return nil, false, err
	}
	return o, auto, checkFiles(c.files(c.Strict, new(conform.Report), []*conform.Report{{}}))
}

type conformServer struct {
	URL string `arg:"" optional:""` // not with --list
	conformRun
	Parallel int
	Insecure bool
	Cacert   string
	Header   []string `sep:"none"`
	Origin   string
	Agent    string
}

func (c *conformServer) Run(ctx context.Context, p *Program) error {
	if c.List && c.URL != "" && !strings.Contains(c.URL, "://") {
		c.Cases, c.URL = append([]string{c.URL}, c.Cases...), "" // the first CASE
	}
	if c.URL == "" && !c.List {
		return wrongUsage{errors.New("URL is missing (see curlew conform server --help)")}
	}
	cases, err := c.cases(conform.ForServers)
	if err != nil {
		return err
	}
	if c.List {
		return list(p.Stdout, cases)
	}
	target, report, err := c.target()
	if err != nil {
		return err
	}
	o, auto, err := c.options()
	if err != nil {
		return err
	}
	if c.Parallel < 0 {
		return wrongUsage{errors.New("--parallel: a number of cases")}
	}
	o.Parallel = c.Parallel
	if err := c.probe(ctx, p, target, o, auto); err != nil {
		return explain(err)
	}
	report.Scale = o.Scale
	line := newProgress(p.Stderr, len(cases))
	o.Progress = line.add
	results := conform.TestServer(ctx, cases, target, o)
	line.end()
	report.Fill(cases, results)
	if err := c.write(p, report, []*conform.Report{report}); err != nil {
		return err
	}
	switch {
	case report.Passed(c.Strict):
		return nil
	case len(results) < len(cases) && ctx.Err() == nil:
		return errors.New("the server does not answer any more; the other cases were not run")
	case len(results) < len(cases):
		return errInterrupted
	}
	return errSaid
}

// target is the server, and the beginning of its report.
func (c *conformServer) target() (*conform.Target, *conform.Report, error) {
	if err := checkURL(c.URL); err != nil {
		return nil, nil, wrongUsage{err}
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, nil, wrongUsage{err}
	}
	config, err := tlsOf(c.Insecure, c.Cacert)
	if err != nil {
		return nil, nil, err
	}
	target, err := conform.ServerAt(c.URL, config)
	if err != nil {
		return nil, nil, wrongUsage{err}
	}
	header, err := headerOf(c.Header, c.Origin)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(target.Header, header) // --header Authorization instead of the URL's user
	report := &conform.Report{
		Tool: versionText(), When: time.Now(), Role: "server", Agent: cmp.Or(c.Agent, u.Host), Seed: c.Seed,
		TLS: u.Scheme == "wss" || u.Scheme == "https",
	}
	report.Limit, _ = c.limit()
	u.User = nil
	report.Address = u.String()
	return target, report, nil
}

// probe asks whether somebody is there, before every case says that nobody is,
// and how quick.
func (c *conformServer) probe(ctx context.Context, p *Program, t *conform.Target, o *conform.Options, auto bool) error {
	asking := *o
	if auto {
		asking.Scale = 2
	}
	took, err := conform.Probe(ctx, t, &asking)
	if err != nil {
		return err
	}
	why := "as --scale says"
	if auto {
		o.Scale = conform.ScaleFor(took, o)
		why = "a handshake or an echo takes " + short(took)
	}
	fmt.Fprintf(p.Stderr, "curlew: testing %s; times × %d: %s\n", oneLine(t.Host+t.Path), o.Scale, why)
	return nil
}

// write prints a report and writes the files of it, or of all.
func (c *conformRun) write(p *Program, r *conform.Report, all []*conform.Report) error {
	files := c.files(c.Strict, r, all)
	out := p.Stdout
	if onStdout(files) {
		out = p.Stderr
	}
	return errors.Join(save(p.Stdout, files), r.WriteText(out, c.Verbose))
}

// A progress is a line on a terminal that says how far a run is.
type progress struct {
	w     io.Writer // nil: none
	cases int

	mu           sync.Mutex // guards the following
	done, failed int
	said         time.Time
}

func newProgress(w io.Writer, cases int) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, cases: cases}
}

func (l *progress) add(r conform.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	if r.Verdict() == conform.Failed {
		l.failed++
	}
	if now := time.Now(); l.w != nil && now.Sub(l.said) > 50*time.Millisecond {
		l.said = now
		fmt.Fprintf(l.w, "\r\x1b[K%d of %d, %d failed; %s", l.done, l.cases, l.failed, r.ID)
	}
}

// end takes the line away.
func (l *progress) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w != nil && l.done > 0 {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
	l.done, l.failed = 0, 0
}

type conformReport struct {
	Files   []string `arg:"" name:"file"`
	Strict  bool
	Verbose bool
	sharedFiles
}

// Run writes what several files tell into one of each kind, or their summaries.
func (c *conformReport) Run(ctx context.Context, p *Program) error {
	var all []*conform.Report
	for _, name := range c.Files {
		r, err := awaited(ctx, func() (*conform.Report, error) { return readReport(name) })
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	files := c.files(c.Strict, all)
	if err := checkFiles(files); err != nil {
		return err
	}
	if c.HTML+c.JUnit+c.Index != "" {
		return save(p.Stdout, files)
	}
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(p.Stdout)
		}
		if err := r.WriteText(p.Stdout, c.Verbose); err != nil {
			return err
		}
	}
	return nil
}

func readReport(name string) (*conform.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := conform.ReadReport(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, plain(err))
	}
	return r, nil
}

type conformDiff struct {
	Before string `arg:""`
	After  string `arg:""`
}

func (c *conformDiff) Run(ctx context.Context, p *Program) error {
	before, err := awaited(ctx, func() (*conform.Report, error) { return readReport(c.Before) })
	if err != nil {
		return err
	}
	after, err := awaited(ctx, func() (*conform.Report, error) { return readReport(c.After) })
	if err != nil {
		return err
	}
	d, err := conform.Compare(before, after)
	if err != nil {
		return err
	}
	if err := d.WriteText(p.Stdout); err != nil {
		return err
	}
	if len(d.Worse) > 0 {
		return errSaid
	}
	return nil
}
