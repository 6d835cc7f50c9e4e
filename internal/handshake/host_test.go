package handshake

import (
	"strings"
	"testing"
)

func TestHS39_CanonicalHost(t *testing.T) {
	for _, c := range []struct{ in, scheme, want string }{
		{"example.com", "http", "example.com"},
		{"EXAMPLE.Com", "http", "example.com"},
		{"example.com.", "http", "example.com"},
		{"example.com.:80", "http", "example.com"},
		{"example.com:80", "ws", "example.com"},
		{"example.com:443", "https", "example.com"},
		{"example.com:443", "wss", "example.com"},
		{"example.com:443", "http", "example.com:443"},
		{"example.com:80", "https", "example.com:80"},
		{"example.com:", "http", "example.com"},
		{"example.com:08080", "http", "example.com:8080"},
		{"example.com:65535", "http", "example.com:65535"},
		{"localhost:8080", "http", "localhost:8080"},
		{"my_service", "http", "my_service"},
		{"127.0.0.1:1", "http", "127.0.0.1:1"},
		{"[::1]", "http", "[::1]"},
		{"[::1]:80", "http", "[::1]"},
		{"[0:0::0:1]:8080", "http", "[::1]:8080"},
		{"[2001:DB8::1]:443", "https", "[2001:db8::1]"},
		{"xn--bcher-kva.example", "http", "xn--bcher-kva.example"},
		{"a:80", "chrome-extension", "a:80"},
	} {
		got, err := CanonicalHost(c.in, c.scheme)
		if err != nil || got != c.want {
			t.Errorf("CanonicalHost(%q, %q) = %q, %v; want %q", c.in, c.scheme, got, err, c.want)
		}
		if again, err := CanonicalHost(got, c.scheme); err != nil || again != got {
			t.Errorf("CanonicalHost(%q, %q) = %q, %v: not a fixed point", got, c.scheme, again, err)
		}
	}
	for _, in := range []string{
		"", ".", "..", ":80", ".example.com", "a..b", "example.com..", "user@example.com", "user:pw@example.com",
		"example.com:0", "example.com:65536", "example.com:99999", "example.com:-1", "example.com:+1", "example.com:b",
		"example.com:80:80", "example.com:100000", "example.com:000080", "a b", "a\tb", "a%00.evil", "a%2eb", "a/b", "a?b", "a#b", "a\\b", "a,b", "a'b", "b\u00fccher.example",
		"::1", "[::1", "[::1]x", "[::1]80", "[fe80::1%eth0]", "[fe80::1%25eth0]", "[127.0.0.1]", "[]", "[g::]", "[::1]:0",
		"xn--example-", "xn--abc-.example", "XN--ABC-.example", "a.xn--b-:80",
		strings.Repeat("a", 64), strings.Repeat("a.", 127) + "aaa", strings.Repeat("a", huge), strings.Repeat(".", huge),
	} {
		if got, err := CanonicalHost(in, "http"); err == nil {
			t.Errorf("CanonicalHost(%.80q) = %q; want an error", in, got)
		}
	}
}
