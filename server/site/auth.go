package site

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Auth says which users may come to a route. A route has it whole from the top
// level or from itself; one that says only Role has the rest from the top level.
type Auth struct {
	From Place

	// Off: everybody may come. Then there is nothing else.
	Off bool

	Basic BasicAuth
	JWT   JWT
	Role  Setting[[]string] // of which a user must have one; empty: all users may come
}

// BasicAuth is HTTP Basic; it is there if Users is set.
type BasicAuth struct {
	Realm Setting[string]
	Users Setting[string] // a file; relative ones are resolved already
}

// JWT are the tokens that are good; they are there if Keys is set.
type JWT struct {
	Keys       Setting[Keys]
	Algorithms Setting[[]string] // empty: those that fit the keys
	Issuer     Setting[[]string] // empty: any
	Audience   Setting[[]string] // empty: none
	Leeway     Setting[time.Duration]
	Sources    Setting[[]string] // auth.jwt.from
	Roles      Setting[string]   // the claim that has them
}

// Keys are what tokens are signed with: a file, or the keys themselves as JSON or
// PEM.
type Keys struct {
	File string
	Text []byte
}

func (a *Auth) fields() []field {
	return []field{
		{name: "basic", to: nested{list: a.Basic.fields()}, doc: "Names and passwords: HTTP Basic. Only over TLS are they safe on their way."},
		{name: "jwt", to: nested{list: a.JWT.fields()}, doc: "JSON Web Tokens."},
		{name: "role", to: texts(&a.Role, "role", checkRole), none: "all users",
			doc: "Of these roles a user must have one; others get 403."},
	}
}

func (b *BasicAuth) fields() []field {
	return []field{
		{name: "realm", to: text(&b.Realm, "text", checkRealm), def: `'site'`,
			doc: "What a browser shows when it asks for a password."},
		{name: "users", to: fileName(&b.Users, "file"), required: true, none: "'users'",
			doc: "A file with a line `name:hash` or `name:hash:role,role` for each user, with bcrypt (`htpasswd -nB -C 10 NAME`) or argon2id hashes. Read again when it changes."},
	}
}

func (j *JWT) fields() []field {
	return []field{
		{name: "keys", to: keysBinding(&j.Keys), required: true, none: "'keys.json'",
			doc: "What tokens must be signed with: a file, read again when it changes, or the keys themselves. JSON Web Keys (one, a list or `{ keys: […] }`), " +
				"PEM of public keys or certificates, or a file with a secret: 32 bytes or more, as a text without spaces."},
		{name: "algorithms", to: texts(&j.Algorithms, "name", checkAlgorithm), none: "those that fit the keys",
			doc: "The algorithms that tokens may be signed with: " + strings.Join(algorithms, ", ") + "."},
		{name: "issuer", to: texts(&j.Issuer, "text", checkClaim), none: "any",
			doc: "Of these one must be the token's `iss`."},
		{name: "audience", to: texts(&j.Audience, "text", checkClaim), none: "none",
			doc: "Of these one must be in the token's `aud`. Without it tokens that have an `aud` are refused, as they are for somebody else."},
		{name: "leeway", to: someDuration(&j.Leeway), def: `'30 s'`,
			doc: "How far clocks may differ, for the token's `exp`, which it must have, and `nbf`."},
		{name: "from", to: texts(&j.Sources, "source", checkSource), def: `['header', 'subprotocol']`,
			doc: "Where a token stands, the first that is there counts: `'header'` (`Authorization: Bearer`), `'cookie:NAME'`, `'query:NAME'`, " +
				"`'subprotocol'` (one that is offered as `bearer.TOKEN`, besides the real ones)."},
		{name: "roles", to: text(&j.Roles, "claim", nil), none: "`roles` and `role`",
			doc: "The claim that has the user's roles: a list, or a text with spaces between them. `'realm_access.roles'` is one inside another."},
	}
}

var algorithms = []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func checkAlgorithm(s string) (string, error) {
	if slices.Contains(algorithms, s) {
		return s, nil
	}
	wrong := quote(s) + " is not an algorithm"
	if strings.EqualFold(s, "none") {
		return "", problem(wrong, "a token that is not signed is worth nothing")
	}
	if w := nearest(s, algorithms); w != "" {
		return "", problem(wrong, "did you mean '"+w+"'?")
	}
	return "", problem(wrong, "known here: "+strings.Join(algorithms, ", "))
}

func checkClaim(s string) (string, error) {
	if s == "" {
		return "", problem("found an empty text", "leave the key out if there is none")
	}
	return s, nil
}

func checkRole(s string) (string, error) {
	if s == "" || strings.Contains(s, ",") {
		return "", problem(quote(s)+" is not a role", "a role is a word such as 'admin'")
	}
	return s, nil
}

