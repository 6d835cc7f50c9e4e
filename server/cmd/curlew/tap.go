package main

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"time"

	"curlew.example/curlew/frame"
)

// A tap is a connection of which every frame is shown as it passes.
type tap struct {
	net.Conn
	in, out side
}

// newTap shows frames by note, one line each.
func newTap(c net.Conn, note func(format string, args ...any)) *tap {
	began := time.Now()
	show := func(arrow string) func(frame.Header, []byte) {
		return func(h frame.Header, start []byte) {
			note("%s %8s %s", arrow, short(time.Since(began)), describe(h, start))
		}
	}
	return &tap{Conn: c, in: side{show: show("<-")}, out: side{show: show("->")}}
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.in.pass(p[:n])
	return n, err
}

func (t *tap) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	t.out.pass(p[:n])
	return n, err
}

// CloseWrite ends our side of the connection.
func (t *tap) CloseWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// shown is how much of a payload is kept to be shown: all of a control frame.
const shown = frame.MaxControl

// A side is one direction: the head of a request or an answer, then frames. Each
// direction belongs to one goroutine at a time.
type side struct {
	show func(h frame.Header, start []byte)

	framed bool
	lost   bool   // what passes is not understood
	buf    []byte // a head or header that is not whole
	header frame.Header
	inside bool
	left   int64  // bytes of the payload to come
	start  []byte // of the payload, unmasked
}

// pass looks at the next bytes.
func (s *side) pass(p []byte) {
	for !s.lost && (len(p) > 0 || s.inside && s.left == 0) {
		switch {
		case !s.framed:
			p = s.head(p)
		case s.inside:
			p = s.payload(p)
		default:
			p = s.begin(p)
		}
	}
}

// head skips the heads of HTTP: answers with 1xx but 101 come before the last.
func (s *side) head(p []byte) []byte {
	s.buf = append(s.buf, p...)
	end := bytes.Index(s.buf, []byte("\r\n\r\n"))
	if end < 0 {
		s.lost = len(s.buf) > 128<<10
		return nil
	}
	first, _, _ := strings.Cut(string(s.buf[:end]), "\r\n")
	rest := bytes.Clone(s.buf[end+4:])
	s.buf = nil
	s.framed = strings.HasPrefix(first, "GET ") || strings.HasPrefix(first, "HTTP/1.1 101")
	return rest
}

// begin reads a frame's header.
func (s *side) begin(p []byte) []byte {
	had := len(s.buf)
	s.buf = append(s.buf, p[:min(len(p), frame.MaxHeader)]...)
	h, n, err := frame.Parse(s.buf)
	switch {
	case err != nil:
		s.lost = true
		return nil
	case n == 0:
		return p[len(s.buf)-had:]
	}
	s.header, s.inside, s.left, s.start, s.buf = h, true, h.Length, nil, nil
	return p[n-had:]
}

// payload passes over a frame's payload.
func (s *side) payload(p []byte) []byte {
	n := int(min(int64(len(p)), s.left))
	if want := shown - len(s.start); want > 0 {
		part := bytes.Clone(p[:min(n, want)])
		if s.header.Masked {
			frame.Mask(part, s.header.Key, len(s.start))
		}
		s.start = append(s.start, part...)
	}
	if s.left -= int64(n); s.left == 0 {
		s.show(s.header, s.start)
		s.inside = false
	}
	return p[n:]
}

// describe is the line of a frame: opcode, flags, length, and what is in it.
func describe(h frame.Header, start []byte) string {
	var flags []string
	if h.Fin {
		flags = append(flags, "FIN")
	}
	for i, bit := range []byte{frame.RSV1, frame.RSV2, frame.RSV3} {
		if h.RSV&bit != 0 {
			flags = append(flags, fmt.Sprintf("RSV%d", i+1))
		}
	}
	if h.Masked {
		flags = append(flags, "MASK")
	}
	text := fmt.Sprintf("%-12s %-9s %6d bytes", h.Opcode, strings.Join(flags, "+"), h.Length)
	switch {
	case h.Opcode == frame.Close:
		code, reason, err := frame.ParseClose(start)
		if err != nil {
			return fmt.Sprintf("%s  %x", text, start)
		}
		return fmt.Sprintf("%s  %v %s", text, code, reason)
	case len(start) == 0:
		return text
	case h.Opcode == frame.Text && h.RSV == 0:
		const most = 40
		return fmt.Sprintf("%s  %.*q", text, most, start)
	}
	const most = 16
	more := ""
	if int64(len(start)) < h.Length || len(start) > most {
		more = "…"
	}
	return fmt.Sprintf("%s  %x%s", text, start[:min(len(start), most)], more)
}
