package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

type list = []any
type object = map[string]any

// good are texts with their values.
var good = []struct {
	text string
	want any
}{
	// spec.json5.org, 3: what JSON has.
	{`null`, nil}, {`true`, true}, {`false`, false},
	{`[]`, list{}}, {`{}`, object{}}, {` [ 1 , 2 ] `, list{1.0, 2.0}},
	{`{"a":{"b":[null]}}`, object{"a": object{"b": list{nil}}}},

	// 4, objects: names and commas.
	{`{a:1,}`, object{"a": 1.0}}, {`{'a b':1,"c":2}`, object{"a b": 1.0, "c": 2.0}},
	{`{$_1:1}`, object{"$_1": 1.0}}, {`{ünï:1}`, object{"ünï": 1.0}}, {`{\u0061b:1}`, object{"ab": 1.0}},
	{"{a\u200C\u200D:1}", object{"a\u200C\u200D": 1.0}}, {`{ab\u0301:1}`, object{"ab\u0301": 1.0}},
	{`{null:1,true:2,Infinity:3,NaN:4}`, object{"null": 1.0, "true": 2.0, "Infinity": 3.0, "NaN": 4.0}},
	{`{"":1}`, object{"": 1.0}}, {`{ⅷ:1,ʰ:2}`, object{"ⅷ": 1.0, "ʰ": 2.0}},
	{`{"__proto__":1}`, object{"__proto__": 1.0}},

	// 5, texts.
	{`'it'`, "it"}, {`"it's"`, "it's"}, {`'a "b"'`, `a "b"`}, {`''`, ""},
	{`'\'\"\\\b\f\n\r\t\v\0'`, "'\"\\\b\f\n\r\t\v\x00"}, {`'\x41\xe9\u0042'`, "AéB"},
	{`'\a\q\/\ü'`, "aq/ü"}, {`"\uD83D\uDC26"`, "🐦"}, {`"\uD83D"`, "\uFFFD"}, {`"\uDC26x"`, "\uFFFDx"},
	{`"\uD83D\u0041"`, "\uFFFDA"}, {`"\uD83D\uD83D\uDC26"`, "\uFFFD🐦"}, {`"\ud83d\n"`, "\uFFFD\n"}, {`"\ud83d\u00"`[:7] + `"`, "\uFFFD"},
	{"'a\\\nb\\\r\nc\\\rd\\\u2028e\\\u2029f'", "abcdef"}, {"'\u2028\u2029'", "\u2028\u2029"}, {"'\t\x01'", "\t\x01"},

	// 6, numbers.
	{`0`, 0.0}, {`-0`, math.Copysign(0, -1)}, {`+1`, 1.0}, {`.5`, 0.5}, {`5.`, 5.0}, {`-.5e1`, -5.0}, {`1E+2`, 100.0}, {`12.5e-1`, 1.25},
	{`0x1F`, 31.0}, {`-0XaB`, -171.0}, {`+0x0`, 0.0}, {`Infinity`, math.Inf(1)}, {`-Infinity`, math.Inf(-1)}, {`+Infinity`, math.Inf(1)},
	{`5.e3`, 5000.0}, {`0.0`, 0.0}, {`1e-400`, 0.0}, {`0x10000000000000000`, 18446744073709551616.0},

	// 7 and 8, comments and white space.
	{"// a\n1 /* b */ // c", 1.0}, {"/**/1/***/", 1.0}, {"/* // */ 1", 1.0}, {"//\u2028 1", 1.0}, {"//a\r1", 1.0},
	{"\uFEFF{\v\f\u00A0\u2003\u2028\u2029\uFEFFa\t:\r\n1}", object{"a": 1.0}}, {"[1,//\n2,]", list{1.0, 2.0}},
}

func TestJSON5(t *testing.T) {
	for _, v := range good {
		n, err := ParseNode("f", []byte(v.text))
		if err != nil {
			t.Errorf("%q: %v", v.text, err)
			continue
		}
		if got := n.Any(); !reflect.DeepEqual(got, v.want) {
			t.Errorf("%q: got %#v, want %#v", v.text, got, v.want)
		}
	}
	n, err := ParseNode("f", []byte(`[NaN,-NaN]`))
	if err != nil || !math.IsNaN(n.Items[0].Float()) || !math.IsNaN(n.Items[1].Float()) {
		t.Errorf("NaN: %v, %v", n, err)
	}
}

