package conform

import (
	"net/http"
	"slices"
	"strings"
)

// What a server must not accept. RFC 6455, 4.2.1: it stops processing the
// handshake and returns an answer with an error code.

const wrongSpec = "RFC 6455, 4.2.1"

// refused is a case whose request must be refused.
func refused(title string, edits ...edit) Case {
	return Case{Title: title, Script: script{refuses(nil, edits...)}}
}

// wrongRequests have a wrong first line or Host.
func wrongRequests() []Case {
	var methods []Case
	for _, m := range []string{"POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "Get", "GETS", "G"} {
		methods = append(methods, Case{Title: "method " + m, Script: script{
			asked{edits: []edit{line(m + " {path} HTTP/1.1")}, accept: Failed, plain: true, statuses: anyError}}})
	}
	first := func(title, text string) Case {
		return Case{Title: title, Script: script{asked{edits: []edit{line(text)}, accept: Failed, plain: true, drop: true, statuses: anyError}}}
	}
	return slices.Concat(
		group("8.8", wrongSpec, "the request is a GET, and methods are sensitive to case", methods...),
		group("8.9", wrongSpec, "the request is of HTTP/1.1 or higher",
			first("HTTP/1.0", "GET {path} HTTP/1.0"),
			Case{Title: "HTTP/1.0 with keep-alive", Script: script{
				asked{edits: []edit{line("GET {path} HTTP/1.0"), set("Connection", "keep-alive, Upgrade")}, accept: Failed, plain: true, statuses: anyError}}},
			first("HTTP/0.9", "GET {path} HTTP/0.9"),
			Case{Title: "HTTP/2.0", Script: script{asked{edits: []edit{line("GET {path} HTTP/2.0")}, accept: NonStrict, plain: true, drop: true, statuses: anyError,
				note: "HTTP/2.0 is higher than HTTP/1.1, but has no such requests"}}},
			first("no version", "GET {path}"),
			first("http/1.1 in lower case", "GET {path} http/1.1"),
			first("HTTP/1.1 with more behind it", "GET {path} HTTP/1.1x"),
		),
		group("8.10", wrongSpec+", and RFC 9112, 3.2", "the request has a valid Host, once",
			refused("no Host", del("Host")),
			refused("Host twice, the same", add("Host", "{host}")),
			refused("Host twice", add("Host", "other.example")),
			Case{Title: "Host with a space", Script: script{shouldRefuse("a Host that is none is to be answered with 400", set("Host", "exam ple.com"))}},
			Case{Title: "Host with a port that is no number", Script: script{shouldRefuse("a Host that is none is to be answered with 400", set("Host", "example.com:http"))}},
			Case{Title: "Host with user information", Script: script{shouldRefuse("a Host that is none is to be answered with 400", set("Host", "user@example.com"))}},
			Case{Title: "Host with a slash", Script: script{shouldRefuse("a Host that is none is to be answered with 400", set("Host", "example.com/path"))}},
			Case{Title: "Host is empty", Script: script{mayAccept("it serves any host", set("Host", ""))}},
			Case{Title: "Host with port 99999", Script: script{mayAccept("it serves any host", set("Host", "example.com:99999"))}},
		),
		group("8.11", "RFC 9112, 3.2", "the target of a GET is a path or an absolute URI of http or https, without a fragment",
			Case{Title: "target *", Script: script{shouldRefuse("the target * is for OPTIONS", line("GET * HTTP/1.1"))}},
			refused("target is a host and a port", line("GET {host} HTTP/1.1")),
			refused("no target", line("GET  HTTP/1.1")),
			Case{Title: "target with a fragment", Script: script{shouldRefuse("a target has no fragment", line("GET {path}#fragment HTTP/1.1"))}},
			Case{Title: "target with a space", Script: script{shouldRefuse("a target has no space", line("GET {path}{?}a b HTTP/1.1"))}},
			Case{Title: "target without its slash", Script: script{shouldRefuse("a path begins with a slash", line("GET chat HTTP/1.1"))}},
			Case{Title: "absolute target with user information", Script: script{shouldRefuse("it is to be treated as an error (RFC 9110, 4.2.4)", line("GET {scheme}://user@{host}{path} HTTP/1.1"))}},
			Case{Title: "absolute target of ftp", Script: script{mayAccept("any scheme will do", line("GET ftp://{host}{path} HTTP/1.1"))}},
			Case{Title: "absolute target with another host than Host", Script: script{mayAccept("it serves any host", line("GET {scheme}://other.example{path} HTTP/1.1"))}},
			Case{Title: "target with a broken escape", Script: script{mayAccept("it takes any target", line("GET {path}{?}%zz HTTP/1.1"))}},
		),
	)
}

