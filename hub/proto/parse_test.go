package proto_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"curlew.example/curlew/hub/proto"
)

// TestBatch: an array of as many as are allowed, and one more, of which nothing is
// done.
func TestBatch(t *testing.T) {
	for _, row := range []struct {
		n, requests, wrong int
	}{{proto.MaxBatch, proto.MaxBatch, 0}, {proto.MaxBatch + 1, 1, 1}} {
		text := "[" + strings.TrimSuffix(strings.Repeat(`{"id":1,"presence":{"channel":"a"}},`, row.n), ",") + "]"
		body := "[" + strings.TrimSuffix(strings.Repeat(`{"channel":"a"},`, row.n), ",") + "]"
		var n, wrong, n2, wrong2 int
		count := func(n, wrong *int) func(r *proto.Request) bool {
			return func(r *proto.Request) bool {
				if *n++; r.Err != nil {
					*wrong++
				}
				return true
			}
		}
		proto.Parse([]byte(text), count(&n, &wrong))
		f := count(&n2, &wrong2)
		array, err := proto.ParseBody(proto.Presence, []byte(body), func(r *proto.Request) { f(r) })
		if n != row.requests || wrong != row.wrong || n2 != n || wrong2 != wrong || err != nil || array != (wrong == 0) {
			t.Errorf("%d: %d, %d wrong; %d, %d wrong", row.n, n, wrong, n2, wrong2)
		}
	}
}

// TestRX13: so deep, and not deeper.
func TestRX13(t *testing.T) {
	for _, row := range []struct {
		depth int
		ok    bool
	}{{62, true}, {63, false}, {1 << 20, false}} {
		text := `{"id":1,"publish":{"channel":"a","data":` + strings.Repeat("[", row.depth) + strings.Repeat("]", row.depth) + `}}`
		if err := proto.Parse([]byte(text), func(r *proto.Request) bool { return r.Err == nil }); (err == nil) != row.ok {
			t.Errorf("%d: %v", row.depth, err)
		}
	}
	if err := proto.Parse([]byte(`{"id":1,"publish":{"channel":"a","data":"`+strings.Repeat(`[{\"`, 1000)+`"}}`), func(*proto.Request) bool { return true }); err != nil {
		t.Errorf("brackets in a text: %v", err)
	}
}

func TestStop(t *testing.T) {
	n := 0
	proto.Parse([]byte(`[1,2,3]`), func(*proto.Request) bool { n++; return n < 2 })
	proto.ParseAnswers([]byte(`[{},{},{}]`), func(*proto.Answer) bool { n++; return n < 4 })
	if n != 4 {
		t.Errorf("%d calls", n)
	}
}

// HB3: what may be the name of a channel.
func TestHB3(t *testing.T) {
	for name, ok := range map[string]bool{
		"": false, "a": true, "a:b:c": true, ":": true, "a b": false, "a\tb": false, "a\x00": false, "a\x7f": false, "*": false, "a.*": false, ">": false,
		"#": true, "..": true, "/": true, "é": true, "e\u0301": true, "\xff": false, "a\xc3": false, "\u2028": false, "\u00a0": false, "😀": true,
		strings.Repeat("a", 255): true, strings.Repeat("a", 256): false, strings.Repeat("é", 127) + "a": true, strings.Repeat("é", 128): false,
		strings.Repeat("a", 64<<10): false,
	} {
		if proto.ValidName(name) != ok {
			t.Errorf("%.40q: %v", name, !ok)
		}
	}
	for name, want := range map[string]string{"a": "a", "a:b:c": "a", ":b": "", "é:": "é"} {
		if got := proto.Namespace(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Text))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		var got []*proto.Request
		keep := bytes.Clone(p)
		err := proto.Parse(p, func(r *proto.Request) bool { got = append(got, r); return true })
		if !bytes.Equal(p, keep) {
			t.Fatal("the text was changed")
		}
		if !json.Valid(p) || !utf8.Valid(p) {
			if err == nil {
				t.Fatal("read what is no JSON")
			}
			return
		}
		if err != nil {
			if strings.Count(string(p), "[")+strings.Count(string(p), "{") <= 64 {
				t.Fatal("did not read JSON")
			}
			return
		}
		var list []json.RawMessage
		if json.Unmarshal(p, &list) != nil || list == nil {
			list = []json.RawMessage{p}
		}
		if len(list) > proto.MaxBatch {
			list = list[:1]
		}
		if len(got) != len(list) {
			t.Fatalf("%d requests, want %d", len(got), len(list))
		}
		for i, r := range got {
			if r.Err == nil {
				compare(t, r, list[i])
			} else if r.Err.Code != proto.BadRequest {
				t.Fatal(r.Err)
			}
		}
	})
}

