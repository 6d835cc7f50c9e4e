package hub

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// TestTooLongForTheConnection: what is longer than a connection takes is a gap, live and
// while it catches up; an answer that is gets another one.
func TestTooLongForTheConnection(t *testing.T) {
	inWith(t, rooms(), &curlew.Options{MaxMessage: 500}, func(h *house) {
		long := `"` + strings.Repeat("x", 500) + `"`
		a := h.hello("")
		a.say(`{"id":2,"subscribe":{"channel":"room:1"}}`)
		a.want(`{"id":2,"subscribed":{…}}`)
		epoch := h.publish("room:1", long).Epoch
		h.publish("room:1", "2")
		h.publish("room:1", long)
		h.publish("room:1", long)
		h.publish("room:1", "5")
		five := func(m *mouth) {
			for _, want := range []string{`{"gap":{…"from":1,"to":1}}`, `{"message":{…"offset":2,…}}`, `{"gap":{…"from":3,"to":3}}`, `{"gap":{…"from":4,"to":4}}`, `{"message":{…"offset":5,…}}`} {
				m.want(want)
			}
		}
		five(a)
		b := h.hello("")
		b.say(`{"id":2,"subscribe":{"channel":"room:1","since":{"epoch":"` + epoch + `","offset":0}}}`)
		b.want(`{"id":2,"subscribed":{…"recovered":true}}`)
		five(b)
		a.want(`{"join":{…}}`)
		a.say(`{"id":3,"history":{"channel":"room:1"}}`)
		a.want(`{"id":3,"error":{"code":"too_big",…}}`)
		a.say(`{"id":4,"history":{"channel":"room:1","limit":1,"reverse":true}}`)
		a.want(`{"id":4,"history":{…}}`)
		for range 20 {
			caller(h.hub).subscribe(&proto.Request{ID: 1, Channel: "room:2"})
		}
		b.say(`{"id":5,"presence":{"channel":"room:2"}}`)
		b.want(`{"id":5,"error":{"code":"too_big",…}}`)
		b.say(`{"id":6,"subscribe":{"channel":"room:2","presence":true}}`)
		if got := b.want(`{"id":6,"subscribed":{…}}`); strings.Contains(got, "members") {
			t.Error(got)
		}
	})
}

// TestLongHistory: a page is no longer than a message may be by default, and the next
// one begins behind it.
func TestLongHistory(t *testing.T) {
	o := rooms()
	o.Namespaces["room"].History.Size = 100
	in(t, o, func(h *house) {
		const n = 40
		for i := range n {
			h.publish("room", fmt.Sprintf(`"%d %s"`, i, strings.Repeat(string("x<&\x7f"[i%4]), 50_000)))
		}
		c := caller(h.hub)
		var since *Position
		for have := 0; have < n; {
			p, err := c.history(&proto.Request{Channel: "room", Since: since})
			if err != nil || len(p.Messages) == 0 {
				t.Fatal(p, err)
			}
			if last := p.Messages[len(p.Messages)-1]; p.Position.Offset != last.Offset || p.More != (last.Offset < n) {
				t.Errorf("%+v, %v behind %d", p.Position, p.More, last.Offset)
			}
			a := &proto.Answer{ID: 1, History: p}
			if text := a.Append(nil); len(text) > 1<<20 {
				t.Errorf("%d bytes", len(text))
			}
			for _, m := range p.Messages {
				if have++; m.Offset != int64(have) {
					t.Fatalf("%d behind %d", m.Offset, have-1)
				}
				since = &Position{Epoch: m.Epoch, Offset: m.Offset}
			}
		}
	})
}

// TestNewcomer: who asks for the history, which is longer than an answer, and subscribes
// with its position has everything, once and in order; the newest first are a page, too.
func TestNewcomer(t *testing.T) {
	o := rooms()
	o.MaxHistory = 4
	in(t, o, func(h *house) {
		for i := range 9 {
			h.publish("room", strconv.Itoa(i))
		}
		a := h.hello("")
		a.say(`{"id":2,"history":{"channel":"room"}}`)
		got := a.want(`{"id":2,"history":{"messages":[{…"offset":1,…{…"offset":4,…}],"position":{"epoch":"…","offset":4},"more":true}}`)
		at := got[strings.LastIndex(got, `{"epoch"`):strings.LastIndex(got, `,"more"`)]
		a.say(`{"id":3,"subscribe":{"channel":"room","since":` + at + `}}`)
		a.want(`{"id":3,"subscribed":{…"recovered":true}}`)
		for i := 5; i <= 9; i++ {
			a.want(`{"message":{"channel":"room","offset":` + strconv.Itoa(i) + `,…`)
		}
		a.say(`{"id":4,"history":{"channel":"room","reverse":true}}`)
		a.want(`{"id":4,"history":{"messages":[{…"offset":9,…{…"offset":6,…}],"position":{"epoch":"…","offset":9},"more":true}}`)
		a.say(`{"id":5,"history":{"channel":"room","since":` + at + `}}`)
		a.want(`{"id":5,"history":{"messages":[{…"offset":5,…{…"offset":8,…}],"position":{"epoch":"…","offset":8},"more":true}}`)
		a.say(`{"id":6,"history":{"channel":"room","limit":4,"reverse":true,"since":` + strings.Replace(at, `4}`, `5}`, 1) + `}}`)
		if got := a.want(`{"id":6,"history":{"messages":[{…"offset":4,…{…"offset":1,…}],"position":{"epoch":"…","offset":9}}}`); strings.Contains(got, "more") {
			t.Error(got)
		}
	})
}

// TestDepth: what may be published can be read, wherever it stands in an answer.
func TestDepth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	in(t, rooms(), func(h *house) {
		a := h.hello("")
		a.say(`{"id":2,"subscribe":{"channel":"room"}}`)
		a.want(`{"id":2,"subscribed":{…}}`)
		a.say(`{"id":3,"publish":{"channel":"room","data":` + nested(62) + `}}`)
		read := func(text string) {
			if err := proto.ParseAnswers([]byte("["+text+"]"), func(*proto.Answer) bool { return true }); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		read(a.want(`{"message":{…}}`))
		a.want(`{"id":3,"published":{…}}`)
		a.say(`{"id":4,"history":{"channel":"room"}}`)
		read(a.want(`{"id":4,"history":{…}}`))
		for _, data := range []string{nested(63), nested(10_000)} {
			_, err := h.hub.Publish(h.t.Context(), "room", &Publication{Data: []byte(data)})
			wantCode(t, err, proto.BadRequest)
		}
	})
}

// TestInfoNoJSON: an info that nobody could read is nobody's.
func TestInfoNoJSON(t *testing.T) {
	o := rooms()
	o.ErrorLog = log.New(io.Discard, "", 0)
	o.Connect = func(_ context.Context, _ *http.Request, token string) (*Identity, error) {
		return &Identity{Info: []byte(token)}, nil
	}
	in(t, o, func(h *house) {
		h.hello("1")
		for _, token := range []string{"{", strings.Repeat("[", 63) + strings.Repeat("]", 63)} {
			a := h.dial()
			a.say(`{"id":1,"hello":{"token":"` + token + `"}}`)
			a.want(`{"id":1,"error":{"code":"internal",…}}`)
		}
	})
}
