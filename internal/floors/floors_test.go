package floors

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A rule says what the packages of a folder may import. Folders are written from
// the root of the repository, "." is the root package, a "*" matches one
// element. The first rule that matches a folder counts.
type rule struct {
	dir   string
	own   string // packages of this repository, separated by spaces
	not   string // packages of the standard library that are not for it
	third string // modules of others, by prefix
	why   string
}

const (
	clock = "net os os/* time syscall" // what pure protocol code does without
	lower = "frame internal/bufs internal/deflate internal/handshake"
	lib   = ". frame"
)

// rules is the table of docs/architecture.md, floor by floor. A package may
// import lower floors, never its own or a higher one.
var rules = []rule{
	{dir: "frame", not: clock + " net/*", why: "floor 0: pure functions over bytes"},
	{dir: "internal/bufs", not: clock + " net/*", why: "floor 0: memory and nothing else"},
	{dir: "internal/deflate", not: clock + " net/*", why: "floor 0: a codec and its negotiation"},
	{dir: "internal/handshake", not: clock, why: "floor 0: pure functions over net/http's types"},
	{dir: "internal/core", own: lower, not: clock + " net/*", why: "floor 1: the state machine has no I/O, no clock and no goroutine, so that every driver, simulator and fuzzer runs the same code"},
	{dir: "internal/poll", own: "internal/bufs", why: "floor 1: knows descriptors, never a Conn"},
	{dir: ".", own: lower + " internal/core internal/poll", not: "syscall", why: "floor 2: drivers; only internal/poll talks to the kernel by itself"},
	{dir: "wstest", own: lib, why: "floor 3: what users could write themselves"},
	{dir: "conform", own: lib + " internal/deflate", why: "floor 3: judges the library from outside, with readers and writers of its own; only the DEFLATE codec is shared"},
	{dir: "client/js", not: clock + " net/*", why: "floor 0: embedded files"},
	{dir: "hub/proto", not: clock + " net/*", why: "floor 0: values and their text"},
	{dir: "hub", own: lib + " hub/proto internal/handshake", why: "floor 3: channels over connections, whatever carries them"},
	{dir: "hub/client", own: lib + " hub/proto", why: "floor 3: the other end; it never sees the hub"},
	{dir: "hub/hubtest", own: "hub hub/proto", why: "floor 4: what every broker must pass"},
	{dir: "fallback", own: lib + " internal/handshake", why: "floor 3: sessions over plain HTTP for any handler; it never looks into the bytes"},
	{dir: "examples/*", own: lib + " wstest", why: "floor 3: what users could write themselves"},
	{dir: "server/site", why: "floor 4: values and their decoder, for whoever reads a site file"},
	{dir: "server/auth", third: "github.com/go-jose/go-jose/v4 golang.org/x/crypto/", why: "floor 4: who somebody is; it knows neither sites nor servers"},
	{dir: "server/internal/systemd", why: "floor 4: two protocols of a service manager"},
	{dir: "server/internal/logs", not: "net/*", why: "floor 4: what strangers may write in a log"},
	{dir: "server/convert", own: "server/site", why: "floor 5: texts in, a text out; it checks what it writes with the site's parser and knows no server"},
	{dir: "server/web", why: "floor 4: embedded files"},
	{dir: "server/web/*", why: "floor 4: embedded files"},
	{dir: "server/route", own: lib + " fallback server/site", why: "floor 5: the library and the site's values"},
	{dir: "server/handler/hub", own: lib + " hub hub/proto server/site server/route server/auth server/internal/logs", why: "floor 5: as other handlers, and who a token is of"},
	{dir: "server/handler/*", own: lib + " server/site server/route server/internal/logs", why: "floor 5: handlers do not know each other, the file or the server, so that each can go and stay alone"},
	{dir: "server/config", own: lib + " server/site server/route server/handler/*", why: "floor 6"},
	{dir: "server", own: lib + " client/js fallback server/site server/route server/handler/* server/auth server/config server/web server/web/* server/internal/logs", third: "golang.org/x/crypto/acme", why: "floor 6: assembles, knows no flags"},
	{dir: "server/cmd/curlew", own: lib + " conform hub/client hub/proto server server/config server/convert server/site server/route server/handler/* server/web server/web/* server/internal/systemd",
		third: "github.com/alecthomas/kong", why: "floor 7: the program"},
	{dir: "bench/internal/peer", why: "flags and a loop: nothing that could help or hinder who is measured"},
	{dir: "bench/peers/*", own: "bench/internal/peer", third: "github.com/ golang.org/x/", why: "a peer to compare with, never ours"},
	{dir: "bench/conform", own: lib + " conform bench/internal/peer", why: "runs peers as processes, and cases against them"},
	{dir: "bench/*", own: lib + " hub bench/internal/peer", why: "ours, measured from outside as a user would write it"},

	// Only tests live here.
	{dir: "internal/floors"}, {dir: "internal/testenv"}, {dir: "internal/docs"}, {dir: "internal/modpath"}, {dir: "internal/rows"},
	{dir: "server/e2e"}, {dir: "server/interop"}, {dir: "server/internal/proxies", own: "internal/testenv"}, {dir: "server/internal/thirdparty"},
}

