package hub

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
)

const asked = `, auth: { webhook: 'http://hook.example/ask' }`

// TestWebhook: it is asked who may connect, subscribe and publish, and may say who
// somebody is and what is published instead.
func TestWebhook(t *testing.T) {
	in(t, rooms+asked, aRoute, func(h *house) {
		var log []string
		h.hook(func(w http.ResponseWriter, r *http.Request) {
			var q question
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != "POST" || r.URL.Path != "/ask" {
				t.Errorf("%v %s %s", err, r.Method, r.URL)
			}
			log = append(log, fmt.Sprintf("%s %s %s %s %s", q.Event, q.User, q.Channel, q.Data, q.Token))
			switch {
			case q.Event == "connect" && q.Token == "t1":
				io.WriteString(w, `{"allow":true,"user":"ann","info":{"n":1},"channels":{"closed:*":["subscribe"]},"data":null}`)
			case q.Event == "connect":
				io.WriteString(w, `{"allow":false,"reason":"who are you?"}`)
			case q.Channel == "room:secret":
				w.WriteHeader(403)
			case string(q.Data) == `"dirty"`:
				io.WriteString(w, `{"allow":true,"data":"clean"}`)
			default:
				io.WriteString(w, `{"allow":true,"reason":null,"user":null,"info":null,"channels":null,"data":null,"data64":null}`) // as some write what they do not say
			}
		})
		p := h.hello(`{"token":"t1"}`, `"user":"ann"`)
		p.ask(`{"id":2,"subscribe":{"channel":"closed:1"}}`, `"subscribed"`)
		p.ask(`{"id":3,"subscribe":{"channel":"room:1","presence":true}}`, `"subscribed"`, `"info":{"n":1}`)
		p.ask(`{"id":4,"subscribe":{"channel":"room:secret"}}`, `"forbidden"`)
		p.ask(`{"id":5,"history":{"channel":"room:secret"}}`, `"forbidden"`)
		p.ask(`{"id":6,"publish":{"channel":"room:1","data":"dirty"}}`, `"data":"clean"`)
		p.hear(`"published"`)
		p.ask(`{"id":7,"publish":{"channel":"room:1","data":"fine"}}`, `"data":"fine"`)
		p.hear(`"published"`)
		q, err := h.dial("/hub")
		if err != nil {
			t.Fatal(err)
		}
		q.ask(`{"id":1,"hello":{"token":"t2"}}`, `"unauthorized"`, "who are you?")
		q.ended(4501)
		if got := strings.Join(log, "; "); got != `connect    t1; subscribe ann closed:1  t1; subscribe ann room:1  t1; subscribe ann room:secret  t1; publish ann room:1 "dirty" t1; publish ann room:1 "fine" t1; connect    t2` {
			t.Error(got) // one answer about room:secret was remembered
		}
	})
}

// TestAU19_AU20_WebhookFails: whatever else it does nobody may, and may try again;
// no more than 64 KiB of an answer is read, and no redirect followed.
func TestAU19_AU20_WebhookFails(t *testing.T) {
	var read atomic.Int64
	for name, answer := range map[string]http.HandlerFunc{
		"down": nil,
		"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"slow body": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"allow"`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, `{"allow":true}`) },
		"204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://hook.example/yes", http.StatusTemporaryRedirect)
		},
		"empty":      func(http.ResponseWriter, *http.Request) {},
		"no JSON":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `yes`) },
		"no object":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `true`) },
		"no verdict": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"user":"ann"}`) },
		"a text":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"allow":"true"}`) },
		"odd rights": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"allow":true,"channels":{"":[]}}`) },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"allow":true}`)
		},
		"long": func(w http.ResponseWriter, _ *http.Request) {
			read.Store(0)
			io.WriteString(w, `{"allow":true,"reason":"`)
			for range 1 << 20 { // 1 GiB
				n, err := w.Write(make([]byte, 1<<10))
				if read.Add(int64(n)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, rooms+asked, aRoute, func(h *house) {
				if answer != nil {
					h.hook(func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/yes" {
							t.Error("it was followed")
						}
						io.Copy(io.Discard, r.Body)
						answer(w, r)
					})
				}
				p, err := h.dial("/hub")
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				p.ask(`{"id":1,"hello":{"token":"t"}}`, `"unavailable"`, `"retry":true`)
				if d := time.Since(began); d > 3*time.Second {
					t.Errorf("after %v", d)
				}
				p.ended(1013)
				a := h.do("GET", "/hub/events?channel=room:1", "")
				if a.Body.Close(); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
					t.Errorf("events: %d", a.StatusCode)
				}
				if !strings.Contains(h.log.String(), "the webhook did not answer") || strings.Contains(h.log.String(), "hook.example/ask") {
					t.Errorf("the log: %s", h.log)
				}
			})
		})
	}
	if n := read.Load(); n > 4<<20 {
		t.Errorf("%d bytes were taken of a long answer", n)
	}
}

