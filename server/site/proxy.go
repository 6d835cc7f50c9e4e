package site

import (
	"net"
	"net/url"
	"strings"
	"time"
)

// Proxy are the settings of the handler proxy.
type Proxy struct {
	Target  Setting[Target]
	Headers Headers                // of the request to the backend
	Timeout Setting[time.Duration] // may be Unlimited
}

// A Target is where a backend is.
type Target struct {
	// Network is "tcp" or "unix", and Address what net.Dial wants with it.
	Network, Address string

	// Secure says that TLS is spoken there, by a server of the name Name, which
	// has no port. Name may be an address; with a Unix socket it is "localhost".
	Secure bool
	Name   string

	// Path stands in front of the paths of requests. It is escaped and does not
	// end in a slash; mostly it is empty.
	Path string
}

func (p *Proxy) fields() []field {
	return []field{
		{name: "target", to: targetBinding{&p.Target}, required: true, none: "'http://127.0.0.1:9000'",
			doc: "The backend: `http://host:port`, `https://host:port` (`ws` and `wss` mean the same) or `unix:/path`. Behind the host may stand a path, " +
				"which is put in front of the path of every request. The certificate of an https backend is checked, by the host that is written here."},
		{name: "headers", to: headersBinding{p: &p.Headers, asks: true}, none: "none",
			doc: "Fields of the request to the backend: `{ Name: 'value' }`. They replace those of the client by name; an empty list leaves one out. " +
				"`Host` is the client's if it is not given here."},
		{name: "timeout", to: duration(&p.Timeout), def: `'10 s'`,
			doc: "How long it may take to reach the backend, and then until its answer begins; else 504."},
	}
}

// together checks what several keys of proxy say.
func (p *Proxy) together(d *decoder) {
	for _, h := range p.Headers {
		if h.Name != "Host" {
			continue
		}
		if len(h.Values) != 1 {
			d.failAt(h.From, "a request has one Host", "give one value")
		} else if _, _, err := splitHost(h.Values[0], ""); err != nil {
			d.failAt(h.From, quote(h.Values[0])+" is not a host", "write it such as 'example.com' or 'example.com:8080'")
		}
	}
}

// A targetBinding binds the address of a backend.
type targetBinding struct{ p *Setting[Target] }

func (targetBinding) what() string { return "URL" }

func (targetBinding) schema() keywords {
	return keywords{"type": "string", "pattern": "^(([Hh][Tt][Tt][Pp]|[Ww][Ss])[Ss]?://[!-~]+|unix:.+)$"}
}

func (b targetBinding) read(d *decoder, n *Node) {
	var target Target
	_, ok := checked(d, n, "the URL of a backend", func(s string) (err error) {
		target, err = parseTarget(s)
		return err
	})
	if !ok {
		return
	}
	if target.Network == "unix" {
		target.Address = d.resolve(target.Address)
	}
	*b.p = Setting[Target]{Value: target, From: d.at(n)}
}

// withoutUser is a URL, or what was meant for one, as it may be shown.
func withoutUser(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		scheme, _, _ := strings.Cut(s[:at], "//")
		return scheme + "//…" + s[at:]
	}
	return s
}

func parseTarget(s string) (Target, error) {
	wrong := func(right string) (Target, error) {
		return Target{}, problem(quote(withoutUser(s))+" is not a target", right)
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if path == "" || strings.Contains(path, "\x00") {
			return wrong("a path is wanted after unix:, such as 'unix:/run/app.sock'")
		}
		return Target{Network: "unix", Address: path, Name: "localhost"}, nil
	}
	scheme, rest, found := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	port := "80"
	switch {
	case strings.Contains(s, "${"):
		return wrong("a client must not choose the backend: write it out")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7F }):
		return wrong("write other characters as %XX, and names of hosts in ASCII")
	case !found && (strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./")):
		return wrong("did you mean 'unix:" + cutQuoted(s) + "'?")
	case !found:
		return wrong("write it with its scheme, such as 'http://" + cutQuoted(s) + "'")
	case scheme == "https" || scheme == "wss":
		port = "443"
	case scheme != "http" && scheme != "ws":
		return wrong("the scheme is http, https, ws, wss or unix")
	}
	u, err := url.Parse("http://" + rest)
	switch {
	case err != nil:
		return wrong("a URL such as 'http://127.0.0.1:9000' is wanted")
	case u.User != nil:
		return wrong("write it without user and password; headers: { Authorization: '…' } can send them")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return wrong("a target has no query and no fragment")
	}
	name, address, err := splitHost(u.Host, port)
	if err != nil {
		return wrong("a URL such as 'http://127.0.0.1:9000' is wanted")
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." || strings.Contains(segment, "\\") {
			return wrong("write the path without '" + cutQuoted(segment) + "'")
		}
	}
	return Target{Network: "tcp", Address: address, Secure: port == "443", Name: name, Path: path}, nil
}

// splitHost takes a host, perhaps with a port, apart: its name, and the name with
// the port, which is usual if none is given.
func splitHost(s, usual string) (name, address string, err error) {
	wrong := problem("", "")
	name, port := s, usual
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		if name, port = s[:i], s[i+1:]; !isPort(port) || port == "0" {
			return "", "", wrong
		}
	}
	bare, bracketed := strings.CutPrefix(name, "[")
	if bracketed {
		if bare, bracketed = strings.CutSuffix(bare, "]"); !bracketed || !isAddress(bare) || !strings.Contains(bare, ":") {
			return "", "", wrong
		}
	} else if !isHostName(strings.ToLower(strings.TrimSuffix(bare, "."))) {
		return "", "", wrong
	}
	return bare, net.JoinHostPort(bare, port), nil
}
