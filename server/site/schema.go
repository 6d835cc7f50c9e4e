package site

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Schema returns a JSON Schema (draft 2020-12) of site files, for editors. The
// handlers name those that the program brings besides the ones of this package.
//
// It knows the keys, the types and how values are written. What the parser
// finds beyond that (a size of too many bytes, a capture that is not there,
// https without a certificate) it accepts; it never refuses a file that the
// parser accepts.
func Schema(handlers ...string) []byte {
	// A route that was read has the settings of every handler in place.
	s, err := Parse("", []byte("{ routes: [{ handler: 'echo' }] }"))
	if err != nil {
		return nil
	}
	r := s.Routes[0]
	all := slices.Clone(r.handlers)
	for _, name := range handlers {
		all = append(all, field{name: name, to: raw{new(*Node), Object}, doc: "The settings of this handler of the program."})
	}
	route := objectSchema(slices.Concat(r.fields(), all))
	names := usable(all)
	route["properties"].(keywords)["handler"].(keywords)["enum"] = names
	route["not"] = keywords{"required": []string{"match", "pattern"}}
	route["allOf"] = handlersSchema(all)

	top := objectSchema(new(Site).fields())
	top["properties"].(keywords)["routes"] = keywords{
		"description": "The routes. The first one in the order of the file that matches by host, path and method answers.",
		"type":        "array", "items": keywords{"$ref": "#/$defs/route"},
	}
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "Site file of curlew serve"
	top["$defs"] = keywords{
		"route":      route,
		"time":       timeSchema,
		"size":       sizeSchema,
		"noLimit":    keywords{"anyOf": []any{keywords{"enum": noLimit}, keywords{"type": "string", "pattern": `^\s*(` + strings.Join(noLimit, "|") + `)\s*$`}}},
		"fieldValue": keywords{"type": "string", "pattern": `^[^\x00-\x08\x0a-\x1f\x7f]*$`},
	}
	text, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		return nil // not with what is above
	}
	return append(text, '\n')
}

// Keywords are an object of the schema.
type keywords = map[string]any

// handlersSchema ties the objects of settings to the handlers: only that of the
// one that answers, and that one if it has settings without which it cannot be.
func handlersSchema(all []field) []any {
	var list []any
	for _, f := range all {
		if f.to == nil {
			continue
		}
		tie := keywords{
			"if":   keywords{"properties": keywords{"handler": keywords{"const": f.name}}},
			"else": keywords{"properties": keywords{f.name: false}},
		}
		if g, ok := f.to.(group); ok && slices.ContainsFunc(g.fields(), func(f field) bool { return f.required }) {
			tie["then"] = keywords{"required": []string{f.name}}
		}
		list = append(list, tie)
	}
	return list
}

// A schemer is a binding that can say what it accepts.
type schemer interface{ schema() keywords }

