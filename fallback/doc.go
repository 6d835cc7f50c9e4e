// Package fallback carries WebSockets over plain HTTP, for networks whose proxies
// let HTTP pass but not the upgrade.
//
// # A handler that serves both
//
// [Handler] wraps a handler that accepts WebSockets, whatever library it uses, and
// gives it the same endpoint over plain HTTP, at the same URL:
//
//	ws := curlew.Handle(nil, events)
//	http.Handle("/chat", fallback.Handler(ws, nil))
//
// A request with curlew=… in its query is the fallback's; all others go to the
// handler as they are. To the handler a session looks like a handshake that it
// accepts or refuses, and then like a connection that it has taken over
// ([net/http.Hijacker]): limits, timeouts, close codes and events are its own, and
// nothing in it is written twice.
//
// # What goes over the wire
//
// A session is two streams of bytes with numbered positions, one each way, that
// carry WebSocket frames under the usual rules; extensions are never negotiated.
//
//	POST   URL?curlew=open[&protocol=a,b]        a handshake: {"session":"…","protocol":"…","poll":25000,"window":262144}
//	GET    URL?curlew=SESSION&at=N&mode=stream   the server's bytes from N on, as they come
//	GET    …&mode=sse                            the same as events of server-sent events, in base64
//	GET    …&mode=poll[&wait=MS]                 the same in one answer, as soon as there are any
//	POST   URL?curlew=SESSION&at=N[&ack=M]       the client's bytes from N on
//	DELETE URL?curlew=SESSION                    the client aborts
//
// docs/fallback.md has the rules: what is acknowledged when, who wins, and when a
// session ends. No byte is lost or doubled while a session lives, whatever becomes
// of single requests and their answers.
//
// # Who may use a session
//
// A session has 128 random bits for a name, is bound to the path that it was opened
// on, and to the user, if a request names one. Pages may use it from the origins of
// [Options] only.
//
// # What this package does not know
//
// It never looks into the bytes: what a frame, a message or a Close is, is known to
// the handler above and the client at the other end. It knows no routes, no users
// and no proxies: what it must ask of them are functions in Options.
package fallback
