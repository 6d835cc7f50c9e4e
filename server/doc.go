// Package server runs a site: it opens the listeners of a site file, builds its
// routes and serves them until it is told to stop, and then drains.
//
//	s, err := server.New(site, server.Options{Handlers: handlers})
//	if err != nil { … }
//	if err := s.Listen(); err != nil { … }
//	fmt.Println(s.URLs())
//	err = s.Serve(ctx) // until ctx is done and all is drained
//
// # A request's way
//
//	listen.go       accepts
//	generation.go   what one site file made: handlers, net/http's server
//	watched.go      limits the time to the end of the first request head, makes TLS
//	head.go         watches the bytes of request heads go by on their way to net/http
//	gate.go         refuses what no handler should see; closes what asked for an
//	                upgrade and did not get it
//	answer.go       what all answers have in common: headers of the route, deadlines
//	body.go         what all bodies of requests have in common: how long they may take
//	route           picks the handler
//	endpoint.go     makes a WebSocket of it, with what all of a route have
//	conns.go        knows the WebSockets that are open, for the drain
//	script.go       serves the browser's client in front of the routes
//	embed.go        takes the requests of somebody else's server instead
//
// HTTP/1.1 is the only version for now, but for requests of somebody else's server.
package server
