package conform

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file of testdata/reports.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", "reports", name)
	if *update {
		if err := os.WriteFile(name, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is written now (-update writes it):\n%s", name, got)
	}
}

// hostile is what a peer could try to say.
const hostile = "</script><script>alert(1)</script>]]> \x1b]52;c;cm0=\x07 \u202etxt.exe \u2028 {{.}} \" onload='x' & \xff \ufffe \x00"

// sampleCases are those that the samples are of.
func sampleCases() []*Case {
	return []*Case{
		{ID: "1.1.1", Title: "an empty text message", Spec: "RFC 6455, 5.6"},
		{ID: "5.2", Title: "a pong in two fragments", Spec: "RFC 6455, 5.5"},
		{ID: "5.10", Title: "a continuation of nothing", Spec: "RFC 6455, 5.4"},
		{ID: "6.4.1", Title: "a byte that is not UTF-8, then the rest", Spec: "RFC 6455, 8.1"},
		{ID: "7.1.2", Title: "a second Close <after> the first", Spec: "RFC 6455, 5.5.1"},
		{ID: "9.1.6", Title: "16 MiB in a frame", Spec: "RFC 6455, 5.2"},
		{ID: "12.1.1", Title: "text, compressed", Spec: "RFC 7692, 6"},
		{ID: "12.1.2", Title: "bytes, compressed", Spec: "RFC 7692, 6"},
	}
}

// sample is what came of a peer that does much wrong.
func sample() *Report {
	ms := func(n float64) time.Duration { return time.Duration(n * 1e6) }
	var flood []Line
	for i := range 1000 {
		flood = append(flood, Line{ms(float64(i)), i%2 == 0, `binary 65536 000102030405…`})
	}
	r := &Report{
		Tool: "curlew (devel)", When: time.Date(2026, 11, 20, 12, 30, 15, 9, time.FixedZone("", 3600)), Role: "server",
		Agent: "hostile " + hostile, Address: "wss://example.com:9001/echo?a=1&b=2", Seed: 1<<64 - 1, Scale: 2, TLS: true,
	}
	r.Fill(sampleCases(), []Result{
		{ID: "12.1.1", Behavior: Unimplemented, Note: "it does not agree to permessage-deflate", Duration: ms(2)},
		{ID: "12.1.2", Behavior: Unimplemented, Note: "it does not agree to permessage-deflate", Duration: ms(2)},
		{ID: "1.1.1", Code: 1000, Duration: ms(1.5)},
		{ID: "5.2", Behavior: Failed, Close: Failed, Note: "it did not fail the connection within 5s; " + hostile, Rule: "control frames are not fragmented (RFC 6455, 5.5)",
			Duration: ms(5001.25), Trace: []Line{
				{ms(0.1), true, "HTTP GET / HTTP/1.1"}, {ms(0.9), false, `HTTP "HTTP/1.1 101 Switching Protocols"`},
				{ms(1), true, "pong more 2 \"ab\""}, {ms(1), true, "continuation 2 \"cd\""}, {ms(3), false, "text 3 " + hostile},
			}},
		{ID: "5.10", Behavior: OK, Close: NonStrict, Code: 1008, Note: "it closed with 1008 instead of 1002", Rule: "a continuation continues something (RFC 6455, 5.4)",
			Duration: ms(3), Trace: []Line{{ms(1), true, "continuation 0"}, {ms(2), false, "close 2 1008"}, {ms(2.5), false, "end of stream"}}},
		{ID: "6.4.1", Behavior: NonStrict, Close: OK, Code: 1007, Note: "it noticed only when all had come", Rule: "invalid UTF-8 fails the connection (RFC 6455, 8.1)",
			Duration: ms(600), Trace: flood},
		{ID: "9.1.6", Behavior: Informational, Code: 1009, Note: "its limit is below 16777216 bytes: it closes with 1009", Duration: ms(30)},
		{ID: "7.1.2", Code: noStatus, Duration: ms(0.4)},
	})
	return r
}

// sampleBetter is what came of the same peer later; it was interrupted.
func sampleBetter() *Report {
	r := &Report{Tool: "curlew (devel)", When: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), Role: "server", Agent: "repaired", Address: "ws://example.com", Seed: 1, Limit: 1 << 20}
	r.Fill(sampleCases(), []Result{
		{ID: "1.1.1", Code: 1000, Duration: time.Millisecond},
		{ID: "5.2", Code: 1002, Duration: time.Millisecond},
		{ID: "5.10", Close: Failed, Note: "it did not end the stream", Duration: time.Second},
		{ID: "6.4.1", Behavior: NonStrict, Code: 1007, Note: "it noticed only when all had come", Duration: 600 * time.Millisecond},
		{ID: "9.1.6", Code: 1000, Duration: time.Millisecond},
		{ID: "9.9.9", Duration: time.Millisecond},
		{ID: "12.1.1", Behavior: Failed, Note: "no connection: connection refused", Lost: true, Duration: 5 * time.Second},
	})
	r.Planned++ // 9.9.9
	return r
}

