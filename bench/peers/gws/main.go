// Command gws echoes with github.com/lxzan/gws. It checks UTF-8, as ours does.
package main

import (
	"net"

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

func main() {
	peer.Main(func(o *peer.Options) *peer.Peer {
		d := gws.PermessageDeflate{
			Enabled:               o.Deflate != "",
			ServerContextTakeover: o.Deflate == "ct",
			ClientContextTakeover: o.Deflate == "ct",
		}
		return &peer.Peer{
			Serve: func(addr string) error {
				s := gws.NewServer(&echo{message: func([]byte) bool { return true }}, &gws.ServerOption{
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
