package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// JWT says which tokens are good.
type JWT struct {
	// File has the keys, or else Keys is them: a JSON Web Key or a set of them, PEM
	// of public keys or certificates, or a secret. A File is read again when it
	// changes.
	File string
	Keys []byte

	Algorithms []string // that may be used; none: all that fit the keys
	Issuer     []string // of which one must be the token's iss; none: any
	Audience   []string // of which one must be in the token's aud; none: the token must have none
	Leeway     time.Duration
	From       []string // where tokens stand, see ParseSource; none: DefaultFrom
	Roles      string   // the claim that has the roles, "a.b" if inside another; "": "roles" and "role"
}

// A verifier is a JWT at work.
type verifier struct {
	o    JWT
	file *reread[[]key] // nil: keys are fixed
	keys []key
}

func newVerifier(o *JWT, tell func(string, error)) (*verifier, error) {
	v := &verifier{o: *o}
	for _, a := range o.Algorithms {
		if !slices.Contains(Algorithms(), a) {
			return nil, fmt.Errorf("unknown algorithm %q", a)
		}
	}
	parse := func(text []byte) ([]key, error) { return parseKeys(text, v.o.Algorithms) }
	var err error
	if o.File != "" {
		v.file, err = newReread(o.File, parse, tell)
	} else {
		v.keys, err = parse(o.Keys)
	}
	return v, err
}

// Secret reports whether tokens are checked with a secret, which whoever has it can
// make tokens with.
func (g *Guard) Secret() bool {
	return g.jwt != nil && g.jwt.secret()
}

func (v *verifier) secret() bool {
	keys := v.keys
	if v.file != nil {
		keys = *v.file.get()
	}
	return slices.ContainsFunc(keys, func(k key) bool {
		_, secret := k.value.([]byte)
		return secret
	})
}

const (
	// maxToken bounds a token. A head has room for twice as much.
	maxToken = 8 << 10

	// maxTried is how many keys are tried for a token that does not say which.
	maxTried = 8
)

var (
	errTokenForm = errors.New("this is no token")
	errTokenKey  = errors.New("no key for the token, or it is not signed with it")
	errTokenExp  = errors.New("the token does not say when it expires")
	errTokenAud  = errors.New("the token is for others")
	errTokenIss  = errors.New("the token is of another issuer")
)

// verify returns the user of a token.
func (v *verifier) verify(token string, now time.Time) (*User, error) {
	u, _, err := v.read(token, now)
	return u, err
}

// read returns the user of a token, and all that it says. RFC 7519, 7.2.
func (v *verifier) read(token string, now time.Time) (*User, map[string]json.RawMessage, error) {
	keys := v.keys
	if v.file != nil {
		keys = *v.file.get()
	}
	if len(token) > maxToken {
		return nil, nil, errTokenForm
	}
	var all []jose.SignatureAlgorithm
	for _, k := range keys {
		all = append(all, k.algorithms...)
	}
	t, err := jwt.ParseSigned(token, all)
	if err != nil || len(t.Headers) != 1 {
		return nil, nil, errTokenForm
	}
	var c jwt.Claims
	var more map[string]json.RawMessage
	if err := claims(t, keys, &c, &more); err != nil {
		return nil, nil, err
	}
	u, err := v.check(&c, more, now)
	return u, more, err
}

// claims reads the claims once the signature is found to be good.
func claims(t *jwt.JSONWebToken, keys []key, into ...any) error {
	h, tried := t.Headers[0], 0
	for _, k := range keys {
		if h.KeyID != "" && k.id != "" && h.KeyID != k.id || !slices.Contains(k.algorithms, jose.SignatureAlgorithm(h.Algorithm)) {
			continue
		}
		if tried++; tried > maxTried {
			break
		}
		if err := t.Claims(k.value, into...); err == nil {
			return nil
		} else if !errors.Is(err, jose.ErrCryptoFailure) {
			return errTokenForm // signed, but not a set of claims
		}
	}
	return errTokenKey
}

// check looks at what a token says whose signature is good.
func (v *verifier) check(c *jwt.Claims, more map[string]json.RawMessage, now time.Time) (*User, error) {
	leeway := max(v.o.Leeway, 0)
	switch {
	case c.Expiry == nil:
		return nil, errTokenExp
	case len(v.o.Issuer) > 0 && !slices.Contains(v.o.Issuer, c.Issuer):
		return nil, errTokenIss
	case !v.forUs(c.Audience):
		return nil, errTokenAud
	}
	if err := c.ValidateWithLeeway(jwt.Expected{Time: now}, leeway); err != nil {
		return nil, fmt.Errorf("the token: %w", err)
	}
	expires := c.Expiry.Time().Add(leeway)
	if !now.Before(expires) { // it counts to the second, we count exactly
		return nil, jwt.ErrExpired
	}
	return &User{Name: c.Subject, Roles: roles(more, v.o.Roles), Expires: expires}, nil
}

// forUs: a token that names those it is for is for nobody else. RFC 7519, 4.1.3.
func (v *verifier) forUs(audience jwt.Audience) bool {
	if len(v.o.Audience) == 0 {
		return len(audience) == 0
	}
	return slices.ContainsFunc(v.o.Audience, audience.Contains)
}

// roles returns those of a claim: a text with spaces between them, or a list.
func roles(claims map[string]json.RawMessage, name string) (list []string) {
	names := []string{name}
	if name == "" {
		names = []string{"roles", "role"}
	}
	for _, name := range names {
		var text string
		var several []string
		value := claim(claims, name)
		if json.Unmarshal(value, &several) == nil {
			list = append(list, several...)
		} else if json.Unmarshal(value, &text) == nil {
			list = append(list, strings.Fields(text)...)
		}
	}
	return list
}

// claim returns the one of a name; "a.b" is also the b of a.
func claim(claims map[string]json.RawMessage, name string) json.RawMessage {
	if value, ok := claims[name]; ok {
		return value
	}
	outer, name, ok := strings.Cut(name, ".")
	var inner map[string]json.RawMessage
	if !ok || json.Unmarshal(claims[outer], &inner) != nil {
		return nil
	}
	return claim(inner, name)
}
