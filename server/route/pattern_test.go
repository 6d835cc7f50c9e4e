package route_test

import (
	"strings"
	"testing"

	"curlew.example/curlew/server/config"
)

// RX11: patterns on which other engines never come to an end, on paths made for
// that: here each byte of a path is looked at so often and no more. One that would
// grow too large is refused.
func TestRX11_Patterns(t *testing.T) {
	for pattern, path := range map[string]string{
		`^/(a+)+$`:                     "/" + strings.Repeat("a", 8000) + "!",
		`^/(a|aa)+$`:                   "/" + strings.Repeat("a", 8000) + "!",
		`^/(a|a?)+b$`:                  "/" + strings.Repeat("a", 8000),
		`^/(.*a){20}$`:                 "/" + strings.Repeat("a", 7999) + "b",
		`^/([a-z]+/?)+[0-9]$`:          "/" + strings.Repeat("abc/", 2000),
		`^/(?P<x>(\w+\s?)*)\.html$`:    "/" + strings.Repeat("word_", 1600),
		`/{name}(/{rest})*(x+x+)+y`:    "/n/" + strings.Repeat("x", 8000),
		`^/((a?){50}){2}a{100}$`:       "/" + strings.Repeat("a", 99),
		`^/(a*)*(b*)*(c*)*(d*)*(e*)*$`: "/" + strings.Repeat("abcde", 1600) + "f",
	} {
		tab := table(t, "{ pattern: '"+strings.ReplaceAll(pattern, `\`, `\\`)+"', handler: 'respond' }")
		if got := ask(tab, "GET", "a.example", path); !strings.HasPrefix(got, "404") {
			t.Errorf("%s: %s", pattern, got)
		}
	}
	for _, pattern := range []string{`(a{1000}){1000}`, `((((a{30}){30}){30}){30})`, `a{1001}`, strings.Repeat("(", 2000) + "a" + strings.Repeat(")", 2000), `(?=a)`, `(a)\1`} {
		text := "{ routes: [{ pattern: '" + strings.ReplaceAll(pattern, `\`, `\\`) + "', handler: 'respond' }] }"
		if _, err := config.Parse("site.json5", []byte(text)); err == nil || !strings.Contains(err.Error(), "site.json5:1:") {
			t.Errorf("%.30s: %v", pattern, err)
		}
	}
}
