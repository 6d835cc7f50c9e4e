package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keys are made once; RSA takes its time.
var (
	secret  = []byte("0123456789abcdef0123456789abcdef")
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	ecKey   = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k })
	edKey   = sync.OnceValue(func() ed25519.PrivateKey { _, k, _ := ed25519.GenerateKey(rand.Reader); return k })
	otherEC = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k })
)

func pemOf(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func jwk(key any, id, alg string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: alg}
}

// soon is claims that are good for an hour, with others.
func soon(more map[string]any) map[string]any {
	c := map[string]any{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range more {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// verify returns the user that a token is of, or why it is not good.
func (v *verifier) user(token string) string {
	u, err := v.verify(token, time.Now())
	if err != nil {
		return err.Error()
	}
	return u.Name
}

func newTestVerifier(t *testing.T, o *JWT) *verifier {
	t.Helper()
	v, err := newVerifier(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Each algorithm with the keys that fit it, in each form that keys have.
func TestAlgorithms(t *testing.T) {
	long := []byte(strings.Repeat("s", 64))
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	set := toJSON(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		jwk(secret, "s", ""), jwk(&rsaKey().PublicKey, "r", "RS256"), jwk(&ecKey().PublicKey, "e", ""), jwk(edKey().Public(), "d", "EdDSA"),
	}})
	for _, c := range []struct {
		alg  string
		sign any
		kid  string
		keys []byte
	}{
		{"HS256", secret, "", secret},
		{"HS256", secret, "", append(secret, '\n')},
		{"HS256", long, "", long}, {"HS384", long, "", long}, {"HS512", long, "", long},
		{"HS256", secret, "", toJSON(t, jwk(secret, "", ""))},
		{"HS256", secret, "s", set}, {"RS256", rsaKey(), "r", set}, {"ES256", ecKey(), "e", set}, {"EdDSA", edKey(), "d", set},
		{"RS256", rsaKey(), "", set}, {"EdDSA", edKey(), "", set}, // the only key for it
		{"RS256", rsaKey(), "", pemOf(t, &rsaKey().PublicKey)}, {"PS512", rsaKey(), "x", pemOf(t, &rsaKey().PublicKey)},
		{"ES256", ecKey(), "", pemOf(t, &ecKey().PublicKey)}, {"ES384", p384, "", pemOf(t, &p384.PublicKey)}, {"ES512", p521, "", pemOf(t, &p521.PublicKey)},
		{"EdDSA", edKey(), "", pemOf(t, edKey().Public())},
		{"ES256", ecKey(), "", append(pemOf(t, &otherEC().PublicKey), pemOf(t, &ecKey().PublicKey)...)},
		{"ES256", ecKey(), "", toJSON(t, []any{jwk(&otherEC().PublicKey, "", ""), jwk(ecKey(), "", "")})}, // a private one will do
	} {
		token := sign(t, jose.SignatureAlgorithm(c.alg), c.sign, c.kid, soon(nil))
		if got := newTestVerifier(t, &JWT{Keys: c.keys}).user(token); got != "alice" {
			t.Errorf("%s %s: %s", c.alg, c.kid, got)
		}
		if got := newTestVerifier(t, &JWT{File: file(t, string(c.keys)), Algorithms: []string{c.alg}}).user(token); got != "alice" {
			t.Errorf("%s %s: %s", c.alg, c.kid, got)
		}
	}
}

// What is not signed with a key of ours, by an algorithm that the key is for and
// that is allowed, is refused.
func TestForgeries(t *testing.T) {
	public := pemOf(t, &rsaKey().PublicKey)
	v := newTestVerifier(t, &JWT{Keys: toJSON(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		jwk(&rsaKey().PublicKey, "r", "RS256"), jwk(&ecKey().PublicKey, "e", ""), jwk(secret, "s", ""),
	}})})
	good := sign(t, jose.ES256, ecKey(), "e", soon(nil))
	part := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	none := func(alg string) string { return b64([]byte(`{"alg":"`+alg+`"}`)) + "." + part[1] + "." }
	admin := b64(toJSON(t, soon(map[string]any{"sub": "admin"})))
	for name, token := range map[string]string{
		"another key":              sign(t, jose.ES256, otherEC(), "e", soon(nil)),
		"another key, unnamed":     sign(t, jose.ES256, otherEC(), "", soon(nil)),
		"unknown kid":              sign(t, jose.ES256, ecKey(), "x", soon(nil)),
		"another's kid":            sign(t, jose.ES256, ecKey(), "r", soon(nil)),
		"the public key as secret": sign(t, jose.HS256, public, "", soon(nil)),
		"... with the kid":         sign(t, jose.HS256, public, "r", soon(nil)),
		"alg of the key":           sign(t, jose.PS256, rsaKey(), "r", soon(nil)),
		"none":                     none("none"),
		"None":                     none("None"),
		"no alg":                   b64([]byte(`{}`)) + "." + part[1] + ".",
		"no signature":             part[0] + "." + part[1] + ".",
		"other claims":             part[0] + "." + admin + "." + part[2],
		"two parts":                part[0] + "." + part[1],
		"four parts":               good + ".x",
		"five parts":               "a.b.c.d.e",
		"nothing":                  "",
		"dots":                     "..",
		"spaces":                   " " + good[:10] + " " + good[10:],
		"not base64":               "%." + part[1] + "." + part[2],
		"too long":                 good + strings.Repeat("A", maxToken),
		"a key in the head": func() string {
			s, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: otherEC()}, &jose.SignerOptions{EmbedJWK: true})
			o, _ := s.Sign(toJSON(t, soon(nil)))
			text, _ := o.CompactSerialize()
			return text
		}(),
		"signed, but no claims": func() string {
			s, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: ecKey()}, nil)
			o, _ := s.Sign([]byte("hello"))
			text, _ := o.CompactSerialize()
			return text
		}(),
		"signed, but a list": func() string {
			s, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: ecKey()}, nil)
			o, _ := s.Sign([]byte("[1]"))
			text, _ := o.CompactSerialize()
			return text
		}(),
		"critical and unknown": func() string {
			s, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: ecKey()}, (&jose.SignerOptions{}).WithHeader("crit", []string{"x"}).WithHeader("x", 1))
			o, _ := s.Sign(toJSON(t, soon(nil)))
			text, _ := o.CompactSerialize()
			return text
		}(),
	} {
		if got := v.user(token); got == "alice" || got == "admin" {
			t.Errorf("%s: is accepted", name)
		} else if token != "" && strings.Contains(got, token) {
			t.Errorf("%s: the error has the token: %s", name, got)
		}
	}
	// Only what is allowed.
	token := sign(t, jose.RS256, rsaKey(), "", soon(nil))
	if got := newTestVerifier(t, &JWT{Keys: public, Algorithms: []string{"RS512"}}).user(token); got == "alice" {
		t.Error("RS256 is accepted")
	}
}

