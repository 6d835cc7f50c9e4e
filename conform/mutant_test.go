//go:build !race && !invariants

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

	roles   Roles  // 0: both
	guards  string // patterns of the cases that are there to find it, as of Select
	long    string // patterns of those cases among the long ones that it meets
	allowed string // why it is right, and must be found by nobody
}

func mutants() []mutant {
	return slices.Concat(
		framingMutants(), messageMutants(), textMutants(), closingMutants(),
		requestMutants(), answerMutants(), deflateMutants(), transportMutants(),
		rareMutants(), allowedMutants(),
	)
}

// is says whether m is a mutant in a role.
func (m *mutant) is(role Roles) bool { return m.roles == 0 || m.roles&role != 0 }

// A ledger says which cases find which mutants, all of them: those that guard what
// is wrong, and those that only come across it. It is kept in a file, in a line
// for each mutant and role, and written anew with
//
//	go test ./conform -run TestMutants -everything -update
type ledger map[string]string // patterns as of Select, by mutants in a role

const ledgerFile = "testdata/mutants.txt"

func (m *mutant) in(role Roles) string { return fmt.Sprintf("%s (%v)", m.name, role) }

func readLedger(t *testing.T) ledger {
	text, err := os.ReadFile(ledgerFile)
	if err != nil {
		t.Fatal(err)
	}
	l := make(ledger)
	for line := range strings.Lines(string(text)) {
		name, patterns, _ := strings.Cut(line, ":")
		l[name] = strings.TrimSpace(patterns)
	}
	return l
}

// An index has cases by all patterns that name them: their IDs, and what these begin
// with.
type index map[string][]*Case

func indexOf(cases []*Case) index {
	x := make(index)
	for _, c := range cases {
		for i, b := range []byte(c.ID + ".") {
			if b == '.' {
				x[c.ID[:i]] = append(x[c.ID[:i]], c)
			}
		}
	}
	return x
}

// chosen is Select; wrong are patterns that name nothing.
func (x index) chosen(patterns string) (ids map[string]bool, wrong []string) {
	ids = make(map[string]bool)
	for p := range strings.FieldsSeq(patterns) {
		name, minus := strings.CutPrefix(p, "-")
		if len(x[name]) == 0 {
			wrong = append(wrong, p)
		}
		for _, c := range x[name] {
			if ids[c.ID] = true; minus {
				delete(ids, c.ID)
			}
		}
	}
	return ids, wrong
}

// tells reports whether it says something of a case that it finds m. Where a fifth
// of all cases do -- who cannot close meets most of them with that -- it does so of
// the guards only.
func (m *mutant) tells(id string, found map[string]bool, cases []*Case) bool {
	return len(found) < len(cases)/5 || selected(m.guards, id)
}

