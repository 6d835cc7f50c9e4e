package fallback_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"curlew.example/curlew"
	"curlew.example/curlew/fallback"
)

// An endpoint behind a proxy that takes upgrades away, and a client that does not mind.
func Example() {
	ws := curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}, nil
	})
	both := fallback.Handler(ws, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Upgrade") // the proxy
		both.ServeHTTP(w, r)
	}))
	defer srv.Close()

	ctx := context.Background()
	c, err := curlew.Dial(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println("no WebSocket")
		c, err = fallback.Dial(ctx, srv.URL, nil)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, curlew.Text, []byte("hello"))
	_, p, err := c.Read(ctx, nil)
	fmt.Printf("%s %v\n", p, err)
	c.Close(curlew.NormalClosure, "")
	<-c.Done()
	// Output:
	// no WebSocket
	// hello <nil>
}