// TestWebhookAskerGone: that a client does not wait for the answer is no fault of the
// webhook's.
func TestWebhookAskerGone(t *testing.T) {
	in(t, rooms+asked, aRoute, func(h *house) {
		came, ended := make(chan bool), make(chan bool)
		h.hook(func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			came <- true
			<-r.Context().Done()
			ended <- true
		})
		a := h.hangUp("/hub/events?channel=room:1")
		<-came
		a()
		<-ended
		synctest.Wait()
		if strings.Contains(h.log.String(), "did not answer") {
			t.Errorf("the log: %s", h.log)
		}
	})
}

// TestWebhookCache: an answer holds for the same credentials and channel and for its
// time; not when the API has ended something, and never for what is published.
func TestWebhookCache(t *testing.T) {
	for _, c := range []struct{ set, hello, want string }{
		{`, cache: '1 min'`, `{"token":"t"}`, "[3 1 3 1 3]"},
		{`, cache: 'never'`, `{"token":"t"}`, "[3 3 3 3 3]"},
		{`, ask: ['publish']`, `{}`, "[1 1 1 1 1]"},
	} {
		in(t, rooms+`, apiKeys: ['`+key+`'], auth: { webhook: 'http://hook.example/ask'`+c.set+` }`, aRoute, func(h *house) {
			var n atomic.Int64
			h.hook(func(w http.ResponseWriter, _ *http.Request) {
				n.Add(1)
				io.WriteString(w, `{"allow":true,"user":"ann"}`)
			})
			var got []int64 // questions of each visit
			visit := func() {
				p := h.hello(c.hello)
				p.ask(`{"id":2,"subscribe":{"channel":"open:1"}}`, `"subscribed"`)
				p.ask(`{"id":3,"publish":{"channel":"open:1","data":1}}`, `"message"`)
				p.hear(`"published"`)
				p.c.Close(curlew.NormalClosure, "")
				got = append(got, n.Swap(0))
			}
			visit()
			visit()
			<-time.After(2 * time.Minute)
			visit()
			h.call("disconnect", "not the key", `{"user":"ann"}`, 401, ``)
			visit()
			h.call("disconnect", key, `{"user":"ann"}`, 200, ``)
			visit()
			if fmt.Sprint(got) != c.want {
				t.Errorf("%s: %d, want %s", c.set, got, c.want)
			}
		})
	}
}

// TestAU12_Keys: no two questions have one key, wherever their parts are divided.
func TestAU12_Keys(t *testing.T) {
	seen := map[[32]byte]*question{}
	for _, q := range []*question{
		{Event: "subscribe", User: "ab", Channel: "c"}, {Event: "subscribe", User: "a", Channel: "bc"},
		{Event: "subscribe", User: "a", Channel: "b", Token: "c"}, {Event: "subscribe", User: "a", Token: "bc"},
		{Event: "subscribe", User: "a", Address: "bc"}, {Event: "connect", User: "a", Address: "bc"},
		{Event: "connect", Headers: map[string]string{"cookie": "a", "origin": "b"}},
		{Event: "connect", Headers: map[string]string{"cookie": "aorigin", "": "b"}},
		{Event: "connect", Headers: map[string]string{"cookie": "a"}}, {Event: "connect", Headers: map[string]string{"origin": "a"}},
		{Event: "connect", Connection: "1"}, {Event: "connect", Connection: "2"},
	} {
		if other := seen[q.key()]; other != nil {
			t.Errorf("%+v and %+v", other, q)
		}
		seen[q.key()] = q
	}
}

