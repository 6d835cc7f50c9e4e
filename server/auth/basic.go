package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A basic checks names and passwords. Browsers send them with each request: those
// that were right are remembered for a while, as a digest that nobody can turn back.
type basic struct {
	users *reread[*users]
	costs *Costs
	seed  maphash.Seed
	key   []byte // of the digests

	mu    sync.Mutex
	known map[digest]time.Time // until when
}

// A digest is of a name, a password and the account that they are right for.
type digest [sha256.Size]byte

const (
	knownFor = 5 * time.Minute
	maxKnown = 4096
)

func newBasic(o *Options) (*basic, error) {
	f, err := newReread(o.Users, parseUsers, o.Reread)
	if err != nil {
		return nil, err
	}
	b := &basic{users: f, costs: o.Costs, seed: maphash.MakeSeed(), key: make([]byte, sha256.Size), known: make(map[digest]time.Time)}
	rand.Read(b.key)
	if b.costs == nil {
		b.costs = NewCosts()
	}
	return b, nil
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
		checked = all.all[maphash.String(b.seed, name)%uint64(len(all.all))]
	}
	d := b.digest(name, password, checked)
	if a != nil && b.knows(d, time.Now()) {
		return a.user(), nil
	}
	right := false
	if err := b.costs.spend(r.Context(), client, checked.hash, func() {
		// The one before may have been of the same page.
		right = a != nil && b.knows(d, time.Now()) || checked.hash.matches([]byte(password))
	}); err != nil {
		return nil, err
	}
	if !right || a == nil {
		return nil, errPassword
	}
	b.learn(d, time.Now())
	return a.user(), nil
}

// hasControls reports whether there is what a name or a password must not have: RFC
// 7617, 2. To bcrypt "a" and "a\x00a" are the same password.
func hasControls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (a *account) user() *User { return &User{Name: a.name, Roles: a.roles} }

// digest is of everything that decides, each with its length in front.
func (b *basic) digest(name, password string, a *account) (d digest) {
	m := hmac.New(sha256.New, b.key)
	for _, s := range []string{name, password, a.name, a.text} {
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		m.Write([]byte(s))
	}
	m.Sum(d[:0])
	return d
}

func (b *basic) knows(d digest, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.known[d])
}

func (b *basic) learn(d digest, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.known) >= maxKnown {
		clear(b.known)
	}
	b.known[d] = now.Add(knownFor)
}
