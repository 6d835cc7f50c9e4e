package site

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("site.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("site.json") // against the schema of schemas, too
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchema: what the parser accepts the schema accepts, and of the broken
// files it refuses those that a schema can know to be broken.
func TestSchema(t *testing.T) {
	s := compileSchema(t, Schema())
	for name, text := range map[string]string{"example": example, "everything": everything, "empty": "{}"} {
		n, err := ParseNode(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(n.Any()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	for _, name := range []string{
		"fallback", "keys", "listen", "notls", "number", "ranges", "routes", "tls", "toplevel", "types", "types2", "values",
	} {
		file := "testdata/broken/" + name + ".json5"
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n, err := ParseNode(file, text)
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(n.Any()) == nil {
			t.Errorf("%s: accepted by the schema", file)
		}
	}
}

// TestSchemaHandlers: the handlers of a program are known to its schema.
func TestSchemaHandlers(t *testing.T) {
	valid := func(s *jsonschema.Schema, text string) bool {
		n, err := ParseNode("", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s.Validate(n.Any()) == nil
	}
	with, without := compileSchema(t, Schema("mine")), compileSchema(t, Schema())
	for text, want := range map[string][2]bool{
		`{ routes: [{ handler: 'mine', mine: { a: 1 } }] }`:          {true, false},
		`{ routes: [{ handler: 'mine' }] }`:                          {true, false},
		`{ routes: [{ handler: 'echo', mine: {} }] }`:                {false, false},
		`{ routes: [{ handler: 'static' }] }`:                        {false, false},
		`{ routes: [{ handler: 'respond' }] }`:                       {true, true},
		`{ routes: [{ handler: 'echo', match: '/', pattern: 'a' }]}`: {false, false},
		`{ routes: [{ handler: 'echo', respond: {} }] }`:             {false, false},
		`{ routes: [{}] }`:                                           {false, false},
		`{ routes: {} }`:                                             {false, false},
		`{ route: [] }`:                                              {false, false},
	} {
		if got := [2]bool{valid(with, text), valid(without, text)}; got != want {
			t.Errorf("%s: valid with and without the handler: %v, want %v", text, got, want)
		}
	}
}

// TestSchemaValues: each key with many values. The schema never refuses what the
// parser accepts, and where values have a type of their own the two agree.
func TestSchemaValues(t *testing.T) {
	texts := []string{
		"", "30 s", "30s", " 30 s ", "5m", "5 m", "5 M", "5M", "1m30s", "1.5h", ".5 s", "5. s", "+5 s", "-5 s", "0", "0 s", "0.0 s", "00", "10", "1.5",
		"5 mins", "2hrs", "1 hour", "500ms", "500 ms", "1 day", "2 weeks", "2 Weeks", "1us", "1µs", "5 fortnights", "64 KB", "64K", "1mb", "1 GB", "1 TB", "5 B",
		"unlimited", "infinite", "never", "none", " never ", "Unlimited", "true", "1.2", "1.3", "debug", "json", "text", "binary", "close", "lines",
		"/", "/a/{b}", "/a?b", "a", "GET", "get", "chat", "a b", "example.com", "https://example.com", "https://example.com/", "*", "null",
		"10.0.0.0/8", "127.0.0.1:80", "https://:443", "unix:/a", "http://a:80", "80", "HTTP_USER_AGENT",
	}
	var values []string
	for _, s := range texts {
		values = append(values, quoteJSON5(s), "["+quoteJSON5(s)+"]")
	}
	values = append(values, "true", "false", "null", "0", "1", "-1", "1.5", "0.001", "5", "9", "15", "16", "512", "200", "302", "599", "1e3", "0x10", "1e19",
		"[]", "{}", "[1]", "['a', 'b']", "['a', 'a']", "{ a: 1 }", "{ A: 'b' }", "{ 'A b': 'c' }", "{ A: ['b', 'c'] }", "{ A: [] }")

	// The same is asked of both: a file with that key alone, and without what
	// the key belongs to being complete.
	agreed, all := 0, 0
	for _, e := range definitions() {
		if e.to == nil {
			continue
		}
		s, ok := e.to.(schemer)
		if !ok {
			continue
		}
		text, err := json.Marshal(map[string]any{
			"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/it",
			"$defs": definitionsOf(t, s),
		})
		if err != nil {
			t.Fatal(err)
		}
		c := compileSchema(t, text)
		_, exact := e.to.(interface{ exact() })
		for _, v := range values {
			n, err := ParseNode("", []byte(v))
			if err != nil {
				t.Fatal(v, err)
			}
			d := &decoder{whole: true}
			e.to.read(d, n)
			parsed, valid := len(d.errs) == 0, c.Validate(n.Any()) == nil
			all++
			switch {
			case parsed == valid:
				agreed++
			case parsed:
				t.Errorf("%s: %s: the schema refuses what the parser accepts", e.path, v)
			case exact && v != "1e19":
				t.Errorf("%s: %s: the schema accepts what the parser refuses: %v", e.path, v, d.errs)
			}
		}
	}
	if agreed*100 < all*95 {
		t.Errorf("schema and parser agree on %d of %d values", agreed, all)
	}
}

// exact marks the bindings whose schema says all that there is to say.
func (shaped[T]) exact() {}

// definitionsOf has the schema of a binding and what it refers to.
func definitionsOf(t *testing.T, s schemer) map[string]any {
	t.Helper()
	var whole struct {
		Defs map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &whole); err != nil {
		t.Fatal(err)
	}
	delete(whole.Defs, "route")
	whole.Defs["it"] = s.schema()
	return whole.Defs
}

// TestSchemaComplete: every key of the definitions is in it, with what it means.
func TestSchemaComplete(t *testing.T) {
	text := string(Schema())
	for _, e := range definitions() {
		if e.to == nil {
			continue
		}
		doc, err := json.Marshal(plainText(e.doc))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, `"`+e.name+`": {`) || !strings.Contains(text, string(doc)) {
			t.Errorf("%s is not in the schema", e.path)
		}
	}
}
