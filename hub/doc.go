// Package hub is channels over WebSocket connections: publish and subscribe,
// presence, history, and resuming exactly where a lost connection was.
//
// # A hub
//
//	h, err := hub.New(&hub.Options{Namespaces: map[string]*hub.Namespace{
//		"room": {History: hub.History{Size: 1000, Age: 10 * time.Minute}, Presence: true},
//	}})
//	http.Handle("/hub", h.Handler(nil))
//
// Clients speak the protocol curlew.v1 of package proto: curlew.js in pages, package
// hub/client in Go. The program itself publishes by [Hub.Publish], and asks and acts
// by the other methods.
//
// # What is promised
//
// Messages of a channel have one order, the same for all, and offsets that grow
// within an epoch. A message has its offset when it is in the history, both in one
// step. Who subscribes with the position that it had before gets what it has missed,
// then what is new, in order and nothing twice; or is told, in the answer or by a
// gap, that something is lost. docs/hub.md says how, and what was tried to break it.
//
// # Slow consumers
//
// A publication never waits for a subscriber. What happens to one that does not keep
// up is said by [Namespace.WhenSlow].
//
// # What this package does not know
//
// Messages are opaque. Where they are stored and how they get to other nodes is a
// [Broker]'s business: [Memory] for one node. Who somebody is, and what a token
// means, is decided by functions in [Options]. The hub knows connections, not what
// carries them.
package hub
