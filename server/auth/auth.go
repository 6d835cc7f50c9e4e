// Package auth tells who makes a request: by HTTP Basic and a file of users (RFC
// 7617), or by a JSON Web Token (RFC 7519) in a header, a cookie, the query or a
// WebSocket subprotocol. It knows nothing of servers and routes.
//
//	auth.go     what is asked of a request, and the answers
//	basic.go    names and passwords
//	users.go    the file of users
//	hash.go     what passwords are stored as
//	costs.go    what checking them may cost
//	known.go    which of them were right
//	credentials.go  what a request carries, as a digest
//	token.go    where a token stands in a request
//	tokens.go   tokens without a Guard
//	jwt.go      whether a token is good
//	keys.go     what it must be signed with
//	secret.go   of that, a secret
//	reread.go   files that are read again when they change
package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say who may come. Users and JWT may both be there: then either will do.
type Options struct {
	Realm string   // told to clients; "" is "site"
	Users string   // a file of users, "" for none
	JWT   *JWT     // nil for none
	Roles []string // of which a user must have one; none: all users may come

	// Costs bounds the work for passwords: nil is one of its own. Guards should
	// share one, those that come after others too.
	Costs *Costs

	// Reread is told when a file was read again, or why that failed; then what it
	// said before stays in force. It may be nil.
	Reread func(file string, err error)
}

// A Guard is Options at work. Any number of goroutines may use it.
type Guard struct {
	basic *basic
	jwt   *verifier
	from  []source
	roles []string
	ask   []string // values of WWW-Authenticate
	salt  [16]byte // of digests
}

// New reads the files. Its error says what is wrong with them.
func New(o *Options) (*Guard, error) {
	g := &Guard{roles: slices.Clone(o.Roles)}
	realm := o.Realm
	if realm == "" {
		realm = "site"
	}
	realm = strconv.Quote(realm)
	rand.Read(g.salt[:])
	var err error
	if o.Users != "" {
		if g.basic, err = newBasic(o); err != nil {
			return nil, err
		}
		g.ask = append(g.ask, "Basic realm="+realm+`, charset="UTF-8"`)
	}
	if o.JWT != nil {
		if g.jwt, err = newVerifier(o.JWT, o.Reread); err != nil {
			return nil, err
		}
		if g.from, err = parseSources(o.JWT.From); err != nil {
			return nil, err
		}
		g.ask = append(g.ask, "Bearer realm="+realm)
	}
	if g.basic == nil && g.jwt == nil {
		return nil, errors.New("auth: neither users nor tokens")
	}
	return g, nil
}

// A User is who makes a request.
type User struct {
	Name  string // of a token its subject; a stranger's text: escape it before it is shown
	Roles []string

	// Expires is when the user may not be here any longer; zero: never.
	Expires time.Time
}

// A Refusal is the answer to a request that may not pass.
type Refusal struct {
	Status int         // 401, 403, or 503 if too many passwords are waiting to be checked
	Header http.Header // fields of the answer
	Err    error       // why: for the log, without any secret
}

// Check returns the user who makes the request, or the answer. client is whose
// part of the work it is; requests of one client wait for each other.
//
// Tokens in the query and in subprotocols are taken out of the request, whether
// they are good or not, so that no log, no handler and no answer has them.
func (g *Guard) Check(r *http.Request, client netip.Prefix) (*User, *Refusal) {
	tokens := take(r, g.from)
	user, err := g.user(r, tokens, client)
	switch {
	case errors.Is(err, errBusy):
		return nil, &Refusal{http.StatusServiceUnavailable, http.Header{"Retry-After": {"5"}}, err}
	case err != nil:
		ask := slices.Clone(g.ask)
		if len(tokens) > 0 { // RFC 6750, 3.1
			ask[len(ask)-1] += `, error="invalid_token"`
		}
		return nil, &Refusal{http.StatusUnauthorized, http.Header{"Www-Authenticate": ask}, err}
	case len(g.roles) > 0 && !slices.ContainsFunc(g.roles, func(role string) bool { return slices.Contains(user.Roles, role) }):
		return nil, &Refusal{http.StatusForbidden, http.Header{}, errRole}
	}
	return user, nil
}

var (
	errNothing = errors.New("no credentials")
	errRole    = errors.New("the user has none of the roles")
	errTwice   = errors.New("several credentials")
)

func (g *Guard) user(r *http.Request, tokens []string, client netip.Prefix) (*User, error) {
	lines := r.Header["Authorization"]
	if len(lines) > 1 {
		return nil, errTwice
	}
	err := errNothing
	if len(tokens) > 0 {
		if slices.ContainsFunc(tokens, func(other string) bool { return other != tokens[0] }) {
			return nil, errTwice // which of them counts?
		}
		var u *User
		if u, err = g.jwt.verify(tokens[0], time.Now()); err == nil {
			return u, nil
		}
	}
	if g.basic != nil && len(lines) == 1 {
		if isBasic(lines[0]) {
			return g.basic.verify(r, client)
		}
	}
	return nil, err
}

// isBasic reports whether a line of Authorization has a password. RFC 7617, 2.
func isBasic(line string) bool {
	scheme, _, _ := strings.Cut(line, " ")
	return strings.EqualFold(scheme, "Basic")
}

// userKey is the key of the *User in the context of a request.
type userKey struct{}

// With returns r with its user.
func With(r *http.Request, u *User) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), userKey{}, u))
}

// Of returns the user who makes a request, nil if nobody has asked.
func Of(r *http.Request) *User {
	u, _ := r.Context().Value(userKey{}).(*User)
	return u
}
