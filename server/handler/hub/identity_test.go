package hub

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
)

// in10 is when tokens expire that are to be good.
func in10() string { return strconv.FormatInt(time.Now().Add(10*time.Minute).Unix(), 10) }

// TestAU10_AU18_Tokens: a token says who somebody is and what he may do, in hello, in a
// subprotocol or in the query.
func TestAU10_AU18_Tokens(t *testing.T) {
	in(t, rooms+`, auth: { `+strings.Replace(jwt, "} }", "}, from: ['subprotocol', 'query:t', 'header'] }", 1)+` }`, aRoute, func(h *house) {
		exp := in10()
		ann := token(`{"sub":"ann","exp":` + exp + `,"info":{"name":"Ann"},"channels":{"closed:*":["subscribe"],"closed:1":["subscribe","publish"]}}`)
		p := h.hello(`{"token":"`+ann+`"}`, `"user":"ann"`, `"expires":`)
		p.ask(`{"id":2,"subscribe":{"channel":"room:1","presence":true}}`, `"user":"ann"`, `"info":{"name":"Ann"}`)
		p.ask(`{"id":3,"subscribe":{"channel":"users:1"}}`, `"subscribed"`)
		p.ask(`{"id":4,"subscribe":{"channel":"closed:1"}}`, `"subscribed"`)
		p.ask(`{"id":5,"subscribe":{"channel":"closed:2"}}`, `"subscribed"`)
		p.ask(`{"id":6,"publish":{"channel":"closed:2","data":1}}`, `"forbidden"`)
		p.ask(`{"id":7,"publish":{"channel":"closed:1","data":1}}`, `"message"`)
		p.hear(`"published"`)

		nobody := h.hello(`{}`)
		nobody.ask(`{"id":2,"subscribe":{"channel":"users:1"}}`, `"forbidden"`)
		nobody.ask(`{"id":3,"subscribe":{"channel":"closed:1"}}`, `"forbidden"`)

		q := h.helloAt("/hub?t="+ann, `{}`, `"user":"ann"`)
		q.c.Close(curlew.NormalClosure, "")
		s, err := h.dial("/hub", "Subprotocol", "bearer."+ann)
		if err != nil {
			t.Fatal(err)
		}
		s.ask(`{"id":1,"hello":{}}`, `"user":"ann"`)
		if got := s.c.Info().Subprotocol; got != "curlew.v1" {
			t.Errorf("the subprotocol is %q", got)
		}
		lines, end := h.events("/hub/events?channel=users:1&t=" + ann)
		lines.Scan()
		end()
		if strings.Contains(h.log.String(), ann[:20]) {
			t.Error("AU10: the log has the token")
		}
	})
}

// TestHB24_Tokens: what is forged, over, not yet good or for others is refused, and
// the connection ends.
func TestHB24_Tokens(t *testing.T) {
	in(t, rooms+`, auth: { `+jwt+` }`, aRoute, func(h *house) {
		b64 := base64.RawURLEncoding.EncodeToString
		good := `{"sub":"ann","exp":` + in10() + `}`
		text := b64([]byte(good))
		signature := token(good)[strings.LastIndexByte(token(good), '.'):]
		past := strconv.FormatInt(time.Now().Add(-time.Minute).Unix(), 10)
		for name, c := range map[string]struct {
			token string
			code  curlew.Code
		}{
			"none":          {b64([]byte(`{"alg":"none"}`)) + "." + text + ".", 4501},
			"none, signed":  {b64([]byte(`{"alg":"none"}`)) + "." + text + signature, 4501},
			"another one":   {b64([]byte(`{"alg":"HS512"}`)) + "." + text + signature, 4501},
			"kid":           {b64([]byte(`{"alg":"HS256","kid":"../../etc/passwd"}`)) + "." + text + signature, 4501},
			"dots":          {strings.Repeat(".", 60_000), 4501},
			"long":          {strings.Repeat("a", 60_000), 4501},
			"changed":       {token(good)[:30] + "x" + token(good)[31:], 4501},
			"over":          {token(`{"sub":"ann","exp":` + past + `}`), 4401},
			"never over":    {token(`{"sub":"ann"}`), 4501},
			"not yet":       {token(`{"sub":"ann","exp":` + in10() + `,"nbf":` + in10() + `}`), 4501},
			"for others":    {token(`{"sub":"ann","exp":` + in10() + `,"aud":"you"}`), 4501},
			"odd rights":    {token(`{"sub":"ann","exp":` + in10() + `,"channels":["room:*"]}`), 4501},
			"rights beyond": {token(`{"sub":"ann","exp":` + in10() + `,"channels":{"a*b":["publish"]}}`), 4501},
		} {
			p, err := h.dial("/hub")
			if err != nil {
				t.Fatal(err)
			}
			t.Log(name)
			p.ask(`{"id":1,"hello":{"token":"`+c.token+`"}}`, `"error"`)
			p.ended(c.code)
		}
		lone := h.hello(`{}`) // who comes without a token is nobody
		lone.ask(`{"id":2,"refresh":{"token":"x"}}`, `"unauthorized"`)
	})
}

