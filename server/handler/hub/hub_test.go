package hub

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
)

const key = "0123456789abcdef-key"

// TestHub: two clients in a channel, with presence and history, at both paths of the
// route, and what lies below.
func TestHub(t *testing.T) {
	in(t, rooms+`, apiKeys: ['`+key+`']`, aRoute, func(h *house) {
		a, b := h.hello(`{}`, `"ping":25000`, `"channels":128`), h.helloAt("/hub/", `{}`)
		a.ask(`{"id":2,"subscribe":{"channel":"room:1","presence":true}}`, `"subscribed"`, `"members":[`)
		b.ask(`{"id":2,"subscribe":{"channel":"room:1"}}`, `"subscribed"`)
		a.hear(`"join"`, `"user":null`)
		b.ask(`{"id":3,"publish":{"channel":"room:1","data":[1]}}`, `"message"`, `"data":[1]`)
		b.hear(`"published"`, `"offset":1`)
		a.hear(`"message"`)
		h.call("publish", key, `{"channel":"room:1","data":2,"user":"the app"}`, 200, `"offset":2`)
		a.hear(`"data":2`, `"user":"the app"`)
		h.call("history", key, `{"channel":"room:1"}`, 200, `"data":[1]`)
		h.call("presence", key, `{"channel":"room:1"}`, 200, `"connection"`)
		h.call("channels", key, ``, 200, `"subscribers":2`)
		h.call("info", key, ``, 200, `"clients":2`)
		h.call("publish", "not the key", `{"channel":"room:1","data":2}`, 401, `unauthorized`)
		h.call("publish", key, `{"channel":"nothing:1","data":2}`, 404, `unknown_channel`)
	})
}

// TestPaths: what is not there is 404, and no name below takes a handshake.
func TestPaths(t *testing.T) {
	in(t, rooms, `routes: [{ match: '/a/{b}/', handler: 'hub' }, { match: '/exact', handler: 'hub' }, { match: '/hub/', handler: 'hub' }]`, func(h *house) {
		for path, want := range map[string]int{
			"/hub": 426, "/hub/": 426, "/hub/x": 404, "/hub/events/": 404, "/hub/a/events": 404, "/hub//": 404, "/hub/openapi.json": 200, "/hub/publish": 405,
			"/a/1": 426, "/a/1/": 426, "/a/1/openapi.json": 200, "/a/1/2/openapi.json": 404, "/a": 404,
			"/exact": 426, "/exact/": 404, "/exact/events": 404, "/hub/event%73": 404,
		} {
			a := h.do("GET", path, "")
			a.Body.Close()
			if a.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, a.StatusCode, want)
			}
		}
		for _, path := range []string{"/hub/events", "/hub/x", "/hub/publish"} {
			if p, err := h.dial(path); err == nil {
				t.Errorf("%s takes a handshake", path)
				p.c.Close(curlew.NormalClosure, "")
			}
		}
		a := h.do("POST", "/hub/publish", "{}", "Authorization", "Bearer ")
		a.Body.Close()
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("without keys: %d", a.StatusCode)
		}
	})
}

// TestMethods: a route for GET has all of the hub but the API, its fallback included; so
// another one, for some addresses, may be the only one that has that.
func TestMethods(t *testing.T) {
	in(t, rooms+`, apiKeys: ['`+key+`']`, `routes: [
		{ match: '/hub/', handler: 'hub', methods: 'GET' }, { match: '/api/', handler: 'hub', allow: '192.0.2.0/24' }, { match: '/elsewhere/', handler: 'hub', allow: '10.0.0.0/8' },
	]`, func(h *house) {
		p := h.hello(`{}`)
		p.ask(`{"id":2,"subscribe":{"channel":"open:1"}}`, `"subscribed"`)
		lines, end := h.events("/hub/events?channel=open:1")
		if !lines.Scan() {
			t.Error(lines.Err())
		}
		end()
		for path, want := range map[string]int{
			"/hub/info": 405, "/hub/publish": 405, "/hub/info?curlew=open": 404, "/api/info": 200, "/elsewhere/info": 403, "/hub?curlew=open&protocol=curlew.v1": 200,
		} {
			a := h.do("POST", path, "", "Authorization", "Bearer "+key)
			if a.Body.Close(); a.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, a.StatusCode, want)
			}
		}
	})
}

