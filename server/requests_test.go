package server_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew/server/route"
)

const ok = `routes: [
	{ match: '/echo', handler: 'echo' },
	{ match: '/post', methods: ['POST'], handler: 'respond', respond: { body: 'posted' } },
	{ match: '/', handler: 'respond', respond: { body: 'fine' } },
]`

// What every kind of listener must refuse, and that it closes the connection: the
// request that is pipelined behind is never served.
func TestRefusedAndClosed(t *testing.T) {
	t.Parallel()
	fields := func(n int) string { return strings.Repeat("a: b\r\n", n) }
	cases := []struct{ name, request, want string }{
		{"H1-1 bare LF", "GET / HTTP/1.1\nHost: site.example\n\n", "400"},
		{"H1-1 bare LF in one line", "GET / HTTP/1.1\r\nHost: site.example\r\nA: b\n\r\n", "400"},
		{"H1-1 bare LF at the end", "GET / HTTP/1.1\r\nHost: site.example\r\n\n", "400"},
		{"H1-1 bare LF on a handshake", strings.ReplaceAll(upgrade("/echo"), "\r\n", "\n"), "400"},
		{"H1-2 folded line", "GET / HTTP/1.1\r\nHost: site.example\r\nA: b\r\n c\r\n\r\n", "400"},
		{"H1-2 folded handshake", strings.Replace(upgrade("/echo"), "Upgrade: websocket", "Upgrade:\r\n websocket", 1), "400"},
		{"H1-3 length and coding", "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"H1-3 coding and length", "POST /post HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400"},
		{"H1-4 two lengths", "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "400"},
		{"H1-4 length list", "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: 1, 1\r\n\r\na", "400"},
		{"H1-4 signed length", "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: +1\r\n\r\na", "400"},
		{"H1-4 negative length", "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: -1\r\n\r\na", "400"},
		{"H1-4 endless length", "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: 18446744073709551616\r\n\r\na", "400"},
		{"H1-5 gzip, chunked", "POST /post HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"},
		{"H1-5 xchunked", "POST /post HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: xchunked\r\n\r\n", "501"},
		{"H1-5 identity", "POST /post HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: identity\r\n\r\n", "501"},
		{"H1-5 vertical tab", "POST /post HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", "400"},
		{"H1-5 coding in 1.0", "POST /post HTTP/1.0\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"H1-7 space before colon", "GET / HTTP/1.1\r\nHost: site.example\r\nA : b\r\n\r\n", "400"},
		{"H1-7 NUL", "GET / HTTP/1.1\r\nHost: site.example\r\nA: \x00\r\n\r\n", "400"},
		{"H1-7 bare CR", "GET / HTTP/1.1\r\nHost: site.example\r\nA: b\rc\r\n\r\n", "400"},
		{"H1-7 8-bit name", "GET / HTTP/1.1\r\nHost: site.example\r\n\xe4: b\r\n\r\n", "400"},
		{"H1-7 no colon", "GET / HTTP/1.1\r\nHost: site.example\r\nA\r\n\r\n", "400"},
		{"H1-16 TRACE", "TRACE / HTTP/1.1\r\nHost: site.example\r\n\r\n", "405"},
		{"H1-16 CONNECT", "CONNECT site.example:80 HTTP/1.1\r\nHost: site.example\r\n\r\n", "405"},
		{"HS2 version 1.2", "GET / HTTP/1.2\r\nHost: site.example\r\n\r\n", "505"},
		{"HS4 method in lower case", "get / HTTP/1.1\r\nHost: site.example\r\n\r\n", "501"},
		{"HS26 head over the limit", "GET / HTTP/1.1\r\nHost: site.example\r\nA: " + strings.Repeat("a", 16<<10) + "\r\n\r\n", "431"},
		{"HS26 ten thousand fields", "GET / HTTP/1.1\r\nHost: site.example\r\n" + fields(10000) + "\r\n", "431"},
		{"HS27 a field too many", "GET / HTTP/1.1\r\nHost: site.example\r\n" + fields(100) + "\r\n", "431"},
		{"HS27 on a handshake", upgrade("/echo", fields(96)), "431"},
		{"HS28 long target", "GET /" + strings.Repeat("a", 8<<10) + " HTTP/1.1\r\nHost: site.example\r\n\r\n", "414"},
		{"HS28 very long target", "GET /" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: site.example\r\n\r\n", "431"},
		{"HS29 ten thousand cookies", "GET / HTTP/1.1\r\nHost: site.example\r\nCookie: " + strings.Repeat("a=;", 10000) + "\r\n\r\n", "431"},
		{"HS30 hundred thousand parameters", "GET /?" + strings.Repeat("a=&", 100000) + " HTTP/1.1\r\nHost: site.example\r\n\r\n", "431"},
		{"H1-11 one field of 7 MB", "GET / HTTP/1.1\r\nHost: site.example\r\nA: " + strings.Repeat("a", 7<<20) + "\r\n\r\n", "431"},
		{"HS35 upgrade of nothing", upgrade("/echo/nothing"), "200"},
		{"HS38 absolute, no HTTP", "GET ftp://site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n", "400"},
		{"HS38 absolute with a password", "GET http://a:b@site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n", "400"},
		{"M5 fragment", "GET /a#b HTTP/1.1\r\nHost: site.example\r\n\r\n", "400"},
		{"M5 h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
		{"M8 no host", "GET / HTTP/1.1\r\n\r\n", "400"},
		{"M8 two hosts", "GET / HTTP/1.1\r\nHost: site.example\r\nHost: site.example\r\n\r\n", "400"},
		{"M7 refused handshake", upgrade("/echo", "Origin: https://evil.example\r\n"), "403"},
		{"M7 h2c", "GET / HTTP/1.1\r\nHost: site.example\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "200"},
	}
	both(t, ok, func(t *testing.T, r *running) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if got := codes(r.on(t).say(c.request + get)); got != c.want {
					t.Errorf("%s, want %s and the end", got, c.want)
				}
			})
		}
	})
}

// What is in order is served, and the connection kept.
func TestServed(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, request, want string }{
		{"as it should be", "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n", "200 200"},
		{"a body that is not read", "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: 5\r\n\r\nGET /", "200 200"},
		{"a body with a bare LF", "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: 4\r\n\r\n\n\n\n\n", "200 200"},
		{"a hundred fields", "GET / HTTP/1.1\r\nHost: site.example\r\n" + strings.Repeat("a: b\r\n", 99) + "\r\n", "200 200"},
		{"the longest target", "GET /" + strings.Repeat("a", 8<<10-1) + " HTTP/1.1\r\nHost: site.example\r\n\r\n", "200 200"},
		{"an absolute target", "GET http://site.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n", "200 200"},
		{"chunked ends the connection", "POST /post HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "200"},
	}
	both(t, ok, func(t *testing.T, r *running) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				if got := codes(r.say(c.request + get)); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		}
	})
}

