package hub

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"curlew.example/curlew"
)

// TestVectors: the server's side of proto/testdata/vectors.json: each conversation
// with a hub that has just begun.
func TestVectors(t *testing.T) {
	var v struct {
		Namespaces map[string]struct {
			History            int
			JoinLeave          bool
			Subscribe, Publish string
		}
		Conversations []struct {
			Name  string
			Lines [][]any
		}
		Closes map[string]bool
	}
	p, err := os.ReadFile("proto/testdata/vectors.json")
	if err == nil {
		err = json.Unmarshal(p, &v)
	}
	if err != nil || len(v.Conversations) == 0 {
		t.Fatal(err)
	}
	who := map[string]Who{"": Default, "nobody": Nobody}
	for _, talk := range v.Conversations {
		t.Run(talk.Name, func(t *testing.T) {
			o := &Options{Namespaces: map[string]*Namespace{}}
			for name, ns := range v.Namespaces {
				o.Namespaces[name] = &Namespace{History: History{Size: ns.History}, JoinLeave: ns.JoinLeave, Subscribe: who[ns.Subscribe], Publish: who[ns.Publish]}
			}
			in(t, o, func(h *house) {
				m, epoch := h.dial(), ""
				for _, line := range talk.Lines {
					switch line[0] {
					case "client":
						m.say(strings.ReplaceAll(line[1].(string), "EPOCH", epoch))
					case "closed":
						_, _, err := m.c.Read(h.t.Context(), nil)
						var e *curlew.CloseError
						if !errors.As(err, &e) || e.Code != curlew.Code(line[1].(float64)) {
							t.Errorf("%v, want %v", err, line[1])
						}
					case "server":
						got := m.want(line[1].(string))
						if is := epochIn.FindStringSubmatch(got); is != nil && epoch == "" {
							epoch = is[1]
						}
					}
				}
			})
		})
	}
	for _, code := range []string{"4000", "4001", "4002", "4401", "4500", "4501", "4503"} {
		if _, ok := v.Closes[code]; !ok {
			t.Errorf("%s is missing", code)
		}
	}
}

var epochIn = regexp.MustCompile(`"epoch":"([^"]*)"`)
