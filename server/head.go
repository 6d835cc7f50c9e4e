package server

import (
	"bytes"
	"net/http"
	"strconv"
)

// A headWatch judges the heads of the requests of a connection by their bytes as
// they pass on their way to net/http, which repairs or forgets what must be
// refused: lines that end in a bare LF (RFC 9112, 2.2), folded lines (5.2), a
// length beside a transfer coding (6.1), two lengths, more bytes or fields than
// allowed. It changes nothing. The gate asks for its verdict when the request
// arrives there.
//
// It stops watching where no further request can follow: behind the first head
// that it finds fault with, one with a transfer coding, one that asks for an
// upgrade. The gate closes these connections after their answer.
type headWatch struct {
	maxBytes  int64 // of a head
	maxFields int

	heads int // that ended so far
	stop  bool

	badHead   int // number of the head at fault, counted from 1; 0 for none
	badStatus int
	codedHead int // number of the head with a transfer coding

	// Of the current head.
	size    int64
	fields  int
	begun   bool // the request line has ended
	coding  bool // Transfer-Encoding
	upgrade bool
	lengths int
	length  int64

	// Of the current line.
	line []byte // its start
	n    int    // its length so far, without LF
	last byte   // the byte before

	body int64 // bytes of a body still to pass
}

// lineStart is how much of a line is looked at: enough for "Transfer-Encoding:"
// and for "Content-Length:" with every possible number.
const lineStart = 48

// observe takes the next bytes of the connection.
func (h *headWatch) observe(p []byte) {
	for len(p) > 0 && !h.stop {
		if h.body > 0 {
			n := min(h.body, int64(len(p)))
			h.body -= n
			p = p[n:]
			continue
		}
		h.byte(p[0])
		p = p[1:]
	}
}

func (h *headWatch) byte(c byte) {
	if h.size++; h.maxBytes > 0 && h.size > h.maxBytes {
		h.fault(http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	if c == '\n' {
		h.endLine()
		return
	}
	if h.n == 0 && h.begun && (c == ' ' || c == '\t') {
		h.fault(http.StatusBadRequest)
		return
	}
	if len(h.line) < lineStart {
		h.line = append(h.line, c)
	}
	h.n++
	h.last = c
}

func (h *headWatch) endLine() {
	if h.last != '\r' || h.n == 0 {
		h.fault(http.StatusBadRequest)
		return
	}
	empty := h.n == 1
	switch {
	case empty && !h.begun: // net/http skips it behind a body, else refuses it
	case empty:
		h.endHead()
	case !h.begun:
		h.begun = true
	default:
		if h.fields++; h.maxFields > 0 && h.fields > h.maxFields {
			h.fault(http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		h.field()
	}
	h.line, h.n, h.last = h.line[:0], 0, 0
}

// field looks at a header line that has ended.
func (h *headWatch) field() {
	name, value, _ := bytes.Cut(h.line, []byte(":"))
	switch {
	case bytes.EqualFold(name, []byte("Upgrade")):
		h.upgrade = true
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		h.coding = true
	case bytes.EqualFold(name, []byte("Content-Length")):
		h.lengths++
		n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 63)
		if err != nil || h.n > len(h.line) { // not all of it was looked at
			h.fault(http.StatusBadRequest)
			return
		}
		h.length = int64(n)
	}
	if h.lengths > 1 || h.lengths > 0 && h.coding {
		h.fault(http.StatusBadRequest)
	}
}

func (h *headWatch) endHead() {
	h.heads++
	h.body = h.length
	if h.coding {
		h.codedHead = h.heads
	}
	if h.upgrade || h.coding {
		h.end()
	}
	h.size, h.fields, h.begun, h.coding, h.upgrade, h.lengths, h.length = 0, 0, false, false, false, 0, 0
}

// fault ends the watch: the current head is at fault.
func (h *headWatch) fault(status int) {
	if h.badHead == 0 {
		h.badHead, h.badStatus = h.heads+1, status
	}
	h.end()
}

func (h *headWatch) end() {
	h.stop, h.line = true, nil
}

// status returns the status that the nth request, of HTTP/1.minor, is refused
// with, 0 for none. HTTP/1.0 knows no transfer coding: net/http takes the body
// for the next request. RFC 9112, 6.1.
func (h *headWatch) status(n, minor int) int {
	switch {
	case n == h.badHead:
		return h.badStatus
	case n == h.codedHead && minor == 0:
		return http.StatusBadRequest
	}
	return 0
}
