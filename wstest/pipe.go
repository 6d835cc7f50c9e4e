package wstest

import "curlew.example/curlew"

// Pipe returns the two sides of a connection in memory, past the handshake: no
// subprotocol and no compression. The options are those of each side; nil is
// the default. It works in a bubble of testing/synctest if it is called there,
// and both sides are closed there before it ends.
func Pipe(server, client *curlew.Options) (s, c *curlew.Conn) {
	a, b := NewLink(nil)
	return curlew.NewConn(a, curlew.Server, server), curlew.NewConn(b, curlew.Client, client)
}