// The claims, exactly at their limits.
func TestClaims(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	const leeway = 30 * time.Second
	for _, c := range []struct {
		more map[string]any
		o    JWT
		want bool
	}{
		{map[string]any{"exp": nil}, JWT{}, false},
		{map[string]any{"exp": "tomorrow"}, JWT{}, false},
		{map[string]any{"exp": at(1 * time.Second)}, JWT{}, true},
		{map[string]any{"exp": at(0)}, JWT{}, false},
		{map[string]any{"exp": at(-leeway + time.Second)}, JWT{Leeway: leeway}, true},
		{map[string]any{"exp": at(-leeway)}, JWT{Leeway: leeway}, false},
		{map[string]any{"exp": float64(at(0)) + 0.5}, JWT{}, false},
		{map[string]any{"nbf": at(0)}, JWT{}, true},
		{map[string]any{"nbf": at(time.Second)}, JWT{}, false},
		{map[string]any{"nbf": at(leeway)}, JWT{Leeway: leeway}, true},
		{map[string]any{"nbf": at(leeway + time.Second)}, JWT{Leeway: leeway}, false},
		{map[string]any{"iss": "a"}, JWT{}, true},
		{map[string]any{"iss": "a"}, JWT{Issuer: []string{"b", "a"}}, true},
		{map[string]any{"iss": "c"}, JWT{Issuer: []string{"b", "a"}}, false},
		{nil, JWT{Issuer: []string{"a"}}, false},
		{map[string]any{"aud": "us"}, JWT{Audience: []string{"us"}}, true},
		{map[string]any{"aud": []string{"x", "us"}}, JWT{Audience: []string{"we", "us"}}, true},
		{map[string]any{"aud": []string{"x", "y"}}, JWT{Audience: []string{"us"}}, false},
		{map[string]any{"aud": "us"}, JWT{}, false}, // for somebody, who is not named here
		{nil, JWT{Audience: []string{"us"}}, false},
		{map[string]any{"sub": nil}, JWT{}, true},
	} {
		c.o.Keys = secret
		v := newTestVerifier(t, &c.o)
		u, err := v.verify(sign(t, jose.HS256, secret, "", soon(c.more)), now)
		if (err == nil) != c.want {
			t.Errorf("%v, %+v: %v", c.more, c.o, err)
		}
		if exp, ok := c.more["exp"].(int64); ok && err == nil && !u.Expires.Equal(time.Unix(exp, 0).Add(c.o.Leeway)) {
			t.Errorf("%v: expires %v", c.more, u.Expires)
		}
	}
}