// TestHB6_Expiry: a connection ends with its token, unless another one comes before.
func TestHB6_Expiry(t *testing.T) {
	in(t, rooms+`, auth: { `+jwt+` }`, aRoute, func(h *house) {
		until := func(d time.Duration) string { // with the leeway of 30 s
			return strconv.FormatInt(time.Now().Add(d-30*time.Second).Unix(), 10)
		}
		began := time.Now()
		a := h.hello(`{"token":"`+token(`{"sub":"ann","exp":`+until(time.Minute)+`}`)+`"}`, `"ann"`)
		b := h.hello(`{"token":"`+token(`{"sub":"ann","exp":`+until(time.Minute)+`}`)+`"}`, `"ann"`)
		b.ask(`{"id":2,"refresh":{"token":"`+token(`{"sub":"bob","exp":`+until(time.Hour)+`}`)+`"}}`, `"unauthorized"`)
		b.ask(`{"id":3,"refresh":{"token":"`+token(`{"sub":"ann","exp":`+until(2*time.Minute)+`}`)+`"}}`, `"refreshed"`)
		a.ended(4401)
		if d := time.Since(began); d < 55*time.Second || d > 65*time.Second {
			t.Errorf("after %v", d)
		}
		b.ended(4401)
		if d := time.Since(began); d < 115*time.Second || d > 125*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// TestHB6_ThrownOut: who is thrown out is gone at once, wherever he is connected; a
// right that is taken away ends the subscription.
func TestHB6_ThrownOut(t *testing.T) {
	in(t, rooms+`, auth: { `+jwt+` }, apiKeys: ['`+key+`']`, aRoute, func(h *house) {
		ann, bob := token(`{"sub":"ann","exp":`+in10()+`}`), token(`{"sub":"bob","exp":`+in10()+`}`)
		began := time.Now()
		a, b, c := h.hello(`{"token":"`+ann+`"}`), h.hello(`{"token":"`+ann+`"}`), h.hello(`{"token":"`+bob+`"}`)
		lines, end := h.events("/hub/events?channel=open:1", "Authorization", "Bearer "+ann)
		defer end()
		c.ask(`{"id":2,"subscribe":{"channel":"open:1"}}`, `"subscribed"`)
		h.call("disconnect", key, `{"user":"ann","reason":"logged out"}`, 200, `"connections":3`)
		a.ended(4503)
		b.ended(4503)
		for lines.Scan() {
		}
		h.call("unsubscribe", key, `{"channel":"open:1","user":"bob"}`, 200, `"connections":1`)
		c.hear(`"unsubscribed"`, `"forbidden"`)
		if d := time.Since(began); d > time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// TestRouteUser: a user known by the route is the hub's, where hello brings no token.
func TestRouteUser(t *testing.T) {
	in(t, rooms, `routes: [{ match: '/hub/', handler: 'hub', auth: { `+jwt+` } }]`, func(h *house) {
		ann := token(`{"sub":"ann","exp":` + in10() + `}`)
		p, err := h.dial("/hub", "Authorization", "Bearer "+ann)
		if err != nil {
			t.Fatal(err)
		}
		p.ask(`{"id":1,"hello":{}}`, `"user":"ann"`)
		lines, end := h.events("/hub/events?channel=users:1", "Authorization", "Bearer "+ann)
		if !lines.Scan() {
			t.Error(lines.Err())
		}
		end()
		q, err := h.dial("/hub", "Authorization", "Bearer "+ann)
		if err != nil {
			t.Fatal(err)
		}
		q.ask(`{"id":1,"hello":{"token":"something else"}}`, `"unauthorized"`)
		q.ended(4501)
		if _, err := h.dial("/hub"); err == nil {
			t.Error("nobody passes")
		}
	})
}

// TestHB6_RouteUserExpires: who was let in by the route's token is out with it, whatever
// other one he brings.
func TestHB6_RouteUserExpires(t *testing.T) {
	in(t, rooms+`, auth: { `+strings.Replace(jwt, "} }", "}, from: 'query:t' }", 1)+` }`, `routes: [{ match: '/hub/', handler: 'hub', auth: { `+jwt+` } }]`, func(h *house) {
		began := time.Now()
		short := "Bearer " + token(`{"sub":"ann","exp":`+strconv.FormatInt(began.Add(time.Minute-30*time.Second).Unix(), 10)+`}`)
		long := token(`{"sub":"ann","exp":` + strconv.FormatInt(began.Add(time.Hour).Unix(), 10) + `}`)
		p, err := h.dial("/hub?t="+long, "Authorization", short)
		if err != nil {
			t.Fatal(err)
		}
		p.ask(`{"id":1,"hello":{}}`, `"user":"ann"`, `"expires":`+strconv.FormatInt(began.Add(time.Minute).UnixMilli(), 10))
		a := h.do("GET", "/hub/events?channel=users:1&t="+long, "", "Authorization", short)
		defer a.Body.Close()
		io.Copy(io.Discard, a.Body)
		if d := time.Since(began); d < time.Minute || d > 65*time.Second {
			t.Errorf("events ended after %v", d)
		}
		p.ended(4401)
	})
}

// TestRX19_NoHello: who does not say who he is, or that he is nobody, is gone after 10
// s, whatever else comes of him.
func TestRX19_NoHello(t *testing.T) {
	in(t, rooms, aRoute, func(h *house) {
		began := time.Now()
		p, err := h.dial("/hub")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				if _, err := p.c.Ping(context.Background()); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		p.ended(4002)
		if d := time.Since(began); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("after %v", d)
		}
		q, err := h.dial("/hub")
		if err != nil {
			t.Fatal(err)
		}
		q.c.Send(curlew.Text, []byte(`{"id":1,"subscribe":{"channel":"open:1"}}`))
		q.ended(1008)
	})
}

// TestFB2_AU16_WhoUsesASession: who says by a token of the hub who he is must be the user of
// the session; to know its name is enough, as ever, without.
func TestFB2_AU16_WhoUsesASession(t *testing.T) {
	in(t, rooms+`, auth: { `+strings.Replace(jwt, "} }", "}, from: ['cookie:s', 'query:t'] }", 1)+` }`, aRoute, func(h *house) {
		ann, again, bob := token(`{"sub":"ann","exp":`+in10()+`}`), token(`{"sub":"ann","jti":"2","exp":`+in10()+`}`), token(`{"sub":"bob","exp":`+in10()+`}`)
		open := func(fields ...string) string {
			a := h.do("POST", "/hub?curlew=open&protocol=curlew.v1", "", fields...)
			defer a.Body.Close()
			var s struct{ Session string }
			if err := json.NewDecoder(a.Body).Decode(&s); err != nil || s.Session == "" {
				t.Fatal(a.Status, err)
			}
			return s.Session
		}
		anns, nobodys := open("Cookie", "s="+ann), open()
		for _, c := range []struct {
			session, query, cookie string
			want                   int
		}{
			{anns, "", "", 204}, {anns, "", ann, 204}, {anns, "", again, 204}, {anns, "t=" + ann + "&", "", 204}, {anns, "", bob, 403},
			{anns, "t=" + bob + "&", "", 403}, {anns, "", "x", 403}, {nobodys, "", "", 204}, {nobodys, "", bob, 403},
		} {
			var fields []string
			if c.cookie != "" {
				fields = []string{"Cookie", "s=" + c.cookie}
			}
			a := h.do("GET", "/hub?"+c.query+"curlew="+c.session+"&at=0&mode=poll&wait=0", "", fields...)
			if a.Body.Close(); a.StatusCode != c.want {
				t.Errorf("%+v: %d", c, a.StatusCode)
			}
		}
	})
}

// TestHB5_Rights: with no right to a channel there is no subscription, no history and
// no presence, in whatever way it is asked for.
func TestHB5_Rights(t *testing.T) {
	in(t, rooms+`, auth: { `+jwt+` }`, aRoute, func(h *house) {
		ann := token(`{"sub":"ann","exp":` + in10() + `,"channels":{"closed:ann":["subscribe","publish"]}}`)
		p := h.hello(`{"token":"` + ann + `"}`)
		for _, name := range []string{"closed:bob", "closed:ann2", "closed", "closed:", "closed:ANN"} {
			for _, ask := range []string{"subscribe", "history", "presence"} {
				p.ask(`{"id":2,"`+ask+`":{"channel":"`+name+`"}}`, `"forbidden"`)
			}
			p.ask(`{"id":2,"publish":{"channel":"`+name+`","data":1}}`, `"forbidden"`)
			a := h.do("GET", "/hub/events?channel="+name, "", "Authorization", "Bearer "+ann)
			if a.Body.Close(); a.StatusCode != 403 {
				t.Errorf("%s: events %d", name, a.StatusCode)
			}
		}
		p.ask(`{"id":2,"subscribe":{"channel":"closed:ann"}}`, `"subscribed"`)
	})
}

// TestAPIKeys: a file of keys is read again when it changes.
func TestAPIKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	write := func(text string, at time.Time) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("# of the app\nfirst-key-0123456\n\nsecond-key-012345\r\n", time.Unix(1, 0))
	in(t, rooms+`, apiKeys: '`+filepath.ToSlash(file)+`'`, aRoute, func(h *house) {
		h.call("info", "first-key-0123456", ``, 200, `"clients":0`)
		h.call("info", "second-key-012345", ``, 200, `"clients":0`)
		h.call("info", "# of the app", ``, 401, ``)
		h.call("info", "", ``, 401, ``)
		write("third-key-0123456\n", time.Unix(2, 0))
		<-time.After(time.Minute)
		h.call("info", "third-key-0123456", ``, 200, ``)
		h.call("info", "first-key-0123456", ``, 401, ``)
		write("short\n", time.Unix(3, 0))
		<-time.After(time.Minute)
		h.call("info", "third-key-0123456", ``, 200, ``)
		if !strings.Contains(h.log.String(), "not read again") {
			t.Error(h.log)
		}
	})
}
