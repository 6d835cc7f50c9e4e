// Command compare measures echo servers side by side: ours and other people's,
// each in a process of its own under the same load, in turn, for several rounds.
// Where there are two processors or more, the server has one for itself and the
// load another. Run it by `make bench`.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A server is one of those that are compared. The first is the reference.
type server struct {
	name string
	args []string // the program, beside this one, and its flags
}

var servers = []server{
	{"gws", []string{"gws"}},
	{"gorilla", []string{"gorilla"}},
	{"curlew", []string{"echo", "-mode", "events"}},
	{"curlew-read", []string{"echo", "-mode", "read"}},
}

// broadcasters send to all what one says.
var broadcasters = []server{
	{"gws", []string{"gws", "-all"}},
	{"curlew", []string{"fanout"}},
}

type workload struct {
	name    string
	args    []string // of load
	servers []server
	idle    bool
}

var workloads = []workload{
	{"echo-100c-128", []string{"-n", "100", "-size", "128"}, servers, false},
	{"echo-100c-128-d16", []string{"-n", "100", "-size", "128", "-depth", "16"}, servers, false},
	{"echo-100c-1k-text", []string{"-n", "100", "-size", "1024", "-text"}, servers, false},
	{"echo-100c-16k", []string{"-n", "100", "-size", "16384"}, servers, false},
	{"all-100c-128", []string{"-all", "-n", "100", "-size", "128"}, broadcasters, false},
	{"all-1000c-128", []string{"-all", "-n", "1000", "-size", "128"}, broadcasters, false},
	{"all-1000c-128-d8", []string{"-all", "-n", "1000", "-size", "128", "-depth", "8"}, broadcasters, false},
	{"idle-5k", []string{"-n", "5000", "-size", "128", "-idle"}, servers, true},
}

// A report is what load prints.
type report struct {
	Rate, CPU  float64
	RSSPerConn int64
}

func main() {
	rounds := flag.Int("rounds", 3, "how often each server is measured")
	window := flag.Duration("t", 3*time.Second, "length of a measured window")
	warm := flag.Duration("warm", time.Second, "before each window")
	only := flag.String("only", "", "workloads, separated by commas; all if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	b := &bench{dir: filepath.Dir(self), window: *window, warm: *warm}
	if _, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() >= 2 {
		b.pin = true
	}
	fmt.Printf("%s, %d processors, pinned: %v, %d rounds of %v\n", runtime.Version(), runtime.NumCPU(), b.pin, *rounds, *window)
	for _, w := range workloads {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), w.name) {
			continue
		}
		if err := b.workload(ctx, w, *rounds); err != nil {
			log.Fatal(err)
		}
	}
}

type bench struct {
	dir    string // of the programs
	window time.Duration
	warm   time.Duration
	pin    bool
}

// workload measures all servers in turn, each round beginning with another one,
// and prints the table.
func (b *bench) workload(ctx context.Context, w workload, rounds int) error {
	if w.idle {
		rounds = 1
	}
	servers := w.servers
	reports := make([][]report, len(servers))
	for round := range rounds {
		for i := range servers {
			i = (i + round) % len(servers)
			r, err := b.run(ctx, servers[i], w)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, servers[i].name, err)
			}
			reports[i] = append(reports[i], r)
		}
	}
	fmt.Printf("\n%s\n", w.name)
	if w.idle {
		for i, s := range servers {
			fmt.Printf("  %-14s %7d bytes resident a connection\n", s.name, reports[i][0].RSSPerConn)
		}
		return nil
	}
	for i, s := range servers {
		var cpu, rate, ratio []float64
		for round, r := range reports[i] {
			cpu, rate = append(cpu, r.CPU), append(rate, r.Rate)
			ratio = append(ratio, r.CPU/reports[0][round].CPU)
		}
		fmt.Printf("  %-14s %7.2f us CPU/msg   %5.2f of %s (best %.2f)   %9.0f msg/s\n", s.name,
			median(cpu), median(ratio), servers[0].name, slices.Min(cpu)/best(reports[0]), median(rate))
	}
	return nil
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

func best(rs []report) float64 {
	m := rs[0].CPU
	for _, r := range rs {
		m = min(m, r.CPU)
	}
	return m
}

// run starts a server, puts the load on it and ends it.
func (b *bench) run(ctx context.Context, s server, w workload) (report, error) {
	addr, err := freeAddr()
	if err != nil {
		return report{}, err
	}
	args := append(slices.Clone(s.args), "-addr", addr)
	srv := b.command(ctx, "0", args...)
	srv.Env = append(os.Environ(), "GOMAXPROCS=1")
	if err := srv.Start(); err != nil {
		return report{}, err
	}
	defer func() {
		_ = srv.Process.Kill()
		_ = srv.Wait()
	}()
	if err := ready(ctx, addr); err != nil {
		return report{}, err
	}
	args = append([]string{"load", "-t", b.window.String(), "-warm", b.warm.String(), "-pid", strconv.Itoa(srv.Process.Pid)}, w.args...)
	load := b.command(ctx, "1", append(args, "ws://"+addr+"/connect")...)
	out, err := load.Output()
	if err != nil {
		return report{}, err
	}
	var r report
	return r, json.Unmarshal(out, &r)
}

// command runs a program of ours on one processor, if that can be said. taskset
// replaces itself, so the process is the program.
func (b *bench) command(ctx context.Context, cpu string, args ...string) *exec.Cmd {
	args = append([]string{filepath.Join(b.dir, args[0])}, args[1:]...)
	if b.pin {
		args = append([]string{"taskset", "-c", cpu}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	return cmd
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// ready waits until somebody listens.
func ready(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}
