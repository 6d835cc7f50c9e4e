package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"curlew.example/curlew"
)

// server starts ours. Its connections' ends come out of the channel.
func server(t *testing.T) (url string, ends <-chan *curlew.CloseError) {
	t.Helper()
	closed := make(chan *curlew.CloseError, 100)
	mux := http.NewServeMux()
	for path, c := range map[string]*curlew.Compression{
		"/plain":    nil,
		"/deflate":  {MinSize: -1},
		"/window":   {MinSize: -1, WindowBits: 10},
		"/takeover": {MinSize: -1, ServerContext: true, ClientContext: true},
	} {
		o := &curlew.Options{Subprotocols: []string{"v2", "v1"}, Compression: c}
		mux.Handle(path, curlew.Handle(o, func(*http.Request) (*curlew.Events, error) {
			return &curlew.Events{
				Message: answer,
				Close:   func(_ *curlew.Conn, e *curlew.CloseError) { closed <- e },
			}, nil
		}))
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http"), closed
}

// answer does what the package comment says of servers.
func answer(c *curlew.Conn, typ curlew.Type, p []byte) {
	text := ""
	if typ == curlew.Text {
		text = string(p)
	}
	var code curlew.Code
	switch {
	case text == "!fragments":
		go fragments(c)
	case text == "!ping":
		// Not here: the pong is for the reader, which is us.
		go func() {
			if _, err := c.Ping(context.Background()); err == nil {
				c.Send(curlew.Text, []byte("pong"))
			}
		}()
	case strings.HasPrefix(text, "!close "):
		fmt.Sscanf(text, "!close %d", &code)
		reason := strings.SplitN(text, " ", 3)[2]
		c.Close(code, reason)
	default:
		c.Send(typ, p)
	}
}

func fragments(c *curlew.Conn) {
	w, err := c.Writer(context.Background(), curlew.Text)
	if err != nil {
		return
	}
	for _, s := range []string{"one ", "two ", "three"} {
		w.WriteFrame([]byte(s))
	}
	w.Close()
}

// usual is what every client of theirs sees of ours, without compression. Our
// answer to their Close has its code, not its reason.
func usual(more map[string]any) map[string]any {
	m := map[string]any{
		"protocol": "v1", "extensions": "", "text": "grüß dich", "empty": "",
		"binary": true, "again": true, "received": "one two three", "ping": "pong",
	}
	for k, v := range more {
		m[k] = v
	}
	return m
}

// check compares what a client saw with what it should see, and how our side of
// its connections ended: the first by the client's 4001, the second by our 4002.
func check(t *testing.T, got, want map[string]any, ends <-chan *curlew.CloseError) {
	t.Helper()
	for k := range want {
		if !reflect.DeepEqual(got[k], want[k]) {
			t.Errorf("%s: the client saw %q, want %q", k, got[k], want[k])
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: the client saw %q, nothing is wanted", k, got[k])
		}
	}
	theirs, ours := <-ends, <-ends
	if theirs.Code == 4002 { // the two connections end in either order
		theirs, ours = ours, theirs
	}
	if e := theirs; e.Code != 4001 || e.Reason != "bye" || !e.Remote || !e.Orderly() {
		t.Errorf("closed by the client: %v (orderly %v)", e, e.Orderly())
	}
	if e := ours; e.Code != 4002 || e.Reason != "that is it" || e.Remote || !e.Orderly() {
		t.Errorf("closed by us: %v (orderly %v)", e, e.Orderly())
	}
}

func TestClientWS(t *testing.T) {
	node := needNode(t)
	for _, c := range []struct{ path, deflate, extensions string }{
		{"/plain", "off", ""},
		{"/plain", "on", ""},
		{"/deflate", "off", ""},
		{"/deflate", "on", "permessage-deflate"},
		{"/window", "on", "permessage-deflate"},
		{"/takeover", "on", "permessage-deflate"},
	} {
		t.Run(c.path[1:]+"_"+c.deflate, func(t *testing.T) {
			url, ends := server(t)
			got := saw(t, node, "peers/ws_client.mjs", url+c.path, c.deflate)
			check(t, got, usual(map[string]any{
				"extensions": c.extensions, "fragments": "eins zwei", "pong": "hello",
				"close": "4001 ", "closedBy": "4002 that is it", "refused": 400.0,
			}), ends)
		})
	}
}

func TestClientUndici(t *testing.T) {
	node := needNode(t)
	for _, path := range []string{"/plain", "/deflate", "/window", "/takeover"} {
		t.Run(path[1:], func(t *testing.T) {
			url, ends := server(t)
			got := saw(t, node, "peers/undici_client.mjs", url+path)
			// The browser's interface shows the answer's whole text; its name is what
			// counts here.
			ext, _ := got["extensions"].(string)
			if name, _, _ := strings.Cut(ext, ";"); (name == "permessage-deflate") != (path != "/plain") {
				t.Errorf("extensions %q", ext)
			}
			check(t, got, usual(map[string]any{
				"extensions": ext, "close": "4001  true", "closedBy": "4002 that is it true", "refused": "1006  false",
			}), ends)
		})
	}
}

func TestClientPython(t *testing.T) {
	python := needPython(t)
	for _, c := range []struct{ path, deflate, extensions string }{
		{"/plain", "off", ""},
		{"/plain", "on", ""},
		{"/deflate", "on", "permessage-deflate"},
		{"/window", "on", "permessage-deflate"},
		{"/takeover", "on", "permessage-deflate"},
	} {
		t.Run(c.path[1:]+"_"+c.deflate, func(t *testing.T) {
			url, ends := server(t)
			got := saw(t, python, "peers/websockets_client.py", url+c.path, c.deflate)
			check(t, got, usual(map[string]any{
				"extensions": c.extensions, "fragments": "eins zwei", "pong": "hello",
				"close": "4001 ", "closedBy": "4002 that is it", "refused": 400.0,
			}), ends)
		})
	}
}