// TestJSON5Prefix: what is cut off is an error, wherever, and stays in the text.
func TestJSON5Prefix(t *testing.T) {
	text := "{ a: 'b\\\nc\\u0041\\uD83D\\uDC26', // d\n \"e\": [1.5e+3, 0xF, /* f */ true,], \\u0067: {h: null} }"
	if _, err := ParseNode("f", []byte(text)); err != nil {
		t.Fatal(err)
	}
	for i := range len(text) {
		n, err := ParseNode("f", []byte(text[:i]))
		if err == nil {
			t.Errorf("%q: no error", text[:i])
		}
		if n != nil {
			t.Errorf("%q: a value besides the error", text[:i])
		}
		inText(t, text[:i], err)
	}
}

// inText checks that errors are of type Errors and lie in the text.
func inText(t *testing.T, text string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var es Errors
	if !errors.As(err, &es) || len(es) == 0 {
		t.Fatalf("%.80q: error of type %T", text, err)
	}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for _, e := range es {
		if e.Line == 0 && strings.Contains(e.Text, "too many errors") {
			continue
		}
		if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1 {
			t.Errorf("%.80q: outside of the text: %v", text, e)
		}
		if !strings.Contains(e.Text, "; ") {
			t.Errorf("%.80q: does not say what would be right: %v", text, e)
		}
		for _, r := range e.Error() {
			if r < ' ' || 0x7F <= r && r < 0xA0 || r == 0x2028 || r == 0x202E {
				t.Errorf("%.80q: CF11: the error is not fit to print: %q", text, e.Error())
			}
		}
	}
}

