package exec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

var (
	errLong    = errors.New("message longer than maxLine")
	errPartial = errors.New("the output ends inside a message")
)

// A splitter finds the messages in the output of a program. Its buffer grows with
// what has come, never with what was announced.
type splitter struct {
	lengths bool // each behind its length; else one a line
	most    int  // bytes of a message
	text    bool // a line may end in CR LF

	buf     []byte
	start   int // of what was not handed on
	end     int // of what was read
	scanned int // from start: no line ends before
}

const (
	firstBuffer = 16 << 10
	keptBuffer  = 64 << 10 // a larger one is given up when it is empty
)

// split reads in to its end and calls f for each message, which is lent until f
// returns. An error is f's, errLong, errPartial or that of reading.
func (s *splitter) split(in io.Reader, f func([]byte) error) error {
	s.buf = make([]byte, firstBuffer)
	for {
		for {
			message, used, err := s.next(s.buf[s.start:s.end])
			if err != nil {
				return err
			}
			if used == 0 {
				break
			}
			if err := f(message); err != nil {
				return err
			}
			s.start += used
			s.scanned = 0
		}
		s.room()
		n, err := in.Read(s.buf[s.end:])
		s.end += n
		switch {
		case n > 0: // an error comes again
		case err == nil:
		case ended(err):
			return s.rest(f)
		default:
			return err
		}
	}
}

// room makes room behind what was read.
func (s *splitter) room() {
	s.end = copy(s.buf, s.buf[s.start:s.end])
	s.start = 0
	switch {
	case s.end == len(s.buf):
		s.buf = append(s.buf, make([]byte, min(len(s.buf), max(s.most+4-len(s.buf), firstBuffer)))...)
	case s.end == 0 && len(s.buf) > keptBuffer:
		s.buf = make([]byte, firstBuffer)
	}
}

// next returns the first message in p and how many bytes it takes; 0 if it is not
// all there.
func (s *splitter) next(p []byte) (message []byte, used int, err error) {
	if s.lengths {
		if len(p) < 4 {
			return nil, 0, nil
		}
		n := binary.BigEndian.Uint32(p)
		switch {
		case uint64(n) > uint64(s.most):
			return nil, 0, errLong
		case len(p)-4 < int(n):
			return nil, 0, nil
		}
		return p[4 : 4+n], 4 + int(n), nil
	}
	i := bytes.IndexByte(p[s.scanned:], '\n')
	if i < 0 {
		s.scanned = len(p)
		if len(p) > s.most+1 { // one may be a CR
			return nil, 0, errLong
		}
		return nil, 0, nil
	}
	i += s.scanned
	message = s.line(p[:i])
	if len(message) > s.most {
		return nil, 0, errLong
	}
	return message, i + 1, nil
}

// line takes the CR of a line's end away.
func (s *splitter) line(p []byte) []byte {
	if n := len(p); s.text && n > 0 && p[n-1] == '\r' {
		return p[:n-1]
	}
	return p
}

// rest hands on the last line, which need not have an end.
func (s *splitter) rest(f func([]byte) error) error {
	p := s.buf[s.start:s.end]
	switch {
	case len(p) == 0:
		return nil
	case s.lengths:
		return errPartial
	case len(s.line(p)) > s.most:
		return errLong
	}
	return f(s.line(p))
}
