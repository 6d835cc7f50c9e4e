package conform

import (
	"bytes"
	"fmt"
	"strings"
)

// A request is a client's, as it came: field names and values are those on the
// wire, without the space around values.
type request struct {
	method, target, version string
	fields                  []field
}

// values are those of all fields of that name.
func (r *request) values(name string) []string {
	var all []string
	for _, f := range r.fields {
		if strings.EqualFold(f.name, name) {
			all = append(all, f.value)
		}
	}
	return all
}

// one is the value of the field of that name, of which there must be one.
func (r *request) one(s *session, name string) (string, error) {
	v := r.values(name)
	if len(v) != 1 {
		return "", s.failed("its request has %d %s", len(v), name)
	}
	return v[0], nil
}

// parseRequest reads a head of HTTP strictly: RFC 9112, 2 to 5.
func parseRequest(p []byte) (*request, error) {
	text, ok := bytes.CutSuffix(p, []byte("\r\n\r\n"))
	if !ok {
		return nil, fmt.Errorf("it does not end in an empty line")
	}
	lines := strings.Split(string(text), "\r\n")
	words := strings.Split(lines[0], " ")
	if len(words) != 3 || words[1] == "" || !isToken(words[0]) {
		return nil, fmt.Errorf("its first line is %s", excerpt([]byte(lines[0])))
	}
	r := &request{method: words[0], target: words[1], version: words[2]}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("it has the line %s", excerpt([]byte(line)))
		}
		r.fields = append(r.fields, field{name, strings.Trim(value, " \t")})
	}
	return r, nil
}

// request looks at the client's request and lets the handshake go on.
func requests(check func(s *session, r *request) error) Step { return requested{check} }

type requested struct {
	check func(s *session, r *request) error
}

func (st requested) run(s *session) error {
	p, err := s.peersHead()
	if err != nil {
		return err
	}
	s.head <- p // for the answer
	r, err := parseRequest(p)
	if err != nil {
		return s.failed("its request is not HTTP/1.1: %v", err)
	}
	return st.check(s, r)
}