// wrongUpgrades do not ask for a WebSocket, quite.
func wrongUpgrades() []Case {
	ignored := func(title string, edits ...edit) Case { return Case{Title: title, Script: script{ignores(edits...)}} }
	return slices.Concat(
		group("8.12", wrongSpec, "the request has an Upgrade with the value websocket",
			ignored("no Upgrade", del("Upgrade")),
			ignored("Upgrade is empty", set("Upgrade", "")),
			ignored("Upgrade: h2c", set("Upgrade", "h2c")),
			ignored("Upgrade: websocket2", set("Upgrade", "websocket2")),
			ignored("Upgrade: xwebsocket", set("Upgrade", "xwebsocket")),
			ignored("Upgrade: web-socket", set("Upgrade", "web-socket")),
			ignored("Upgrade: h2c websocket, without a comma", set("Upgrade", "h2c websocket")),
			ignored("Upgrade: web, socket", set("Upgrade", "web, socket")),
			ignored("Upgrade: websocket in quotes", set("Upgrade", `"websocket"`)),
			ignored("Upgrade: a NUL in websocket", set("Upgrade", "web\x00socket")),
			Case{Title: "Upgrade: websocket/13", Script: script{mayAccept("it takes a version too", set("Upgrade", "websocket/13"))}},
		),
		group("8.13", wrongSpec, "the request has a Connection with the token Upgrade",
			ignored("no Connection", del("Connection")),
			ignored("Connection is empty", set("Connection", "")),
			ignored("Connection: keep-alive", set("Connection", "keep-alive")),
			ignored("Connection: close", set("Connection", "close")),
			ignored("Connection: upgrad", set("Connection", "upgrad")),
			ignored("Connection: upgraded", set("Connection", "upgraded")),
			ignored("Connection: xupgrade", set("Connection", "xupgrade")),
			ignored("Connection: keep-alive Upgrade, without a comma", set("Connection", "keep-alive Upgrade")),
			ignored("Connection: websocket", set("Connection", "websocket")),
		),
	)
}

