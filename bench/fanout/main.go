// Command fanout is the server whose broadcasts are measured: with the library alone,
// every message goes to all who are connected; with the hub, it is published by
// requests of curlew.v1 in channels that anybody may use. Nobody is pinged.
package main

import (
	"flag"
	"log"
	"net/http"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/hub"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	mode := flag.String("mode", "prepared", "prepared: SendPrepared to all; hub: package hub")
	flag.Parse()
	var h http.Handler
	switch *mode {
	case "prepared":
		h = new(room).handler()
	case "hub":
		channels, err := hub.New(&hub.Options{Namespaces: map[string]*hub.Namespace{"c": {Publish: hub.Anyone}}})
		if err != nil {
			log.Fatal(err)
		}
		h = channels.Handler(&hub.HandlerOptions{Conn: &curlew.Options{PingInterval: -1}})
	default:
		log.Fatalf("-mode %s: prepared or hub", *mode)
	}
	log.Fatal(http.ListenAndServe(*addr, h))
}

// A room is all who are connected.
type room struct {
	mu      sync.Mutex
	members curlew.Fanout[*member]
}

type member struct {
	curlew.Seat
	conn *curlew.Conn
}

func (r *room) handler() http.Handler {
	ev := &curlew.Events{
		Open: func(c *curlew.Conn) {
			m := &member{conn: c}
			c.SetValue(m)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.members.Add(m)
		},
		Message: func(_ *curlew.Conn, t curlew.Type, p []byte) {
			message := curlew.Prepare(t, p)
			r.mu.Lock()
			defer r.mu.Unlock()
			for m, b := range r.members.All() {
				b.Send(m.conn, message)
			}
		},
		Close: func(c *curlew.Conn, _ *curlew.CloseError) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.members.Remove(c.Value().(*member))
		},
	}
	return curlew.Handle(&curlew.Options{PingInterval: -1}, func(*http.Request) (*curlew.Events, error) { return ev, nil })
}
