// Command coder echoes with github.com/coder/websocket. It checks no UTF-8: the
// library has no such check.
package main

import (
	"context"
	"net/http"

	"github.com/coder/websocket"

	"curlew.example/curlew/bench/internal/peer"
)

func main() {
	peer.Main(func(o *peer.Options) *peer.Peer {
		mode := websocket.CompressionDisabled
		switch o.Deflate {
		case "nct":
			mode = websocket.CompressionNoContextTakeover
		case "ct":
			mode = websocket.CompressionContextTakeover
		}
		return &peer.Peer{
			Serve: func(addr string) error { return serve(addr, mode) },
			Dial: func(url string, message func([]byte) bool) error {
				c, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{CompressionMode: mode})
				if err != nil {
					return err
				}
				echo(c, message)
				return nil
			},
		}
	})
}

func serve(addr string, mode websocket.CompressionMode) error {
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode})
		if err != nil {
			return
		}
		echo(c, func([]byte) bool { return true })
	}))
}

func echo(c *websocket.Conn, message func([]byte) bool) {
	defer c.CloseNow()
	c.SetReadLimit(peer.MaxMessage)
	ctx := context.Background()
	for {
		t, p, err := c.Read(ctx)
		if err != nil {
			return
		}
		if message(p) && c.Write(ctx, t, p) != nil {
			return
		}
	}
}
