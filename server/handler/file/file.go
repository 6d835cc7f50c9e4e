// Package file is the handler "file": it sends one file as one message and closes
// with 1000.
//
// The file may be of any size. It is read in small pieces as the client takes
// them, so that the memory of a connection depends on limits.sendQueue alone, and
// no goroutine waits for a slow client until the last piece.
//
// A client is sent as much as the file had when the connection opened. What it
// grows by is left out. A file that becomes shorter, or cannot be read any
// further, ends the connection with 1011 and the message unfinished: nobody takes
// half a file for a whole one.
package file

import (
	"context"
	"net/http"
	"os"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// New makes an endpoint that sends the route's file, whose name may have captures
// in it. A file that is not there is answered 404 in the place of the handshake.
func New(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	from, err := newSource(r)
	if err != nil {
		return nil, r.File.Path.From.Errorf("%v", err)
	}
	t := curlew.Binary
	if r.File.Type.Value == "text" {
		t = curlew.Text
	}
	piece := maxPiece
	if n := r.Limits.SendQueue.Value; n > 0 {
		piece = int(min(n, maxPiece)) // more would be read in vain
	}
	return ws(func(r *http.Request) (*curlew.Events, error) {
		name, ok := from.name(r.PathValue)
		if !ok {
			return nil, refused(os.ErrNotExist)
		}
		// It is opened again when the handshake has succeeded, of which nothing
		// tells if it does not: a descriptor would be lost.
		f, _, err := from.open(name)
		if err != nil {
			return nil, refused(err)
		}
		f.Close()
		s := &sending{from: from, name: name, t: t, piece: piece}
		return &curlew.Events{Open: s.start, Writable: s.more, Close: s.end}, nil
	}), nil
}

// refused is the answer to a client whose file cannot be opened. Why is not its
// business, unless the server is short of something.
func refused(err error) error {
	status := http.StatusNotFound
	if exhausted(err) {
		status = http.StatusServiceUnavailable
	}
	return &curlew.HandshakeError{Status: status}
}

// maxPiece is how much of a file is read at once.
const maxPiece = 64 << 10

var pieces = sync.Pool{New: func() any { return new([maxPiece]byte) }}

// A sending is one connection's. Its methods are events, of which there is never
// more than one at a time.
type sending struct {
	from  *source
	name  string
	t     curlew.Type
	piece int

	file    *os.File
	size    int64          // when the connection opened
	at      int64          // so much is sent, or waits to be
	message *curlew.Writer // nil before and after
}

// start is the event Open.
func (s *sending) start(c *curlew.Conn) {
	var err error
	if s.file, s.size, err = s.from.open(s.name); err != nil {
		fail(c)
		return
	}
	if s.message, err = c.Writer(context.Background(), s.t); err != nil {
		return // it is closed already
	}
	s.more(c)
}

// more is the event Writable: it queues what there is room for.
func (s *sending) more(c *curlew.Conn) {
	if s.message == nil {
		return
	}
	room := pieces.Get().(*[maxPiece]byte)
	defer pieces.Put(room)
	for s.at < s.size {
		p := room[:min(int64(s.piece), s.size-s.at)]
		if n, _ := s.file.ReadAt(p, s.at); n < len(p) { // an error, or an early end
			s.done()
			fail(c)
			return
		}
		n, err := s.send(p)
		s.at += int64(n)
		if err != nil { // the connection ends; for a text that is none, perhaps
			s.done()
			return
		}
		if n < len(p) {
			return // until there is room again
		}
	}
	err := s.message.Close()
	s.done()
	if err == nil {
		c.Close(curlew.NormalClosure, "")
	}
}

// send queues as much of a piece as there is room for. The last one it sees off:
// a Close behind a full queue would leave a slow client no more than
// timeouts.close for the whole of it.
func (s *sending) send(p []byte) (int, error) {
	if s.at+int64(len(p)) == s.size {
		return s.message.Write(p)
	}
	return s.message.TryWrite(p)
}

// done lets go of the file: there is nothing more to send.
func (s *sending) done() {
	s.message = nil
	s.file.Close()
}

// fail ends a connection whose file cannot be read.
func fail(c *curlew.Conn) { c.Close(curlew.InternalError, "file cannot be read") }

// end is the event Close.
func (s *sending) end(*curlew.Conn, *curlew.CloseError) {
	if s.file != nil {
		s.file.Close() // once more, if it was all sent
	}
}
