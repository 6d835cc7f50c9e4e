package conform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// WriteJSON writes a report for ReadReport and for programs. docs/conform.md
// describes the format.
func (r *Report) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	return e.Encode(v)
}

// ReadReport reads what WriteJSON wrote. Anything else is an error that says what
// is wrong; at most 128 MiB are read.
func ReadReport(rd io.Reader) (*Report, error) {
	p, err := io.ReadAll(io.LimitReader(rd, maxReport+1))
	if err != nil {
		return nil, err
	}
	if len(p) > maxReport {
		return nil, fmt.Errorf("conform: more than %d MiB: no report is that large", maxReport>>20)
	}
	if countObjects(p) > maxObjects {
		return nil, fmt.Errorf("conform: more than %d JSON objects: no report has that many", maxObjects)
	}
	if err := ofSchema(p); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(p))
	d.DisallowUnknownFields()
	r := new(Report)
	if err := d.Decode(r); err != nil {
		return nil, damaged(p, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("conform: the report is damaged: %w", err)
	}
	return r, nil
}

// countObjects counts the objects in a text of JSON.
func countObjects(p []byte) (n int) {
	text, escaped := false, false
	for _, b := range p {
		switch {
		case escaped:
			escaped = false
		case text && b == '\\':
			escaped = true
		case b == '"':
			text = !text
		case !text && b == '{':
			n++
		}
	}
	return n
}

// ofSchema says what a file is that is no report of ours.
func ofSchema(p []byte) error {
	var head struct {
		Schema any `json:"schema"`
	}
	trimmed := bytes.TrimLeft(p, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return errors.New("conform: the file is empty")
	case trimmed[0] != '{':
		return fmt.Errorf("conform: no report: it begins with %s; a file that --json wrote is wanted", excerpt(trimmed[:min(len(trimmed), 20)]))
	}
	if err := json.Unmarshal(p, &head); err != nil {
		return damaged(p, err)
	}
	name, _ := head.Schema.(string)
	version, ok := strings.CutPrefix(name, schemaName)
	n, err := strconv.Atoi(version)
	switch {
	case name == "":
		return errors.New("conform: JSON, but no report: it has no schema; a file that --json wrote is wanted")
	case !ok || err != nil || n < 1:
		return fmt.Errorf("conform: JSON, but no report: its schema is %s; a file that --json wrote is wanted", excerpt([]byte(name)))
	case n > schemaVersion:
		return fmt.Errorf("conform: a report of version %d, written by a newer curlew; this one reads up to %d", n, schemaVersion)
	}
	return nil
}

// damaged says where an error of JSON is.
func damaged(p []byte, err error) error {
	at := int64(-1)
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		at = e.Offset
	}
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		at = e.Offset
	}
	text := visible(strings.TrimPrefix(err.Error(), "json: "))
	if at < 0 || at > int64(len(p)) {
		return fmt.Errorf("conform: the report is damaged: %s", text)
	}
	return fmt.Errorf("conform: the report is damaged: line %d: %s", 1+bytes.Count(p[:at], []byte("\n")), text)
}

// check looks for what JSON can say and no report does.
func (r *Report) check() error {
	switch {
	case r.Role != "server" && r.Role != "client":
		return fmt.Errorf("role is %s, neither server nor client", excerpt([]byte(r.Role)))
	case r.Agent == "":
		return errors.New("the agent has no name")
	case r.Scale < 1:
		return fmt.Errorf("scale is %d", r.Scale)
	case r.Limit < 0:
		return fmt.Errorf("limit is %d", r.Limit)
	case r.Planned < len(r.Results):
		return fmt.Errorf("%d results of %d cases", len(r.Results), r.Planned)
	}
	seen := make(map[string]bool, len(r.Results))
	for i := range r.Results {
		f := &r.Results[i]
		switch {
		case !isID(f.ID):
			return fmt.Errorf("a result has the ID %s", excerpt([]byte(f.ID)))
		case seen[f.ID]:
			return fmt.Errorf("two results have the ID %s", f.ID)
		case f.Duration < 0:
			return fmt.Errorf("%s took %d ns", f.ID, f.Duration)
		case f.Code < 0 || f.Code > 0xFFFF:
			return fmt.Errorf("%s has close code %d", f.ID, f.Code)
		}
		seen[f.ID] = true
	}
	counts := r.count()
	maps.DeleteFunc(r.Counts, func(_ Verdict, n int) bool { return n == 0 })
	if !maps.Equal(counts, r.Counts) {
		return errors.New("its counts are not those of its results")
	}
	r.Counts = counts
	slices.SortStableFunc(r.Results, func(a, b Finding) int { return CompareIDs(a.ID, b.ID) })
	return nil
}

// isID reports whether s is numbers with dots between them.
func isID(s string) bool {
	if len(s) > 40 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return true
}

// An indexed result is one in the file that scripts for the known suite read.
type indexed struct {
	Behavior string `json:"behavior"`
	Close    string `json:"behaviorClose"`
	Duration int64  `json:"duration"`        // in milliseconds
	Code     *int   `json:"remoteCloseCode"` // null: none
}

// WriteIndex writes an object of agents of objects of IDs, as scripts read it
// that were made for the known suite. Of two results of an agent for a case the
// later one counts.
func WriteIndex(w io.Writer, reports ...*Report) error {
	index := make(map[string]map[string]indexed)
	for _, r := range reports {
		if index[r.Agent] == nil {
			index[r.Agent] = make(map[string]indexed)
		}
		for i := range r.Results {
			f := &r.Results[i]
			one := indexed{Behavior: f.Behavior.String(), Close: f.Close.String(), Duration: f.Duration.Milliseconds()}
			if f.Code != 0 && f.Code != noStatus {
				one.Code = &f.Code
			}
			index[r.Agent][f.ID] = one
		}
	}
	return writeJSON(w, index)
}
