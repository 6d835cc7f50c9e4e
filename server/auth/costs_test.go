package auth

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A counted hash says how often it was checked, and of what.
type counted struct {
	mu   sync.Mutex
	n    int
	wait chan struct{} // nil: does not

	processors, memory int // see takes
}

func (c *counted) matches(p []byte) bool {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	if c.wait != nil {
		<-c.wait
	}
	return string(p) == "right"
}

func (*counted) quick() bool { return false }

func (h *counted) takes() (processors, memory int) { return max(h.processors, 1), h.memory }

func countedGuard(t *testing.T, wait chan struct{}) (*Guard, *counted) {
	g := newGuard(t, &Options{Users: file(t, "alice:"+bcryptOf(t, "x"))})
	h := &counted{wait: wait}
	u := *g.basic.users.value.Load()
	u.all[0].hash = h
	return g, h
}

// AU11: a name that nobody has costs what a wrong password costs. What was right is
// not checked again for a while, what was wrong is.
func TestAU11Costs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, h := countedGuard(t, nil)
		for i, c := range []struct {
			name, password, want string
			checks               int
		}{
			{"nobody", "right", "401", 1}, {"nobody", "right", "401", 1}, {"alice", "wrong", "401", 1}, {"alice", "wrong", "401", 1},
			{"alice", "right", "alice", 1}, {"alice", "right", "alice", 0}, {"alice", "wrong", "401", 1}, {"alice", "right", "alice", 0},
		} {
			h.n = 0
			if got := ask(g, request("/", basicOf(c.name, c.password))); got != c.want || h.n != c.checks {
				t.Errorf("%d: %s, %d checks; want %s, %d", i, got, h.n, c.want, c.checks)
			}
		}
		time.Sleep(knownFor)
		h.n = 0
		if ask(g, request("/", basicOf("alice", "right"))); h.n != 1 {
			t.Error("it is remembered for ever")
		}
	})
}

// AU12: what is remembered is of name, password and account together.
func TestAU12Digests(t *testing.T) {
	b := newKnown()
	a := &account{name: "a", text: "h"}
	seen := map[digest]string{}
	for _, c := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"", "abc"}, {"abc", ""}, {"a\x00b", "c"}, {"a", "\x00bc"}} {
		d := b.digest(c[0], c[1], a)
		if other, ok := seen[d]; ok {
			t.Errorf("%q is %q", c, other)
		}
		seen[d] = fmt.Sprint(c)
	}
	if b.digest("a", "b", a) == b.digest("a", "b", &account{name: "a", text: "other"}) {
		t.Error("a new password hash changes nothing")
	}
}

// What was right is right for a guard that comes after, of a site that was read
// again, and for others with the same account. It is bounded, and what is over goes.
func TestKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, h := countedGuard(t, nil)
		ask(g, request("/", basicOf("alice", "right")))
		next := newGuard(t, &Options{Users: g.basic.users.file, Costs: g.basic.costs, Roles: []string{"boss"}})
		(*next.basic.users.value.Load()).all[0].hash = h
		if got := ask(next, request("/", basicOf("alice", "right"))); got != "403" || h.n != 1 {
			t.Errorf("%s, %d checks", got, h.n)
		}
		k := newKnown()
		number := func(i int) (d digest) {
			binary.BigEndian.PutUint64(d[:], uint64(i))
			return d
		}
		for i := range 3 * maxKnown {
			k.add(number(i), time.Now())
			if len(k.until) > maxKnown || !k.has(number(i), time.Now()) {
				t.Fatalf("%d: %d are known", i, len(k.until))
			}
		}
		if len(k.until) < maxKnown/2 {
			t.Errorf("only %d are known", len(k.until))
		}
		time.Sleep(knownFor)
		for i := range maxKnown {
			k.add(number(-i), time.Now())
		}
		if n := len(k.until); n > maxKnown {
			t.Errorf("%d are known", n)
		}
		for i := range maxKnown {
			if k.has(number(i+1), time.Now()) {
				t.Fatal("known for ever")
			}
		}
	})
}

