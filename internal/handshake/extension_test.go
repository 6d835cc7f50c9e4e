package handshake

import (
	"reflect"
	"strings"
	"testing"
)

// render writes extensions in the one form that has no choices left.
func render(exts []Extension) string {
	var b strings.Builder
	for i, e := range exts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e.Name)
		for _, p := range e.Params {
			b.WriteString(";" + p.Name)
			if !p.Bare {
				b.WriteString("=" + p.Value)
			}
		}
	}
	return b.String()
}

func TestParseExtensions(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"permessage-deflate", "permessage-deflate"},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate;client_max_window_bits"},
		{"permessage-deflate; client_max_window_bits; server_max_window_bits=10", "permessage-deflate;client_max_window_bits;server_max_window_bits=10"},
		{`permessage-deflate; server_max_window_bits="10"`, "permessage-deflate;server_max_window_bits=10"},
		{`x; a="\1\0"`, "x;a=10"},
		{"foo, bar; baz=2", "foo,bar;baz=2"},
		{"a;b=1,a;b=2 , c", "a;b=1,a;b=2,c"},
		{" \ta\t;\tb = 1\t,, c ,", "a;b=1,c"}, // implied *LWS; empty members
		{"a;a;a=1", "a;a;a=1"},                // repetition is judged by the extension
		{"constructor;__proto__=toString", "constructor;__proto__=toString"},
	} {
		got, err := ParseExtensions([]string{c.in})
		if err != nil || render(got) != c.want {
			t.Errorf("ParseExtensions(%q) = %q, %v; want %q", c.in, render(got), err, c.want)
		}
		if again, err := ParseExtensions([]string{render(got)}); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q does not survive a round trip: %v", c.in, err)
		}
	}
	if got, err := ParseExtensions(nil); got != nil || err != nil {
		t.Errorf("no header: %v, %v", got, err)
	}
	got, err := ParseExtensions([]string{"a;b", "c", ""})
	if err != nil || render(got) != "a;b,c" {
		t.Errorf("three lines: %q, %v", render(got), err)
	}
}

func TestHS24_HS25_ParseExtensions(t *testing.T) {
	bad := map[string]string{
		"HS24 empty":               "",
		"HS24 commas":              ", ,",
		"HS24 unclosed quote":      `a; b="c`,
		"HS24 unclosed escape":     `a; b="c\`,
		"HS24 NUL":                 "a\x00",
		"HS24 only =":              "=",
		"HS24 ;;":                  "a;;b",
		"HS24 ; behind":            "a;",
		"HS24 ; before":            ";a",
		"HS24 = without value":     "a;b=",
		"HS24 = without name":      "a;=b",
		"HS24 = on the extension":  "a=b",
		"HS24 two tokens":          "a b",
		"HS24 two values":          "a;b=c d",
		"HS24 text behind quote":   `a;b="c"d`,
		"HS24 quoted name":         `"a"`,
		"HS24 quote in a token":    `a;b=c"d"`,
		"HS24 8 bit":               "a;b=\xff",
		"HS24 10000 parameters":    "a" + strings.Repeat(";b", 10000),
		"HS24 10000 extensions":    strings.Repeat("a,", 10000),
		"HS24 backslash flood":     `a;b="` + strings.Repeat(`\b`, huge/2),
		"HS24 quote flood":         "a;b=" + strings.Repeat(`"`, huge),
		"HS24 semicolon flood":     "a" + strings.Repeat(";", huge),
		"HS24 space flood":         "a;b" + strings.Repeat(" ", huge) + "c",
		"HS25 empty quotes":        `a;b=""`,
		"HS25 space in quotes":     `a;b="c d"`,
		"HS25 comma in quotes":     `a;b="c,d"`,
		"HS25 semicolon in quotes": `a;b="c;d"`,
		"HS25 escaped quote":       `a;b="\""`,
		"HS25 escaped backslash":   `a;b="\\"`,
		"HS25 control in quotes":   "a;b=\"\x01\"",
		"HS25 8 bit in quotes":     "a;b=\"\xc3\xa9\"",
	}
	for name, in := range bad {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseExtensions([]string{in}); err == nil {
				t.Errorf("ParseExtensions accepts it as %q", render(got))
			}
		})
	}
	long := `a;b="` + strings.Repeat(`\b`, huge/2) + `"`
	if got, err := ParseExtensions([]string{long}); err != nil || len(got[0].Params[0].Value) != huge/2 {
		t.Errorf("a long escaped value: %v", err)
	}
}

// Every prefix of a header is either an error or a list whose members begin the
// whole one.
func TestParseExtensionsPrefixes(t *testing.T) {
	const in = `permessage-deflate; server_max_window_bits="10"; client_max_window_bits, x; y=z`
	whole, err := ParseExtensions([]string{in})
	if err != nil {
		t.Fatal(err)
	}
	for i := range in {
		got, err := ParseExtensions([]string{in[:i]})
		if err != nil {
			continue
		}
		for j, e := range got {
			last := j == len(got)-1
			if !last && !reflect.DeepEqual(e, whole[j]) || last && (!strings.HasPrefix(whole[j].Name, e.Name) || len(e.Params) > len(whole[j].Params)) {
				t.Errorf("prefix %q: member %d is %+v", in[:i], j, e)
			}
		}
	}
}
