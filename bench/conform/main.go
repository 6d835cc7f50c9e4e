// Command conform runs the cases of package conform against other people's
// libraries and ours, servers and clients, each in a process of its own, and writes
// what came of it: a report each in JSON, and a page with the matrix. Run it by
// `make conform-peers`.
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"curlew.example/curlew/conform"
)

// A run is a peer in one role.
type run struct {
	*conform.Report
	peer *peer
	role string
}

func main() {
	log.SetFlags(0)
	bin := flag.String("bin", "bin", "`folder` of the peers' programs")
	source := flag.String("peers", "bench/peers", "`folder` of the peers' sources")
	out := flag.String("out", "bin/conform-reports", "`folder` for the reports in JSON")
	page := flag.String("page", "", "`file` for the page")
	only := flag.String("only", "", "`peers`, separated by commas; all if empty")
	role := flag.String("role", "", "server or client; both if empty")
	cases := flag.String("cases", "", "`patterns` of cases, separated by commas; all if empty")
	parallel := flag.Int("parallel", 2*runtime.NumCPU(), "cases at the same time")
	scale := flag.Int("scale", 1, "multiplies all times")
	kept := flag.Bool("kept", false, "write the page of the reports that are there, without running anything")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	all := conform.Cases()
	chosen := all
	if *cases != "" {
		var err error
		if chosen, err = conform.Select(all, strings.Split(*cases, ",")); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.MkdirAll(*out, 0o777); err != nil {
		log.Fatal(err)
	}
	o := &conform.Options{Scale: *scale, Parallel: 1}
	var runs []*run
	for i := range peers {
		p := &peers[i]
		if *only != "" && !slices.Contains(strings.Split(*only, ","), p.name) {
			continue
		}
		var err error
		if p.bin, err = filepath.Abs(*bin); err == nil {
			p.source, err = filepath.Abs(*source)
		}
		if err != nil {
			log.Fatal(err)
		}
		for _, role := range roles(*role) {
			r := &run{peer: p, role: role}
			file := filepath.Join(*out, p.name+"-"+role+".json")
			if *kept {
				err = r.read(file)
			} else if err = r.test(ctx, chosen, o, *parallel); err == nil {
				err = save(file, r.WriteJSON)
			}
			if ctx.Err() != nil {
				os.Exit(1)
			}
			if err != nil {
				log.Printf("%s %s: left out: %v", p.name, role, err)
				continue
			}
			runs = append(runs, r)
		}
	}
	var reports []*conform.Report
	for _, r := range runs {
		reports = append(reports, r.Report)
	}
	matrix := func(w io.Writer) error { return conform.WriteHTML(w, reports...) }
	if err := save(filepath.Join(*out, "matrix.html"), matrix); err != nil {
		log.Fatal(err)
	}
	if *page != "" {
		if err := save(*page, func(w io.Writer) error { return writePage(w, runs, all) }); err != nil {
			log.Fatal(err)
		}
	}
}

func save(file string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o666)
}

func roles(only string) []string {
	if only != "" {
		return []string{only}
	}
	return []string{"server", "client"}
}

// test runs the cases and says in a line what came of it.
func (r *run) test(ctx context.Context, cases []*conform.Case, o *conform.Options, parallel int) error {
	version, err := r.peer.version()
	if err != nil {
		return err
	}
	r.Report = &conform.Report{Tool: "bench/conform", When: time.Now(), Role: r.role, Agent: r.peer.name + " " + version, Scale: o.Scale}
	tell := func(one conform.Result) {
		if why := death(one.Note); why != "" {
			fmt.Printf("  %s %s dies of %s: %s\n", r.peer.name, r.role, one.ID, why)
		}
	}
	var results []conform.Result
	if r.role == "server" {
		cases = conform.For(cases, conform.ForServers)
		results, err = testServer(ctx, r.peer, cases, o, parallel, tell)
	} else {
		cases = conform.For(cases, conform.ForClients)
		results, err = testClient(ctx, r.peer, cases, o, parallel, tell)
	}
	if err != nil {
		return err
	}
	r.Fill(cases, results)
	fmt.Printf("%s %s, %v: %s\n", r.peer.name, r.role, time.Since(r.When).Round(time.Second), r.words())
	return nil
}

func (r *run) read(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r.Report, err = conform.ReadReport(f)
	return err
}

// version is that of the library, as the report has it.
func (r *run) version() string { return strings.TrimPrefix(r.Agent, r.peer.name+" ") }

// words is how many have each verdict.
func (r *run) words() string {
	var words []string
	for v := conform.OK; v <= conform.Failed; v++ {
		if n := r.Counts[v]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, v))
		}
	}
	if n := r.deaths(); n > 0 {
		words = append(words, fmt.Sprintf("dies %d times", n))
	}
	return cmp.Or(strings.Join(words, ", "), "no case")
}

func (r *run) deaths() (n int) {
	for i := range r.Results {
		if death(r.Results[i].Note) != "" {
			n++
		}
	}
	return n
}

// How the note of a case begins of which the process died, and how that ends.
const (
	deathSign = "the process is dead: "
	deathEnd  = "; before that: "
)

// dies notes in a result that the process died of the case.
func dies(r *conform.Result, c *conform.Case, why string) {
	why = deathSign + strings.ReplaceAll(why, ";", ",")
	if r.Note != "" {
		why += deathEnd + r.Note
	}
	r.Note, r.Behavior = why, conform.Failed
	if r.Rule == "" {
		r.Rule = ruleOf(c)
	}
}

// death is why the process died, if a note says that it did.
func death(note string) string {
	why, ok := strings.CutPrefix(note, deathSign)
	if !ok {
		return ""
	}
	why, _, _ = strings.Cut(why, deathEnd)
	return why
}

func ruleOf(c *conform.Case) string { return c.Rule + " (" + c.Spec + ")" }
