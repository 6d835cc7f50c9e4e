// Command conform runs the cases of package conform against other people's
// libraries and ours, servers and clients, each in a process of its own, and writes
// what came of it: a report each in JSON, and a page with the matrix. Run it by
// `make conform-peers`.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
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
	Peer     string    `json:"peer"`
	Role     string    `json:"role"` // server or client
	Version  string    `json:"version"`
	Findings []finding `json:"cases"`

	peer *peer
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
			r := &run{Peer: p.name, Role: role, peer: p}
			file := filepath.Join(*out, p.name+"-"+role+".json")
			if *kept {
				err = r.read(file)
			} else if err = r.test(ctx, chosen, o, *parallel); err == nil {
				err = r.write(file)
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
	if *page != "" {
		if err := os.WriteFile(*page, []byte(write(runs, all)), 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

func roles(only string) []string {
	if only != "" {
		return []string{only}
	}
	return []string{"server", "client"}
}

// test runs the cases and says in a line what came of it.
func (r *run) test(ctx context.Context, cases []*conform.Case, o *conform.Options, parallel int) error {
	var err error
	if r.Version, err = r.peer.version(); err != nil {
		return err
	}
	began := time.Now()
	tell := func(f finding) {
		if f.Died != "" {
			fmt.Printf("  %s %s dies of %s: %s\n", r.Peer, r.Role, f.ID, f.Died)
		}
	}
	if r.Role == "server" {
		r.Findings, err = testServer(ctx, r.peer, cases, o, parallel, tell)
	} else {
		r.Findings, err = testClient(ctx, r.peer, cases, o, parallel, tell)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s %s, %v: %s\n", r.Peer, r.Role, time.Since(began).Round(time.Second), count(r.Findings))
	return nil
}

func (r *run) write(file string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o666)
}

func (r *run) read(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, r)
}

// count is how many have each verdict, in words.
func count(all []finding) string {
	var n [conform.Failed + 1]int
	dead := 0
	for _, f := range all {
		n[f.Verdict()]++
		if f.Died != "" {
			dead++
		}
	}
	var words []string
	for v := range n {
		if n[v] > 0 {
			words = append(words, fmt.Sprintf("%d %s", n[v], conform.Verdict(v)))
		}
	}
	if dead > 0 {
		words = append(words, fmt.Sprintf("dies %d times", dead))
	}
	return cmp.Or(strings.Join(words, ", "), "no case")
}
