package auth

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

// Tokens is a JWT at work for those who let everybody come, and ask later. Any number
// of goroutines may use it.
type Tokens struct {
	v    *verifier
	from []source
	salt [16]byte // of digests
}

// NewTokens reads the keys. reread is that of Options.
func NewTokens(o *JWT, reread func(file string, err error)) (*Tokens, error) {
	v, err := newVerifier(o, reread)
	if err != nil {
		return nil, err
	}
	t := &Tokens{v: v}
	rand.Read(t.salt[:])
	t.from, err = parseSources(o.From)
	return t, err
}

// Take takes the token out of a request, as Guard.Check does; "" without one.
func (t *Tokens) Take(r *http.Request) (string, error) {
	tokens := take(r, t.from)
	if len(tokens) == 0 {
		return "", nil
	}
	if slices.ContainsFunc(tokens, func(other string) bool { return other != tokens[0] }) {
		return "", errTwice
	}
	return tokens[0], nil
}

// Verify returns the user of a token, and all that it says.
func (t *Tokens) Verify(token string, now time.Time) (*User, map[string]json.RawMessage, error) {
	return t.v.read(token, now)
}

// Secret reports what Guard.Secret does.
func (t *Tokens) Secret() bool { return t.v.secret() }

// Expired reports whether Verify has refused a token as it is not good any more.
func Expired(err error) bool { return errors.Is(err, jwt.ErrExpired) }

// A Lines is a file with one secret a line, read again when it changes.
type Lines struct{ file *reread[[]string] }

// NewLines reads the file. check says what is wrong with a line; empty ones, and those
// that begin with #, are left out. reread is that of Options.
func NewLines(file string, check func(string) error, reread func(file string, err error)) (*Lines, error) {
	f, err := newReread(file, func(text []byte) ([]string, error) { return parseLines(text, check) }, reread)
	if err != nil {
		return nil, err
	}
	return &Lines{f}, nil
}

func parseLines(text []byte, check func(string) error) (list []string, err error) {
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := check(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		list = append(list, line)
	}
	if list == nil {
		return nil, errors.New("there is nothing in it")
	}
	return list, nil
}

// Get returns the lines.
func (l *Lines) Get() []string { return *l.file.get() }
