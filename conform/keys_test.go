package conform

import (
	"crypto/rand"
	"encoding/base64"
	"testing"
)

func TestKeyring(t *testing.T) {
	key := func(change func(p []byte)) string {
		p := make([]byte, 16)
		rand.Read(p)
		change(p)
		return base64.StdEncoding.EncodeToString(p)
	}
	var random, counting, low keyring
	for i := range 200 {
		random.add(key(func([]byte) {}))
		counting.add(key(func(p []byte) { clear(p); p[15] = byte(i) }))
		low.add(key(func(p []byte) { p[3] |= 0x80 }))
	}
	for _, c := range []struct {
		name  string
		k     *keyring
		stuck int
	}{{"random", &random, 0}, {"counting", &counting, 120}, {"a bit set", &low, 1}, {"none", new(keyring), 0}} {
		if n := c.k.stuck(); n != c.stuck || c.k.repeated() {
			t.Errorf("%s: %d bits are stuck, repeated: %v", c.name, n, c.k.repeated())
		}
	}
	random.add(sampleKey)
	random.add("no key")
	random.add("no key")
	if random.repeated() {
		t.Error("repeated")
	}
	if random.add(sampleKey); !random.repeated() {
		t.Error("not repeated")
	}
}

func TestParseMessage(t *testing.T) {
	m, err := parseMessage([]byte("GET /a HTTP/1.1\r\nHost:b\r\nX-Y: \t c d \t\r\nx-y:\r\n\r\n"))
	if err != nil || m.first[1] != "/a" || len(m.fields) != 3 || m.values("X-Y")[0] != "c d" || m.values("X-Y")[1] != "" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, in := range []string{
		"", "\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\n b: c\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", "GET / HTTP/1.1\r\nA: \x00\r\n\r\n", "GET / HTTP/1.1\r\n: b\r\n\r\n",
	} {
		if m, err := parseMessage([]byte(in)); err == nil {
			t.Errorf("%q: %+v", in, m)
		}
	}
}