// HB24: claims and heads that somebody signed who should not be trusted to write
// them well: none of them makes a user whom others would not see, or one for ever.
func TestHB24OddTokens(t *testing.T) {
	now := time.Now()
	exp := fmt.Sprint(now.Add(time.Hour).Unix())
	v := newTestVerifier(t, &JWT{Keys: secret})
	mac := func(head, body string) string {
		b64 := base64.RawURLEncoding.EncodeToString
		text := b64([]byte(head)) + "." + b64([]byte(body))
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(text))
		return text + "." + b64(m.Sum(nil))
	}
	const head = `{"alg":"HS256"}`
	for body, want := range map[string]bool{
		`{"sub":"alice","exp":` + exp + `}`:                       true,
		`{"sub":"alice","exp":` + exp + `.9}`:                     true,
		`{"sub":"alice","exp":` + exp + `e0}`:                     true,
		`{"sub":"alice","exp":` + exp + `,"iat":-1,"nbf":-5}`:     true,
		`{"sub":"alice","exp":` + exp + `,"aud":[]}`:              true,
		`{"sub":"alice","exp":253402300799}`:                      true, // the year 9999
		`{"sub":"alice","exp":"` + exp + `"}`:                     false,
		`{"sub":"alice","exp":1e300}`:                             false,
		`{"sub":"alice","exp":-1e300}`:                            false,
		`{"sub":"alice","exp":-1}`:                                false,
		`{"sub":"alice","exp":0}`:                                 false,
		`{"sub":"alice","exp":9223372036854775807}`:               false,
		`{"sub":"alice","exp":null}`:                              false,
		`{"sub":"alice","exp":[` + exp + `]}`:                     false,
		`{"sub":"alice","exp":true}`:                              false,
		`{"sub":"alice","EXP":` + exp + `}`:                       false,
		`{"sub":"alice","exp":1,"exp":` + exp + `}`:               false,
		`{"sub":"alice","exp":` + exp + `,"exp":1}`:               false,
		`{"sub":"alice","sub":"admin","exp":` + exp + `}`:         false,
		`{"sub":"alice","exp":` + exp + `,"nbf":1e300}`:           false,
		`{"sub":"alice","exp":` + exp + `,"nbf":"0"}`:             false,
		`{"sub":"alice","exp":` + exp + `,"iat":` + exp + `}`:     false, // of the future
		`{"sub":"alice","exp":` + exp + `,"aud":""}`:              false,
		`{"sub":"alice","exp":` + exp + `,"aud":[""]}`:            false,
		`{"sub":"alice","exp":` + exp + `,"aud":null}`:            false,
		`{"sub":"alice","exp":` + exp + `,"aud":{"us":1}}`:        false,
		`{"sub":"alice","exp":` + exp + `,"aud":["us",1]}`:        false,
		`{"sub":["alice"],"exp":` + exp + `}`:                     false,
		`{"sub":"alice","exp":` + exp + `,"role":"a","role":"b"}`: false,
		`{"sub":"alice","exp":` + exp + `} `:                      true,
		`{"sub":"alice","exp":` + exp + `}{}`:                     false,
		`null`:                                                    false,
		`"alice"`:                                                 false,
	} {
		if u, err := v.verify(mac(head, body), now); (err == nil) != want {
			t.Errorf("%s: %+v %v", body, u, err)
		}
	}
	for head, want := range map[string]bool{
		`{"alg":"HS256","typ":"JWT"}`:                  true,
		`{"alg":"HS256","kid":"../../../../dev/null"}`: true, // the one key has no name
		`{"alg":"HS256","kid":"' OR 1=1 --"}`:          true,
		`{"alg":"HS256","jku":"http://192.0.2.1/k"}`:   true, // nobody goes there
		`{"alg":"HS256","kid":["a"]}`:                  false,
		`{"alg":"HS256","alg":"none"}`:                 false,
		`{"alg":"hs256"}`:                              false,
		`{"alg":"HS256 "}`:                             false,
		`{"alg":["HS256"]}`:                            false,
		`{"ALG":"HS256"}`:                              false,
		`{"alg":"HS256","crit":[]}`:                    true, // asks for nothing
		`{"alg":"HS256","crit":["exp"],"exp":1}`:       false,
		`{"alg":"HS256","crit":["b64"],"b64":false}`:   false, // RFC 7797, 7
		`{"alg":"HS256","enc":"A128GCM"}`:              true,
		`{"alg":"HS256","zip":"DEF"}`:                  true, // means nothing to a signature
	} {
		if u, err := v.verify(mac(head, `{"sub":"alice","exp":`+exp+`}`), now); (err == nil) != want {
			t.Errorf("%s: %+v %v", head, u, err)
		}
	}
}