// finders are the cases that find each of the list in a role.
func (l ledger) finders(t *testing.T, list []mutant, x index, role Roles) []map[string]bool {
	found := make([]map[string]bool, len(list))
	for i := range list {
		var wrong []string
		if found[i], wrong = x.chosen(l[list[i].in(role)]); len(wrong) > 0 && !*update {
			t.Errorf("%s: no cases are called %s; is the ledger up to date?", list[i].in(role), wrong)
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
	one := func(i int) {
		results[i] = testServer(ctx, cases[i], t, o)
		if o.Parallel == 1 {
			elapse(time.Minute)
		}
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range o.Parallel {
		wg.Go(func() {
			for i := range next {
				one(i)
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
			one(i)
		}
	}
	return results
}

var everything = flag.Bool("everything", false, "TestMutants: let every mutant meet every case but the longest, not only some")

// Every mutant is found by exactly the cases that the ledger says, the guards
// among them, and every case finds at least one for a reason of its own. To keep it
// short, each case meets one of the mutants that it finds, and only some of the
// others; all of them, but of the long ones those that are named, with -everything.
func TestMutants(t *testing.T) {
	all, list := Cases(), mutants()
	if len(list) < 100 {
		t.Errorf("%d mutants, promised are 100", len(list))
	}
	old, now := readLedger(t), make(ledger)
	t.Run("each", func(t *testing.T) {
		var mu sync.Mutex
		for _, role := range []Roles{ForServers, ForClients} {
			cases := For(all, role)
			finders := old.finders(t, list, indexOf(cases), role)
			plan := arrange(cases, list, finders, role)
			t.Run(fmt.Sprintf("nothing is wrong (%v)", role), func(t *testing.T) { sane(t, cases, list, role, plan) })
			for i := range list {
				m := &list[i]
				if !m.is(role) {
					continue
				}
				t.Run(m.in(role), func(t *testing.T) {
					t.Parallel()
					found := m.compare(t, plan[i], finders[i], m.run(t, plan[i], role))
					mu.Lock()
					defer mu.Unlock()
					now[m.in(role)] = compact(cases, found)
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
	known := make(map[string]bool)
	for _, role := range []Roles{ForServers, ForClients} {
		for i := range list {
			if m := &list[i]; m.is(role) {
				if _, ok := old[m.in(role)]; !ok || known[m.in(role)] {
					t.Errorf("%s: is it in the ledger? Is there another one of that name?", m.in(role))
				}
				known[m.in(role)] = true
			}
		}
		old.check(t, list, all, role)
	}
	for name := range old {
		if !known[name] {
			t.Errorf("%s: the ledger has a mutant that there is not", name)
		}
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
				b.WriteString(strings.TrimSpace(name+": "+patterns) + "\n")
			}
		}
	}
	if err := os.WriteFile(ledgerFile, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// check looks at the whole ledger.
func (l ledger) check(t *testing.T, list []mutant, all []*Case, role Roles) {
	cases, x, finds := For(all, role), indexOf(all), make(map[string]bool)
	for i, found := range l.finders(t, list, indexOf(cases), role) {
		m := &list[i]
		if !m.is(role) {
			continue
		}
		for id := range found {
			finds[id] = finds[id] || m.tells(id, found, cases)
		}
		guards, unknown := x.chosen(m.guards)
		blind := make(map[string]bool) // of its guards
		for id := range guards {
			blind[id] = !found[id]
		}
		switch {
		case len(guards) == 0 || len(unknown) > 0:
			t.Errorf("%s: no cases are called %q, its guards", m.in(role), m.guards)
		case m.allowed != "" && len(found) > 0:
			t.Errorf("%s: it is right (%s), and found by %s", m.in(role), m.allowed, l[m.in(role)])
		case m.allowed == "" && len(found) == 0:
			t.Errorf("%s: nobody finds it", m.in(role))
		case m.allowed == "" && compact(cases, blind) != "":
			t.Errorf("%s: of its guards these do not find it: %s", m.in(role), compact(cases, blind))
		}
	}
	never := make(map[string]bool)
	for _, c := range cases {
		never[c.ID] = !finds[c.ID]
	}
	if list := compact(cases, never); list != "" {
		t.Errorf("of the cases for %v these find no mutant: %s", role, list)
	}
}

// arrange says which cases each mutant meets.
func arrange(cases []*Case, list []mutant, finders []map[string]bool, role Roles) [][]*Case {
	by := make(map[string][]int) // the mutants that a case finds
	x := indexOf(cases)
	guards, long := make([]map[string]bool, len(list)), make([]map[string]bool, len(list))
	for i := range list {
		guards[i], _ = x.chosen(list[i].guards)
		long[i], _ = x.chosen(list[i].long)
		for id := range finders[i] {
			if list[i].tells(id, finders[i], cases) {
				by[id] = append(by[id], i)
			}
		}
	}
	plan := make([][]*Case, len(list))
	for _, c := range cases {
		finds, isLong := by[c.ID], c.Heavy || loadIDs()[c.ID]
		for i := range list {
			m := &list[i]
			meets := *everything || roll(m.name, c.ID)%20 == 0
			switch {
			case !m.is(role):
				continue
			case len(finds) > 0 && finds[roll(c.ID, "")%len(finds)] == i:
				meets = true
			case isLong:
				meets = *everything && long[i][c.ID]
			case m.secure:
				meets = guards[i][c.ID]
			case m.allowed != "":
				meets = meets || guards[i][c.ID]
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

// sane lets the cases meet a man in the middle who changes nothing: none finds him.
func sane(t *testing.T, cases []*Case, list []mutant, role Roles, plan [][]*Case) {
	for _, secure := range []bool{false, true} {
		met := make(map[*Case]bool)
		for i := range list {
			for _, c := range plan[i] {
				met[c] = met[c] || list[i].secure == secure
			}
		}
		m := mutant{secure: secure, damage: damage{
			opens: func(*middle, *frame) bool { return true },
			sends: func(_ *middle, f frame) []frame { return []frame{f} },
		}}
		for _, r := range m.run(t, slices.DeleteFunc(slices.Clone(cases), func(c *Case) bool { return !met[c] }), role) {
			if r.Verdict() > Unimplemented {
				t.Error(account(&r))
			}
		}
	}
}

// compare tells the difference between the cases that find m and those that are
// to.
func (m *mutant) compare(t *testing.T, cases []*Case, want map[string]bool, results map[string]Result) map[string]bool {
	found := make(map[string]bool)
	for _, c := range cases {
		r, ok := results[c.ID]
		if !ok {
			r = Result{Behavior: Failed, Note: "no result"}
		}
		found[c.ID] = r.Verdict() >= NonStrict // the rest is nothing to be blamed for
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
