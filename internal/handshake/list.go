package handshake

import (
	"errors"
	"iter"
	"strings"
)

// maxMembers bounds the members of every list, parameters of extensions
// included. Real peers send less than ten.
const maxMembers = 128

var (
	errListToken = errors.New("list member is not a token (RFC 9110, 5.6.2)")
	errListLong  = errors.New("list has more than 128 members")
	errListEmpty = errors.New("list is empty, or a member of it (RFC 9110, 5.6.1.1)")
	errListTwice = errors.New("list names a member twice (RFC 6455, 4.1)")
)

// ParseTokens reads lists of tokens, such as Connection, over any number of
// header lines. Empty members are skipped. RFC 9110, 5.6.1.2.
func ParseTokens(values []string) ([]string, error) {
	var tokens []string
	for m := range members(values) {
		switch {
		case m == "":
			continue
		case !isToken(m):
			return nil, errListToken
		case len(tokens) == maxMembers:
			return nil, errListLong
		}
		tokens = append(tokens, m)
	}
	return tokens, nil
}

// ParseSubprotocols reads Sec-WebSocket-Protocol of a request, over any number
// of header lines: tokens that are neither empty nor repeated; they differ by
// case. RFC 6455, 4.1 and 11.3.4.
func ParseSubprotocols(values []string) ([]string, error) {
	var names []string
	for m := range members(values) {
		switch {
		case m == "":
			return nil, errListEmpty
		case !isToken(m):
			return nil, errListToken
		case len(names) == maxMembers:
			return nil, errListLong
		}
		for _, n := range names { // short by maxMembers
			if n == m {
				return nil, errListTwice
			}
		}
		names = append(names, m)
	}
	return names, nil
}

// hasUpgrade looks for websocket in Upgrade lines, whose members are a token
// each, or two with a slash between them. RFC 9110, 7.8.
func hasUpgrade(values []string) (bool, error) {
	found, n := false, 0
	for m := range members(values) {
		if m == "" {
			continue
		}
		if n++; n > maxMembers {
			return false, errListLong
		}
		name, version, versioned := strings.Cut(m, "/")
		if !isToken(name) || versioned && !isToken(version) {
			return false, errListToken
		}
		if !versioned && strings.EqualFold(name, "websocket") {
			found = true
		}
	}
	return found, nil
}

// hasToken looks for a token, without regard to case, in lines of tokens.
func hasToken(values []string, want string) (bool, error) {
	tokens, err := ParseTokens(values)
	for _, t := range tokens {
		if strings.EqualFold(t, want) {
			return true, nil
		}
	}
	return false, err
}

// members yields what stands between the commas of all lines, trimmed. It knows
// no quoted strings.
func members(values []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range values {
			for more := true; more; {
				var m string
				m, v, more = strings.Cut(v, ",")
				if !yield(strings.Trim(m, " \t")) {
					return
				}
			}
		}
	}
}

// isToken: RFC 9110, 5.6.2. The same set as the token of RFC 2616, which RFC
// 6455 refers to.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tchar[s[i]] {
			return false
		}
	}
	return s != ""
}

var tchar = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()
