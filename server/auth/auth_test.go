package auth

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// bcryptOf and argon2Of make hashes that are cheap to check.
func bcryptOf(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func argon2Of(password string) string {
	salt := []byte("sixteen  of salt")
	sum := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	b64 := base64.RawStdEncoding.EncodeToString
	return "$argon2id$v=19$m=64,t=1,p=1$" + b64(salt) + "$" + b64(sum)
}

// file writes a file and returns its name.
func file(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func newGuard(t testing.TB, o *Options) *Guard {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var somebody = netip.MustParsePrefix("192.0.2.1/32")

// ask checks a request and returns "name" or the status.
func ask(g *Guard, r *http.Request) string {
	u, no := g.Check(r, somebody)
	if no != nil {
		return fmt.Sprint(no.Status)
	}
	return u.Name
}

func request(target string, header ...string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func basicOf(name, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func TestBasic(t *testing.T) {
	g := newGuard(t, &Options{Realm: `a "realm"`, Users: file(t, "# who may come\r\n\nalice:"+bcryptOf(t, "wonder:land")+":admin, editor\r\n"+
		"bøb:"+argon2Of("builder")+"\ncarol:"+strings.Replace(bcryptOf(t, "c"), "$2a$", "$2y$", 1)+":\n")})
	for range 2 { // the second time it is remembered
		for _, c := range []struct{ line, want string }{
			{basicOf("alice", "wonder:land"), "alice"},
			{basicOf("bøb", "builder"), "bøb"},
			{basicOf("carol", "c"), "carol"},
			{strings.Replace(basicOf("carol", "c"), "Basic", "bASIC", 1), "carol"},
			{basicOf("alice", "wonder"), "401"},
			{basicOf("alice", ""), "401"},
			{basicOf("alice", "builder"), "401"},
			{basicOf("Alice", "wonder:land"), "401"},
			{basicOf("", ""), "401"},
			{basicOf("dave", "builder"), "401"},
			{basicOf("alic", "ewonder:land"), "401"},
			{"Authorization: Basic", "401"},
			{"Authorization: Basic ????", "401"},
			{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("alice")), "401"},
			{"Authorization: Bearer abc", "401"},
			{"X-Other: y", "401"},
		} {
			if got := ask(g, request("/", c.line)); got != c.want {
				t.Errorf("%s: %s, want %s", c.line, got, c.want)
			}
		}
	}
	if got := ask(g, request("/", basicOf("alice", "wonder:land"), basicOf("alice", "wonder:land"))); got != "401" {
		t.Errorf("two headers: %s", got)
	}
	_, no := g.Check(request("/"), somebody)
	if got := no.Header["Www-Authenticate"]; len(got) != 1 || got[0] != `Basic realm="a \"realm\"", charset="UTF-8"` {
		t.Errorf("asks with %q", got)
	}
}

func TestRoles(t *testing.T) {
	users := file(t, "alice:"+bcryptOf(t, "a")+":admin,editor\nbob:"+bcryptOf(t, "b")+"\n")
	for _, c := range []struct{ roles, alice, bob string }{{"", "alice", "bob"}, {"admin", "alice", "403"}, {"boss editor", "alice", "403"}, {"boss", "403", "403"}} {
		g := newGuard(t, &Options{Users: users, Roles: strings.Fields(c.roles)})
		if got := ask(g, request("/", basicOf("alice", "a"))); got != c.alice {
			t.Errorf("%q: alice: %s", c.roles, got)
		}
		if got := ask(g, request("/", basicOf("bob", "b"))); got != c.bob {
			t.Errorf("%q: bob: %s", c.roles, got)
		}
		if got := ask(g, request("/", basicOf("bob", "x"))); got != "401" {
			t.Errorf("%q: a stranger: %s", c.roles, got)
		}
	}
}

func TestUsersFile(t *testing.T) {
	good := bcryptOf(t, "x")
	for text, want := range map[string]string{
		"":                            "no users",
		"# nobody\n":                  "no users",
		"alice\n":                     "line 1: a line is name:hash",
		":" + good:                    "line 1: this is not the name",
		"a\x01:" + good:               "line 1: this is not the name",
		"a:" + good + "\n\na:" + good: "line 3: this user is there already",
		"a:plain":                     "line 1: neither a bcrypt nor an argon2id hash",
		"a:$apr1$x$y":                 "neither",
		"a:{SHA}abc":                  "neither",
		"a:":                          "neither",
		"a:" + good[:59]:              "no bcrypt",
		"a:$2y$15$" + good[7:]:        "takes too long",
		"a:$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":           "neither",
		"a:$argon2id$v=18$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":          "no argon2id",
		"a:$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$":                                "no argon2id",
		"a:$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":          "no argon2id",
		"a:$argon2id$v=19$m=64,t=1,p=1x$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":         "no argon2id",
		"a:$argon2id$v=19$m=9999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":     "takes too much",
		"a:$argon2id$v=19$m=262144,t=64,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":     "takes too much",
		"a:$argon2id$v=19$m=99999999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA": "no argon2id",
		"\xff":                            "not UTF-8",
		strings.Repeat("#", 1<<20) + "\n": "larger than 1 MiB", // AU20
	} {
		_, err := New(&Options{Users: file(t, text)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
	if _, err := New(&Options{Users: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a file that is not there")
	}
	if _, err := New(&Options{}); err == nil {
		t.Error("nothing to ask for")
	}
}

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

// Hashes that are checked in no time are as quickly guessed.
func TestQuick(t *testing.T) {
	const salt, sum = "c2l4dGVlbiAgb2Ygc2FsdA", "Mw+1pCP6CbjpHPnjJ/2ghTTbyTcTlX+ezGfgCWRkJ7c"
	cost := func(n string) string { return "$2y$" + n + bcryptOf(t, "x")[6:] }
	argon2 := func(how string) string { return "$argon2id$v=19$" + how + "$" + salt + "$" + sum }
	for hash, want := range map[string]bool{
		cost("04"): true, cost("05"): true, cost("09"): true, cost("10"): false, cost("14"): false,
		argon2("m=4096,t=3,p=1"): true, argon2("m=32767,t=1,p=1"): true, argon2("m=32768,t=1,p=1"): false, argon2("m=19456,t=2,p=1"): false, argon2("m=65536,t=3,p=4"): false,
	} {
		g := newGuard(t, &Options{Users: file(t, "alice:"+hash)})
		if got := len(g.Quick()) == 1; got != want {
			t.Errorf("%s: %v", hash, got)
		}
	}
	if names := newGuard(t, &Options{JWT: &JWT{Keys: secret}}).Quick(); names != nil {
		t.Error(names)
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

// Editors that mark their files with a byte order mark rename no user.
func TestMarkedFile(t *testing.T) {
	g := newGuard(t, &Options{Users: file(t, "\ufeffalice:"+bcryptOf(t, "a"))})
	if got := ask(g, request("/", basicOf("alice", "a"))); got != "alice" {
		t.Error(got)
	}
}

// RFC 7617, 2: names and passwords have no control characters. To bcrypt, which
// reads a password in a circle with a NUL behind it, some with a NUL are the same.
func TestControlCharacters(t *testing.T) {
	g := newGuard(t, &Options{Users: file(t, "alice:"+bcryptOf(t, "a")+"\nbob:"+bcryptOf(t, "b\tc"))})
	for _, password := range []string{"a\x00a", "a\x00a\x00a", "a\x00", "\x00", "a\n", "a\x7f"} {
		if got := ask(g, request("/", basicOf("alice", password))); got != "401" {
			t.Errorf("%q: %s", password, got)
		}
	}
	for _, name := range []string{"alice\x00", "al\nice"} {
		if got := ask(g, request("/", basicOf(name, "a"))); got != "401" {
			t.Errorf("%q: %s", name, got)
		}
	}
	if got := ask(g, request("/", basicOf("bob", "b\tc"))); got != "401" {
		t.Errorf("a tab: %s", got)
	}
	// Bytes that are no UTF-8 are bytes. Of a long password bcrypt knows the beginning.
	long := strings.Repeat("x", maxPassword)
	g = newGuard(t, &Options{Users: file(t, "alice:"+bcryptOf(t, "a\xe9")+"\nbob:"+bcryptOf(t, long))})
	for _, c := range []struct{ name, password, want string }{
		{"alice", "a\xe9", "alice"}, {"alice", "a\u00e9", "401"}, {"bob", long, "bob"}, {"bob", long + "y", "bob"}, {"bob", long[1:], "401"}, {"b\xe9", "x", "401"},
	} {
		if got := ask(g, request("/", basicOf(c.name, c.password))); got != c.want {
			t.Errorf("%q %q: %s, want %s", c.name, c.password, got, c.want)
		}
	}
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

// AU19: a file that changes is read again; one that is broken or gone leaves what
// was there.
func TestAU19Reread(t *testing.T) {
	name := file(t, "alice:"+bcryptOf(t, "a"))
	var told []string
	g := newGuard(t, &Options{Users: name, Reread: func(_ string, err error) { told = append(told, fmt.Sprint(err != nil)) }})
	at := time.Now()
	look := func(alice, bob string) {
		t.Helper()
		at = at.Add(2 * lookEvery)
		g.basic.users.look(at)
		if got := ask(g, request("/", basicOf("alice", "a"))); got != alice {
			t.Errorf("alice: %s, want %s", got, alice)
		}
		if got := ask(g, request("/", basicOf("bob", "b"))); got != bob {
			t.Errorf("bob: %s, want %s", got, bob)
		}
	}
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, at, at.Add(time.Hour))
	}
	look("alice", "401")
	write("bob:" + bcryptOf(t, "b"))
	look("401", "bob")
	write("bob:broken")
	look("401", "bob")
	look("401", "bob")
	os.Remove(name)
	look("401", "bob")
	look("401", "bob")
	write("alice:" + bcryptOf(t, "a"))
	look("alice", "401")
	if got := strings.Join(told, " "); got != "false true true false" {
		t.Errorf("told %s", got)
	}
}

// A file that is just being written is not read before it has rested: its beginning
// may look like all of it, with users gone and roles cut short.
func TestHalfWritten(t *testing.T) {
	line := func(name, roles string) string { return name + ":" + bcryptOf(t, name) + ":" + roles + "\n" }
	all := line("alice", "administrator-of-nothing") + line("bob", "")
	name := file(t, all)
	g := newGuard(t, &Options{Users: name, Roles: []string{"administrator-of-nothing"}})
	began := time.Now().Add(time.Hour)
	write := func(text string, at time.Duration) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, began, began.Add(at))
	}
	look := func(at time.Duration, want int) {
		t.Helper()
		g.basic.users.look(began.Add(at))
		if got := len((*g.basic.users.value.Load()).all); got != want {
			t.Errorf("%v: %d users, want %d", at, got, want)
		}
	}
	write(all[:90], 0)
	look(500*time.Millisecond, 2)
	write(all+line("carol", ""), time.Second)
	look(1500*time.Millisecond, 2)
	look(1999*time.Millisecond, 2)
	look(2500*time.Millisecond, 3)
	write(all, 3*time.Second)
	look(7*time.Second, 3) // not every time
	look(8*time.Second, 2)
}

// Of and With.
func TestOf(t *testing.T) {
	r := request("/")
	if Of(r) != nil {
		t.Error("a user from nowhere")
	}
	if u := Of(With(r, &User{Name: "alice"})); u == nil || u.Name != "alice" {
		t.Error(u)
	}
}

// sign makes a token.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		o = o.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