// H1-9: ten thousand requests in one stream are answered in order.
func TestH1_9Pipelined(t *testing.T) {
	t.Parallel()
	both(t, "log: { requests: false }, "+ok, func(t *testing.T, r *running) {
		const n = 10000
		list := r.say(strings.Repeat("GET / HTTP/1.1\r\nHost: site.example\r\n\r\n", n-1) + get)
		if len(list) != n {
			t.Fatalf("%d answers", len(list))
		}
		for i, a := range list {
			if a.StatusCode != 200 {
				t.Fatalf("answer %d: %s", i, a.Status)
			}
		}
	})
}

// A head at fault far behind others is refused in its place.
func TestFaultBehindOthers(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	one := "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n"
	post := "POST /post HTTP/1.1\r\nHost: site.example\r\nContent-Length: 3\r\n\r\nabc"
	bad := "GET / HTTP/1.1\r\nHost: site.example\r\nA: b\r\n c\r\n\r\n"
	if got := codes(r.say(one + post + one + bad + get)); got != "200 200 200 400" {
		t.Error(got)
	}
}

// H1-10: what speaks something else gets 400 or nothing.
func TestH1_10OtherProtocols(t *testing.T) {
	t.Parallel()
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 100) + "\r\n\r\n"
	r := start(t, "{ @plain, "+ok+" }", nil)
	for name, bytes := range map[string]string{
		"TLS": hello, "SSH": "SSH-2.0-OpenSSH_9.2\r\n\r\n", "SOCKS": "\x05\x01\x00\r\n\r\n", "frames": "\x81\x80\x00\x00\x00\x00\r\n\r\n",
	} {
		if got := codes(r.say(bytes)); got != "400" && got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// H1-12: a body that nobody reads is thrown away up to a limit, then the
// connection ends.
func TestH1_12UnreadBody(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	c := r.connect()
	go func() {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: site.example\r\nContent-Length: 1073741824\r\n\r\n")
		p := make([]byte, 64<<10)
		for n := 0; n < 1<<30; n += len(p) {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	}()
	if got := codes(answers(c)); got != "200" {
		t.Error(got)
	}
}

// HS31, HS32, HS33: heads that come too slowly, not at all, or half.
func TestHS31HS32HS33UnfinishedHeads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := pairIn(t, dir)
	const d = 10 * time.Second // the default
	more := map[string]route.Constructor{"reach": made(func(http.ResponseWriter, *http.Request) { t.Error("a handler was called") })}
	for kind, listen := range map[string]string{"plain": "", "tls": withTLS} {
		for name, sent := range map[string]string{
			"HS32 nothing": "", "HS31 a byte": "G", "HS31 half a head": "GET / HTTP/1.1\r\nHost: site.example\r\nA:", "HS33 and then the end": "GET / HTTP/1.1\r\nHost: si",
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				inBubble(t, dir, listen+"routes: [{ handler: 'reach' }]", more, func(t *testing.T, b *bubble) {
					var c interface {
						net.Conn
						CloseWrite() error
					}
					if kind == "tls" {
						c = b.secure(roots)
					} else {
						c = b.connect()
					}
					defer c.Close()
					began := time.Now()
					io.WriteString(c, sent)
					ends := strings.HasPrefix(name, "HS33")
					if ends {
						c.CloseWrite()
					}
					// net/http takes a line that was cut off for one that ended.
					if got := codes(answers(c)); got != "" && got != "400" {
						t.Error(got)
					}
					if !ends {
						onTime(t, "the end", began, d)
					}
				})
			})
		}
	}
	// TL1: a TLS handshake that never comes, and one that stops.
	for name, sent := range map[string]string{"TL1 nothing": "", "TL1 half a hello": "\x16\x03\x01\x02\x00\x01"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, dir, withTLS+"routes: [{ handler: 'reach' }]", more, func(t *testing.T, b *bubble) {
				c, err := b.network.DialContext(t.Context(), "tcp", "site:443")
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				began := time.Now()
				io.WriteString(c, sent)
				io.Copy(io.Discard, c)                                                     // until it is dropped
				if took := time.Since(began); took < d || took > d+1100*time.Millisecond { // a moment for what was said last
					t.Errorf("dropped after %v", took)
				}
			})
		})
	}
}

