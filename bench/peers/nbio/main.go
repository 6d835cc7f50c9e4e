// Command nbio echoes with github.com/lesismal/nbio: epoll, its own HTTP, its
// handlers on a pool of goroutines. It checks UTF-8.
package main

import (
	"net/http"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"curlew.example/curlew/bench/internal/peer"
)

func main() {
	logging.SetLevel(logging.LevelError)
	peer.Main(func(o *peer.Options) *peer.Peer {
		compress := o.Deflate != "" // without takeover; it has no other
		var client *nbhttp.Engine   // started when it is needed
		return &peer.Peer{
			Serve: func(addr string) error {
				u := upgrader(compress, func([]byte) bool { return true })
				e := nbhttp.NewEngine(nbhttp.Config{
					Network: "tcp", Addrs: []string{addr}, ReadLimit: 2 * peer.MaxMessage,
					Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.Upgrade(w, r, nil) }),
				})
				u.Engine = e
				if err := e.Start(); err != nil {
					return err
				}
				select {}
			},
			Dial: func(url string, message func([]byte) bool) error {
				if client == nil {
					client = nbhttp.NewEngine(nbhttp.Config{ReadLimit: 2 * peer.MaxMessage})
					if err := client.Start(); err != nil {
						return err
					}
				}
				u := upgrader(compress, message)
				u.Engine = client
				closed := make(chan struct{})
				u.OnClose(func(*websocket.Conn, error) { close(closed) })
				d := websocket.Dialer{Engine: client, Upgrader: u}
				if _, _, err := d.Dial(url, nil); err != nil {
					return err
				}
				<-closed
				return nil
			},
		}
	})
}

func upgrader(compress bool, message func([]byte) bool) *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.MessageLengthLimit = peer.MaxMessage
	u.EnableCompression(compress)
	u.OnMessage(func(c *websocket.Conn, t websocket.MessageType, p []byte) {
		if message(p) {
			c.WriteMessage(t, p)
		}
	})
	return u
}
