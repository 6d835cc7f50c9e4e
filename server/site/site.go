package site

import (
	"net/http"
	"regexp"
	"time"
)

// Unlimited is the value of a limit or a time that is turned off, by
// 'unlimited' or a word like it. curlew.Options means the same by a negative
// number.
const Unlimited = -1

// A Setting is a value of the file, or its default.
type Setting[T any] struct {
	Value T

	// From is where the file says it. Line 0: nowhere, Value is the default.
	From Place
}

// Set reports whether the file says the value, be it at the top level.
func (s Setting[T]) Set() bool { return s.From.Line > 0 }

// A Site is what a site file says.
type Site struct {
	File string // the name given to Parse
	Dir  string // where relative paths start

	Listen []Listen
	TLS    *TLS // nil: none
	Log    Log
	Routes []*Route // in the order of the file: the first that matches answers

	// What the top level says. Routes have inherited it already; what is left
	// here is for the listeners and for requests that no route matches.
	Limits     SiteLimits
	Timeouts   SiteTimeouts
	WebSockets WebSockets
	Origins    Setting[[]string]
	Headers    Headers

	Access Access

	Fallback Setting[bool] // WebSockets are there over plain HTTP too

	// TrustedProxies are those whose X-Forwarded-* fields count.
	TrustedProxies Setting[Ranges]

	Hub Hub

	// ClientScript is the path of curlew.js; "" is none.
	ClientScript Setting[string]

	root *Node // what was read, for Settings
}

// A Listen is an address that connections are accepted on.
type Listen struct {
	// Network is "tcp" or "unix", and Address what net.Listen wants with it: a
	// host with a port, of which the host may be empty and the port 0, or a path.
	Network, Address string

	// Secure says that TLS is spoken there: https.
	Secure bool

	From Place
}

// A Log says what is logged and how.
type Log struct {
	Level    Setting[string] // "debug", "info", "warn" or "error"
	Format   Setting[string] // "text" or "json"; "": text on a terminal, JSON else
	Requests Setting[bool]   // a line for each request
}

// A Route says which requests a handler answers, and how.
type Route struct {
	From Place // its object in the file

	// Match is the path as settings.md describes it, Pattern a regular
	// expression instead. Both empty: every path.
	Match   Setting[string]
	Pattern Setting[string]

	// Regexp is Pattern compiled by CompilePattern; nil without one.
	Regexp *regexp.Regexp

	// Captures are the names that Match or Pattern captures, in order.
	Captures []string

	Methods Setting[[]string] // empty: every method
	Hosts   Setting[[]string] // in lower case, without port, IPv6 in brackets; empty: every host
	Handler Setting[string]

	// The settings of the handler: the one that Handler names is never nil, the
	// others always are.
	Broadcast *Broadcast
	Exec      *Exec
	File      *File
	Hub       *Hub // the Site's
	Proxy     *Proxy
	Static    *Static
	Respond   *Respond
	Redirect  *Redirect

	// Settings is the object of a handler that the embedding program brought;
	// nil if the file has none.
	Settings *Node

	Limits     Limits
	Timeouts   Timeouts
	WebSockets WebSockets
	Access     Access
	Origins    Setting[[]string] // besides the server's own; "*" is every one
	Headers    Headers
	Fallback   Setting[bool] // WebSockets are there over plain HTTP too

	// Private are the files and folders of the site that no route is to show: the site
	// file itself, keys, users.
	Private []string

	handlers []field // the definitions of all handlers' settings
}

// Limits are those of a route, in bytes unless noted. Each may be Unlimited.
type Limits struct {
	MaxMessage   Setting[int64]
	MaxFrame     Setting[int64]
	MaxPacket    Setting[int64]
	MaxFragments Setting[int] // frames
	SendQueue    Setting[int64]

	// Open WebSockets of the route, and of each client of it.
	WebSockets      Setting[int]
	WebSocketsPerIP Setting[int]

	// Received of one peer in a second.
	MessagesPerSecond Setting[int]
	BytesPerSecond    Setting[int64]
}

// SiteLimits are the Limits that routes inherit and those that hold before the
// route is known.
type SiteLimits struct {
	Limits
	Head       Setting[int64] // bytes of a request's head; never Unlimited
	HeadFields Setting[int]   // limits.headers: fields of it, or Unlimited

	// Open connections of the server, and of each client. May be Unlimited.
	Connections      Setting[int]
	ConnectionsPerIP Setting[int]
}

// Timeouts are those of a route. Each may be Unlimited.
type Timeouts struct {
	Pong       Setting[time.Duration]
	Inactivity Setting[time.Duration]
	Request    Setting[time.Duration]
	Close      Setting[time.Duration]
	Write      Setting[time.Duration]
}

// SiteTimeouts are the Timeouts that routes inherit and those of the listeners.
type SiteTimeouts struct {
	Timeouts
	Handshake Setting[time.Duration] // may be Unlimited
	Drain     Setting[time.Duration] // never Unlimited
}

// WebSockets are the settings of a route's WebSockets that are neither limits
// nor timeouts.
type WebSockets struct {
	Protocol        Setting[[]string] // in order of preference; empty: none
	RequireProtocol Setting[bool]
	Ping            Setting[time.Duration] // may be Unlimited
	ValidateUTF     Setting[bool]
	PreserveFrames  Setting[bool]
	Compression     Compression
	WhenFull        Setting[string] // "close", "dropOldest" or "dropNewest"
}

// Compression is permessage-deflate.
type Compression struct {
	Enabled       Setting[bool] // by true, or by an object with settings
	Level         Setting[int]  // 1 to 9
	MinSize       Setting[int64]
	ServerContext Setting[bool]
	ClientContext Setting[bool]
	WindowBits    Setting[int]   // 9 to 15
	Memory        Setting[int64] // of both contexts of all connections of a route; may be Unlimited
}

// Static are the settings of the handler static.
type Static struct {
	Directory Setting[string] // relative ones are resolved already
}

// Respond are the settings of the handler respond.
type Respond struct {
	Status  Setting[int]
	Headers Headers
	Body    Setting[string]
}

// Redirect are the settings of the handler redirect.
type Redirect struct {
	To     Setting[string] // with ${name} for captures
	Status Setting[int]
}

// Headers are fields for an answer, in the order of the file, each name once.
type Headers []Header

// A Header is a field with its values, one line each; without values it says
// that an inherited one is not wanted. Names and values are checked: no value
// can begin another line.
type Header struct {
	Name   string // as net/http writes it
	Values []string
	From   Place
}

// Header returns the fields as net/http has them, in a new map; nil for none.
func (h Headers) Header() http.Header {
	if len(h) == 0 {
		return nil
	}
	m := make(http.Header, len(h))
	for _, f := range h {
		if len(f.Values) == 0 {
			continue
		}
		m[f.Name] = append([]string(nil), f.Values...)
	}
	return m
}
