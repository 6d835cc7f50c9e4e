package route_test

import (
	"math/rand/v2"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
)

// AU15: of no path that the last route answers some usual way to read paths makes one
// of the first route.
func TestAU15UsualReadings(t *testing.T) {
	tab := table(t, `{ match: '/admin/', handler: 'echo' }, { match: '/open/', handler: 'echo' }, { match: '/', handler: 'echo' }`)
	parts := []string{"/", "/", "/", "//", "admin", "open", "x", "..", ".", ";", ";a=b", "%2f", "%2F", "%2e%2e", "%3b", "%61dmin", "%252f", "...", "a"}
	parameter := regexp.MustCompile(`;[^/]*`)
	decode := func(s string) string {
		s, _ = url.PathUnescape(s)
		return s
	}
	cut := func(s string) string { return parameter.ReplaceAllString(s, "") }
	clean := func(s string) string {
		c := path.Clean("/" + s)
		if c != "/" && (strings.HasSuffix(s, "/") || strings.HasSuffix(s, "/.") || strings.HasSuffix(s, "/..")) {
			c += "/"
		}
		return c
	}
	readings := map[string]func(string) string{
		"decoded":                      func(s string) string { return clean(decode(s)) },
		"decoded, without parameters":  func(s string) string { return clean(cut(decode(s))) },
		"without parameters, decoded":  func(s string) string { return clean(decode(cut(s))) },
		"cleaned, then decoded":        func(s string) string { return clean(decode(clean(s))) },
		"parameters cut at both times": func(s string) string { return clean(cut(decode(cut(s)))) },
	}
	random := rand.New(rand.NewPCG(1, 2))
	answered := map[string]int{}
	for range 10_000 {
		target := "/"
		for range 1 + random.IntN(8) {
			target += parts[random.IntN(len(parts))]
		}
		got := ask(tab, "GET", "site.example", target)
		answered[got]++
		for how, read := range readings {
			as := read(target)
			if got == "200 2" && (strings.HasPrefix(as, "/admin/") || strings.HasPrefix(as, "/open/")) || got == "200 1" && !strings.HasPrefix(as, "/open/") && as != "/open" {
				t.Fatalf("%s: %s; %s it is %s", target, got, how, as)
			}
		}
	}
	for _, want := range []string{"200 0", "200 1", "200 2", "404", "400"} {
		if answered[want] < 50 {
			t.Errorf("%v", answered)
		}
	}
}
