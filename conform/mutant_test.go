//go:build mutants && !race && !invariants

package conform

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// A mutant is a peer that is wrong in one way, and the cases that find it.
type mutant struct {
	name string
	damage

	options func(o *curlew.Options) // other settings
	events  func() *curlew.Events   // another application
	fresh   func() damage           // instead of damage, where connections share something
	secure  bool                    // over TLS
	single  bool                    // one case at a time

	roles  Roles  // 0: both
	guards string // patterns of the cases that are there to find it, as of Select
	long   string // patterns of those cases among the long ones that it meets
}

func mutants() []mutant {
	return slices.Concat(
		framingMutants(), messageMutants(), textMutants(), closingMutants(),
		requestMutants(), answerMutants(), deflateMutants(), transportMutants(),
	)
}

// is says whether m is a mutant in a role.
func (m *mutant) is(role Roles) bool { return m.roles == 0 || m.roles&role != 0 }

// A ledger says which cases find which mutants, all of them: those that guard what
// is wrong, and those that only come across it. It is kept in a file, in a line
// for each mutant and role, and written anew with
//
//	go test ./conform -run TestMutants -everything -update
type ledger map[string]string // patterns as of Select

const ledgerFile = "testdata/mutants.txt"

func (m *mutant) in(role Roles) string { return fmt.Sprintf("%s (%v)", m.name, role) }

func readLedger(t *testing.T) ledger {
	text, err := os.ReadFile(ledgerFile)
	if err != nil {
		t.Fatal(err)
	}
	l := make(ledger)
	for line := range strings.Lines(string(text)) {
		name, patterns, _ := strings.Cut(strings.TrimSpace(line), ": ")
		l[name] = patterns
	}
	return l
}

// finders are the cases that find m, and -- with the guards -- those that must.
func (l ledger) finders(t *testing.T, m *mutant, role Roles, all []*Case) map[string]bool {
	found := make(map[string]bool)
	if patterns := strings.Fields(l[m.in(role)]); len(patterns) > 0 {
		cases, err := Select(all, patterns)
		if err != nil && !*update {
			t.Errorf("%s: %v; is it up to date?", m.in(role), err)
		}
		for _, c := range For(cases, role) {
			found[c.ID] = true
		}
	}
	return found
}

// run is what becomes of the cases with m.
func (m *mutant) run(t *testing.T, cases []*Case, role Roles) (results map[string]Result) {
	synctest.Test(t, func(t *testing.T) {
		sub := &subject{options: curlew.Options{Compression: takeover()}, events: byMessage}
		d := &m.damage
		if m.fresh != nil {
			f := m.fresh()
			d = &f
		}
		if m.options != nil {
			m.options(&sub.options)
		}
		if m.events != nil {
			sub.events = m.events
		}
		p := inSegments(role)
		if m.secure {
			p = secured(p)
		}
		var mu sync.Mutex
		var conns []net.Conn
		p.wrap = func(c net.Conn) net.Conn {
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, c)
			return newMiddle(d, c, role == ForServers)
		}
		o := (*Options)(nil).filled()
		if m.single {
			o.Parallel = 1
		}
		results = make(map[string]Result)
		if role == ForClients {
			for _, r := range sub.testClient(t, p, cases, o) {
				results[r.ID] = r
			}
		} else {
			target, stop := sub.target(p)
			defer stop()
			for _, r := range meet(t.Context(), cases, target, o) {
				results[r.ID] = r
			}
		}
		for _, c := range conns {
			c.Close()
		}
		elapse(24 * time.Hour) // whatever ends late
	})
	return results
}

// inSegments is a place in memory where no read of our connection's returns bytes
// of two writes, so that all is as it was before.
func inSegments(role Roles) place {
	n := wstest.NewNetwork(&wstest.NetworkOptions{Dialed: func(client, server *wstest.End) {
		if role == ForServers {
			client.Segment(1 << 20)
		} else {
			server.Segment(1 << 20)
		}
	}})
	return place{n.Listen("example.com:80"), "ws", "example.com:80", n.DialContext, nil, nil}
}