// wrongKeys: RFC 6455, 4.2.1 wants 16 bytes in base64, 4.2.2 says that a server
// need not decode them.
func wrongKeys() []Case {
	all := group("8.14", wrongSpec+" and 11.3.1", "the request has one Sec-WebSocket-Key that is not empty",
		refused("no key", del("Sec-WebSocket-Key")),
		refused("the key is empty", set("Sec-WebSocket-Key", "")),
		refused("the key is nothing but space", set("Sec-WebSocket-Key", " \t ")),
		refused("two keys", add("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")),
		Case{Title: "two keys, the same", Script: script{shouldRefuse("the key must not stand twice",
			set("Sec-WebSocket-Key", sampleKey), add("Sec-WebSocket-Key", sampleKey))}},
		refused("a key by the name of a former draft", del("Sec-WebSocket-Key"), add("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
			add("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"), behind([]byte("^n:ds[4U"))),
	)
	var keys []Case
	for _, k := range []struct{ title, key string }{
		{"a key of 15 bytes", "AAAAAAAAAAAAAAAAAAAA"},
		{"a key of 17 bytes", "AAAAAAAAAAAAAAAAAAAAAAA="},
		{"a key of one byte", "AA=="},
		{"a key of 6 KiB", strings.Repeat("A", 6<<10)},
		{"a key without its padding", "AAAAAAAAAAAAAAAAAAAAAA"},
		{"a key with half its padding", "AAAAAAAAAAAAAAAAAAAAAA="},
		{"a key with more padding", "AAAAAAAAAAAAAAAAAAAAAA==="},
		{"a key in the alphabet of URLs", "-_-_-_-_-_-_-_-_-_-_-w=="},
		{"a key with a space", "AAAAAAAAAA AAAAAAAAAAAA=="},
		{"a key with a character that is none of base64", "AAAAAAAAAA!AAAAAAAAAAA=="},
		{"a key with more behind it", "AAAAAAAAAAAAAAAAAAAAAA==x"},
		{"a list of two keys", "AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA=="},
		{"a key in hex", "00000000000000000000000000000000"},
	} {
		keys = append(keys, Case{Title: k.title, Script: script{
			shouldRefuse("the key is not 16 bytes in base64, but it need not be decoded (RFC 6455, 4.2.2)", set("Sec-WebSocket-Key", k.key))}})
	}
	keys = append(keys, Case{Title: "a key with bits that count for nothing", Script: script{
		mayRefuse("it takes canonical base64 only (RFC 4648, 3.5)", nil, set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAB=="))}})
	return append(all, group("8.15", wrongSpec, "the key is 16 bytes in base64", keys...)...)
}

// wrongVersions: there is 13 and no other.
func wrongVersions() []Case {
	const rule = "the request has Sec-WebSocket-Version with the value 13"
	all := group("8.16", wrongSpec+" and 11.3.5", rule,
		refused("no version", del("Sec-WebSocket-Version")),
		refused("two versions, 13 first", add("Sec-WebSocket-Version", "8")),
		refused("two versions, 13 last", set("Sec-WebSocket-Version", "8"), add("Sec-WebSocket-Version", "13")),
		Case{Title: "13 twice", Script: script{shouldRefuse("the version must not stand twice", add("Sec-WebSocket-Version", "13"))}},
	)
	var some []Case
	for _, v := range []string{"0", "6", "7", "8", "12", "14", "25", "113", "130", "255", "256", "013", "13.0", "-13", "+13", "0x0d", "1 3", "13, 8", "8, 13", "thirteen", "100000000000000000013", ""} {
		step := refuses(nil, set("Sec-WebSocket-Version", v))
		switch v {
		case "7", "8": // what browsers once spoke; its frames are those of 13
			step = mayAccept("it speaks version "+v+" too", set("Sec-WebSocket-Version", v))
		}
		some = append(some, Case{Title: "version " + excerpt([]byte(v)), Script: script{step}})
	}
	all = append(all, group("8.17", wrongSpec+" and 4.4", rule, some...)...)
	lists := func(s *session, r *http.Response) error {
		if !hasToken(r.Header.Values("Sec-WebSocket-Version"), "13") {
			return s.failed("its refusal does not say that it speaks version 13")
		}
		return nil
	}
	return append(all, group("8.18", "RFC 6455, 4.2.2 and 4.4", "the refusal of a version has Sec-WebSocket-Version with those that the server speaks",
		Case{Title: "the refusal of version 12 lists 13", Script: script{refusesWith(lists, set("Sec-WebSocket-Version", "12"))}},
		Case{Title: "the refusal of version 14 lists 13", Script: script{refusesWith(lists, set("Sec-WebSocket-Version", "14"))}},
		Case{Title: "the refusal of version 255 lists 13", Script: script{refusesWith(lists, set("Sec-WebSocket-Version", "255"))}},
		Case{Title: "who is told of version 13 connects with it", Script: script{refusesWith(func(s *session, r *http.Response) error {
			if err := lists(s, r); err != nil {
				return err
			}
			return also(echo(ahoy)).run(s)
		}, set("Sec-WebSocket-Version", "14"))}},
	)...)
}
