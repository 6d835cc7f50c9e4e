package auth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