// A flood of wrong passwords has a bounded number checked at a time, of a client
// one; who finds no room is told to come again.
func TestPasswordFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		g, h := countedGuard(t, wait)
		var mu sync.Mutex
		got := map[string]int{}
		flood := func(n int, client netip.Prefix) {
			for range n {
				go func() {
					_, no := g.Check(request("/", basicOf("alice", "wrong")), client)
					mu.Lock()
					defer mu.Unlock()
					got[fmt.Sprint(no.Status)]++
				}()
			}
			synctest.Wait()
		}
		most := cap(g.basic.costs.working)
		flood(100, somebody)
		if h.n != 1 || got["503"] != 100-maxLane {
			t.Errorf("one client: %d at a time, %v", h.n, got)
		}
		for i := range 1000 {
			flood(1, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32))
		}
		if h.n != most || got["503"] != 1100-maxQueue {
			t.Errorf("many: %d at a time, want %d; %v", h.n, most, got)
		}
		close(wait)
		synctest.Wait()
		if got["401"] != maxQueue || len(g.basic.costs.clients) != 0 || g.basic.costs.waiting != 0 {
			t.Errorf("afterwards: %v, %d clients", got, len(g.basic.costs.clients))
		}
	})
}

// What is checked at a time is as many as there are processors for, and memory.
func TestCostsOfHashes(t *testing.T) {
	for _, c := range []struct{ slots, processors, memory, want int }{
		{16, 1, 4, 16}, {16, 4, 64, 4}, {16, 3, 64, 5}, {16, 16, 64, 1}, {1, 4, 64, 1}, {1, 1, maxMemory, 1},
		{16, 1, 64 << 10, 4}, {16, 4, 64 << 10, 4}, {16, 1, maxMemory, 1}, {16, 1, maxMemory/2 + 1, 1}, {3, 1, 100 << 10, 1}, {4, 1, 19 << 10, 4}, {16, 1, 19 << 10, 8},
	} {
		synctest.Test(t, func(t *testing.T) {
			wait := make(chan struct{})
			g, h := countedGuard(t, wait)
			h.processors, h.memory = c.processors, c.memory
			g.basic.costs = newCosts(c.slots)
			for i := range 100 {
				go g.Check(request("/", basicOf("alice", "wrong")), netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32))
			}
			synctest.Wait()
			if h.n != c.want {
				t.Errorf("%+v: %d at a time", c, h.n)
			}
			close(wait)
			synctest.Wait()
			if h.n != 100 || len(g.basic.costs.working) != 0 || len(g.basic.costs.turn) != 0 {
				t.Errorf("%+v: %d at the end, %d at work", c, h.n, len(g.basic.costs.working))
			}
		})
	}
}

// HS43: nobody waits for ever for a password to be checked, however long the others
// take.
func TestHS43PasswordsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		g, h := countedGuard(t, wait)
		most := cap(g.basic.costs.working)
		var refused atomic.Int32
		for i := range most + 5 {
			go func() {
				client := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32)
				began := time.Now()
				if _, no := g.Check(request("/", basicOf("alice", "wrong")), client); no.Status == http.StatusServiceUnavailable {
					refused.Add(1)
					if d := time.Since(began); d != maxWait {
						t.Errorf("refused after %v", d)
					}
				}
			}()
		}
		time.Sleep(maxWait - 1)
		synctest.Wait()
		if refused.Load() != 0 {
			t.Error("refused too early")
		}
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		if refused.Load() != 5 || h.n != most {
			t.Errorf("%d refused of 5, %d at work", refused.Load(), h.n)
		}
		close(wait)
	})
}

// The requests of a page that come together have one password checked.
func TestPasswordsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		g, h := countedGuard(t, wait)
		for range maxLane {
			go func() {
				if got := ask(g, request("/", basicOf("alice", "right"))); got != "alice" {
					t.Error(got)
				}
			}()
		}
		synctest.Wait()
		close(wait)
		synctest.Wait()
		if h.n != 1 {
			t.Errorf("%d checks", h.n)
		}
	})
}
