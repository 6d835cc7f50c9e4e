// Package echo is the handler "echo": each message goes back as it came.
package echo

import (
	"context"
	"errors"
	"net/http"

	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// New makes an endpoint that sends each message back, of the same type. A client
// that sends without reading is not read from any further.
//
// Where the route preserves frames, they go back one by one as they come, and so
// do the pieces of limits.maxPacket where messages have no limit: no message is
// held whole then. A client that pauses inside one for longer than timeouts.write
// is closed with 1011, as it keeps the answer open.
func New(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	frames, packets, bounded := r.WebSockets.PreserveFrames.Value, r.Limits.MaxPacket.Value > 0, r.Limits.MaxMessage.Value > 0
	switch {
	case frames || packets && !bounded:
		return ws(func(*http.Request) (*curlew.Events, error) {
			p := &pieces{frames: frames}
			return &curlew.Events{Part: p.part}, nil
		}), nil
	case packets:
		return ws(func(*http.Request) (*curlew.Events, error) {
			return &curlew.Events{Part: new(gathered).part}, nil
		}), nil
	}
	whole := &curlew.Events{Message: answer}
	return ws(func(*http.Request) (*curlew.Events, error) { return whole, nil }), nil
}

// answer sends a message back: at once with others if the queue has room, else
// it waits until the stream has taken it, which keeps the next one from being
// read. An error means that the connection has ended.
func answer(c *curlew.Conn, t curlew.Type, p []byte) {
	if err := c.Send(t, p); errors.Is(err, curlew.ErrQueueFull) {
		c.Write(context.Background(), t, p)
	}
}

// gathered puts the pieces of a message together before it goes back, for one
// connection.
type gathered struct{ text []byte }

func (g *gathered) part(c *curlew.Conn, t curlew.Type, p []byte, last bool) {
	if len(g.text) > 0 || !last {
		g.text = append(g.text, p...)
		p = g.text
	}
	if last {
		answer(c, t, p)
		g.text = nil
	}
}

// pieces sends back what comes in pieces, for one connection.
type pieces struct {
	frames bool           // each piece is a frame
	w      *curlew.Writer // of the message that is open, nil between messages
}

// part blocks until the stream has taken the piece, which keeps the next one
// from being read.
func (s *pieces) part(c *curlew.Conn, t curlew.Type, p []byte, last bool) {
	if s.w == nil && last {
		answer(c, t, p)
		return
	}
	var err error
	if s.w == nil {
		if s.w, err = c.Writer(context.Background(), t); err != nil {
			return // the connection has ended
		}
	}
	switch {
	case last:
		err = s.w.Finish(p)
		s.w = nil
	case s.frames:
		err = s.w.WriteFrame(p)
	default:
		_, err = s.w.Write(p)
	}
	if err != nil {
		c.Abort(err)
	}
}
