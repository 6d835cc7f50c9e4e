// Package client is the Go client of the hub: channels over one connection that
// comes back by itself.
//
//	c := client.New("wss://example.com/hub", nil)
//	defer c.Close()
//	c.Subscribe("room:7", &client.Events{
//		Message: func(m *client.Message) { fmt.Printf("%s\n", m.Data) },
//	})
//	at, err := c.Publish(ctx, "room:7", []byte(`"hello"`), nil)
//
// # What is promised
//
// A subscription is given each message of its channel once and in order, over any
// number of lost connections; where that is impossible, Events.Gap is called before
// what comes next. A Publish that returns without an error was stored once, also if
// the connection was lost while it was under way: it is repeated with a dedupe key, for
// as long as the server knows that.
//
// The client connects again after a time that is random, up to one that doubles from
// half a second to half a minute, and begins anew when a connection has lasted five
// seconds. It obeys what the server says about when to return, and stops where
// returning makes no sense: docs/hub.md.
package client