func TestTokenRoles(t *testing.T) {
	for _, c := range []struct {
		claim string
		more  map[string]any
		want  string
	}{
		{"", map[string]any{"role": "admin"}, "admin"},
		{"", map[string]any{"roles": []string{"a", "b c"}, "role": "d"}, "a,b c,d"},
		{"", map[string]any{"roles": 5, "role": map[string]any{"admin": true}}, ""},
		{"scope", map[string]any{"scope": "read  write", "roles": "admin"}, "read,write"},
		{"none", nil, ""},
		{"realm_access.roles", map[string]any{"realm_access": map[string]any{"roles": []string{"a", "b"}}, "roles": "c"}, "a,b"},
		{"a.b.c", map[string]any{"a": map[string]any{"b": map[string]any{"c": "x y"}}}, "x,y"},
		{"a.b", map[string]any{"a": map[string]any{"b": map[string]any{"c": "x y"}}}, ""},
		{"a.b", map[string]any{"a": "b"}, ""},
		{"https://site.example/roles", map[string]any{"https://site.example/roles": "a", "https://site": map[string]any{"example/roles": "b"}}, "a"},
	} {
		v := newTestVerifier(t, &JWT{Keys: secret, Roles: c.claim})
		u, err := v.verify(sign(t, jose.HS256, secret, "", soon(c.more)), time.Now())
		if err != nil || strings.Join(u.Roles, ",") != c.want {
			t.Errorf("%q %v: %v %v", c.claim, c.more, u, err)
		}
	}
}

// AU10, AU18: where tokens stand. Those of queries and subprotocols are gone
// afterwards, good or not, whatever else is found.
func TestAU10AU18Sources(t *testing.T) {
	token := sign(t, jose.HS256, secret, "", soon(nil))
	all := []string{"header", "cookie:token", "query:access_token", "subprotocol"}
	for _, c := range []struct {
		from   []string
		target string
		lines  []string
		want   string
		query  string
		names  string
	}{
		{nil, "/", []string{bearer(token)}, "alice", "", ""},
		{nil, "/", []string{"Authorization: bearer " + token}, "alice", "", ""},
		{nil, "/", []string{"Authorization: Bearer  " + token + " "}, "alice", "", ""},
		{nil, "/", []string{"Authorization: Token " + token}, "401", "", ""},
		{nil, "/", []string{"Cookie: token=" + token}, "401", "", ""},
		{nil, "/?access_token=" + token, nil, "401", "access_token=" + token, ""},
		{nil, "/", []string{"Sec-WebSocket-Protocol: bearer." + token}, "alice", "", ""},
		{nil, "/", []string{"Sec-WebSocket-Protocol: chat, bearer." + token + ", v2"}, "alice", "", "chat, v2"},
		{nil, "/", []string{"Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: Bearer." + token}, "alice", "", "chat"},
		{nil, "/", []string{"Sec-WebSocket-Protocol: bearer.wrong, chat"}, "401", "", "chat"},
		{nil, "/", []string{bearer(token), "Sec-WebSocket-Protocol: bearer.wrong"}, "alice", "", ""},
		{[]string{"header"}, "/", []string{"Sec-WebSocket-Protocol: bearer." + token}, "401", "", "bearer." + token},
		{all, "/", []string{"Cookie: a=b; token=" + token}, "alice", "", ""},
		{all, "/", []string{"Cookie: token=" + token + "; token=other"}, "401", "", ""},
		{all, "/", []string{"Cookie: token=" + token + "; token=" + token}, "alice", "", ""},
		{all, "/?a=1&access_token=" + token + "&b=%20&c", nil, "alice", "a=1&b=%20&c", ""},
		{all, "/?%61ccess_token=" + token, nil, "alice", "", ""},
		{all, "/?access_token=" + token + "&access_token=x", nil, "401", "", ""},
		{all, "/?access_token=" + token, []string{bearer("wrong")}, "401", "", ""}, // the first source counts
		{all, "/?access_token=wrong", []string{bearer(token)}, "alice", "", ""},
		{all, "/?x=1", nil, "401", "x=1", ""},
	} {
		g := newGuard(t, &Options{JWT: &JWT{Keys: secret, From: c.from}})
		r := request(c.target, c.lines...)
		if got := ask(g, r); got != c.want {
			t.Errorf("%v %s %v: %s, want %s", c.from, c.target, c.lines, got, c.want)
		}
		uri := "/"
		if c.query != "" {
			uri += "?" + c.query
		}
		if r.URL.RawQuery != c.query || r.RequestURI != uri {
			t.Errorf("%s: left is %s, %s", c.target, r.URL.RawQuery, r.RequestURI)
		}
		if got := strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), "; "); got != c.names {
			t.Errorf("%v: left is %q", c.lines, got)
		}
	}
	for _, s := range []string{"", "body", "cookie", "cookie:", "header:X", "query:a b", "cookie:a=b", "subprotocol:x"} {
		if ParseSource(s) == nil {
			t.Errorf("%q is a source", s)
		}
	}
}

