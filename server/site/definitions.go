package site

import "math"

// fields are the keys of the top level but routes, which comes last: routes
// inherit what the others say.
func (s *Site) fields() []field {
	list := []field{
		{name: "listen", to: listens{&s.Listen}, def: `['127.0.0.1:8080']`,
			doc: "Where connections are accepted: `host:port`, `https://host:port` or `unix:/path`, one or a list. " +
				"The host may be left out for all of the machine's addresses; the port 0 is any that is free."},
		{name: "tls", to: &tlsBinding{p: &s.TLS}, none: "none",
			doc: "What the https addresses need: one object, or a list of them whose certificates the name that the client asks for chooses."},
		{name: "log", to: s.Log.group(), doc: "What is logged."},
		{name: "limits", to: nested{list: append(s.Limits.Limits.fields(), s.Limits.own()...)},
			doc: "Limits of the listeners, and those that routes inherit."},
		{name: "timeouts", to: nested{list: append(s.Timeouts.Timeouts.fields(), s.Timeouts.own()...)},
			doc: "Times of the listeners, and those that routes inherit."},
		{name: "webSockets", to: s.WebSockets.group(), doc: "What routes inherit."},
	}
	list = append(list, common(&s.Origins, &s.Headers, &s.Access)...)
	list = append(list, field{name: "trustedProxies", to: ranges(&s.TrustedProxies, proxies), none: "none",
		doc: "The proxies in front, as ranges of addresses (`'10.0.0.0/8'`, `'::1'`), and `'unix'` for those that come by Unix sockets: " +
			"what they say in `X-Forwarded-For`, `-Proto` and `-Host` of the client, its scheme and the host that it asked for is believed. " +
			"Of a list of addresses the last one that is no trusted proxy's counts. They have to replace or remove what clients send in these fields."})
	list = append(list, fallback(&s.Fallback))
	return append(list,
		field{name: "hub", to: hubBinding{&s.Hub}, none: "none",
			doc: "The hub: what the handler `hub` of any route leads to."},
		field{name: "clientScript", to: clientScript(&s.ClientScript), def: `'/curlew.js'`,
			doc: "Where the browser client is served, for every host, before the routes are asked; not where a route's `match` is exactly this path. `false` turns it off."})
}

// fields are the keys of a route but those of its handler.
func (r *Route) fields() []field {
	list := []field{
		{name: "match", to: text(&r.Match, "path", checkMatch), none: "every path",
			doc: "The path: exact, or with a trailing `/` everything below it. `{name}` captures one segment."},
		{name: "pattern", to: patternBinding(r), none: "none",
			doc: "Instead of `match` a regular expression (RE2), anchored at the start. `{name}` in it means `(?P<name>[^/]+)`."},
		{name: "methods", to: texts(&r.Methods, "method", checkMethod), none: "all",
			doc: "The methods that the route answers. A request whose path matches but whose method does not, of any route, gets 405 with `Allow`."},
		{name: "hosts", to: texts(&r.Hosts, "host", checkHost), none: "all",
			doc: "The hosts that the route answers for: exact, or `*.example.com` for all below example.com. Ports do not matter."},
		{name: "handler", to: text(&r.Handler, "name of a handler", nil), required: true, none: "'echo', 'static', 'respond' or 'redirect'",
			doc: "Who answers. Its settings stand in an object of its name."},
		{name: "limits", to: nested{list: append(r.Limits.fields(), atTop("limits", "head", "headers", "connections", "connectionsPerIP")...)},
			doc: "Limits of this route; what it does not say it inherits."},
		{name: "timeouts", to: nested{list: append(r.Timeouts.fields(), atTop("timeouts", "handshake", "drain")...)},
			doc: "Times of this route; what it does not say it inherits."},
		{name: "webSockets", to: r.WebSockets.group(), doc: "WebSockets of this route; what it does not say it inherits."},
	}
	list = append(list, common(&r.Origins, &r.Headers, &r.Access)...)
	list = append(list, fallback(&r.Fallback))
	return append(list, atTop("", "listen", "tls", "log", "routes", "trustedProxies", "clientScript")...)
}

func fallback(p *Setting[bool]) field {
	return field{name: "fallback", to: boolean(p), def: `true`,
		doc: "The WebSockets of the route are there over plain HTTP too, for networks where upgrades cannot pass: at the same URL, `?curlew=…`, whatever " +
			"`methods` says. All that holds for a handshake holds for opening a session. The handler `proxy` has it only where it is set; else such requests are passed on."}
}

