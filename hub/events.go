package hub

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"crypto/rand"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// maxEventID is the longest id of an event, in bytes.
const maxEventID = 4 << 10

// events serves a client of server-sent events: an EventSource.
func (s *service) events(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store, no-transform")
	head.Set("X-Accel-Buffering", "no")
	if !s.admit(w, r) {
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		return
	}
	if r.Method == http.MethodOptions && len(r.Header["Access-Control-Request-Method"]) > 0 {
		preflight(w)
		return
	}
	if !method(w, r, http.MethodGet) {
		return
	}
	h, es := s.hub, newEventStream(w, r)
	defer es.close(curlew.GoingAway, "")
	c := &Client{hub: h, id: rand.Text(), request: r, to: es}
	es.client = c
	c.ctx, c.cancel = context.WithCancel(r.Context())
	c.timer = time.NewTimer(time.Hour)
	channels := r.URL.Query()["channel"]
	if e := es.resume(channels, r.Header["Last-Event-Id"], h.settings().limits.Channels); e != nil {
		answer(w, nil, e)
		return
	}
	if _, err := c.hello(tokenOf(r)); err != nil {
		answer(w, nil, h.refusal(err))
		return
	}
	defer c.gone(nil, nil)
	for i, name := range channels {
		r := &proto.Request{ID: int64(i) + 1, Kind: proto.Subscribe, Channel: name, Since: es.since[name]}
		if _, err := c.subscribe(r); err != nil {
			answer(w, nil, h.refusal(err))
			return
		}
	}
	head.Set("Content-Type", "text/event-stream")
	es.run(c.ctx, h.settings().Ping)
}

// tokenOf returns the token of a request: EventSource knows no headers.
func tokenOf(r *http.Request) string {
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.URL.Query().Get("token")
}

// An eventStream is the carrier of those who listen to server-sent events. What is
// for the client waits in a queue until the goroutine of the request writes it.
type eventStream struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	client *Client
	since  map[string]*Position // what the client had; an id that is not ours counts as one of the past
	at     map[string]Position  // what it has, of the goroutine that writes
	text   []byte               // of an id or of data, of that too

	mu      sync.Mutex // guards the following
	queue   []item
	bytes   int
	refused bool
	over    bool
	changed chan struct{} // has a place
	room    chan struct{} // closed when there is room; nil while nobody waits
}

// An item is a delivery or an answer.
type item struct {
	*delivery
	answer *proto.Answer
	size   int
}

// maxQueued is how many bytes wait for a client.
const maxQueued = 256 << 10

func newEventStream(w http.ResponseWriter, _ *http.Request) *eventStream {
	return &eventStream{
		w: w, rc: http.NewResponseController(w), since: make(map[string]*Position), at: make(map[string]Position), changed: make(chan struct{}, 1),
	}
}

// resume reads the id of the last event that the client had.
func (es *eventStream) resume(channels, id []string, most int) *proto.Error {
	switch {
	case len(channels) == 0:
		return &proto.Error{Code: proto.BadRequest, Message: "which channel?"}
	case len(channels) > most:
		return &proto.Error{Code: proto.Limit, Message: "too many channels"}
	}
	for i, name := range channels {
		if slices.Contains(channels[:i], name) {
			return &proto.Error{Code: proto.BadRequest, Message: "a channel is there twice"}
		}
		es.at[name] = Position{Epoch: strings.Repeat("x", 16), Offset: proto.MaxID}
	}
	if len(es.appendID(nil)) > maxEventID {
		return &proto.Error{Code: proto.Limit, Message: "so many channels have no room in the id of an event"}
	}
	clear(es.at)
	if len(id) == 0 || id[0] == "" {
		return nil
	}
	had := map[string]Position{}
	if len(id[0]) <= maxEventID {
		p, _ := base64.RawURLEncoding.DecodeString(id[0])
		if json.Unmarshal(p, &had) != nil {
			had = map[string]Position{}
		}
	}
	for _, name := range channels {
		at, ok := had[name]
		if !ok || at.Offset < 0 || at.Offset > proto.MaxID {
			at = Position{} // of no epoch: a gap
		}
		es.since[name], es.at[name] = &at, at // until something else is known
	}
	return nil
}

// appendID appends the id of an event: the positions of all channels.
func (es *eventStream) appendID(b []byte) []byte {
	p := append(es.text[:0], '{')
	for name, at := range es.at {
		if len(p) > 1 {
			p = append(p, ',')
		}
		p = at.Append(append(proto.AppendText(p, name), ':'))
	}
	es.text = append(p, '}')
	return base64.RawURLEncoding.AppendEncode(b, es.text)
}

func (es *eventStream) deliver(d *delivery) error {
	es.mu.Lock()
	defer es.mu.Unlock()
	if es.over {
		return net.ErrClosed
	}
	if len(es.queue) > 0 && es.bytes >= maxQueued {
		es.refused = true
		return curlew.ErrQueueFull
	}
	es.pushLocked(item{delivery: d})
	return nil
}

func (es *eventStream) pushLocked(it item) {
	it.size = 64
	if it.delivery != nil {
		if it.size += len(it.event); it.Message != nil {
			it.size += len(it.Data)
		}
	}
	es.queue = append(es.queue, it)
	es.bytes += it.size
	select {
	case es.changed <- struct{}{}:
	default:
	}
}

