package hub

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"curlew.example/curlew/hub/proto"
)

// ask makes a call of the API with a key, and checks the answer against
// openapi.json.
func ask(t *testing.T, h http.Handler, call, key, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest("POST", "/hub/"+call, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.answer(call, w.Code, w.Body.Bytes()); err != nil {
		t.Errorf("%s %s: %s: %v", call, body, w.Body, err)
	}
	if got := w.Header().Get("Content-Type") + " " + w.Header().Get("Cache-Control"); got != "application/json no-store" {
		t.Errorf("%s: %s", call, got)
	}
	if retry := w.Header().Get("Retry-After"); (retry != "") != (w.Code == 429 || w.Code == 503) {
		t.Errorf("%s %d: Retry-After: %s", call, w.Code, retry)
	}
	return w.Code, w.Body.String()
}

// TestAPI: each call, and each status.
func TestAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := rooms()
		o.MaxData = 100
		o.Connect = func(_ context.Context, _ *http.Request, token string) (*Identity, error) {
			return &Identity{User: token, Info: []byte(`{"x":1}`)}, nil
		}
		h, _ := New(o)
		defer h.Close()
		handler := h.Handler(&HandlerOptions{Keys: []string{"other", "secret"}})
		a, n := squeezed(h, "a", 100)
		a.who = &Identity{User: "ann", Info: []byte(`{"x":1}`)}
		defer a.gone(nil, nil)
		a.subscribe(&proto.Request{ID: 1, Channel: "room:1"})
		for _, row := range []struct {
			call, body string
			status     int
			want       string
		}{
			{"publish", `{"channel":"room:1","data":{"a":1},"user":"bob","key":"k"}`, 200, `{"published":{"epoch":"`},
			{"publish", ` [ {"channel":"room:1","data":2},{"channel":"nothing","data":1},{"channel":"room:1"},7,{"channel":"room:1","data64":"AP8="}]`, 200,
				`"offset":2}},{"error":{"code":"unknown_channel","message":"there is no such namespace","retry":false}},{"error":{"code":"bad_request",…},{"error":{"code":"bad_request",…{"published":{…"offset":3}}]`},
			{"publish", `[]`, 200, `[]`},
			{"publish", `[` + strings.Repeat(`{"channel":"room:1","data":2},`, 1000) + `1]`, 400, `"bad_request"`},
			{"publish", `{"channel":"room:1","data":`, 400, `"bad_request"`},
			{"publish", ``, 400, `"bad_request"`},
			{"publish", "{\"channel\":\"room:1\",\"data\":\"\xff\"}", 400, `"bad_request"`},
			{"publish", `{"channel":"room:*","data":1}`, 400, `"bad_request"`},
			{"publish", `{"channel":"nothing","data":1}`, 404, `"unknown_channel"`},
			{"publish", `{"channel":"room:1","data":"` + strings.Repeat("x", 98) + `"}`, 200, `"offset":4`},
			{"publish", `{"channel":"room:1","data":"` + strings.Repeat("x", 99) + `"}`, 413, `"too_big"`},
			{"publish", `{"channel":"room:1","data":"` + strings.Repeat("x", maxBody) + `"}`, 413, `"too_big"`},
			{"publish", `{"channel":"room:1","data":5,"dedupe":"d"}`, 200, `"offset":5`},
			{"publish", `{"channel":"room:1","data":5,"dedupe":"d"}`, 200, `"offset":5`},
			{"history", `{"channel":"room:1","limit":2,"reverse":true}`, 200, `{"history":{"messages":[{"channel":"room:1","offset":5,…},{"channel":"room:1","offset":4,…}],"position":{…"offset":5},"more":true}}`},
			{"history", `[{"channel":"room:1","limit":1},{"channel":"room:0"},{"channel":"no"}]`, 200, `[{"history":{"messages":[{…"data":{"a":1},"user":"bob","key":"k",…}],"position":{…"offset":1},"more":true}},{"history":{"messages":[],…}},{"error":{"code":"unknown_channel",…}}]`},
			{"history", `{"channel":"room:1","since":{"epoch":"e","offset":1}}`, 200, `"lost":true`},
			{"history", `{"channel":"room:1","limit":0}`, 400, `"bad_request"`},
			{"presence", `{"channel":"room:1"}`, 200, `{"presence":{"members":[{"user":"ann","connection":"a","info":{"x":1}}]}}`},
			{"presence", `[{"channel":"room:2"},{"channel":""}]`, 200, `[{"presence":{"members":[]}},{"error":{"code":"bad_request",`},
			{"presence", `{"channel":"nothing"}`, 404, `"unknown_channel"`},
			{"channels", ``, 200, `{"channels":[{"channel":"room:1","subscribers":1…}],"more":false}`},
			{"channels", `{"prefix":"plain"}`, 200, `{"channels":[],"more":false}`},
			{"channels", `{"prefix":"room","after":"room:1"}`, 200, `{"channels":[],"more":false}`},
			{"channels", `[]`, 400, `"bad_request"`},
			{"info", ``, 200, `{"info":{"clients":1,"channels":1,"published":`},
			{"unsubscribe", `{"channel":"room:2","user":"ann"}`, 200, `{"unsubscribed":{"connections":0}}`},
			{"unsubscribe", `{"channel":"room:1"}`, 400, `"bad_request"`},
			{"unsubscribe", `{"user":"ann"}`, 400, `"bad_request"`},
			{"unsubscribe", `{"channel":"room:1","user":"ann"}`, 200, `{"unsubscribed":{"connections":1}}`},
			{"disconnect", `{"user":"bob"}`, 200, `{"disconnected":{"connections":0}}`},
			{"disconnect", `{}`, 400, `"bad_request"`},
			{"disconnect", `{"user":"ann","reason":"` + strings.Repeat("r", 124) + `"}`, 400, `"bad_request"`},
			{"disconnect", `{"connection":"a","reason":"` + strings.Repeat("r", 123) + `"}`, 200, `{"disconnected":{"connections":1}}`},
		} {
			status, got := ask(t, handler, row.call, "Bearer secret", row.body)
			if status != row.status || !matches(got, row.want) {
				t.Errorf("%s %.100s: %d %.300s, want %d %s", row.call, row.body, status, got, row.status, row.want)
			}
		}
		if got := heard(n.widen(0)); got != "1 2 3 4 5 unsubscribed" || n.closed != proto.CloseThrownOut {
			t.Errorf("heard %s, closed with %d", got, n.closed)
		}
	})
}

