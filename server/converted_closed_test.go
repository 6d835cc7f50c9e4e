package server_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"curlew.example/curlew/server/convert"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A guarded is a route of an appweb.conf as Appweb understands it.
type guarded struct {
	pattern *regexp.Regexp
	by      string // the directive that keeps somebody out, "" for none
}

// guards are such directives.
var guards = []string{"", "AuthType basic r", "Deny from all", "Condition exists x", "Require secure", "Allow from 10.0.0.0/8"}

// randomRoute writes a route with a pattern, and says what it is to Appweb.
func randomRoute(r *rand.Rand) (string, guarded) {
	theirs, model := "^", "^"
	for k := range 1 + r.IntN(2) {
		segment := [][2]string{
			{fmt.Sprintf("/{x%d}", k), "/([^/]*)"}, {fmt.Sprintf("/{x%d=[a-b]+}", k), "/([a-b]+)"}, {"/(a|b)", "/(a|b)"},
			{"/a", "/a"}, {"/b", "/b"}, {"/a-b", "/a-b"}, {`/a\.b`, `/a\.b`}, {"/A", "/A"},
		}[r.IntN(8)]
		theirs, model = theirs+segment[0], model+segment[1]
	}
	g := guarded{by: guards[r.IntN(len(guards))]}
	inner := g.by + "\n"
	if prefix := strings.ReplaceAll(theirs[1:], `\`, ""); r.IntN(3) == 0 && !strings.ContainsAny(prefix, "{(") {
		inner += "Prefix " + prefix + "\n"
	}
	if r.IntN(4) == 0 {
		inner += "Documents other\n"
	}
	end := [][2]string{{"", ""}, {"(~/{y}~)$", "(?:/([^/]*))?$"}, {"/", "/"}, {"/(.*)$", "/(.*)$"}, {"$", "$"}}[r.IntN(5)]
	if end[0] == "/(.*)$" && r.IntN(4) == 0 {
		inner += "Target run $1\n"
	}
	g.pattern = regexp.MustCompile(model + end[1])
	return "<Route " + theirs + end[0] + ">\n" + inner + "</Route>\n", g
}

// open reports whether a route of ours lets in whom the directive keeps out.
func (g guarded) open(r *site.Route) bool {
	switch {
	case r.Respond != nil && r.Respond.Status.Value >= 400, r.Redirect != nil:
		return false
	case g.by == "AuthType basic r":
		return r.Access.Auth == nil
	case strings.HasPrefix(g.by, "Allow"):
		return !r.Access.Allow.Set() || r.Access.Allow.Value.All
	}
	return true
}

// TestConvertedStaysClosed: whatever routes there are, no path that Appweb keeps
// somebody from is open to them in what becomes of it. CURLEW_CONFIGS is how many
// configurations are made up, 60 by default.
func TestConvertedStaysClosed(t *testing.T) {
	t.Parallel()
	configs := 60
	if n, err := strconv.Atoi(os.Getenv("CURLEW_CONFIGS")); err == nil {
		configs = n
	}
	r := rand.New(rand.NewPCG(1, 2))
	asked := 0
	for range configs {
		source := "Documents web\nAddHandler espHandler esp\nAddHandler fileHandler html \"\"\n"
		var model []guarded
		for range 1 + r.IntN(3) {
			text, g := randomRoute(r)
			source += text
			model = append(model, g)
		}
		text, err := convert.Appweb("appweb.conf", []byte(source))
		if err != nil {
			t.Fatalf("%v\n%s", err, source)
		}
		s, err := site.Parse("site.json5", text)
		if err != nil {
			t.Fatal(err)
		}
		table := new(route.Table)
		for _, ours := range s.Routes {
			if err := table.Add(ours, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 30 {
			path := ""
			for range 1 + r.IntN(3) {
				path += "/" + []string{"a", "b", "a-b", "a.b", "axb", "A", "ab", "c", "x.esp"}[r.IntN(9)]
			}
			path += []string{"", "", "/"}[r.IntN(3)]
			found := table.Find(&http.Request{Method: "GET", Host: "site", URL: &url.URL{Path: path}, ProtoMajor: 1, ProtoMinor: 1})
			for _, g := range model {
				if !g.pattern.MatchString(path) {
					continue
				}
				if g.by != "" {
					if asked++; found.Status == 0 && g.open(s.Routes[found.Route]) {
						t.Fatalf("%s is open, against %q\n%s\n%s", path, g.by, source, text)
					}
				}
				break // the first one counts
			}
		}
	}
	if asked < configs {
		t.Errorf("only %d paths were protected", asked)
	}
}