// atTop defines keys that stand at the top level only.
func atTop(group string, names ...string) []field {
	list := make([]field, len(names))
	for i, name := range names {
		where := name
		if group != "" {
			where = group + "." + name
		}
		list[i] = field{name: name, refused: "'" + where + "' stands at the top level: it holds before the route is known"}
	}
	return list
}

// common are the keys that the top level and routes share and that are no group.
func common(origins *Setting[[]string], headers *Headers, access *Access) []field {
	return append([]field{
		{name: "origins", to: texts(origins, "origin", checkOrigin), none: "the server's own",
			doc: "The web origins whose pages may connect, besides the server's own: `https://host[:port]`, `https://*.host`, or `'*'` for all. " +
				"Other origins get 403. A request without `Origin` is accepted unless `Sec-Fetch-Site` says that it comes from another site."},
		{name: "headers", to: headersBinding{p: headers}, none: "none",
			doc: "Fields that are added to every answer, 101 included: `{ Name: 'value' }`, or a list of values for several lines. " +
				"A route inherits those of the top level and may replace each by name; an empty list leaves it out."},
	}, access.fields()...)
}

func (l *Limits) fields() []field {
	list := []field{
		{name: "maxMessage", to: size(&l.MaxMessage, math.MaxInt64), def: `'1 MB'`,
			doc: "A received message, all fragments together, after inflating. A larger one ends the connection with 1009, " +
				"as soon as it is known to be larger. A larger one to be sent whole is refused and the connection lives."},
		{name: "maxFrame", to: size(&l.MaxFrame, math.MaxInt), def: `'128 KB'`,
			doc: "The largest frame that is sent; longer messages leave in several."},
		{name: "maxPacket", to: size(&l.MaxPacket, math.MaxInt), def: `'unlimited'`,
			doc: "The largest piece that the handler gets at once; a larger message arrives in pieces."},
		{name: "maxFragments", to: count(&l.MaxFragments), def: `1024`,
			doc: "Frames of a received message; more end the connection with 1008."},
		{name: "sendQueue", to: size(&l.SendQueue, math.MaxInt), def: `'256 KB'`,
			doc: "Bytes that wait to be sent to one peer. A message of any size is taken into an empty queue; the limit concerns what waits behind it. " +
				"`echo` stops reading instead; of `hub` the namespace's `whenSlow`, of others `webSockets.whenFull` says what happens."},
		{name: "webSockets", to: count(&l.WebSockets), def: `'unlimited'`,
			doc: "Open WebSockets of this route: one more gets 503 with `Retry-After`. A number that is inherited counts for each route by itself."},
		{name: "webSocketsPerIP", to: count(&l.WebSocketsPerIP), def: `'unlimited'`,
			doc: "The same for each client: one more gets 429. A client is an IPv4 address or the /64 of an IPv6 address, " +
				"behind `trustedProxies` the one that they tell. Users behind one address count together."},
		{name: "messagesPerSecond", to: count(&l.MessagesPerSecond), def: `'unlimited'`,
			doc: "Messages received of one peer: a second's worth may come at once, more end the connection with 1008."},
		{name: "bytesPerSecond", to: size(&l.BytesPerSecond, math.MaxInt), def: `'unlimited'`,
			doc: "The same in bytes, those of pings and of frames' headers among them, compressed ones as they come. " +
				"A larger message is refused too, as it cannot come in time."},
	}
	return list
}

// own are the limits of listeners.
func (l *SiteLimits) own() []field {
	list := []field{
		{name: "head", to: someSize(&l.Head, math.MaxInt32), def: `'16 KB'`,
			doc: "The head of a request, top level only; a larger one gets 431."},
		{name: "headers", to: count(&l.HeadFields), def: `100`,
			doc: "Fields of a request's head, top level only; more get 431."},
		{name: "connections", to: count(&l.Connections), def: `'unlimited'`,
			doc: "Open connections of the server, WebSockets among them, top level only. One more gets 503; of many at once some are closed without an answer."},
		{name: "connectionsPerIP", to: count(&l.ConnectionsPerIP), def: `'unlimited'`,
			doc: "The same for each client, which gets 429. The connections of `trustedProxies` are not counted here."},
	}
	return list
}

