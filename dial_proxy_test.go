package curlew_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"curlew.example/curlew"
)

// A wayThrough is a proxy that leads to hosts, by host:port. asked is what it
// was asked, one thing after the other.
type wayThrough struct {
	user, password string // what it wants, if anything
	hosts          map[string]string
	asked          []string
}

// splice carries bytes both ways until either side ends.
func splice(a, b net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(a, b)
		a.Close()
	}()
	io.Copy(b, a)
	b.Close()
	<-done
}

// connect is an HTTP proxy's script.
func (w *wayThrough) connect(c net.Conn) {
	br := bufio.NewReader(c)
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	w.asked = append(w.asked, r.Method+" "+r.RequestURI)
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(w.user+":"+w.password))
	if got := r.Header.Get("Proxy-Authorization"); w.user != "" && got != want {
		io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 5\r\n\r\nwho?\n")
		return
	} else if w.user == "" && got != "" {
		w.asked = append(w.asked, "credentials")
	}
	to, err := net.Dial("tcp", w.hosts[r.Host])
	if err != nil {
		io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	io.WriteString(c, "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n")
	splice(c, to)
}

// socks is a SOCKS5 proxy's script, which sends its answers byte by byte.
func (w *wayThrough) socks(c net.Conn) {
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(c, b)
		return b
	}
	write := func(b ...byte) { io.Copy(c, iotest.OneByteReader(strings.NewReader(string(b)))) }
	methods := read(int(read(2)[1]))
	switch {
	case w.user == "":
		write(5, 0)
	case !slices.Contains(methods, 2):
		write(5, 0xff)
		return
	default:
		write(5, 2)
		name := read(int(read(2)[1]))
		secret := read(int(read(1)[0]))
		if string(name) != w.user || string(secret) != w.password {
			write(1, 1)
			return
		}
		write(1, 0)
	}
	head := read(4)
	var host string
	switch head[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = net.IP(read(16)).String()
	}
	port := read(2)
	address := net.JoinHostPort(host, fmt.Sprint(int(port[0])<<8|int(port[1])))
	w.asked = append(w.asked, fmt.Sprintf("%v %s", head, address))
	to, err := net.Dial("tcp", w.hosts[address])
	if err != nil {
		write(5, 5, 0, 1, 0, 0, 0, 0, 0, 0)
		return
	}
	write(append([]byte{5, 0, 0, 3, 7}, "host.nn\x00\x50"...)...)
	splice(c, to)
}

func TestCC15_Proxies(t *testing.T) {
	for _, proxy := range []string{"http", "https", "socks5", "socks5h"} {
		for _, credentials := range []string{"", "us er:pass:wörd@"} {
			for _, scheme := range []string{"ws", "wss"} {
				t.Run(fmt.Sprintf("%s %s %v", proxy, scheme, credentials != ""), func(t *testing.T) {
					script := answering(func(r *http.Request) string {
						if r.Header.Get("Proxy-Authorization") != "" {
							t.Error("the server sees the proxy's credentials")
						}
						return switching(r) + "\x81\x02hi"
					})
					w := &wayThrough{hosts: map[string]string{}}
					p := &url.URL{Scheme: proxy, Host: "example.com"}
					if credentials != "" {
						w.user, w.password = "us er", "pass:wörd"
						p.User = url.UserPassword(w.user, w.password)
					}
					config, port := serverTLS(), "443"
					if scheme == "ws" {
						config, port = nil, "80"
					}
					w.hosts["example.com:"+port] = listen(t, config, script)
					var addr string
					switch proxy {
					case "http":
						addr = listen(t, nil, w.connect)
					case "https":
						addr = listen(t, serverTLS(), w.connect)
					default:
						addr = listen(t, nil, w.socks)
					}
					o := optionsTo(addr)
					var dialedAt string
					o.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
						dialedAt = address
						return dialTo(addr)(ctx, network, address)
					}
					o.Proxy = http.ProxyURL(p)
					c := dialed(t, scheme+"://example.com", o)
					if _, b, err := c.Read(t.Context(), nil); err != nil || string(b) != "hi" {
						t.Errorf("%q, %v", b, err)
					}
					want := "[5 1 0 3] example.com:" + port
					if strings.HasPrefix(proxy, "http") {
						want = "CONNECT example.com:" + port
					}
					if !slices.Equal(w.asked, []string{want}) {
						t.Errorf("asked %q, want %q", w.asked, want)
					}
					if at := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[proxy]; dialedAt != "example.com:"+at {
						t.Errorf("dialed %s", dialedAt)
					}
					if (c.Info().TLS != nil) != (scheme == "wss") {
						t.Errorf("TLS %v", c.Info().TLS)
					}
				})
			}
		}
	}
}

