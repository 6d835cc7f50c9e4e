// Command gws echoes with github.com/lxzan/gws, or with -all sends what it gets to all
// who are connected. It checks UTF-8, as ours does.
package main

import (
	"flag"
	"net"
	"sync"

	"github.com/lxzan/gws"

	"curlew.example/curlew/bench/internal/peer"
)

type echo struct {
	gws.BuiltinEventHandler
	message func([]byte) bool
}

func (e *echo) OnPing(c *gws.Conn, p []byte) { _ = c.WritePong(p) }

func (e *echo) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if e.message(m.Bytes()) {
		_ = c.WriteMessage(m.Opcode, m.Bytes())
	}
}

// A room is all who are connected.
type room struct {
	gws.BuiltinEventHandler
	mu    sync.RWMutex
	conns map[*gws.Conn]bool
}

func (r *room) OnOpen(c *gws.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = true
}

func (r *room) OnClose(c *gws.Conn, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

func (r *room) OnMessage(_ *gws.Conn, m *gws.Message) {
	b := gws.NewBroadcaster(m.Opcode, append([]byte(nil), m.Bytes()...))
	defer b.Close()
	m.Close()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for c := range r.conns {
		_ = b.Broadcast(c)
	}
}

func main() {
	all := flag.Bool("all", false, "send what comes to all")
	peer.Main(func(o *peer.Options) *peer.Peer {
		d := gws.PermessageDeflate{
			Enabled:               o.Deflate != "",
			ServerContextTakeover: o.Deflate == "ct",
			ClientContextTakeover: o.Deflate == "ct",
		}
		return &peer.Peer{
			Serve: func(addr string) error {
				var h gws.Event = &echo{message: func([]byte) bool { return true }}
				if *all {
					h = &room{conns: make(map[*gws.Conn]bool)}
				}
				s := gws.NewServer(h, &gws.ServerOption{
					CheckUtf8Enabled: true, Recovery: gws.Recovery, PermessageDeflate: d,
					ReadMaxPayloadSize: peer.MaxMessage, WriteMaxPayloadSize: peer.MaxMessage,
				})
				s.OnError = func(c net.Conn, _ error) { c.Close() } // the default logs each
				return s.Run(addr)
			},
			Dial: func(url string, message func([]byte) bool) error {
				c, _, err := gws.NewClient(&echo{message: message}, &gws.ClientOption{
					Addr: url, CheckUtf8Enabled: true, Recovery: gws.Recovery, PermessageDeflate: d,
					ReadMaxPayloadSize: peer.MaxMessage, WriteMaxPayloadSize: peer.MaxMessage,
				})
				if err != nil {
					return err
				}
				c.ReadLoop()
				return nil
			},
		}
	})
}
