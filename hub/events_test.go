package hub

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
	"curlew.example/curlew/wstest"
)

// A listener is an EventSource, as HTML says it reads.
type listener struct {
	status int
	head   http.Header
	lines  *bufio.Reader
	body   io.ReadCloser
	id     string // the last event ID
	retry  string
}

// An event is one that was dispatched.
type event struct{ name, data string }

// stand is a hub's server in a bubble.
type stand struct {
	hub     *Hub
	network *wstest.Network
	server  *wstest.End
	bodies  []io.Closer
}

func inStand(t *testing.T, o *Options, ho *HandlerOptions, f func(s *stand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		s := &stand{hub: h}
		s.network = wstest.NewNetwork(&wstest.NetworkOptions{Dialed: func(_, server *wstest.End) { s.server = server }})
		srv := &http.Server{Handler: h.Handler(ho)}
		go srv.Serve(s.network.Listen("hub:80"))
		f(s)
		for _, b := range s.bodies {
			b.Close()
		}
		h.Close()
		srv.Close()
		<-time.After(time.Hour)
	})
}

func (s *stand) listen(t *testing.T, query, id string, header ...string) *listener {
	t.Helper()
	r, _ := http.NewRequest("GET", "http://hub/hub/events?"+query, nil)
	r.Header.Set("Accept", "text/event-stream")
	if id != "" {
		r.Header.Set("Last-Event-ID", id)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Transport{DialContext: func(ctx context.Context, n, _ string) (net.Conn, error) {
		return s.network.DialContext(ctx, n, "hub:80")
	}, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	s.bodies = append(s.bodies, res.Body)
	return &listener{status: res.StatusCode, head: res.Header, lines: bufio.NewReader(res.Body), body: res.Body, id: id}
}

// next returns the next event.
func (l *listener) next() (event, error) {
	e, data, id := event{name: "message"}, []string(nil), l.id
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if l.id = id; data == nil {
				e.name = "message"
				continue
			}
			e.data = strings.Join(data, "\n")
			return e, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "data":
			data = append(data, value)
		case "id":
			id = value
		case "retry":
			l.retry = value
		}
	}
}

// want checks the next events: offsets for messages, else names.
func (l *listener) want(t *testing.T, want string) {
	t.Helper()
	for _, w := range strings.Fields(want) {
		e, err := l.next()
		if err != nil {
			t.Fatalf("%v, want %s", err, w)
		}
		got := e.name
		if e.name == "message" {
			var m proto.Published
			if json.Unmarshal([]byte(e.data), &m) != nil {
				t.Fatalf("no message: %q", e.data)
			}
			got = fmt.Sprint(m.Offset)
		}
		if got != w {
			t.Fatalf("%s %s, want %s", got, e.data, w)
		}
	}
}

