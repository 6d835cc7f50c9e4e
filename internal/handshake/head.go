package handshake

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
)

// The limits of a response's head.
const (
	maxHead       = 64 << 10 // bytes
	maxHeadFields = 128
)

var (
	errHeadLong   = errors.New("head of the answer is longer than 64 KiB")
	errHeadFields = errors.New("head of the answer has more than 128 fields")
	errHeadLine   = errors.New("line of the answer's head does not end in CR LF (RFC 9112, 2.2)")
	errHeadFold   = errors.New("the first field of the answer's head begins with space (RFC 9112, 2.2)")
	errHeadByte   = errors.New("control character in the answer's head (RFC 9110, 5.5)")
)

// ReadHead reads from r, behind the bytes of buf, which were read already, until
// the empty line that ends a head. It returns the head with that line and what
// came with it, in one array that may be buf's. A head that is too long, has too
// many fields, control characters or lines that do not end in CR LF is an error as
// soon as that is seen. Folded lines are left to ParseResponse, which unfolds them,
// as a client must (RFC 9112, 5.2).
func ReadHead(r io.Reader, buf []byte) (head, rest []byte, err error) {
	var s headScan
	for i, idle := 0, 0; ; {
		for ; i < len(buf); i++ {
			if i == maxHead {
				return nil, nil, errHeadLong
			}
			done, err := s.next(buf[i])
			if err != nil {
				return nil, nil, err
			}
			if done {
				return buf[: i+1 : i+1], buf[i+1:], nil
			}
		}
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, max(2<<10, 2*cap(buf))), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case n > 0:
			idle = 0 // and an error comes again, if it still matters
		case err == io.EOF:
			return nil, nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, nil, err
		default:
			if idle++; idle > 100 {
				return nil, nil, io.ErrNoProgress
			}
		}
	}
}

// A headScan judges a head byte by byte.
type headScan struct {
	fields int  // begun behind the first line
	column int  // in the current line, without its end; at most 1 matters
	cr     bool // the last byte was CR
	first  bool // the first line has ended
}

// next takes a byte and reports whether it is the last one of the head.
func (s *headScan) next(c byte) (done bool, err error) {
	if s.cr {
		if c != '\n' {
			return false, errHeadLine
		}
		s.cr = false
		if s.column == 0 {
			return true, nil
		}
		s.first, s.column = true, 0
		return false, nil
	}
	switch {
	case c == '\r':
		s.cr = true
		return false, nil
	case c == '\n':
		return false, errHeadLine
	case c < ' ' && c != '\t' || c == 0x7f:
		return false, errHeadByte
	}
	if s.column == 0 && s.first {
		switch folded := c == ' ' || c == '\t'; {
		case folded && s.fields == 0:
			return false, errHeadFold
		case !folded:
			s.fields++
		}
		if s.fields > maxHeadFields {
			return false, errHeadFields
		}
	}
	s.column = 1
	return false, nil
}

// ParseResponse parses a head of ReadHead that answers a request with method.
// What the response's Body reads comes from body, framed as the head says.
func ParseResponse(head []byte, body io.Reader, method string) (*http.Response, error) {
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(head), body))
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return nil, errors.New("malformed answer (RFC 9112, 4)")
	}
	return resp, nil
}
