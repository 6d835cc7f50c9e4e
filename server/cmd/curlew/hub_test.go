package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/handler/exec"
	"curlew.example/curlew/server/handler/hub"
)

const hubKey = "0123456789abcdef-key"

// startHub serves a hub until the test ends.
func startHub(t *testing.T) (url string, front *httptest.Server) {
	t.Helper()
	s, err := config.Parse(filepath.Join(t.TempDir(), "site.json5"), []byte(`{
		hub: { namespaces: { room: { history: { size: 10 }, presence: true, joinLeave: true }, news: { publish: 'nobody' } }, apiKeys: ['`+hubKey+`'], grace: '20 ms' },
		routes: [{ match: '/hub/', handler: 'hub' }],
	}`))
	if err != nil {
		t.Fatal(err)
	}
	channels := new(hub.Hub)
	srv, err := server.New(s, server.Options{Handlers: handlers(&exec.Processes{}, channels)})
	if err != nil {
		t.Fatal(err)
	}
	front = httptest.NewServer(srv)
	t.Cleanup(func() {
		channels.Close()
		front.Close()
		srv.Close()
	})
	return "ws" + strings.TrimPrefix(front.URL, "http") + "/hub", front
}

// TestHubPublish: messages go there and back, by argument and by lines.
func TestHubPublish(t *testing.T) {
	url, _ := startHub(t)
	none := strings.NewReader("")
	want := func(what string, code int, out, errs string, wantCode int, wants ...string) {
		t.Helper()
		for _, w := range wants {
			if code != wantCode || !strings.Contains(out+errs, w) {
				t.Errorf("%s: exit code %d, %q, %q; want %d, %s", what, code, out, errs, wantCode, w)
			}
		}
	}
	code, out, errs := run(t.Context(), none, "hub", url, "publish", "room:1", `{"n":1}`)
	want("publish", code, out, errs, 0, `{"published":{"epoch":"`, `"offset":1}}`)
	code, out, errs = run(t.Context(), strings.NewReader("{\"n\":2}\n\n[3]\n"), "hub", "publish", url, "room:1", "--key", "k")
	want("lines", code, out, errs, 0, `"offset":2}}`, `"offset":3}}`)
	code, out, errs = run(t.Context(), strings.NewReader("four\n"), "hub", url, "publish", "room:1", "--text")
	want("a text", code, out, errs, 0, `"offset":4}}`)
	code, out, errs = run(t.Context(), none, "hub", url, "publish", "room:2", "", "--text")
	want("an empty text", code, out, errs, 0, `"offset":1}}`)
	code, out, errs = run(t.Context(), none, "hub", url, "publish", "room:2", "")
	want("nothing", code, out, errs, 2, `JSON is wanted`)
	code, out, errs = run(t.Context(), none, "hub", url, "publish", "room:1", "five")
	want("no JSON", code, out, errs, 2, `five: JSON is wanted; --text takes it as a text`)
	code, out, errs = run(t.Context(), none, "hub", url, "publish", "news:1", "5")
	want("not allowed", code, out, errs, 1, `forbidden`)
	code, out, errs = run(t.Context(), none, "hub", url, "publish", "nothing:1", "5")
	want("no channel", code, out, errs, 1, `unknown_channel`)

	code, out, errs = run(t.Context(), none, "hub", url, "history", "room:1", "--limit", "2", "--reverse")
	want("history", code, out, errs, 0, `"data":"four"`, `"data":[3],"key":"k"`)
	if lines := strings.Count(out, "\n"); lines != 2 {
		t.Errorf("%d lines: %s", lines, out)
	}
	var first struct{ Message json.RawMessage }
	if err := json.Unmarshal([]byte(strings.Split(out, "\n")[1]), &first); err != nil {
		t.Fatal(err)
	}
	code, out, errs = run(t.Context(), none, "hub", url, "history", "room:1", "--since", string(first.Message)) // a message has a position
	want("history since", code, out, errs, 0, `"data":"four"`)
	code, out, errs = run(t.Context(), none, "hub", url, "history", "room:1", "--since", `{"epoch":"other","offset":1}`)
	want("history of another epoch", code, out, errs, 0, "some messages since then are not kept")
	code, out, errs = run(t.Context(), none, "hub", url, "history", "room:1", "--since", `5`)
	want("no position", code, out, errs, 2, "--since: a position")
	code, out, errs = run(t.Context(), none, "hub", url, "subscribe", "room:1", "--history", "3", "--count", "3")
	want("subscribe", code, out, errs, 0, `"data":{"n":2}`, `"data":[3]`, `"data":"four"`)
}