// HS31: the time of the head runs from the accept, however the bytes dribble.
func TestHS31Dribble(t *testing.T) {
	inBubble(t, "", "timeouts: { handshake: '20 s' }, "+ok, nil, func(t *testing.T, b *bubble) {
		began, c := time.Now(), b.connect()
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					io.WriteString(c, "a")
				}
			}
		}()
		if got := codes(answers(c)); got != "" && got != "400" {
			t.Error(got)
		}
		onTime(t, "the end", began, 20*time.Second)
		close(stop)
		<-done
	})
}

// timeouts.write begins when there is something to write: a handler may take longer
// for an answer without a body, too.
func TestSlowHandler(t *testing.T) {
	slow := made(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(time.Minute)
		switch r.URL.Path {
		case "/head":
			w.WriteHeader(http.StatusNoContent)
		case "/body":
			io.WriteString(w, "late")
		}
	})
	inBubble(t, "", `timeouts: { write: '1 s' }, routes: [{ handler: 'slow' }]`, map[string]route.Constructor{"slow": slow}, func(t *testing.T, b *bubble) {
		for path, want := range map[string]string{"/head": "204", "/body": "200", "/nothing": "200"} {
			c := b.connect()
			io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n")
			if got := codes(answers(c)); got != want {
				t.Errorf("%s: %q, want %s", path, got, want)
			}
		}
	})
}

