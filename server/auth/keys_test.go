package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestKeys(t *testing.T) {
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	private, _ := x509.MarshalPKCS8PrivateKey(ecKey())
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	for name, c := range map[string]struct {
		keys, want string
		algorithms []string
	}{
		"none":             {keys: " \n", want: "no key"},
		"short secret":     {keys: "0123456789abcdef0123456789abcde", want: "less than 32 bytes"},
		"no JSON":          {keys: "{", want: "no JSON Web Key"},
		"no key":           {keys: "{}", want: "no JSON Web Key"},
		"empty set":        {keys: `{"keys":[]}`, want: "no key fits"},
		"only unknown":     {keys: `{"keys":[{"kty":"new"}]}`, want: "no key fits"},
		"for encryption":   {keys: `{"kty":"oct","use":"enc","k":"` + base64.RawURLEncoding.EncodeToString(secret) + `"}`, want: "no key fits"},
		"bad list":         {keys: "[1]", want: "key 1 is no JSON Web Key"},
		"no PEM":           {keys: "-----BEGIN PUBLIC KEY-----\nx", want: "no PEM"},
		"bad PEM":          {keys: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})), want: "key 1"},
		"private":          {keys: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), want: "private key"},
		"weak":             {keys: string(pemOf(t, &weak.PublicKey)), want: "too weak"},
		"odd curve":        {keys: string(pemOf(t, &p224.PublicKey)), want: "for no algorithm"},
		"other algorithms": {keys: string(pemOf(t, &ecKey().PublicKey)), algorithms: []string{"RS256"}, want: "no key fits"},
		"none at all":      {keys: string(secret), algorithms: []string{"none"}, want: "unknown algorithm"},
		"too many":         {keys: strings.Repeat(string(pemOf(t, &ecKey().PublicKey)), maxKeys+1), want: "more than"},
	} {
		if _, err := New(&Options{JWT: &JWT{Keys: []byte(c.keys), Algorithms: c.algorithms}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// What is public is no secret: whoever has it could make tokens. So a file of a
// public key in a form that is not read is refused, and never taken for a secret.
func TestPublicIsNoSecret(t *testing.T) {
	public := pemOf(t, &rsaKey().PublicKey)
	block, _ := pem.Decode(public)
	b64 := base64.StdEncoding.EncodeToString
	set := string(toJSON(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk(&rsaKey().PublicKey, "", "")}}))
	own := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, own, own, edKey().Public(), edKey())
	if err != nil {
		t.Fatal(err)
	}
	ecDER, _ := x509.MarshalPKIXPublicKey(&ecKey().PublicKey)
	for name, keys := range map[string]string{
		"DER":                     string(block.Bytes),
		"DER of PKCS #1":          string(x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)),
		"DER of a certificate":    string(der),
		"base64 without frame":    b64(block.Bytes),
		"... in lines":            strings.Join(strings.Split(string(public), "\n")[1:5], "\n"),
		"... of an EC key":        b64(ecDER),
		"... for URLs":            base64.RawURLEncoding.EncodeToString(block.Bytes),
		"... of a certificate":    b64(der),
		"OpenSSH":                 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEW8vmsGjzCq7vRRVdPTUqcFP2nLfYkHAqBu5qNXRYVm alice",
		"OpenSSH, EC":             "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY= alice",
		"the OpenSSH of RFC 4716": "---- BEGIN SSH2 PUBLIC KEY ----\nAAAAC3NzaC1lZDI1NTE5AAAAIEW8vmsGjzCq7vRRVdPTUqcFP2nLfYkH\n---- END SSH2 PUBLIC KEY ----",
		"a page":                  "<!DOCTYPE html><title>no such file, it says at some length</title>",
		"an address":              "https://login.example.com/.well-known/jwks.json",
		"what a proxy says":       "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
		"a list of them":          "0123456789abcdef0123456789abcdef\nfedcba9876543210fedcba9876543210",
		"with a space behind":     "0123456789abcdef0123456789abcdef ",
	} {
		if keys, err := parseKeys([]byte(keys), nil); err == nil {
			t.Errorf("%s: is taken for %T", name, keys[0].value)
		}
	}
	// These can be read.
	for name, keys := range map[string]string{
		"text in front":    "subject=CN = login.example.com\n" + string(public),
		"a mark in front":  "\ufeff" + string(public),
		"a marked set":     "\ufeff" + set,
		"Windows' newline": strings.ReplaceAll(string(public), "\n", "\r\n"),
	} {
		keys, err := parseKeys([]byte(keys), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if _, ok := keys[0].value.(*rsa.PublicKey); !ok {
			t.Errorf("%s: is taken for %T", name, keys[0].value)
		}
	}
}

// A secret is every byte of its file, but for the end of a line of text.
func TestSecretBytes(t *testing.T) {
	text := string(secret)
	for file, want := range map[string]string{
		text: text, text + "\n": text, text + "\r\n": text, text + "\n\n": text,
		"\n\x00" + text + "\xff\n":  "\n\x00" + text + "\xff\n",
		"\t" + text[:30] + "\x8a\n": "\t" + text[:30] + "\x8a\n",
	} {
		keys, err := parseKeys([]byte(file), nil)
		if err != nil {
			t.Errorf("%q: %v", file, err)
		} else if got, _ := keys[0].value.([]byte); string(got) != want {
			t.Errorf("%q: %q", file, got)
		}
	}
}

// RFC 7517, 5: keys of a set that are of no known kind are left out.
func TestUnknownKeysOfASet(t *testing.T) {
	good := string(toJSON(t, jwk(&ecKey().PublicKey, "e", "")))
	for name, other := range map[string]string{
		"a curve":       `{"kty":"EC","crv":"secp256k1","x":"WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis","y":"y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE"}`,
		"another curve": `{"kty":"OKP","crv":"Ed448","x":"X9dEm1m0Yf0s54fsYWrUah2hNCSFpw4fig6nXYDpZ3jt8SR2m0bHBhvWeD3x5Q9s0foavq_oJWGA"}`,
		"for agreement": `{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}`,
		"a kind":        `{"kty":"LATTICE"}`,
		"an algorithm":  strings.Replace(good, `"kid"`, `"alg":"ES999","kid"`, 1),
	} {
		v, err := newVerifier(&JWT{Keys: []byte(`{"keys":[` + other + `,` + good + `]}`)}, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := v.user(sign(t, jose.ES256, ecKey(), "e", soon(nil))); got != "alice" {
			t.Errorf("%s: %s", name, got)
		}
	}
}