// TestJSON5Errors: each text with all of its errors.
func TestJSON5Errors(t *testing.T) {
	for _, v := range []struct{ text, want string }{
		{"", "f:1:1: the file is empty; an object is wanted: { … }"},
		{" // x\n", "f:2:1: the file is empty; an object is wanted: { … }"},
		{"/* x\n", "f:1:1: this comment does not end; write */ at its end"},
		{"{a:1 /* x", "f:1:6: this comment does not end; write */ at its end"},
		{"{ # x\n}", "f:1:3: found '#'; a comment begins with //"},
		{"{", "f:1:1: found the end of the file, and this bracket is open; close it with }"},
		{"{a:[1,\n 2", "f:1:4: a: found the end of the file, and this bracket is open; close it with ]"},
		{"{a:[1}", "f:1:6: a: found '}' for the bracket of line 1; close that with ] first"},
		{"{a:1]", "f:1:5: found ']' for the bracket of line 1; close that with } first"},
		{"{}}", "f:1:3: found '}' after the end; remove it, or a closing bracket too many before it"},
		{"{a}", "f:1:3: a: found '}' after the name 'a'; a colon and a value are wanted here"},
		{"{a:}", "f:1:4: a: found '}'; a value is wanted here"},
		{"{1a:2}", "f:1:2: found '1' where a name is wanted; put the name in quotes"},
		{"{-:2}", "f:1:2: found '-'; a name or } is wanted here"},
		{"{a:1,,b:2}", "f:1:6: found a comma with nothing before it; remove it"},
		{"[,]", "f:1:2: found a comma with nothing before it; remove it"},
		{"[1 2\n 'x']", "f:1:3: found '2' next, without a comma; write a comma here\nf:1:5: found a single quote next, without a comma; write a comma here"},
		{"{a:1\n b:2;c=3}", "f:1:5: found 'b' next, without a comma; write a comma here\nf:2:5: found ';'; a comma stands between values\nf:2:7: c: found '='; a colon stands between a name and its value"},
		{"[1 % 2]", "f:1:4: found '%'; a comma or ] is wanted here"},
		{"{a:b, c: True, d: undefined}", "f:1:4: a: found the word 'b' without quotes; a text is written in quotes\n" +
			"f:1:10: c: found the word 'True'; did you mean true?\nf:1:19: d: found the word 'undefined' without quotes; a text is written in quotes"},
		{"{a:1,\n'a':2, \"\\x61\":3}", "f:2:1: a: this key is given twice, first in line 1; keep one of them\nf:2:8: a: this key is given twice, first in line 1; keep one of them"},
		{"['a\nb']", "f:1:2: [0]: this text does not end in its line; close it with ', or end the line with a backslash"},
		{"'a", "f:1:1: this text does not end in its line; close it with ', or end the line with a backslash"},
		{`'\`, "f:1:1: this text does not end in its line; close it with ', or end the line with a backslash"},
		{`['\1','\01','\x4','\u12g4']`, "f:1:3: [0]: found an escape with a decimal digit; write \\xHH for a byte, \\\\ for a backslash\n" +
			"f:1:8: [1]: found an escape with a decimal digit; write \\xHH for a byte, \\\\ for a backslash\n" +
			"f:1:14: [2]: found an escape with 1 hexadecimal digits; 2 are needed\n" +
			"f:1:20: [3]: found an escape with 2 hexadecimal digits; 4 are needed"},
		{`{\u0031a:1}`, "f:1:2: found an escape for '1' in a name; put the name in quotes"},
		{`{a\x41:1}`, "f:1:3: found a backslash in a name; only \\uXXXX is possible there; put the name in quotes"},
		{`[012, 1_000, 0x, 5s, --1, 1.2.3, 1e, +, ., 0xg, +true]`, "f:1:2: [0]: '012' is not a number; remove the leading zero\n" +
			"f:1:7: [1]: '1_000' is not a number; write it without _\n" +
			"f:1:14: [2]: '0x' is not a number; remove what does not belong to it\n" +
			"f:1:18: [3]: '5s' is not a number; a number with a unit is written in quotes\n" +
			"f:1:22: [4]: '--1' is not a number; remove what does not belong to it\n" +
			"f:1:27: [5]: '1.2.3' is not a number; a text is written in quotes\n" +
			"f:1:34: [6]: '1e' is not a number; remove what does not belong to it\n" +
			"f:1:38: [7]: '+' is not a number; remove what does not belong to it\n" +
			"f:1:41: [8]: '.' is not a number; remove what does not belong to it\n" +
			"f:1:44: [9]: '0xg' is not a number; remove what does not belong to it\n" +
			"f:1:49: [10]: '+true' is not a number; remove what does not belong to it"},
		{`[1e999, Infinity]`, "f:1:2: [0]: the number '1e999' is too large; write Infinity if that is meant"},
		{"{a:'\xff'}", "f:1:5: found the byte 0xff, which is not UTF-8; save the file as UTF-8"},
		{"ü\r\n\r\r\n\t€\xc3", "f:4:3: found the byte 0xc3, which is not UTF-8; save the file as UTF-8"},
		{"{'ä€🐦':\t[ 'ü', x ] }", "f:1:16: ['ä€🐦'][1]: found the word 'x' without quotes; a text is written in quotes"},
		{"\x00", "f:1:1: found '\\x00'; a value is wanted here"},
		{"{\u202E:1}", "f:1:2: found '\\u202e'; a name or } is wanted here"},
	} {
		n, err := ParseNode("f", []byte(v.text))
		if err == nil || err.Error() != v.want {
			t.Errorf("%q:\ngot  %v\nwant %v", v.text, err, v.want)
		}
		if n != nil {
			t.Errorf("%q: a value besides the error", v.text)
		}
		if utf8.ValidString(v.text) {
			inText(t, v.text, err)
		}
	}
}

func TestPositions(t *testing.T) {
	n, err := ParseNode("f", []byte("{\r\n\tä: [1,\r 'x',\n\n {b : null}]}"))
	if err != nil {
		t.Fatal(err)
	}
	a := n.Members[0]
	items := a.Value.Items
	b := items[2].Members[0]
	got := fmt.Sprint([]int{n.Line, n.Column}, []int{a.Line, a.Column}, []int{a.Value.Line, a.Value.Column},
		[]int{items[1].Line, items[1].Column}, []int{b.Line, b.Column}, []int{b.Value.Line, b.Value.Column})
	if want := "[1 1] [2 2] [2 5] [3 2] [5 3] [5 7]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCF2_SizeAndDepth(t *testing.T) {
	deep := func(n int) []byte {
		return []byte(strings.Repeat("[", n) + strings.Repeat("]", n))
	}
	spaces := func(n int) []byte { return append([]byte("{}"), bytes.Repeat([]byte(" "), n-2)...) }
	for _, v := range []struct {
		name string
		text []byte
		want string
	}{
		{"CF2 64 deep", deep(64), ""},
		{"CF2 65 deep", deep(65), "f:1:65: " + strings.Repeat("[0]", 64) + ": nested deeper than 64; remove brackets"},
		{"CF2 10000 deep", deep(10000), "f:1:65: " + strings.Repeat("[0]", 64) + ": nested deeper than 64; remove brackets"},
		{"CF2 open without end", bytes.Repeat([]byte("{a:"), 1<<18), "f:1:193: " + "a" + strings.Repeat(".a", 63) + ": nested deeper than 64; remove brackets"},
		{"CF2 1 MiB", spaces(1 << 20), ""},
		{"CF2 1 MiB and a byte", spaces(1<<20 + 1), "f: the file is larger than 1 MiB; a site file is a few KB"},
		{"CF2 100 MiB", make([]byte, 100<<20), "f: the file is larger than 1 MiB; a site file is a few KB"},
		{"CF2 YAML anchors", []byte("a: &a [x]\nb: *a\n"), "f:1:1: found a key outside of braces; write { in front of everything and } behind it"},
	} {
		t.Run(v.name, func(t *testing.T) {
			_, err := ParseNode("f", v.text)
			if got := fmt.Sprint(err); v.want == "" && err != nil || v.want != "" && got != v.want {
				t.Errorf("got  %.300s\nwant %.300s", got, v.want)
			}
		})
	}
}

// FuzzJSON5: nothing panics, errors lie in the text, and JSON has the values
// that encoding/json gives it.
func FuzzJSON5(f *testing.F) {
	for _, v := range good {
		f.Add([]byte(v.text))
	}
	f.Add([]byte("{\\u0061:'\\uD83D\\uDC26\\\r\n',b:[+.5e-3,0xF,],/*c*/}//"))
	f.Add([]byte(`{"a":"\u00e9\ud800","b":[1E2,-0.5,true,null],"c":{"":{}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := ParseNode("f", text)
		if utf8.Valid(text) && len(text) <= maxText {
			inText(t, strings.TrimPrefix(string(text), "\uFEFF"), err)
		}
		sameAsJSON(t, text, n, err)
	})
}

// sameAsJSON compares with encoding/json what it accepts.
func sameAsJSON(t *testing.T, text []byte, n *Node, err error) {
	var want any
	if !utf8.Valid(text) || len(text) > maxText || json.Unmarshal(text, &want) != nil {
		return
	}
	if err != nil {
		if e := err.Error(); !strings.Contains(e, "given twice") && !strings.Contains(e, "nested deeper") {
			t.Fatalf("%q is JSON: %v", text, err)
		}
		return
	}
	if got := n.Any(); !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got %#v, encoding/json has %#v", text, got, want)
	}
}

func TestJSON5SameAsJSON(t *testing.T) {
	for _, text := range []string{
		`"\"\\\/\b\f\n\r\t\u0041\ud83d\udc26\ud83d \udc26"`, "\"\u2028\u2029\u007f\"", `[1,-1,0,-0,1.5,1e3,1E-3,123456789012345678901234567890]`,
		` { "a" : [ ] , "b" : { } , "" : null } `, "\t\r\n[true,\nfalse]", `{"\u0061":1,"b":"\u0000"}`,
	} {
		n, err := ParseNode("f", []byte(text))
		sameAsJSON(t, []byte(text), n, err)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
