package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
)

// A key is what a signature may be checked with.
type key struct {
	id         string
	algorithms []jose.SignatureAlgorithm // that fit it, of those that are allowed
	value      any                       // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// Algorithms are those that there are.
func Algorithms() []string {
	return []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// maxKeys bounds what a token that names no key costs.
const maxKeys = 32

// parseKeys reads a JSON Web Key, a set of them (RFC 7517), PEM, or else a secret
// for HS256 and its like.
func parseKeys(text []byte, allowed []string) ([]key, error) {
	file := text
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	var keys []key
	var err error
	switch {
	case len(text) == 0:
		return nil, errors.New("there is no key")
	case (text[0] == '{' || text[0] == '[') && utf8.Valid(text):
		keys, err = parseJWKs(text)
	case bytes.Contains(text, []byte("-----BEGIN ")): // others may have written something in front
		keys, err = parsePEM(text)
	default:
		var secret []byte
		secret, err = parseSecret(file)
		keys = []key{{value: secret}}
	}
	if err != nil {
		return nil, err
	}
	var usable []key
	for i, k := range keys {
		fits, err := fitting(k.value)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		named := k.algorithms
		k.algorithms = nil
		for _, a := range fits {
			if (len(allowed) == 0 || slices.Contains(allowed, string(a))) && (named == nil || slices.Contains(named, a)) {
				k.algorithms = append(k.algorithms, a)
			}
		}
		if len(k.algorithms) > 0 {
			usable = append(usable, k)
		}
	}
	switch {
	case len(usable) == 0:
		return nil, errors.New("no key fits the algorithms")
	case len(usable) > maxKeys:
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	return usable, nil
}

// parseJWKs reads a key, a list of keys, or an object with one.
func parseJWKs(text []byte) ([]key, error) {
	list := []json.RawMessage{text}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if text[0] == '[' {
		list = nil
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("no JSON Web Keys: %w", err)
		}
	} else if json.Unmarshal(text, &set) == nil && set.Keys != nil {
		list = set.Keys
	}
	var keys []key
	for i, raw := range list {
		if !signs(raw) {
			continue
		}
		var k jose.JSONWebKey
		if err := json.Unmarshal(raw, &k); err != nil {
			return nil, fmt.Errorf("key %d is no JSON Web Key", i+1)
		}
		value := k.Key
		if _, secret := value.([]byte); !secret {
			if !k.Valid() {
				return nil, fmt.Errorf("key %d is no JSON Web Key", i+1)
			}
			value = k.Public().Key // also of a private one, which need not be here
		}
		one := key{id: k.KeyID, value: value}
		if k.Algorithm != "" {
			one.algorithms = []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.Algorithm)}
		}
		keys = append(keys, one)
	}
	return keys, nil
}

// signs reports whether a JSON Web Key is of a kind that there is a signature for.
// Others may stand in a set beside it. RFC 7517, 5; RFC 7518, 6.2.1.1; RFC 8037, 2.
func signs(raw []byte) bool {
	var k struct {
		Type  string `json:"kty"`
		Use   string `json:"use"`
		Curve string `json:"crv"`
	}
	if json.Unmarshal(raw, &k) != nil {
		return true // what is wrong with it is told by who reads all of it
	}
	switch {
	case k.Use == "enc":
		return false
	case k.Type == "EC":
		return slices.Contains([]string{"P-256", "P-384", "P-521", ""}, k.Curve)
	case k.Type == "OKP":
		return k.Curve == "Ed25519" || k.Curve == ""
	}
	return slices.Contains([]string{"oct", "RSA", ""}, k.Type)
}

func parsePEM(text []byte) (keys []key, err error) {
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			break
		}
		var value any
		switch {
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			return nil, errors.New("this is a private key; the public one is enough")
		case b.Type == "CERTIFICATE":
			c, cerr := x509.ParseCertificate(b.Bytes)
			if err = cerr; err == nil {
				value = c.PublicKey
			}
		case b.Type == "RSA PUBLIC KEY":
			value, err = x509.ParsePKCS1PublicKey(b.Bytes)
		default:
			value, err = x509.ParsePKIXPublicKey(b.Bytes)
		}
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		keys = append(keys, key{value: value})
	}
	if len(keys) == 0 || len(bytes.TrimSpace(text)) > 0 {
		return nil, errors.New("no PEM of public keys or certificates")
	}
	return keys, nil
}

// fitting returns the algorithms that a key is for. What is too weak is for none.
func fitting(value any) ([]jose.SignatureAlgorithm, error) {
	switch k := value.(type) {
	case []byte: // RFC 7518, 3.2: at least as long as the hash
		fits := []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
		n := 0
		for _, size := range []int{32, 48, 64} {
			if len(k) >= size {
				n++
			}
		}
		if n == 0 {
			return nil, errors.New("a secret of less than 32 bytes can be guessed")
		}
		return fits[:n], nil
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return nil, errors.New("an RSA key of less than 2048 bits is too weak")
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, nil
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return []jose.SignatureAlgorithm{jose.ES256}, nil
		case 384:
			return []jose.SignatureAlgorithm{jose.ES384}, nil
		case 521:
			return []jose.SignatureAlgorithm{jose.ES512}, nil
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}, nil
	}
	return nil, fmt.Errorf("a key of the type %T is for no algorithm", value)
}
