package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// users is what a file of users says: a line "name:hash" for each, or
// "name:hash:role,role". Empty lines and those that begin with # are nothing.
type users struct {
	byName map[string]*account
	all    []*account // in the order of the file; never empty
}

// An account is one user.
type account struct {
	name  string
	hash  hash
	text  string // the hash as the file has it
	roles []string
}

func parseUsers(text []byte) (*users, error) {
	u := &users{byName: make(map[string]*account)}
	if !utf8.Valid(text) {
		return nil, errors.New("the file is not UTF-8")
	}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		n++
		line = strings.TrimRight(line, "\r\n\t ")
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := parseAccount(line)
		if err == nil && u.byName[a.name] != nil {
			err = errors.New("this user is there already")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		u.byName[a.name] = a
		u.all = append(u.all, a)
	}
	if len(u.all) == 0 {
		return nil, errors.New("there are no users; a line is made by: htpasswd -nB -C 10 NAME")
	}
	return u, nil
}

func parseAccount(line string) (*account, error) {
	name, rest, ok := strings.Cut(line, ":")
	text, roles, _ := strings.Cut(rest, ":")
	switch {
	case !ok:
		return nil, errors.New("a line is name:hash or name:hash:role,role")
	case name == "" || strings.ContainsFunc(name, unicode.IsControl):
		return nil, errors.New("this is not the name of a user")
	}
	a := &account{name: name, text: text}
	var err error
	if a.hash, err = parseHash(text); err != nil {
		return nil, err
	}
	for role := range strings.SplitSeq(roles, ",") {
		if role = strings.TrimSpace(role); role != "" {
			a.roles = append(a.roles, role)
		}
	}
	return a, nil
}