func (t *Timeouts) fields() []field {
	return []field{
		{name: "pong", to: duration(&t.Pong), def: `'10 s'`,
			doc: "A pinged peer that is not heard of for this long is dropped: 1006."},
		{name: "inactivity", to: duration(&t.Inactivity), def: `'5 mins'`,
			doc: "No frame of any kind received and no message sent for this long ends a connection with 1008. " +
				"The server's pings are not activity, the peer's pongs are. For ordinary requests: idle keep-alive connections, and bodies " +
				"of which nothing more comes, the client's (408) and that of the backend of `proxy` (the answer is cut off)."},
		{name: "request", to: duration(&t.Request), def: `'unlimited'`,
			doc: "The longest life of a connection, which ends with 1008. For ordinary requests: 503 when the answer has not begun."},
		{name: "close", to: duration(&t.Close), def: `'5 s'`,
			doc: "How long an ending may take: the wait for the peer's Close, and then for its end of the connection. " +
				"For ordinary requests: the wait for the rest of a body that nobody reads, once the answer has begun."},
		{name: "write", to: duration(&t.Write), def: `'10 s'`,
			doc: "A peer that takes no bytes for this long is dropped."},
	}
}

// own are the times of listeners.
func (t *SiteTimeouts) own() []field {
	return []field{
		{name: "handshake", to: duration(&t.Handshake), def: `'10 s'`,
			doc: "From accepting a connection to the end of its first request's head, top level only; then it is dropped."},
		{name: "drain", to: someDuration(&t.Drain), def: `'10 s'`,
			doc: "Over how long the closes are spread when the server ends, top level only."},
	}
}

func (w *WebSockets) group() group {
	return nested{list: []field{
		{name: "protocol", to: texts(&w.Protocol, "name", checkProtocol), none: "none",
			doc: "Subprotocols in order of preference, one or a list. The first that the client also offers is selected; none in common gets 400."},
		{name: "requireProtocol", to: boolean(&w.RequireProtocol), def: `false`,
			doc: "A client that offers no subprotocol gets 400, not a connection without one."},
		{name: "ping", to: duration(&w.Ping), def: `'25 s'`,
			doc: "The peer is pinged when nothing was heard of it for this long, 10 % more or less; `'never'` turns it off."},
		{name: "validateUTF", to: boolean(&w.ValidateUTF), def: `true`,
			doc: "Invalid UTF-8 in a text ends the connection with 1007 at the first bad byte. False turns that off, both ways; close reasons are always checked."},
		{name: "preserveFrames", to: boolean(&w.PreserveFrames), def: `false`,
			doc: "The handler gets each frame as it was received, and each block that it sends leaves as one frame, at any size. Overrides `maxPacket` and `maxFrame`, declines compression."},
		{name: "compression", to: compressionBinding{&w.Compression}, def: `false`,
			doc: "permessage-deflate (RFC 7692): `true`, or an object that changes some of its settings."},
		{name: "whenFull", to: word(&w.WhenFull, "close", "dropOldest", "dropNewest"), def: `'close'`,
			doc: "What happens to a message for a peer whose `limits.sendQueue` is full: the connection ends with 1008, or the oldest or newest message is dropped."},
	}}
}

func (c *Compression) fields() []field {
	list := []field{
		{name: "level", to: number(&c.Level, 1, 9), def: `1`,
			doc: "1 is the fastest, 9 packs best."},
		{name: "minSize", to: threshold(&c.MinSize, math.MaxInt32), def: `512`,
			doc: "Messages of this size and more are compressed; 0 compresses all."},
		{name: "serverContext", to: boolean(&c.ServerContext), def: `false`,
			doc: "The server may refer back to earlier messages: packs better, costs about 1 MB for each connection."},
		{name: "clientContext", to: boolean(&c.ClientContext), def: `false`,
			doc: "The client may refer back to earlier messages: costs the server a window, 32 KB, for each connection."},
		{name: "windowBits", to: number(&c.WindowBits, 9, 15), def: `15`,
			doc: "The logarithm of the largest window that either side may use."},
	}
	return append(list, field{name: "memory", to: size(&c.Memory, math.MaxInt64), def: `'unlimited'`,
		doc: "What `serverContext` and `clientContext` may cost, all connections of the route together. When it is spent further connections are compressed without: " +
			"a message then is a little longer. A number that is inherited counts for each route by itself."})
}

func (l *Log) group() group {
	return nested{list: []field{
		{name: "level", to: word(&l.Level, "debug", "info", "warn", "error"), def: `'info'`,
			doc: "What is less important is not logged."},
		{name: "format", to: word(&l.Format, "text", "json"), none: "text on a terminal, else JSON",
			doc: "How lines look."},
		{name: "requests", to: boolean(&l.Requests), def: `true`,
			doc: "A line for each request."},
	}}
}
