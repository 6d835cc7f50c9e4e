package auth

import (
	"errors"
	"hash/maphash"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// A basic checks names and passwords. Browsers send them with each request: those
// that were right its Costs remember for a while.
type basic struct {
	users *reread[*users]
	costs *Costs
}

func newBasic(o *Options) (*basic, error) {
	f, err := newReread(o.Users, parseUsers, o.Reread)
	if err != nil {
		return nil, err
	}
	b := &basic{users: f, costs: o.Costs}
	if b.costs == nil {
		b.costs = NewCosts()
	}
	return b, nil
}

// Quick returns the names of the users whose hashes let passwords be tried quickly:
// by bcrypt below 10, or argon2id with less than 32 MiB times its passes.
func (g *Guard) Quick() (names []string) {
	if g.basic == nil {
		return nil
	}
	for _, a := range (*g.basic.users.get()).all {
		if a.hash.quick() {
			names = append(names, a.name)
		}
	}
	return names
}

var errPassword = errors.New("unknown user or wrong password")

// verify returns the user of an Authorization header of Basic. An unknown name
// costs what a wrong password does: the hash of some other user is checked, always
// the same one for a name.
func (b *basic) verify(r *http.Request, client netip.Prefix) (*User, error) {
	name, password, ok := r.BasicAuth()
	if !ok || hasControls(name) || hasControls(password) {
		return nil, errPassword
	}
	all := *b.users.get()
	a := all.byName[name]
	checked := a
	if a == nil {
		checked = all.all[maphash.String(b.costs.seed, name)%uint64(len(all.all))]
	}
	known := b.costs.known
	d := known.digest(name, password, checked)
	if a != nil && known.has(d, time.Now()) {
		return a.user(), nil
	}
	right := false
	if err := b.costs.spend(r.Context(), client, checked.hash, func() {
		// The one before may have been of the same page.
		right = a != nil && known.has(d, time.Now()) || checked.hash.matches([]byte(password))
	}); err != nil {
		return nil, err
	}
	if !right || a == nil {
		return nil, errPassword
	}
	known.add(d, time.Now())
	return a.user(), nil
}

// hasControls reports whether there is what a name or a password must not have: RFC
// 7617, 2. To bcrypt "a" and "a\x00a" are the same password.
func hasControls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (a *account) user() *User { return &User{Name: a.name, Roles: a.roles} }