func written(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReports(t *testing.T) {
	a, b := sample(), sampleBetter()
	for name, write := range map[string]func(io.Writer) error{
		"hostile.json":     a.WriteJSON,
		"repaired.json":    b.WriteJSON,
		"index.json":       func(w io.Writer) error { return WriteIndex(w, a, b) },
		"junit.xml":        func(w io.Writer) error { return WriteJUnit(w, false, a, b) },
		"strict.xml":       func(w io.Writer) error { return WriteJUnit(w, true, a) },
		"matrix.html":      func(w io.Writer) error { return WriteHTML(w, a, b) },
		"hostile.txt":      func(w io.Writer) error { return a.WriteText(w, false) },
		"repaired.txt":     func(w io.Writer) error { return b.WriteText(w, true) },
		"hostile-diff.txt": func(w io.Writer) error { d, _ := Compare(a, b); return d.WriteText(w) },
	} {
		golden(t, name, written(t, write))
	}
	if text := string(written(t, func(w io.Writer) error { return a.WriteText(w, true) })); strings.Count(text, "binary 65536") != maxLines {
		t.Error("verbose, and not all lines of the trace")
	}
}

// What a peer says gives no orders, to nobody.
func TestReportsHostile(t *testing.T) {
	a := sample()
	d, err := Compare(a, sample())
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer) error{
		"text": func(w io.Writer) error { return a.WriteText(w, true) }, "diff": d.WriteText,
		"JUnit": func(w io.Writer) error { return WriteJUnit(w, true, a) },
		"HTML":  func(w io.Writer) error { return WriteHTML(w, a) },
	} {
		p := written(t, write)
		if strings.Contains(strings.ReplaceAll(string(p), "\n", ""), "\x1b") || bytes.ContainsAny(p, "\x00\x07\u202e\u2028\ufffe") {
			t.Errorf("%s: what is not printable passes", name)
		}
		if name == "HTML" && bytes.Contains(p, []byte("<script>alert")) {
			t.Error("HTML: a script of the peer's")
		}
		if name == "JUnit" {
			wellFormedXML(t, p)
		}
	}
}

func wellFormedXML(t *testing.T, p []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(p)); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v\n%s", err, p)
		}
	}
}

// The page loads nothing from anywhere.
func TestPageAlone(t *testing.T) {
	p := written(t, func(w io.Writer) error { return WriteHTML(w, sampleBetter()) })
	if m := regexp.MustCompile(`(?i)(src=|<link|@import|url\(|<img|<iframe|<base)`).Find(p); m != nil {
		t.Errorf("the page has %s", m)
	}
}

