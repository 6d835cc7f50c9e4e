package hub

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// A description is the document of openapi.json.
type description struct{ all map[string]any }

func described() (*description, error) {
	d := &description{}
	return d, json.Unmarshal(openAPI, &d.all)
}

// at follows names into the document.
func (d *description) at(names ...string) any {
	var v any = d.all
	for _, n := range names {
		m, _ := v.(map[string]any)
		v = m[n]
	}
	return v
}

// answer checks the answer to a call against what is said of its status.
func (d *description) answer(call string, status int, body []byte) error {
	responses, _ := d.at("paths", "/"+call, "post", "responses").(map[string]any)
	r := responses[fmt.Sprint(status)]
	if r == nil {
		r = responses["default"]
	}
	m, _ := r.(map[string]any)
	content, _ := m["content"].(map[string]any)
	media, _ := content["application/json"].(map[string]any)
	if media["schema"] == nil {
		return fmt.Errorf("%s %d is not described", call, status)
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return d.fits(v, media["schema"].(map[string]any), call)
}

// fits checks a value against as much of JSON Schema as the document uses. Members
// that are not described are an error.
func (d *description) fits(v any, s map[string]any, where string) error {
	if ref, ok := s["$ref"].(string); ok {
		to, ok := d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %s is not there", where, ref)
		}
		return d.fits(v, to, where)
	}
	if list, ok := s["oneOf"].([]any); ok {
		n, why := 0, ""
		for _, one := range list {
			if err := d.fits(v, one.(map[string]any), where); err == nil {
				n++
			} else {
				why += "; " + err.Error()
			}
		}
		if n != 1 {
			return fmt.Errorf("%s: fits %d of %d%s", where, n, len(list), why)
		}
		return nil
	}
	if err := fitsType(v, s["type"], where); err != nil {
		return err
	}
	switch v := v.(type) {
	case map[string]any:
		return d.fitsObject(v, s, where)
	case []any:
		items, _ := s["items"].(map[string]any)
		for i, e := range v {
			if err := d.fits(e, items, fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
	case string:
		if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, any(v)) {
			return fmt.Errorf("%s: %q is none of %v", where, v, enum)
		}
		if most, ok := s["maxLength"].(float64); ok && utf8.RuneCountInString(v) > int(most) {
			return fmt.Errorf("%s: too long", where)
		}
	case float64:
		if least, ok := s["minimum"].(float64); ok && v < least {
			return fmt.Errorf("%s: %v is less than %v", where, v, least)
		}
	}
	return nil
}

func (d *description) fitsObject(v, s map[string]any, where string) error {
	properties, ok := s["properties"].(map[string]any)
	if !ok {
		return nil // anything
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s: no %s", where, name)
		}
	}
	for name, value := range v {
		p, ok := properties[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %s is not described", where, name)
		}
		if err := d.fits(value, p, where+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func fitsType(v, types any, where string) error {
	list, ok := types.([]any)
	if types != nil && !ok {
		list = []any{types}
	}
	is := map[string]bool{}
	switch v := v.(type) {
	case nil:
		is["null"] = true
	case bool:
		is["boolean"] = true
	case string:
		is["string"] = true
	case float64:
		is["number"], is["integer"] = true, v == math.Trunc(v)
	case []any:
		is["array"] = true
	case map[string]any:
		is["object"] = true
	}
	for _, t := range list {
		if is[t.(string)] {
			return nil
		}
	}
	if types == nil {
		return nil
	}
	return fmt.Errorf("%s: %v is not %v", where, v, types)
}