// TestHubSubscribe: what is said is written as it comes, until an interrupt.
func TestHubSubscribe(t *testing.T) {
	url, _ := startHub(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	r, w := io.Pipe()
	p := &Program{Stdin: strings.NewReader(""), Stdout: w, Stderr: io.Discard}
	ended := make(chan int, 1)
	go func() {
		ended <- p.Run(ctx, []string{"hub", url, "subscribe", "room:1", "room:2"})
		w.Close()
	}()
	lines := newReader(r)
	hear := func(want string) {
		t.Helper()
		line, err := lines.line()
		if err != nil || !strings.Contains(string(line), want) {
			t.Fatalf("%s, %v, want %s", line, err, want)
		}
	}
	hear(`{"subscribed":{"channel":"room:`) // in any order
	hear(`{"subscribed":{"channel":"room:`)
	none := strings.NewReader("")
	if code, out, errs := run(t.Context(), none, "hub", url, "presence", "room:1"); code != 0 || !strings.HasPrefix(out, `{"user":null,"connection":"`) || strings.Count(out, "\n") != 1 {
		t.Errorf("presence: %d %s %s", code, out, errs)
	}
	if code, out, errs := run(t.Context(), none, "hub", url, "publish", "room:2", `"hello"`); code != 0 {
		t.Errorf("publish: %d %s %s", code, out, errs)
	}
	hear(`{"join":{"channel":"room:2"`)
	hear(`"data":"hello"`)
	hear(`{"leave":{"channel":"room:2"`)
	interrupt()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestHubRefused: what cannot be is said, with the exit code of that.
func TestHubRefused(t *testing.T) {
	url, front := startHub(t)
	none, wrong := strings.NewReader(""), filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{url, "subscribe", "other:1"}, 1, "other:1: unknown_channel"},
		{[]string{url, "presence", "other:1"}, 1, "unknown_channel"},
		{[]string{url, "history", "room:*"}, 1, "bad_request"},
		{[]string{url, "history", "room:1", "--token", "x"}, 1, "4501: not authorized"},
		{[]string{url, "history", "room:1", "--token", "@no such file"}, 1, "--token: open no such file"},
		{[]string{"ws" + strings.TrimPrefix(front.URL, "http") + "/other", "presence", "room:1"}, 1, "404"},
		{[]string{"ws://127.0.0.1:1", "presence", "room:1"}, 1, "refused"},
		{[]string{"host/hub", "presence", "room:1"}, 2, "did you mean ws://host/hub?"},
		{[]string{url, "subscribe"}, 2, "CHANNEL is missing"},
		{[]string{url, "subscribe", "room:1", "--count", "-1"}, 2, "--count"},
		{[]string{url, "top", "--key", "@" + wrong}, 1, "unauthorized"},
		{[]string{url, "top", "--key", hubKey}, 2, "@FILE is wanted"}, // CF5
		{[]string{url, "top", "--key", "@" + os.DevNull}, 1, "there is nothing in"},
		{[]string{url, "top"}, 2, "--key"},
		{[]string{url}, 2, `expected one of "subscribe"`},
		{[]string{url, "say", "room:1"}, 2, "unexpected argument say"},
		{[]string{"say", url, "room:1"}, 2, "unexpected argument say"},
		{[]string{url, "--token", "x", "history", "room:1"}, 1, "4501: not authorized"},
		{[]string{url, "top", "--key", "@x", "--every", "1ms"}, 2, "--every"},
		{[]string{front.URL + "/other", "top", "--key", "@" + wrong}, 1, "is there a hub at"},
	} {
		code, out, errs := run(t.Context(), none, append([]string{"hub"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%q: exit code %d, %q, %q; want %d, %q", c.args, code, out, errs, c.code, c.want)
		}
	}
}

// What has ended a connection is said the same, whoever hears of it first.
func TestHubWhy(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	m := &mouthpiece{ctx: ctx, end: end}
	gone := &curlew.CloseError{Code: 4501, Reason: "not authorized", Remote: true}
	const want = "closed by the server: 4501: not authorized"
	if err := m.why(gone); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	end(ended(gone))
	if err := m.why(net.ErrClosed); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestHubTop: a line each time, with what went on since the one before.
func TestHubTop(t *testing.T) {
	url, _ := startHub(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("# of top\n\n"+hubKey+"\nanother-key-0123456\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := strings.NewReader("")
	code, out, errs := run(t.Context(), none, "hub", url+"/?a=b", "top", "--key", "@"+file, "--every", "100ms", "--count", "2")
	if code != 0 || strings.Count(out, "\n") != 2 || !strings.Contains(out, `"clients":0,"channels":0,"published":0`) || errs != "" {
		t.Errorf("%d %s %s", code, out, errs)
	}
	at := time.Now()
	then := &sample{at: at, channels: map[string]listed{"a": {"a", 1, 10}, "b": {"b", 9, 5}, "d": {"d", 1, 90}}}
	now := &sample{at: at.Add(2 * time.Second), channels: map[string]listed{"a": {"a", 1, 30}, "b": {"b", 9, 5}, "c": {"c", 2, 1000}, "d": {"d", 1, 4}}}
	now.info.Published, now.info.Channels = 21, 4
	text, err := json.Marshal(now.since(then, 3))
	const want = `"clients":0,"channels":4,"published":10.5,"delivered":0,"lost":0,"tooSlow":0,"busiest":[` +
		`{"channel":"a","subscribers":1,"published":10},{"channel":"d","subscribers":1,"published":2},{"channel":"b","subscribers":9,"published":0}]}`
	if err != nil || !strings.HasSuffix(string(text), want) {
		t.Errorf("%s, want %s", text, want)
	}
}
