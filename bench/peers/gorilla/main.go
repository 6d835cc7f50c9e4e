// Command gorilla echoes with github.com/gorilla/websocket. It checks no UTF-8:
// the library leaves that to the application, and so does its example of an echo.
package main

import (
	"net/http"

	"github.com/gorilla/websocket"

	"curlew.example/curlew/bench/internal/peer"
)

func main() {
	peer.Main(func(o *peer.Options) *peer.Peer {
		compress := o.Deflate != "" // without takeover; it has no other
		return &peer.Peer{
			Serve: func(addr string) error { return serve(addr, compress) },
			Dial: func(url string, message func([]byte) bool) error {
				d := websocket.Dialer{EnableCompression: compress}
				c, _, err := d.Dial(url, nil)
				if err != nil {
					return err
				}
				echo(c, message)
				return nil
			},
		}
	})
}

func serve(addr string, compress bool) error {
	up := websocket.Upgrader{EnableCompression: compress}
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		echo(c, func([]byte) bool { return true })
	}))
}

func echo(c *websocket.Conn, message func([]byte) bool) {
	defer c.Close()
	c.SetReadLimit(peer.MaxMessage)
	for {
		t, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		if message(p) && c.WriteMessage(t, p) != nil {
			return
		}
	}
}
