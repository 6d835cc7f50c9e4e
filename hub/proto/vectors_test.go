package proto_test

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"curlew.example/curlew/hub/proto"
)

// A request is one as testdata/vectors.json writes it.
type request struct {
	ID       int64           `json:"id,omitempty"`
	Kind     string          `json:"kind,omitempty"`
	Error    string          `json:"error,omitempty"`
	Token    string          `json:"token,omitempty"`
	Client   string          `json:"client,omitempty"`
	Channel  string          `json:"channel,omitempty"`
	Since    *proto.Position `json:"since,omitempty"`
	Presence bool            `json:"presence,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Data64   *[]byte         `json:"data64,omitempty"`
	Key      string          `json:"key,omitempty"`
	Dedupe   string          `json:"dedupe,omitempty"`
	Limit    int             `json:"limit,omitempty"`
	Reverse  bool            `json:"reverse,omitempty"`
}

func written(r *proto.Request) request {
	if r.Err != nil {
		return request{ID: r.ID, Error: r.Err.Code}
	}
	w := request{
		ID: r.ID, Kind: r.Kind.String(), Token: r.Token, Client: r.Client, Channel: r.Channel, Since: r.Since,
		Presence: r.Presence, Key: r.Key, Dedupe: r.Dedupe, Limit: r.Limit, Reverse: r.Reverse,
	}
	switch {
	case r.Kind != proto.Publish:
	case r.Binary:
		w.Data64 = &r.Data
	default:
		w.Data = r.Data
	}
	return w
}

// generic is v as encoding/json reads it into any.
func generic(t *testing.T, v any) (g any) {
	t.Helper()
	p, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(p, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

type vector struct {
	Name, Text string
	Means      any
}

func vectors(t testing.TB) []vector {
	p, err := os.ReadFile("testdata/vectors.json")
	var all struct{ Requests []vector }
	if err == nil {
		err = json.Unmarshal(p, &all)
	}
	if err != nil || len(all.Requests) == 0 {
		t.Fatal(err)
	}
	return all.Requests
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			got := []request{}
			err := proto.Parse([]byte(v.Text), func(r *proto.Request) bool { got = append(got, written(r)); return true })
			switch {
			case (err != nil) != (v.Means == nil):
				t.Errorf("%v", err)
			case err == nil && !reflect.DeepEqual(generic(t, got), v.Means):
				t.Errorf("%+v, want %v", generic(t, got), v.Means)
			}
		})
	}
}

// TestPrefixes: no beginning of a text that is JSON is read as anything, and none is
// read beyond.
func TestPrefixes(t *testing.T) {
	for _, v := range vectors(t) {
		for n := range len(v.Text) {
			p := append(make([]byte, 0, n), v.Text[:n]...)
			err := proto.Parse(p, func(*proto.Request) bool { return true })
			if err == nil != json.Valid(p) {
				t.Errorf("%s: %q: %v", v.Name, p, err)
			}
		}
	}
}
