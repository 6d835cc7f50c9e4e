package conform

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A message is a peer's head of HTTP as it came: names of fields and values are
// those on the wire, without the space around values.
type message struct {
	first  []string // the three parts of the first line
	fields []field
}

// A request is a client's.
type request = message

// fieldsOf are the fields of a head, as far as it has some, right or wrong.
func fieldsOf(head []byte) (all []field) {
	for line := range bytes.Lines(head) {
		if name, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":")); ok {
			all = append(all, field{string(name), string(value)})
		}
	}
	return all
}

// values are those of all fields of that name.
func (m *message) values(name string) []string {
	var all []string
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			all = append(all, f.value)
		}
	}
	return all
}

// one is the value of the field of that name, of which there must be one.
func (m *message) one(s *session, name string) (string, error) {
	v := m.values(name)
	if len(v) != 1 {
		return "", s.failed("it sent %d %s", len(v), name)
	}
	return v[0], nil
}

// parseMessage reads a head strictly: RFC 9112, 2 to 5.
func parseMessage(p []byte) (*message, error) {
	head, ok := strings.CutSuffix(string(p), "\r\n\r\n")
	if !ok {
		return nil, errors.New("it does not end in an empty line")
	}
	lines := strings.Split(head, "\r\n")
	m := &message{first: strings.SplitN(lines[0], " ", 3)}
	if len(m.first) != 3 {
		return nil, fmt.Errorf("its first line is %s", excerpt([]byte(lines[0])))
	}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("it has the line %s", excerpt([]byte(line)))
		}
		m.fields = append(m.fields, field{name, strings.Trim(value, " \t")})
	}
	return m, nil
}

// requests looks at the client's request and lets the handshake go on.
func requests(check func(s *session, m *message) error) Step { return requested{check} }

type requested struct {
	check func(s *session, m *message) error
}

func (st requested) run(s *session) error {
	if s.bare() {
		return noHandshake(s)
	}
	p, err := s.peersHead()
	if err != nil {
		return err
	}
	s.head <- p // for the answer
	m, err := parseMessage(p)
	if err != nil {
		return s.failed("its request is not HTTP/1.1: %v", err)
	}
	return st.check(s, m)
}
