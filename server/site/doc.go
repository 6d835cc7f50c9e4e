// Package site holds what a site file says: the types of its values, the reader
// of its JSON5 and the strict decoder between them. It knows nothing of
// connections: package config reads a file through it, package route and the
// handlers read their settings from the result.
//
// # The types
//
//	Site       the whole file: listen, tls, log, routes and what routes inherit
//	Route      one route: match or pattern, methods, hosts, handler, its settings
//	Setting    a value together with the place in the file that says it
//	Limits     limits.* of a route; SiteLimits adds those of a listener
//	Timeouts   timeouts.* of a route; SiteTimeouts adds those of a listener
//	WebSockets webSockets.* of a route, Compression among them
//	Headers    header fields that are added to answers
//	Broadcast, File, Proxy, Static, Respond, Redirect   the settings of the handlers
//	Listen, TLS, Certificate, Log
//	Ranges     ranges of addresses
//	Place, Error, Errors        where something stands and what is wrong with it
//	Node       a value of the JSON5 text, for settings that others define
//
// # Reading
//
// [Parse] turns a text into a [Site] or into [Errors], all of them at once, each
//
//	file:line:column: path: what was found; what would be right
//
// A Site is complete: defaults are filled in, each Route has inherited what the
// top level says, relative paths start at the folder of the file. A [Setting]
// whose From.Line is 0 is a default. Limits and times that are off are
// [Unlimited]. A Site is not changed by this package once it is returned; any
// number of goroutines may read it.
//
// # Adding a key
//
// The definitions in definitions.go and handlers.go are the only place that
// knows a key: its name, type, default and documentation. The decoder, the
// suggestions in errors and docs/settings.md come from them.
package site