// TestHB3_Names: no bad name of a channel ends the connection.
func TestHB3_Names(t *testing.T) {
	in(t, rooms+`, limits: { nameBytes: 20 }`, aRoute, func(h *house) {
		p := h.hello(`{}`, `"nameBytes":20`)
		for _, name := range []string{``, `room:\u0000`, `room:*`, `*`, `>`, `room:>`, `room: a`, `room:\n`, `room:\ud800`, strings.Repeat("x", 1<<16), `room:` + strings.Repeat("x", 16)} {
			p.ask(`{"id":2,"subscribe":{"channel":"`+name+`"}}`, `"bad_request"`)
		}
		for _, name := range []string{`#`, `..`, `../room`, `Room:1`, `rooms`} { // names, of no namespace
			p.ask(`{"id":2,"subscribe":{"channel":"`+name+`"}}`, `"unknown_channel"`)
		}
		for _, name := range []string{`room`, `room:`, `room:#`, `room:..`, `room:a`, `room:A`, `room:é`, `room:e\u0301`, `room:` + strings.Repeat("x", 15)} {
			p.ask(`{"id":2,"subscribe":{"channel":"`+name+`"}}`, `"subscribed"`)
		}
	})
}

// TestLimits: each limit, as far as it goes and one beyond; the connection lives.
func TestLimits(t *testing.T) {
	in(t, rooms+`, limits: { channels: 2, messageBytes: 10, publishesPerSecond: 3, history: 2 }`, aRoute, func(h *house) {
		p := h.hello(`{}`, `"channels":2`, `"messageBytes":10`)
		p.ask(`{"id":2,"subscribe":{"channel":"room:1"}}`, `"subscribed"`)
		p.ask(`{"id":3,"subscribe":{"channel":"open:1"}}`, `"subscribed"`)
		p.ask(`{"id":4,"subscribe":{"channel":"open:2"}}`, `"limit"`)
		p.ask(`{"id":5,"publish":{"channel":"room:1","data":12345678901}}`, `"too_big"`)
		p.ask(`{"id":6,"publish":{"channel":"room:1","data":1234567890}}`, `"message"`)
		p.hear(`"published"`)
		p.ask(`{"id":7,"publish":{"channel":"room:1","data":2}}`, `"message"`)
		p.hear(`"published"`)
		p.ask(`{"id":8,"publish":{"channel":"room:1","data":3}}`, `"limit"`, `"retry":true`) // what is too big counts
		<-time.After(time.Second)
		p.ask(`{"id":9,"publish":{"channel":"room:1","data":3}}`, `"message"`)
		p.hear(`"published"`)
		p.ask(`{"id":10,"history":{"channel":"room:1"}}`, `"data":2,"time":946684800000}],"position"`)
	})
}

// TestHistoryMemory: what channels keep is bounded, by default too, and by the next site
// as it says.
func TestHistoryMemory(t *testing.T) {
	const space = `namespaces: { open: { history: { size: 100 }, publish: 'anyone' } }, `
	in(t, space+`historyMemory: '10 KB'`, aRoute, func(h *house) {
		p := h.hello(`{}`)
		fill := func(channel, last string) {
			t.Helper()
			for range 100 {
				p.ask(`{"id":2,"publish":{"channel":"open:`+channel+`","data":"`+strings.Repeat("x", 1000)+`"}}`, `"published"`)
			}
			p.ask(`{"id":3,"history":{"channel":"open:`+channel+`","limit":1}}`, last)
		}
		fill("1", `"offset":93,`) // 8 of about 1.2 KB
		for memory, last := range map[string]string{`historyMemory: 'unlimited'`: `"offset":1,`, ``: `"offset":1,`} {
			if err := h.server.Reload(h.parse("site.json5", `{ hub: { `+space+memory+` }, `+aRoute+` }`)); err != nil {
				t.Fatal(err)
			}
			fill("reloaded"+memory[:min(7, len(memory))], last)
		}
	})
	s, err := config.Parse("site.json5", []byte(`{ routes: [] }`))
	if err != nil || s.Hub.HistoryMemory.Value != 1<<30 {
		t.Errorf("by default %v, %v", s.Hub.HistoryMemory, err)
	}
}

