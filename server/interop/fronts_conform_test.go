package interop

import (
	"os"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew/conform"
)

// A frontsDoing is what a front does itself, where cases ask for what we do: the
// first fail through it, the others may be NON-STRICT. Of none the reason is in a
// WebSocket that is open, but how TCP ends.
type frontsDoing struct{ fail, loose, why string }

var frontsDo = map[string][]frontsDoing{
	"nginx": {
		{"8.4.2 8.4.3 8.4.4", "", "a tab beside the value of Host is part of it, to nginx: 400"},
		{"8.9.1 8.9.2", "", "it asks us by HTTP/1.1, whatever the client speaks"},
		{"8.9.5", "", "it answers a request without a version by HTTP/0.9: our refusal without its head"},
		{"8.13", "", "it makes Connection of Upgrade alone, as the page has it from nginx's own manual"},
		{"", "8.3.11", "of several lines of Upgrade it passes one on"},
		{"", "8.19.14 8.19.15 8.19.17", "it drops fields whose names are none"},
		{"", "7.20.4 15.3.6", "it ends both directions when the client ends its own"},
	},
	"haproxy": {
		{"8.10.2", "", "it makes one of two Hosts that say the same"},
		{"8.20.2", "", "it speaks HTTP/2 with whom begins like that"},
		{"", "8.9.4", "it asks us by HTTP/1.1, whatever the client speaks"},
		{"", "8.30.3", "it adds Sec-WebSocket-Accept to any answer to a key"},
	},
	"caddy": {
		{"8.9.1 8.9.2", "", "it asks us by HTTP/1.1, whatever the client speaks"},
		{"8.10.8 8.11.9 8.20.2", "", "a host without a site is answered by Caddy: 200, and nothing"},
		{"8.11.4", "", "it escapes the #, and asks us for another path"},
		{"", "8.3.11", "of several lines of Upgrade it passes one on"},
		{"", "8.11.7", "it passes on the path of an absolute target, and nothing else of it"},
		{"", "8.19.16", "it takes a name that is none, and does not pass it on"},
		{"", "8.30.2", "it drops Upgrade from answers that are not 101"},
		{"", "8.7.1 8.7.2", "it loses what a client sends before the answer"},
		{"", "7.20.4 15.3.6", "it ends both directions when the client ends its own"},
	},
}

// frontConform runs the cases of conform through a front: all of them with
// CURLEW_CONFORM=all, else a part.
func frontConform(t *testing.T, front string, target *conform.Target) {
	all := os.Getenv("CURLEW_CONFORM") == "all"
	fails, loose := make(map[string]string), make(map[string]bool)
	for _, d := range frontsDo[front] {
		for _, c := range named(t, d.fail) {
			fails[c.ID] = d.why
		}
		for _, c := range named(t, d.loose) {
			loose[c.ID] = true
		}
	}
	var cases []*conform.Case
	for i, c := range conform.For(conform.Cases(), conform.ForServers) {
		if all || !c.Heavy && !c.Alone && fails[c.ID] == "" && i%31 == 0 {
			cases = append(cases, c)
		}
	}
	results := conform.TestServer(t.Context(), cases, target, &conform.Options{Timeout: 10 * time.Second, Scale: 3, Parallel: 16})
	if len(results) != len(cases) {
		t.Errorf("%d results of %d cases", len(results), len(cases))
	}
	verdicts := make(map[conform.Verdict]int)
	for _, r := range results {
		v := r.Verdict()
		verdicts[v]++
		switch why := fails[r.ID]; {
		case v == conform.Failed && why == "", v == conform.NonStrict && !loose[r.ID]:
			t.Errorf("%s %s: %s (%s)\n%v", r.ID, v, r.Note, r.Rule, r.Trace)
		case v != conform.Failed && why != "":
			t.Errorf("%s does not fail: it is not true any more that %s", r.ID, why)
		}
	}
	t.Logf("%d cases: %v", len(results), verdicts)
}

// named are the cases of some IDs.
func named(t *testing.T, ids string) []*conform.Case {
	if ids == "" {
		return nil
	}
	cases, err := conform.Select(conform.Cases(), strings.Fields(ids))
	if err != nil {
		t.Fatal(err)
	}
	return cases
}