func TestCC15_Credentials(t *testing.T) {
	for _, user := range []*url.Userinfo{nil, url.User("user"), url.UserPassword("user", "wrong"), url.UserPassword("", "secret"), url.UserPassword("user", strings.Repeat("s", 256))} {
		w := &wayThrough{user: "user", password: "secret"}
		o := optionsTo(listen(t, nil, w.connect))
		o.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example", User: user})
		e := refusedDial(t, "ws://example.com", o)
		if e.Status != 407 || e.Header.Get("Proxy-Authenticate") != "Basic realm=x" || string(e.Body) != "who?\n" {
			t.Errorf("%+v", e)
		}
		o = optionsTo(listen(t, nil, w.socks))
		o.Proxy = http.ProxyURL(&url.URL{Scheme: "socks5", Host: "proxy.example", User: user})
		if e := refusedDial(t, "ws://example.com", o); e.Status != 0 {
			t.Errorf("%+v", e)
		}
		if len(w.asked) != 1 { // the CONNECT alone
			t.Errorf("asked %q", w.asked)
		}
	}
}

func TestCC15_HTTPReplies(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		status int
	}{
		"garbage":         {"\x00\x01\x02\r\n\r\n", 0},
		"not HTTP":        {"SSH-2.0-x\r\n\r\n", 0},
		"endless":         {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 1<<20), 0},
		"10000 fields":    {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: a\r\n", 10000) + "\r\n", 0},
		"1xx flood":       {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10000), 0},
		"more behind it":  {"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n", 0},
		"101":             {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 101},
		"redirect":        {"HTTP/1.1 302 Found\r\nLocation: ws://evil.example/\r\nContent-Length: 0\r\n\r\n", 302},
		"403 with a body": {"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("a", 1000000), 403},
	} {
		t.Run(name, func(t *testing.T) {
			o := optionsTo(listen(t, nil, answering(func(*http.Request) string { return c.answer })))
			o.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example"})
			if e := refusedDial(t, "wss://example.com", o); e.Status != c.status || len(e.Body) > 64<<10 {
				t.Errorf("%d %v, %d bytes: %v", e.Status, e.Header, len(e.Body), e)
			}
		})
	}
	t.Run("a redirect is not the server's", func(t *testing.T) {
		n := 0
		o := optionsTo(listen(t, nil, answering(func(*http.Request) string {
			n++
			return "HTTP/1.1 302 Found\r\nLocation: ws://evil.example/\r\nContent-Length: 0\r\n\r\n"
		})))
		o.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example"})
		o.MaxRedirects = 5
		if e := refusedDial(t, "ws://example.com", o); e.Status != 302 || n != 1 {
			t.Errorf("%+v, asked %d times", e, n)
		}
	})
}