// Users and tokens together: either will do, and both are asked for.
func TestBoth(t *testing.T) {
	g := newGuard(t, &Options{Users: file(t, "bob:"+bcryptOf(t, "b")), JWT: &JWT{Keys: secret, From: []string{"header", "cookie:t"}}})
	token := sign(t, jose.HS256, secret, "", soon(nil))
	for want, lines := range map[string][]string{
		"bob":   {basicOf("bob", "b"), "Cookie: t=old"},
		"alice": {bearer(token)},
		"401":   {basicOf("bob", "x")},
	} {
		if got := ask(g, request("/", lines...)); got != want {
			t.Errorf("%v: %s, want %s", lines, got, want)
		}
	}
	_, no := g.Check(request("/", bearer("x")), somebody)
	want := `Basic realm="site", charset="UTF-8"; Bearer realm="site", error="invalid_token"`
	if got := strings.Join(no.Header["Www-Authenticate"], "; "); got != want {
		t.Errorf("asks with %s", got)
	}
}

func FuzzToken(f *testing.F) {
	g := newGuard(f, &Options{JWT: &JWT{Keys: secret, From: []string{"header", "cookie:t", "query:t", "subprotocol"}}})
	good := sign(f, jose.HS256, secret, "", map[string]any{"exp": 1})
	f.Add(good, "chat, bearer."+good, "t="+good)
	f.Add("a.b.c", "bearer.", "t=%zz&%74=")
	f.Fuzz(func(t *testing.T, token, names, query string) {
		r := request("/", "Authorization: Bearer "+token, "Sec-WebSocket-Protocol: "+names)
		r.URL.RawQuery = query
		if u, no := g.Check(r, somebody); u != nil || no.Status != http.StatusUnauthorized {
			t.Errorf("%v %v", u, no)
		}
		if strings.Contains(strings.ToLower(r.Header.Get("Sec-WebSocket-Protocol")), "bearer.") && !strings.Contains(names, "bearer.bearer") {
			for name := range strings.SplitSeq(r.Header.Get("Sec-WebSocket-Protocol"), ",") {
				if strings.HasPrefix(strings.ToLower(strings.TrimSpace(name)), "bearer.") {
					t.Errorf("%q is left of %q", name, names)
				}
			}
		}
	})
}

func FuzzUsers(f *testing.F) {
	f.Add([]byte("alice:" + bcryptOf(f, "x") + ":a,b\n#\nbob:" + argon2Of("y")))
	f.Fuzz(func(t *testing.T, text []byte) {
		if u, err := parseUsers(text); err == nil && len(u.all) == 0 {
			t.Error("nobody")
		}
	})
}
