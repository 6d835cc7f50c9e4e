package conform

import (
	"fmt"
	"strconv"
	"strings"

	"curlew.example/curlew/internal/deflate"
)

// An agreement is what was negotiated on permessage-deflate. RFC 7692, 7.
type agreement struct {
	serverNoContext, clientNoContext bool
	serverBits, clientBits           int // 8 to 15
}

// ours and theirs are the window and whether it is kept from message to message.
func (s *session) ours() (bits int, context bool) {
	a := s.agreed
	if s.client {
		return a.clientBits, !a.clientNoContext
	}
	return a.serverBits, !a.serverNoContext
}

func (s *session) theirs() (bits int, context bool) {
	a := s.agreed
	if s.client {
		return a.serverBits, !a.serverNoContext
	}
	return a.clientBits, !a.clientNoContext
}

// deflate compresses a message.
func (s *session) deflate(p []byte) []byte {
	if s.deflater == nil {
		bits, context := s.ours()
		s.deflater = deflate.NewDeflater(6, bits, context)
	}
	return s.deflater.Append(nil, p)
}

// inflate decompresses a message of the peer's. A distance beyond the window
// that was agreed is an error.
func (s *session) inflate(p []byte) ([]byte, error) {
	bits, context := s.theirs()
	if s.inflater == nil {
		s.inflater = deflate.GetInflater(bits)
	}
	s.inflater.Reset(context)
	var out []byte
	most := s.o.most(s.c)
	buf := make([]byte, 32<<10)
	for {
		nd, ns, err := s.inflater.Inflate(buf, p)
		out, p = append(out, buf[:nd]...), p[ns:]
		if err != nil {
			return nil, err
		}
		if len(out) > most {
			return nil, fmt.Errorf("it inflates to more than %d bytes", most)
		}
		if len(p) == 0 && nd < len(buf) {
			break
		}
	}
	for {
		nd, done, err := s.inflater.Finish(buf)
		out = append(out, buf[:nd]...)
		if err != nil {
			return nil, err
		}
		if len(out) > most {
			return nil, fmt.Errorf("it inflates to more than %d bytes", most)
		}
		if done {
			return out, nil
		}
	}
}

// agree reads the answer to an offer. An error says what is wrong with it.
func agree(answer, offer string) (*agreement, error) {
	name, rest, _ := strings.Cut(answer, ";")
	if !strings.EqualFold(strings.TrimSpace(name), deflate.Name) {
		return nil, fmt.Errorf("extension %s was not offered", excerpt([]byte(answer)))
	}
	a := &agreement{serverBits: 15, clientBits: 15}
	seen := make(map[string]bool)
	for _, p := range strings.Split(rest, ";") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		name, value, has := strings.Cut(p, "=")
		name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[name] {
			return nil, fmt.Errorf("parameter %s stands twice", excerpt([]byte(name)))
		}
		seen[name] = true
		bits := func() (int, error) {
			n, err := strconv.Atoi(value)
			if err != nil || n < 8 || n > 15 || value != strconv.Itoa(n) {
				return 0, fmt.Errorf("%s has value %s", name, excerpt([]byte(value)))
			}
			return n, nil
		}
		var err error
		switch name {
		case "server_no_context_takeover":
			a.serverNoContext = true
		case "client_no_context_takeover":
			a.clientNoContext = true
		case "server_max_window_bits":
			a.serverBits, err = bits()
		case "client_max_window_bits":
			if !strings.Contains(offer, "client_max_window_bits") {
				return nil, fmt.Errorf("client_max_window_bits was not offered")
			}
			a.clientBits, err = bits()
		default:
			err = fmt.Errorf("parameter %s is unknown", excerpt([]byte(name)))
		}
		if err == nil && has && strings.HasSuffix(name, "takeover") {
			err = fmt.Errorf("%s has a value", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}