func TestReadReport(t *testing.T) {
	for _, r := range []*Report{sample(), sampleBetter()} {
		p := written(t, r.WriteJSON)
		got, err := ReadReport(bytes.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(written(t, got.WriteJSON), p) {
			t.Error("not what was written")
		}
	}
	good := string(written(t, sampleBetter().WriteJSON))
	for _, c := range []struct{ in, want string }{
		{"", "the file is empty"},
		{"  \n", "the file is empty"},
		{"<testsuites/>", `begins with "<testsuites/>"`},
		{"[]", `begins with "[]"`},
		{"\x1b[2J", `begins with "\x1b[2J"`},
		{`{"agent": {"1.1.1": {"behavior": "OK"}}}`, "it has no schema"},
		{`{"schema": 3}`, "it has no schema"},
		{`{"schema": "coco"}`, `its schema is "coco"`},
		{`{"schema": "curlew.conform/2"}`, "written by a newer curlew"},
		{`{"schema": "curlew.conform/1"`, "damaged: line 1: unexpected end of JSON input"},
		{strings.Replace(good, `"OK"`, `"FINE"`, 1), `"FINE\" is no verdict`},
		{strings.Replace(good, `"scale": 1`, `"scale": "1"`, 1), "damaged: line 9: cannot unmarshal string"},
		{strings.Replace(good, `"scale": 1`, `"scale": 0`, 1), "scale is 0"},
		{strings.Replace(good, `"limit": 1048576`, `"limit": -1`, 1), "limit is -1"},
		{strings.Replace(good, `"role": "server"`, `"role": "proxy"`, 1), `role is "proxy"`},
		{strings.Replace(good, `"agent": "repaired"`, `"agent": ""`, 1), "the agent has no name"},
		{strings.Replace(good, `"planned": 9`, `"planned": 5`, 1), "7 results of 5 cases"},
		{strings.Replace(good, `"planned"`, `"plan"`, 1), `unknown field "plan"`},
		{strings.Replace(good, `"FAILED": 2`, `"FAILED": 3`, 1), "counts are not those of its results"},
		{strings.Replace(good, `"id": "5.2"`, `"id": "1.1.1"`, 1), "two results have the ID 1.1.1"},
		{strings.Replace(good, `"id": "5.2"`, `"id": "5.\u001b"`, 1), `a result has the ID "5.\x1b"`},
		{strings.Replace(good, `"code": 1002`, `"code": 99999`, 1), "5.2 has close code 99999"},
		{good + "{}", "after top-level value"},
		{good[:len(good)/2], "damaged"},
		{`{"schema": "curlew.conform/1", "results": [` + strings.Repeat("{},", maxObjects) + `{}]}`, "JSON objects"},
	} {
		c.want = strings.ReplaceAll(c.want, `FINE\"`, `FINE"`)
		if _, err := ReadReport(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %q", c.in, err, c.want)
		} else if visible(err.Error()) != err.Error() {
			t.Errorf("%.60q: an error that is not printable: %q", c.in, err)
		}
	}
	if _, err := ReadReport(io.MultiReader(strings.NewReader("{"), endless{})); err == nil || !strings.Contains(err.Error(), "no report is that large") {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A report that Fill made can always be read again, and says that it was cut.
func TestFillBounds(t *testing.T) {
	var trace []Line
	for range 600 {
		trace = append(trace, Line{Text: strings.Repeat(`"`, 1200)})
	}
	var results []Result
	var cases []*Case
	for i := range 30 {
		id := "1." + strconv.Itoa(i)
		results = append(results, Result{ID: id, Behavior: Failed, Note: strings.Repeat("\x01", 1<<16), Trace: trace})
		cases = append(cases, &Case{ID: id, Title: strings.Repeat("ü", 1000)})
	}
	r := &Report{Role: "server", Agent: hostile}
	r.Fill(cases, results)
	p := written(t, r.WriteJSON)
	t.Logf("%d MiB", len(p)>>20)
	got, err := ReadReport(bytes.NewReader(p))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 30 || !strings.Contains(got.Results[0].Trace[maxLines/2].Text, "200 lines are left out") {
		t.Error("cut otherwise than thought")
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"", 5, ""}, {"short", 5, "short"}, {"longer", 5, "lo…"}, {"üüüü", 7, "üü…"}, {"üüüü", 8, "üüüü"},
		{"abc\x1b", 7, `abc\x1b`}, {"abc\x1b", 6, "abc…"}, {"ab\xff", 9, `ab\xff`}, {"\xff\xff\xff", 8, `\xff\…`},
	} {
		if got := clip(c.in, c.n); got != c.want {
			t.Errorf("%q, %d: %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestPassed(t *testing.T) {
	cases := sampleCases()[:2]
	of := func(v Verdict) []Result { return []Result{{ID: "1.1.1"}, {ID: "5.2", Close: v}} }
	for _, c := range []struct {
		results       []Result
		loose, strict bool
	}{
		{of(OK), true, true}, {of(Informational), true, true}, {of(Unimplemented), true, true},
		{of(NonStrict), true, false}, {of(Failed), false, false}, {of(OK)[:1], false, false}, {nil, false, false},
	} {
		r := &Report{Role: "client"}
		r.Fill(cases, c.results)
		if r.Passed(false) != c.loose || r.Passed(true) != c.strict {
			t.Errorf("%s: %v, strictly %v", r.Sum(), r.Passed(false), r.Passed(true))
		}
	}
}

func TestCompare(t *testing.T) {
	a, b := sample(), sampleBetter()
	d, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(c []Change) (all string) {
		for _, one := range c {
			all += one.ID + " "
		}
		return all
	}
	got := []string{ids(d.Worse), ids(d.Better), ids(d.New), ids(d.Gone)}
	if want := []string{"5.10 12.1.1 ", "5.2 9.1.6 ", "9.9.9 ", "7.1.2 12.1.2 "}; !reflect.DeepEqual(got, want) || d.Same != 2 {
		t.Errorf("%q, %d the same, want %q, 2", got, d.Same, want)
	}
	b.Role = "client"
	if _, err := Compare(a, b); err == nil {
		t.Error("a server was compared with a client")
	}
}

// FuzzReadReport: whatever a file holds, it is an error or a report that every
// writer can write and that stays the same.
func FuzzReadReport(f *testing.F) {
	files, err := filepath.Glob("testdata/reports/*")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		p, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	small := &Report{Role: "client", Agent: "a"}
	small.Fill(sampleCases()[:1], []Result{{ID: "1.1.1", Behavior: Failed, Note: "n", Trace: []Line{{1, true, "text"}}}})
	p, err := json.Marshal(small)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p)
	f.Fuzz(func(t *testing.T, p []byte) {
		r, err := ReadReport(bytes.NewReader(p))
		if err != nil {
			if visible(err.Error()) != err.Error() {
				t.Errorf("an error that is not printable: %q", err)
			}
			return
		}
		once := written(t, r.WriteJSON)
		again, err := ReadReport(bytes.NewReader(once))
		if err != nil {
			t.Fatalf("%v\n%s", err, once)
		}
		if !bytes.Equal(written(t, again.WriteJSON), once) {
			t.Error("not what was written")
		}
		wellFormedXML(t, written(t, func(w io.Writer) error { return WriteJUnit(w, true, r) }))
		written(t, func(w io.Writer) error { return WriteHTML(w, r, r) })
		text := written(t, func(w io.Writer) error { return r.WriteText(w, true) })
		if visible(strings.ReplaceAll(string(text), "\n", " ")) != strings.ReplaceAll(string(text), "\n", " ") {
			t.Errorf("%q", text)
		}
	})
}