// TestGrace: a member whose connection is lost stays listed for the time of grace.
func TestGrace(t *testing.T) {
	in(t, rooms+`, grace: '10 s'`, aRoute, func(h *house) {
		a, b := h.hello(`{}`), h.hello(`{}`)
		a.ask(`{"id":2,"subscribe":{"channel":"room:1"}}`, `"subscribed"`)
		b.ask(`{"id":2,"subscribe":{"channel":"room:1"}}`, `"subscribed"`)
		a.hear(`"join"`)
		began := time.Now()
		b.c.Close(curlew.NormalClosure, "")
		a.hear(`"leave"`)
		if d := time.Since(began); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// TestReload: settings of another site come into force with it, before anybody asks for
// anything, and connections outlive it.
func TestReload(t *testing.T) {
	in(t, `namespaces: { old: {} }, apiKeys: ['`+key+`']`, aRoute, func(h *house) {
		a := h.hello(`{}`, `"channels":128`)
		a.ask(`{"id":2,"subscribe":{"channel":"old:1"}}`, `"subscribed"`)
		another := `{ hub: { namespaces: { new: {} }, limits: { channels: 5 }, apiKeys: ['another-` + key + `'] }, ` + aRoute + ` }`
		next := h.parse("site.json5", another)
		if _, err := h.hub.New(next.Routes[0], func(func(*http.Request) (*curlew.Events, error)) http.Handler { return nil }); err != nil {
			t.Fatal(err)
		}
		a.ask(`{"id":3,"subscribe":{"channel":"new:1"}}`, `"unknown_channel"`) // it is not in force
		if err := h.server.Reload(h.parse("site.json5", another)); err != nil {
			t.Fatal(err)
		}
		a.ask(`{"id":4,"publish":{"channel":"old:1","data":1}}`, `"unknown_channel"`)
		a.ask(`{"id":5,"subscribe":{"channel":"new:1"}}`, `"subscribed"`)
		b := h.hello(`{}`, `"channels":5`)
		b.ask(`{"id":2,"publish":{"channel":"old:1","data":1}}`, `"unknown_channel"`)
		h.call("info", "another-"+key, ``, 200, `"clients":2`)
		h.call("info", key, ``, 401, ``)
	})
}

// TestDrain: clients are told when to come back before they are closed with 4000, one
// after the other; events end too, and who has not said hello.
func TestDrain(t *testing.T) {
	in(t, rooms, aRoute+`, timeouts: { drain: '4 s' }`, func(h *house) {
		var peers []*peer
		for range 4 {
			p := h.hello(`{}`)
			p.ask(`{"id":2,"subscribe":{"channel":"room:1"}}`)
			peers = append(peers, p)
		}
		mute, err := h.dial("/hub")
		if err != nil {
			t.Fatal(err)
		}
		lines, end := h.events("/hub/events?channel=open:1")
		defer end()
		h.stop()
		began := time.Now()
		var text []string
		for lines.Scan() {
			text = append(text, lines.Text())
		}
		if got := strings.Join(text, "\n"); !strings.Contains(got, "event: drain\ndata: {\"retry\":") {
			t.Error(got)
		}
		for _, p := range peers {
			var got string
			for !strings.Contains(got, `{"drain":{"retry":`) {
				got = p.hear()
			}
			p.ended(4000)
		}
		mute.ended(1001)
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// TestOrigins: pages of others have neither the protocol nor events, of those that the
// route names both.
func TestOrigins(t *testing.T) {
	in(t, rooms, `routes: [{ match: '/any/', handler: 'hub', origins: '*' }, { match: '/hub/', handler: 'hub', origins: 'https://friend.example' }]`, func(h *house) {
		for _, c := range []struct {
			path, origin string
			status       int
			allow        string
		}{
			{"/hub", "http://example.com", 200, "http://example.com"}, {"/hub", "https://friend.example", 200, "https://friend.example"},
			{"/hub", "https://other.example", 403, ""}, {"/hub", "null", 403, ""}, {"/any", "https://other.example", 200, "*"},
		} {
			a := h.do("GET", c.path+"/events?channel=room:1", "", "Origin", c.origin)
			a.Body.Close()
			head := a.Header
			if got := head.Get("Access-Control-Allow-Origin"); a.StatusCode != c.status || got != c.allow ||
				(head.Get("Access-Control-Allow-Credentials") == "true") != (got != "" && got != "*") {
				t.Errorf("%v: %d %v", c, a.StatusCode, head)
			}
			p, err := h.dial(c.path, "Origin", c.origin)
			if (err == nil) != (c.status == 200) {
				t.Errorf("%v: a handshake: %v", c, err)
			}
			if err == nil {
				p.c.Close(curlew.NormalClosure, "")
			}
		}
		a := h.do("OPTIONS", "/hub/events", "", "Origin", "https://friend.example", "Access-Control-Request-Method", "GET")
		a.Body.Close()
		if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Headers") == "" {
			t.Errorf("a preflight: %d %v", a.StatusCode, a.Header)
		}
		a = h.do("GET", "/hub/events?channel=room:1", "", "Sec-Fetch-Site", "cross-site")
		if a.Body.Close(); a.StatusCode != 403 {
			t.Errorf("without Origin, from another site: %d", a.StatusCode)
		}
	})
}

// TestOwnSettings: what a route says that does not fit the protocol does no harm: text
// is UTF-8, as other clients get it, messages are whole, and queues have an end.
func TestOwnSettings(t *testing.T) {
	in(t, rooms, `routes: [{ match: '/hub/', handler: 'hub',
		webSockets: { protocol: 'other', whenFull: 'dropOldest', preserveFrames: true, validateUTF: false }, limits: { maxPacket: 5, sendQueue: 'unlimited' } }]`, func(h *house) {
		p := h.hello(`{}`)
		p.ask(`{"id":2,"subscribe":{"channel":"room:1"}}`, `"subscribed"`)
		bad := h.hello(`{}`)
		bad.c.Send(curlew.Text, []byte("{\"id\":2,\"publish\":{\"channel\":\"open:1\",\"data\":\"\xff\"}}"))
		bad.ended(1007)
		o := route.Options(h.parse("site.json5", `{ limits: { sendQueue: 'unlimited' }, routes: [{ handler: 'hub' }] }`).Routes[0])
		if o.SendQueue != 0 || o.WhenFull != curlew.WhenFullDropNewest || o.AllowInvalidUTF8 {
			t.Errorf("%+v", o)
		}
	})
}

// TestFallback: the hub is there where upgrades do not pass.
func TestFallback(t *testing.T) {
	in(t, rooms+`, auth: { `+strings.Replace(jwt, "} }", "}, from: 'header' }", 1)+` }`, aRoute, func(h *house) {
		ann := token(`{"sub":"ann","exp":` + in10() + `}`)
		c, err := fallback.Dial(context.Background(), "http://example.com/hub", &fallback.DialOptions{DialOptions: curlew.DialOptions{
			Options: curlew.Options{Subprotocols: []string{"curlew.v1"}, Header: http.Header{"Authorization": {"Bearer " + ann}}}, DialContext: h.network.DialContext,
		}})
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{h, c}
		p.ask(`{"id":1,"hello":{}}`, `"user":"ann"`)
		p.ask(`{"id":2,"subscribe":{"channel":"users:1"}}`, `"subscribed"`)
		p.ask(`{"id":3,"publish":{"channel":"users:1","data":1}}`, `"message"`, `"user":"ann"`)
		p.hear(`"published"`)
		h.stop()
		p.hear(`{"drain":{"retry":`)
		p.ended(4000)
	})
}