// matches reports whether the parts of a pattern, between "…", are in a text in order.
func matches(got, pattern string) bool {
	for _, part := range strings.Split(pattern, "…") {
		_, rest, ok := strings.Cut(got, part)
		if !ok {
			return false
		}
		got = rest
	}
	return true
}

// TestAPIKeys: who has none gets nothing, whatever he asks for.
func TestAPIKeys(t *testing.T) {
	h, _ := New(rooms())
	defer h.Close()
	for call := range calls {
		for key, status := range map[string]int{
			"": 401, "Bearer": 401, "Bearer ": 401, "Bearer secre": 401, "Bearer secrett": 401, "secret": 401, "Basic secret": 401, "Bearer Secret": 401, "bearer  secret": 200, "Bearer secret": 200,
		} {
			got, body := ask(t, h.Handler(&HandlerOptions{Keys: []string{"secret"}}), call, key, `{"channel":"room:1","user":"x","data":1}`)
			if got != status {
				t.Errorf("%s with %q: %d %s", call, key, got, body)
			}
			if got, _ := ask(t, h.Handler(nil), call, key, `{}`); got != 401 {
				t.Errorf("%s without any key, with %q: %d", call, key, got)
			}
		}
	}
}

// TestAPIMethods: other methods, and what is no call.
func TestAPIMethods(t *testing.T) {
	h, _ := New(rooms())
	defer h.Close()
	handler := h.Handler(&HandlerOptions{Keys: []string{"secret"}})
	for _, row := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/hub/publish", 405, "POST"}, {"PUT", "/hub/info", 405, "POST"}, {"POST", "/hub/openapi.json", 405, "GET, HEAD"},
		{"GET", "/hub/openapi.json", 200, ""}, {"POST", "/hub/events", 405, "GET"}, {"GET", "/hub/", 426, ""}, {"GET", "/hub/nothing", 426, ""},
	} {
		r := httptest.NewRequest(row.method, row.path, nil)
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != row.status || w.Header().Get("Allow") != row.allow {
			t.Errorf("%s %s: %d, Allow: %s", row.method, row.path, w.Code, w.Header().Get("Allow"))
		}
	}
}

// A broken broker fails, always.
type broken struct {
	*Memory
	err error
}

func (b broken) Publish(context.Context, string, *Publication, Keep) (Position, bool, error) {
	return Position{}, false, b.err
}

func (b broken) History(context.Context, string, Query) (*Page, error) { return nil, b.err }

func (b broken) Members(context.Context, string) ([]*Member, error) { return nil, b.err }

// TestAPIStatuses: the status of each code that a broker may answer, and of a failure
// of which nothing is shown.
func TestAPIStatuses(t *testing.T) {
	o := rooms()
	o.ErrorLog = log.New(io.Discard, "", 0)
	for code, status := range statuses {
		o.Broker = broken{NewMemory(), &proto.Error{Code: code, Message: "so it is", Retry: code == proto.Unavailable}}
		h, _ := New(o)
		for _, call := range []string{"publish", "history", "presence"} {
			if got, body := ask(t, h.Handler(&HandlerOptions{Keys: []string{"k"}}), call, "Bearer k", `{"channel":"room:1","data":1}`); got != status || !strings.Contains(body, code) {
				t.Errorf("%s: %d %s", code, got, body)
			}
		}
		h.Close()
	}
	o.Broker = broken{NewMemory(), errors.New("the password is 1234")}
	h, _ := New(o)
	defer h.Close()
	if got, body := ask(t, h.Handler(&HandlerOptions{Keys: []string{"k"}}), "publish", "Bearer k", `{"channel":"room:1","data":1}`); got != 503 || strings.Contains(body, "1234") {
		t.Errorf("%d %s", got, body)
	}
}