// TestAnswersBounded: the memory of answers is bounded.
func TestAnswersBounded(t *testing.T) {
	a := newAnswers(time.Minute)
	now := time.Now()
	for i := range 3 * maxAnswers {
		a.add((&question{User: fmt.Sprint(i)}).key(), &verdict{}, 0, now)
		if len(a.known) > maxAnswers {
			t.Fatal(len(a.known))
		}
	}
	late := (&question{User: "late"}).key()
	a.add(late, &verdict{}, 0, now.Add(time.Hour))
	if v, _ := a.find(late, now.Add(time.Hour)); v == nil {
		t.Error("the last one is not there")
	}
	_, asked := a.find(late, now)
	a.clear()
	a.add(late, &verdict{}, asked, now)
	if v, _ := a.find(late, now); v != nil {
		t.Error("what was asked before all was forgotten is remembered")
	}
}

// TestWebhookRights: what the webhook allows is besides what the token does: of all that
// match a name the longest counts.
func TestWebhookRights(t *testing.T) {
	in(t, rooms+`, auth: { webhook: 'http://hook.example/ask', ask: 'connect', `+jwt+` }`, aRoute, func(h *house) {
		h.hook(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"allow":true,"channels":{"closed:*":["subscribe"],"closed:ann:2":["publish"]},"expires":-1}`)
		})
		p, err := h.dial("/hub")
		if err != nil {
			t.Fatal(err)
		}
		p.ask(`{"id":1,"hello":{}}`, `"expired"`)
		p.ended(4401)
	})
	in(t, rooms+`, auth: { webhook: 'http://hook.example/ask', ask: 'connect', `+jwt+` }`, aRoute, func(h *house) {
		h.hook(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"allow":true,"channels":{"closed:*":["subscribe"],"closed:ann:2":["publish"]}}`)
		})
		p := h.hello(`{"token":"` + token(`{"sub":"ann","exp":`+in10()+`,"channels":{"closed:ann:*":["subscribe","publish"]}}`) + `"}`)
		p.ask(`{"id":2,"subscribe":{"channel":"closed:1"}}`, `"subscribed"`)
		p.ask(`{"id":3,"publish":{"channel":"closed:1","data":1}}`, `"forbidden"`)
		p.ask(`{"id":4,"publish":{"channel":"closed:ann:1","data":1}}`, `"published"`)
		p.ask(`{"id":5,"subscribe":{"channel":"closed:ann:2"}}`, `"forbidden"`)
		p.ask(`{"id":6,"publish":{"channel":"closed:ann:2","data":1}}`, `"published"`)
	})
}

// TestWebhookBusy: no more than so many questions are under way; who waits longer than
// an answer may take is refused.
func TestWebhookBusy(t *testing.T) {
	in(t, rooms+asked, aRoute, func(h *house) {
		var now, most atomic.Int64
		h.hook(func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-r.Context().Done()
			now.Add(-1)
		})
		var peers []*peer
		for i := range maxAsked + 10 {
			p, err := h.dial("/hub")
			if err != nil {
				t.Fatal(err)
			}
			p.c.Send(curlew.Text, fmt.Appendf(nil, `{"id":1,"hello":{"token":"%d"}}`, i))
			peers = append(peers, p)
		}
		began := time.Now()
		for _, p := range peers {
			p.hear(`"unavailable"`)
			p.ended(1013)
		}
		if d := time.Since(began); most.Load() != maxAsked || d > 4*time.Second {
			t.Errorf("%d at once, %v", most.Load(), d)
		}
	})
}
