package hub

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

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
