package curlew

import (
	"bytes"
	"io"
	"net/url"
	"slices"
	"testing"
	"testing/iotest"
)

// A scriptedProxy says what it says and notes what it hears.
type scriptedProxy struct {
	io.Reader
	heard bytes.Buffer
}

func (p *scriptedProxy) Write(b []byte) (int, error) { return p.heard.Write(b) }

var socksVectors = []struct {
	name, says string
	user       *url.Userinfo
	ok         bool
}{
	{"IPv4", "\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", nil, true},
	{"IPv6", "\x05\x00\x05\x00\x00\x04" + "0123456789abcdef" + "\x00\x50", nil, true},
	{"name", "\x05\x00\x05\x00\x00\x03\x04host\x00\x50", nil, true},
	{"empty name", "\x05\x00\x05\x00\x00\x03\x00\x00\x50", nil, true},
	{"password", "\x05\x02\x01\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", url.UserPassword("user", "word"), true},
	{"password not wanted", "\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", url.UserPassword("user", "word"), true},
	{"wrong password", "\x05\x02\x01\x01", url.UserPassword("user", "word"), false},
	{"refused", "\x05\x00\x05\x01\x00\x01", nil, false},
}

// Every prefix of an answer is incomplete, every split of it is the same, and
// not a byte behind it is taken.
func TestCC15_SOCKSSplits(t *testing.T) {
	for _, c := range socksVectors {
		for i := range len(c.says) + 1 {
			p := &scriptedProxy{Reader: bytes.NewReader([]byte(c.says[:i]))}
			if err := socks(p, c.user, "example.com", "80"); (err == nil) != (c.ok && i == len(c.says)) {
				t.Errorf("%s, prefix of %d bytes: %v", c.name, i, err)
			}
			p = &scriptedProxy{Reader: io.MultiReader(bytes.NewReader([]byte(c.says[:i])), bytes.NewReader([]byte(c.says[i:]+"next")))}
			if err := socks(p, c.user, "example.com", "80"); (err == nil) != c.ok {
				t.Errorf("%s, split at %d: %v", c.name, i, err)
			}
			if rest, _ := io.ReadAll(p); c.ok && string(rest) != "next" {
				t.Errorf("%s, split at %d: %q is left", c.name, i, rest)
			}
		}
	}
}

func FuzzSOCKS(f *testing.F) {
	for _, c := range socksVectors {
		f.Add([]byte(c.says), c.user != nil)
	}
	f.Fuzz(func(t *testing.T, says []byte, withUser bool) {
		var user *url.Userinfo
		if withUser {
			user = url.UserPassword("user", "word")
		}
		whole := &scriptedProxy{Reader: bytes.NewReader(says)}
		err := socks(whole, user, "example.com", "443")
		slow := &scriptedProxy{Reader: iotest.OneByteReader(bytes.NewReader(says))}
		if errSlow := socks(slow, user, "example.com", "443"); (err == nil) != (errSlow == nil) || !slices.Equal(whole.heard.Bytes(), slow.heard.Bytes()) {
			t.Fatalf("%v and %v, %q and %q", err, errSlow, whole.heard.Bytes(), slow.heard.Bytes())
		}
		if err == nil && (says[0] != 5 || len(says) < 9) {
			t.Errorf("%q will do", says)
		}
	})
}