func (s *stand) publish(t *testing.T, channel string, n int) {
	t.Helper()
	for range n {
		if _, err := s.hub.Publish(context.Background(), channel, &Publication{Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEventsResume: over cuts, with the id of the last event, everything comes once,
// from several channels; what is lost is told.
func TestEventsResume(t *testing.T) {
	o := &Options{Namespaces: map[string]*Namespace{"long": {History: History{Size: 100}}, "short": {History: History{Size: 2}}}}
	inStand(t, o, nil, func(s *stand) {
		l := s.listen(t, "channel=long&channel=short", "")
		if got := l.head.Get("Content-Type") + " " + l.head.Get("Cache-Control") + " " + l.head.Get("X-Accel-Buffering"); l.status != 200 || got != "text/event-stream no-store, no-transform no" {
			t.Errorf("%d %s", l.status, got)
		}
		s.publish(t, "long", 2)
		l.want(t, "1 2")
		s.publish(t, "short", 1)
		l.want(t, "1")
		l.body.Close()
		s.publish(t, "long", 3)
		s.publish(t, "short", 2)
		l = s.listen(t, "channel=long&channel=short", l.id)
		got := map[string]string{}
		for range 5 {
			e, err := l.next()
			var m proto.Published
			if json.Unmarshal([]byte(e.data), &m); err != nil || e.name != "message" {
				t.Fatal(e, err)
			}
			got[m.Channel] += fmt.Sprint(" ", m.Offset)
		}
		if got["long"] != " 3 4 5" || got["short"] != " 2 3" {
			t.Errorf("%v", got)
		}
		l.body.Close()
		s.publish(t, "short", 3)
		l = s.listen(t, "channel=long&channel=short", l.id)
		l.want(t, "gap")
		s.publish(t, "short", 1)
		s.publish(t, "long", 1)
		l.want(t, "7 6")
		l.body.Close()
		// The other channels' positions were not lost meanwhile.
		l = s.listen(t, "channel=long&channel=short", l.id)
		s.publish(t, "long", 1)
		l.want(t, "7")
		l.body.Close()
	})
}

// TestEventsCutAnywhere: wherever the stream is cut, the id that the browser then has
// misses nothing without a gap.
func TestEventsCutAnywhere(t *testing.T) {
	es := newEventStream(nil, nil)
	had := base64.RawURLEncoding.EncodeToString([]byte(`{"a":{"epoch":"e","offset":5},"b":{"epoch":"e","offset":7}}`))
	if e := es.resume([]string{"a", "b"}, []string{had}, 10); e != nil {
		t.Fatal(e)
	}
	var text []byte
	text = es.append(text, &item{answer: &proto.Answer{Subscribed: &proto.Subscribed{Channel: "a", Position: Position{Epoch: "e", Offset: 6}, Recovered: true}}})
	text = es.append(text, &item{delivery: &delivery{Message: &Message{Message: proto.Message{Channel: "a", Position: Position{Epoch: "e", Offset: 6}, Data: []byte("1")}}}})
	text = es.append(text, &item{answer: &proto.Answer{Subscribed: &proto.Subscribed{Channel: "b", Position: Position{Epoch: "f", Offset: 3}}}})
	text = es.append(text, &item{delivery: &delivery{Message: &Message{Message: proto.Message{Channel: "b", Position: Position{Epoch: "f", Offset: 4}, Data: []byte("1")}}}})
	for n := range len(text) + 1 {
		l := &listener{id: had, lines: bufio.NewReader(strings.NewReader(string(text[:n])))}
		got := ""
		for e, err := l.next(); err == nil; e, err = l.next() {
			got += e.name + " "
		}
		var at map[string]Position
		p, _ := base64.RawURLEncoding.DecodeString(l.id)
		json.Unmarshal(p, &at)
		told := strings.Contains(got, "gap")
		if at["a"].Offset == 6 != strings.HasPrefix(got, "message") || at["b"].Epoch == "f" != told || !told && at["b"] != (Position{Epoch: "e", Offset: 7}) {
			t.Fatalf("cut after %q: %s, at %v", text[:n], got, at)
		}
	}
}

// TestFB9: data with line ends, and with what looks like fields, stays one event.
func TestFB9(t *testing.T) {
	inStand(t, rooms(), nil, func(s *stand) {
		l := s.listen(t, "channel=plain", "")
		for _, data := range []string{"{\n\"a\":\r1\r\n}", `"data: x\nid: y\nevent: z\n\n"`, "[1,\n\n\n2]", "\n1", `"\u0000\u2028"`} {
			if _, err := s.hub.Publish(context.Background(), "plain", &Publication{Data: []byte(data), User: "a\r\nid: 7", Key: "\n\nevent: x"}); err != nil {
				t.Fatal(err)
			}
			e, err := l.next()
			var m proto.Published
			if err != nil || e.name != "message" || json.Unmarshal([]byte(e.data), &m) != nil || m.User != "a\r\nid: 7" {
				t.Fatalf("%q: %+v, %v", data, e, err)
			}
			var got, want any
			json.Unmarshal(m.Data, &got)
			json.Unmarshal([]byte(data), &want)
			if fmt.Sprint(got) != fmt.Sprint(want) || strings.ContainsAny(l.id, "\r\n :\x00") {
				t.Errorf("%q: %q, id %q", data, m.Data, l.id)
			}
		}
		l.body.Close()
		for _, name := range []string{"a\nid: x", "a\r", "plain:\x00", "", "plain:*", "plain:\xff"} {
			if l := s.listen(t, "channel="+url.QueryEscape(name), ""); l.status != 400 {
				t.Errorf("%q: %d", name, l.status)
			}
		}
	})
}

// TestFB10: an id that is none of ours, or says what cannot be, is a gap; who may not
// have a channel does not get it by an id.
func TestFB10(t *testing.T) {
	o := rooms()
	o.Namespaces["closed"] = &Namespace{Subscribe: Nobody}
	inStand(t, o, nil, func(s *stand) {
		s.publish(t, "room", 3)
		p, _ := s.hub.History(context.Background(), "room", Query{})
		id := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		for _, forged := range []string{
			"x", "7", id("{}"), id("[]"), id("null"), id(`{"other":{"epoch":"` + p.Position.Epoch + `","offset":2}}`), id(`{"room":{"epoch":"e","offset":2}}`),
			id(`{"room":{"epoch":"` + p.Position.Epoch + `","offset":-1}}`), id(`{"room":{"epoch":"` + p.Position.Epoch + `","offset":9223372036854775807}}`),
			id(`{"room":{"epoch":"` + p.Position.Epoch + `","offset":4}}`), id(`{"room":null}`), id(`{"room":{"epoch":"` + strings.Repeat("e", 2900) + `","offset":2}}`),
			strings.Repeat("A", maxEventID), strings.Repeat("A", maxEventID+1), strings.Repeat("A", 100<<10), id(strings.Repeat(`{"room":`, 400)),
		} {
			l := s.listen(t, "channel=room", forged)
			l.want(t, "gap")
			l.body.Close()
		}
		l := s.listen(t, "channel=room", id(`{"room":{"epoch":"`+p.Position.Epoch+`","offset":1}}`))
		l.want(t, "2 3")
		l.body.Close()
		for query, status := range map[string]int{
			"channel=closed": 403, "channel=room&channel=closed": 403, "channel=none": 404, "": 400, "channel=room&channel=room": 400,
			"channel=room:" + strings.Repeat("&channel=room:1", 200): 429, strings.Repeat("channel="+strings.Repeat("x", 250)+"&", 12) + "channel=a": 400,
		} {
			if l := s.listen(t, query, id(`{"closed":{"epoch":"x","offset":1}}`)); l.status != status {
				t.Errorf("%.60s: %d, want %d", query, l.status, status)
			}
		}
	})
}

// TestFB16: a client that never reads: nobody waits for it, what waits for it is
// bounded, and it is closed.
func TestFB16(t *testing.T) {
	for _, when := range []WhenSlow{Disconnect, DropOldest, Conflate} {
		o := rooms()
		o.Namespaces["plain"].WhenSlow = when
		inStand(t, o, nil, func(s *stand) {
			l := s.listen(t, "channel=plain", "")
			synctest.Wait()
			s.server.Stall(true)
			began := time.Now()
			data := []byte(`"` + strings.Repeat("x", 8<<10) + `"`)
			for range 150 {
				s.hub.Publish(context.Background(), "plain", &Publication{Data: data, Key: "k"})
			}
			if d := time.Since(began); d > 0 {
				t.Errorf("publishing took %v", d)
			}
			<-time.After(2 * time.Minute)
			if n := s.hub.Stats(); n.Clients != 0 || n.Channels != 0 || when == Disconnect && n.TooSlow != 1 {
				t.Errorf("%v: %+v", when, n)
			}
			l.body.Close()
		})
	}
}

// TestEventsTokens: who somebody is, by the header or the query, and until when.
func TestEventsTokens(t *testing.T) {
	o := rooms()
	o.Namespaces["users"] = &Namespace{Subscribe: Users}
	o.Connect = func(_ context.Context, r *http.Request, token string) (*Identity, error) {
		switch token {
		case "":
			return nil, nil
		case "ann":
			return &Identity{User: token, Expires: time.Now().Add(time.Minute)}, nil
		case "late":
			return &Identity{User: token, Expires: time.Now()}, nil
		}
		return nil, io.EOF
	}
	inStand(t, o, nil, func(s *stand) {
		for _, row := range []struct {
			query, header string
			status        int
		}{{"", "", 403}, {"", "Bearer ann", 200}, {"&token=ann", "", 200}, {"&token=bob", "", 401}, {"&token=late", "", 401}, {"&token=ann", "Bearer bob", 401}} {
			l := s.listen(t, "channel=users"+row.query, "", "Authorization", row.header)
			if l.status != row.status {
				t.Errorf("%+v: %d", row, l.status)
			}
			if row.status == 200 {
				began := time.Now()
				if e, err := l.next(); err == nil || time.Since(began) != time.Minute {
					t.Errorf("%v, %v after %v", e, err, time.Since(began))
				}
			}
			l.body.Close()
		}
		if n := s.hub.Stats().Clients; n != 0 {
			t.Errorf("%d are there", n)
		}
	})
}

// TestEventsOrigin: pages of other origins get nothing, if they are not listed.
func TestEventsOrigin(t *testing.T) {
	inStand(t, rooms(), &HandlerOptions{Conn: &curlew.Options{Origins: []string{"https://friend.example"}}}, func(s *stand) {
		for _, row := range []struct {
			origin, site string
			status       int
		}{{"", "", 200}, {"http://hub", "", 200}, {"https://friend.example", "cross-site", 200}, {"https://other.example", "", 403}, {"null", "", 403}, {"", "cross-site", 403}, {"", "same-origin", 200}} {
			var head []string
			if row.origin != "" {
				head = append(head, "Origin", row.origin)
			}
			if row.site != "" {
				head = append(head, "Sec-Fetch-Site", row.site)
			}
			l := s.listen(t, "channel=plain", "", head...)
			if l.status != row.status {
				t.Errorf("%+v: %d", row, l.status)
			}
			if got := l.head.Get("Access-Control-Allow-Origin"); row.status == 403 && got != "" || got == "*" {
				t.Errorf("%+v: %q is allowed", row, got)
			}
			l.body.Close()
		}
	})
}

// TestEventsNames: what is no message is an event by its name; a drain says when to
// return in the browser's own words; a silent stream is kept alive.
func TestEventsNames(t *testing.T) {
	o := rooms()
	o.Ping = 25 * time.Second
	inStand(t, o, nil, func(s *stand) {
		l := s.listen(t, "channel=room", "")
		synctest.Wait()
		b := named(s.hub, "b", new(deaf))
		b.subscribe(&proto.Request{ID: 1, Channel: "room"})
		b.leaveChannel("room", 0)
		l.want(t, "join leave")
		if n, _ := strconv.Atoi(l.retry); n < 1000 || n >= 3000 {
			t.Errorf("retry: %q", l.retry)
		}
		l.retry = ""
		<-time.After(time.Hour) // with nothing but comments
		s.publish(t, "room", 1)
		l.want(t, "1")
		b.gone(nil, nil)
		s.hub.Drain(context.Background(), 0, time.Second)
		l.want(t, "drain")
		if l.retry == "" {
			t.Error("no retry")
		}
		if _, err := l.next(); err != io.EOF {
			t.Error(err)
		}
	})
}

// TestFB16_Events: joins and leaves that wait for a client count as what they are, too.
func TestFB16_Events(t *testing.T) {
	es := newEventStream(nil, nil)
	d := newEvent(&proto.Answer{Join: &proto.Event{Channel: "room", Member: proto.Member{Info: []byte(`"` + strings.Repeat("x", 10<<10) + `"`)}}})
	n := 0
	for es.deliver(d) == nil {
		n++
	}
	if most := maxQueued/(10<<10) + 1; n > most {
		t.Errorf("%d wait, of 10 KiB each", n)
	}
}

// TestEventsLongIDs: what is written at once stays small, however long the ids are that
// many small messages have.
func TestEventsLongIDs(t *testing.T) {
	es := newEventStream(nil, nil)
	w := &widest{}
	es.w, es.rc, es.client = w, http.NewResponseController(w), new(Client)
	for i := range 15 {
		es.at[strings.Repeat("x", 200)+strconv.Itoa(i)] = Position{Epoch: "e"}
	}
	name := strings.Repeat("x", 200) + "0"
	m := newDelivery(&Message{Message: proto.Message{Channel: name, Data: []byte("1")}})
	n := 0
	for es.deliver(m) == nil {
		n++
	}
	es.close(0, "")
	es.run(t.Context(), time.Minute)
	if w.total < n*3000 || w.most > maxQueued {
		t.Errorf("%d bytes of %d were written at once", w.most, w.total)
	}
}

// A widest is a ResponseWriter that knows the longest write.
type widest struct{ most, total int }

func (w *widest) Header() http.Header { return nil }
func (w *widest) WriteHeader(int)     {}
func (w *widest) Flush()              {}

func (w *widest) Write(p []byte) (int, error) {
	w.most, w.total = max(w.most, len(p)), w.total+len(p)
	return len(p), nil
}

// TestEventsEpoch: the broker begins a channel anew: the browser is sent back, as it
// cannot subscribe again by itself, and is told of the gap.
func TestEventsEpoch(t *testing.T) {
	inStand(t, rooms(), nil, func(s *stand) {
		b := &renewing{Memory: NewMemory()}
		s.hub.broker = b
		l := s.listen(t, "channel=plain", "")
		s.publish(t, "plain", 1)
		l.want(t, "1")
		b.sink.Deliver(&Message{Message: proto.Message{Channel: "plain", Position: Position{Epoch: "new", Offset: 1}, Data: []byte("1")}})
		l.want(t, "unsubscribed")
		if _, err := l.next(); err != io.EOF {
			t.Error(err)
		}
		b.Close()
		again := NewMemory()
		s.hub.broker = again
		l = s.listen(t, "channel=plain", l.id)
		l.want(t, "gap")
		l.body.Close()
	})
}

// TestEventsAllocs: an event costs no memory of its own.
func TestEventsAllocs(t *testing.T) {
	es := newEventStream(nil, nil)
	es.at["room"] = Position{Epoch: "e"}
	m := newDelivery(&Message{Message: proto.Message{Channel: "room", Data: []byte(`"hello"`)}})
	b := make([]byte, 0, 1<<10)
	want := string(es.append(nil, &item{delivery: m}))
	if got := string(es.append(nil, &item{delivery: &delivery{Message: m.Message}})); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { b = es.append(b[:0], &item{delivery: m}) }); n > 0 && !underRace {
		t.Errorf("%v allocations", n)
	}
}
