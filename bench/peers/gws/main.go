// Command gws is an echo server on github.com/lxzan/gws, to compare with. UTF-8
// is checked, as ours is.
package main

import (
	"flag"
	"log"
	"net"

	"github.com/lxzan/gws"
)

type echo struct{ gws.BuiltinEventHandler }

func (echo) OnPing(c *gws.Conn, p []byte) { _ = c.WritePong(p) }

func (echo) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	flag.Parse()
	s := gws.NewServer(echo{}, &gws.ServerOption{CheckUtf8Enabled: true, ReadMaxPayloadSize: 64 << 20})
	s.OnError = func(c net.Conn, _ error) { c.Close() } // the default logs each
	log.Fatal(s.Run(*addr))
}
