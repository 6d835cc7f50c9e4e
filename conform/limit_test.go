package conform

import (
	"cmp"
	"testing"
	"testing/synctest"

	"curlew.example/curlew"
)

// small is the limit of the peers here, in bytes.
const small = 4096

// closing1008 is an application that closes, with a code of its own, for messages
// of more than small bytes.
func closing1008() *curlew.Events {
	return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
		if len(p) > small {
			c.Close(1008, "too large")
			return
		}
		byMessage().Message(c, t, p)
	}}
}

// shortening is one that returns too little of them.
func shortening() *curlew.Events {
	return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
		byMessage().Message(c, t, p[:min(len(p), small)])
	}}
}

// swallowing is one that says nothing to them.
func swallowing() *curlew.Events {
	return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
		if len(p) <= small {
			byMessage().Message(c, t, p)
		}
	}}
}

// What a documented limit makes of verdicts, up to it, beyond it, and where it is not
// the real one.
func TestLimit(t *testing.T) {
	const within, outside = "9.18.1 9.18.2 9.18.3 9.18.4", "9.18.5 9.18.6 9.18.7"
	for _, v := range []struct {
		name   string
		limit  int // documented
		real   int // 0: none that is reached
		events func() *curlew.Events
		cases  string
		want   Verdict
	}{
		{"at the limit", small, small, nil, within, OK},
		{"beyond the limit", small, small, nil, outside, OK},
		{"the limit is one less", small, small - 1, nil, within, Failed},
		{"the limit is one more", small, small + 1, nil, outside, NonStrict},
		{"there is no limit", small, 0, nil, outside, NonStrict},
		{"another code", small, 0, closing1008, outside, NonStrict},
		{"no word", small, 0, swallowing, outside, NonStrict},
		{"larger messages", small, small, nil, "9.1.1 9.2.1 1.1.6 1.2.6 5.21.13 12.1.10", Informational},
		{"larger messages, another code", small, 0, closing1008, "9.1.1 9.2.1 1.1.6 1.2.6", NonStrict},
		{"larger messages, no word", small, 0, swallowing, "9.1.1 9.2.1 1.1.6 1.2.6", NonStrict},
		{"larger messages, cut", small, 0, shortening, "9.2.1 1.2.6 5.21.13", Failed},
		{"larger messages, a limit above them", 1 << 20, small, nil, "9.1.1 9.2.1 1.1.6 1.2.6", Failed},
		{"larger messages, no limit is known", 0, small, nil, "9.1.1 9.2.1", Informational},
		{"smaller messages", small, small, nil, "1.1.2 1.2.2 2.1 6.1", OK},
	} {
		for role, test := range map[Roles]testOf{ForServers: (*subject).testServer, ForClients: (*subject).testClient} {
			t.Run(v.name+"/"+role.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sub := &subject{options: curlew.Options{MaxMessage: int64(v.real), Compression: takeover()}, events: v.events}
					if sub.events == nil {
						sub.events = byMessage
					}
					var cases []*Case
					for _, c := range append(LimitCases(small), allCases()...) {
						if selected(v.cases, c.ID) {
							cases = append(cases, c)
						}
					}
					results := test(sub, t, inMemory(), cases, &Options{Limit: v.limit})
					if len(results) == 0 || len(results) != len(For(cases, role)) {
						t.Errorf("%d results of %d cases", len(results), len(cases))
					}
					for i := range results {
						if results[i].Verdict() != v.want {
							t.Error(account(&results[i]))
						}
					}
				})
			})
		}
	}
}

// All that a peer with a documented limit is asked for is right or Informational.
func TestLimitEverywhere(t *testing.T) {
	for role, test := range map[Roles]testOf{ForServers: (*subject).testServer, ForClients: (*subject).testClient} {
		t.Run(role.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sub := &subject{name: "limited", options: curlew.Options{MaxMessage: small, Compression: takeover()}, events: byMessage}
				cases := append(LimitCases(small), sub.cases(int(role), !underRace)...)
				for _, r := range test(sub, t, inMemory(), cases, &Options{Limit: small}) {
					if v := r.Verdict(); v > Informational && !allowed(sub.name, role, &r) && !selected("15.6", r.ID) {
						t.Error(account(&r))
					}
				}
			})
		})
	}
}

// A peer that takes little only is an echo server, too.
func TestLimitProbe(t *testing.T) {
	for limit, want := range map[int]bool{0: false, 1: true, 500: true, 501: false} {
		synctest.Test(t, func(t *testing.T) {
			sub := &subject{options: curlew.Options{MaxMessage: 500}, events: byMessage}
			if limit == 1 {
				sub.options.MaxMessage = 1
			}
			target, stop := sub.target(inMemory())
			defer stop()
			if _, err := Probe(t.Context(), target, &Options{Limit: limit}); (err == nil) != want {
				t.Errorf("%d: %v", limit, err)
			}
		})
	}
}

func TestLimitCases(t *testing.T) {
	if n := len(LimitCases(0)) + len(LimitCases(-1)); n != 0 {
		t.Errorf("%d cases without a limit", n)
	}
	all := LimitCases(1)
	if len(all) != 7 {
		t.Errorf("%d cases", len(all))
	}
	known := make(map[string]bool)
	for _, c := range allCases() {
		known[c.ID] = true
	}
	for _, c := range all {
		if known[c.ID] || c.Spec == "" || c.Rule == "" || c.Roles != ForBoth || cmp.Or(c.Size, 0) < 1 {
			t.Errorf("%+v", c)
		}
	}
}
