package proxy

import (
	"net/http"
	"strings"

	"curlew.example/curlew/server/route"
)

// hopByHop are the fields that are for the next hop alone. RFC 9110, 7.6.1.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
}

// removeHops removes the fields of this hop, those that Connection names among
// them.
func removeHops(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.Trim(name, " \t"))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// told are the fields in which proxies tell of the client. Nothing that a client
// sends in them passes, in whatever spelling a backend could take for them; what
// trusted proxies say in them is in the request by now.
var told = map[string]bool{
	"forwarded": true, "x-forwarded": true, "x-forwarded-for": true, "x-forwarded-host": true, "x-forwarded-proto": true,
	"x-forwarded-port": true, "x-forwarded-server": true, "x-forwarded-scheme": true, "x-forwarded-ssl": true,
	"x-forwarded-by": true, "x-forwarded-prefix": true, "x-real-ip": true, "proxy": true,
}

// address changes the header of a request on its way to the backend: in is the
// client's. It comes after removeHops, so that Connection cannot remove what is
// set here.
func (p *proxy) address(h http.Header, in *http.Request) {
	for name := range h {
		if told[strings.ReplaceAll(strings.ToLower(name), "_", "-")] {
			delete(h, name)
		}
	}
	if a := route.Address(in); a.IsValid() {
		h.Set("X-Forwarded-For", a.String())
	}
	h.Set("X-Forwarded-Host", in.Host)
	h.Set("X-Forwarded-Proto", "http")
	if in.TLS != nil {
		h.Set("X-Forwarded-Proto", "https")
	}
	for _, f := range p.headers {
		if len(f.Values) == 0 {
			delete(h, f.Name)
		} else {
			h[f.Name] = append([]string(nil), f.Values...)
		}
	}
}

// hostFor is the Host of a request on its way to the backend: the client's, which
// the backend's own checks of Origin depend on.
func (p *proxy) hostFor(in *http.Request) string {
	if p.host != "" {
		return p.host
	}
	return in.Host
}

// path is the path and the query for the backend, as they came.
func (p *proxy) path(in *http.Request) (path, query string) {
	path = p.target.Path + in.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	return path, in.URL.RawQuery
}

// isToken reports whether s can be the name of a field. RFC 9110, 5.6.2.
func isToken(s string) bool {
	const marks, digits, letters = "!#$%&'*+-.^_`|~", "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return s != "" && strings.Trim(s, marks+digits+letters) == ""
}
