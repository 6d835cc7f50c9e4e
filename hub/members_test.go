package hub

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/hub/proto"
)

// TestMembersAtOnce: whoever comes and goes at whichever moment of a subscribe, the
// list in its answer and what is told behind it make who is there; nobody is told to
// come who is in the list, nor to go who is not.
func TestMembersAtOnce(t *testing.T) {
	for _, call := range []string{"join", "members"} {
		for _, behind := range []bool{false, true} {
			for _, does := range []string{"comes", "goes", "comes and goes", "goes and comes"} {
				t.Run(fmt.Sprint(call, " ", behind, " ", does), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := &meddler{Memory: NewMemory()}
						h, _ := New(&Options{Broker: b, Namespaces: map[string]*Namespace{"c": {JoinLeave: true}}})
						defer h.Close()
						other := named(h, "other", new(deaf))
						defer other.gone(nil, nil)
						comes := func() { other.subscribe(&proto.Request{ID: 1, Channel: "c"}) }
						goes := func() { other.leaveChannel("c", 0) }
						if does[0] == 'g' {
							comes()
						}
						meddle := func(at string) {
							if at != call {
								return
							}
							switch does {
							case "comes":
								comes()
							case "goes":
								goes()
							case "comes and goes":
								comes()
								goes()
							default:
								goes()
								comes()
							}
						}
						if b.before = meddle; behind {
							b.before, b.after = nil, meddle
						}
						c, n := squeezed(h, "a", 100)
						defer c.gone(nil, nil)
						if _, err := c.subscribe(&proto.Request{ID: 1, Channel: "c", Presence: true}); err != nil {
							t.Fatal(err)
						}
						there := map[string]bool{}
						for _, text := range n.take() {
							var a proto.Answer
							json.Unmarshal([]byte(text), &a)
							switch {
							case a.Subscribed != nil:
								for _, m := range a.Subscribed.Members {
									there[m.Connection] = true
								}
							case a.Join != nil:
								if there[a.Join.Connection] {
									t.Errorf("%s is there already", a.Join.Connection)
								}
								there[a.Join.Connection] = true
							case a.Leave != nil:
								if !there[a.Leave.Connection] {
									t.Errorf("%s was not there", a.Leave.Connection)
								}
								delete(there, a.Leave.Connection)
							}
						}
						list, _ := b.Memory.Members(t.Context(), "c")
						var want []string
						for _, m := range list {
							want = append(want, m.Connection)
						}
						slices.Sort(want)
						if got := slices.Sorted(maps.Keys(there)); !slices.Equal(got, want) {
							t.Errorf("%v, want %v", got, want)
						}
					})
				})
			}
		}
	}
}

// BenchmarkReturn: one who has left comes back, among many who have: the cost does not
// follow their number.
func BenchmarkReturn(b *testing.B) {
	for _, others := range []int{100, 100_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			m := NewMemory()
			defer m.Close()
			for i := range others {
				name := fmt.Sprint("other", i)
				m.Join(b.Context(), "c", &Member{User: name, Connection: name})
				m.Leave("c", name, time.Hour)
			}
			for b.Loop() {
				m.Join(b.Context(), "c", &Member{User: "ann", Connection: "a"})
				m.Leave("c", "a", time.Hour)
			}
		})
	}
}

// TestRoster: who leaves, returns and goes, at random, against lists.
func TestRoster(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	ro := &roster{present: make(map[string]*attendee)}
	var leaving []*attendee // in order of their leaving
	var now time.Duration
	for step := range 20_000 {
		name, user := fmt.Sprint(step), []string{"", "ann", "bob", "eve"}[r.IntN(4)]
		switch r.IntN(4) {
		case 0, 1:
			a := &attendee{Member: &Member{User: user, Connection: name}}
			ro.present[name] = a
			ro.leave(a, now+time.Duration(r.IntN(10)))
			leaving = append(leaving, a)
		case 2:
			i := slices.IndexFunc(leaving, func(a *attendee) bool { return a.User == user && user != "" })
			if ro.returned(user) != (i >= 0) {
				t.Fatalf("step %d: %q", step, user)
			}
			if i >= 0 {
				leaving = slices.Delete(leaving, i, i+1)
			}
		default:
			now++
			gone := ro.expired(now)
			rest := slices.DeleteFunc(slices.Clone(leaving), func(a *attendee) bool { return a.until <= now })
			if len(gone) != len(leaving)-len(rest) {
				t.Fatalf("step %d: %d are gone", step, len(gone))
			}
			for _, m := range gone {
				if !slices.ContainsFunc(leaving, func(a *attendee) bool { return a.Member == m && a.until <= now }) {
					t.Fatalf("step %d: %s is gone", step, m.Connection)
				}
			}
			leaving = rest
		}
		if len(ro.present) != len(leaving) || ro.leaving.Len() != len(leaving) {
			t.Fatalf("step %d: %d, %d, want %d", step, len(ro.present), ro.leaving.Len(), len(leaving))
		}
	}
	ro.expired(never)
	if !ro.empty() || len(ro.users) != 0 || ro.due() != never {
		t.Errorf("%+v", ro)
	}
}