// testsOf is what test files may import besides what their package may.
func testsOf(dir string) (own, third string) {
	switch {
	case dir == "frame" || strings.HasPrefix(dir, "internal/"):
		return "internal/testenv " + dir, ""
	case strings.HasPrefix(dir, "server"):
		return lib + " wstest conform fallback hub hub/* internal/testenv server server/* server/*/* " + dir, "github.com/ golang.org/x/"
	}
	own = lib + " wstest conform internal/testenv internal/core internal/bufs " + orRoot(dir)
	if strings.HasPrefix(dir, "hub") {
		own += " hub hub/*"
	}
	if dir == "client/js" {
		own += " fallback hub"
	}
	return own, ""
}

func orRoot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// matches reports whether name is among the patterns.
func matches(patterns, name string) bool {
	for _, p := range strings.Fields(patterns) {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

func hasPrefix(prefixes, name string) bool {
	for _, p := range strings.Fields(prefixes) {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func ruleFor(dir string) *rule {
	for i := range rules {
		if matches(rules[i].dir, orRoot(dir)) {
			return &rules[i]
		}
	}
	return nil
}

func TestFloors(t *testing.T) {
	for _, f := range tree(t) {
		r := ruleFor(f.dir)
		if r == nil {
			t.Errorf("%s: no rule for %q: say in internal/floors on which floor it stands", f.name, f.dir)
			continue
		}
		own, third := r.own, r.third
		if f.test {
			o, th := testsOf(f.dir)
			own, third = own+" "+o, third+" "+th
		}
		for _, spec := range f.ast.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := refuse(p, own, r.not, third, f.test); why != "" {
				t.Errorf("%s imports %q: %s (%s: %s)", f.pos(spec), p, why, r.dir, r.why)
			}
		}
	}
}

// refuse says why an import is not allowed, or nothing.
func refuse(p, own, not, third string, test bool) string {
	first, _, _ := strings.Cut(p, "/")
	switch {
	case p == module || strings.HasPrefix(p, module+"/"):
		name := strings.TrimPrefix(strings.TrimPrefix(p, module), "/")
		if !matches(own, orRoot(name)) {
			return "not below it"
		}
	case strings.Contains(first, "."):
		if !hasPrefix(third, p) {
			return "a dependency on others"
		}
	case p == "C":
		return "no cgo"
	case p == "syscall/js":
	case !test && matches(not, p):
		return "its code does without"
	}
	return ""
}

// TestRules keeps the table itself honest.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		dir, path string
		test, ok  bool
	}{
		{"frame", "math/bits", false, true},
		{"frame", "time", false, false},
		{"frame", "testing", true, true},
		{"frame", module, false, false},
		{"frame", module + "/internal/bufs", false, false},
		{"internal/deflate", module + "/frame", false, false},
		{"internal/handshake", "net/http", false, true},
		{"internal/handshake", "net", false, false},
		{"internal/core", module + "/frame", false, true},
		{"internal/core", "net/http", false, false},
		{"internal/core", "os/exec", false, false},
		{"", module + "/internal/core", false, true},
		{"", "golang.org/x/net/http2", false, false},
		{"", "golang.org/x/net/http2", true, false},
		{"", "syscall", false, false},
		{"", module + "/wstest", false, false},
		{"", module + "/wstest", true, true},
		{"server/handler/echo", module + "/server/handler/static", false, false},
		{"server/handler/echo", module + "/server", false, false},
		{"server/handler/echo", "github.com/alecthomas/kong", false, false},
		{"server/cmd/curlew", "github.com/alecthomas/kong", false, true},
		{"server/site", module, false, false},
		{"wstest", module + "/internal/core", false, false},
		{"bench/echo", module + "/internal/core", false, false},
		{"bench/peers/gws", module, false, false},
		{"bench/conform", module + "/conform", false, true},
	} {
		r := ruleFor(c.dir)
		if r == nil {
			t.Fatalf("no rule for %q", c.dir)
		}
		own, third := r.own, r.third
		if c.test {
			o, th := testsOf(c.dir)
			own, third = own+" "+o, third+" "+th
		}
		if why := refuse(c.path, own, r.not, third, c.test); (why == "") != c.ok {
			t.Errorf("%q imports %q (test %v): %q, want allowed %v", c.dir, c.path, c.test, why, c.ok)
		}
	}
}

// TestLibraryRequiresNothing: users of the library inherit nothing.
func TestLibraryRequiresNothing(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?m)^\s*(require|replace|exclude|tool)\b.*`).Find(b); m != nil {
		t.Errorf("go.mod: %q: the library has no dependencies, tests included; what needs one belongs to the server module", m)
	}
	if _, err := os.Stat(filepath.Join(root, "go.sum")); err == nil {
		t.Error("go.sum exists: the library has no dependencies")
	}
}

// TestModules: the other modules also build without go.work.
func TestModules(t *testing.T) {
	for _, m := range []string{"server", "bench"} {
		b, err := os.ReadFile(filepath.Join(root, m, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if want := "replace " + module + " => ../"; !strings.Contains(string(b), want) {
			t.Errorf("%s/go.mod has no %q", m, want)
		}
	}
	// The path of the library must sort before net/http: a package that has to be
	// initialised before net/http (to switch on extended CONNECT) relies on it.
	if module > "net/http" {
		t.Errorf("module path %q sorts behind net/http; see docs/decisions", module)
	}
}