func TestCC15_SOCKSReplies(t *testing.T) {
	for name, says := range map[string][]string{
		"another version":        {"\x04\x00"},
		"HTTP":                   {"HTTP/1.1 400 Bad Request\r\n\r\n"},
		"no method":              {"\x05\xff"},
		"password, not offered":  {"\x05\x02"},
		"GSSAPI":                 {"\x05\x01"},
		"reply of another":       {"\x05\x00", "\x04\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
		"refused":                {"\x05\x00", "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"},
		"unknown reply":          {"\x05\x00", "\x05\xf0\x00\x01\x00\x00\x00\x00\x00\x00"},
		"unknown kind":           {"\x05\x00", "\x05\x00\x00\x02\x00\x00\x00\x00\x00\x00"},
		"cut in the greeting":    {"\x05"},
		"cut in the reply":       {"\x05\x00", "\x05\x00"},
		"cut in the address":     {"\x05\x00", "\x05\x00\x00\x01\x00\x00"},
		"cut in the name":        {"\x05\x00", "\x05\x00\x00\x03\xffhost"},
		"cut before the name":    {"\x05\x00", "\x05\x00\x00\x03"},
		"cut in the port":        {"\x05\x00", "\x05\x00\x00\x03\x01h\x00"},
		"cut in an IPv6 address": {"\x05\x00", "\x05\x00\x00\x04::1"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, nil, func(c net.Conn) {
				b := make([]byte, 300)
				for _, s := range says {
					c.Read(b)
					io.WriteString(c, s)
				}
				if strings.HasPrefix(name, "cut") {
					c.(*net.TCPConn).CloseWrite()
				}
			})
			o := optionsTo(addr)
			o.Proxy = http.ProxyURL(&url.URL{Scheme: "socks5", Host: "proxy.example"})
			if e := refusedDial(t, "ws://example.com", o); e.Status != 0 || !strings.Contains(e.Error(), "SOCKS5") {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestCC15_SOCKSAddresses(t *testing.T) {
	server := listen(t, nil, answering(func(r *http.Request) string { return switching(r) }))
	for in, want := range map[string]string{
		"ws://127.0.0.1":      "[5 1 0 1] 127.0.0.1:80",
		"ws://[::1]:8080":     "[5 1 0 4] [::1]:8080",
		"ws://a.example:1234": "[5 1 0 3] a.example:1234",
	} {
		_, host, _ := strings.Cut(want, "] ")
		w := &wayThrough{hosts: map[string]string{host: server}}
		o := optionsTo(listen(t, nil, w.socks))
		o.Proxy = http.ProxyURL(&url.URL{Scheme: "socks5h", Host: "proxy.example"})
		dialed(t, in, o)
		if !slices.Equal(w.asked, []string{want}) {
			t.Errorf("%s: asked %q", in, w.asked)
		}
	}
}

func TestProxyFunction(t *testing.T) {
	stop := errors.New("stop")
	var got string
	o := &curlew.DialOptions{DialContext: noDial(t), Proxy: func(r *http.Request) (*url.URL, error) {
		got = fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("X"))
		r.Header.Set("X", "changed")
		r.URL.Host = "changed"
		return nil, stop
	}}
	o.Header = http.Header{"X": {"y"}}
	if e := refusedDial(t, "wss://example.com/a", o); !errors.Is(e, stop) || got != "GET https://example.com/a y" || o.Header.Get("X") != "y" {
		t.Errorf("%v, %q, %v", e, got, o.Header)
	}
	for _, p := range []string{"ftp://proxy.example", "http://", "http://proxy.example:0", "proxy.example:80", "socks4://proxy.example", "http://[fe80::1%25eth0]"} {
		u, err := url.Parse(p)
		if err != nil {
			t.Fatal(err)
		}
		o.Proxy = http.ProxyURL(u)
		refusedDial(t, "ws://example.com", o)
	}
}

func TestEnvironmentProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
	for _, c := range []struct{ name, env, url, want string }{
		{"none", "", "ws://example.com", "example.com:80"},
		{"HTTP_PROXY", "HTTP_PROXY=http://p:3128", "ws://example.com", "p:3128"},
		{"HTTP_PROXY is not for wss", "HTTP_PROXY=http://p:3128", "wss://example.com", "example.com:443"},
		{"HTTPS_PROXY", "HTTPS_PROXY=http://p:3128", "wss://example.com", "p:3128"},
		{"HTTPS_PROXY is not for ws", "HTTPS_PROXY=http://p:3128", "ws://example.com", "example.com:80"},
		{"lower case", "https_proxy=http://p:3128", "wss://example.com", "p:3128"},
		{"upper before lower", "HTTPS_PROXY=http://p:1 https_proxy=http://p:2", "wss://example.com", "p:1"},
		{"ALL_PROXY", "ALL_PROXY=socks5://p", "ws://example.com", "p:1080"},
		{"ALL_PROXY is for the rest", "ALL_PROXY=socks5://p HTTP_PROXY=http://q", "ws://example.com", "q:80"},
		{"no scheme", "ALL_PROXY=p:3128", "ws://example.com", "p:3128"},
		{"user", "ALL_PROXY=http://user:secret@p:3128", "ws://example.com", "p:3128"},
		{"malformed", "ALL_PROXY=http://user:secret@%zz", "ws://example.com", ""},
		{"another scheme", "ALL_PROXY=socks4://user:secret@p", "ws://example.com", ""},
		{"CGI", "HTTP_PROXY=http://evil:1 REQUEST_METHOD=GET", "ws://example.com", ""},
		{"CGI and wss", "HTTPS_PROXY=http://p:1 REQUEST_METHOD=GET", "wss://example.com", "p:1"},
		{"localhost", "ALL_PROXY=http://p:1", "ws://localhost:8080", "localhost:8080"},
		{"loopback", "ALL_PROXY=http://p:1", "ws://127.1.2.3", "127.1.2.3:80"},
		{"loopback IPv6", "ALL_PROXY=http://p:1", "ws://[::1]", "[::1]:80"},
		{"loopback mapped", "ALL_PROXY=http://p:1", "ws://[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]:80"},
		{"not quite localhost", "ALL_PROXY=http://p:1", "ws://localhost.example", "p:1"},
		{"NO_PROXY *", "ALL_PROXY=http://p:1 NO_PROXY=a,*", "ws://example.com", "example.com:80"},
		{"NO_PROXY name", "ALL_PROXY=http://p:1 NO_PROXY=a,Example.COM", "ws://example.com", "example.com:80"},
		{"NO_PROXY lower case", "ALL_PROXY=http://p:1 no_proxy=example.com", "ws://EXAMPLE.com.", "EXAMPLE.com.:80"},
		{"NO_PROXY below", "ALL_PROXY=http://p:1 NO_PROXY=example.com", "ws://a.b.example.com", "a.b.example.com:80"},
		{"NO_PROXY dot", "ALL_PROXY=http://p:1 NO_PROXY=.example.com", "ws://a.example.com", "a.example.com:80"},
		{"NO_PROXY dot is only below", "ALL_PROXY=http://p:1 NO_PROXY=.example.com", "ws://example.com", "p:1"},
		{"NO_PROXY star", "ALL_PROXY=http://p:1 NO_PROXY=*.example.com", "ws://a.example.com", "a.example.com:80"},
		{"NO_PROXY whole labels", "ALL_PROXY=http://p:1 NO_PROXY=example.com", "ws://evilexample.com", "p:1"},
		{"NO_PROXY not a prefix", "ALL_PROXY=http://p:1 NO_PROXY=example.com", "ws://example.com.evil.com", "p:1"},
		{"NO_PROXY port", "ALL_PROXY=http://p:1 NO_PROXY=example.com:443", "wss://example.com", "example.com:443"},
		{"NO_PROXY other port", "ALL_PROXY=http://p:1 NO_PROXY=example.com:443", "ws://example.com", "p:1"},
		{"NO_PROXY address", "ALL_PROXY=http://p:1 NO_PROXY=192.0.2.1", "ws://192.0.2.1", "192.0.2.1:80"},
		{"NO_PROXY other address", "ALL_PROXY=http://p:1 NO_PROXY=192.0.2.1", "ws://192.0.2.10", "p:1"},
		{"NO_PROXY end of an address", "ALL_PROXY=http://p:1 NO_PROXY=2.1,0.2.1", "ws://192.0.2.1", "p:1"},
		{"NO_PROXY range", "ALL_PROXY=http://p:1 NO_PROXY=192.0.2.0/24", "ws://192.0.2.9", "192.0.2.9:80"},
		{"NO_PROXY range, mapped", "ALL_PROXY=http://p:1 NO_PROXY=192.0.2.0/24", "ws://[::ffff:192.0.2.9]", "[::ffff:192.0.2.9]:80"},
		{"NO_PROXY beyond the range", "ALL_PROXY=http://p:1 NO_PROXY=192.0.2.0/25", "ws://192.0.2.129", "p:1"},
		{"NO_PROXY range is not for names", "ALL_PROXY=http://p:1 NO_PROXY=0.0.0.0/0", "ws://example.com", "p:1"},
		{"NO_PROXY IPv6", "ALL_PROXY=http://p:1 NO_PROXY=2001:db8::1", "ws://[2001:DB8:0::1]", "[2001:DB8:0::1]:80"},
		{"NO_PROXY IPv6 with port", "ALL_PROXY=http://p:1 NO_PROXY=[2001:db8::1]:81", "ws://[2001:db8::1]:81", "[2001:db8::1]:81"},
		{"NO_PROXY IPv6 with other port", "ALL_PROXY=http://p:1 NO_PROXY=[2001:db8::1]:81", "ws://[2001:db8::1]", "p:1"},
		{"NO_PROXY empty entries", "ALL_PROXY=http://p:1 NO_PROXY=,.,*.,:,:80,[],::", "ws://example.com", "p:1"},
		{"NO_PROXY zone", "ALL_PROXY=http://p:1 NO_PROXY=example.com", "ws://[::2%25.example.com]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, set := range strings.Fields(c.env) {
				name, value, _ := strings.Cut(set, "=")
				t.Setenv(name, value)
			}
			var got string
			refusedDial(t, c.url, &curlew.DialOptions{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				got = address
				return nil, errors.New("stop")
			}})
			if got != c.want {
				t.Errorf("dialed %q, want %q", got, c.want)
			}
		})
	}
}