// meet is TestServer, but never gives up.
func meet(ctx context.Context, cases []*Case, t *Target, o *Options) []Result {
	results := make([]Result, len(cases))
	next := make(chan int)
	var wg sync.WaitGroup
	for range o.Parallel {
		wg.Go(func() {
			for i := range next {
				results[i] = testServer(ctx, cases[i], t, o)
				if o.Parallel == 1 {
					elapse(time.Minute)
				}
			}
		})
	}
	for i, c := range cases {
		if !c.Alone {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	for i, c := range cases {
		if c.Alone {
			results[i] = testServer(ctx, c, t, o)
		}
	}
	return results
}

var everything = flag.Bool("everything", false, "TestMutants: let every mutant meet every case but the longest, not only some")

// Every mutant is found by exactly the cases that the ledger says, the guards
// among them, and every case finds at least one. To keep it short, each case meets
// one of the mutants that it finds, and only some of the others; all of them with
// -everything. Until the ledger is complete this runs with -tags mutants only.
func TestMutants(t *testing.T) {
	all, list := Cases(), mutants()
	if len(list) < 100 {
		t.Errorf("%d mutants, promised are 100", len(list))
	}
	old, now := readLedger(t), make(ledger)
	t.Run("each", func(t *testing.T) {
		var mu sync.Mutex
		for _, role := range []Roles{ForServers, ForClients} {
			plan := arrange(t, all, list, old, role)
			base := baseline(t, all, list, role, plan)
			for i := range list {
				m := &list[i]
				if !m.is(role) {
					continue
				}
				t.Run(m.in(role), func(t *testing.T) {
					t.Parallel()
					found := m.compare(t, plan[i], old.finders(t, m, role, all), role, base[m.secure], m.run(t, plan[i], role))
					mu.Lock()
					defer mu.Unlock()
					now[m.in(role)] = compact(For(all, role), found)
					if *update && *everything {
						now.write(t, list)
					}
				})
			}
		}
	})
	if *update && *everything {
		old = readLedger(t)
	}
	for _, role := range []Roles{ForServers, ForClients} {
		old.check(t, list, all, role)
	}
}

// write keeps the lines of mutants that did not run.
func (l ledger) write(t *testing.T, list []mutant) {
	old := readLedger(t)
	var b strings.Builder
	for i := range list {
		for _, role := range []Roles{ForServers, ForClients} {
			if m := &list[i]; m.is(role) {
				name := m.in(role)
				patterns, ok := l[name]
				if !ok {
					patterns = old[name]
				}
				fmt.Fprintf(&b, "%s: %s\n", name, patterns)
			}
		}
	}
	if err := os.WriteFile(ledgerFile, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// check looks at the whole ledger.
func (l ledger) check(t *testing.T, list []mutant, all []*Case, role Roles) {
	finds := make(map[string]bool)
	for i := range list {
		m := &list[i]
		if !m.is(role) {
			continue
		}
		found := l.finders(t, m, role, all)
		if len(found) == 0 {
			t.Errorf("%s: nobody finds it", m.in(role))
		}
		for id := range found {
			finds[id] = true
		}
		guards, err := Select(all, strings.Fields(m.guards))
		if err != nil || m.guards == "" {
			t.Errorf("%s: guards %q: %v", m.in(role), m.guards, err)
			continue
		}
		blind := make(map[string]bool)
		for _, c := range For(guards, role) {
			blind[c.ID] = !found[c.ID]
		}
		if list := compact(For(guards, role), blind); list != "" {
			t.Errorf("%s: of its guards these do not find it: %s", m.in(role), list)
		}
	}
	cases, never := For(all, role), make(map[string]bool)
	for _, c := range cases {
		never[c.ID] = !finds[c.ID]
	}
	if list := compact(cases, never); list != "" {
		t.Errorf("of the cases for %v these find no mutant: %s", role, list)
	}
}

// arrange says which cases each mutant meets.
func arrange(t *testing.T, all []*Case, list []mutant, l ledger, role Roles) [][]*Case {
	by := make(map[string][]int) // the mutants that a case finds
	found := make([]map[string]bool, len(list))
	for i := range list {
		found[i] = l.finders(t, &list[i], role, all)
		for id := range found[i] {
			by[id] = append(by[id], i)
		}
	}
	plan := make([][]*Case, len(list))
	for _, c := range For(all, role) {
		finds, isLong := by[c.ID], c.Heavy || selected(loadCases, c.ID)
		for i := range list {
			m := &list[i]
			meets := *everything || roll(m.name, c.ID)%20 == 0
			switch {
			case !m.is(role):
				continue
			case len(finds) > 0 && finds[roll(c.ID, "")%len(finds)] == i:
				meets = true
			case isLong:
				meets = *everything && selected(m.long, c.ID)
			case m.secure:
				meets = selected(m.guards, c.ID)
			}
			if meets {
				plan[i] = append(plan[i], c)
			}
		}
	}
	return plan
}

// roll is the same number for the same words.
func roll(a, b string) int {
	h := fnv.New32a()
	io.WriteString(h, a+" "+b)
	return int(h.Sum32() >> 1)
}

// baseline is what becomes of the cases when nothing is wrong; of those over TLS
// under true.
func baseline(t *testing.T, all []*Case, list []mutant, role Roles, plan [][]*Case) map[bool]map[string]Verdict {
	base := make(map[bool]map[string]Verdict)
	for _, secure := range []bool{false, true} {
		met := make(map[string]bool)
		for i := range list {
			for _, c := range plan[i] {
				met[c.ID] = met[c.ID] || list[i].secure == secure
			}
		}
		cases := slices.DeleteFunc(For(all, role), func(c *Case) bool { return !met[c.ID] })
		sane := mutant{secure: secure, damage: damage{
			opens: func(*middle, *frame) bool { return true },
			sends: func(_ *middle, f frame) []frame { return []frame{f} },
		}}
		base[secure] = make(map[string]Verdict)
		for id, r := range sane.run(t, cases, role) {
			base[secure][id] = r.Verdict()
			if r.Verdict() > Unimplemented {
				t.Error(account(&r))
			}
		}
	}
	return base
}

// compare tells the difference between the cases that find m and those that are
// to.
func (m *mutant) compare(t *testing.T, cases []*Case, want map[string]bool, role Roles, base map[string]Verdict, results map[string]Result) map[string]bool {
	found := make(map[string]bool)
	for _, c := range cases {
		r, ok := results[c.ID]
		if !ok {
			r = Result{Behavior: Failed, Note: "no result"}
		}
		found[c.ID] = r.Verdict() >= NonStrict && r.Verdict() > base[c.ID] // the rest is nothing to be blamed for
		switch {
		case *update:
		case found[c.ID] && !want[c.ID]:
			t.Errorf("%s (%s) finds it too: %v, %v, %s", c.ID, c.Title, r.Behavior, r.Close, r.Note)
		case !found[c.ID] && want[c.ID]:
			t.Errorf("%s (%s) does not find it: %v, %v, %s", c.ID, c.Title, r.Behavior, r.Close, r.Note)
		}
	}
	return found
}

// compact names cases in few patterns.
func compact(cases []*Case, found map[string]bool) string {
	return strings.Join(patterns(cases, found, ""), " ")
}

// patterns are those for the cases below prefix.
func patterns(cases []*Case, found map[string]bool, prefix string) []string {
	var heads []string // the next elements
	below := make(map[string][]*Case)
	in := 0
	for _, c := range cases {
		rest := c.ID
		if prefix != "" {
			rest = strings.TrimPrefix(c.ID, prefix+".")
		}
		head, _, _ := strings.Cut(rest, ".")
		if prefix != "" {
			head = prefix + "." + head
		}
		if below[head] == nil {
			heads = append(heads, head)
		}
		below[head] = append(below[head], c)
		if found[c.ID] {
			in++
		}
	}
	switch {
	case in == 0:
		return nil
	case in == len(cases) && prefix != "":
		return []string{prefix}
	}
	var each, without []string
	for _, h := range heads {
		if len(below[h]) == 1 && below[h][0].ID == h {
			if found[h] {
				each = append(each, h)
			} else {
				without = append(without, "-"+h)
			}
			continue
		}
		each = append(each, patterns(below[h], found, h)...)
		without = append(without, "") // never by exception
		without = append(without, slices.Repeat([]string{""}, len(cases))...)
	}
	if prefix != "" && len(without)+1 < len(each) {
		return append([]string{prefix}, without...)
	}
	return each
}