// HS35: an upgrade where there is no WebSocket gets the ordinary answer, and the
// end.
func TestHS35UpgradeElsewhere(t *testing.T) {
	t.Parallel()
	both(t, `routes: [
		{ match: '/echo', handler: 'echo' },
		{ match: '/gone', handler: 'redirect', redirect: { to: '/echo' } },
		{ match: '/files/', handler: 'static', static: { directory: '.' } },
	]`, func(t *testing.T, r *running) {
		for target, want := range map[string]string{
			"/nothing": "404", "/gone": "302", "/files/none": "404", "/files/site.json5x": "404", "/echo/x": "404", "/../echo": "400",
		} {
			if got := codes(r.say(upgrade(target) + get)); got != want {
				t.Errorf("%s: %s, want %s and the end", target, got, want)
			}
		}
	})
}

// HS5: a plain GET on a WebSocket route.
func TestHS5PlainGet(t *testing.T) {
	t.Parallel()
	both(t, ok, func(t *testing.T, r *running) {
		c := r.connect()
		io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: site.example\r\n\r\n"+get)
		answer, _ := io.ReadAll(c)
		head, _, _ := strings.Cut(string(answer), "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 426 ") || !strings.Contains(head, "\r\nConnection: close\r\nConnection: Upgrade\r\n") ||
			!strings.Contains(head, "\r\nUpgrade: websocket\r\n") || strings.Count(string(answer), "HTTP/1.1 ") != 1 {
			t.Errorf("%s", answer)
		}
	})
}

// HS38: the host of the target is the one that counts, for routes and origins.
func TestHS38AbsoluteTarget(t *testing.T) {
	t.Parallel()
	both(t, `routes: [{ match: '/echo', hosts: ['good.example'], handler: 'echo' }]`, func(t *testing.T, r *running) {
		ask := func(target, host, origin string) string {
			u := strings.Replace(upgrade(target, "Origin: "+origin+"\r\n"), "site.example", host, 1)
			return codes(r.say(u + get))
		}
		scheme, _, _ := strings.Cut(r.url(), ":")
		if got := ask("http://evil.example/echo", "good.example", scheme+"://good.example"); got != "421" {
			t.Errorf("another host in the target: %s", got)
		}
		if got := ask("http://good.example/echo", "evil.example", scheme+"://evil.example"); got != "403" {
			t.Errorf("another host in Host and Origin: %s", got)
		}
		if got := ask("http://good.example/echo", "evil.example", scheme+"://good.example"); got != "101" {
			t.Errorf("the right host in the target: %s", got)
		}
	})
}

func TestHeadersOfARoute(t *testing.T) {
	t.Parallel()
	both(t, `headers: { 'X-Site': 'all', Vary: 'Origin' }, routes: [
		{ match: '/echo', headers: { 'X-Route': ['one', 'two'] }, handler: 'echo' },
		{ match: '/files/', handler: 'static', static: { directory: '.' } },
		{ match: '/a', headers: { 'Content-Type': 'text/html', 'X-Site': 'mine' }, handler: 'respond', respond: { body: 'x', headers: { 'X-Own': '1' } } },
	]`, func(t *testing.T, r *running) {
		field := func(request, name string) string {
			list := r.say(request)
			if len(list) != 1 {
				t.Fatalf("%s", codes(list))
			}
			return strings.Join(list[0].Header[name], "|")
		}
		plain := func(path string) string { return strings.Replace(get, "GET / ", "GET "+path+" ", 1) }
		for _, c := range []struct{ request, name, want string }{
			{upgrade("/echo"), "X-Site", "all"}, // 101
			{upgrade("/echo"), "X-Route", "one|two"},
			{upgrade("/echo"), "X-Inactivity-Timeout", "300"},
			{upgrade("/echo"), "X-Request-Timeout", ""},
			{plain("/echo"), "X-Route", "one|two"}, // 426
			{plain("/none"), "X-Site", "all"},      // no route
			{plain("/files/none"), "X-Site", "all"},
			{plain("/files/site.pem"), "Vary", "Accept-Encoding|Origin"},
			{plain("/a"), "X-Site", "mine"},
			{plain("/a"), "X-Own", "1"},
			{plain("/a"), "Content-Type", "text/plain; charset=utf-8"}, // the handler knows
		} {
			if got := field(c.request, c.name); got != c.want {
				t.Errorf("%.20q: %s %q, want %q", c.request, c.name, got, c.want)
			}
		}
	})
}