// objectSchema is that of an object with these keys and no others.
func objectSchema(fields []field) keywords {
	properties, required := keywords{}, []string{}
	for _, f := range fields {
		if f.to == nil {
			continue
		}
		s := schemaOf(f.to)
		s["description"] = plainText(f.doc)
		if f.def != "" {
			if n, err := ParseNode("", []byte(f.def)); err == nil {
				s["default"] = n.Any()
			}
		}
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	s := keywords{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// schemaOf is what a binding accepts; nothing is known of those that cannot say.
func schemaOf(b binding) keywords {
	switch b := b.(type) {
	case schemer:
		return maps.Clone(b.schema())
	case group:
		return objectSchema(b.fields())
	}
	return keywords{}
}

// plainText is documentation without the marks of Markdown.
func plainText(s string) string { return strings.ReplaceAll(s, "`", "") }

// A shaped binding knows more of its values than their type.
type shaped[T any] struct {
	scalar[T]
	shape keywords
}

func (s shaped[T]) schema() keywords { return s.shape }

// schema of a scalar that is not shaped is what its type says.
func (s scalar[T]) schema() keywords {
	switch any(*new(T)).(type) {
	case bool:
		return keywords{"type": "boolean"}
	case int:
		return keywords{"type": "integer"}
	case string:
		return texted(s.kind)
	case []string:
		kind, _ := strings.CutSuffix(s.kind, " or a list")
		return oneOrSeveral(texted(kind), true)
	case Ranges:
		return oneOrSeveral(keywords{"type": "string", "pattern": `^([0-9A-Fa-f]*[:.][0-9A-Fa-f:.]*(/[0-9]{1,3})?|unix|all)$`}, true)
	case uint16:
		return keywords{"enum": slices.Sorted(maps.Keys(tlsVersions))}
	}
	return keywords{}
}

// oneOrSeveral is a value or a list of them.
func oneOrSeveral(one keywords, unique bool) keywords {
	list := keywords{"type": "array", "items": one}
	if unique {
		list["uniqueItems"] = true
	}
	return keywords{"anyOf": []any{one, list}}
}

const tokenPattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"

// texted is the schema of a text by its kind.
func texted(kind string) keywords {
	s := keywords{"type": "string"}
	switch kind {
	case "path":
		s["pattern"] = "^/[^?#]*$"
	case "path or URL":
		s["pattern"] = "^(/|[Hh][Tt][Tt][Pp][Ss]?://|https:$)"
	case "method":
		s["pattern"] = "^[A-Z0-9!#$%&'*+.^_`|~-]+$"
	case "name":
		s["pattern"] = tokenPattern
	case "origin":
		s["pattern"] = `^(\*$|[Hh][Tt][Tt][Pp][Ss]?://[^/?#]+$)`
	case "file", "folder":
		s["minLength"] = 1
	}
	return s
}

var timeSchema = keywords{"anyOf": []any{
	keywords{"type": "number", "exclusiveMinimum": 0},
	keywords{"type": "string", "allOf": []any{
		keywords{"pattern": `^\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)[ \t]*(` + unitPattern(durationUnits) + `)?\s*$|` +
			`^\s*\+?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+\s*$`},
		keywords{"pattern": "[1-9]"},
	}},
}}

var sizeSchema = keywords{"anyOf": []any{
	keywords{"type": "integer", "minimum": 1},
	keywords{"type": "string", "allOf": []any{
		keywords{"pattern": `^\s*\+?([0-9]+|([0-9]+\.?[0-9]*|\.[0-9]+)[ \t]*[KkMmGg][Bb]?)\s*$`},
		keywords{"pattern": "[1-9]"},
	}},
}}

func unitPattern(units []unit) string {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
	}
	return strings.Join(names, "|")
}

// ref is a definition, or with unlimited one of the words for no limit.
func ref(name string, unlimited bool) keywords {
	one := keywords{"$ref": "#/$defs/" + name}
	if !unlimited {
		return one
	}
	return keywords{"anyOf": []any{one, keywords{"$ref": "#/$defs/noLimit"}}}
}

func countSchema() keywords {
	return keywords{"anyOf": []any{keywords{"type": "integer", "minimum": 1}, keywords{"enum": noLimit}}}
}

func (listens) schema() keywords {
	return oneOrSeveral(keywords{"type": "string", "pattern": "^(https://)?[^/]*:[0-9]{1,5}$|^unix:."}, true)
}

func (b compressionBinding) schema() keywords {
	return keywords{"anyOf": []any{keywords{"type": "boolean"}, objectSchema(b.p.fields())}}
}

func (headersBinding) schema() keywords {
	return keywords{
		"type":              "object",
		"patternProperties": keywords{tokenPattern: oneOrSeveral(keywords{"$ref": "#/$defs/fieldValue"}, true)},
		// A name of other characters is no name of a field.
		"additionalProperties": false,
	}
}

func (b raw) schema() keywords {
	if b.kind == Array {
		return keywords{"type": "array"}
	}
	return keywords{"type": "object"}
}