// compare checks a request that was accepted with what encoding/json reads.
func compare(t *testing.T, r *proto.Request, p []byte) {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(p, &m); err != nil {
		t.Fatal(err)
	}
	var id int64
	if json.Unmarshal(m["id"], &id) != nil || id != r.ID {
		t.Fatalf("id %d, want %s", r.ID, m["id"])
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(m[r.Kind.String()], &body); err != nil || body == nil {
		t.Fatalf("%v: %v", r.Kind, err)
	}
	want := request{ID: id, Kind: r.Kind.String()}
	has := map[string][]any{
		"hello": {"token", &want.Token, "client", &want.Client}, "refresh": {"token", &want.Token},
		"subscribe":   {"channel", &want.Channel, "since", &want.Since, "presence", &want.Presence},
		"unsubscribe": {"channel", &want.Channel}, "presence": {"channel", &want.Channel},
		"publish": {"channel", &want.Channel, "data", &want.Data, "data64", &want.Data64, "key", &want.Key, "dedupe", &want.Dedupe},
		"history": {"channel", &want.Channel, "since", &want.Since, "limit", &want.Limit, "reverse", &want.Reverse},
	}[want.Kind]
	for i := 0; i < len(has); i += 2 {
		name := has[i].(string)
		if body[name] == nil {
			continue
		}
		if name == "limit" && len(body[name]) > 9 {
			want.Limit = r.Limit
			continue
		}
		if name == "since" { // whose members encoding/json matches whatever their case
			var since map[string]json.RawMessage
			if json.Unmarshal(body[name], &since); since == nil {
				continue
			}
			want.Since = new(proto.Position)
			if json.Unmarshal(since["epoch"], &want.Since.Epoch) != nil || json.Unmarshal(since["offset"], &want.Since.Offset) != nil {
				t.Fatalf("since: %s", body[name])
			}
			continue
		}
		if err := json.Unmarshal(body[name], has[i+1]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if got := written(r); !reflect.DeepEqual(generic(t, got), generic(t, want)) {
		t.Fatalf("%+v, want %+v", got, want)
	}
}

// FuzzParseAnswers: what is read is what encoding/json reads, and what is written of
// that is read as the same.
func FuzzParseAnswers(f *testing.F) {
	for _, text := range []string{
		`{"id":1,"hello":{"connection":"c","server":"1","ping":25000,"limits":{"channels":1}}}`,
		`[{"message":{"channel":"a","offset":1,"epoch":"e","data":{"x":[]},"time":1}},{"gap":{"channel":"a","from":1,"to":2}}]`,
		`{"id":2,"subscribed":{"channel":"a","position":{"epoch":"e","offset":1},"members":[{"user":null,"connection":"c","info":1}]}}`,
		`{"join":{"channel":"a","user":"u","connection":"c"}}`, `{"id":3,"history":{"messages":[{"data64":"AA=="}]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		var got []*proto.Answer
		if proto.ParseAnswers(p, func(a *proto.Answer) bool { got = append(got, a); return true }) != nil {
			return
		}
		if !json.Valid(p) || !utf8.Valid(p) {
			t.Fatal("read what is no JSON")
		}
		var list []*proto.Answer
		if json.Unmarshal(p, &list) != nil || list == nil {
			list = []*proto.Answer{new(proto.Answer)}
			if err := json.Unmarshal(p, list[0]); err != nil {
				t.Fatal(err)
			}
		}
		if len(list) != len(got) {
			t.Fatalf("%d answers, want %d", len(got), len(list))
		}
		for i, a := range got {
			if list[i] == nil {
				list[i] = new(proto.Answer)
			}
			if !reflect.DeepEqual(generic(t, a), generic(t, list[i])) {
				t.Fatalf("%+v, want %+v", a, list[i])
			}
			var again *proto.Answer
			if err := proto.ParseAnswers(a.Append(nil), func(a *proto.Answer) bool { again = a; return true }); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(generic(t, a), generic(t, again)) {
				t.Fatalf("%+v, then %+v", a, again)
			}
		}
	})
}

// FuzzAppendMessage: what AppendMessage writes is read as what went in.
func FuzzAppendMessage(f *testing.F) {
	f.Add("room:7", "e", int64(1), []byte(`{"a":"<&>"}`), false, "ann", "k", int64(1))
	f.Add("é", "\"\\", int64(-1), []byte{0, 255}, true, "\u2028\x00", "</script>", int64(0))
	f.Fuzz(func(t *testing.T, channel, epoch string, offset int64, data []byte, binary bool, user, key string, time int64) {
		if !binary && !(json.Valid(data) && utf8.Valid(data) && strings.Count(string(data), "[")+strings.Count(string(data), "{") < 60) {
			return
		}
		m := &proto.Message{Channel: channel, Position: proto.Position{Epoch: epoch, Offset: offset}, Data: data, Binary: binary, User: user, Key: key, Time: time}
		p := proto.AppendMessage(nil, m)
		var got *proto.Published
		if err := proto.ParseAnswers(p, func(a *proto.Answer) bool { got = a.Message; return true }); err != nil || got == nil {
			t.Fatalf("%s: %v", p, err)
		}
		fine := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		text := func(got, want string) bool { // a run of wrong bytes may be one U+FFFD or several
			return got == want || !utf8.ValidString(want) && strings.ReplaceAll(got, "\uFFFD", "") == strings.ReplaceAll(fine(want), "\uFFFD", "")
		}
		if !text(got.Channel, channel) || !text(got.Epoch, epoch) || got.Offset != offset || !text(got.User, user) || !text(got.Key, key) || got.Time != time {
			t.Fatalf("%s", p)
		}
		if binary && !bytes.Equal(got.Data64, data) && base64.StdEncoding.EncodeToString(data) != "" || !binary && !bytes.Equal(got.Data, bytes.TrimSpace(data)) {
			t.Fatalf("%s", p)
		}
	})
}
