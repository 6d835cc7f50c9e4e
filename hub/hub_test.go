package hub

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
	"curlew.example/curlew/wstest"
)

// A house is a hub with a server in memory.
type house struct {
	t       *testing.T
	hub     *Hub
	network *wstest.Network
	server  *wstest.End // of the connection that was made last
}

// in runs f in a bubble with a hub.
func in(t *testing.T, o *Options, f func(h *house)) {
	t.Helper()
	inWith(t, o, nil, f)
}

// inWith is in with settings of the connections.
func inWith(t *testing.T, o *Options, conn *curlew.Options, f func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, hub: hub}
		h.network = wstest.NewNetwork(&wstest.NetworkOptions{Dialed: func(_, server *wstest.End) { h.server = server }})
		srv := &http.Server{Handler: curlew.Handle(hub.ConnOptions(conn), func(r *http.Request) (*curlew.Events, error) {
			return hub.Events(r), nil
		})}
		go srv.Serve(h.network.Listen("example.com:80"))
		defer func() {
			hub.Close()
			srv.Close()
			<-time.After(time.Hour)
		}()
		f(h)
	})
}

// A mouth is a client that says and hears text.
type mouth struct {
	h *house
	c *curlew.Conn
}

func (h *house) dial() *mouth {
	h.t.Helper()
	c, err := curlew.Dial(context.Background(), "ws://example.com/hub", &curlew.DialOptions{
		Options: curlew.Options{Subprotocols: []string{proto.Subprotocol}}, DialContext: h.network.DialContext,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return &mouth{h, c}
}

func (m *mouth) say(text string) {
	m.h.t.Helper()
	if err := m.c.Write(context.Background(), curlew.Text, []byte(text)); err != nil {
		m.h.t.Fatal(err)
	}
}

func (m *mouth) hear() string {
	m.h.t.Helper()
	_, p, err := m.c.Read(context.Background(), nil)
	if err != nil {
		return err.Error()
	}
	return string(p)
}

// want checks what is heard, and returns it; "…" in it stands for anything.
func (m *mouth) want(pattern string) (got string) {
	m.h.t.Helper()
	got = m.hear()
	rest, at := pattern, 0
	for i, part := range strings.Split(rest, "…") {
		n := strings.Index(got[at:], part)
		if n < 0 || i == 0 && n > 0 {
			m.h.t.Fatalf("heard %s, want %s", got, pattern)
		}
		at += n + len(part)
	}
	return got
}

func (h *house) hello(token string) *mouth {
	h.t.Helper()
	m := h.dial()
	m.say(`{"id":1,"hello":{"token":"` + token + `"}}`)
	m.want(`{"id":1,"hello":{"connection":"…,"limits":{"channels":128,"nameBytes":255,"messageBytes":65536}…}}`)
	return m
}

func rooms() *Options {
	return &Options{Namespaces: map[string]*Namespace{
		"room": {History: History{Size: 10}, JoinLeave: true}, "plain": {},
	}}
}

func TestConversation(t *testing.T) {
	in(t, rooms(), func(h *house) {
		a, b := h.hello(""), h.hello("")
		a.say(`{"id":2,"subscribe":{"channel":"room:7","presence":true}}`)
		a.want(`{"id":2,"subscribed":{"channel":"room:7","position":{"epoch":"…","offset":0},"recovered":false,"members":[{"user":null,"connection":"…"}]}}`)
		b.say(`{"id":2,"subscribe":{"channel":"room:7"}}`)
		b.want(`{"id":2,"subscribed":{…}}`)
		a.want(`{"join":{"channel":"room:7","user":null,"connection":"…"}}`)
		b.say(`[{"id":3,"publish":{"channel":"room:7","data":{"x":1},"key":"k"}},{"id":4,"publish":{"channel":"room:8","data":1}}]`)
		b.want(`{"message":{"channel":"room:7","offset":1,"epoch":"…","data":{"x":1},"key":"k","time":…}}`)
		b.want(`{"id":3,"published":{"epoch":"…","offset":1}}`)
		b.want(`{"id":4,"error":{"code":"forbidden",…}}`)
		a.want(`{"message":{"channel":"room:7","offset":1,…}}`)
		a.say(`{"id":5,"history":{"channel":"room:7"}}`)
		a.want(`{"id":5,"history":{"messages":[{"channel":"room:7","offset":1,…}],"position":{"epoch":"…","offset":1}}}`)
		b.c.Close(1000, "")
		a.want(`{"leave":{"channel":"room:7","user":null,"connection":"…"}}`)
		a.say(`{"id":6,"unsubscribe":{"channel":"room:7"}}`)
		a.want(`{"id":6,"unsubscribed":{}}`)
		a.say(`{"id":7,"presence":{"channel":"room:7"}}`)
		a.want(`{"id":7,"presence":{"members":[]}}`)
		a.say(`{"id":8,"nonsense":{}}`)
		a.want(`{"id":8,"error":{"code":"bad_request",…,"retry":false}}`)
	})
}

// TestResume: who returns gets what was missed, and then what is new.
func TestResume(t *testing.T) {
	in(t, rooms(), func(h *house) {
		a := h.hello("")
		for i := range 5 {
			h.publish("room:1", string(rune('0'+i)))
		}
		p, _ := h.hub.History(context.Background(), "room:1", Query{Limit: 1})
		epoch := p.Position.Epoch
		a.say(`{"id":2,"subscribe":{"channel":"room:1","since":{"epoch":"` + epoch + `","offset":2}}}`)
		a.want(`{"id":2,"subscribed":{"channel":"room:1","position":{"epoch":"` + epoch + `","offset":5},"recovered":true}}`)
		for i := 2; i < 5; i++ {
			a.want(`{"message":{…"data":` + string(rune('0'+i)) + `,…}}`)
		}
		h.publish("room:1", `"new"`)
		a.want(`{"message":{…"offset":6,…"data":"new",…}}`)

		b := h.hello("")
		b.say(`{"id":2,"subscribe":{"channel":"room:1","since":{"epoch":"other","offset":2}}}`)
		b.want(`{"id":2,"subscribed":{…"recovered":false}}`)
	})
}

func (h *house) publish(channel, data string) Position {
	h.t.Helper()
	at, err := h.hub.Publish(context.Background(), channel, &Publication{Data: []byte(data)})
	if err != nil {
		h.t.Fatal(err)
	}
	return at
}
