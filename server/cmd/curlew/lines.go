package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"curlew.example/curlew"
)

// lines writes received messages.
type lines struct {
	w        io.Writer
	terminal bool
}

func newLines(w io.Writer) *lines { return &lines{w, isTerminal(w)} }

// message writes one message: text as a line, of which a terminal gets no
// orders; bytes in hex, or as they are and without a line end.
func (l *lines) message(t curlew.Type, p []byte, raw bool) error {
	switch {
	case t == curlew.Binary && raw:
		_, err := l.w.Write(p)
		return err
	case t == curlew.Binary:
		p = hex.AppendEncode(nil, p)
	case l.terminal:
		p = []byte(printable(string(p)))
	}
	_, err := l.w.Write(append(p[:len(p):len(p)], '\n'))
	return err
}

// oneLine is printable text without line ends.
func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", " ").Replace(printable(s))
}

// A reader gives lines of any length up to maxMessage.
type reader struct{ r *bufio.Reader }

func newReader(r io.Reader) reader { return reader{bufio.NewReader(r)} }

// line returns the next line without its end, valid until the next call; io.EOF
// when there is none.
func (r reader) line() ([]byte, error) {
	var long []byte
	for {
		part, err := r.r.ReadSlice('\n')
		switch {
		case err == nil && long == nil:
			return trim(part), nil
		case err == bufio.ErrBufferFull, err == io.EOF && len(part) > 0, err == nil:
			long = append(long, part...)
		case err == io.EOF && long != nil:
		default:
			return nil, err
		}
		if len(long) > maxMessage {
			return nil, errors.New("a line of more than 64 MB")
		}
		if err != bufio.ErrBufferFull {
			return trim(long), nil
		}
	}
}

func trim(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// A stamp is an instant that one goroutine sets and another reads.
type stamp struct {
	mu sync.Mutex
	at time.Time
}

func (s *stamp) set(t time.Time) {
	s.mu.Lock()
	s.at = t
	s.mu.Unlock()
}

func (s *stamp) get() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}