func (es *eventStream) write(ctx context.Context, d *delivery) error {
	for {
		err := es.deliver(d)
		if !errors.Is(err, curlew.ErrQueueFull) {
			return err
		}
		es.mu.Lock()
		if es.room == nil {
			es.room = make(chan struct{})
		}
		room := es.room
		es.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (es *eventStream) answer(_ context.Context, a *proto.Answer) {
	es.mu.Lock()
	defer es.mu.Unlock()
	es.pushLocked(item{answer: a})
	if a.Unsubscribed != nil && a.Unsubscribed.Code == proto.Unavailable {
		es.overLocked() // only by returning can it subscribe again
	}
}

func (es *eventStream) close(curlew.Code, string) {
	es.mu.Lock()
	defer es.mu.Unlock()
	es.overLocked()
}

// overLocked: nothing more is taken; what waits is still written.
func (es *eventStream) overLocked() {
	es.over = true
	if es.room != nil {
		close(es.room)
		es.room = nil
	}
	select {
	case es.changed <- struct{}{}:
	default:
	}
}

func (es *eventStream) ended() bool {
	es.mu.Lock()
	defer es.mu.Unlock()
	return es.over
}

// run writes what comes until the client or the hub ends it.
func (es *eventStream) run(ctx context.Context, ping time.Duration) {
	var buf []byte
	beat := time.NewTicker(ping)
	defer beat.Stop()
	flush := func() bool {
		if len(buf) == 0 {
			return true
		}
		es.rc.SetWriteDeadline(time.Now().Add(ping))
		_, err := es.w.Write(buf)
		buf = buf[:0]
		if err != nil || es.rc.Flush() != nil {
			return false
		}
		// When it passes it ends a stream of HTTP/2 on which nothing is written, too, and
		// by HTTP/1.1 the next answer.
		es.rc.SetWriteDeadline(time.Time{})
		return true
	}
	// Also instead of what a drain has said.
	buf = fmt.Appendf(buf, "retry: %d\n:ok\n\n", 1000+mrand.N(2000))
	for {
		list, over := es.take()
		for i := range list {
			// An id may be much longer than its message.
			if buf = es.append(buf, &list[i]); len(buf) > maxQueued/4 && !flush() {
				return
			}
		}
		if !flush() {
			return
		}
		if over {
			return
		}
		if len(list) > 0 {
			continue
		}
		if cap(buf)+cap(es.text) > 4<<10 { // to wait with
			buf, es.text = nil, nil
		}
		select {
		case <-es.changed:
		case <-beat.C:
			buf = append(buf, ":\n\n"...)
		case <-ctx.Done():
			return
		}
	}
}

// take returns what waits, and tells those who found no room.
func (es *eventStream) take() (list []item, over bool) {
	es.mu.Lock()
	list, over = es.queue, es.over
	es.queue, es.bytes = nil, 0
	refused := es.refused
	es.refused = false
	if es.room != nil {
		close(es.room)
		es.room = nil
	}
	es.mu.Unlock()
	if refused {
		es.client.writable(nil)
	}
	return list, over
}

// append appends an item as an event, and notes what the client has then.
func (es *eventStream) append(b []byte, it *item) []byte {
	if a := it.answer; a != nil {
		return es.appendAnswer(b, a)
	}
	if m := it.Message; m != nil {
		es.at[m.Channel] = m.Position
		b = append(es.appendID(append(b, "id: "...)), '\n')
		es.text = it.object(es.text[:0])
		return appendData(b, es.text)
	}
	return es.appendEvent(b, it.event)
}

// appendEvent appends what is no message: {"join":{…}} is the event join.
func (es *eventStream) appendEvent(b, text []byte) []byte {
	var a proto.Answer
	if json.Unmarshal(text, &a) != nil {
		return b
	}
	return es.appendAnswer(b, &a)
}

func (es *eventStream) appendAnswer(b []byte, a *proto.Answer) []byte {
	event := func(name string, v any) []byte {
		p, _ := json.Marshal(v)
		b = append(append(append(b, "event: "...), name...), '\n')
		return appendData(b, p)
	}
	switch {
	case a.Subscribed != nil:
		name := a.Subscribed.Channel
		since := es.since[name]
		if a.Subscribed.Recovered && since != nil {
			es.at[name] = *since
		} else {
			es.at[name] = a.Subscribed.Position
		}
		b = append(es.appendID(append(b, "id: "...)), '\n')
		if since != nil && !a.Subscribed.Recovered {
			return event("gap", &proto.Gap{Channel: name}) // which counts only with its id
		}
		return append(b, '\n')
	case a.Gap != nil:
		at := es.at[a.Gap.Channel]
		at.Offset = max(at.Offset, a.Gap.To)
		es.at[a.Gap.Channel] = at
		b = append(es.appendID(append(b, "id: "...)), '\n')
		return event("gap", a.Gap)
	case a.Join != nil:
		return event("join", a.Join)
	case a.Leave != nil:
		return event("leave", a.Leave)
	case a.Unsubscribed != nil:
		return event("unsubscribed", a.Unsubscribed)
	case a.Drain != nil:
		b = append(strconv.AppendInt(append(b, "retry: "...), a.Drain.Retry, 10), '\n')
		return event("drain", a.Drain)
	}
	return b
}

// appendData appends a text line by line, so that nothing in it is taken for a
// field.
func appendData(b, text []byte) []byte {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexAny(text, "\r\n"); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		b = append(append(append(b, "data: "...), line...), '\n')
	}
	return append(b, '\n')
}