// checkRealm: it stands in a header field.
func checkRealm(s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return problem(quote(s)+" is not a realm", "write it in letters, digits and signs of ASCII")
		}
	}
	return nil
}

func checkSource(s string) (string, error) {
	kind, name, named := strings.Cut(s, ":")
	switch kind {
	case "header", "subprotocol":
		if !named {
			return s, nil
		}
	case "cookie", "query":
		if name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == "" {
			return s, nil
		}
	}
	return "", problem(quote(s)+" is not a place of tokens", "'header', 'subprotocol', 'cookie:NAME' or 'query:NAME' is wanted")
}

// keysBinding binds the keys of tokens.
func keysBinding(p *Setting[Keys]) binding {
	return shaped[Keys]{scalar[Keys]{p, "file, or keys", func(d *decoder, n *Node) (k Keys, ok bool) {
		switch {
		case n.Kind == Object || n.Kind == Array:
			text, err := json.Marshal(n.Any())
			if err != nil {
				d.fail(n, "found what is no JSON", "JSON Web Keys are wanted")
			}
			return Keys{Text: text}, err == nil
		case n.Kind != String:
			d.wrongKind(n, "the name of a file, or keys")
			return k, false
		case strings.HasPrefix(strings.TrimSpace(n.Text), "-----BEGIN "):
			return Keys{Text: []byte(n.Text)}, true
		}
		var name Setting[string]
		before := len(d.errs)
		fileName(&name, "file").read(d, n)
		return Keys{File: name.Value}, len(d.errs) == before
	}}, keywords{"anyOf": []any{keywords{"type": "string", "minLength": 1}, keywords{"type": []string{"object", "array"}}}}}
}

// String shows no key.
func (k Keys) String() string {
	if k.File == "" {
		return notShown
	}
	return quoteJSON5(k.File)
}

// An authBinding reads 'none' or an object.
type authBinding struct{ p **Auth }

func (authBinding) what() string { return "object or `'none'`" }

// in returns what holds, or something to describe it by.
func (b authBinding) in() *Auth {
	if *b.p == nil {
		return new(Auth)
	}
	return *b.p
}

func (b authBinding) fields() []field { return b.in().fields() }

func (b authBinding) read(d *decoder, n *Node) {
	a := &Auth{From: d.at(n)}
	switch {
	case n.Kind == String && n.Text == "none":
		a.Off = true
		*b.p = a
		return
	case n.Kind != Object:
		d.wrongKind(n, "an object { … } or 'none'")
		return
	}
	d.defaults(a.fields())
	basic, jwt := n.member("basic"), n.member("jwt")
	if top := *b.p; basic == nil && jwt == nil && top != nil && !top.Off {
		a.Basic, a.JWT, a.Role = top.Basic, top.JWT, top.Role
	}
	d.object(n, a.fields())
	a.JWT.full(d)
	if n.member("role") != nil && a.Role.Set() && len(a.Role.Value) == 0 {
		d.failAt(a.Role.From, "found an empty list", "name roles; a route that says basic or jwt itself, and no role, is for all users")
	}
	if basic == nil && jwt == nil && !a.Basic.Users.Set() && !a.JWT.Keys.Set() && d.whole {
		d.fail(n, "neither users nor tokens are named", "add basic: { users: 'users' } or jwt: { keys: 'keys.json' }")
	}
	*b.p = a
}

// full finds fault with empty lists: whoever writes one means to let nobody come.
func (j *JWT) full(d *decoder) {
	for _, list := range []struct {
		of      *Setting[[]string]
		without string
	}{
		{&j.Algorithms, "those that fit the keys"}, {&j.Issuer, "any"}, {&j.Audience, "none"},
		{&j.Sources, "'header' and 'subprotocol'"},
	} {
		if list.of.Set() && len(list.of.Value) == 0 {
			d.failAt(list.of.From, "found an empty list", "leave the key out for "+list.without)
		}
	}
}

func (b authBinding) schema() keywords {
	return keywords{"anyOf": []any{keywords{"const": "none"}, objectSchema(new(Auth).fields())}}
}

func (b authBinding) tell(key, none string) []InForce {
	a := *b.p
	switch {
	case a == nil:
		return []InForce{{Key: key, Value: none}}
	case a.Off:
		return []InForce{{key, "'none'", a.From}}
	}
	var list []InForce
	groups := map[string]bool{"basic": a.Basic.Users.Set(), "jwt": a.JWT.Keys.Set()}
	for _, f := range a.fields() {
		g, isGroup := f.to.(nested)
		switch {
		case !isGroup:
			list = append(list, f.to.(teller).tell(key+"."+f.name, f.none)...)
		case groups[f.name]:
			for _, of := range g.list {
				list = append(list, of.to.(teller).tell(key+"."+f.name+"."+of.name, of.none)...)
			}
		}
	}
	return list
}
