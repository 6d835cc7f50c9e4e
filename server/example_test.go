package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/handler/broadcast"
	"curlew.example/curlew/server/handler/echo"
	"curlew.example/curlew/server/handler/respond"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// The examples are those of docs/embedding.md, which a test compares with this
// file.

const siteOfHandlers = `{
    listen: '127.0.0.1:0',
    webSockets: { ping: '30 s' },
    routes: [
        { match: '/websock/{controller}', handler: 'websock', websock: { prefix: '> ' }, limits: { maxMessage: '4 KB' } },
        { match: '/status', handler: 'status', allow: '127.0.0.0/8' },
        { match: '/rooms/{room}', handler: 'broadcast' },
        { match: '/', handler: 'respond', respond: { body: 'a page\n' } },
    ],
}
`

// controllerOf has what a path can ask for.
var controllerOf = map[string]func(c *curlew.Conn, p []byte) []byte{
	"upper": func(c *curlew.Conn, p []byte) []byte { return bytes.ToUpper(p) },
	"count": func(c *curlew.Conn, p []byte) []byte {
		n, _ := c.Value().(int)
		c.SetValue(n + 1)
		return fmt.Append(nil, n+1)
	},
}

// websock is a handler. It is called once for each route that names it.
func websock(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	prefix := ""
	if own := r.Settings; own != nil {
		var ok bool
		if prefix, ok = own.Any().(map[string]any)["prefix"].(string); !ok {
			return nil, r.From.Errorf("websock.prefix is missing, or no text")
		}
	}
	return ws(func(r *http.Request) (*curlew.Events, error) {
		act := controllerOf[r.PathValue("controller")]
		if act == nil {
			return nil, &curlew.HandshakeError{Status: http.StatusNotFound}
		}
		return &curlew.Events{
			Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
				c.Send(t, append([]byte(prefix), act(c, p)...))
			},
			Close: func(c *curlew.Conn, err *curlew.CloseError) {
				log.Printf("%v has left: %v", c.Info().RemoteAddr, err)
			},
		}, nil
	}), nil
}

// status is any handler of net/http's.
func status(*site.Route, route.Endpoint) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "fine\n")
	}), nil
}

// Run runs the site in a file until ctx is done. It tells its addresses.
func Run(ctx context.Context, file string, ready func(urls []string)) error {
	s, err := config.Load(file, "websock", "status")
	if err != nil {
		return err // every error of the file, with its place
	}
	srv, err := server.New(s, server.Options{Handlers: map[string]route.Constructor{
		"broadcast": new(broadcast.Rooms).New,
		"respond":   respond.New,
		"status":    status,
		"websock":   websock,
	}})
	if err != nil {
		return err
	}
	if err := srv.Listen(); err != nil {
		return err
	}
	ready(srv.URLs())
	return srv.Serve(ctx) // until ctx is done and all is drained
}

// A program with handlers of its own, whose names stand in the site file.
func ExampleNew() {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	dir, err := os.MkdirTemp("", "site")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "site.json5")
	if err := os.WriteFile(file, []byte(siteOfHandlers), 0o666); err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	urls := make(chan []string)
	ended := make(chan error)
	go func() { ended <- Run(ctx, file, func(u []string) { urls <- u }) }()
	url := (<-urls)[0]

	ask := func(path string, texts ...string) {
		c, err := curlew.Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+path, nil)
		if refused := (*curlew.HandshakeError)(nil); errors.As(err, &refused) {
			fmt.Println(path, refused.Status)
			return
		} else if err != nil {
			log.Fatal(err)
		}
		defer c.Close(curlew.NormalClosure, "")
		for _, text := range texts {
			c.Send(curlew.Text, []byte(text))
			_, p, err := c.Read(ctx, nil)
			fmt.Println(path, string(p), err)
		}
	}
	ask("/websock/upper", "hello")
	ask("/websock/count", "a", "b")
	ask("/websock/none")
	a, err := http.Get(url + "/status")
	if err != nil {
		log.Fatal(err)
	}
	text, _ := io.ReadAll(a.Body)
	a.Body.Close()
	fmt.Printf("/status %d %q\n", a.StatusCode, text)

	stop()
	fmt.Println(<-ended)
	// Output:
	// /websock/upper > HELLO <nil>
	// /websock/count > 1 <nil>
	// /websock/count > 2 <nil>
	// /websock/none 404
	// /status 200 "fine\n"
	// <nil>
}

// A site in the mux of a program that has a server of its own.
func ExampleServer_ServeHTTP() {
	s, err := config.Parse("site.json5", []byte(`{
		routes: [
			{ match: '/live/echo', handler: 'echo', limits: { webSocketsPerIP: 10 } },
			{ match: '/live/rooms/{room}', handler: 'broadcast' },
		],
	}`))
	if err != nil {
		log.Fatal(err)
	}
	live, err := server.New(s, server.Options{Handlers: map[string]route.Constructor{
		"broadcast": new(broadcast.Rooms).New,
		"echo":      echo.New,
	}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/live/", live)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "a program") })
	front := httptest.NewServer(mux) // any http.Server

	ctx, stop := context.WithCancel(context.Background())
	drained := make(chan error)
	go func() { drained <- live.Serve(ctx) }()

	c, err := curlew.Dial(ctx, "ws"+strings.TrimPrefix(front.URL, "http")+"/live/echo", nil)
	if err != nil {
		log.Fatal(err)
	}
	c.Send(curlew.Text, []byte("hello"))
	_, p, err := c.Read(ctx, nil)
	fmt.Println(string(p), err)

	// The end: first the WebSockets, then front.Shutdown, which does not know them.
	stop()
	_, _, err = c.Read(context.Background(), nil)
	var end *curlew.CloseError
	if errors.As(err, &end) {
		fmt.Println(end.Code)
	}
	fmt.Println(<-drained)
	front.Close()
	// Output:
	// hello <nil>
	// 1001 going away
	// <nil>
}
