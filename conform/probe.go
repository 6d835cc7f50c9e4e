package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Probe asks a server whether there is anything to test: it makes a handshake and
// has a few messages returned. It tells how long the slowest of these steps took,
// see ScaleFor.
func Probe(ctx context.Context, t *Target, o *Options) (time.Duration, error) {
	o = o.filled()
	dialing, cancel := context.WithTimeout(ctx, o.Timeout*o.scale())
	defer cancel()
	began := time.Now()
	conn, err := t.Dial(dialing)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case dialing.Err() != nil && err != nil:
		return 0, fmt.Errorf("conform: no connection within %v", o.Timeout*o.scale())
	case err != nil:
		return 0, fmt.Errorf("conform: no connection: %w", err)
	}
	var slowest time.Duration
	lap := do(func(*session) error {
		now := time.Now()
		slowest, began = max(slowest, now.Sub(began)), now
		return nil
	})
	size := 1000
	if o.Limit > 0 {
		size = min(size, o.Limit)
	}
	echoes := false
	s := newSession(ctx, &Case{ID: "probe", Script: script{
		opens(), lap,
		do(func(*session) error { echoes = true; return nil }),
		echo(text("curlew"[:min(size, 6)])), lap,
		echo(text("")), lap,
		echo(bin(make([]byte, size))), lap,
		send(closing(1000, "")),
		do(func(s *session) error { s.over = true; return nil }),
	}}, o, t, conn, true)
	r := s.result()
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case r.Behavior > Informational && echoes:
		return 0, fmt.Errorf("conform: that is no echo server: %s", r.Note)
	case r.Behavior > Informational:
		return 0, errors.New("conform: no WebSocket: " + r.Note + s.advice())
	}
	return slowest, nil
}

// advice is what a server says that refused, and what can be done about it.
func (s *session) advice() string {
	if s.reply == nil {
		return ""
	}
	text := ""
	for _, it := range s.items {
		if line, _, _ := bytes.Cut(bytes.TrimSpace(it.body), []byte("\n")); len(line) > 0 && len(line) <= 200 && utf8.Valid(line) && line[0] != '<' {
			text = "; it says " + strconv.QuoteToGraphic(string(bytes.TrimSpace(line)))
			break
		}
	}
	switch status := s.reply.first[1]; {
	case status == "101":
		return ""
	case strings.HasPrefix(status, "3") && s.reply.values("Location") != nil:
		return text + ". Its place is " + strconv.QuoteToGraphic(s.reply.values("Location")[0])
	case status == "401" || status == "407":
		return text + ". It wants to know who is there: a user in the URL, or a header"
	case status == "403":
		return text + ". Perhaps it wants an Origin, or a header"
	case status == "404" || strings.HasPrefix(status, "2"):
		return text + ". Is that the path of the WebSocket?"
	}
	return text
}

// ScaleFor is the Options.Scale for a server of which Probe tells that it took d:
// with as many connections at once as usual it must not seem silent.
func ScaleFor(d time.Duration, o *Options) int {
	const most = 20
	o = o.filled()
	d *= time.Duration(o.Parallel)
	return int(min(1+d/o.Patience, most))
}
